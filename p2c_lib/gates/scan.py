"""A table under judgement in DuckDB: its columns as SQL, value sets and odd values as side tables."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from p2c_lib.gates.figures import Figures, Positions
from p2c_lib.sql_tables import for_sql

__all__ = ["NEVER", "POSITION", "Scan", "literal", "quoted"]

Hashes = npt.NDArray[np.uint64]
POSITION = "@i"
NEVER = "FALSE"
PLAIN = r"[^\x20-\x7e]"


def quoted(name: str) -> str:
    """A column name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | float | Decimal) -> str:
    """A text or a number as SQL; numbers stay exact decimals."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value) if isinstance(value, float) else format(value, "f" if isinstance(value, Decimal) else "d")


def kind_of(kind: pa.DataType) -> str:
    """How values of an Arrow type compare: text, number, bool, date, time or other."""
    tests = {
        "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null),
        "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        "bool": (pa.types.is_boolean,),
        "date": (pa.types.is_date,),
        "time": (pa.types.is_timestamp,),
    }
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    return next((name for name, of in tests.items() if any(test(kind) for test in of)), "other")


class Scan:
    """One table opened for rules; closed by ``with``. Positions are row numbers from 0 in ``@i``.

    ``figures`` are what the columns' own buffers tell without a look at each value.
    """

    def __init__(self, table: pa.Table) -> None:
        self.figures = Figures(table)
        self.table = for_sql(table)
        self.kinds = {f.name: kind_of(f.type) for f in self.table.schema}
        self._sets = 0
        self._database = duckdb.connect(":memory:")
        self._database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        self._database.register("t", self.table.append_column(POSITION, pa.array(np.arange(table.num_rows))))

    def __enter__(self) -> Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def rows(self, sql: str) -> pa.Table:
        """The answer of a query over ``t`` as Arrow."""
        return self._database.sql(sql).to_arrow_table()

    def missing(self, column: str) -> str:
        """SQL that is true where the column holds nothing; NaN is nothing, as in pandas."""
        if self.figures.full(column):
            return NEVER
        name, kind = quoted(column), self.table.schema.field(column).type
        return f"({name} IS NULL OR isnan({name}))" if pa.types.is_floating(kind) else f"{name} IS NULL"

    def twice(self, columns: Sequence[str], where: str) -> Positions:
        """The positions of rows whose values stand in more than one row; where ``where`` is not true they do not count.

        Hashes find the candidates, the values themselves decide; nothing equals nothing.
        """
        names = ", ".join(quoted(c) for c in columns)
        read = self.rows(f'SELECT "{POSITION}" AS i, hash({names}) AS h FROM t WHERE {where}')
        double = _doubled([chunk.to_numpy() for chunk in read.column("h").chunks])
        if not len(double):
            return np.empty(0, np.int64)
        there = np.sort(np.concatenate([_among(double, batch) for batch in read.to_batches()]))
        some = self.table.select(list(columns)).take(pa.array(there)).append_column(POSITION, pa.array(there))
        self._database.register("candidates", some)
        sql = f'SELECT "{POSITION}" AS i FROM candidates QUALIFY count(*) OVER (PARTITION BY {names}) > 1'
        return np.sort(self.rows(sql).column("i").to_numpy())

    def side_table(self, values: Sequence[Any], kind: pa.DataType | None = None) -> str:
        """The name of a one-column table ``(v)`` of values, for ``IN``."""
        self._sets += 1
        name = f"side_{self._sets}"
        self._database.register(name, pa.table({"v": pa.array(values, kind)}))
        return name

    def bound(self, column: str, value: Any) -> str | None:
        """A bound of a range as SQL in the column's own kind; None where they cannot be compared."""
        kind = self.kinds[column]
        if kind == "number" and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return literal(value)
        if kind == "text" and isinstance(value, str):
            return literal(value)
        if kind in {"date", "time"} and isinstance(value, str | date | datetime):
            stamp = value if isinstance(value, str) else value.isoformat()
            zoned = getattr(self.table.schema.field(column).type, "tz", None)
            return f"CAST({literal(stamp)} AS {'TIMESTAMPTZ' if zoned else 'TIMESTAMP'})"
        return None

    def accepts(self, column: str, test: Callable[[str], bool], fast: str | None = None) -> str:
        """SQL that is true where ``test`` holds for the text of a column.

        ``fast`` is SQL that agrees with the test on printable ASCII; the test itself sees the distinct other values
        only. Without ``fast`` it sees every distinct value.
        """
        name = quoted(column)
        if fast is None:
            return f"{name} IN (FROM {self._passing(self._distinct(column, 'TRUE'), test)})"
        odd = [] if self.figures.plain(column) else self._distinct(column, f"regexp_matches({name}, '{PLAIN}')")
        if not odd:
            return fast
        side, passing = self.side_table(odd, pa.string()), self._passing(odd, test)
        return f"CASE WHEN {name} IN (FROM {side}) THEN {name} IN (FROM {passing}) ELSE {fast} END"

    def matches(self, column: str, pattern: str) -> str:
        """SQL that is true where a regex, as Python reads it, is found in a column's text."""
        compiled = re.compile(pattern)
        fast = f"regexp_matches({quoted(column)}, {literal(pattern)})"
        same = self._database_reads(pattern) and "[[:" not in pattern and "[:" not in pattern
        return self.accepts(column, lambda text: compiled.search(text) is not None, fast if same else None)

    def _database_reads(self, pattern: str) -> bool:
        try:
            self._database.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
        except duckdb.Error:
            return False
        return True

    def _distinct(self, column: str, where: str) -> list[str]:
        name = quoted(column)
        sql = f"SELECT DISTINCT {name} AS v FROM t WHERE {name} IS NOT NULL AND {where}"
        found: list[str] = self.rows(sql).column("v").to_pylist()
        return found

    def _passing(self, values: Iterable[str], test: Callable[[str], bool]) -> str:
        return self.side_table([v for v in values if test(v)], pa.string())


def _doubled(chunks: Sequence[Hashes]) -> Hashes:
    """The hashes that are there more than once, in order."""
    if not chunks:
        return np.empty(0, np.uint64)
    every = np.concatenate(chunks)
    every.sort()
    return np.unique(every[1:][every[1:] == every[:-1]])


def _among(double: Hashes, batch: pa.RecordBatch) -> Positions:
    """The positions of the rows whose hash is one of these."""
    hashes = batch.column("h").to_numpy()
    nearest = np.minimum(np.searchsorted(double, hashes), len(double) - 1)
    found: Positions = batch.column("i").to_numpy()[double[nearest] == hashes]
    return found
