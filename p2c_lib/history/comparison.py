"""Two runs side by side: what changed in the counts, verdicts, causes, rules and seconds of each task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from p2c_lib.history.past_run import PastRun, past_run
from p2c_lib.ledger.schema import COUNTS
from p2c_lib.report import Facts, Part, Prose, Report, Section, Table

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.config import Workspace

__all__ = ["Change", "Comparison", "compare"]

SHOWN = 40
# Less than this is the clock's own noise.
SECONDS, TIMES = 1.0, 1.5


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was: ``what`` is a count, a cause in a field, a rule, seconds, or a word."""

    task: str
    what: str
    before: Any
    after: Any

    @property
    def by(self) -> Any:
        """How much more or less; None for words."""
        numbers = isinstance(self.before, int | float) and isinstance(self.after, int | float)
        return self.after - self.before if numbers else None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "by": self.by}


@dataclass(frozen=True)
class Comparison:
    """Two runs, ``before`` and ``after``, and every change between them."""

    before: PastRun
    after: PastRun

    @cached_property
    def counts(self) -> tuple[Change, ...]:
        """Verdicts, counts and seconds of each task that are not as they were, and tasks only one run walked."""
        pair = {task: (_line(self.before, task), _line(self.after, task)) for task in self._tasks}
        return tuple(change for task, (old, new) in pair.items() for change in _of_lines(task, old, new))

    @cached_property
    def causes(self) -> tuple[Change, ...]:
        """Causes by field with more or fewer rows; none where a run's folder was pruned."""
        return tuple(self._counted(_causes))

    @cached_property
    def rules(self) -> tuple[Change, ...]:
        """Rules of the gate that found more or fewer rows."""
        return tuple(self._counted(_rules))

    @cached_property
    def means(self) -> tuple[Change, ...]:
        """What the runs worked with, where it changed: template, suite, mode, company, connection set."""
        named = (("connection set", "connection_set"), ("company", "company"), ("mode", "mode"))
        pairs = [(what, getattr(self.before, name), getattr(self.after, name)) for what, name in named]
        found = [Change("all", what, old, new) for what, old, new in pairs if old != new]
        for task, (old, new) in self._kept.items():
            for what, sha in (("template", _template), ("suites", _suites)):
                if sha(old) != sha(new):
                    found.append(Change(task, what, sha(old), sha(new)))
        return tuple(found)

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of it, in this order: what the runs worked with, counts, causes, rules."""
        return (*self.means, *self.counts, *self.causes, *self.rules)

    @property
    def df(self) -> pd.DataFrame:
        """A row for each change."""
        import pandas as pd

        columns = ["task", "what", "before", "after", "by"]
        return pd.DataFrame([c.to_dict() for c in self.changes], columns=columns, dtype=object)

    def report(self) -> Report:
        """What changed, in one sentence and in tables."""
        parts: list[Part] = [Facts((("before", _named(self.before)), ("after", _named(self.after))))]
        missing = [run.run_id for run in (self.before, self.after) if not run.folder.is_there]
        if missing:
            parts.append(Prose(f"The folder of {' and '.join(missing)} was pruned: causes and rules are not compared."))
        if self.counts or self.means:
            parts.append(Section("Each task", (self._tasks_table(),)))
        titles = {"Worked with": self.means, "Counts": self.counts, "Causes": self.causes, "Rules": self.rules}
        parts += [Section(title, (_table(title, changes),)) for title, changes in titles.items() if changes]
        return Report("Two runs compared", "pass" if not self.changes else "warn", self._why(), tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Both runs and the changes as plain values."""
        facts = {name: [c.to_dict() for c in getattr(self, name)] for name in ("means", "counts", "causes", "rules")}
        return {"before": self.before.to_dict(), "after": self.after.to_dict(), **facts}

    @property
    def _tasks(self) -> list[str]:
        walked = [str(line["task"]) for run in (self.before, self.after) for line in run.tasks]
        return list(dict.fromkeys(walked))

    @cached_property
    def _kept(self) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """What both runs kept of a task."""
        old, new = ({task["task"]: task for task in run.folder.tasks()} for run in (self.before, self.after))
        return {task: (old[task], new[task]) for task in self._tasks if task in old and task in new}

    def _counted(self, count: Any) -> Iterator[Change]:
        for task, (old, new) in self._kept.items():
            was, now = count(old), count(new)
            for what in sorted({*was, *now}):
                if was.get(what, 0) != now.get(what, 0):
                    yield Change(task, what, was.get(what, 0), now.get(what, 0))

    def _tasks_table(self) -> Table:
        rows = []
        for task in self._tasks:
            old, new = _line(self.before, task), _line(self.after, task)
            words = tuple(line["status"] if line else "not walked" for line in (old, new))
            pairs = [(_written(old), _written(new)), (_waits(old), _waits(new)), (_seconds(old), _seconds(new))]
            rows.append((task, *words, *(value for pair in pairs for value in pair)))
        titles = ("task", "state before", "after", "written before", "after", "waiting before", "after")
        return Table((*titles, "seconds before", "after"), tuple(rows), "Before and after")

    def _why(self) -> str:
        if not self.changes:
            return "Nothing changed: the same counts, causes and verdicts."
        counted = [(len(getattr(self, name)), name) for name in ("counts", "causes", "rules")]
        told = [f"{count} {name} changed" for count, name in counted if count]
        worked = [f"{c.what} of {c.task}" if c.task != "all" else c.what for c in self.means]
        other = f" They did not work with the same {', '.join(worked)}." if worked else ""
        return f"{', '.join(told).capitalize() or 'No count changed'}.{other}"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"Comparison({self.before.run_id} with {self.after.run_id}: {self._why()})"


