"""Rows of one system in the shape of the other, and the rows that could not be brought there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.frames import EntityFrame
from p2c_lib.mapping.chain import Outcome, run
from p2c_lib.mapping.context import RunContext
from p2c_lib.mapping.currencies import RowCurrencies
from p2c_lib.mapping.kept import as_kept
from p2c_lib.mapping.places import Places, wide_type
from p2c_lib.mapping.several import several
from p2c_lib.mapping.template import FieldRule, Template
from p2c_lib.odata.characters import NO_CHARACTER, all_shown
from p2c_lib.odata.notes import REPLACED, Note, replaced_in
from p2c_lib.report import Figures, Part, Report, Table

if TYPE_CHECKING:
    from p2c_lib.odata.schema import EntitySchema
    from p2c_lib.session import Session

__all__ = ["Mapped", "map_frame"]

Job: TypeAlias = tuple[list[pa.ChunkedArray], FieldRule, pa.DataType]

ROW = "@row"
SHOWN_REJECTS = 20
MANY_ROWS = 50_000


@dataclass(frozen=True)
class Mapped:
    """Rows in the destination's shape, and the rejected ones with their reasons.

    ``frame`` has one row for each source row that could be mapped, columns named and typed as at the destination, and
    the position of its source row in ``@row``. ``rejected`` has one line for each value that could not be converted:
    the key as text, ``field``, ``value``, ``reason`` and ``@row``. ``references`` holds, for each reference column of
    the template, the values the destination knows, and for each of its gate's those the source knows.
    """

    frame: EntityFrame
    rejected: pa.Table
    source: EntityFrame
    template: Template
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rejected_rows(self) -> int:
        """How many source rows are rejected, each counted once."""
        return int(pc.count_distinct(self.rejected.column(ROW)).as_py())

    @property
    def counts(self) -> dict[str, int]:
        """``read`` = ``mapped`` + ``rejected``."""
        return {"read": len(self.source), "mapped": len(self.frame), "rejected": self.rejected_rows}

    @property
    def df(self) -> Any:
        """The mapped rows as pandas."""
        return self.frame.df

    def to_dict(self) -> dict[str, Any]:
        """Counts, reasons and the template's identity as plain values."""
        shown = self.rejected.slice(0, SHOWN_REJECTS).to_pylist()
        return {"task": self.template.task, "template": self.template.sha, "counts": self.counts, "rejected": shown}

    def __repr__(self) -> str:
        return f"Mapped({self.template.task}: {', '.join(f'{n:,} {word}' for word, n in self.counts.items())})"

    def report(self) -> Report:
        """How many rows were mapped, and the values no rule could convert."""
        parts: list[Part] = [Figures(tuple(self.counts.items()))]
        names = tuple(name for name in self.rejected.column_names if name != ROW)
        lines = tuple(tuple(line[n] for n in names) for line in self.rejected.slice(0, SHOWN_REJECTS).to_pylist())
        if lines:
            parts.append(Table(names, lines, "Rejected", self.rejected.num_rows))
        lost = f"{self.rejected_rows:,} could not be mapped" if lines else "none was rejected"
        shape = f"in the shape of {self.template.destination.entity}"
        why = f"{len(self.frame):,} of {len(self.source):,} rows {shape}; {lost}."
        why = " ".join((why, *map(str, self.frame.origin.changed)))
        return Report(f"Mapping of {self.template.task}", "warn" if lines else "pass", why, tuple(parts))

    def _repr_html_(self) -> str:
        return self.report()._repr_html_() + self.frame._repr_html_()


def map_frame(source: EntityFrame, template: Template, session: Session) -> Mapped:
    """The source's rows in the destination's shape, by the template's rules.

    Every source row is either mapped or rejected; the source is left as it is. Raises ``TemplateError`` where the
    template names a column that one of the two sides does not have.
    """
    target = template.destination
    schema = session.client(target.app).schema(target.entity)
    context = RunContext(session)
    outcomes = _outcomes(source, template, schema, context)
    outcomes = {name: several(outcome, schema.columns.get(name)) for name, outcome in outcomes.items()}
    rejected = _rejects(outcomes, template)
    table = pa.table({name: outcome.values for name, outcome in outcomes.items()})
    currencies = RowCurrencies(context, target, schema)
    table, rounded = as_kept(table, Places.of(session.client(target.app), schema, table, currencies))
    table = table.append_column(ROW, _numbered(len(source)))
    if rejected.num_rows:
        table = table.filter(pc.invert(pc.is_in(table.column(ROW), value_set=pc.unique(rejected.column(ROW)))))
    note = f"{source.origin.app} {source.origin.entity_set} mapped to {target.app} {target.entity}"
    note = f"{note}; {source.origin.note}".rstrip("; ")
    changed = (*rounded, *_replaced(source, template, table))
    origin = replace(source.origin, key=target.key, note=note, changed=changed)
    references = {name: tuple(session.reference(name, target.app)) for name in template.references}
    if len(source):
        app = template.source.app
        references |= {name: tuple(session.reference(name, app)) for name in template.gate.references}
    return Mapped(EntityFrame(table, origin, schema), rejected, source, template, references)


