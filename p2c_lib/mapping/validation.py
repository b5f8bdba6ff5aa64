"""A template held against both systems' metadata, before any data moves.

The codes are those of Data Integrator's own project validation where it has one, so that its users know them; LENGTH,
PARENT, REFERENCE and ZONE are checks it does not make.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from p2c_lib.display import text_of
from p2c_lib.errors import UnknownName
from p2c_lib.mapping.filters import columns_in_filter
from p2c_lib.mapping.longest import longest_of
from p2c_lib.mapping.paths import columns_of
from p2c_lib.mapping.reading import packaged_tasks, template
from p2c_lib.mapping.template import FieldRule, Side, Template
from p2c_lib.mapping.zones import day_without_zone, is_user_local, moment_without_zone

if TYPE_CHECKING:
    from p2c_lib.odata import Client
    from p2c_lib.odata.schema import Column, EntitySchema
    from p2c_lib.session import Session

__all__ = ["CODES", "Finding", "Validation", "validate"]

CODES = {
    "DIPV1003": "the integration key is no key of the table",
    "DIPV1010": "a mandatory destination column has no rule",
    "DIPV1011": "a read-only destination column has a rule",
    "DIPV1012": "a filter does not parse",
    "DIPV1014": "a part of the destination's key has no rule",
    "DIPV1018": "the source entity is not known",
    "DIPV1020": "the destination entity is not known",
    "DIPV1022": "a source column is not known",
    "DIPV1025": "a destination column is not known",
    "DIPV1027": "a lookup is not given by a key of the related table",
    "DIPV1030": "types do not fit",
    "DIPV1031": "a mandatory column may come without a value",
    "LENGTH": "text may be longer than the column",
    "PARENT": "a parent task does not run before this one",
    "REFERENCE": "a reference column is not known",
    "ZONE": "a moment becomes a day, or a day a moment, and no time zone says which",
}


IN_ZONE = "Begin apply with in_zone and the zone of those who enter it: {in_zone: Europe/Berlin}."
FROM_ZONE = "End apply with from_zone and the zone of those who see it: {from_zone: Europe/Berlin}."
DAY_IN_FILTER = re.compile(r"(?<![\w/.])([A-Za-z_][\w/.]*+)\s++(?:eq|ne|lt|le|gt|ge)\s++'?\d{4}-\d{2}-\d{2}(?![\dT])")


@dataclass(frozen=True)
class Finding:
    """One thing wrong or doubtful: its code, the place in the template, what is the matter and what to do."""

    code: str
    level: Literal["error", "warning"]
    path: str
    message: str
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """The finding as plain values, with what its code means."""
        return {**vars(self), "meaning": CODES[self.code]}


@dataclass(frozen=True)
class Validation:
    """All findings about a template; ``ok`` when none of them is an error."""

    template: Template
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether rows can be mapped and written by this template."""
        return not any(finding.level == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain values."""
        found = [finding.to_dict() for finding in self.findings]
        return {"task": self.template.task, "template": self.template.sha, "ok": self.ok, "findings": found}

    def __str__(self) -> str:
        lines = [f"{f.level} {f.code} {f.path}: {f.message} {f.hint}".rstrip() for f in self.findings]
        return "\n".join(lines) or f"{self.template.task}: nothing to report"

    def _repr_html_(self) -> str:
        from p2c_lib.report import Report, Table

        rows = tuple((f.level, f.code, f.path, f.message, f.hint) for f in self.findings)
        table = Table(("level", "code", "place", "what", "remedy"), rows)
        errors = sum(f.level == "error" for f in self.findings)
        why = f"{errors} errors and {len(rows) - errors} warnings in {len(self.template.fields)} rules."
        verdict = "failed" if errors else "warn" if rows else "pass"
        return Report(f"Template {self.template.task}", verdict, why, (table,) if rows else ())._repr_html_()


def validate(checked: Template, session: Session) -> Validation:
    """Everything about a template that both systems' metadata can tell; nothing is raised and no row is read."""
    sides = _Sides(checked, session)
    found = [*sides.unknown_entities()]
    if not found:
        found = [finding for check in CHECKS for finding in check(sides)]
    return Validation(checked, tuple(sorted(found, key=lambda finding: finding.level)))


@dataclass(frozen=True)
class _Sides:
    """The template between its two systems."""

    template: Template
    session: Session

    def client(self, side: Side) -> Client:
        return self.session.client(side.app)

    @cached_property
    def source(self) -> EntitySchema:
        return self.client(self.template.source_side).schema(self.template.source_side.entity)

    @cached_property
    def destination(self) -> EntitySchema:
        return self.client(self.template.destination_side).schema(self.template.destination_side.entity)

    def unknown_entities(self) -> Iterator[Finding]:
        parts = (
            ("DIPV1018", "source", self.template.source_side),
            ("DIPV1020", "destination", self.template.destination_side),
        )
        for code, name, side in parts:
            try:
                self.client(side).schema(side.entity)
            except UnknownName as error:
                yield Finding(code, "error", f"{name}.entity", error.message, error.hint or "")

    def column(self, side: Side, path: str) -> Column:
        """The column at the end of a path; raises ``UnknownName`` for the first part that does not exist."""
        client = self.client(side)
        schema = client.schema(side.entity)
        first, *rest = path.split(".")
        if not rest:
            return schema.column(first)
        way = schema.lookup(first, rest[0] if len(rest) == 2 else None)
        return client.schema(client.metadata.set_of(way.target)).column(rest[-1])

    def found(self, side: Side, path: str) -> Column | None:
        try:
            return self.column(side, path)
        except UnknownName:
            return None

    def length(self, app: str, path: str) -> int | None:
        """The length of ``EntitySet.Column`` in a system, where it has one and is known."""
        entity, _, name = path.partition(".")
        try:
            return self.session.client(app).schema(entity).column(name).max_length
        except UnknownName:
            return None

    def rules(self) -> Iterator[tuple[str, FieldRule]]:
        for place, rule in enumerate(self.template.fields):
            yield f"fields[{place}]", rule


def _unknown_columns(sides: _Sides) -> Iterator[Finding]:
    for path, rule in sides.rules():
        asked = [("DIPV1022", "from", sides.template.source_side, column) for column in rule.columns]
        for code, key, side, column in [*asked, ("DIPV1025", "to", sides.template.destination_side, rule.to)]:
            try:
                sides.column(side, column)
            except UnknownName as error:
                yield Finding(code, "error", f"{path}.{key}", error.message, error.hint or "")
    for key in sides.template.key:
        for column in columns_of(key):
            if sides.found(sides.template.source_side, column) is None:
                yield Finding("DIPV1022", "error", "key", f"The source has no column '{column}'.")


def _read_only(sides: _Sides) -> Iterator[Finding]:
    for path, rule in sides.rules():
        column = sides.destination.columns.get(rule.to.split(".")[0])
        if column is None or rule.to in sides.template.key.values():
            continue
        if not column.creatable and not column.updatable:
            yield Finding("DIPV1011", "error", f"{path}.to", f"{rule.to} is read-only.", "Remove the rule.")
        elif not column.updatable:
            hint = "A difference later on cannot be written: put it under compare.ignore with the reason."
            yield Finding("DIPV1011", "warning", f"{path}.to", f"{rule.to} can be written on create only.", hint)
        elif not column.creatable:
            hint = "A new row gets it with the next run."
            yield Finding("DIPV1011", "warning", f"{path}.to", f"{rule.to} can be written on update only.", hint)


def _mandatory(sides: _Sides) -> Iterator[Finding]:
    schema = sides.destination
    targets = {rule.to.split(".")[0] for rule in sides.template.fields}
    given_anyway = {*schema.key, "dataAreaId"} if schema.app == "sales" else {"dataAreaId"}
    for name, column in schema.columns.items():
        filled_anyway = schema.app == "sales" and column.choices is not None  # a choice of Sales has a default
        if column.required and column.creatable and name not in targets | given_anyway and not filled_anyway:
            level: Literal["error", "warning"] = "error" if schema.app == "finops" else "warning"
            hint = "Add a rule with a source or a default; Sales fills some of its own."
            yield Finding("DIPV1010", level, "fields", f"{name} is mandatory at the destination.", hint)
    for path, rule in sides.rules():
        at_destination = schema.columns.get(rule.to.split(".")[0])
        if at_destination is None or not at_destination.required or rule.default is not None or not rule.columns:
            continue
        columns = [sides.found(sides.template.source_side, name) for name in rule.columns]
        if not any(column is not None and column.required for column in columns):
            hint = "Give it a default, or let the gate set such rows aside."
            yield Finding("DIPV1031", "warning", path, f"{rule.to} is mandatory, {rule.columns[0]} is not.", hint)


def _filters(sides: _Sides) -> Iterator[Finding]:
    template = sides.template
    for name, side in (("source", template.source_side), ("destination", template.destination_side)):
        if side.filter is None:
            continue
        try:
            columns = columns_in_filter(side.filter, side.app)
        except ValueError as error:
            yield Finding("DIPV1012", "error", f"{name}.filter", f"{error}.", "Write an OData filter.")
            continue
        for column in columns:
            try:
                sides.column(side, column.replace("/", "."))
            except UnknownName as error:
                code = "DIPV1022" if name == "source" else "DIPV1025"
                yield Finding(code, "error", f"{name}.filter", error.message, error.hint or "")


def _keys(sides: _Sides) -> Iterator[Finding]:
    mapped = set(sides.template.destination.key)
    if sides.destination.app == "finops":
        for part in sides.destination.key:
            if part not in mapped | {"dataAreaId"}:
                hint = f"F&O's key is {' + '.join(sides.destination.key)}."
                yield Finding("DIPV1014", "error", "key", f"Key column {part} has no rule.", hint)
    elif not any(set(key) == mapped for key in sides.destination.alternate_keys.values()):
        known = ["+".join(key) for key in sides.destination.alternate_keys.values()]
        hint = f"Alternate keys there: {', '.join(known) or 'none'}. Rows are paired by reading."
        yield Finding("DIPV1003", "warning", "key", f"{' + '.join(mapped)} is no key of the table.", hint)


def _lookups(sides: _Sides) -> Iterator[Finding]:
    """A lookup that is written needs a column of the related table that tells its rows apart."""
    client = sides.client(sides.template.destination_side)
    for path, rule in sides.rules():
        first, *rest = rule.to.split(".")
        known = sides.destination.columns.get(first)
        if known is None:
            continue
        if known.targets and not rest:
            message = f"{rule.to} points to {', '.join(known.targets)}; an id of the other system does not exist there."
            yield Finding("DIPV1027", "error", f"{path}.to", message, f"Write {first}.<key column>.")
        if not rest or sides.found(sides.template.destination_side, rule.to) is None:
            continue
        way = sides.destination.lookup(first, rest[0] if len(rest) == 2 else None)
        related = client.schema(client.metadata.set_of(way.target))
        keys = {key[0] for key in related.alternate_keys.values() if len(key) == 1}
        if rest[-1] not in keys | {related.primary_name}:
            hint = f"Keys of {related.entity_set}: {', '.join(sorted(keys)) or related.primary_name}."
            yield Finding("DIPV1027", "warning", f"{path}.to", f"{rest[-1]} is no key of {related.entity_set}.", hint)


def _types(sides: _Sides) -> Iterator[Finding]:
    for path, rule in sides.rules():
        target = sides.found(sides.template.destination_side, rule.to)
        if target is None:
            continue
        if rule.kind == "copy":
            came = sides.found(sides.template.source_side, rule.columns[0])
            if came is not None:
                yield from _copied(path, rule, came, target)
        yield from _members(path, rule, target)


def _copied(path: str, rule: FieldRule, came: Column, target: Column) -> Iterator[Finding]:
    source, destination = _family(came.type), _family(target.type)
    if source == destination or destination == "text":
        return
    readable = source == "text" or {source, destination} <= {"yes/no", "number"}
    level: Literal["error", "warning"] = "warning" if readable else "error"
    hint = (
        "Each value is read when rows are mapped; what cannot be read is rejected." if readable else "Add a transform."
    )
    yield Finding("DIPV1030", level, path, f"{rule.paths[0]} is {source}, {rule.to} is {destination}.", hint)


def _members(path: str, rule: FieldRule, target: Column) -> Iterator[Finding]:
    """Constants and value maps must give members of the destination's list of choices."""
    if not target.choices:
        return
    by_name = _family(target.type) == "text" and not target.several
    members = {str(value) for value in (target.choices.values() if by_name else target.choices)}
    maps = [step.arguments.get("pairs") or {} for step in rule.apply if step.name == "value_map"]
    given = {text_of(value) for pairs in maps[-1:] for value in pairs.values()} | {text_of(rule.default)}
    if target.several:
        given = {part.strip() for text in given if text is not None for part in text.split(",") if part.strip()}
    for value in sorted(text for text in given if text is not None and text not in members):
        hint = f"Allowed: {', '.join(sorted(members)[:12])}."
        yield Finding("DIPV1030", "error", path, f"'{value}' is no member of {rule.to}.", hint)


def _lengths(sides: _Sides) -> Iterator[Finding]:
    for path, rule in sides.rules():
        target = sides.found(sides.template.destination_side, rule.to)
        if target is None or target.max_length is None:
            continue
        columns = [sides.found(sides.template.source_side, name) for name in rule.columns]
        came = longest_of(rule, [column.max_length if column else None for column in columns], sides.length)
        holds, what = f"{rule.to} holds {target.max_length}.", rule.paths[0] if rule.paths else "The value"
        hint = f"{'End apply with' if rule.apply else 'Add'} truncate: {target.max_length}, or add a gate rule."
        if came.most > target.max_length:
            yield Finding("LENGTH", "warning", path, f"{what} may have {came.most} characters, {holds}", hint)
        elif came.by and any(step.name == "truncate" for step in rule.apply):
            message = f"{what} is cut, but {came.by} may make it longer again, {holds}"
            yield Finding("LENGTH", "warning", path, message, hint)


def _zones(sides: _Sides) -> Iterator[Finding]:
    """A user-local date of Sales is a moment in UTC; the day people see there depends on a zone."""
    for path, rule in sides.rules():
        target = sides.found(sides.template.destination_side, rule.to)
        found = {name: sides.found(sides.template.source_side, name) for name in rule.columns}
        came = {name: column for name, column in found.items() if column is not None}
        if target is None:
            continue
        for name, column in came.items():
            if step := day_without_zone([column], rule.apply, target):
                made = f"{rule.to} is a day" if step == "to" else f"{step} takes its day"
                message = f"{name} is a moment in UTC (user local), {made}: it may be another."
                yield Finding("ZONE", "warning", path, message, IN_ZONE)
        if moment_without_zone(came.values(), rule.apply, target):
            message = f"{rule.to} is a moment in UTC (user local), and a day goes into it: people may see another."
            yield Finding("ZONE", "warning", path, message, FROM_ZONE)
    yield from _zones_of_filters(sides)


def _zones_of_filters(sides: _Sides) -> Iterator[Finding]:
    """A bare day in a filter, and a comparison by days, are days in UTC."""
    for place, side in (("source", sides.template.source_side), ("destination", sides.template.destination_side)):
        for name in DAY_IN_FILTER.findall(side.filter or ""):
            column = sides.found(side, name.replace("/", "."))
            if column is not None and is_user_local(column):
                message = f"{name} is a moment in UTC (user local), the filter holds it against a day: the day in UTC."
                yield Finding("ZONE", "warning", f"{place}.filter", message, "Write the moment: 2026-01-30T23:00:00Z.")
    for name, unit in sides.template.compare.granularity.items():
        column = sides.found(sides.template.destination_side, name)
        if unit == "day" and column is not None and is_user_local(column):
            message = f"{name} is a moment in UTC (user local), days are compared: those in UTC."
            yield Finding("ZONE", "warning", "compare.granularity", message, "Compare by the hour.")


def _parents(sides: _Sides) -> Iterator[Finding]:
    before = _tasks_before(sides.template.needs)
    for place, parent in enumerate(sides.template.parents):
        for task in parent.tasks:
            if task not in before:
                hint = f"Tasks that do: {', '.join(sorted(before)) or 'none'}. Add it to needs."
                yield Finding("PARENT", "error", f"parents[{place}]", f"{task} need not run before this task.", hint)


def _tasks_before(needs: tuple[str, ...]) -> set[str]:
    """The tasks a task needs, and those they need; one without a template counts by its name alone."""
    before: set[str] = set()
    waiting = list(needs)
    while waiting:
        task = waiting.pop()
        if task in before:
            continue
        before.add(task)
        if task in packaged_tasks():
            waiting.extend(template(task).needs)
    return before


def _references(sides: _Sides) -> Iterator[Finding]:
    client = sides.client(sides.template.destination_side)
    for path, rule in sides.rules():
        if rule.exists_in is None:
            continue
        entity, _, column = rule.exists_in.partition(".")
        try:
            client.schema(entity).column(column)
        except UnknownName as error:
            yield Finding("REFERENCE", "error", f"{path}.exists_in", error.message, error.hint or "")


def _family(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "yes/no"
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return "number"
    return "date" if pa.types.is_date(kind) or pa.types.is_timestamp(kind) else "text"


CHECKS: tuple[Callable[[_Sides], Iterator[Finding]], ...] = (
    _unknown_columns,
    _read_only,
    _mandatory,
    _filters,
    _keys,
    _lookups,
    _types,
    _lengths,
    _zones,
    _parents,
    _references,
)
