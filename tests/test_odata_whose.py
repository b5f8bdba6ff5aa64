"""A batch whose parts come back in another order, twice or not at all: no write gets what another one was told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import Drifted, Duplicate, NotFound, Unreachable
from p2c_lib.odata import Client, Write
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, wired
from tests.conftest import TOKEN, AppTransport

Parts = list[bytes]
GATEWAYS: dict[str, Callable[[Parts], Parts]] = {
    "two swapped": lambda p: [p[0], p[2], p[1], p[3]],
    "the other way round": lambda p: p[::-1],
    "the first twice, the second never": lambda p: [p[0], p[0], *p[2:]],
    "the second left out": lambda p: [p[0], *p[2:]],
    "the first twice, the last never": lambda p: [p[0], p[0], p[1], p[2]],
    "one more": lambda p: [*p, p[0]],
}
IDS = [f"{n}0000000-0000-4000-8000-000000000000" for n in range(1, 5)]


@pytest.fixture
def company(finops: httpx.Client) -> httpx.Client:
    """F&O with one legal entity."""
    assert finops.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"}).status_code == 201
    return finops


@contextmanager
def behind(
    store: Store, portal: BlockingPortal, app: App, made: Callable[[Parts], Parts], *, numbered: bool = True
) -> Iterator[tuple[Client, list[httpx.Request]]]:
    """A client whose batches are answered in parts that a gateway made others of, and what it sent."""
    organisation = Organisation(store, SalesSwitches(protection=False))
    asgi = sales_app(organisation, Tokens(TOKEN)) if app == "sales" else finops_app(store, Tokens(TOKEN))
    inner = AppTransport(asgi, portal)

    def between(request: httpx.Request) -> httpx.Response | None:
        if not request.url.path.endswith("$batch"):
            return None
        answer = inner.handle_request(request)
        body = answer.read()
        line = body.split(b"\r\n", 1)[0]
        parts = made(body.split(line)[1:-1])
        if not numbered:
            parts = [re.sub(rb"Content-ID: \d+\r\n", b"", part) for part in parts]
        again = line.join([b"", *parts, b"--\r\n"])
        return httpx.Response(
            answer.status_code, headers={"Content-Type": answer.headers["content-type"]}, content=again
        )

    with wired(asgi, portal, app, between) as (client, way):
        yield client, way.asked


def group(name: str) -> dict[str, Any]:
    return {"dataAreaId": "usmf", "CustomerGroupId": name, "Description": f"of {name}"}


def descriptions(client: httpx.Client) -> Mapping[str, str]:
    rows = client.get("CustomerGroups?cross-company=true").json()["value"]
    return {row["CustomerGroupId"]: row["Description"] for row in rows}


@pytest.mark.parametrize("numbered", [True, False], ids=["with Content-IDs", "without"])
@pytest.mark.parametrize("made", GATEWAYS.values(), ids=GATEWAYS)
def test_new_rows_get_their_own_outcome(
    store: Store, portal: BlockingPortal, company: httpx.Client, made: Callable[[Parts], Parts], numbered: bool
) -> None:
    assert company.post("CustomerGroups", json={**group("B"), "Description": "theirs"}).status_code == 201
    with behind(store, portal, "finops", made, numbered=numbered) as (client, _):
        results = client.write([Write("create", "CustomerGroups", None, group(name)) for name in "ABCD"])
    assert [type(each.error) for each in results] == [type(None), Duplicate, type(None), type(None)]
    assert "CustomerGroupId=B" in str(results[1].error)
    assert descriptions(company) == {"A": "of A", "B": "theirs", "C": "of C", "D": "of D"}


@pytest.mark.parametrize("op", ["update", "delete"])
@pytest.mark.parametrize("made", GATEWAYS.values(), ids=GATEWAYS)
def test_rows_that_are_there_get_their_own_outcome(
    store: Store, portal: BlockingPortal, company: httpx.Client, made: Callable[[Parts], Parts], op: Any
) -> None:
    """F&O's answers to these tell nothing but a Content-ID."""
    for name in "ACD":
        assert company.post("CustomerGroups", json=group(name)).status_code == 201
    body = {} if op == "delete" else {"Description": "new"}
    keys = [{"dataAreaId": "usmf", "CustomerGroupId": name} for name in "ABCD"]
    with behind(store, portal, "finops", made) as (client, _):
        results = client.write([Write(op, "CustomerGroups", key, body) for key in keys])
    told = [type(each.error) for each in results]
    if op == "update":
        assert told == [type(None), NotFound, type(None), type(None)]
        assert descriptions(company) == dict.fromkeys("ACD", "new")
    else:  # a row that is not there any more is deleted, whoever did it
        assert told == [type(None)] * 4
        assert descriptions(company) == {}


