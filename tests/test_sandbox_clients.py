"""Requests that public clients send to Dataverse, over the sandbox's own socket, as the reference answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from p2c_lib.sandbox.dataverse.documented import ACTIONS, FUNCTIONS, documented
from p2c_lib.sandbox.dataverse.operations import BY_NAME, OPERATIONS
from p2c_lib.sandbox.process import Running
from tests.conftest import Sales
from tests.test_sandbox_rows import error_of

CRM = "Microsoft.Dynamics.CRM"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
def wire(sandbox: Running) -> Iterator[httpx.Client]:
    """A client of the running Sales side, at its Web API."""
    headers = {"Authorization": f"Bearer {sandbox.token}", "OData-MaxVersion": "4.0", "OData-Version": "4.0"}
    url = f"{sandbox.sales_url}/api/data/v9.2/"
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


def told(answer: httpx.Response) -> Any:
    """The body of a success."""
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["/API/Data/v9.2/", "/api/DATA/V9.0/"])
def test_the_route_has_no_case_and_what_is_behind_it_has(wire: httpx.Client, root: str) -> None:
    base = wire.base_url.copy_with(path=root)
    assert told(wire.get(f"{base}WhoAmI"))["UserId"]
    assert error_of(wire.get(f"{base}Accounts")) == (404, "0x8006088a")
    assert error_of(wire.get(f"{base}whoami")) == (404, "0x8006088a")
    assert error_of(wire.get(f"{base}accounts?$select=Name")) == (400, "0x80060888")


def test_so_it_is_in_batches_and_binds(wire: httpx.Client) -> None:
    head = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    body = f"{head}GET /API/data/v9.2/WhoAmI HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    answer = wire.post("$batch", content=body, headers={"Content-Type": "multipart/mixed; boundary=b"})
    assert "HTTP/1.1 200" in answer.text
    parent = told(wire.get("accounts?$select=accountid&$top=1"))["value"][0]["accountid"]
    bound = {"name": "bound", "parentaccountid@odata.bind": f"/API/Data/v9.2/accounts({parent})"}
    made = wire.post("accounts", json=bound, headers={"Prefer": "return=representation"})
    assert made.json()["_parentaccountid_value"] == parent
    assert wire.delete(f"accounts({made.json()['accountid']})").status_code == 204


def test_rows_are_reached_in_every_way_that_odata_has(wire: httpx.Client) -> None:
    parent = told(
        wire.get("contacts?$select=contactid,_parentcustomerid_value&$filter=_parentcustomerid_value ne null")
    )
    contact = next(row for row in parent["value"] if row["_parentcustomerid_value"])
    account, key = contact["_parentcustomerid_value"], contact["contactid"]
    number = told(wire.get(f"accounts({account})?$select=accountnumber"))["accountnumber"]
    other = told(wire.get(f"accounts?$select=accountid&$top=1&$filter=accountid ne {account}"))["value"][0]["accountid"]
    assert told(wire.get("accounts(accountnumber=@k)", params={"@k": f"'{number}'"}))["accountid"] == account
    assert told(wire.get(f"accounts({account})/{CRM}.account?$select=name"))["accountid"] == account
    assert told(wire.get(f"accounts/{CRM}.account?$top=1"))["value"]
    assert error_of(wire.get(f"accounts({account})/{CRM}.contact"))[0] == 404
    inner = f"accounts({account})/contact_customer_accounts"
    assert told(wire.get(f"{inner}({key})?$select=contactid"))["contactid"] == key
    assert told(wire.get(f"{inner}({key})/parentcustomerid_account/{CRM}.account/accountnumber"))["value"] == number
    assert error_of(wire.get(f"accounts({other})/contact_customer_accounts({key})"))[0] == 404
    listed = told(wire.get(f"{inner}/$ref"))
    assert listed["@odata.context"].endswith("$metadata#Collection($ref)")
    assert f"contacts({key})" in {row["@odata.id"].rpartition("/")[2] for row in listed["value"]}
    assert len(told(wire.get("accounts/$ref?$top=2"))["value"]) == 2


@pytest.mark.parametrize("path", ["accounts({key})", "accounts"])
def test_the_accept_header_says_how_much_is_told(sales: Sales, path: str) -> None:
    text = 'he said "@odata.etag":"x", and left'
    key = sales.create("accounts", name=text, revenue=12.5, primarycontactid={"lastname": "L"})
    url = f"{path.replace('{key}', key)}?$select=name,revenue,createdon&$expand=primarycontactid($select=lastname)"
    found = {}
    for level in ("none", "minimal", "full"):
        answer = sales.client.get(url, headers={"Accept": f"application/json;odata.metadata={level};q=1.0, text/plain"})
        assert answer.headers["Content-Type"] == f"application/json; odata.metadata={level}"
        body = answer.json()
        assert ("@odata.context" in body) is (level != "none")
        found[level] = body["value"][0] if "value" in body else body
        assert ('"revenue":12.5000' in answer.text.replace(": ", ":")) is True
    values = {name: value for name, value in found["minimal"].items() if "@" not in name}
    assert {name for name in found["none"] if "@" in name} == set()
    assert found["none"]["name"] == found["full"]["name"] == text
    assert found["full"]["@odata.type"] == f"#{CRM}.account"
    assert found["full"]["@odata.editLink"] == f"accounts({key})"
    assert found["full"]["@odata.id"] == f"http://sales.test/api/data/v9.2/accounts({key})"
    assert found["full"]["createdon@odata.type"] == "#DateTimeOffset"
    assert found["full"]["revenue@odata.type"] == "#Decimal"
    assert "name@odata.type" not in found["full"]
    assert found["full"]["primarycontactid"]["@odata.type"] == f"#{CRM}.contact"
    assert found["none"].keys() == values.keys()


# -- query options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("accounts?$skip=1", "$skip"),
        ("accounts?$format=json", "$format"),
        ("accounts?utm_source=x", "utm_source"),
        ("accounts?api-version=9.1", "api-version"),
        ("accounts?fetchXml=<fetch/>&$select=name", "$select"),
        ("accounts?savedQuery=1", "savedQuery"),
        ("accounts/$count?$top=1", "$top"),
        ("accounts/$ref?$select=name", "$select"),
        ("accounts({account})?$filter=name eq 'x'", "$filter"),
        ("accounts({account})?$top=1", "$top"),
        ("accounts({account})/name?$select=name", "$select"),
        ("accounts({account})/primarycontactid/$ref?$select=fullname", "$select"),
        ("sdkmessagefilters?$apply=aggregate($count as n)", "$apply"),
        ("sdkmessagefilters?$skiptoken=x", "$skiptoken"),
        ("sdkmessagefilters?fetchXml=<fetch/>", "fetchXml"),
        ("solutions?$search=x", "$search"),
        ("asyncoperations?$expand=owner", "'owner'"),
        ("asyncoperations?$select=nmae", "'nmae'"),
        ("sdkmessagefilters?$expand=sdkmessageid($filter=name eq 'x')", "$select only"),
        ("EntityDefinitions?$top=1", "$top"),
        ("EntityDefinitions?$orderby=LogicalName", "$orderby"),
        ("EntityDefinitions?$apply=x", "$apply"),
        ("EntityDefinitions?sql=x", "sql"),
        ("EntityDefinitions(LogicalName='account')?$filter=true", "$filter"),
        ("EntityDefinitions(LogicalName='account')?$expand=Attributes($top=1)", "$top"),
        ("EntityDefinitions(LogicalName='account')?$expand=Attributes($orderby=LogicalName)", "$orderby"),
        ("EntityDefinitions(LogicalName='account')/LogicalName?$select=x", "$select"),
        ("RelationshipDefinitions?$skiptoken=1", "$skiptoken"),
        ("GlobalOptionSetDefinitions?$orderby=Name", "$orderby"),
        ("$metadata?$format=json", "$format"),
        ("?$top=1", "$top"),
        ("WhoAmI?$filter=true", "$filter"),
        ("WhoAmI?$select=Nothing", "'Nothing'"),
    ],
)
def test_an_option_that_is_not_honoured_is_refused_by_name(wire: httpx.Client, path: str, option: str) -> None:
    account = told(wire.get("accounts?$select=accountid&$top=1"))["value"][0]["accountid"]
    answer = wire.get(path.replace("{account}", account))
    assert error_of(answer)[0] == 400
    assert option in answer.json()["error"]["message"]


def test_a_write_takes_the_options_of_its_answer_only(sales: Sales) -> None:
    key = sales.create("accounts", name="x")
    contact = {"primarycontactid": {"lastname": "Y"}}
    for method, path, body in (("POST", "accounts", {"name": "y", **contact}), ("PATCH", f"accounts({key})", {})):
        url = f"{path}?$select=name&$expand=primarycontactid($select=lastname)"
        full = sales.client.request(method, url, json=body, headers={"Prefer": "return=representation"}).json()
        assert set(full) >= {"name", "primarycontactid"}
        assert error_of(sales.client.request(method, f"{path}?$filter=true", json={}))[0] == 400
    for method, path in (("DELETE", f"accounts({key})?$select=name"), ("POST", "WinQuote?$top=1")):
        assert error_of(sales.client.request(method, path, json={}))[0] == 400
    assert sales.client.patch(f"accounts({key})?tag=from-a-test", json={"name": "z"}).status_code == 204


def test_small_sets_are_queried_like_tables(wire: httpx.Client) -> None:
    query = "$filter=contains(primaryobjecttypecode,'QUOTE') and sdkmessageid/name eq 'CreateMultiple'"
    rest = "&$orderby=primaryobjecttypecode desc&$select=primaryobjecttypecode&$count=true"
    rest += "&$expand=sdkmessageid($select=name)"
    page = told(wire.get(f"sdkmessagefilters?{query}{rest}"))
    assert [row["primaryobjecttypecode"] for row in page["value"]] == ["quotedetail", "quote"]
    assert page["@odata.count"] == 2
    assert all(row["sdkmessageid"]["name"] == "CreateMultiple" for row in page["value"])
    assert all("_sdkmessageid_value" not in row for row in page["value"])
    assert wire.get(f"sdkmessagefilters/$count?{query}").text == "2"
    one = page["value"][0]["sdkmessagefilterid"]
    assert told(wire.get(f"sdkmessagefilters({one})/primaryobjecttypecode"))["value"] == "quotedetail"
    found = told(wire.get("solutions?$select=version&$filter=uniquename eq 'MSDYNCE_prospecttocashintegration'"))
    assert [row["version"] for row in found["value"]] == ["1.0.0.0"]
    user = told(wire.get("WhoAmI"))["UserId"]
    settings = told(wire.get(f"usersettingscollection?$select=uilanguageid&$filter=systemuserid eq {user}&$top=1"))
    assert settings["value"][0]["uilanguageid"] == 1033
    assert told(wire.get(f"usersettingscollection({user})"))["localeid"] == 1033


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "members"),
    [
        ("WhoAmI()", {"BusinessUnitId", "UserId", "OrganizationId"}),
        ("WhoAmI?$select=UserId", {"UserId"}),
        ("RetrieveVersion()", {"Version"}),
        ("RetrieveTimestamp()", {"Timestamp"}),
        (
            "RetrieveCurrentOrganization(AccessType=@p1)?@p1=Microsoft.Dynamics.CRM.EndpointAccessType'Default'",
            {"Detail"},
        ),
        ("RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Internet')", {"Detail"}),
        ('RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["account"]', {"EntityRecordCountCollection"}),
        ("RetrieveMetadataChanges()", {"EntityMetadata", "ServerVersionStamp", "DeletedMetadata"}),
        ("RetrieveAvailableLanguages()", {"LocaleIds"}),
        ("RetrieveProvisionedLanguages()", {"RetrieveProvisionedLanguages"}),
        ("RetrieveInstalledLanguagePacks()", {"RetrieveInstalledLanguagePacks"}),
    ],
)
def test_functions_answer_with_their_response_type(wire: httpx.Client, call: str, members: set[str]) -> None:
    body = told(wire.get(call))
    name = call.partition("(")[0].partition("?")[0]
    assert body.pop("@odata.context").endswith(f"$metadata#{CRM}.{name}Response")
    assert set(body) == members


def test_the_organisation_tells_what_sdks_ask_first(wire: httpx.Client) -> None:
    detail = told(wire.get(f"RetrieveCurrentOrganization(AccessType={CRM}.EndpointAccessType'Default')"))["Detail"]
    assert detail["OrganizationId"] == told(wire.get("WhoAmI"))["OrganizationId"]
    assert detail["OrganizationVersion"] == told(wire.get("RetrieveVersion"))["Version"]
    ends = dict(zip(detail["Endpoints"]["Keys"], detail["Endpoints"]["Values"], strict=True))
    assert ends["WebApplication"] == str(wire.base_url.copy_with(path="/"))
    assert {"FriendlyName", "UniqueName", "UrlName", "EnvironmentId", "TenantId", "Geo", "State"} <= detail.keys()


def test_a_rate_and_a_right_are_told(wire: httpx.Client) -> None:
    query = "transactioncurrencies?$select=transactioncurrencyid,exchangerate&$filter=isocurrencycode eq 'EUR'"
    euro = told(wire.get(query))["value"][0]
    rate = told(wire.get(f"RetrieveExchangeRate(TransactionCurrencyId={euro['transactioncurrencyid']})"))
    assert rate["ExchangeRate"] == euro["exchangerate"]
    user = told(wire.get("WhoAmI"))["UserId"]
    target = f"{{'@odata.id':'transactioncurrencies({euro['transactioncurrencyid']})'}}".replace("'", '"')
    call = f"systemusers({user})/{CRM}.RetrievePrincipalAccess(Target=@t)?@t={target}"
    assert "WriteAccess" in told(wire.get(call))["AccessRights"]
    none = "00000000-0000-0000-0000-000000000001"
    assert error_of(wire.get(f"RetrieveExchangeRate(TransactionCurrencyId={none})")) == (404, "0x80040217")


@pytest.mark.parametrize(
    "call",
    [
        "RetrieveCurrentOrganization()",
        "RetrieveCurrentOrganization(AccessType='Nothing')",
        "RetrieveCurrentOrganization(AccessType=@p1)",
        "RetrieveVersion(Nothing=1)",
        "RetrieveTotalRecordCount(EntityNames=['nothing'])",
        "RetrieveTotalRecordCount(EntityNames=name eq 1)",
        "RetrieveMetadataChanges(Query=@p1)?@p1={",
        "RetrieveMetadataChanges(ClientVersionStamp=@p1)?@p1={}",
        'RetrieveMetadataChanges(Query=@p1)?@p1={"Properties":{"PropertyNames":["Nothing"]}}',
    ],
)
def test_arguments_that_do_not_fit_are_refused(wire: httpx.Client, call: str) -> None:
    assert error_of(wire.get(call))[0] == 400


def query_of(**parts: Any) -> dict[str, str]:
    """The alias that carries an EntityQueryExpression."""
    return {"@p1": json.dumps(parts)}


def condition(name: str, value: Any, operator: str = "Equals") -> dict[str, Any]:
    """Criteria of one condition."""
    told_as = {"Type": "System.String", "Value": value}
    one = {"PropertyName": name, "ConditionOperator": operator, "Value": told_as}
    return {"FilterOperator": "And", "Conditions": [one]}


def test_metadata_changes_are_asked_as_the_samples_ask(wire: httpx.Client) -> None:
    parts = {
        "Properties": {"AllProperties": False, "PropertyNames": ["LogicalName", "Attributes"]},
        "Criteria": condition("LogicalName", "contact"),
        "AttributeQuery": {
            "Properties": {"PropertyNames": ["OptionSet", "AttributeTypeName"]},
            "Criteria": condition("AttributeTypeName", "PicklistType"),
        },
        "LabelQuery": {"FilterLanguages": [1031]},
    }
    first = told(
        wire.get("RetrieveMetadataChanges(Query=@p1)", params=query_of(**parts), headers={"Consistency": "Strong"})
    )
    assert [one["LogicalName"] for one in first["EntityMetadata"]] == ["contact"]
    columns = first["EntityMetadata"][0]["Attributes"]
    assert "preferredcontactmethodcode" in {one["LogicalName"] for one in columns}
    assert {one["@odata.type"] for one in columns} == {f"#{CRM}.ComplexPicklistAttributeMetadata"}
    assert all(one["OptionSet"]["Options"][0]["Label"]["LocalizedLabels"] == [] for one in columns)
    assert first["DeletedMetadata"] is None
    known = {**query_of(**parts), "@p2": f"{CRM}.DeletedMetadataFilters'Attribute'"}
    known["@p3"] = f"'{first['ServerVersionStamp']}'"
    call = "RetrieveMetadataChanges(Query=@p1,DeletedMetadataFilters=@p2,ClientVersionStamp=@p3)"
    second = told(wire.get(call, params=known))
    assert (second["EntityMetadata"], second["DeletedMetadata"]["Count"]) == ([], 0)
    assert (
        second["ServerVersionStamp"] == first["ServerVersionStamp"] == told(wire.get("RetrieveTimestamp"))["Timestamp"]
    )
    assert error_of(wire.get(call, params={**known, "@p3": "'1!01/01/2001 00:00:00'"})) == (400, "0x80044352")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (condition("LogicalName", ["quote", "uom"], "In"), ["quote", "uom"]),
        (condition("LogicalName", '["quote","uom"]', "In"), ["quote", "uom"]),
        (condition("IsActivityParty", "true"), ["account", "contact", "systemuser", "team"]),
        (condition("IsValidForQueue", True), ["account", "contact", "quote"]),
        (
            {"FilterOperator": "Or", "Filters": [condition("LogicalName", "uom"), condition("SchemaName", "Quote")]},
            ["quote", "uom"],
        ),
        ({"Conditions": [{"PropertyName": "ObjectTypeCode", "ConditionOperator": 5, "Value": {"Value": "3"}}]}, None),
        (condition("PrimaryIdAttribute", "quoteid", "NotEquals"), None),
    ],
)
def test_metadata_criteria(wire: httpx.Client, criteria: dict[str, Any], expected: list[str] | None) -> None:
    found = told(wire.get("RetrieveMetadataChanges(Query=@p1)", params=query_of(Criteria=criteria)))["EntityMetadata"]
    names = sorted(one["LogicalName"] for one in found)
    every = told(wire.get("EntityDefinitions?$select=LogicalName,ObjectTypeCode,PrimaryIdAttribute"))["value"]
    if expected is None and "NotEquals" in str(criteria):
        expected = sorted(one["LogicalName"] for one in every if one["PrimaryIdAttribute"] != "quoteid")
    if expected is None:
        expected = sorted(one["LogicalName"] for one in every if one["ObjectTypeCode"] < 3)
    assert names == expected


# -- definitions ------------------------------------------------------------------------------------------------------

PLAIN = """
ActivityTypeMask AutoCreateAccessTeams AutoReplicateClusterRecords AutoRouteToOwnerQueue CanChangeClusterMode
CanTriggerWorkflow ChangeTrackingEnabled CollectionSchemaName CreatedOn DataProviderId DataSourceId
DaysSinceRecordLastModified Description DisplayCollectionName DisplayName EnforceStateTransitions EntityColor
EntityHelpUrl EntityHelpUrlEnabled EntitySetName ExternalCollectionName ExternalName HasActivities HasChanged
HasEmailAddresses HasFeedback HasNotes IconLargeName IconMediumName IconSmallName IconVectorName IntroducedVersion
IsAIRUpdated IsActivity IsActivityParty IsArchivalEnabled IsAvailableOffline IsBPFEntity IsBusinessProcessEnabled
IsChildEntity IsCustomEntity IsDocumentManagementEnabled IsDocumentRecommendationsEnabled IsEnabledForCharts
IsEnabledForExternalChannels IsEnabledForTrace IsImportable IsInteractionCentricEnabled IsIntersect
IsKnowledgeManagementEnabled IsLogicalEntity IsMSTeamsIntegrationEnabled IsManaged IsOneNoteIntegrationEnabled
IsOptimisticConcurrencyEnabled IsPrivate IsQuickCreateEnabled IsReadingPaneEnabled IsRetentionEnabled
IsRetrieveAuditEnabled IsRetrieveMultipleAuditEnabled IsSLAEnabled IsSolutionAware IsStateModelAware
IsValidForAdvancedFind LogicalCollectionName LogicalName MetadataId MobileOfflineFilters ModifiedOn ObjectTypeCode
OwnerId OwnerIdType OwnershipType OwningBusinessUnit PrimaryIdAttribute PrimaryImageAttribute PrimaryNameAttribute
Privileges RecurrenceBaseEntityLogicalName ReportViewName SchemaName SettingOf Settings SyncToExternalSearchIndex
TableType UsesBusinessDataLabelTable
"""
MANAGED = """
CanBeInCustomEntityAssociation CanBeInManyToMany CanBePrimaryEntityInRelationship CanBeRelatedEntityInRelationship
CanChangeHierarchicalRelationship CanChangeTrackingBeEnabled CanCreateAttributes CanCreateCharts CanCreateForms
CanCreateViews CanEnableSyncToExternalSearchIndex CanModifyAdditionalSettings IsAuditEnabled IsConnectionsEnabled
IsCustomizable IsDuplicateDetectionEnabled IsMailMergeEnabled IsMappable IsOfflineInMobileClient
IsReadOnlyInMobileClient IsRenameable IsValidForQueue IsVisibleInMobile IsVisibleInMobileClient
"""
ATTRIBUTE = """
AttributeOf AttributeType AttributeTypeName AutoNumberFormat CanBeSecuredForCreate CanBeSecuredForRead
CanBeSecuredForUpdate CanModifyAdditionalSettings ColumnNumber CreatedOn DeprecatedVersion Description DisplayName
EntityLogicalName ExternalName HasChanged InheritsFrom IntroducedVersion IsAuditEnabled IsCustomAttribute
IsCustomizable IsDataSourceSecret IsFilterable IsGlobalFilterEnabled IsLogical IsManaged IsPrimaryId IsPrimaryName
IsRenameable IsRequiredForForm IsRetrievable IsSearchable IsSecured IsSortableEnabled IsValidForAdvancedFind
IsValidForCreate IsValidForForm IsValidForGrid IsValidForRead IsValidForUpdate IsValidODataAttribute LinkedAttributeId
LogicalName MetadataId ModifiedOn RequiredLevel SchemaName SourceType
"""


def test_every_documented_member_of_a_table_can_be_selected(wire: httpx.Client) -> None:
    names = [*PLAIN.split(), *MANAGED.split()]
    one = told(wire.get(f"EntityDefinitions(LogicalName='quote')?$select={','.join(names)}"))
    assert set(one) == {"@odata.context", *names}
    assert all(set(one[name]) == {"Value", "CanBeChanged", "ManagedPropertyLogicalName"} for name in MANAGED.split())
    listed = told(
        wire.get("EntityDefinitions?$select=LogicalName&$filter=HasNotes eq true and IsCustomizable/Value eq true")
    )
    assert "quote" in {row["LogicalName"] for row in listed["value"]}


def test_every_documented_member_of_a_column_can_be_selected(wire: httpx.Client) -> None:
    names = ATTRIBUTE.split()
    rows = told(wire.get(f"EntityDefinitions(LogicalName='account')/Attributes?$select={','.join(names)}"))["value"]
    assert all(set(row) == {"@odata.type", *names} for row in rows)


@pytest.mark.parametrize(
    ("cast", "column", "members"),
    [
        ("String", "name", "DatabaseLength Format FormatName ImeMode IsLocalizable MaxLength YomiOf"),
        ("Memo", "description", "Format FormatName ImeMode IsLocalizable MaxLength"),
        ("Integer", "numberofemployees", "Format FormulaDefinition MaxValue MinValue SourceTypeMask"),
        ("Money", "revenue", "CalculationOf ImeMode IsBaseCurrency MaxValue MinValue Precision PrecisionSource"),
        ("Decimal", "exchangerate", "FormulaDefinition ImeMode MaxValue MinValue Precision SourceTypeMask"),
        ("Boolean", "creditonhold", "DefaultValue FormulaDefinition SourceTypeMask"),
        ("DateTime", "createdon", "CanChangeDateTimeBehavior DateTimeBehavior Format ImeMode SourceTypeMask"),
        ("Picklist", "industrycode", "ChildPicklistLogicalNames DefaultFormValue ParentPicklistLogicalName"),
        ("Lookup", "primarycontactid", "Format Targets"),
        ("Image", "entityimage", "CanStoreFullImage IsPrimaryImage MaxHeight MaxSizeInKB MaxWidth"),
    ],
)
def test_members_of_the_type_of_a_column(wire: httpx.Client, cast: str, column: str, members: str) -> None:
    path = f"EntityDefinitions(LogicalName='account')/Attributes(LogicalName='{column}')/{CRM}.{cast}AttributeMetadata"
    one = told(wire.get(f"{path}?$select={','.join(members.split())}"))
    assert set(one) >= set(members.split())
    base = f"EntityDefinitions(LogicalName='account')/Attributes/{CRM}.AttributeMetadata?$select=LogicalName"
    assert column in {row["LogicalName"] for row in told(wire.get(base))["value"]}


def test_labels_come_in_the_languages_that_are_asked_for(wire: httpx.Client) -> None:
    path = "EntityDefinitions(LogicalName='account')?$select=DisplayName&$expand=Attributes($select=DisplayName)"
    for codes, count in (("1033,1041", 1), ("1041", 0)):
        one = told(wire.get(f"{path}&LabelLanguages={codes}"))
        labels = [one["DisplayName"], *(column["DisplayName"] for column in one["Attributes"])]
        assert {len(label["LocalizedLabels"]) for label in labels} == {count}
    assert error_of(wire.get(f"{path}&LabelLanguages=English"))[0] == 400


# -- actions and bodies -----------------------------------------------------------------------------------------------


def active_quote(sales: Sales) -> str:
    """An Active quote with its price list."""
    currency = sales.create("transactioncurrencies", isocurrencycode="USD", currencyname="D", currencysymbol="$")
    where = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency})"}
    level = sales.create("pricelevels", name="P", **where)
    account = sales.create("accounts", name="A")
    binds = {
        "pricelevelid@odata.bind": f"/pricelevels({level})",
        "customerid_account@odata.bind": f"/accounts({account})",
    }
    quote = sales.create("quotes", name="Q", **where, **binds)
    assert sales.client.patch(f"quotes({quote})", json={"statecode": 1, "statuscode": 2}).status_code == 204
    return quote


@pytest.mark.parametrize("columns", [{}, {"ColumnSet": None}, {"ColumnSet": {"AllColumns": True}}])
def test_a_nullable_parameter_that_is_left_out_is_null(sales: Sales, columns: dict[str, Any]) -> None:
    revised = told(sales.client.post("ReviseQuote", json={"QuoteId": active_quote(sales), **columns}))
    assert (revised["statecode"], revised["revisionnumber"]) == (0, 1)


def test_parameters_are_what_the_reference_says(sales: Sales) -> None:
    quote = active_quote(sales)
    closing = {"quoteid@odata.bind": f"/quotes({quote})"}
    for body in (
        {},
        {"QuoteId": None},
        {"QuoteId": quote, "Other": 1},
        {"QuoteId": quote, "ColumnSet": {"Columns": ["x"]}},
    ):
        assert error_of(sales.client.post("ReviseQuote", json=body))[0] == 400
    wrong = {"QuoteClose": {**closing, "@odata.type": f"{CRM}.orderclose"}, "Status": -1}
    assert error_of(sales.client.post("WinQuote", json=wrong)) == (400, "0x80048d19")
    assert error_of(sales.client.post("WinQuote", json={"QuoteClose": closing, "Status": [4]}))[0] == 400
    right = {"QuoteClose": {**closing, "@odata.type": f"{CRM}.quoteclose", "subject": "won"}, "Status": None}
    assert sales.client.post("WinQuote", json=right).status_code == 204


def test_some_columns_of_a_revised_quote(sales: Sales) -> None:
    body = {"QuoteId": active_quote(sales), "ColumnSet": {"Columns": ["name", "customerid"]}}
    revised = told(sales.client.post("ReviseQuote", json=body))
    assert {"name", "_customerid_value", "quoteid"} <= revised.keys()
    assert "totalamount" not in revised


@pytest.mark.parametrize("kind", [f"#{CRM}.contact", f"{CRM}.contact", "#mscrm.lead", "account", 5, ["x"]])
def test_a_body_of_another_table_is_refused_and_writes_nothing(sales: Sales, kind: object) -> None:
    key = sales.create("accounts", name="x")
    body = {"name": "y", "@odata.type": kind}
    for answer in (
        sales.client.post("accounts", json=body),
        sales.client.patch(f"accounts({key})", json=body),
        sales.client.post("contacts", json={"lastname": "L", "parentcustomerid_account": body}),
        sales.client.post(
            "accounts", json={"name": "z", "contact_customer_accounts": [{"@odata.type": f"{CRM}.quote"}]}
        ),
    ):
        assert error_of(answer) == (400, "0x80048d19")
        assert "not assignable to the expected type" in answer.json()["error"]["message"]
    assert [row["name"] for row in told(sales.client.get("accounts?$select=name"))["value"]] == ["x"]


@pytest.mark.parametrize("kind", [f"#{CRM}.account", f"{CRM}.account", "#mscrm.account"])
def test_a_body_of_its_own_table_is_taken(sales: Sales, kind: str) -> None:
    assert sales.client.post("accounts", json={"name": "y", "@odata.type": kind}).status_code == 204


# -- what is not there ------------------------------------------------------------------------------------------------


def test_a_documented_operation_that_is_not_there_says_so(sales: Sales) -> None:
    for name in sorted((FUNCTIONS | ACTIONS) - BY_NAME.keys()):
        method = "GET" if name in FUNCTIONS else "POST"
        answer = sales.client.request(method, name, json={} if method == "POST" else None)
        assert error_of(answer) == (404, "0x8006088a")
        assert "not in this sandbox" in answer.json()["error"]["message"]


def test_so_does_a_bound_one_and_an_unknown_name_does_not(sales: Sales) -> None:
    key = sales.create("accounts", name="x")
    for path in (
        f"accounts({key})/{CRM}.AddToQueue",
        f"accounts/{CRM}.CreateKnowledgeArticleVersion",
        "msdyn_PostInvoice",
    ):
        assert "not in this sandbox" in sales.client.post(path, json={}).json()["error"]["message"]
    for path in ("Nothing", f"accounts({key})/{CRM}.Nothing", "incidents"):
        answer = sales.client.post(path, json={})
        assert answer.json()["error"]["message"] == f"Resource not found for the segment '{path.rpartition('/')[2]}'."


def test_what_is_there_is_documented_and_declared(wire: httpx.Client) -> None:
    assert [one.name for one in OPERATIONS if documented(one.name) != one.kind] == []
    schema = ElementTree.fromstring(wire.get("$metadata").content).find(f".//{EDM}Schema")
    assert schema is not None
    kinds = {tag: {one.get("Name") for one in schema.findall(f"{EDM}{tag}")} for tag in ("Function", "Action")}
    assert kinds["Function"] | kinds["Action"] == BY_NAME.keys()
    imports = {one.get("Name") for tag in kinds for one in schema.findall(f".//{EDM}{tag}Import")}
    assert imports == {one.name for one in OPERATIONS if one.bound is None}
    types = {f"mscrm.{one.get('Name')}" for one in schema if one.get("Name")}
    named = {one.get("Type") for one in schema.iter() if one.tag in {f"{EDM}Parameter", f"{EDM}ReturnType"}}
    inner = {(name or "").removeprefix("Collection(").removesuffix(")") for name in named}
    assert {name for name in inner if name.startswith("mscrm.")} <= types


def test_an_action_of_products_is_one_of_products_alone(wire: httpx.Client) -> None:
    before = told(wire.get("products?$select=versionnumber&$top=5000"))["value"]
    for entity_set in ("accounts", "contacts", "quotes", "quotedetails", "uoms", "systemusers", "organizations"):
        rows = told(wire.get(f"{entity_set}?$top=3"))["value"]
        for row in rows:
            key = row[
                told(wire.get(f"EntityDefinitions?$filter=EntitySetName eq '{entity_set}'&$select=PrimaryIdAttribute"))[
                    "value"
                ][0]["PrimaryIdAttribute"]
            ]
            for name in ("PublishProductHierarchy", "RevertProduct"):
                answer = wire.post(f"{entity_set}({key})/{CRM}.{name}", json={})
                assert error_of(answer) == (404, "0x8006088a"), answer.text
    assert told(wire.get("products?$select=versionnumber&$top=5000"))["value"] == before


@pytest.mark.parametrize(
    "query",
    [
        "$apply=aggregate($count as n)",
        "fetchXml=<fetch><entity name='contact'><attribute name='fullname'/></entity></fetch>",
        "sql=SELECT COUNT(*) AS n FROM contact",
        "$select=fullname",
    ],
)
def test_below_a_row_nothing_reads_the_whole_table(wire: httpx.Client, query: str) -> None:
    account = told(wire.get("accounts?$select=accountid&$top=1"))["value"][0]["accountid"]
    headers = {"Prefer": "odata.track-changes"} if query.startswith("$select") else {}
    answer = wire.get(f"accounts({account})/contact_customer_accounts?{query}", headers=headers)
    assert answer.status_code == 400
    assert "below a row" in answer.text


@pytest.mark.parametrize("option", ["$top=1", "$count=true", "$skiptoken=x", "$deltatoken=x"])
def test_an_aggregate_takes_no_option_without_a_word(wire: httpx.Client, option: str) -> None:
    answer = wire.get(f"accounts?$apply=groupby((statecode))&{option}")
    assert answer.status_code == 400
    assert option.partition("=")[0] in answer.text


def test_objects_and_lists_may_stand_in_single_quotes(wire: httpx.Client) -> None:
    user = told(wire.get("WhoAmI"))["UserId"]
    contact = told(wire.get("contacts?$select=contactid&$top=1"))["value"][0]["contactid"]
    call = f"systemusers({user})/{CRM}.RetrievePrincipalAccess(Target=@t)?@t={{'@odata.id':'contacts({contact})'}}"
    assert "ReadAccess" in told(wire.get(call))["AccessRights"]
    condition = {
        "PropertyName": "LogicalName",
        "ConditionOperator": "In",
        "Value": {"Type": "System.String[]", "Value": "['account','contact']"},
    }
    query = {
        "Criteria": {"FilterOperator": "And", "Conditions": [condition]},
        "Properties": {"AllProperties": False, "PropertyNames": ["LogicalName"]},
    }
    found = told(wire.get("RetrieveMetadataChanges(Query=@q)", params={"@q": json.dumps(query)}))
    assert sorted(one["LogicalName"] for one in found["EntityMetadata"]) == ["account", "contact"]
