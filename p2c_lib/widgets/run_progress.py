"""How far a run is, from what the ledger holds and what the run has told so far."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p2c_lib.events import Follower
from p2c_lib.history import PastRun

__all__ = ["COUNTS", "Steps", "progress_of"]

COUNTS = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "failed", "drifted")
EVENTS, ASKED = "events.jsonl", "asked.json"


class Steps:
    """Where the tasks of a run are, from its events; each look reads only what is new."""

    def __init__(self) -> None:
        self._run = ""
        self._news: Iterable[dict[str, Any]] = ()
        self._tasks: dict[str, dict[str, Any]] = {}

    def of(self, run: PastRun) -> Mapping[str, Mapping[str, Any]]:
        """For each task of a run its latest step: ``step``, rows ``done`` ``of`` how many, since when, ``begun``."""
        if run.run_id != self._run:
            self._run, self._tasks, self._news = run.run_id, {}, Follower(_place(run, EVENTS))
        for event in self._news:
            if event.get("run") == run.run_id and (task := event.get("task")):
                self._tasks[task] = _moved(self._tasks.get(task), event)
        return self._tasks


def progress_of(run: PastRun, runs: Sequence[PastRun], steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A run and its tasks as plain values: ended ones with counts and seconds, going ones with step, rows and rate.

    ``left`` is an estimate in seconds, from the time the whole run took before and the share of each task in it; None
    where there was no such run, or when it is over.
    """
    now = datetime.now(UTC)
    ended = {str(task["task"]): task for task in run.tasks}
    lines = [_line(task, ended.get(task), steps.get(task), now) for task in _tasks(run, steps, ended)]
    going = run.status == "running"
    elapsed = (now - run.started).total_seconds() if going else run.seconds
    left = _left(run, runs, lines) if going else None
    names = {"id": run.run_id, "status": run.status, "mode": run.mode, "set": run.connection_set}
    times = {"company": run.company, "going": going, "elapsed": elapsed, "left": left}
    return {"run": {**names, **times}, "tasks": lines}


def _tasks(run: PastRun, *told: Iterable[str]) -> list[str]:
    """The tasks that were asked for, in their order, and any other that was told of."""
    try:
        wanted = json.loads(_place(run, ASKED).read_text("utf-8")).get("tasks", [])
    except (OSError, ValueError):
        wanted = []
    return list(dict.fromkeys([*wanted, *(task for names in told for task in names)]))


def _place(run: PastRun, name: str) -> Path:
    """A file of a run; the part of one company has those of the whole."""
    folder = run.folder.path
    whole = folder.parent / run.run_id.removesuffix(f"-{run.company.lower()}")
    return next((place / name for place in (folder, whole) if (place / name).is_file()), folder / name)


def _moved(before: Mapping[str, Any] | None, event: Mapping[str, Any]) -> dict[str, Any]:
    """A task after an event; the rows a step counted are forgotten with the step."""
    was = before or {"begun": event["at"], "step": "", "since": event["at"]}
    step = event.get("step") or was["step"]
    since = was["since"] if step == was["step"] else event["at"]
    rows = {name: event.get(name, was.get(name) if step == was["step"] else None) for name in ("done", "of")}
    return {"begun": was["begun"], "step": step, "since": since, **rows}


def _line(task: str, ended: Mapping[str, Any] | None, step: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    if ended is not None:
        counts = {name: int(ended[name]) for name in COUNTS}
        return {"task": task, "state": ended["status"], "seconds": float(ended["seconds"]), **counts}
    if step is None:
        return {"task": task, "state": "waiting", "seconds": 0.0}
    spent = (now - datetime.fromisoformat(step["since"])).total_seconds()
    done, whole = step["done"], step["of"]
    rate = done / spent if done and spent > 0 else None
    seconds = (now - datetime.fromisoformat(step["begun"])).total_seconds()
    return {"task": task, "state": step["step"], "seconds": seconds, "done": done, "of": whole, "rate": rate}


def _left(run: PastRun, runs: Iterable[PastRun], lines: Sequence[Mapping[str, Any]]) -> float | None:
    wanted = {str(line["task"]) for line in lines}
    for past in runs:
        usual = {str(task["task"]): float(task["seconds"]) for task in past.tasks}
        alike = past.connection_set == run.connection_set and past.ended is not None and past.run_id != run.run_id
        if wanted and alike and wanted <= usual.keys():
            whole = sum(usual[task] for task in wanted)
            done = sum(_spent(line, usual[line["task"]]) for line in lines)
            return past.seconds * max(0.0, 1 - done / whole) if whole else 0.0
    return None


def _spent(line: Mapping[str, Any], usual: float) -> float:
    """How much of the usual time of a task is over."""
    return usual if "read" in line else min(usual, float(line["seconds"]))
