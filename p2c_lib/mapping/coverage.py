"""What a template does to real rows: previews stage by stage, coverage of every field, the effect of an edited rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.frames import EntityFrame
from p2c_lib.lengths import utf16_lengths
from p2c_lib.mapping.chain import Outcome, distinct_rows, joined_chunks
from p2c_lib.mapping.context import RunContext
from p2c_lib.mapping.currencies import RowCurrencies, named_in
from p2c_lib.mapping.kept import as_kept
from p2c_lib.mapping.mapped import column_type, source_columns
from p2c_lib.mapping.places import Places, wide_type
from p2c_lib.mapping.several import several
from p2c_lib.mapping.template import FieldRule, Template, steps_in_words
from p2c_lib.mapping.trace import Stage, Trace, trace
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


def preview(
    source: EntityFrame, template: Template, session: Session, *, rows: int = 5, only: str | None = None
) -> Preview:
    """The first ``rows`` of a frame through every rule, or the one of a column, with the value after each stage.

    The last stage is what would be written: with the decimals that the destination keeps of it.
    """
    few = source.with_table(source.table.slice(0, rows))
    bench = _Bench.of(template, session)
    by_name = {name: joined_chunks(column) for name, column in bench.columns(few, *template.fields).items()}
    fields = []
    for rule in template.fields:
        if only in {None, rule.to}:
            way = bench.way(by_name, rule, len(few))
            lines = tuple(zip(*(stage.values.to_pylist() for stage in way.stages), strict=True))
            reasons = tuple(reason or "" for reason in way.reasons.to_pylist())
            fields.append(FieldPreview(rule.to, tuple(stage.name for stage in way.stages), lines, reasons))
    keys = [texts(few.table.column(name).combine_chunks()).to_pylist() for name in template.source.key]
    return Preview(template, tuple(" | ".join(map(str, key)) for key in zip(*keys, strict=True)), tuple(fields))


def coverage(source: EntityFrame, template: Template, session: Session) -> Coverage:
    """What every rule does to all rows of a frame, up to what is written; each distinct value is looked at once."""
    bench = _Bench.of(template, session)
    return Coverage(template, tuple(bench.covered(source, rule) for rule in template.fields))


def rule_change(source: EntityFrame, template: Template, rule: FieldRule, session: Session) -> RuleChange:
    """What ``rule`` would change in the rows, in place of the template's rule for the same column.

    A column without a rule so far counts as empty before.
    """
    old = template.rule(rule.to)
    bench = _Bench.of(template.with_rule(rule), session)
    by_name, places, size = bench.distinct(source, *(each for each in (old, rule) if each is not None))

    def after(each: FieldRule | None) -> pa.Array:
        if each is None:
            return pa.nulls(size, pa.string())
        way = bench.way(by_name, each, size)
        return pc.coalesce(way.stages[-1].values, way.reasons)

    counts = _counts(places, size)
    before, now = after(old), after(rule)
    came = bench.way(by_name, rule, size).stages[0].values
    differs = pc.not_equal(pc.fill_null(before, "\0"), pc.fill_null(now, "\0"))
    lines = zip(*(part.filter(differs).to_pylist() for part in (came, before, now, counts)), strict=True)
    pairs = sorted(lines, key=lambda pair: -pair[3])
    return RuleChange(rule.to, len(source), sum(pair[3] for pair in pairs), tuple(pairs[:MOST_VALUES]))


@dataclass(frozen=True)
class _Bench:
    """A template's rules before its destination, which says what it keeps of a value."""

    template: Template
    schema: EntitySchema
    places: Places
    context: RunContext

    @classmethod
    def of(cls, template: Template, session: Session) -> _Bench:
        side = template.destination_side
        client = session.client(side.app)
        schema = client.schema(side.entity)
        names = pa.table({rule.to: pa.nulls(0) for rule in template.fields})
        context = RunContext(session)
        currencies = RowCurrencies(context, template.destination, schema)
        return cls(template, schema, Places.of(client, schema, names, currencies), context)

    def columns(self, source: EntityFrame, *rules: FieldRule) -> dict[str, pa.ChunkedArray]:
        """The source's columns that some rules read, and the one that tells the currency of their money."""
        found: dict[str, pa.ChunkedArray] = {}
        for rule in rules:
            for each in (rule, self._currency(rule)):
                if each is not None:
                    found |= dict(zip(each.columns, source_columns(source, each, self._place(each)), strict=True))
        return found

    def distinct(self, source: EntityFrame, *rules: FieldRule) -> tuple[dict[str, pa.Array], pa.Array, int]:
        """The distinct rows of the columns, each row's place among them, and how many they are; one without columns."""
        columns = self.columns(source, *rules)
        if not columns:
            return {}, pa.repeat(pa.scalar(0), len(source)), min(1, len(source))
        few, places = distinct_rows([joined_chunks(column) for column in columns.values()])
        return dict(zip(columns, few, strict=True)), places, len(few[0])

    def way(self, by_name: Mapping[str, pa.Array], rule: FieldRule, rows: int) -> Trace:
        """A rule's stages, the last one as the destination will hold it."""
        kind = wide_type(column_type(self.schema, rule, self._place(rule)))
        way = trace([by_name[name] for name in rule.columns], rule, kind, rows, self.context)
        chosen = several(Outcome(way.target, way.target, way.reasons), self.schema.columns.get(rule.to))
        reasons = way.reasons if chosen.reasons is None else chosen.reasons
        given = {rule.to: chosen.values}
        if (currency := self._currency(rule)) is not None:
            given[currency.to] = self.way(by_name, currency, rows).target
        kept, _ = as_kept(pa.table(given), self.places)
        target = joined_chunks(kept.column(rule.to))
        values = pc.if_else(pc.is_null(reasons), texts(target), pa.scalar(None, pa.string()))
        stages = (*way.stages[:-1], Stage("to", values, pc.is_valid(reasons)))
        return Trace(stages, target, reasons)

    def covered(self, source: EntityFrame, rule: FieldRule) -> FieldCoverage:
        """What one rule does to all rows."""
        by_name, places, size = self.distinct(source, rule)
        way = self.way(by_name, rule, size)
        counts = _counts(places, size)
        target = way.stages[-1].values
        known = self.schema.columns.get(rule.to)
        return FieldCoverage(
            field=rule.to,
            source=", ".join(rule.paths),
            steps=steps_in_words(rule),
            rows=len(source),
            came=_sum(counts, pc.invert(_nothing([by_name[name] for name in rule.columns], size))),
            filled=_sum(counts, pc.invert(is_blank(target))),
            defaulted=_sum(counts, way.stages[-2].touched) if rule.default is not None else 0,
            distinct=int(pc.count_distinct(target, mode="only_valid").as_py()),
            longest=int(pc.max(utf16_lengths(texts(target))).as_py() or 0),
            limit=known.max_length if known is not None else None,
            refused=_refused(way, rule, counts),
            rejected=_sum(counts, pc.is_valid(way.reasons)),
        )

    def _currency(self, rule: FieldRule) -> FieldRule | None:
        """The rule of the row's currency, where the column keeps the decimals of that."""
        column = self.schema.columns.get(rule.to)
        by_currency = column is not None and column.places_by == "currency"
        named = named_in([each.to for each in self.template.fields]) if by_currency else None
        return None if named is None else self.template.rule(named)

    def _place(self, rule: FieldRule) -> int:
        fields = self.template.fields
        return next((n for n, each in enumerate(fields) if each.to == rule.to), len(fields))


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
