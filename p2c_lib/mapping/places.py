"""Numbers with the decimals the destination keeps, so that what is compared is what will be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.chain import joined_chunks
from p2c_lib.mapping.currencies import BY_CODE, RowCurrencies, places_by_code
from p2c_lib.odata.notes import ROUNDED, Note
from p2c_lib.odata.precision import Precisions
from p2c_lib.odata.schema import Column, EntitySchema

if TYPE_CHECKING:
    from p2c_lib.odata import Client

__all__ = ["Places", "wide_type"]

WIDE, WIDEST = pa.decimal128(38, 16), pa.decimal256(76, 16)


def wide_type(kind: pa.DataType) -> pa.DataType:
    """The type numbers are mapped in: with room for every decimal a source has, so that they are rounded once."""
    roomy = pa.types.is_decimal(kind) and kind.precision - kind.scale >= WIDE.precision - WIDE.scale
    return WIDE if roomy else kind


@dataclass(frozen=True)
class Places:
    """What a destination keeps of numbers, by its metadata and by what its organisation and currencies say."""

    schema: EntitySchema
    precisions: Precisions
    currencies: RowCurrencies | None = None

    @classmethod
    def of(
        cls, client: Client, schema: EntitySchema, table: pa.Table, currencies: RowCurrencies | None = None
    ) -> Places:
        """The places of a service, which is asked for its organisation's only where a column of the rows needs them."""
        columns = [schema.columns[name] for name in table.column_names if name in schema.columns]
        asks = any(column.places_by != "attribute" for column in columns)
        return cls(schema, client.precisions() if asks else Precisions(), currencies)

    def kept(self, table: pa.Table) -> tuple[pa.Table, tuple[Note, ...]]:
        """Mapped rows with each number as it will be stored, half away from zero, in its column's own type.

        A note says for each column how many values lost decimals. Money that keeps the decimals of its currency goes
        by the row's, as the row says it or as it is at the destination, else by the currency with the most.
        """
        notes, whole = [], table
        for at, name in enumerate(table.column_names):
            column = self.schema.columns.get(name)
            values = table.column(name)
            if column is None or not pa.types.is_decimal(values.type):
                continue
            kept = self._rounded(values, column, whole)
            notes += _notes(name, values, kept)
            table = table.set_column(at, name, kept)
        return table, tuple(notes)

    def _rounded(self, values: pa.ChunkedArray, column: Column, table: pa.Table) -> pa.ChunkedArray:
        rounded = _to(values, self.precisions.kept(column), column.type)
        if column.places_by != "currency" or len(set(self.precisions.currencies.values())) < 2:
            return rounded
        own = self._by_row(table)
        for places in [] if own is None else pc.unique(own).drop_null().to_pylist():
            mine = pc.fill_null(pc.equal(own, places), fill_value=False)
            rounded = pc.if_else(mine, _to(values, places, column.type), rounded)
        return rounded

    def _by_row(self, table: pa.Table) -> pa.Array | None:
        """The decimals of each row's currency, null where nobody says."""
        if self.currencies is not None:
            return self.currencies.places(table, self.precisions)
        return places_by_code(table, self.precisions, self.schema.app) if BY_CODE in table.column_names else None


def _to(values: pa.ChunkedArray, places: int | None, kind: pa.DataType) -> pa.ChunkedArray:
    """The values with so many decimals, in a type that has room for them."""
    scale = kind.scale if places is None else min(places, kind.scale)
    rounded = cast(joined_chunks(values), pa.decimal128(kind.precision, scale)).values
    return pa.chunked_array([rounded.cast(kind)], kind)


def _notes(name: str, before: pa.ChunkedArray, after: pa.ChunkedArray) -> list[Note]:
    changed = pc.fill_null(pc.not_equal(before.cast(WIDEST), after.cast(WIDEST)), fill_value=False)
    count = pc.sum(changed).as_py() or 0
    if not count:
        return []
    first = before.filter(changed)[0].as_py()
    return [Note(name, ROUNDED, int(count), str(text_of(first)))]
