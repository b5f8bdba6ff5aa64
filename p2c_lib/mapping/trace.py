"""A rule watched at work: the value after every stage, on given rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of, texts
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.chain import Outcome, converted_by, decided, filled, rejected, sendable
from p2c_lib.mapping.template import FieldRule
from p2c_lib.mapping.transforms import Context
from p2c_lib.mapping.transforms.combine import coalesce
from p2c_lib.mapping.transforms.text import is_blank

__all__ = ["Stage", "Trace", "trace"]


@dataclass(frozen=True, slots=True)
class Stage:
    """Values after one stage as text; ``touched`` is true where a policy or the default decided the value."""

    name: str
    values: pa.Array
    touched: pa.Array


@dataclass(frozen=True, slots=True)
class Trace:
    """All stages of a rule, first what came, last what goes; ``reasons`` where a value is rejected."""

    stages: tuple[Stage, ...]
    target: pa.Array
    reasons: pa.Array


def trace(columns: Sequence[pa.Array], rule: FieldRule, kind: pa.DataType, rows: int, context: Context) -> Trace:
    """The stages of a rule over the columns of ``rule.columns``, every value by itself."""
    untouched = pa.repeat(pa.scalar(value=False), rows)
    steps = list(rule.apply)
    joins = bool(columns and steps and steps[0].transform.reads == "columns")
    came = _came(columns, rows, joins=joins)
    outcome = Outcome(came, came)
    stages = [Stage("from", _shown(columns, came, joins=joins), untouched)]
    for place, step in enumerate(steps):
        given = columns if joins and place == 0 else outcome.values
        converted = converted_by(step, given, context)
        outcome = decided(outcome, step, converted)
        touched = untouched if converted.refused is None else converted.refused
        stages.append(Stage(step.words, texts(outcome.values), touched))
    if rule.default is not None:
        lost = pc.is_valid(outcome.reasons) if outcome.reasons is not None else untouched
        blank = pc.and_not(is_blank(outcome.values), lost)
        values = pc.if_else(lost, pa.scalar(None, pa.string()), texts(filled(outcome.values, rule.default)))
        outcome = replace(outcome, values=values)
        stages.append(Stage(f"default {text_of(rule.default)}", values, blank))
    converted = cast(outcome.values, kind)
    outcome = sendable(rejected(replace(outcome, values=converted.values), converted, outcome.values))
    reasons = pa.nulls(rows, pa.string()) if outcome.reasons is None else outcome.reasons
    values = pc.if_else(pc.is_null(reasons), texts(outcome.values), pa.scalar(None, pa.string()))
    stages.append(Stage("to", values, pc.is_valid(reasons)))
    return Trace(tuple(stages), outcome.values, reasons)


def _came(columns: Sequence[pa.Array], rows: int, *, joins: bool) -> pa.Array:
    if not columns:
        return pa.nulls(rows, pa.string())
    if joins:
        return texts(columns[0])
    return columns[0] if len(columns) == 1 else coalesce(columns).values


def _shown(columns: Sequence[pa.Array], came: pa.Array, *, joins: bool) -> pa.Array:
    """What came as a person sees it: the parts of a joining rule side by side."""
    if not joins or len(columns) == 1:
        return texts(came)
    parts = [pc.fill_null(texts(column), "") for column in columns]
    return pc.binary_join_element_wise(*parts, " | ")
