"""A plan as a report: what is created, what changes field by field, what is left alone and why."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.plan.forecast import OPS
from p2c_lib.plan.operations import fields_of
from p2c_lib.report import Facts, Part, Prose, Report, Table

if TYPE_CHECKING:
    from p2c_lib.plan.value import Plan

__all__ = ["report_of", "routes_of", "why_command"]

SHOWN = 10
FIELDS_SHOWN = 6


def report_of(plan: Plan) -> Report:
    """The plan for people: verdict, systems, counts, money, consequences, the first writes."""
    verdict = "blocked" if plan.facts["gate"]["verdict"] == "blocked" else "planned"
    parts: list[Part] = [_identity(plan)]
    facts = plan.facts
    told = (("Left alone", "left_alone"), ("Cannot be undone", "cannot"), ("Will be refused: a key is taken", "taken"))
    for title, lines in ((title, facts.get(name)) for title, name in told):
        if lines:
            parts.append(Table.of(lines, title=title, most=SHOWN))
    if facts.get("money"):
        parts.append(Table.of(facts["money"], title="Money"))
    if facts.get("follows"):
        lines = tuple((line["rows"], line["entity_set"], line["by"], line["says"]) for line in facts["follows"])
        parts.append(Table(("rows", "where", "by", "what follows"), lines, "What follows", len(lines)))
    title = f"Undo of {plan.task}" if plan.undoes else f"Plan for {plan.task}"
    asked = Prose(f"Once it is applied, {why_command(plan, 'KEY', 'FIELD')} tells where a value came from.")
    return Report(title, verdict, _why(plan), (*parts, *_writes(plan), asked))


def routes_of(plan: Plan) -> str:
    """By which way each kind of operation of the plan travels, in words."""
    found = plan.facts["predicted"]["routes"].items()
    return ", ".join(f"{op}s by {route}" for op, route in found if plan.facts["counts"].get(op))


def why_command(plan: Plan, key: str, field: str) -> str:
    """The command that tells how a value of the destination came to stand there."""
    destination = plan.facts["destination"]
    return f"p2c why {destination['app']} {destination['entity_set']} {quote(key)} {quote(field)}"


def _why(plan: Plan) -> str:
    counts, destination = plan.facts["counts"], plan.facts["destination"]
    where = f"{destination['entity_set']} at {destination['url']}"
    if plan.undoes:
        return (
            f"{plan.updates:,} rows to put back as they were, {plan.deletes:,} to delete and {plan.creates:,} to "
            f"create again in {where}; {len(plan.facts['cannot']):,} cannot be undone, "
            f"{len(plan.facts.get('undone', ())):,} are undone already."
        )
    return (
        f"{counts['create']:,} rows to create and {counts['update']:,} to update in {where}; "
        f"{counts['unchanged']:,} agree already and {counts['extra']:,} stand only there and are left alone."
    )


def _identity(plan: Plan) -> Facts:
    facts = plan.facts
    lines: list[tuple[str, Any]] = [("plan", plan.id[:12]), ("folder", str(plan.folder)), ("made", facts["made"])]
    if "narrowed_to" in facts:
        lines.append(("narrowed to", f"{facts['narrowed_to']} (of plan {facts['narrowed_from'][:12]})"))
    lines += [(side, _place(facts[side])) for side in ("source", "destination")]
    lines.append(("gate", facts["gate"]["why"]))
    ahead = facts["predicted"]
    paced = "measured here" if ahead["measured"] else "usual for this service, not measured here yet"
    lines.append(("requests", f"about {ahead['requests']:,}"))
    lines.append(("minutes", f"about {ahead['minutes']:g}, at {ahead['rows_per_second']:g} rows a second ({paced})"))
    if len(plan):
        lines.append(("route", routes_of(plan)))
    limits = [f"{name} {limit:,}" for name, limit in facts["limits"].items() if limit is not None]
    if limits:
        lines.append(("limits", ", ".join(limits)))
    return Facts(tuple(lines))


def _place(side: dict[str, Any]) -> str:
    parts = [f"{side['app']} {side['entity_set']}", side["url"], f"organisation {side['organisation'] or 'unknown'}"]
    parts += [f"company {side['company']}"] if side.get("company") else []
    parts += [f"as {side['user']}"] if side.get("user") else []
    return ", ".join([*parts, f"read {side['read_at'][:19]}Z"])


def _writes(plan: Plan) -> list[Part]:
    """Why rows change, the changes field by field, and the rows that come and go."""
    if not len(plan):
        return []
    parts: list[Part] = []
    causes = plan.causes.to_pylist()
    if causes:
        parts.append(Table.of(causes, title="Why rows change", most=SHOWN))
    kinds = {op: plan.operations.filter(pc.equal(plan.operations.column("op"), op)) for op in OPS}
    if kinds["update"].num_rows:
        fields = fields_of(kinds["update"].slice(0, SHOWN)).drop_columns(["position", "op"])
        lines = tuple(tuple(map(_short, row.values())) for row in fields.slice(0, SHOWN).to_pylist())
        total = sum(line["rows"] for line in causes)
        parts.append(Table(tuple(fields.column_names), lines, "Fields that change", total))
    for op, title in (("create", "New rows"), ("delete", "Rows that go")):
        if kinds[op].num_rows:
            lines = tuple(_whole_rows(kinds[op].slice(0, SHOWN), "after" if op == "create" else "before"))
            parts.append(Table(("key", "fields"), lines, title, kinds[op].num_rows))
    return parts


def _whole_rows(rows: pa.Table, side: str) -> Iterator[tuple[str, str]]:
    """Each row with its first fields in one cell."""
    shown: dict[str, list[str]] = {}
    for row in fields_of(rows).to_pylist():
        shown.setdefault(row["key"], []).append(f"{row['field']}: {_short(row[side])}")
    for key, fields in shown.items():
        yield key, _first_of(fields)


def _first_of(fields: list[str]) -> str:
    more = f" … {len(fields) - FIELDS_SHOWN} more" if len(fields) > FIELDS_SHOWN else ""
    return "; ".join(fields[:FIELDS_SHOWN]) + more


def _short(value: str | None) -> str:
    text = "nothing" if value is None else value
    return text if len(text) <= 40 else text[:39] + "…"
