"""Keyset paging: the condition that a row comes after the last one sent, for any mix of directions and empty values.

Empty values sort first, as in both systems' databases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2c_lib.sandbox.predicate import Binder
from p2c_lib.sandbox.store import Value


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort term: SQL and direction."""

    sql: str
    descending: bool


def order_by(sorts: Sequence[Sort]) -> str:
    """The ORDER BY list."""
    return ", ".join(f"{sort.sql}{' DESC' if sort.descending else ''}" for sort in sorts)


def after(sorts: Sequence[Sort], last: Sequence[Value], binder: Binder) -> str:
    """The rows after the one whose sort values are ``last``.

    >>> after([Sort("t.id", False)], ["a"], Binder())
    '(t.id > :v0)'
    """
    beyond = _after(sorts, last, binder)
    head, value = sorts[0], last[0]
    if len(sorts) == 1 or value is None or head.descending:
        return beyond
    # Implied by the rest; lets SQLite start its walk of an index at the right place.
    return f"({beyond} AND {head.sql} >= {binder.bind(value)})"


def _after(sorts: Sequence[Sort], last: Sequence[Value], binder: Binder) -> str:
    """Halved at each step, so that any number of terms is few parentheses deep: SQLite's stack is short."""
    if len(sorts) == 1:
        return _beyond(sorts[0], last[0], binder)
    middle = len(sorts) // 2
    same = " AND ".join(_same(sort, value, binder) for sort, value in zip(sorts[:middle], last[:middle], strict=True))
    rest = _after(sorts[middle:], last[middle:], binder)
    return f"({_after(sorts[:middle], last[:middle], binder)} OR ({same} AND {rest}))"


def _same(sort: Sort, value: Value, binder: Binder) -> str:
    return f"{sort.sql} IS NULL" if value is None else f"{sort.sql} = {binder.bind(value)}"


def _beyond(sort: Sort, value: Value, binder: Binder) -> str:
    if value is None:
        return "(0)" if sort.descending else f"({sort.sql} IS NOT NULL)"
    mark = binder.bind(value)
    if sort.descending:
        return f"({sort.sql} < {mark} OR {sort.sql} IS NULL)"
    return f"({sort.sql} > {mark})"
