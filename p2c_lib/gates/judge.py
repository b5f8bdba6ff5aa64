"""Every rule of a suite over one table: the compiled ones in one pass, the others through Great Expectations."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.gates.compiled import ALLOWED, COMMON, Compiled, compile_rule
from p2c_lib.gates.condition import condition_columns
from p2c_lib.gates.figures import Positions
from p2c_lib.gates.scan import NEVER, POSITION, Scan
from p2c_lib.gates.suite import Expectation, Suite, resolve

__all__ = ["Outcome", "Positions", "judge"]

BITS = 60
NONE: Positions = np.empty(0, np.int64)
NONE.flags.writeable = False
RANGE = {"min_value", "max_value", "strict_min", "strict_max"}
TABLE_RULES = {
    "expect_table_row_count_to_be_between": RANGE,
    "expect_table_row_count_to_equal": {"value"},
    "expect_column_to_exist": {"column", "column_index"},
}
DISTINCT_RULES = {
    "expect_column_distinct_values_to_contain_set": {"column", "value_set", "row_condition", "condition_parser"},
    "expect_column_unique_value_count_to_be_between": {"column", "row_condition", "condition_parser", *RANGE},
}
TYPE_RULES = {
    "expect_column_values_to_be_of_type": {"column", "type_", *COMMON},
    "expect_column_values_to_be_in_type_list": {"column", "type_list", *COMMON},
}
# Names of types that pandas columns without objects answer to; a rule with another name goes to Great Expectations.
TYPE_NAMES = {"string": ("str",), "int64": ("int64", "int"), "double": ("float64", "float"), "bool": ("bool",)}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one rule said: whether it holds, and the positions of every row that fails it.

    A rule with ``mostly`` may hold although rows fail. ``on_rows`` is false for rules about the table as a whole, whose
    finding is ``observed``; ``looked_at`` counts the rows the rule had to judge; ``by`` says who judged.
    """

    rule: Expectation
    success: bool
    rows: Positions
    on_rows: bool = True
    looked_at: int = 0
    observed: Any = None
    by: str = "compiled"


def judge(table: pa.Table, suite: Suite, references: Mapping[str, Sequence[Any]] | None = None) -> tuple[Outcome, ...]:
    """One outcome for every expectation of the suite, in its order. Raises SuiteError for a rule that does not fit."""
    rules = tuple(_fitted(rule, suite, table, references or {}) for rule in suite.expectations)
    with Scan(table) as scan:
        compiled = {r.index: made for r in rules if (made := _made(r, scan, suite)) is not None}
        chosen = [(r, compiled[r.index]) for r in rules if r.index in compiled]
        found = {o.rule.index: o for o in _compiled_outcomes(scan, chosen)}
    found |= {r.index: _table_outcome(r, table) for r in rules if r.type in TABLE_RULES}
    looks = {**dict.fromkeys(TYPE_RULES, _type_outcome), **dict.fromkeys(DISTINCT_RULES, _distinct_outcome)}
    looked = [looks[r.type](r, table) for r in rules if r.type in looks]
    found |= {o.rule.index: o for o in looked if o is not None}
    left = [r for r in rules if r.index not in found]
    if left:
        from p2c_lib.gates.gx import gx_outcomes

        found |= {o.rule.index: o for o in gx_outcomes(table, left, suite)}
    by_index = {r.index: r for r in suite.expectations}
    return tuple(replace(found[r.index], rule=by_index[r.index]) for r in rules)


def _fitted(rule: Expectation, suite: Suite, table: pa.Table, references: Mapping[str, Sequence[Any]]) -> Expectation:
    """The rule with its parameters filled in, after a look at its columns and arguments."""
    try:
        kwargs = resolve(rule.kwargs, references)
    except KeyError as missing:
        hint = f"Parameters the template gives: {', '.join(sorted(references)) or 'none'}. Add it to its references."
        raise suite.error(rule, f"nobody gives the parameter {missing}.", hint) from None
    allowed = {**ALLOWED, **TABLE_RULES, **TYPE_RULES, **DISTINCT_RULES}.get(rule.type) or set(kwargs)
    for name in kwargs:
        if name not in allowed | ALLOWED_EVERYWHERE:
            hint = f"Allowed: {', '.join(sorted(allowed))}."
            raise suite.error(rule, f"unknown argument '{name}'.", hint)
    if rule.type != "expect_column_to_exist":
        _known_columns(rule, suite, table)
    return replace(rule, kwargs=kwargs)


def _made(rule: Expectation, scan: Scan, suite: Suite) -> Compiled | None:
    try:
        return compile_rule(rule.type, rule.kwargs, scan)
    except KeyError as missing:
        hint = f"Arguments: {', '.join(sorted(ALLOWED[rule.type]))}."
        raise suite.error(rule, f"the argument {missing} is missing.", hint) from None


ALLOWED_EVERYWHERE = {"severity", "catch_exceptions", "batch_id"}


def _known_columns(rule: Expectation, suite: Suite, table: pa.Table) -> None:
    known = [c for c in table.column_names if not c.startswith("@")]
    for column in (*rule.columns, *condition_columns(rule.kwargs.get("row_condition"))):
        if column not in table.column_names:
            near = get_close_matches(column, known, n=1)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            more = " The template's gate: columns may read more." if suite.stage == "source" else ""
            raise suite.error(rule, f"column '{column}' does not exist.", f"{guess}Columns: {', '.join(known)}.{more}")


