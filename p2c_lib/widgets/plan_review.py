"""A plan to click through before it is approved: what is created, what changes field by field and why, and money."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from p2c_lib.errors import UnknownName
from p2c_lib.plan.forecast import OPS
from p2c_lib.sheets import write_sheet
from p2c_lib.widgets.family import PAGE, Found, PagedWidget, family_file
from p2c_lib.widgets.reconciliation_explorer import marked

if TYPE_CHECKING:
    from p2c_lib.plan import Plan

__all__ = ["PlanReview"]

SHOWN = ("op", "key", "field", "before", "after", "cause")


class PlanReview(PagedWidget):
    """Reviews a Plan in JupyterLab: click a kind of operation or a cause, search, turn pages.

    A line is a field that is written. ``lines`` is what is chosen, ``export(path)`` writes it to .csv, .xlsx or
    .parquet. The browser only ever holds one page. ``static()`` is the review for a report, without a kernel.
    """

    _esm = family_file("plan_review.js")
    _css = family_file("plan_review.css")
    head = traitlets.Dict().tag(sync=True)
    causes: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        counts = {op: int(plan.facts["counts"][op]) for op in OPS}
        first = next((op for op in ("update", "create", "delete") if counts[op]), "create")
        super().__init__(
            self._lines,
            head=_head(plan, counts),
            causes=_causes(plan),
            wanted={"op": first, "cause": None, "field": None, "search": "", "number": 0},
        )

    @property
    def lines(self) -> pa.Table:
        """The written fields that are chosen now."""
        return self._chosen(self.wanted)

    def choose(
        self,
        op: str = "update",
        *,
        cause: str | None = None,
        field: str | None = None,
        search: str = "",
        number: int = 0,
    ) -> None:
        """Show other lines, as a click would. Raises UnknownName for a kind of operation there is not."""
        if op not in OPS:
            raise UnknownName("kind of operation", op, OPS)
        self.wanted = {"op": op, "cause": cause, "field": field, "search": search, "number": number}

    def export(self, path: str | Path) -> Path:
        """Write the chosen lines to a .csv, .xlsx or .parquet file; text that a spreadsheet would run is defused."""
        return write_sheet(self.lines.select(list(SHOWN)), Path(path))

    def static(self) -> str:
        """The whole review as HTML that needs no kernel."""
        return self.plan._repr_html_()

    def __repr__(self) -> str:
        return f"PlanReview({self.plan!r})"

    def _chosen(self, wanted: Mapping[str, Any]) -> pa.Table:
        lines = self.plan.rows
        if not lines.num_rows:
            return lines
        hit = pc.equal(lines.column("op"), str(wanted.get("op")))
        for name in ("cause", "field"):
            if wanted.get(name):
                hit = pc.and_(hit, pc.equal(lines.column(name), str(wanted[name])))
        lines = lines.filter(hit)
        text = str(wanted.get("search") or "")
        if text:
            found = [_has(lines.column(name), text) for name in ("key", "field", "before", "after")]
            lines = lines.filter(pc.or_(pc.or_(found[0], found[1]), pc.or_(found[2], found[3])))
        return lines

    def _lines(self, wanted: Mapping[str, Any], number: int) -> Found:
        """The written fields of one page, changed ones with what differs marked."""
        lines = self._chosen(wanted)
        rows = [{name: row.get(name) for name in SHOWN} for row in lines.slice(number * PAGE, PAGE).to_pylist()]
        for row in rows:
            if row["op"] == "update":
                row["marks"] = marked(row["before"], row["after"])
        return rows, lines.num_rows


def _has(column: pa.ChunkedArray, text: str) -> Any:
    return pc.fill_null(pc.match_substring(column, text, ignore_case=True), fill_value=False)


def _head(plan: Plan, counts: dict[str, int]) -> dict[str, Any]:
    report = plan.report()
    ahead = plan.facts["predicted"]
    return {
        "title": report.title,
        "why": report.why,
        "id": plan.id[:12],
        "counts": counts,
        "ahead": f"about {ahead['requests']:,} requests, {ahead['minutes']:g} minutes",
        "left": [f"{line['rows']:,} {line['why']}" for line in plan.facts["left_alone"]],
        "money": [
            f"{line['field']}: {line['created']} created, {line['from']} → {line['to']} changed"
            for line in plan.facts["money"]
        ],
        "follows": [f"{line['rows']:,} × {line['entity_set']}: {line['says']}" for line in plan.facts["follows"]],
        "cannot": [f"{line['key']}: {line['why']}" for line in plan.facts.get("cannot", ())[:PAGE]],
    }


def _causes(plan: Plan) -> list[dict[str, Any]]:
    """Why fields of updates change, the commonest first."""
    lines = plan.rows
    if not lines.num_rows:
        return []
    updates = lines.filter(pc.equal(lines.column("op"), "update"))
    counted = updates.group_by(["cause", "field"]).aggregate([([], "count_all")])
    ordered = counted.sort_by([("count_all", "descending"), ("cause", "ascending"), ("field", "ascending")])
    return [{"cause": r["cause"], "field": r["field"], "count": r["count_all"]} for r in ordered.to_pylist()]
