"""What proxies, gateways and services do to an exchange, each with how the workbench is to come out of it.

``ends``: in an error of ours. ``goes on``: with the right rows all the same. ``either``: one of the two, as chance has
it. Never with wrong rows, never without end, and never with a token at another host.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from tests.troubled import JSON, Answer, Between, Exchange, Trouble, head

__all__ = ["PATIENT", "QUICK", "READS", "TOKENS", "WRITES", "Case"]

Comes = Literal["ends", "goes on", "either"]
Act = Callable[[Exchange, Between], None]

QUICK = (
    "budget = 2, tries = 3, first_wait = 0.01, longest_wait = 0.1, wait_without_answer = 1, answer_seconds = 0.6, "
    "write_seconds = 1, least_speed = 2000, slow_seconds = 0.4, whole_seconds = 4"
)
# Where all comes right in the end, or nothing is wrong: a machine that has much to do is no trouble.
PATIENT = (
    "budget = 60, tries = 3, first_wait = 0.01, longest_wait = 0.1, wait_without_answer = 1, answer_seconds = 60, "
    "write_seconds = 60, least_speed = 2000, slow_seconds = 60, whole_seconds = 60"
)
PAGE_SIZE = 5  # of sets of one or two dozen rows
HOUR = "3600"
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass(frozen=True)
class Case:
    """One kind of trouble: what it does to the exchanges it is about."""

    name: str
    act: Act
    comes: Comes = "ends"
    times: int = 1_000_000

    def trouble(self, place: Between, meant: Callable[[Exchange], bool]) -> Trouble:
        """The trouble for the exchanges that are meant, so many times; all others pass."""
        left, lock = [self.times], threading.Lock()

        def trouble(one: Exchange) -> None:
            if not meant(one):
                return one.pass_on()
            with lock:
                left[0] -= 1
            return self.act(one, place) if left[0] >= 0 else one.pass_on()

        return trouble


# ways to answer


def says(body: bytes | str, status: int = 200, headers: Mapping[str, str] = JSON) -> Act:
    """The same answer to everything."""
    content = body.encode() if isinstance(body, str) else body
    return lambda one, _: one.say(status, headers, content)


def changed(change: Callable[[dict[str, object], Exchange, Between], object]) -> Act:
    """The system's own JSON, changed."""

    def act(one: Exchange, place: Between) -> None:
        answer = one.asked()
        if answer.status != 200 or not answer.body.startswith(b"{"):
            return one.pass_on(answer)
        found = change(answer.json(), one, place)
        return one.pass_on(replace(answer, body=json.dumps(found).encode()))

    return act


def sent(write: Callable[[Exchange, Answer], None]) -> Act:
    """The system's own answer, sent in another way."""
    return lambda one, _: write(one, one.asked())


def _slowly(one: Exchange, answer: Answer) -> None:
    time.sleep(0.15)
    one.pass_on(answer)


def _by_the_byte(one: Exchange, answer: Answer) -> None:
    one.raw(head(200, {**JSON, "Content-Length": str(len(answer.body))}))
    for byte in answer.body[:200]:
        one.raw(bytes([byte]))
        time.sleep(0.02)
    one.hang_up()


def _never(one: Exchange, _: Between | None = None) -> None:
    time.sleep(1.5)
    one.hang_up()


