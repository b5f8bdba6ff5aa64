"""Runs that were: listed, shown, compared and pruned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.history import compare, duration, history, past_run, prune, run_report
from p2c_lib.history.past_run import PastRun
from p2c_lib.history.sections import _decimal
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger
from p2c_lib.run_folder import RUN, keep
from tests import warm
from tests.many_runs import NOON, TASKS, keep_task, line, put_run, put_runs, put_waiting


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def ledger(here: Workspace) -> Ledger:
    return open_ledger(here.ledger)


def p2c(home: Path, *words: str, code: int = 0) -> str:
    done = warm.answered(home, "history", *words)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def told(home: Path, *words: str) -> str:
    """What the command says, in this process."""
    done = CliRunner().invoke(app, ["history", *words], env={"P2C_WORKSPACE": str(home)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def run_of(ledger: Ledger, here: Workspace, name: str = "latest") -> PastRun:
    return past_run(ledger, here, name)


# two hundred runs


def test_two_hundred_runs_are_listed_at_once_and_a_report_is_made_at_once(tmp_path: Path) -> None:
    ids = put_runs(tmp_path, 200)
    before = os.times()
    said = p2c(tmp_path).splitlines()
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < 1.5
    assert [row.split()[0] for row in said[2:5]] == ids[:-4:-1]
    assert said[31].split()[0] == ids[-30]
    assert "quote-lines" in said[-1]

    here = Workspace(tmp_path)
    ledger = open_ledger(here.ledger)
    started = process_time()
    run_report(run_of(ledger, here), ledger).to_html()
    assert process_time() - started < 2


def test_a_report_of_a_hundred_thousand_rows_that_wait_is_small_and_quick_and_counts_them(
    here: Workspace, ledger: Ledger
) -> None:
    put_run(ledger, "r-1", [line("accounts", quarantined=100_000)])
    put_waiting(ledger, 100_000)
    keep_task(here.state / "runs" / "r-1", "accounts")
    started = process_time()
    page = run_report(run_of(ledger, here), ledger).to_html()
    assert process_time() - started < 4
    assert len(page.encode()) < 1_000_000
    assert "… and 260 more" in page, "reasons"
    assert "… and 99,975 more" in page, "rows"


# the list


def test_a_history_tells_the_latest_first_and_how_each_task_went(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts", unchanged=40, seconds=1.0)], started=NOON)
    put_run(ledger, "r-2", [line("accounts", unchanged=80, quarantined=9, seconds=1.0)], started=NOON + timedelta(1))
    put_run(ledger, "r-3", [line("accounts", unchanged=85, quarantined=9, seconds=5.0)], started=NOON + timedelta(2))
    found = history(here)
    assert [run.run_id for run in found.runs] == ["r-3", "r-2", "r-1"]
    (trend,) = found.trends
    assert (trend.agreed, trend.waiting, trend.usual_seconds, trend.seconds) == ((0.55, 1.0), (5, 10), 1.0, 5.0)
    assert trend.remark == "5 more rows wait than at first"
    put_run(ledger, "r-4", [line("accounts", seconds=4.0)], started=NOON + timedelta(3))
    assert history(here).trends[0].remark == "4.0 times as slow as usual"
    assert list(found.df["run_id"]) == ["r-3", "r-2", "r-1"]
    assert history(here, most=1).to_dict()["runs"][0]["updated"] == 5


def test_a_history_can_be_of_one_set_or_one_task(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts"), line("quotes", read=7)])
    put_run(ledger, "r-2", [line("accounts")], connection_set="test")
    assert [run.run_id for run in history(here, connection_set="test").runs] == ["r-2"]
    (run,) = history(here, task="quotes").runs
    assert (run.run_id, run.count("read")) == ("r-1", 7)


def test_sets_and_companies_are_not_mixed_in_a_trend(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts", read=100)], started=NOON)
    put_run(ledger, "r-2", [line("accounts", read=7)], started=NOON + timedelta(1), company="DEMF")
    assert [(trend.task, trend.runs, trend.read) for trend in history(here).trends] == [
        ("accounts, sandbox USMF", 1, (100, 100)),
        ("accounts, sandbox DEMF", 1, (7, 7)),
    ]


def test_no_run_yet_is_said_plainly(tmp_path: Path) -> None:
    assert "No run is in the ledger yet" in p2c(tmp_path)
    assert json.loads(told(tmp_path, "--json"))["runs"] == []
    assert p2c(tmp_path, "show", "latest", code=2).startswith("error: There is no run yet.")


def test_a_run_is_named_by_its_id_its_beginning_or_as_the_latest(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "20260301-a", [], started=NOON)
    put_run(ledger, "20260302-b", [], started=NOON + timedelta(1))
    assert [run_of(ledger, here, name).run_id for name in ("20260301-a", "20260301", "latest")] == [
        "20260301-a",
        "20260301-a",
        "20260302-b",
    ]
    for name in ("2026", "", "r"):
        with pytest.raises(UnknownName, match=f"Unknown run '{name}'"):
            run_of(ledger, here, name)


# the report of a run


def test_a_run_that_failed_says_which_task_with_what_and_where_to_look(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("products")], status="error")
    problems = {"accounts": "KeyError: 'name'", "contacts": "held: it needs accounts"}
    folder, notebooks = here.state / "runs" / "r-1", {"accounts": "20_accounts.ipynb", "contacts": "30_contacts.ipynb"}
    keep(folder, {"problems": problems, "notebooks": notebooks}, RUN)
    for name in ("20_accounts.ipynb", "20_accounts-2.ipynb"):
        keep(folder, {"cells": []}, name)
    failed = {"notebook": "20_accounts-2", "cell": 7, "state": "failed", "seconds": 0.1, "why": "KeyError", "at": "now"}
    ledger.record_cells("r-1", [failed])
    report = run_report(run_of(ledger, here), ledger)
    assert (report.verdict, report.why) == (
        "failed",
        "accounts: KeyError: 'name'. Not begun: contacts. Ended: products.",
    )
    assert re.findall(r'<td[^>]*><a href="([^"]*)">([^<]*)</a>', report.to_html()) == [
        ("20_accounts-2.ipynb", "20_accounts-2.ipynb, cell 7")
    ], "the last try; none for a notebook that was not executed"
    assert "p2c run --resume r-1" in report.to_text()


def test_a_run_that_was_killed_is_reported_from_what_is_there(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("products")], status="running", ended=None)
    error = {"output_type": "error", "ename": "Rejected", "evalue": "the name is missing\nand more"}
    folder = here.state / "runs" / "r-1"
    keep(folder, {"cells": [{"outputs": []}, {"outputs": [error]}, {}]}, "20_accounts.ipynb")
    (folder / "30_contacts.ipynb").write_text("{ cut o")
    report = run_report(run_of(ledger, here), ledger)
    assert report.verdict == "failed"
    assert "20_accounts: Rejected: the name is missing" in report.why
    assert json.loads(told(here.root, "show", "latest", "--json"))["status"] == "interrupted"


@pytest.mark.parametrize(
    ("lines", "facts", "verdict", "says"),
    [
        ([line("accounts", quarantined=0, held=0)], {}, "pass", "15 rows written: 10 created, 5 updated."),
        ([line("accounts")], {}, "warn", "Not in: 4 quarantined, 1 held."),
        ([line("accounts", failed=3)], {"status": "differences"}, "warn", "4 quarantined, 1 held, 3 refused."),
        ([line("accounts")], {"apply": False, "status": "differences"}, "planned", "15 rows would be written:"),
        (
            [line("accounts", status="blocked", created=0, updated=0, held=96)],
            {"status": "differences"},
            "blocked",
            "The gate is closed for accounts: nothing of it was written. Not in: 4 quarantined, 96 held.",
        ),
        ([], {"status": "running", "ended": None}, "failed", "The run did not end."),
        (
            [line("accounts")],
            {"status": "interrupted"},
            "warn",
            "The run was interrupted; p2c run --resume r-1 goes on.",
        ),
        ([], {}, "pass", "The notebook ended; it walked no task."),
    ],
)
def test_the_verdict_is_the_worst_that_is_so(
    here: Workspace, ledger: Ledger, lines: list[dict[str, object]], facts: dict[str, object], verdict: str, says: str
) -> None:
    put_run(ledger, "r-1", lines, **facts)
    report = run_report(run_of(ledger, here), ledger)
    assert (report.verdict, says in report.why) == (verdict, True), report.why


def test_what_became_of_every_operation_is_told_with_the_words_of_the_refusal(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts")])
    ledger.record_plan("p-1", task="accounts", folder=here.root, run_id="r-1", company="USMF")
    rows = [{"position": n, "op": "create", "entity_set": "CustomersV2", "key": f"acc-{n}"} for n in range(5)]
    ledger.sending("p-1", rows)
    refused = {"state": "failed", "status": 400, "message": "customer group 30 does not exist in USMF"}
    applied = {"state": "applied", "status": 201, "message": None}
    answers = [applied, applied, refused, refused]
    ledger.answered("p-1", [{"position": n, "request_id": "q", **answer} for n, answer in enumerate(answers)])
    told = [(row["state"], row["message"], row["rows"], row["key"]) for row in ledger.outcomes_of("r-1")]
    assert sorted(told, key=str) == [
        ("applied", None, 2, "acc-0"),
        ("failed", "customer group 30 does not exist in USMF", 2, "acc-2"),
        ("sent", None, 1, "acc-4"),
    ]
    text = run_report(run_of(ledger, here), ledger).to_text()
    assert re.search(r"accounts +create +refused +2 +customer group 30 does not exist in USMF +acc-2", text)
    assert re.search(r"accounts +create +no answer +1 +the run ended before the service answered", text)


def test_an_operation_sent_again_counts_once_with_its_last_answer(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [])
    ledger.record_plan("p-1", task="accounts", folder=here.root, run_id="r-1")
    row = {"position": 0, "op": "update", "entity_set": "CustomersV2", "key": "acc-0"}
    for state in ("failed", "applied"):
        ledger.sending("p-1", [row])
        assert [one["state"] for one in ledger.outcomes_of("r-1")] == ["sent"]
        ledger.answered("p-1", [{"position": 0, "state": state, "status": 1, "message": None, "request_id": None}])
        assert [(one["state"], one["rows"]) for one in ledger.outcomes_of("r-1")] == [(state, 1)]


def test_rows_that_waited_are_told_as_it_was_when_the_run_ended(here: Workspace, ledger: Ledger) -> None:
    scope = {"connection_set": "sandbox", "company": "USMF"}
    waits = WaitingRow("acc-1", "quarantined", "name is given", "name", None, "The name is missing")
    for run_id, rows in (("r-1", [waits]), ("r-2", [])):
        ledger.begin_run(run_id, **scope, apply=True)
        ledger.record_waiting(run_id, **scope, task="accounts", rows=rows)
        ledger.record_task(run_id, line("accounts"))
        ledger.end_run(run_id, status="clean", report=None)
    assert "The name is missing" in run_report(run_of(ledger, here, "r-1"), ledger).to_text()
    assert "No row waits." in run_report(run_of(ledger, here, "r-2"), ledger).to_text()


def test_a_row_that_waits_for_two_reasons_is_one_row(here: Workspace, ledger: Ledger) -> None:
    scope = {"connection_set": "sandbox", "company": "USMF"}
    waits = [WaitingRow("q-1", "held", "quote-lines", "", parent, f"waits for {parent}") for parent in ("l-1", "l-2")]
    waits += [WaitingRow("q-1", "quarantined", "name is given", "name", None, "The name is missing")]
    ledger.begin_run("r-1", **scope, apply=True)
    ledger.record_waiting("r-1", **scope, task="quotes", rows=waits)
    at = {**scope, "tasks": ["quotes"], "at": "9999"}
    assert [(one["kind"], one["rows"]) for one in ledger.waiting_reasons(**at)] == [("held", 1), ("quarantined", 1)]
    rows, total = ledger.waiting_at(**at, most=10)
    assert ([row["key"] for row in rows], total) == (["q-1"], 1)


def test_a_run_that_looked_at_less_says_so(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts")])
    given = {"full": False, "since": None, "limit": 1000, "without": ["name is given"]}
    keep(here.state / "runs" / "r-1", {"parameters": given, "problems": {}}, RUN)
    assert (
        "apply · only what changed since the last load · at most 1,000 rows of each source · "
        "without the rules name is given · 01 Mar 2026" in run_report(run_of(ledger, here), ledger).subtitle
    )


def test_rows_deleted_at_the_source_have_a_section_of_their_own(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts")])
    assert "DELETED" not in run_report(run_of(ledger, here), ledger).to_text()
    scope = {"connection_set": "sandbox", "company": "USMF", "task": "accounts"}
    ledger.record_deletions("r-1", **scope, states={"acc-7": "left"})
    assert re.search(r"DELETED\n.*\n.*\nacc-7 +accounts +left", run_report(run_of(ledger, here), ledger).to_text())


def test_a_page_elsewhere_leads_to_the_files_of_the_run(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts")])
    folder = here.state / "runs" / "r-1"
    keep_task(folder, "accounts")
    keep(folder / "accounts" / f"accounts-{'c' * 12}", {}, "plan.json")
    page = Path(told(here.root, "show", "r-1", "--html", str(here.root / "out" / "page.html")).strip())
    links = re.findall(r'href="([^#][^"]*)"', page.read_text("utf-8"))
    assert len(links) == 2
    assert {(page.parent / link).resolve() for link in links} == {
        folder / "accounts" / "accounts-cccccccccccc" / "plan.json"
    }


# two runs compared


def test_two_runs_compared_say_what_changed_and_nothing_else(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts"), line("quotes")], started=NOON)
    put_run(ledger, "r-2", [line("accounts", created=0, unchanged=90, seconds=9.0)], started=NOON + timedelta(1))
    keep_task(here.state / "runs" / "r-1", "accounts")
    cause = {"cause": "case", "field": "OrganizationName", "count": 5, "money": None, "expected": "a", "actual": "A"}
    changed = {"reconciliation": {"causes": [cause]}, "template_sha": "d" * 64}
    keep_task(here.state / "runs" / "r-2", "accounts", **changed)
    found = compare("r-1", workspace=here)
    assert [(c.task, c.what, c.before, c.after, c.by) for c in found.changes] == [
        ("accounts", "template", "a" * 12, "d" * 12, None),
        ("accounts", "created", 10, 0, -10),
        ("accounts", "unchanged", 80, 90, 10),
        ("accounts", "seconds", 1.5, 9.0, 7.5),
        ("quotes", "task", "walked", "not walked", None),
        ("accounts", "case in OrganizationName", 3, 5, 2),
    ]
    assert len(found.df) == 6
    assert "They did not work with the same template of accounts." in found.report().why
    as_json = json.loads(told(here.root, "compare", "r-1", "r-2", "--json"))
    assert [change["by"] for change in as_json["causes"]] == [2]
    same = compare("r-1", "r-1", workspace=here)
    assert (same.changes, same.report().verdict) == ((), "pass")


def test_causes_of_a_pruned_run_are_not_called_unchanged(here: Workspace, ledger: Ledger) -> None:
    put_run(ledger, "r-1", [line("accounts")])
    put_run(ledger, "r-2", [line("accounts")], started=NOON + timedelta(1))
    keep_task(here.state / "runs" / "r-2", "accounts")
    assert (
        "The folder of r-1 was pruned: causes and rules are not compared."
        in compare("r-1", workspace=here).report().to_text()
    )


# retention


def folders(here: Workspace, ids: list[str]) -> None:
    for run_id in ids:
        keep_task(here.state / "runs" / run_id, "accounts")


def left(here: Workspace) -> list[str]:
    return sorted(path.name for path in (here.state / "runs").iterdir())


def test_pruning_removes_old_folders_keeps_the_latest_and_every_fact(here: Workspace, ledger: Ledger) -> None:
    ids = put_runs(here.root, 10)
    folders(here, ids)
    would = prune(here, older_than=timedelta(0), keep=4, dry_run=True)
    assert (left(here), would.done, would.size > 0) == (ids, False, True)
    done = prune(here, older_than=timedelta(0), keep=4)
    assert [one.run_id for one in done.removed] == ids[5::-1]
    assert left(here) == ids[6:]
    assert len(ledger.runs()) == 10
    assert len(ledger.tasks(ids[0])) == len(TASKS)
    assert "The run folder was pruned" in run_report(run_of(ledger, here, ids[0]), ledger).to_text()
    assert prune(here, older_than=timedelta(0), keep=4).removed == ()


def test_pruning_goes_by_age(here: Workspace, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    for days in (10, 100):
        put_run(ledger, f"r-{days}", [], started=now - timedelta(days=days))
    folders(here, ["r-10", "r-100"])
    assert (
        json.loads(told(here.root, "prune", "--older-than", "90d", "--keep", "0", "--json"))["removed"][0]["run_id"]
        == "r-100"
    )
    assert left(here) == ["r-10"]


def test_what_can_still_be_needed_is_kept_and_told(here: Workspace, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    put_run(ledger, "killed", [], started=now - timedelta(hours=2), status="running", ended=None)
    put_run(ledger, "long-dead", [], started=now - timedelta(days=30), status="running", ended=None)
    put_run(ledger, "unanswered", [], started=now - timedelta(days=1))
    ledger.record_plan("p-1", task="accounts", folder=here.root, run_id="unanswered")
    ledger.sending("p-1", [{"position": 0, "op": "create", "entity_set": "CustomersV2", "key": "acc-0"}])
    walked = f"{now - timedelta(days=30):%Y%m%d-%H%M%S}-abc123"
    folders(here, ["killed", "long-dead", "unanswered", walked, "my-own-folder"])
    outside = here.root / "outside"
    keep_task(outside, "accounts")
    (here.state / "runs" / "20200101-000000-link").symlink_to(outside)
    done = prune(here, older_than=timedelta(hours=1))
    assert sorted(one.run_id for one in done.removed) == sorted(["long-dead", walked])
    assert set(done.kept) == {"killed", "unanswered"}
    assert left(here) == sorted(["20200101-000000-link", "killed", "my-own-folder", "unanswered"])
    assert (outside / "accounts" / "task.json").is_file()


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "ninety days"])
def test_a_length_of_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no length of time\. Write 90d, 12h or 8w\."):
        duration(text)


def test_a_wrong_word_is_one_clear_line(tmp_path: Path) -> None:
    put_runs(tmp_path, 2)
    (tmp_path / "p2c.toml").touch()
    assert "Unknown run 'r-9'" in p2c(tmp_path, "show", "r-9", code=2)
    assert "cannot be written" in p2c(tmp_path, "--html", str(tmp_path / "p2c.toml" / "history.html"), code=2)
    assert "'soon' is no length of time" in p2c(tmp_path, "prune", "--older-than", "soon", code=2)


# the documentation


def test_every_command_and_the_python_of_the_page_run(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "history.md").read_text("utf-8")
    here = Workspace(tmp_path)
    with_latest = [*put_runs(tmp_path, 2), "20260301-120000-abcdef"]
    put_run(open_ledger(here.ledger), with_latest[-1], [line("accounts")])
    folders(here, with_latest)
    commands = re.findall(r"^\$ p2c history(.*)$", page, re.M)
    assert len(commands) == 10
    for words in (words.replace("RUN", with_latest[0]) for words in commands):
        told(tmp_path, *(str(tmp_path / word) if word.endswith(".html") else word for word in words.split()))
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "history.html").is_file()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    program += "\nassert len(past.runs) == 3 and report.verdict == 'warn' and len(comparison.changes) > 0\n"
    environment = {**os.environ, "P2C_WORKSPACE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr


def test_money_of_a_run_has_all_its_digits() -> None:
    digits = "12345678901234567890123456.1234567890123456"
    given = ("3", "12.5", "0.00002", digits, "1234567890123456789012345678901234567890", None)
    assert [None if (made := _decimal(text)) is None else str(made) for text in given] == [
        "3.00", "12.50", "0.00002", digits, "1234567890123456789012345678901234567890.00", None,
    ]  # fmt: skip
