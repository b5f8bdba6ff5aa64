"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2c_lib.flow import COUNTS, TaskSummary
from p2c_lib.report import Table

__all__ = ["RunResult", "status_of", "summary_of"]


@dataclass(frozen=True)
class RunResult:
    """What a run came to: ``status`` is clean, differences or error; ``problems`` names tasks that did not end."""

    run_id: str
    status: str
    report: Path
    tasks: tuple[TaskSummary, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 clean, 1 differences or a closed gate, 2 error."""
        return {"clean": 0, "differences": 1, "error": 2}[self.status]

    def table(self) -> Table:
        """One line a task."""
        rows = tuple(tuple(task.to_dict().values()) for task in self.tasks)
        return Table(("task", *COUNTS, "seconds"), rows)

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"run_id": self.run_id, "status": self.status, "report": str(self.report)}
        facts["tasks"] = [task.to_dict() for task in self.tasks]
        return facts | ({"problems": dict(self.problems)} if self.problems else {})


def summary_of(row: Mapping[str, Any]) -> TaskSummary:
    """A task's line as the ledger has it."""
    return TaskSummary(**{name: row[name] for name in TaskSummary.__dataclass_fields__})


def status_of(lines: Sequence[TaskSummary], problems: Mapping[str, str]) -> str:
    """clean, differences or error."""
    ended = {line.task for line in lines}
    if any(task not in ended for task in problems):
        return "error"
    return "clean" if all(line.status == "clean" for line in lines) else "differences"
