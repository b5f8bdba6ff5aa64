"""A request to end is an interruption."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from p2c_lib.ending import heeded, interrupted

__all__ = ["stoppable"]


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM, as service managers send it, and SIGHUP do what Ctrl-C does: what is in flight ends first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = {number: signal.signal(number, interrupted) for number in heeded() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
