"""Rows of two sides are paired by numbers alone: what does not pair off for certain is looked at."""

from __future__ import annotations

from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.reconcile import matching

NO_KEY = duckdb.sql("SELECT hash(NULL::VARCHAR)").fetchall()[0][0]
KEYS = st.sampled_from([0, 1, 7, 2**63, 2**63 + 1, 2**64 - 1, NO_KEY, NO_KEY ^ 1])
ROWS = st.lists(st.tuples(KEYS, st.integers(1, 2)), max_size=9)
Rows = list[tuple[int, int]]


def unmatched(expected: Rows, actual: Rows) -> list[list[int]]:
    database = duckdb.connect(":memory:")
    try:
        for side, rows in zip("ea", (expected, actual), strict=True):
            k, r = (np.array([row[n] for row in rows], np.uint64) for n in range(2))
            database.register(f"rows_{side}", pa.table({"i": np.arange(len(rows)), "k": k, "r": r + k}))
        queries = [f"SELECT i, k, r FROM rows_{side}" for side in "ea"]
        found = matching.unmatched(database, queries, len(expected) + len(actual))
    finally:
        database.close()
    return [side.tolist() for side in found]


def certain(rows: Rows, other: Rows) -> set[int]:
    """The places of rows that are alone with their key on both sides and the same on both."""
    here, there = (Counter(k for k, _ in side) for side in (rows, other))
    return {n for n, (k, r) in enumerate(rows) if here[k] == there[k] == 1 and (k, r) in other and k != NO_KEY}


@pytest.mark.parametrize("at_once", [1, 5, 1_000])
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(expected=ROWS, actual=ROWS)
def test_only_rows_that_are_certainly_the_same_are_passed_over(
    at_once: int, monkeypatch: pytest.MonkeyPatch, expected: Rows, actual: Rows
) -> None:
    monkeypatch.setattr(matching, "AT_ONCE", at_once)
    found = unmatched(expected, actual)
    for rows, other, looked_at in ((expected, actual, found[0]), (actual, expected, found[1])):
        assert set(looked_at) >= set(range(len(rows))) - certain(rows, other)
        by_key = {rows[n][0] for n in looked_at}
        assert all(n in looked_at for n, (k, _) in enumerate(rows) if k in by_key), "rows of a key stay together"


def test_rows_whose_hashes_stand_apart_are_passed_over_in_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.random.default_rng(7).permutation(np.arange(1, 1001, dtype=np.uint64) << np.uint64(40)).tolist()
    rows = [(k, 1) for k in keys]
    changed = [(k, 2 if n % 100 == 0 else 1) for n, (k, _) in enumerate(rows)]
    monkeypatch.setattr(matching, "BLOCK", 64)
    assert unmatched(rows, changed[::-1]) == [list(range(0, 1000, 100)), [n for n in range(1000) if n % 100 == 99]]


def test_keys_that_only_begin_alike_are_looked_at() -> None:
    assert unmatched([(2**63, 1), (5 << 40, 1)], [(2**63 + 1, 1), (5 << 40, 1)]) == [[0], [0]]


def test_no_rows_at_all() -> None:
    assert unmatched([], []) == [[], []]
    assert unmatched([(1, 1)], []) == [[0], []]
