"""Incremental runs: what changed is read, mapped and written, nothing else, and nothing that waits is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import p2c_lib
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError
from p2c_lib.flow import TASKS, TaskSummary, TaskWalk
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.mapping import template
from p2c_lib.marks.watched import Watched, watched
from p2c_lib.odata import Client, Query, Write
from p2c_lib.session import Session, connect

SEEN: list[tuple[str, str]] = []


class Recording(httpx.BaseTransport):
    """Every request that goes to the sandbox, as it goes."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        SEEN.append((request.method, httpx.URL(request.url).raw_path.decode()))
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


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

    def line(self, one: TaskWalk) -> TaskSummary:
        return one.finish()

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
        return self.write("sales", Write("create", "accounts", None, values | bind))[0]

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
    return [f"{method} {path.split('/data/')[-1].removeprefix('v9.2/')}" for method, path in SEEN[start:]]


def test_after_100_changed_accounts_only_those_are_read_mapped_and_written(place: Place) -> None:
    for task in TASKS:
        place.load(task)
    waits = {task: len(place.waiting(task)) for task in TASKS}
    rows = place.rows("sales", "accounts", ("accountid", "accountnumber"), "address1_country eq 'United States'")
    before = {row["CustomerAccount"] for row in place.rows("finops", "CustomersV2", ("CustomerAccount",))}
    mine = [row for row in rows if row["accountnumber"] in before - place.waiting()][:100]
    if len(mine) < 100:
        rows = place.rows("sales", "accounts", ("accountid", "accountnumber"))
        aside = place.waiting()
        mine = [r for r in rows if r["accountnumber"] in before and r["accountnumber"].casefold() not in aside][:100]
    place.write(
        "sales",
        *(Write("update", "accounts", {"accountid": r["accountid"]}, {"fax": f"1-{n}"}) for n, r in enumerate(mine)),
    )
    start = len(SEEN)
    walks = {task: place.load(task) for task in TASKS if task != "products"}
    asked = since(start)
    lines = {task: walks[task].finish() for task in walks}
    assert (lines["accounts"].updated, lines["accounts"].created) == (100, 0)
    assert {task: line.read for task, line in lines.items()} == {
        task: waits[task] + (100 if task == "accounts" else 0) for task in walks
    }
    assert len(walks["accounts"].map().source) == 100 + waits["accounts"]
    assert len(walks["accounts"].target()) == 100
    assert {task: line.updated + line.created for task, line in lines.items() if task != "accounts"} == dict.fromkeys(
        set(walks) - {"accounts"}, 0
    )
    whole = [r for r in asked if r.startswith("GET") and "$filter" not in r and "$deltatoken" not in r]
    assert whole == []
    customers = [r for r in asked if "CustomersV2" in r]
    assert all("CustomerAccount%20eq" in request for request in customers)
    assert len([r for r in asked if r.startswith("POST")]) == 1
    # Two questions what changed, the rows and those without a number; their customers, one batch, and its read-back.
    assert len(asked) < 45
    assert place.load().finish().read == waits["accounts"]
