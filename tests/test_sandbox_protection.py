"""Service protection of the Sales side: sliding windows for each web server, and the token's end."""

from __future__ import annotations

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.protection import Protection, affinity
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from p2c_lib.sandbox.wire import Refusal
from tests.conftest import SALES_URL, TOKEN, AppTransport


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def code_of(protection: Protection, cookie: str = "") -> tuple[str, str]:
    """Code and Retry-After of a refused request."""
    with pytest.raises(Refusal) as caught:
        protection.enter(cookie)
    assert caught.value.status == 429
    return caught.value.code, caught.value.headers["Retry-After"]


def test_requests_beyond_the_window_wait_until_the_first_leaves_it() -> None:
    clock = Clock()
    protection = Protection(SalesSwitches(servers=1, most_requests=2), clock)
    for _ in range(2):
        protection.leave(protection.enter(""))
        clock.now += 10
    assert code_of(protection) == ("0x80072322", "280")
    clock.now += 281
    assert protection.enter("").remaining == 0


def test_time_and_concurrency_have_their_own_limits() -> None:
    clock = Clock()
    protection = Protection(SalesSwitches(servers=1, most_seconds=5, most_concurrent=2), clock)
    first, _second = protection.enter(""), protection.enter("")
    assert code_of(protection) == ("0x80072326", "2")
    clock.now += 6
    protection.leave(first)
    assert code_of(protection)[0] == "0x80072321"
    clock.now += 301
    assert protection.enter("").remaining_seconds == 5


def test_a_client_without_the_cookie_is_spread_over_the_servers() -> None:
    protection = Protection(SalesSwitches(servers=3, most_requests=1), Clock())
    assert len({protection.enter("").server for _ in range(3)}) == 3
    assert code_of(protection, f"x=1; ARRAffinity={affinity(1)}")[0] == "0x80072322"


def test_the_answer_tells_the_limits_and_the_refusal_its_wait(store: Store, portal: BlockingPortal) -> None:
    switches = SalesSwitches(servers=1, most_requests=2, most_seconds=1200)
    app = sales_app(Organisation(store, switches), Tokens(TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(transport=AppTransport(app, portal), base_url=SALES_URL, headers=headers) as client:
        answers = [client.get("WhoAmI") for _ in range(3)]
        refused = client.get("WhoAmI", headers={"Authorization": "Bearer wrong"})
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[0].headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "1"
    assert answers[0].headers["x-ms-ratelimit-time-remaining-xrm-requests"] == "1,200.00"
    assert answers[0].headers["x-ms-dop-hint"].isdigit()
    assert answers[2].json()["error"]["code"] == "0x80072322"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 300
    assert refused.status_code == 401


def test_a_token_ends_with_its_lifetime() -> None:
    short, other = Tokens("s", lifetime=-1), Tokens("other")
    assert not short.accepts(f"Bearer {short.issue()}")
    assert not Tokens("s").accepts(f"Bearer {other.issue()}")
    assert Tokens("s").accepts(f"Bearer {Tokens('s').issue()}")
    assert not Tokens("s").accepts("Basic s")
