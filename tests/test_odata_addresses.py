"""Keys in addresses, as each service takes them: empty parts, characters no path carries, rows that are not there."""

from __future__ import annotations

import json
import string
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.errors import (
    Duplicate,
    FrameError,
    NoRoute,
    NotFound,
    NotSent,
    Rejected,
    UnknownName,
    Unreachable,
    Unsendable,
    UrlTooLong,
)
from p2c_lib.odata import Client, Query, Write, WriteResult
from p2c_lib.odata.among import SPELLED, among
from p2c_lib.odata.failures import failure, is_transient
from p2c_lib.odata.writes import Operation
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.between import wired
from tests.conftest import TOKEN
from tests.things import JSON, Said, things
from tests.wired import QUICK, finops_client, sales_client

VARIANT = {"dataAreaId": "usmf", "ProductMasterNumber": "M", "ProductSizeId": "L"}
EMPTY = {"ProductConfigurationId": None, "ProductColorId": None, "ProductStyleId": "", "ProductVersionId": None}
ADDRESS = (
    "ReleasedProductVariantsV2(dataAreaId='usmf',ProductMasterNumber='M',ProductConfigurationId='',ProductSizeId='L',"
    "ProductColorId='{}',ProductStyleId='',ProductVersionId='')?cross-company=true"
)
PRINTABLE = [chr(code) for code in range(33, 127)]


def opened(app: str, store: Store, portal: BlockingPortal, **switches: Any) -> AbstractContextManager[Client]:
    return (sales_client if app == "sales" else finops_client)(store, portal, **switches)


class Rows:
    """Rows of one set with a text key, in each system's words: accounts in Sales, customer groups in F&O."""

    def __init__(self, client: Client) -> None:
        self.client, self.app = client, client.connection.app
        self.entity_set = "accounts" if self.app == "sales" else "CustomerGroups"
        self.key, self.text = ("accountnumber", "name") if self.app == "sales" else ("CustomerGroupId", "Description")
        self.company = {} if self.app == "sales" else {"dataAreaId": "usmf"}
        if self.app == "finops":
            client.write([Write("create", "LegalEntities", None, {"LegalEntityId": "usmf"})])

    def at(self, key: object) -> dict[str, object]:
        return {**self.company, self.key: key}

    def create(self, *keys: str) -> list[WriteResult]:
        return self.client.write(
            [Write("create", self.entity_set, None, {**self.at(key), self.text: "new"}) for key in keys]
        )

    def update(self, key: object, text: object = "changed") -> Write:
        return Write("update", self.entity_set, self.at(key), {self.text: text})

    def table(self, *keys: str | None, **columns: list[Any]) -> pa.Table:
        company = {name: [value] * len(keys) for name, value in self.company.items()}
        return pa.table({**company, self.key: pa.array(keys, pa.string()), **columns})

    def there(self) -> dict[str, str]:
        pages = self.client.read(Query(self.entity_set, (self.key, self.text)))
        return {row[self.key]: row[self.text] for page in pages for row in page.table.to_pylist()}


