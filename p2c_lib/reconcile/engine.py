"""Two tables by key in DuckDB: one GROUP BY over hashes finds the keys that need a look, exact rules look at those.

The hashes only ever flag: rows whose key or row hash stand out are compared by their real key and real values, so a
collision costs a look and never an answer. Only two rows of one key whose 64-bit hashes agree are taken as equal.
"""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.frames import key_text
from p2c_lib.reconcile.causes import cause_sql, unmapped_sql
from p2c_lib.reconcile.columns import ComparedColumn, quoted

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame

__all__ = ["CLASSES", "Findings", "find", "keyed"]

CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")
KEY, AT = "@k", "@i"


@dataclass(frozen=True)
class Findings:
    """Every row that is not simply equal: ``classes`` (@expected, @actual, key, class) and ``differences``."""

    classes: pa.Table
    differences: pa.Table


def find(expected: EntityFrame, actual: EntityFrame, columns: Sequence[ComparedColumn]) -> Findings:
    """Classify the rows of both frames and list every differing value with its cause."""
    database = duckdb.connect(":memory:")
    try:
        database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for name, frame in (("e", expected), ("a", actual)):
            database.register(name, keyed(frame.table.select(_needed(expected, columns)), expected.key))
        _flag(database, columns)
        _pair(database, columns)
        _compare(database, columns)
        classes = database.sql(CLASS_QUERY).to_arrow_table()
        differences = database.sql(DIFFERENCE_QUERY).to_arrow_table()
    finally:
        database.close()
    return Findings(classes, differences)


def keyed(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The table with its positions and normalised keys; the key is null where a part of it holds nothing."""
    text = key_text(table, key)
    for name in key:
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            blank = pc.equal(pc.utf8_trim_whitespace(column), "")
            text = pc.if_else(pc.fill_null(blank, False), pa.scalar(None, pa.string()), text)  # noqa: FBT003
    positions = pa.array(np.arange(table.num_rows))
    return table.append_column(KEY, text).append_column(AT, positions)


def _needed(expected: EntityFrame, columns: Sequence[ComparedColumn]) -> list[str]:
    return list(dict.fromkeys([*expected.key, *(c.name for c in columns)]))


def _flag(database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn]) -> None:
    """The key hashes that are not one row a side with one row hash."""
    sides = []
    for number, side in enumerate(("e", "a")):
        row = ", ".join(c.aligned(side) for c in columns) or "0"
        sides.append(
            f'SELECT hash({side}."{KEY}") AS k, hash({row}) AS r, {number}::TINYINT AS s '
            f'FROM {side} WHERE "{KEY}" IS NOT NULL'
        )
    database.execute(
        f"CREATE TEMP TABLE flagged AS SELECT k FROM ({' UNION ALL '.join(sides)}) "
        "GROUP BY k HAVING count(*) <> 2 OR sum(s) <> 1 OR min(r) <> max(r)"
    )


def _pair(database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn]) -> None:
    """The flagged rows of both sides, how often each real key stands there, and the pairs among them."""
    for side in ("e", "a"):
        values = "".join(f", {c.aligned(side)} AS {quoted(c.name)}" for c in columns)
        database.execute(
            f'CREATE TEMP TABLE f{side} AS SELECT "{AT}" AS i, "{KEY}" AS k{values} FROM {side} '
            f'WHERE "{KEY}" IS NOT NULL AND hash("{KEY}") IN (FROM flagged)'
        )
    database.execute(
        "CREATE TEMP TABLE keys AS SELECT k, count(*) FILTER (s = 0) AS ne, count(*) FILTER (s = 1) AS na "
        "FROM (SELECT k, 0 AS s FROM fe UNION ALL SELECT k, 1 FROM fa) GROUP BY k"
    )
    values = "".join(f", fe.{quoted(c.name)} AS e{n}, fa.{quoted(c.name)} AS a{n}" for n, c in enumerate(columns))
    database.execute(
        f"CREATE TEMP TABLE pairs AS SELECT fe.i AS ie, fa.i AS ia, fe.k AS k{values} "
        "FROM fe JOIN fa USING (k) JOIN keys USING (k) WHERE ne = 1 AND na = 1"
    )


def _compare(database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn]) -> None:
    """The differing values of the pairs, each with its cause."""
    database.execute(
        "CREATE TEMP TABLE differences (ie BIGINT, ia BIGINT, k VARCHAR, n INTEGER, field VARCHAR, kind VARCHAR, "
        "expected VARCHAR, actual VARCHAR, cause VARCHAR)"
    )
    for n, column in enumerate(columns):
        e, a = f"e{n}", f"a{n}"
        database.execute(
            f"INSERT INTO differences SELECT ie, ia, k, {n}, ?, ?, {column.text(e)}, {column.text(a)}, "
            f"{cause_sql(column, e, a)} FROM pairs WHERE {column.differs(e, a)}",
            [column.name, column.kind],
        )
    database.execute(unmapped_sql("differences"))


CLASS_QUERY = f"""
    SELECT ie AS "@expected", ia AS "@actual", k AS key, c AS class FROM (
        SELECT DISTINCT ie, ia, k, 'changed' AS c FROM differences
        UNION ALL SELECT i, NULL, k, CASE WHEN ne > 1 OR na > 1 THEN 'duplicate' ELSE 'missing' END
            FROM fe JOIN keys USING (k) WHERE ne > 1 OR na <> 1
        UNION ALL SELECT NULL, i, k, CASE WHEN ne > 1 OR na > 1 THEN 'duplicate' ELSE 'extra' END
            FROM fa JOIN keys USING (k) WHERE na > 1 OR ne <> 1
        UNION ALL SELECT "{AT}", NULL, NULL, 'invalid' FROM e WHERE "{KEY}" IS NULL
        UNION ALL SELECT NULL, "{AT}", NULL, 'invalid' FROM a WHERE "{KEY}" IS NULL
    ) ORDER BY class, key, "@expected", "@actual"
"""
DIFFERENCE_QUERY = """
    SELECT ie AS "@expected", ia AS "@actual", k AS key, field, expected, actual, cause
    FROM differences ORDER BY ie, n
"""
