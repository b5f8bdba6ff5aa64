"""The ledger over SQLite and over PostgreSQL: what is written is read back, and what is edited is found."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from p2c_lib.config import Workspace, workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger
from tests import postgres

SCOPE = {"connection_set": "sandbox", "company": "USMF"}
ROW = WaitingRow("q-1", "quarantined", "in set", "CurrencyCode", "DEM", "Currency DEM does not exist in F&O.")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path
    return postgres.emptied(request.getfixturevalue("server"))


@pytest.fixture
def ledger(place: Path | str) -> Iterator[Ledger]:
    opened = open_ledger(place)
    yield opened
    opened.close()


def counts(task: str, **given: int) -> dict[str, object]:
    zero = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "extra", "failed", "drifted")
    facts = {"task": task, "status": "clean", "verdict": "pass", "why": "all", "seconds": 1.0}
    return facts | dict.fromkeys(zero, 0) | given


def test_a_run_and_its_tasks_are_read_back(ledger: Ledger) -> None:
    ledger.begin_run("r1", **SCOPE, apply=True)
    ledger.record_task("r1", counts("accounts", read=3, passed=3))
    ledger.record_task("r1", counts("accounts", read=4, passed=4))
    ledger.end_run("r1", status="clean", report="report.html")
    assert [(t["task"], t["read"]) for t in ledger.tasks("r1")] == [("accounts", 4)]
    assert [(r["run_id"], r["status"], r["apply"]) for r in ledger.runs()] == [("r1", "clean", True)]
    with pytest.raises(UnknownName, match="Unknown run 'r9'"):
        ledger.tasks("r9")


def test_a_waiting_row_keeps_when_it_was_first_seen_and_is_released_by_itself(ledger: Ledger) -> None:
    ledger.record_waiting("r1", **SCOPE, task="quotes", rows=[ROW])
    ledger.record_waiting("r2", **SCOPE, task="quotes", rows=[ROW])
    (found,) = ledger.waiting(**SCOPE)
    assert (found["first_run"], found["last_run"], found["value"]) == ("r1", "r2", "DEM")
    assert ledger.blocked(**SCOPE) == {"quotes": {"q-1": "Currency DEM does not exist in F&O."}}
    ledger.record_waiting("r3", **SCOPE, task="quotes", rows=[])
    assert ledger.blocked(**SCOPE) == {}


def test_tasks_sets_and_companies_do_not_release_each_others_rows(ledger: Ledger) -> None:
    ledger.record_waiting("r1", **SCOPE, task="quotes", rows=[ROW])
    ledger.record_waiting("r1", **SCOPE, task="accounts", rows=[])
    ledger.record_waiting("r1", connection_set="sandbox", company="DEMF", task="quotes", rows=[])
    assert [r["task"] for r in ledger.waiting(**SCOPE)] == ["quotes"]


def test_operations_are_journalled_before_and_after(ledger: Ledger) -> None:
    rows = [{"position": i, "op": "create", "entity_set": "CustomersV2", "key": f"a-{i}"} for i in range(2)]
    ledger.sending("p1", rows)
    answer = {"position": 1, "state": "applied", "status": 201, "message": None, "request_id": "id"}
    ledger.answered("p1", [answer])
    assert [(o["key"], o["state"], o["status"]) for o in ledger.operations("p1")] == [
        ("a-0", "sent", None),
        ("a-1", "applied", 201),
    ]
    ledger.sending("p1", rows[:1])
    assert len(ledger.operations("p1")) == 2


def test_a_ledger_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, only a text that is long enough to be looked at")
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_ledger(tmp_path)


OPERATIONS = [{"position": i, "op": "create", "entity_set": "CustomersV2", "key": f"a-{i}"} for i in range(5)]
OUTCOMES = [
    {"position": i, "state": "applied", "status": 201, "message": None, "request_id": f"req-{i}"} for i in range(5)
]


def filled(ledger: Ledger) -> None:
    """A bit of everything."""
    ledger.begin_run("r1", **SCOPE, apply=True)
    ledger.record_plan("p1", task="accounts", folder=Path("plans/p1"), run_id="r1")
    ledger.approve("p1", by="ann", note="looked at")
    ledger.sending("p1", OPERATIONS[:3])
    ledger.answered("p1", OUTCOMES[:3])
    ledger.sending("p1", OPERATIONS[3:])
    ledger.answered("p1", OUTCOMES[3:])
    ledger.importing("p1", "P2C-1", "sent")
    ledger.importing("p1", "P2C-1", "Succeeded")
    ledger.record_waiting("r1", **SCOPE, task="quotes", rows=[ROW])
    ledger.waive(**SCOPE, task="quotes", key="q-1", by="ann", why="known")
    ledger.decide(connection_set="sandbox", entity="accounts", pair=("b", "a"), decision="same", by="ann")
    ledger.record_task("r1", counts("accounts", read=5))
    ledger.record_agreed("r1", **SCOPE, task="accounts", file=Path("agreed.parquet"), rows=5)
    ledger.end_run("r1", status="clean", report=None)


def edited(place: Path | str, *statements: str) -> None:
    """The ledger's database changed behind its back."""
    engine = create_engine(place if isinstance(place, str) else f"sqlite:///{place / 'ledger.db'}")
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_ledger_nobody_edited_is_sound_and_its_head_is_known_later(ledger: Ledger) -> None:
    filled(ledger)
    before = ledger.verify()
    assert before.findings == ()
    ledger.record_waiting("r2", **SCOPE, task="quotes", rows=[ROW])
    ledger.release(**SCOPE, task="quotes", key="q-1")
    after = ledger.verify(head=before.head)
    assert (after.sound, after.lines > before.lines, after.head != before.head) == (True, True, True)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE outcomes SET state = 'failed' WHERE id = 4", "Line 4 of outcomes was edited"),
        ("UPDATE operations SET key = 'b' WHERE id = 1", "Line 1 of operations was edited"),
        ("UPDATE approvals SET \"by\" = 'bob'", "Line 1 of approvals was edited"),
        ("UPDATE imports SET state = 'Failed' WHERE id = 2", "Line 2 of imports was edited"),
        ("DELETE FROM outcomes WHERE id = 2", r"outcomes, lines 1 to 3\) is not as it was written"),
        ("DELETE FROM chain WHERE seq = 3", "A block is missing before block 4"),
        ("UPDATE runs SET status = 'error'", "A row of runs was edited"),
        ("UPDATE tasks SET read = 9", "A row of tasks was edited"),
        ("DELETE FROM decisions", "A row of decisions was taken out"),
        ("UPDATE waivers SET why = 'no reason'", "A row of waivers was edited"),
        ("UPDATE waiting SET state = 'released'", "A row of waiting was edited"),
    ],
)
def test_an_edited_line_is_found(ledger: Ledger, place: Path | str, statement: str, found: str) -> None:
    filled(ledger)
    edited(place, statement)
    assert any(re.search(found, line) for line in ledger.verify().findings), ledger.verify().findings


