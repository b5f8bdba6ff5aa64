"""Mapped rows as the destination will hold them, so that what is compared is what a read brings back.

A value that the destination writes in a form of its own would differ for ever: it is sent, held otherwise, and sent
again the next night. What each system makes of a value is in ``p2c_lib.odata.stored``, for one value; here it is done
to columns, once, at the end of mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.odata.decode import empty_to_null
from p2c_lib.odata.dialect import DIALECTS
from p2c_lib.odata.stored import COMPANY

if TYPE_CHECKING:
    from p2c_lib.mapping.places import Places
    from p2c_lib.odata.notes import Note
    from p2c_lib.odata.schema import Column

__all__ = ["as_kept", "column_as_kept"]


def as_kept(table: pa.Table, places: Places) -> tuple[pa.Table, tuple[Note, ...]]:
    """The rows in the destination's own form: numbers by its places, texts, choices, guids and moments as it has them.

    A note says for each column how many numbers lost decimals.
    """
    schema = places.schema
    table, rounded = places.kept(table)
    for at, name in enumerate(table.column_names):
        column = schema.columns.get(name)
        if column is not None:
            table = table.set_column(at, name, column_as_kept(table.column(name), column, schema.app))
    return table, rounded


def column_as_kept(values: pa.ChunkedArray, column: Column, app: str) -> pa.ChunkedArray:
    """The values of one column in the form that the system ``app`` gives them; numbers stay as they are.

    F&O takes blanks off the end of a text, gives a choice its own spelling, writes a company in small letters, and has
    values that say nothing, such as 1900-01-01; both keep moments to the second and write a guid in small letters.

    >>> from p2c_lib.odata.schema import Column
    >>> name = Column("Name", "Edm.String", pa.string())
    >>> column_as_kept(pa.chunked_array([["Contoso ", " "]]), name, "finops").to_pylist()
    ['Contoso', None]
    """
    if pa.types.is_timestamp(values.type):
        values = pc.floor_temporal(values, unit="second")
    elif pa.types.is_string(values.type):
        values = _text(values, column, app)
    if not DIALECTS[app].empty_is_null:
        return values
    return pa.chunked_array([empty_to_null(chunk, column) for chunk in values.chunks], values.type)


def _text(values: pa.ChunkedArray, column: Column, app: str) -> pa.ChunkedArray:
    if column.edm == "Edm.Guid":
        return _few(values, {text: _guid(text) for text in pc.unique(values).to_pylist() if text is not None})
    if not DIALECTS[app].empty_is_null:
        return values
    if column.first_choice is not None:
        return _few(values, _members(values, column))
    text = pc.utf8_rtrim(values, " ")
    return pc.utf8_lower(text) if column.name == COMPANY else text


def _members(values: pa.ChunkedArray, column: Column) -> dict[str, str | None]:
    """The column's own spelling of each member that is named in another case, or by its number; none for a blank."""
    labels = column.choices or {}
    own = {str(number): label for number, label in labels.items()}
    own |= {label.casefold(): label for label in labels.values()}
    named = {text: text.strip() for text in pc.unique(values).to_pylist() if text is not None}
    return {text: own.get(name.casefold(), text) if name else None for text, name in named.items()}


def _guid(text: str) -> str | None:
    """A guid as both systems write it; none for a blank, and what is none as it came."""
    try:
        return str(UUID(text.strip())) if text.strip() else None
    except ValueError:
        return text


def _few(values: pa.ChunkedArray, made: dict[str, str | None]) -> pa.ChunkedArray:
    """The values with some of them in another spelling; the same values where none has one."""
    if all(text == new for text, new in made.items()):
        return values
    encoded = values.combine_chunks().dictionary_encode()
    words = [None if text is None else made[text] for text in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(words, pa.string()).take(encoded.indices)])
