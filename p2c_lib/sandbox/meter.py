"""What a read costs beyond the steps that the database counts itself: its calls back into Python, thread by thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

# Steps of the database that take as long as one call: measured, 11 ns a step and 0.3 to 0.6 us a key or a pattern.
CALL = 40


class _Spent(threading.local):
    steps = 0


_SPENT = _Spent()


def begin() -> None:
    """Count from nothing in this thread."""
    _SPENT.steps = 0


def spent() -> int:
    """Steps that the calls of this thread are worth since it began."""
    return _SPENT.steps


def charge(steps: int = CALL) -> None:
    """One more call."""
    _SPENT.steps += steps


def define(
    connection: sqlite3.Connection, name: str, arguments: int, function: Callable[..., object], *, steps: int = CALL
) -> None:
    """Make a function known to a connection whose calls are charged."""

    def called(*given: object) -> object:
        _SPENT.steps += steps
        return function(*given)

    connection.create_function(name, arguments, called, deterministic=True)  # type: ignore[arg-type]
