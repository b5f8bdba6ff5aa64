"""The report of a run: verdict, tasks, what became of every row, what waits and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p2c_lib.flow import COUNTS, TASKS
from p2c_lib.report import Facts, Links, Part, Report, Table, stacked_bars
from p2c_lib.runs.parameters import RunParameters
from p2c_lib.runs.result import RunResult

__all__ = ["run_report"]

COLOURS = {
    "created": "#1a7f37",
    "updated": "#0969da",
    "unchanged": "#afb8c1",
    "held": "#bf8700",
    "quarantined": "#e16f24",
    "drifted": "#8250df",
    "failed": "#cf222e",
}
SHOWN = 40


def run_report(
    result: RunResult, parameters: RunParameters, waiting: Sequence[Mapping[str, Any]], folder: Path
) -> Report:
    """The page of a run, from its result and the rows that wait."""
    lines = result.tasks
    total = {name: sum(getattr(line, name) for line in lines) for name in COUNTS}
    verb = "" if parameters.apply else "would be "
    why = (
        f"{total['read']:,} rows read: {total['created']:,} {verb}created, {total['updated']:,} {verb}updated, "
        f"{total['unchanged']:,} agreed already; {total['quarantined']:,} quarantined, {total['held']:,} held, "
        f"{total['failed']:,} refused and {total['drifted']:,} drifted."
    )
    verdict = {"clean": "pass", "differences": "warn", "error": "failed"}[result.status]
    if result.status == "clean" and total["quarantined"]:
        verdict = "warn"
    parts: list[Part] = [Table(result.table().columns, result.table().rows, "Tasks")]
    if result.problems:
        parts.append(Table(("task", "what happened"), tuple(result.problems.items()), "Did not end"))
    if lines:
        bars = [(line.task, kind, getattr(line, kind)) for line in lines for kind in COLOURS]
        parts.append(stacked_bars("What became of every row", bars, COLOURS))
    parts.append(_waiting_table(waiting))
    parts += [Facts(tuple((line.task, line.why) for line in lines), "The gate"), _links(folder)]
    facts = (("run", result.run_id), ("connection set", parameters.connection_set), ("seconds", result.seconds))
    parts.append(Facts(facts, "This run"))
    return Report("Prospect to cash", verdict, why, tuple(parts))


def _waiting_table(waiting: Sequence[Mapping[str, Any]]) -> Table:
    """Reasons, not rows: how many rows wait for each, with some of their keys."""
    reasons = Counter((row["task"], row["kind"], row["rule"], row["field"]) for row in waiting)
    example = {(row["task"], row["kind"], row["rule"], row["field"]): row for row in reversed(waiting)}
    rows = tuple(
        (
            task,
            kind,
            field_name or rule,
            count,
            example[task, kind, rule, field_name]["reason"],
            example[task, kind, rule, field_name]["key"],
        )
        for (task, kind, rule, field_name), count in sorted(reasons.items(), key=lambda item: TASKS.index(item[0][0]))
    )
    columns = ("task", "state", "field or rule", "rows", "reason", "for example")
    return Table(columns, rows[:SHOWN], "Rows that wait, by reason", len(rows))


def _links(folder: Path) -> Links:
    files = sorted([*folder.glob("*.ipynb"), *folder.glob("*/*/plan.json")])
    return Links(tuple((f.relative_to(folder).as_posix(),) * 2 for f in files), "Files of this run")
