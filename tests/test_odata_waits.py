"""Waits: what a service asks for in whatever form, floors that grow, budgets that end them, and who is told of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import NotSent, ServiceError, Throttled, Unreachable
from p2c_lib.events import listening
from p2c_lib.odata import Patience, Write
from p2c_lib.odata.pace import Pace
from p2c_lib.odata.retry_after import LONGEST, retry_after
from p2c_lib.odata.send import Sender
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app
from p2c_lib.waiting import Clock, halting, threads
from tests.bad_network import told_server
from tests.between import QUICK, wired
from tests.conftest import TOKEN
from tests.hasty import Hasty
from tests.trickling import GUARD, closed_while

Said = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
AT = "Wed, 21 Oct 2015 07:28:00 GMT"


@contextmanager
def hasty(say: Callable[[str, str], Said], patience: Patience | None = None) -> Iterator[tuple[Sender, Hasty]]:
    """A sender to a server that answers as told, and the clock it goes by."""
    clock = Hasty()
    with told_server(say) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with closing(Sender(here, patience=patience, clock=clock)) as one:
            yield one, clock


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("-5", 0),
        ("120", 120),
        ("1.5", 1.5),
        ("3,600", 3600),
        ("5, 10", 10),
        ("10, 5", 10),
        ("9" * 400, LONGEST),
        ("Wed, 21 Oct 2015 07:28:37 GMT", 37),
        ("Wednesday, 21-Oct-15 07:28:37 GMT", 37),
        ("Wed Oct 21 07:28:37 2015", 37),
        ("Wed, 21 Oct 2015 07:27:55 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Wed, 21 Oct 2015 07:28:37 GMT, 5", 37),
        ("50, Wed, 21 Oct 2015 07:28:37 GMT", 50),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),
        ("Fri, 99 Foo 2015 07:28:37 GMT", None),
    ],
)
def test_what_an_answer_asks_for(said: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": said, "date": AT}) == seconds


@given(st.text(max_size=40) | st.text("0123456789,.-+ :GMTWedOct", max_size=40), st.text(max_size=30))
def test_no_header_is_more_than_a_wait_or_nothing(said: str, date: str) -> None:
    found = retry_after({"retry-after": said, "date": date})
    assert found is None or 0 <= found <= LONGEST


@pytest.mark.parametrize("said", ["0", "-5", "0.0", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed Oct 21 07:28:00 2015"])
@pytest.mark.parametrize("status", [429, 503])
def test_no_wait_is_shorter_than_waits_that_grow(said: str, status: int) -> None:
    asked: list[str] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return status, {"Retry-After": said}, b"{}"

    with hasty(say) as (one, clock), pytest.raises(ServiceError) as caught:
        one.send("GET", "/a")
    assert caught.value.status == status
    assert len(asked) <= one.patience.tries
    assert sum(clock.rests) <= one.patience.budget
    waits = clock.rests if status == 503 else [sum(clock.rests)]
    for attempt, wait in enumerate(waits[:9]):
        assert wait >= one.patience.first_wait * 2**attempt / 2


@pytest.mark.parametrize("said", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400])
def test_a_wait_beyond_the_budget_is_an_error_for_everybody_at_once(said: str) -> None:
    asked: list[str] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return 429, {"Retry-After": said}, b"{}"

    with hasty(say) as (one, clock):
        with pytest.raises(Throttled, match="longer than the time budget"):
            one.send("GET", "/a")
        with pytest.raises(Throttled, match=r"wants no request for [0-9,]+ s"):
            one.send("GET", "/b")
    assert (asked, clock.rests) == (["/a"], [])


def test_tries_come_to_an_end_though_no_wait_is_long() -> None:
    asked: list[str] = []

    def say(_method: str, path: str) -> Said:
        asked.append(path)
        return 429, {"Retry-After": "0.01"}, b"{}"

    quick = Patience(first_wait=0.001, longest_wait=0.001, tries=6)
    with hasty(say, quick) as (one, _), pytest.raises(Throttled, match="asked to wait 6 times"):
        one.send("GET", "/a")
    assert len(asked) == 6


def test_a_wait_is_told_with_its_seconds_and_the_next_try() -> None:
    answers = iter([(429, {"Retry-After": "37"}, b"{}"), (503, {"Retry-After": "12"}, b"{}"), (503, {}, b"busy")])
    heard: list[dict[str, Any]] = []
    with (
        hasty(lambda _method, _path: next(answers, (200, JSON, b"{}")), Patience(first_wait=8)) as (one, _),
        listening(lambda event: heard.append(dict(event))),
    ):
        one.send("GET", "/a", target="accounts")
    assert [event["event"] for event in heard] == ["wait"] * 3
    assert heard[0]["text"] == "Sales asks to wait: 37 s; then try 2 of 40 (accounts)"
    assert [(event["attempt"], event["of"]) for event in heard] == [(2, 40), (3, 40), (4, 40)]
    assert [event["why"] for event in heard] == ["asks to wait", "asks to wait", "answered 503; it is asked again"]
    assert heard[1]["seconds"] >= 12


def test_short_waits_are_nobodys_news() -> None:
    answers = iter([(503, {"Retry-After": "0"}, b"{}")])
    heard: list[Any] = []
    with hasty(lambda *_: next(answers, (200, JSON, b"{}"))) as (one, _), listening(heard.append):
        one.send("GET", "/a")
    assert heard == []


def test_a_closed_sender_waits_no_longer() -> None:
    begun = threading.Event()
    busy: Said = (429, {"Retry-After": "500"}, b"{}")
    with told_server(lambda _method, _path: busy) as url, listening(lambda _event: begun.set()):
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        one = Sender(here)
        assert closed_while(one, begun, lambda: one.send("GET", "/a")) == [NotSent]


def test_whoever_leaves_threads_by_an_interrupt_does_not_sit_out_their_waits() -> None:
    ended: list[float] = []

    def wait() -> None:
        Clock().rest(10_000)
        ended.append(1)

    def work() -> None:
        with suppress(KeyboardInterrupt), threads(2) as outer:
            outer.submit(inner)
            raise KeyboardInterrupt

    def inner() -> None:
        with threads(2) as pool:
            pool.submit(wait)
            pool.submit(wait)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(GUARD)
    assert not thread.is_alive()
    assert len(ended) <= 2


def test_a_wait_for_room_ends_when_its_scope_does() -> None:
    pace, over = Pace(), threading.Event()
    pace.slow_down(10_000)
    over.set()
    with halting(over.is_set), pytest.raises(NotSent), pace.slot():
        pass


@pytest.mark.parametrize(("said", "batches"), [("0", 8), ("Wed, 21 Oct 2015 07:28:00 GMT", 8), ("3600", 1)])
def test_writes_that_are_put_off_wait_within_floor_and_budget(
    said: str, batches: int, store: Store, portal: BlockingPortal
) -> None:
    part = f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 429 Busy\r\nRetry-After: {said}\r\n\r\n{{}}\r\n"
    asked: list[str] = []

    def between(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("$batch"):
            return None
        asked.append(request.url.path)
        head = {"Content-Type": "multipart/mixed; boundary=b"}
        return httpx.Response(200, headers=head, content=f"{part}{part}--b--\r\n".encode())

    clock = Hasty()
    rows = [
        Write("create", "CustomerGroups", None, {"dataAreaId": "usmf", "CustomerGroupId": f"W{n}", "Description": "d"})
        for n in range(2)
    ]
    with wired(finops_app(store, Tokens(TOKEN)), portal, "finops", between, clock=clock) as (client, _):
        results = client.write(rows)
    assert [type(result.error) for result in results] == [Unreachable] * 2
    assert len(asked) == batches
    assert len(clock.rests) == (batches if batches > 1 else 0)
    for attempt, wait in enumerate(clock.rests):
        assert wait >= min(QUICK.first_wait * 2**attempt, QUICK.longest_wait) / 2
