"""Incremental runs: what changed is read, mapped and written, nothing else, and nothing that waits is lost."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import httpx
import pytest

import p2c_lib
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError
from p2c_lib.flow import TASKS, TaskWalk
from p2c_lib.frames import EntityQuery
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.mapping import template
from p2c_lib.marks import Mark, delta_of
from p2c_lib.marks.mark import SEEN
from p2c_lib.marks.watched import watched
from p2c_lib.notices import notice_of
from p2c_lib.odata import Client, Query, Write
from p2c_lib.schedule import Schedule, Schedules
from p2c_lib.schedule.scheduler import run_now
from p2c_lib.session import Session, connect

REQUESTS: list[tuple[str, str]] = []
TURNS: list[Callable[[str], str]] = []
QUOTED = "msdynce_quotehasexternalmaintainedproductsonly eq true"


class Recording(httpx.BaseTransport):
    """Every request that goes to the sandbox, as it goes; links to later changes come as the last of ``TURNS`` says."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        REQUESTS.append((request.method, httpx.URL(request.url).raw_path.decode()))
        answer = self.inner.handle_request(request)
        return _turned(answer, TURNS[-1]) if TURNS and request.method == "GET" else answer

    def close(self) -> None:
        self.inner.close()


def _turned(answer: httpx.Response, turn: Callable[[str], str]) -> httpx.Response:
    body = answer.read()
    with contextlib.suppress(ValueError):
        said = json.loads(body)
        if "@odata.deltaLink" in said:
            body = json.dumps({**said, "@odata.deltaLink": turn(said["@odata.deltaLink"])}).encode()
    kept = {name: answer.headers[name] for name in ("Content-Type", "ETag") if name in answer.headers}
    return httpx.Response(answer.status_code, headers=kept, stream=httpx.ByteStream(body))


