"""A run as it happens: its tasks, the step each is at, rows, rate and time left; a finished run at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import traitlets

from p2c_lib.config import Workspace
from p2c_lib.config import workspace as current_workspace
from p2c_lib.errors import UnknownName
from p2c_lib.events import Follower
from p2c_lib.history import PastRun, past_runs
from p2c_lib.ledger import open_ledger
from p2c_lib.report import Table, fragment
from p2c_lib.widgets.family import FamilyWidget, family_file, said_badly

__all__ = ["RunMonitor"]

COUNTS = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "failed", "drifted")
EVENTS = "events.jsonl"
SHOWN_RUNS = 30
NONE_YET = "No run yet in this workspace. Start one in a terminal: p2c run"


class RunMonitor(FamilyWidget):
    """Follows the runs of a workspace, the latest unless one is named, from the ledger and the run's own events.

    The browser asks again every second while the run goes on. It starts and stops nothing. ``static()`` is the run as
    it stands, as HTML.
    """

    _esm = family_file("run_monitor.js")
    _css = family_file("run_monitor.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, workspace: Workspace | None = None, run: str | None = None) -> None:
        self._workspace = workspace or current_workspace()
        self.run = run
        self._steps = Steps()
        self._turns = 0
        super().__init__(state={"runs": [], "run": None, "tasks": [], "turn": 0, "nothing": NONE_YET})
        self.on_msg(self._asked)
        self.look()

    def look(self) -> None:
        """Read again how the run stands."""
        self.attempt(self._look)
        self._turns += 1  # an answer is news to the browser even where nothing moved
        self.state = {**self.state, "turn": self._turns}

    def pick(self, run: str | None) -> None:
        """Follow another run, or with None the latest."""
        self.run = run
        self.look()

    def static(self) -> str:
        """The run as it stands, as HTML that needs no kernel."""
        run = self.state["run"]
        if self.problem:
            return said_badly(self.problem)
        if run is None:
            return fragment(f"<p>{NONE_YET}</p>")
        names = ("task", "state", *COUNTS, "seconds")
        rows = tuple(tuple(line.get(name) for name in names) for line in self.state["tasks"])
        return fragment(Table(names, rows, f"Run {run['id']}: {run['status']}").to_html())

    def __repr__(self) -> str:
        run = self.state["run"]
        return f"RunMonitor({run['id']}: {run['status']})" if run else "RunMonitor(no run yet)"

    def _asked(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("do") == "pick":
            self.pick(content.get("run") or None)
        else:
            self.look()

    def _look(self) -> None:
        ledger = open_ledger(self._workspace.ledger)
        try:
            runs = past_runs(ledger, self._workspace, most=SHOWN_RUNS)
        finally:
            ledger.close()
        found = next((one for one in runs if self.run in (None, one.run_id)), None)
        if found is None and self.run is not None:
            raise UnknownName("run", self.run, [one.run_id for one in runs])
        listed = [
            {"id": one.run_id, "says": f"{one.started:%Y-%m-%d %H:%M:%S}, {one.mode}, {one.status}"} for one in runs
        ]
        shown = {} if found is None else _shown(found, runs, self._steps.of(found))
        self.state = {**self.state, "runs": listed, "picked": self.run or "", "run": None, "tasks": [], **shown}


class Steps:
    """Where the tasks of one run are, from its events; each look reads only what is new."""

    def __init__(self) -> None:
        self._run = ""
        self._follower: Follower | None = None
        self._tasks: dict[str, dict[str, Any]] = {}

    def of(self, run: PastRun) -> Mapping[str, Mapping[str, Any]]:
        """For each task of a run its latest step: ``step``, rows ``done`` ``of`` how many, and since when."""
        if run.run_id != self._run:
            self._run, self._tasks = run.run_id, {}
            self._follower = Follower(_told_in(run))
        for event in self._follower or ():
            if event.get("run") == run.run_id and (task := event.get("task")):
                self._tasks[task] = _moved(self._tasks.get(task, {}), event)
        return self._tasks


def _told_in(run: PastRun) -> Path:
    """The file of a run's events; the part of one company tells in the file of the whole."""
    folder = run.folder.path
    whole = folder.parent / run.run_id.removesuffix(f"-{run.company.lower()}")
    return next((place / EVENTS for place in (folder, whole) if (place / EVENTS).is_file()), folder / EVENTS)


def _moved(before: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """A task after an event; what a step counted is forgotten with the step."""
    step = event.get("step", before.get("step", ""))
    begun = before["since"] if before.get("step") == step and before else event["at"]
    rows = {"done": event.get("done"), "of": event.get("of")} if event.get("step") or "done" in event else {}
    return {**before, "step": step, "since": begun, "at": event["at"], **rows}


def _shown(run: PastRun, runs: Sequence[PastRun], steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A run and its tasks as plain values: those that ended with their counts, the others with where they are."""
    ended = {str(task["task"]): dict(task) for task in run.tasks}
    usual = _usual(runs, run)
    lines = [_line(task, ended.get(task), steps.get(task, {}), usual) for task in dict.fromkeys((*steps, *ended))]
    going = run.status == "running"
    elapsed = (datetime.now(UTC) - run.started).total_seconds() if going else run.seconds
    left = sum(line["left"] or 0 for line in lines) if going and lines else None
    facts = {
        "id": run.run_id,
        "status": run.status,
        "mode": run.mode,
        "set": run.connection_set,
        "company": run.company,
    }
    return {"run": {**facts, "going": going, "elapsed": elapsed, "left": left}, "tasks": lines}


def _line(
    task: str, ended: Mapping[str, Any] | None, step: Mapping[str, Any], usual: Mapping[str, float]
) -> dict[str, Any]:
    if ended is not None:
        counts = {name: int(ended[name]) for name in COUNTS}
        return {"task": task, "state": ended["status"], "seconds": ended["seconds"], "left": 0.0, **counts}
    spent = (datetime.now(UTC) - datetime.fromisoformat(step["since"])).total_seconds()
    done, whole = step.get("done"), step.get("of")
    rate = done / spent if done and spent > 0 else None
    left = (whole - done) / rate if rate and whole else max(0.0, usual.get(task, 0.0) - spent)
    return {"task": task, "state": step["step"], "done": done, "of": whole, "rate": rate, "left": left}


def _usual(runs: Iterable[PastRun], mine: PastRun) -> dict[str, float]:
    """The seconds each task took the last time it ended in the same connection set."""
    found: dict[str, float] = {}
    for run in runs:
        if run.connection_set == mine.connection_set and run.run_id != mine.run_id:
            for task in run.tasks:
                found.setdefault(str(task["task"]), float(task["seconds"]))
    return found
