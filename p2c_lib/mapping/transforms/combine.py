"""Transforms that make one value of several columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.mapping.transforms.registry import Converted, transform
from p2c_lib.mapping.transforms.text import as_text, is_blank

__all__ = ["coalesce"]


@transform(reads="columns")
def coalesce(columns: Sequence[pa.Array]) -> Converted:
    """The first of several columns that has a value."""
    if len({column.type for column in columns}) > 1:
        columns = [as_text(column) for column in columns]
    present = [pc.if_else(is_blank(column), pa.scalar(None, column.type), column) for column in columns]
    return Converted(pc.coalesce(*present))