@pytest.fixture(params=["sales", "finops"])
def app(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- empty parts -----------------------------------------------------------------------------------------------------


def test_an_empty_part_of_a_key_is_a_value_like_any_other(finops: httpx.Client) -> None:
    assert finops.post("LegalEntities", json={"LegalEntityId": "usmf"}).status_code == 201
    assert finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductName": "Plain"}).status_code == 201
    assert finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductColorId": "Red"}).status_code == 201
    again = finops.post("ReleasedProductVariantsV2", json={**VARIANT, "ProductColorId": " ", "ProductStyleId": ""})
    assert "The record already exists." in again.json()["error"]["innererror"]["message"]
    assert finops.get(ADDRESS.format("")).json()["ProductName"] == "Plain"
    found = finops.get("ReleasedProductVariantsV2?cross-company=true&$filter=ProductColorId eq ''").json()["value"]
    assert [(row["ProductName"], row["ProductColorId"]) for row in found] == [("Plain", "")]
    assert finops.patch(ADDRESS.format(""), json={"ProductName": "Without colour"}).status_code == 204
    assert finops.get(ADDRESS.format("Red")).json()["ProductName"] == ""
    assert finops.delete(ADDRESS.format("")).status_code == 204
    assert finops.delete(ADDRESS.format("")).status_code == 400
    without = finops.post("ReleasedProductVariantsV2", json={"dataAreaId": "usmf"})
    assert "'ProductMasterNumber' must be filled in" in without.json()["error"]["innererror"]["message"]


def test_rows_with_empty_parts_are_written_and_read_by_their_key(store: Store, portal: BlockingPortal) -> None:
    entity_set = "ReleasedProductVariantsV2"
    plain, red = {**VARIANT, **EMPTY}, {**VARIANT, **EMPTY, "ProductColorId": "Red"}
    with finops_client(store, portal) as client:
        client.write([Write("create", "LegalEntities", None, {"LegalEntityId": "usmf"})])
        assert all(r.ok for r in client.write([Write("create", entity_set, None, key) for key in (plain, red)]))
        assert isinstance(client.write([Write("create", entity_set, None, plain)])[0].error, Duplicate)
        named = [Write("update", entity_set, key, {"ProductName": name}) for key, name in ((plain, "P"), (red, "R"))]
        assert all(result.ok for result in client.write(named))
        assert client.get(entity_set, plain, ["ProductName"])["ProductName"] == "P"
        assert client.get(entity_set, red, ["ProductName"])["ProductName"] == "R"
        columns = {name: pa.array([plain[name], red[name]], pa.string()) for name in plain}
        table = pa.table({**columns, "ProductName": ["P2", "R2"]})
        assert all(result.ok for result in client.write_table("update", entity_set, table, key=list(plain)))
        pages = client.read_among(Query(entity_set, ("ProductName",)), [plain, red])
        assert sorted(name for page in pages for name in page.table["ProductName"].to_pylist()) == ["P2", "R2"]
        lacking = client.write([Write("delete", entity_set, {**plain, "ProductMasterNumber": None}, {})])
        assert "has no ProductMasterNumber" in str(lacking[0].error)
        assert client.write([Write("delete", entity_set, plain, {})])[0].ok
        with pytest.raises(NotFound):
            client.get(entity_set, plain, ["ProductName"])


# -- characters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_key_encoding", ["twice", "once"])
def test_a_key_with_any_printable_character_is_changed_and_deleted_and_no_other(
    app: str, store: Store, portal: BlockingPortal, batch_key_encoding: str
) -> None:
    switches = {} if app == "sales" else {"batch_key_encoding": batch_key_encoding}
    keys = [f"K{c}{code}" for code, c in enumerate(PRINTABLE)] + ["A%2FB", "A/B", "100%", "%25", "a' or '1", "é/ß"]
    with opened(app, store, portal, **switches) as client:
        rows = Rows(client)
        assert [result.error for result in rows.create(*keys)] == [None] * len(keys)
        for key in keys:
            assert rows.client.get(rows.entity_set, rows.at(key), [rows.text])[rows.text] == "new"
        assert [r.error for r in client.write([rows.update(key, f"1 {key}") for key in keys])] == [None] * len(keys)
        assert rows.there() == {key: f"1 {key}" for key in keys}
        table = rows.table(*keys, **{rows.text: [f"2 {key}" for key in keys]})
        updated = client.write_table("update", rows.entity_set, table, key=list(rows.at("")))
        assert [result.error for result in updated] == [None] * len(keys)
        assert rows.there() == {key: f"2 {key}" for key in keys}
        single = [client.write([rows.update(key, f"3 {key}")])[0].error for key in keys]
        assert (single, rows.there()) == ([None] * len(keys), {key: f"3 {key}" for key in keys})
        gone = client.write([Write("delete", rows.entity_set, rows.at(key), {}) for key in keys[::2]])
        assert [result.error for result in gone] == [None] * len(gone)
        assert set(rows.there()) == set(keys[1::2])


def test_f_and_o_takes_a_key_encoded_twice_and_what_it_refuses_is_told_apart(finops: httpx.Client) -> None:
    finops.post("LegalEntities", json={"LegalEntityId": "usmf"})
    assert finops.post("CustomerGroups", json={"dataAreaId": "usmf", "CustomerGroupId": "A/B+1"}).status_code == 201
    address = "CustomerGroups(dataAreaId='usmf',CustomerGroupId='{}')?cross-company=true"
    for wrong in ("A%2FB%2B1", "A/B+1", "A%2FB+1", "A%252FB+1"):
        answer = finops.get(address.format(wrong))
        assert answer.status_code == 404
        assert answer.json()["MessageDetail"] == "No route data was found for this request."
        assert finops.delete(address.format(wrong)).status_code == 404
    assert finops.get(address.format("A%252FB%252B1")).status_code == 200
    for character in "<>*%&:?":
        answer = finops.get(address.format(f"x%{ord(character):02X}y"))
        assert (answer.status_code, "potentially dangerous Request.Path" in answer.text) == (400, True)


def test_upserts_in_sales_find_the_row_or_make_it_whatever_its_key(store: Store, portal: BlockingPortal) -> None:
    keys = [f"K{c}{code}" for code, c in enumerate(PRINTABLE)]
    with sales_client(store, portal) as client:
        rows = Rows(client)
        rows.create(*keys[::3])
        before = store_ids(client, keys)
        upserts = [Write("upsert", "accounts", {"accountnumber": key}, {"name": f"1 {key}"}) for key in keys]
        assert [result.error for result in client.write(upserts)] == [None] * len(keys)
        assert rows.there() == {key: f"1 {key}" for key in keys}
        table = pa.table({"accountnumber": [*keys, "N/1"], "name": [f"2 {key}" for key in keys] + ["2 N/1"]})
        results = client.write_table("upsert", "accounts", table, key=["accountnumber"])
        assert [result.error for result in results] == [None] * (len(keys) + 1)
        assert rows.there() == {key: f"2 {key}" for key in [*keys, "N/1"]}
        assert before.items() <= store_ids(client, keys).items()
        with pytest.raises(FrameError, match="comes twice"):
            client.write([Write("upsert", "accounts", {"accountnumber": key}, {}) for key in ("M/2", "m/2")])


def store_ids(client: Client, keys: list[str]) -> dict[str, str]:
    pages = client.read_among(Query("accounts", ("accountnumber",)), [{"accountnumber": key} for key in keys])
    return {row["accountnumber"]: row["@id"] for page in pages for row in page.table.to_pylist()}


def test_ids_for_odd_keys_are_looked_up_together(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        rows = Rows(client)
        keys = [f"K/{n}" for n in range(400)]
        rows.create(*keys)
        client.write([rows.update("K/0")])
        before = client.sender.requests
        assert all(result.ok for result in client.write([rows.update(key) for key in keys]))
        assert client.sender.requests - before < 10


# -- one that cannot be sent stops no other --------------------------------------------------------------------------


def test_a_write_that_no_request_can_carry_ends_by_itself(app: str, store: Store, portal: BlockingPortal) -> None:
    with opened(app, store, portal) as client:
        rows = Rows(client)
        rows.create("A", "B", "C/1")
        half = "\ud83d"
        bad: list[tuple[Write, str]] = [
            (rows.update(None), f"has no {rows.key}"),
            (rows.update("  "), f"has no {rows.key}"),
            (Write("update", rows.entity_set, None, {rows.text: "x"}), "has no key"),
            (Write("delete", rows.entity_set, {}, {}), "has no key"),
            (rows.update("A", half), "half a character"),
            (rows.update("A", object()), "cannot be written"),
            (Write("create", rows.entity_set, None, {**rows.at("N"), rows.text: half}), "half a character"),
        ]
        if app == "sales":
            bad.append((Write("update", "accounts", rows.at("A"), {"creditlimit": float("nan")}), "no number"))
            bad.append((Write("delete", "accounts", rows.at("gone/1"), {}), "no row has this key"))
            bad.append((Write("update", "accounts", rows.at("gone/2"), {"name": "x"}), "no row has this key"))
        else:
            bad.append((rows.update("tab\there"), "control character"))
            bad.append((rows.update("half " + half), "half a character"))
        good = [rows.update("C/1"), rows.update("B")]
        results = client.write([good[0], *(write for write, _ in bad), good[1]])
        assert [result.error for result in (results[0], results[-1])] == [None, None]
        for (_, why), result in zip(bad, results[1:-1], strict=True):
            assert why in str(result.error)
            assert rows.entity_set in str(result.error)
            assert isinstance(result.error, Unsendable | NotFound)
            assert not result.error.can_retry
        assert rows.there() == {"A": "new", "B": "changed", "C/1": "changed"}


def test_rows_of_a_table_that_no_request_can_carry_end_by_themselves(
    app: str, store: Store, portal: BlockingPortal
) -> None:
    with opened(app, store, portal) as client:
        rows = Rows(client)
        rows.create("A", "B", "C/1")
        number = "creditlimit" if app == "sales" else None
        text = ["x", "y", "z", "w", "v"]
        table = rows.table("A", None, "C/1", " ", "B", **{rows.text: text})
        if number:
            table = table.append_column(number, pa.array([1.0, 2.0, 3.0, 4.0, float("inf")]))
        told: list[tuple[int, int]] = []
        results = client.write_table(
            "update",
            rows.entity_set,
            table,
            key=list(rows.at("")),
            progress=lambda done, all_: told.append((done, all_)),
        )
        ok = [True, False, True, False, not number]
        assert [result.ok for result in results] == ok
        assert {type(result.error) for result in results if not result.ok} == {Unsendable}
        assert rows.there() == {"A": "x", "C/1": "z", "B": "new" if number else "v"}
        assert told[-1] == (5, 5)
        bell = rows.table("A", "B", **{rows.text: ["fine", "bell\x07"]})
        results = client.write_table("update", rows.entity_set, bell, key=list(rows.at("")))
        assert [result.ok for result in results] == [True, False]
        assert "a control character (U+0007)" in str(results[1].error)


def test_a_change_set_with_a_write_that_cannot_be_sent_is_not_sent(store: Store, portal: BlockingPortal) -> None:
    with finops_client(store, portal) as client:
        rows = Rows(client)
        rows.create("A", "B")
        results = client.write([rows.update("A"), rows.update(None), rows.update("B")], together=True)
        assert [type(result.error) for result in results] == [Unsendable] * 3
        assert rows.there() == {"A": "new", "B": "new"}


def test_lookups_that_cannot_be_bound_end_by_themselves(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        (account,) = client.write([Write("create", "accounts", None, {"accountnumber": "A", "name": "A"})])
        ids = [r.row_id for r in client.write([Write("create", "contacts", None, {"lastname": n}) for n in "ab"])]
        paths = [f"/accounts({account.row_id})", f"/uoms({account.row_id})"]
        writes = [
            Write("update", "contacts", {"contactid": one}, {"parentcustomerid": path})
            for one, path in zip(ids, paths, strict=True)
        ]
        table = pa.table({"contactid": ids, "parentcustomerid": paths})
        for results in (client.write(writes), client.write_table("update", "contacts", table, key=["contactid"])):
            assert [result.ok for result in results] == [True, False]
            assert "cannot point to /uoms" in str(results[1].error)


def test_new_rows_that_leave_a_part_of_their_key_to_the_service_are_not_one_row(
    store: Store, portal: BlockingPortal
) -> None:
    with finops_client(store, portal) as client:
        client.write([Write("create", "LegalEntities", None, {"LegalEntityId": "usmf"})])
        results = client.write([Write("create", "ReleasedProductVariantsV2", None, dict(VARIANT)) for _ in range(2)])
        assert [type(result.error) for result in results] == [type(None), Duplicate]


def test_what_is_wrong_with_every_row_is_raised_before_anything_is_sent(
    app: str, store: Store, portal: BlockingPortal
) -> None:
    with opened(app, store, portal) as client:
        rows = Rows(client)
        rows.create("A")
        good = rows.update("A")
        for bad in (
            Write("update", rows.entity_set, rows.at("A"), {"nosuchcolumn": 1}),
            Write("delete", rows.entity_set, {"nosuchkey": 1}, {}),
        ):
            with pytest.raises(UnknownName):
                client.write([good, bad])
        with pytest.raises(FrameError, match="comes twice"):
            client.write([good, rows.update("a")])
        if app == "finops":
            with pytest.raises(FrameError, match="cannot upsert"):
                client.write([good, Write("upsert", rows.entity_set, rows.at("A"), {})])
        assert rows.there() == {"A": "new"}


def unsent(results: list[WriteResult], bad: int) -> None:
    """The first write is done, each other ends by itself and was never sent."""
    assert [result.ok for result in results] == [True] + [False] * bad
    assert {(type(result.error), result.status) for result in results[1:]} == {(Unsendable, 0)}


BEFORE, AFTER = timezone(timedelta(hours=2)), timezone(timedelta(hours=-2))
BEYOND = [datetime.min.replace(tzinfo=BEFORE), datetime.max.replace(tzinfo=AFTER)]


@pytest.mark.parametrize("value", [*BEYOND, 10**5000, -(10**5000)], ids=["early", "late", "great", "small"])
def test_a_value_that_has_no_text_ends_by_itself(app: str, value: object, store: Store, portal: BlockingPortal) -> None:
    with opened(app, store, portal) as client:
        rows = Rows(client)
        rows.create("A", "B")
        bad = Write("update", rows.entity_set, rows.at("B"), {rows.text: value})
        unsent(client.write([rows.update("A"), bad]), 1)


def test_a_key_that_cannot_be_asked_for_ends_by_itself(store: Store, portal: BlockingPortal) -> None:
    """Keys with a ``/`` are looked up by filter; what is wrong with one of them is told of it alone."""
    with sales_client(store, portal) as client:
        rows = Rows(client)
        rows.create("A/1")
        for op in ("update", "upsert", "delete"):
            good = rows.update("A/1", op)
            keys: list[dict[str, object]] = [
                {"accountnumber": "A/\ud800"},
                {"name": "x/y", "createdon": "no day"},
                {"name": "x/y", "createdon": BEYOND[0]},
                {"name": "x/y", "createdon": "0001-01-01T00:00:00+02:00"},
                {"name": "x/y", "numberofemployees": "abc"},
                {"name": "x/y", "numberofemployees": 10**5000},
            ]
            unsent(client.write([good, *(Write(op, "accounts", key, {}) for key in keys)]), len(keys))  # type: ignore[arg-type]
            assert rows.there() == {"A/1": op}


def test_a_key_too_long_to_be_asked_for_leaves_the_others_be(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        rows = Rows(client)
        rows.create("A/1", "A/2")
        long = "é/" * 20_000
        writes = [rows.update("A/1"), rows.update(long), rows.update("A/2")]
        table = rows.table("A/1", long, "A/2", name=["t"] * 3)
        for results in (client.write(writes), client.write_table("update", "accounts", table, key=[rows.key])):
            assert [result.ok for result in results] == [True, False, True]
            assert isinstance(results[1].error, UrlTooLong)
            assert "nothing was sent" in results[1].error.message
            assert "by its id" in str(results[1].error.hint)
        assert rows.there() == {"A/1": "t", "A/2": "t"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Unsendable), (403, Unsendable), (404, Unsendable), (414, UrlTooLong), (500, NotSent), (503, NotSent)],
)
@pytest.mark.parametrize("op", ["update", "upsert", "delete"])
def test_a_row_that_cannot_be_looked_up_is_told_for_good_where_asking_again_does_not_help(
    store: Store, portal: BlockingPortal, op: Operation, status: int, kind: type
) -> None:
    def between(request: httpx.Request) -> httpx.Response | None:
        said = {"error": {"code": "0x80040203" if status < 500 else "0x80044150", "message": "No."}}
        return httpx.Response(status, json=said) if "/accounts?" in str(request.url) else None

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between) as (client, transport):
        (result,) = client.write([Write(op, "accounts", {"accountnumber": "A/1"}, {"name": "x"})])
        assert type(result.error) is kind
        assert "accountnumber=A/1" in result.error.message
        assert "nothing was sent" in result.error.message
        assert {one.method for one in transport.asked if "oauth2" not in one.url.path} == {"GET"}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, -(10**6), 2**31 - 1], pa.date32()),
        pa.array([0, 2**62, -(2**62)], pa.timestamp("us")),
        pa.array([0, 2**62, -(2**62)], pa.timestamp("s", "UTC")),
        pa.array([0, 2**62, -(2**62)], pa.timestamp("ms")),
    ],
)
def test_days_of_no_year_end_by_themselves(app: str, column: pa.Array, store: Store, portal: BlockingPortal) -> None:
    with opened(app, store, portal) as client:
        schema = client.schema("salesorders" if app == "sales" else "CDSSalesQuotationHeaders")
        name = next(c.name for c in schema.columns.values() if c.edm == "Edm.DateTimeOffset" or c.is_day)
        text = next(n for n in schema.key if n != "dataAreaId")
        company = {} if app == "sales" else {"dataAreaId": ["usmf"] * 3}
        keys = [f"{n}1111111-1111-1111-1111-111111111111" for n in "123"]
        table = pa.table({**company, text: keys, name: column})
        key = [*company, text]
        results = client.write_table("update", schema.entity_set, table, key=key)
        assert [type(r.error) for r in results[1:]] == [Unsendable] * 2
        assert not isinstance(results[0].error, Unsendable)  # it was sent; there is no such row


