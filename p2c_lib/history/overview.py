"""The runs of a workspace side by side: a line each, how counts and durations went, and a page of it all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from p2c_lib import __version__
from p2c_lib.history.closing import close_gone
from p2c_lib.history.past_run import PastRun, past_runs
from p2c_lib.history.run_page import verdict_of
from p2c_lib.report import Figures, Link, Part, Prose, Report, Section, Share, Table, columns

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.config import Workspace

__all__ = ["History", "Trend", "history"]

WRITTEN = {"created": "#1a7f37", "updated": "#0969da"}
WAITING = {"held": "#bf8700", "quarantined": "#e16f24", "drifted": "#8250df", "failed": "#cf222e"}
LASTED = {"seconds": "#57606a"}
DRAWN = 60
LINES = 300
# A task is slow when it takes twice what it took in the median, told from three runs on.
TELLING, SLOW = 3, 2.0


@dataclass(frozen=True)
class Trend:
    """How a task went over its runs, the first to the last: agreeing share, rows that wait, rows read, seconds.

    ``task`` says the set and company too, where the history has several.
    """

    task: str
    runs: int
    agreed: tuple[float, float]
    waiting: tuple[int, int]
    read: tuple[int, int]
    usual_seconds: float
    seconds: float

    @property
    def remark(self) -> str:
        """What a person should look at; empty when the last run was like those before."""
        found = []
        if self.runs > TELLING and self.seconds > SLOW * self.usual_seconds:
            found.append(f"{self.seconds / self.usual_seconds:.1f} times as slow as usual")
        if self.waiting[1] > self.waiting[0]:
            found.append(f"{self.waiting[1] - self.waiting[0]:,} more rows wait than at first")
        return "; ".join(found)

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "remark": self.remark}


@dataclass(frozen=True)
class History:
    """Runs, the latest first; ``total`` is how many the ledger has. ``place`` is the workspace's state folder."""

    runs: tuple[PastRun, ...]
    total: int
    place: Path

    @property
    def df(self) -> pd.DataFrame:
        """A row for each task of each run, the latest run first."""
        import pandas as pd

        named = ("run_id", "connection_set", "company", "mode", "started")
        return pd.DataFrame(
            [{n: getattr(run, n) for n in named} | dict(line) for run in self.runs for line in run.tasks]
        )

    @cached_property
    def trends(self) -> tuple[Trend, ...]:
        """How each task went, of each set and company; one that was walked once has its first and last the same."""
        lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for run in reversed(self.runs):
            for line in run.tasks:
                lines.setdefault((line["task"], _scope(run)), []).append({**line, "applied": run.applied})
        several = len({scope for _, scope in lines}) > 1
        return tuple(_trend(f"{task}, {scope}" if several else task, found) for (task, scope), found in lines.items())

    def table(self, *, beside: Path | None = None) -> Table:
        """A line a run; with ``beside`` a run leads to its report by its path from that folder."""
        counted = ("read", "written", "agreed", "waiting", "failed", "seconds")
        rows = tuple(_line(run, beside) for run in self.runs[:LINES])
        titles = ("run", "state", "mode", "began (UTC)", "set and company", *counted)
        return Table(titles, rows, "Runs, the latest first", len(self.runs))

    def trend_table(self) -> Table:
        """A line a task: the first run beside the last."""
        rows = tuple(
            (t.task, t.runs, *map(Share, t.agreed), *t.waiting, *t.read, t.usual_seconds, t.seconds, t.remark)
            for t in self.trends
        )
        pairs = ("agree at first", "at last", "waiting at first", "now", "read at first", "at the last run")
        return Table(("task", "runs", *pairs, "usual seconds", "last", "to look at"), rows, "How each task went")

    def report(self, *, beside: Path | None = None) -> Report:
        """The whole history: counts, trends, charts and the runs; see ``table`` for ``beside``."""
        if not self.runs:
            return Report("History", "planned", "No run is in the ledger yet; p2c run makes one.")
        trends: tuple[Part, ...] = (self.trend_table(), *self._charts())
        parts = (self._figures(), Section("Trends", trends), Section("Runs", (self.table(beside=beside),)))
        first, last = self.runs[-1].started, self.runs[0].started
        shown = f"the latest {len(self.runs):,} of {self.total:,} runs" if len(self.runs) < self.total else "all runs"
        subtitle = f"{self.place.parent.name} · {shown}, {first:%d %b %Y} to {last:%d %b %Y}"
        verdict, why = self._verdict()
        return Report("History", verdict, why, parts, subtitle, f"Made by p2c {__version__} from the ledger.")

    def save(self, path: Path) -> Path:
        """Write the page, each run leading to its report; returns the path."""
        return self.report(beside=path.parent.resolve()).save(path)

    def to_dict(self) -> dict[str, Any]:
        """Runs and trends as plain values."""
        trends = [trend.to_dict() for trend in self.trends]
        return {"total": self.total, "runs": [run.to_dict() for run in self.runs], "trends": trends}

    def _verdict(self) -> tuple[str, str]:
        """Of the latest run: that is what a person who opens the page wants to know."""
        last = self.runs[0]
        verdict, why = verdict_of(last)
        remarks = [f"{t.task}: {t.remark}" for t in self.trends if t.remark]
        look = f" To look at: {'; '.join(remarks[:3])}." if remarks else ""
        return verdict, f"The last run, {last.started:%d %b %Y, %H:%M} UTC: {why}{look}"

    def _figures(self) -> Figures:
        states = [run.state.kind for run in self.runs]
        bad = sum(kind == "stop" for kind in states)
        usual = median([run.seconds for run in self.runs if run.tasks] or [0.0])
        written = sum(run.count("created", "updated") for run in self.runs if run.applied)
        clean = sum(kind == "ok" for kind in states)
        named = (("runs", len(self.runs)), ("clean", clean), ("failed", bad), ("rows written", written))
        return Figures((*named, ("usual seconds", round(usual, 1))))

    def _charts(self) -> list[Part]:
        drawn = self.runs[:DRAWN][::-1]
        written = [(run.run_id, kind, run.count(kind) if run.applied else 0) for run in drawn for kind in WRITTEN]
        waiting = [(run.run_id, kind, run.count(kind)) for run in drawn for kind in WAITING]
        lasted = [(run.run_id, "seconds", round(run.seconds, 1)) for run in drawn]
        parts: list[Part] = [
            columns("Rows written, run by run", written, WRITTEN),
            columns("Rows that did not go in, run by run", waiting, WAITING),
            columns("Seconds, run by run", lasted, LASTED, unit=" s"),
        ]
        if len(self.runs) > DRAWN:
            parts.append(Prose(f"The charts show the latest {DRAWN} of {len(self.runs):,} runs."))
        return parts

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"History({len(self.runs):,} of {self.total:,} runs)"


