"""A read that was cut off goes on where it was; where that place leads nowhere, it begins anew by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import Unreachable
from p2c_lib.odata import Query, Write
from p2c_lib.odata.snapshot import gather
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, wired
from tests.conftest import TOKEN

COOKIE = {"error": {"code": "0x80060888", "message": "Malformed XML in the Paging Cookie"}}
PLACES = {
    "refused": httpx.Response(400, json=COOKIE),
    "garbled": httpx.Response(200, content=b'{"value":[', headers={"content-type": "application/json"}),
    "not compared": None,
}
GROUPS: list[dict[str, Any]] = [{"dataAreaId": "usmf", "CustomerGroupId": f"G{n:02}"} for n in range(25)]
ACCOUNTS: list[dict[str, Any]] = [{"name": f"A{n:02}"} for n in range(25)]


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("name", ["sales", "finops"])
def test_where_the_place_of_a_cut_leads_nowhere_the_read_begins_anew(
    store: Store, portal: BlockingPortal, tmp_path: Path, name: App, kind: str
) -> None:
    if name == "sales":
        app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
        entity_set, column, rows = "accounts", "name", ACCOUNTS
    else:
        ranges = Switches(text_ranges="reject") if kind == "not compared" else Switches()
        app = finops_app(store, Tokens(TOKEN), ranges)
        entity_set, column, rows = "CustomerGroups", "CustomerGroupId", GROUPS
    query, file = Query(entity_set, (column,), page_size=10), tmp_path / "rows.parquet"
    gone: set[str] = set()
    down = True

    def between(request: httpx.Request) -> httpx.Response | None:
        url = str(request.url)
        if f"/{entity_set}?" not in url:
            return None
        if down and ("skip" in url or " gt " in unquote_plus(url)):
            gone.add(url)
            raise httpx.ConnectError("gone", request=request)
        if url not in gone:
            return None
        gone.discard(url)
        return PLACES[kind]

    with wired(app, portal, name, between) as (client, _):
        if name == "finops":
            client.write([Write("create", "LegalEntities", None, {"LegalEntityId": "usmf"})])
        assert all(done.ok for done in client.write([Write("create", entity_set, None, row) for row in rows]))
        with pytest.raises(Unreachable):
            gather(client, query, snapshot=file)
        assert gone
        down = False
        whole = gather(client, query, snapshot=file)
    assert sorted(whole.table.column(column).to_pylist()) == [row[column] for row in rows]
