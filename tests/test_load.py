"""Applying a plan: what it says, once, to the systems it was made for, and nothing over somebody else's change."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import GateClosed, PlanAltered, PlanError, WrongEnvironment
from p2c_lib.flow import TaskWalk
from p2c_lib.load import apply
from p2c_lib.odata import Write
from p2c_lib.plan import Plan, open_plan, plan
from p2c_lib.plan.files import saved
from p2c_lib.plan.operations import numbered
from p2c_lib.session import Session, connect


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path)) as opened:
        yield opened


def test_apply_writes_the_plan_and_a_second_apply_sends_nothing(session: Session) -> None:
    made = TaskWalk("accounts", session).plan()
    assert made.creates > 0
    assert made.updates > 0
    first = apply(made, session)
    assert (first.created, first.updated, first.failed, first.drifted) == (made.creates, made.updates, 0, 0)
    again = apply(made, session)
    assert (again.created, again.updated, again.earlier) == (made.creates, made.updates, len(made))
    assert "were not sent again" in again.report().why
    assert len(TaskWalk("accounts", session).plan()) == 0


def test_a_row_that_moved_since_the_plan_is_drifted_and_left_alone(session: Session) -> None:
    made = TaskWalk("accounts", session).plan()
    moved = next(row for row in made.operations.to_pylist() if row["op"] == "update")
    key = {"dataAreaId": "usmf", "CustomerAccount": moved["before"]["CustomerAccount"]}
    (other,) = session.finops.write([Write("update", "CustomersV2", key, {"SalesMemo": "moved by another"})])
    assert other.ok
    outcome = apply(made, session)
    assert outcome.problems().select(["key", "state"]).to_pylist() == [{"key": moved["key"], "state": "drifted"}]
    there = session.extract(TaskWalk("accounts", session).template.destination).df
    memo = there.loc[there["CustomerAccount"] == key["CustomerAccount"], "SalesMemo"]
    assert list(memo) == ["moved by another"]


def test_a_closed_gate_an_altered_plan_and_limits_are_refused(session: Session) -> None:
    walk = TaskWalk("accounts", session, ceiling=0)
    assert walk.check().verdict == "blocked"
    with pytest.raises(GateClosed, match="The gate of this plan is closed"):
        apply(walk.plan(), session)
    open_gate = TaskWalk("accounts", session)
    limited = plan(open_gate.reconcile(), open_gate.check(), folder=open_gate.folder / "limited", max_creates=1)
    with pytest.raises(PlanError, match="max_creates allows 1"):
        apply(limited, session)
    made = open_gate.plan()
    file = made.folder / "plan.json"
    file.write_text(file.read_text().replace('"company": "', '"company": "x'))
    with pytest.raises(PlanAltered):
        apply(made, session)


def rewritten(made: Plan, folder: Path, **destination: str) -> Plan:
    """The same plan as if made for another destination, its hash in order."""
    from p2c_lib.plan.files import plan_file, plan_hash

    shutil.copytree(made.folder, folder)
    facts = json.loads(json.dumps(dict(made.facts)))
    facts["destination"] |= destination
    (folder / "plan.json").write_bytes(plan_file(facts, plan_hash(facts)))
    return open_plan(folder)


def test_a_plan_for_other_systems_is_refused(session: Session, tmp_path: Path) -> None:
    made = TaskWalk("accounts", session).plan()
    elsewhere = rewritten(made, tmp_path / "elsewhere", url="https://other.operations.dynamics.com")
    with pytest.raises(WrongEnvironment, match="made for the url https://other"):
        apply(elsewhere, session)
    source = made.facts["source"]
    itself = rewritten(
        made, tmp_path / "itself", **{k: source[k] for k in ("app", "url", "organisation", "entity_set")}
    )
    with pytest.raises(PlanError, match="are the same entity set"):
        apply(itself, session)


def test_a_protected_set_wants_an_approved_plan(session: Session) -> None:
    from dataclasses import replace

    from p2c_lib.ledger import open_ledger

    made = TaskWalk("accounts", session).plan()
    session.set = replace(session.set, protected=True)
    with pytest.raises(PlanError, match="protected and nobody approved this plan"):
        apply(made, session)
    ledger = open_ledger(session.workspace.ledger)
    ledger.approve(made.id, by="ann")
    assert apply(made, session, ledger=ledger).failed == 0
    part = made.only(ops=["create"])
    with pytest.raises(PlanError, match="p2c approve"):
        apply(part, session, ledger=ledger)
    ledger.close()


def test_a_plan_that_changes_too_large_a_share_and_one_for_swapped_systems_are_refused(
    session: Session, tmp_path: Path
) -> None:
    walk = TaskWalk("accounts", session)
    wide = plan(walk.reconcile(), walk.check(), folder=walk.folder / "wide", max_share_changed=0.01)
    with pytest.raises(PlanError, match=r"max_share_changed allows 1\.0%"):
        apply(wide, session)
    made = walk.plan()
    sales, finops = (dict(made.facts[side]) for side in ("source", "destination"))
    assert (sales["user"], finops["user"]) == (session.sales.identity().user, session.finops.identity().user)
    swapped = rewritten(made, tmp_path / "swapped", **{name: sales[name] for name in ("url", "organisation")})
    with pytest.raises(WrongEnvironment, match="made for the url"):
        apply(swapped, session)


def test_side_effects_and_money_of_products_are_part_of_the_plan(session: Session) -> None:
    made = TaskWalk("products", session).plan()
    assert made.creates > 0
    assert [(line["entity_set"], line["by"], line["rows"] >= made.creates) for line in made.facts["follows"]][:2] == [
        ("productpricelevels", "Sales", True),
        ("products", "the apply", True),
    ]
    assert {(line["field"], line["currency"]) for line in made.facts["money"]} >= {
        ("price", "USD"),
        ("currentcost", "USD"),
    }
    outcome = apply(made, session)
    assert (outcome.created, outcome.read_back.differences, outcome.complete) == (made.creates, (), True)
    assert outcome.read_back.rows > 0


def test_an_operation_that_no_request_can_carry_has_failed_and_stops_no_other(session: Session) -> None:
    """Its key holds a control character: nothing was sent of it, so nothing is in doubt."""
    made = TaskWalk("accounts", session).plan().only(ops=["update"])
    rows = made.operations.to_pylist()[:3]
    rows[1]["before"]["CustomerAccount"] = "BELL\x07"
    operations = numbered(pa.Table.from_pylist(rows, schema=made.operations.schema))
    facts = {name: value for name, value in made.facts.items() if name != "operations_sha256"}
    facts["counts"] = {**facts["counts"], "creates": 0, "updates": len(rows), "deletes": 0}
    outcome = apply(saved(operations, facts, made.folder.parent / "odd"), session)
    assert outcome.rows.column("state").to_pylist() == ["applied", "failed", "applied"]
    (failed,) = outcome.problems().to_pylist()
    assert (failed["status"], "control character" in failed["message"]) == (0, True)
    assert "BELL" in failed["message"]
