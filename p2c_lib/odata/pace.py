"""How many requests may be in flight: grows while all is well, halves when the service says 429."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from p2c_lib.errors import NotSent, Throttled
from p2c_lib.waiting import LOOK, WALL, Clock, Stop, never, unwanted

__all__ = ["Pace"]

START = 4.0
CEILING = 16.0
HINTED_CEILING = 52.0


class Pace:
    """Additive increase, multiplicative decrease over the requests of one application user.

    ``x-ms-dop-hint`` raises or lowers the ceiling; a 429 with a wait also holds back every other request until then,
    because hammering on makes the service ask for longer waits.
    """

    def __init__(self, clock: Clock = WALL) -> None:
        self._clock = clock
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
    def slot(self, stop: Stop = never, patient: float = float("inf")) -> Iterator[None]:
        """Waits for room, and for the end of a wait the service asked for; holds the room while inside.

        Raises NotSent when it is asked to stop first, and Throttled at once where the service wants more quiet than
        the ``patient`` seconds of whoever asks.
        """
        while not self._taken():
            quiet = self._quiet_until - self._clock.now()
            if quiet > patient:
                raise Throttled(f"The service wants no request for {quiet:,.0f} s.", status=429)
            if unwanted(stop):
                raise NotSent("Not sent: it was asked to stop.")
            if quiet > 0:
                self._clock.rest(min(quiet, LOOK), stop)
        try:
            if unwanted(stop):
                raise NotSent("Not sent: it was asked to stop.")
            yield
        finally:
            with self._free:
                self._flying -= 1
                self._free.notify()

    def _taken(self) -> bool:
        """Take room if it is quiet no longer and there is some; where there is none, after a short wait for it."""
        with self._free:
            if self._quiet_until > self._clock.now():
                return False
            if self._flying >= self.limit:
                self._free.wait(LOOK)
            if self._flying >= self.limit or self._quiet_until > self._clock.now():
                return False
            self._flying += 1
            return True

    def went_well(self, hint: str | None) -> None:
        """An answer came: one more request may fly after as many good answers as fly now."""
        with self._free:
            if hint and hint.isascii() and hint.isdigit():
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
            self._quiet_until = max(self._quiet_until, self._clock.now() + wait)
            self._free.notify_all()
