"""An apply that is killed, interrupted or started twice: nothing lost, nothing doubled, the ledger true."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import NotSent, PlanError, RunError
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply
from p2c_lib.odata import Write
from p2c_lib.plan import forecast
from p2c_lib.sandbox import process
from p2c_lib.session import Session, connect
from tests.chaos import chaos, child, wrongs
from tests.customers import customers, plan_of, there

LONG = 600.0


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("killed"))) as opened:
        yield opened


def test_killed_at_random_points_under_faults_everything_is_as_if_undisturbed(tmp_path: Path) -> None:
    rounds = chaos(tmp_path, points=6, operations=1_500, kills=2, seed=3)
    assert [line for each in rounds for line in each.wrong] == []
    assert sum(len(each.points) for each in rounds) == 6
    assert {each.task for each in rounds if not each.points} == {"customers", "accounts", "sequences"}


def test_what_was_sent_and_never_answered_is_looked_up_before_anything_is_sent_again(session: Session) -> None:
    folder = session.workspace.state / "plans"
    apply(plan_of(session, customers("ZA-", 4), folder, "ZA-"), session)
    plan = plan_of(session, customers("ZA-", 6, version=2), folder, "ZA-")
    rows = plan.operations.to_pylist()
    assert [row["op"] for row in rows] == ["create", "create", *["update"] * 4]
    ledger = open_ledger(session.workspace.ledger)
    sent = [{"position": r["position"], "op": r["op"], "entity_set": "CustomersV2", "key": r["key"]} for r in rows]
    ledger.record_plan(plan.id, task=plan.task, folder=plan.folder, run_id=None)
    ledger.sending(plan.id, sent)
    # Of what was sent, a create and an update were carried out; another row was changed by somebody.
    done = {name: value for name, value in rows[0]["after"].items() if value is not None} | {"dataAreaId": "usmf"}
    key = [{"dataAreaId": "usmf", "CustomerAccount": f"ZA-{n:06}"} for n in range(4)]
    writes = [
        Write("create", "CustomersV2", None, done),
        Write("update", "CustomersV2", key[0], {name: rows[2]["after"][name] for name in rows[2]["changed"]}),
        Write("update", "CustomersV2", key[1], {"OrganizationName": "changed by another"}),
    ]
    assert all(result.ok for result in session.finops.write(writes))
    before = session.finops.sender.requests
    outcome = apply(plan, session, ledger=ledger)
    assert outcome.rows.column("state").to_pylist() == ["applied"] * 3 + ["drifted"] + ["applied"] * 2
    assert "differs in OrganizationName" in outcome.problems().column("message")[0].as_py()
    assert session.finops.sender.requests - before < 12
    assert len(there(session, "ZA-")) == 6
    assert apply(plan, session, ledger=ledger).drifted == 1
    ledger.close()


def test_two_applies_of_one_plan_cannot_run_at_once(session: Session) -> None:
    plan = plan_of(session, customers("ZB-", 3), session.workspace.state / "plans", "ZB-")
    refused: list[str] = []
    inside = threading.Event()

    def second(_done: int, _planned: int) -> None:
        if not inside.is_set():
            inside.set()
            with pytest.raises(PlanError, match=f"being applied by process {os.getpid()}") as caught:
                apply(plan, session)
            refused.append(str(caught.value))

    assert apply(plan, session, progress=second).created == 3
    assert len(refused) == 1


def test_two_plans_of_one_task_are_not_applied_at_once_and_the_second_is_refused_when_it_had_to_wait(
    session: Session,
) -> None:
    plans = [plan_of(session, customers(part, 3), session.workspace.state / "plans", part) for part in ("ZM-", "ZN-")]
    inside, told = threading.Event(), []

    def second(_done: int, _planned: int) -> None:
        if not inside.is_set():
            inside.set()
            with pytest.raises(RunError, match=f"is being written by process {os.getpid()}"):
                apply(plans[1], session)
            waiting.start()
            while not told:
                time.sleep(0.01)

    def wait_for_it() -> None:
        with pytest.raises(PlanError, match=r"Another run wrote 3 rows of .* since this plan's rows were read"):
            apply(plans[1], session, wait=None, tell=told.append)
        told.append("refused")

    waiting = threading.Thread(target=wait_for_it)
    assert apply(plans[0], session, progress=second).created == 3
    waiting.join()
    assert told[0].startswith("waiting: ")
    assert told[1:] == ["refused"]
    with pytest.raises(PlanError, match="Another run wrote 3 rows"):
        apply(plans[1], session, fresh=True)
    assert apply(plans[1], session).created == 3, "a person who looked at it may say so"


def test_the_lease_of_a_process_that_died_is_no_hindrance(session: Session) -> None:
    plan = plan_of(session, customers("ZC-", 3), session.workspace.state / "plans", "ZC-")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    ledger = open_ledger(session.workspace.ledger)
    assert ledger.lease(plan.id, f"{os.uname().nodename} {gone.stdout.strip()} 123 abc", 3600) is None
    assert apply(plan, session, ledger=ledger).created == 3
    assert ledger.lease(plan.id, "elsewhere 1 1 abc", 3600) is None
    with pytest.raises(PlanError, match="being applied by process 1 on elsewhere"):
        apply(plan, session, ledger=ledger)
    ledger.close()


def test_no_request_is_begun_once_it_is_asked_to_stop(session: Session) -> None:
    rows = plan_of(session, customers("ZF-", 8_000), session.workspace.state / "plans", "ZF-").operations
    table = pa.Table.from_struct_array(rows.column("after").combine_chunks())
    table = table.append_column("dataAreaId", pa.array(["usmf"] * len(table)))
    answered: list[int] = []
    before = session.finops.sender.requests
    results = session.finops.write_table(
        "create", "CustomersV2", table, progress=lambda done, _: answered.append(done), stop=lambda: bool(answered)
    )
    # Of sixteen batches of 500 those in flight, eight at most, and what took the first one's place before it was told.
    assert session.finops.sender.requests - before <= 10
    written = sum(result.ok for result in results)
    assert 0 < written <= 5_000
    assert {type(result.error) for result in results} == {type(None), NotSent}
    assert len(there(session, "ZF-")) == written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_after_the_requests_in_flight_with_a_truthful_ledger(
    session: Session, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "PACKAGE_ROWS", 50_000)
    prefix = {signal.SIGINT: "ZDI", signal.SIGTERM: "ZDT"}[number]
    plan = plan_of(session, customers(prefix, 12_000, version=2), session.workspace.state / "plans", prefix)
    running = child(session.workspace.root, plan, grace=LONG)
    ledger = open_ledger(session.workspace.ledger)
    until = time.monotonic() + 60
    while not any(row["state"] == "applied" for row in ledger.operations(plan.id)) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(60) != 0
    assert running.stdout is not None
    running.stdout.close()
    states = Counter(row["state"] for row in ledger.operations(plan.id))
    ledger.close()
    assert set(states) <= {"applied", "open"}
    assert 0 < states["applied"] < 12_000
    assert len(there(session, prefix)) == states["applied"]
    assert apply(plan, session).created == 12_000
    assert wrongs(session, plan) == []


def test_rows_the_service_fails_on_are_sent_again_and_its_refusals_told_in_words(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yml"
    faults.write_text("failed: 0.2\nparts: 0.2\nseed: 5\n")
    workspace = Workspace(tmp_path)
    running = process.start(workspace.sandbox_home, faults=faults)
    rows = customers("ZE-", 300)
    rows[7]["CustomerGroupId"] = "no-group"
    try:
        with Session(workspace.connection_set("sandbox"), workspace) as session:
            outcome = apply(plan_of(session, rows, tmp_path / "plans", "ZE-"), session)
    finally:
        process.stop(running)
    assert (outcome.created, outcome.failed) == (299, 1)
    assert outcome.problems().select(["key", "message"]).to_pylist() == [
        {"key": "ze-000007", "message": "customer group no-group does not exist in USMF"}
    ]
