"""Requests as the reference writes them: short forms, other versions' addresses, preferences, and what is not here."""

from __future__ import annotations

import httpx
import pytest

from p2c_lib.mapping.filters import columns_in_filter
from tests.conftest import SALES_URL, Sales
from tests.test_sandbox_batch import BAD, READ, multipart, sent

CRM = "Microsoft.Dynamics.CRM"
ENTITIES = "http://finops.test/metadata/DataEntities"
CATEGORY = f"{ENTITIES}?$filter=EntityCategory eq Microsoft.Dynamics.Metadata.EntityCategory"
PART = "ManyToManyRelationships"
NOTHING = [
    f"EntityDefinitions(LogicalName='account')/{PART}?",
    "GlobalOptionSetDefinitions?",
    "EntityDefinitions?$filter=LogicalName eq 'nope'&",
    "RelationshipDefinitions?$filter=SchemaName eq 'nope'&",
    "EntityDefinitions(LogicalName='uom')/Keys?",
    "EntityDefinitions(LogicalName='account')/Attributes?$filter=LogicalName eq 'nope'&",
    f"EntityDefinitions(LogicalName='account')/Attributes/{CRM}.ImageAttributeMetadata?",
    "asyncoperations?",
    "solutions?$filter=uniquename eq 'nope'&",
]


@pytest.mark.parametrize("address", NOTHING)
@pytest.mark.parametrize("option", ["$select=zz", "$expand=zz", "$filter=zz eq 1"])
def test_options_are_looked_at_where_nothing_is_found(sales: Sales, address: str, option: str) -> None:
    if option.startswith("$filter") and "$filter" in address:
        option = "$select=LogicalName,zz"
    answer = sales.client.get(address + option)
    assert answer.status_code >= 400
    if address.startswith("Global") and option.startswith("$filter"):
        assert answer.status_code == 405
    else:
        assert "zz" in answer.text or "LogicalName" in answer.text


@pytest.mark.parametrize(
    "nested", [f"{PART}($select=zz)", f"{PART}($filter=zz eq 1)", f"{PART}($expand=zz)", "Keys($select=zz)"]
)
def test_nested_options_are_looked_at_where_nothing_is_found(sales: Sales, nested: str) -> None:
    for key in ("(LogicalName='uom')?", "?$filter=LogicalName eq 'nope'&"):
        answer = sales.client.get(f"EntityDefinitions{key}$expand={nested}")
        assert (answer.status_code, "zz" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "address",
    [
        f"EntityDefinitions(LogicalName='account')/{PART}?$select=SchemaName,IntersectEntityName",
        "GlobalOptionSetDefinitions?$select=Name",
        "EntityDefinitions?$filter=LogicalName eq 'nope'&$select=LogicalName&$expand=Attributes($select=LogicalName)",
    ],
)
def test_what_is_documented_may_be_asked_of_nothing(sales: Sales, address: str) -> None:
    assert sales.client.get(address).json()["value"] == []


def test_options_of_the_metadata_service_are_looked_at_where_nothing_is_found(finops: httpx.Client) -> None:
    address = "http://finops.test/metadata/DataEntities?$filter=Name eq 'nope'&"
    for option in ("$select=zz", "$orderby=zz"):
        answer = finops.get(address + option)
        assert (answer.status_code, "zz" in answer.text) == (400, True)


def test_a_member_of_an_enumeration_is_compared_with_its_name(finops: httpx.Client) -> None:
    listed = finops.get(f"{CATEGORY}'Master'")
    assert len(listed.json()["value"]) == len(finops.get(ENTITIES).json()["value"]) > 0
    other = finops.get(f"{CATEGORY}'Document'")
    assert other.json()["value"] == []


def test_a_batch_of_finops_takes_no_options(finops: httpx.Client) -> None:
    answer = finops.post("$batch?$top=1", headers={"Content-Type": "multipart/mixed; boundary=b"}, content="--b--")
    assert (answer.status_code, "$top" in answer.text) == (400, True)


