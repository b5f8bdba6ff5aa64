"""Why a value stands at a destination: from its record through mapping, gate, plan and approval to the request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from p2c_lib.errors import UnknownName
from p2c_lib.keys import RowKey, key_spellings
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load.emptying import EMPTIED, emptied_of
from p2c_lib.load.following import LIVE, PUBLISHED
from p2c_lib.mapping import template
from p2c_lib.mapping.context import RunContext
from p2c_lib.mapping.mapped import plain
from p2c_lib.mapping.trace import trace
from p2c_lib.plan import open_plan
from p2c_lib.report import Facts, Report

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame
    from p2c_lib.mapping import Template
    from p2c_lib.mapping.template import FieldRule
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["Why", "why", "why_cell"]

SNAPSHOT = "source.parquet"


@dataclass(frozen=True)
class Why:
    """One value's chain: ``steps`` are (what, in words), from where the value came to when it was written."""

    app: str
    entity: str
    key: str
    field: str
    steps: tuple[tuple[str, str], ...]

    def report(self) -> Report:
        """The chain as a report."""
        title = f"{self.field} of {self.entity} {self.key}"
        return Report(title, "pass", self.steps[-1][1], (Facts(self.steps),))

    def to_dict(self) -> dict[str, Any]:
        place = {"app": self.app, "entity": self.entity, "key": self.key, "field": self.field}
        return place | {"steps": [{"step": name, "says": says} for name, says in self.steps]}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {says}" for name, says in self.steps)


def why(app: str, entity: str, key: str, field: str, session: Session, *, ledger: Ledger | None = None) -> Why:
    """How the field of a row at a destination came to what was last written there by the workbench.

    ``key`` is the integration key; the parts of one of several columns are joined with ``|``. Raises UnknownName for a
    row that was never written, or a field of it that was not.
    """
    session.client(app).schema(entity)
    own = ledger or open_ledger(session.workspace.ledger)
    try:
        return _explained(app, entity, key, field, session, own)
    finally:
        if ledger is None:
            own.close()


def why_cell(frame: EntityFrame, row: int, field: str, session: Session) -> Why:
    """Like ``why``, for a cell of a frame read from a destination: its row by position, its column by name."""
    key = frame.row_key().texts(frame.table.slice(row, 1))[0].as_py()
    return why(frame.origin.app, frame.origin.entity_set, key, field, session)


def _explained(app: str, entity: str, key: str, field: str, session: Session, ledger: Ledger) -> Why:
    written = ledger.written(entity, key_spellings(key, app))
    if not written:
        raise UnknownName(f"row of {entity} that the workbench wrote", key, ())
    fields: set[str] = set()
    for entry in reversed(written):
        plan = open_plan(Path(entry["folder"]))
        if plan.facts["destination"]["app"] != app:
            continue
        if entry["op"] == PUBLISHED:
            if field in LIVE:
                return Why(app, entity, key, field, tuple(_published(plan, field, entry, ledger)))
            continue
        if entry["op"] == EMPTIED:
            row = plan.operations.slice(emptied_of(entry["position"], plan), 1).to_pylist()[0]
            if field in row["after"] and row["after"][field] is None:
                return Why(app, entity, key, field, tuple(_emptied(plan, field, entry, ledger)))
            continue
        row = plan.operations.slice(entry["position"], 1).to_pylist()[0]
        mine = _written_fields(row)
        if field in mine:
            steps = (*_origins(plan, row, field, session), *_deeds(plan, row, field, entry, ledger))
            return Why(app, entity, key, field, steps)
        fields |= mine
    raise UnknownName(f"field that the workbench wrote of {entity} {key}", field, fields)