# -- 404 is not 404 --------------------------------------------------------------------------------------------------

ROUTER = json.dumps(
    {
        "Message": "No HTTP resource was found that matches the request URI 'x'.",
        "MessageDetail": "No route data was found for this request.",
    }
).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, ROUTER, NoRoute),
        (404, b"<html>Not found</html>", NoRoute),
        (404, b"", NoRoute),
        (404, b'{"error":{"code":"0x8006088a","message":"Resource not found for the segment \'x\'."}}', NoRoute),
        (404, b'{"error":{"code":"0x80040217","message":"account With Id = x Does Not Exist"}}', NotFound),
        (404, b'{"error":{"code":"","message":"account With Id = x Does Not Exist"}}', NotFound),
        (404, b'{"error":{"code":"","message":"No row has the key."}}', NoRoute),
        (404, b"<h2>HTTP Error 404.15</h2> deny a request where the query string is too long.", UrlTooLong),
        (414, b"", UrlTooLong),
        (400, b"<h2>Bad Request - Request Too Long</h2>", UrlTooLong),
        (400, b"<h2>Bad Request - Invalid URL</h2><p>HTTP Error 400. The request URL is invalid.</p>", UrlTooLong),
        (502, b"<title>URI Too Large</title>", UrlTooLong),
        (503, b"The request-URI too long", UrlTooLong),
        (503, b"<title>Service Unavailable</title> A URL may have been moved too long ago.", Unreachable),
        (503, b'{"error":{"code":"0x1","message":"URL too long"}}', Unreachable),
        (400, b'{"error":{"code":"0x1","message":"websiteurl: invalid url"}}', Rejected),
    ],
)
def test_a_row_is_gone_only_where_the_service_says_so(status: int, body: bytes, kind: type) -> None:
    error = failure(status, {}, body, "x")
    assert type(error) is kind
    assert kind in {NotFound, Rejected} or error.hint
    assert kind is not UrlTooLong or not is_transient(status, body)