def _replaced(source: EntityFrame, template: Template, table: pa.Table) -> Iterator[Note]:
    """The mapped columns that hold U+FFFD because a text of the source came that is not well-formed."""
    for rule in template.fields:
        if not replaced_in(source.origin.changed, rule.columns) or not pa.types.is_string(table.field(rule.to).type):
            continue
        values = table.column(rule.to)
        odd = values.filter(pc.fill_null(pc.match_substring(values, NO_CHARACTER), fill_value=False))
        if len(odd):
            yield Note(rule.to, REPLACED, len(odd), odd[0].as_py())


def _outcomes(source: EntityFrame, template: Template, schema: EntitySchema, context: RunContext) -> dict[str, Outcome]:
    """Every rule's outcome; rules that differ in nothing but the column they fill run once, many rows on all cores."""
    jobs: dict[tuple[object, ...], Job] = {}
    wanted: dict[str, tuple[object, ...]] = {}
    for place, rule in enumerate(template.fields):
        kind = wide_type(column_type(schema, rule, place))
        wanted[rule.to] = (rule.paths, tuple(step.words for step in rule.apply), repr(rule.default), str(kind))
        jobs.setdefault(wanted[rule.to], (source_columns(source, rule, place), rule, kind))

    def one(job: Job) -> Outcome:
        return run(*job, len(source), context)

    if len(source) < MANY_ROWS:
        done = [one(job) for job in jobs.values()]
    else:
        with ThreadPoolExecutor(os.cpu_count(), "map") as threads:
            done = list(threads.map(one, jobs.values()))
    found = dict(zip(jobs, done, strict=True))
    return {to: found[same] for to, same in wanted.items()}


def column_type(schema: EntitySchema, rule: FieldRule, place: int) -> pa.DataType:
    """The Arrow type of a rule's destination; a lookup's business key (``defaultuomid.name``) is text."""
    name, *behind = rule.to.split(".")
    if not schema.has(name):
        unknown = schema.unknown(name)
        raise TemplateError(unknown.message, path=f"fields[{place}].to", hint=unknown.hint)
    return pa.string() if behind else schema.columns[name].type


def source_columns(source: EntityFrame, rule: FieldRule, place: int) -> list[pa.ChunkedArray]:
    columns = []
    for name in rule.columns:
        if name not in source.table.column_names:
            unknown = UnknownName("column", name, source.columns, where=f"the frame of {source.origin.entity_set}")
            raise TemplateError(unknown.message, path=f"fields[{place}].from", hint=unknown.hint)
        columns.append(plain(source.table.column(name)))
    return columns


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in the types that transforms know: no dictionaries, one kind of text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(column.cast(kind.value_type))
    return column.cast(pa.string()) if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else column


def _numbered(rows: int) -> pa.Array:
    return pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), rows)), 1)


def _rejects(outcomes: Mapping[str, Outcome], template: Template) -> pa.Table:
    """One line for each rejected value, in the order of the rows."""
    key = template.destination.key
    names = [*key, "field", "value", "reason"]
    schema = pa.schema([(name, pa.string()) for name in names] + [(ROW, pa.int64())])
    parts = [schema.empty_table()]
    for name, outcome in outcomes.items():
        if outcome.reasons is None:
            continue
        rows = pc.indices_nonzero(pc.is_valid(outcome.reasons)).cast(pa.int64())
        lines = {part: _key_words(outcomes[part], rows) for part in key}
        lines |= {
            "field": pa.repeat(pa.scalar(name), len(rows)),
            "value": all_shown(texts(outcome.came.take(rows))),
            "reason": outcome.reasons.take(rows),
            ROW: rows,
        }
        parts.append(pa.table(lines, schema=schema))
    return pa.concat_tables(parts).sort_by(ROW).combine_chunks()


def _key_words(outcome: Outcome, rows: pa.Array) -> pa.Array:
    return all_shown(pc.coalesce(texts(outcome.values.take(rows)), texts(outcome.came.take(rows))))
