"""A run that is killed goes on where it was and ends as if nobody had disturbed it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from p2c_lib.config import Workspace
from p2c_lib.events import Follower
from p2c_lib.flow import STANDS_ON, TASKS
from p2c_lib.sandbox import process
from p2c_lib.session import Session

FIFTH = "quotes"


def p2c(home: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "P2C_WORKSPACE": str(home)}
    command = [sys.executable, "-m", "p2c_lib.cli", "run", *words]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def reached(home: Path, task: str, step: str, state: str) -> Path:
    """Wait until a step of the newest run is told; its run folder."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for file in sorted((home / ".p2c" / "runs").glob("*/events.jsonl"))[-1:]:
            told = [e for e in Follower(file) if e.get("task") == task and e["event"] == "step"]
            if sum(e["step"] == step and e["state"] == state for e in told):
                return file.parent
        time.sleep(0.02)
    raise AssertionError(f"{step} of {task} was never told to be {state}")


def ended(running: subprocess.Popen[str]) -> dict[str, Any]:
    said, talk = running.communicate(timeout=180)
    assert running.returncode == 0, talk
    found: dict[str, Any] = json.loads(said)
    return found


def outputs(folder: Path) -> dict[str, dict[str, str]]:
    """The hash of what every step of every task made; plans aside, which make up the ids of new rows."""
    files = {task: json.loads((folder / task / "steps.json").read_text("utf-8")) for task in TASKS}
    return {task: {s: kept[s]["output"] for s in STANDS_ON if s != "plan"} for task, kept in files.items()}


def planned(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The operations of every task's plan, without ids."""
    files = {task: next((folder / task).glob("*/operations.parquet")) for task in TASKS}
    return {task: pq.read_table(file).drop_columns(["id", "etag"]).to_pylist() for task, file in files.items()}


def counts(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in result["tasks"]]


def held_at_the_end(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the destinations of accounts, quotes and lines hold, without what the service makes up."""
    place = Workspace(home)
    with Session(place.connection_set("sandbox"), place) as session:
        from p2c_lib.mapping import template

        frames = {task: session.extract(template(task).destination) for task in ("accounts", FIFTH, "quote-lines")}
    return {task: sorted(map(repr, frame.df.to_dict("records"))) for task, frame in frames.items()}


@dataclass(frozen=True)
class Two:
    undisturbed: Path
    killed: Path
    first: dict[str, Any]
    resumed: dict[str, Any]
    kept_at_the_kill: dict[str, Any]
    talk_of_the_resumed: str


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    homes = tmp_path_factory.mktemp("undisturbed"), tmp_path_factory.mktemp("killed")
    sandboxes = [process.start(home / ".p2c" / "sandbox") for home in homes]
    try:
        first = ended(p2c(homes[0], "--apply", "--json"))
        running = p2c(homes[1], "--apply")
        folder = reached(homes[1], FIFTH, "plan", "done")
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        kept = json.loads((folder / FIFTH / "steps.json").read_text("utf-8"))
        running = p2c(homes[1], "--resume", "latest", "--json")
        said, talk = running.communicate(timeout=180)
        assert running.returncode == 0, talk
        yield Two(*homes, first, json.loads(said), kept, talk)
    finally:
        for one in sandboxes:
            process.stop(one)


def test_it_ends_with_the_outputs_of_an_undisturbed_run(two: Two) -> None:
    assert counts(two.resumed) == counts(two.first)
    folders = [Path(result["report"]).parent for result in (two.first, two.resumed)]
    assert outputs(folders[1]) == outputs(folders[0])
    assert planned(folders[1]) == planned(folders[0])
    assert held_at_the_end(two.killed) == held_at_the_end(two.undisturbed)


def test_tasks_that_were_done_are_not_run_again(two: Two) -> None:
    assert "done before: products, accounts, contacts, contact-customers" in two.talk_of_the_resumed
    folder = Path(two.resumed["report"]).parent
    told = [e for e in Follower(folder / "events.jsonl") if e["event"] == "step" and e["state"] == "started"]
    assert [sum(e["task"] == task and e["step"] == "extract" for e in told) for task in TASKS] == [1, 1, 1, 1, 2, 1]


def test_steps_that_were_done_are_taken_up_and_not_made_again(two: Two) -> None:
    folder = Path(two.resumed["report"]).parent
    told = [e for e in Follower(folder / "events.jsonl") if e["event"] == "step" and e.get("task") == FIFTH]
    done = {step: sum(e["step"] == step and e["state"] == "done" for e in told) for step in STANDS_ON}
    assert done == dict.fromkeys(STANDS_ON, 2)
    kept = json.loads((folder / FIFTH / "steps.json").read_text("utf-8"))
    assert two.kept_at_the_kill != {}
    assert {step: kept[step] for step in two.kept_at_the_kill} == two.kept_at_the_kill  # their seconds among it


def test_no_kernel_outlives_the_run_that_was_killed(two: Two) -> None:
    told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert [line for line in told.splitlines() if str(two.killed) in line and "ipykernel" in line] == []
