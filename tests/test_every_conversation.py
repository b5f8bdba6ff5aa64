"""Whoever is spoken to, by whatever protocol: answers are bounded, waits obeyed and told, nothing goes elsewhere."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.config import Connection, Secret, Workspace
from p2c_lib.errors import NoticeError, NotTheService, ServiceError, Throttled, Unreachable
from p2c_lib.events import listening
from p2c_lib.notices import Notice, channels, send, webhook
from p2c_lib.odata import Patience
from p2c_lib.odata.auth import TokenSource, token_source
from p2c_lib.odata.send import Sender
from p2c_lib.odata.token_calls import LARGEST_TOKEN
from p2c_lib.waiting import Clock
from tests.bad_network import told_server
from tests.entra import CONTOSO, JSON, directory
from tests.hasty import Hasty
from tests.trickling import answering, closed_while, slow_server, trickle

PACKAGE = Path(__file__).parent.parent / "p2c_lib"
Said = tuple[int, dict[str, str], bytes]
TOKEN: Said = 200, JSON, b'{"access_token": "issued", "expires_in": 3600, "token_type": "Bearer"}'
NOTICE = Notice(("gate",), "p2c: a gate is closed", ("accounts",), "r1")
# Who may open a connection by itself: HTTP in one place, mail in another.
OPENS = {
    "odata/wire.py": {"httpx.Client"},
    "odata/exchange.py": {"http.stream", "httpx.Client"},
    "notices/mail.py": {"smtplib.SMTP", "smtplib.SMTP_SSL"},
    "odata/unreached.py": {"urllib.request"},  # for the names of proxies; it opens nothing
}
OTHER_WAYS = {"requests", "urllib.request", "http.client", "aiohttp", "urllib3", "ftplib", "telnetlib", "xmlrpc"}
CALLS = {"Client", "AsyncClient", "get", "post", "put", "patch", "delete", "request", "stream", "SMTP", "SMTP_SSL"}


def opened(path: Path) -> set[str]:
    """What a file opens connections with, as it is written there."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in OTHER_WAYS}
        elif isinstance(node, ast.ImportFrom) and node.module in OTHER_WAYS:
            found.add(node.module)
        elif isinstance(node, ast.Attribute) and node.attr in CALLS | {"create_connection", "urlopen"}:
            name = ast.unparse(node)
            if name.partition(".")[0] in {"httpx", "smtplib", "socket", "urllib"} or node.attr == "stream":
                found.add(name)
    return found


def test_every_conversation_goes_through_one_place() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "sandbox"]
    found = {path.relative_to(PACKAGE).as_posix(): opened(path) for path in files}
    assert {name: ways for name, ways in found.items() if ways} == OPENS


# tokens: of an endpoint of one's own, and of Entra through msal


class Tokens:
    """Who gives tokens, and what it says to one request after another."""

    def __init__(self, source: Callable[[Patience, Clock], TokenSource], said: list[Any]) -> None:
        self._source, self.said = source, said

    def token(self, clock: Clock, *said: Said, patience: Patience | None = None) -> str:
        """A token, after these answers; what is left of them stays in ``said``."""
        self.said += said
        return self._source(patience or Patience(), clock).current()


@contextmanager
def of_an_endpoint() -> Iterator[Tokens]:
    tokens = Tokens(lambda patience, clock: token_source(replace(here, patience=patience), clock=clock), [])

    def say(_method: str, _path: str) -> Said:
        return tokens.said.pop(0) if tokens.said else TOKEN

    with told_server(say) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/token")
        yield tokens


@contextmanager
def of_entra() -> Iterator[Tokens]:
    with directory() as entra:
        here = replace(CONTOSO, secret=Secret.literal("s3cret"))
        yield Tokens(lambda patience, clock: entra.source(replace(here, patience=patience), clock), entra.said)


BOTH = pytest.mark.parametrize("of", [of_an_endpoint, of_entra])


@BOTH
def test_a_token_is_waited_for_as_its_endpoint_asks(of: Any) -> None:
    clock, heard = Hasty(), list[str]()
    with of() as tokens, listening(lambda event: heard.append(event["text"])):
        busy: list[Said] = [(429, {"Retry-After": "37"}, b"{}"), (503, {**JSON, "Retry-After": "0"}, b"{}")]
        assert tokens.token(clock, *busy) == "issued"
    assert clock.rests[0] == 37
    assert 0 < clock.rests[1] < 37
    assert heard == ["The token endpoint of Sales asks to wait: 37 s; then try 2 of 40"]


