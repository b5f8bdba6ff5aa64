"""Metadata of the Sales side: definitions, casts, choices, keys, relationships, CSDL."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx
import pytest

from p2c_lib.sandbox.schema import entities
from tests.conftest import Sales
from tests.test_sandbox_rows import error_of

CRM = "Microsoft.Dynamics.CRM"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def test_the_service_document_lists_every_set(sales: Sales) -> None:
    listed = sales.client.get("").json()["value"]
    names = [one["url"] for one in listed]
    assert names[: len(entities("sales"))] == list(entities("sales"))
    assert [name for name in names if sales.client.get(name).status_code != 200] == []
    assert all(one["kind"] == "EntitySet" for one in listed)


def test_one_call_tells_what_a_client_needs_before_a_create(sales: Sales) -> None:
    found = sales.client.get(
        "EntityDefinitions(LogicalName='quote')?$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled"
        "&$expand=Attributes($select=LogicalName,AttributeType,RequiredLevel,IsValidForCreate,IsValidForUpdate),"
        "Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus),"
        "ManyToOneRelationships($select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName)"
    ).json()
    columns = {one["LogicalName"]: one for one in found["Attributes"]}
    targets = {
        one["ReferencingEntityNavigationPropertyName"]: one["ReferencedEntity"]
        for one in found["ManyToOneRelationships"]
    }
    assert (found["EntitySetName"], found["PrimaryIdAttribute"]) == ("quotes", "quoteid")
    assert columns.keys() == entities("sales")["quotes"].columns.keys()
    assert columns["customerid"]["AttributeType"] == "Customer"
    assert columns["name"]["RequiredLevel"]["Value"] == "ApplicationRequired"
    assert columns["statecode"]["IsValidForCreate"] is False
    assert [key["KeyAttributes"] for key in found["Keys"]] == [["quotenumber"]]
    assert (targets["customerid_account"], targets["customerid_contact"]) == ("account", "contact")


@pytest.mark.parametrize(
    ("cast", "select", "expected"),
    [
        ("StringAttributeMetadata", "MaxLength", {"name": 300}),
        ("DateTimeAttributeMetadata", "DateTimeBehavior", {"createdon": {"Value": "UserLocal"}}),
        ("LookupAttributeMetadata", "Targets", {"customerid": ["account", "contact"]}),
        ("MoneyAttributeMetadata", "PrecisionSource", {"totalamount": 2}),
    ],
)
def test_members_of_a_type_need_its_cast(sales: Sales, cast: str, select: str, expected: dict[str, object]) -> None:
    base = "EntityDefinitions(LogicalName='quote')/Attributes"
    rows = sales.client.get(f"{base}/{CRM}.{cast}?$select=LogicalName,{select}").json()["value"]
    found = {row["LogicalName"]: row[select] for row in rows}
    assert {name: found[name] for name in expected} == expected
    assert error_of(sales.client.get(f"{base}?$select=LogicalName,{select}")) == (400, "0x80060888")


def test_choices_carry_labels_states_and_default_statuses(sales: Sales) -> None:
    base = "EntityDefinitions(LogicalName='quote')/Attributes"
    status = sales.client.get(f"{base}/{CRM}.StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet").json()
    options = {one["Value"]: one for one in status["value"][0]["OptionSet"]["Options"]}
    assert options[5]["Label"]["UserLocalizedLabel"]["Label"] == "Lost"
    assert (options[1]["State"], options[647390000]["State"]) == (0, 3)
    state = sales.client.get(
        f"{base}(LogicalName='statecode')/{CRM}.StateAttributeMetadata?$select=LogicalName&$expand=OptionSet"
    ).json()
    assert [one["Value"] for one in state["OptionSet"]["Options"]] == [0, 1, 2, 3]


def test_definitions_are_filtered_by_enums_but_not_by_text_functions(sales: Sales) -> None:
    wanted = f"AttributeType eq {CRM}.AttributeTypeCode'Customer'"
    base = "EntityDefinitions(LogicalName='quote')/Attributes"
    assert [r["LogicalName"] for r in sales.client.get(f"{base}?$filter={wanted}").json()["value"]] == ["customerid"]
    level = f"RequiredLevel/Value eq {CRM}.AttributeRequiredLevel'ApplicationRequired'"
    assert "name" in [r["LogicalName"] for r in sales.client.get(f"{base}?$filter={level}").json()["value"]]
    assert error_of(sales.client.get("EntityDefinitions?$filter=startswith(LogicalName,'a')")) == (501, "0x8006088a")
    found = sales.client.get("EntityDefinitions?$select=EntitySetName&$filter=LogicalName eq 'account'").json()["value"]
    assert [one["EntitySetName"] for one in found] == ["accounts"]
    kind = f"RelationshipDefinitions/{CRM}.OneToManyRelationshipMetadata"
    related = sales.client.get(f"{kind}?$filter=ReferencedEntity eq 'quote'").json()["value"]
    assert ("quotedetail", "quoteid") in {(r["ReferencingEntity"], r["ReferencingAttribute"]) for r in related}


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("EntityDefinitions(LogicalName='nothing')", 404),
        ("EntityDefinitions(LogicalName='quote')/Nothing", 404),
        ("EntityDefinitions(LogicalName='quote')/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata", 404),
        ("EntityDefinitions(LogicalName='quote')?$select=Nothing", 400),
        ("EntityDefinitions(5)", 404),
        ("EntityDefinitions(a'b", 400),
        ("GlobalOptionSetDefinitions(Name='x')", 404),
        ("GlobalOptionSetDefinitions?$filter=Name eq 'x'", 405),
        ("Nothing", 404),
    ],
)
def test_unknown_metadata_is_refused(sales: Sales, url: str, status: int) -> None:
    assert error_of(sales.client.get(url))[0] == status


def test_csdl_has_lookups_as_guids_with_navigation_and_constraint(sales: Sales) -> None:
    root = ElementTree.fromstring(sales.client.get("$metadata").content)
    quote = next(one for one in root.iter(f"{EDM}EntityType") if one.get("Name") == "quote")
    properties = {one.get("Name"): one.get("Type") for one in quote.iter(f"{EDM}Property")}
    assert properties["_customerid_value"] == "Edm.Guid"
    assert properties["totalamount"] == "Edm.Decimal"
    navigation = next(n for n in quote.iter(f"{EDM}NavigationProperty") if n.get("Name") == "customerid_account")
    constraint = navigation.find(f"{EDM}ReferentialConstraint")
    assert navigation.get("Type") == "mscrm.account"
    assert constraint is not None
    assert constraint.attrib == {"Property": "_customerid_value", "ReferencedProperty": "accountid"}
    sets = {one.get("Name") for one in root.iter(f"{EDM}EntitySet")}
    assert sets == set(entities("sales"))


@pytest.mark.parametrize("path", ["$metadata", "EntityDefinitions(LogicalName='quote')?$select=LogicalName"])
def test_metadata_that_is_known_already_is_not_sent_again(sales: Sales, path: str) -> None:
    first = sales.client.get(path)
    etag = first.headers["etag"]
    again = sales.client.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    moved = sales.client.get(path, headers={"If-None-Match": '"other"'})
    assert (moved.status_code, moved.content) == (200, first.content)
    assert "etag" not in sales.client.get("EntityDefinitions(LogicalName='nothing')").headers


@pytest.mark.parametrize("path", ["/data/$metadata", "/metadata/PublicEntities?$filter=EntitySetName eq 'CustomersV2'"])
def test_so_it_is_in_finance_and_operations(finops: httpx.Client, path: str) -> None:
    url = f"http://finops.test{path}"
    first = finops.get(url)
    etag = first.headers["etag"]
    again = finops.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert finops.get(url, headers={"If-None-Match": '"other"'}).content == first.content
