from pathlib import Path

import pytest

from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger

SCOPE = {"connection_set": "sandbox", "company": "USMF"}
ROW = WaitingRow("q-1", "quarantined", "in set", "CurrencyCode", "DEM", "Currency DEM does not exist in F&O.")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


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
    answer = {"at": 1, "to": "applied", "code": 201, "text": None, "request": "id"}
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