def test_a_short_address_that_is_called_invalid_is_not_too_long() -> None:
    page = b"<h2>Bad Request - Invalid URL</h2>"
    assert [type(failure(400, {}, page, "x", length=length)) for length in (200, 300)] == [Rejected, UrlTooLong]


def test_a_gateway_that_takes_no_long_address_is_not_asked_again() -> None:
    """A read whose address is too long ends at once."""
    asked: list[int] = []

    def say(_method: str, path: str) -> Said | None:
        if len(path) < 900:
            return None
        asked.append(len(path))
        return 503, {}, b"<html><title>503</title>URI Too Large</html>"

    with things(say, QUICK) as client, pytest.raises(UrlTooLong):
        list(client.read(Query("things", ("name",), filter=f"name eq '{'x' * 1_000}'")))
    assert len(asked) == 1


@pytest.mark.parametrize(("body", "done"), [(ROUTER, False), (b"", False), (None, True)])
def test_a_delete_whose_answer_was_lost_is_done_only_if_the_row_is_gone(body: bytes | None, *, done: bool) -> None:
    """The first try is answered by 502, so it may have been carried out; the second by 404 of one kind or another."""
    deletes: list[str] = []
    gone = b'{"error":{"code":"0x80040217","message":"thing With Id = x Does Not Exist"}}'

    def say(method: str, path: str) -> Said | None:
        if method != "DELETE":
            return None
        deletes.append(path)
        return (502, {}, b"") if len(deletes) == 1 else (404, JSON, gone if body is None else body)

    with things(say, QUICK) as client:
        (result,) = client.write([Write("delete", "things", {"thingid": "a"}, {})])
    assert (len(deletes), result.ok) == (2, done)
    assert done or isinstance(result.error, Unreachable)  # no word of a row, and none can be read there