def compare(before: str, after: str = "latest", *, workspace: Workspace | None = None) -> Comparison:
    """Two runs of a workspace, each by its id, the beginning of its id, or ``latest``. Raises UnknownName."""
    from p2c_lib.config import workspace as current
    from p2c_lib.ledger import open_ledger

    here = workspace or current()
    ledger = open_ledger(here.ledger)
    try:
        return Comparison(past_run(ledger, here, before), past_run(ledger, here, after))
    finally:
        ledger.close()


def _line(run: PastRun, task: str) -> Mapping[str, Any] | None:
    return next((line for line in run.tasks if line["task"] == task), None)


def _of_lines(task: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Change]:
    if old is None or new is None:
        walked, none = "walked", "not walked"
        yield Change(task, "task", none if old is None else walked, none if new is None else walked)
        return
    for name in ("status", "verdict", *COUNTS):
        if old[name] != new[name]:
            yield Change(task, name, old[name], new[name])
    slow, fast = sorted((float(old["seconds"]), float(new["seconds"])), reverse=True)
    if slow - fast >= SECONDS and slow >= TIMES * fast:
        yield Change(task, "seconds", round(float(old["seconds"]), 1), round(float(new["seconds"]), 1))


def _causes(kept: Mapping[str, Any]) -> dict[str, int]:
    found = kept["reconciliation"]["causes"]
    return {f"{cause['cause']} in {cause['field']}": int(cause["count"]) for cause in found}


def _rules(kept: Mapping[str, Any]) -> dict[str, int]:
    return {f"{rule['rule']} ({rule['stage']})": int(rule["rows"]) for rule in kept["gate"]["rules"]}


def _template(kept: Mapping[str, Any]) -> str:
    return str(kept["template_sha"])[:12]


def _suites(kept: Mapping[str, Any]) -> str:
    return ", ".join(str(suite["sha256"])[:12] for suite in kept["gate"]["suites"])


def _written(line: Mapping[str, Any] | None) -> int | None:
    return None if line is None else int(line["created"]) + int(line["updated"])


def _waits(line: Mapping[str, Any] | None) -> int | None:
    return None if line is None else sum(int(line[n]) for n in ("quarantined", "held", "failed", "drifted"))


def _seconds(line: Mapping[str, Any] | None) -> float | None:
    return None if line is None else float(line["seconds"])


def _named(run: PastRun) -> str:
    return f"{run.run_id}, {run.started:%d %b %Y %H:%M} UTC, {run.mode}: {run.state}, {run.seconds:,.1f} s"


def _table(title: str, changes: tuple[Change, ...]) -> Table:
    rows = tuple((c.task, c.what, c.before, c.after, _signed(c.by)) for c in changes[:SHOWN])
    return Table(("task", "what", "before", "after", "change"), rows, f"{title} that changed", len(changes))


def _signed(by: float | None) -> str:
    return "" if by is None else f"{by:+,.1f}" if isinstance(by, float) else f"{by:+,}"