@BOTH
def test_an_hour_is_not_waited_for_a_token(of: Any) -> None:
    clock = Hasty()
    with of() as tokens, pytest.raises(Throttled, match="asks to wait longer than the time budget"):
        tokens.token(clock, (429, {"Retry-After": "3600"}, b"{}"))
    assert clock.rests == []


@BOTH
@pytest.mark.parametrize("said", [{}, {"Retry-After": "soon"}])
def test_nobody_is_said_to_have_asked_for_a_wait_who_named_none(of: Any, said: dict[str, str]) -> None:
    clock = Hasty()
    with of() as tokens, pytest.raises(Throttled, match=r"too many requests still after the time budget \(30 s\)"):
        tokens.token(clock, *[(429, said, b"{}")] * 40, patience=Patience(budget=30))


@BOTH
@pytest.mark.parametrize("said", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_token_endpoint_that_asks_for_no_wait_is_asked_less_and_less_often(of: Any, said: str) -> None:
    clock = Hasty()
    with of() as tokens, pytest.raises(Throttled, match="asked to wait 6 times"):
        tokens.token(clock, *[(429, {"Retry-After": said}, b"{}")] * 9, patience=Patience(first_wait=1, tries=6))
    assert len(tokens.said) == 3
    assert [round(wait / 2**n, 3) >= 0.5 for n, wait in enumerate(clock.rests)] == [True] * 5


def huge() -> Said:
    return 200, JSON, b'{"access_token": "' + b"x" * LARGEST_TOKEN + b'"}'


@BOTH
@pytest.mark.parametrize(
    ("said", "match"),
    [
        (huge(), "an answer may have 1 MB"),
        ((307, {"Location": "http://127.0.0.1:9/elsewhere"}, b""), "127.0.0.1"),
        ((200, JSON, b"null"), "."),
        ((200, JSON, b"[]"), "."),
        ((200, JSON, b"[" * 200_000), "JSON"),
        ((200, JSON, b'{"access_token": ["t"]}'), "is no text but list"),
    ],
)
def test_what_is_no_token_is_an_error_of_ours_and_is_followed_nowhere(of: Any, said: Said, match: str) -> None:
    with of() as tokens, pytest.raises(ServiceError, match=match) as caught:
        tokens.token(Hasty(), said)
    assert tokens.said == []
    assert "s3cret" not in str(caught.value)


def test_a_directory_that_is_damaged_is_an_error_of_ours() -> None:
    with directory() as entra:
        entra.found = (200, JSON, b"[" * 200_000)
        with pytest.raises(NotTheService, match="JSON"):
            entra.source(replace(CONTOSO, secret=Secret.literal("s3cret"))).current()
        for odd in (b'{"issuer": 5}', b'{"token_endpoint": ["x"]}', b'{"token_endpoint": null}'):
            entra.found = (200, JSON, odd)
            with pytest.raises(ServiceError):
                entra.source(replace(CONTOSO, secret=Secret.literal("s3cret"))).current()


def test_a_closed_sender_does_not_wait_for_a_token() -> None:
    begun = threading.Event()
    busy: Said = (429, {"Retry-After": "500"}, b"{}")
    with told_server(lambda *_: busy) as url, listening(lambda _event: begun.set()):
        one = Sender(Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/token"))
        assert closed_while(one, begun, lambda: one.send("GET", "/a")) == [Unreachable]


# the store of packages


@contextmanager
def store(answers: list[Said], clock: Clock, patience: Patience | None = None) -> Iterator[Callable[[], None]]:
    """What puts a package into a store that answers so."""
    with told_server(lambda *_: answers.pop(0) if answers else (201, {}, b"")) as url:
        here = Connection("x", "finops", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with closing(Sender(here, patience=patience, clock=clock)) as one:
            yield lambda: one.upload(f"{url}/blob?sig=signature", Path(__file__))


def test_a_package_is_put_again_when_the_store_asks_to_wait() -> None:
    clock, heard = Hasty(), list[str]()
    answers: list[Said] = [(503, {"Retry-After": "29"}, b"ServerBusy"), (500, {}, b"InternalError")]
    with store(answers, clock) as put, listening(lambda event: heard.append(event["text"])):
        put()
    assert (clock.rests[0], len(clock.rests), answers) == (29, 2, [])
    assert [text.partition(" (")[0] for text in heard] == [
        "The store of F&O's packages asks to wait: 29 s; then try 2 of 8"
    ]


def test_a_store_is_not_waited_for_an_hour_nor_for_ever() -> None:
    clock = Hasty()
    with store([(503, {"Retry-After": "3600"}, b"ServerBusy")], clock) as put, pytest.raises(ServiceError):
        put()
    assert clock.rests == []
    with store([(503, {"Retry-After": "0"}, b"ServerBusy")] * 20, clock) as put, pytest.raises(ServiceError):
        put()
    assert len(clock.rests) == 7
    assert all(wait >= 0.5 * Patience.first_wait * 2**n for n, wait in enumerate(clock.rests))


# notices


def hooked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a notice to a webhook."""
    monkeypatch.setenv("P2C_TEST_HOOK", f"{url}/in/secret-path")
    entry = {"kind": "webhook", "url": "env:P2C_TEST_HOOK", "form": "json"}
    (channel,) = channels(Workspace(tmp_path, {"notify": {"one": entry}}))
    send(NOTICE, channel)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ((200, {}, b"x" * (webhook.LARGEST + 1)), "an answer may have 64 kB"),
        ((307, {"Location": "http://127.0.0.1:9/elsewhere"}, b""), "the service answered 307"),
        ((429, {"Retry-After": "3600"}, b""), "asks to wait longer"),
        ((429, {"Retry-After": "0.01"}, b""), "asked to wait 3 times"),
    ],
)
def test_a_webhook_is_bounded(said: Said, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FIRST_WAIT", 0.01)
    with told_server(lambda *_: said) as url, pytest.raises(NoticeError, match=match) as caught:
        hooked(url, tmp_path, monkeypatch)
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize("said", [(503, {}, b"<html>busy</html>"), (502, {}, b""), (503, {"Retry-After": "0"}, b"")])
def test_a_notice_comes_rather_twice_than_never(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FIRST_WAIT", 0.01)
    posted: list[str] = []

    def say(_method: str, path: str) -> Said:
        posted.append(path)
        return said if len(posted) == 1 else (200, {}, b"ok")

    with told_server(say) as url:
        hooked(url, tmp_path, monkeypatch)
    assert len(posted) == 2


def test_a_notice_that_is_refused_is_posted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[str] = []

    def say(_method: str, path: str) -> Said:
        posted.append(path)
        return 500, {}, b"no"

    with told_server(say) as url, pytest.raises(NoticeError, match="the service answered 500"):
        hooked(url, tmp_path, monkeypatch)
    assert len(posted) == 1


def test_a_webhook_that_trickles_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    slow = trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    with slow_server(answering(slow)) as url, pytest.raises(NoticeError, match="did not come in time"):
        hooked(url, tmp_path, monkeypatch)


def test_a_webhook_that_is_busy_gets_the_notice_once_and_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FIRST_WAIT", 0.01)
    answers: list[Said] = [(503, {}, b""), (202, {}, b""), (500, {}, b"")]
    with told_server(lambda *_: answers.pop(0)) as url:
        hooked(url, tmp_path, monkeypatch)
    assert len(answers) == 1


@pytest.mark.parametrize("said", [b"220-" + b"x" * 400 + b"\r\n", b"220 hello\r\n"])
def test_a_mail_server_that_says_more_and_more_is_left(said: bytes, tmp_path: Path) -> None:
    def serve(connection: Any, over: threading.Event) -> None:
        connection.sendall(said)
        while not over.is_set():
            connection.sendall(b"250-" + b"x" * 400 + b"\r\n")

    with slow_server(serve) as url:
        entry = {"kind": "email", "host": "127.0.0.1", "port": int(url.rpartition(":")[2])}
        entry |= {"from": "a@b.example", "to": ["a@b.example"]}
        (channel,) = channels(Workspace(tmp_path, {"notify": {"one": entry}}))
        with pytest.raises(NoticeError, match="says more than 65,536 bytes"):
            send(NOTICE, channel)
