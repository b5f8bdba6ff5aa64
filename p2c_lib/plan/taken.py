"""Writes that a further key of the destination will refuse: its value stands on another row there already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array
from p2c_lib.frames import EntityFrame
from p2c_lib.keys import NAMES, RowKey

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation

__all__ = ["taken"]


def taken(recon: Reconciliation, operations: pa.Table) -> list[dict[str, Any]]:
    """Operations whose value of another key than the task's is another row's: ``key``, ``columns``, ``by`` and ``why``.

    Sales keeps its alternate keys so; of a destination whose keys are not known, nothing is told.
    """
    schema, own = recon.actual.schema, recon.row_key
    if schema is None or own.app != "sales" or not operations.num_rows:
        return []
    both = set(recon.expected.columns) & set(recon.actual.columns)
    others = [names for names in schema.alternate_keys.values() if set(names) <= both]
    if not (others := [names for names in others if set(names) != set(own.columns)]):
        return []
    there = recon.actual.table if isinstance(recon.actual, EntityFrame) else recon.actual.read().table
    return [line for names in others for line in _taken(RowKey(tuple(names), own.app), own, there, operations)]


def _taken(key: RowKey, own: RowKey, there: pa.Table, operations: pa.Table) -> Iterator[dict[str, Any]]:
    mine = key.texts(pa.Table.from_struct_array(one_array(operations.column("after"))))
    at = pc.index_in(mine, value_set=key.texts(there))
    by, name = own.texts(there).take(at), one_array(operations.column("key"))
    hit = pc.and_(pc.and_(pc.is_valid(mine), pc.is_valid(at)), pc.fill_null(pc.not_equal(by, name), fill_value=True))
    columns = ", ".join(key.columns)
    for place, owner in zip(name.filter(hit).to_pylist(), by.filter(hit).to_pylist(), strict=True):
        why = f"{columns} is a key in {NAMES[key.app]} and stands there on {owner or 'a row without a number'}"
        yield {"key": place, "columns": columns, "by": owner, "why": why}
