"""Answers that trickle, stall or never come end by themselves; what is slow but moves goes through, however long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.connecting import wire as first_look
from p2c_lib.errors import NotSent, ServiceError, Unreachable
from p2c_lib.events import listening
from p2c_lib.odata import Client, Patience, Query, Write, send, token_calls
from p2c_lib.odata.auth import TokenSource
from p2c_lib.odata.send import Sender
from p2c_lib.odata.wire import _Backend, watched_client
from p2c_lib.waiting import WALL, Clock, apart, halting
from tests.trickling import (
    GUARD,
    SLOW_BODY,
    SLOW_HEAD,
    Serve,
    answering,
    asked,
    closed_while,
    silence,
    slow_server,
    whole,
)

ONCE = Patience(tries=1)


class Leaping(Clock):
    """A clock that leaps ahead whenever it is looked at, and never rests."""

    def __init__(self, leap: float) -> None:
        self._at, self._leap, self._lock = 0.0, leap, threading.Lock()

    def now(self) -> float:
        with self._lock:
            self._at += self._leap
            return self._at

    def rest(self, seconds: float, stop: Any = None) -> None:
        return


def connection(url: str, app: Any = "sales") -> Connection:
    return Connection("x", app, url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")


@contextmanager
def slow(serve: Serve, *, leap: float = 1.0, patience: Patience = ONCE) -> Iterator[Sender]:
    """A sender to a slow server, with a clock that leaps."""
    with slow_server(answering(serve)) as url:
        clock = Leaping(leap) if leap else WALL
        with closing(Sender(connection(url), patience=patience, clock=clock)) as one:
            yield one


@pytest.mark.parametrize(
    ("serve", "leap", "said"),
    [
        (SLOW_BODY, 1, r"receiving at \d+ bytes/s for \d+ s"),
        (SLOW_HEAD, 1, r"receiving at \d+ bytes/s for \d+ s"),
        (silence, 40, "no answer in 120 s"),
    ],
)
def test_an_answer_that_does_not_move_is_none(serve: Serve, leap: float, said: str) -> None:
    with slow(serve, leap=leap) as one, pytest.raises(Unreachable, match=said):
        one.send("GET", "/a")


def test_a_body_that_is_not_taken_is_not_sent_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "UPLOADS", 1)
    body = b"x" * 20_000_000
    with slow(silence, leap=10) as one, pytest.raises(Unreachable, match="sending at"):
        one.send("POST", "/a", body=body)
    package = tmp_path / "package.zip"
    package.write_bytes(body)
    with slow(silence, leap=10) as one, pytest.raises(Unreachable, match="sending at"):
        one.upload(f"{one.connection.url}/blob", package)


def test_an_answer_that_moves_may_be_as_large_and_long_as_it_is() -> None:
    size = 40_000_000

    def serve(connection: Any, _over: threading.Event) -> None:
        connection.sendall(whole(b"x" * size))

    with slow(serve, leap=20, patience=Patience(tries=1, whole_seconds=1e9)) as one:
        assert len(one.send("GET", "/a").body) == size
    with slow(serve, leap=20) as one, pytest.raises(Unreachable, match="not whole after 1,800 s"):
        one.send("GET", "/a")


def test_an_upload_that_moves_may_be_as_large_and_long_as_it_is(tmp_path: Path) -> None:
    package, taken = tmp_path / "package.zip", list[int]()
    package.write_bytes(b"x" * 40_000_000)

    def serve(connection: Any, _over: threading.Event) -> None:
        head = asked(connection)
        taken.append(len(head.partition(b"\r\n\r\n")[2]))
        while taken[0] < package.stat().st_size:
            taken[0] += len(connection.recv(65_536))
        connection.sendall(whole(b""))

    with slow_server(serve) as url, closing(Sender(connection(url), patience=ONCE, clock=Leaping(20))) as one:
        one.upload(f"{url}/blob", package)
    assert taken == [package.stat().st_size]


CALLS: dict[str, Any] = {
    "identity": lambda client: client.identity(),
    "metadata": lambda client: client.schema("accounts"),
    "page": lambda client: list(client.read(Query("accounts", ("name",)))),
    "write": lambda client: client.write([Write("create", "accounts", None, {"name": "a"})] * 2),
}


@pytest.mark.parametrize("serve", [SLOW_BODY, SLOW_HEAD, silence])
@pytest.mark.parametrize("call", list(CALLS))
def test_every_call_to_a_service_that_trickles_ends_in_words(call: str, serve: Serve) -> None:
    with (
        slow_server(answering(serve)) as url,
        Client(connection(url), patience=Patience(tries=2), clock=Leaping(20)) as client,
        pytest.raises(ServiceError, match=url),
    ):
        CALLS[call](client)


@pytest.mark.parametrize("serve", [SLOW_BODY, SLOW_HEAD, silence])
def test_a_token_and_a_first_look_do_not_wait_for_ever_either(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_calls, "TOKEN_SECONDS", 0.6)
    monkeypatch.setattr(first_look, "SECONDS", 0.3)
    with slow_server(answering(serve, tokens=False)) as url:
        with closing(Sender(connection(url))) as one, pytest.raises(Unreachable, match=r"No answer from .*oauth2"):
            one.send("GET", "/a")
        found = list(first_look.look(connection(url)))
    assert [(step.step, step.status) for step in found] == [("address", "fail")]


def test_what_nobody_waits_for_any_more_is_cut_off_in_the_middle() -> None:
    begun = threading.Event()

    def serve(connection: Any, over: threading.Event) -> None:
        begun.set()
        silence(connection, over)

    with slow(serve, leap=0) as one:
        ended = closed_while(one, begun, lambda: one.send("POST", "/a", body=b"{}"))
    assert ended == [Unreachable]  # it may have been carried out, so it is not NotSent


def test_who_waits_long_for_an_answer_is_told() -> None:
    heard: list[str] = []
    with slow(silence, leap=8) as one, listening(lambda event: heard.append(event["text"])), pytest.raises(Unreachable):
        one.send("GET", "/a")
    assert heard
    assert all(text.startswith("Sales has not answered for ") for text in heard)


def test_those_who_wait_for_a_token_that_fails_do_not_each_wait_for_it_anew() -> None:
    tried, go_on = list[int](), threading.Event()

    def fetch() -> tuple[str, float]:
        tried.append(1)
        go_on.wait(GUARD)
        raise Unreachable("nobody there")

    source, ended = TokenSource(fetch), list[str]()

    def ask() -> None:
        try:
            source.current()
        except Unreachable as error:
            ended.append(error.message)

    several = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for thread in several:
        thread.start()
    while not tried:
        several[0].join(0.01)
    several[0].join(0.5)  # the others have come to the lock meanwhile; one that has not tries for itself
    go_on.set()
    for thread in several:
        thread.join(GUARD)
    assert ended == ["nobody there"] * 8
    assert len(tried) < 8


def test_work_in_somebody_elses_code_is_left_behind() -> None:
    over = threading.Event()
    with pytest.raises(TimeoutError):
        apart(over.wait, 100, Leaping(60))
    with halting(lambda: True), pytest.raises(TimeoutError):
        apart(over.wait, 1e9)
    over.set()
    assert apart(over.wait, 100)
    with pytest.raises(NotSent, match="as it is"):
        apart(lambda: (_ for _ in ()).throw(NotSent("as it is")), 100)


def test_every_connection_of_a_client_is_watched_those_over_proxies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    with watched_client(trust_env=True) as client:
        mounted = [client._transport, *client._mounts.values()]
    found = [one._pool._network_backend for one in mounted if isinstance(one, httpx.HTTPTransport)]
    assert len(found) > 1
    assert all(isinstance(backend, _Backend) for backend in found)
