"""Causes that no single row shows: what many differences of one field have in common.

========================  ============================================================================================
``truncated``             one text is the beginning of the other and the longest on its side: of a letter and its
                          marks only the letter is left, which alone looks like ``unicode``
``unmapped-value``        the same pair of texts again and again, or a pair in a field where nearly all others are a
                          name and its code: a value map lacks the entry
``ratio``                 one number is the other times a factor that comes again and again: a price rise, a tax, cents
``constant``              nearly all rows differ, and one side says the same in each: never filled there, or fixed
``other-source``          nearly all rows differ, each in its own way: the sides fill the field from different things
========================  ============================================================================================
"""
# ruff: noqa: S608  # the names are our own

from __future__ import annotations

from typing import TYPE_CHECKING

from p2c_lib.lengths import utf16_length_sql
from p2c_lib.reconcile.causes import SHORTEST_CUT, cut_sql

if TYPE_CHECKING:
    import duckdb

    from p2c_lib.reconcile.columns import ComparedColumn

__all__ = ["factor_sql", "find_cuts", "find_patterns"]

AGAIN = 3
NEARLY_ALL = 0.9
MOSTLY = 0.5
ENOUGH = 20
LONGEST_CODE = 40
SMALLEST_FACTOR = 1.005
EXACTLY = 1e-4


def find_patterns(database: duckdb.DuckDBPyConnection, pairs: int) -> None:
    """Give the rows of the table ``differences`` whose cause is ``value`` a better one where their field shows it.

    ``pairs`` is how many pairs were compared in all, with those that are equal.
    """
    for query in (_again(), _last_codes(), _factors(), _whole_fields(pairs)):
        database.execute(
            f"UPDATE differences SET cause = found.cause FROM ({query}) AS found "
            "WHERE differences.ie = found.ie AND differences.n = found.n"
        )


def find_cuts(database: duckdb.DuckDBPyConnection, n: int, column: ComparedColumn) -> None:
    """Texts that were cut between a letter and its marks, where the column's length is unknown, as F&O's are.

    Read from the views ``e`` and ``a`` of both sides, and only where a difference may be such a cut.
    """
    for side, short, long in (("a", "actual", "expected"), ("e", "expected", "actual")):
        cut = f"n = {n} AND cause = 'unicode' AND length({short}) >= {SHORTEST_CUT} AND prefix({long}, {short})"
        ((found,),) = database.sql(f"SELECT count(*) FROM differences WHERE {cut}").fetchall()
        if found:
            ((most,),) = database.sql(f"SELECT max({utf16_length_sql(column.aligned(side))}) FROM {side}").fetchall()
            full = cut_sql(short, long, most)
            database.execute(f"UPDATE differences SET cause = 'truncated' WHERE {cut} AND {full}")


def factor_sql(expected: str, actual: str) -> str:
    """The factor between two numbers as a person would write it; null where none is exact.

    1.12 or 100 makes the larger of the smaller, 0.9 the smaller of the larger.
    """
    big, small = (f"{pick}(abs({expected}), abs({actual}))" for pick in ("greatest", "least"))
    up, down = f"({big} / nullif({small}, 0))", f"({small} / nullif({big}, 0))"
    ways = [(up, f"round({up}, 2)"), (down, f"round({down}, 2)"), (up, f"round({up}, 3)")]
    tried = " ".join(f"WHEN {up} < 2 AND abs({q} / {way} - 1) <= {EXACTLY} THEN {way}" for q, way in ways)
    whole = f"WHEN {up} >= 2 AND abs({up} / round({up}) - 1) <= {EXACTLY} THEN round({up})"
    known = f"sign({expected}) = sign({actual}) AND {up} >= {SMALLEST_FACTOR}"
    return f"CASE WHEN {known} THEN CASE {tried} {whole} END END"


def _again() -> str:
    """Pairs of texts that come again and again, and nearly always together."""
    return f"{_TEXTS} AND times >= {AGAIN} AND times >= {NEARLY_ALL} * spelt"


def _last_codes() -> str:
    """What is left in a field whose differences nearly all lack an entry of a value map."""
    coded = f"""
        SELECT n FROM differences WHERE cause IN ('value', 'unmapped-value') GROUP BY n
        HAVING count(*) FILTER (cause = 'unmapped-value') >= greatest({AGAIN}, {NEARLY_ALL} * count(*))
    """
    return f"{_TEXTS} AND times >= {NEARLY_ALL} * spelt AND n IN ({coded})"


_TEXTS = f"""
    SELECT ie, n, 'unmapped-value' AS cause FROM (
        SELECT ie, n, greatest(length(expected), length(actual)) AS longest, count(*) OVER pair AS times,
               count(*) OVER spelling AS spelt
        FROM differences WHERE cause = 'value' AND kind = 'text'
        WINDOW pair AS (PARTITION BY n, expected, actual), spelling AS (PARTITION BY n, expected)
    ) WHERE longest <= {LONGEST_CODE}
"""


def _factors() -> str:
    """Numbers in a factor that several values share, where most of the field's differences are in such a factor."""
    factor = factor_sql("TRY_CAST(expected AS DOUBLE)", "TRY_CAST(actual AS DOUBLE)")
    return f"""
        WITH numbers AS (
            SELECT ie, n, expected, {factor} AS factor, TRY_CAST(expected AS DOUBLE) > TRY_CAST(actual AS DOUBLE) AS up
            FROM differences WHERE cause = 'value' AND kind = 'number'
        ),
        shared AS (
            SELECT n, factor, up FROM numbers WHERE factor IS NOT NULL
            GROUP BY ALL HAVING count(DISTINCT expected) >= {AGAIN}
        )
        SELECT ie, n, 'ratio' AS cause FROM numbers LEFT JOIN shared USING (n, factor, up)
        QUALIFY shared.factor IS NOT NULL
            AND count(shared.factor) OVER (PARTITION BY n) >= {MOSTLY} * count(*) OVER (PARTITION BY n)
    """


def _whole_fields(pairs: int) -> str:
    """All that is left in fields in which nearly every pair differs that has a value on both sides."""
    return f"""
        WITH whole AS (
            SELECT n, count(DISTINCT expected) FILTER (cause = 'value') AS spellings,
                   count(DISTINCT actual) FILTER (cause = 'value') AS others
            FROM differences WHERE cause IN ('value', 'not-filled', 'empty-vs-null') GROUP BY n
            HAVING count(*) FILTER (cause = 'value') >= greatest(
                {ENOUGH}, {NEARLY_ALL} * ({pairs} - count(*) FILTER (cause <> 'value')))
        )
        SELECT ie, n, CASE WHEN least(spellings, others) = 1 THEN 'constant' ELSE 'other-source' END AS cause
        FROM differences JOIN whole USING (n) WHERE differences.cause = 'value'
    """