@pytest.mark.parametrize("numbered", [True, False], ids=["with Content-IDs", "without"])
@pytest.mark.parametrize("made", GATEWAYS.values(), ids=GATEWAYS)
def test_in_sales_too(
    store: Store, portal: BlockingPortal, sales: Any, made: Callable[[Parts], Parts], numbered: bool
) -> None:
    sales.create("accounts", accountid=IDS[1], name="theirs")
    new = [{"accountid": row_id, "name": f"of {row_id[0]}"} for row_id in IDS]
    with behind(store, portal, "sales", made, numbered=numbered) as (client, _):
        results = client.write([Write("create", "accounts", None, row) for row in new])
    assert [each.ok for each in results] == [True, False, True, True]
    there = {row["accountid"]: row["name"] for row in sales.client.get("accounts?$select=name").json()["value"]}
    assert there == {row_id: "theirs" if row_id == IDS[1] else f"of {row_id[0]}" for row_id in IDS}
    assert [each.row_id for each in results if each.ok] == [IDS[0], *IDS[2:]]


@pytest.mark.parametrize("op", ["create", "update"])
@pytest.mark.parametrize("numbered", [True, False], ids=["with Content-IDs", "without"])
@pytest.mark.parametrize("made", GATEWAYS.values(), ids=GATEWAYS)
def test_a_version_that_came_along_is_that_of_its_own_row(
    store: Store, portal: BlockingPortal, sales: Any, made: Callable[[Parts], Parts], numbered: bool, op: Any
) -> None:
    for row_id in IDS if op == "update" else IDS[1:2]:
        sales.create("accounts", accountid=row_id, name="theirs")
    writes = [Write("create", "accounts", None, {"accountid": i, "name": f"of {i[0]}"}) for i in IDS]
    if op == "update":
        etags = ['W/"1"' if n == 1 else None for n in range(len(IDS))]
        pairs = zip(IDS, etags, strict=True)
        writes = [Write("update", "accounts", {"accountid": i}, {"name": f"of {i[0]}"}, etag) for i, etag in pairs]
    with behind(store, portal, "sales", made, numbered=numbered) as (client, _):
        results = client.write(writes, versions=True)
    assert [each.ok for each in results] == [True, False, True, True]
    rows = {row["accountid"]: row for row in sales.client.get("accounts?$select=name").json()["value"]}
    assert {i: row["name"] for i, row in rows.items()} == {i: "theirs" if i == IDS[1] else f"of {i[0]}" for i in IDS}
    told = [(i, each.etag) for i, each in zip(IDS, results, strict=True) if each.etag is not None]
    assert all(rows[i]["@odata.etag"] == etag for i, etag in told)


