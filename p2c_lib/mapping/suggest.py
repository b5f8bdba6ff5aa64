"""Proposals for a mapping, with their evidence. Nothing leaves the machine, and nothing is applied without a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.frames import EntityFrame, EntityQuery
from p2c_lib.keys import RowKey
from p2c_lib.mapping.chain import joined_chunks
from p2c_lib.mapping.evidence import ONE_VALUE, SURE, Agreement, Column, agreement, learned_map
from p2c_lib.mapping.mapped import plain
from p2c_lib.mapping.names import likeness, words_of
from p2c_lib.mapping.template import FieldRule

if TYPE_CHECKING:
    from p2c_lib.session import Session

__all__ = ["Suggestion", "Suggestions", "explore", "suggest"]

SAMPLE = 5_000
BUSINESS_KEYS = {
    "account": "accountnumber",
    "contact": "msdynce_contactnumber",
    "product": "productnumber",
    "quote": "quotenumber",
    "transactioncurrency": "isocurrencycode",
    "uom": "name",
    "uomschedule": "name",
}
LEAST_SCORE = 0.3
IDENTIFYING = frozenset({"account", "id", "number"})
MOST_PAIRS = 200
ALTERNATIVES = 2


@dataclass(frozen=True)
class Suggestion:
    """A source column for a destination column: its score from 0 to 1 and what speaks for it.

    ``name`` is the likeness of the names, ``overlap`` the share of the smaller side's values that the other side knows,
    ``agreement`` what matched rows say; ``value_map`` holds learned pairs as (source, destination, rows, share).
    """

    source: str
    to: str
    score: float
    name: float
    overlap: float
    agreement: Agreement | None
    value_map: tuple[tuple[str, str, int, float], ...] = ()

    @property
    def evidence(self) -> str:
        """What speaks for it, in words."""
        words = [f"names {self.name:.0%} alike", f"{self.overlap:.0%} of the values on both sides"]
        if self.agreement is not None:
            by = "" if self.agreement.rule == "copy" else f" by {self.agreement.rule}"
            words.append(f"agrees on {self.agreement.share:.1%} of {self.agreement.rows:,} pairs{by}")
        return ", ".join(words)

    @property
    def rule(self) -> FieldRule:
        """The rule it proposes."""
        step: Any = None
        if self.value_map and self.agreement is not None and self.agreement.rule == "value_map":
            step = {"value_map": {one: other for one, other, _, _ in self.value_map}}
        elif self.agreement is not None and self.agreement.rule not in {"copy", "value_map"} and self.agreement.weight:
            name, _, argument = self.agreement.rule.partition(": ")
            step = {name: argument}
        apply = [] if step is None else [step]
        return FieldRule.model_validate({"from": self.source, "to": self.to, "apply": apply})

    def to_dict(self) -> dict[str, Any]:
        """The suggestion as plain values."""
        return {
            "from": self.source,
            "to": self.to,
            "score": round(self.score, 3),
            "evidence": self.evidence,
            "rule": None if self.agreement is None else self.agreement.rule,
            "value_map": {one: other for one, other, _, _ in self.value_map},
        }


@dataclass(frozen=True)
class Suggestions:
    """For each destination column the best proposal, best first; ``others`` are the next best ones.

    ``key`` is the pair of columns rows were matched by, None where none was found; ``matched`` rows spoke.
    """

    best: tuple[Suggestion, ...]
    others: tuple[Suggestion, ...]
    key: tuple[str, str] | None
    matched: int
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The proposals as plain values."""
        return {
            "key": self.key,
            "matched": self.matched,
            "suggestions": [one.to_dict() for one in self.best],
            "others": [one.to_dict() for one in self.others],
            "left_out": list(self.left_out),
        }

    def __repr__(self) -> str:
        return f"Suggestions({len(self.best)} columns, {self.matched:,} matched rows by {self.key})"

    def _repr_html_(self) -> str:
        from p2c_lib.report import Table, fragment

        rows = tuple((one.source, one.to, f"{one.score:.2f}", one.evidence) for one in self.best)
        return fragment(Table(("source", "destination", "score", "evidence"), rows, repr(self)).to_html())


def explore(session: Session, app: str, entity: str, *, limit: int | None = SAMPLE) -> EntityFrame:
    """Rows of an entity with every readable column, and the business key of every row its lookups point to."""
    client = session.client(app)
    schema = client.schema(entity)
    lookups = []
    for way in schema.lookups:
        known = BUSINESS_KEYS.get(way.target)
        if known is not None:
            several = len(schema.targets(way.column)) > 1
            lookups.append(f"{way.column}.{way.target}.{known}" if several else f"{way.column}.{known}")
    plain = [name for name, column in schema.columns.items() if not column.targets]
    query = EntityQuery(app, entity, tuple(dict.fromkeys([*plain, *lookups])), schema.key)
    return session.extract(query, limit=limit)


