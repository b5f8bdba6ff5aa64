"""HTTP around the two services: the token endpoint, the bearer check, and threads for the work."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.protection import Protection
from p2c_lib.sandbox.dataverse.request import refused as sales_refused
from p2c_lib.sandbox.dataverse.service import answer as sales_answer
from p2c_lib.sandbox.failing import fault
from p2c_lib.sandbox.faults import Faults
from p2c_lib.sandbox.faulty_app import Box, FaultyApp
from p2c_lib.sandbox.finops import FinOps, Switches
from p2c_lib.sandbox.finops.blobs import PREFIX as FILES
from p2c_lib.sandbox.finops.refusals import error_answer as finops_refused
from p2c_lib.sandbox.schema import System
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens, challenge, discovery
from p2c_lib.sandbox.wire import Answer, Call, Refusal, asked_length

LARGEST_BODY = 128 * 1024 * 1024
LONGEST_URL = 32 * 1024
_HOST = re.compile(r"[\w.\-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")
# The web servers in front of all of it compare paths without case.
_TOKEN_PATH = re.compile(r"/(?:[^/]+/)*oauth2/(?:v2\.0/)?token", re.IGNORECASE)
_DISCOVERY_PATH = re.compile(r"/[^/]+/(?:v2\.0/)?\.well-known/openid-configuration", re.IGNORECASE)
_THREADS = 32  # half of them for each system
_OF_STORE: WeakKeyDictionary[Store, ThreadPoolExecutor] = WeakKeyDictionary()
_MAKING = threading.Lock()
_NO_HEADER = bytes(0x20 if code < 0x20 or code == 0x7F else code for code in range(0x100))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One system behind one port: how it answers and how it refuses."""

    answer: Callable[[Call], Answer]
    refused: Callable[[Refusal], Answer]
    tokens: Tokens
    threads: ThreadPoolExecutor
    protection: Protection | None = None
    signed: tuple[str, ...] = ()
    link_host: str = "as asked"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it; whatever its path holds, it is answered in the system's own way."""
        if scope["type"] != "http":
            return
        try:
            call = await _call(Request(scope, receive), self.link_host)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            await _response(self.refused(refusal))(scope, receive, send)
            return
        answer = await self._protected(call)
        await _response(answer)(scope, receive, send)

    async def _protected(self, call: Call) -> Answer:
        if self.protection is None or not self._authorised(call):
            return await self._in_thread(call)
        try:
            let_in = self.protection.enter(call.headers.get("cookie", ""))
        except Refusal as refusal:
            return self.refused(refusal)
        try:
            answer = await self._in_thread(call)
        finally:
            self.protection.leave(let_in)
        answer.headers.extend(let_in.headers())
        return answer

    async def _in_thread(self, call: Call) -> Answer:
        answer = await asyncio.get_running_loop().run_in_executor(self.threads, self._answered, call)
        number = str(uuid.uuid4())
        answer.headers.extend([("x-ms-service-request-id", number), ("x-ms-request-id", number)])
        return answer

    def _authorised(self, call: Call) -> bool:
        return self.tokens.accepts(call.headers.get("authorization", ""))

    def _signed(self, call: Call) -> bool:
        return bool(self.signed) and call.path.startswith(self.signed)

    def _answered(self, call: Call) -> Answer:
        if _TOKEN_PATH.fullmatch(call.path):
            return self.tokens.answer(call)
        if call.method == "GET" and _DISCOVERY_PATH.fullmatch(call.path):
            return discovery(call)
        # The address of a file is signed; it needs no token.
        if not self._signed(call) and not self._authorised(call):
            message = "The bearer token is missing, expired or not issued by this sandbox."
            return self.refused(Refusal(401, "", message, headers=challenge(call)))
        try:
            return self.answer(call)
        except Refusal as refusal:
            return self.refused(refusal)
        except Exception:
            return self.refused(fault(call))


async def _call(request: Request, link_host: str) -> Call:
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_BODY:
            raise Refusal(413, "0x80040203", f"The request is larger than {LARGEST_BODY} bytes.")
    scope = request.scope
    host = headers.get("host", "")
    base = (
        f"{scope['scheme']}://{_own_name(host if _HOST.fullmatch(host) else '127.0.0.1', scope['scheme'], link_host)}"
    )
    query = scope["query_string"].decode("latin-1")
    return Call(request.method, scope["path"], query, headers, b"".join(pieces), base)


def _own_name(host: str, scheme: str, link_host: str) -> str:
    """The service's own name as it writes it into links."""
    if link_host == "port" and ":" not in host:
        return f"{host}:{443 if scheme == 'https' else 80}"
    return host.upper() if link_host == "upper" else host


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status_code=answer.status)
    pairs = [(name.lower().encode("latin-1"), _carried(value)) for name, value in answer.headers]
    if not (answer.status < 200 or answer.status in {204, 304}):
        pairs.append((b"content-length", str(len(answer.body)).encode()))
    response.raw_headers = pairs
    return response


def _carried(value: str) -> bytes:
    """A header's value as HTTP can carry it: what was asked for comes back in it, line ends and all."""
    return value.encode("latin-1", "replace").translate(_NO_HEADER).strip()


def sales_app(organisation: Organisation, tokens: Tokens) -> ASGIApp:
    """The Sales system as an ASGI app, under ``/api/data/v9.2/``."""

    def answer(call: Call) -> Answer:
        if asked_length(call.path, call.query) > LONGEST_URL:
            raise Refusal(414, "0x80060888", f"The URL is longer than {LONGEST_URL} characters; send it in a $batch.")
        return sales_answer(organisation, call)

    def refused(refusal: Refusal) -> Answer:
        return sales_refused(refusal, annotated=False)

    protection = Protection(organisation.switches) if organisation.switches.protection else None
    return Endpoint(
        answer, refused, tokens, _threads(organisation.store), protection, link_host=organisation.switches.link_host
    )


def finops_app(store: Store, tokens: Tokens, switches: Switches | None = None) -> ASGIApp:
    """The Finance and Operations system as an ASGI app, under ``/data/``, ``/metadata/`` and, for files, ``/dmf/``."""
    service = FinOps(store, switches)
    named = service.switches.link_host
    return Endpoint(service.answer, finops_refused, tokens, _threads(store), signed=(FILES,), link_host=named)


def spoilt(app: ASGIApp, system: System, faults: Faults, tokens: Tokens, *, admin: bool = False) -> ASGIApp:
    """The app with a fault profile around it, which refuses in the system's own way."""
    if system == "finops":
        return FaultyApp(app, Box(faults), finops_refused, tokens.secret, admin=admin)

    def refused(refusal: Refusal) -> Answer:
        return sales_refused(refusal, annotated=False)

    return FaultyApp(app, Box(faults), refused, tokens.secret, admin=admin, codes=_SALES_CODES)


_SALES_CODES = {429: "0x80072322", 500: "0x80040216", 410: "0x80044352"}


def _threads(store: Store) -> ThreadPoolExecutor:
    """The threads of all apps over a store. They stay, and each keeps its own connection to it, so they are few."""
    with _MAKING:
        if store not in _OF_STORE:
            _OF_STORE[store] = ThreadPoolExecutor(_THREADS, "sandbox")
        return _OF_STORE[store]