def history(
    workspace: Workspace | None = None,
    *,
    connection_set: str | None = None,
    company: str | None = None,
    task: str | None = None,
    most: int | None = None,
) -> History:
    """The runs of a workspace (the current one by default), the latest first.

    ``connection_set``, ``company`` and ``task`` choose among them, ``most`` cuts after the latest so many. A run whose
    process is gone is ended first.
    """
    from p2c_lib.config import workspace as current
    from p2c_lib.ledger import open_ledger

    here = workspace or current()
    ledger = open_ledger(here.ledger)
    try:
        close_gone(ledger, here)
        found = past_runs(ledger, here, connection_set=connection_set, company=company, task=task)
    finally:
        ledger.close()
    return History(tuple(found[:most]), len(found), here.state)


def _line(run: PastRun, beside: Path | None) -> tuple[Any, ...]:
    waits = run.count("quarantined", "held", "drifted")
    counts = (run.count("read"), run.count("created", "updated"), run.count("unchanged"), waits, run.count("failed"))
    facts = (run.state, run.mode, f"{run.started:%Y-%m-%d %H:%M}", _scope(run))
    return (_to_report(run, beside), *facts, *counts, run.seconds)


def _scope(run: PastRun) -> str:
    return f"{run.connection_set} {run.company}"


def _to_report(run: PastRun, beside: Path | None) -> Link | str:
    if beside is None or not run.folder.report.is_file():
        return run.run_id
    return Link(run.run_id, Path(os.path.relpath(run.folder.report.resolve(), beside)).as_posix())


def _trend(task: str, lines: list[Mapping[str, Any]]) -> Trend:
    first, last = lines[0], lines[-1]
    earlier = [float(line["seconds"]) for line in lines[:-1]] or [float(last["seconds"])]
    return Trend(
        task=task,
        runs=len(lines),
        agreed=(_agreed(first), _agreed(last)),
        waiting=(_waits(first), _waits(last)),
        read=(int(first["read"]), int(last["read"])),
        usual_seconds=median(earlier),
        seconds=float(last["seconds"]),
    )


def _agreed(line: Mapping[str, Any]) -> float:
    """The share of the rows read on which both systems agree after the run."""
    names = ("unchanged", "created", "updated") if line["applied"] else ("unchanged",)
    return sum(int(line[name]) for name in names) / int(line["read"]) if line["read"] else 1.0


def _waits(line: Mapping[str, Any]) -> int:
    return sum(int(line[name]) for name in WAITING)
