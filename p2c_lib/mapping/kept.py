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

    F&O takes blanks off the end of a text, gives a choice its own spelling and a company in small letters; both keep
    moments to the second and write a guid in small letters.

    >>> from p2c_lib.odata.schema import Column
    >>> name = Column("Name", "Edm.String", pa.string())
    >>> column_as_kept(pa.chunked_array([["Contoso ", " "]]), name, "finops").to_pylist()
    ['Contoso', None]
    """
    if pa.types.is_timestamp(values.type):
        return pc.floor_temporal(values, unit="second")
    if not pa.types.is_string(values.type):
        return values
    if column.edm == "Edm.Guid":
        return _few(values, {text: _guid(text) for text in pc.unique(values).to_pylist() if text is not None})
    if not DIALECTS[app].empty_is_null:
        return values
    if column.edm.startswith("Microsoft.") and column.choices:
        return _few(values, _members(values, column))
    text = pc.utf8_rtrim(values, " ")
    if column.name == COMPANY:
        text = pc.utf8_lower(text)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _members(values: pa.ChunkedArray, column: Column) -> dict[str, str]:
    """The column's own spelling of each member that is named in another case, or by its number."""
    labels = column.choices or {}
    own = {str(number): label for number, label in labels.items()}
    own |= {label.casefold(): label for label in labels.values()}
    return {text: own[text.casefold()] for text in pc.unique(values).to_pylist() if text and text.casefold() in own}


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _few(values: pa.ChunkedArray, made: dict[str, str]) -> pa.ChunkedArray:
    """The values with some of them in another spelling; the same values where none has one."""
    if all(text == new for text, new in made.items()):
        return values
    encoded = values.combine_chunks().dictionary_encode()
    words = [None if text is None else made.get(text, text) for text in encoded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(words, pa.string()).take(encoded.indices)])
