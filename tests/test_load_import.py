"""First loads into F&O as one package import: every row's outcome known, whatever the package does not tell."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import LoadOutcome, apply, undo
from p2c_lib.odata import Client, Write, package
from p2c_lib.plan import Plan, forecast
from p2c_lib.sandbox import process
from p2c_lib.session import Session, connect
from tests.chaos import FAULTS, child, wrongs
from tests.customers import customers, plan_of, there

FIRST, MANY = 400, 1_500
NOBODY = b'{"executionId":"nobody"}'


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("import"))) as opened:
        yield opened


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred rows are a first load already, into a set with as many."""
    monkeypatch.setattr(forecast, "PACKAGE_ROWS", FIRST)
    monkeypatch.setattr(forecast, "FEW", 0)


def first_load(session: Session, prefix: str, rows: int = FIRST, **odd: str) -> Plan:
    """The plan of a first load; customers by number get another group."""
    wanted = customers(prefix, rows, version=2)
    for number, group in odd.items():
        wanted[int(number.removeprefix("n"))]["CustomerGroupId"] = group
    return plan_of(session, wanted, session.workspace.state / "plans", prefix)


def imports(session: Session, plan: Plan) -> list[str]:
    ledger = open_ledger(session.workspace.ledger)
    states = [line["state"] for line in ledger.imports(plan.id)]
    ledger.close()
    return states


def test_a_row_that_somebody_made_since_the_plan_is_not_overwritten(session: Session, few: None) -> None:
    plan = first_load(session, "YB-")
    theirs = {
        "dataAreaId": "usmf",
        "CustomerAccount": "YB-000003",
        "OrganizationName": "theirs",
        "CustomerGroupId": "10",
        "SalesCurrencyCode": "USD",
    }
    assert session.finops.write([Write("create", "CustomersV2", None, theirs)])[0].ok
    outcome = apply(plan, session)
    assert (outcome.created, outcome.failed) == (FIRST - 1, 1)
    assert outcome.problems().column("key").to_pylist() == ["yb-000003"]
    assert there(session, "YB-").table.column("OrganizationName").to_pylist().count("theirs") == 1