def test_columns_may_be_named_by_aliases(sales: Sales) -> None:
    for name, number in (("b", "1"), ("a", "2"), ("c", "c")):
        assert sales.client.post("accounts", json={"name": name, "accountnumber": number}).status_code == 204
    found = sales.client.get(
        "accounts?$select=name,&$orderby=@p1 desc,@p9 asc&$filter=@p1 ne @p2&@p1=name&@p2=accountnumber"
    )
    assert [row["name"] for row in found.json()["value"]] == ["b", "a"]
    assert sales.client.get("accounts?$orderby=@p1&@p1=zz").status_code == 400
    assert sales.client.get("accounts?$orderby=@p1&@p1='a'").status_code == 400


def test_a_comma_may_end_what_is_selected_but_not_stand_alone(sales: Sales) -> None:
    assert sales.client.get("accounts?$select=name,").status_code == 200
    assert [sales.client.get(f"accounts?$select={text}").status_code for text in (",", "name,,", ",name")] == [400] * 3


def test_a_navigation_property_may_be_selected_beside_its_expand(sales: Sales) -> None:
    address = "EntityDefinitions?$select=LogicalName,Attributes"
    expanded = sales.client.get(f"{address}&$expand=Attributes($select=LogicalName,AttributeType)")
    assert {"LogicalName", "Attributes"} <= set(expanded.json()["value"][0])
    assert sales.client.get(address).status_code == 400


@pytest.mark.parametrize(("told", "parts"), [("=false", 1), ("", 2), ("=true", 2)])
def test_a_batch_goes_on_after_an_error_where_that_is_asked_for(sales: Sales, told: str, parts: int) -> None:
    answer = sent(sales, multipart(BAD, READ), Prefer=f"odata.continue-on-error{told}")
    assert answer.text.count("HTTP/1.1 ") == parts


@pytest.mark.parametrize("version", ["v9.0", "v9.1", "v8.2"])
def test_addresses_stay_in_the_version_that_was_asked(sales: Sales, version: str) -> None:
    root = SALES_URL.replace("v9.2", version)
    made = sales.client.post(f"{root}accounts", json={"name": "a"})
    assert made.headers["OData-EntityId"].startswith(root)
    sales.client.post(f"{root}accounts", json={"name": "b"})
    page = sales.client.get(f"{root}accounts?$select=name", headers={"Prefer": "odata.maxpagesize=1"}).json()
    assert page["@odata.context"].startswith(root)
    assert page["@odata.nextLink"].startswith(root)
    assert sales.client.get(page["@odata.nextLink"]).json()["@odata.context"].startswith(root)
    batch = sales.client.post(
        f"{root}$batch",
        headers={"Content-Type": "multipart/mixed; boundary=b"},
        content="--b\r\nContent-Type: application/http\r\n\r\nGET accounts HTTP/1.1\r\n\r\n\r\n--b--",
    )
    assert f"/{version}/$metadata#accounts" in batch.text


@pytest.mark.parametrize(
    "address",
    [
        "searchquery", "searchsuggest", "searchautocomplete", "searchstatistics", "searchstatus",
        "ManagedPropertyDefinitions",
        f"EntityDefinitions(LogicalName='account')/Attributes/{CRM}.EntityNameAttributeMetadata",
        f"EntityDefinitions(LogicalName='account')/Attributes/{CRM}.ManagedPropertyAttributeMetadata",
        f"EntityDefinitions(LogicalName='account')/Attributes/{CRM}.EnumAttributeMetadata",
    ],
)  # fmt: skip
def test_what_is_documented_and_not_here_says_so(sales: Sales, address: str) -> None:
    answer = sales.client.get(address)
    assert (answer.status_code, "documented, but not in this sandbox" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "operator", ["LastXDays", "NextXHours", "OlderThanXMonths", "Last7Days", "InFiscalPeriodAndYear"]
)
def test_bulk_delete_takes_the_members_of_its_enumeration(sales: Sales, operator: str) -> None:
    given = {"Last7Days": [], "InFiscalPeriodAndYear": [1, 2026]}.get(operator, [3])
    assert _deleted(sales, operator, given).status_code == 200


