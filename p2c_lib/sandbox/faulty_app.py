"""An ASGI app with a fault profile around it: requests are refused, cut off or late, and counted.

The services know nothing of it but one address: an operation of a batch that is to fail is sent there, and the service
answers it as it would answer any other.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.failing import MESSAGES, failing_path
from p2c_lib.sandbox.faults import ENDS, PROFILES, Faults, faults_of
from p2c_lib.sandbox.process import ALIVE_PATH
from p2c_lib.sandbox.wire import Answer, Refusal

__all__ = ["Box", "FaultyApp"]

ADMIN_PATH = "/sandbox/faults"
_PART_STATUS = (429, 503, 500)
_REQUEST_LINE = re.compile(rb"(?m)^((?:GET|POST|PATCH|PUT|DELETE)[ \t]+)(\S+)([ \t]+HTTP/1\.1[ \t]*\r?)$")
_TOKEN = re.compile(r"/(?:[^/]+/)*oauth2/(?:v2\.0/)?token", re.IGNORECASE)
_PAGE = b"<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
_TOO_MANY = b'{"error": "temporarily_unavailable", "error_description": "AADSTS90055: There are too many requests."}'
_SIGN_IN = {
    "sign_in_page": Answer(
        200,
        [("Content-Type", "text/html; charset=utf-8")],
        b"<!DOCTYPE html>\n<html><head><title>Sign in to your account</title></head><body></body></html>",
    ),
    "sign_in_redirect": Answer(302, [("Location", "https://login.microsoftonline.com/common/oauth2/authorize")]),
}


@dataclass
class Box:
    """The profile that is in force for one or both systems, and what was done so far."""

    faults: Faults = field(default_factory=Faults)
    done: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - to be repeated
    seen: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.use(self.faults)

    def use(self, faults: Faults) -> None:
        """Put another profile in force and begin its sequence anew."""
        self.faults = faults
        self.chance = random.Random(faults.seed)  # noqa: S311 - to be repeated
        self.done.clear()
        self.seen.clear()

    def end(self) -> str | None:
        """How this request ends badly, if it does."""
        draw = self.chance.random()
        for name in ENDS:
            draw -= getattr(self.faults, name)
            if draw < 0:
                return name
        return None

    def happens(self, name: str) -> bool:
        """Whether a fault with a rate of its own happens now."""
        rate = getattr(self.faults, name)
        return bool(rate) and self.chance.random() < rate

    def expired(self, token: str) -> bool:
        """Whether the token was first used too long ago."""
        now = time.monotonic()
        return 0 < self.faults.token_seconds < now - self.seen.setdefault(token, now)


@dataclass
class FaultyApp:
    """A system's ASGI app with a profile around it.

    ``refused`` gives the system's own error body. ``codes`` are its codes for 429, 500 and an expired delta token.
    ``master`` is the token that never expires and that the admin route asks for; without ``admin`` there is no such
    route.
    """

    app: ASGIApp
    box: Box
    refused: Callable[[Refusal], Answer]
    master: str
    admin: bool = False
    codes: Mapping[int, str] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, well or badly."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == ALIVE_PATH:
            await self._tell_alive(scope, receive, send)
        elif self.admin and scope["path"] == ADMIN_PATH:
            await self._administer(scope, receive, send)
        elif _TOKEN.fullmatch(scope["path"]) and self.box.happens("tokens"):
            self.box.done["tokens"] += 1
            await _read(receive)
            head = [("Content-Type", "application/json; charset=utf-8"), *self._wait().items()]
            await _send(send, Answer(429, head, _TOO_MANY))
        elif not self.box.faults.any or _TOKEN.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
        else:
            await self._spoil(scope, receive, send)

    async def _spoil(self, scope: Scope, receive: Receive, send: Send) -> None:
        box = self.box
        token = _bearer(scope)
        if token and token != self.master and box.expired(token):
            await self._answer(scope, receive, send, "token", Refusal(401, "", "The token has expired."))
            return
        if b"deltatoken" in scope["query_string"] and box.happens("deltas"):
            text = "Version stamp associated with the client has expired. Please perform a full sync."
            await self._answer(scope, receive, send, "deltas", Refusal(410, self.codes.get(410, ""), text))
            return
        if box.happens("slow"):
            box.done["slow"] += 1
            await anyio.sleep(box.faults.slow_seconds)
        if scope["path"].endswith("$batch") and box.faults.parts:
            receive = await self._batch(receive)
        end = box.end()
        if end is None:
            await self.app(scope, receive, send)
        else:
            await self._end(end, scope, receive, send)

    async def _end(self, end: str, scope: Scope, receive: Receive, send: Send) -> None:
        if end in {"throttled", "failed"}:
            status = 429 if end == "throttled" else 500
            message = self.codes.get(-status, MESSAGES[status])
            headers = self._wait() if status == 429 else {}
            refusal = Refusal(status, self.codes.get(status, ""), message, headers=headers)
            await self._answer(scope, receive, send, end, refusal)
            return
        self.box.done[end] += 1
        if end == "unavailable":
            await _send(send, Answer(503, [("Content-Type", "text/html"), *self._wait().items()], _PAGE))
        elif end in {"sign_in_page", "sign_in_redirect"}:
            await _read(receive)
            await _send(send, _SIGN_IN[end])
        elif end == "truncated":
            await self._truncate(scope, receive, send)
        elif end == "trickled":
            await self._trickle(scope, receive, send)
        else:
            await self._reset(scope, receive)

    def _wait(self) -> dict[str, str]:
        asked = self.box.faults.wait(datetime.now(UTC))
        return {} if asked is None else {"Retry-After": asked}

    async def _answer(self, scope: Scope, receive: Receive, send: Send, kind: str, refusal: Refusal) -> None:
        """Refuse in the system's own shape, after the request was read to its end."""
        del scope
        self.box.done[kind] += 1
        await _read(receive)
        await _send(send, self.refused(refusal))

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do the work, send half of the answer and drop the connection."""
        start, body = await self._done(scope, receive)
        if start is None or not body:
            await _drop(receive)
            return
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        # What is under way has to leave before the connection goes.
        await anyio.sleep(0.02)
        await _drop(receive)

    async def _trickle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do the work, and send the answer a byte at a time, for as long as anybody takes it."""
        start, body = await self._done(scope, receive)
        if start is None:
            await _drop(receive)
            return
        await send(start)
        async with anyio.create_task_group() as group:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    continue
                group.cancel_scope.cancel()

            group.start_soon(until_gone)
            for at in range(len(body)):
                await send({"type": "http.response.body", "body": body[at : at + 1], "more_body": True})
                await anyio.sleep(self.box.faults.trickle_seconds)
            await send({"type": "http.response.body", "body": b""})
            group.cancel_scope.cancel()

    async def _reset(self, scope: Scope, receive: Receive) -> None:
        """Drop the connection without an answer: for one of two after the work is done."""
        if self.box.chance.random() < 0.5:
            await self._done(scope, receive)
        await _drop(receive)

    async def _done(self, scope: Scope, receive: Receive) -> tuple[Message | None, bytes]:
        start: Message | None = None
        pieces: list[bytes] = []

        async def keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            else:
                pieces.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        return start, b"".join(pieces)

    async def _batch(self, receive: Receive) -> Receive:
        """The same request, with some of the batch's operations sent to where they fail."""
        body = await _read(receive)

        def spoilt(match: re.Match[bytes]) -> bytes:
            if not self.box.happens("parts"):
                return match.group(0)
            self.box.done["parts"] += 1
            status = self.box.chance.choice(_PART_STATUS)
            return match.group(1) + failing_path(status).encode() + match.group(3)

        return _Again(receive, _REQUEST_LINE.sub(spoilt, body))

    async def _tell_alive(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whether this sandbox is up is told whatever the profile: trouble is for the systems it stands for."""
        await _read(receive)
        mine = _bearer(scope) == self.master
        await _send(send, Answer(200, []) if mine else self.refused(Refusal(401, "", "This is another sandbox.")))

    async def _administer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if _bearer(scope) != self.master:
            await _send(send, self.refused(Refusal(401, "", "The admin route asks for the sandbox's own token.")))
            return
        if scope["method"] == "PUT":
            try:
                wanted = json.loads(body)
                known = PROFILES.get(wanted) if isinstance(wanted, str) else faults_of(wanted, where="the body")
                if known is None:
                    raise UnknownName("fault profile", str(wanted), PROFILES)
            except (ValueError, RecursionError, SandboxError, UnknownName) as error:
                await _send(send, self.refused(Refusal(400, "", str(error))))
                return
            self.box.use(known)
        told = {"faults": asdict(self.box.faults), "done": dict(self.box.done)}
        await _send(send, Answer(200, [("Content-Type", "application/json")], json.dumps(told).encode()))


class _Again:
    """A request whose body was read and is given once more, changed."""

    def __init__(self, receive: Receive, body: bytes) -> None:
        self.receive, self.body, self.given = receive, body, False

    async def __call__(self) -> Message:
        if self.given:
            return await self.receive()
        self.given = True
        return {"type": "http.request", "body": self.body, "more_body": False}


def _bearer(scope: Scope) -> str:
    found = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    return str(found.decode("latin-1").partition(" ")[2].strip())


async def _read(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(pieces)


async def _send(send: Callable[[Message], Awaitable[None]], answer: Answer) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _drop(receive: Receive) -> None:
    """Cut the connection; where there is none (an app called directly) the caller gets the error it would have got."""
    holder: Any = receive.receive if isinstance(receive, _Again) else receive
    transport = getattr(getattr(holder, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("The sandbox dropped the connection on purpose.")
    transport.abort()
    # The server notices the end of the connection before this request ends, and has nothing to complain of.
    while (await receive())["type"] != "http.disconnect":
        continue
