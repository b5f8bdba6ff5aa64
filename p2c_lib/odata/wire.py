"""HTTP over sockets that are watched: an exchange that stands still, trickles or is not wanted any more ends.

httpx bounds each single read and write, so that a byte a second goes on for ever, and a thread that waits for an answer
cannot be called off. Here every read and write looks a few times a second at the ``Watch`` it stands under.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Literal

import httpcore
import httpx

from p2c_lib.errors import ConfigError
from p2c_lib.patience import Patience
from p2c_lib.waiting import LOOK, WALL, Clock, unwanted

__all__ = ["TOLD_AFTER", "Unwanted", "Watch", "watched", "watched_client"]

CHUNK = 65_536
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # where else httpx looks for what to trust
BLIND_SECONDS = 60.0
TOLD_AFTER = 15.0  # seconds without an answer are news, and twice as many are news again

Tell = Callable[[float, float], None]


class Unwanted(Exception):
    """Nobody waits for this exchange any more; it may have done at the service what it was to do."""


class Watch:
    """How long one exchange may go on: until its answer begins, while something moves, and in all, in seconds.

    ``answer`` counts from the last byte that was sent. ``tell`` is called with the seconds that have gone without an
    answer and those that are given, now and then.
    """

    def __init__(
        self,
        patience: Patience,
        answer: float,
        clock: Clock = WALL,
        *,
        whole: float | None = None,
        tell: Tell = lambda _waited, _given: None,
    ) -> None:
        self._patience, self._answer, self._clock, self._tell = patience, answer, clock, tell
        self._whole = patience.whole_seconds if whole is None else whole
        self._began = clock.now()
        self._turn("sending")

    def _turn(self, phase: Literal["sending", "waiting", "receiving"]) -> None:
        self._phase, self._since, self._moved = phase, self._clock.now(), 0
        self._told_next = TOLD_AFTER

    def sending(self) -> None:
        """Something is to be sent."""
        if self._phase != "sending":
            self._turn("sending")

    def reading(self) -> None:
        """What was to be sent is sent."""
        if self._phase == "sending":
            self._turn("waiting")

    def moved(self, count: int) -> None:
        """Bytes went or came."""
        if self._phase == "waiting":
            self._turn("receiving")
        self._moved += count

    def check(self) -> None:
        """Raises httpcore's time-outs for what takes too long, and Unwanted for what nobody waits for."""
        if unwanted():
            raise Unwanted
        now = self._clock.now()
        if now - self._began > self._whole:
            raise httpcore.ReadTimeout(f"not whole after {self._whole:,.0f} s")
        if self._phase == "waiting":
            self._check_answer(now - self._since)
        elif now - self._since > self._patience.slow_seconds:
            self._check_speed(now)

    def _check_answer(self, waited: float) -> None:
        if waited > self._answer:
            raise httpcore.ReadTimeout(f"no answer in {self._answer:,.0f} s")
        if waited >= self._told_next:
            self._tell(waited, self._answer)
            self._told_next = 2 * waited

    def _check_speed(self, now: float) -> None:
        speed = self._moved / (now - self._since)
        if speed < self._patience.least_speed:
            said = f"{self._phase} at {speed:,.0f} bytes/s for {now - self._since:,.0f} s"
            raise (httpcore.WriteTimeout if self._phase == "sending" else httpcore.ReadTimeout)(said)
        self._since, self._moved = now, 0


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Exchanges of a ``watched_client`` in this thread stand under this watch."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched_client(**options: Any) -> httpx.Client:
    """An httpx client, with proxies and all, whose exchanges stand under the watch of where they are made.

    Without ``trust_env`` it goes over no proxy; the certificates that the environment names it trusts in any case.
    """
    if "verify" not in options:
        options["verify"] = _trusted(options.get("trust_env", True), *map(os.environ.get, CERTIFICATES))
    client = httpx.Client(**options)
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            # httpx hands no network backend on to its pools; tests/test_odata_slow.py says whether this still holds.
            transport._pool._network_backend = _Backend()
    return client


@lru_cache(maxsize=8)
def _trusted(outside: bool, *places: str | None) -> ssl.SSLContext:  # noqa: FBT001 - one of a cache's keys
    """The certificates that are trusted, read once: a hundred and fifty of them take longer than a request."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        if not outside:  # the sandbox may be spoken to though what the environment names is not there
            return httpx.create_ssl_context(trust_env=False)
        named = " and ".join(f"{name} ({place})" for name, place in zip(CERTIFICATES, places, strict=True) if place)
        said = f"The certificates to trust cannot be read from {named}: {error.strerror or error}."
        raise ConfigError(said, hint="Name a file of PEM certificates in SSL_CERT_FILE, or take it away.") from None


class _Backend(httpcore.SyncBackend):
    """Opens sockets that are watched."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    """A connection that looks at the watch between short reads and writes; without one it is as any other."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _WATCH.get()
        if watch is None:
            return self._inner.read(max_bytes, timeout)
        watch.reading()
        while True:
            watch.check()
            try:
                found = self._inner.read(max_bytes, LOOK)
            except httpcore.ReadTimeout:
                continue
            watch.moved(len(found))
            return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        watch = _WATCH.get()
        if watch is None:
            return self._inner.write(buffer, timeout)
        watch.sending()
        left = memoryview(buffer)
        while left:
            watch.check()
            gone = self._send(left[:CHUNK])
            watch.moved(gone)
            left = left[gone:]
        return None

    def _send(self, part: memoryview) -> int:
        """Send some of it if there is room for any soon; how much went."""
        if isinstance(self._inner.get_extra_info("ssl_object"), ssl.SSLObject):
            # TLS inside TLS, as to a proxy over https, is no plain socket: what went of a part cannot be told.
            self._inner.write(bytes(part), BLIND_SECONDS)
            return len(part)
        socket = self._inner.get_extra_info("socket")
        try:
            socket.settimeout(LOOK)
            return int(socket.send(part))
        except TimeoutError:
            return 0
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