def _compiled_outcomes(scan: Scan, chosen: Sequence[tuple[Expectation, Compiled]]) -> Iterator[Outcome]:
    failing = _failing(scan, [made for _, made in chosen])
    needed = [i for i, (rule, _) in enumerate(chosen) if rule.kwargs.get("mostly", 1) < 1 and len(failing[i])]
    looked = _counts(scan, [chosen[i][1].looked_at for i in needed])
    for i, (rule, _) in enumerate(chosen):
        seen = looked[needed.index(i)] if i in needed else scan.table.num_rows
        bad = len(failing[i])
        success = bad == 0 or (i in needed and (seen - bad) / seen >= rule.kwargs["mostly"])
        yield Outcome(rule, success, failing[i], looked_at=seen)


def _failing(scan: Scan, rules: Sequence[Compiled]) -> list[Positions]:
    """The positions that fail each rule: one scan writes a bit a rule, only rows with a bit come back."""
    found: list[Positions] = [NONE] * len(rules)
    masks = [i for i, rule in enumerate(rules) if rule.positions is None and rule.fails != NEVER]
    words = [masks[at : at + BITS] for at in range(0, len(masks), BITS)]
    if words:
        columns = ", ".join(
            " | ".join(f"(({rules[i].fails})::BIGINT << {bit})" for bit, i in enumerate(word)) + f" AS w{w}"
            for w, word in enumerate(words)
        )
        some = " OR ".join(f"w{w} <> 0" for w in range(len(words)))
        rows = scan.rows(f'SELECT * FROM (SELECT "{POSITION}" AS i, {columns} FROM t) WHERE {some} ORDER BY i')
        positions = rows.column("i").to_numpy()
        for w, word in enumerate(words):
            bits = rows.column(f"w{w}").to_numpy()
            for bit, i in enumerate(word):
                found[i] = positions[(bits >> bit) & 1 == 1]
    for i, rule in enumerate(rules):
        if rule.positions is not None:
            found[i] = rule.positions()
    return found


def _counts(scan: Scan, truths: Sequence[str]) -> list[int]:
    if not truths:
        return []
    counted = ", ".join(f"count(*) FILTER (WHERE {truth}) AS c{i}" for i, truth in enumerate(truths))
    row = scan.rows(f"SELECT {counted} FROM t").to_pylist()[0]
    return [int(row[f"c{i}"]) for i in range(len(truths))]


def _table_outcome(rule: Expectation, table: pa.Table) -> Outcome:
    if rule.type == "expect_column_to_exist":
        names, index = table.column_names, rule.kwargs.get("column_index")
        there = rule.kwargs["column"] in names and index in {None, *_places(names, rule.kwargs["column"])}
        return Outcome(rule, there, NONE, on_rows=False, observed=", ".join(names))
    count = table.num_rows
    return Outcome(rule, _in_range(count, rule.kwargs), NONE, on_rows=False, looked_at=count, observed=count)


def _in_range(count: int, kwargs: Mapping[str, Any]) -> bool:
    low, high = kwargs.get("min_value", kwargs.get("value")), kwargs.get("max_value", kwargs.get("value"))
    enough = low is None or (count > low if kwargs.get("strict_min") else count >= low)
    return bool(enough and (high is None or (count < high if kwargs.get("strict_max") else count <= high)))


def _distinct_outcome(rule: Expectation, table: pa.Table) -> Outcome | None:
    """What the distinct texts of a column say; None for another kind of column, or where a condition narrows it."""
    kwargs, column = rule.kwargs, table.column(rule.kwargs["column"])
    wanted = kwargs.get("value_set") or []
    texts = pa.types.is_string(column.type) and all(isinstance(value, str) for value in wanted)
    if kwargs.get("row_condition") or not texts:
        return None
    values = sorted(pc.unique(column).drop_null().to_pylist())
    contains = rule.type == "expect_column_distinct_values_to_contain_set"
    held = set(wanted) <= set(values) if contains else _in_range(len(values), kwargs)
    observed = values if contains else len(values)
    return Outcome(rule, held, NONE, on_rows=False, looked_at=table.num_rows, observed=observed)


def _type_outcome(rule: Expectation, table: pa.Table) -> Outcome | None:
    """Whether a column's type is one of those named; None where pandas would hold objects, or the name is another."""
    kwargs, column = rule.kwargs, table.column(rule.kwargs["column"])
    asked = kwargs.get("type_list") or [kwargs.get("type_")]
    # Great Expectations knows a text column's type in its single rule but not in its list.
    names = None if "type_list" in kwargs and pa.types.is_string(column.type) else TYPE_NAMES.get(str(column.type))
    objects = column.null_count and not (pa.types.is_string(column.type) or pa.types.is_floating(column.type))
    known = {name for group in TYPE_NAMES.values() for name in group}
    if names is None or objects or kwargs.get("row_condition") or not known.issuperset(asked):
        return None
    held = not set(names).isdisjoint(asked)
    return Outcome(rule, held, NONE, on_rows=False, looked_at=table.num_rows, observed=names[0])


def _places(names: Sequence[str], column: str) -> list[int]:
    return [i for i, name in enumerate(names) if name == column]
