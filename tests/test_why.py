"""The chain behind a value, and the commands around plans, as a person uses them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TaskWalk
from p2c_lib.ledger import open_ledger
from p2c_lib.session import Session, connect
from p2c_lib.why import why, why_cell
from tests import warm


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, TaskWalk]]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("why"))) as session:
        walk = TaskWalk("accounts", session, apply=True)
        walk.finish()
        yield session, walk


def p2c(session: Session, *words: str, code: int = 0) -> str:
    done = warm.answered(session.workspace.root, *words)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def test_a_value_is_explained_from_its_record_to_its_request(walked: tuple[Session, TaskWalk]) -> None:
    session, walk = walked
    key = next(row["key"] for row in walk.plan().operations.to_pylist() if row["op"] == "create")
    found = why("finops", "CustomersV2", key.upper(), "AddressCountryRegionISOCode", session)
    steps = dict(found.steps)
    assert list(steps) == ["source", "rule", "mapping", "gate", "plan", "approval", "written"]
    assert "sales accounts at http://127.0.0.1" in steps["source"]
    assert "version W/" in steps["source"]
    assert f"country_code: iso3, default 'USA'; revision {walk.template.sha[:12]}" in steps["rule"]
    assert steps["mapping"].startswith("from: ")
    assert "country_code" in steps["mapping"]
    assert walk.run_id in steps["plan"]
    ledger = open_ledger(session.workspace.ledger)
    (written,) = ledger.written("CustomersV2", [key])
    ledger.close()
    assert steps["written"] == f"{written['answered']}, status 201, request {written['request_id']}"
    assert written["request_id"]


def test_a_cell_of_a_frame_is_explained_and_what_was_never_written_is_named(walked: tuple[Session, TaskWalk]) -> None:
    session, walk = walked
    update = next(row for row in walk.plan().operations.to_pylist() if row["op"] == "update")
    frame = session.extract(walk.template.destination)
    accounts = [str(value).lower() for value in frame.table.column("CustomerAccount").to_pylist()]
    found = why_cell(frame, accounts.index(update["key"]), update["changed"][0], session)
    assert f"update, '{update['before'][update['changed'][0]]}'" in dict(found.steps)["plan"] or "nothing" in repr(
        found
    )
    with pytest.raises(UnknownName, match="Unknown field that the workbench wrote"):
        why("finops", "CustomersV2", update["key"], "PartyNumber", session)
    with pytest.raises(UnknownName, match="Unknown row of CustomersV2 that the workbench wrote 'nobody'"):
        why("finops", "CustomersV2", "nobody", "OrganizationName", session)


def test_the_commands_around_a_plan(walked: tuple[Session, TaskWalk], tmp_path: Path) -> None:
    session, walk = walked
    folder = str(walk.plan().folder)
    shown = json.loads(p2c(session, "plan", "show", folder, "--json", "--export", str(tmp_path / "plan.xlsx")))
    assert shown["id"] == walk.plan().id
    assert (tmp_path / "plan.xlsx").stat().st_size > 1000
    key = walk.plan().operations.column("key")[0].as_py()
    part = json.loads(p2c(session, "plan", "only", folder, "--key", key, "--json"))
    assert (part["counts"]["create"], part["narrowed_from"]) == (1, shown["id"])
    assert "is approved by ann" in p2c(session, "approve", part["folder"], "--by", "ann")
    again = json.loads(p2c(session, "apply", folder, "--json"))
    assert (again["planned"], again["failed"], again["drifted"]) == (len(walk.plan()), 0, 0)
    told = p2c(session, "why", "finops", "CustomersV2", key, "OrganizationName")
    assert "approval: " in told
    head = p2c(session, "ledger", "verify").split()[-1]
    back = json.loads(p2c(session, "undo", walk.run_id, "--apply", "--json"))
    assert (back["failed"], back["drifted"], back["updated"]) == (0, 0, walk.plan().updates)
    assert back["deleted"] == walk.plan().creates
    assert json.loads(p2c(session, "ledger", "verify", "--head", head, "--json"))["sound"]
