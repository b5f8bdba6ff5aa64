"""The keys of the rows that a read gave so far: by them no row comes twice, and what is missing can be told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.keys import folded

__all__ = ["SPELT", "HeldKeys"]

SPELT = "@spelt"  # the column of a page that tells keys apart which are no well-formed text, and so read alike


class HeldKeys:
    """Keys of several columns, as columns. They are compared as they came, and where rows are left out as the system
    ``app`` compares keys: a row whose key changes its case while it is read is still the same row. Where a row has
    ``SPELT`` it counts in the place of its key: two texts that are not well-formed may read alike and are two keys."""

    def __init__(self, names: Sequence[str], app: str) -> None:
        self._names, self._app = tuple(names), app
        self._held: list[pa.Array] = []
        self._folded: list[pa.Array] = []

    def add(self, table: pa.Table) -> None:
        """Hold the keys of further rows."""
        keys = self._keys(table)
        self._held.extend(keys.chunks)
        self._folded.extend(self._as_compared(keys).chunks)

    def distinct(self) -> bool:
        """Whether no key was added twice."""
        whole = _whole(self._held)
        return bool(pc.equal(pc.count_distinct(whole, mode="all"), len(whole)).as_py())

    def copy(self) -> HeldKeys:
        """The same keys, for as long as they are wanted."""
        other = HeldKeys(self._names, self._app)
        other._held, other._folded = list(self._held), list(self._folded)
        return other

    def apart_from(self, other: HeldKeys) -> int:
        """How many keys only one of the two holds."""
        mine, theirs = (_whole(each._folded) for each in (self, other))
        return sum(
            int(pc.sum(pc.invert(pc.is_in(a, value_set=b))).as_py() or 0) for a, b in permutations((mine, theirs))
        )

    def has_first_of(self, table: pa.Table) -> bool:
        """Whether the first row of a table is held."""
        return not pc.any(self.new_in(table.slice(0, 1))).as_py()

    def new_in(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows of a table are not held."""
        return pc.invert(pc.is_in(self._as_compared(self._keys(table)), value_set=_whole(self._folded)))

    def _as_compared(self, keys: pa.ChunkedArray) -> pa.ChunkedArray:
        return pa.chunked_array([one_array(folded(keys, self._app))], pa.string())

    def _keys(self, table: pa.Table) -> pa.ChunkedArray:
        parts = [pc.fill_null(texts(table.column(name)), "") for name in self._names]
        joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")
        joined = joined.cast(pa.string())
        if SPELT not in table.column_names or table.column(SPELT).null_count == table.num_rows:
            return joined
        return pa.chunked_array([pc.coalesce(one_array(table.column(SPELT)), one_array(joined))])


def _whole(keys: Sequence[pa.Array]) -> pa.Array:
    return one_array(pa.chunked_array(keys, pa.string()))
