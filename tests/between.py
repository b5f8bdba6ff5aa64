"""A client of ours over a sandbox's ASGI app, with something of the test's between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Patience
from p2c_lib.waiting import WALL, Clock
from tests.conftest import TOKEN, AppTransport

App = Literal["sales", "finops"]
Between = Callable[[httpx.Request], "httpx.Response | None"]
URLS: dict[App, str] = {"sales": "http://sales.test", "finops": "http://finops.test"}
QUICK = Patience(budget=2, first_wait=0.001, longest_wait=0.01)


class Wired(httpx.BaseTransport):
    """Requests go to the app; ``between`` sees each before and may answer in its place. They are all kept."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal, between: Between) -> None:
        self._app, self._between = AppTransport(app, portal), between
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        request.read()
        self.asked.append(request)
        said = self._between(request)
        if said is not None:
            content = httpx.ByteStream(said.content)
            return httpx.Response(said.status_code, headers=said.headers, stream=content, request=request)
        return self._app.handle_request(request)

    def reads(self, entity_set: str) -> list[str]:
        """The addresses of the requests for rows of a set so far, as they were sent."""
        urls = (str(one.url) for one in self.asked if one.method == "GET")
        return [url for url in urls if f"/{entity_set}?" in url]


@contextmanager
def wired(
    app: ASGIApp,
    portal: BlockingPortal,
    name: App,
    between: Between = lambda _: None,
    *,
    url: str = "",
    clock: Clock = WALL,
) -> Iterator[tuple[Client, Wired]]:
    """A client of the app, and what it asked."""
    transport = Wired(app, portal, between)
    at = url or URLS[name]
    here = Connection("x", name, at, "c", Secret.literal(TOKEN), token_url=f"{at}/t/oauth2/v2.0/token")
    with Client(here, transport=transport, patience=QUICK, clock=clock) as client:
        yield client, transport