# -- what is asked by value ------------------------------------------------------------------------------------------

TEXTS = st.text(alphabet="ab*1 _%[]", min_size=1, max_size=4).map(str.rstrip).filter(bool)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=st.lists(TEXTS, unique_by=lambda text: text.lower(), max_size=12), asked=st.lists(TEXTS, max_size=12))
def test_only_rows_that_were_asked_for_come_and_each_once(
    finops_rows: Rows, there: list[str], asked: list[str]
) -> None:
    """The oracle compares without case and outer blanks, in Python's own words."""
    rows = finops_rows
    rows.client.write([Write("delete", rows.entity_set, rows.at(key), {}) for key in rows.there()])
    assert all(result.ok for result in rows.create(*there))
    keys = [rows.at(key) for key in asked]
    pages = rows.client.read_among(Query(rows.entity_set, (rows.key,)), keys)
    found = sorted(key for page in pages for key in page.table[rows.key].to_pylist())
    wanted = {text.strip().lower() for text in asked}
    assert found == sorted(text for text in there if text.strip().lower() in wanted)


@pytest.fixture
def finops_rows(store: Store, portal: BlockingPortal) -> Any:
    with finops_client(store, portal) as client:
        yield Rows(client)


def test_a_star_in_a_key_brings_its_own_row_alone(store: Store, portal: BlockingPortal) -> None:
    with finops_client(store, portal) as client:
        rows = Rows(client)
        keys = ["K*", "K*1", *(f"K{n:03}" for n in range(300))]
        rows.create(*keys)
        assert client.get("CustomerGroups", rows.at("K*"), ["CustomerGroupId"])["CustomerGroupId"] == "K*"
        pages = client.read_among(Query("CustomerGroups", ("CustomerGroupId",)), [rows.at(key) for key in keys])
        assert sorted(key for page in pages for key in page.table["CustomerGroupId"].to_pylist()) == sorted(keys)
        with pytest.raises(NotFound, match="0 rows"):
            client.get("CustomerGroups", rows.at("*"), ["CustomerGroupId"])


