"""Microsoft Entra on this machine: real msal, real HTTP, another host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx

from p2c_lib.config import Connection
from p2c_lib.odata.auth import TokenSource, token_source
from p2c_lib.waiting import WALL, Clock
from tests.bad_network import told_server

JSON = {"Content-Type": "application/json"}
CONTOSO = Connection("prod", "sales", "https://org.example", "app-id", None, "contoso.example")


@dataclass
class Directory:
    """What Entra was asked, what it says to the next token request, and the way to it."""

    forms: list[dict[str, str]] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)
    url: str = ""
    found: Any = None  # what it says of itself, in the place of what it is

    def source(self, connection: Connection, clock: Clock = WALL) -> TokenSource:
        """Tokens of this directory."""
        return token_source(connection, ToHere(self), clock=clock)


class ToHere(httpx.BaseTransport):
    """Entra's addresses lead to a server of ours."""

    def __init__(self, entra: Directory) -> None:
        self._entra, self._http = entra, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.content:
            self._entra.forms.append(dict(parse_qsl(request.content.decode())))
        assert request.url.host == "login.microsoftonline.com"
        here = httpx.URL(self._entra.url)
        path = request.url.raw_path.replace(b"oauth2", b"o2")
        request.url = request.url.copy_with(scheme="http", host=here.host, port=here.port, raw_path=path)
        return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


@contextmanager
def directory() -> Iterator[Directory]:
    """A directory; what it is to say may be a whole answer."""
    told = Directory()

    def say(_method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        base = "https://login.microsoftonline.com/contoso.example"
        if "openid-configuration" in path:
            if told.found is not None:
                return told.found  # type: ignore[no-any-return]
            places = {"authorization": "authorize", "token": "token", "device_authorization": "devicecode"}
            body: Any = {f"{n}_endpoint": f"{base}/oauth2/v2.0/{p}" for n, p in places.items()}
            return 200, JSON, json.dumps({**body, "issuer": f"{base}/v2.0"}).encode()
        if "discovery/instance" in path:
            return 200, JSON, b'{"metadata": []}'
        if path.endswith("/devicecode"):
            code = {"device_code": "d", "user_code": "ABC", "verification_uri": "https://x", "expires_in": 9}
            return 200, JSON, json.dumps({**code, "interval": 0, "message": "Enter ABC at https://x."}).encode()
        body = told.said.pop(0) if told.said else {"access_token": "issued", "expires_in": 3600, "token_type": "Bearer"}
        if isinstance(body, tuple):
            return body
        return (400 if "error" in body else 200), JSON, json.dumps(body).encode()

    with told_server(say) as told.url:
        yield told
