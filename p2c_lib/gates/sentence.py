"""Reasons in words for many rows at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.frames import plain_number

__all__ = ["placeholders", "sentences"]

PLACE = re.compile(r"\{([^{}]+)\}")
EMPTY = "(empty)"


def placeholders(words: str) -> tuple[str, ...]:
    """The names in braces of a sentence."""
    return tuple(PLACE.findall(words))


def sentences(words: str, columns: Mapping[str, pa.Array], count: int) -> pa.Array:
    """The sentence of each row: every ``{name}`` is that row's text of the column, ``(empty)`` where it has none.

    >>> sentences("Unit {value} is new", {"value": pa.array(["pcs", None])}, 2).to_pylist()
    ['Unit pcs is new', 'Unit (empty) is new']
    """
    parts: list[pa.Array | pa.Scalar] = []
    for number, piece in enumerate(PLACE.split(words)):
        if number % 2:
            parts.append(pc.fill_null(as_text(columns[piece]), EMPTY))
        elif piece:
            parts.append(pa.scalar(piece))
    if not any(isinstance(p, pa.Array | pa.ChunkedArray) for p in parts):
        return pa.array([words] * count, pa.string())
    return _one(pc.binary_join_element_wise(*parts, ""))


def as_text(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as a person writes them: text as it is, decimals without the zeros that only fill a scale."""
    if pa.types.is_decimal(values.type):
        return _one(plain_number(values))
    if pa.types.is_dictionary(values.type):
        return as_text(values.cast(values.type.value_type))
    return _one(values if pa.types.is_string(values.type) else values.cast(pa.string()))


def _one(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
