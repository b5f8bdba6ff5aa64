"""The rows a task has seen after a load: what the next mark remembers of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.marks.mark import SEEN, Mark
from p2c_lib.marks.watched import twin_column

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame
    from p2c_lib.mapping import Mapped
    from p2c_lib.marks.delta import Delta

__all__ = ["judged_rows", "mark_after", "source_keys"]

ROW = "@row"


def judged_rows(mapped: Mapped, passed: EntityFrame, failed: Collection[str]) -> pa.Table:
    """A line for each row read: id, normalised key, twin value, and whether it has to be read again.

    A row waits when it did not pass the gate, or when its key is among those that ``failed`` at the destination.
    """
    source = mapped.source
    assert source.schema is not None
    keys = source_keys(mapped)
    twins = texts(source.table.column(twin_column(source.schema, mapped.template.source)))
    ids = texts(source.table.column("@id")) if "@id" in source.table.column_names else twins
    settled = pc.is_in(_places(len(source)), value_set=passed.table.column(ROW).combine_chunks())
    failing = pc.is_in(keys, value_set=pa.array(list(failed), pa.string()))
    waits = pc.or_(pc.invert(settled), failing)
    return pa.table({"id": ids, "key": keys, "twin": twins, "waits": waits}, schema=SEEN)


def mark_after(mark: Mark | None, delta: Delta, judged: pa.Table, at: str) -> Mark | None:
    """The mark a load leaves: ``judged`` in the place of all that was asked for; None where it cannot leave one."""
    if delta.positions is None:
        return None
    seen = judged if mark is None or delta.whole else pa.concat_tables([_others(mark.seen, delta, judged), judged])
    return Mark(at, delta.positions, seen, delta.behind)


def _others(seen: pa.Table, delta: Delta, judged: pa.Table) -> pa.Table:
    """The rows seen before that this run did not ask for and that are not gone."""
    asked = [part.column("id").combine_chunks() for part in (delta.rows, judged)]
    names = pc.coalesce(seen.column("key"), seen.column("id"))
    gone = pc.is_in(names, value_set=pa.array(list(delta.deleted), pa.string()))
    return seen.filter(pc.invert(pc.or_(pc.is_in(seen.column("id"), value_set=pa.concat_arrays(asked)), gone)))


def source_keys(mapped: Mapped) -> pa.Array:
    """The normalised key of each source row, by its place; null where it has none."""
    parts = (mapped.frame.table, mapped.rejected)
    places = pa.concat_arrays([_one(table, ROW) for table in parts])
    keys = pa.concat_arrays([mapped.frame.row_key().texts(table) for table in parts])
    return keys.take(pc.index_in(_places(len(mapped.source)), value_set=places))


def _one(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _places(count: int) -> pa.Array:
    import numpy as np

    return pa.array(np.arange(count, dtype=np.int64))
