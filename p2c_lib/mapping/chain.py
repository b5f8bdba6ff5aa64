"""A column through a rule: its chain of steps, its default, and the type of the destination.

Where few values repeat often, each distinct value is converted once and spread over the rows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of, texts
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.template import FieldRule
from p2c_lib.mapping.transforms import Context, Converted
from p2c_lib.mapping.transforms.arguments import Scalar
from p2c_lib.mapping.transforms.combine import coalesce
from p2c_lib.mapping.transforms.text import is_blank
from p2c_lib.odata.characters import refused, shown, why_refused

__all__ = [
    "Outcome",
    "converted_by",
    "decided",
    "distinct_rows",
    "filled",
    "joined_chunks",
    "rejected",
    "run",
    "sendable",
]

SAMPLE = 2_000
BLOCK = 65_536
MOST_DISTINCT = 0.25


@dataclass(frozen=True, slots=True)
class Outcome:
    """A converted column: ``reasons`` holds a text for every row that is rejected and is None when none is.

    ``came`` are the values as they came, so that a rejected row can be told from its source.
    """

    values: pa.Array
    came: pa.Array
    reasons: pa.Array | None = None


def run(columns: Sequence[pa.Array], rule: FieldRule, kind: pa.DataType, rows: int, context: Context) -> Outcome:
    """The rule's value for every row, as ``kind``; the columns are those of ``rule.columns`` in their order.

    A text that holds what no service takes, such as a control character, is rejected.
    """
    return sendable(_run(columns, rule, kind, rows, context))


def sendable(outcome: Outcome) -> Outcome:
    """The outcome with a reason for each text that may not be sent."""
    if not pa.types.is_string(outcome.values.type):
        return outcome
    values = joined_chunks(outcome.values)
    odd = refused(values)
    if odd is None:
        return outcome
    words = [f"'{shown(text)}' {why_refused(text)}" for text in values.filter(odd).to_pylist()]
    fresh = pc.replace_with_mask(pa.nulls(len(values), pa.string()), odd, pa.array(words))
    reasons = fresh if outcome.reasons is None else pc.coalesce(joined_chunks(outcome.reasons), fresh)
    return replace(outcome, values=values, reasons=reasons)


def _run(columns: Sequence[pa.Array], rule: FieldRule, kind: pa.DataType, rows: int, context: Context) -> Outcome:
    chain = Chain(rule, kind, context)
    if not columns:
        return _constant(chain, rows)
    joined, steps = _joined(columns, chain)
    if not steps and rule.default is None and joined.values.type == kind:
        return joined
    if joined.reasons is None and _repeats(joined.values, steps):
        return _on_distinct(_chunked(joined.values), chain, steps)
    return chain.finish(joined, steps)


@dataclass(frozen=True, slots=True)
class Chain:
    """A rule on its way to a type, in a context."""

    rule: FieldRule
    kind: pa.DataType
    context: Context

    def finish(self, outcome: Outcome, steps: Sequence[Step]) -> Outcome:
        """The outcome after the steps, the default and the cast."""
        for step in steps:
            outcome = settled(outcome, step, outcome.values, self.context)
        if self.rule.default is not None:
            outcome = replace(outcome, values=filled(outcome.values, self.rule.default))
        converted = cast(outcome.values, self.kind)
        return rejected(replace(outcome, values=converted.values), converted, outcome.values)


def _constant(chain: Chain, rows: int) -> Outcome:
    one = pa.nulls(1, pa.string())
    done = chain.finish(Outcome(one, one), chain.rule.apply)
    reasons = None if done.reasons is None else _repeated(done.reasons[0], rows)
    return Outcome(_repeated(done.values[0], rows), _repeated(one[0], rows), reasons)


def _repeated(value: pa.Scalar, rows: int) -> pa.ChunkedArray:
    """One value for every row, held once for many rows."""
    block = pa.repeat(value, min(BLOCK, rows))
    whole, rest = divmod(rows, BLOCK)
    return pa.chunked_array([*[block] * whole, block.slice(0, rest)] if rows >= BLOCK else [block], value.type)


def _joined(columns: Sequence[pa.Array], chain: Chain) -> tuple[Outcome, Sequence[Step]]:
    """The columns made one, and the steps still to do."""
    steps = chain.rule.apply
    if not steps or steps[0].transform.reads == "values":
        one = columns[0] if len(columns) == 1 else coalesce(columns).values
        return Outcome(one, one), steps
    first, rest = steps[0], steps[1:]
    if not first.transform.per_value:
        came = texts(columns[0])
        return settled(Outcome(came, came), first, columns, chain.context), rest
    few, places = distinct_rows([joined_chunks(column) for column in columns])
    came = texts(few[0])
    done = settled(Outcome(came, came), first, few, chain.context)
    reasons = None if done.reasons is None else done.reasons.take(places)
    return Outcome(done.values.take(places), texts(columns[0]), reasons), rest


def distinct_rows(columns: Sequence[pa.Array]) -> tuple[list[pa.Array], pa.Array]:
    """The distinct combinations of several columns, and for each row the place of its own.

    >>> few, places = distinct_rows([pa.array(["a", "b", "a"]), pa.array([1, 1, 1])])
    >>> [column.to_pylist() for column in few], places.to_pylist()
    ([['a', 'b'], [1, 1]], [0, 1, 0])
    """
    encoded = [column.dictionary_encode(null_encoding="encode") for column in columns]
    combined = pa.repeat(pa.scalar(0, pa.int64()), len(columns[0]))
    for column in encoded:
        combined = pc.add(pc.multiply(combined, len(column.dictionary)), column.indices.cast(pa.int64()))
    pairs = combined.dictionary_encode()
    rest, few = pairs.dictionary, []
    for column in reversed(encoded):
        size = max(len(column.dictionary), 1)
        above = pc.divide(rest, size)
        few.append(column.dictionary.take(pc.subtract(rest, pc.multiply(above, size))))
        rest = above
    return few[::-1], pairs.indices


def _repeats(values: pa.Array, steps: Sequence[Step]) -> bool:
    """Whether to work on distinct values: always for Python steps, else where a sample shows many repetitions."""
    if any(step.transform.per_value for step in steps):
        return True
    if len(values) <= SAMPLE:
        return False
    sample = values.slice(len(values) // 2 - SAMPLE // 2, SAMPLE)
    return bool(pc.count_distinct(sample, mode="all").as_py() <= MOST_DISTINCT * SAMPLE)


def _on_distinct(values: pa.ChunkedArray, chain: Chain, steps: Sequence[Step]) -> Outcome:
    """The outcome for every row by way of the distinct values; Arrow gives all chunks one dictionary."""
    encoded = values.dictionary_encode(null_encoding="encode")
    distinct = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], values.type)
    few = chain.finish(Outcome(distinct, distinct), steps)
    places = [chunk.indices for chunk in encoded.chunks]
    reasons = None if few.reasons is None else _spread(joined_chunks(few.reasons), places)
    return Outcome(_spread(joined_chunks(few.values), places), values, reasons)


def _spread(few: pa.Array, places: Sequence[pa.Array]) -> pa.ChunkedArray:
    return pa.chunked_array([few.take(each) for each in places], few.type)


def _chunked(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def joined_chunks(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    one = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(one, pa.ChunkedArray):
        return pa.concat_arrays(one.chunks) if one.num_chunks else pa.array([], one.type)
    return one


def settled(outcome: Outcome, step: Step, given: pa.Array | Sequence[pa.Array], context: Context) -> Outcome:
    """The outcome after one step, its policy applied to what the transform refused."""
    return decided(outcome, step, converted_by(step, given, context))


def converted_by(step: Step, given: pa.Array | Sequence[pa.Array], context: Context) -> Converted:
    """What a step's transform makes of values, before its policy."""
    known = {"context": context} if step.transform.needs_context else {}
    converted: Converted = step.transform.function(given, **step.arguments, **known)
    return converted


