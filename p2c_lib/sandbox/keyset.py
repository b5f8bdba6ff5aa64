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
    if len(sorts) == 1:
        return _beyond(sorts[0], last[0], binder)
    rest = after(sorts[1:], last[1:], binder)
    head, value = sorts[0], last[0]
    same = f"{head.sql} IS NULL" if value is None else f"{head.sql} = {binder.bind(value)}"
    # The rest first: what stands before it would wait on SQLite's stack, a few signs more for each term.
    either = f"(({rest} AND {same}) OR {_beyond(head, value, binder)})"
    if value is None or head.descending:
        return either
    # Implied by the rest; lets SQLite start its walk of an index at the right place.
    return f"({either} AND {head.sql} >= {binder.bind(value)})"


def _beyond(sort: Sort, value: Value, binder: Binder) -> str:
    if value is None:
        return "(0)" if sort.descending else f"({sort.sql} IS NOT NULL)"
    mark = binder.bind(value)
    if sort.descending:
        return f"({sort.sql} < {mark} OR {sort.sql} IS NULL)"
    return f"({sort.sql} > {mark})"
