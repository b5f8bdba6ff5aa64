"""A gate to click through: rules by what they found, the rows behind each with their reasons, and how it went over
time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from p2c_lib.display import text_of
from p2c_lib.errors import UnknownName
from p2c_lib.gates import Trend, trend
from p2c_lib.ledger import open_ledger
from p2c_lib.sheets import write_sheet
from p2c_lib.widgets.family import NOT_ASKED, PAGE, Found, PagedWidget, family_file
from p2c_lib.widgets.pages import containing, first_columns

if TYPE_CHECKING:
    from p2c_lib.gates import GateResult
    from p2c_lib.session import Session

__all__ = ["GateView"]

KINDS = ("quarantined", "held", "warnings", "passed")
ORDER = {"critical": 0, "warning": 1, "info": 2}


class GateView(PagedWidget):
    """Looks at a GateResult in JupyterLab: click a rule to see the rows that fail it, search, turn pages.

    With a ``session`` the runs before this one are drawn too. ``lines`` is what is chosen, ``export(path)`` writes it
    to .csv, .xlsx or .parquet. The browser only ever holds one page; ``static()`` is the gate without a kernel. Without
    a gate (a task that was not asked for) it says so.
    """

    _esm = family_file("gate_view.js")
    _css = family_file("gate_view.css")
    head = traitlets.Dict().tag(sync=True)
    rules: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    over: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    def __init__(self, gate: GateResult | None, session: Session | None = None) -> None:
        self.gate, self.session = gate, session
        if gate is None:
            super().__init__(nothing=NOT_ASKED)
            return
        first = next((kind for kind in KINDS if gate.counts[kind]), "quarantined")
        wanted = {"kind": first, "rule": None, "search": "", "number": 0}
        super().__init__(self._lines, head=_head(gate), rules=_rules(gate), wanted=wanted)

    @property
    def lines(self) -> pa.Table:
        """The lines that are chosen now, all of them."""
        return self._chosen(self.wanted)

    def choose(self, kind: str = "quarantined", *, rule: str | None = None, search: str = "", number: int = 0) -> None:
        """Show other lines, as a click would: ``rule`` is a rule, or of held rows the task they wait for.

        Raises UnknownName for a kind there is not.
        """
        if kind not in KINDS:
            raise UnknownName("kind of rows", kind, KINDS)
        self.wanted = {"kind": kind, "rule": rule, "search": search, "number": number}

    def export(self, path: str | Path) -> Path:
        """Write the chosen lines to a .csv, .xlsx or .parquet file; text that a spreadsheet would run is defused."""
        return write_sheet(self.lines, Path(path))

    def _twin(self) -> str:
        """Verdict, rules and the first rows of each kind."""
        return self.gate.report(charts=True)._repr_html_() if self.gate else ""

    def __repr__(self) -> str:
        return f"GateView({self.gate!r})"

    @cached_property
    def trend(self) -> Trend | None:
        """The gate of this task over the last runs; None without a session or before the first run."""
        if self.gate is None or self.session is None:
            return None
        ledger = open_ledger(self.session.workspace.ledger)
        try:
            name, company = self.session.set.name, self.session.company
            found = trend(ledger, self.gate.task, connection_set=name, company=company)
        finally:
            ledger.close()
        return found if found.runs.num_rows else None

    def _lines(self, wanted: Mapping[str, Any], number: int) -> Found:
        self.over = self._over(wanted)
        lines = self._chosen(wanted)
        rows = lines.slice(number * PAGE, PAGE).to_pylist()
        return [{k: text_of(v) for k, v in row.items()} for row in rows], lines.num_rows

    def _chosen(self, wanted: Mapping[str, Any]) -> pa.Table:
        if self.gate is None:
            return pa.table({})
        kind, rule = str(wanted.get("kind")), wanted.get("rule")
        if kind == "passed":
            lines = first_columns(self.gate.passed)
        else:
            lines = getattr(self.gate, kind)
            if rule:
                lines = lines.filter(pc.equal(lines.column("task" if kind == "held" else "rule"), rule))
        return containing(lines, lines.column_names, str(wanted.get("search") or ""))

    def _over(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows set aside and waiting in each run; of a chosen rule the rows it found."""
        found, rule = self.trend, wanted.get("rule")
        if found is None:
            return []
        if rule and wanted.get("kind") != "held":
            known = rule in found.rules.column("rule").to_pylist()
            runs = found.rule(rule).to_pylist() if known else []
            return [{"when": run["started"], "rows": run["rows"], "held": 0} for run in runs]
        kinds = found.runs.to_pylist()
        return [{"when": run["started"], "rows": run["quarantined"], "held": run["held"]} for run in kinds]


def _head(gate: GateResult) -> dict[str, Any]:
    return {
        "task": gate.task,
        "verdict": gate.verdict,
        "why": gate.why,
        "counts": {kind: int(gate.counts.get(kind, 0)) for kind in KINDS},
        "read": int(gate.counts["read"]),
        "holds": [r["rule"] for r in gate.rules.to_pylist() if r["outcome"] == "holds"],
    }


def _rules(gate: GateResult) -> list[dict[str, Any]]:
    """What found something, the gravest first, and for each task that rows wait for how many do."""
    found = [
        {
            "kind": "quarantined" if rule["severity"] == "critical" else "warnings",
            "rule": rule["rule"],
            "column": rule["column"],
            "severity": rule["severity"],
            "outcome": rule["outcome"],
            "rows": rule["rows"],
            "judged": rule["judged"],
            "says": " ".join(filter(None, (rule["finding"], rule["remedy"]))),
        }
        for rule in gate.rules.to_pylist()
        if rule["outcome"] != "holds"
    ]
    found.sort(key=lambda line: (ORDER.get(line["severity"], len(ORDER)), -line["rows"], line["rule"]))
    tasks = pc.value_counts(gate.held.column("task")).to_pylist()
    held = {
        "kind": "held",
        "column": "",
        "severity": "held",
        "outcome": "waits",
        "judged": gate.counts["read"],
        "says": "",
    }
    return [*found, *({**held, "rule": line["values"], "rows": line["counts"]} for line in tasks)]
