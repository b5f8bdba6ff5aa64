"""A write whose answer is lost: what the service makes of a value decides whether its row holds it, in either way."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.errors import Drifted, Unreachable
from p2c_lib.odata import Client, Column, Write
from p2c_lib.odata.stored import keeps
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from tests.conftest import Sales
from tests.test_odata_settle import losing
from tests.wired import finops_client, sales_client

EXAMPLES = int(os.environ.get("P2C_LOST_ANSWERS", "40"))
Values = st.SearchStrategy[Any]
YEN, DINAR = (str(UUID(int=n)) for n in (1, 3))
CURRENCIES = {YEN: ("JPY", 0), DINAR: ("KWD", 3)}

TEXTS = st.text(st.sampled_from(list("aAéß. <&0x\n")), max_size=4)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(1900, 1, 2)) | st.datetimes(
    datetime(2026, 3, 1), datetime(2026, 3, 2, 3), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])
)
DAYS = st.dates(date(2026, 3, 1), date(2026, 3, 2))
GUIDS = st.sampled_from([str(UUID(int=0)), str(UUID(int=0xABC)), str(UUID(int=0xABC)).upper()])
HALVES = [Decimal(f"{n}e-{places}") for n in (5, 15, 44) for places in range(1, 6)]
EXACT = st.decimals(0, 3, places=0) | st.sampled_from(HALVES)
FINE = EXACT | st.sampled_from([Decimal("0.33333333333333333333"), Decimal("0.3333333333333333"), Decimal("5e-17")])
FLOATS = st.sampled_from([0.0, 0.1, 1e-7, 12.5, 0.30000000000000004])
SEVERAL = st.lists(st.sampled_from(["100000000", "100000001", "100000002"]), max_size=4).map(",".join)


@dataclass(frozen=True)
class Kind:
    """Columns of one set, with values for each, and a column that somebody else changes."""

    app: str
    entity_set: str
    row: Mapping[str, Any]
    columns: Mapping[str, Values]
    theirs: str


KINDS = [
    Kind(
        "sales",
        "accounts",
        {"name": "One"},
        {
            "description": st.none() | TEXTS,
            "numberofemployees": st.none() | st.integers(0, 2),
            "creditlimit": st.none() | EXACT | FLOATS,
            "revenue": EXACT,
            "address1_latitude": st.none() | FLOATS,
            "donotemail": st.booleans(),
            "lastonholdtime": st.none() | MOMENTS | DAYS,
            "new_interests": st.none() | SEVERAL,
            "processid": st.none() | GUIDS,
        },
        "tickersymbol",
    ),
    Kind("sales", "contacts", {"lastname": "One"}, {"birthdate": st.none() | DAYS | MOMENTS}, "department"),
    Kind(
        "sales",
        "products",
        {"name": "One", "statecode": 2, "statuscode": 0},
        {"price": EXACT, "stockweight": st.none() | EXACT | FLOATS},
        "vendorname",
    ),
    Kind(
        "finops",
        "CustomersV2",
        {"dataAreaId": "usmf", "OrganizationName": "One", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"},
        {
            "SalesMemo": st.none() | TEXTS,
            "OrganizationNumberOfEmployees": st.none() | st.integers(0, 2),
            "CreditLimit": st.none() | FINE | FLOATS,
            "IsFinalUser": st.none() | st.sampled_from(["Yes", "No"]),
            "AddressValidTo": st.none() | MOMENTS | DAYS,
        },
        "AddressCity",
    ),
]


def with_money(store: Store, pricing: int = 1) -> None:
    """An organisation whose prices keep few decimals, whose own currency keeps three, and which has one with none."""
    sales = entities("sales")
    with store.write():
        store.insert(sales["businessunits"], {"businessunitid": str(UUID(int=9)), "name": "Root"})
        store.insert(sales["systemusers"], {"systemuserid": str(UUID(int=8)), "fullname": "Ann"})
        settings_of = {"pricingdecimalprecision": pricing, "basecurrencyid": DINAR}
        store.insert(sales["organizations"], {"organizationid": str(UUID(int=7)), "name": "Org", **settings_of})
        for row_id, (code, places) in CURRENCIES.items():
            row = {"transactioncurrencyid": row_id, "isocurrencycode": code, "currencyprecision": places}
            store.insert(sales["transactioncurrencies"], {**row, "exchangerate": Decimal(1)})


def one_row(store: Store, kind: Kind, currency: str | None) -> dict[str, Any]:
    """A row of a kind, by its key."""
    entity = entities(kind.app)[kind.entity_set]  # type: ignore[index]
    own = "CustomerAccount" if kind.app == "finops" else entity.key[0]
    ident = f"C-{uuid4().hex[:12]}" if kind.app == "finops" else str(uuid4())
    further: dict[str, Any] = {} if currency is None else {"transactioncurrencyid": currency}
    if kind.entity_set == "products":
        further["productnumber"] = ident
    with store.write():
        store.insert(entity, {**kind.row, own: ident, **further})
    return {name: ident if name == own else kind.row[name] for name in entity.key}


def address(kind: Kind, key: Mapping[str, Any]) -> str:
    if kind.app == "sales":
        return f"{kind.entity_set}({next(iter(key.values()))})"
    return f"{kind.entity_set}({','.join(f'{name}=%27{value}%27' for name, value in key.items())})?cross-company=true"


def held(plain: httpx.Client, kind: Kind, key: Mapping[str, Any], column: str) -> object:
    """What the service answers for a value, digit by digit."""
    answer = plain.get(address(kind, key))
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content, parse_float=Decimal)[column]


def put(client: Client, kind: Kind, key: Mapping[str, Any], column: str, value: object) -> None:
    (result,) = client.write([Write("update", kind.entity_set, key, {column: value})])
    assert result.ok, result.error


def lost(plain: httpx.Client, kind: Kind, key: Mapping[str, Any], body: Mapping[str, Any], *, arrives: bool) -> type:
    """How an update is told whose answer is lost, or that is lost itself, while somebody else changes the row."""
    url = address(kind, key)
    etag = plain.get(url).json()["@odata.etag"]

    def meanwhile() -> None:
        answer = plain.patch(url, json={kind.theirs: "theirs"})
        assert answer.status_code == 204, answer.text

    with losing(plain, kind.app, meanwhile, arrives=arrives) as client:
        (result,) = client.write([Write("update", kind.entity_set, key, body, etag)])
    return type(result.error)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_lost_answer_is_told_by_what_the_service_makes_of_the_value(
    sales: Sales, finops: httpx.Client, store: Store, portal: BlockingPortal, data: st.DataObject
) -> None:
    """The oracle is the service: what it answers, digit by digit, where the same value was written in peace."""
    if not store.count(entities("sales")["organizations"]):
        with_money(store)
    kind, arrives = data.draw(st.sampled_from(KINDS)), data.draw(st.booleans(), label="arrives")
    column = data.draw(st.sampled_from(sorted(kind.columns)), label="column")
    before, wanted = (data.draw(kind.columns[column], label=name) for name in ("before", "wanted"))
    currency = data.draw(st.sampled_from([None, YEN, DINAR])) if kind.app == "sales" else None
    currency = None if kind.entity_set == "contacts" else currency
    plain = sales.client if kind.app == "sales" else finops
    mine, twin = (one_row(store, kind, currency) for _ in "ab")
    with (sales_client if kind.app == "sales" else finops_client)(store, portal) as client:
        put(client, kind, mine, column, before)
        put(client, kind, twin, column, wanted)
    old, new = held(plain, kind, mine, column), held(plain, kind, twin, column)
    told = lost(plain, kind, mine, {column: wanted}, arrives=arrives)
    there = held(plain, kind, mine, column)
    assert there == (new if arrives else old)
    assert told is (type(None) if there == new else Unreachable if part_of(wanted, there, kind.app) else Drifted)


def part_of(wanted: object, there: object, app: str) -> bool:
    """Whether Sales holds what it would make of a number if it kept fewer decimals: whose that is, nobody can tell."""
    if app != "sales" or not isinstance(wanted, (Decimal, float)) or not isinstance(there, (Decimal, int)):
        return False
    whole = Decimal(repr(wanted)) if isinstance(wanted, float) else wanted
    return any(round_half_up(whole, places) == there for places in range(12))


def round_half_up(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize(
    ("entity_set", "column", "currency", "kept"),
    [
        ("accounts", "creditlimit", YEN, "1250"),
        ("accounts", "creditlimit", DINAR, "1250.457"),
        ("accounts", "creditlimit", None, "1250.457"),
        ("products", "price", YEN, "1250.5"),
    ],
)
def test_money_with_more_decimals_than_are_kept_is_known_again(
    sales: Sales, store: Store, entity_set: str, column: str, currency: str | None, kept: str, arrives: bool
) -> None:
    with_money(store)
    kind = next(each for each in KINDS if each.entity_set == entity_set)
    key = one_row(store, kind, currency)
    told = lost(sales.client, kind, key, {column: Decimal("1250.4567")}, arrives=arrives)
    there = held(sales.client, kind, key, column)
    assert (told, there) == ((type(None), Decimal(kept)) if arrives else (Drifted, None))


def test_money_goes_by_the_currency_that_the_same_write_sets(sales: Sales, store: Store) -> None:
    with_money(store)
    key = one_row(store, KINDS[0], YEN)
    body = {"creditlimit": Decimal("7.65432"), "transactioncurrencyid@odata.bind": f"/transactioncurrencies({DINAR})"}
    assert lost(sales.client, KINDS[0], key, body, arrives=True) is type(None)
    assert held(sales.client, KINDS[0], key, "creditlimit") == Decimal("7.654")


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("by", ["write", "write_table"])
def test_a_new_row_whose_key_the_service_makes_is_sent_once_whatever_becomes_of_it(
    finops: httpx.Client, store: Store, by: str, rows: int, arrives: bool
) -> None:
    """It cannot be looked for: sent again it might be there twice, so nobody says that it was written."""
    body = KINDS[-1].row
    finops.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"})
    finops.post("CustomerGroups", json={"dataAreaId": "usmf", "CustomerGroupId": "10"})
    finops.post("Currencies", json={"CurrencyCode": "USD"})
    with losing(finops, "finops", lambda: None, arrives=arrives) as client:
        if by == "write":
            results = client.write([Write("create", "CustomersV2", None, body)] * rows)
        else:
            results = client.write_table("create", "CustomersV2", pa.Table.from_pylist([dict(body)] * rows))
    assert [type(result.error) for result in results] == [Unreachable] * rows
    assert store.count(entities("finops")["CustomersV2"]) == (rows if arrives else 0)


def test_a_new_row_is_ours_where_the_service_filled_in_what_it_was_not_told(sales: Sales) -> None:
    body = {"name": "One", "accountnumber": None, "description": ""}
    with losing(sales.client, "sales", lambda: None, arrives=True) as client:
        (result,) = client.write([Write("create", "accounts", None, body)])
    assert result.ok, result.error
    (row,) = sales.client.get("accounts").json()["value"]
    assert row["accountnumber"]
    assert row["description"] is None


def test_a_new_row_is_ours_in_either_case_of_its_company(finops: httpx.Client) -> None:
    finops.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"})
    body = {"dataAreaId": "USMF", "CustomerGroupId": "10", "Description": "Ten"}
    with losing(finops, "finops", lambda: None, arrives=True) as client:
        (result,) = client.write([Write("create", "CustomerGroups", None, body)])
    assert result.ok, result.error
    (row,) = finops.get("CustomerGroups?cross-company=true").json()["value"]
    assert row["dataAreaId"] == "usmf"


@pytest.mark.parametrize(
    ("edm", "kind", "nothing", "other"),
    [
        ("Edm.Boolean", pa.bool_(), False, True),
        ("Edm.Int64", pa.int64(), 0, 1),
        ("Edm.Double", pa.float64(), 0.0, 0.5),
        ("Edm.Guid", pa.string(), str(UUID(int=0)), str(UUID(int=1))),
        ("Edm.Date", pa.date32(), date(1900, 1, 1), date(1900, 1, 2)),
        ("Edm.String", pa.string(), "  ", "x"),
    ],
)
def test_what_stands_for_nothing_in_finops_is_something_in_sales(
    edm: str, kind: pa.DataType, nothing: object, other: object
) -> None:
    column = Column("x", edm, kind)
    assert keeps(None, nothing if edm != "Edm.String" else None, column, "finops")
    assert keeps(nothing, None, column, "finops")
    assert not keeps(None, other, column, "finops")
    assert not keeps(other, None, column, "finops")
    assert not keeps(nothing, None, column, "sales")


def test_a_day_in_a_column_of_moments_is_the_moment_each_service_makes_of_it() -> None:
    column, day = Column("x", "Edm.DateTimeOffset", pa.timestamp("us", "UTC")), date(2026, 3, 1)
    noon, midnight = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    assert [keeps(day, found, column, "finops") for found in (noon, midnight)] == [True, False]
    assert [keeps(day, found, column, "sales") for found in (noon, midnight)] == [False, True]
