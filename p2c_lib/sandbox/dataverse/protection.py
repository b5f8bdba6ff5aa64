"""Service protection: per web server, sliding windows of requests and execution time, and requests at one time.

Requests without the affinity cookie go to the servers in turn; the cookie keeps a client on one. The state is of this
run of the sandbox only, as a web server's memory is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.wire import Refusal

COOKIE = "ARRAffinity"


@dataclass(slots=True)
class _Server:
    began: deque[float] = field(default_factory=deque)
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    seconds: float = 0.0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """A request that was let in; hand it back with ``Protection.leave``."""

    server: int
    at: float
    remaining: int
    remaining_seconds: float

    def headers(self) -> list[tuple[str, str]]:
        """What the server says about its limits; the time has a grouped number, as the real one does."""
        return [
            ("x-ms-dop-hint", "8"),
            ("x-ms-ratelimit-burst-remaining-xrm-requests", str(self.remaining)),
            ("x-ms-ratelimit-time-remaining-xrm-requests", f"{self.remaining_seconds:,.2f}"),
            ("Set-Cookie", f"{COOKIE}={affinity(self.server)}; path=/; secure; HttpOnly"),
        ]


def affinity(server: int) -> str:
    """The cookie's value for a server."""
    return f"{0x5A3C9E1F + server * 7919:016x}"


class Protection:
    """The limits of one organisation's web servers; one user stands for all callers."""

    def __init__(self, switches: SalesSwitches, clock: Callable[[], float] = time.monotonic) -> None:
        self.switches = switches
        self.clock = clock
        self._servers = [_Server() for _ in range(max(switches.servers, 1))]
        self._names = {affinity(number): number for number in range(len(self._servers))}
        self._turn = 0
        self._lock = threading.Lock()

    def enter(self, cookie: str) -> Pass:
        """Let a request in, or raise the 429 of the limit that it would exceed."""
        with self._lock:
            number = self._chosen(cookie)
            server, at, limits = self._servers[number], self.clock(), self.switches
            self._forget(server, at)
            if server.running >= limits.most_concurrent:
                message = f"Number of concurrent requests exceeded the limit of {limits.most_concurrent}."
                raise _refused("0x80072326", message, 2.0)
            if len(server.began) >= limits.most_requests:
                over = f"{limits.most_requests} over time window of {limits.window:.0f} seconds."
                wait = server.began[0] + limits.window - at
                raise _refused("0x80072322", f"Number of requests exceeded the limit of {over}", wait)
            if server.seconds >= limits.most_seconds:
                raise self._too_long(server, at)
            server.began.append(at)
            server.running += 1
            remaining = limits.most_requests - len(server.began)
            return Pass(number, at, remaining, max(limits.most_seconds - server.seconds, 0.0))

    def _too_long(self, server: _Server, at: float) -> Refusal:
        limits = self.switches
        wait = server.spent[0][0] + limits.window - at
        message = (
            f"Combined execution time of incoming requests exceeded limit of {limits.most_seconds * 1000:,.0f} "
            f"milliseconds over time window of {limits.window:.0f} seconds. Decrease number of concurrent requests or "
            "reduce the duration of requests and try again later."
        )
        return _refused("0x80072321", message, wait)

    def leave(self, let_in: Pass) -> None:
        """The request has been answered: its time counts."""
        with self._lock:
            server, at = self._servers[let_in.server], self.clock()
            server.running -= 1
            server.spent.append((at, at - let_in.at))
            server.seconds += at - let_in.at

    def _chosen(self, cookie: str) -> int:
        for part in cookie.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and value in self._names:
                return self._names[value]
        self._turn = (self._turn + 1) % len(self._servers)
        return self._turn

    def _forget(self, server: _Server, at: float) -> None:
        edge = at - self.switches.window
        while server.began and server.began[0] <= edge:
            server.began.popleft()
        while server.spent and server.spent[0][0] <= edge:
            server.seconds -= server.spent.popleft()[1]


def _refused(code: str, message: str, wait: float) -> Refusal:
    return Refusal(429, code, message, headers={"Retry-After": str(max(1, round(wait)))})
