"""Tokens, waits and how much is in flight: what the client does when a service says not now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import NotAuthorised, NotSent, ServiceError, Throttled, Unreachable
from p2c_lib.odata import Client, Patience
from p2c_lib.odata.auth import TokenSource
from p2c_lib.odata.entra import _credential
from p2c_lib.odata.pace import Pace
from p2c_lib.odata.send import Sender
from tests.bad_network import told_server

GUARD = 60  # seconds after which a test that hangs is over
Said = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
QUICK = Patience(budget=5, first_wait=0.01, longest_wait=0.02, wait_without_answer=0.3)


@contextmanager
def sender(say: Callable[[str, str], Said]) -> Iterator[Sender]:
    """A sender to a server that answers as told."""
    with told_server(say) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with closing(Sender(here, patience=QUICK)) as one:
            yield one


def test_the_pace_grows_slowly_and_halves_at_once() -> None:
    pace = Pace()
    assert pace.limit == 4
    for _ in range(100):
        pace.went_well(None)
    assert pace.limit == 14
    pace.slow_down(0)
    assert pace.limit == 7
    for _ in range(20):
        pace.slow_down(0)
    assert pace.limit == 1


def test_the_services_hint_is_where_the_pace_begins() -> None:
    pace = Pace()
    pace.went_well("8")
    assert pace.limit == 8
    for _ in range(1000):
        pace.went_well("8")
    assert pace.limit == 16
    for _ in range(9):
        pace.went_well("2")
    assert pace.limit == 4


def test_never_more_in_flight_than_the_pace_allows() -> None:
    pace, flying, most = Pace(), [0], [0]
    lock, full = threading.Lock(), threading.Event()

    def fly() -> None:
        with pace.slot():
            with lock:
                flying[0] += 1
                most[0] = max(most[0], flying[0])
                if flying[0] == pace.limit:
                    full.set()
            full.wait(GUARD)
            time.sleep(0.005)  # for one too many, were it let in
            with lock:
                flying[0] -= 1

    threads = [threading.Thread(target=fly) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 4


def test_a_wait_the_service_asks_for_holds_every_request_back() -> None:
    asked: list[float] = []

    def say(_method: str, _path: str) -> Said:
        asked.append(time.monotonic())
        return (429, {"Retry-After": "0.3"}, b"{}") if len(asked) == 1 else (200, JSON, b"{}")

    with sender(say) as one:
        limit = one.parallel
        first = threading.Thread(target=one.send, args=("GET", "/a"))
        first.start()
        while not asked:
            time.sleep(0.01)
        while one.parallel == limit:  # until it was heard that the service wants quiet
            time.sleep(0.01)
        one.send("GET", "/b")
        first.join()
    assert len(asked) == 3
    assert min(asked[1:]) - asked[0] >= 0.29


@pytest.mark.parametrize("status", [429, 502, 503, 504, 408])
def test_what_may_get_better_is_asked_again(status: int) -> None:
    seen: list[str] = []

    def say(_method: str, path: str) -> Said:
        seen.append(path)
        return (status, {"Retry-After": "0.01"}, b"busy") if len(seen) < 4 else (200, JSON, b'{"ok":1}')

    with sender(say) as one:
        answer = one.send("GET", "/a")
    assert (answer.status, len(seen)) == (200, 4)


@pytest.mark.parametrize(("method", "status", "times"), [("GET", 500, 5), ("POST", 500, 1)])
def test_a_breakdown_is_asked_about_again_but_nothing_is_sent_again(method: str, status: int, times: int) -> None:
    seen: list[str] = []

    def say(_method: str, path: str) -> Said:
        seen.append(path)
        return status, {}, b"no"

    with sender(say) as one:
        assert one.send(method, "/a", body=b"{}" if method == "POST" else None).status == status
    assert len(seen) == times


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413, 501])
def test_what_cannot_get_better_is_asked_once(status: int) -> None:
    seen: list[str] = []

    def say(_method: str, path: str) -> Said:
        seen.append(path)
        return status, {}, b"no"

    with sender(say) as one:
        assert one.send("GET", "/a").status == status
    assert len(seen) == 1


def test_a_data_error_dressed_as_a_503_is_asked_once() -> None:
    seen: list[str] = []

    def say(_method: str, path: str) -> Said:
        seen.append(path)
        return 503, {}, b'{"error":{"innererror":{"type":"X.AxODataWriteException"}}}'

    with sender(say) as one:
        assert one.send("GET", "/a").status == 503
    assert len(seen) == 1


def test_the_time_budget_ends_every_wait() -> None:
    asked: list[str] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return 429, {"Retry-After": "3,600"}, b"{}"

    with sender(say) as one, pytest.raises(Throttled, match="longer than the time budget"):
        one.send("GET", "/a")
    assert asked == ["/a"]


@pytest.mark.parametrize(("status", "error"), [(429, NotSent), (503, Unreachable), (502, Unreachable)])
def test_no_wait_goes_on_once_it_is_asked_to_stop(status: int, error: type[ServiceError]) -> None:
    asked: list[str] = []
    stopped: list[bool] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return status, {"Retry-After": "4"}, b"busy"

    def stop() -> bool:
        """Says stop from the third time on that it is asked after the answer, in the middle of the wait."""
        stopped.append(bool(asked))
        return sum(stopped) > 2

    with sender(say) as one, pytest.raises(error, match="asked to stop") as caught:
        one.send("POST", "/a", body=b"{}", stop=stop)
    assert type(caught.value) is error
    assert len(asked) == 1
    assert sum(stopped) < 20  # the wait was not gone through, piece by piece, to its end: that takes 80 looks


def test_what_must_not_happen_twice_is_not_sent_twice() -> None:
    seen: list[str] = []

    def say(_method: str, path: str) -> Said:
        seen.append(path)
        return 504, {}, b"late"

    with sender(say) as one, pytest.raises(Unreachable):
        one.send("POST", "/a", body=b"{}", repeatable=False)
    assert len(seen) == 1


def test_no_cookie_is_kept() -> None:
    with sender(lambda method, path: (200, {**JSON, "Set-Cookie": "ARRAffinity=1; path=/"}, b"{}")) as one:
        one.send("GET", "/a")
        assert len(one._http.cookies) == 0


def test_threads_renew_a_token_once_between_them() -> None:
    fetched: list[int] = []

    def fetch() -> tuple[str, float]:
        time.sleep(0.02)
        fetched.append(1)
        return f"token {len(fetched)}", 3600.0

    source = TokenSource(fetch)
    threads = [threading.Thread(target=source.current) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(fetched), source.current()) == (1, "token 1")
    assert source.renew("token 1") == "token 2"
    assert source.renew("token 1") == "token 2"
    assert "token" not in repr(source._token).replace("Token", "")


def test_a_token_is_renewed_before_it_ends() -> None:
    fetched: list[int] = []

    def fetch() -> tuple[str, float]:
        fetched.append(1)
        return str(len(fetched)), 0.1

    source = TokenSource(fetch)
    assert source.current() == "1"
    time.sleep(0.095)
    assert source.current() == "2"


@dataclass
class AzureLike:
    """What an azure-identity credential looks like from outside."""

    expires_on: int = int(time.time()) + 3600
    token: str = "from-azure"

    def get_token(self, *scopes: str) -> AzureLike:
        if not scopes[0].endswith("/.default"):
            raise ValueError(scopes)
        return self


def test_a_credential_of_azure_identity_takes_the_secrets_place() -> None:
    heard: list[str] = []

    def say(_method: str, path: str) -> Said:
        heard.append(path)
        return 200, JSON, b'{"OrganizationId":"o","UserId":"u"}'

    with told_server(say) as url:
        here = Connection("x", "sales", url, "c", None)
        with Client(here, credential=AzureLike()) as client:
            assert client.identity().organisation == "o"
    assert heard == ["/api/data/v9.2/WhoAmI"]


def test_a_credential_that_fails_is_an_error_of_ours() -> None:
    class Broken:
        def get_token(self, *_: str) -> Any:
            raise RuntimeError("no browser here")

    here = Connection("x", "sales", "http://127.0.0.1:9", "c", None)
    with Client(here, credential=Broken()) as client, pytest.raises(NotAuthorised, match="no browser here"):
        client.identity()


def test_a_certificate_is_given_by_its_file(tmp_path: Path) -> None:
    here = Connection("x", "sales", "https://org.example", "c", Secret(f"file:{tmp_path}/app.pem"))
    (tmp_path / "app.pem").write_text("-----BEGIN CERTIFICATE-----")
    assert _credential(here) == {
        "private_key": "-----BEGIN CERTIFICATE-----",
        "public_certificate": "-----BEGIN CERTIFICATE-----",
    }
    pfx = replace(here, secret=Secret("file:/keys/app.pfx"))
    assert _credential(pfx) == {"private_key_pfx_path": "/keys/app.pfx"}
    assert _credential(replace(here, secret=Secret.literal("word"))) == "word"
