"""Rows come, go and change while a set is read: what stands all the time comes once, and nothing comes twice."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata import Client, Query
from p2c_lib.odata.keyset import KeyOrder, rows_from_end
from p2c_lib.odata.query import Page
from p2c_lib.odata.reading import Reading
from p2c_lib.odata.snapshot import gather
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import KeyTaken, Store, table
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, Wired, wired
from tests.conftest import TOKEN

SEEDS = range(16)
Row = Mapping[str, Any]
Key = tuple[Any, ...]
WORDS = ("a", "A1", "b*", "B", "b'c", "c d", "*", "0", "00", "é", "É1", "z|y", "m%", "M_", "(", "~")


@dataclass(frozen=True)
class Shape:
    """A kind of set: its key, how a row is made of chance, and the column that updates change."""

    app: App
    entity_set: str
    make: Callable[[random.Random], Row]
    changed: str


def group(chance: random.Random) -> Row:
    """A key of two texts, in two companies."""
    name = f"{chance.choice(WORDS)}{chance.randrange(40)}"
    return {"dataAreaId": chance.choice(["usmf", "usrt"]), "CustomerGroupId": name, "Description": name}


def line(chance: random.Random) -> Row:
    """A key with a number in it."""
    number = chance.choice([chance.randrange(30), -3, 2**31 - 1])
    quotation = f"Q{chance.randrange(6)}"
    return {"dataAreaId": "usmf", "LineCreationSequenceNumber": number, "SalesQuotationNumber": quotation}


def variant(chance: random.Random) -> Row:
    """A key of seven texts, most of them empty."""
    parts = ("ProductConfigurationId", "ProductSizeId", "ProductColorId", "ProductStyleId", "ProductVersionId")
    chosen = {name: chance.choice(["", "", "L", "b*d"]) for name in parts}
    return {"dataAreaId": "usmf", "ProductMasterNumber": chance.choice(["P1", "p2", "P*"]), **chosen}


def reference(chance: random.Random) -> Row:
    """A key with an enumeration in its middle, which knows no order."""
    scope = chance.choice(["DataArea", "Global", "LegalEntity", "OperatingUnit"])
    return {
        "DataTypeName": f"T{chance.randrange(12)}",
        "ScopeType": scope,
        "ScopeValue": chance.choice(["", "usmf", "b*"]),
    }


def account(chance: random.Random) -> Row:
    """A guid, and a moment of creation."""
    day, second = 1 + chance.randrange(28), chance.randrange(60)
    made = f"2026-01-{day:02}T10:00:{second:02}Z"
    guid = f"{chance.randrange(16**8):08x}-0000-4000-8000-{chance.randrange(16**12):012x}"
    return {"accountid": guid, "name": chance.choice(WORDS), "createdon": chance.choice([made] * 9 + [None])}


GROUPS = Shape("finops", "CustomerGroups", group, "Description")
SHAPES = {
    "two texts": GROUPS,
    "a number": Shape("finops", "CDSSalesQuotationLines", line, "SalesUnitSymbol"),
    "seven texts": Shape("finops", "ReleasedProductVariantsV2", variant, "ProductName"),
    "an enumeration": Shape("finops", "NumberSequencesV2References", reference, "NumberSequenceCode"),
    "a guid": Shape("sales", "accounts", account, "name"),
}


@dataclass
class Meanwhile:
    """Writes by chance between the requests of a read, and its own record of what stood all the time."""

    store: Store
    shape: Shape
    seed: int
    rate: float = 0.8
    stood: dict[Key, int] = field(default_factory=dict)
    ever: set[Key] = field(default_factory=set)
    writes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.entity = entities(self.shape.app)[self.shape.entity_set]
        self.there: dict[Key, int] = {}

    def key(self, row: Row) -> Key:
        return tuple(row.get(name) or "" for name in self.entity.key)

    def fill(self, rows: int) -> None:
        """So many rows before the read."""
        with self.store.write():
            while len(self.there) < rows:
                self._create()
        self.stood = dict(self.there)

    def between(self, request: httpx.Request) -> None:
        """Before a request for rows is answered something is written, or not."""
        if f"/{self.shape.entity_set}?" not in str(request.url) or not self.stood:
            return
        with self.lock:
            if self.chance.random() < self.rate:
                with self.store.write():
                    for _ in range(self.chance.randrange(1, 6)):
                        self._write()

    def _write(self) -> None:
        self.writes += 1
        draw = self.chance.random()
        if draw < 0.45 or not self.there:
            self._create()
            return
        key = self.chance.choice(sorted(self.there, key=str))
        self.stood.pop(key, None)
        if draw < 0.85:
            self.store.delete(self.entity, self.there.pop(key))
        else:
            self.store.update(self.entity, self.there[key], {self.shape.changed: self.chance.choice(WORDS)})

    def _create(self) -> None:
        row = self.shape.make(self.chance)
        try:
            record = self.store.insert(self.entity, row)
        except KeyTaken:
            return
        self.there[self.key(row)] = record
        self.ever.add(self.key(row))

    def judge(self, rows: list[dict[str, Any]]) -> None:
        """What came is what stood all the time, once each, and nothing that was never there."""
        came = [self.key({**row, "accountid": row.get("@id")}) for row in rows]
        assert len(came) == len(set(came)), "a row came twice"
        assert set(self.stood) - set(came) == set(), "a row that stood all the time did not come"
        assert set(came) - self.ever == set()


class Fleeting(Meanwhile):
    """Before each answer as many rows come as go: each stands for one page only, and the count stands still."""

    def between(self, request: httpx.Request) -> None:
        """As many temporary rows in the place of the last ones."""
        if f"/{self.shape.entity_set}?" not in str(request.url) or not self.stood:
            return
        with self.lock, self.store.write():
            for key in self.there.keys() - self.stood.keys():
                self.store.delete(self.entity, self.there.pop(key))
            while len(self.there) < len(self.stood) + 1 + self.seed % 3:
                self._create()
        self.writes += 1


@contextmanager
def reader(store: Store, portal: BlockingPortal, at: Meanwhile, **switches: Any) -> Iterator[tuple[Client, Wired]]:
    """A client whose requests are written between."""
    tokens = Tokens(TOKEN)
    if at.shape.app == "sales":
        app = sales_app(Organisation(store, SalesSwitches(protection=False)), tokens)
    else:
        app = finops_app(store, tokens, Switches(**switches))
    with wired(app, portal, at.shape.app, at.between) as (client, transport):
        yield client, transport


def columns(client: Client, shape: Shape) -> tuple[str, ...]:
    return client.schema(shape.entity_set).key if shape.app == "finops" else ("name",)


def read(client: Client, query: Query) -> list[dict[str, Any]]:
    return [row for page in client.read(query) for row in page.table.to_pylist()]


def emptied(store: Store, shape: Shape) -> None:
    with store.write() as connection:
        connection.execute(f"DELETE FROM {table(entities(shape.app)[shape.entity_set])}")


def judged(store: Store, portal: BlockingPortal, shape: Shape, rows: int, query: Query, **switches: Any) -> int:
    """Reads under writes, one a seed, each held against its own record; how many writes that were."""
    wrote = 0
    for seed in SEEDS:
        emptied(store, shape)
        at = Meanwhile(store, shape, seed)
        at.fill(rows)
        with reader(store, portal, at, page_size=query.page_size or 7, **switches) as (client, _):
            asked = Query(**{**vars(query), "select": (*query.select, *columns(client, shape))})
            at.judge(read(client, asked))
        wrote += at.writes
    assert wrote > len(SEEDS)
    return wrote


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("rows", "size"), [(60, 25), (90, 7), (40, 1)], ids=["one strand", "strands", "one a page"])
def test_what_stands_all_the_time_comes_once(
    store: Store, portal: BlockingPortal, kind: str, rows: int, size: int
) -> None:
    shape = SHAPES[kind]
    judged(store, portal, shape, rows, Query(shape.entity_set, (), page_size=size))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("route", "size"), [("read", 1), ("read", 7), ("changes", 1), ("among", 7), ("snapshot", 2)])
def test_a_read_ends_well_while_rows_come_and_go_and_their_number_stands_still(
    store: Store, portal: BlockingPortal, tmp_path: Path, route: str, kind: str, size: int
) -> None:
    """Nothing but the count says that somebody writes, and it never moves."""
    shape = SHAPES[kind]
    for seed in range(int(os.environ.get("P2C_STORMS", "1"))):
        emptied(store, shape)
        at = Fleeting(store, shape, seed)
        at.fill(15)
        with reader(store, portal, at, page_size=size) as (client, _):
            query = Query(shape.entity_set, columns(client, shape), page_size=size)
            at.judge(read_by(client, route, query, at, tmp_path / f"{seed}.parquet"))
        assert at.writes


def test_a_row_that_is_only_there_to_be_counted_is_no_error(store: Store, portal: BlockingPortal) -> None:
    """Each count of its own has one row more than any page: only an answer with both tells that it is no longer so."""
    at = quiet(store, SHAPES["a guid"], 12)
    last = ("ffffffff-0000-4000-8000-000000000000",)

    def between(request: httpx.Request) -> None:
        url = str(request.url)
        if "/accounts?" not in url:
            return
        small = "maxpagesize" in request.headers.get("Prefer", "") and "skiptoken" not in url
        with store.write():
            if last in at.there:
                store.delete(at.entity, at.there.pop(last))
            if small or "top=1" in url:
                at.there[last] = store.insert(at.entity, {"accountid": last[0], "name": "x"})

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between) as (client, _):
        at.judge(read(client, Query("accounts", ("name",), page_size=1)))


def test_rows_that_are_kept_back_are_missed_while_others_come_and_go(
    store: Store, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few rows move between any two reads; the service counts many more than it gives."""
    count, first = Client.count, Reading._first_page
    monkeypatch.setattr(Client, "count", lambda client, query: (count(client, query) or 0) + 20)

    def counted(self: Reading) -> Page | None:
        page = first(self)
        self.server_count = None if self.server_count is None else self.server_count + 20
        return page

    monkeypatch.setattr(Reading, "_first_page", counted)
    at = Fleeting(store, GROUPS, 1)
    at.fill(30)
    with reader(store, portal, at, page_size=7) as (client, _), pytest.raises(IncompleteRead, match="rows came, but"):
        read(client, Query("CustomerGroups", columns(client, GROUPS)))


