"""Answers that are not in the service's own words say nothing of a write: its row is looked at, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import Drifted, Duplicate, NotFound, ServiceError, Unreachable
from p2c_lib.odata import Client, Query, Write, WriteResult
from p2c_lib.odata.failures import failure, leaves_open
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, wired
from tests.conftest import TOKEN, Sales
from tests.wired import finops_client, sales_client

PAGE = b"<html><title>Gateway</title>not now</html>"
LATER = {"Retry-After": "0", "Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
ODATA = '{"error":{"code":"%s","message":"The gateway refuses."}}'
SHAPES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "499 page": (499, {}, PAGE),
    "444 nothing": (444, {}, b""),
    "460 page": (460, {}, PAGE),
    "400 page": (400, {}, PAGE),
    "401 nothing": (401, {}, b""),
    "401 of a proxy": (401, {"WWW-Authenticate": "Negotiate"}, PAGE),
    "403 page": (403, {}, PAGE),
    "404 page": (404, {}, PAGE),
    "404 JSON of a gateway": (404, {"Content-Type": "application/json"}, b'{"statusCode": 404, "message": "none"}'),
    "401 with a word as its code": (401, JSON, (ODATA % "Unauthorized").encode()),
    "404 with its status as its code": (404, JSON, (ODATA % "404").encode()),
    "412 with a word as its code": (412, JSON, (ODATA % "PreconditionFailed").encode()),
    "409 page": (409, {}, PAGE),
    "412 nothing": (412, {}, b""),
    "429 page with a wait": (429, LATER, PAGE),
    "302": (302, {"Location": "https://login.example/"}, b""),
    "200 page": (200, {"Content-Type": "text/html"}, PAGE),
    "200 null": (200, {"Content-Type": "application/json"}, b"null"),
    "200 of its own": (200, {"Content-Type": "application/json"}, b'{"status": "ok"}'),
}
WAYS = {"finops": (1, 3), "sales": (1, 3, 30)}  # alone, in a batch, as a bulk message
BASE = {"dataAreaId": "usmf"}
FIRST = {"finops": ("CustomerGroups", "CustomerGroupId", "Description"), "sales": ("accounts", "accountnumber", "name")}


class _Odd:
    """Answers the first writes in a shape of its own, after they were carried out or in their place."""

    def __init__(self, shape: str, *, arrives: bool, times: int = 1) -> None:
        self.shape, self.arrives, self.left = SHAPES[shape], arrives, times
        self.inner: Any = None

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        if request.method not in {"POST", "PATCH", "DELETE"} or "oauth2" in request.url.path or self.left < 1:
            return None
        if self.inner is None:
            return None
        self.left -= 1
        if self.arrives:
            self.inner.handle_request(request).read()
        status, headers, body = self.shape
        return httpx.Response(status, headers=headers, content=body)


@contextmanager
def odd(store: Store, portal: BlockingPortal, app: App, way: _Odd) -> Iterator[Client]:
    """A client with the odd answers between it and the sandbox."""
    if app == "sales":
        asgi = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    else:
        asgi = finops_app(store, Tokens(TOKEN))
    with wired(asgi, portal, app, way) as (client, transport):
        client.schema(FIRST[app][0])
        way.inner = transport._app
        yield client


def rows(app: App, count: int) -> list[dict[str, object]]:
    _, key, text = FIRST[app]
    return [(BASE if app == "finops" else {}) | {key: f"N{n}", text: f"Row {n}"} for n in range(count)]


def held(store: Store, portal: BlockingPortal, app: App) -> dict[str, str]:
    entity_set, key, text = FIRST[app]
    make = sales_client if app == "sales" else finops_client
    with make(store, portal) as client:
        pages = [page.table for page in client.read(Query(entity_set, (key, text)))]
    return {row[key]: row[text] for page in pages for row in page.to_pylist()}


@pytest.fixture
def ground(store: Store, portal: BlockingPortal) -> None:
    with finops_client(store, portal) as client:
        assert client.write([Write("create", "LegalEntities", None, {"LegalEntityId": "usmf", "Name": "usmf"})])[0].ok


WAYS_OF = pytest.mark.parametrize(("app", "count"), [(app, count) for app, counts in WAYS.items() for count in counts])


@pytest.mark.usefixtures("ground")
@WAYS_OF
def test_what_was_carried_out_is_told_done(store: Store, portal: BlockingPortal, app: App, count: int) -> None:
    entity_set, _, text = FIRST[app]
    for shape in SHAPES:
        with odd(store, portal, app, _Odd(shape, arrives=True)) as client:
            made = client.write([Write("create", entity_set, None, row) for row in rows(app, count)])
        assert [each.error for each in made] == [None] * count, shape
        assert len(held(store, portal, app)) == count, shape
        keys, etags = relearned(store, portal, app, made, count)
        with odd(store, portal, app, _Odd(shape, arrives=True)) as client:
            both = zip(keys, etags, strict=True)
            changed = [Write("update", entity_set, key, {text: "new"}, etag) for key, etag in both]
            assert [each.error for each in client.write(changed)] == [None] * count, shape
        assert set(held(store, portal, app).values()) == {"new"}, shape
        with odd(store, portal, app, _Odd(shape, arrives=True)) as client:
            gone = client.write([Write("delete", entity_set, key, {}) for key in keys])
        assert [each.error for each in gone] == [None] * count, shape
        assert held(store, portal, app) == {}, shape


def relearned(
    store: Store, portal: BlockingPortal, app: App, made: list[WriteResult], count: int
) -> tuple[list[dict[str, object]], list[str]]:
    """The keys and the versions of rows that were made."""
    entity_set, key, _ = FIRST[app]
    make = sales_client if app == "sales" else finops_client
    keys: list[dict[str, object]] = [{**BASE, key: f"N{n}"} for n in range(count)]
    if app == "sales":
        keys = [{"accountid": each.row_id} for each in made]
    with make(store, portal) as client:
        (page,) = client.read_among(Query(entity_set, (key,)), keys)
        tags = {row[key]: row["@etag"] for row in page.table.to_pylist()}
    return keys, [tags[f"N{n}"] for n in range(count)]


@pytest.mark.usefixtures("ground")
@WAYS_OF
def test_what_was_not_carried_out_is_an_error_that_leaves_it_open(
    store: Store, portal: BlockingPortal, app: App, count: int
) -> None:
    for shape in SHAPES:
        with odd(store, portal, app, _Odd(shape, arrives=False, times=99)) as client:
            made = client.write([Write("create", FIRST[app][0], None, row) for row in rows(app, count)])
        assert all(each.error is not None and leaves_open(each.error) for each in made), shape
        assert held(store, portal, app) == {}, shape


@pytest.mark.usefixtures("ground")
@pytest.mark.parametrize("app", ["sales", "finops"])
def test_a_change_set_is_looked_at_too(store: Store, portal: BlockingPortal, app: App) -> None:
    _, key, _ = FIRST[app]
    for at, shape in enumerate(SHAPES):
        if shape.startswith("429"):  # put off by the service, as far as anybody knows: it is sent again
            continue
        writes = [Write("create", FIRST[app][0], None, row | {key: f"{at}-{row[key]}"}) for row in rows(app, 3)]
        never = _Odd(shape, arrives=False, times=99)
        with odd(store, portal, app, never) as client, pytest.raises(ServiceError) as raised:
            client.write(writes, together=True)
        assert leaves_open(raised.value), shape
        with odd(store, portal, app, _Odd(shape, arrives=True)) as client:
            assert [each.error for each in client.write(writes, together=True)] == [None] * 3, shape
    assert len(held(store, portal, app)) == 3 * (len(SHAPES) - 1)


@pytest.mark.usefixtures("ground")
@pytest.mark.parametrize("arrives", [True, False])
def test_a_new_row_without_a_key_is_sent_once_and_nobody_knows(
    store: Store, portal: BlockingPortal, arrives: bool
) -> None:
    row = {**BASE, "PartyType": "Organization", "OrganizationName": "Nameless", "CustomerGroupId": "10"}
    with finops_client(store, portal) as client:
        client.write([Write("create", "CustomerGroups", None, BASE | {"CustomerGroupId": "10", "Description": "Ten"})])
    for shape in SHAPES:
        if shape.startswith("429"):
            continue
        with odd(store, portal, "finops", _Odd(shape, arrives=arrives)) as client:
            client.schema("CustomersV2")
            (made,) = client.write([Write("create", "CustomersV2", None, row)])
        assert type(made.error) is Unreachable, shape
        assert "Whether it was written is not known" in made.error.message, shape


# -- whose word it is --------------------------------------------------------------------------------------------------

ROUTED = '{"error":{"code":"%s","message":"No.","innererror":{"message":"No.","type":"%s","stacktrace":""}}}'
NOTED = '{"error":{"code":"Custom","message":"No.","@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus":"1"}}'


@pytest.mark.parametrize("code", ["", "0x0", "0x80060882", "0x8004E023", "-2147220969"])
def test_a_code_as_the_services_have_them_is_the_services_word(code: str) -> None:
    assert all(not leaves_open(failure(status, {}, (ODATA % code).encode(), "rows")) for status in (400, 403, 404, 412))


@pytest.mark.parametrize(
    "body",
    [
        ROUTED % ("BadRequest", "Microsoft.OData.Core.ODataException"),
        ROUTED % ("400", "System.InvalidOperationException"),
        NOTED,
    ],
)
def test_what_only_the_services_add_to_an_error_is_their_word_whatever_its_code(body: str) -> None:
    assert not leaves_open(failure(400, {}, body.encode(), "rows"))


@pytest.mark.parametrize("code", ["PreconditionFailed", "412", "0xGATE", "SubscriptionNotFound", "-1"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 412, 413, 422, 500, 503])
def test_another_code_is_nobodys_word_about_a_row(status: int, code: str) -> None:
    error = failure(status, {}, (ODATA % code).encode(), "rows")
    assert leaves_open(error)
    assert not isinstance(error, Duplicate | Drifted | NotFound)
    assert "The gateway refuses" in error.message


# -- new rows of Sales are known by their id ---------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "by"), [(1, "list"), (3, "list"), (30, "list"), (30, "table")])
def test_a_new_row_is_ours_by_its_id_though_a_workflow_changed_it(
    sales: Sales, store: Store, portal: BlockingPortal, count: int, by: str
) -> None:
    class Changing(_Odd):
        def __call__(self, request: httpx.Request) -> httpx.Response | None:
            is_first = (
                self.inner is not None and self.left and request.method == "POST" and "token" not in request.url.path
            )
            if not is_first:
                return None
            self.left = 0
            self.inner.handle_request(request).read()
            for row in sales.client.get("accounts").json()["value"]:
                sales.client.patch(f"accounts({row['accountid']})", json={"name": row["name"].upper()})
            raise httpx.ReadError("lost", request=request)

    with odd(store, portal, "sales", Changing("302", arrives=True)) as client:
        if by == "list":
            made = client.write([Write("create", "accounts", None, {"name": f"n{n}"}) for n in range(count)])
        else:
            made = client.write_table("create", "accounts", pa.table({"name": [f"n{n}" for n in range(count)]}))
    assert [each.error for each in made] == [None] * count
    there = {row["accountid"]: row["name"] for row in sales.client.get("accounts").json()["value"]}
    assert {each.row_id for each in made} == set(there)
    assert all(name.startswith("N") for name in there.values())


def test_an_id_that_the_caller_gave_may_be_somebody_elses(sales: Sales, store: Store, portal: BlockingPortal) -> None:
    theirs = sales.create("accounts", name="theirs")
    table = pa.table({"accountid": [theirs, None], "name": ["ours", "new"]})
    with odd(store, portal, "sales", _Odd("499 page", arrives=False)) as client:
        first, second = client.write_table("create", "accounts", table)
        (again,) = client.write([Write("create", "accounts", None, {"accountid": theirs, "name": "ours"})])
    assert not first.ok
    assert not second.ok
    assert type(again.error) is Duplicate
    with sales_client(store, portal) as plain:
        first, second = plain.write_table("create", "accounts", table)
    assert type(first.error) is Duplicate
    assert second.ok
    assert second.row_id not in {None, theirs}