def suggest(source: EntityFrame, target: EntityFrame, *, key: Mapping[str, str] | None = None) -> Suggestions:
    """Which source column may fill which destination column, judged by names, values and rows matched by key.

    Without ``key`` (source column to destination column) the pair of columns that identifies most rows on both sides is
    taken. Columns without any value on a side, and those of the
    destination that cannot be written, are left out and listed.
    """
    ours, theirs = _filled(source), [name for name in _filled(target) if _takes_values(target, name)]
    if not ours or not theirs:
        raise FrameError("A side has no column with values.", hint="Read rows of both systems first.")
    pair = next(iter(key.items())) if key else _found_key(source, target, ours, theirs)
    one_side, other_side = (
        _matched(source, target, pair) if pair else (source.table.slice(0, 0), target.table.slice(0, 0))
    )
    columns = {name: Column.of(name, _plain(one_side, name)) for name in ours}
    targets = {name: Column.of(name, _plain(other_side, name)) for name in theirs}
    known = {name: pc.unique(Column.of(name, _plain(source.table, name)).values) for name in ours}
    wanted = {name: pc.unique(Column.of(name, _plain(target.table, name)).values) for name in theirs}
    best: list[Suggestion] = []
    others: list[Suggestion] = []
    for to, there in targets.items():
        found = [_judged(here, there, known[name], wanted[to]) for name, here in columns.items()]
        ranked = sorted((one for one in found if one.score >= LEAST_SCORE), key=lambda one: -one.score)
        best.extend(ranked[:1])
        others.extend(ranked[1 : 1 + ALTERNATIVES])
    left = {*source.columns, *target.columns} - {*ours, *theirs}
    order = sorted(best, key=lambda one: -one.score)
    return Suggestions(tuple(order), tuple(others), pair, one_side.num_rows, tuple(sorted(left)))


def _judged(source: Column, target: Column, known: pa.Array, wanted: pa.Array) -> Suggestion:
    name = likeness(source.name, target.name)
    met = agreement(source, target)
    overlap = _overlap(known, wanted)
    weight = 0.0 if met is None else met.weight
    if not name and weight <= ONE_VALUE:
        weight = overlap = 0.0
    score = 1 - (1 - 0.7 * name) * (1 - 0.95 * weight) * (1 - 0.2 * overlap)
    pairs: tuple[tuple[str, str, int, float], ...] = ()
    if met is not None and met.share >= SURE and met.rule not in {"copy", "case: upper"}:
        learned = learned_map(source, target)
        pairs = learned if len(learned) <= MOST_PAIRS else ()
    return Suggestion(source.name, target.name, score, name, overlap, met, pairs)


def _overlap(known: pa.Array, wanted: pa.Array) -> float:
    """The share of the smaller side's distinct values that the other side has too."""
    one, other = known.drop_null(), wanted.drop_null()
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    return float(pc.mean(pc.is_in(small, value_set=large).cast(pa.float64())).as_py() or 0) if len(small) else 0.0


def _filled(frame: EntityFrame) -> list[str]:
    return [name for name in frame.columns if frame.table.column(name).null_count < len(frame)]


def _takes_values(frame: EntityFrame, name: str) -> bool:
    """Whether a destination column can be written; in F&O, where 0 is no value, also whether it has another one."""
    known = frame.schema.columns.get(name.partition(".")[0]) if frame.schema is not None else None
    if known is not None and not (known.creatable or known.updatable):
        return False
    values = frame.table.column(name)
    number = pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)
    return not (number and frame.origin.app == "finops" and pc.all(pc.equal(values, 0)).as_py())


def _plain(table: pa.Table, name: str) -> pa.Array:
    return joined_chunks(plain(table.column(name)))


def _found_key(source: EntityFrame, target: EntityFrame, ours: list[str], theirs: list[str]) -> tuple[str, str] | None:
    """The pair of columns that tells rows apart on both sides and shares most values, the more distinct the better."""
    sides = ((source, ours), (target, theirs))
    one, other = (
        {name: pc.unique(_keys(frame, name, target)).drop_null() for name in names if _tells_apart(frame, name)}
        for frame, names in sides
    )
    shared = {
        (a, b): (
            int(pc.sum(pc.is_in(mine, value_set=yours)).as_py() or 0) * _identifies(a) * _identifies(b),
            len(mine) + len(yours),
            likeness(a, b),
        )
        for a, mine in one.items()
        for b, yours in other.items()
    }
    best = max(shared, key=lambda pair: shared[pair], default=None)
    return best if best is not None and shared[best][0] > 0 else None


def _identifies(name: str) -> float:
    return 1.1 if words_of(name) & IDENTIFYING else 1.0


def _keys(frame: EntityFrame, name: str, target: EntityFrame) -> pa.Array:
    """A column as a key of the target, compared as the target's system does."""
    return RowKey((name,), target.origin.app).texts(frame.table)


def _tells_apart(frame: EntityFrame, name: str) -> bool:
    column = frame.table.column(name)
    kind = column.type
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or len(column) == 0:
        return False
    there = len(column) - column.null_count
    return there > 0 and bool(pc.count_distinct(column, mode="only_valid").as_py() >= 0.95 * there)


def _matched(source: EntityFrame, target: EntityFrame, pair: tuple[str, str]) -> tuple[pa.Table, pa.Table]:
    """Rows of both sides with the same key, side by side; a key that stands twice at the destination counts once."""
    mine, yours = _keys(source, pair[0], target), _keys(target, pair[1], target)
    place = pc.index_in(mine, value_set=yours.drop_null())
    rows = pc.indices_nonzero(pc.is_valid(yours))
    met = pc.and_(pc.is_valid(place), pc.is_valid(mine))
    chosen = pc.indices_nonzero(met).slice(0, SAMPLE)
    return source.table.take(chosen), target.table.take(rows.take(place.filter(met).slice(0, SAMPLE)))
