"""What the gate decided, as a value: rows that may load, rows set aside with reasons, rows that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import UnknownName
from p2c_lib.report import Chart, Figures, Part, Report, Table, stacked_bars

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.frames import EntityFrame
    from p2c_lib.gates.judge import Outcome
    from p2c_lib.gates.suite import Suite

__all__ = ["FINDING", "HELD", "RULE", "GateResult", "Stage", "Verdict"]

Verdict = Literal["pass", "warn", "blocked"]
FINDING = pa.schema([(name, pa.string()) for name in ("key", "rule", "column", "value", "severity", "reason")])
HELD = pa.schema([(name, pa.string()) for name in ("key", "task", "parent_key", "reason")])
WORDS = ("stage", "rule", "column", "severity", "outcome")
RULE = pa.schema(
    [
        *((name, pa.string()) for name in WORDS),
        ("rows", pa.int64()),
        ("judged", pa.int64()),
        *((name, pa.string()) for name in ("finding", "remedy", "judged_by")),
    ]
)
SHOWN = 10
COLOURS = {"critical": "#cf222e", "warning": "#bf8700", "info": "#0969da", "fits": "#1a7f37"}


@dataclass(frozen=True, eq=False)
class Stage:
    """One suite and what it found: ``name`` is source, mapped or destination, ``table`` what it looked at."""

    name: str
    suite: Suite
    table: pa.Table = field(repr=False)
    outcomes: tuple[Outcome, ...] = field(repr=False)


@dataclass(frozen=True)
class GateResult:
    """The verdict of a task's suites over its rows. ``read = passed + quarantined + held`` in ``counts``, always.

    ``quarantined`` and ``warnings`` hold a line for each row and rule it fails (``key`` is the normalised key text),
    ``held`` a line for each row and the row it waits for. ``rules`` holds a line for each expectation and for each
    column the mapping refused values of: stage, rule, column, severity, the ``rows`` that fail of those ``judged``, and
    an outcome, ``holds``, ``tolerated`` (within ``mostly``) or ``fails``.
    """

    task: str
    verdict: Verdict
    why: str
    counts: Mapping[str, int]
    passed: EntityFrame
    quarantined: pa.Table
    held: pa.Table
    warnings: pa.Table
    rules: pa.Table
    ceiling: float
    stages: tuple[Stage, ...] = field(default=(), repr=False)

    @property
    def df(self) -> pd.DataFrame:
        """The rows that may load, as pandas."""
        return self.passed.df

    @property
    def suite_sha(self) -> str:
        """The hash of the suites the rows were judged by."""
        shas = [stage.suite.sha for stage in self.stages]
        return shas[0] if len(shas) == 1 else sha256("".join(shas).encode()).hexdigest()

    @property
    def findings(self) -> pa.Table:
        """Every line a rule gave, those that set a row aside first: key, rule, column, value, severity, reason."""
        return pa.concat_tables([self.quarantined, self.warnings])

    def failing(self, rule: str | None = None, offset: int = 0, limit: int | None = None) -> pa.Table:
        """The findings of one rule, or of all, ``limit`` lines from ``offset``; their number is ``rows`` in ``rules``.

        Raises UnknownName for a rule that was not asked.
        """
        found = self.findings
        if rule is not None:
            known = self.rules.column("rule").to_pylist()
            if rule not in known:
                raise UnknownName("rule", rule, known, where=self.task)
            found = found.filter(pc.equal(found.column("rule"), rule))
        return found.slice(offset, limit)

    def set_aside(self) -> dict[str, str]:
        """Every quarantined or held key with why in words: what ``blocked`` of the tasks that follow is made of."""
        found: dict[str, str] = {}
        for table in (self.quarantined, self.held):
            for key, reason in zip(table.column("key").to_pylist(), table.column("reason").to_pylist(), strict=True):
                found.setdefault(key, reason)
        return found

    def chart(self) -> Chart | None:
        """Rules by outcome: of each rule that found something, the rows that fail it and those that do not."""
        found = self.rules.filter(pc.greater(self.rules.column("rows"), 0)).to_pylist()
        bars = [(r["rule"], r["severity"], r["rows"]) for r in found]
        bars += [(r["rule"], "fits", r["judged"] - r["rows"]) for r in found]
        return stacked_bars("Rules by outcome", bars, COLOURS) if bars else None

    def report(self, *, charts: bool = False) -> Report:
        """Verdict, counts, rules that found something, first rows set aside or flagged; ``charts`` add a picture."""
        parts: list[Part] = [Figures(tuple((name, int(n)) for name, n in self.counts.items()))]
        if charts and (picture := self.chart()):
            parts.append(picture)
        found = self.rules.filter(pc.not_equal(self.rules.column("outcome"), "holds"))
        told = ["finding"] if any(found.column("finding").to_pylist()) else []
        for title, table in (
            ("Rules that found something", found.select(["stage", "rule", "severity", "rows", "judged", *told])),
            ("Set aside", self.quarantined.select(["key", "rule", "value", "reason"])),
            ("Waiting", self.held),
            ("Flagged", self.warnings.select(["key", "rule", "value", "reason"])),
        ):
            if table.num_rows:
                parts.append(_shown(title, table))
        return Report(f"Gate of {self.task}", self.verdict, self.why, tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Verdict, counts and rules as plain values; the rows themselves stay in the tables."""
        return {
            "task": self.task,
            "verdict": self.verdict,
            "why": self.why,
            "counts": dict(self.counts),
            "ceiling": self.ceiling,
            "suites": [{"stage": s.name, "file": str(s.suite.path), "sha256": s.suite.sha} for s in self.stages],
            "rules": self.rules.to_pylist(),
        }

    def stage(self, name: str) -> Stage:
        """What one stage's suite found. Raises UnknownName for a stage that has none here."""
        found = {stage.name: stage for stage in self.stages}
        if name not in found:
            raise UnknownName("stage", name, found, where=self.task)
        return found[name]

    def to_gx(self, stage: str = "mapped") -> dict[str, Any]:
        """The outcome of one stage as Great Expectations' own validation result, for its tools."""
        from p2c_lib.gates.documents import validation_result

        return validation_result(self.stage(stage), {"verdict": self.verdict, "why": self.why})

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        counted = ", ".join(f"{name} {n:,}" for name, n in self.counts.items())
        return f"GateResult({self.task}: {self.verdict}; {counted})"


def _shown(title: str, table: pa.Table) -> Table:
    rows = tuple(tuple(record.values()) for record in table.slice(0, SHOWN).to_pylist())
    return Table(tuple(table.column_names), rows, title, table.num_rows)
