"""F&O may cut a text that is too long for its column: after a lost answer its row holds the beginning of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.config import Workspace
from p2c_lib.errors import Drifted, Duplicate, Unreachable
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.odata import Client, Write
from p2c_lib.plan import Plan
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app
from p2c_lib.session import Session, connect
from tests.conftest import TOKEN, AppTransport
from tests.customers import customers, plan_of
from tests.subtle import PLAIN, raw_rows
from tests.test_load_exact import journalled
from tests.test_odata_settle import losing

LONG = "Contoso Entertainment Systems of " + "x" * 120
KEPT = LONG[:100]
UNTOLD = "sent"
KEY = {"dataAreaId": "usmf", "CustomerAccount": "C-1"}
ROW = {**KEY, "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}


def service(store: Store, portal: BlockingPortal, overflow: Any) -> httpx.Client:
    with store.write():
        store.insert(entities("finops")["LegalEntities"], {"LegalEntityId": "usmf", "Name": "usmf"})
        store.insert(entities("finops")["CustomerGroups"], {"dataAreaId": "usmf", "CustomerGroupId": "10"})
        store.insert(entities("finops")["Currencies"], {"CurrencyCode": "USD"})
    app = finops_app(store, Tokens(TOKEN), Switches(string_overflow=overflow))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(transport=AppTransport(app, portal), base_url="http://finops.test/data/", headers=headers)


def there(plain: httpx.Client) -> list[dict[str, Any]]:
    return list(plain.get("CustomersV2?cross-company=true").json()["value"])


@pytest.mark.parametrize(
    ("overflow", "before", "arrives", "held", "outcome"),
    [
        ("truncate", "Contoso", True, KEPT, Unreachable),
        ("truncate", "Contoso", False, "Contoso", Drifted),
        ("truncate", KEPT, False, KEPT, Unreachable),
        ("accept", KEPT, False, KEPT, Unreachable),
        ("accept", KEPT, True, LONG, type(None)),
        ("accept", "Another name by far", False, "Another name by far", Drifted),
    ],
)
def test_the_beginning_of_a_text_is_neither_taken_for_it_nor_for_somebody_elses(
    store: Store, portal: BlockingPortal, overflow: str, before: str, arrives: bool, held: str, outcome: type
) -> None:
    """It may have stood there before, and no metadata of F&O say at what length a text is cut."""
    with service(store, portal, overflow) as plain:
        with store.write():
            store.insert(entities("finops")["CustomersV2"], {**ROW, "OrganizationName": before})
        etag = there(plain)[0]["@odata.etag"]
        path = "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')?cross-company=true"

        def meanwhile() -> None:
            assert plain.patch(path, json={"AddressCity": "theirs"}).status_code == 204

        with losing(plain, "finops", meanwhile, arrives=arrives) as client:
            (result,) = client.write([Write("update", "CustomersV2", KEY, {"OrganizationName": LONG}, etag)])
        assert [row["OrganizationName"] for row in there(plain)] == [held]
        assert type(result.error) is outcome
        assert ("the beginning of a text" in str(result.error)) == (outcome is Unreachable)


SHORT, BEGINNING = "Contoso Retail San Diego", "Contoso Retail"


@pytest.mark.parametrize("by", ["alone", "batch", "table"])
@pytest.mark.parametrize(
    ("overflow", "ours", "theirs", "outcome"),
    [
        ("truncate", LONG, None, Unreachable),
        ("truncate", LONG, KEPT, Unreachable),
        ("truncate", LONG, "Contoso", Duplicate),
        ("truncate", LONG, LONG[1:], Duplicate),
        ("refuse", SHORT, BEGINNING, Unreachable),
        ("refuse", SHORT, BEGINNING.upper(), Duplicate),
        ("refuse", SHORT, None, type(None)),
    ],
)
def test_a_new_row_with_the_beginning_of_a_text_may_be_ours_or_somebody_elses(
    store: Store, portal: BlockingPortal, by: str, overflow: str, ours: str, theirs: str | None, outcome: type
) -> None:
    """Nobody is told that it was written: a row like that may have been made while the request never came there."""
    accounts = ["C-1"] if by == "alone" else ["C-1", "C-2"]
    with service(store, portal, overflow) as plain:
        rows = [{**ROW, "CustomerAccount": account} for account in accounts]

        def meanwhile() -> None:
            for row in rows if theirs is not None else ():
                answer = plain.post("CustomersV2", json={**row, "OrganizationName": theirs})
                assert answer.status_code == 201, answer.text

        wanted = [{**row, "OrganizationName": ours} for row in rows]
        with losing(plain, "finops", meanwhile, arrives=theirs is None) as client:
            if by == "table":
                results = client.write_table("create", "CustomersV2", pa.Table.from_pylist(wanted))
            else:
                results = client.write([Write("create", "CustomersV2", None, body) for body in wanted])
        assert [type(result.error) for result in results] == [outcome] * len(rows)
        held = ours if theirs is None else theirs
        assert [row["OrganizationName"] for row in there(plain)] == [held[:100]] * len(rows)


# -- with the row as it was before, which a plan knows -----------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    workspace = Workspace(tmp_path_factory.mktemp("cut"))
    workspace.sandbox_home.mkdir(parents=True)
    switches = {"finops": {"string_overflow": "truncate"}}
    (workspace.sandbox_home / "switches.json").write_text(json.dumps(switches))
    with connect("sandbox", workspace=workspace) as opened:
        yield opened


def planned(session: Session, prefix: str, name: str) -> Plan:
    (row,) = customers(prefix, 1)
    rows = [{**row, "OrganizationName": name, "CreditLimit": Decimal(1)}]
    return plan_of(session, rows, session.workspace.state / "plans", prefix, PLAIN.template)


@pytest.mark.parametrize(
    ("prefix", "before", "sent", "state"),
    [
        ("ZVA", "Contoso", True, UNTOLD),
        ("ZVB", "Contoso", False, "drifted"),
        ("ZVC", KEPT, False, UNTOLD),
        ("ZVD", None, True, UNTOLD),
    ],
)
def test_what_a_killed_process_left_may_not_be_told(
    session: Session, prefix: str, before: str | None, sent: bool, state: str
) -> None:
    if before is not None:
        assert apply(planned(session, prefix, before), session).complete
    plan = planned(session, prefix, LONG)
    assert len(plan) == 1
    if sent:
        apply(plan, session)
        assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == KEPT
    ledger = open_ledger(session.workspace.state / f"{prefix}.db")
    try:
        journalled(ledger, plan)
        if before is not None:
            with Client(session.set.finops) as other:
                key = {"dataAreaId": "usmf", "CustomerAccount": f"{prefix}000000"}
                (theirs,) = other.write([Write("update", "CustomersV2", key, {"PrimaryContactPhone": "555"})])
                assert theirs.ok, theirs.error
        outcome = apply(plan, session, ledger=ledger)
        noted = [row["state"] for row in ledger.operations(plan.id)]
    finally:
        ledger.close()
    assert outcome.rows.column("state").to_pylist() == ["failed" if state == UNTOLD else state]
    assert noted == [state]
    assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == (KEPT if sent else before)


@pytest.mark.parametrize(("prefix", "before"), [("ZVE", "Contoso"), ("ZVF", None)])
def test_what_was_never_sent_is_not_held_for_written_by_the_beginning_that_somebody_else_put_there(
    session: Session, prefix: str, before: str | None
) -> None:
    """Nor is it sent over theirs, nor is their row taken back; once the row tells, the next apply says so."""
    if before is not None:
        assert apply(planned(session, prefix, before), session).complete
    plan = planned(session, prefix, SHORT)
    key = {"dataAreaId": "usmf", "CustomerAccount": f"{prefix}000000"}
    ledger = open_ledger(session.workspace.state / f"{prefix}.db")
    try:
        journalled(ledger, plan)
        with Client(session.set.finops) as other:
            (theirs,) = other.write([named(plan, key, before, BEGINNING)])
            assert theirs.ok, theirs.error
        outcome = apply(plan, session, ledger=ledger)
        (problem,) = outcome.problems().to_pylist()
        assert problem["state"] == "failed"
        assert "OrganizationName the beginning of the text" in problem["message"]
        assert [row["state"] for row in ledger.operations(plan.id)] == [UNTOLD]
        (back,) = undo(plan, session, ledger=ledger)
        assert len(back) == 0
        assert [(one["key"], "does not tell" in one["why"]) for one in back.facts["cannot"]] == [(problem["key"], True)]
        assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == BEGINNING
        with Client(session.set.finops) as other:
            (theirs,) = other.write([Write("update", "CustomersV2", key, {"OrganizationName": "Fabrikam"})])
            assert theirs.ok, theirs.error
        assert apply(plan, session, ledger=ledger).drifted == 1
    finally:
        ledger.close()
    assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == "Fabrikam"


def named(plan: Plan, key: dict[str, str], before: str | None, name: str) -> Write:
    """Somebody else's write of a name: to the row that is there, or of the row that a plan makes."""
    if before is not None:
        return Write("update", "CustomersV2", key, {"OrganizationName": name})
    (row,) = plan.operations.select(["after"]).to_pylist()
    body = {column: value for column, value in row["after"].items() if value is not None}
    return Write("create", "CustomersV2", None, {**body, "OrganizationName": name, "dataAreaId": "usmf"})
