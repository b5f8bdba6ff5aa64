"""One query value for both systems, and what a read gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.odata.notes import Note, narrowed
from p2c_lib.odata.schema import EntitySchema

__all__ = ["Expand", "Page", "Query"]


@dataclass(frozen=True)
class Expand:
    """The one row a navigation leads to: which of its columns, and further navigations from there.

    ``path`` is the beginning of its columns' names in the table (``customerid.account``).
    """

    path: str
    navigation: str
    schema: EntitySchema
    select: tuple[str, ...]
    expand: tuple[Expand, ...] = ()


@dataclass(frozen=True)
class Query:
    """What to read from one entity set; names are columns of its schema, ``filter`` is the service's own text.

    ``company`` limits an F&O set to one legal entity. ``page_size`` None leaves it to the service.
    """

    entity_set: str
    select: tuple[str, ...]
    filter: str | None = None
    expand: tuple[Expand, ...] = ()
    orderby: tuple[str, ...] = ()
    top: int | None = None
    apply: str | None = None
    company: str | None = None
    page_size: int | None = None

    def order(self) -> list[tuple[str, bool]]:
        """The columns rows are sorted by, and whether downwards. Raises FrameError for a term that is no order."""
        found = []
        for term in self.orderby:
            name, *way = term.split() or [""]
            if way not in ([], ["asc"], ["desc"]):
                raise FrameError(f"'{term}' is no order.", hint=f"Write '{name}', '{name} asc' or '{name} desc'.")
            found.append((name, way == ["desc"]))
        return found


@dataclass(frozen=True)
class Page:
    """One page as a typed table: the selected columns, ``@etag``, in Sales ``@id``, and expanded columns by path.

    A large read is cut into parts whose pages come interleaved: ``part`` and ``place`` give them an order. ``notes``
    say which values could not be kept as they came.
    """

    table: pa.Table
    next_link: str | None = None
    delta_link: str | None = None
    server_count: int | None = None
    deleted: tuple[str, ...] = ()
    part: int = 0
    place: int = 0
    notes: tuple[Note, ...] = ()

    def where(self, stays: pa.Array | pa.ChunkedArray) -> Page:
        """The page with the rows only that ``stays`` is true for, and with what the notes tell of these."""
        if pc.all(stays).as_py() is not False:
            return self
        return replace(self, table=self.table.filter(stays), notes=narrowed(self.notes, stays))

    def first(self, count: int) -> Page:
        """The page with so many rows only, from its beginning."""
        return self.where(pc.less(pa.array(range(self.table.num_rows), pa.int64()), count))