def test_the_version_of_a_row_is_asked_for_where_it_is_wanted(store: Store, portal: BlockingPortal, sales: Any) -> None:
    with behind(store, portal, "sales", list) as (client, asked):
        new = [Write("create", "accounts", None, {"accountid": i, "name": "one"}) for i in IDS]
        first = client.write(new[:1], versions=True) + client.write(new[1:], versions=True)
        table = pa.table({"accountid": IDS, "name": ["two"] * 4})
        plain = client.write_table("update", "accounts", table, key=("accountid",))
        again = client.write_table("update", "accounts", table, key=("accountid",), versions=True)
    rows = {row["accountid"]: row["@odata.etag"] for row in sales.client.get("accounts").json()["value"]}
    assert [each.etag for each in again] == [rows[i] for i in IDS]
    assert [each.etag for each in plain] == [None] * 4
    assert None not in {each.etag for each in first}
    assert sum(b"return=representation" in request.content for request in asked) == 2


SHOWN = [name for name in GATEWAYS if name != "the first twice, the second never"]  # there nothing shows a refusal


@pytest.mark.parametrize("made", [GATEWAYS[name] for name in SHOWN], ids=SHOWN)
def test_a_row_that_stands_is_never_told_to_be_deleted(
    store: Store, portal: BlockingPortal, sales: Any, made: Callable[[Parts], Parts]
) -> None:
    """What Sales says of a deletion names no row, so a refusal among such answers may be any row's."""
    tags = []
    for row_id in IDS:
        sales.create("accounts", accountid=row_id, name="here")
        tags.append(sales.client.get(f"accounts({row_id})").json()["@odata.etag"])
    tags[1] = 'W/"1"'
    with behind(store, portal, "sales", made, numbered=False) as (client, _):
        writes = [Write("delete", "accounts", {"accountid": i}, {}, tag) for i, tag in zip(IDS, tags, strict=True)]
        results = client.write(writes)
    assert [type(each.error) for each in results] == [type(None), Drifted, type(None), type(None)]
    assert [row["accountid"] for row in sales.client.get("accounts").json()["value"]] == [IDS[1]]


@pytest.mark.parametrize("made", [GATEWAYS["two swapped"], GATEWAYS["the first twice, the last never"]])
@pytest.mark.usefixtures("company")
def test_a_change_set_is_not_believed_either(
    store: Store, portal: BlockingPortal, made: Callable[[Parts], Parts]
) -> None:
    def inside(parts: Parts) -> Parts:
        line = re.search(rb"--changesetresponse_[0-9a-f-]+", parts[0])
        assert line is not None
        pieces = parts[0].split(line[0])
        return [line[0].join([pieces[0], *made(pieces[1:-1]), pieces[-1]])]

    with behind(store, portal, "finops", inside) as (client, _):
        writes = [Write("create", "CustomerGroups", None, group(name)) for name in "ABCD"]
        with pytest.raises(Unreachable, match="which is whose cannot be told"):
            client.write(writes, together=True)


@pytest.mark.usefixtures("company")
def test_answers_that_fit_are_believed_at_once(store: Store, portal: BlockingPortal) -> None:
    """Whatever spelling the service gives a key back in."""

    def shouted(parts: Parts) -> Parts:
        return [re.sub(rb"'([a-z]+)'", lambda m: b"'" + m[1].upper() + b"'", part) for part in parts]

    with behind(store, portal, "finops", shouted) as (client, asked):
        results = client.write([Write("create", "CustomerGroups", None, group(name)) for name in "ABCD"])
    assert [each.status for each in results] == [201] * 4
    batch = [request for request in asked if request.url.path.endswith("$batch")]
    assert len(batch) == 1
    assert re.findall(rb"Content-ID: (\d+)", batch[0].content) == [b"1", b"2", b"3", b"4"]
    assert [request.method for request in asked if request.url.path.endswith("CustomerGroups")] == []


# -- new rows that the service gives their number ----------------------------------------------------------------------


def unnamed(name: str, **values: Any) -> Write:
    row = {"dataAreaId": "usmf", "CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": name}
    return Write("create", "CustomersV2", None, row | values)


