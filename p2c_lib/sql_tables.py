"""Tables as DuckDB takes them: the columns of a type that it lacks, or writes in its own way, are brought there before.

Every value keeps its one text. A narrow float becomes the double its text says, a decimal of 256 bits or of negative
scale one of 128 bits where all its values fit; whatever else SQL has no equal for (spans, times, lists, structures,
bytes, days and moments beyond its calendar) goes as text.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import floored, in_sql, texts
from p2c_lib.errors import FrameError

__all__ = ["check_in_sql", "for_sql"]

MOST_DIGITS = 38
# DuckDB counts days in 32 bits and microseconds in 64, nanoseconds too; the outermost counts are its infinities.
LAST_DAY, LAST_COUNT = 2**31 - 2, 2**63 - 2
MICROSECONDS = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}
MILLISECONDS_A_DAY = 86_400_000


def for_sql(table: pa.Table) -> pa.Table:
    """The table with every column in a type that SQL holds; one that is in such a type is the same column.

    >>> for_sql(pa.table({"v": pa.array([0.1], pa.float32())})).column("v").to_pylist()
    [0.1]
    """
    for at, column in enumerate(table.schema):
        made = _held(table.column(at))
        if made.type != column.type:
            table = table.set_column(at, column.name, made)
    return table


def check_in_sql(schema: pa.Schema, names: Iterable[str], where: str) -> None:
    """Raises FrameError for the first column of a type that SQL does not hold: rows on disk are not brought there."""
    for name in names:
        kind = schema.field(name).type
        if not in_sql(kind):
            hint = "Read the rows into memory, where it is compared as text: Snapshot.read()."
            raise FrameError(f"{name} of {where} is {kind}, which cannot be compared on disk.", hint=hint)


def _held(values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return values if in_sql(kind) and kind.value_type != pa.float32() else _held(values.cast(kind.value_type))
    if pa.types.is_floating(kind):
        return values if pa.types.is_float64(kind) else texts(values).cast(pa.float64())
    if pa.types.is_decimal(kind):
        return values if in_sql(kind) else _narrow(values)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        if _beyond(values):
            return texts(values)
        return _counts(values).cast(pa.int32()).cast(pa.date32()) if pa.types.is_date64(kind) else values
    return values if in_sql(kind) else texts(values)


def _narrow(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals in 128 bits where all of them fit, else as text, which keeps every digit."""
    try:
        return values.cast(pa.decimal128(MOST_DIGITS, min(max(values.type.scale, 0), MOST_DIGITS)))
    except pa.ArrowInvalid:
        return texts(values)


def _counts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Days, or a moment's own unit, since 1970."""
    if pa.types.is_date64(values.type):
        return floored(values.cast(pa.int64()), MILLISECONDS_A_DAY)
    return values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64())


def _beyond(values: pa.ChunkedArray) -> bool:
    """Whether a day or moment is outside DuckDB's calendar."""
    kind = values.type
    counts = _counts(values)
    ends = pc.min_max(counts).as_py()
    if ends["min"] is None:
        return False
    last = LAST_COUNT // MICROSECONDS[kind.unit] if pa.types.is_timestamp(kind) else LAST_DAY
    return bool(ends["min"] < -last or ends["max"] > last)
