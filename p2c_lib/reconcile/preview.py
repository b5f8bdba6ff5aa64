"""What a proposed fix would do to the whole of both sides, before anyone accepts it."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.reconcile.columns import compared_columns
from p2c_lib.reconcile.engine import find
from p2c_lib.reconcile.sides import AT, Side, Snapshot, opened, trims_texts

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame
    from p2c_lib.reconcile.clusters import Fix

__all__ = ["Preview", "preview_of", "with_fixes"]


@dataclass(frozen=True)
class Preview:
    """What a fix does to its field over all pairs: differences before and after, those gone and those it would make.

    ``made`` lists the first differences that were none before, as (key, expected, actual).
    """

    fix: Fix
    before: int
    after: int
    resolved: int
    made: int
    examples: tuple[tuple[str, str | None, str | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """The preview as plain values."""
        return {**vars(self), "fix": self.fix.to_dict(), "examples": [list(example) for example in self.examples]}

    def __str__(self) -> str:
        harm = f", {self.made:,} new ones" if self.made else ""
        return f"{self.fix.words}: {self.before:,} differences become {self.after:,} ({self.resolved:,} gone{harm})"


@dataclass(frozen=True)
class _Rules:
    """The part of a template a comparison reads."""

    task: str
    compare: Any
    rule: Callable[[str], Any]


def preview_of(expected: Side, actual: Side, template: Any, fix: Fix, before: pa.Table) -> Preview:
    """The field compared again with the fix; ``before`` are the differences without it."""
    column = fix.field
    told = before.filter(pc.equal(before.column("field"), column))
    after = _differences(expected, actual, template, [fix], only=column)
    gone = pc.invert(pc.is_in(told.column("key"), after.column("key")))
    new = after.filter(pc.invert(pc.is_in(after.column("key"), told.column("key"))))
    examples = tuple((r["key"], r["expected"], r["actual"]) for r in new.slice(0, 5).to_pylist())
    resolved = int(pc.sum(gone).as_py() or 0)
    return Preview(fix, told.num_rows, after.num_rows, resolved, new.num_rows, examples)


def with_fixes(expected: Side, actual: Side, template: Any, fixes: Iterable[Fix]) -> tuple[EntityFrame, Any]:
    """The expected side and the rules as they would be with the fixes accepted."""
    chosen = list(fixes)
    return _stepped(expected, actual, chosen), _ruled(template, chosen, None)


def _differences(expected: Side, actual: Side, template: Any, fixes: list[Fix], *, only: str) -> pa.Table:
    shaped = _stepped(expected, actual, fixes)
    narrow = shaped.with_table(shaped.table.select([*expected.key, only]))
    rules = _ruled(template, fixes, frozenset([only]))
    return find(narrow, actual, compared_columns(narrow, actual, rules)).differences


def _ruled(template: Any, fixes: list[Fix], only: frozenset[str] | None) -> Any:
    compare = template.compare if only is None else template.compare.only(only)
    for fix in fixes:
        for name, wanted in fix.compare.items():
            held = dict(getattr(compare, name))
            for column, value in wanted.items():
                held[column] = (*held.get(column, ()), *value) if isinstance(value, tuple) else value
            compare = compare.model_copy(update={name: held})
    return _Rules(template.task, compare, template.rule)


def _stepped(expected: Side, actual: Side, fixes: list[Fix]) -> EntityFrame:
    """The expected rows with the fixes' steps applied to their columns, as the actual side's system keeps texts."""
    frame = expected.read() if isinstance(expected, Snapshot) else expected
    table = frame.table
    for fix in fixes:
        if fix.step:
            with opened(replace(frame, table=table), frame, [fix.field]) as database:
                sql = f'SELECT {fix.expected_sql(trims=trims_texts(actual))} AS v FROM e ORDER BY "{AT}"'
                values = database.sql(sql).to_arrow_table().column("v")
            table = table.set_column(table.column_names.index(fix.field), fix.field, values)
    return frame.with_table(table)
