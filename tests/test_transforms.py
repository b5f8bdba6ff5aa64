"""Transforms: each a plain function, each value by itself, nothing converted that it does not understand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.display import texts
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.chain import distinct_rows
from p2c_lib.mapping.countries import alpha2_of, written
from p2c_lib.mapping.reference import transforms_page
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.transforms import REGISTRY

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
    ("collapse", ["  a \t b\n", None], ["a b", None], []),
    ("normal_form", ["e\u0301"], ["é"], []),
    ({"normal_form": "NFKC"}, ["ﬁn①"], ["fin1"], []),
    ({"prefix": "C-"}, ["1", "", None], ["C-1", "", None], []),
    ({"suffix": "/x"}, ["1", None], ["1/x", None], []),
    ({"remove_prefix": "AW"}, ["AW1", "BW1", None], ["1", "BW1", None], []),
    ({"remove_suffix": ".0"}, ["1.0", "1.5"], ["1", "1.5"], []),
    ({"strip": "-*"}, ["*-a-b-*"], ["a-b"], []),
    ({"replace": "(", "by": ""}, ["(0)1("], ["0)1"], []),
    ({"pad": 4}, ["7", "12345", ""], ["0007", "12345", ""], []),
    ({"part": 2}, ["Ann Lee", "Ann", None], ["Lee", None, None], []),
    ({"part": -1, "separator": ","}, ["a,b,c", "x"], ["c", "x"], []),
    ({"constant": "k"}, ["a", None], ["k", "k"], []),
    ({"read_number": ",", "grouping": "."}, ["1.234,50", "x", " "], ["1234.5", None, None], [0, 1, 0]),
    ({"number_format": 2, "decimal": ",", "grouping": "."}, ["1234.5", "no"], ["1.234,50", None], [0, 1]),
    ({"round_to": 1}, ["0.25", "-0.25"], ["0.3", "-0.3"], [0, 0]),
    ("whole", ["2.9", "-2.9"], ["2", "-2"], [0, 0]),
    ({"read_date": "%d.%m.%Y"}, ["31.01.2026", "2026", None], ["2026-01-31", None, None], [0, 1, 0]),
    ({"date_format": "%m/%d/%Y"}, ["2026-01-31", "soon"], ["01/31/2026", None], [0, 1]),
    ({"date_format": "%d.%m.%Y %F %%Y"}, ["0033-04-03"], ["03.04.0033 0033-04-03 %Y"], [0]),
    ({"shift_days": -1}, ["2026-01-01"], ["2025-12-31"], [0]),
    ("today", [None, "2025-01-01", ""], ["2026-02-28", "2025-01-01", "2026-02-28"], []),
    ({"today": 1}, [None], ["2026-03-01"], []),
    ({"unit": "finops", "also": {"pcs2": "pcs"}}, ["EACH", "pcs2", "Bag"], ["ea", "pcs", None], [0, 0, 1]),
    ({"unit": "sales"}, ["ea"], ["Each"], [0]),
    ("yes_no", ["true", "NEIN", "perhaps"], ["Yes", "No", None], [0, 0, 1]),
    ({"yes_no": "one_zero"}, ["Ja", "0"], ["1", "0"], [0, 0]),
    (
        {"lookup": "AddressStates.State", "by": "Name"},
        [" texas ", "Texarkana", None],
        ["TX", None, None],
        [0, 1, 0],
    ),
]


@dataclass(frozen=True)
class Day:
    """The context of these tests: a day, and one entity to look up in."""

    today: date = date(2026, 2, 28)

    def lookup(self, app: str, entity: str, by: str, column: str) -> dict[str, str]:
        assert (app, entity, by, column) == ("finops", "AddressStates", "Name", "State")
        return {"texas": "TX"}


def converted_by(step: Any, *columns: list[Any]) -> tuple[list[Any], list[bool]]:
    made = Step.model_validate(step)
    arrays = [
        pa.array(values) if values and not isinstance(values[0], str) else pa.array(values, pa.string())
        for values in columns
    ]
    known = {"context": Day()} if made.transform.needs_context else {}
    given = arrays if made.transform.reads == "columns" else arrays[0]
    answer = made.transform.function(given, **made.arguments, **known)
    return answer.values.to_pylist(), [] if answer.refused is None else answer.refused.to_pylist()


@pytest.mark.parametrize(("step", "values", "expected", "refused"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_transform_converts(step: Any, values: list[Any], expected: list[Any], refused: list[bool]) -> None:
    assert converted_by(step, values) == (expected, [bool(mark) for mark in refused])


def test_columns_are_joined_into_one_value() -> None:
    assert converted_by("coalesce", ["a", "", None], ["x", "y", None])[0] == ["a", "y", None]
    assert converted_by({"concatenate": ", "}, ["a", "", None], ["x", "y", " "])[0] == ["a, x", "y", None]


def test_the_discount_of_a_line_becomes_one_per_unit_and_a_charge_for_what_rounding_loses() -> None:
    totals, quantities = ["10.00", "0", "5", None], ["3", "0", "0", "2"]
    assert converted_by("discount_per_unit", totals, quantities) == (
        ["3.33", "0", None, None],
        [False, False, True, False],
    )
    assert converted_by("discount_remainder", totals, quantities)[0] == ["-0.01", "0", None, None]


@settings(max_examples=100, deadline=None)
@given(st.decimals(0, 10_000, places=2), st.integers(1, 1_000))
def test_a_rounded_discount_and_its_charge_come_to_the_discount_of_the_line(total: Decimal, quantity: int) -> None:
    unit = Decimal(converted_by("discount_per_unit", [str(total)], [str(quantity)])[0][0])
    charge = Decimal(converted_by("discount_remainder", [str(total)], [str(quantity)])[0][0])
    assert quantity * unit - charge == total


def test_a_state_is_read_in_its_country() -> None:
    states = ["Washington", "WA", "wa", "Seine (Paris)", "Bayern", "Atlantis", None]
    countries = ["United States", "AU", None, "France", "DEU", "USA", "USA"]
    assert converted_by("state_code", states, countries) == (
        ["WA", "WA", "WA", "75", "BY", None, None],
        [False, False, False, False, False, True, False],
    )
    assert converted_by({"state_code": "CA"}, ["quebec"])[0] == ["QC"]


def test_every_distinct_combination_of_columns_is_converted_once() -> None:
    few, places = distinct_rows([pa.array(["a", None, "a", "b"]), pa.array([1, 1, 1, 2])])
    assert [tuple(column[place].as_py() for column in few) for place in places.to_pylist()] == [
        ("a", 1),
        (None, 1),
        ("a", 1),
        ("b", 2),
    ]
    assert len(few[0]) == 3


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
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("ab😀"), max_size=20), st.integers(1, 10))
def test_truncate_never_returns_more_than_its_length_and_keeps_what_fits(text: str, length: int) -> None:
    step = Step.model_validate({"truncate": length})
    (cut,) = step.transform.function(pa.array([text]), length=length).values.to_pylist()
    assert text.startswith(cut)
    assert len(cut.encode("utf-16-le")) <= 2 * length
    assert cut == text or len(text.encode("utf-16-le")) > 2 * length
    if text.isascii() and "\r\n" not in text:
        assert cut == text[:length]


@pytest.mark.parametrize("alpha2", ["NO", "US", "DE", "GB", "CD", "RS", "TL"])
def test_a_country_comes_back_from_each_of_its_spellings(alpha2: str) -> None:
    assert [alpha2_of(written(alpha2, form)) for form in ("iso2", "iso3", "name")] == [alpha2] * 3


# values, their type, the wanted type, what comes out, which are refused
CASTS: list[tuple[list[Any], pa.DataType, pa.DataType, list[Any], list[bool]]] = [
    (["1", " 2 ", "", "x", "1.5"], pa.string(), pa.int32(), [1, 2, None, None, None], [False] * 3 + [True] * 2),
    (["99999999999"], pa.string(), pa.int32(), [None], [True]),
    ([Decimal("1.005"), None], pa.decimal128(9, 3), pa.decimal128(9, 2), [Decimal("1.01"), None], []),
    (["12.345"], pa.string(), pa.decimal128(9, 2), [Decimal("12.35")], []),
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
    assert cast(texts(values), kind).values.to_pylist() == values.to_pylist()


def test_the_reference_page_is_what_the_transforms_say() -> None:
    page = Path(__file__).parent.parent / "docs" / "transforms.md"
    assert page.read_text("utf-8") == transforms_page(), "write transforms_page() to docs/transforms.md"


HUGE = "1234567890123456789012.1234567890123456"


@pytest.mark.parametrize(
    ("apply", "came", "text"),
    [
        ({"round_to": 10}, HUGE, "1234567890123456789012.123456789"),
        ({"round_to": 16}, "1234567890123.5", "1234567890123.5"),
        ("whole", HUGE, "1234567890123456789012"),
        ({"number_format": 2}, "1e30", "1000000000000000000000000000000.00"),
        ({"number_format": 2}, "-0.001", "0.00"),
        ({"round_to": 2}, "1e-999999999", None),
        ({"round_to": 2}, "1e999999999", None),
        ("read_number", "1e6000000", None),
    ],
)
def test_arithmetic_is_as_wide_as_the_widest_number(apply: object, came: str, text: str | None) -> None:
    from p2c_lib.mapping.transforms import numbers

    name, places = next(iter(apply.items())) if isinstance(apply, dict) else (apply, None)
    function = getattr(numbers, str(name))
    done = function(pa.array([came, "1"]), *([] if places is None else [places]))
    assert done.values.to_pylist()[0] == text
    assert (text is None) == bool(done.refused.to_pylist()[0])
    assert done.refused.to_pylist()[1] is False


def test_a_remainder_keeps_every_digit() -> None:
    from p2c_lib.mapping.transforms.numbers import discount_remainder

    total, quantity = "10.1234567890123456", "123456789012.1234567890123456"
    (made,) = discount_remainder([pa.array([total]), pa.array([quantity])], 16).values.to_pylist()
    unit = round(Fraction(total) / Fraction(quantity) * 10**16)
    assert Fraction(made) == Fraction(quantity) * unit / 10**16 - Fraction(total)


@pytest.mark.parametrize("text", ["1e-999999999", "1e-2147483647", "1e1000000", "1e999999999", "-1E+99999"])
@pytest.mark.parametrize("kind", [pa.decimal128(38, 16), pa.int64(), pa.float64()])
def test_an_exponent_out_of_all_range_is_a_value_like_others(text: str, kind: pa.DataType) -> None:
    done = cast(pa.array([text, "2"]), kind)
    tiny = "e-" in text
    assert done.values.to_pylist()[1] == 2
    assert bool(done.refused.to_pylist()[0]) is not (tiny and kind != pa.int64())
    assert done.values.to_pylist()[0] == (0 if tiny and kind != pa.int64() else None)