def test_a_package_that_fails_whole_leaves_its_rows_to_batches(
    session: Session, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = first_load(session, "YC-", n3="none")
    monkeypatch.setattr(package, "_csv", lambda rows, schema: b"\x00")
    outcome = apply(unread, session)
    assert (outcome.created, outcome.failed) == (FIRST - 1, 1)
    assert imports(session, unread) == ["sent", "Failed"]
    refused = first_load(session, "YD-")
    monkeypatch.setattr(package, "_label", lambda client, entity_set: "No such entity")
    assert apply(refused, session).created == FIRST
    assert imports(session, refused) == ["sent", "never begun"]


def test_an_import_that_says_it_succeeded_and_took_nothing_is_not_believed(
    session: Session, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = first_load(session, "YE-")
    whole = package._manifest
    monkeypatch.setattr(package, "_manifest", lambda project, label, file, columns: whole(project, label, file, []))
    assert apply(plan, session).created == FIRST
    assert imports(session, plan) == ["sent", "Succeeded"]
    assert len(there(session, "YE-")) == FIRST


def test_a_row_that_somebody_made_while_an_import_took_nothing_is_not_ours(
    session: Session, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = first_load(session, "YJ-")
    whole, made = package._manifest, []

    def empty(project: str, label: str, file: str, columns: Sequence[str]) -> bytes:
        theirs = {"OrganizationName": "CUSTOMER 3 V2", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}
        key = {"dataAreaId": "usmf", "CustomerAccount": "YJ-000003"}
        made.append(session.finops.write([Write("create", "CustomersV2", None, key | theirs)])[0].ok)
        return whole(project, label, file, [])

    monkeypatch.setattr(package, "_manifest", empty)
    outcome = apply(plan, session)
    assert (made, outcome.created, outcome.drifted) == ([True], FIRST - 1, 1)
    (problem,) = outcome.problems().to_pylist()
    assert (problem["key"], problem["state"]) == ("yj-000003", "drifted")
    assert "differs in OrganizationName" in problem["message"]


@pytest.mark.parametrize("named", ["key", "row"])
def test_a_row_that_stands_as_it_was_sent_is_applied_whatever_the_list_of_errors_says(
    session: Session, few: None, named: str
) -> None:
    """The list of an import has warnings too; a row that did not come is still told with its line."""
    prefix = f"YW{named[0]}"
    plan = first_load(session, prefix, n3="none")
    key = plan.operations.column("after")[7].as_py()["CustomerAccount"]
    warning = {"ErrorMessage": "Results. Warning: The address has been changed."}
    warning |= {"RecordId": "8", "Key": ""} if named == "row" else {"RecordId": "", "Key": f"usmf,{key}"}

    class Warned(httpx.BaseTransport):
        def __init__(self) -> None:
            self.inner = httpx.HTTPTransport()

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = self.inner.handle_request(request)
            if not str(request.url).endswith("GetExecutionErrors"):
                return answer
            told = json.loads(json.loads(answer.read())["value"])
            body = json.dumps({"value": json.dumps([*told, warning])}).encode()
            kind = {"Content-Type": "application/json"}
            return httpx.Response(200, headers=kind, stream=httpx.ByteStream(body), request=request)

        def close(self) -> None:
            self.inner.close()

    usual = session.finops
    with Client(session.set.finops, transport=Warned()) as client:
        session.finops = client
        outcome = apply(plan, session)
        session.finops = usual
    assert (outcome.created, outcome.failed) == (FIRST - 1, 1)
    assert outcome.problems().column("key").to_pylist() == [f"{prefix.lower()}000003"]
    (back,) = undo(plan, session)
    assert len(back.facts["cannot"]) == 1  # the one that the list names: the import does not say that it made it
    assert apply(back, session).deleted == FIRST - 2
    assert len(there(session, prefix)) == 1


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_killed_during_an_import_it_is_waited_for_and_nothing_is_sent_twice(
    session: Session, few: None, share: float
) -> None:
    prefix = f"YF{share * 10:.0f}"
    plan = first_load(session, prefix, MANY)
    ledger = open_ledger(session.workspace.ledger)
    began = time.monotonic()
    running = child(session.workspace.root, plan)
    while not ledger.imports(plan.id) and time.monotonic() < began + 60:
        time.sleep(0.02)
    time.sleep(share)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(60) == -signal.SIGKILL
    assert running.stdout is not None
    running.stdout.close()
    assert apply(plan, session, ledger=ledger).created == MANY
    states = [line["state"] for line in ledger.imports(plan.id)]
    ledger.close()
    # On a busy machine it may be killed between its note and the request: only then is it sent a second time.
    assert states in (["sent", "Succeeded"], ["sent", "never begun", "sent", "Succeeded"])
    assert wrongs(session, plan) == []


class Gateway(httpx.BaseTransport):
    """Passes requests on, and makes another answer of those to one action."""

    def __init__(self, action: str, made: Callable[[httpx.Request], httpx.Response]) -> None:
        self._action, self._made, self._inner = action, made, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange; the service carries it out whatever is answered."""
        answer = self._inner.handle_request(request)
        if not request.url.path.endswith(self._action):
            return answer
        answer.read()
        return self._made(request)

    def close(self) -> None:
        """Give the sockets back."""
        self._inner.close()


def applied_through(session: Session, plan: Plan, gateway: Gateway) -> LoadOutcome:
    """The outcome of an apply whose client of F&O speaks through a gateway."""
    usual = session.finops
    try:
        with Client(session.set.finops, transport=gateway) as session.finops:
            return apply(plan, session)
    finally:
        session.finops = usual


@pytest.mark.parametrize(
    ("prefix", "content"), [("K0-", b"{}"), ("K1-", b'{"value": null}'), ("K2-", b'{"value": " "}')]
)
def test_an_import_that_is_told_by_no_name_goes_by_its_own(
    session: Session, few: None, prefix: str, content: bytes
) -> None:
    plan = first_load(session, prefix)
    json = {"Content-Type": "application/json"}
    gateway = Gateway(
        "ImportFromPackage", lambda _: httpx.Response(200, headers=json, stream=httpx.ByteStream(content))
    )
    outcome = applied_through(session, plan, gateway)
    assert outcome.created == FIRST, outcome.problems().to_pylist()[:2]
    assert imports(session, plan) == ["sent", "Succeeded"]
    assert wrongs(session, plan) == []


def test_rows_of_an_import_that_was_noted_late_are_told_as_there(
    session: Session, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F&O says that it knows of no import, and carries it out all the same."""
    plan = first_load(session, "YL-")
    monkeypatch.setattr(package, "NOTED_WITHIN", 0.2)

    def nobody(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        asked = httpx.Request("POST", request.url, headers=headers, content=NOBODY)
        with httpx.HTTPTransport() as own:
            answer = own.handle_request(asked)
            said = answer.read()
        json = {"Content-Type": "application/json"}
        return httpx.Response(answer.status_code, headers=json, stream=httpx.ByteStream(said))

    outcome = applied_through(session, plan, Gateway("GetExecutionSummaryStatus", nobody))
    assert (outcome.created, outcome.failed) == (FIRST, 0), (outcome.problems().to_pylist()[:2], imports(session, plan))
    assert "never begun" in imports(session, plan)
    assert wrongs(session, plan) == []
    (back,) = undo(plan, session)
    assert (back.deletes, len(back.facts["cannot"])) == (0, FIRST)  # as somebody else may have made them meanwhile


def test_an_import_that_never_began_is_begun_anew(session: Session, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = first_load(session, "YG-")
    monkeypatch.setattr(package, "NOTED_WITHIN", 0.2)
    ledger = open_ledger(session.workspace.ledger)
    ledger.record_plan(plan.id, task=plan.task, folder=plan.folder, run_id=None)
    rows = plan.operations.select(["position", "op", "key"]).to_pylist()
    ledger.sending(plan.id, [row | {"entity_set": "CustomersV2"} for row in rows])
    ledger.importing(plan.id, "P2C-gone", "sent")
    assert apply(plan, session, ledger=ledger).created == FIRST
    assert [line["state"] for line in ledger.imports(plan.id)] == ["sent", "never begun", "sent", "Succeeded"]
    assert [row["state"] for row in ledger.operations(plan.id)] == ["applied"] * FIRST
    ledger.close()


def test_an_interrupt_during_an_import_leaves_it_to_the_next_apply(session: Session, few: None) -> None:
    plan = first_load(session, "YH-", MANY)
    ledger = open_ledger(session.workspace.ledger)
    running = child(session.workspace.root, plan)
    while not ledger.imports(plan.id):
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) != 0
    assert running.stdout is not None
    running.stdout.close()
    assert {row["state"] for row in ledger.operations(plan.id)} <= {"sent", "open", "applied"}
    assert apply(plan, session, ledger=ledger).created == MANY
    ledger.close()
    assert wrongs(session, plan) == []


def test_a_first_load_goes_as_one_import_and_says_what_became_of_each_row(session: Session) -> None:
    plan = first_load(session, "YA-", 5_000, n7="none", n4999="none")
    ahead = plan.facts["predicted"]
    assert (ahead["routes"]["create"], ahead["requests"], ahead["rows_per_second"]) == ("package import", 10, 70.0)
    assert "creates by package import" in plan.report().to_text()
    outcome = apply(plan, session)
    assert (outcome.created, outcome.failed, outcome.drifted) == (4_998, 2, 0)
    assert outcome.problems().select(["key", "message"]).to_pylist() == [
        {"key": key, "message": "customer group none does not exist in USMF"} for key in ("ya-000007", "ya-004999")
    ]
    assert (outcome.read_back.rows, outcome.read_back.differences) == (100, ())
    ledger = open_ledger(session.workspace.ledger)
    (execution,) = {row["request_id"] for row in ledger.operations(plan.id) if row["state"] == "applied"}
    assert execution == f"P2C-{plan.id[:24]}-1"
    ledger.close()
    assert imports(session, plan) == ["sent", "PartiallySucceeded"]
    assert len(there(session, "YA-")) == 4_998
    before = session.finops.sender.requests
    assert apply(plan, session).created == 4_998
    # What was refused is tried again, in a batch.
    assert session.finops.sender.requests - before < 8
    assert imports(session, plan) == ["sent", "PartiallySucceeded"]


def test_under_faults_a_first_load_ends_whole(tmp_path: Path, few: None) -> None:
    (tmp_path / "faults.yml").write_text(FAULTS)
    workspace = Workspace(tmp_path)
    running = process.start(workspace.sandbox_home, faults=tmp_path / "faults.yml", limits=False)
    try:
        with connect(workspace=workspace) as session:
            for prefix in ("YIA", "YIB"):
                plan = first_load(session, prefix)
                for _ in range(3):
                    outcome = apply(plan, session)
                    if not outcome.failed:
                        break
                assert outcome.created == FIRST
                assert wrongs(session, plan) == []
    finally:
        process.stop(running)
