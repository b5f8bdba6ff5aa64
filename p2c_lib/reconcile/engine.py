"""Two tables by key in DuckDB: hashes of keys and rows tell which rows need a look, exact rules look at those.

The hashes only ever flag: rows whose key or row hash stand out are compared by their real key and real values, so a
collision costs a look and never an answer. Only two rows of one key whose 64-bit hashes agree are taken as equal.
"""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2c_lib.odata.characters import NO_CHARACTER
from p2c_lib.odata.notes import replaced_in
from p2c_lib.reconcile.causes import cause_sql, values_sql
from p2c_lib.reconcile.columns import ComparedColumn
from p2c_lib.reconcile.matching import unmatched
from p2c_lib.reconcile.patterns import find_cuts, find_patterns
from p2c_lib.reconcile.sides import AT, Side, Snapshot, opened, pairing, quoted, rows_at, sql_schema, text_literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["CLASSES", "Findings", "equal_pairs", "find"]

CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")


@dataclass(frozen=True)
class Findings:
    """Every row that is not simply equal: ``classes`` (@expected, @actual, key, class) and ``differences``."""

    classes: pa.Table
    differences: pa.Table


def find(expected: Side, actual: Side, columns: Sequence[ComparedColumn]) -> Findings:
    """Classify the rows of both sides and list every differing value with its cause."""
    needed = list(dict.fromkeys([*expected.key, *(c.name for c in columns)]))
    with opened(expected, actual, needed) as database:
        alike = _pair(database, columns, {"e": expected, "a": actual})
        _compare(database, columns, alike)
        classes = database.sql(CLASS_QUERY).to_arrow_table()
        differences = database.sql(DIFFERENCE_QUERY).to_arrow_table()
    return Findings(classes, differences)


def equal_pairs(expected: Side, actual: Side, classes: pa.Table) -> pa.Table:
    """The pairs that are in none of the classes: ``@expected``, ``@actual``, ``key``."""
    keys = _keys(expected, actual)
    with opened(expected, actual, expected.key) as database:
        database.register("classes", classes)
        left = {
            side: f'SELECT "{AT}" AS i, {key} AS k FROM {side} WHERE "{AT}" NOT IN '
            f'(SELECT "{position}" FROM classes WHERE "{position}" IS NOT NULL)'
            for (side, key), position in zip(keys.items(), ("@expected", "@actual"), strict=True)
        }
        return database.sql(
            f'SELECT e.i AS "@expected", a.i AS "@actual", k AS key '
            f"FROM ({left['e']}) e JOIN ({left['a']}) a USING (k) ORDER BY 1"
        ).to_arrow_table()


def _keys(expected: Side, actual: Side) -> dict[str, str]:
    """The key of either side as SQL, by the name of its view.

    Where a side came with keys that are no well-formed text, nobody knows which key U+FFFD stands for: no row whose key
    holds it pairs, and it is invalid.
    """
    key = pairing(expected, actual)
    found = {name: key.sql(sql_schema(side)) for name, side in (("e", expected), ("a", actual))}
    if not any(replaced_in(side.origin.changed, key.columns) for side in (expected, actual)):
        return found
    unknown = text_literal(NO_CHARACTER)
    return {name: f"CASE WHEN contains({k}, {unknown}) THEN NULL ELSE {k} END" for name, k in found.items()}