def _stalled(one: Exchange, answer: Answer) -> None:
    one.raw(head(200, {**JSON, "Content-Length": str(len(answer.body))}) + answer.body[: len(answer.body) // 2])
    time.sleep(1.5)
    one.hang_up()


def _in_the_head(one: Exchange, _: Answer) -> None:
    one.raw(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
    one.hang_up()


def _in_the_body(one: Exchange, answer: Answer) -> None:
    one.say(200, JSON, answer.body[: len(answer.body) // 2], length=len(answer.body))


def _shorter(one: Exchange, answer: Answer) -> None:
    one.say(200, JSON, answer.body, length=len(answer.body) * 2 // 3)


def _chunks(one: Exchange, body: bytes, end: bytes) -> None:
    one.raw(head(200, {**JSON, "Transfer-Encoding": "chunked"}))
    one.raw(b"%x\r\n%s\r\n" % (len(body), body) + end)
    one.hang_up()


def _in_a_chunk(one: Exchange, answer: Answer) -> None:
    one.raw(head(200, {**JSON, "Transfer-Encoding": "chunked"}))
    one.raw(b"%x\r\n" % len(answer.body) + answer.body[: len(answer.body) // 2])
    one.hang_up()


def _reset_midway(one: Exchange, answer: Answer) -> None:
    one.raw(head(200, {**JSON, "Content-Length": str(len(answer.body))}) + answer.body[: len(answer.body) // 2])
    time.sleep(0.02)
    one.reset()


def _packed(one: Exchange, body: bytes, encoding: str = "gzip") -> None:
    one.say(200, {**JSON, "Content-Encoding": encoding}, body)


@lru_cache
def bomb(megabytes: int = 64) -> bytes:
    """JSON of blanks that is a thousandth of its size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blank = b" " * 1_048_576
    inside = [packer.compress(blank) for _ in range(megabytes)]
    return b"".join([packer.compress(b'{"value": ['), *inside, packer.flush()])


@lru_cache
def huge(megabytes: int = 12) -> bytes:
    return b'{"value": [{"name": "' + b"x" * (megabytes * 1_048_576) + b'"}]}'


def again(status: int, headers: Mapping[str, str]) -> Act:
    return says("busy", status, {"Content-Type": "text/plain", **headers})


def redirected(to: Callable[[Exchange, Between], str], status: int = 302) -> Act:
    return lambda one, place: one.say(status, {"Location": to(one, place)}, b"")


def next_link(link: Callable[[Exchange, Between], object]) -> Act:
    return changed(lambda page, one, place: {**page, "@odata.nextLink": link(one, place)} if "value" in page else page)


def own(one: Exchange, place: Between) -> str:
    return place.sales_url if one.app == "sales" else place.finops_url


def _port(one: Exchange, place: Between) -> str:
    return urlsplit(own(one, place)).netloc.rpartition(":")[2]


def _elsewhere_in_links(page: dict[str, object], one: Exchange, place: Between) -> object:
    """The page with its links at the gateway's inner host."""
    text = json.dumps(page).replace(own(one, place), "http://aos-7.internal:8080")
    found = dict(json.loads(text))
    if "value" in found and "@odata.nextLink" not in found:
        found["@odata.nextLink"] = f"http://aos-7.internal:8080{one.path}"
    return found


def _twice(page: dict[str, object], _one: Exchange, _place: Between) -> object:
    rows = page.get("value")
    return {**page, "value": [*rows, *rows]} if isinstance(rows, list) else page


def skewed(days: int) -> Act:
    def act(one: Exchange, _: Between) -> None:
        answer = one.asked()
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + days * 86_400))
        one.raw(head(answer.status, {**JSON, "Date": date, "Content-Length": str(len(answer.body))}) + answer.body)

    return act


SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in to your account</title></head><body>...</body></html>"
FAULT = json.dumps({"error": {"code": "0x80040216", "message": "An unexpected error occurred."}})
HTML = {"Content-Type": "text/html; charset=utf-8"}

READS = (
    # slow, cut, damaged on the way
    Case("slow", sent(_slowly), "goes on"),
    Case("a byte now and then", sent(_by_the_byte)),
    Case("no answer", _never),
    Case("stalled within the body", sent(_stalled)),
    Case("cut in the head", sent(_in_the_head)),
    Case("cut in the body", sent(_in_the_body)),
    Case("cut in the body, once", sent(_in_the_body), "goes on", 1),
    Case("a length that is too short", sent(_shorter)),
    Case("cut in a chunk", sent(_in_a_chunk)),
    Case("no last chunk", sent(lambda one, answer: _chunks(one, answer.body, b""))),
    Case("a chunk size that is none", sent(lambda one, answer: _chunks(one, answer.body, b"zz\r\n"))),
    Case("reset at once", lambda one, _: one.reset()),
    Case("reset at once, twice", lambda one, _: one.reset(), "goes on", 2),
    Case("reset midway", sent(_reset_midway)),
    Case("no HTTP", lambda one, _: (one.raw(b"SSH-2.0-OpenSSH_9.6\r\n"), one.hang_up())[1]),
    Case("a head without end", says("{}", 200, {f"x-{n}": "y" * 4_000 for n in range(60)})),
    # packed
    Case("packed, cut", sent(lambda one, answer: _packed(one, gzip.compress(answer.body)[:-30]))),
    Case("packed, damaged", sent(lambda one, answer: _packed(one, b"\x1f\x8b" + answer.body))),
    Case("not packed as it says", sent(lambda one, answer: _packed(one, answer.body))),
    Case("packed in an unknown way", sent(lambda one, answer: _packed(one, answer.body, "br"))),
    Case("a bomb", lambda one, _: _packed(one, bomb())),
    Case("huge", lambda one, _: one.say(200, JSON, huge())),
    # pages that are none
    Case("null", says("null")),
    Case("a list", says("[]")),
    Case("a number", says("17")),
    Case("a text", says('"value"')),
    Case("nothing", says("")),
    Case("204", says("", 204, {})),
    Case("null for rows", says('{"value": null}')),
    Case("null for a row", changed(lambda page, *_: {**page, "value": [None]})),
    Case("brackets without end", says("[" * 200_000)),
    Case("another type", says("accountnumber;name\n1;2", 200, {"Content-Type": "text/csv"})),
    Case("no UTF-8", says(b'{"value": [{"name": "\xff\xfe"}')),
    Case("half a character", says('{"value": [{"name": "\\ud800", "accountnumber": 1}]')),
    Case("an error as a good answer", says(FAULT)),
    Case("a count that is none", changed(lambda page, *_: {**page, "@odata.count": True}), "either"),
    Case("a count of forty digits", changed(lambda page, *_: {**page, "@odata.count": 10**40}), "either"),
    # waits
    Case("Retry-After 0", again(429, {"Retry-After": "0"})),
    Case("Retry-After of the past", again(429, {"Retry-After": PAST})),
    Case("Retry-After of an hour", again(429, {"Retry-After": HOUR})),
    Case("Retry-After that is none", again(429, {"Retry-After": "soon"})),
    Case("Retry-After below nothing", again(503, {"Retry-After": "-5"})),
    Case("Retry-After of many digits", again(503, {"Retry-After": "9" * 400})),
    Case("Retry-After, twice", again(429, {"Retry-After": "0.02"}), "goes on", 2),
    Case("500, ever", says(FAULT, 500)),
    Case("500, twice", says(FAULT, 500), "goes on", 2),
    Case("502, ever", again(502, {})),
    Case("503, twice", again(503, {}), "goes on", 2),
    # who answers
    Case("a sign-in page", says(SIGN_IN, 200, HTML)),
    Case("sent to sign in", redirected(lambda *_: "https://login.microsoftonline.com/common/oauth2/authorize?x=1")),
    Case("sent to another host", redirected(lambda one, place: f"{place.elsewhere_url}{one.path}", 307)),
    Case("sent in a circle", redirected(lambda one, place: f"{own(one, place)}{one.path}", 301)),
    Case("sent nowhere", redirected(lambda *_: "")),
    Case("401, ever", says(FAULT, 401)),
    Case("401, once", says(FAULT, 401), "goes on", 1),
    Case("407", says("proxy", 407, {"Proxy-Authenticate": 'Basic realm="proxy"'})),
    # links
    Case("the same page as next", next_link(lambda one, place: f"{own(one, place)}{one.path}")),
    Case("the next page at another host", next_link(lambda one, place: f"{place.elsewhere_url}{one.path}")),
    Case(
        "the next page beside a user", next_link(lambda one, place: f"http://127.0.0.1:{_port(one, place)}@evil.test/")
    ),
    Case("the next page without host", next_link(lambda *_: "//evil.test/data")),
    Case("the next page on another port", next_link(lambda one, _: f"http://127.0.0.1:1{one.path}")),
    Case("the next page is a number", next_link(lambda *_: 17)),
    Case("the next page with line ends", next_link(lambda one, place: f"{own(one, place)}/data\r\nX: y")),
    Case("links of a gateway's inside", changed(_elsewhere_in_links)),
    Case("a page twice over", changed(_twice), "either"),
    # clocks
    Case("a clock ten years back", skewed(-3_650), "goes on"),
    Case("a clock ten years on", skewed(3_650), "goes on"),
)


def token(**said: object) -> Act:
    """A token answer with parts in the place of those it has."""
    return changed(lambda page, *_: {**page, **said})


TOKENS = (
    Case("no JSON", says("<xml/>", 200, {"Content-Type": "application/xml"})),
    Case("a page", says(SIGN_IN, 200, HTML)),
    Case("null", says("null")),
    Case("a list", says("[]")),
    Case("nothing", says("", 204, {})),
    Case("no token", says('{"token_type": "Bearer"}')),
    Case("a number", token(access_token=17)),
    Case("a token with line ends", token(access_token="abc\r\nX-Evil: 1")),
    Case("a token beyond ASCII", token(access_token="tökén-😀-is-none-of-these")),
    Case("a token of a million letters", token(access_token="x" * 2_000_000)),
    Case("expires soon", token(expires_in="soon"), "either"),
    Case("expired before", token(expires_in=-5), "either"),
    Case("expires never", token(expires_in=1e308), "either"),
    Case("expires in forty digits", token(expires_in="9" * 400), "either"),
    Case("500", says(FAULT, 500)),
    Case("sent to another host", redirected(lambda one, place: f"{place.elsewhere_url}{one.path}", 307)),
    Case("reset", lambda one, _: one.reset()),
    Case("cut", sent(_in_the_body)),
    Case("no answer", _never),
    Case("a bomb", lambda one, _: _packed(one, bomb())),
    Case("429 for an hour", again(429, {"Retry-After": HOUR})),
)


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


def _parts(answer: Answer) -> tuple[bytes, list[bytes]]:
    """The boundary of a batch answer and its parts, as they are."""
    line = answer.body.split(b"\r\n", 1)[0]
    return line, answer.body.split(line)[1:-1]


def reordered(one: Exchange, answer: Answer) -> None:
    line, parts = _parts(answer)
    if len(parts) < 2:
        return one.pass_on(answer)
    return one.pass_on(replace(answer, body=line.join([b"", *reversed(parts), b"--\r\n"])))


def fewer(one: Exchange, answer: Answer) -> None:
    line, parts = _parts(answer)
    if len(parts) < 2:
        return one.pass_on(answer)
    return one.pass_on(replace(answer, body=line.join([b"", *parts[:-1], b"--\r\n"])))


WRITES = (
    Case("slow", sent(_slowly), "goes on"),
    Case("no answer, though it was done", sent(lambda one, _: _never(one)), "either"),
    Case("no answer, never begun", _never, "either"),
    Case("lost answer, once", sent(lambda one, _: one.reset()), "goes on", 1),
    Case("lost answer, ever", sent(lambda one, _: one.reset()), "either"),
    Case("reset before, once", lambda one, _: one.reset(), "goes on", 1),
    Case("reset before, ever", lambda one, _: one.reset(), "either"),
    Case("half an answer", sent(lambda one, answer: one.pass_on(replace(answer, body=_half(answer)))), "either"),
    Case("cut answer, once", sent(_in_the_body), "goes on", 1),
    Case("parts in another order", sent(reordered), "either"),
    Case("a part less", sent(fewer), "either"),
    Case("nothing", says("", 200), "either"),
    Case("null", says("null"), "either"),
    Case("a page", says(SIGN_IN, 200, HTML), "ends"),
    Case("sent to another host", redirected(lambda one, place: f"{place.elsewhere_url}{one.path}", 307), "ends"),
    Case("500, ever", says(FAULT, 500), "either"),
    Case("503, twice", again(503, {}), "goes on", 2),
    Case("Retry-After 0", again(429, {"Retry-After": "0"}), "ends"),
    Case("Retry-After of an hour", again(429, {"Retry-After": HOUR}), "ends"),
    Case("401, once", says(FAULT, 401), "goes on", 1),
    Case("401, ever", says(FAULT, 401), "ends"),
    Case("407", says("proxy", 407, {}), "ends"),
    Case("a bomb", lambda one, _: _packed(one, bomb()), "either"),
)
