"""Ctrl-C and a kernel's stop during an apply: requests in flight end and are journalled, then the signal acts.

Those that do not end within seconds are cut off and journalled as in doubt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from p2c_lib.ending import IN_FLIGHT, heeded

__all__ = ["GRACE", "Interruption", "interruptible"]

GRACE = IN_FLIGHT


class Interruption:
    """``asked`` is the signal that came, if one did; a second one acts at once."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._cut = threading.Event()

    def stop(self) -> bool:
        """Whether to begin nothing further."""
        return self.asked is not None

    def cut_off(self) -> bool:
        """Whether to wait no longer for what is in flight."""
        return self._cut.is_set()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None:
            raise KeyboardInterrupt
        self.asked = number
        timer = threading.Timer(GRACE, self._cut.set)
        timer.daemon = True
        timer.start()


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Signals are noted for the duration and act at its end; outside the main thread there are none to note.

    Raises KeyboardInterrupt at the end where one came and its own handler let it pass.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.signal(number, noted) for number in heeded()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if noted.asked is not None:
            own = before[signal.Signals(noted.asked)]
            if callable(own):  # a signal raised anew would count as a second one
                own(noted.asked, None)
            else:
                signal.raise_signal(noted.asked)
            raise KeyboardInterrupt
