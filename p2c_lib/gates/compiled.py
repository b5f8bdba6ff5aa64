"""Row-level expectation types as SQL: for each, which rows it looks at and which of them fail.

The meaning is Great Expectations' own on pandas, property-tested against it: rows without a value are passed over
unless the rule is about them, pairs and groups obey ``ignore_row_if``. Lengths are those of ``lengths``: in UTF-16 code
units, as the destination's columns count them. A compiler returns None where a rule has a
shape that only Great Expectations itself can judge; nothing is guessed.
"""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from p2c_lib.gates.condition import condition_sql
from p2c_lib.gates.figures import Positions
from p2c_lib.gates.scan import NEVER, Scan, literal, quoted
from p2c_lib.lengths import utf16_length_sql

__all__ = ["ALLOWED", "Compiled", "compile_rule"]


@dataclass(frozen=True)
class Compiled:
    """``fails`` and ``looked_at`` are SQL truths per row; ``positions`` tells the failing rows where others decide."""

    fails: str
    looked_at: str = "TRUE"
    positions: Callable[[], Positions] | None = None


Kwargs = Mapping[str, Any]
Compiler = Callable[[Kwargs, Scan], Compiled | None]
COMMON = {"mostly", "row_condition", "condition_parser", "severity"}


def compile_rule(kind: str, kwargs: Kwargs, scan: Scan) -> Compiled | None:
    """The SQL of a rule, its row condition included; None when it has no compiled form."""
    if kind not in COMPILERS:
        return None
    condition = kwargs.get("row_condition")
    where = condition_sql(condition, kwargs.get("condition_parser"), scan) if condition else "TRUE"
    if where is None:
        return None
    made = COMPILERS[kind][0](dict(kwargs) | {"where": where}, scan)
    if made is None or where == "TRUE" or (made.fails == NEVER and made.positions is None):
        return made
    return Compiled(f"({where}) AND ({made.fails})", f"({where}) AND ({made.looked_at})", made.positions)


def _valued(column: str, holds: str, scan: Scan, *, always: bool = False) -> Compiled:
    """A rule about the values that are there; ``always`` says that the column's figures show it holds for all."""
    missing = scan.missing(column)
    there = "TRUE" if missing == NEVER else f"NOT ({missing})"
    return Compiled(NEVER if always else f"{there} AND NOT ({holds})", there)


def _not_null(kwargs: Kwargs, scan: Scan) -> Compiled:
    return Compiled(scan.missing(kwargs["column"]))


def _null(kwargs: Kwargs, scan: Scan) -> Compiled:
    return Compiled(f"NOT ({scan.missing(kwargs['column'])})")