def read_by(client: Client, route: str, query: Query, at: Meanwhile, file: Path) -> list[dict[str, Any]]:
    """The rows of a query, or those that stand, by one of the ways to read them."""
    if route == "read":
        return read(client, query)
    if route == "changes":
        return client.changes(query.entity_set, query.select).table.to_pylist()
    if route == "snapshot":
        return gather(client, query, snapshot=file).table.to_pylist()
    numbers = {name for name, column in at.entity.columns.items() if column.kind == "int"}
    keys = [
        {name: value or (0 if name in numbers else value) for name, value in zip(at.entity.key, key, strict=True)}
        for key in at.stood
    ]
    return [row for page in client.read_among(query, keys) for row in page.table.to_pylist()]


@pytest.mark.parametrize("form", ["skip", "skiptoken"])
def test_pages_overlap_where_the_service_does_not_compare_keys(store: Store, portal: BlockingPortal, form: str) -> None:
    query = Query("CustomerGroups", (), page_size=7)
    judged(store, portal, GROUPS, 90, query, text_ranges="reject", next_link=form)


def test_a_page_that_begins_behind_what_was_read_is_asked_for_earlier(store: Store, portal: BlockingPortal) -> None:
    """More rows in front are deleted than pages overlap, and the counts would have hidden what is missing then."""
    entity = entities("finops")["Currencies"]
    with store.write():
        records = [store.insert(entity, {"CurrencyCode": f"C{n:02}", "Name": "x"}) for n in range(30)]
    gone = records[:6]

    def between(request: httpx.Request) -> None:
        url = str(request.url)
        if gone and "/Currencies?" in url and "skip=" in url and "top=" not in url:
            with store.write():
                while gone:
                    store.delete(entity, gone.pop())

    app = finops_app(store, Tokens(TOKEN), Switches(page_size=7, text_ranges="reject"))
    with wired(app, portal, "finops", between) as (client, _):
        codes = [row["CurrencyCode"] for row in read(client, Query("Currencies", ("CurrencyCode",)))]
    assert gone == []
    assert sorted({f"C{n:02}" for n in range(6, 30)} - set(codes)) == []
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("size", [1, 2])
def test_pages_too_small_to_overlap_are_asked_for_larger(store: Store, portal: BlockingPortal, size: int) -> None:
    for seed in range(4):
        emptied(store, GROUPS)
        at = Meanwhile(store, GROUPS, seed)
        at.fill(40)
        with reader(store, portal, at, page_size=25, text_ranges="reject") as (client, _):
            at.judge(read(client, Query("CustomerGroups", columns(client, GROUPS), page_size=size)))


