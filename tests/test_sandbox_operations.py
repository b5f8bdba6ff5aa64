"""Functions and actions of Sales take what their metadata declares, at their own addresses, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.schema import entities, entity
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.conftest import SALES_URL, TOKEN, AppTransport, Sales
from tests.test_sandbox_rows import error_of

CRM = "Microsoft.Dynamics.CRM"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
GUID = "11111111-2222-4333-8444-555555555555"
PRODUCT = "11111111-2222-4333-8444-666666666666"
# For each declared type a value that is none of it.
WRONG: dict[str, Any] = {
    "Edm.String": 5,
    "Edm.Boolean": "maybe",
    "Edm.Int32": "1.5",
    "Edm.Guid": "x",
    "Edm.DateTimeOffset": "x",
    "mscrm.crmbaseentity": "x",
    "mscrm.quoteclose": [],
    "mscrm.ColumnSet": [],
    "mscrm.EntityQueryExpression": [],
    "mscrm.EndpointAccessType": "Nowhere",
    "mscrm.DeletedMetadataFilters": "Nothing",
}
FITTING: dict[str, Any] = {
    "Targets": [{"@odata.type": f"{CRM}.product", "name": "x"}],
    "QuoteClose": {"quoteid@odata.bind": f"/quotes({GUID})"},
    "QuoteId": GUID,
    "QuerySet": [{"EntityName": "account", "Criteria": {"Conditions": []}}],
}


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Sales]:
    """One organisation for all of it, with a product."""
    store = Store(tmp_path_factory.mktemp("operations") / "sandbox.db", entities("sales").values())
    with store.write():
        store.insert(entity("sales", "product"), {"productid": PRODUCT, "name": "p", "statecode": 0, "statuscode": 1})
    organisation = Organisation(store, SalesSwitches(protection=False))
    transport = AppTransport(sales_app(organisation, Tokens(TOKEN)), portal)
    with httpx.Client(transport=transport, base_url=SALES_URL, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield Sales(organisation, client)
    store.close()


def count(sales: Sales) -> int:
    return int(sales.client.get("accounts/$count").text)


class Declared:
    """The operations that ``$metadata`` declares, with how each is called on a product."""

    def __init__(self, sales: Sales) -> None:
        schema = ElementTree.fromstring(sales.client.get("$metadata").content)
        places = {
            None: "",
            "mscrm.product": f"products({PRODUCT})/{CRM}.",
            "Collection(mscrm.crmbaseentity)": f"products/{CRM}.",
        }
        self.actions: dict[str, dict[str, str]] = {}
        for one in schema.iter(f"{EDM}Action"):
            parameters = {p.get("Name", ""): p.get("Type", "") for p in one.findall(f"{EDM}Parameter")}
            bound = parameters.pop("entity", None) if one.get("IsBound") else None
            self.actions[f"{places[bound]}{one.get('Name')}"] = parameters
        self.functions = {
            one.get("Name", ""): {p.get("Name", ""): p.get("Type", "") for p in one.findall(f"{EDM}Parameter")}
            for one in schema.iter(f"{EDM}Function")
            if not one.get("IsBound")
        }


@pytest.fixture(scope="module")
def declared(sales: Sales) -> Declared:
    return Declared(sales)


def fitting(parameters: dict[str, str]) -> dict[str, Any]:
    return {name: FITTING[name] for name in parameters if name in FITTING}


def wrong(kind: str) -> list[Any]:
    if kind.startswith("Collection("):
        inner = WRONG.get(kind[len("Collection(") : -1], "x")
        return ["x", {}, 5, [inner], [None]]
    return [WRONG[kind], [[]], {"a": 1} if kind.startswith("Edm.") else 5.5]


def test_no_action_takes_a_parameter_it_does_not_know(sales: Sales, declared: Declared) -> None:
    assert len(declared.actions) >= 10
    for address, parameters in declared.actions.items():
        for name in ("Foo", "Foo@odata.type", "targets"):
            answer = sales.client.post(address, json={**fitting(parameters), name: 1})
            assert error_of(answer) == (400, "0x80048d19"), address
            assert f"'{name}'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "[{}]", "{", "true"])
def test_a_body_that_is_no_object_is_refused(sales: Sales, declared: Declared, body: str) -> None:
    for address in declared.actions:
        answer = sales.client.post(address, content=body, headers={"Content-Type": "application/json"})
        assert error_of(answer) == (400, "0x80048d19"), address


def test_no_action_takes_a_value_of_another_type(sales: Sales, declared: Declared) -> None:
    for address, parameters in declared.actions.items():
        for name, kind in parameters.items():
            for value in wrong(kind):
                answer = sales.client.post(address, json={**fitting(parameters), name: value})
                assert error_of(answer) == (400, "0x80048d19"), (address, name, value)
                assert name in answer.json()["error"]["message"]


def test_no_function_does(sales: Sales, declared: Declared) -> None:
    for name, parameters in declared.functions.items():
        assert sales.client.get(f"{name}(Foo=1)").status_code == 400
        for parameter, kind in parameters.items():
            for value in wrong(kind):
                answer = sales.client.get(f"{name}({parameter}=@p)", params={"@p": json.dumps(value)})
                assert answer.status_code == 400, (name, parameter, value)


def test_what_an_action_needs_nothing_for_needs_no_body(sales: Sales) -> None:
    assert sales.client.post(f"products({PRODUCT})/{CRM}.PublishProductHierarchy").status_code == 204


QUERY = {
    "Criteria": {"FilterOperator": "And", "Conditions": [], "Filters": []},
    "Properties": {"AllProperties": False, "PropertyNames": ["LogicalName", "Attributes"]},
    "AttributeQuery": {"Properties": {"AllProperties": True}},
    "LabelQuery": {"FilterLanguages": [1033], "MissingLabelBehavior": 0},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"Foo": 1},
        {"AttributeQuery": []},
        {"AttributeQuery": {"Foo": 1}},
        {"KeyQuery": "x"},
        {"Properties": {"AllProperties": "yes"}},
        {"Properties": {"PropertyNames": "LogicalName"}},
        {"Criteria": {"FilterOperator": "Xor"}},
        {"Criteria": {"Conditions": {}}},
        {"Criteria": {"Conditions": [{"PropertyName": "LogicalName", "Operator": "Equals"}]}},
        {"Criteria": {"Conditions": [{"PropertyName": 5}]}},
        {"Criteria": {"Conditions": [{"PropertyName": "LogicalName", "ConditionOperator": "Like"}]}},
        {"Criteria": {"Filters": [{"Filters": [{"Foo": []}]}]}},
        {"LabelQuery": {"FilterLanguages": ["en"]}},
        {"@odata.type": f"{CRM}.QueryExpression"},
    ],
)
def test_a_query_of_the_metadata_is_known_member_by_member(sales: Sales, wrong: dict[str, Any]) -> None:
    answer = sales.client.get("RetrieveMetadataChanges(Query=@q)", params={"@q": json.dumps({**QUERY, **wrong})})
    assert error_of(answer)[0] == 400


def test_what_the_reference_has_of_it_is_taken(sales: Sales) -> None:
    criteria = {
        "Conditions": [{"PropertyName": "LogicalName", "ConditionOperator": "Equals", "Value": {"Value": "uom"}}]
    }
    query = {**QUERY, "@odata.type": "#mscrm.EntityQueryExpression", "Criteria": criteria}
    answer = sales.client.get("RetrieveMetadataChanges(Query=@q)", params={"@q": json.dumps(query)})
    assert [one["LogicalName"] for one in answer.json()["EntityMetadata"]] == ["uom"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Foo": 1},
        {"LinkEntities": [{"LinkToEntityName": "contact"}]},
        {"TopCount": 1},
        {"PageInfo": {"PageNumber": 1, "Count": 1}},
        {"Criteria": {"Conditions": [{"AttributeName": "name", "Operator": "Equal", "Values": "x"}]}},
        {"Criteria": {"Conditions": [{"AttributeName": "name", "Operator": "Null", "CompareColumns": True}]}},
        {"Criteria": {"FilterOperator": "Nor"}},
    ],
)
def test_a_query_of_rows_deletes_nothing_that_was_not_asked_for(sales: Sales, wrong: dict[str, Any]) -> None:
    sales.create("accounts", name="stays")
    before = count(sales)
    query = {"EntityName": "account", "Criteria": {"Conditions": []}, "ColumnSet": {"AllColumns": True}}
    assert sales.client.post("BulkDelete", json={"QuerySet": [{**query, **wrong}]}).status_code == 400
    assert count(sales) == before


def test_what_serialisers_write_for_nothing_is_taken(sales: Sales) -> None:
    page = {"PageNumber": 0, "Count": 0, "ReturnTotalRecordCount": False, "PagingCookie": None}
    test = {"AttributeName": "name", "Operator": "Equal", "Values": [{"Value": "nobody", "Type": "System.String"}]}
    nothing = {"PageInfo": page, "LinkEntities": [], "TopCount": None, "SubQueryExpression": None, "DataSource": ""}
    query = {"EntityName": "account", "Criteria": {"Conditions": [test], "FilterHint": None}, **nothing}
    assert sales.client.post("BulkDelete", json={"QuerySet": [query]}).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"foo": 1}, {"subject": 5}, {"actualend": "x"}, {"revision": "1.5"}, {"nobody@odata.bind": "/x(1)"}]
)
def test_the_activity_that_closes_a_quote_has_its_members(sales: Sales, wrong: dict[str, Any]) -> None:
    for name in ("WinQuote", "CloseQuote"):
        answer = sales.client.post(name, json={"QuoteClose": {**FITTING["QuoteClose"], **wrong}, "Status": -1})
        assert error_of(answer) == (400, "0x80048d19"), answer.text
        assert next(iter(wrong)).partition("@")[0] in answer.json()["error"]["message"]


# -- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [f"{CRM}.account", f"#{CRM}.account", "mscrm.account", "#mscrm.account"])
def test_a_type_is_named_alike_everywhere(sales: Sales, form: str) -> None:
    row = {"@odata.type": form, "name": "x"}
    assert sales.client.post("accounts", json=row).status_code == 204
    made = sales.client.post(f"accounts/{CRM}.CreateMultiple", json={"Targets": [row]})
    key = made.json()["Ids"][0]
    for name in ("UpdateMultiple", "UpsertMultiple"):
        changed = sales.client.post(f"accounts/{CRM}.{name}", json={"Targets": [{**row, "accountid": key}]})
        assert changed.status_code == 204, changed.text
    deep = {"firstname": "a", "parentcustomerid_account": row}
    assert sales.client.post("contacts", json=deep).status_code == 204


@pytest.mark.parametrize("form", [f"{CRM}.contact", "#mscrm.contact", "account", "##mscrm.account", 5, {}])
def test_another_type_is_refused_everywhere(sales: Sales, form: object) -> None:
    row, before = {"@odata.type": form, "name": "x"}, count(sales)
    for address, body in (("accounts", row), (f"accounts/{CRM}.CreateMultiple", {"Targets": [row]})):
        assert error_of(sales.client.post(address, json=body)) == (400, "0x80048d19")
    assert count(sales) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"value": "b"}, 204),
        ({"value": "b", "@odata.type": "#String"}, 204),
        ({"value": "b", "@odata.type": "Edm.String"}, 204),
        ({"value": "b", "@odata.type": f"{CRM}.contact"}, 400),
        ({"value": "b", "@odata.type": "#Int32"}, 400),
        ({"value": "b", "@odata.type": 5}, 400),
        ({"value": "b", "name": "c"}, 400),
    ],
)
def test_the_value_of_a_property_is_of_its_type(sales: Sales, body: dict[str, Any], status: int) -> None:
    key = sales.create("accounts", name="a")
    assert sales.client.put(f"accounts({key})/name", json=body).status_code == status
    assert sales.client.get(f"accounts({key})/name").json()["value"] == ("b" if status == 204 else "a")


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "where"),
    [
        ("GET", f"{CRM}.WhoAmI", "called as WhoAmI()."),
        ("POST", "RevertProduct", f"called as products(<key>)/{CRM}.RevertProduct."),
        ("POST", f"accounts/{CRM}.PublishProductHierarchy", f"products(<key>)/{CRM}.PublishProductHierarchy."),
        ("POST", "CreateMultiple", f"<set>/{CRM}.CreateMultiple."),
        ("GET", f"products/{CRM}.RetrievePrincipalAccess", f"systemusers(<key>)/{CRM}.RetrievePrincipalAccess."),
    ],
)
def test_an_operation_at_another_address_says_its_own(sales: Sales, method: str, path: str, where: str) -> None:
    answer = sales.client.request(method, path, json={} if method == "POST" else None)
    assert error_of(answer) == (404, "0x8006088a")
    assert where in answer.json()["error"]["message"]
    assert "not in this sandbox" not in answer.text


@pytest.mark.parametrize("path", ["WhoAmI/UserId", "WhoAmI()/UserId", "accounts/$count/name", "$metadata/accounts"])
def test_nothing_follows_what_stands_last(sales: Sales, path: str) -> None:
    answer = sales.client.get(path)
    assert error_of(answer) == (400, "0x80060888")
    assert "must be the last segment in the URI" in answer.json()["error"]["message"]


def test_an_argument_that_comes_twice_is_told_as_that(sales: Sales) -> None:
    answer = sales.client.get("RetrieveTotalRecordCount(EntityNames=['account'],EntityNames=['account'])")
    assert error_of(answer) == (400, "0x80060888")
    assert answer.json()["error"]["message"] == "The argument 'EntityNames' was given more than once."


def test_metadata_is_counted_and_read_as_text(sales: Sales) -> None:
    every = sales.client.get("EntityDefinitions?$select=LogicalName").json()["value"]
    assert sales.client.get("EntityDefinitions/$count").text == str(len(every))
    quotes = "EntityDefinitions/$count?$filter=startswith(LogicalName,'q')"
    assert sales.client.get(quotes).status_code == 501
    assert sales.client.get("EntityDefinitions/$count?$filter=LogicalName eq 'quote'").text == "1"
    one = "EntityDefinitions(LogicalName='quote')"
    assert sales.client.get(f"{one}/EntitySetName/$value").text == "quotes"
    assert sales.client.get(f"{one}/IsActivity/$value").text == "false"
    assert error_of(sales.client.get(f"{one}/DisplayName/$value"))[0] == 404
    assert error_of(sales.client.get(f"{one}/$count"))[0] == 404


def test_members_of_a_kind_of_relationships_need_its_cast(sales: Sales) -> None:
    cast = f"RelationshipDefinitions/{CRM}.OneToManyRelationshipMetadata"
    found = sales.client.get(f"{cast}?$select=ReferencedEntity&$filter=ReferencingEntity eq 'quotedetail'")
    assert {row["ReferencedEntity"] for row in found.json()["value"]} >= {"quote", "product"}
    for query in ("$select=ReferencedEntity", "$filter=ReferencingEntity eq 'quotedetail'"):
        answer = sales.client.get(f"RelationshipDefinitions?{query}")
        assert error_of(answer) == (400, "0x80060888"), answer.text
    assert sales.client.get("RelationshipDefinitions?$select=SchemaName,RelationshipType").status_code == 200


# -- what filters call ------------------------------------------------------------------------------------------------


def found(sales: Sales, entity_set: str, test: str) -> int:
    answer = sales.client.get(f"{entity_set}/$count", params={"$filter": test})
    assert answer.status_code == 200, answer.text
    return int(answer.text)


def test_a_name_in_a_lambda_without_its_variable_is_the_filtered_row_s(sales: Sales) -> None:
    parent = sales.create("accounts", name="over", accountnumber="over")
    sales.create("accounts", name="under", parentaccountid__bind=f"/accounts({parent})")
    ways = "account_parent_account"
    assert found(sales, "accounts", f"{ways}/any(x:x/name eq 'under' and name eq 'over')") == 1
    assert found(sales, "accounts", f"{ways}/any(x:name eq 'under')") == 0
    assert found(sales, "accounts", f"{ways}/any(x:{CRM}.In(PropertyName='name',PropertyValues=['under']))") == 1
    twice = sales.client.get("accounts", params={"$filter": f"{ways}/any(x:x/{ways}/any(x:x/name eq 'a'))"})
    assert twice.status_code == 400
    assert "The range variable 'x' has already been declared." in twice.text


@pytest.mark.parametrize(
    "call",
    [
        "Today(PropertyName='createdon',Foo=1)",
        "Today(PropertyName='createdon',PropertyValue=1)",
        "Today(PropertyName='createdon',PropertyName='modifiedon')",
        "LastXDays('createdon',1)",
        "On(PropertyName='createdon',PropertyValue=['2026-01-31'])",
        "In(PropertyName='name',PropertyValues=['a'],PropertyValue='a')",
        "InFiscalPeriodAndYear(PropertyName='createdon',PropertyValue1=1)",
        "InFiscalYear(PropertyName='name',PropertyValue=2026)",
    ],
)
def test_a_query_function_takes_its_parameters_alone(sales: Sales, call: str) -> None:
    answer = sales.client.get("accounts", params={"$filter": f"{CRM}.{call}"})
    assert error_of(answer)[0] == 400, answer.text


@pytest.mark.parametrize(
    ("call", "days"),
    [
        ("InFiscalYear(PropertyName='birthdate',PropertyValue=2026)", "bc"),
        ("InFiscalPeriod(PropertyName='birthdate',PropertyValue=1)", "ab"),
        ("InFiscalPeriodAndYear(PropertyName='birthdate',PropertyValue1=4,PropertyValue2=2026)", "c"),
        ("InOrAfterFiscalPeriodAndYear(PropertyName='birthdate',PropertyValue1=2,PropertyValue2='2026')", "c"),
        ("InOrBeforeFiscalPeriodAndYear(PropertyName='birthdate',PropertyValue1=1,PropertyValue2=2026)", "ab"),
    ],
)
def test_fiscal_periods_are_quarters_of_the_year(sales: Sales, call: str, days: str) -> None:
    if not found(sales, "contacts", "birthdate ne null"):
        for name, day in (("a", "2025-03-31"), ("b", "2026-01-01"), ("c", "2026-12-31")):
            sales.create("contacts", lastname=name, birthdate=day)
    rows = sales.client.get("contacts", params={"$filter": f"{CRM}.{call}", "$orderby": "lastname"}).json()["value"]
    assert "".join(row["lastname"] for row in rows) == days
