"""The few functions SQLite lacks: texts as the systems compare them, and values as a person reads them."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from p2c_lib.sandbox import collation


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    collation.register(connection)
    connection.create_function("shown_number", 3, shown_number, deterministic=True)
    connection.create_function("shown_date", 2, shown_date, deterministic=True)


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
