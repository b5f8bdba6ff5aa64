"""Clients of the sandbox without a socket: a store, the switches of one system, and a client that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anyio.from_thread import BlockingPortal

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Patience
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import TOKEN, AppTransport

QUICK = Patience(budget=20, first_wait=0.01, longest_wait=0.05)


def _connection(app: str) -> Connection:
    url = f"http://{app}.test"
    return Connection(app, app, url, "tester", Secret.literal(TOKEN), token_url=f"{url}/t/oauth2/v2.0/token")


@contextmanager
def sales_client(store: Store, portal: BlockingPortal, **switches: Any) -> Iterator[Client]:
    """A client of Sales over a store; ``switches`` are those of the sandbox."""
    app = sales_app(Organisation(store, SalesSwitches(protection=False, **switches)), Tokens(TOKEN))
    with Client(_connection("sales"), transport=AppTransport(app, portal), patience=QUICK) as client:
        yield client


@contextmanager
def finops_client(store: Store, portal: BlockingPortal, **switches: Any) -> Iterator[Client]:
    """A client of F&O over a store; ``switches`` are those of the sandbox."""
    app = finops_app(store, Tokens(TOKEN), Switches(**switches))
    with Client(_connection("finops"), transport=AppTransport(app, portal), patience=QUICK) as client:
        yield client
