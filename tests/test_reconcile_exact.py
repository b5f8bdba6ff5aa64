"""Numbers of unlike types are compared digit by digit, in memory and on disk; what SQL lacks is brought or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.errors import FrameError
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.reconcile import Snapshot, reconcile
from tests.test_reconcile import rules

ORIGIN = Origin(
    "sales", "http://127.0.0.1", "org", None, "things", "", ("id",), datetime(2026, 1, 1, tzinfo=UTC), None, True, ""
)


def frame(values: pa.Array) -> EntityFrame:
    return EntityFrame(pa.table({"id": [str(n) for n in range(len(values))], "x": values}), ORIGIN)


def on_disk(values: pa.Array, path: Path) -> Snapshot:
    pq.write_table(frame(values).table, path)
    return Snapshot(path, ORIGIN)


def unlike(expected: pa.Array, actual: pa.Array, folder: Path | None = None, **compare: Any) -> int:
    """How many pairs differ; on disk the same number."""
    found = reconcile(frame(expected), frame(actual), rules(**compare)).summary["changed"]
    if folder is not None:
        sides = on_disk(expected, folder / "e.parquet"), on_disk(actual, folder / "a.parquet")
        assert reconcile(*sides, rules(**compare)).summary["changed"] == found
    return found


BIG = 2**53
PAIRS = [
    (pa.array([BIG + 1]), pa.array([float(BIG)]), 1),
    (pa.array([BIG]), pa.array([float(BIG)]), 0),
    (pa.array([float(BIG)]), pa.array([BIG + 1], pa.uint64()), 1),
    (pa.array([Decimal(BIG + 1)], pa.decimal128(38, 4)), pa.array([float(BIG)]), 1),
    (pa.array([Decimal("0.1")], pa.decimal128(38, 16)), pa.array([0.1]), 0),
    (pa.array([Decimal("0.1000000000000001")], pa.decimal128(38, 16)), pa.array([0.1]), 1),
    (pa.array([Decimal("33.3333333333333333")], pa.decimal128(38, 16)), pa.array([33.333333333333336]), 1),
    (pa.array([0.1], pa.float32()), pa.array([0.1]), 0),
    (pa.array([0.1], pa.float32()), pa.array([Decimal("0.1")]), 0),
    (pa.array([10**30], pa.decimal128(38, 0)), pa.array([Decimal("1.5")], pa.decimal128(38, 16)), 1),
    (pa.array([BIG + 1]), pa.array([Decimal(BIG)], pa.decimal128(38, 16)), 1),
    (pa.array([None, 0.0]), pa.array([None, 0], pa.int64()), 0),
]


@pytest.mark.parametrize(("expected", "actual", "differing"), PAIRS)
def test_numbers_of_unlike_types_are_equal_only_digit_by_digit(
    expected: pa.Array, actual: pa.Array, differing: int, tmp_path: Path
) -> None:
    assert unlike(expected, actual, tmp_path) == differing
    assert unlike(actual, expected, tmp_path) == differing


WHOLE = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=40)
@given(st.lists(st.tuples(WHOLE, st.integers(-1, 1)), min_size=1, max_size=6))
def test_a_whole_number_and_a_float_are_equal_where_both_are_one_number(pairs: list[tuple[int, int]]) -> None:
    whole = [n for n, _ in pairs]
    floats = [float(n + step) for n, step in pairs]
    one = [Fraction(n) == Fraction(Decimal(repr(f))) for n, f in zip(whole, floats, strict=True)]
    assert unlike(pa.array(whole), pa.array(floats)) == one.count(False)


def test_a_tolerance_is_exact_where_types_are_unlike(tmp_path: Path) -> None:
    whole, near = pa.array([BIG + 1, BIG + 3]), pa.array([float(BIG), float(BIG)])
    assert unlike(whole, near, tmp_path, tolerance={"x": Decimal("0.5")}) == 2
    assert unlike(whole, near, tmp_path, tolerance={"x": Decimal(1)}) == 1
    assert unlike(pa.array([10**3]), pa.array([1e300]), tmp_path, tolerance={"x": Decimal(1)}) == 1
    assert unlike(pa.array([1000]), pa.array([1001.0]), tmp_path, tolerance_percent={"x": Decimal(1)}) == 0


def test_nothing_and_nought_are_one_in_finance_whatever_the_types() -> None:
    expected = EntityFrame(pa.table({"id": ["1", "2"], "x": pa.array([None, 0], pa.int64())}), ORIGIN)
    origin = Origin(**{**vars(ORIGIN), "app": "finops"})
    actual = EntityFrame(pa.table({"id": ["1", "2"], "x": pa.array([0.0, None])}), origin)
    assert reconcile(expected, actual, rules()).summary["changed"] == 0
    told = reconcile(frame(pa.array([0])), frame(pa.array([None], pa.float64())), rules()).differences
    assert told.column("cause").to_pylist() == ["empty-vs-null"]


def test_a_rounded_number_is_told_whatever_the_types() -> None:
    told = reconcile(frame(pa.array([2])), frame(pa.array([1.999])), rules()).differences.to_pylist()
    assert [(d["expected"], d["actual"], d["cause"]) for d in told] == [("2", "1.999", "rounding")]


ODD = [
    pa.array(np.array([0.1, 0.2], np.float16)),
    pa.array([Decimal(1), Decimal(2)], pa.decimal256(76, 2)),
    pa.array([Decimal(100), Decimal(200)], pa.decimal128(9, -2)),
    pa.array([1, 2], pa.duration("s")),
    pa.array([[1], [2]]),
    pa.array([{"a": 1}, {"a": 2}]),
    pa.array([b"a", b"b"]),
    pa.array([1, 2], pa.time64("ns")),
    pa.array([2**31 - 1, 2**31 - 2], pa.int32()).cast(pa.date32()),
    pa.array([2**62, 2**61]).cast(pa.timestamp("s")),
]


@pytest.mark.parametrize("values", ODD, ids=lambda values: str(values.type))
def test_a_column_of_a_type_sql_lacks_is_compared(values: pa.Array) -> None:
    assert unlike(values, values) == 0
    assert unlike(values, values.take(pa.array([0, 0]))) == 1
    key = EntityFrame(pa.table({"id": values, "x": [1, 2]}), ORIGIN)
    assert reconcile(key, key, rules()).summary["equal"] == 2


def test_on_disk_such_a_column_is_refused_in_words(tmp_path: Path) -> None:
    side = on_disk(pa.array([1, 2], pa.duration("ns")), tmp_path / "e.parquet")
    with pytest.raises(FrameError, match=r"x of e\.parquet is duration\[ns\], which cannot be compared on disk"):
        reconcile(side, side, rules())


def test_a_key_of_unlike_numbers_is_spelt_by_either_side() -> None:
    left = EntityFrame(pa.table({"id": [1, 2], "x": [1, 1]}), ORIGIN)
    right = EntityFrame(pa.table({"id": [1.0, 3.5], "x": [1, 1]}), ORIGIN)
    result = reconcile(left, right, rules())
    assert dict(result.summary) | {} == dict.fromkeys(result.summary, 0) | {"equal": 1, "missing": 1, "extra": 1}
    assert result.rows("extra").column("id").to_pylist() == ["3.5"]


def test_a_text_cut_at_a_columns_length_is_told_by_the_units_that_the_services_count() -> None:
    column = Column("x", "Edm.String", pa.string(), max_length=6)
    schema = EntitySchema("sales", "things", "thing", ("id",), {"x": column})
    cut = EntityFrame(pa.table({"id": ["1", "2"], "x": ["😀😀😀", "abcdef"]}), ORIGIN, schema)
    whole = frame(pa.array(["😀😀😀!", "abcdefgh"]))
    whole = whole.with_table(whole.table.set_column(0, "id", pa.array(["1", "2"])))
    told = reconcile(whole, cut, rules()).differences.column("cause").to_pylist()
    assert told == ["truncated", "truncated"]
    by_letters = EntityFrame(pa.table({"id": ["1", "2"], "x": ["abc", "😀😀abcd"]}), ORIGIN, schema)
    longer = whole.with_table(pa.table({"id": ["1", "2"], "x": ["abc!", "😀😀abcd!"]}))
    told = reconcile(longer, by_letters, rules()).differences.column("cause").to_pylist()
    assert told == ["value", "value"]


def test_a_row_that_a_lookup_names_is_named_as_its_system_compares_keys() -> None:
    def side(*codes: str | None) -> EntityFrame:
        table = pa.table({"id": [str(n) for n in range(len(codes))], "currency.code": pa.array(codes, pa.string())})
        return EntityFrame(table, ORIGIN)

    expected, actual = side("usd", "EUR ", "çafé", " gbp", None, ""), side("USD", "eur", "Cafe", "gbp", "", None)
    changed = reconcile(expected, actual, rules()).rows("changed").column("@expected").to_pylist()
    assert changed == [3]
