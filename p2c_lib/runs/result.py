"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p2c_lib.flow import COUNTS, TaskSummary
from p2c_lib.report import Facts, Links, Part, Report, Table

__all__ = ["RunResult", "status_of", "summary_of", "together"]

# From the best to the worst.
EXIT_CODES = {"clean": 0, "differences": 1, "error": 2, "interrupted": 130}
VERDICTS = {"clean": "pass", "differences": "warn", "error": "failed", "interrupted": "warn"}


@dataclass(frozen=True)
class RunResult:
    """What a run came to: ``status`` is clean, differences, error or interrupted; ``problems`` names tasks that did
    not end. Of a run over several companies ``parts`` holds the result of each."""

    run_id: str
    status: str
    report: Path
    tasks: tuple[TaskSummary, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    company: str = ""
    parts: tuple[RunResult, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 clean, 1 differences or a closed gate, 2 error, 130 interrupted."""
        return EXIT_CODES[self.status]

    def table(self) -> Table:
        """One line a task, with its company where there are several."""
        columns = ("task", *COUNTS, "seconds")
        if not self.parts:
            return Table(columns, tuple(tuple(task.to_dict().values()) for task in self.tasks))
        rows = ((part.company, *task.to_dict().values()) for part in self.parts for task in part.tasks)
        return Table(("company", *columns), tuple(rows))

    def overview(self) -> Report:
        """The page of a run over several companies, which leads to the page of each."""
        ended = Table(
            ("company", "came to", "tasks", "did not end"),
            tuple((part.company, part.status, len(part.tasks), ", ".join(part.problems)) for part in self.parts),
            "Companies",
        )
        links = tuple((part.company, f"../{part.run_id}/{part.report.name}") for part in self.parts)
        said = f"{len(self.parts)} companies in {self.seconds:,.0f} s."
        return Report("Prospect to cash", VERDICTS[self.status], said, (ended, self.table(), Links(links, "Reports")))

    def _repr_html_(self) -> str:
        if self.parts:
            return self.overview()._repr_html_()
        said = f"Run {self.run_id}: {len(self.tasks)} tasks in {self.seconds:,.0f} s; the page is {self.report}."
        parts: list[Part] = [self.table()]
        if self.problems:
            parts.append(Facts(tuple(self.problems.items()), "Did not end"))
        return Report("Prospect to cash", VERDICTS[self.status], said, tuple(parts))._repr_html_()

    def __repr__(self) -> str:
        return (
            f"RunResult({self.run_id}: {self.status}; {', '.join(task.task for task in self.tasks) or 'no task ended'})"
        )

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"run_id": self.run_id, "status": self.status, "report": str(self.report)}
        facts |= {"seconds": round(self.seconds, 3)}
        if self.parts:
            return facts | {"companies": {part.company: part.to_dict() for part in self.parts}}
        facts["tasks"] = [task.to_dict() for task in self.tasks]
        return facts | ({"problems": dict(self.problems)} if self.problems else {})


def together(run_id: str, report: Path, parts: Sequence[RunResult]) -> RunResult:
    """The result over several companies: as bad as the worst of them."""
    worst = max((part.status for part in parts), key=list(EXIT_CODES).index)
    tasks = tuple(task for part in parts for task in part.tasks)
    problems = {f"{part.company} {name}": why for part in parts for name, why in part.problems.items()}
    seconds = max(part.seconds for part in parts)
    return RunResult(run_id, worst, report, tasks, problems, seconds, parts=tuple(parts))


def summary_of(row: Mapping[str, Any]) -> TaskSummary:
    """A task's line as the ledger has it."""
    return TaskSummary(**{name: row[name] for name in TaskSummary.__dataclass_fields__})


def status_of(lines: Sequence[TaskSummary], problems: Mapping[str, str]) -> str:
    """clean, differences or error."""
    ended = {line.task for line in lines}
    if any(task not in ended for task in problems):
        return "error"
    return "clean" if all(line.status == "clean" for line in lines) else "differences"
