"""An entity set as a typed, provenance-carrying table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.keys import RowKey
from p2c_lib.secrecy import keep_public

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.odata.notes import Note
    from p2c_lib.odata.schema import EntitySchema

__all__ = ["EntityFrame", "EntityQuery", "Origin", "row_key"]

SYSTEM = "@"


@dataclass(frozen=True)
class EntityQuery:
    """What to read: an entity set, columns by path, the integration key and a filter in the service's own words.

    A path is a column (``name``), a column of the row a lookup points to (``transactioncurrencyid.isocurrencycode``),
    or, where a lookup may point to several tables, ``customerid.account.accountnumber``.
    """

    app: str
    entity: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    filter: str | None = None

    def __post_init__(self) -> None:
        """Names of sets and columns are no secrets, whatever a service may give as a token."""
        keep_public(self.entity, *self.columns)


@dataclass(frozen=True)
class Origin:
    """Where a frame came from and whether it is the whole.

    ``complete`` is false when rows were left out (a filter, a company, a limit): nothing may be concluded from a row's
    absence then; ``note`` says why in words. ``user`` is who read it, as the service names him. ``changed`` tells, for
    each column, the values that could not be kept as they came: rounded, too large, of no year, or no well-formed text.
    """

    app: str
    url: str
    organisation: str
    company: str | None
    entity_set: str
    query: str
    key: tuple[str, ...]
    read_at: datetime
    server_count: int | None
    complete: bool
    note: str
    user: str = ""
    changed: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The origin as plain values."""
        parts = dict(vars(self))
        changed = [note.to_dict() for note in self.changed]
        return parts | {"key": list(self.key), "read_at": self.read_at.isoformat(), "changed": changed}


@dataclass(frozen=True)
class EntityFrame:
    """Rows of one entity set in Arrow, with where they came from.

    Columns whose name begins with ``@`` belong to the workbench (``@etag``, ``@id``) and never appear in ``df``.
    """

    table: pa.Table
    origin: Origin
    schema: EntitySchema | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return int(self.table.num_rows)

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
        return tuple(name for name in self.table.column_names if not name.startswith(SYSTEM))

    @property
    def df(self) -> pd.DataFrame:
        """The rows as pandas with Arrow-backed columns: integers keep their nulls, money stays decimal."""
        import pandas as pd

        frame: pd.DataFrame = self.table.select(list(self.columns)).to_pandas(types_mapper=pd.ArrowDtype)
        return frame

    def labels(self, column: str) -> pa.ChunkedArray:
        """The labels of a choice column's values, row by row; a value without a label shows as itself.

        Several choices are joined with a semicolon: ``Red; Blue``.

        Raises UnknownName for a column that is none, FrameError for one without choices.
        """
        if column not in self.columns:
            raise UnknownName("column", column, self.columns, where=repr(self))
        known = self.schema.columns.get(column) if self.schema else None
        choices = known.choices if known else None
        if known is None or choices is None:
            raise FrameError(f"{column} is no choice.", hint="Its values stand for themselves.")
        values = self.table.column(column).combine_chunks().dictionary_encode()
        words = [known.label_of(value) for value in values.dictionary.to_pylist()]
        return pa.chunked_array([pc.take(pa.array(words, pa.string()), values.indices)])

    def with_table(self, table: pa.Table) -> EntityFrame:
        """The same origin over other rows or columns."""
        return replace(self, table=table)

    def to_dict(self) -> dict[str, Any]:
        """Origin, row count and column types as plain values."""
        types = {name: str(self.table.schema.field(name).type) for name in self.columns}
        return {"origin": self.origin.to_dict(), "rows": len(self), "columns": types}

    def __repr__(self) -> str:
        origin = self.origin
        whole = "complete" if origin.complete else f"part: {origin.note}"
        size = f"{len(self):,} rows x {len(self.columns)} columns"
        changed = sum(note.count for note in origin.changed)
        told = f", {changed:,} values not as they came" if changed else ""
        return f"EntityFrame({origin.app} {origin.entity_set}, {size}, {whole}{told})"

    def _repr_html_(self) -> str:
        from p2c_lib.frame_html import frame_html

        return frame_html(self)


def row_key(origin: Origin, schema: EntitySchema | None, columns: Sequence[str] = ()) -> RowKey:
    """The key of rows as their system compares it: the one the schema is of (mapped rows have the destination's), else
    the one they came from. Without ``columns`` it is the integration key."""
    named = tuple(columns or origin.key)
    return RowKey(named, origin.app) if schema is None else RowKey.within(schema, named)