@dataclass
class Place:
    session: Session
    ledger: Ledger
    made: list[str] = field(default_factory=list)

    def load(self, task: str = "accounts", **options: Any) -> TaskWalk:
        """One task, incremental and applied unless told otherwise; its end is in the ledger."""
        one = TaskWalk(task, self.session, **{"apply": True, "full": False, **options})
        one.finish()
        return one

    def rows(self, app: str, entity_set: str, columns: tuple[str, ...], text: str = "") -> list[dict[str, Any]]:
        company = self.session.company if app == "finops" else None
        query = Query(entity_set, columns, filter=text or None, company=company)
        return [row for page in self.session.client(app).read(query) for row in page.table.to_pylist()]

    def write(self, app: str, *writes: Write) -> list[str]:
        results = self.session.client(app).write(writes)
        assert [result.error for result in results if not result.ok] == []
        return [str(result.row_id) for result in results]

    def account(self, number: str, **body: object) -> str:
        """A new account in Sales; its id."""
        values = {"accountnumber": number, "name": f"Account {number}", "address1_country": "USA", **body}
        currency = self.rows("sales", "transactioncurrencies", ("transactioncurrencyid",), "isocurrencycode eq 'USD'")
        bind = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency[0]['transactioncurrencyid']})"}
        return self.write("sales", Write("create", "accounts", None, bind | values))[0]

    def mark(self, task: str = "accounts") -> dict[str, Any]:
        found = self.ledger.mark(connection_set="sandbox", company=self.session.company, task=task)
        assert found is not None
        return found

    def waiting(self, task: str = "accounts") -> set[str]:
        rows = self.ledger.waiting(connection_set="sandbox", company=self.session.company, task=task)
        return {row["key"] for row in rows}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox of its own, all of whose tasks were loaded once."""
    here = Workspace(tmp_path_factory.mktemp("marks"))
    with connect("sandbox", workspace=here) as session:
        for app in ("sales", "finops"):
            client = Client(getattr(session.set, app), transport=Recording(), kept=here.metadata)
            setattr(session, app, client)
        ledger = open_ledger(here.ledger)
        one = Place(session, ledger)
        for task in TASKS:
            one.load(task)
        yield one
        ledger.close()


def since(start: int) -> list[str]:
    """The requests from there on, without where the service is."""
    return [f"{method} {path.split('/data/')[-1].removeprefix('v9.2/')}" for method, path in REQUESTS[start:]]


def accounts_that_are_loaded(place: Place, count: int) -> list[dict[str, Any]]:
    there = {row["CustomerAccount"] for row in place.rows("finops", "CustomersV2", ("CustomerAccount",))}
    aside = place.waiting()
    rows = place.rows("sales", "accounts", ("accountid", "accountnumber"))
    mine = [row for row in rows if row["accountnumber"] in there and row["accountnumber"].casefold() not in aside]
    assert len(mine) >= count
    return mine[:count]


def test_after_100_changed_accounts_only_those_are_read_mapped_and_written(place: Place) -> None:
    waits = {task: len(place.waiting(task)) for task in TASKS}
    changed = enumerate(accounts_that_are_loaded(place, 100))
    place.write(
        "sales", *(Write("update", "accounts", {"accountid": r["accountid"]}, {"fax": f"1-{n}"}) for n, r in changed)
    )
    start = len(REQUESTS)
    walks = {task: place.load(task) for task in TASKS if task != "products"}
    asked = since(start)
    lines = {task: one.finish() for task, one in walks.items()}
    more = {task: 100 if task == "accounts" else 0 for task in walks}
    assert {task: line.read for task, line in lines.items()} == {task: waits[task] + more[task] for task in walks}
    assert {task: line.created + line.updated for task, line in lines.items()} == more
    assert {task: len(one.map().source) for task, one in walks.items()} == {t: waits[t] + more[t] for t in walks}
    assert {task: len(one.target()) for task, one in walks.items()} == more
    there = place.rows("finops", "CustomersV2", ("CustomerAccount",), "PartyType eq 'Organization'")
    assert walks["accounts"].plan().facts["destination"]["rows"] == len(there) > 100
    gets = [request for request in asked if request.startswith("GET")]
    assert [request for request in gets if "$filter" not in request and "$deltatoken" not in request] == []
    customers = [request for request in gets if "CustomersV2" in request]
    (counted,) = [request for request in customers if "CustomerAccount%20eq" not in request]
    assert "$top=1&$count=true" in counted
    assert [request for request in asked if not request.startswith("GET")] == ["POST $batch?cross-company=true"]
    # What changed: 2 + 2 + 2 + 4 + 5 questions. Rows: 2 reads of accounts, at most 2 of every other task and of the
    # lines of the quotes that wait. There: 100 customers by 40, before, for versions and a sample; and a count.
    assert len(asked) <= 15 + 2 + 2 * 5 + 1 + 10
    nothing = place.load()
    line = nothing.finish()
    assert line.read == line.quarantined == waits["accounts"] > 0
    assert line.verdict == "warn", "the few that wait are not more than 5 % of all accounts"
    assert f"of all {place.mark()['rows']:,}" in line.why
    assert "Only what changed since" in line.why
    assert not nothing.extract().origin.complete
    assert nothing.reconcile().summary["extra"] == 0


def test_a_row_that_waits_is_read_again_until_it_passes(place: Place) -> None:
    """The account does not change: the currency it waits for comes to F&O."""
    company = place.session.company
    currency = {"transactioncurrencyid": str(uuid4()), "isocurrencycode": "XTS", "currencyname": "Test"}
    values = {**currency, "currencysymbol": "x", "currencyprecision": 2, "exchangerate": 1}
    made = place.write("sales", Write("create", "transactioncurrencies", None, values))[0]
    place.account("WAITS-1", **{"transactioncurrencyid@odata.bind": f"/transactioncurrencies({made})"})
    for _ in range(2):
        assert place.load().finish().created == 0
        assert "waits-1" in place.waiting()
    place.write("finops", Write("create", "Currencies", None, {"CurrencyCode": "XTS", "Name": "Test"}))
    place.session._references.clear()
    line = place.load().finish()
    assert line.created == 1
    assert "waits-1" not in place.waiting()
    assert place.rows("finops", "CustomersV2", ("SalesCurrencyCode",), "CustomerAccount eq 'WAITS-1'") == [
        {"SalesCurrencyCode": "XTS", "@etag": ANY}
    ]
    assert place.ledger.waiting(connection_set="sandbox", company=company, task="accounts")


def test_a_row_the_destination_refuses_is_not_lost(place: Place) -> None:
    """A number that a person has already: the create is refused, now and the next time."""
    taken = place.rows("finops", "CustomersV2", ("CustomerAccount",), "PartyType eq 'Person'")[0]["CustomerAccount"]
    row = place.account(taken)
    try:
        for _ in range(2):
            line = place.load().finish()
            assert (line.failed, line.created) == (1, 0)
            assert taken.casefold() in place.waiting()
    finally:
        place.write("sales", Write("delete", "accounts", {"accountid": row}, {}))
    place.load()
    assert taken.casefold() not in place.waiting()


def test_the_mark_moves_when_a_load_is_done_and_only_then(place: Place) -> None:
    place.load()
    before = place.mark()
    place.account("MARK-1")
    assert place.load(apply=False).finish().created == 1
    assert place.load(ceiling=0.0).finish().status == "blocked"
    later = datetime.now(UTC) + timedelta(seconds=1)  # the service's clock counts whole seconds
    assert place.load(since=later, limit=1).finish().created == 0
    assert place.mark() == before
    line = place.load(full=True).finish()
    assert (line.created, line.read) == (1, len(place.rows("sales", "accounts", ("accountid",))))
    assert place.mark()["positions"] != before["positions"], "a full load begins a new mark where there was one"
    assert Path(place.mark()["folder"]).is_dir()
    assert not Path(before["folder"]).exists()
    assert place.load().finish().read == len(place.waiting())


@pytest.mark.parametrize("full", [False, True])
def test_what_is_deleted_at_the_source_is_told_and_left_at_the_destination(full: bool, place: Place) -> None:
    number = f"GONE-{full}"
    row = place.account(number)
    assert place.load().finish().created == 1
    place.write("sales", Write("delete", "accounts", {"accountid": row}, {}))
    one = place.load(full=full)
    assert "1 rows were deleted at the source." in one.finish().why
    told = place.ledger.deletions(run_id=one.run_id)
    assert [(d["task"], d["key"], d["state"]) for d in told] == [("accounts", number.casefold(), "left")]
    assert len(place.rows("finops", "CustomersV2", ("CustomerAccount",), f"CustomerAccount eq '{number}'")) == 1
    assert place.ledger.deletions(run_id=place.load().run_id) == [], "once"


def test_what_is_deleted_at_the_source_is_deleted_at_the_destination_where_the_template_says_so(place: Place) -> None:
    """Only what stands as agreed: not what was changed there, never too many; and undo brings it back."""
    rows = {number: place.account(number) for number in ("DEL-1", "DEL-2", "DEL-3", "DEL-4")}
    own = place.session.workspace.root / "templates" / "accounts.yml"
    own.parent.mkdir(exist_ok=True)
    packaged = (Path(p2c_lib.__file__).parent / "mapping" / "templates" / "accounts.yml").read_text("utf-8")
    own.write_text(packaged + "deletions: {apply: true, at_most: 3}\n", "utf-8")
    try:
        assert place.load().finish().created == 4
        place.write("sales", *(Write("delete", "accounts", {"accountid": row}, {}) for row in rows.values()))
        one = place.load()
        assert states(place, one) == dict.fromkeys(("del-1", "del-2", "del-3", "del-4"), "too many")
        rows = {number: place.account(number) for number in ("DEL-1", "DEL-2", "DEL-3")}
        place.load()
        company = {"dataAreaId": place.session.company.lower()}
        changed = {"CustomerAccount": "DEL-2", **company}
        place.write(
            "finops",
            Write("update", "CustomersV2", changed, {"SalesMemo": "somebody's own"}),
            Write("delete", "CustomersV2", {"CustomerAccount": "DEL-3", **company}, {}),
        )
        place.write("sales", *(Write("delete", "accounts", {"accountid": row}, {}) for row in rows.values()))
        one = place.load()
        assert states(place, one) == {"del-1": "deleted", "del-2": "changed", "del-3": "missing"}
        there = "CustomerAccount eq 'DEL-*'"
        left = place.rows("finops", "CustomersV2", ("CustomerAccount",), there)
        assert [row["CustomerAccount"] for row in left] == ["DEL-2", "DEL-4"]
        for back in undo(one.run_id, place.session, ledger=place.ledger):
            apply(back, place.session, ledger=place.ledger)
        left = place.rows("finops", "CustomersV2", ("CustomerAccount",), there)
        assert [row["CustomerAccount"] for row in left] == ["DEL-1", "DEL-2", "DEL-4"]
    finally:
        own.unlink()
        place.load()


def states(place: Place, one: TaskWalk) -> dict[str, str]:
    return {row["key"]: row["state"] for row in place.ledger.deletions(run_id=one.run_id)}


def test_a_quote_that_is_activated_brings_its_lines_which_did_not_change(place: Place) -> None:
    seen = place.session.sales.changes("quotedetails", ["quotedetailid"])
    drafts = place.rows("sales", "quotes", ("quoteid", "quotenumber"), "statecode eq 0 and totalamount gt 0")
    ids = {row["quoteid"]: row["quotenumber"] for row in drafts}
    lines = place.rows("sales", "quotedetails", ("quotedetailid", "quoteid"), QUOTED)
    row = next(line["quoteid"] for line in lines if line["quoteid"] in ids)
    place.write("sales", Write("update", "quotes", {"quoteid": row}, {"statecode": 1, "statuscode": 2}))
    mine = [line for line in lines if line["quoteid"] == row]
    changed = place.session.sales.changes("quotedetails", ["quotedetailid"], since=seen.token)
    assert changed.table.num_rows == 0, "the lines are to be found by their quote alone"
    quotes, found = place.load("quotes"), place.load("quote-lines")
    assert ids[row] in quotes.extract().table.column("quotenumber").to_pylist()
    numbers = found.extract().table.column("quoteid.quotenumber").to_pylist()
    assert numbers.count(ids[row]) == len(mine) > 0


def test_a_number_that_changes_brings_the_rows_that_point_to_it(place: Place) -> None:
    place.load("contacts")
    contact = "msdynce_isactivecustomer eq false and msdynce_iscompanyanaccount eq true and statecode eq 0"
    rows = place.rows("sales", "contacts", ("contactid", "parentcustomerid", "msdynce_contactnumber"), contact)
    parents = {r["accountid"]: r["accountnumber"] for r in accounts_that_are_loaded(place, 50)}
    mine = next(r for r in rows if r["parentcustomerid"] in parents)
    account = {"accountid": mine["parentcustomerid"]}
    place.write("sales", Write("update", "accounts", account, {"fax": "no matter"}))
    waits = len(place.waiting("contacts"))
    assert place.load("contacts").finish().read == waits, "only the number of the account is in use"
    place.write("sales", Write("update", "accounts", account, {"accountnumber": "MOVED-1"}))
    place.load()
    read = place.load("contacts").extract().table.column("msdynce_contactnumber").to_pylist()
    assert mine["msdynce_contactnumber"] in read
    place.write("sales", Write("update", "accounts", account, {"accountnumber": parents[mine["parentcustomerid"]]}))


def test_twins_of_a_changed_row_are_read_with_it(place: Place) -> None:
    """Whether a key stands twice can only be told from all rows that have it, changed or not."""
    query = EntityQuery("sales", "contacts", ("firstname", "lastname"), ("lastname",))
    names = [row["lastname"] for row in place.rows("sales", "contacts", ("lastname",))]
    name = next(name for name in names if name and 1 < names.count(name) < 20)
    first = delta_of(place.session, query, None, "never read before")
    assert (first.whole, first.rows.num_rows) == ("never read before", len(names))
    assert first.positions is not None
    mark = Mark("2026-01-01T00:00:00", first.positions, SEEN.empty_table(), first.behind)
    quoted = name.replace("'", "''")
    one = place.rows("sales", "contacts", ("contactid",), f"lastname eq '{quoted}'")[0]
    place.write("sales", Write("update", "contacts", {"contactid": one["contactid"]}, {"fax": "1"}))
    delta = delta_of(place.session, query, mark, "")
    assert (delta.whole, delta.rows.to_pylist()) == ("", [{"id": one["contactid"], "twin": name}])
    keys = delta.keys(place.session.sales.schema("contacts"))
    frame = place.session.extract_parts(query, keys, note=delta.note)
    assert len(frame) == sum(other.casefold() == name.casefold() for other in names if other)
    assert not frame.origin.complete


def test_what_makes_a_mark_worthless_leads_to_a_full_read_that_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thing after the other: each read is whole, says why, and leaves a mark that holds until the next."""
    root, packaged = place.session.workspace.root, Path(p2c_lib.__file__).parent / "mapping" / "templates"
    template_file, suite_file = root / "templates" / "accounts.yml", root / "expectations" / "accounts.json"
    suite = place.session.workspace.suite("accounts").read_text("utf-8")
    other = replace(place.session.set.finops, url="http://127.0.0.1:1")
    place.load()
    try:
        template_file.parent.mkdir(exist_ok=True)
        text = (packaged / "accounts.yml").read_text("utf-8")
        template_file.write_text(text.replace("truncate: 60", "truncate: 59"), "utf-8")
        assert read_whole(place) == "the template changed"
        suite_file.parent.mkdir(exist_ok=True)
        suite_file.write_text(suite + "\n", "utf-8")
        assert read_whole(place) == "the suite changed"
        monkeypatch.setattr(p2c_lib, "__version__", "99")
        assert read_whole(place) == "the workbench changed"
        monkeypatch.setattr(place.session, "set", replace(place.session.set, finops=other))
        assert read_whole(place) == "a system is at another address"
        mark = place.mark()
        old = {path: _expired(token) for path, token in mark["positions"].items()}
        kept = {name: value for name, value in mark.items() if name not in {"positions", "at", "run_id", "folder"}}
        place.ledger.set_mark(mark["run_id"], **kept, positions=old, folder=Path(mark["folder"]))
        assert read_whole(place) == "the token had expired: all rows were read anew"
        shutil.rmtree(place.mark()["folder"])
        assert read_whole(place).startswith("what the last load saw is not in")
    finally:
        template_file.unlink()
        suite_file.unlink(missing_ok=True)


