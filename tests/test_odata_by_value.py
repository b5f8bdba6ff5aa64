"""Rows are found by the value that was written, though the service keeps fewer digits of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import FrameError
from p2c_lib.odata import Client, Column, EntitySchema, Query, Write
from p2c_lib.odata.among import among, held_keys
from p2c_lib.odata.encode import keys_of
from p2c_lib.odata.literals import key_path
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from tests.wired import finops_client, sales_client

THIRD = Decimal("0.33333333333333333333")
FINE = datetime(2026, 3, 1, 10, 20, 30, 900_000, tzinfo=UTC)


def found(client: Client, entity_set: str, column: str, values: Sequence[object]) -> list[Any]:
    query = Query(entity_set, (column,))
    keys = [{column: value} for value in values]
    return [row[column] for page in client.read_among(query, keys) for row in page.table.to_pylist()]


@pytest.mark.parametrize("value", [THIRD, str(THIRD), Decimal("-2.00000000000000005"), Decimal("7")])
def test_a_real_of_more_decimals_than_finops_has_names_the_row_it_was_written_to(
    store: Store, portal: BlockingPortal, value: Decimal | str
) -> None:
    row = {"dataAreaId": "usmf", "CustomerAccount": "C", "OrganizationName": "One", "CustomerGroupId": "10"}
    row |= {"SalesCurrencyCode": "USD"}
    with store.write():
        store.insert(entities("finops")["CustomersV2"], row)
        store.insert(
            entities("finops")["CustomersV2"], {**row, "CustomerAccount": "D", "CreditLimit": Decimal("0.3333")}
        )
    with finops_client(store, portal) as client:
        key = {name: row[name] for name in ("dataAreaId", "CustomerAccount")}
        (written,) = client.write([Write("update", "CustomersV2", key, {"CreditLimit": Decimal(value)})])
        assert written.ok, written.error
        kept = client.get("CustomersV2", key, ("CreditLimit",))["CreditLimit"]
        assert found(client, "CustomersV2", "CreditLimit", [value]) == [kept]
        assert found(client, "CustomersV2", "CreditLimit", [value, kept]) == [kept]


@pytest.mark.parametrize(
    ("entity_set", "column", "value"),
    [
        ("accounts", "lastonholdtime", FINE),
        ("accounts", "lastonholdtime", FINE.isoformat()),
        ("products", "stockweight", Decimal("1.239")),
        ("products", "stockweight", "1.239"),
    ],
)
def test_a_value_of_sales_that_is_kept_in_fewer_digits_names_its_row(
    store: Store, portal: BlockingPortal, entity_set: str, column: str, value: object
) -> None:
    ident = str(uuid4())
    own = "accountid" if entity_set == "accounts" else "productid"
    number = {} if entity_set == "accounts" else {"productnumber": "P", "statecode": 2, "statuscode": 0}
    with store.write():
        store.insert(entities("sales")[entity_set], {own: ident, "name": "One", **number})
    with sales_client(store, portal) as client:
        body = {column: Decimal(value) if column == "stockweight" else value}  # type: ignore[arg-type]
        (written,) = client.write([Write("update", entity_set, {own: ident}, body)])
        assert written.ok, written.error
        kept = client.get(entity_set, {own: ident}, (column,))[column]
        assert found(client, entity_set, column, [value]) == [kept]
        assert found(client, entity_set, column, [kept, value]) == [kept]


def test_a_lookup_is_resolved_by_a_number_of_more_decimals_than_are_kept(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        many = "1.00000000000000000001"
        group = {"uomscheduleid": str(uuid4()), "name": "Group"}
        unit = {"uomid": str(uuid4()), "name": "Each", "quantity": Decimal(1), "uomscheduleid": group["uomscheduleid"]}
        with store.write():
            store.insert(entities("sales")["uomschedules"], group)
            store.insert(entities("sales")["uoms"], unit)
        path = f"/uoms({unit['uomid']})"
        assert client.resolve("products", "defaultuomid", "quantity", [many, "1", "2", "no"]) == {many: path, "1": path}


SEQUENCE = {"ScopeType": "DataArea", "ScopeValue": "usmf"}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ASKED: list[tuple[str, str, Any]] = [
    ("finops", "Interval", 0.1 + 0.2),
    ("finops", "Interval", 1 / 3),
    ("finops", "Interval", 2.5e-16),
    ("finops", "Interval", np.float32(0.1)),
    ("finops", "Interval", Decimal("0.33333333333333335")),
    ("finops", "DateTime", "2026-01-31"),
    ("finops", "DateTime", NOON.date()),
    ("finops", "DateTime", "2026-01-31t10:00:00z"),
    ("finops", "DateTime", "2026-01-31T23:30:00-05:00"),
    ("finops", "DateTime", NOON.replace(microsecond=999_999)),
    ("finops", "Next", 5.0),
    ("finops", "Next", Decimal("5.00")),
    ("sales", "lastonholdtime", "2026-01-31"),
    ("sales", "lastonholdtime", NOON.date()),
    ("sales", "address1_latitude", 1 / 3),
    ("sales", "address1_latitude", Decimal("0.3333333333333333333")),
    ("sales", "address1_latitude", 7),
    ("sales", "numberofemployees", 5.0),
]


@pytest.mark.parametrize("by_table", [False, True])
@pytest.mark.parametrize(("app", "column", "value"), ASKED)
def test_a_value_finds_the_row_it_was_written_to_in_either_way(
    store: Store, portal: BlockingPortal, app: str, column: str, value: Any, *, by_table: bool
) -> None:
    entity_set, own = ("accounts", "accountnumber") if app == "sales" else ("SequenceV2Tables", "NumberSequenceCode")
    base = {"name": "n"} if app == "sales" else SEQUENCE
    other = {**base, own: "K2"}
    with sales_client(store, portal) if app == "sales" else finops_client(store, portal) as client:
        assert client.write([Write("create", entity_set, None, other)])[0].ok
        row = {**base, own: "K1", column: value}
        if by_table:
            table = pa.table({name: pa.array([each]) for name, each in row.items()})
            (result,) = client.write_table("create", entity_set, table)
        else:
            (result,) = client.write([Write("create", entity_set, None, row)])
        assert result.ok, result.error
        pages = client.read_among(Query(entity_set, (own,)), [{column: value}])
        assert [key for page in pages for key in page.table.column(own).to_pylist()] == ["K1"]


@pytest.mark.parametrize("value", [5.5, "5.5", Decimal("0.1"), "five"])
def test_what_a_column_of_whole_numbers_cannot_hold_is_refused_in_words(
    store: Store, portal: BlockingPortal, value: object
) -> None:
    with finops_client(store, portal) as client, pytest.raises(FrameError, match="Next"):
        list(client.read_among(Query("SequenceV2Tables", ("Next",)), [{"Next": value}]))


# -- keys that are numbers ---------------------------------------------------------------------------------------------

PRICES = EntitySchema(
    "finops", "Prices", "Price", ("FromQty",), {"FromQty": Column("FromQty", "Edm.Decimal", pa.decimal128(38, 16))}
)


@given(st.lists(st.decimals(-1000, 1000, places=20, allow_nan=False), min_size=1, max_size=5, unique=True))
def test_a_key_is_the_same_in_an_address_a_filter_and_a_column(numbers: list[Decimal]) -> None:
    """The oracle counts in whole units of the last decimal there is."""
    scale = 10**16
    units = [abs(int(number * 10**20)) for number in numbers]
    kept = [
        Decimal((unit + 5_000) // 10_000) / scale * (-1 if n < 0 else 1) for n, unit in zip(numbers, units, strict=True)
    ]
    table = pa.table({"FromQty": pa.array(numbers, pa.decimal128(38, 20))})
    paths = [key_path(PRICES, {"FromQty": number}) for number in numbers]
    assert keys_of(table, PRICES, ("FromQty",)).to_pylist() == paths
    assert [Decimal(path[1:-1].partition("=")[2]) for path in paths] == kept
    texts = held_keys(PRICES, table, ("FromQty",)).column("FromQty").to_pylist()
    assert [Decimal(text) for text in texts] == kept
    said = [
        term
        for one in among(PRICES, [{"FromQty": number} for number in numbers], 8_000)
        for term in one.filter.split(" or ")
    ]
    assert {Decimal(term.rpartition(" ")[2]) for term in said} == set(kept)


@pytest.mark.parametrize("key", ["/*- ", "A*Z  ", "* "])
def test_a_blank_at_the_end_of_a_key_with_an_asterisk_counts_for_nothing(
    store: Store, portal: BlockingPortal, key: str
) -> None:
    with store.write():
        for each in (key.rstrip(), "A1Z", "Other"):
            row = {"dataAreaId": "usmf", "CustomerGroupId": each, "Description": "x"}
            store.insert(entities("finops")["CustomerGroups"], row)
    with finops_client(store, portal) as client:
        assert found(client, "CustomerGroups", "CustomerGroupId", [key]) == [key.rstrip()]


@pytest.mark.parametrize("key", ["\uff9e", "\u0301\u0308", "\u00a0"])
def test_a_key_of_which_the_comparison_leaves_nothing_is_asked_for(
    store: Store, portal: BlockingPortal, key: str
) -> None:
    with store.write():
        for each in (key, "A", None):
            row = {"accountid": str(uuid4()), "name": "n", "accountnumber": each}
            store.insert(entities("sales")["accounts"], row)
    with sales_client(store, portal) as client:
        assert found(client, "accounts", "accountnumber", [key]) == [key]
        assert set(found(client, "accounts", "accountnumber", ["a", key])) == {"A", key}
        assert found(client, "accounts", "accountnumber", ["", "  "]) == []
