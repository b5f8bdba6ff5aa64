"""Two keys that the service takes for two rows are two rows of every read, however alike their small letters are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.odata import Query
from p2c_lib.odata.held_keys import HeldKeys
from p2c_lib.odata.keyset import KeyOrder
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import KeyTaken, Store
from tests.wired import finops_client

# Letters that become one another by some rule of case or of width, and are one key to a service or two.
LETTERS = "Iiİıkſs\u212aßẞσςΣåÅ\u212bǄǅéEeÉＩｉ"
READS: list[dict[str, Any]] = [
    {},
    {"orderby": ("Name",)},
    {"orderby": ("Name desc",), "top": 200},
    {"top": 200},
]


def stocked(store: Store) -> set[str]:
    """Currencies by keys of such letters, those that the store takes for a key of its own."""
    entity, made = entities("finops")["Currencies"], set()
    with store.write():
        for n, letter in enumerate(LETTERS):
            try:
                store.insert(entity, {"CurrencyCode": f"{letter}1", "Name": f"name {n % 3}"})
            except KeyTaken:
                continue
            made.add(f"{letter}1")
    return made


@pytest.mark.parametrize("ranges", ["accept", "reject"])
@pytest.mark.parametrize("size", [1, 2, 3, None])
def test_rows_whose_keys_are_two_to_the_service_all_come(
    store: Store, portal: BlockingPortal, size: int | None, ranges: str
) -> None:
    made = stocked(store)
    assert {"I1", "İ1"} <= made
    with finops_client(store, portal, text_ranges=ranges) as client:
        for read in READS:
            pages = client.read(Query("Currencies", ("CurrencyCode", "Name"), page_size=size, **read))
            codes = [row["CurrencyCode"] for page in pages for row in page.table.to_pylist()]
            assert sorted(codes) == sorted(made), read


def test_a_row_whose_key_changes_its_case_meanwhile_is_the_same_row() -> None:
    held = HeldKeys(("Id",), "finops")
    held.add(pa.table({"Id": ["Straße", "I1", "Ａ1"]}))
    assert held.new_in(pa.table({"Id": ["STRASSE", "i1", "İ1", "a1", "A1 ", "é"]})).to_pylist() == [
        *(False, False, True, False, False, True)
    ]
    other = held.copy()
    other.add(pa.table({"Id": ["İ1"]}))
    assert (other.apart_from(held), held.apart_from(held.copy())) == (1, 0)


def test_rows_told_apart_by_an_enumeration_are_held_together_as_the_service_compares_texts(
    store: Store, portal: BlockingPortal
) -> None:
    with finops_client(store, portal) as client:
        schema = client.schema("Currencies")
    order = KeyOrder.of(Query("Currencies", ("CurrencyCode",)), schema)
    assert order is not None
    assert order._together({"CurrencyCode": "Ａ1"}, {"CurrencyCode": "a1 "})
    assert not order._together({"CurrencyCode": "İ1"}, {"CurrencyCode": "I1"})
