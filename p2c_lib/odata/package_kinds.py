"""What a package may hold: values of their column's own kind, as in JSON, though its CSV has no types."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.odata.literals import NUMBERS
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["check_kinds"]

WORDS = {"Edm.String", "Edm.Guid", "Edm.Date", "Edm.DateTimeOffset"}
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?", re.ASCII)


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
            _check_texts(values, column, schema.entity_set)


def _check_texts(values: pa.ChunkedArray, column: Column, entity_set: str) -> None:
    """Raise FrameError for a text that F&O reads in a package and not in JSON."""
    for text in pc.unique(values).drop_null().to_pylist():
        if (said := _why_not(text, column)) is not None:
            row = pc.index(values, text).as_py() + 1
            raise FrameError(f"{entity_set}.{column.name} is {text[:60]!r} in row {row:,}: {said}")


def _why_not(text: str, column: Column) -> str | None:
    if column.choices:
        members = column.choices
        meant = next((member for member in members.values() if member.casefold() == text.strip().casefold()), None)
        if text in members.values() or (meant is None and not text.strip().isdecimal()):
            return None
        return f"write '{meant}'." if meant else "write the member's name."
    if column.edm != "Edm.DateTimeOffset" or column.is_day or MOMENT.fullmatch(text) or not text.strip():
        return None
    return "a moment is written 2026-01-31T12:00:00Z."


def _fits(kind: pa.DataType, column: Column) -> bool:
    """Whether values of a kind are those of a column, as in JSON."""
    flag = pa.types.is_boolean(kind)
    number = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)
    if pa.types.is_null(kind):
        return True
    if column.choices:
        return flag or _is_text(kind)
    if column.edm in NUMBERS:
        return bool(number)
    if column.edm == "Edm.Boolean":
        return bool(flag)
    return column.edm not in WORDS or not (number or flag)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
