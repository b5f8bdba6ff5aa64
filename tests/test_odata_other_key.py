"""Deletes and updates of Sales rows by an alternate key, sent again after a lost answer: never another row's."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import NotFound
from p2c_lib.odata import Client, Write, WriteResult
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.between import wired
from tests.conftest import TOKEN, AppTransport, Sales

Deed = Callable[[Client], list[WriteResult]]
NUMBERS = ("K-1", "K-2")


class _Lost:
    """The first write's answer is lost, whether it arrived or not; meanwhile somebody else does something."""

    def __init__(self, inner: AppTransport, meanwhile: Callable[[], None], *, arrives: bool) -> None:
        self.inner, self.meanwhile, self.arrives, self.done = inner, meanwhile, arrives, False

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        if self.done or request.method == "GET" or "oauth2" in request.url.path:
            return None
        self.done = True
        if self.arrives:
            self.inner.handle_request(request).read()
        self.meanwhile()
        raise httpx.ReadError("the connection was lost", request=request)


def deletes(client: Client) -> list[WriteResult]:
    return client.write([Write("delete", "accounts", {"accountnumber": number}, {}) for number in NUMBERS])


def table_deletes(client: Client) -> list[WriteResult]:
    return client.write_table("delete", "accounts", pa.table({"accountnumber": NUMBERS}), key=["accountnumber"])


def updates(client: Client) -> list[WriteResult]:
    return client.write([Write("update", "accounts", {"accountnumber": n}, {"name": "ours"}) for n in NUMBERS])


def table_updates(client: Client) -> list[WriteResult]:
    rows = pa.table({"accountnumber": NUMBERS, "name": ["ours", "ours"]})
    return client.write_table("update", "accounts", rows, key=["accountnumber"])


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("deed", [deletes, table_deletes, updates, table_updates])
def test_a_row_is_the_one_that_had_the_key(
    sales: Sales, store: Store, portal: BlockingPortal, deed: Deed, arrives: bool
) -> None:
    ours = [sales.create("accounts", accountnumber=number, name="before") for number in NUMBERS]
    is_delete = deed in (deletes, table_deletes)

    def renumber() -> None:
        if not (is_delete and arrives):
            moved = sales.client.patch(f"accounts({ours[0]})", json={"accountnumber": "moved"})
            assert moved.status_code == 204
        sales.create("accounts", accountnumber="K-1", name="theirs")

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    between = _Lost(AppTransport(app, portal), renumber, arrives=arrives)
    with wired(app, portal, "sales", between) as (client, _):
        results = deed(client)
    assert [each.error for each in results] == [None, None]
    rows = {row["accountid"]: row["name"] for row in sales.client.get("accounts").json()["value"]}
    assert "theirs" in rows.values()
    assert {rows.get(each) for each in ours} == ({None} if is_delete else {"ours"})


@pytest.mark.parametrize("deed", [deletes, table_deletes, updates, table_updates])
def test_a_key_that_nobody_has_stops_no_other(sales: Sales, store: Store, portal: BlockingPortal, deed: Deed) -> None:
    ours = sales.create("accounts", accountnumber="K-2", name="before")
    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales") as (client, _):
        first, second = deed(client)
    # Deletes name no row in their answers: where one of a batch was not done, each is sent once more by itself.
    assert type(first.error) is NotFound or (deed is deletes and first.ok)
    assert second.ok
    rows = {row["accountid"]: row["name"] for row in sales.client.get("accounts").json()["value"]}
    assert rows == ({} if deed in (deletes, table_deletes) else {ours: "ours"})