@pytest.fixture
def numbering(company: httpx.Client) -> httpx.Client:
    """F&O with what a customer needs."""
    for entity_set, row in (
        ("CustomerGroups", group("10")),
        ("Currencies", {"CurrencyCode": "USD", "Name": "US Dollar"}),
    ):
        assert company.post(entity_set, json=row).status_code == 201
    return company


def names(client: httpx.Client) -> list[str]:
    return sorted(row["OrganizationName"] for row in client.get("CustomersV2?cross-company=true").json()["value"])


MOVED = {
    **{name: made for name, made in GATEWAYS.items() if name != "one more"},
    "the third twice, the second never": lambda p: [p[0], p[2], p[2], p[3]],
}


@pytest.mark.parametrize("numbered", [True, False], ids=["with Content-IDs", "without"])
@pytest.mark.parametrize("made", MOVED.values(), ids=MOVED)
def test_an_unnamed_new_row_has_its_own_outcome_or_nobody_knows(
    store: Store, portal: BlockingPortal, numbering: httpx.Client, made: Callable[[Parts], Parts], numbered: bool
) -> None:
    writes = [unnamed(name) for name in "ABCD"]
    writes[1] = unnamed("B", CustomerGroupId="none")
    with behind(store, portal, "finops", made, numbered=numbered) as (client, _):
        results = client.write(writes)
    assert names(numbering) == ["A", "C", "D"]
    assert results[1].error is not None
    for each in (results[0], *results[2:]):
        assert each.error is None or type(each.error) is Unreachable


def test_unnamed_new_rows_are_told_apart_by_their_values(
    store: Store, portal: BlockingPortal, numbering: httpx.Client
) -> None:
    """Answers in their order, without Content-IDs, one of them a refusal."""
    writes = [unnamed(name) for name in "ABCD"]
    writes[1] = unnamed("B", CustomerGroupId="none")
    with behind(store, portal, "finops", lambda p: p, numbered=False) as (client, _):
        assert [each.ok for each in client.write(writes)] == [True, False, True, True]
        alike = client.write([unnamed("E"), unnamed("E"), unnamed("F", CustomerGroupId="none")])
    assert [type(each.error) for each in alike[:2]] == [Unreachable] * 2
    assert names(numbering) == ["A", "C", "D", "E", "E"]


@pytest.mark.parametrize("left", [0, 1, 3])
@pytest.mark.parametrize("numbered", [True, False], ids=["with Content-IDs", "without"])
def test_an_unnamed_new_row_that_an_answer_leaves_out_is_not_sent_twice(
    store: Store, portal: BlockingPortal, numbering: httpx.Client, left: int, numbered: bool
) -> None:
    with behind(store, portal, "finops", lambda p: p[:left], numbered=numbered) as (client, asked):
        results = client.write([unnamed(name) for name in "ABCD"])
    told = [type(each.error) for each in results]
    known = left  # by their Content-IDs, or by the values that the answers show
    assert told[known:] == [Unreachable] * (4 - known)
    assert names(numbering) == ["A", "B", "C", "D"]
    assert sum(request.method == "POST" and "oauth2" not in request.url.path for request in asked) == 1


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Service Unavailable", b"429 Too Many Requests"])
def test_an_unnamed_new_row_is_not_sent_again_after_what_a_gateway_says_of_it(
    store: Store, portal: BlockingPortal, numbering: httpx.Client, status: bytes
) -> None:
    def made(parts: Parts) -> Parts:
        head = parts[1].split(b"HTTP/1.1", 1)[0]
        return [parts[0], head + b"HTTP/1.1 " + status + b"\r\nContent-Type: text/html\r\n\r\n<html>no</html>\r\n"]

    with behind(store, portal, "finops", made) as (client, _):
        results = client.write([unnamed("A"), unnamed("B")])
    assert [type(each.error) for each in results] == [type(None), Unreachable]
    assert names(numbering) == ["A", "B"]
