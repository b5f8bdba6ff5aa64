"""What a template does to real rows: previews stage by stage, coverage of every field, the effect of an edited rule."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.frames import EntityFrame
from p2c_lib.lengths import utf16_lengths
from p2c_lib.mapping.chain import distinct_rows, joined_chunks
from p2c_lib.mapping.context import RunContext
from p2c_lib.mapping.mapped import column_type, source_columns
from p2c_lib.mapping.template import FieldRule, Template, steps_in_words
from p2c_lib.mapping.trace import Trace, trace
from p2c_lib.mapping.transforms.text import is_blank

if TYPE_CHECKING:
    from p2c_lib.odata.schema import EntitySchema
    from p2c_lib.session import Session

__all__ = ["Coverage", "FieldCoverage", "FieldPreview", "Preview", "RuleChange", "coverage", "preview", "rule_change"]

MOST_VALUES = 20


@dataclass(frozen=True)
class FieldPreview:
    """One field's way on some rows: ``stages`` are the names, ``lines`` the values of each row, ``reasons`` or ''."""

    field: str
    stages: tuple[str, ...]
    lines: tuple[tuple[str | None, ...], ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """The way of some rows through every rule, stage by stage."""

    template: Template
    keys: tuple[str, ...]
    fields: tuple[FieldPreview, ...]

    def to_dict(self) -> dict[str, Any]:
        """The preview as plain values."""
        fields = [{"field": f.field, "stages": f.stages, "lines": f.lines, "reasons": f.reasons} for f in self.fields]
        return {"task": self.template.task, "keys": self.keys, "fields": fields}

    def _repr_html_(self) -> str:
        from p2c_lib.report import fragment

        return fragment("".join(_preview_table(one, self.keys) for one in self.fields))


@dataclass(frozen=True)
class FieldCoverage:
    """What one rule does to all rows.

    ``came`` and ``filled`` count rows with a value before and after, ``defaulted`` those the default filled;
    ``refused`` lists values that could not be converted, whatever the policy made of them; ``rejected`` counts
    rows. ``longest`` is the longest text after, ``limit`` the most the column holds where that is known.
    """

    field: str
    source: str
    steps: str
    rows: int
    came: int
    filled: int
    defaulted: int
    distinct: int
    longest: int
    limit: int | None
    refused: tuple[tuple[str, int], ...]
    rejected: int

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Coverage:
    """What a template does to all rows of a frame, field by field."""

    template: Template
    fields: tuple[FieldCoverage, ...]

    def to_dict(self) -> dict[str, Any]:
        """The coverage as plain values."""
        return {"task": self.template.task, "fields": [one.to_dict() for one in self.fields]}

    def _repr_html_(self) -> str:
        from p2c_lib.report import Table, fragment

        names = ("field", "source", "steps", "came", "filled", "defaulted", "distinct", "longest", "rejected")
        rows = tuple(
            (f.field, f.source, f.steps, f.came, f.filled, f.defaulted, f.distinct, _longest(f), _rejected(f))
            for f in self.fields
        )
        title = f"Coverage of {self.template.task}, {self.fields[0].rows if self.fields else 0:,} rows"
        return fragment(Table(names, rows, title).to_html())


@dataclass(frozen=True)
class RuleChange:
    """What an edited rule changes: ``pairs`` of value before and after with their rows, the commonest first.

    ``came`` stands beside them; a rejected value reads ``None`` with its reason in ``after``'s place.
    """

    field: str
    rows: int
    changed: int
    pairs: tuple[tuple[str | None, str | None, str | None, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """The change as plain values."""
        named = [dict(zip(("came", "before", "after", "rows"), pair, strict=True)) for pair in self.pairs]
        return {"field": self.field, "rows": self.rows, "changed": self.changed, "pairs": named}

    def _repr_html_(self) -> str:
        from p2c_lib.report import Table, fragment

        title = f"{self.field}: {self.changed:,} of {self.rows:,} rows change"
        return fragment(Table(("came", "before", "after", "rows"), self.pairs, title).to_html())


def preview(source: EntityFrame, template: Template, session: Session, *, rows: int = 5) -> Preview:
    """The first ``rows`` of a frame through every rule, with the value after each stage."""
    few = source.with_table(source.table.slice(0, rows))
    schema = _schema(template, session)
    context = RunContext(session)
    fields = []
    for place, rule in enumerate(template.fields):
        columns = [joined_chunks(column) for column in source_columns(few, rule, place)]
        way = trace(columns, rule, column_type(schema, rule, place), len(few), context)
        lines = tuple(zip(*(stage.values.to_pylist() for stage in way.stages), strict=True))
        reasons = tuple(reason or "" for reason in way.reasons.to_pylist())
        fields.append(FieldPreview(rule.to, tuple(stage.name for stage in way.stages), lines, reasons))
    keys = [texts(few.table.column(name).combine_chunks()).to_pylist() for name in template.source.key]
    return Preview(template, tuple(" | ".join(map(str, key)) for key in zip(*keys, strict=True)), tuple(fields))


def coverage(source: EntityFrame, template: Template, session: Session) -> Coverage:
    """What every rule does to all rows of a frame; each distinct value is looked at once."""
    schema = _schema(template, session)
    context = RunContext(session)
    fields = [_covered(source, rule, place, schema, context) for place, rule in enumerate(template.fields)]
    return Coverage(template, tuple(fields))


def rule_change(source: EntityFrame, template: Template, rule: FieldRule, session: Session) -> RuleChange:
    """What ``rule`` would change in the rows, in place of the template's rule for the same column.

    A column without a rule so far counts as empty before.
    """
    old = template.rule(rule.to)
    schema = _schema(template, session)
    context = RunContext(session)
    place = next((n for n, each in enumerate(template.fields) if each.to == rule.to), len(template.fields))
    kind = column_type(schema, rule, place)
    both = [each for each in (old, rule) if each is not None]
    names = tuple(dict.fromkeys(column for each in both for column in each.columns))
    whole = FieldRule.model_construct(source=names, to=rule.to, apply=(), default=None, exists_in=None)
    columns = source_columns(source, whole, place)
    few, places = (
        distinct_rows([joined_chunks(column) for column in columns])
        if columns
        else ([], pa.repeat(pa.scalar(0), len(source)))
    )
    size = len(few[0]) if few else min(1, len(source))
    by_name = dict(zip(names, few, strict=True))

    def after(each: FieldRule | None) -> pa.Array:
        if each is None:
            return pa.nulls(size, pa.string())
        way = trace([by_name[name] for name in each.columns], each, kind, size, context)
        return pc.coalesce(way.stages[-1].values, way.reasons)

    counts = _counts(places, size)
    before, now = after(old), after(rule)
    came = trace([by_name[name] for name in rule.columns], rule, kind, size, context).stages[0].values
    differs = pc.not_equal(pc.fill_null(before, "\0"), pc.fill_null(now, "\0"))
    lines = zip(*(part.filter(differs).to_pylist() for part in (came, before, now, counts)), strict=True)
    pairs = sorted(lines, key=lambda pair: -pair[3])
    return RuleChange(rule.to, len(source), sum(pair[3] for pair in pairs), tuple(pairs[:MOST_VALUES]))


def _schema(template: Template, session: Session) -> EntitySchema:
    side = template.destination_side
    return session.client(side.app).schema(side.entity)


def _distinct(columns: list[pa.ChunkedArray], rows: int) -> tuple[list[pa.Array], pa.Array, int]:
    """The distinct rows of some columns, each row's place among them, and how many there are; one without columns."""
    if not columns:
        return [], pa.repeat(pa.scalar(0), rows), min(1, rows)
    few, places = distinct_rows([joined_chunks(column) for column in columns])
    return few, places, len(few[0])


def _covered(
    source: EntityFrame, rule: FieldRule, place: int, schema: EntitySchema, context: RunContext
) -> FieldCoverage:
    columns = source_columns(source, rule, place)
    few, places = (
        distinct_rows([joined_chunks(column) for column in columns])
        if columns
        else ([], pa.repeat(pa.scalar(0), len(source)))
    )
    size = len(few[0]) if few else min(1, len(source))
    way = trace(few, rule, column_type(schema, rule, place), size, context)
    counts = _counts(places, size)
    target = way.stages[-1].values
    known = schema.columns.get(rule.to)
    return FieldCoverage(
        field=rule.to,
        source=", ".join(rule.paths),
        steps=steps_in_words(rule),
        rows=len(source),
        came=_sum(counts, pc.invert(_nothing(few, size))),
        filled=_sum(counts, pc.invert(is_blank(target))),
        defaulted=_sum(counts, way.stages[-2].touched) if rule.default is not None else 0,
        distinct=int(pc.count_distinct(target, mode="only_valid").as_py()),
        longest=int(pc.max(utf16_lengths(texts(target))).as_py() or 0),
        limit=known.max_length if known is not None else None,
        refused=_refused(way, rule, counts),
        rejected=_sum(counts, pc.is_valid(way.reasons)),
    )


def _nothing(few: list[pa.Array], size: int) -> pa.Array:
    """True where no column brought a value."""
    blank = pa.repeat(pa.scalar(value=True), size)
    for column in few:
        blank = pc.and_(blank, is_blank(column))
    return blank


def _refused(way: Trace, rule: FieldRule, counts: pa.Array) -> tuple[tuple[str, int], ...]:
    steps = way.stages[1 : 1 + len(rule.apply)]
    any_step = way.stages[-1].touched
    for stage in steps:
        any_step = pc.or_(any_step, pc.fill_null(stage.touched, fill_value=False))
    came = pc.fill_null(way.stages[0].values, "").filter(any_step).to_pylist()
    pairs = sorted(zip(came, counts.filter(any_step).to_pylist(), strict=True), key=lambda pair: -pair[1])
    return tuple(pairs[:MOST_VALUES])


def _counts(places: pa.Array, size: int) -> pa.Array:
    """How many rows each distinct value has, in the order of the values."""
    counted = pc.value_counts(places)
    found = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return pa.array([found.get(place, 0) for place in range(size)], pa.int64())


def _sum(counts: pa.Array, where: pa.Array) -> int:
    return int(pc.sum(counts.filter(where)).as_py() or 0)


def _longest(one: FieldCoverage) -> str:
    """The longest text, of how many letters the column holds."""
    return f"{one.longest:,}" if one.limit is None else f"{one.longest:,} of {one.limit:,}"


def _rejected(one: FieldCoverage) -> str:
    """How many rows, and the values no rule could convert."""
    values = ", ".join(f"{value} ({rows:,})" for value, rows in one.refused[:5])
    return f"{one.rejected:,}: {values}" if values else f"{one.rejected:,}"


def _preview_table(one: FieldPreview, keys: tuple[str, ...]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("key", *one.stages, ""))
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell or '')}</td>" for cell in (key, *line, reason)) + "</tr>"
        for key, line, reason in zip(keys, one.lines, one.reasons, strict=True)
    )
    return f"<table><caption>{escape(one.field)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
