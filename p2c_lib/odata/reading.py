"""One read of a query from its first page to its last: how it is cut, how far it is, and that it is the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.count import COUNT_CAP, aggregate_count
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.literals import and_filter
from p2c_lib.odata.parallel import side_by_side
from p2c_lib.odata.query import Page, Query
from p2c_lib.odata.ranges import SPLIT_COLUMN, creation_ranges
from p2c_lib.odata.read import Chain
from p2c_lib.odata.urls import first_url, prefer

if TYPE_CHECKING:
    from p2c_lib.odata.client import Client

__all__ = ["Reading", "Strand"]

CHAINS = 8
WORTH_SPLITTING = 4


@dataclass
class Strand:
    """One chain of pages of a read: where it goes on (None when it has ended) and the rows it gave so far."""

    url: str | None
    rows: int = 0
    pages: int = 0


class Reading:
    """A read in progress. ``pages`` goes on from where the strands stand, which ``state`` tells and ``of`` restores."""

    def __init__(self, client: Client, query: Query) -> None:
        self._client, self.query = client, query
        self._schema = client.schema(query.entity_set)
        self._decoder = Decoder(query, self._schema, empty_is_null=client.dialect.empty_is_null)
        self.strands: list[Strand] = []
        self.server_count: int | None = None
        self._counted = query.top is None and query.apply is None
        self.first = first_url(query, self._schema, client.dialect, count=self._counted)

    @classmethod
    def of(cls, client: Client, query: Query, state: Mapping[str, Any]) -> Reading:
        """The read that ``state`` tells of, to be gone on with."""
        reading = cls(client, query)
        reading.strands = [Strand(**strand) for strand in state["strands"]]
        reading.server_count = state["server_count"]
        return reading

    def state(self) -> dict[str, Any]:
        """Where every strand stands, as plain values."""
        return {"server_count": self.server_count, "strands": [vars(strand).copy() for strand in self.strands]}

    @property
    def rows(self) -> int:
        """The rows of all strands so far."""
        return sum(strand.rows for strand in self.strands)

    def pages(self) -> Iterator[Page]:
        """The pages that are still to come. Raises IncompleteRead after the last one when rows are missing."""
        for page in self._pages():
            beyond = 0 if self.query.top is None else self.rows - self.query.top
            if beyond >= 0 and self.query.top is not None:
                yield replace(page, table=page.table.slice(0, page.table.num_rows - beyond))
                return
            yield page
        if self._counted:
            self.server_count = self._agreed_count()

    def _pages(self) -> Iterator[Page]:
        if not self.strands:
            first = self._first_page()
            if first is not None:
                yield first
        open_ones = [(n, strand.url) for n, strand in enumerate(self.strands) if strand.url is not None]
        if len(open_ones) == 1:
            ((number, url),) = open_ones
            for page in self._chain().pages(url):
                yield self._noted(number, page)
        elif open_ones:
            chain = self._chain(depth=1)
            for number, page in side_by_side(open_ones, chain.pages, CHAINS):
                yield self._noted(number, page)

    def _first_page(self) -> Page | None:
        """The first page where it is part of the read, once the strands are laid; None where the read is cut anew."""
        page = self._chain().one(self.first)
        said = page.server_count
        self.server_count = said if said is None or self._client.dialect.exact_count or said < COUNT_CAP else None
        if page.next_link is None or not self._may_split(page):
            self.strands = [Strand(None)]
            return self._noted(0, page)
        if self._client.dialect.may_skip:
            return self._by_offset(page)
        ranges = self._by_creation()
        if ranges is None:
            self.strands = [Strand(None)]
            return self._noted(0, page)
        self.strands = ranges
        return None

    def _may_split(self, page: Page) -> bool:
        free = self._counted and not self.query.orderby
        known = self.server_count
        return free and (known is None or known > WORTH_SPLITTING * page.table.num_rows)

    def _by_offset(self, page: Page) -> Page:
        """F&O: the first page as it is, the others by number."""
        size, total = page.table.num_rows, self.server_count or 0
        bare = first_url(self.query, self._schema, self._client.dialect)
        self.strands = [Strand(None)] + [Strand(f"{bare}&$skip={at}&$top={size}") for at in range(size, total, size)]
        return self._noted(0, replace(page, next_link=None))

    def _by_creation(self) -> list[Strand] | None:
        if SPLIT_COLUMN not in self._schema.columns:
            return None
        edges = list(self._client.crew.wire.map(self._edge, ("asc", "desc")))
        if edges[0] is None or edges[1] is None:
            return None

        def count(text: str) -> int | None:
            narrowed = replace(self.query, filter=text, expand=())
            return aggregate_count(self._client.sender, self._client.dialect, self._schema, narrowed)

        found = creation_ranges(edges[0], edges[1], CHAINS, count, self.query.filter)
        if found is None:
            return None
        filters, self.server_count = found
        cut = [replace(self.query, filter=and_filter(self.query.filter, text)) for text in filters]
        return [Strand(first_url(each, self._schema, self._client.dialect)) for each in cut]

    def _edge(self, way: str) -> datetime | None:
        """The earliest or latest creation among the rows."""
        query = Query(
            self.query.entity_set, (SPLIT_COLUMN,), filter=self.query.filter, orderby=(f"{SPLIT_COLUMN} {way}",), top=1
        )
        table = Reading(self._client, query)._first_page().table  # type: ignore[union-attr]
        found: datetime | None = table.column(SPLIT_COLUMN)[0].as_py() if table.num_rows else None
        return found

    def _noted(self, number: int, page: Page) -> Page:
        strand = self.strands[number]
        noted = replace(page, part=number, place=strand.pages)
        strand.rows += page.table.num_rows
        strand.pages += 1
        strand.url = page.next_link
        return noted

    def _chain(self, *, depth: int | None = None) -> Chain:
        client = self._client
        headers = {**client.dialect.headers, **prefer(self.query)}
        return Chain(client.sender, self._decoder, client.crew, headers, target=self.query.entity_set, depth=depth)

    def _agreed_count(self) -> int | None:
        """The service's count that agrees with the rows that came; asked anew when rows may have come or gone."""
        if self.server_count == self.rows:
            return self.server_count
        now = self._client.count(self.query)
        if now is None and self.server_count is None:
            return None
        if now == self.rows:
            return now
        said = self.server_count if now is None else now
        raise IncompleteRead(
            f"{self.query.entity_set}: {self.rows:,} rows came, but the service counts {said:,}.",
            target=self.query.entity_set,
            hint="Read again; if it stays, rows change while they are read: choose a quieter hour.",
        )
