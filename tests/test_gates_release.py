"""Held rows wait for their cause through all levels, and go again by themselves when it is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import p2c_lib as p2c
from p2c_lib.config import workspace
from p2c_lib.flow import TASKS, TaskWalk
from p2c_lib.frames import EntityQuery, key_text
from p2c_lib.ledger import open_ledger
from p2c_lib.odata import Write
from p2c_lib.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with p2c.connect("sandbox", workspace=workspace(tmp_path_factory.mktemp("release"))) as opened:
        yield opened


def waiting(session: Session) -> dict[str, set[str]]:
    """The keys that wait after every task was judged once, by task."""
    for task in TASKS:
        TaskWalk(task, session).finish()
    ledger = open_ledger(session.workspace.state)
    try:
        found = ledger.blocked(connection_set="sandbox", company=session.company)
    finally:
        ledger.close()
    return {task: set(found.get(task, {})) for task in TASKS}


def keys_of(session: Session, task: str, column: str, values: set[str]) -> set[str]:
    """The keys of a task's mapped rows whose column holds one of the values."""
    mapped = TaskWalk(task, session).map().frame
    keys, there = (key_text(mapped.table, by).to_pylist() for by in (mapped.key, (column,)))
    return {key for key, value in zip(keys, there, strict=True) if value in values}


def test_one_account_holds_exactly_what_hangs_on_it_and_lets_it_go(session: Session) -> None:
    query = EntityQuery("sales", "quotes", ("customerid.account.accountnumber",), ("quotenumber",), "statecode eq 1")
    before = waiting(session)
    asked = session.extract(query).table.column("customerid.account.accountnumber").drop_null().to_pylist()
    quoted = {number.casefold() for number in asked}
    companies = TaskWalk("contacts", session).map().frame.table.column("AssociatedPartyNumber").to_pylist()
    settled = {c for c in companies if c and c.casefold() in quoted - before["accounts"]}
    account = sorted(settled)[0]
    contacts = keys_of(session, "contacts", "AssociatedPartyNumber", {account.casefold()})
    quotes = keys_of(session, "quotes", "RequestingCustomerAccountNumber", {account.casefold()})
    lines = keys_of(session, "quote-lines", "SalesQuotationNumber", quotes)
    assert contacts
    assert quotes
    assert lines

    where = f"accountnumber eq '{account}'"
    columns = ("accountid", "address1_country")
    row = session.extract(EntityQuery("sales", "accounts", columns, ("accountnumber",), where)).table.to_pylist()[0]
    key = {"accountid": row["accountid"]}
    (broken,) = session.sales.write([Write("update", "accounts", key, {"address1_country": "Erewhon"})])
    assert broken.ok

    after = waiting(session)
    new = {task: after[task] - before[task] for task in TASKS}
    assert new == {
        "products": set(),
        "accounts": {account.casefold()},
        "contacts": contacts - before["contacts"],
        "contact-customers": set(),
        "quotes": quotes - before["quotes"],
        "quote-lines": lines - before["quote-lines"],
    }

    (mended,) = session.sales.write([Write("update", "accounts", key, {"address1_country": row["address1_country"]})])
    assert mended.ok
    assert waiting(session) == before