@pytest.mark.parametrize(
    ("operator", "why"), [("eq", "no member"), ("last-x-days", "no member"), ("Mask", "documented")]
)
def test_bulk_delete_refuses_other_spellings_by_name(sales: Sales, operator: str, why: str) -> None:
    answer = _deleted(sales, operator, [3])
    assert (answer.status_code, why in answer.text, operator in answer.text) == (400, True, True)


def _deleted(sales: Sales, operator: str, values: list[int]) -> httpx.Response:
    one = {"AttributeName": "createdon", "Operator": operator, "Values": values}
    query = {"EntityName": "account", "Criteria": {"Conditions": [one]}}
    return sales.client.post("BulkDelete", json={"QuerySet": [query]})


def test_fetchxml_spells_operators_in_lower_case(sales: Sales) -> None:
    one = '<condition attribute="createdon" operator="{}"/>'
    query = f'<fetch><entity name="account"><filter>{one}</filter></entity></fetch>'
    for operator, status in (("today", 200), ("Today", 400)):
        assert sales.client.get("accounts", params={"fetchXml": query.format(operator)}).status_code == status


@pytest.mark.parametrize(("quantifier", "last"), [("any", "name eq 'a'"), ("all", "name eq 'a'"), ("any", "")])
def test_reader_and_service_follow_as_many_quantifiers(sales: Sales, quantifier: str, last: str) -> None:
    for depth, taken in ((8, True), (9, False), (30, False)):
        text = _nested(quantifier, depth, last)
        answer = sales.client.get("accounts", params={"$select": "name", "$filter": text})
        assert (answer.status_code == 200) is taken
        if taken:
            columns_in_filter(text, "sales")
        else:
            with pytest.raises(ValueError, match="nested"):
                columns_in_filter(text, "sales")


def _nested(quantifier: str, depth: int, last: str) -> str:
    rows, text = "account_parent_account", ""
    for at in range(depth - (not last)):
        text += f"{f'x{at - 1}/' if at else ''}{rows}/{quantifier}(x{at}:"
    end = depth - 1 if last else depth - 2
    return f"{text}x{end}/{last or f'{rows}/any()'}{')' * (end + 1)}"


def test_a_collection_tells_the_version_of_the_metadata_where_that_is_asked_for(sales: Sales) -> None:
    name = "@Microsoft.Dynamics.CRM.globalmetadataversion"
    every = sales.client.get("accounts?$select=name", headers={"Prefer": 'odata.include-annotations="*"'})
    assert every.json()[name].isdigit()
    assert name not in sales.client.get("accounts?$select=name").json()


COUNTED = '<entity name="account"><attribute name="name" alias="n" aggregate="count"/></entity>'
GROUPED = [
    ({"$apply": "groupby((statuscode))"}, True),
    ({"fetchXml": f'<fetch aggregate="true">{COUNTED}</fetch>'}, True),
    ({"sql": "SELECT name FROM account"}, False),
]


@pytest.mark.parametrize(("query", "applied"), GROUPED)
def test_a_preference_is_told_to_be_applied_only_where_it_was(
    sales: Sales, query: dict[str, str], *, applied: bool
) -> None:
    sales.create("accounts", name="a")
    asked = {"Prefer": 'odata.include-annotations="OData.Community.Display.V1.FormattedValue"'}
    answer = sales.client.get("accounts", params=query, headers=asked)
    assert ("Preference-Applied" in answer.headers, "FormattedValue" in answer.text) == (applied, applied)
    assert "Preference-Applied" in sales.client.get("accounts?$select=name", headers=asked).headers


def test_references_of_a_collection_are_refused_in_the_words_of_the_service(sales: Sales) -> None:
    answer = sales.client.get("accounts?$expand=contact_customer_accounts/$ref")
    assert "Expand with $ref is only supported on lookup type navigation property." in answer.text
