"""Pages of a reconciliation, out of DuckDB: only the rows that are looked at leave Arrow."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of, texts
from p2c_lib.reconcile.sides import Side, Snapshot, quoted, text_literal

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame
    from p2c_lib.reconcile import Reconciliation

__all__ = ["Pages", "Selection", "containing", "first_columns"]

SHOWN_COLUMNS = 5
SAMPLE = 1_000
BOTH_SIDES = ("duplicate", "invalid")


@dataclass(frozen=True)
class Selection:
    """Rows of one class; of the changed ones, those of a cause or a field; and only with a text in them."""

    kind: str
    cause: str | None = None
    field: str | None = None
    search: str = ""


class Pages:
    """Answers a selection page by page; each class is put together when it is first looked at."""

    def __init__(self, reconciliation: Reconciliation) -> None:
        self._reconciliation = reconciliation
        self._tables: dict[str, pa.Table] = {}
        self._last: tuple[Selection, pa.Table] | None = None

    def page(self, chosen: Selection, number: int, size: int) -> tuple[list[dict[str, Any]], int]:
        """The rows of one page as plain values, and how many rows the selection has."""
        table = self.table(chosen)
        rows = table.slice(number * size, size).to_pylist()
        return [{k: text_of(v) for k, v in row.items()} for row in rows], table.num_rows

    def table(self, chosen: Selection) -> pa.Table:
        """Every row of a selection."""
        if self._last is None or self._last[0] != chosen:
            self._last = (chosen, self._filtered(chosen))
        return self._last[1]

    def _filtered(self, chosen: Selection) -> pa.Table:
        table = self._whole(chosen.kind)
        wanted = {"cause": chosen.cause, "field": chosen.field} if chosen.kind == "changed" else {}
        tests = [f"{name} = {text_literal(value)}" for name, value in wanted.items() if value]
        if chosen.search:
            text = f"concat_ws(' ', {', '.join(map(quoted, table.column_names))})"
            tests.append(f"contains(lower({text}), {text_literal(chosen.search.lower())})")
        if not tests:
            return table
        database = duckdb.connect(":memory:")
        try:
            database.register("rows", table)
            return database.sql(f"SELECT * FROM rows WHERE {' AND '.join(tests)}").to_arrow_table()
        finally:
            database.close()

    def _whole(self, kind: str) -> pa.Table:
        if kind not in self._tables:
            self._tables[kind] = self._put_together(kind)
        return self._tables[kind]

    def _put_together(self, kind: str) -> pa.Table:
        """Differences for the changed rows; for the others the key and first columns of the side that has the row."""
        result = self._reconciliation
        if kind == "changed":
            return result.differences.select(["key", "field", "cause", "expected", "actual"])
        rows = result.rows(kind)
        frames = {"expected": _frame(result.expected), "actual": _frame(result.actual)}
        shared = [c for c in frames["expected"].columns if c in frames["actual"].columns]
        columns = _telling(shared, frames["actual" if kind == "extra" else "expected"])
        parts = []
        for name in ("expected",) if kind == "equal" else frames:
            mine = rows.filter(rows.column(f"@{name}").is_valid())
            taken = frames[name].table.select(columns).take(mine.column(f"@{name}"))
            where = {"side": pa.array([name] * mine.num_rows, pa.string())} if kind in BOTH_SIDES else {}
            shown = dict(zip(columns, map(texts, taken.columns), strict=True))
            parts.append(pa.table({"key": mine.column("key"), **where, **shown}))
        return pa.concat_tables(parts)


def _frame(side: Side) -> EntityFrame:
    return side.read() if isinstance(side, Snapshot) else side


def _telling(columns: list[str], frame: EntityFrame) -> list[str]:
    """The columns that tell rows apart best, in their order: names, and those with most values among the first rows."""
    first = frame.table.slice(0, SAMPLE)
    candidates = [c for c in columns if c not in frame.key]
    values = {c: int(pc.count_distinct(first.column(c), mode="only_valid").as_py()) for c in candidates}
    best = sorted(candidates, key=lambda c: ("name" not in c.lower(), -values[c]))[:SHOWN_COLUMNS]
    return [c for c in candidates if c in best]


def first_columns(frame: EntityFrame) -> pa.Table:
    """A frame's key and the columns that tell its rows apart best, as text."""
    names = [*frame.key, *_telling(list(frame.columns), frame)]
    return pa.table({name: texts(frame.table.column(name)) for name in names})


def containing(table: pa.Table, names: Iterable[str], text: str) -> pa.Table:
    """The rows with a text in one of the named columns, whatever its case."""
    if not text:
        return table
    columns = [table.column(name) for name in names]
    found = [pc.fill_null(pc.match_substring(column, text, ignore_case=True), fill_value=False) for column in columns]
    return table.filter(reduce(pc.or_, found))
