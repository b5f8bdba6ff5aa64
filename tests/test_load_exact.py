"""Whether a write was carried out is decided exactly: what was journalled and never sent is sent, to the last blank."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import ServiceError, Unsendable, UrlTooLong
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.load.applying import _judged
from p2c_lib.load.writes import PlanWriter
from p2c_lib.odata import Write, WriteResult
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import plan_of
from tests.subtle import ACCOUNTS, CUSTOMERS, SEQUENCES, Subject, ground, held, raw_rows, wanted_of

SUBJECTS = pytest.mark.parametrize("subject", [CUSTOMERS, SEQUENCES, ACCOUNTS], ids=lambda one: one.template.task)
ROWS = 24


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("exact"))) as opened:
        yield opened


@pytest.fixture
def ledger(session: Session) -> Iterator[Ledger]:
    one = open_ledger(session.workspace.ledger)
    yield one
    one.close()


def planned(session: Session, subject: Subject, prefix: str, rows: list[dict[str, Any]]) -> Plan:
    return plan_of(session, rows, session.workspace.state / "plans", prefix, subject.template)


def laid(session: Session, subject: Subject, prefix: str) -> Plan:
    """The rows as they were, and the plan of every update."""
    for rows in ground(subject, prefix, ROWS):
        outcome = apply(planned(session, subject, prefix, rows), session)
        assert outcome.complete, outcome.problems().to_pylist()
        assert outcome.read_back.differences == ()
    plan = planned(session, subject, prefix, subject.rows(prefix, ROWS, 2))
    assert (plan.creates, plan.updates > ROWS // 2) == (0, True)
    return plan


def journalled(ledger: Ledger, plan: Plan) -> None:
    """The ledger as a process leaves it that is killed after the journal and before the request."""
    ledger.record_plan(plan.id, task=plan.task, folder=plan.folder, run_id=None)
    rows = plan.operations.select(["position", "op", "key"]).to_pylist()
    where = plan.facts["destination"]["entity_set"]
    ledger.sending(plan.id, [row | {"entity_set": where} for row in rows])


def wrong(session: Session, subject: Subject, prefix: str, rows: list[dict[str, Any]]) -> list[str]:
    found = raw_rows(session, subject, prefix)
    return list(held(wanted_of(subject, rows, found), found, subject.key))


@SUBJECTS
def test_what_was_journalled_and_never_sent_is_sent(session: Session, ledger: Ledger, subject: Subject) -> None:
    plan = laid(session, subject, "ZXA")
    journalled(ledger, plan)
    outcome = apply(plan, session, ledger=ledger)
    assert outcome.complete, outcome.problems().to_pylist()
    assert outcome.earlier == 0
    assert outcome.read_back.differences == ()
    assert wrong(session, subject, "ZXA", subject.rows("ZXA", ROWS, 2)) == []


@SUBJECTS
def test_what_was_sent_and_never_answered_is_not_sent_again(session: Session, ledger: Ledger, subject: Subject) -> None:
    plan = laid(session, subject, "ZXB")
    assert apply(plan, session).complete
    versions = {row[subject.key]: row["@odata.etag"] for row in raw_rows(session, subject, "ZXB")}
    other = open_ledger(session.workspace.state / f"other-{subject.template.task}.db")
    try:
        journalled(other, plan)
        outcome = apply(plan, session, ledger=other)
    finally:
        other.close()
    assert (outcome.complete, outcome.earlier) == (True, len(plan))
    assert {row[subject.key]: row["@odata.etag"] for row in raw_rows(session, subject, "ZXB")} == versions


@SUBJECTS
def test_where_somebody_else_wrote_meanwhile_an_update_that_never_went_is_drifted(
    session: Session, ledger: Ledger, subject: Subject
) -> None:
    plan = laid(session, subject, "ZXC")
    journalled(ledger, plan)
    others = {"CustomersV2": "PrimaryContactPhone", "SequenceV2Tables": "Format", "accounts": "telephone1"}
    entity_set = plan.facts["destination"]["entity_set"]
    client = session.client(subject.app)
    rows = plan.operations.to_pylist()
    keys = [
        {"accountid": row["id"]}
        if subject is ACCOUNTS
        else {n: row["before"].get(n, "usmf") for n in client.schema(entity_set).key}
        for row in rows
    ]
    results = client.write([Write("update", entity_set, key, {others[entity_set]: "555"}) for key in keys])
    assert all(result.ok for result in results)
    outcome = apply(plan, session, ledger=ledger)
    # A blank at the end of a text is nothing in F&O, so there is nothing to lose.
    blank = {row["key"] for row in rows if row["changed"] == ["SalesMemo"] and row["after"]["SalesMemo"]}
    states = {row["key"]: row["state"] for row in outcome.rows.to_pylist()}
    assert states == {row["key"]: "applied" if row["key"] in blank else "drifted" for row in rows}
    assert bool(blank) == (subject is CUSTOMERS)


def accounts_of(session: Session, prefix: str) -> dict[str, dict[str, Any]]:
    return {row["accountnumber"]: row for row in raw_rows(session, ACCOUNTS, prefix)}


def test_a_row_of_sales_is_known_by_its_id_and_not_by_its_key(session: Session, ledger: Ledger) -> None:
    rows = ACCOUNTS.rows("ZXD", 3, 1)
    plan = planned(session, ACCOUNTS, "ZXD", rows)
    journalled(ledger, plan)
    names = [row["after"]["accountnumber"] for row in plan.operations.to_pylist()]
    # The first was made by the lost request, the second by somebody else with the very same values.
    made = {name: value for name, value in rows[0].items() if value is not None}
    theirs = {name: value for name, value in rows[1].items() if value is not None}
    first = {"accountid": plan.operations.column("id")[0].as_py()}
    results = session.sales.write([Write("create", "accounts", None, body) for body in (made | first, theirs)])
    assert all(result.ok for result in results)
    outcome = apply(plan, session, ledger=ledger)
    assert outcome.rows.column("state").to_pylist() == ["applied", "drifted", "applied"]
    assert sorted(accounts_of(session, "ZXD")) == names


def test_money_is_known_again_in_the_decimals_of_its_rows_own_currency(session: Session) -> None:
    rows = ACCOUNTS.rows("ZXM", 3, 1)
    assert apply(planned(session, ACCOUNTS, "ZXM", rows), session).complete
    coarse = {"currencyname": "Coarse", "isocurrencycode": "ZZM", "currencysymbol": "Z", "currencyprecision": 1}
    (made,) = session.sales.write([Write("create", "transactioncurrencies", None, {**coarse, "exchangerate": 1})])
    bound = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({made.row_id})"}
    ids = [{"accountid": row["accountid"]} for row in raw_rows(session, ACCOUNTS, "ZXM")]
    assert all(each.ok for each in session.sales.write([Write("update", "accounts", one, bound) for one in ids]))
    fine = [row | {"creditlimit": Decimal("7.7654")} for row in rows]
    plan = planned(session, ACCOUNTS, "ZXM", fine)
    for place in ("first", "second"):
        other = open_ledger(session.workspace.state / f"money-{place}.db")
        try:
            if place == "second":
                journalled(other, plan)
            outcome = apply(plan, session, ledger=other)
        finally:
            other.close()
        assert outcome.complete, outcome.problems().to_pylist()
        assert outcome.earlier == (3 if place == "second" else 0)
    assert {row["creditlimit"] for row in accounts_of(session, "ZXM").values()} == {Decimal("7.8")}


def test_a_row_that_has_the_id_of_the_plan_is_the_plans(session: Session) -> None:
    rows = ACCOUNTS.rows("ZXG", 3, 1)
    plan = planned(session, ACCOUNTS, "ZXG", rows)
    first = {"accountid": plan.operations.column("id")[0].as_py()}
    other = {"accountnumber": "ZXG000000", "name": "as the service made it of the plan's"}
    taken = {"accountnumber": "ZXG000001", "name": "of somebody else"}
    results = session.sales.write([Write("create", "accounts", None, body) for body in (other | first, taken)])
    assert all(result.ok for result in results)
    assert apply(plan, session).rows.column("state").to_pylist() == ["applied", "failed", "applied"]


@pytest.mark.parametrize("kind", [Unsendable, UrlTooLong])
def test_what_no_request_carries_has_failed_and_is_not_in_doubt(kind: type[ServiceError]) -> None:
    line = _judged(7, WriteResult(0, None, kind("The key is too long."), ""), "usmf", again=())
    assert (line["position"], line["state"], line["message"]) == (7, "failed", "The key is too long.")


@SUBJECTS
def test_a_request_of_a_killed_process_that_arrives_late_is_ours_all_the_same(
    session: Session, ledger: Ledger, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = laid(session, subject, "ZXH")
    journalled(ledger, plan)
    send, late = PlanWriter.send, []

    def after_the_late_one(writer: PlanWriter, rows: pa.Table) -> list[WriteResult]:
        if not late:
            late.extend(result.ok for result in send(writer, rows))
        return send(writer, rows)

    monkeypatch.setattr(PlanWriter, "send", after_the_late_one)
    outcome = apply(plan, session, ledger=ledger)
    assert late == [True] * len(plan)
    assert outcome.complete, outcome.problems().to_pylist()
    assert wrong(session, subject, "ZXH", subject.rows("ZXH", ROWS, 2)) == []


def test_a_row_that_got_another_key_is_not_taken_for_deleted(session: Session, ledger: Ledger) -> None:
    plan = planned(session, ACCOUNTS, "ZXE", ACCOUNTS.rows("ZXE", 3, 1))
    assert apply(plan, session).complete
    (back,) = undo(plan, session)
    journalled(ledger, back)
    moved, gone, _ = (row["id"] for row in back.operations.to_pylist())
    writes = [
        Write("update", "accounts", {"accountid": moved}, {"accountnumber": "ZXE9"}),
        Write("delete", "accounts", {"accountid": gone}, {}),
    ]
    assert all(result.ok for result in session.sales.write(writes))
    outcome = apply(back, session, ledger=ledger)
    assert outcome.rows.column("state").to_pylist() == ["drifted", "applied", "applied"]
    assert list(accounts_of(session, "ZXE")) == ["ZXE9"]


def test_an_undo_never_touches_the_row_that_has_our_key_by_now(session: Session) -> None:
    plan = laid(session, ACCOUNTS, "ZXG")
    assert apply(plan, session).complete
    ours = next(row for row in plan.operations.to_pylist() if row["changed"] == ["name"])
    number, name = ours["after"]["accountnumber"], ours["after"]["name"]
    writes = [
        Write("update", "accounts", {"accountid": ours["id"]}, {"accountnumber": "ZXG-moved"}),
        Write("create", "accounts", None, {"accountnumber": number, "name": name}),
    ]
    for write in writes:
        assert session.sales.write([write])[0].ok
    (back,) = undo(plan, session)
    whys = {line["key"]: line["why"] for line in back.facts["cannot"]}
    assert whys == {ours["key"]: "its key is another row's by now"}


def test_a_change_of_case_or_of_a_lookup_after_an_apply_is_not_undone(session: Session) -> None:
    plan = laid(session, ACCOUNTS, "ZXF")
    assert apply(plan, session).complete
    rows = {row["after"]["accountnumber"]: row for row in plan.operations.to_pylist()}
    parents = accounts_of(session, "ZXF")
    name, lookup = rows["ZXF000013"], rows["ZXF000007"]
    assert (name["changed"], lookup["changed"]) == (["name"], ["parentaccountid.accountnumber"])
    other = f"/accounts({parents['ZXF000001']['accountid']})"
    writes = [
        Write("update", "accounts", {"accountid": name["id"]}, {"name": "Cafe 13 OF the corner"}),
        Write("update", "accounts", {"accountid": lookup["id"]}, {"parentaccountid@odata.bind": other}),
    ]
    assert all(result.ok for result in session.sales.write(writes))
    (back,) = undo(plan, session)
    assert {line["key"]: line["why"] for line in back.facts["cannot"]} == {
        "zxf000013": "changed since in name",
        "zxf000007": "changed since in parentaccountid.accountnumber",
    }
    assert apply(back, session).complete
