"""What a notice says: what happened, how many rows, where to look, what to do. Never what a row holds.

Only task names, counts and the workbench's own words go in: a reason of the gate or an error's text may quote a
customer's data, so they stay in the report, which the notice points to.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2c_lib.flow import TaskSummary

__all__ = ["EVENTS", "USUAL", "Notice", "notice_of"]

# What a channel may be told of: a task did not end or rows were refused; a gate closed; rows moved; a run that only
# plans found something to write; all went well. By default the first three.
EVENTS = ("failure", "gate", "drift", "differences", "clean")
USUAL = EVENTS[:3]
HELD = "held"
HEADLINE = {
    "failure": "a run failed",
    "gate": "a gate is closed",
    "drift": "rows drifted",
    "differences": "the systems differ",
    "clean": "a run ended clean",
}
TO_DO = {
    "failure": "Open the report: it names each task that did not end and each row that was refused, with the cause. "
    "Then run it again; what was written is not written twice.",
    "gate": "Nothing of that task was written. Open the report for the rules and rows; mend the data or the template, "
    "or let single rows through: p2c quarantine.",
    "drift": "Rows were changed at the destination between reading and writing, and were left alone. The next run "
    "compares them anew; if it stays, find out who else writes there.",
    "differences": "Nothing was written. Look at the plans the report leads to; p2c run --apply writes what is right.",
    "clean": "Nothing.",
}


@dataclass(frozen=True)
class Notice:
    """One message: ``events`` of which the first is the gravest, a headline, and lines of text."""

    events: tuple[str, ...]
    headline: str
    lines: tuple[str, ...]
    run_id: str = ""

    @property
    def text(self) -> str:
        return "\n".join((self.headline, "", *self.lines)) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The message for a program."""
        return {
            "events": list(self.events),
            "headline": self.headline,
            "lines": list(self.lines),
            "run_id": self.run_id,
        }


def notice_of(
    run_id: str,
    place: str,
    tasks: Sequence[TaskSummary],
    problems: Mapping[str, str],
    *,
    report: Path | None,
    deleted: Mapping[str, int] | None = None,
) -> Notice:
    """What to say about a run that ended.

    ``place`` names connection set and company, ``problems`` the tasks that did not end and why, ``deleted`` how many
    rows of a task are gone at the source.
    """
    closed = [line.task for line in tasks if line.status == "blocked"]
    unended = {name: says.startswith(HELD) for name, says in problems.items() if name not in closed}
    happened = {
        "failure": not all(unended.values()) or any(line.failed for line in tasks),
        "gate": bool(closed),
        "drift": any(line.drifted for line in tasks),
        "differences": any(line.status == "planned" for line in tasks),
    }
    events = tuple(name for name, there in happened.items() if there) or ("clean",)
    lines = [*_what(tasks, unended, closed), *_gone(deleted or {})]
    lines += ["", f"Run {run_id} of {place}, on {socket.gethostname()}."]
    lines += [f"Report: {report}"] if report is not None else []
    lines += ["", *(f"To do ({HEADLINE[event]}): {TO_DO[event]}" for event in events)]
    where = ", ".join(dict.fromkeys([*unended, *closed, *(line.task for line in tasks if line.failed or line.drifted)]))
    headline = f"p2c: {' and '.join(HEADLINE[event] for event in events)}" + (f" ({where})" if where else "")
    return Notice(events, f"{headline} - {place}", tuple(lines), run_id)


def _what(tasks: Sequence[TaskSummary], unended: Mapping[str, bool], closed: Sequence[str]) -> Iterable[str]:
    """A line for each task: how it ended and how many rows went which way."""
    for name, held in unended.items():
        yield f"{name}: {'was not run, a task it needs did not end' if held else 'did not end'}."
    for line in tasks:
        names = ("read", "created", "updated", "unchanged", "quarantined", "held", "failed", "drifted")
        there = {name: getattr(line, name) for name in names if getattr(line, name) or name == "read"}
        would = {"created": "would be created", "updated": "would be updated"} if line.status == "planned" else {}
        counts = ", ".join(f"{rows:,} {would.get(name, name)}" for name, rows in there.items())
        gate = "the gate is closed; " if line.task in closed else ""
        yield f"{line.task}: {gate}{counts}."


def _gone(deleted: Mapping[str, int]) -> Iterable[str]:
    for task, rows in deleted.items():
        yield f"{task}: {rows:,} rows were deleted at the source."