def _moved_in(link: str) -> str:
    """A link as a gateway's inner host spells it."""
    return "http://inner-7.local:8080/" + link.partition("://")[2].partition("/")[2]


def test_a_link_that_cannot_be_followed_is_no_mark(place: Place) -> None:
    place.load()
    TURNS.append(_moved_in)
    try:
        assert "so the next load reads all of it." in place.load().finish().why
    finally:
        TURNS.clear()
    assert read_whole(place) == "the last load was given no way to later changes"
    assert "Only what changed since" in place.load().finish().why


def test_a_mark_that_was_kept_though_it_cannot_be_followed_is_read_whole_once(place: Place) -> None:
    place.load()
    _kept_as(place, {path: _moved_in(str(link)) for path, link in place.mark()["positions"].items()})
    why = read_whole(place)
    assert why.startswith(
        "the token cannot be used (accounts: later changes are said to be at http://inner-7.local:8080"
    )
    _kept_as(place, {path: _moved_in(str(link)) + "\r\n" for path, link in place.mark()["positions"].items()})
    assert place.load(full=True).finish().status != "failed"
    assert "Only what changed since" in place.load().finish().why


def test_a_mark_by_moment_becomes_one_of_changes_where_they_are_tracked(place: Place) -> None:
    place.load()
    _kept_as(place, dict.fromkeys(place.mark()["positions"], "2026-01-31T22:00:00Z"))
    assert read_whole(place) == "accounts tells changes exactly by now: all rows were read anew"
    assert all("$deltatoken=" in link for link in place.mark()["positions"].values())


