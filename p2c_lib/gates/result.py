"""What the gate decided, as a value: rows that may load, rows set aside with reasons, rows that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.report import Chart, Facts, Part, Report, Table, stacked_bars

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.frames import EntityFrame
    from p2c_lib.gates.judge import Outcome

__all__ = ["FINDING", "HELD", "RULE", "GateResult", "Verdict"]

Verdict = Literal["pass", "warn", "blocked"]
FINDING = pa.schema([(name, pa.string()) for name in ("key", "rule", "column", "value", "severity", "reason")])
HELD = pa.schema([(name, pa.string()) for name in ("key", "task", "parent_key", "reason")])
RULE = pa.schema(
    [
        ("rule", pa.string()),
        ("severity", pa.string()),
        ("outcome", pa.string()),
        ("rows", pa.int64()),
        ("finding", pa.string()),
        ("judged_by", pa.string()),
    ]
)
SHOWN = 10
COLOURS = {"critical": "#cf222e", "warning": "#bf8700", "info": "#0969da", "fits": "#1a7f37"}


@dataclass(frozen=True)
class GateResult:
    """The verdict of a suite over mapped rows. ``read = passed + quarantined + held`` in ``counts``, always.

    ``quarantined`` and ``warnings`` hold a line for each row and rule it fails (``key`` is the normalised key text),
    ``held`` a line for each row and the parent it waits for, ``rules`` a line for each expectation: its outcome is
    ``holds``, ``tolerated`` (within ``mostly``) or ``fails``.
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
    suite: str
    suite_sha: str
    ceiling: float
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    judged: pa.Table | None = field(default=None, repr=False)

    @property
    def df(self) -> pd.DataFrame:
        """The rows that may load, as pandas."""
        return self.passed.df

    @property
    def sha(self) -> str:
        """The hash of the suite the rows were judged by."""
        return self.suite_sha

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
        judged = 0 if self.judged is None else self.judged.num_rows
        bars = [(r["rule"], r["severity"], r["rows"]) for r in found]
        bars += [(r["rule"], "fits", judged - r["rows"]) for r in found]
        return stacked_bars("Rules by outcome", bars, COLOURS) if bars else None

    def report(self, *, charts: bool = False) -> Report:
        """Verdict, counts, rules that found something, and the first rows set aside; with ``charts`` a picture too."""
        facts = Facts(tuple((name, int(n)) for name, n in self.counts.items()), "Rows")
        parts: list[Part] = [facts]
        if charts and (picture := self.chart()):
            parts.append(picture)
        found = self.rules.filter(pc.not_equal(self.rules.column("outcome"), "holds"))
        for title, table in (
            ("Rules that found something", found),
            ("Set aside", self.quarantined),
            ("Waiting", self.held),
            ("Loaded with a warning", self.warnings),
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
            "suite": self.suite,
            "suite_sha": self.suite_sha,
            "rules": self.rules.to_pylist(),
        }

    def to_gx(self) -> dict[str, Any]:
        """The outcome as Great Expectations' own validation result, for its tools."""
        from p2c_lib.gates.documents import validation_result

        return validation_result(self)

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        counted = ", ".join(f"{name} {n:,}" for name, n in self.counts.items())
        return f"GateResult({self.task}: {self.verdict}; {counted})"


def _shown(title: str, table: pa.Table) -> Table:
    rows = tuple(tuple(record.values()) for record in table.slice(0, SHOWN).to_pylist())
    return Table(tuple(table.column_names), rows, title, table.num_rows)
