"""The few functions SQLite lacks: texts and numbers as the systems compare them, and values as a person reads them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime

from p2c_lib.sandbox import collation, exact
from p2c_lib.sandbox.meter import CALL, charge, define


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    collation.register(connection)
    exact.register(connection)
    for kind, key in (("text", collation.sales_key), ("number", exact.number_key)):
        for name, largest in (("min", False), ("max", True)):
            connection.create_aggregate(f"{kind}_{name}", 1, _extreme(key, largest=largest))  # type: ignore[arg-type]
    define(connection, "shown_number", 3, shown_number, steps=4 * CALL)
    define(connection, "shown_choices", 2, shown_choices, steps=4 * CALL)
    define(connection, "shown_date", 2, shown_date, steps=4 * CALL)


def shown_number(value: float | str | None, places: int, symbol: str) -> str | None:
    """A number with grouping, such as ``$1,250.00``."""
    if value is None:
        return None
    shown = exact.rounded(exact.decimal_of(value), places)
    return f"{'-' if shown < 0 else ''}{symbol}{shown.copy_abs():,f}"


def shown_choices(text: str | None, labels: str) -> str | None:
    """Several choices by their labels, such as ``Road bikes; Clothing``."""
    if text is None:
        return None
    known = json.loads(labels)
    return "; ".join(known.get(value, value) for value in text.split(","))


def shown_date(text: str | None, date_only: int) -> str | None:
    """A stored date as the United States write it: ``3/31/2026`` or ``3/31/2026 5:04 PM``."""
    if text is None:
        return None
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    day = f"{when.month}/{when.day}/{when.year}"
    return day if date_only else f"{day} {when.hour % 12 or 12}:{when.minute:02d} {'PM' if when.hour >= 12 else 'AM'}"


class _Extreme:
    """The smallest or largest of values by their keys, as it is stored; None of none."""

    def __init__(self, key: Callable[[object], object], *, largest: bool) -> None:
        self.key, self.largest = key, largest
        self.found: object = None

    def step(self, value: object) -> None:
        charge()
        if value is None:
            return
        if self.found is None or self._beyond(self.key(value), self.key(self.found)):
            self.found = value

    def _beyond(self, one: object, other: object) -> bool:
        return bool(one > other) if self.largest else bool(one < other)  # type: ignore[operator]

    def finalize(self) -> object:
        return self.found


def _extreme(key: Callable[..., object], *, largest: bool) -> Callable[[], _Extreme]:
    return lambda: _Extreme(key, largest=largest)
