"""Transforms that make one value of several columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.mapping.transforms.arguments import Text
from p2c_lib.mapping.transforms.registry import Converted, transform
from p2c_lib.mapping.transforms.text import is_blank

__all__ = ["coalesce", "concatenate"]


@transform(reads="columns")
def coalesce(columns: Sequence[pa.Array]) -> Converted:
    """The first of several columns that has a value."""
    if len({column.type for column in columns}) > 1:
        columns = [texts(column) for column in columns]
    return Converted(pc.coalesce(*(_present(column) for column in columns)))


@transform(reads="columns")
def concatenate(columns: Sequence[pa.Array], separator: Text = " ") -> Converted:
    """Several columns in one text, those that are blank left out."""
    first, *rest = (_present(texts(column)) for column in columns)
    for column in rest:  # two at a time: Arrow's own way to skip nulls drops a row of nothing but nulls
        both = pc.binary_join_element_wise(first, column, separator)
        first = pc.coalesce(both, first, column)
    return Converted(first)


def _present(column: pa.Array) -> pa.Array:
    return pc.if_else(is_blank(column), pa.scalar(None, column.type), column)
