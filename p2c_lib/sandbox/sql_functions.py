"""The few functions SQLite lacks: folding beyond ASCII, ``[set]`` wildcards, and values as a person reads them."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime
from functools import lru_cache


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    connection.create_function("fold", 1, fold, deterministic=True)
    connection.create_function("like_sets", 2, like_sets, deterministic=True)
    connection.create_function("shown_number", 3, shown_number, deterministic=True)
    connection.create_function("shown_date", 2, shown_date, deterministic=True)


def fold(text: str | None) -> str | None:
    """The text without case, beyond ASCII too."""
    return text.casefold() if isinstance(text, str) else text


def like_sets(text: str | None, pattern: str) -> bool | None:
    """SQL Server's LIKE: ``%``, ``_``, ``[set]`` and ``[^set]``, without case."""
    return None if text is None else bool(_like(pattern).fullmatch(text))


@lru_cache(maxsize=256)
def _like(pattern: str) -> re.Pattern[str]:
    out, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        closing = pattern.find("]", at + 2) if character == "[" else -1
        if closing > 0:
            inside = pattern[at + 1 : closing]
            negated = inside.startswith("^") and len(inside) > 1
            out += f"[{'^' if negated else ''}{_set(inside[1:] if negated else inside)}]"
            at = closing
        else:
            out += {"%": ".*", "_": "."}.get(character, re.escape(character))
        at += 1
    return re.compile(out, re.IGNORECASE | re.DOTALL)


def _set(inside: str) -> str:
    ranges = re.sub(r"([\\\]\[^&~|])", r"\\\1", inside)
    ordered = all(a <= b for a, b in re.findall(r"(.)-(.)", inside))
    return ranges if ordered else ranges.replace("-", r"\-")


def shown_number(value: float | None, places: int, symbol: str) -> str | None:
    """A number with grouping, such as ``$1,250.00``."""
    if value is None:
        return None
    return f"{'-' if value < 0 else ''}{symbol}{abs(value):,.{places}f}"


def shown_date(text: str | None, date_only: int) -> str | None:
    """A stored date as the United States write it: ``3/31/2026`` or ``3/31/2026 5:04 PM``."""
    if text is None:
        return None
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    day = f"{when.month}/{when.day}/{when.year}"
    return day if date_only else f"{day} {when.hour % 12 or 12}:{when.minute:02d} {'PM' if when.hour >= 12 else 'AM'}"
