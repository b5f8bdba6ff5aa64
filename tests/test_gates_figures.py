"""What a column's buffers tell never claims more than its values hold, however the table was cut and put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.gates.figures import Figures
from p2c_lib.gates.judge import judge
from p2c_lib.gates.scan import Scan
from p2c_lib.gates.suite import Expectation, Suite, find_suite

TEXTS = st.lists(st.one_of(st.none(), st.text(alphabet="ab Zé中😀\n~", max_size=4)), max_size=12)
NUMBERS = st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=8)


def cut(values: list[Any], kind: pa.DataType, at: int) -> pa.Table:
    """A column of two chunks, each a slice out of a longer array."""
    chunks = []
    for part in (values[:at], values[at:]):
        chunks.append(
            pa.array(["longer than any", *part, "\x00"] if kind != pa.float64() else [9e9, *part, None], kind)
        )
    return pa.table({"v": pa.chunked_array([chunk.slice(1, len(chunk) - 2) for chunk in chunks], kind)})


@given(TEXTS, st.integers(0, 12), st.sampled_from([pa.string(), pa.large_string()]))
def test_bounds_of_texts_hold(values: list[str | None], at: int, kind: pa.DataType) -> None:
    figures, there = Figures(cut(values, kind, at)), [v for v in values if v is not None]
    assert figures.full("v") == (len(there) == len(values))
    if figures.plain("v"):
        assert all(" " <= character <= "~" for text in there for character in text)
    bounds = figures.lengths("v")
    assert bounds is not None or not values
    if bounds and there:
        assert bounds[0] <= min(map(len, there))
        assert bounds[1] >= max(map(len, there))


@given(NUMBERS, st.integers(0, 8))
def test_bounds_of_numbers_hold(values: list[float | None], at: int) -> None:
    figures = Figures(cut(values, pa.float64(), at))
    there = [v for v in values if v is not None and not np.isnan(v)]
    assert figures.full("v") == (len(there) == len(values))
    bounds = figures.extremes("v")
    if bounds and there:
        assert bounds == (min(there), max(there))


def test_plain_texts_are_seen_as_such() -> None:
    table = pa.table({"v": ["plain", "also ~ plain"], "w": ["plain", "not\tplain"], "x": ["é", "e"]})
    assert [Figures(table).plain(name) for name in table.column_names] == [True, False, False]
    assert Figures(table).lengths("v") == (5, 12)
    assert Figures(table).lengths("x") == (0, 2)


@pytest.mark.parametrize("rows", [0, 1, 5, 300_000])
def test_doubles_are_found_by_value_wherever_they_stand(rows: int) -> None:
    values = np.arange(rows)
    if rows > 1:
        values[rows - 1] = values[0]
    parts = [pa.array([f"K{i}" for i in part], pa.string()) for part in np.array_split(values, 3)]
    with Scan(pa.table({"k": pa.chunked_array(parts)})) as scan:
        assert scan.twice(["k"], "TRUE").tolist() == ([0, rows - 1] if rows > 1 else [])
        assert scan.twice(["k"], '"@i" > 0').tolist() == []


def test_a_rule_the_figures_settle_gives_the_same_answer_as_one_they_do_not() -> None:
    def failing(**kwargs: Any) -> list[int]:
        rule = Expectation(0, "expect_column_value_lengths_to_be_between", {"column": "v", **kwargs})
        (outcome,) = judge(table, Suite("s", find_suite("accounts"), "", (rule,)))
        return outcome.rows.tolist()

    table = pa.table({"v": ["ééé", "ab", "", None]})
    # Six bytes: the figures of the first cannot settle five characters, nor the least of them any.
    assert [failing(max_value=m) for m in (2, 3, 5, 6)] == [[0], [], [], []]
    assert [failing(min_value=m) for m in (0, 1, 3)] == [[], [2], [1, 2]]
    assert failing(min_value=2, strict_min=True, max_value=3, strict_max=True) == [0, 1, 2]