@pytest.mark.parametrize("form", ["skip", "skiptoken"])
def test_pages_of_one_row_are_held_together_by_the_one_in_front(
    store: Store, portal: BlockingPortal, form: str
) -> None:
    """The service gives no more than one row a page, whatever it is asked for, and does not compare keys either."""
    query = Query("CustomerGroups", (), page_size=1)
    judged(store, portal, GROUPS, 15, query, text_ranges="reject", next_link=form)


def test_a_company_alone_a_filter_and_an_order_of_ones_own(store: Store, portal: BlockingPortal) -> None:
    finops = Query("CustomerGroups", ("Description",), page_size=6, orderby=("Description desc",))
    judged(store, portal, replace(GROUPS, changed="WriteOffReason"), 60, finops)
    sales = Query("accounts", ("name",), page_size=6, orderby=("name desc",))
    judged(store, portal, replace(SHAPES["a guid"], changed="description"), 60, sales)


@pytest.mark.parametrize("changed", ["Description", "WriteOffReason"])
def test_an_order_by_what_changes_brings_no_row_twice(store: Store, portal: BlockingPortal, changed: str) -> None:
    query = Query("CustomerGroups", ("Description",), page_size=6, orderby=("Description",))
    judged(store, portal, replace(GROUPS, changed=changed), 60, query)


