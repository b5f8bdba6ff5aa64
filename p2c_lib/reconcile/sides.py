"""The two sides of a comparison as DuckDB reads them: Arrow tables in memory, or Parquet snapshots on disk."""
# ruff: noqa: S608  # names and values are quoted, and the database is in memory

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa

from p2c_lib.errors import FrameError
from p2c_lib.frames import EntityFrame, row_key
from p2c_lib.keys import RowKey, add_keys
from p2c_lib.lengths import add_lengths
from p2c_lib.odata.dialect import DIALECTS
from p2c_lib.sql_tables import check_in_sql, for_sql
from p2c_lib.value_keys import add_value_keys

if TYPE_CHECKING:
    from p2c_lib.frames import Origin
    from p2c_lib.odata.schema import EntitySchema

__all__ = [
    "AT",
    "Side",
    "Snapshot",
    "arrow_schema",
    "opened",
    "pairing",
    "quoted",
    "rows_at",
    "sql_schema",
    "taken",
    "text_literal",
    "trims_texts",
]

AT = "@i"


@dataclass(frozen=True)
class Snapshot:
    """An entity frame that stays in its Parquet file: for what does not fit into memory.

    It has the columns, key and length of the frame it was written from; ``read`` brings it into memory.
    """

    path: Path
    origin: Origin
    schema: EntitySchema | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise FrameError(f"There is no snapshot {self.path}.", hint="Extract the set with a snapshot path first.")

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The columns and types in the file."""
        from pyarrow import parquet

        return parquet.read_schema(self.path)

    @cached_property
    def _rows(self) -> int:
        from pyarrow import parquet

        return int(parquet.read_metadata(self.path).num_rows)

    def __len__(self) -> int:
        return self._rows

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the integration key."""
        return self.origin.key

    def row_key(self, columns: Sequence[str] = ()) -> RowKey:
        """The integration key, or these columns, as the system compares them that the rows are meant for."""
        return row_key(self.origin, self.schema, columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the service's columns, without the workbench's own."""
        return tuple(name for name in self.arrow_schema.names if not name.startswith("@"))

    def read(self) -> EntityFrame:
        """The whole file as a frame in memory."""
        from pyarrow import parquet

        return EntityFrame(parquet.read_table(self.path), self.origin, self.schema)


Side: TypeAlias = EntityFrame | Snapshot


def arrow_schema(side: Side) -> pa.Schema:
    """The columns and types of a side."""
    return side.arrow_schema if isinstance(side, Snapshot) else side.table.schema


def trims_texts(side: Side) -> bool:
    """Whether the side's system is the one that has no null and takes blanks off the end of a text: F&O."""
    return DIALECTS[side.origin.app].empty_is_null


def sql_schema(side: Side) -> pa.Schema:
    """The columns of a side in the types that the database has them in."""
    return side.arrow_schema if isinstance(side, Snapshot) else for_sql(side.table).schema


@contextmanager
def opened(expected: Side, actual: Side, columns: Sequence[str] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views ``e`` and ``a``: the sides' columns and their row positions ``@i``.

    What does not fit into memory spills beside the snapshot; frames in memory never write a file.
    """
    database = duckdb.connect(":memory:")
    try:
        spill = next((s.path.parent / ".spill" for s in (expected, actual) if isinstance(s, Snapshot)), "")
        database.execute(f"SET temp_directory = {text_literal(str(spill))}")
        database.execute("SET enable_progress_bar = false")
        add_keys(database)
        add_lengths(database)
        add_value_keys(database)
        for name, side in (("e", expected), ("a", actual)):
            _register(database, name, side, columns)
        yield database
    finally:
        database.close()


def _register(database: duckdb.DuckDBPyConnection, name: str, side: Side, columns: Sequence[str] | None) -> None:
    if isinstance(side, Snapshot):
        check_in_sql(side.arrow_schema, columns or side.arrow_schema.names, side.path.name)
        source = f"read_parquet({text_literal(str(side.path))}, file_row_number = true)"
        database.execute(f'CREATE VIEW {name} AS SELECT * RENAME (file_row_number AS "{AT}") FROM {source}')
        return
    chosen = side.table if columns is None else side.table.select(list(columns))
    database.register(name, for_sql(chosen).append_column(AT, pa.array(np.arange(len(side)))))


def rows_at(database: duckdb.DuckDBPyConnection, name: str, side: Side, positions: np.typing.NDArray[np.int64]) -> str:
    """SQL for the rows of a side at these positions, under the side's name; a frame in memory is not scanned again."""
    chosen = f"chosen_{name}"
    if isinstance(side, Snapshot):
        database.register(chosen, pa.table({"i": positions}))
        return f'(SELECT {name}.* FROM {name} JOIN {chosen} ON {name}."{AT}" = {chosen}.i) AS {name}'
    mask = np.zeros(len(side), np.bool_)
    mask[positions] = True
    database.register(chosen, for_sql(side.table).filter(pa.array(mask)).append_column(AT, pa.array(positions)))
    return f"{chosen} AS {name}"


def taken(side: Side, column: str, positions: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """The values of a column at row positions, null where the position is."""
    if isinstance(side, EntityFrame):
        return side.table.column(column).take(positions)
    with opened(side, side) as database:
        database.register("wanted", pa.table({"n": np.arange(len(positions)), "i": positions}))
        sql = f'SELECT v FROM wanted LEFT JOIN (SELECT "{AT}" AS i, {quoted(column)} AS v FROM e) USING (i) ORDER BY n'
        return database.sql(sql).to_arrow_table().column("v")


def pairing(expected: Side, actual: Side) -> RowKey:
    """The key by which both sides pair: the expected side's columns, as the actual side's system compares them."""
    return actual.row_key(expected.key)


def quoted(name: str) -> str:
    """A column name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
