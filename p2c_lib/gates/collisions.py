"""Rows that the destination would take for one: their keys differ as text and are the same as it compares them.

A suite's rule of uniqueness holds texts against each other as Great Expectations does, to the letter. What a
destination does not see (case, and in Sales accents) is held here, for the task's key and, in Sales, for every other
key of the set whose columns the task writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.gates.result import FINDING
from p2c_lib.gates.rows import Positions, Rows
from p2c_lib.keys import NAMES, RowKey, ignores
from p2c_lib.ledger import ONE_KEY

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped

__all__ = ["collision_lines"]

SHOWN = 3


def collision_lines(mapped: Mapped, rows: Rows) -> Iterator[tuple[Positions, pa.Table]]:
    """For each key: the source rows that share one at the destination with another row, and a finding for each."""
    table, own = mapped.frame.table, mapped.frame.row_key()
    yield _lines(table, own, own.texts(table), rows, alike=False)
    schema = mapped.frame.schema
    if schema is None or own.app != "sales":
        return
    for columns in schema.alternate_keys.values():
        if set(columns) <= set(table.column_names) and set(columns) != set(own.columns):
            other = RowKey(tuple(columns), own.app)
            yield _lines(table, other, other.texts(table), rows, alike=True)


def _lines(table: pa.Table, key: RowKey, keys: pa.Array, rows: Rows, *, alike: bool) -> tuple[Positions, pa.Table]:
    """``alike`` tells whether rows count that are spelt the same as well; those of the task's key are the suite's."""
    at = _shared(keys)
    spelt = _spelt(table, key, at)
    groups: dict[str, dict[str, int]] = {}
    for each, words in zip(keys.take(pa.array(at)).to_pylist(), spelt, strict=True):
        groups.setdefault(each, {}).setdefault(words, 0)
        groups[each][words] += 1
    said = {each: _words(there, key) for each, there in groups.items() if alike or len(there) > 1}
    told = [said.get(each) for each in keys.take(pa.array(at)).to_pylist()]
    kept = [number for number, reason in enumerate(told) if reason is not None]
    places = rows.at[at[kept]]
    count = len(kept)
    columns = {
        "key": rows.keys.take(pa.array(places)),
        "rule": pa.array([f"{ONE_KEY}{NAMES[key.app]}: {', '.join(key.columns)}"] * count, pa.string()),
        "column": pa.array([", ".join(key.columns)] * count, pa.string()),
        "value": pa.array([spelt[number] for number in kept], pa.string()),
        "severity": pa.array(["critical"] * count, pa.string()),
        "reason": pa.array([told[number] for number in kept], pa.string()),
    }
    return places, pa.table(columns, schema=FINDING)


def _shared(keys: pa.Array) -> Positions:
    """The places of the keys that stand there more than once."""
    if pc.count_distinct(keys).as_py() == len(keys) - keys.null_count:
        return np.empty(0, np.int64)
    counted = pc.value_counts(keys.drop_null())
    twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    return np.flatnonzero(pc.is_in(keys, value_set=twice).to_numpy(zero_copy_only=False))


def _spelt(table: pa.Table, key: RowKey, at: Positions) -> list[str]:
    """The key of some rows as it would be sent."""
    parts = [pc.fill_null(one_array(texts(table.column(name).take(pa.array(at)))), "") for name in key.columns]
    spelt: list[str] = (parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, ", ")).to_pylist()
    return spelt


def _words(there: dict[str, int], key: RowKey) -> str:
    """Why several rows are one, with how they are spelt."""
    count, place = sum(there.values()), NAMES[key.app]
    named = ", ".join(f"'{spelt}'" for spelt in list(there)[:SHOWN])
    if len(there) == 1:
        return f"{named} stands on {count:,} rows, and {', '.join(key.columns)} is a key in {place}"
    more = f" and {len(there) - SHOWN:,} more" if len(there) > SHOWN else ""
    return f"{named}{more} are one key in {place}: {ignores(key.app)}"
