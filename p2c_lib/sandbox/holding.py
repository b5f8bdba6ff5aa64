"""What the database holds of one query, and how a query that is more than that is told from a fault of the sandbox.

The limits of its size are SQLite's own and differ from build to build: a stack of 100 signs while it reads, 1,000
levels of one expression, 2,000 columns, 64 tables of a join, 127 arguments. The database counts them in the SQL that a
request became. How long a read may take is the sandbox's own limit, counted in steps and not by a clock, so that it is
the same everywhere: a join of everything with everything ends, as the services' own time limits end it. Calls back into
Python are charged as the steps they take as long as (`meter`), and a large store may cost more than a small one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from p2c_lib.sandbox.meter import begin, spent
from p2c_lib.sandbox.wire import Refusal

if TYPE_CHECKING:
    from p2c_lib.sandbox.store import Store

TOO_COMPLEX = (
    "Internal error: An expression services limit has been reached. Please look for potentially complex expressions in "
    "your query, and try to simplify them."
)
TOO_LONG = "SQL timeout expired."
# What the messages of SQLite's limits have in common; any other error is a fault.
_LIMITS = (
    "stack overflow", "too many", "too large", "too big", "too long", "too complex", "at most", "integer overflow",
)  # fmt: skip
# A page of 5,000 wide rows takes some 5 million steps, and 100 million are a second of one core, or two. To search a
# row by three patterns costs some 500, and no row takes less than 400 bytes.
STEPS, STRIDE, BYTES_A_STEP = 100_000_000, 50_000, 1
# What all reads of one batch may take together, as many times as one alone may.
READS_A_BATCH = 10


class _Shared(threading.local):
    """What is left of the steps that the requests of a batch share in this thread; None outside one."""

    left: int | None = None


_SHARED = _Shared()


@contextmanager
def shared(store: Store) -> Iterator[None]:
    """The reads inside have steps together: when they are used up, each further one is refused."""
    _SHARED.left = READS_A_BATCH * _most(store)
    try:
        yield
    finally:
        _SHARED.left = None


def _most(store: Store) -> int:
    return STEPS + store.path.stat().st_size // BYTES_A_STEP


def beyond(error: sqlite3.Error) -> str | None:
    """The problem, as SQL Server words it, where the database was asked for more than it holds; None for a fault.

    >>> beyond(sqlite3.OperationalError("parser stack overflow")) == TOO_COMPLEX
    True
    >>> beyond(sqlite3.OperationalError("no such column: x"))
    """
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
        return TOO_LONG
    return TOO_COMPLEX if any(limit in str(error) for limit in _LIMITS) else None


@contextmanager
def held(refused: Callable[[str], Refusal], reads: Store | None = None) -> Iterator[None]:
    """What is asked of the database inside and is more than it holds becomes the service's own refusal.

    ``reads`` is the store of a request that only reads, whose steps are counted. A write is never cut off: that
    would take back the transaction around it.
    """
    left = _SHARED.left if reads is not None else None
    if left is not None and left <= 0:
        raise refused(TOO_LONG)
    steps, most = 0, STEPS

    def used_up() -> bool:
        nonlocal steps, most
        steps += STRIDE
        if reads is not None and most == STEPS and steps + spent() > most:
            most = _most(reads)
        return steps + spent() > (most if left is None else min(most, left))

    connection = None if reads is None else reads.connection
    begin()
    try:
        if connection is not None:
            connection.set_progress_handler(used_up, STRIDE)
        yield
    except RecursionError as error:
        raise refused(TOO_COMPLEX) from error
    except sqlite3.Error as error:
        problem = beyond(error)
        if problem is None:
            raise
        raise refused(problem) from error
    finally:
        if connection is not None:
            connection.set_progress_handler(None, 0)
        if left is not None:
            _SHARED.left = left - steps - spent()