def test_where_tracking_is_switched_off_all_is_read_once_and_a_moment_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.load()
    metadata = place.session.sales.metadata
    asked = metadata.schema
    with monkeypatch.context() as off:
        off.setattr(metadata, "schema", lambda name: replace(asked(name), change_tracking=False))
        assert read_whole(place).startswith("change tracking is off for accounts by now: all rows were read anew; ")
        assert all(datetime.fromisoformat(str(moment)) for moment in place.mark()["positions"].values())
        assert "Only what changed since" in place.load().finish().why
    assert read_whole(place).startswith("accounts tells changes exactly by now")


def _kept_as(place: Place, positions: dict[str, str]) -> None:
    """The mark as it is, with other positions."""
    mark = place.mark()
    kept = {name: value for name, value in mark.items() if name not in {"positions", "at", "run_id", "folder"}}
    place.ledger.set_mark(mark["run_id"], **kept, positions=positions, folder=Path(mark["folder"]))


def read_whole(place: Place) -> str:
    """Why a load read everything."""
    line = place.load().finish()
    assert line.read == len(place.rows("sales", "accounts", ("accountid",)))
    return line.why.partition("All rows were read: ")[2].rstrip(".")


def _expired(token: str) -> str:
    return token.partition("$deltatoken=")[0] + "$deltatoken=1%2101%2f02%2f2020%2008%3a10%3a44"


