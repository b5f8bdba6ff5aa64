"""How one column is compared: a common type for both sides, and SQL that is true where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from p2c_lib.display import text_of, text_sql
from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.keys import fold_sql
from p2c_lib.reconcile.sides import Side, quoted, sql_schema, text_literal, trims_texts

if TYPE_CHECKING:
    from p2c_lib.mapping import Template

__all__ = ["ComparedColumn", "compared_columns"]

FIRST_DAY = "1900-01-01"
INTEGERS = pa.types.is_integer
MOST_DIGITS = 38
FLOAT_STEP = "4.4e-16"
DIGITS = "DECIMAL(38, 18)"  # whole numbers of 64 bits, and the decimals of both services


@dataclass(frozen=True)
class ComparedColumn:
    """A column both sides have: the SQL type they share, what counts as equal, what the template would default.

    ``kind`` is text, number, moment (a date or a time) or other. ``empties_equal`` is true where the destination has
    no null, as in F&O: then null, "", 0 and 1900-01-01 are one, and so are null and ``unset``, the member that a choice
    has where nothing was written, or null and no. ``key_of`` is the system that keeps the row which a lookup names by
    its business key: such texts are compared as that system compares keys. ``types`` are what the expected and the
    actual side hold. Numbers that share no SQL type without loss, as a float and a whole number or a decimal, are
    compared by their digits: then ``type`` is VARCHAR.
    """

    name: str
    type: str
    kind: str
    empties_equal: bool
    unset: str | None = None
    key_of: str | None = None
    tolerance: Decimal | None = None
    percent: Decimal | None = None
    granularity: str | None = None
    trim: bool = False
    ignore_case: bool = False
    default: str | None = None
    max_length: int | None = None
    same: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    types: tuple[pa.DataType, pa.DataType] = (pa.string(), pa.string())

    def aligned(self, source: str) -> str:
        """The column in the shared type, read from the table alias of its side, ``e`` or ``a``."""
        value = f"{source}.{quoted(self.name)}"
        kind = self.types[source != "e"]
        if self.type == "VARCHAR":
            return text_sql(value, kind)
        narrow = pa.types.is_float32(_plain(kind, kind))  # a narrow float is the number its text says
        return f"CAST({text_sql(value, kind) if narrow else value} AS {self.type})"

    def empty(self, value: str) -> str:
        """SQL that is true where a value holds nothing; "" is nothing on both sides."""
        if self.kind == "text":
            return f"coalesce({value} = '', TRUE)"
        if self.empties_equal and self.kind == "number":
            return self.nought(value)
        if self.empties_equal and self.kind == "moment":
            return f"coalesce({value} = CAST('{FIRST_DAY}' AS {self.type}), TRUE)"
        return f"{value} IS NULL"

    def _unset(self, value: str) -> str:
        """SQL that is true where a choice or a yes or no is what the destination has in the place of null."""
        if self.type == "BOOLEAN":
            return f"coalesce(NOT {value}, TRUE)"
        return f"coalesce({value} IN ('', {text_literal(self.unset or '')}), TRUE)"

    def nought(self, value: str) -> str:
        """SQL that is true where a number is null or 0."""
        zero = "'0'" if self.type == "VARCHAR" else "0"
        return f"coalesce({value} = {zero}, TRUE)"

    def differs(self, expected: str, actual: str) -> str:
        """SQL that is true, never null, where the two values do not count as equal; rules see unlike values."""
        same = f"{self._shaped(expected)} IS NOT DISTINCT FROM {self._shaped(actual)}"
        if self.tolerance:
            same += f" OR coalesce({self._within(expected, actual)}, FALSE)"
        if self.percent:
            e, a = (f"CAST({value} AS DOUBLE)" for value in (expected, actual))
            most = f"{self.percent / 100} * greatest(abs({e}), abs({a}))"
            same += f" OR coalesce(abs({e} - {a}) <= {most}, FALSE)"
        if self.spellings:
            pairs = ", ".join(f"({text_literal(e)}, {text_literal(a)})" for e, a in self.spellings)
            same += f" OR coalesce(({self.text(expected)}, {self.text(actual)}) IN ({pairs}), FALSE)"
        allowed = f"({same}) OR ({self.empty(expected)} AND {self.empty(actual)})"
        if self.empties_equal and (self.unset or self.type == "BOOLEAN"):
            allowed += f" OR ({self._unset(expected)} AND {self._unset(actual)})"
        return f"CASE WHEN {expected} IS NOT DISTINCT FROM {actual} THEN FALSE ELSE NOT ({allowed}) END"

    def _within(self, expected: str, actual: str) -> str:
        """The gap against the tolerance: exact for decimals and integers, to the last bits for floats."""
        if self.type == "VARCHAR":
            e, a = (f"TRY_CAST({value} AS {DIGITS})" for value in (expected, actual))
            floats = self._close(*(f"TRY_CAST({value} AS DOUBLE)" for value in (expected, actual)))
            return f"coalesce(TRY(abs({e} - {a})) <= {self.tolerance:f}, {floats})"
        if self.type == "DOUBLE":
            return self._close(expected, actual)
        exact = "HUGEINT" if self.type == "BIGINT" else self.type
        # Two numbers at both ends of a decimal lie further apart than it holds, and so than any tolerance.
        return f"TRY(abs(CAST({expected} AS {exact}) - CAST({actual} AS {exact}))) <= {self.tolerance:f}"

    def _close(self, expected: str, actual: str) -> str:
        slack = f"{FLOAT_STEP} * greatest(abs({expected}), abs({actual}))"
        return f"abs({expected} - {actual}) <= {self.tolerance} + {slack}"

    def text(self, value: str) -> str:
        """The value as text, in its one form."""
        return text_sql(value, self.type)

    def _shaped(self, value: str) -> str:
        if self.granularity:
            return f"date_trunc('{self.granularity}', {value})"
        if self.key_of and self.kind == "text":
            return fold_sql(value, self.key_of)
        shaped = f"trim({value}, {WHITE})" if self.trim and self.kind == "text" else value
        return f"lower({shaped})" if self.ignore_case and self.kind == "text" else shaped


WHITE = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"


def compared_columns(expected: Side, actual: Side, template: Template) -> tuple[ComparedColumn, ...]:
    """The columns to compare: all of the expected side but the key, the system's own and those the template ignores.

    Raises FrameError for a column the actual side lacks, UnknownName for a rule about a column there is not.
    """
    rules = template.compare
    for column in sorted(rules.columns):
        if column not in expected.columns:
            raise UnknownName("column", column, expected.columns, where=f"the compare rules of {template.task}")
    names = [c for c in expected.columns if c not in {*expected.key, *rules.ignore}]
    missing = [c for c in (*expected.key, *names) if c not in actual.columns]
    if missing:
        hint = "Read the destination with the template's own query, template.destination."
        raise FrameError(f"The actual side has no column {', '.join(missing)}.", hint=hint)
    return tuple(_column(name, expected, actual, template) for name in names)


def _column(name: str, expected: Side, actual: Side, template: Template) -> ComparedColumn:
    rules = template.compare
    types = [sql_schema(side).field(name).type for side in (expected, actual)]
    sql, kind = _shared(*types)
    fitting = {"tolerance": "number", "tolerance_percent": "number", "granularity": "moment"}
    if all(map(pa.types.is_null, types)):
        rules = rules.only(frozenset())
    for named, needed in fitting.items():
        if name in getattr(rules, named) and kind != needed:
            hint = f"Take it out of compare.{named}, or compare it without case or space."
            raise FrameError(f"{name} holds no {needed}, so compare.{named} cannot be about it.", hint=hint)
    rule = template.rule(name)
    default = None if rule is None or rule.default is None else text_of(rule.default)
    known = actual.schema.columns.get(name) if actual.schema is not None else None
    return ComparedColumn(
        name,
        sql,
        kind,
        empties_equal=trims_texts(actual),
        unset=None if known is None else known.first_choice,
        key_of=actual.origin.app if "." in name else None,
        tolerance=rules.tolerance.get(name),
        percent=rules.tolerance_percent.get(name),
        granularity=rules.granularity.get(name),
        trim=name in rules.trim,
        ignore_case=name in rules.case,
        default=default,
        max_length=known.max_length if known is not None else None,
        same=tuple(rules.same.get(name, ())),
        spellings=tuple(rules.spellings.get(name, {}).items()),
        types=(types[0], types[1]),
    )


def _shared(a: pa.DataType, b: pa.DataType) -> tuple[str, str]:
    """The SQL type both Arrow types fit into without loss, and the kind; text where there is no other."""
    a, b = _plain(a, b), _plain(b, a)
    both: Callable[[Callable[[pa.DataType], bool]], bool] = lambda test: test(a) and test(b)  # noqa: E731
    if both(_number):
        return _shared_number(a, b), "number"
    if both(lambda t: pa.types.is_date(t) or pa.types.is_timestamp(t)):
        if pa.types.is_date(a) or pa.types.is_date(b):
            return "DATE", "moment"
        return _shared_moment(a, b), "moment"
    if both(pa.types.is_boolean):
        return "BOOLEAN", "other"
    return "VARCHAR", "text"


def _plain(kind: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type of the values; a column of nothing but nulls is of the other side's type."""
    if pa.types.is_null(kind):
        return pa.string() if pa.types.is_null(other) else _plain(other, other)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _shared_number(a: pa.DataType, b: pa.DataType) -> str:
    floats = pa.types.is_floating(a), pa.types.is_floating(b)
    if any(floats):
        return "DOUBLE" if all(floats) else "VARCHAR"
    if INTEGERS(a) and INTEGERS(b):
        return "HUGEINT" if pa.types.is_uint64(a) or pa.types.is_uint64(b) else "BIGINT"
    scale = max(getattr(a, "scale", 0), getattr(b, "scale", 0))
    whole = max(_whole_digits(a), _whole_digits(b))
    if whole + scale > MOST_DIGITS and a != b:
        return "VARCHAR"
    return f"DECIMAL({min(MOST_DIGITS, whole + scale)}, {scale})"


def _whole_digits(kind: Any) -> int:
    return int(kind.precision - kind.scale) if pa.types.is_decimal(kind) else 20


def _shared_moment(a: pa.DataType, b: pa.DataType) -> str:
    zoned = any(pa.types.is_timestamp(t) and t.tz is not None for t in (a, b))
    fine = all(pa.types.is_timestamp(t) and t.unit == "ns" for t in (a, b))
    return "TIMESTAMPTZ" if zoned else "TIMESTAMP_NS" if fine else "TIMESTAMP"