def _in_set(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column, values = kwargs["column"], kwargs.get("value_set")
    if values is None:
        return _valued(column, "TRUE", scan)
    side = _value_set(column, values, scan)
    return _valued(column, f"{quoted(column)} IN (FROM {side})", scan) if side else None


def _not_in_set(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column, values = kwargs["column"], kwargs.get("value_set")
    side = _value_set(column, values or (), scan)
    return _valued(column, f"{quoted(column)} NOT IN (FROM {side})", scan) if side else None


def _value_set(column: str, values: Sequence[Any], scan: Scan) -> str | None:
    """The side table of the values of the column's own kind: others can never be equal to it."""
    kind = scan.kinds[column]
    if kind == "text":
        return scan.side_table([v for v in values if isinstance(v, str)], pa.string())
    if kind == "bool" and all(isinstance(v, bool) for v in values):
        return scan.side_table(values, pa.bool_())
    if kind == "number" and not any(isinstance(v, bool) for v in values):
        numbers = [v for v in values if isinstance(v, int | float | Decimal)]
        floats = any(isinstance(v, float) for v in numbers)
        return scan.side_table(numbers, pa.float64() if floats else None) if numbers else None
    return None


def _between(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column = kwargs["column"]
    holds = _range(quoted(column), kwargs, lambda value: scan.bound(column, value))
    always = scan.kinds[column] == "number" and _within(scan.figures.extremes(column), kwargs)
    return _valued(column, holds, scan, always=always) if holds else None


def _lengths_between(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column = kwargs["column"]
    if scan.kinds[column] != "text":
        return None
    holds = _range(utf16_length_sql(quoted(column)), kwargs, lambda value: literal(value) if _number(value) else None)
    return _valued(column, holds, scan, always=_within(scan.figures.lengths(column), kwargs)) if holds else None


def _within(found: tuple[Any, Any] | None, kwargs: Kwargs) -> bool:
    """Whether the least and the most of a column are within the bounds, so that every value is."""
    if found is None:
        return False
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    least = low is None or (found[0] > low if kwargs.get("strict_min") else found[0] >= low)
    return bool(least and (high is None or (found[1] < high if kwargs.get("strict_max") else found[1] <= high)))


def _lengths_equal(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column, value = kwargs["column"], kwargs.get("value")
    if scan.kinds[column] != "text" or not isinstance(value, int | float):
        return None
    return _valued(column, f"{utf16_length_sql(quoted(column))} = {literal(value)}", scan)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _range(what: str, kwargs: Kwargs, bound: Callable[[Any], str | None]) -> str | None:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    sides = []
    for value, sign, strict in ((low, ">", kwargs.get("strict_min")), (high, "<", kwargs.get("strict_max"))):
        if value is not None:
            made = bound(value)
            if made is None:
                return None
            sides.append(f"{what} {sign}{'' if strict else '='} {made}")
    return " AND ".join(sides) or None


def _regex(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], [kwargs["regex"]], "all", scan, scan.matches)


def _not_regex(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], [kwargs["regex"]], "none", scan, scan.matches)


def _regex_list(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], kwargs["regex_list"], kwargs.get("match_on") or "any", scan, scan.matches)


def _not_regex_list(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], kwargs["regex_list"], "none", scan, scan.matches)


def _like(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], [kwargs["like_pattern"]], "all", scan, _liking(kwargs))


def _not_like(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], [kwargs["like_pattern"]], "none", scan, _liking(kwargs))


