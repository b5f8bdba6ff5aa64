"""Held rows wait for their cause through all levels, and go again by themselves when it is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

import p2c_lib as p2c
from p2c_lib.config import Workspace
from p2c_lib.flow import TASKS, TaskWalk
from p2c_lib.frames import EntityQuery
from p2c_lib.keys import RowKey
from p2c_lib.ledger import open_ledger
from p2c_lib.odata import Write
from p2c_lib.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with p2c.connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("release"))) as opened:
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


def _texts(table: pa.Table, columns: Sequence[str]) -> pa.Array:
    return RowKey(tuple(columns), "finops").texts(table)


def keys_of(session: Session, task: str, column: str, values: set[str]) -> set[str]:
    """The keys of a task's mapped rows whose column holds one of the values."""
    mapped = TaskWalk(task, session).map().frame
    keys, there = (_texts(mapped.table, by).to_pylist() for by in (mapped.key, (column,)))
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


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Session]:
    with p2c.connect("sandbox", workspace=Workspace(tmp_path)) as opened:
        yield opened


def apply_all(session: Session) -> dict[str, TaskWalk]:
    walks = {task: TaskWalk(task, session, apply=True) for task in TASKS}
    for walk in walks.values():
        walk.finish()
    return walks


def test_a_product_holds_its_lines_their_quotes_and_all_lines_of_those_and_lets_them_go(fresh: Session) -> None:
    lines = TaskWalk("quote-lines", fresh)
    before = waiting(fresh)
    there = set(_texts(TaskWalk("quotes", fresh).target().table, ["SalesQuotationNumber"]).to_pylist())
    table = lines.check().passed.table
    every = list(
        zip(
            *(_texts(table, [column]).to_pylist() for column in ("ProductNumber", "SalesQuotationNumber")),
            _texts(table, lines.map().frame.key).to_pylist(),
            strict=True,
        )
    )
    product = next(p for p, quote, _ in every if quote not in there | before["quotes"])
    quotes = {quote for p, quote, _ in every if p == product} - before["quotes"]
    mine = {key for p, quote, key in every if quote in quotes}
    assert any(p != product for p, quote, _ in every if quote in quotes)

    number = product.upper()
    where = f"ProductNumber eq '{number}'"
    query = EntityQuery("finops", "SellableReleasedProducts", ("SalesUnitSymbol",), ("ProductNumber",), where)
    unit = fresh.extract(query).table.column("SalesUnitSymbol")[0].as_py()
    set_unit(fresh, number, "pal")
    first = apply_all(fresh)
    after = {task: set(walk.check().set_aside()) for task, walk in first.items()}
    assert {task: after[task] - before[task] for task in ("products", "quotes", "quote-lines")} == {
        "products": {product},
        "quotes": quotes,
        "quote-lines": mine - before["quote-lines"],
    }
    held = first["quotes"].check().held.to_pylist()
    waits = f"waits for its product {number}: 'pal' is not in the value map"
    part = next(row["parent_key"] for row in held if row["key"] in quotes)
    reasons = first["quote-lines"].check().set_aside()
    assert reasons[part] == waits
    assert {row["reason"] for row in held if row["parent_key"] == part} == {
        f"waits for its line {part.rpartition('|')[2]}: {waits}"
    }
    sister = next(key for p, q, key in every if q in quotes and p != product)
    assert reasons[sister].startswith("waits for its quote ")
    assert reasons[sister].endswith(waits)

    set_unit(fresh, number, unit)
    second = apply_all(fresh)
    sent = {task: set(walk.plan().operations.column("key").to_pylist()) for task, walk in second.items()}
    assert sent["quotes"] == quotes - there
    assert sent["quote-lines"] == {key for key in mine if key.rpartition("|")[0] in quotes - there}
    assert {task for task, keys in sent.items() if keys} <= {"products", "quotes", "quote-lines"}
    assert {walk.finish().failed for walk in second.values()} == {0}
    assert {task: set(walk.check().set_aside()) for task, walk in second.items()} == before


def set_unit(session: Session, number: str, unit: str) -> None:
    key = {"dataAreaId": session.company.lower(), "ProductNumber": number}
    (done,) = session.finops.write([Write("update", "SellableReleasedProducts", key, {"SalesUnitSymbol": unit})])
    assert done.ok, done.error
