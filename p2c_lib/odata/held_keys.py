"""The keys of the rows that a read gave so far: by them no row comes twice, and what is missing can be told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts

__all__ = ["SPELT", "HeldKeys"]

SPELT = "@spelt"  # the column of a page that tells keys apart which are no well-formed text, and so read alike


class HeldKeys:
    """Keys of several columns, as columns. They are compared as they came, and without case where rows are left out:
    a row whose key changes its case while it is read is still the same row. Where a row has ``SPELT`` it counts in the
    place of its key: two texts that are not well-formed may read alike and are two keys."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._held: list[pa.Array] = []

    def add(self, table: pa.Table) -> None:
        """Hold the keys of further rows."""
        self._held.extend(self._keys(table).chunks)

    def distinct(self) -> bool:
        """Whether no key was added twice."""
        whole = self._whole()
        return bool(pc.equal(pc.count_distinct(whole, mode="all"), len(whole)).as_py())

    def copy(self) -> HeldKeys:
        """The same keys, for as long as they are wanted."""
        other = HeldKeys(self._names)
        other._held = list(self._held)
        return other

    def apart_from(self, other: HeldKeys) -> int:
        """How many keys only one of the two holds."""
        mine, theirs = (pc.utf8_lower(each._whole()) for each in (self, other))
        return sum(
            int(pc.sum(pc.invert(pc.is_in(a, value_set=b))).as_py() or 0) for a, b in permutations((mine, theirs))
        )

    def has_first_of(self, table: pa.Table) -> bool:
        """Whether the first row of a table is held."""
        return not pc.any(self.new_in(table.slice(0, 1))).as_py()

    def new_in(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows of a table are not held."""
        keys = pc.utf8_lower(self._keys(table))
        return pc.invert(pc.is_in(keys, value_set=pc.utf8_lower(self._whole())))

    def _whole(self) -> pa.Array:
        return pa.chunked_array(self._held, pa.string()).combine_chunks()

    def _keys(self, table: pa.Table) -> pa.ChunkedArray:
        parts = [pc.fill_null(texts(table.column(name)), "") for name in self._names]
        joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")
        joined = joined.cast(pa.string())
        if SPELT not in table.column_names or table.column(SPELT).null_count == table.num_rows:
            return joined
        return pa.chunked_array([pc.coalesce(one_array(table.column(SPELT)), one_array(joined))])
