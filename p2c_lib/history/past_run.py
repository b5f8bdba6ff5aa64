"""A run that was: its line in the ledger, its tasks, and its folder while that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import RunError, UnknownName
from p2c_lib.ledger.schema import COUNTS
from p2c_lib.report import Mark
from p2c_lib.run_folder import RunFolder

if TYPE_CHECKING:
    from p2c_lib.config import Workspace
    from p2c_lib.ledger import Ledger

__all__ = ["PastRun", "past_run", "past_runs"]

STATES = {
    "clean": Mark("clean", "ok"),
    "differences": Mark("differences", "warning"),
    "planned": Mark("planned", "info"),
    "blocked": Mark("blocked", "stop"),
    "error": Mark("error", "stop"),
    "interrupted": Mark("interrupted", "warning"),
    "running": Mark("not ended", "warning"),
}
LATEST = "latest"


@dataclass(frozen=True)
class PastRun:
    """One run; ``tasks`` are the ledger's lines of those that ended, in the order they ended.

    ``status`` is clean, differences, planned, blocked, error, interrupted, or running for one that has not ended or was
    killed.
    """

    run_id: str
    connection_set: str
    company: str
    applied: bool
    status: str
    started: datetime
    ended: datetime | None
    tasks: tuple[Mapping[str, Any], ...]
    folder: RunFolder

    def count(self, *names: str) -> int:
        """The rows of all tasks that were counted under these names."""
        return sum(int(task[name]) for task in self.tasks for name in names)

    @property
    def seconds(self) -> float:
        """From its start to its end; of a task walked by itself, which starts when it ends, those of its steps."""
        elapsed = (self.ended - self.started).total_seconds() if self.ended else 0.0
        return max([elapsed, *(float(task["seconds"]) for task in self.tasks)])

    @cached_property
    def problems(self) -> Mapping[str, str]:
        """The tasks that did not end, each with why; one whose gate is closed has ended."""
        ended = {line["task"] for line in self.tasks}
        found: Mapping[str, str] = self.folder.run().get("problems", {})
        return {task: why for task, why in found.items() if task not in ended}

    def notebook(self, task: str) -> str:
        """The executed notebook of a task, by its path in the run folder; empty when it was not executed."""
        named: Mapping[str, str] = self.folder.run().get("notebooks", {})
        return self.folder.executed(named.get(task, task).removesuffix(".ipynb"))

    @property
    def state(self) -> Mark:
        """The status as a word with its sign."""
        return STATES.get(self.status, Mark(self.status, "info"))

    @property
    def mode(self) -> str:
        """What was asked for: written, or only planned."""
        return "apply" if self.applied else "plan only"

    @property
    def verb(self) -> str:
        """What is said of the rows created and updated."""
        return "written" if self.applied else "would be written"

    def to_dict(self) -> dict[str, Any]:
        """The run as plain values, with the sums of its counts and a line for each task."""
        facts = {"run_id": self.run_id, "connection_set": self.connection_set, "company": self.company}
        facts |= {"mode": self.mode, "status": self.status, "started": self.started.isoformat()}
        ended = self.ended.isoformat() if self.ended else None
        counts = {name: self.count(name) for name in COUNTS}
        report = str(self.folder.report) if self.folder.report.is_file() else None
        tasks = [{name: task[name] for name in ("task", "status", *COUNTS, "seconds")} for task in self.tasks]
        return {**facts, "ended": ended, "seconds": round(self.seconds, 3), **counts, "report": report, "tasks": tasks}

    def __repr__(self) -> str:
        tasks = ", ".join(str(task["task"]) for task in self.tasks)
        return f"PastRun({self.run_id}, {self.connection_set}, {self.mode}: {self.status}; {tasks or 'no task ended'})"


def past_runs(
    ledger: Ledger,
    workspace: Workspace,
    *,
    connection_set: str | None = None,
    company: str | None = None,
    task: str | None = None,
    most: int | None = None,
) -> list[PastRun]:
    """The runs in the ledger, the latest first; those of one set or company, those of a task, only so many."""
    scope = {"connection_set": connection_set, "company": None if company is None else company.upper()}
    wanted = {name: value for name, value in scope.items() if value is not None}
    lines = [row for row in ledger.runs() if wanted.items() <= {**row, "company": row["company"].upper()}.items()]
    lines = lines if task is not None else lines[:most]
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for line in ledger.lines_of([row["run_id"] for row in lines]):
        if task in {None, line["task"]}:
            tasks.setdefault(line["run_id"], []).append(line)
    made = [_run(row, tasks.get(row["run_id"], ()), workspace) for row in lines]
    return [run for run in made if task is None or run.tasks][:most]


def past_run(ledger: Ledger, workspace: Workspace, name: str) -> PastRun:
    """A run by its id, by the beginning of its id where that is one run's alone, or the ``latest``.

    Raises UnknownName, and RunError where there is none yet.
    """
    rows = ledger.runs()
    if not rows:
        raise RunError("There is no run yet.", hint="p2c run makes one, and so does a notebook that finishes a task.")
    known = [row["run_id"] for row in rows]
    found = known[:1] if name == LATEST else [one for one in known if one == name] or _begin_with(name, known)
    if len(found) != 1:
        raise UnknownName("run", name, found or [*known, LATEST])
    (row,) = (row for row in rows if row["run_id"] == found[0])
    return _run(row, ledger.lines_of(found), workspace)


def _begin_with(name: str, known: Iterable[str]) -> list[str]:
    return [one for one in known if name and one.startswith(name)]


def _run(row: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], workspace: Workspace) -> PastRun:
    return PastRun(
        run_id=row["run_id"],
        connection_set=row["connection_set"],
        company=row["company"].upper(),
        applied=bool(row["apply"]),
        status=row["status"],
        started=datetime.fromisoformat(row["started"]),
        ended=datetime.fromisoformat(row["ended"]) if row["ended"] else None,
        tasks=tuple(tasks),
        folder=RunFolder(workspace.state / "runs" / row["run_id"]),
    )