def test_lines_taken_off_the_end_are_found_by_a_head_noted_earlier(ledger: Ledger, place: Path | str) -> None:
    ledger.sending("p1", OPERATIONS[:3])
    ledger.answered("p1", OUTCOMES[:3])
    head = ledger.verify().head
    edited(place, "DELETE FROM outcomes", "DELETE FROM chain WHERE seq = 2")
    assert ledger.verify().sound
    assert ["does not hold the head" in line for line in ledger.verify(head=head).findings] == [True]


def test_many_writers_keep_one_chain(place: Path | str) -> None:
    def write(name: str) -> None:
        one = open_ledger(place)
        for n in range(5):
            one.sending(name, [OPERATIONS[n]])
            one.answered(name, [OUTCOMES[n]])
        one.close()

    writers = [threading.Thread(target=write, args=(f"p{n}",)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ledger = open_ledger(place)
    assert (ledger.verify().findings, ledger.verify().lines) == ((), 40)
    ledger.close()


def test_a_plan_is_leased_to_one_at_a_time(ledger: Ledger) -> None:
    assert ledger.lease("p1", "me", 60) is None
    assert ledger.lease("p1", "you", 60) == "me"
    assert ledger.lease("p1", "you", 60, instead_of="me") is None
    assert ledger.lease("p1", "me", -1) == "you"
    ledger.give_back("p1", "me")
    assert ledger.lease("p1", "me", 60) == "you"
    ledger.give_back("p1", "you")
    assert ledger.lease("p1", "me", -1) is None
    assert ledger.lease("p1", "you", 60) is None


def test_a_ledger_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "ledger.db")
    old.executescript(
        """CREATE TABLE runs (run_id VARCHAR(40) PRIMARY KEY, connection_set VARCHAR(100), company VARCHAR(20),
             apply BOOLEAN, status VARCHAR(20), started VARCHAR(32), ended VARCHAR(32), report TEXT);
           CREATE TABLE plans (plan_id VARCHAR(64) PRIMARY KEY, run_id VARCHAR(40), task VARCHAR(60), folder TEXT,
             made VARCHAR(32));
           CREATE TABLE operations (plan_id VARCHAR(64), position INTEGER, op VARCHAR(10), entity_set VARCHAR(100),
             "key" TEXT, state VARCHAR(10), status INTEGER, message TEXT, request_id VARCHAR(60), sent VARCHAR(32),
             answered VARCHAR(32), PRIMARY KEY (plan_id, position));
           INSERT INTO runs VALUES ('r1', 'sandbox', 'USMF', 1, 'clean', '2026-01-01', '2026-01-01', NULL);
           INSERT INTO plans VALUES ('p1', 'r1', 'accounts', '/plans/p1', '2026-01-01');
           INSERT INTO operations VALUES ('p1', 0, 'create', 'CustomersV2', 'a', 'applied', 201, NULL, 'q', 't1', 't2');
           INSERT INTO operations VALUES ('p1', 1, 'update', 'CustomersV2', 'b', 'sent', NULL, NULL, NULL, 't3', NULL);
        """
    )
    old.close()
    ledger = open_ledger(tmp_path)
    assert [(o["key"], o["state"], o["request_id"], o["answered"]) for o in ledger.operations("p1")] == [
        ("a", "applied", "q", "t2"),
        ("b", "sent", None, None),
    ]
    assert [(r["run_id"], r["status"]) for r in ledger.runs()] == [("r1", "clean")]
    assert ledger.verify().findings == ()
    ledger.close()
    again = open_ledger(tmp_path)
    assert len(again.operations("p1")) == 2
    again.close()


def test_a_ledger_of_a_later_version_is_left_alone(ledger: Ledger, place: Path | str) -> None:
    edited(place, "UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigError, match="schema version 99; this workbench knows"):
        open_ledger(place)


def test_p2c_toml_names_the_ledger_by_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2C_WORKSPACE", raising=False)
    monkeypatch.setenv("LEDGER_OF_TEST", "postgresql+psycopg://u:secret@127.0.0.1/p2c")
    (tmp_path / "p2c.toml").write_text('ledger = "env:LEDGER_OF_TEST"\n')
    assert workspace(tmp_path).ledger == "postgresql+psycopg://u:secret@127.0.0.1/p2c"
    assert Workspace(tmp_path).ledger == tmp_path / ".p2c"
    (tmp_path / "p2c.toml").write_text('ledger = "postgresql+psycopg://u:secret@127.0.0.1/p2c"\n')
    with pytest.raises(ConfigError, match="shows a password"):
        _ = workspace(tmp_path).ledger


@pytest.mark.parametrize(
    ("url", "says"),
    [("nonsense", "none that is known"), ("postgresql+psycopg://u:hush@127.0.0.1:1/p2c", r"u:\*\*\*@127.0.0.1")],
)
def test_a_url_that_leads_nowhere_says_so_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        open_ledger(url)
    assert "hush" not in str(caught.value)


def test_the_past_is_counted_alike_on_both_databases(ledger: Ledger, tmp_path: Path) -> None:
    waits = [WaitingRow(f"acc-{n % 3}", "quarantined", "name is given", "name", None, "missing") for n in range(3)]
    waits.append(WaitingRow("acc-0", "held", "products", "", "p-1", "waits for p-1"))
    ledger.begin_run("r-1", **SCOPE, apply=True)
    ledger.record_waiting("r-1", **SCOPE, task="accounts", rows=waits)
    ledger.record_plan("p-1", task="accounts", folder=tmp_path, run_id="r-1", company="USMF")
    operations = [{"position": n, "op": "create", "entity_set": "CustomersV2", "key": f"acc-{n}"} for n in range(3)]
    ledger.sending("p-1", operations)
    answer = {"state": "applied", "status": 201, "message": None, "request_id": "q"}
    ledger.answered("p-1", [{"position": 1, **answer}])
    at = {**SCOPE, "tasks": ["accounts", "quotes"], "at": "9999"}
    told = [(one["kind"], one["rows"], one["reason"]) for one in ledger.waiting_reasons(**at)]
    assert told == [("quarantined", 3, "missing"), ("held", 1, "waits for p-1")]
    rows, total = ledger.waiting_at(**at, most=2)
    assert ([row["key"] for row in rows], total) == (["acc-0", "acc-1"], 3)
    outcomes = [(one["state"], one["rows"], one["key"]) for one in ledger.outcomes_of("r-1")]
    assert outcomes == [("sent", 2, "acc-0"), ("applied", 1, "acc-1")]
    assert (ledger.lines_of(["r-1"]), ledger.lines_of([])) == ([], [])
