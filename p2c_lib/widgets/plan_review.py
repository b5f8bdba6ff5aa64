"""A plan to click through before it is approved: what is created, what changes field by field and why, and money."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from p2c_lib.errors import UnknownName
from p2c_lib.keys import named_key
from p2c_lib.plan.forecast import OPS
from p2c_lib.plan.operations import field_texts
from p2c_lib.plan.review import routes_of, why_command
from p2c_lib.sheets import write_sheet
from p2c_lib.widgets.family import NOT_ASKED, PAGE, Found, PagedWidget, family_file
from p2c_lib.widgets.pages import containing
from p2c_lib.widgets.reconciliation_explorer import marked

if TYPE_CHECKING:
    from p2c_lib.plan import Plan

__all__ = ["PlanReview"]

SHOWN = ("op", "key", "field", "before", "after", "cause")
ASKED = ("position", *SHOWN)


class PlanReview(PagedWidget):
    """Reviews a Plan in JupyterLab: click a kind of operation or a cause, search, turn pages, open an operation.

    A line is a field that is written. ``lines`` is what is chosen, ``export(path)`` writes it to .csv, .xlsx or
    .parquet. The browser only ever holds one page. ``static()`` is the review for a report, without a kernel.
    """

    _esm = family_file("plan_review.js")
    _css = family_file("plan_review.css")
    head = traitlets.Dict().tag(sync=True)
    causes: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    opened = traitlets.Dict().tag(sync=True)

    def __init__(self, plan: Plan | None) -> None:
        self.plan = plan
        if plan is None:
            super().__init__(nothing=NOT_ASKED)
            return
        counts = {op: int(plan.facts["counts"][op]) for op in OPS}
        first = next((op for op in ("update", "create", "delete") if counts[op]), "create")
        super().__init__(
            self._lines,
            head=_head(plan, counts),
            causes=plan.causes.to_pylist(),
            wanted={"op": first, "cause": None, "field": None, "search": "", "number": 0, "open": None},
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
        self.wanted = {"op": op, "cause": cause, "field": field, "search": search, "number": number, "open": None}

    def show_operation(self, key: str) -> None:
        """Show a whole operation, as a click on its key would. Raises UnknownName for a key the plan does not have."""
        keys = self.plan.operations.column("key").to_pylist() if self.plan else []
        named = named_key(key, self.plan.facts["destination"]["app"], keys) if self.plan else key
        if named not in keys:
            raise UnknownName("key of this plan", key, keys)
        self.wanted = {**self.wanted, "open": keys.index(named)}

    def export(self, path: str | Path) -> Path:
        """Write the chosen lines to a .csv, .xlsx or .parquet file; text that a spreadsheet would run is defused."""
        return write_sheet(self.lines.select(list(SHOWN)), Path(path))

    def _twin(self) -> str:
        return self.plan._repr_html_() if self.plan else ""

    def __repr__(self) -> str:
        return f"PlanReview({self.plan!r})"

    def _chosen(self, wanted: Mapping[str, Any]) -> pa.Table:
        if self.plan is None:
            return pa.table({})
        lines = self.plan.rows
        if not lines.num_rows:
            return lines
        hit = pc.equal(lines.column("op"), str(wanted.get("op")))
        for name in ("cause", "field"):
            if wanted.get(name):
                hit = pc.and_(hit, pc.equal(lines.column(name), str(wanted[name])))
        lines = lines.filter(hit)
        return containing(lines, ("key", "field", "before", "after"), str(wanted.get("search") or ""))

    def _lines(self, wanted: Mapping[str, Any], number: int) -> Found:
        """The written fields of one page, changed ones with what differs marked."""
        self.opened = {} if wanted.get("open") is None or self.plan is None else _opened(self.plan, int(wanted["open"]))
        lines = self._chosen(wanted)
        rows = [{name: row.get(name) for name in ASKED} for row in lines.slice(number * PAGE, PAGE).to_pylist()]
        for row in rows:
            if row["op"] == "update":
                row["marks"] = marked(row["before"], row["after"])
        return rows, lines.num_rows


def _opened(plan: Plan, position: int) -> dict[str, Any]:
    """One operation with all its fields, those it writes first, and the command that tells why a value stands there."""
    part = plan.operations.slice(position, 1).combine_chunks()
    (row,) = part.drop_columns(["before", "after"]).to_pylist()
    sides = [part.column(side).combine_chunks() for side in ("before", "after")]
    names = dict.fromkeys(field.name for side in reversed(sides) for field in side.type)
    updates, causes = row["op"] == "update", dict(zip(row["changed"] or (), row["causes"] or (), strict=True))
    fields = []
    for name in sorted(names, key=lambda name: name not in causes):
        old, new = (field_texts(side, name)[0].as_py() for side in sides)
        if updates and name not in causes:
            new = old
        if old is not None or new is not None:
            marks = {"marks": marked(old, new)} if name in causes else {}
            cause = causes.get(name) if updates else row["reason"]
            fields.append({"field": name, "before": old, "after": new, "cause": cause, **marks})
    shown = {name: row[name] for name in ("key", "op", "reason")}
    return {**shown, "fields": fields, "why": why_command(plan, row["key"], fields[0]["field"])}


def _head(plan: Plan, counts: dict[str, int]) -> dict[str, Any]:
    report = plan.report()
    ahead, routes = plan.facts["predicted"], routes_of(plan)
    return {
        "title": report.title,
        "why": report.why,
        "id": plan.id[:12],
        "counts": counts,
        "ahead": f"about {ahead['requests']:,} requests, {ahead['minutes']:g} minutes" + (routes and f": {routes}"),
        "left": [f"{line['rows']:,} {line['why']}" for line in plan.facts["left_alone"]],
        "money": [
            f"{line['field']}: {line['created']} created, {line['from']} → {line['to']} changed ({line['currency']})"
            for line in plan.facts["money"]
        ],
        "follows": [f"{line['rows']:,} × {line['entity_set']}: {line['says']}" for line in plan.facts["follows"]],
        "cannot": [f"{line['key']}: {line['why']}" for line in plan.facts.get("cannot", ())[:PAGE]],
    }