def test_since_reads_what_changed_after_a_moment(place: Place) -> None:
    place.load()
    moment = datetime.now(UTC)
    place.account("SINCE-1")
    one = place.load(full=True, since=moment.isoformat(), apply=False)
    assert one.extract().table.column("accountnumber").to_pylist().count("SINCE-1") == 1
    assert one.finish().read == len(place.waiting()) + 1
    with pytest.raises(ConfigError, match="is no moment"):
        place.load(since="yesterday")


def test_where_a_table_does_not_track_changes_its_modified_date_tells(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = place.session.sales.metadata
    asked = metadata.schema
    monkeypatch.setattr(metadata, "schema", lambda name: replace(asked(name), change_tracking=False))
    monkeypatch.setattr(p2c_lib, "__version__", "98")
    assert "no load of this task" not in place.load().finish().why
    place.account("STAMP-1")
    line = place.load().finish()
    assert line.created == 1
    assert all(datetime.fromisoformat(str(moment)) for moment in place.mark()["positions"].values())


def test_a_source_that_tells_no_changes_is_read_whole_and_that_is_said(place: Place) -> None:
    start = len(REQUESTS)
    line = place.load("products").finish()
    assert "All rows were read: finops does not tell what changed in SellableReleasedProducts." in line.why
    assert len([request for request in since(start) if "SellableReleasedProducts" in request]) == 1


def test_the_tables_behind_a_template_are_watched_for_the_columns_in_use(place: Place) -> None:
    text = "quoteid/statecode eq 1 and quantity gt 0"
    read = ("quoteid.quotenumber", "sequencenumber", "productid.productnumber", "uomid.name")
    lines = watched(place.session.sales, EntityQuery("sales", "quotedetails", read, read[:2], text))
    assert (lines.entity_set, lines.columns) == ("quotedetails", ("quoteid",))
    assert {one.path: (one.entity_set, set(one.columns), one.lookup) for one in lines.behind} == {
        "quoteid": ("quotes", {"quotenumber", "statecode"}, "quoteid"),
        "productid": ("products", {"productnumber"}, "productid"),
        "uomid": ("uoms", {"name"}, "uomid"),
    }
    text = "parentcustomerid_account/transactioncurrencyid/isocurrencycode eq 'a/b' and name eq 'x/y'"
    deep = watched(place.session.sales, replace(template("contacts").source, filter=text))
    assert [one.path for one in deep if "currency" in one.path] == ["parentcustomerid.account.transactioncurrencyid"]


def test_a_ledger_of_the_second_version_gets_the_new_tables(tmp_path: Path) -> None:
    one = open_ledger(tmp_path)
    one.begin_run("r1", connection_set="prod", company="USMF", apply=True)
    one.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as old, old:
        for table in ("marks", "deletions", "gate_rules", "cells", "imports"):
            old.execute(f"DROP TABLE IF EXISTS {table}")
        old.execute("UPDATE schema_version SET version = 2")
    again = open_ledger(tmp_path)
    assert (again.deletions(), again.marks(connection_set="prod", company="USMF")) == ([], [])
    assert [run["run_id"] for run in again.runs()] == ["r1"]
    assert again.verify().findings == ()
    again.close()


def test_no_word_of_a_customer_is_in_a_notice(place: Place) -> None:
    """Rows with a planted name that are set aside: the notice counts them and names none."""
    word = "Xanthippe-GmbH"
    row = place.account(word, name=word, address1_country=word, description=word)
    try:
        line = place.load(full=True, ceiling=0.0).finish()
        assert word.casefold() in place.waiting()
        assert word in line.why
    finally:
        place.write("sales", Write("delete", "accounts", {"accountid": row}, {}))
    notice = notice_of("r", "sandbox, USMF", [line], {"accounts": f"KeyError: {word}"}, report=Path("r.html"))
    assert notice.events == ("gate",)
    assert word.casefold() not in json.dumps(notice.to_dict()).casefold()
    assert f"{line.quarantined} quarantined" in notice.text


def test_a_scheduled_run_with_a_closed_gate_ends_with_1_and_tells_so(place: Place) -> None:
    """The whole way: schedule, ``p2c run`` with its kernel, the gate, the notice; and no customer in it."""
    root = place.session.workspace.root
    out, code = root / "notice.json", "import sys; open('notice.json', 'w').write(sys.stdin.read())"
    (root / "p2c.toml").write_text(f'[notify.me]\nkind = "command"\ncommand = ["{sys.executable}", "-c", "{code}"]\n')
    word = "Yggdrasil-KG"
    row = place.account(word, name=word, address1_country=word)
    given = {"connection_set": "sandbox", "apply": True, "full": False, "ceiling": 0.0}
    Schedules(place.session.workspace).add(Schedule("nightly", "@daily", "UTC", ("accounts",), given))
    told: list[str] = []
    try:
        assert run_now(place.session.workspace, "nightly", told.append) == 1
    finally:
        place.write("sales", Write("delete", "accounts", {"accountid": row}, {}))
        place.load()
    assert told[-1] == "nightly: ended differences"
    notice = json.loads(out.read_text())
    assert notice["events"] == ["gate"]
    assert notice["headline"] == "p2c: a gate is closed (accounts) - sandbox, USMF"
    report = next(line for line in notice["lines"] if line.startswith("Report: ")).removeprefix("Report: ")
    assert word in Path(report).read_text("utf-8"), "the report names it"
    assert word.casefold() not in out.read_text().casefold()
    (last,) = [run for run in place.ledger.runs() if run["run_id"] == notice["run_id"]]
    assert last["status"] == "differences"


def test_the_ledger_stays_sound(place: Place) -> None:
    assert place.ledger.verify().findings == ()
