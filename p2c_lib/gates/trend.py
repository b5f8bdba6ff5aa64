"""How the gate judged a task run after run: counts and verdicts, and what each rule found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import UnknownName
from p2c_lib.report import Chart, Report, Table, columns

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger

__all__ = ["Trend", "trend"]

COUNTS = ("read", "passed", "quarantined", "held")
RUN = pa.schema(
    [(name, pa.string()) for name in ("run_id", "started", "verdict")] + [(name, pa.int64()) for name in COUNTS]
)
TEXTS = ("run_id", "at", "stage", "rule", "severity")
RULE = pa.schema([(name, pa.string()) for name in TEXTS] + [("rows", pa.int64()), ("judged", pa.int64())])
COLOURS = {"quarantined": "#cf222e", "held": "#bf8700"}
LAST = 30


@dataclass(frozen=True)
class Trend:
    """One task's gate over time.

    ``runs`` has a line for each run, the oldest first: when it started, the verdict and the counts; ``rules`` has one
    for each rule that found something in it: the ``rows`` that failed of those ``judged``.
    """

    task: str
    runs: pa.Table
    rules: pa.Table

    def rule(self, name: str) -> pa.Table:
        """What one rule found in each run: ``run_id``, ``started`` and ``rows``, 0 where it found nothing.

        Raises UnknownName for a rule that never found anything.
        """
        known = pc.unique(self.rules.column("rule")).to_pylist()
        if name not in known:
            raise UnknownName("rule that ever found something", name, known, where=self.task)
        mine = self.rules.filter(pc.equal(self.rules.column("rule"), name))
        rows = dict(zip(mine.column("run_id").to_pylist(), mine.column("rows").to_pylist(), strict=True))
        found = [rows.get(run, 0) for run in self.runs.column("run_id").to_pylist()]
        return self.runs.select(["run_id", "started"]).append_column("rows", pa.array(found, pa.int64()))

    def chart(self) -> Chart | None:
        """Rows set aside and waiting, a column for each run; None before the first run."""
        rows = [(run["started"][:16], kind, run[kind]) for run in self.runs.to_pylist() for kind in COLOURS]
        return columns(f"Set aside and waiting: {self.task}", rows, COLOURS) if rows else None

    def report(self) -> Report:
        """The picture, and the runs as a table, the latest first."""
        runs = self.runs.to_pylist()[::-1]
        shown = ("started", "run_id", "verdict", *COUNTS)
        table = Table(shown, tuple(tuple(run[name] for name in shown) for run in runs), "Runs")
        verdict = runs[0]["verdict"] if runs else "pass"
        picture = self.chart()
        return Report(f"Gate of {self.task} over time", verdict, self._why(), (*([picture] if picture else []), table))

    def to_dict(self) -> dict[str, Any]:
        return {"task": self.task, "runs": self.runs.to_pylist(), "rules": self.rules.to_pylist()}

    def _why(self) -> str:
        runs = self.runs.to_pylist()
        if not runs:
            return "No run has judged this task yet."
        last, aside = runs[-1], [run["quarantined"] for run in runs]
        told = f"{last['quarantined']:,} of {last['read']:,} rows set aside in the latest run"
        return f"{told}; between {min(aside):,} and {max(aside):,} in {len(runs):,} runs."

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"Trend({self.task}: {self._why()})"


def trend(ledger: Ledger, task: str, *, connection_set: str, company: str, last: int = LAST) -> Trend:
    """The gate of a task over the ``last`` runs of a connection set and company, from the ledger."""
    scope = {"connection_set": connection_set, "company": company, "task": task}
    runs = pa.Table.from_pylist(ledger.gate_runs(**scope)[-last:], schema=RUN)
    rules = pa.Table.from_pylist(ledger.gate_rules(**scope), schema=RULE)
    return Trend(task, runs, rules.filter(pc.is_in(rules.column("run_id"), runs.column("run_id"))))
