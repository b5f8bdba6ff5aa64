"""Short, empty and endless pages: what leads on is followed, what leads nowhere ends in an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata import Client, Query, read
from p2c_lib.odata.bulk import BulkMessages
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, Wired, wired
from tests.conftest import TOKEN

SETS: dict[App, tuple[str, str, str]] = {
    "sales": ("accounts", "accountid", "/api/data/v9.2/accounts"),
    "finops": ("Currencies", "CurrencyCode", "/data/Currencies"),
}
Say = Callable[[int, str], dict[str, Any]]


def ident(app: App, number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000" if app == "sales" else f"C{number:05}"


def row(app: App, number: int) -> dict[str, Any]:
    return {"@odata.etag": f'W/"{number}"', SETS[app][1]: ident(app, number)}


def link(app: App, number: int) -> str:
    return f"http://{app}.test{SETS[app][2]}?$skiptoken={number}"


@contextmanager
def told(store: Store, portal: BlockingPortal, app: App, say: Say) -> Iterator[tuple[Client, Wired]]:
    """A client to whom ``say`` answers each request for rows, by its number; the rest is the sandbox's."""
    numbers = count()

    def between(request: httpx.Request) -> httpx.Response | None:
        url = str(request.url)
        if urlsplit(url).path != SETS[app][2]:
            return None
        body = {"@odata.context": "x", **say(next(numbers), url)}
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=json.dumps(body).encode())

    tokens = Tokens(TOKEN)
    if app == "sales":
        system = sales_app(Organisation(store, SalesSwitches(protection=False)), tokens)
    else:
        system = finops_app(store, tokens, Switches())
    with wired(system, portal, app, between) as (client, transport):
        yield client, transport


def keys(client: Client) -> list[str]:
    app: Any = client.connection.app
    entity_set, key, _ = SETS[app]
    return [one[key] for page in client.read(Query(entity_set, (key,))) for one in page.table.to_pylist()]


BOTH = pytest.mark.parametrize("app", ["sales", "finops"])


@BOTH
@pytest.mark.parametrize("sizes", [[0, 3], [1, 3], [0, 0, 2, 0, 1, 0], [1, 0, 0, 1], [0, 0, 0]])
def test_short_and_empty_pages_are_followed(store: Store, portal: BlockingPortal, app: App, sizes: list[int]) -> None:
    starts = [sum(sizes[:at]) for at in range(len(sizes) + 1)]

    def say(number: int, _url: str) -> dict[str, Any]:
        rows = [row(app, n) for n in range(starts[number], starts[number + 1])]
        more = {"@odata.nextLink": link(app, number + 1)} if number + 1 < len(sizes) else {}
        return {"@odata.count": sum(sizes), "value": rows, **more}

    with told(store, portal, app, say) as (client, transport):
        assert keys(client) == [ident(app, n) for n in range(sum(sizes))]
        assert len(transport.reads(SETS[app][0])) == len(sizes)


def test_a_first_page_of_one_row_does_not_make_a_request_of_every_row(store: Store, portal: BlockingPortal) -> None:
    """F&O: the first page is short, the others as long as they come."""

    def say(number: int, url: str) -> dict[str, Any]:
        asked = parse_qs(urlsplit(url).query)
        words = asked.get("$filter", [""])[0].split("'")
        low = int(words[1][1:]) + 1 if "gt" in words[0] else 0
        high = int(words[3][1:]) if len(words) > 3 else 999
        if "$top" in asked:
            at = low + int(asked["$skip"][0])
            return {"value": [row("finops", at)] if at <= high else []}
        size = 1 if number == 0 else 100
        shown = list(range(low, min(high + 1, low + size)))
        more = {"@odata.nextLink": link("finops", number)} if shown and shown[-1] < high else {}
        return {"@odata.count": 1_000, "value": [row("finops", n) for n in shown], **more}

    with told(store, portal, "finops", say) as (client, transport):
        assert sorted(keys(client)) == [ident("finops", n) for n in range(1_000)]
        assert len(transport.reads("Currencies")) < 40


ENDLESS: dict[str, tuple[int, Callable[[App, int], list[dict[str, Any]]], str]] = {
    "EMPTY_PAGES": (30, lambda app, number: [] if number else [row(app, 1)], "31 pages in a row were empty"),
    "MOST_PAGES": (50, lambda app, number: [row(app, number)], "50 pages came and there is no end"),
}


