"""Texts that are not well-formed in keys and in changes: every row is read, told of, and never taken for another."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import FrameError, Unsendable
from p2c_lib.frames import EntityQuery
from p2c_lib.marks import Mark, delta_of
from p2c_lib.marks.mark import SEEN
from p2c_lib.odata import Client, Query, Write
from p2c_lib.odata.notes import Note
from p2c_lib.odata.snapshot import gather, gather_only
from p2c_lib.reconcile import reconcile
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from p2c_lib.session import _Once
from tests.between import wired
from tests.conftest import TOKEN, AppTransport
from tests.test_keys_pairing import frame, template
from tests.wired import finops_client, sales_client

COLUMNS = ("dataAreaId", "CustomerAccount", "OrganizationName")
RAW, ESCAPED = b"C\xfc", rb"C\udcfc"
BAD = [b"C\xfc", b"C\xe4", rb"C\ud83d", rb"C\ud83e", b"C\xef\xbf\xbd", rb"C\ufffd"]
G = "00000000-0000-0000-0000-00000000000"


def _customers(keys: list[bytes], link: bytes = b"") -> bytes:
    rows = [
        b'{"@odata.etag":"W/1","dataAreaId":"usmf","CustomerAccount":"%b","OrganizationName":"ok"}' % key
        for key in keys
    ]
    return b'{"@odata.count":%d,"value":[%b]%b}' % (len(keys), b",".join(rows), link)


class Pages:
    """Answers to reads of customers: page after page of these keys, counted as a whole, whatever is asked."""

    def __init__(self, *pages: list[bytes]) -> None:
        self.pages, self.at = pages, 0

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or "/CustomersV2" not in str(request.url) or "metadata" in str(request.url):
            return None
        if "$count" in str(request.url.path):
            return httpx.Response(200, content=str(sum(map(len, self.pages))).encode())
        page, self.at = self.pages[self.at % len(self.pages)], self.at + 1
        link = b',"@odata.nextLink":"http://finops.test/data/CustomersV2?$skip=%d"' % self.at
        return httpx.Response(200, content=_customers(page, link if self.at < len(self.pages) else b""))


@pytest.mark.parametrize("keys", [BAD[:2], BAD[2:4], [BAD[2], BAD[4]], [b"A", BAD[0], b"D"], [BAD[0], BAD[2], BAD[4]]])
def test_rows_whose_keys_read_alike_are_all_read_and_told_of(
    keys: list[bytes], store: Store, portal: BlockingPortal
) -> None:
    app = finops_app(store, Tokens(TOKEN), Switches())
    with wired(app, portal, "finops", Pages(keys)) as (client, _):
        found = gather(client, Query("CustomersV2", COLUMNS))
    odd = [key for key in keys if key in BAD]
    assert found.table.column("CustomerAccount").to_pylist() == ["C\ufffd" if k in BAD else k.decode() for k in keys]
    assert found.table.column_names == [*COLUMNS, "@etag"]
    bad = sum(key not in BAD[4:] for key in odd)
    assert found.notes == (Note("CustomerAccount", "replaced", bad, "C\ufffd"),)
    row = next(n for n, key in enumerate(keys, 1) if key in BAD[:4])
    assert f"(row {row} of the page, dataAreaId usmf, CustomerAccount C\ufffd)" in str(found.notes[0])


@pytest.mark.parametrize(
    "pages",
    [[[RAW, ESCAPED]], [[b"A", RAW], [ESCAPED, b"D"]], [[ESCAPED, RAW, RAW[:-1] + b"\xfd"]]],
)
@pytest.mark.parametrize("orderby", [(), ("OrganizationName",)])
def test_a_byte_and_an_escape_that_read_as_one_code_are_two_keys(
    pages: list[list[bytes]], orderby: tuple[str, ...], store: Store, portal: BlockingPortal
) -> None:
    keys = [key for page in pages for key in page]
    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", Pages(*pages)) as (client, _):
        found = gather(client, Query("CustomersV2", COLUMNS, orderby=orderby))
    odd = sum(not key.isalpha() for key in keys)
    assert found.table.num_rows == len(keys)
    assert found.table.column("CustomerAccount").to_pylist().count("C\ufffd") == odd
    assert _counted(found.notes) == odd


def test_pages_that_end_and_begin_with_such_keys_lose_none(store: Store, portal: BlockingPortal) -> None:
    app = finops_app(store, Tokens(TOKEN), Switches())
    pages = Pages([b"A", BAD[0]], [BAD[1], b"B"], [BAD[2], b"D"], [BAD[3], b"E"])
    with wired(app, portal, "finops", pages) as (client, _):
        found = gather(client, Query("CustomersV2", COLUMNS))
    wanted = ["A", "C\ufffd", "C\ufffd", "B", "C\ufffd", "D", "C\ufffd", "E"]
    assert found.table.column("CustomerAccount").to_pylist() == wanted
    assert found.notes == (Note("CustomerAccount", "replaced", 4, "C\ufffd"),)


class Skipping:
    """Customers in their order, two a page, behind a key that a filter names and from ``$skip`` on."""

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or "/CustomersV2" not in str(request.url) or "metadata" in str(request.url):
            return None
        if "$count" in str(request.url.path):
            return httpx.Response(200, content=str(len(self.keys)).encode())
        behind = re.findall(r"CustomerAccount gt '(.)'", request.url.params.get("$filter", ""))
        first = self.keys.index(behind[-1].encode()) + 1 if behind else 0
        at = first + int(request.url.params.get("$skip", 0))
        link = b',"@odata.nextLink":"http://finops.test/data/CustomersV2?$skip=%d"' % (at + 2)
        body = _customers(self.keys[at : at + 2], link if at + 2 < len(self.keys) else b"")
        count = b'"@odata.count":%d' % len(self.keys)
        return httpx.Response(200, content=re.sub(rb'"@odata.count":\d+', count, body))


@pytest.mark.parametrize(
    "keys", [BAD[:4], [*BAD, b"D"], [b"A", b"B", *BAD[:5]], [b"A", b"B", b"C", *BAD[:4], b"E", b"F"]]
)
def test_pages_of_nothing_but_such_keys_are_read_too(keys: list[bytes], store: Store, portal: BlockingPortal) -> None:
    app = finops_app(store, Tokens(TOKEN), Switches())
    distinct = list(dict.fromkeys(key.replace(b"\xef\xbf\xbd", rb"\ufffd") for key in keys))
    with wired(app, portal, "finops", Skipping(distinct)) as (client, _):
        found = gather(client, Query("CustomersV2", COLUMNS))
    assert found.table.column("CustomerAccount").to_pylist() == [
        "C\ufffd" if key in BAD else key.decode() for key in distinct
    ]
    assert _counted(found.notes) == sum(key in BAD[:4] for key in distinct)


def _counted(notes: Sequence[Note]) -> int:
    """How many keys the notes tell of that were no text."""
    return sum(note.count for note in notes if (note.column, note.what) == ("CustomerAccount", "replaced"))


class Topped(Skipping):
    """The same with ``$top``, five a page: what it cuts off has no further page."""

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        answer = super().__call__(request)
        if answer is None or "$count" in str(request.url.path):
            return answer
        behind = re.findall(r"CustomerAccount gt '(.)'", request.url.params.get("$filter", ""))
        at = self.keys.index(behind[-1].encode()) + 1 if behind else 0
        at += int(request.url.params.get("$skip", 0))
        size = min(5, int(request.url.params.get("$top", 5)))
        more = size == 5 and at + 5 < len(self.keys)
        link = b',"@odata.nextLink":"http://finops.test/data/CustomersV2?$skip=%d"' % (at + 5)
        return httpx.Response(200, content=_customers(self.keys[at : at + size], link if more else b""))


@pytest.mark.parametrize("top", range(1, 24))
def test_the_first_rows_are_as_many_as_were_asked_for(top: int, store: Store, portal: BlockingPortal) -> None:
    # Those behind the last key that is a text come again, and fill what is left to be asked for.
    keys = [*(b"%c" % code for code in range(65, 69)), BAD[0], b"E", b"F", b"G", BAD[1], BAD[2]]
    keys += [*(b"%c" % code for code in range(72, 76)), BAD[3], b"L", *(b"%c" % code for code in range(77, 85))]
    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", Topped(keys)) as (client, _):
        found = gather(client, Query("CustomersV2", COLUMNS, top=top))
    shown = ["C\ufffd" if key in BAD else key.decode() for key in keys]
    assert found.table.column("CustomerAccount").to_pylist() == shown[:top]
    assert _counted(found.notes) == shown[:top].count("C\ufffd")


def test_a_value_is_never_looked_up_under_a_key_that_nobody_knows(store: Store, portal: BlockingPortal) -> None:
    def between(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or not re.search(r"/accounts\?", str(request.url)):
            return None
        return httpx.Response(200, content=b'{"@odata.count":1,"value":[%b]}' % _account(2, BAD[0]))

    with wired(_sales(store), portal, "sales", between) as (client, _):
        assert client.resolve("contacts", "parentcustomerid.account", "accountnumber", ["C\ufffd"]) == {}


@pytest.mark.parametrize("side", ["expected", "actual"])
def test_a_key_that_nobody_knows_pairs_with_none_and_is_never_written(side: str) -> None:
    rules: Any = SimpleNamespace(task="t", sha="s", compare=template("sales").compare, rule=lambda _: None)
    rows = {"productnumber": ["A", "C\ufffd"], "name": ["1", "2"]}
    key = ("productnumber",)
    expected, actual = frame(rows, key, "finops"), frame(rows | {"name": ["1", "9"]}, key, "sales")
    assert reconcile(expected, actual, rules).summary["changed"] == 1  # a text that truly holds U+FFFD is a key
    told = (Note("productnumber", "replaced", 1, "C\ufffd"),)
    if side == "expected":
        expected = replace(expected, origin=replace(expected.origin, changed=told))
    else:
        actual = replace(actual, origin=replace(actual.origin, changed=told))
    found = reconcile(expected, actual, rules)
    assert dict(found.summary) == {"equal": 1, "changed": 0, "missing": 0, "extra": 0, "duplicate": 0, "invalid": 2}


def _account(number: int, name: bytes) -> bytes:
    return b'{"@odata.etag":"W/%d","accountid":"%b","accountnumber":"%b","name":"n"}' % (
        number,
        f"{G}{number}".encode(),
        name,
    )


class Changed:
    """Two pages of changes, the second with what is no text, then a token."""

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        url = str(request.url)
        if request.method != "GET" or not re.search(r"/accounts\?", url):
            return None
        if "skiptoken" in url:
            more = b'"@odata.deltaLink":"http://sales.test/api/data/v9.2/accounts?$deltatoken=2"'
            return httpx.Response(
                200, content=b'{"value":[%b,%b],%b}' % (_account(2, BAD[0]), _account(3, BAD[2]), more)
            )
        more = b'"@odata.nextLink":"http://sales.test/api/data/v9.2/accounts?$skiptoken=1"'
        return httpx.Response(200, content=b'{"value":[%b],%b}' % (_account(1, b"ok"), more))


def _sales(store: Store) -> Any:
    return sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))


SINCE = "http://sales.test/api/data/v9.2/accounts?$deltatoken=1"


def test_changes_tell_what_could_not_be_kept_on_whichever_page(store: Store, portal: BlockingPortal) -> None:
    with wired(_sales(store), portal, "sales", Changed()) as (client, _):
        for since in (None, SINCE):
            told = client.changes("accounts", ("accountnumber", "name"), since=since)
            assert told.table.column("accountnumber").to_pylist() == ["ok", "C\ufffd", "C\ufffd"]
            assert told.notes == (Note("accountnumber", "replaced", 2, "C\ufffd"),)
            assert told.table.column_names == ["accountnumber", "name", "@etag", "@id"]


class ChangedAgain:
    """Two pages of changes: a row that is told again, one that is deleted after it was told, and one of its own."""

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        url = str(request.url)
        if request.method != "GET" or not re.search(r"/accounts\?", url):
            return None
        bad = b"%b,%b,%b" % tuple(_account(number, BAD[0]) for number in (1, 2, 3))
        if "skiptoken" in url:
            gone = b'{"@odata.context":"x/$deletedEntity","id":"%b","reason":"deleted"}' % f"{G}2".encode()
            more = b'"@odata.deltaLink":"http://sales.test/api/data/v9.2/accounts?$deltatoken=2"'
            return httpx.Response(200, content=b'{"value":[%b,%b],%b}' % (_account(1, BAD[0]), gone, more))
        more = b'"@odata.nextLink":"http://sales.test/api/data/v9.2/accounts?$skiptoken=1"'
        return httpx.Response(200, content=b'{"value":[%b],%b}' % (bad, more))


def test_what_is_told_twice_is_noted_once(store: Store, portal: BlockingPortal) -> None:
    with wired(_sales(store), portal, "sales", ChangedAgain()) as (client, _):
        told = client.changes("accounts", ("accountnumber", "name"), since=SINCE)
    assert sorted(told.table.column("@id").to_pylist()) == [f"{G}1", f"{G}3"]
    assert told.deleted == (f"{G}2",)
    assert told.notes == (Note("accountnumber", "replaced", 2, "C\ufffd"),)
    assert told.table.column_names == ["accountnumber", "name", "@etag", "@id"]


@pytest.mark.parametrize("way", ["pages", "frame"])
def test_rows_that_nobody_asked_for_are_not_noted(way: str, store: Store, portal: BlockingPortal) -> None:
    odd = Decimal("0.12345678901234567")
    row = b'{"@odata.etag":"W/1","dataAreaId":"usmf","CustomerAccount":"%b","CreditLimit":%b}'

    def between(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or not re.search(r"/CustomersV2\?", str(request.url)):
            return None
        rows = b",".join(row % (key, str(odd).encode()) for key in (b"A*", b"AB", b"AC"))
        return httpx.Response(200, content=b'{"@odata.count":3,"value":[%b]}' % rows)

    columns = ("dataAreaId", "CustomerAccount", "CreditLimit")
    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", between) as (client, _):
        asked = client.asked(Query("CustomersV2", columns), [{"CustomerAccount": "A*"}])
        if way == "pages":
            notes = [
                note
                for page in client.read_among(Query("CustomersV2", columns), [{"CustomerAccount": "A*"}])
                for note in page.notes
            ]
        else:
            notes = [
                *gather_only(
                    client, asked[0].query(Query("CustomersV2", columns)), partial(_Once().kept, asked[0])
                ).notes
            ]
    assert [(note.column, note.what, note.count) for note in notes] == [("CreditLimit", "rounded", 1)]


def test_changes_by_a_date_tell_it_too(store: Store, portal: BlockingPortal) -> None:
    app = finops_app(store, Tokens(TOKEN), Switches())
    with wired(app, portal, "finops", Pages([b"A", BAD[0], BAD[1]])) as (client, _):
        told = client.changes("CustomersV2", COLUMNS)
    assert told.notes == (Note("CustomerAccount", "replaced", 2, "C\ufffd"),)


def test_a_changed_row_whose_key_nobody_knows_is_asked_for_by_its_id(store: Store, portal: BlockingPortal) -> None:
    query = EntityQuery("sales", "accounts", ("accountnumber", "name"), ("accountnumber",))
    mark = Mark("2026-01-01T00:00:00Z", {"": SINCE}, SEEN.empty_table(), {})

    def session(client: Client) -> Any:
        return SimpleNamespace(client=lambda _app: client, company=None)

    with wired(_sales(store), portal, "sales", Changed()) as (client, _):
        delta = delta_of(session(client), query, mark, "")
        schema = client.schema("accounts")
    assert delta.keys(schema) == [{"accountnumber": "ok"}, {"accountid": f"{G}2"}, {"accountid": f"{G}3"}]
    assert delta.notes == (Note("accountnumber", "replaced", 2, "C\ufffd"),)
    assert pa.types.is_string(delta.rows.schema.field("twin").type)


ODD = ["\x1f", "\t", "\x1c"]


@pytest.mark.parametrize(
    ("op", "key"), [(op, key) for op in ("create", "update", "delete") for key in ODD if (op, key) != ("create", "\t")]
)
def test_a_key_of_a_control_character_is_told_as_what_it_is(
    op: Any, key: str, store: Store, portal: BlockingPortal
) -> None:
    named = {"dataAreaId": "usmf", "CustomerAccount": key}
    with finops_client(store, portal) as client:
        body = {"OrganizationName": "x"} if op != "delete" else {}
        write = Write(op, "CustomersV2", None if op == "create" else named, (named if op == "create" else {}) | body)
        table = pa.table({name: [value] for name, value in (named | body).items()})
        results = [*client.write([write])]
        if op != "create":
            results += client.write_table(op, "CustomersV2", table, key=["dataAreaId", "CustomerAccount"])
    for one in results:
        assert one.error is not None
        assert "has no" not in str(one.error)
        assert "control character" in str(one.error)


def test_half_a_character_among_keys_is_nobody_s_and_stops_no_other(store: Store, portal: BlockingPortal) -> None:
    query = Query("accounts", ("name", "accountnumber"))
    with sales_client(store, portal) as client:
        names = ["Zürich", "Oslo"]
        made = [Write("create", "accounts", None, {"name": n, "accountnumber": n}) for n in names]
        assert all(one.ok for one in client.write(made))
        asked = [{"accountnumber": value} for value in ("Oslo", "a\ud83d", "Zürich", "\udcfc")]
        found = [row["name"] for page in client.read_among(query, asked) for row in page.table.to_pylist()]
        assert sorted(found) == ["Oslo", "Zürich"]
        paths = client.resolve("contacts", "parentcustomerid.account", "accountnumber", ["Oslo", "a\ud83d", "\udcfc"])
        assert list(paths) == ["Oslo"]
        with pytest.raises(FrameError, match="accountnumber"):
            client.get("accounts", {"accountnumber": "a\ud83d"}, ["name"])
        results = client.write(
            [Write("update", "accounts", {"accountnumber": key}, {"name": "x"}) for key in ("a\ud83d", "Oslo")]
        )
        assert [one.ok for one in results] == [False, True]
        assert isinstance(results[0].error, Unsendable)


def test_a_border_between_parts_that_is_told_in_half_an_answer_costs_the_parts_alone(
    store: Store, portal: BlockingPortal
) -> None:
    groups = entities("finops")["CustomerGroups"]
    with store.write():
        for number in range(3_000):
            store.insert(groups, {"dataAreaId": "usmf", "CustomerGroupId": f"G{number:05}"})
    cut = 0

    def between(request: httpx.Request) -> httpx.Response | None:
        nonlocal cut
        if "$top" not in request.url.params or "$skip" not in request.url.params:
            return None
        cut += 1
        return httpx.Response(200, content=b'{"@odata.context":"x","value":[{"@odata.etag":"W/1","dataAreaId":"us')

    with wired(finops_app(store, Tokens(TOKEN), Switches()), portal, "finops", between) as (client, _):
        found = gather(client, Query("CustomerGroups", ("dataAreaId", "CustomerGroupId"), page_size=100))
    assert cut
    assert found.table.num_rows == len(set(found.table.column("CustomerGroupId").to_pylist())) == 3_000


SHOWN_AS = {"\ue000": rb"\ud83d", "\ue001": b"\xfc", "\ue002": rb"\udcfc"}


def _shown(answer: httpx.Response) -> httpx.Response:
    """An answer of the sandbox with what is no text in the place of characters that stand for it."""
    body = answer.read()
    for letter, odd in SHOWN_AS.items():
        for spelt in (letter.encode(), json.dumps(letter)[1:-1].encode()):
            body = body.replace(spelt, odd)
    return httpx.Response(answer.status_code, content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("where", [range(13, 20), range(30, 60), [*range(14, 19), *range(40, 46)]])
@pytest.mark.parametrize("size", [1, 3])
def test_parts_of_nothing_but_such_keys_are_read_with_notes_too(
    where: Sequence[int], size: int, store: Store, portal: BlockingPortal
) -> None:
    groups, letters = entities("finops")["CustomerGroups"], list(SHOWN_AS)
    keys = [f"G{n:03}{letters[n % 3] if n in where else ''}" for n in range(60)]
    with store.write():
        for key in keys:
            store.insert(groups, {"dataAreaId": "usmf", "CustomerGroupId": key, "Description": key[:4]})
    asked: list[str] = []
    app = finops_app(store, Tokens(TOKEN), Switches())
    sandbox = AppTransport(app, portal)

    def between(request: httpx.Request) -> httpx.Response | None:
        asked.append(str(request.url))
        if "/CustomerGroups" not in str(request.url) or "metadata" in str(request.url):
            return None
        return _shown(sandbox.handle_request(request))

    with wired(app, portal, "finops", between) as (client, _):
        columns = ("dataAreaId", "CustomerGroupId", "Description")
        found = gather(client, Query("CustomerGroups", columns, page_size=size))
    assert sorted(found.table.column("Description").to_pylist()) == [key[:4] for key in keys]
    assert {(note.column, note.count) for note in found.notes} == {("CustomerGroupId", len(where))}
    assert any("$top=1" in url or "%24top=1" in url for url in asked)  # parts were looked for
