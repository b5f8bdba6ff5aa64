"""The source rows of a task by their place: the key of each, which were mapped and which the mapping rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.gates.sentence import sentences

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped

__all__ = ["Mask", "Positions", "Rows"]

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
ROW = "@row"


class Rows:
    """Every row that was read, mapped or rejected, so that each is counted once whatever is wrong with it.

    ``at`` holds the place of each mapped row, ``rejected_at`` that of each rejected value, ``keys`` the normalised key
    of each source row; a row without one is named by its place.
    """

    def __init__(self, mapped: Mapped) -> None:
        table, lost = mapped.frame.table, mapped.rejected
        self.count = len(mapped.source)
        self.at: Positions = table.column(ROW).to_numpy()
        self.rejected_at: Positions = lost.column(ROW).to_numpy()
        keys = [mapped.frame.row_key().texts(part) for part in (table, lost)]
        self.keys = self._named(pa.concat_arrays(keys))

    def _named(self, found: pa.Array) -> pa.Array:
        places = np.concatenate([self.at, self.rejected_at])
        if len(places) != self.count or not np.array_equal(places, np.arange(self.count)):
            where = np.zeros(self.count, np.int64)
            where[places] = np.arange(len(places))
            found = found.take(pa.array(where))
        if not found.null_count:
            return found
        number = pa.array(np.arange(self.count))
        return pc.coalesce(found, sentences("row {n} (no key)", {"n": number}, self.count))

    def mask(self, places: Iterable[Positions]) -> Mask:
        """True at the places named."""
        made = np.zeros(self.count, np.bool_)
        for rows in places:
            made[rows] = True
        return made

    def let(self, waived: Mapping[str, str]) -> Mask:
        """True for the rows whose key a person let through."""
        found: Mask = pc.is_in(self.keys, pa.array(list(waived), pa.string())).to_numpy(zero_copy_only=False)
        return found
