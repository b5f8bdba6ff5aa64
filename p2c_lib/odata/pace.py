"""How many requests may be in flight: grows while all is well, halves when the service says 429."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2c_lib.errors import NotSent

__all__ = ["Pace", "Stop", "never", "rest"]

LOOK = 0.2  # seconds between two looks whether to stop
START = 4.0
CEILING = 16.0
HINTED_CEILING = 52.0

Stop = Callable[[], bool]


def never() -> bool:
    """Nobody asks to stop."""
    return False


def rest(seconds: float, stop: Stop = never) -> None:
    """Wait, but no longer than until somebody asks to stop."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, LOOK))


class Pace:
    """Additive increase, multiplicative decrease over the requests of one application user.

    ``x-ms-dop-hint`` raises or lowers the ceiling; a 429 with a wait also holds back every other request until then,
    because hammering on makes the service ask for longer waits.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._limit, self._ceiling = START, CEILING
        self._hinted = self._refused = False
        self._flying = 0
        self._quiet_until = 0.0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    @contextmanager
    def slot(self, stop: Stop = never) -> Iterator[None]:
        """Waits for room, and for the end of a wait the service asked for; holds the room while inside.

        Raises NotSent when it is asked to stop first.
        """
        with self._free:
            while not stop() and ((wait := self._quiet_until - time.monotonic()) > 0 or self._flying >= self.limit):
                self._free.wait(min(wait, LOOK) if wait > 0 else LOOK)
            if stop():
                raise NotSent("Not sent: it was asked to stop.")
            self._flying += 1
        try:
            yield
        finally:
            with self._free:
                self._flying -= 1
                self._free.notify()

    def went_well(self, hint: str | None) -> None:
        """An answer came: one more request may fly after as many good answers as fly now."""
        with self._free:
            if hint and hint.isdigit():
                self._take_hint(float(hint))
            self._limit = max(1.0, min(self._limit + 1.0 / self._limit, self._ceiling))
            self._free.notify()

    def _take_hint(self, hint: float) -> None:
        """Begin at what the service recommends, and never go beyond twice that."""
        if not self._hinted and not self._refused:
            self._limit = max(self._limit, min(hint, HINTED_CEILING))
        self._hinted = True
        self._ceiling = min(max(hint, 1.0) * 2, HINTED_CEILING)

    def slow_down(self, wait: float) -> None:
        """The service said 429: half as many, and none before ``wait`` seconds have passed."""
        with self._free:
            self._refused = True
            self._limit = max(1.0, self._limit / 2)
            self._quiet_until = max(self._quiet_until, time.monotonic() + wait)
            self._free.notify_all()