def test_filters_are_as_long_as_an_address_may_be_and_no_longer(app: str, store: Store, portal: BlockingPortal) -> None:
    with opened(app, store, portal) as client:
        rows = Rows(client)
        long = [f"{'ä' * 6}{n:04}" for n in range(900)]
        plain = [f"P{n:05}" for n in range(900)]
        rows.create(*long, *plain)
        query = Query(rows.entity_set, tuple(client.schema(rows.entity_set).columns)[:30])
        for keys in (long, plain, long + plain):
            asked = client.asked(query, [rows.at(key) for key in keys])
            urls = [client.describe(one.query(query)) for one in asked]
            assert max(map(len, urls)) <= client.dialect.longest_url
            pages = client.read_among(query, [rows.at(key) for key in keys])
            assert sum(page.table.num_rows for page in pages) == len(keys)
        few, many = (len(client.asked(query, [rows.at(key) for key in keys])) for keys in (plain, long))
        assert few < many
        with pytest.raises(UrlTooLong):
            list(client.read(Query(rows.entity_set, (rows.key,), filter=f"{rows.key} eq '{'x' * 40_000}'")))
        with pytest.raises(UrlTooLong, match="characters"):
            list(client.read(Query(rows.entity_set, (rows.key,), filter=f"{rows.key} eq '{'x' * 70_000}'")))


