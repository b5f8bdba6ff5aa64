"""The whole walk as a user runs it: ``p2c run --apply`` on a fresh sandbox, and once more."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.flow import TASKS
from p2c_lib.sandbox import process

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Walked:
    home: Path
    first: dict[str, Any]
    second: dict[str, Any]
    plan_only: dict[str, Any]


def p2c_run(home: Path, *words: str, code: int = 0) -> dict[str, Any]:
    environment = {**os.environ, "P2C_WORKSPACE": str(home)}
    command = [sys.executable, "-m", "p2c_lib.cli", "run", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == code, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    home = tmp_path_factory.mktemp("walk")
    plan_only = p2c_run(home, "--plan-only", code=1)
    first = p2c_run(home, "--apply")
    second = p2c_run(home, "--apply")
    yield Walked(home, first, second, plan_only)
    assert process.find(home / ".p2c" / "sandbox") is None, "the sandbox was left running"


def test_all_six_tasks_end_and_every_row_is_accounted_for(walked: Walked) -> None:
    for result in (walked.first, walked.second, walked.plan_only):
        assert tuple(line["task"] for line in result["tasks"]) == TASKS
        for line in result["tasks"]:
            assert line["read"] == line["passed"] + line["quarantined"] + line["held"], line
            ended = ("created", "updated", "unchanged", "failed", "drifted")
            assert line["passed"] == sum(line[name] for name in ended), line
            assert line["failed"] == line["drifted"] == 0, line


def test_the_first_run_writes_and_the_second_finds_nothing_left(walked: Walked) -> None:
    assert {line["task"] for line in walked.first["tasks"] if line["created"]} == set(TASKS)
    assert [(line["created"], line["updated"]) for line in walked.second["tasks"]] == [(0, 0)] * 6
    assert [line["passed"] for line in walked.second["tasks"]] == [line["unchanged"] for line in walked.second["tasks"]]


def test_the_readme_shows_the_table_of_a_first_run(walked: Walked) -> None:
    shown = re.search(r"```text\n(task .*?)report:", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert shown is not None
    lines = [line.split() for line in shown[1].splitlines()]
    assert lines[0] == list(walked.first["tasks"][0])
    counts = [[str(value) for name, value in line.items() if name != "seconds"] for line in walked.first["tasks"]]
    assert [line[:-1] for line in lines[1:]] == counts


def test_a_plan_says_what_the_apply_then_does(walked: Walked) -> None:
    planned, applied = walked.plan_only["tasks"][0], walked.first["tasks"][0]
    assert (planned["created"], planned["updated"]) == (applied["created"], applied["updated"])


def test_some_rows_wait_and_the_report_says_why(walked: Walked) -> None:
    assert sum(line["quarantined"] for line in walked.first["tasks"]) > 0
    assert sum(line["held"] for line in walked.first["tasks"]) > 0
    html = Path(walked.first["report"]).read_text("utf-8")
    assert "Rows that wait, by reason" in html
    assert "<svg" in html
    assert re.findall(r"(?:src|href)=[\"']?https?:", html) == []
    assert "<script" not in html


def test_the_report_tells_all_of_the_run(walked: Walked) -> None:
    html = Path(walked.first["report"]).read_text("utf-8")
    sections = ["Tasks", "Rows that wait", "Gate", "Causes", "Plan", "Outcomes", "Preflight", "Time", "Files"]
    assert re.findall(r"<h2 id=[^>]*>([^<]*)</h2>", html) == sections
    assert re.search(r"\d+ of \d+ checks hold\.", html), "preflight"
    assert re.search(r"100 rows read back: all as written", html), "outcomes"
    assert "holds" in html, "gate"
    again = Path(walked.second["report"]).read_text("utf-8")
    assert "There is nothing to write." in again
    assert "Nothing was sent: this run only planned." in Path(walked.plan_only["report"]).read_text("utf-8")


def test_the_run_folder_holds_the_executed_notebooks_and_the_plans(walked: Walked) -> None:
    folder = Path(walked.first["report"]).parent
    assert sorted(p.stem for p in folder.glob("*.ipynb")) == ["10_products", "20_accounts", "30_contacts", "40_quotes"]
    assert len(list(folder.glob("*/*/plan.json"))) == len(TASKS)


def test_no_file_of_a_run_holds_the_sandbox_token(walked: Walked) -> None:
    with_token = process.start(walked.home / ".p2c" / "sandbox", token="tell-nobody-0042")
    try:
        result = p2c_run(walked.home, "products", "--apply")
    finally:
        process.stop(with_token)
    folder = Path(result["report"]).parent
    assert [p for p in folder.rglob("*") if p.is_file() and b"tell-nobody-0042" in p.read_bytes()] == []