def _like_list(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    how = kwargs.get("match_on") or "any"
    return _patterns(kwargs["column"], kwargs["like_pattern_list"], how, scan, _liking(kwargs))


def _not_like_list(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    return _patterns(kwargs["column"], kwargs["like_pattern_list"], "none", scan, _liking(kwargs))


def _liking(kwargs: Kwargs) -> Callable[[str, str], str]:
    escape = f" ESCAPE {literal(kwargs['escape'])}" if kwargs.get("escape") else ""
    return lambda column, pattern: f"{quoted(column)} LIKE {literal(pattern)}{escape}"


def _patterns(
    column: str, patterns: Sequence[str], how: str, scan: Scan, holds: Callable[[str, str], str]
) -> Compiled | None:
    if scan.kinds[column] != "text" or how not in {"any", "all", "none"} or not patterns:
        return None
    each = [f"({holds(column, pattern)})" for pattern in patterns]
    joined = (" AND " if how == "all" else " OR ").join(each)
    return _valued(column, f"NOT ({joined})" if how == "none" else joined, scan)


def _dateutil(kwargs: Kwargs, scan: Scan) -> Compiled | None:
    column = kwargs["column"]
    if scan.kinds[column] != "text":
        return None
    name = quoted(column)
    shape = f"regexp_matches({name}, '^[1-9][0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}$')"
    plain = f"({shape} AND TRY_CAST({name} AS DATE) IS NOT NULL)"
    rest = scan.rows(f"SELECT DISTINCT {name} AS v FROM t WHERE {name} IS NOT NULL AND NOT {plain}")
    dates = scan.side_table([v for v in rest.column("v").to_pylist() if _parses(v)], pa.string())
    return _valued(column, f"{plain} OR {name} IN (FROM {dates})", scan)


def _parses(text: str) -> bool:
    from dateutil.parser import parse  # type: ignore[import-untyped]

    try:
        parse(text)
    except (ValueError, OverflowError):
        return False
    return True


def _unique(kwargs: Kwargs, scan: Scan) -> Compiled:
    column = kwargs["column"]
    there = f"NOT ({scan.missing(column)})"
    return Compiled(NEVER, there, lambda: scan.twice([column], f"{there} AND ({kwargs['where']})"))


def _compound_unique(kwargs: Kwargs, scan: Scan) -> Compiled:
    columns = list(kwargs["column_list"])
    there = _not_ignored(columns, kwargs.get("ignore_row_if") or "all_values_are_missing", scan)
    return Compiled(NEVER, there, lambda: scan.twice(columns, f"({there}) AND ({kwargs['where']})"))


def _not_ignored(columns: Sequence[str], rule: str, scan: Scan) -> str:
    missing = [scan.missing(c) for c in columns]
    if rule in {"all_values_are_missing", "both_values_are_missing"}:
        return f"NOT ({' AND '.join(missing)})"
    if rule in {"any_value_is_missing", "either_value_is_missing"}:
        return f"NOT ({' OR '.join(missing)})"
    return "TRUE"


def _pair(sign: str) -> Compiler:
    def compiler(kwargs: Kwargs, scan: Scan) -> Compiled | None:
        a, b = kwargs["column_A"], kwargs["column_B"]
        if scan.kinds[a] != scan.kinds[b] or scan.kinds[a] == "other":
            return None
        there = _not_ignored([a, b], kwargs.get("ignore_row_if") or "both_values_are_missing", scan)
        neither = f"NOT ({scan.missing(a)} OR {scan.missing(b)})"
        order = ">=" if sign == ">" and kwargs.get("or_equal") else sign
        holds = f"({neither} AND {quoted(a)} {order} {quoted(b)})"
        return Compiled(f"({there}) AND NOT {holds}", there)

    return compiler


COLUMN = {"column"}
PAIR = {"column_A", "column_B", "ignore_row_if"}
RANGE = {"min_value", "max_value", "strict_min", "strict_max"}
COMPILERS: Mapping[str, tuple[Compiler, set[str]]] = {
    "expect_column_values_to_not_be_null": (_not_null, COLUMN),
    "expect_column_values_to_be_null": (_null, COLUMN),
    "expect_column_values_to_be_in_set": (_in_set, COLUMN | {"value_set"}),
    "expect_column_values_to_not_be_in_set": (_not_in_set, COLUMN | {"value_set"}),
    "expect_column_values_to_be_between": (_between, COLUMN | RANGE),
    "expect_column_value_lengths_to_be_between": (_lengths_between, COLUMN | RANGE),
    "expect_column_value_lengths_to_equal": (_lengths_equal, COLUMN | {"value"}),
    "expect_column_values_to_match_regex": (_regex, COLUMN | {"regex"}),
    "expect_column_values_to_not_match_regex": (_not_regex, COLUMN | {"regex"}),
    "expect_column_values_to_match_regex_list": (_regex_list, COLUMN | {"regex_list", "match_on"}),
    "expect_column_values_to_not_match_regex_list": (_not_regex_list, COLUMN | {"regex_list"}),
    "expect_column_values_to_match_like_pattern": (_like, COLUMN | {"like_pattern", "escape"}),
    "expect_column_values_to_not_match_like_pattern": (_not_like, COLUMN | {"like_pattern", "escape"}),
    "expect_column_values_to_match_like_pattern_list": (_like_list, COLUMN | {"like_pattern_list", "match_on"}),
    "expect_column_values_to_not_match_like_pattern_list": (_not_like_list, COLUMN | {"like_pattern_list"}),
    "expect_column_values_to_be_dateutil_parseable": (_dateutil, COLUMN),
    "expect_column_values_to_be_unique": (_unique, COLUMN),
    "expect_compound_columns_to_be_unique": (_compound_unique, {"column_list", "ignore_row_if"}),
    "expect_column_pair_values_to_be_equal": (_pair("="), PAIR),
    "expect_column_pair_values_a_to_be_greater_than_b": (_pair(">"), PAIR | {"or_equal"}),
}
ALLOWED: Mapping[str, set[str]] = {kind: own | COMMON for kind, (_, own) in COMPILERS.items()}