def _published(plan: Plan, field: str, entry: dict[str, Any], ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The chain of a state that followed from the creation of a product."""
    yield (
        "source",
        f"nothing: Sales made the new product a draft, and plan {plan.id[:12]} says that drafts are published",
    )
    row = {"op": PUBLISHED, "before": None, "after": LIVE, "changed": None, "causes": None, "reason": "follows"}
    yield from _deeds(plan, row, field, entry, ledger)


def _emptied(plan: Plan, field: str, entry: dict[str, Any], ledger: Ledger) -> Iterator[tuple[str, str]]:
    """The chain of a field of a new row that F&O filled in by itself, where the plan has nothing."""
    yield "source", f"nothing, and plan {plan.id[:12]} says so: what F&O put there by itself was emptied"
    row = {"op": EMPTIED, "before": None, "after": {field: None}, "changed": None, "causes": None, "reason": "follows"}
    yield from _deeds(plan, row, field, entry, ledger)


def _written_fields(row: dict[str, Any]) -> set[str]:
    if row["op"] == "update":
        return set(row["changed"])
    return {name for name, value in (row["after"] or row["before"]).items() if value is not None}


def _origins(plan: Plan, row: dict[str, Any], field: str, session: Session) -> Iterator[tuple[str, str]]:
    """Where the value came from and what was done to it."""
    if plan.undoes:
        yield "source", f"what stood there before plan {plan.undoes[:12]}"
        return
    source, rules = plan.facts["source"], template(plan.task)
    record = _source_row(plan, rules, row["key"])
    rule = next((rule for rule in rules.fields if rule.to == field), None)
    yield "source", _record(source, record, rule)
    same = rules.sha == plan.facts["template"]["sha256"]
    revision = f"revision {plan.facts['template']['sha256'][:12]}"
    now = "the file as it is now" if same else f"the file has changed since and is {rules.sha[:12]} now"
    if rule is None:
        yield "rule", f"a rule of {plan.task} for {field}, {revision}, which is no more; {now}"
        return
    yield "rule", f"{plan.task}: {_rule(rule)}; {revision}, {now}"
    if record is not None:
        yield from _stages(record, rule, plan, session)


def _source_row(plan: Plan, rules: Template, key: str) -> pa.Table | None:
    """The source record as it was read, from the run's snapshot; None where there is none any more."""
    file = plan.folder.parent / SNAPSHOT
    if not file.is_file():
        return None
    paths = [next((rule.columns[0] for rule in rules.fields if rule.to == to), path) for path, to in rules.key.items()]
    if not set(paths) <= set(pq.read_schema(file).names):
        return None
    mine = RowKey(tuple(paths), plan.facts["destination"]["app"], frozenset(paths))
    at = pc.index(mine.texts(pq.read_table(file, columns=paths)), mine.given(key)).as_py()
    return None if at < 0 else pq.read_table(file).slice(at, 1)


def _record(source: dict[str, Any], record: pa.Table | None, rule: FieldRule | None) -> str:
    place = f"{source['app']} {source['entity_set']} at {source['url']}, read {source['read_at'][:19]}Z"
    if record is None:
        return f"{place}; the record as it was read is not kept any more"
    row = record.to_pylist()[0]
    version = f", version {row['@etag']}" if row.get("@etag") else ""
    held = ", ".join(f"{name} {_shown(row.get(name))}" for name in (rule.columns if rule else ()))
    return f"{place}{version}" + (f": {held}" if held else "")


def _rule(rule: FieldRule) -> str:
    source = " and ".join(rule.paths) or "a constant"
    steps = "".join(f", {step.words}" for step in rule.apply)
    default = "" if rule.default is None else f", default {rule.default!r}"
    return f"{source} to {rule.to}{steps}{default}"


def _stages(record: pa.Table, rule: FieldRule, plan: Plan, session: Session) -> Iterator[tuple[str, str]]:
    """The value after every step of the rule, a value map's entry among them."""
    if not set(rule.columns) <= set(record.column_names):
        return
    kind = plan.operations.schema.field("after").type.field(rule.to).type
    columns = [plain(record.column(name)).combine_chunks() for name in rule.columns]
    found = trace(columns, rule, kind, 1, RunContext(session))
    values = [f"{stage.name}: {_shown(stage.values[0].as_py())}" for stage in found.stages]
    yield "mapping", " → ".join(values)


def _deeds(
    plan: Plan, row: dict[str, Any], field: str, entry: dict[str, Any], ledger: Ledger
) -> Iterator[tuple[str, str]]:
    """What was decided and done about the value."""
    gate = plan.facts["gate"]
    yield "gate", f"{gate['verdict']}: {gate['why']} Suite {gate['suite_sha256'][:12]}."
    before, after = ((row[side] or {}).get(field) for side in ("before", "after"))
    cause = dict(zip(row["changed"] or (), row["causes"] or (), strict=True)).get(field, row["reason"])
    run = f" of run {entry['run_id']}" if entry["run_id"] else ""
    yield (
        "plan",
        f"{plan.id[:12]}{run}, made {plan.facts['made']}: {row['op']}, {_shown(before)} → {_shown(after)} ({cause})",
    )
    approvals = [f"{line['by']} at {line['at']}" for line in ledger.approvals(plan.id)]
    yield "approval", ", ".join(approvals) or "none was asked for"
    asked = entry["request_id"] or "not told"
    yield "written", f"{entry['answered']}, status {entry['status']}, request {asked}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"'{value}'"
