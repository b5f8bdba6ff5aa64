"""Sandboxes for tests: a seeded one on real sockets for the whole session, and empty ones without sockets."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp

from p2c_lib.sandbox import process
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from p2c_lib.secrecy import forget_places, forget_secrets
from tests.jupyterlab import Lab, Visitor, chromium, jupyterlab, visitor

TOKEN = "test-token"
SALES_URL = "http://sales.test/api/data/v9.2/"
FINOPS_URL = "http://finops.test/data/"


@pytest.fixture(autouse=True)
def nothing_secret() -> Iterator[None]:
    """A test's secrets, some of them plain words, are none in the next one."""
    yield
    forget_secrets()
    forget_places()


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The console script keeps its signals to its end; in a test it ends before its process does."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def no_loop_of_a_browser() -> None:
    """Kernels are not spoken to over an event loop that an earlier module left: a browser's may run still."""
    kept = getattr(sys.modules.get("jupyter_core.utils"), "_loop", None)
    if isinstance(kept, ContextVar):
        loop = kept.get()
        if loop is not None and not loop.is_running():
            loop.close()  # one that nobody closed is told as a warning in whichever test happens to come next
        kept.set(None)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    """A sandbox with the default company, in a process of its own."""
    running = process.start(tmp_path_factory.mktemp("sandbox"))
    yield running
    process.stop(running)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a workspace whose sandbox is up."""
    chromium()
    home = tmp_path_factory.mktemp("lab")
    running = process.start(home / ".p2c" / "sandbox")
    try:
        with jupyterlab(home) as up:
            yield up
    finally:
        process.stop(running)


@pytest.fixture(scope="module")
def person() -> Iterator[Visitor]:
    """One person with one window for all of it."""
    with visitor() as one:
        yield one


class AppTransport(httpx.BaseTransport):
    """Requests of a synchronous client go straight to an ASGI app, without a socket."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self.inner, self.portal = httpx.ASGITransport(app), portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""

        async def exchange() -> tuple[int, httpx.Headers, bytes]:
            answer = await self.inner.handle_async_request(request)
            return answer.status_code, answer.headers, await answer.aread()

        status, headers, body = self.portal.call(exchange)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body), request=request)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread, for apps without a socket."""
    with start_blocking_portal() as one:
        yield one


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store with every table."""
    one = Store(tmp_path / "sandbox.db", [*entities("sales").values(), *entities("finops").values()])
    yield one
    one.close()


def _client(app: ASGIApp, portal: BlockingPortal, url: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(transport=AppTransport(app, portal), base_url=url, headers=headers)


@dataclass
class Sales:
    """The Sales side over an empty store: its organisation and a client that is authorised."""

    organisation: Organisation
    client: httpx.Client

    def create(self, entity_set: str, **body: object) -> str:
        """Create a row and answer its id; ``nav__bind`` stands for ``nav@odata.bind``."""
        named = {name.replace("__bind", "@odata.bind"): value for name, value in body.items()}
        answer = self.client.post(entity_set, json=named)
        assert answer.status_code == 204, answer.text
        return answer.headers["OData-EntityId"].rpartition("(")[2][:-1]


@pytest.fixture
def sales(store: Store, portal: BlockingPortal) -> Iterator[Sales]:
    """The Sales side over an empty store, without service protection."""
    organisation = Organisation(store, SalesSwitches(protection=False))
    app = sales_app(organisation, Tokens(TOKEN))
    with _client(app, portal, SALES_URL) as client:
        yield Sales(organisation, client)


@pytest.fixture
def finops(store: Store, portal: BlockingPortal) -> Iterator[httpx.Client]:
    """A client of the F&O side over an empty store."""
    app = finops_app(store, Tokens(TOKEN))
    with _client(app, portal, FINOPS_URL) as client:
        yield client
