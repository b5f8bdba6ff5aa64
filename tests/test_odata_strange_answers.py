"""Answers to writes that say less than they seem to: not the service's own, or about no row, or lost with the row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp

from p2c_lib.errors import NoRoute, NotTheService, ServiceError, Unreachable
from p2c_lib.odata import Client, Query, Write
from p2c_lib.odata.notes import OUT_OF_YEARS
from p2c_lib.odata.schema import Column
from p2c_lib.odata.stored import keeps
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import wired
from tests.conftest import TOKEN

NOT_ITS_OWN = [
    httpx.Response(200, text="OK please sign in"),
    httpx.Response(200, json={}),
    httpx.Response(200, json={"error": {"code": "0x1", "message": "no"}}),
    httpx.Response(200, text="<html><title>Sign in</title></html>"),
    httpx.Response(302, headers={"Location": "https://login.example/"}),
    httpx.Response(202, text=""),
]
NO_ROW = [
    '{"error":{"code":"404","message":"Resource not found"}}',
    '{"error":{"code":"ResourceNotFound","message":"The environment was not found."}}',
    '{"error":{"code":"","message":"No route data was found for this request."}}',
    '{"error":{"code":"0x80048d0b","message":"The environment does not exist"}}',
    '{"error":{"code":"0x80072322","message":"Organization not found"}}',
]


def app_of(store: Store, name: str) -> ASGIApp:
    """One of the two systems over a store with reference rows."""
    with store.write():
        add_references(store, currencies=["USD"])
    if name == "sales":
        return sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    return finops_app(store, Tokens(TOKEN))


@pytest.fixture(params=["sales", "finops"])
def app(request: pytest.FixtureRequest, store: Store) -> tuple[Any, ASGIApp]:
    """Either system, by its name."""
    return request.param, app_of(store, request.param)


def creates(client: Client, count: int) -> list[Write]:
    if client.connection.app == "sales":
        rows = [{"accountnumber": f"S{n:03}", "name": f"N {n}"} for n in range(count)]
        return [Write("create", "accounts", None, row) for row in rows]
    fixed = {"dataAreaId": "usmf", "CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": "N"}
    return [Write("create", "CustomersV2", None, {**fixed, "CustomerAccount": f"S{n:03}"}) for n in range(count)]


def key_of(write: Write) -> dict[str, object]:
    return {name: write.body[name] for name in ("dataAreaId", "CustomerAccount", "accountnumber") if name in write.body}


def is_write(request: httpx.Request) -> bool:
    return request.method != "GET" and "oauth2" not in request.url.path


@pytest.mark.parametrize("count", [1, 120])
@pytest.mark.parametrize("strange", NOT_ITS_OWN, ids=lambda answer: f"{answer.status_code} {answer.text[:12]}")
def test_a_good_answer_that_is_not_the_services_is_no_done_write(
    app: tuple[Any, ASGIApp], portal: BlockingPortal, strange: httpx.Response, count: int
) -> None:
    name, asgi = app
    with wired(asgi, portal, name, lambda request: strange if is_write(request) else None) as (client, _):
        results = client.write(creates(client, count))
    assert {result.ok for result in results} == {False}
    if count == 1:
        assert type(results[0].error) is NotTheService


def test_a_table_of_upserts_that_a_proxy_answers_is_not_done(portal: BlockingPortal, store: Store) -> None:
    table = pa.table({"accountnumber": [f"U{n:03}" for n in range(120)], "name": ["x"] * 120})
    strange = httpx.Response(200, text="OK please sign in")
    asgi = app_of(store, "sales")
    with wired(asgi, portal, "sales", lambda request: strange if is_write(request) else None) as (client, _):
        results = client.write_table("upsert", "accounts", table, key=["accountnumber"])
    assert {type(result.error) for result in results} == {NotTheService}


@pytest.mark.parametrize("body", NO_ROW)
def test_a_404_about_something_else_does_not_make_a_delete_done(
    app: tuple[Any, ASGIApp], portal: BlockingPortal, body: str
) -> None:
    name, asgi = app
    tries: list[str] = []

    def between(request: httpx.Request) -> httpx.Response | None:
        if request.method != "DELETE":
            return None
        tries.append(request.method)
        if len(tries) == 1:
            raise httpx.ReadError("the connection was lost", request=request)
        return httpx.Response(404, text=body, headers={"Content-Type": "application/json"})

    with wired(asgi, portal, name, between) as (client, _):
        (made,) = creates(client, 1)
        assert client.write([made])[0].ok
        (result,) = client.write([Write("delete", made.entity_set, key_of(made), {})])
    assert type(result.error) is NoRoute


def test_a_lost_answer_whose_row_cannot_be_read_leaves_open_whether_it_was_written(
    portal: BlockingPortal, store: Store
) -> None:
    lost: list[str] = []

    def between(request: httpx.Request) -> httpx.Response | None:
        if lost and request.method == "GET" and "S000" in str(request.url):
            return httpx.Response(500, json={"error": {"code": "", "message": "An error has occurred."}})
        return None

    with wired(app_of(store, "finops"), portal, "finops", between) as (client, transport):
        client.sender._http._transport = LosingTheFirst(transport, lost)
        (result,) = client.write(creates(client, 1))
    assert len(lost) == 1
    assert type(result.error) is Unreachable
    assert "cannot be read" in str(result.error)


class LosingTheFirst(httpx.BaseTransport):
    """Loses the answer of the first write after it was carried out, and notes it."""

    def __init__(self, inner: httpx.BaseTransport, lost: list[str]) -> None:
        self.inner, self.lost = inner, lost

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        if is_write(request) and not self.lost:
            self.lost.append(str(request.url))
            raise httpx.ReadError("the connection was lost", request=request)
        return answer


@pytest.mark.parametrize("blank", ["\n", "\t", "\r\n", "\u00a0", "\u3000"])
def test_only_blanks_at_the_end_are_no_difference_in_finops(blank: str) -> None:
    memo = Column("SalesMemo", "Edm.String", pa.string())
    assert keeps("A ", "A", memo, "finops")
    assert not keeps(f"A{blank}", "A", memo, "finops")
    assert not keeps(blank, None, memo, "finops")


MOMENTS = {
    "0000-01-01T00:00:00Z": None,
    "0000-12-31": None,
    "0001-01-01T00:00:00+14:00": None,
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "9999-12-31T23:59:59-12:00": None,
    "10000-01-01T00:00:00Z": None,
    "+12026-01-01T00:00:00Z": None,
    "-0001-01-01T00:00:00Z": None,
    "999999999999999999999-01-01": None,
    "2026-01-31T24:00:00Z": ServiceError,
    "2026-02-30T00:00:00Z": ServiceError,
}


@pytest.mark.parametrize("spoilt", [False, True])
@pytest.mark.parametrize("came", MOMENTS)
@pytest.mark.parametrize(("entity_set", "column"), [("accounts", "lastonholdtime"), ("contacts", "birthdate")])
def test_a_moment_of_no_year_reads_as_nothing_and_is_told(
    store: Store, portal: BlockingPortal, entity_set: str, column: str, came: str, spoilt: bool
) -> None:
    """Between rows that can be read: by Arrow's reader, and value by value where another value asks for that."""
    key, good = f"{entity_set[:-1]}id", "2026-01-31"
    values = [good if column == "birthdate" else f"{good}T08:00:00Z", came, None]
    rows = [{"@odata.etag": 'W/"1"', key: str(UUID(int=n)), column: value} for n, value in enumerate(values)]
    body = json.dumps({"@odata.count": 3, "value": [row | {"description": "a"} for row in rows]})
    body = body.replace('"description": "a"', '"description": "a\\ud83d"') if spoilt else body

    def between(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, text=body) if f"/{entity_set}?" in str(request.url) else None

    expected = MOMENTS[came]
    with wired(app_of(store, "sales"), portal, "sales", between) as (client, _):
        read = client.read(Query(entity_set, (column, "description")))
        if expected is ServiceError:
            with pytest.raises(
                ServiceError, match=rf"{entity_set}\.{column}: the value '{came}' .* \(row 2 of the page"
            ):
                list(read)
            return
        (page,) = read
    found = page.table.column(column).to_pylist()
    assert found[1] == (expected.date() if isinstance(expected, datetime) and column == "birthdate" else expected)
    assert (found[0] is not None, found[2]) == (True, None)
    noted = [(note.count, note.example) for note in page.notes if note.what == OUT_OF_YEARS]
    assert noted == ([(1, came)] if expected is None else [])
