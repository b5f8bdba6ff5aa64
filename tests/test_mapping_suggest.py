"""Proposals come with evidence, right ones above wrong ones, value maps as matched rows show them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.errors import FrameError
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping.evidence import Column, agreement, learned_map
from p2c_lib.mapping.names import likeness
from p2c_lib.mapping.suggest import suggest

COUNTRIES = [("Norway", "NOR"), ("Germany", "DEU"), ("France", "FRA"), ("Canada", "CAN")]
STATES = [("Texas", "TX"), ("Ohio", "OH"), ("Utah", "UT"), ("Iowa", "IA"), ("Maine", "ME")]
SIZE = 120


def frame(columns: dict[str, Any], app: str = "sales") -> EntityFrame:
    origin = Origin(app, "x", "o", None, "set", "", (), datetime.now(UTC), None, complete=True, note="")
    return EntityFrame(pa.table(columns), origin)


def sales() -> EntityFrame:
    return frame(
        {
            "accountnumber": [f"A-{n}" for n in range(SIZE)],
            "name": [f"Shop {n}" for n in range(SIZE)],
            "address1_country": [COUNTRIES[n % 4][0] for n in range(SIZE)],
            "address1_stateorprovince": [STATES[n % 5][0] for n in range(SIZE)],
            "creditlimit": pa.array([Decimal(n) for n in range(SIZE)], pa.decimal128(18, 4)),
            "fax": pa.nulls(SIZE, pa.string()),
            "statecode": [0] * SIZE,
        }
    )


def finops() -> EntityFrame:
    kept = range(20, SIZE)
    return frame(
        {
            "CustomerAccount": [f"a-{n} " for n in kept],
            "OrganizationName": [f"SHOP {n}" for n in kept],
            "AddressCountryRegionISOCode": [COUNTRIES[n % 4][1] for n in kept],
            "AddressState": [STATES[n % 5][1] for n in kept],
            "CreditLimit": pa.array([Decimal(n) + (5 if n % 10 == 0 else 0) for n in kept], pa.decimal128(32, 6)),
            "PartyType": ["Organization"] * len(kept),
        },
        "finops",
    )


def test_every_pair_that_has_data_on_both_sides_is_found_and_wrong_ones_score_less() -> None:
    found = suggest(sales(), finops())
    right = {
        "CustomerAccount": "accountnumber",
        "OrganizationName": "name",
        "AddressCountryRegionISOCode": "address1_country",
        "AddressState": "address1_stateorprovince",
        "CreditLimit": "creditlimit",
    }
    scores = {one.to: (one.source, one.score) for one in found.best}
    assert {to: scores[to][0] for to in right} == right
    wrong = [one.score for one in found.best if right.get(one.to) != one.source]
    assert max(wrong, default=0) < min(scores[to][1] for to in right)
    assert (found.key, found.matched) == (("accountnumber", "CustomerAccount"), 100)
    assert "fax" in found.left_out


def test_evidence_names_the_rule_the_share_and_the_rows() -> None:
    by_column = {one.to: one for one in suggest(sales(), finops()).best}
    assert by_column["OrganizationName"].evidence.endswith("agrees on 100.0% of 100 pairs by case: upper")
    assert by_column["CreditLimit"].evidence.endswith("agrees on 90.0% of 100 pairs")
    assert by_column["AddressCountryRegionISOCode"].agreement.rule == "country_code: iso3"  # type: ignore[union-attr]


def test_value_maps_are_learned_from_matched_rows() -> None:
    by_column = {one.to: one for one in suggest(sales(), finops()).best}
    assert {(one, other) for one, other, _, _ in by_column["AddressState"].value_map} == set(STATES)
    assert {(one, other) for one, other, _, _ in by_column["AddressCountryRegionISOCode"].value_map} == set(COUNTRIES)
    assert by_column["AddressState"].rule.apply[0].arguments["pairs"] == dict(STATES)


def test_the_inputs_stay_as_they_were() -> None:
    source, target = sales(), finops()
    before = source.table.to_pylist(), target.table.to_pylist()
    suggest(source, target)
    assert (source.table.to_pylist(), target.table.to_pylist()) == before


def test_without_rows_in_common_names_and_values_speak_alone() -> None:
    other = finops()
    apart = other.with_table(other.table.set_column(0, "CustomerAccount", pa.array([f"Z{n}" for n in range(100)])))
    found = suggest(sales(), apart, key={"accountnumber": "CustomerAccount"})
    assert found.matched == 0
    assert {one.to: one.source for one in found.best}["CreditLimit"] == "creditlimit"


def test_a_side_without_values_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FrameError, match="Read rows of both systems first"):
        suggest(frame({"a": pa.nulls(2, pa.string())}), finops())


def test_two_columns_that_hold_one_value_each_say_little() -> None:
    same, other = Column.of("a", pa.array(["x"] * 50)), Column.of("b", pa.array(["y"] * 50))
    assert agreement(same, same).weight == 0.3  # type: ignore[union-attr]
    assert agreement(same, other).weight == 0.0  # type: ignore[union-attr]


def test_a_key_does_not_explain_a_name_by_a_value_map() -> None:
    keys, names = (Column.of("a", pa.array([f"{p}{n}" for n in range(50)])) for p in ("K", "N"))
    assert agreement(keys, names).weight == 0.0  # type: ignore[union-attr]


def test_a_pair_that_is_only_sometimes_so_is_not_learned() -> None:
    ours = Column.of("a", pa.array(["x"] * 10 + ["y"] * 10))
    theirs = Column.of("b", pa.array(["1"] * 9 + ["2"] + ["1", "2"] * 5))
    assert learned_map(ours, theirs) == (("x", "1", 10, 0.9),)


@pytest.mark.parametrize(
    ("ours", "right", "wrong"),
    [
        ("address1_stateorprovince", "AddressState", "AddressCity"),
        ("telephone1", "PrimaryContactPhone", "PrimaryContactFax"),
        ("SalesUnitSymbol", "defaultuomid.name", "defaultuomscheduleid.name"),
        ("numberofemployees", "OrganizationNumberOfEmployees", "CustomerAccount"),
    ],
)
def test_names_of_the_two_systems_are_alike_where_they_mean_the_same(ours: str, right: str, wrong: str) -> None:
    assert likeness(ours, right) > likeness(ours, wrong)