def decided(outcome: Outcome, step: Step, converted: Converted) -> Outcome:
    """The outcome once the step's policy has dealt with what was refused."""
    after = replace(outcome, values=converted.values)
    if converted.refused is None or step.otherwise == "null":
        return after
    if step.otherwise == "keep":
        kept = pc.if_else(converted.refused, texts(outcome.values), texts(converted.values))
        return replace(after, values=kept)
    return rejected(after, converted, outcome.values)


def rejected(outcome: Outcome, converted: Converted, before: pa.Array) -> Outcome:
    """Refused values become null and get their reason, unless an earlier step gave one."""
    if converted.refused is None or not pc.any(converted.refused).as_py():
        return outcome
    words = pc.binary_join_element_wise("'", texts(before), f"' {converted.reason}", "")
    fresh = pc.if_else(converted.refused, words, pa.scalar(None, pa.string()))
    reasons = fresh if outcome.reasons is None else pc.coalesce(outcome.reasons, fresh)
    return replace(outcome, values=converted.values, reasons=reasons)


def filled(values: pa.Array, default: Scalar) -> pa.Array:
    text = pa.array([text_of(default)], pa.string())
    own = cast(text, values.type)
    if own.refused is None and own.values.null_count == 0:
        return pc.if_else(is_blank(values), own.values[0], values)
    return pc.if_else(is_blank(values), text[0], texts(values))
