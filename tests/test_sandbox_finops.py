"""What the F&O side of the sandbox answers, request by request."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from p2c_lib.sandbox.finops import FinOps, Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.wire import Answer, Call, split_url

BASE = "http://127.0.0.1:8711"
SETS = entities("finops")


class Client:
    """Requests straight into the service, without a socket."""

    def __init__(self, finops: FinOps) -> None:
        self.finops = finops

    def send(self, method: str, url: str, body: object = None, **headers: str) -> Answer:
        path, query = split_url(url if url.startswith(("http", "/")) else f"/data/{url}")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        return self.finops.answer(Call(method, path, query.replace(" ", "%20"), named, raw, BASE))

    def get(self, url: str, **headers: str) -> Any:
        answer = self.send("GET", url, **headers)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def rows(self, url: str, column: str) -> list[Any]:
        return [row[column] for row in self.get(url)["value"]]

    def refused(self, method: str, url: str, body: object = None, **headers: str) -> tuple[int, str]:
        """Status and inner message of a refused request, whose body has the one error shape."""
        answer = self.send(method, url, body, **headers)
        error = json.loads(answer.body)
        assert set(error) == {"error"}
        assert set(error["error"]) == {"code", "message", "innererror"}
        assert set(error["error"]["innererror"]) == {"message", "type", "stacktrace"}
        assert error["error"]["code"] == ""
        return answer.status, error["error"]["innererror"]["message"]


def build(directory: Path, **switches: Any) -> Client:
    store = Store(directory / "sandbox.db", SETS.values())
    with store.write():
        for company in ("usmf", "usrt"):
            store.insert(SETS["LegalEntities"], {"LegalEntityId": company, "Name": company})
            store.insert(SETS["CustomerGroups"], {"dataAreaId": company, "CustomerGroupId": "10"})
            store.insert(SETS["OperationalSites"], {"dataAreaId": company, "SiteId": "1"})
            store.insert(SETS["Warehouses"], {"dataAreaId": company, "WarehouseId": "13"})
        for currency in ("USD", "EUR"):
            store.insert(SETS["Currencies"], {"CurrencyCode": currency})
        store.insert(SETS["LanguageCodes"], {"LanguageCodeId": "en-us"})
        store.insert(SETS["AddressCountryRegions"], {"CountryRegion": "USA", "ISOcode": "US"})
        store.insert(SETS["UnitsOfMeasure"], {"UnitSymbol": "ea"})
        for number, company in (("P-1", "usmf"), ("P-2", "usmf"), ("P-1", "usrt")):
            row = {"dataAreaId": company, "ProductNumber": number, "ProductName": f"Bike {number}"}
            store.insert(SETS["SellableReleasedProducts"], {**row, "SalesUnitSymbol": "ea", "SalesPrice": 10.5})
    return Client(FinOps(store, Switches(**switches)))


@pytest.fixture
def finops(tmp_path: Path) -> Client:
    return build(tmp_path)


def customer(number: str, **more: object) -> dict[str, object]:
    return {
        "CustomerAccount": number,
        "CustomerGroupId": "10",
        "SalesCurrencyCode": "USD",
        "PartyNumber": number,
        **more,
    }


def test_a_create_answers_201_with_the_whole_row_and_a_readable_etag(finops: Client):
    answer = finops.send("POST", "CustomersV2", customer("C-1", OrganizationName="Fabrikam  ", CreditLimit=12.5))
    row = json.loads(answer.body)
    assert answer.status == 201
    assert row["@odata.context"] == f"{BASE}/data/$metadata#CustomersV2/$entity"
    picked = {
        name: row[name] for name in ("dataAreaId", "OrganizationName", "CreditLimit", "PartyType", "PersonGender")
    }
    assert picked == {
        "dataAreaId": "usmf",
        "OrganizationName": "Fabrikam",
        "CreditLimit": 12.5,
        "PartyType": "Organization",
        "PersonGender": "Unknown",
    }
    assert len(row) == len(SETS["CustomersV2"].columns) + 2
    version = base64.b64decode(row["@odata.etag"].removeprefix('W/"').removesuffix('"')).decode()
    assert version.startswith("'")
    assert version.endswith("'")


def test_empty_values_are_text_zero_member_and_1900_never_null(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    number = {"SalesQuotationNumber": "Q-1", "RequestingCustomerAccountNumber": "C-1"}
    assert finops.send("POST", "CDSSalesQuotationHeaders", number).status == 201
    row = finops.get("CDSSalesQuotationHeaders(dataAreaId='usmf',SalesQuotationNumber='Q-1')")
    assert None not in row.values()
    assert (row["CustomersReference"], row["QuotationTotalAmount"], row["IsDeliveryAddressPrivate"]) == ("", 0, "No")
    assert row["RequestedShippingDate"] == "1900-01-01T12:00:00Z"
    assert (row["CurrencyCode"], row["SalesQuotationStatus"]) == ("USD", "Created")
    assert finops.rows("CDSSalesQuotationHeaders?$filter=CustomersReference eq ''", "SalesQuotationNumber") == ["Q-1"]
    assert finops.rows("CDSSalesQuotationHeaders?$filter=QuotationTotalAmount gt 0", "SalesQuotationNumber") == []


def test_patch_is_an_update_only_and_answers_204(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1", OrganizationName="A"))
    key = "CustomersV2(CustomerAccount='c-1',dataAreaId='USMF')"
    assert finops.send("PATCH", key, {"OrganizationName": "B"}).status == 204
    assert finops.get(f"{key}?$select=OrganizationName")["OrganizationName"] == "B"
    assert finops.get(f"{key}/OrganizationName")["value"] == "B"
    missing = finops.refused("PATCH", "CustomersV2(dataAreaId='usmf',CustomerAccount='X')", {"OrganizationName": "B"})
    assert missing == (400, "No resources were found when selecting for update.")
    assert finops.refused("DELETE", "CustomersV2(dataAreaId='usmf',CustomerAccount='X')") == missing
    assert finops.refused("GET", "CustomersV2(dataAreaId='usmf',CustomerAccount='X')")[0] == 404
    assert "does not allow editing" in finops.refused("PATCH", key, {"CustomerAccount": "C-2"})[1]
    assert finops.send("PATCH", key, {"CustomerAccount": "C-1"}).status == 204


def test_if_match_keeps_a_changed_row_from_being_overwritten(finops: Client):
    old = json.loads(finops.send("POST", "CustomersV2", customer("C-1")).body)["@odata.etag"]
    key = "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')"
    assert finops.send("PATCH", key, {"OrganizationName": "B"}, if_match=old).status == 204
    assert finops.refused("PATCH", key, {"OrganizationName": "C"}, if_match=old)[0] == 412
    assert finops.refused("DELETE", key, if_match=old)[0] == 412
    assert finops.send("PATCH", key, {"OrganizationName": "C"}, if_match="*").status == 204
    now = finops.get(key)["@odata.etag"]
    assert finops.send("DELETE", key, if_match=now).status == 204


def test_the_update_conflict_can_be_told_in_the_infolog_way(tmp_path: Path):
    finops = build(tmp_path, etag_mismatch="conflict")
    finops.send("POST", "CustomersV2", customer("C-1"))
    key = "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')"
    status, text = finops.refused("PATCH", key, {"OrganizationName": "C"}, if_match='W/"old"')
    assert status == 400
    assert "update conflict" in text


def test_a_key_twice_is_a_record_that_already_exists(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    status, text = finops.refused("POST", "CustomersV2", customer("c-1"))
    assert status == 400
    assert text.startswith("Write failed for table row of type 'CustCustomerV2Entity'. Infolog: Info: Cannot create")
    assert text.endswith("The record already exists..")


@pytest.mark.parametrize(
    ("changed", "value", "field"),
    [
        ("CustomerGroupId", "99", "Customer group"),
        ("SalesCurrencyCode", "DEM", "Currency"),
        ("AddressCountryRegionISOCode", "United States", "Country/region"),
        ("SiteId", "9", "Site"),
        ("WarehouseId", "9", "Warehouse"),
        ("LanguageId", "xx", "Language"),
    ],
)
def test_a_value_without_its_related_row_is_refused_in_infolog_words(
    finops: Client, changed: str, value: str, field: str
):
    status, text = finops.refused("POST", "CustomersV2", customer("C-1", **{changed: value}))
    assert status == 400
    assert f"The value '{value}' in field '{field}' is not found in the related table" in text
    assert f"validateField failed on field 'CustCustomerV2Entity.{changed}'." in text
    assert finops.get("CustomersV2?$count=true")["@odata.count"] == 0


@pytest.mark.parametrize(("codes", "taken"), [("both", ["US", "USA"]), ("iso2", ["US"]), ("iso3", ["USA"])])
def test_country_codes_are_a_switch(tmp_path: Path, codes: str, taken: list[str]):
    finops = build(tmp_path, country_codes=codes)
    sent = [
        finops.send("POST", "CustomersV2", customer(c, AddressCountryRegionISOCode=c)).status for c in ("US", "USA")
    ]
    assert [c for c, status in zip(("US", "USA"), sent, strict=True) if status == 201] == taken


def test_contact_persons_need_the_party_of_a_customer(finops: Client):
    contact = {"ContactPersonPartyNumber": "CON-1", "AssociatedPartyNumber": "C-1", "LastName": "Ito"}
    assert "'Associated party' is not found" in finops.refused("POST", "CDSContactPersons", contact)[1]
    finops.send("POST", "CustomersV2", customer("C-1"))
    assert finops.send("POST", "CDSContactPersons", contact).status == 201
    key = "CDSContactPersons(dataAreaId='usmf',ContactPersonPartyNumber='CON-1',AssociatedPartyNumber='C-1')"
    assert finops.get(key)["LastName"] == "Ito"
    assert "depend on it" in finops.refused("DELETE", "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')")[1]


def test_quotations_need_their_customer_and_total_their_lines(finops: Client):
    header = {"SalesQuotationNumber": "Q-1", "RequestingCustomerAccountNumber": "C-1", "QuotationTotalAmount": 99}
    assert "'Customer account' is not found" in finops.refused("POST", "CDSSalesQuotationHeaders", header)[1]
    finops.send("POST", "CustomersV2", customer("C-1"))
    assert finops.send("POST", "CDSSalesQuotationHeaders", header).status == 201
    key = "CDSSalesQuotationHeaders(dataAreaId='usmf',SalesQuotationNumber='Q-1')"
    assert finops.get(key)["QuotationTotalAmount"] == 99
    line = {"SalesQuotationNumber": "Q-1", "LineCreationSequenceNumber": 1, "ProductNumber": "P-1"}
    amounts = {"RequestedSalesQuantity": 3, "SalesPrice": 20, "TotalDiscountAmount": 10}
    made = json.loads(finops.send("POST", "CDSSalesQuotationLines", {**line, **amounts}).body)
    told = ("LineAmount", "LineDiscountAmount", "FixedPriceCharges", "SalesUnitSymbol", "ProductName", "CurrencyCode")
    assert [made[name] for name in told] == [50, 3.33, -0.01, "ea", "Bike P-1", "USD"]
    finops.send(
        "POST", "CDSSalesQuotationLines", {**line, "LineCreationSequenceNumber": 2, "RequestedSalesQuantity": 2}
    )
    assert finops.get(key)["QuotationTotalAmount"] == 71
    finops.send("PATCH", key, {"QuotationTotalAmount": 1, "SalesQuotationName": "Bikes"})
    assert finops.get(f"{key}?$select=QuotationTotalAmount")["QuotationTotalAmount"] == 71
    second = "CDSSalesQuotationLines(dataAreaId='usmf',SalesQuotationNumber='Q-1',LineCreationSequenceNumber=2)"
    finops.send("PATCH", second, {"RequestedSalesQuantity": 4})
    assert finops.get(key)["QuotationTotalAmount"] == 92
    finops.send("DELETE", second)
    assert finops.get(key)["QuotationTotalAmount"] == 50
    unknown = {**line, "LineCreationSequenceNumber": 3, "ProductNumber": "P-9"}
    assert "'Item number' is not found" in finops.refused("POST", "CDSSalesQuotationLines", unknown)[1]
    orphan = {**line, "SalesQuotationNumber": "Q-9"}
    assert "'Quotation' is not found" in finops.refused("POST", "CDSSalesQuotationLines", orphan)[1]
    finops.send("DELETE", key)
    assert finops.get("CDSSalesQuotationLines")["value"] == []


def test_quotation_numbers_are_refused_when_the_sequence_is_not_manual(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    scope = {"ScopeType": "DataArea", "ScopeValue": "usmf", "NumberSequenceCode": "Sale_3"}
    assert finops.send("POST", "SequenceV2Tables", {**scope, "Manual": "No"}).status == 201
    assert (
        finops.send("POST", "NumberSequencesV2References", {**scope, "DataTypeName": "SalesQuotationId"}).status == 201
    )
    header = {"SalesQuotationNumber": "Q-1", "RequestingCustomerAccountNumber": "C-1"}
    assert "not set to Manual" in finops.refused("POST", "CDSSalesQuotationHeaders", header)[1]
    made = json.loads(finops.send("POST", "CDSSalesQuotationHeaders", {"RequestingCustomerAccountNumber": "C-1"}).body)
    assert made["SalesQuotationNumber"] == "QUO-000001"
    kind = "Microsoft.Dynamics.DataEntities.NumberSequenceType'DataArea'"
    key = f"SequenceV2Tables(NumberSequenceCode='Sale_3',ScopeType={kind},ScopeValue='usmf')"
    assert finops.send("PATCH", key, {"Manual": "Yes"}).status == 204
    assert finops.send("POST", "CDSSalesQuotationHeaders", header).status == 201


def test_delivery_date_control_asks_for_a_requested_date(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    finops.send("POST", "AccountsReceivableParameters", {"dataAreaId": "usmf", "DeliveryDateControlType": "ATP"})
    header = {"SalesQuotationNumber": "Q-1", "RequestingCustomerAccountNumber": "C-1"}
    assert "Requested ship date must be filled in" in finops.refused("POST", "CDSSalesQuotationHeaders", header)[1]
    dated = {**header, "RequestedShippingDate": "2026-03-31T00:00:00+02:00"}
    made = json.loads(finops.send("POST", "CDSSalesQuotationHeaders", dated).body)
    assert made["RequestedShippingDate"] == "2026-03-30T12:00:00Z"


def test_without_cross_company_only_the_default_company_is_seen(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    finops.send("POST", "CustomersV2", customer("C-2", dataAreaId="USRT"))
    assert finops.rows("CustomersV2", "CustomerAccount") == ["C-1"]
    assert finops.rows("CustomersV2?cross-company=true", "dataAreaId") == ["usmf", "usrt"]
    assert finops.rows("CustomersV2?cross-company=true&$filter=dataAreaId eq 'USRT'", "CustomerAccount") == ["C-2"]
    other = "CustomersV2(dataAreaId='usrt',CustomerAccount='C-2')"
    assert finops.refused("GET", other)[0] == 404
    assert finops.refused("PATCH", other, {"OrganizationName": "B"})[0] == 400
    assert finops.send("PATCH", f"{other}?cross-company=true", {"OrganizationName": "B"}).status == 204
    assert finops.rows("Currencies", "CurrencyCode") == ["EUR", "USD"]
    assert "company 'zz' does not exist" in finops.refused("POST", "CustomersV2", customer("C", dataAreaId="zz"))[1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("OrganizationName eq '*kai*'", ["C-2"]),
        ("OrganizationName eq 'north*'", ["C-1"]),
        ("OrganizationName ne '*t*'", ["C-2", "C-3"]),
        ("OrganizationName eq 'NORTHWIND'", ["C-1"]),
        ("OrganizationName eq '100%'", ["C-3"]),
        ("CreditLimit ge 10 and not (CustomerAccount eq 'C-3')", ["C-2"]),
        ("CreditLimit add 5 eq 15", ["C-2"]),
        ("CreditLimit mul 2 gt CreditLimit or CustomerAccount eq 'C-1'", ["C-1", "C-2", "C-3"]),
        ("IsExternallyMaintained eq Microsoft.Dynamics.DataEntities.NoYes'Yes'", ["C-1"]),
        ("IsExternallyMaintained ne Microsoft.Dynamics.DataEntities.NoYes'Yes'", ["C-2", "C-3"]),
        ("IsExternallyMaintained eq Microsoft.Dynamics.DataEntities.NoYes'No'", ["C-2", "C-3"]),
        ("AddressValidFrom gt 1901-01-01T00:00:00Z", []),
        ("PersonFirstName eq null", ["C-1", "C-2", "C-3"]),
        ("1 eq 1", ["C-1", "C-2", "C-3"]),
        ("false", []),
    ],
)
def test_filters(finops: Client, text: str, found: list[str]):
    finops.send("POST", "CustomersV2", customer("C-1", OrganizationName="Northwind", IsExternallyMaintained="Yes"))
    finops.send("POST", "CustomersV2", customer("C-2", OrganizationName="Kaikai", CreditLimit=10))
    finops.send("POST", "CustomersV2", customer("C-3", OrganizationName="100%", CreditLimit=1000))
    assert finops.rows(f"CustomersV2?$filter={quote(text)}&$orderby=CustomerAccount", "CustomerAccount") == found


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("$filter=contains(OrganizationName,'a')", "The function 'contains' is not supported"),
        ("$filter=startswith(OrganizationName,'a')", "The function 'startswith' is not supported"),
        ("$filter=IsExternallyMaintained eq 'Yes'", "incompatible types"),
        ("$filter=IsExternallyMaintained gt Microsoft.Dynamics.DataEntities.NoYes'No'", "'eq' and 'ne' only"),
        ("$filter=IsExternallyMaintained eq Microsoft.Dynamics.DataEntities.NoYes'Maybe'", "is not a member"),
        ("$filter=IsExternallyMaintained eq Microsoft.Dynamics.DataEntities.Gender'Male'", "incompatible types"),
        ("$filter=OrganizationName in ('a','b')", "Syntax error"),
        ("$filter=Nmae eq 'a'", "Could not find a property named 'Nmae'"),
        ("$filter=CreditLimit eq 'a'", "incompatible types"),
        ("$filter=OrganizationName", "single boolean value"),
        ("$filter=OrganizationName eq 'a", "unterminated"),
        ("$select=Nmae", "Could not find a property named 'Nmae'"),
        ("$orderby=Nmae", "Could not find a property named 'Nmae'"),
        ("$top=-1", "Invalid value '-1' for $top"),
        ("$count=yes", "Invalid value 'yes' for $count"),
        ("$apply=aggregate($count as n)", "'$apply' is not supported"),
        ("cross-company=perhaps", "not a value of 'cross-company'"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(finops: Client, query: str, problem: str):
    name, _, value = query.partition("=")
    status, text = finops.refused("GET", f"CustomersV2?{name}={quote(value)}")
    assert status == 400
    assert problem in text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"Nmae": "a"}, "The property 'Nmae' does not exist on type"),
        ({"OrganizationName": 5}, "Cannot convert the literal 5 of property 'OrganizationName'"),
        ({"CreditLimit": "5"}, "to the expected type 'Edm.Decimal'"),
        ({"OrganizationNumberOfEmployees": 1.5}, "to the expected type 'Edm.Int32'"),
        ({"OrganizationNumberOfEmployees": 2**31}, "to the expected type 'Edm.Int32'"),
        ({"IsExternallyMaintained": True}, "to the expected type"),
        ({"IsExternallyMaintained": "yes"}, "was not found in type"),
        ({"AddressValidFrom": "31/12/2026"}, "to the expected type 'Edm.DateTimeOffset'"),
        ([], "must be a JSON object"),
        (b"{", "not JSON"),
        (b'{"CreditLimit": NaN}', "not JSON"),
    ],
)
def test_a_body_that_does_not_fit_the_entity_is_refused(finops: Client, body: object, problem: str):
    sent = customer("C-1") | body if isinstance(body, dict) else body
    status, text = finops.refused("POST", "CustomersV2", sent)
    assert status == 400
    assert text.startswith("entity : ")
    assert problem in text


def test_text_that_is_too_long_follows_the_switch(tmp_path: Path):
    outcomes = {}
    for choice in ("accept", "truncate", "reject"):
        (tmp_path / choice).mkdir()
        finops = build(tmp_path / choice, string_overflow=choice)
        answer = finops.send("POST", "CustomersV2", customer("C-1", OrganizationName="x" * 150))
        outcomes[choice] = len(json.loads(answer.body).get("OrganizationName", ""))
        assert finops.refused("POST", "CustomersV2", customer("y" * 21))[0] == 400
    assert outcomes == {"accept": 150, "truncate": 100, "reject": 0}


def test_a_text_is_as_long_as_its_utf_16_and_never_ends_in_half_a_character(tmp_path: Path):
    finops = build(tmp_path, string_overflow="truncate")
    names = {"C-1": "x" * 98 + "😀", "C-2": "x" * 99 + "😀", "C-3": "😀" * 60}
    kept = {
        key: json.loads(finops.send("POST", "CustomersV2", customer(key, OrganizationName=name)).body)
        for key, name in names.items()
    }
    assert {key: row["OrganizationName"] for key, row in kept.items()} == {
        "C-1": "x" * 98 + "😀",
        "C-2": "x" * 99,
        "C-3": "😀" * 50,
    }
    assert finops.refused("POST", "CustomersV2", customer("😀" * 11))[0] == 400


@pytest.mark.parametrize("form", ["skip", "skiptoken"])
def test_pages_follow_next_links_to_the_end_without_loss(tmp_path: Path, form: str):
    finops = build(tmp_path, next_link=form, page_size=7)
    with finops.finops.store.write():
        rows = [("usmf", f"C-{n:03}") for n in range(50)]
        finops.finops.store.insert_many(SETS["CustomersV2"], ["dataAreaId", "CustomerAccount"], rows)
    url: str | None = "CustomersV2?$select=CustomerAccount&$orderby=CustomerAccount desc&$count=true&$top=45"
    seen, pages = [], 0
    while url:
        page = finops.get(url)
        assert page["@odata.count"] == 50
        seen += [row["CustomerAccount"] for row in page["value"]]
        pages += 1
        url = page.get("@odata.nextLink")
        assert url is None or url.startswith(f"{BASE}/data/CustomersV2?")
    assert seen == [f"C-{n:03}" for n in range(49, 4, -1)]
    assert pages == 7
    small = finops.get("CustomersV2", prefer="odata.maxpagesize=3")
    assert len(small["value"]) == 3
    assert finops.send("GET", "CustomersV2/$count").body == b"50"
    assert finops.send("GET", "CustomersV2/$count?$filter=CustomerAccount%20eq%20'C-00*'").body == b"10"


def test_metadata_levels(finops: Client):
    finops.send("POST", "CustomersV2", customer("C-1"))
    full = finops.get("CustomersV2?$select=CustomerAccount", accept="application/json;odata.metadata=full")["value"][0]
    assert full["@odata.type"] == "#Microsoft.Dynamics.DataEntities.CustomerV2"
    none = finops.get("CustomersV2?$select=CustomerAccount", accept="application/json;odata.metadata=none")
    assert none == {"value": [{"CustomerAccount": "C-1"}]}


# -- batches -------------------------------------------------------------------------------------------------------


def batch(*parts: str, newline: str = "\r\n") -> bytes:
    lines = [line for part in parts for line in ("--b", *part.split("\n"))]
    return newline.join([*lines, "--b--", ""]).encode()


def part(method: str, url: str, body: object = None, content_id: str = "1") -> str:
    head = "Content-Type: application/http\nContent-Transfer-Encoding: binary\nContent-ID: " + content_id
    text = "" if body is None else json.dumps(body)
    return f"{head}\n\n{method} {url} HTTP/1.1\nContent-Type: application/json\n\n{text}"


def change_set(*parts: str) -> str:
    inner = "".join(f"--c\n{one}\n" for one in parts)
    return f"Content-Type: multipart/mixed; boundary=c\n\n{inner}--c--"


def statuses(answer: Answer) -> list[int]:
    return [int(line.split()[1]) for line in answer.body.decode().splitlines() if line.startswith("HTTP/1.1")]


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_a_batch_answers_every_part_in_order(finops: Client, newline: str):
    body = batch(
        part("POST", f"{BASE}/data/CustomersV2?cross-company=true", customer("C-1")),
        part("POST", "/data/CustomersV2", customer("C-2", CustomerGroupId="99")),
        part("PATCH", "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')", {"OrganizationName": "B"}),
        part("GET", "/data/CustomersV2?$select=OrganizationName"),
        newline=newline,
    )
    answer = finops.send("POST", "$batch", body, content_type="multipart/mixed; boundary=b")
    assert answer.status == 200
    assert statuses(answer) == [201, 400, 204, 200]
    assert b"AxODataWriteException" in answer.body
    assert finops.rows("CustomersV2", "OrganizationName") == ["B"]


def test_a_change_set_is_all_or_nothing_and_answers_one_part(tmp_path: Path):
    finops = build(tmp_path, batch_write_error_status=500)
    body = batch(
        change_set(
            part("POST", "/data/CustomersV2", customer("C-1"), "1"),
            part("POST", "/data/CustomersV2", customer("C-2", CustomerGroupId="99"), "2"),
        ),
        change_set(part("POST", "/data/CustomersV2", customer("C-3"), "3")),
    )
    answer = finops.send("POST", "$batch", body, content_type='multipart/mixed; boundary="b"')
    assert statuses(answer) == [500, 201]
    assert b"changesetresponse_" in answer.body
    assert finops.rows("CustomersV2", "CustomerAccount") == ["C-3"]


def test_batch_limits_and_forms(finops: Client):
    kind = "multipart/mixed; boundary=b"
    many = batch(*[part("GET", "/data/Currencies/$count") for _ in range(5001)])
    assert "'5000' operations" in finops.refused("POST", "$batch", many, content_type=kind)[1]
    assert finops.refused("POST", "$batch", b"", content_type=kind)[0] == 400
    assert finops.refused("POST", "$batch", b"x", content_type="application/json")[0] == 400
    nested = finops.send("POST", "$batch", batch(part("POST", "/data/$batch")), content_type=kind)
    assert statuses(nested) == [400]


# -- metadata ------------------------------------------------------------------------------------------------------


def test_the_metadata_service_tells_keys_types_and_enum_members(finops: Client):
    one = finops.get("/metadata/PublicEntities('CustomerV2')")
    assert one["EntitySetName"] == "CustomersV2"
    told = {p["Name"]: (p["TypeName"], p["DataType"], p["IsKey"], p["IsMandatory"]) for p in one["Properties"]}
    assert told["CustomerAccount"] == ("Edm.String", "String", True, True)
    assert told["CreditLimit"] == ("Edm.Decimal", "Real", False, False)
    assert told["PersonGender"] == ("Microsoft.Dynamics.DataEntities.Gender", "Enum", False, False)
    by_set = finops.get("/metadata/PublicEntities?$filter=EntitySetName%20eq%20'CustomersV2'")["value"]
    assert [row["Name"] for row in by_set] == ["CustomerV2"]
    no_yes = finops.get("/metadata/PublicEnumerations('NoYes')")["Members"]
    assert [(m["Name"], m["Value"]) for m in no_yes] == [("No", 0), ("Yes", 1)]
    assert {row["PublicCollectionName"] for row in finops.get("/metadata/DataEntities")["value"]} == set(SETS)
    assert finops.refused("GET", "/metadata/PublicEntities('Nothing')")[0] == 404
    assert finops.refused("GET", "/metadata/Nothing")[0] == 404
    assert finops.refused("GET", "/metadata/PublicEntities?$filter=Nmae%20ne%20'a'")[0] == 400


def test_labels_are_read_one_by_one(finops: Client):
    one = finops.get("/metadata/PublicEntities('CustomerV2')")
    group = next(p for p in one["Properties"] if p["Name"] == "CustomerGroupId")
    label = finops.get(f"/metadata/Labels(Id='{group['LabelId']}',Language='en-us')")
    assert (label["Id"], label["Language"], label["Value"]) == (group["LabelId"], "en-us", "Customer group id")
    (entity,) = finops.get("/metadata/DataEntities?$filter=PublicCollectionName eq 'CustomersV2'")["value"]
    assert finops.get(f"/metadata/Labels(Id='{entity['LabelId']}',Language='en-us')")["Value"] == "Customers V2"
    assert finops.refused("GET", "/metadata/Labels(Id='@Sandbox:Nothing',Language='en-us')")[0] == 404
    assert finops.refused("GET", "/metadata/Labels")[0] == 404


def test_the_csdl_names_every_set_type_and_enum(finops: Client):
    from xml.etree import ElementTree

    edm = "{http://docs.oasis-open.org/odata/ns/edm}"
    tree = ElementTree.fromstring(finops.send("GET", "$metadata").body)
    sets = {one.get("Name"): one.get("EntityType") for one in tree.iter(f"{edm}EntitySet")}
    assert sets == {one.set_name: f"Microsoft.Dynamics.DataEntities.{one.name}" for one in SETS.values()}
    types = {one.get("Name"): one for one in tree.iter(f"{edm}EntityType")}
    keys = [ref.get("Name") for ref in types["CDSContactPerson"].iter(f"{edm}PropertyRef")]
    assert keys == ["dataAreaId", "ContactPersonPartyNumber", "AssociatedPartyNumber"]
    names = {one["name"] for one in finops.get("/data/")["value"]}
    assert names == set(SETS)


def test_what_is_not_there_is_404_and_the_wrong_verb_405(finops: Client):
    status, text = finops.refused("GET", "CustomerV2")
    assert status == 404
    assert "Did you mean 'CustomersV2'?" in text
    nowhere = finops.send("GET", "/nowhere")
    assert nowhere.status == 404
    assert json.loads(nowhere.body)["MessageDetail"] == "No route data was found for this request."
    assert finops.refused("DELETE", "CustomersV2")[0] == 405
    assert finops.refused("GET", "$batch")[0] == 405
    assert finops.refused("GET", "CustomersV2(dataAreaId='usmf')")[0] == 400
    assert finops.refused("GET", "CustomersV2('C-1')")[0] == 400
    assert finops.refused("GET", "CustomersV2(dataAreaId='usmf',CustomerAccount=5)")[0] == 400


# -- related rows and throttling -----------------------------------------------------------------------------------


@pytest.fixture
def quoted(finops: Client) -> Client:
    finops.send("POST", "CustomersV2", customer("C-1"))
    for number in ("Q-1", "Q-2"):
        header = {"SalesQuotationNumber": number, "RequestingCustomerAccountNumber": "C-1"}
        assert finops.send("POST", "CDSSalesQuotationHeaders", header).status == 201
    for sequence, quantity in ((1, 3), (2, 5)):
        line = {"SalesQuotationNumber": "Q-1", "LineCreationSequenceNumber": sequence, "ProductNumber": "P-1"}
        assert finops.send("POST", "CDSSalesQuotationLines", line | {"RequestedSalesQuantity": quantity}).status == 201
    return finops


def test_related_rows_come_inside_their_row_on_the_first_level(quoted: Client):
    inner = "CDSSalesQuotationLines($select=LineCreationSequenceNumber,LineAmount;$orderby=LineAmount desc)"
    rows = quoted.get(f"CDSSalesQuotationHeaders?$select=SalesQuotationNumber&$expand={inner}")["value"]
    told = {
        row["SalesQuotationNumber"]: [
            (line["LineCreationSequenceNumber"], line["LineAmount"]) for line in row["CDSSalesQuotationLines"]
        ]
        for row in rows
    }
    assert told == {"Q-1": [(2, 52.5), (1, 31.5)], "Q-2": []}
    key = "CDSSalesQuotationHeaders(dataAreaId='usmf',SalesQuotationNumber='Q-1')"
    few = quoted.get(f"{key}?$expand=CDSSalesQuotationLines($filter=RequestedSalesQuantity gt 3)")
    assert [line["LineCreationSequenceNumber"] for line in few["CDSSalesQuotationLines"]] == [2]
    lines = quoted.get("CDSSalesQuotationLines?$expand=CDSSalesQuotationHeader($select=CurrencyCode)&$top=1")["value"]
    assert lines[0]["CDSSalesQuotationHeader"]["CurrencyCode"] == "USD"


@pytest.mark.parametrize(
    ("expand", "said"),
    [
        ("Nothing", "Navigation properties: CDSSalesQuotationLines"),
        ("CDSSalesQuotationLines($expand=CDSSalesQuotationHeader)", "first level only"),
        ("CDSSalesQuotationLines($levels=2)", "not an option of $expand"),
        ("CDSSalesQuotationLines($select=Nmae)", "Could not find a property named 'Nmae'"),
        ("CDSSalesQuotationLines($top=x)", "Invalid value 'x'"),
        ("CDSSalesQuotationLines(", "Could not find a navigation property"),
        ("", "Could not find a navigation property"),
    ],
)
def test_an_expand_that_cannot_be_answered_says_why(quoted: Client, expand: str, said: str):
    status, text = quoted.refused("GET", f"CDSSalesQuotationHeaders?$expand={quote(expand)}")
    assert status == 400
    assert said in text


def test_a_busy_environment_asks_to_wait():
    from p2c_lib.sandbox.finops.throttle import Throttle
    from p2c_lib.sandbox.wire import Refusal

    throttle = Throttle(Switches(most_concurrent=2, busy_seconds=9))
    with throttle.request(), throttle.request():
        with pytest.raises(Refusal) as refused, throttle.request():
            pass
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "9"})
    with throttle.request():
        assert throttle.under_way == 1


def test_the_limits_per_user_of_older_versions_slide():
    from p2c_lib.sandbox.finops.throttle import Throttle
    from p2c_lib.sandbox.wire import Refusal

    now = [0.0]
    throttle = Throttle(Switches(user_limits="on"), clock=lambda: now[0])
    for _ in range(6000):
        with throttle.request():
            now[0] += 0.01
    with pytest.raises(Refusal, match="exeeded the limit of 6000") as refused, throttle.request():
        pass
    assert refused.value.headers == {"Retry-After": "241"}
    now[0] += 300
    with throttle.request():
        now[0] += 1300
    with pytest.raises(Refusal, match="Combined execution time"), throttle.request():
        pass
