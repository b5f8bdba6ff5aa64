"""Reasons in words for many rows at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts

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
            parts.append(pc.fill_null(one_array(texts(columns[piece])), EMPTY))
        elif piece:
            parts.append(pa.scalar(piece))
    if not any(isinstance(p, pa.Array | pa.ChunkedArray) for p in parts):
        return pa.array([words] * count, pa.string())
    return one_array(pc.binary_join_element_wise(*parts, ""))
