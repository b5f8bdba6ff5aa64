"""Compiled rules and Great Expectations give the same answer, on the shipped suites and on generated ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.gates.compiled import COMPILERS
from p2c_lib.gates.gx import gx_outcomes
from p2c_lib.gates.judge import Outcome, judge
from p2c_lib.gates.suite import Expectation, Suite, find_suite, read_suite, resolve

# Great Expectations has no LIKE on pandas.
PEERLESS = {kind for kind in COMPILERS if "like" in kind}
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    " a",
    "é",
    "😀",
    "a😀é",
    "e\u0301",
    "y\n",
    "line\nbreak",
    "1",
    "١",
    "x" * 9,
    "2024-02-30",
    "2024-01-31",
    "7 May",
    "DEM",
    "\x0b",
]
PATTERNS = [
    r"^.$",
    r"\d",
    r"^\w+$",
    r"a.b",
    r"^\s",
    r"(?i)^A",
    r"(?<!x)a",
    r"[^a]$",
    r"\bx",
    r"^[a-zé ]*$",
    r"\Aa\Z",
    r"x{2,}",
]
# Great Expectations compares integers beside a null as floats, so it is a judge only up to 2**53.
NUMBERS = [-2, -1, 0, 1, 2, 3, 2**53]
DAYS = [datetime(1899, 12, 31, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 12, tzinfo=UTC)]


def suite_of(*rules: dict[str, Any]) -> Suite:
    made = tuple(Expectation(i, r["type"], r["kwargs"], r.get("severity", "critical")) for i, r in enumerate(rules))
    return Suite("made", Path("made.json"), "", made)


def answers(outcomes: Any) -> list[tuple[str, bool, list[int]]]:
    return [(o.rule.type, o.success, o.rows.tolist()) for o in sorted(outcomes, key=lambda o: o.rule.index)]


def both(table: pa.Table, suite: Suite, references: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
    compiled = [o for o in judge(table, suite, references) if o.by == "compiled"]
    peers = [o.rule for o in compiled if o.rule.type not in PEERLESS]
    given_values = [Expectation(r.index, r.type, resolve(r.kwargs, references or {}), r.severity) for r in peers]
    theirs: list[Outcome] = gx_outcomes(table, given_values, suite)
    return answers(o for o in compiled if o.rule.type not in PEERLESS), answers(theirs)


def filled(column: str) -> st.SearchStrategy[Any]:
    of = {"t": TEXTS, "u": TEXTS, "n": NUMBERS, "m": NUMBERS, "d": DAYS, "e": DAYS, "b": [True, False]}[column]
    return st.none() | st.sampled_from(of)


TYPES = {"t": pa.string(), "u": pa.string(), "n": pa.int64(), "m": pa.int64(), "b": pa.bool_()} | dict.fromkeys(
    "de", pa.timestamp("us", "UTC")
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    count = draw(st.integers(0, 7))
    full = draw(st.booleans())
    columns = {
        c: draw(
            st.lists(filled(c).filter(lambda v: v is not None) if full else filled(c), min_size=count, max_size=count)
        )
        for c in TYPES
    }
    return pa.table({c: pa.array(v, TYPES[c]) for c, v in columns.items()})


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def maybe(strategy: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({}) | strategy.map(lambda value: {key: value})


CONDITIONS = [
    {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 0},
    {"type": "comparison", "column": {"name": "t"}, "operator": "!=", "parameter": "a"},
    {"type": "comparison", "column": {"name": "t"}, "operator": "IN", "parameter": ["a", "ab"]},
    {"type": "nullity", "column": {"name": "u"}, "is_null": False},
    {
        "type": "or",
        "conditions": [
            {"type": "nullity", "column": {"name": "n"}, "is_null": True},
            {"type": "comparison", "column": {"name": "n"}, "operator": "<=", "parameter": 1},
        ],
    },
]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(set(COMPILERS) - PEERLESS)))
    kwargs: dict[str, Any] = {"column": draw(one_of("t", "u"))}
    if "between" in kind and "length" not in kind:
        kwargs["column"] = draw(one_of("n", "d"))
        bounds = NUMBERS if kwargs["column"] == "n" else [d.isoformat() for d in DAYS]
        low, high = sorted([draw(st.sampled_from(bounds)), draw(st.sampled_from(bounds))])
        kwargs |= draw(one_of({"min_value": low}, {"max_value": high}, {"min_value": low, "max_value": high}))
        kwargs |= draw(maybe(st.booleans(), "strict_min")) | draw(maybe(st.booleans(), "strict_max"))
    elif "lengths_to_be_between" in kind:
        kwargs |= draw(one_of({"min_value": 1}, {"max_value": 3}, {"min_value": 1, "max_value": 2}))
    elif "lengths_to_equal" in kind:
        kwargs["value"] = draw(st.integers(0, 3))
    elif "regex_list" in kind:
        kwargs["regex_list"] = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
        kwargs |= draw(maybe(one_of("any", "all"), "match_on")) if "not_match" not in kind else {}
    elif "regex" in kind:
        kwargs["regex"] = draw(st.sampled_from(PATTERNS))
    elif "in_set" in kind:
        kwargs["value_set"] = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4))
        kwargs |= draw(
            one_of({}, {}, {"column": "b", "value_set": [True]}, {"column": "b", "value_set": [False, True]})
        )
    elif "compound" in kind:
        kwargs = {"column_list": draw(one_of(["t", "u"], ["t", "n"], ["n", "m", "t"]))}
        options = ("all_values_are_missing", "any_value_is_missing", "never")
        kwargs |= draw(maybe(one_of(*options), "ignore_row_if"))
    elif "pair" in kind:
        a, b = draw(one_of(("n", "m"), ("t", "u"), ("d", "e")))
        kwargs = {"column_A": a, "column_B": b}
        if "greater" in kind:
            # Great Expectations cannot order integers that are null: both stand, or the row is passed over.
            kwargs |= {"column_A": "d", "column_B": "e"} | draw(maybe(st.booleans(), "or_equal"))
        options = ("both_values_are_missing", "either_value_is_missing", "neither")
        kwargs |= draw(maybe(one_of(*options), "ignore_row_if"))
    elif "null" in kind or "unique" in kind:
        kwargs["column"] = draw(st.sampled_from(sorted(TYPES)))
    kwargs |= draw(maybe(one_of(0.5, 0.8, 1.0), "mostly")) | draw(maybe(st.sampled_from(CONDITIONS), "row_condition"))
    return {"type": kind, "kwargs": kwargs}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.lists(rules(), min_size=8, max_size=16))
def test_compiled_and_great_expectations_agree(table: pa.Table, made: list[dict[str, Any]]) -> None:
    ours, theirs = both(table, suite_of(*made))
    assert ours == theirs


@pytest.mark.parametrize("kind", sorted(PEERLESS))
def test_like_patterns_mean_what_sql_says(kind: str) -> None:
    table = pa.table({"t": ["ab", "aXb", "b", None]})
    patterns = {"like_pattern_list": ["a%"]} if "list" in kind else {"like_pattern": "a%"}
    (outcome,) = judge(table, suite_of({"type": kind, "kwargs": {"column": "t", **patterns}}))
    assert outcome.rows.tolist() == ([0, 1] if "_not_" in kind else [2])


DISTINCT = [
    {"type": "expect_column_distinct_values_to_contain_set", "kwargs": {"column": "t", "value_set": wanted}}
    for wanted in ([], ["a"], ["a", "é"], ["a", "none of them"])
] + [
    {"type": "expect_column_unique_value_count_to_be_between", "kwargs": {"column": "t"} | bounds}
    for bounds in ({"min_value": 1}, {"max_value": 2}, {"min_value": 1, "max_value": 3, "strict_max": True})
]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(filled("t"), max_size=6))
def test_they_agree_on_the_distinct_values_of_a_column(values: list[str | None]) -> None:
    table, suite = pa.table({"t": pa.array(values, pa.string())}), suite_of(*DISTINCT)
    compiled = judge(table, suite)
    assert {o.by for o in compiled} == {"compiled"}
    theirs = gx_outcomes(table, suite.expectations, suite)
    assert [(o.success, o.on_rows, o.rows.tolist()) for o in compiled] == [(o.success, False, []) for o in theirs]


def test_distinct_values_under_a_condition_or_of_numbers_go_to_great_expectations() -> None:
    narrowed = {"column": "t", "min_value": 1, "row_condition": CONDITIONS[0]}
    rules = [
        {"type": "expect_column_unique_value_count_to_be_between", "kwargs": narrowed},
        {"type": "expect_column_unique_value_count_to_be_between", "kwargs": {"column": "n", "max_value": 1}},
    ]
    outcomes = judge(pa.table({"t": ["a", "b"], "n": [0, 1]}), suite_of(*rules))
    assert [(o.by, o.success, o.observed) for o in outcomes] == [
        ("Great Expectations", True, 1),
        ("Great Expectations", False, 2),
    ]


SHIPPED = sorted(path.stem for path in find_suite("accounts").parent.glob("*.json"))
TIMES = {"requestdeliveryby"}
TRUTHS = {
    "msdynce_hasexternallymaintainedproductsonly",
    "customerid.contact.msdynce_isactivecustomer",
    "productid.msdynce_ismaintainedexternally",
}
NUMERIC = {"price", "currentcost", "quantitydecimal", "producttypecode", "CreditLimit", "OrganizationNumberOfEmployees"}
NUMERIC |= {"QuotationTotalAmount", "RequestedSalesQuantity", "SalesPrice", "TotalDiscountAmount", "LineDiscountAmount"}
NUMERIC |= {"LineCreationSequenceNumber", "totalamount", "total of its parts", "discountpercentage"}
NUMERIC |= {"extendedamount", "amount of its parts"}
SOME = [
    "",
    "USD",
    "DEM",
    "USA",
    "US",
    "a@b.co",
    "nobody",
    "+1 (425) 555-0100",
    "12",
    "x" * 300,
    "ea",
    "Each",
    "Male",
    "Person",
]


@pytest.mark.parametrize("name", SHIPPED)
def test_they_agree_on_the_shipped_suites(name: str) -> None:
    suite, chance = read_suite(find_suite(name)), Random(name)
    columns = sorted({c for rule in suite.expectations for c in rule.columns})

    def column(name: str) -> pa.Array:
        numbers = name in NUMERIC or name.rpartition(".")[2] == "statecode"
        kinds = ((numbers, "n", NUMBERS), (name in TIMES, "d", DAYS), (name in TRUTHS, "b", [True, False]))
        kind, values = next(((kind, values) for fits, kind, values in kinds if fits), ("t", SOME))
        return pa.array(chance.choices([None, *values], k=40), TYPES[kind])

    table = pa.table({name: column(name) for name in columns})
    references = dict.fromkeys(parameters(suite), SOME[:6])
    ours, theirs = both(table, suite, references)
    assert ours == theirs
    assert len(ours) == len(suite.expectations)


def parameters(suite: Suite) -> set[str]:
    sets = [rule.kwargs.get("value_set") for rule in suite.expectations]
    return {value["$PARAMETER"] for value in sets if isinstance(value, Mapping)}


@pytest.mark.parametrize("name", ["str", "int64", "int", "float64", "float", "bool", ["str", "int"], ["bool", "float"]])
def test_they_agree_on_types(name: str | list[str]) -> None:
    table = pa.table({"t": ["a", None], "n": [1, 2], "f": [1.5, None], "b": [True, False]})
    kind, argument = ("in_type_list", "type_list") if isinstance(name, list) else ("of_type", "type_")
    suite = suite_of(
        *({"type": f"expect_column_values_to_be_{kind}", "kwargs": {"column": c, argument: name}} for c in "tnfb")
    )
    compiled = judge(table, suite)
    assert [o.by for o in compiled if not (kind == "in_type_list" and o.rule.columns == ("t",))] == ["compiled"] * (
        3 if kind == "in_type_list" else 4
    )
    theirs = gx_outcomes(table, suite.expectations, suite)
    assert [(o.success, o.on_rows, o.observed) for o in compiled] == [
        (o.success, o.on_rows, o.observed) for o in theirs
    ]


def test_a_type_only_objects_can_tell_goes_to_great_expectations() -> None:
    table = pa.table({"m": pa.array([Decimal("1.5"), None], pa.decimal128(9, 2))})
    rule = {"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "m", "type_": "Decimal"}}
    (outcome,) = judge(table, suite_of(rule))
    assert (outcome.success, outcome.by) == (True, "Great Expectations")
