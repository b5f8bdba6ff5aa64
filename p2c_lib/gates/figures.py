"""What a table's buffers tell of a column without a look at each value, as a column store's zone maps do.

A rule that these figures show to hold needs no scan; where they cannot tell, they say so and the scan decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Figures", "Positions"]

Positions = npt.NDArray[np.int64]
FIRST_PLAIN, LAST_PLAIN = 0x20, 0x7E


class Figures:
    """The figures of one table's columns, each worked out once."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.full = cache(self._full)
        self.plain = cache(self._plain)

    def _full(self, column: str) -> bool:
        """Whether every row has a value; NaN is none, as in pandas."""
        values = self.table.column(column)
        if values.null_count:
            return False
        return not (pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py())

    def _plain(self, column: str) -> bool:
        """Whether a text column is printable ASCII throughout; no, where its buffers are not looked into."""
        values = self.table.column(column)
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return False
        return all(
            not len(text) or (text.min() >= FIRST_PLAIN and text.max() <= LAST_PLAIN) for text, _ in _texts(values)
        )

    def extremes(self, column: str) -> tuple[Any, Any] | None:
        """The least and the greatest value of a number column; None where there is none."""
        found = pc.min_max(self.table.column(column)).as_py()
        return None if found["min"] is None else (found["min"], found["max"])

    def lengths(self, column: str) -> tuple[int, int] | None:
        """Bounds of how many code units of UTF-16 the texts of a column have; None where its buffers are not read."""
        values = self.table.column(column)
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)) or not len(values):
            return None
        bounds = [(int(sizes.min()), int(sizes.max())) for _, sizes in _texts(values) if len(sizes)]
        least, most = min(low for low, _ in bounds), max(high for _, high in bounds)
        # A code unit of UTF-16 has one to three bytes in UTF-8.
        return (least if self.plain(column) else least // 3, most)


def _texts(values: pa.ChunkedArray) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]]:
    """The bytes of each chunk of texts, and how many each text has; a null may count as an empty one."""
    width = np.int64 if pa.types.is_large_string(values.type) else np.int32
    for chunk in values.chunks:
        _, ends, text = chunk.buffers()
        place = np.frombuffer(ends, width, len(chunk) + 1, chunk.offset * np.dtype(width).itemsize)
        raw = np.frombuffer(text, np.uint8) if text is not None else np.empty(0, np.uint8)
        yield raw[place[0] : place[-1]], np.diff(place)
