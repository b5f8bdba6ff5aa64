"""What a package may hold: values of their column's own kind, as in JSON, though its CSV has no types."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.odata.literals import NUMBERS
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["WHOLE_TEXTS", "check_kinds"]

# Whole numbers that F&O reads out of a text in JSON too; those of 64 bits and decimals it does not.
WHOLE_TEXTS = {"Edm.Byte", "Edm.Int16", "Edm.Int32"}
WHOLE = r"^\s*[+-]?[0-9]{1,10}\s*$"

WORDS = {"Edm.String", "Edm.Guid", "Edm.Date", "Edm.DateTimeOffset"}
TYPED = {"Edm.Guid", "Edm.Date", "Edm.DateTimeOffset"}
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].*)?$"


def check_kinds(schema: EntitySchema, table: pa.Table) -> None:
    """Raise FrameError for a column whose values ``write_table`` has refused: text for a number, ``yes`` for Yes.

    What F&O refuses of a package by itself is left to it, which tells each row.
    """
    for name in table.column_names:
        values, column = table.column(name), schema.column(name)
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if not _fits(kind, column):
            raise FrameError(
                f"{schema.entity_set}.{name} is {column.edm}, the values are {kind}.",
                hint="Bring them to the column's own kind first: in JSON F&O takes no other either.",
            )
        if _is_text(kind):
            _check_texts(values.cast(kind), column, schema.entity_set)


def _check_texts(values: pa.ChunkedArray, column: Column, entity_set: str) -> None:
    """Raise FrameError for a text that F&O reads in a package and not in JSON."""
    for text in _doubtful(values, column).to_pylist():
        if (said := _why_not(text, column)) is not None:
            row = pc.index(values, text).as_py() + 1
            raise FrameError(f"{entity_set}.{column.name} is {text[:60]!r} in row {row:,}: {said}")


def _doubtful(values: pa.ChunkedArray, column: Column) -> pa.Array | pa.ChunkedArray:
    """The different texts of a column that are none as JSON has them; none of a column of texts."""
    if column.choices:
        different = pc.unique(values).drop_null()
        known = pa.array(list(column.choices.values()), different.type)
        return different.filter(pc.invert(pc.is_in(different, value_set=known)))
    if column.edm in WHOLE_TEXTS:
        odd = pc.invert(pc.match_substring_regex(values, WHOLE))
        return pc.unique(values.filter(pc.fill_null(odd, fill_value=False)))
    if column.edm not in TYPED:
        return values.slice(0, 0)
    odd = pc.equal(pc.utf8_trim_whitespace(values), "")
    if column.edm == "Edm.DateTimeOffset" and not column.is_day:
        odd = pc.invert(pc.match_substring_regex(values, MOMENT))
    return pc.unique(values.filter(pc.fill_null(odd, fill_value=False)))


def _why_not(text: str, column: Column) -> str | None:
    """What to write in the place of a text that a package would read; None for one that it refuses by itself."""
    if not text.strip():
        return "where there is nothing, write no value."
    if column.edm in WHOLE_TEXTS:
        return "write a whole number."
    if not column.choices:
        return "a moment is written 2026-01-31T12:00:00Z."
    meant = next((each for each in column.choices.values() if each.casefold() == text.strip().casefold()), None)
    return f"write '{meant}'." if meant else "write the member's name." if text.strip().isdecimal() else None


def _fits(kind: pa.DataType, column: Column) -> bool:
    """Whether values of a kind are those of a column, as in JSON."""
    flag = pa.types.is_boolean(kind)
    number = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)
    if pa.types.is_null(kind):
        return True
    if column.choices:
        return flag or _is_text(kind)
    if column.edm in NUMBERS:
        return bool(number) or (column.edm in WHOLE_TEXTS and _is_text(kind))
    if column.edm == "Edm.Boolean":
        return bool(flag)
    return column.edm not in WORDS or not (number or flag)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
