"""Pages that something thins out on their way, valid JSON with rows or the next link gone: no read is short of rows."""

from __future__ import annotations

import json
import random

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata import Query
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, Wired, wired
from tests.conftest import TOKEN

ROWS, PAGE = 60, 20
NAMES: dict[App, tuple[str, str, str]] = {
    "finops": ("CustomersV2", "CustomerAccount", "OrganizationName"),
    "sales": ("accounts", "accountnumber", "name"),
}
WAYS = ("no link", "half", "no rows")


class _Thinning:
    """Takes rows, or the link, out of some pages; the count stays."""

    def __init__(self, entity_set: str, seed: int, times: int, share: float) -> None:
        self._set, self._chance, self._left, self._share = entity_set, random.Random(seed), times, share
        self.way: Wired | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        counts = "top=1" in str(request.url) and "count=true" in str(request.url)
        if self.way is None or f"/{self._set}" not in request.url.path or counts or self._left < 1:
            return None
        if self._chance.random() > self._share:
            return None
        self._left -= 1
        answer = self.way._app.handle_request(request)
        page, how = json.loads(answer.read()), self._chance.choice(WAYS)
        if "value" not in page:
            return httpx.Response(answer.status_code, json=page)
        if how == "no link":
            page.pop("@odata.nextLink", None)
        else:
            page["value"] = page["value"][: len(page["value"]) // 2] if how == "half" else []
        return httpx.Response(answer.status_code, json=page)


@pytest.fixture(params=["finops", "sales"])
def app(request: pytest.FixtureRequest, store: Store) -> App:
    """A system with some rows."""
    name: App = request.param
    entity_set, key, text = NAMES[name]
    with store.write():
        if name == "finops":
            store.insert(entities("finops")["LegalEntities"], {"LegalEntityId": "usmf", "Name": "usmf"})
        for n in range(ROWS):
            own = (
                {"dataAreaId": "usmf", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}
                if name == "finops"
                else {
                    "accountid": f"{n:08}-0000-4000-8000-000000000000",
                    "createdon": f"2026-01-{n % 28 + 1:02}T08:00:00Z",
                }
            )
            store.insert(entities(name)[entity_set], {**own, key: f"A{n:05}", text: f"n{n % 7}"})
    return name


def read(app: App, store: Store, portal: BlockingPortal, thinning: _Thinning, query: Query) -> list[str] | None:
    """The keys that a read gave; None for one that was told not to be whole."""
    asgi = finops_app(store, Tokens(TOKEN))
    if app == "sales":
        asgi = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(asgi, portal, app, thinning) as (client, way):
        client.schema(query.entity_set)
        thinning.way = way
        try:
            return [row for page in client.read(query) for row in page.table.column(NAMES[app][1]).to_pylist()]
        except IncompleteRead:
            return None


@pytest.mark.parametrize("ordered", [True, False])
def test_a_thinned_read_is_whole_or_is_told(app: App, store: Store, portal: BlockingPortal, ordered: bool) -> None:
    entity_set, key, text = NAMES[app]
    query = Query(entity_set, (key, text), page_size=PAGE, orderby=(text,) if ordered else ())
    whole = [f"A{n:05}" for n in range(ROWS)]
    for seed in range(12):
        came = read(app, store, portal, _Thinning(entity_set, seed, times=4, share=0.5), query)
        assert came is None or sorted(came) == whole, seed
    always = read(app, store, portal, _Thinning(entity_set, 0, times=10_000, share=1.0), query)
    assert always is None or sorted(always) == whole


def test_a_steady_count_is_never_explained_by_reads_that_differ(app: App, store: Store, portal: BlockingPortal) -> None:
    """Every page of every read lacks half of its rows, another half each time: what differs did not move."""
    entity_set, key, text = NAMES[app]

    class Halving(_Thinning):
        def __call__(self, request: httpx.Request) -> httpx.Response | None:
            counts = "top=1" in str(request.url) and "count=true" in str(request.url)
            if self.way is None or f"/{entity_set}" not in request.url.path or counts:
                return None
            answer = self.way._app.handle_request(request)
            page = json.loads(answer.read())
            kept = [row for row in page["value"] if int(row[key][1:]) >= 20 and self._chance.random() < 0.5]
            return httpx.Response(answer.status_code, json=page | {"value": kept})

    query = Query(entity_set, (key, text), page_size=PAGE, orderby=(text,))
    assert read(app, store, portal, Halving(entity_set, 3, times=0, share=0.0), query) is None


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("top", [5, 30, 60, 90])
def test_the_first_rows_are_as_many_as_there_are(
    app: App, store: Store, portal: BlockingPortal, top: int, ordered: bool
) -> None:
    entity_set, key, text = NAMES[app]
    query = Query(entity_set, (key, text), page_size=PAGE, orderby=(text,) if ordered else (), top=top)
    for seed in range(4):
        came = read(app, store, portal, _Thinning(entity_set, seed, times=1, share=1.0), query)
        assert came is not None, seed
        assert len(came) == len(set(came)) == min(top, ROWS), seed
    always = read(app, store, portal, _Thinning(entity_set, 0, times=10_000, share=1.0), query)
    assert always is None or len(always) == len(set(always)) == min(top, ROWS)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("goes", [False, True])
def test_the_first_rows_come_while_somebody_makes_more(
    app: App, store: Store, portal: BlockingPortal, ordered: bool, goes: bool
) -> None:
    """A row is made before each question, and goes again before the next but one where ``goes``."""
    entity_set, key, text = NAMES[app]
    entity, made = entities(app)[entity_set], list[int]()
    reading: list[bool] = []

    def making(request: httpx.Request) -> httpx.Response | None:
        if not reading or f"/{entity_set}" not in request.url.path:
            return None
        own = {"dataAreaId": "usmf", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}
        new = own if app == "finops" else {"accountid": f"{len(made):08}-1111-4000-8000-000000000000"}
        with store.write():
            made.append(store.insert(entity, {**new, key: f"{'0AZ'[len(made) % 3]}N{len(made):04}", text: "n3"}))
            if goes and len(made) > 2:
                store.delete(entity, made[-3])
        return None

    query = Query(entity_set, (key, text), page_size=PAGE, orderby=(text,) if ordered else (), top=5_000)
    asgi = finops_app(store, Tokens(TOKEN))
    if app == "sales":
        asgi = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(asgi, portal, app, making) as (client, _):
        client.schema(entity_set)
        reading.append(True)
        came = [row for page in client.read(query) for row in page.table.column(key).to_pylist()]
    assert len(came) == len(set(came))
    assert {f"A{n:05}" for n in range(ROWS)} <= set(came)
