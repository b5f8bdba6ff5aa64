"""Odd statuses of gateways, and a token endpoint that stumbles: asked again where that helps, told in words always."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import NotAuthorised, ServiceError, Throttled, Unreachable
from p2c_lib.events import listening
from p2c_lib.odata import Patience, Write
from p2c_lib.odata.client import Client
from p2c_lib.odata.failures import failure
from p2c_lib.odata.send import Sender
from p2c_lib.odata.unreached import is_final
from p2c_lib.sandbox.process import Running
from tests.bad_network import told_server
from tests.hasty import Hasty
from tests.troubled import JSON, Exchange, between

PAGE = b"<html><head><title>Gateway</title></head><body>Ray ID 12ab</body></html>"
SECRET = "statuses-secret-0077"
AGAIN = [408, 425, 429, 500, 502, 503, 504, 509, *range(520, 530), 530, 561, 598, 599]
FINAL = [400, 402, 403, 404, 405, 406, 409, 410, 413, 417, 418, 421, 422, 423, 424, 426, 428, 440, 449, 451, 460, 494]
FINAL += [499, 501, 505, 506, 507, 508, 510]


@contextmanager
def answering(times: int, body: bytes = PAGE) -> Iterator[tuple[Sender, Counter[str]]]:
    """A sender to a server that answers /520 so a number of times before it answers well, and what was asked of it."""
    asked: Counter[str] = Counter()

    def say(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        status = path.strip("/")
        asked[status] += 1
        return (int(status), {"Content-Type": "text/html"}, body) if asked[status] <= times else (200, JSON, b"{}")

    with told_server(say) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with closing(Sender(here, patience=Patience(tries=5), clock=Hasty())) as one:
            yield one, asked


def test_a_question_is_asked_again_where_that_may_help() -> None:
    with answering(2) as (one, asked):
        for status in AGAIN:
            assert one.ask("GET", f"/{status}").status == 200
    assert asked == {str(status): 3 for status in AGAIN}


def test_a_question_is_asked_once_where_it_ends_the_same() -> None:
    with answering(9) as (one, asked):
        for status in FINAL:
            with pytest.raises(ServiceError):
                one.ask("GET", f"/{status}")
    assert asked == {str(status): 1 for status in FINAL}


@pytest.mark.parametrize("body", [PAGE, b"", b'{"error":{"code":"","message":"odd"}}'], ids=["page", "nothing", "JSON"])
@pytest.mark.parametrize("status", [*AGAIN, *FINAL, 401, 407, 511])
def test_the_status_is_in_the_words_and_something_can_be_done(status: int, body: bytes) -> None:
    error = failure(status, {}, body, "Currencies")
    told = body.startswith(b"{") and status in {400, 401, 403, 404, 405, 409, 413, 422}
    assert told or str(status) in error.message
    assert told or error.hint
    assert error.status == status


@pytest.mark.parametrize("status", [520, 522, 524, 504, 598])
def test_what_may_have_been_carried_out_is_not_sent_twice(status: int) -> None:
    with answering(1) as (one, asked), pytest.raises(Unreachable, match=str(status)):
        one.send("POST", f"/{status}", body=b"{}", repeatable=False)
    assert asked == {str(status): 1}
    with answering(1) as (one, asked):
        assert one.send("PATCH", f"/{status}", body=b"{}").resent


def test_what_came_too_early_was_not_begun_where_the_service_itself_says_so() -> None:
    with answering(1, b'{"error":{"code":"","message":"too early"}}') as (one, asked):
        assert not one.send("POST", "/425", body=b"{}", repeatable=False).resent
    assert asked == {"425": 2}
    with answering(1) as (one, asked), pytest.raises(ServiceError, match="425"):
        one.send("POST", "/425", body=b"{}", repeatable=False)
    assert asked == {"425": 1}
    with answering(1) as (one, asked):
        assert one.send("PATCH", "/425", body=b"{}").resent


# -- tokens ------------------------------------------------------------------------------------------------------------

Say = Callable[[Exchange], None]


@contextmanager
def asking(sandbox: Running, times: int, say: Say, **patience: Any) -> Iterator[tuple[Client, list[Exchange], Hasty]]:
    """A client whose token endpoint says something a number of times before it gives a token."""
    asked: list[Exchange] = []

    def trouble(one: Exchange) -> None:
        if one.is_token:
            asked.append(one)
            if len(asked) <= times:
                return say(one)
        return one.pass_on()

    with between(sandbox, SECRET) as place:
        place.trouble = trouble
        at, clock = place.finops_url, Hasty()
        here = Connection("x", "finops", at, "c", Secret.literal(SECRET), token_url=f"{at}/t/oauth2/v2.0/token")
        with Client(here, patience=Patience(tries=8, **patience), clock=clock) as client:
            yield client, asked, clock


def saying(status: int, body: bytes = b"{}", **headers: str) -> Say:
    return lambda one: one.say(status, {**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}, body)


HICCUPS: dict[str, Say] = {
    "503": saying(503),
    "503 with a wait": saying(503, Retry_After="1"),
    "429 with a wait": saying(429, Retry_After="1"),
    "500": saying(500),
    "500 as a page": saying(500, PAGE, Content_Type="text/html"),
    "502": saying(502, b""),
    "520": saying(520, PAGE),
    "reset": Exchange.reset,
    "400 that passes": saying(400, b'{"error": "temporarily_unavailable"}'),
    "401 that passes": saying(401, b'{"error": "x", "error_description": "AADSTS90033: A transient error."}'),
}


@pytest.mark.parametrize("say", HICCUPS.values(), ids=HICCUPS)
def test_a_hiccup_of_the_token_endpoint_ends_nothing(sandbox: Running, say: Say) -> None:
    heard: list[dict[str, Any]] = []
    with (
        asking(sandbox, 2, say, first_wait=2) as (client, asked, clock),
        listening(lambda event: heard.append(dict(event))),
    ):
        assert client.schema("CustomerGroups")
    assert len(asked) == 3
    assert len(clock.rests) == 2
    assert all(wait >= 1 for wait in clock.rests)
    assert [event["event"] for event in heard] == ["wait"] * 2
    assert all("token endpoint" in event["text"] for event in heard)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, Throttled), (500, ServiceError), (502, Unreachable), (503, Unreachable), (522, Unreachable)],
)
def test_one_that_stays_is_told_with_its_status(sandbox: Running, status: int, kind: type[ServiceError]) -> None:
    with asking(sandbox, 99, saying(status)) as (client, asked, _), pytest.raises(kind) as caught:
        client.schema("CustomerGroups")
    assert not isinstance(caught.value, NotAuthorised)
    assert str(status) in caught.value.message
    assert "/oauth2/" in caught.value.message
    assert caught.value.hint
    assert "client id" not in caught.value.hint
    assert 1 < len(asked) <= 8


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_final(sandbox: Running, status: int) -> None:
    said = json.dumps({"error": "invalid_client", "error_description": "\r\n \r\nAADSTS7000215: no.\r\nTrace ID: 1"})
    with (
        asking(sandbox, 99, saying(status, said.encode())) as (client, asked, _),
        pytest.raises(NotAuthorised) as caught,
    ):
        client.schema("CustomerGroups")
    assert len(asked) == 1
    assert caught.value.message.endswith(f": AADSTS7000215: no (status {status}).")
    assert "client id" in (caught.value.hint or "")


def test_one_that_passes_and_stays_is_told_to_be_tried_later(sandbox: Running) -> None:
    said = b'{"error": "temporarily_unavailable", "error_description": "AADSTS90055: Too many requests."}'
    with asking(sandbox, 99, saying(400, said)) as (client, asked, _), pytest.raises(NotAuthorised) as caught:
        client.schema("CustomerGroups")
    assert 1 < len(asked) <= 8
    assert "AADSTS90055" in caught.value.message
    assert "client id" not in (caught.value.hint or "")
    assert "Try again" in (caught.value.hint or "")


@pytest.mark.parametrize("described", ["", "\r\n", None])
def test_a_refusal_without_a_description_has_its_code(sandbox: Running, described: str | None) -> None:
    said = json.dumps({"error": "unauthorized_client", "error_description": described}).encode()
    with (
        asking(sandbox, 99, saying(401, said)) as (client, _, _),
        pytest.raises(NotAuthorised, match=r"unauthorized_client \(status 401\)"),
    ):
        client.schema("CustomerGroups")


def test_a_batch_puts_off_what_a_gateway_answered_for_one_of_its_writes(sandbox: Running) -> None:
    """Where it may have been carried out its row is looked at."""
    seen = 0

    def trouble(one: Exchange) -> None:
        nonlocal seen
        if "$batch" not in one.path:
            return one.pass_on()
        answer, seen = one.asked(), seen + 1
        body = answer.body.replace(b"HTTP/1.1 201 Created", b"HTTP/1.1 524 Gone", 1) if seen == 1 else answer.body
        return one.say(answer.status, {"Content-Type": answer.headers["content-type"]}, body)

    with between(sandbox, SECRET) as place:
        place.trouble = trouble
        at = place.finops_url
        here = Connection("x", "finops", at, "c", Secret.literal(SECRET), token_url=f"{at}/t/oauth2/v2.0/token")
        with Client(here, clock=Hasty()) as client:
            rows = [{"dataAreaId": "usmf", "CustomerGroupId": f"G{n}", "Description": "d"} for n in range(3)]
            results = client.write([Write("create", "CustomerGroups", None, row) for row in rows])
            keys = [{name: row[name] for name in ("dataAreaId", "CustomerGroupId")} for row in rows]
            assert all(each.ok for each in client.write([Write("delete", "CustomerGroups", key, {}) for key in keys]))
    assert [each.error for each in results] == [None] * 3


@pytest.mark.parametrize(("said", "final"), [("407 Who are you", True), ("403 No", True), ("429 Busy", False)])
def test_a_proxy_that_is_busy_is_asked_again(said: str, final: bool) -> None:
    assert is_final(httpx.ProxyError(said)) is final
    assert is_final(httpx.ProxyError("503 Busy")) is False
