"""A column through a rule: its chain of steps, its default, and the type of the destination.

Where few values repeat often, each distinct value is converted once and spread over the rows again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.template import FieldRule
from p2c_lib.mapping.transforms import Converted
from p2c_lib.mapping.transforms.codes import Scalar, scalar_text
from p2c_lib.mapping.transforms.combine import coalesce
from p2c_lib.mapping.transforms.text import as_text, is_blank

__all__ = ["Outcome", "run"]

SAMPLE = 2_000
MOST_DISTINCT = 0.25


@dataclass(frozen=True, slots=True)
class Outcome:
    """A converted column: ``reasons`` holds a text for every row that is rejected and is None when none is.

    ``came`` are the values as they came, so that a rejected row can be told from its source.
    """

    values: pa.Array
    came: pa.Array
    reasons: pa.Array | None = None


def run(columns: Sequence[pa.Array], rule: FieldRule, kind: pa.DataType, rows: int) -> Outcome:
    """The rule's value for every row, as ``kind``; the columns are those of ``rule.columns`` in their order."""
    if not columns:
        return _constant(rule, kind, rows)
    steps = rule.apply
    if steps and steps[0].transform.reads == "columns":
        joined = _settled(Outcome(as_text(columns[0]), as_text(columns[0])), steps[0], columns)
        steps = steps[1:]
    else:
        one = columns[0] if len(columns) == 1 else coalesce(columns).values
        joined = Outcome(one, one)
    if not steps and rule.default is None and joined.values.type == kind:
        return joined
    if joined.reasons is None and _repeats(joined.values, steps):
        return _on_distinct(joined.values, rule, steps, kind)
    return _finish(joined, rule, steps, kind)


def _constant(rule: FieldRule, kind: pa.DataType, rows: int) -> Outcome:
    one = pa.nulls(1, pa.string())
    done = _finish(Outcome(one, one), rule, rule.apply, kind)
    reasons = None if done.reasons is None else pa.repeat(done.reasons[0], rows)
    return Outcome(pa.repeat(done.values[0], rows), pa.nulls(rows, pa.string()), reasons)


def _repeats(values: pa.Array, steps: Sequence[Step]) -> bool:
    """Whether to work on distinct values: always for Python steps, else where a sample shows many repetitions."""
    if any(step.transform.per_value for step in steps):
        return True
    if len(values) <= SAMPLE:
        return False
    sample = values.slice(len(values) // 2 - SAMPLE // 2, SAMPLE)
    return bool(pc.count_distinct(sample, mode="all").as_py() <= MOST_DISTINCT * SAMPLE)


def _on_distinct(values: pa.Array, rule: FieldRule, steps: Sequence[Step], kind: pa.DataType) -> Outcome:
    encoded = values.dictionary_encode(null_encoding="encode")
    few = _finish(Outcome(encoded.dictionary, encoded.dictionary), rule, steps, kind)
    reasons = None if few.reasons is None else few.reasons.take(encoded.indices)
    return Outcome(few.values.take(encoded.indices), values, reasons)


def _finish(outcome: Outcome, rule: FieldRule, steps: Sequence[Step], kind: pa.DataType) -> Outcome:
    for step in steps:
        outcome = _settled(outcome, step, None)
    if rule.default is not None:
        outcome = replace(outcome, values=_filled(outcome.values, rule.default))
    converted = cast(outcome.values, kind)
    return _reject(replace(outcome, values=converted.values), converted, outcome.values)


def _settled(outcome: Outcome, step: Step, columns: Sequence[pa.Array] | None) -> Outcome:
    """The outcome after one step, its policy applied to what the transform refused."""
    before = outcome.values
    converted: Converted = step.transform.function(before if columns is None else columns, **step.arguments)
    after = replace(outcome, values=converted.values)
    if converted.refused is None or step.otherwise == "null":
        return after
    if step.otherwise == "keep":
        kept = pc.if_else(converted.refused, as_text(before), as_text(converted.values))
        return replace(after, values=kept)
    return _reject(after, converted, before)


def _reject(outcome: Outcome, converted: Converted, before: pa.Array) -> Outcome:
    """Refused values become null and get their reason, unless an earlier step gave one."""
    if converted.refused is None or not pc.any(converted.refused).as_py():
        return outcome
    words = pc.binary_join_element_wise("'", as_text(before), f"' {converted.reason}", "")
    fresh = pc.if_else(converted.refused, words, pa.scalar(None, pa.string()))
    reasons = fresh if outcome.reasons is None else pc.coalesce(outcome.reasons, fresh)
    return replace(outcome, values=converted.values, reasons=reasons)


def _filled(values: pa.Array, default: Scalar) -> pa.Array:
    text = pa.array([scalar_text(default)], pa.string())
    own = cast(text, values.type)
    if own.refused is None and own.values.null_count == 0:
        return pc.if_else(is_blank(values), own.values[0], values)
    return pc.if_else(is_blank(values), text[0], as_text(values))
