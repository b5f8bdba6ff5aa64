"""A place between a client and both systems of a sandbox, on real sockets, where anything may be done to an exchange.

It hands out tokens of its own for one secret and swaps them for the sandbox's, so that a test knows every secret there
is. What nobody meddles with passes as it is.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from p2c_lib.sandbox import process
from tests.bad_network import served

App = Literal["sales", "finops"]
TOKENS = 4  # then the last one is given again, as Entra does within an hour
HOP = {"content-length", "transfer-encoding", "connection", "date", "server"}
JSON = {"Content-Type": "application/json; odata.metadata=minimal"}


@dataclass(frozen=True)
class Answer:
    """What a system answers."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        return dict(json.loads(self.body))


@dataclass
class Exchange:
    """A request as it came, and the ways to answer it: as the system does, in one's own words, byte by byte, or not."""

    app: App
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    handler: BaseHTTPRequestHandler
    upstream: Callable[[Exchange], Answer]

    @property
    def is_token(self) -> bool:
        return "/oauth2/" in self.path

    @property
    def token(self) -> str:
        """The bearer token it came with."""
        return self.headers.get("authorization", "").partition(" ")[2]

    @property
    def is_rows(self) -> bool:
        """Whether rows of a set are asked for, and not what the sets are."""
        part = urlsplit(self.path).path.rpartition("/")[2]
        known = ("EntityDefinitions", "$metadata", "WhoAmI", "$batch", "$count")
        return self.method == "GET" and "metadata" not in self.path.lower() and bool(part) and part not in known

    def asked(self) -> Answer:
        """The answer of the system behind."""
        return self.upstream(self)

    def say(self, status: int, headers: Mapping[str, str], body: bytes, *, length: int | None = None) -> None:
        """A whole answer; ``length`` is what it says of its length, where that is not so."""
        self.raw(head(status, {**headers, "Content-Length": str(len(body) if length is None else length)}) + body)
        if length is not None:
            self.hang_up()

    def say_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        self.say(status, {**JSON, **(headers or {})}, json.dumps(value).encode())

    def pass_on(self, answer: Answer | None = None) -> None:
        """The answer of the system behind, or one made of it."""
        found = answer or self.asked()
        self.say(found.status, {k: v for k, v in found.headers.items() if k.lower() not in HOP}, found.body)

    def raw(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self.handler.wfile.write(content)
            self.handler.wfile.flush()

    def hang_up(self) -> None:
        """End the connection in good manners, after what was said."""
        self.handler.close_connection = True

    def reset(self) -> None:
        """Break the connection: the other side gets ECONNRESET."""
        self.handler.close_connection = True
        linger = struct.pack("ii", 1, 0)
        with contextlib.suppress(OSError):
            self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.handler.connection.close()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The head of an answer; letters beyond Latin-1 go as UTF-8."""
    lines = [
        f"HTTP/1.1 {status} {http.client.responses.get(status, 'Odd')}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


Trouble = Callable[[Exchange], None]


@dataclass
class Between:
    """Both ways to the sandbox, and what went along them."""

    running: process.Running
    secret: str
    sales_url: str = ""
    finops_url: str = ""
    elsewhere_url: str = ""
    trouble: Trouble | None = None
    page_size: int | None = None
    tokens: list[str] = field(default_factory=list)
    heard: list[Exchange] = field(default_factory=list)
    strays: list[Exchange] = field(default_factory=list)  # what came to the host that is neither system

    def workspace(self, root: Path, patience: str = "", further: str = "") -> Path:
        """A workspace whose set ``between`` leads here; its secret is in ``P2C_BETWEEN``.

        ``further`` is a line for both connections.
        """
        text = ""
        for app, url in (("sales", self.sales_url), ("finops", self.finops_url)):
            text += f'[connections.{app}]\napp = "{app}"\nurl = "{url}"\nclient_id = "between"\n'
            text += f'secret = "env:P2C_BETWEEN"\ntoken_url = "{url}/t/oauth2/v2.0/token"\n'
            text += (f"patience = {{{patience}}}\n" if patience else "") + f"{further}\n"
        text += '[sets.between]\nsales = "sales"\nfinops = "finops"\ncompany = "USMF"\n'
        root.mkdir(parents=True, exist_ok=True)
        (root / "p2c.toml").write_text(text, "utf-8")
        return root

    def answer(self, exchange: Exchange) -> None:
        """Answer one exchange: with trouble where there is some, else as the system behind."""
        self.heard.append(exchange)
        if self.trouble is not None:
            self.trouble(exchange)
        else:
            exchange.pass_on()

    def upstream(self, exchange: Exchange) -> Answer:
        if exchange.is_token:
            return self._token(exchange)
        if exchange.token not in self.tokens:
            return _refusal(401, "invalid_token", "The token is not known.")
        return self._passed(exchange)

    def _token(self, exchange: Exchange) -> Answer:
        form = parse_qs(exchange.body.decode())
        if form.get("client_secret") != [self.secret]:
            return _refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        token = f"{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(90)}.{secrets.token_urlsafe(32)}"
        if len(self.tokens) < TOKENS:
            self.tokens.append(token)
        token = self.tokens[-1]
        said = {"token_type": "Bearer", "expires_in": 3599, "access_token": token}
        return Answer(200, JSON, json.dumps(said).encode())

    def _passed(self, exchange: Exchange) -> Answer:
        there = urlsplit(self.running.sales_url if exchange.app == "sales" else self.running.finops_url)
        headers = {**exchange.headers, "authorization": f"Bearer {self.running.token}", "accept-encoding": "identity"}
        if self.page_size and exchange.is_rows:
            wanted = [headers.get("prefer", ""), f"odata.maxpagesize={self.page_size}"]
            headers["prefer"] = ",".join(filter(None, wanted))
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
        try:
            connection.request(exchange.method, exchange.path, exchange.body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


def _refusal(status: int, code: str, message: str) -> Answer:
    said = {"error": {"code": code, "message": message}, "error_description": message}
    return Answer(status, JSON, json.dumps(said if status != 401 else {**said, "error": code}).encode())


def _handler(
    app: App, answer: Callable[[Exchange], None], upstream: Callable[[Exchange], Answer]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def exchange(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer(Exchange(app, self.command, self.path, headers, body, self, upstream))

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = exchange  # noqa: N815 - the names http.server looks for

    return Handler


@contextmanager
def between(running: process.Running, secret: str) -> Iterator[Between]:
    """Ways to both systems of a sandbox, and a host that is neither."""
    place = Between(running, secret)

    def stray(exchange: Exchange) -> None:
        place.strays.append(exchange)
        exchange.say_json(200, {"value": []})

    with (
        served(_handler("sales", place.answer, place.upstream)) as place.sales_url,
        served(_handler("finops", place.answer, place.upstream)) as place.finops_url,
        served(_handler("sales", stray, place.upstream)) as place.elsewhere_url,
    ):
        yield place
