"""Whether a write was carried out is decided exactly: what was journalled and never sent is sent, to the last blank."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load import apply
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import plan_of
from tests.subtle import ACCOUNTS, CUSTOMERS, SEQUENCES, Subject, held, raw_rows, wanted_of

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


def planned(session: Session, subject: Subject, prefix: str, version: int, rows: int = ROWS) -> Plan:
    folder: Path = session.workspace.state / "plans"
    return plan_of(session, subject.rows(prefix, rows, version), folder, prefix, subject.template)


def laid(session: Session, subject: Subject, prefix: str) -> Plan:
    """The rows as they were, and the plan of every update."""
    if subject is ACCOUNTS:  # parents first: a lookup needs its row
        folder: Path = session.workspace.state / "plans"
        parents = subject.rows(prefix, 5, 1)
        assert apply(plan_of(session, parents, folder, prefix, subject.template), session).complete
    outcome = apply(planned(session, subject, prefix, 1), session)
    assert outcome.complete, outcome.problems().to_pylist()
    assert outcome.read_back.differences == ()
    plan = planned(session, subject, prefix, 2)
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