def test_one_company_is_read_whole_under_writes(store: Store, portal: BlockingPortal) -> None:
    for seed in SEEDS:
        emptied(store, GROUPS)
        at = Meanwhile(store, GROUPS, seed)
        at.fill(90)
        with reader(store, portal, at, page_size=6) as (client, _):
            query = Query("CustomerGroups", ("dataAreaId", "CustomerGroupId"), "Description ne 'q'", company="USMF")
            rows = read(client, query)
        assert {row["dataAreaId"] for row in rows} == {"usmf"}
        at.stood = {key: record for key, record in at.stood.items() if key[0] == "usmf"}
        at.judge(rows)


def quiet(store: Store, shape: Shape, rows: int) -> Meanwhile:
    """A set nobody writes to while it is read."""
    at = Meanwhile(store, shape, 1, rate=0.0)
    at.fill(rows)
    return at


@pytest.mark.parametrize("top", [7, 8, 60, 90, 200])
@pytest.mark.parametrize("order", [(), ("CustomerGroupId desc",)])
def test_the_first_rows_come_too_where_the_service_does_not_compare_keys(
    store: Store, portal: BlockingPortal, top: int, order: tuple[str, ...]
) -> None:
    at, key = quiet(store, GROUPS, 90), ("dataAreaId", "CustomerGroupId")
    with reader(store, portal, at, page_size=1000) as (client, _):
        whole = read(client, Query("CustomerGroups", key, orderby=order))
    with reader(store, portal, at, page_size=7, text_ranges="reject") as (client, _):
        assert read(client, Query("CustomerGroups", key, orderby=order, top=top)) == whole[:top]