@BOTH
@pytest.mark.parametrize("limit", ENDLESS)
def test_pages_without_end_are_an_error_empty_or_ever_new(
    store: Store, portal: BlockingPortal, app: App, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, rows, said = ENDLESS[limit]
    monkeypatch.setattr(read, limit, most)

    def say(number: int, _url: str) -> dict[str, Any]:
        return {"value": rows(app, number), "@odata.nextLink": link(app, number + 1)}

    with told(store, portal, app, say) as (client, transport):
        with pytest.raises(IncompleteRead, match=f"{SETS[app][0]}: {said}"):
            keys(client)
        assert len(transport.reads(SETS[app][0])) < most + 10


@BOTH
@pytest.mark.parametrize("pages", [1, 2, 5])
def test_the_same_rows_under_ever_new_links_are_an_error(
    store: Store, portal: BlockingPortal, app: App, pages: int
) -> None:
    def say(number: int, _url: str) -> dict[str, Any]:
        first = number % pages * 3
        return {"value": [row(app, first + n) for n in range(3)], "@odata.nextLink": link(app, number + 1)}

    with told(store, portal, app, say) as (client, transport):
        with pytest.raises(IncompleteRead, match=rf"{SETS[app][0]}: (a page brings the same rows|the pages go in a)"):
            keys(client)
        assert len(transport.reads(SETS[app][0])) <= pages + 10


def test_rows_that_come_round_at_another_place_of_the_page_are_noticed_too(
    store: Store, portal: BlockingPortal
) -> None:
    def say(number: int, _url: str) -> dict[str, Any]:
        rows = [row("sales", (number * 3 + n) % 10) for n in range(3)]
        return {"value": rows, "@odata.nextLink": link("sales", number + 1)}

    with told(store, portal, "sales", say) as (client, transport):
        with pytest.raises(IncompleteRead, match="the same rows as an earlier one"):
            keys(client)
        assert len(transport.reads("accounts")) <= 20


def versioned(app: App, ident_of: int, version: int) -> dict[str, Any]:
    return {**row(app, ident_of), "@odata.etag": f'W/"{version}"'}


@BOTH
@pytest.mark.parametrize("rows", [1, 7])
def test_the_same_rows_in_ever_new_versions_are_an_error(
    store: Store, portal: BlockingPortal, app: App, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MOST_PAGES", 400)

    def say(number: int, _url: str) -> dict[str, Any]:
        return {"value": [versioned(app, number % rows, number)], "@odata.nextLink": link(app, number + 1)}

    with told(store, portal, app, say) as (client, transport):
        with pytest.raises(IncompleteRead, match=r"rows that had come before|the pages go in a circle"):
            keys(client)
        assert len(transport.reads(SETS[app][0])) < 120


def test_changes_of_the_same_rows_in_ever_new_versions_are_an_error_and_a_row_told_twice_is_not(
    store: Store, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "MOST_PAGES", 400)

    def endless(number: int, _url: str) -> dict[str, Any]:
        return {"value": [versioned("sales", number % 7, number)], "@odata.nextLink": link("sales", number + 1)}

    with told(store, portal, "sales", endless) as (client, transport):
        with pytest.raises(IncompleteRead, match="rows that had come before"):
            client.changes("accounts", ("accountid",))
        assert len(transport.reads("accounts")) < 120

    def again(number: int, _url: str) -> dict[str, Any]:
        rows = [versioned("sales", number % 7, number)]
        onward = {"@odata.nextLink": link("sales", number + 1)} if number < 90 else {}
        return {"value": rows, **(onward or {"@odata.deltaLink": link("sales", 99)})}

    with told(store, portal, "sales", again) as (client, _):
        assert client.changes("accounts", ("accountid",)).table.num_rows == 7


def test_first_rows_in_which_a_row_comes_twice_are_an_error(store: Store, portal: BlockingPortal) -> None:
    def say(number: int, _url: str) -> dict[str, Any]:
        rows = [versioned("finops", 0, number), row("finops", number + 1)]
        return {"value": rows, "@odata.nextLink": link("finops", number + 1)}

    with told(store, portal, "finops", say) as (client, _), pytest.raises(IncompleteRead, match="came twice"):
        list(client.read(Query("Currencies", ("CurrencyCode",), top=5)))


def test_a_row_that_comes_twice_on_pages_that_end_is_an_error(store: Store, portal: BlockingPortal) -> None:
    def say(number: int, _url: str) -> dict[str, Any]:
        rows = [row("sales", n) for n in ((0, 1, 2), (3, 1, 4))[number % 2]]
        more = {"@odata.nextLink": link("sales", 1)} if number % 2 == 0 else {}
        return {"@odata.count": 6, "value": rows, **more}

    with told(store, portal, "sales", say) as (client, _), pytest.raises(IncompleteRead, match="came twice"):
        keys(client)


def test_changes_that_never_end_are_an_error_and_an_empty_page_among_them_is_not(
    store: Store, portal: BlockingPortal
) -> None:
    def endless(number: int, _url: str) -> dict[str, Any]:
        return {"value": [row("sales", 1)], "@odata.nextLink": link("sales", number + 1)}

    with told(store, portal, "sales", endless) as (client, _), pytest.raises(IncompleteRead, match="the same rows"):
        client.changes("accounts", ("accountid",))

    def gappy(number: int, _url: str) -> dict[str, Any]:
        if number < 3:
            rows = [row("sales", number)] if number != 1 else []
            return {"value": rows, "@odata.nextLink": link("sales", number + 1)}
        gone = {"@odata.context": "x/$deletedEntity", "id": ident("sales", 9), "reason": "deleted"}
        return {"value": [row("sales", 0), gone], "@odata.deltaLink": link("sales", 99)}

    with told(store, portal, "sales", gappy) as (client, _):
        found = client.changes("accounts", ("accountid",))
    assert found.table.column("accountid").to_pylist() == [ident("sales", 2), ident("sales", 0)]
    assert found.deleted == (ident("sales", 9),)


@pytest.mark.parametrize("endless", [False, True])
def test_a_list_of_entities_is_read_with_all_its_pages(store: Store, portal: BlockingPortal, endless: bool) -> None:
    def between(request: httpx.Request) -> httpx.Response | None:
        parts = urlsplit(str(request.url))
        if parts.path != "/metadata/DataEntities":
            return None
        page = int(parse_qs(parts.query).get("page", ["0"])[0])
        rows = [{"PublicCollectionName": f"Set{page}", "PublicEntityName": f"Entity{page}"}]
        onward = page % 2 if endless else page + 1
        more = {"@odata.nextLink": f"http://finops.test/metadata/DataEntities?page={onward}"} if page < 3 else {}
        return httpx.Response(200, headers={"ETag": "1"}, json={"value": rows, **more})

    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", between) as (client, _):
        if endless:
            with pytest.raises(IncompleteRead, match="DataEntities: the pages of the service's list go in a circle"):
                client.metadata.set_of("Entity3")
        else:
            assert client.metadata.set_of("Entity3") == "Set3"


@contextmanager
def in_two_pages(
    store: Store, portal: BlockingPortal, path: str, pages: list[list[dict[str, Any]]], host: str = "sales.test"
) -> Iterator[Client]:
    """A client to whom a list of Sales comes in these pages, whose links lead to ``host``."""

    def between(request: httpx.Request) -> httpx.Response | None:
        parts = urlsplit(str(request.url))
        if parts.path != f"/api/data/v9.2/{path}":
            return None
        page = int(parse_qs(parts.query).get("$skiptoken", ["0"])[0])
        onward = f"http://{host}/api/data/v9.2/{path}?$skiptoken={page + 1}"
        more = {"@odata.nextLink": onward} if page + 1 < len(pages) else {}
        return httpx.Response(200, json={"value": pages[page], **more})

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between) as (client, _):
        yield client


def test_currencies_are_read_with_all_their_pages(store: Store, portal: BlockingPortal) -> None:
    pages = [[{"isocurrencycode": code, "currencyprecision": n}] for code, n in (("USD", 2), ("KWD", 3))]
    with in_two_pages(store, portal, "transactioncurrencies", pages) as client:
        assert client.precisions().currencies == {"USD": 2, "KWD": 3}
    with (
        in_two_pages(store, portal, "transactioncurrencies", pages, "elsewhere.test") as client,
        pytest.raises(IncompleteRead, match=r"not at http://sales\.test"),
    ):
        client.precisions()


def test_a_bulk_message_is_offered_on_whatever_page_of_the_list(store: Store, portal: BlockingPortal) -> None:
    pages: list[list[dict[str, Any]]] = [[], [{"sdkmessagefilterid": ident("sales", 1)}]]
    with in_two_pages(store, portal, "sdkmessagefilters", pages) as client:
        bulk = BulkMessages(client.sender, client.dialect)
        assert bulk._offered("CreateMultiple", client.schema("accounts"))


def test_a_page_that_comes_anew_with_another_end_is_gone_on_from_there(store: Store, portal: BlockingPortal) -> None:
    """The first body is damaged before its end; what comes in its place ends elsewhere: no row is passed over."""
    asked: list[str] = []

    def between(request: httpx.Request) -> httpx.Response | None:
        parts = urlsplit(str(request.url))
        if parts.path != "/data/Currencies":
            return None
        if "$count" in parse_qs(parts.query):
            counted = {"@odata.count": 5, "value": [row("finops", 1)]}
            return httpx.Response(200, json=counted)
        asked.append(str(request.url))
        low = parse_qs(parts.query).get("$filter", [""])[0]
        first, damaged = "gt" not in low, len(asked) == 1
        if first:
            rows = [row("finops", n) for n in ((1, 2, 3, 4) if damaged else (1, 2, 3))]
        else:
            rows = [row("finops", n) for n in (4, 5)] if "C00003" in low else [row("finops", 5)]
        more = {"@odata.nextLink": link("finops", 1)} if first else {}
        body = json.dumps({"@odata.context": "x", "value": rows, **more})
        spoilt = body.replace('"C00002"', '"C00002') if damaged else body
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=spoilt.encode())

    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", between) as (client, _):
        pages = client.read(Query("Currencies", ("CurrencyCode",), top=9))
        found = [one["CurrencyCode"] for page in pages for one in page.table.to_pylist()]
    assert found == [ident("finops", n) for n in (1, 2, 3, 4, 5)]