def test_no_filter_spells_out_more_comparisons_than_a_service_takes(store: Store, portal: BlockingPortal) -> None:
    with finops_client(store, portal) as client:
        schema = client.schema("Currencies")
    asked = among(schema, [{"CurrencyCode": f"K{n}"} for n in range(2 * SPELLED + 1)], 1_000_000)
    assert [one.filter.count(" eq ") for one in asked] == [SPELLED, SPELLED, 1]


def test_every_spelling_of_a_business_key_is_resolved(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        made = client.write(
            [Write("create", "transactioncurrencies", None, {"isocurrencycode": c, "currencyname": c}) for c in "AB"]
        )
        paths = {c: f"/transactioncurrencies({r.row_id})" for c, r in zip("AB", made, strict=True)}
        column = "isocurrencycode"
        found = client.resolve("accounts", "transactioncurrencyid", column, ["a", "A", "A ", "Á", "b", "c"])
        assert found == {"a": paths["A"], "A": paths["A"], "A ": paths["A"], "Á": paths["A"], "b": paths["B"]}


def test_the_alphabet_of_these_tests_is_whole() -> None:
    assert set(PRINTABLE) | {" "} == set(string.printable) - set("\t\n\r\x0b\x0c")


@pytest.mark.parametrize(("number", "named"), [("G", True), ("", False), (" ", False), (None, False)])
def test_a_new_row_with_an_empty_number_names_no_row(
    number: str | None, store: Store, portal: BlockingPortal, *, named: bool
) -> None:
    """A number sequence fills it in, so sending it twice could make two rows."""
    with finops_client(store, portal) as client:
        rows = Rows(client)
        create = Write("create", rows.entity_set, None, rows.at(number))
        table = client._preparer.table("create", rows.entity_set, rows.table(number), ())
        assert [run.repeatable for run in client._preparer.writes([create]).runs] == [named]
        assert [run.repeatable for run in table.runs] == [named]
