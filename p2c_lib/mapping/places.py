"""Numbers with the decimals the destination keeps, so that what is compared is what will be stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.keys import folded
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.chain import joined_chunks
from p2c_lib.odata.notes import ROUNDED, Note
from p2c_lib.odata.precision import Precisions
from p2c_lib.odata.schema import Column, EntitySchema

if TYPE_CHECKING:
    from p2c_lib.odata import Client

__all__ = ["CURRENCY", "Places", "wide_type"]

WIDE, WIDEST = pa.decimal128(38, 16), pa.decimal256(76, 16)
CURRENCY = "transactioncurrencyid.isocurrencycode"


def wide_type(kind: pa.DataType) -> pa.DataType:
    """The type numbers are mapped in: with room for every decimal a source has, so that they are rounded once."""
    roomy = pa.types.is_decimal(kind) and kind.precision - kind.scale >= WIDE.precision - WIDE.scale
    return WIDE if roomy else kind


@dataclass(frozen=True)
class Places:
    """What a destination keeps of numbers, by its metadata and by what its organisation and currencies say."""

    schema: EntitySchema
    precisions: Precisions

    @classmethod
    def of(cls, client: Client, schema: EntitySchema, table: pa.Table) -> Places:
        """The places of a service, which is asked for its organisation's only where a column of the rows needs them."""
        columns = [schema.columns[name] for name in table.column_names if name in schema.columns]
        asks = any(column.places_by != "attribute" for column in columns)
        return cls(schema, client.precisions() if asks else Precisions())

    def kept(self, table: pa.Table) -> tuple[pa.Table, tuple[Note, ...]]:
        """Mapped rows with each number as it will be stored, half away from zero, in its column's own type.

        A note says for each column how many values lost decimals. Money that keeps the decimals of its currency goes
        by the row's, where the rows name it, else by the currency with the most.
        """
        notes = []
        for at, name in enumerate(table.column_names):
            column = self.schema.columns.get(name)
            values = table.column(name)
            if column is None or not pa.types.is_decimal(values.type):
                continue
            kept = self._rounded(values, column, table)
            notes += _notes(name, values, kept)
            table = table.set_column(at, name, kept)
        return table, tuple(notes)

    def _rounded(self, values: pa.ChunkedArray, column: Column, table: pa.Table) -> pa.ChunkedArray:
        by_currency = column.places_by == "currency" and CURRENCY in table.column_names
        if not by_currency or not self.precisions.currencies:
            return _to(values, self.precisions.kept(column), column.type)
        currencies = folded(table.column(CURRENCY), self.schema.app)  # a lookup names its row as keys are compared
        rounded = _to(values, self.precisions.kept(column), column.type)
        for places in sorted(set(self.precisions.currencies.values())):
            codes = [code for code, kept in self.precisions.currencies.items() if kept == places]
            own = pc.is_in(currencies, value_set=folded(pa.array(codes, pa.string()), self.schema.app))
            rounded = pc.if_else(own, _to(values, places, column.type), rounded)
        return rounded


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
