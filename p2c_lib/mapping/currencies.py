"""The currency of each mapped row of Sales, by which its money is kept: as the row says it, or as it is there.

A row that names no currency keeps the one it has at the destination. What a new row gets is the service's to say: the
organisation's own, or that of the row it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array
from p2c_lib.frames import EntityQuery
from p2c_lib.keys import RowKey, folded

if TYPE_CHECKING:
    from p2c_lib.mapping.context import RunContext
    from p2c_lib.odata.precision import Precisions
    from p2c_lib.odata.schema import EntitySchema

__all__ = ["BY_CODE", "RowCurrencies", "named_in", "places_by_code"]

CURRENCIES, OWN = "transactioncurrencies", "transactioncurrencyid"
BY_CODE = f"{OWN}.isocurrencycode"
BY_KEY = 600  # more rows are asked for by reading the whole set


@dataclass(frozen=True)
class RowCurrencies:
    """Where the rows of one mapping have their currency from."""

    context: RunContext
    side: EntityQuery
    schema: EntitySchema

    def places(self, table: pa.Table, precisions: Precisions) -> pa.Array:
        """The decimals that are kept of money in each row; null where nobody says."""
        named = named_in(table.column_names)
        if named == BY_CODE:
            return places_by_code(table, precisions, self.side.app)
        ids, nothing = self._there(table) if named is None else self._by_column(table, named)
        return _or_base(_looked_up(ids, precisions.by_id), nothing, precisions)

    def _by_column(self, table: pa.Table, column: str) -> tuple[pa.Array, pa.Array]:
        """The ids of the currencies that rows name, and which rows name none: they go by the organisation's."""
        keys = one_array(folded(table.column(column), self.side.app))
        nothing = pc.fill_null(pc.equal(keys, ""), fill_value=True)
        if by := column.partition(".")[2]:
            there = self.context.lookup(self.side.app, CURRENCIES, by.rpartition(".")[2], OWN)
            at = pc.index_in(keys, value_set=pa.array(list(there), pa.string()))
            keys = pa.array([each.lower() for each in there.values()], pa.string()).take(at)
        return keys, nothing

    def _there(self, table: pa.Table) -> tuple[pa.Array, pa.Array]:
        """The ids of the currencies that rows have at the destination, and which rows are there without one."""
        if not set(self.side.key) <= set(table.column_names):
            return pa.nulls(table.num_rows, pa.string()), pa.repeat(pa.scalar(False), table.num_rows)  # noqa: FBT003
        key = RowKey.within(self.schema, self.side.key)
        mine = key.texts(table)
        query = EntityQuery(self.side.app, self.side.entity, (*self.side.key, OWN), self.side.key)
        if table.num_rows > BY_KEY:
            found = self.context.session.extract(query).table
        else:
            keys = table.select(list(self.side.key)).filter(pc.is_valid(mine)).to_pylist()
            if not keys:
                return pa.nulls(table.num_rows, pa.string()), pc.is_valid(mine)  # no row has a key
            found = self.context.session.extract_parts(query, keys, note="the currencies of the mapped rows").table
        at = pc.index_in(mine, value_set=key.texts(found))
        ids = pc.utf8_lower(found.column(OWN).combine_chunks()).take(at)
        return ids, pc.and_(pc.is_valid(at), pc.is_null(ids))


def places_by_code(table: pa.Table, precisions: Precisions, app: str) -> pa.Array:
    """The decimals that are kept of money in each row by the ISO code that it names; null where nobody says."""
    codes = one_array(folded(table.column(BY_CODE), app))  # a lookup names its row as keys are compared
    known = folded(pa.array(list(precisions.currencies), pa.string()), app).to_pylist()
    kept = _looked_up(codes, dict(zip(known, precisions.currencies.values(), strict=True)))
    return _or_base(kept, pc.fill_null(pc.equal(codes, ""), fill_value=True), precisions)


def _or_base(kept: pa.Array, nothing: pa.Array, precisions: Precisions) -> pa.Array:
    """The decimals, those of the organisation's own currency where a row has none."""
    base = precisions.by_id.get((precisions.base or "").lower())
    return pc.if_else(nothing, pa.scalar(base, pa.int64()), kept)


def named_in(columns: Sequence[str]) -> str | None:
    """The column that names the currency of a row."""
    return next((name for name in columns if name.partition(".")[0] == OWN), None)


def _looked_up(keys: pa.Array, places: Mapping[str, int]) -> pa.Array:
    listed = pa.array(list(places), pa.string())
    return pa.array(list(places.values()), pa.int64()).take(pc.index_in(keys, value_set=listed))
