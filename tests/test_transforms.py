"""Transforms: each a plain function, each value by itself, nothing converted that it does not understand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.countries import alpha2_of, written
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.transforms import REGISTRY
from p2c_lib.mapping.transforms.text import as_text

NULLABLE_TEXT = st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=20)

# step, values, converted values, which are refused
CASES: list[tuple[Any, list[Any], list[Any], list[bool]]] = [
    ("trim", [" a ", None, "\tb\n"], ["a", None, "b"], []),
    ("upper", ["aå", None], ["AÅ", None], []),
    ("lower", ["ÅB"], ["åb"], []),
    ({"case": "title"}, ["big BIKE"], ["Big Bike"], []),
    ({"case": "sentence"}, ["big BIKE"], ["Big bike"], []),
    ({"truncate": 3}, ["Ærøskøbing", "ab", None], ["Ærø", "ab", None], []),
    ({"value_map": {"Each": "ea", None: "-"}}, ["EACH", None, "", "Pair"], ["ea", "-", "-", None], [0, 0, 0, 1]),
    ({"value_map": {1: "One", False: "No"}}, ["1", "false"], ["One", "No"], [0, 0]),
    ({"country_code": "iso3"}, ["Norge", "Norwegen", "NO", "nor"], ["NOR"] * 4, [0] * 4),
    ({"country_code": "iso2"}, ["United States", "USA", "", None], ["US", "US", None, None], [0] * 4),
    ({"country_code": "name"}, ["DE", "Frankreich", "kongo"], ["Germany", "France", None], [0, 0, 1]),
]


@pytest.mark.parametrize(("step", "values", "expected", "refused"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_transform_converts(step: Any, values: list[Any], expected: list[Any], refused: list[bool]) -> None:
    made = Step.model_validate(step)
    answer = made.transform.function(pa.array(values, pa.string()), **made.arguments)
    assert answer.values.to_pylist() == expected
    assert [bool(mark) for mark in (answer.refused.to_pylist() if answer.refused is not None else [])] == [
        bool(mark) for mark in refused
    ]


@pytest.mark.parametrize("name", REGISTRY)
def test_every_transform_says_in_a_sentence_what_it_does(name: str) -> None:
    assert REGISTRY[name].summary.endswith(".")


@settings(max_examples=50, deadline=None)
@given(NULLABLE_TEXT)
@pytest.mark.parametrize("step", ["trim", "upper", "lower", {"truncate": 4}, {"country_code": "iso2"}])
def test_a_missing_value_stays_missing_and_each_value_is_converted_by_itself(
    step: Any, values: list[str | None]
) -> None:
    made = Step.model_validate(step)

    def converted(few: list[str | None]) -> list[Any]:
        return list(made.transform.function(pa.array(few, pa.string()), **made.arguments).values.to_pylist())

    assert converted(values) == [converted([value])[0] for value in values]
    assert all(answer is None for value, answer in zip(values, converted(values), strict=True) if value is None)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), st.integers(0, 10))
def test_truncate_never_returns_more_than_its_length_and_keeps_what_fits(text: str, length: int) -> None:
    step = Step.model_validate({"truncate": length})
    assert step.transform.function(pa.array([text]), length=length).values.to_pylist() == [text[:length]]


@pytest.mark.parametrize("alpha2", ["NO", "US", "DE", "GB", "CD", "RS", "TL"])
def test_a_country_comes_back_from_each_of_its_spellings(alpha2: str) -> None:
    assert [alpha2_of(written(alpha2, form)) for form in ("iso2", "iso3", "name")] == [alpha2] * 3


# values, their type, the wanted type, what comes out, which are refused
CASTS: list[tuple[list[Any], pa.DataType, pa.DataType, list[Any], list[bool]]] = [
    (["1", " 2 ", "", "x", "1.5"], pa.string(), pa.int32(), [1, 2, None, None, None], [False] * 3 + [True] * 2),
    (["99999999999"], pa.string(), pa.int32(), [None], [True]),
    ([Decimal("1.005"), None], pa.decimal128(9, 3), pa.decimal128(9, 2), [Decimal("1.01"), None], []),
    (["12.345"], pa.string(), pa.decimal128(9, 2), [Decimal("12.35")], [False]),
    (["Yes", "no", "true", "maybe"], pa.string(), pa.bool_(), [True, False, True, None], [False] * 3 + [True]),
    ([Decimal("10.500"), Decimal("10.000")], pa.decimal128(9, 3), pa.string(), ["10.5", "10"], []),
    ([True, None], pa.bool_(), pa.string(), ["true", None], []),
    (["2026-01-31", "31/01/2026"], pa.string(), pa.date32(), [date(2026, 1, 31), None], [False, True]),
    ([date(2026, 1, 31)], pa.date32(), pa.timestamp("us", "UTC"), [datetime(2026, 1, 31, tzinfo=UTC)], []),
    ([2.0, 2.5], pa.float64(), pa.int32(), [2, None], [False, True]),
    ([3, None], pa.int64(), pa.decimal128(9, 2), [Decimal("3.00"), None], []),
]


@pytest.mark.parametrize(("values", "kind", "wanted", "expected", "refused"), CASTS)
def test_a_value_is_cast_exactly_or_refused(
    values: list[Any], kind: pa.DataType, wanted: pa.DataType, expected: list[Any], refused: list[bool]
) -> None:
    answer = cast(pa.array(values, kind), wanted)
    assert answer.values.type == wanted
    assert answer.values.to_pylist() == expected
    assert (answer.refused.to_pylist() if answer.refused is not None else []) == refused


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.decimals(-(10**9), 10**9, places=4)), max_size=10))
def test_numbers_survive_the_way_through_text(numbers: list[Decimal | None]) -> None:
    kind = pa.decimal128(18, 4)
    values = pa.array(numbers, kind)
    assert cast(as_text(values), kind).values.to_pylist() == values.to_pylist()
