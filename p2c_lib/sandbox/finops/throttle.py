"""Throttling: the environment's resources, and the per-user limits that older versions had."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.wire import Refusal

WINDOW = 300.0
MOST_REQUESTS, MOST_SECONDS, MOST_CONCURRENT = 6000, 1200.0, 52
BUSY = "This request could not be processed at this time due to system experiencing high resource utilization."
# The first text is spelt as the service spells it.
_REQUESTS = f"Number of requests exeeded the limit of {MOST_REQUESTS} over the time window of 300 seconds."
_SECONDS = (
    "Combined execution time of incoming requests exceeded limit of 1200 seconds over time window of 300 seconds. "
    "Decrease number of concurrent requests or reduce the duration of requests and try again later."
)
_CONCURRENT = f"Number of concurrent requests exceeded the limit of {MOST_CONCURRENT}."


class Throttle:
    """Counts what is under way and what was done; ``request`` refuses (429) what is too much."""

    def __init__(self, switches: Switches, clock: Callable[[], float] = time.monotonic) -> None:
        self.switches, self.clock = switches, clock
        self.under_way = 0
        self.done: deque[tuple[float, float]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """One request: refused at once, or counted while it lasts."""
        began = self._enter()
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1
                self.done.append((self.clock(), self.clock() - began))

    def _enter(self) -> float:
        with self._lock:
            now = self.clock()
            while self.done and self.done[0][0] < now - WINDOW:
                self.done.popleft()
            most = self.switches.most_concurrent
            if most and self.under_way >= most:
                raise _refused(BUSY, self.switches.busy_seconds)
            if self.switches.user_limits == "on":
                self._check_user(now)
            self.under_way += 1
            return now

    def _check_user(self, now: float) -> None:
        if self.under_way >= MOST_CONCURRENT:
            raise _refused(_CONCURRENT, 1)
        wait = int(self.done[0][0] + WINDOW - now) + 1 if self.done else 1
        if len(self.done) + self.under_way >= MOST_REQUESTS:
            raise _refused(_REQUESTS, wait)
        if sum(seconds for _, seconds in self.done) >= MOST_SECONDS:
            raise _refused(_SECONDS, wait)


def _refused(message: str, seconds: int) -> Refusal:
    return Refusal(429, "", message, headers={"Retry-After": str(seconds)})