@pytest.mark.parametrize("top", [1, 7, 8, 20, 90, 200])
def test_the_first_rows_are_the_same_in_pages_as_at_once(store: Store, portal: BlockingPortal, top: int) -> None:
    at, key = quiet(store, GROUPS, 90), ("dataAreaId", "CustomerGroupId")
    with reader(store, portal, at, page_size=1000) as (client, _):
        whole = read(client, Query("CustomerGroups", key))
    with reader(store, portal, at, page_size=7) as (client, transport):
        assert read(client, Query("CustomerGroups", key, top=top)) == whole[:top]
        counts = int(top > 90)  # where fewer came than were asked for
        assert len(transport.reads("CustomerGroups")) == -(-min(top, 90) // 7) + counts
        first = next(client.read(Query("CustomerGroups", ("Description",))))
    assert first.table.column_names == ["Description", "@etag"]


@pytest.mark.parametrize(
    ("rows", "size", "kind"), [(70, 7, "two texts"), (71, 7, "a number"), (84, 7, "an enumeration")]
)
def test_a_read_of_n_pages_takes_about_n_requests(
    store: Store, portal: BlockingPortal, rows: int, size: int, kind: str
) -> None:
    shape = SHAPES[kind]
    with reader(store, portal, quiet(store, shape, rows), page_size=size) as (client, transport):
        assert len(read(client, Query(shape.entity_set, columns(client, shape)))) == rows
        urls = transport.reads(shape.entity_set)
    pages, probes = -(-rows // size), [url for url in urls if "skip=" in url]
    assert len(probes) <= 7
    assert all("$top=1" in url or "%24top=1" in url for url in probes)
    assert len(urls) - len(probes) <= pages + 8


def test_rows_expanded_within_a_row_do_not_hide_where_the_page_ends() -> None:
    body = (
        b'{"@odata.context":"x","value":[{"@odata.etag":"1","K":"a","V":1.50,"N":{"@odata.etag":"9","K":"z"}},'
        b'{"@odata.etag":"2","K":"b {\\"@odata.etag\\"","V":1e3,"N":[{"@odata.etag":"9","K":"z"}]}],'
        b'"@odata.nextLink":"l"}'
    )
    found = list(rows_from_end(body, "x"))
    assert [(row["K"], row["V"]) for row in found] == [('b {"@odata.etag"', "1e3"), ("a", "1.50")]
    assert list(rows_from_end(b'{"value":[{"K":"a"},{"@odata.etag":"1","K":"b"}]}', "x"))[1] == {"K": "a"}
    assert list(rows_from_end(b'{"value":[]}', "x")) == []
    with pytest.raises(IncompleteRead):
        list(rows_from_end(body[:-40], "x"))


def test_a_key_no_address_can_hold_is_gone_on_from_before_it(store: Store, portal: BlockingPortal) -> None:
    at = quiet(store, GROUPS, 20)
    with reader(store, portal, at, page_size=5) as (client, _):
        order = KeyOrder.of(Query("CustomerGroups", ()), client.schema("CustomerGroups"))
    assert order is not None
    rows = [{"dataAreaId": "usmf", "CustomerGroupId": key} for key in ("b\ud83d", "a")]
    behind = order.after(iter(rows))
    assert (behind.again, "'a'" in behind.filter) == (True, True)
    with pytest.raises(IncompleteRead, match="cannot be gone on from"):
        order.after(iter(rows[:1]))


def test_rows_told_apart_are_together_in_either_case(store: Store, portal: BlockingPortal) -> None:
    """To F&O t1 and T1 are one text: what was read of either is not asked for again."""
    with reader(store, portal, quiet(store, GROUPS, 1), page_size=5) as (client, _):
        entity_set = "NumberSequencesV2References"
        order = KeyOrder.of(Query(entity_set, ()), client.schema(entity_set))
    assert order is not None
    shared = {"ScopeValue": ""}
    kinds = [("T1", "Global"), ("t1", "DataArea"), ("T0", "LegalEntity")]
    rows = [{"DataTypeName": name, "ScopeType": kind, **shared} for name, kind in kinds]
    behind = order.after(iter(rows))
    assert len(behind.together) == 2
    assert ["'Global'" in behind.filter, "'DataArea'" in behind.filter, "'LegalEntity'" in behind.filter] == [1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "ranges", "resumable"),
    [("an enumeration", "accept", False), ("two texts", "accept", True), ("two texts", "reject", False)],
)
def test_a_read_whose_next_page_hangs_on_earlier_ones_is_begun_anew(
    store: Store, portal: BlockingPortal, kind: str, ranges: str, resumable: bool
) -> None:
    shape = SHAPES[kind]
    with reader(store, portal, quiet(store, shape, 20), page_size=4, text_ranges=ranges) as (client, _):
        reading = Reading(client, Query(shape.entity_set, columns(client, shape), page_size=4))
        assert len(list(islice(reading.pages(), 2))) == 2
    assert bool(reading.state()["strands"]) == resumable


class CutOffError(Exception):
    """The read is interrupted by its reader."""


def test_a_read_under_writes_goes_on_where_it_was_cut_off(store: Store, portal: BlockingPortal, tmp_path: Path) -> None:
    resumed = 0
    for seed in SEEDS:
        emptied(store, GROUPS)
        at = Meanwhile(store, GROUPS, seed)
        at.fill(90)
        query, file = Query("CustomerGroups", ("dataAreaId", "CustomerGroupId")), tmp_path / f"{seed}.parquet"

        def cut(rows: int, _of: int | None, seed: int = seed) -> None:
            if rows > 10 + seed:
                raise CutOffError

        with reader(store, portal, at, page_size=7) as (client, _):
            with pytest.raises(CutOffError):
                gather(client, query, snapshot=file, progress=cut)
            whole = gather(client, query, snapshot=file)
        at.judge(whole.table.to_pylist())
        resumed += whole.resumed > 0
    assert resumed > len(SEEDS) // 2


@pytest.mark.parametrize("kind", ["two texts", "a guid"])
def test_rows_that_came_and_went_while_a_read_was_cut_off_are_no_error(
    store: Store, portal: BlockingPortal, kind: str
) -> None:
    """As many rows come as go: the count stands still, and the rows of the read are others."""
    for seed in SEEDS:
        emptied(store, SHAPES[kind])
        at = Meanwhile(store, SHAPES[kind], seed, rate=0.0)
        at.fill(90)
        with reader(store, portal, at, page_size=7) as (client, _):
            query = Query(at.shape.entity_set, columns(client, at.shape), page_size=7)
            cut = Reading(client, query)
            rows = [row for page in islice(cut.pages(), 5) for row in page.table.to_pylist()]
            state = json.loads(json.dumps(cut.state()))
            with store.write():
                for key in at.chance.sample(sorted(at.there, key=str), 4):
                    del at.stood[key]
                    store.delete(at.entity, at.there.pop(key))
                while len(at.there) < 90:
                    at._create()
            rows += [row for page in Reading.of(client, query, state).pages() for row in page.table.to_pylist()]
        at.judge(rows)


def test_a_read_that_goes_on_and_lacks_rows_is_an_error(
    store: Store, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = quiet(store, GROUPS, 90)
    with reader(store, portal, at, page_size=7) as (client, _):
        query = Query("CustomerGroups", columns(client, GROUPS))
        cut = Reading(client, query)
        next(cut.pages())
        monkeypatch.setattr(Client, "count", lambda *_: 95)
        whole = Reading._first_page

        def counted(self: Reading) -> Page | None:
            page = whole(self)
            self.server_count = 95
            return page

        monkeypatch.setattr(Reading, "_first_page", counted)
        with pytest.raises(IncompleteRead, match="90 rows came, but the service counts 95"):
            list(Reading.of(client, query, {**cut.state(), "server_count": 95}).pages())


class Steady:
    """Deletes a row at the end before the second page of each read, and creates one at the front before each count."""

    def __init__(self, store: Store, rows: int, *, gone: int) -> None:
        self.store, self.entity, self.new, self.gone = store, entities("sales")["accounts"], count(1), gone
        with store.write():
            self.old = [store.insert(self.entity, self.row(f"f{n:07x}")) for n in range(rows)]

    def row(self, first: str) -> Row:
        return {"accountid": f"{first}-0000-4000-8000-000000000000", "name": "x"}

    def between(self, request: httpx.Request) -> None:
        asked = str(request.url)
        if "/accounts?" not in asked:
            return
        with self.store.write():
            if "skiptoken" in asked:
                for _ in range(self.gone):
                    self.store.delete(self.entity, self.old.pop())
            elif "top=1" in asked:
                for _ in range(self.gone):
                    self.store.insert(self.entity, self.row(f"{next(self.new):08x}"))


def test_a_count_that_stands_still_while_rows_come_and_go_is_no_error(store: Store, portal: BlockingPortal) -> None:
    steady = Steady(store, 30, gone=2)
    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", steady.between) as (client, _):
        reading = Reading(client, Query("accounts", ("name",), page_size=20))
        rows = [row["@id"] for page in reading.pages() for row in page.table.to_pylist()]
    assert len(rows) == len(set(rows)) >= 28
    assert reading.server_count in (None, len(rows))


def test_what_changed_after_it_was_read_is_told_by_the_next_token(store: Store, portal: BlockingPortal) -> None:
    """A row that was changed late in a long read must not move the token past one that was changed early in it."""
    now = datetime.now(UTC)

    def stamp(minutes: float) -> str:
        return (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    entity = entities("sales")["accounts"]
    early, late = ("00000001-0000-4000-8000-000000000000", -60), ("00000002-0000-4000-8000-000000000000", 40)
    with store.write():
        records = [
            store.insert(entity, {"accountid": one, "name": "old", "modifiedon": stamp(at)})
            for one, at in (early, late)
        ]
    switches = SalesSwitches(protection=False, without_tracking=("account",))
    with wired(sales_app(Organisation(store, switches), Tokens(TOKEN)), portal, "sales") as (client, _):
        first = client.changes("accounts", ("accountid", "name"))
        with store.write():
            store.update(entity, records[0], {"name": "new", "modifiedon": stamp(1)})
        later = client.changes("accounts", ("accountid", "name"), since=first.token)
    assert {"accountid": early[0], "name": "new"} in later.table.select(["accountid", "name"]).to_pylist()
