"""What each stage's suite looks at: the rows that came, the rows that would be sent, what the destination knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.gates.suite import Suite, names_parameter
from p2c_lib.keys import folded

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped

__all__ = ["judged_table", "known_values"]

SUM_DIGITS = 60


def judged_table(mapped: Mapped, suite: Suite) -> pa.Table:
    """The table a suite is about, by its stage.

    ``source``: the rows as they were read, with the sums the template has the gate add up. ``mapped``: the mapped
    rows. ``destination``: a column for each reference of the template (``Currencies.CurrencyCode``) with the values the
    destination knows, filled up with nulls to the length of the longest; the same by the column that is held against
    it (``exists_in.CurrencyCode``).
    """
    if suite.stage == "mapped":
        return mapped.frame.table
    if suite.stage == "source":
        table = mapped.source.table
        for name, sides in mapped.template.gate.sums.items():
            table = table.append_column(name, _sum(table, sides.plus, sides.minus))
        return table
    known = {name: mapped.references[name] for name in mapped.template.references} | _by_column(mapped)
    longest = max((len(values) for values in known.values()), default=0)
    return pa.table({name: pa.array([*v, *[None] * (longest - len(v))], pa.string()) for name, v in known.items()})


def known_values(mapped: Mapped, suite: Suite, table: pa.Table) -> dict[str, Sequence[Any]]:
    """What a suite's parameters may name: references of the template, ``exists_in.<column>``, the reference of a column
    whichever it is, and ``default.<column>``, the value the template fills in.

    A text of the judged table that the system with the reference takes for one of its values is known as well.
    """
    held = [rule for rule in mapped.template.fields if rule.exists_in]
    defaults = {f"default.{rule.to}": [] if rule.default is None else [rule.default] for rule in held}
    lists = {**mapped.references, **_by_column(mapped)}
    known: dict[str, Sequence[Any]] = {**lists, **defaults}
    for name in lists if suite.stage != "destination" else ():
        for column in _held_against(suite, name):
            if column in table.column_names and pa.types.is_string(table.schema.field(column).type):
                spelt = _spelt_otherwise(table.column(column), lists[name], _keeper(mapped, name))
                known[name] = [*known[name], *spelt]
    return known


def _by_column(mapped: Mapped) -> dict[str, Sequence[Any]]:
    """What the destination knows, by the column that is held against it: the same name whatever an option chooses."""
    held = [(rule.to, rule.exists_in) for rule in mapped.template.fields if rule.exists_in]
    return {f"exists_in.{to}": mapped.references[reference] for to, reference in held}


def _keeper(mapped: Mapped, reference: str) -> str:
    """The system that has a reference: the source has those of the gate."""
    made = mapped.template
    return made.source.app if reference in made.gate.references else made.destination.app


def _held_against(suite: Suite, name: str) -> set[str]:
    """The columns whose values must be among those of a reference."""
    rules = (rule for rule in suite.expectations if names_parameter(rule.kwargs.get("value_set"), name))
    return {column for rule in rules for column in rule.columns}


def _spelt_otherwise(values: pa.ChunkedArray, known: Sequence[Any], app: str) -> list[str]:
    """The texts of a column that are none of the known ones to the letter, and one of them to the system."""
    others = pc.unique(values).drop_null()
    others = others.filter(pc.invert(pc.is_in(others, pa.array(known, pa.string()))))
    same = pc.is_in(folded(others, app), value_set=folded(pa.array(known, pa.string()), app))
    found: list[str] = others.filter(same).to_pylist()
    return found


def _sum(table: pa.Table, plus: Sequence[str], minus: Sequence[str]) -> pa.ChunkedArray:
    """Amounts added and taken away, an empty one as nothing; in the type of the first."""
    kind = table.schema.field(plus[0]).type
    total = _amount(table, plus[0])
    for name in plus[1:]:
        total = pc.add(total, _amount(table, name))
    for name in minus:
        total = pc.subtract(total, _amount(table, name))
    return total.cast(kind)


def _amount(table: pa.Table, name: str) -> pa.ChunkedArray:
    amount = table.column(name)
    kind = amount.type
    if pa.types.is_decimal(kind):
        # Every sum needs a digit more, and a column may have all 38 of the smaller type.
        amount = amount.cast(pa.decimal256(SUM_DIGITS, kind.scale))
    return pc.fill_null(amount, pa.scalar(0, amount.type))
