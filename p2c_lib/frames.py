"""An entity set as a typed, provenance-carrying table; its key as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError, UnknownName

if TYPE_CHECKING:
    import pandas as pd

    from p2c_lib.odata.notes import Note
    from p2c_lib.odata.schema import EntitySchema

__all__ = ["EntityFrame", "EntityQuery", "Origin", "key_text", "plain_number"]

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


@dataclass(frozen=True)
class Origin:
    """Where a frame came from and whether it is the whole.

    ``complete`` is false when rows were left out (a filter, a company, a limit): nothing may be concluded from a row's
    absence then; ``note`` says why in words. ``user`` is who read it, as the service names him. ``changed`` tells, for
    each column, the values that could not be kept as they came: rounded, too large, or no well-formed text.
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

        Raises UnknownName for a column that is none, FrameError for one without choices.
        """
        if column not in self.columns:
            raise UnknownName("column", column, self.columns, where=repr(self))
        choices = self.schema.columns[column].choices if self.schema and column in self.schema.columns else None
        if choices is None:
            raise FrameError(f"{column} is no choice.", hint="Its values stand for themselves.")
        values = self.table.column(column).combine_chunks().dictionary_encode()
        words = [choices.get(value, str(value)) for value in values.dictionary.to_pylist()]
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


def key_text(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """The normalised key of every row: its values trimmed, casefolded and joined with ``|``; null where a part is null.

    Whole numbers read the same in every type (1, 1.0 and decimal 1.0000 are ``1``). In a key of several columns a
    ``|`` inside a value is written ``\\|``, so that two different keys never share a text.

    >>> key_text(pa.table({"q": [" QUO-1 ", None], "n": [1, 2]}), ["q", "n"]).to_pylist()
    ['quo-1|1', None]
    """
    if not key:
        raise FrameError("A key needs at least one column.", hint="Name the integration key of the template.")
    for name in key:
        if name not in table.column_names:
            raise UnknownName("key column", name, [c for c in table.column_names if not c.startswith(SYSTEM)])
    parts = [_normal_text(table.column(name)) for name in key]
    if len(parts) > 1:
        parts = [pc.replace_substring(pc.replace_substring(p, "\\", "\\\\"), "|", "\\|") for p in parts]
        joined = pc.binary_join_element_wise(*parts, "|", null_handling="emit_null")
    else:
        joined = parts[0]
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def plain_number(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Fractional numbers as text without the zeros that only fill a scale.

    >>> plain_number(pa.array(["-2.0000", "10.50", "100"]).cast(pa.decimal128(9, 4))).to_pylist()
    ['-2', '10.5', '100']
    """
    text = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    return pc.replace_substring_regex(text, r"(\.\d*[1-9])0+$", r"\1")


def _normal_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _normal_text(column.cast(kind.value_type))
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return plain_number(column)
    text = column.cast(pa.string()) if not pa.types.is_string(kind) else column
    return _casefold(pc.utf8_trim_whitespace(text))


def _casefold(text: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.utf8_lower(text)
    if pc.all(pc.string_is_ascii(text)).as_py() in {True, None}:
        return lower
    values = [None if value is None else value.casefold() for value in text.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.string())])