def _pair(database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn], sides: Mapping[str, Side]) -> int:
    """The rows that need a look, how often each real key stands there, and the pairs among them.

    Tells how many pairs need none: their hashes are the same.
    """
    keys = _keys(sides["e"], sides["a"])
    hashes = []
    for name, key in keys.items():
        row = ", ".join([key, *(c.aligned(name) for c in columns)])
        hashes.append(f'SELECT "{AT}" AS i, hash({key}) AS k, hash({row}) AS r FROM {name}')
    rows = unmatched(database, hashes, sum(map(len, sides.values())))
    for (name, side), positions in zip(sides.items(), rows, strict=True):
        values = "".join(f", {c.aligned(name)} AS {quoted(c.name)}" for c in columns)
        source = rows_at(database, name, side, positions)
        kept = "TABLE" if isinstance(side, Snapshot) else "VIEW"
        database.execute(f'CREATE TEMP {kept} f{name} AS SELECT "{AT}" AS i, {keys[name]} AS k{values} FROM {source}')
    database.execute(
        "CREATE TEMP TABLE keys AS SELECT k, count(*) FILTER (s = 0) AS ne, count(*) FILTER (s = 1) AS na "
        "FROM (SELECT k, 0 AS s FROM fe UNION ALL SELECT k, 1 FROM fa) WHERE k IS NOT NULL GROUP BY k"
    )
    values = "".join(f", fe.{quoted(c.name)} AS e{n}, fa.{quoted(c.name)} AS a{n}" for n, c in enumerate(columns))
    database.execute(
        f"CREATE TEMP TABLE pairs AS SELECT fe.i AS ie, fa.i AS ia, fe.k AS k{values} "
        "FROM fe JOIN fa USING (k) JOIN keys USING (k) WHERE ne = 1 AND na = 1"
    )
    return len(sides["e"]) - len(rows[0])


def _compare(database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn], alike: int) -> None:
    """The differing values of the pairs, each with its cause, without those the rules allow."""
    database.execute(
        "CREATE TEMP TABLE differences (ie BIGINT, ia BIGINT, k VARCHAR, n INTEGER, field VARCHAR, kind VARCHAR, "
        "expected VARCHAR, actual VARCHAR, cause VARCHAR)"
    )
    for n, column in _differing(database, columns):
        e, a = f"e{n}", f"a{n}"
        database.execute(
            f"INSERT INTO differences SELECT ie, ia, k, {n}, ?, ?, {column.text('e')}, {column.text('a')}, "
            f"{cause_sql(column)} FROM "
            f"(SELECT ie, ia, k, {values_sql(column, e, a)} FROM pairs WHERE {column.differs(e, a)})",
            [column.name, column.kind],
        )
        if column.kind == "text" and column.max_length is None:
            find_cuts(database, n, column)
    ((looked_at, plain),) = database.sql(
        "SELECT (SELECT count(*) FROM pairs), (SELECT count(*) FROM differences WHERE cause = 'value')"
    ).fetchall()
    if plain:
        find_patterns(database, alike + looked_at)
    for n, column in enumerate(columns):
        if column.same:
            allowed = ", ".join(text_literal(cause) for cause in column.same)
            database.execute(f"DELETE FROM differences WHERE n = {n} AND cause IN ({allowed})")


def _differing(
    database: duckdb.DuckDBPyConnection, columns: Sequence[ComparedColumn]
) -> list[tuple[int, ComparedColumn]]:
    """The columns in which any pair differs, with their numbers."""
    if not columns:
        return []
    some = ", ".join(f"coalesce(bool_or({c.differs(f'e{n}', f'a{n}')}), FALSE)" for n, c in enumerate(columns))
    found = database.sql(f"SELECT {some} FROM pairs").fetchall()[0]
    return [(n, c) for n, c in enumerate(columns) if found[n]]


CLASS_QUERY = """
    SELECT ie AS "@expected", ia AS "@actual", k AS key, c AS class FROM (
        SELECT DISTINCT ie, ia, k, 'changed' AS c FROM differences
        UNION ALL SELECT i, NULL, k, CASE WHEN ne > 1 OR na > 1 THEN 'duplicate' ELSE 'missing' END
            FROM fe JOIN keys USING (k) WHERE ne > 1 OR na <> 1
        UNION ALL SELECT NULL, i, k, CASE WHEN ne > 1 OR na > 1 THEN 'duplicate' ELSE 'extra' END
            FROM fa JOIN keys USING (k) WHERE na > 1 OR ne <> 1
        UNION ALL SELECT i, NULL, NULL, 'invalid' FROM fe WHERE k IS NULL
        UNION ALL SELECT NULL, i, NULL, 'invalid' FROM fa WHERE k IS NULL
    ) ORDER BY class, key, "@expected", "@actual"
"""
DIFFERENCE_QUERY = """
    SELECT ie AS "@expected", ia AS "@actual", k AS key, field, expected, actual, cause FROM differences ORDER BY ie, n
"""
