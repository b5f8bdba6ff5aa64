"""One read of a query from its first page to its last: how it is cut, how far it is, and that it is the whole.

What holds, whatever is written meanwhile: every row that stands from the beginning of the read to its end and does not
change is read once, and no row comes twice. Rows that come or go meanwhile may be among those read, or not.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import FrameError, IncompleteRead, Rejected
from p2c_lib.odata.count import COUNT_CAP, aggregate_count
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.held_keys import SPELT, HeldKeys
from p2c_lib.odata.key_paging import KeyPaging
from p2c_lib.odata.keyset import KeyOrder, NoWayOn
from p2c_lib.odata.literals import and_filter
from p2c_lib.odata.overlap import OVERLAP, overlapping
from p2c_lib.odata.parallel import side_by_side
from p2c_lib.odata.query import Page, Query
from p2c_lib.odata.ranges import SPLIT_COLUMN, creation_ranges
from p2c_lib.odata.read import Chain, Progress
from p2c_lib.odata.urls import first_url, prefer

if TYPE_CHECKING:
    from p2c_lib.odata.client import Client

__all__ = ["Reading", "Strand"]

CHAINS = 8
WORTH_SPLITTING = 4
AGAIN = 12  # a row that stands for one page only is missed by all of these once in a hundred thousand times
LEAST_AGAIN, ROWS_AGAIN = 2, 50_000
MOVED = "rows came or went while it was read"


@dataclass
class Strand:
    """One chain of pages of a read: where it goes on (None when it has ended) and the rows it gave so far.

    ``within`` is the filter that keeps a strand of F&O from the rows of the next.
    """

    url: str | None
    rows: int = 0
    pages: int = 0
    within: str | None = None


class Reading:
    """A read in progress. ``pages`` goes on from where the strands stand, which ``state`` tells and ``of`` restores.

    F&O is paged by key, since its offsets shift with every row that comes or goes; where a key has no order the pages
    overlap instead. Dataverse's own links go by key already.
    """

    def __init__(self, client: Client, query: Query) -> None:
        self._client, self.query = client, query
        self._schema = client.schema(query.entity_set)
        by_key = client.dialect.may_skip and not query.apply
        order = KeyOrder.of(query, self._schema) if by_key else None
        keys = self._schema.key if by_key else () if query.apply else ("@id",)
        wanted = (*(order.columns if order is not None else ()), *(keys if by_key else ()))
        added = tuple(name for name in dict.fromkeys(wanted) if name not in query.select)
        self._wide = replace(query, select=(*query.select, *added))
        self._added = (*added, *((SPELT,) if keys else ()))
        self._counted = query.top is None and query.apply is None
        self.first = first_url(self._wide, self._schema, client.dialect, count=self._counted)
        empty_is_null = client.dialect.empty_is_null
        self._decoder = Decoder(self._wide, self._schema, empty_is_null=empty_is_null, spelt=bool(keys))
        self._paging = KeyPaging(client, self._wide, order) if order is not None else None
        self._keys = (*keys, SPELT) if keys else ()
        self._held = HeldKeys(keys, client.dialect.app) if keys else None
        self._overlaps = by_key and order is None and bool(keys)
        self._resumed = False  # then the keys of the pages before are not among those held
        self.strands: list[Strand] = []
        self.server_count: int | None = None
        self.note = ""

    @classmethod
    def of(cls, client: Client, query: Query, state: Mapping[str, Any]) -> Reading:
        """The read that ``state`` tells of, to be gone on with."""
        reading = cls(client, query)
        reading.strands = [Strand(**strand) for strand in state["strands"]]
        reading.server_count = state["server_count"]
        reading._resumed = bool(reading.strands)
        return reading

    def state(self) -> dict[str, Any]:
        """Where every strand stands, as plain values; no strand where a read can only be begun anew."""
        anew = self._comes_again or self._overlaps or (self._paging is not None and self._paging.remembers)
        strands = [] if anew else [vars(strand).copy() for strand in self.strands]
        return {"server_count": self.server_count, "strands": strands}

    @property
    def _comes_again(self) -> bool:
        """Whether a row may come twice: one whose order changes meanwhile comes again further on."""
        return bool(self.query.orderby) or (self._paging is not None and self._paging.comes_again)

    @property
    def rows(self) -> int:
        """The rows of all strands so far."""
        return sum(strand.rows for strand in self.strands)

    @property
    def ended(self) -> bool:
        """Whether no strand goes on."""
        return bool(self.strands) and all(strand.url is None for strand in self.strands)

    @property
    def of_one_answer(self) -> bool:
        """Whether all came at once, so that its count is of the same moment."""
        return self.ended and sum(strand.pages for strand in self.strands) == 1

    def pages(self) -> Iterator[Page]:
        """The pages that are still to come. Raises IncompleteRead after the last one when rows are missing."""
        for number, wide in self._wide_pages():
            page = self._noted(number, wide)
            beyond = 0 if self.query.top is None else self.rows - self.query.top
            if beyond >= 0 and self.query.top is not None:
                yield page.first(page.table.num_rows - beyond)
                break
            yield page
        if self._held is not None and not self._held.distinct():
            raise self._incomplete("a row came twice, under two next links")
        if self._counted:
            yield from self._agreed()
        elif self.query.top is not None and self.query.apply is None and self.rows < self.query.top:
            yield from self._up_to(self.query.top)

    def _wide_pages(self) -> Iterator[tuple[int, Page]]:
        """The pages with the number of their strand, and with the columns that only the paging needs."""
        if not self.strands:
            first = self._first_page()
            if first is not None:
                yield 0, first
        open_ones = [(n, strand.url) for n, strand in enumerate(self.strands) if strand.url is not None]
        if not open_ones:
            return
        if self._overlaps:
            yield from self._overlapping()
        elif self.query.top is not None and self._paging is not None:
            yield from self._to_the_top()
        elif len(open_ones) == 1:
            yield from self._one_strand(*open_ones[0])
        else:
            yield from self._parts(open_ones)

    def _parts(self, starts: Sequence[tuple[int, str]]) -> Iterator[tuple[int, Page]]:
        """Strands side by side; one that no address leads on in is read to its end in pages that overlap."""
        stuck: dict[int, str] = {}

        def pages(number: int, url: str) -> Iterator[Page]:
            try:
                yield from self._chain(number, depth=1).pages(url)
            except NoWayOn:
                stuck[number] = url

        yield from side_by_side(starts, pages, CHAINS)
        for number, url in sorted(stuck.items()):
            yield from self._overlapping(number, url)

    def _one_strand(self, number: int, url: str) -> Iterator[tuple[int, Page]]:
        before = self.strands[number].pages
        try:
            for page in self._chain(number).pages(url):
                yield number, page
        except (Rejected, NoWayOn) as error:  # the service does not compare this key by size, or it has no text to name
            if self._paging is None or (self.strands[number].pages > before and not isinstance(error, NoWayOn)):
                raise
            yield from self._overlapping()

    def _overlapping(self, number: int = -1, start: str = "") -> Iterator[tuple[int, Page]]:
        """Pages that overlap, of the whole set or of the part that begins at ``start``.

        Raises IncompleteRead for a read that was cut off: its keys are not here any more.
        """
        if self._held is None or self._resumed:
            raise self._incomplete("the read cannot be gone on with where it was cut off")
        self._overlaps, self._paging = True, None
        bare = start or first_url(replace(self._wide, top=None), self._schema, self._client.dialect)
        strand = self.strands[number]

        def url(at: int) -> str:
            return f"{bare}&$skip={at}" if at else bare

        at, target = max(0, strand.rows - OVERLAP), self.query.entity_set
        for page in overlapping(self._chain(None), url, at, self._held, target):
            yield number % len(self.strands), page

    def _to_the_top(self) -> Iterator[tuple[int, Page]]:
        """F&O's first rows beyond a page: each further page is asked for no more than what is left."""
        strand, top = self.strands[0], self.query.top or 0
        progress = Progress(self.query.entity_set, self.first, self._keys)
        while strand.url is not None and strand.rows < top:
            try:
                page = self._chain(0).one(_with_top(strand.url, top - strand.rows))
            except (Rejected, NoWayOn) as error:
                if strand.pages > 1 and not isinstance(error, NoWayOn):
                    raise
                yield from self._overlapping()
                return
            progress.check(page)
            wanted = top - strand.rows
            yield 0, page
            if self.ended and strand.rows < top and page.table.num_rows >= wanted:
                # It was full of rows that came before: what is behind them was cut off by the option.
                yield from self._overlapping()
                return

    def _first_page(self) -> Page | None:
        """The first page where it is part of the read, once the strands are laid; None where the read is cut anew."""
        self.strands, borders = [Strand(None)], list[str]()
        try:
            page = self._chain(0, borders=borders).one(self.first)
        except NoWayOn:
            self._overlaps, self._paging = True, None
            page = self._chain(None).one(self.first)
        said = page.server_count
        self.server_count = said if said is None or self._client.dialect.exact_count or said < COUNT_CAP else None
        if page.next_link is None or not self._may_split(page):
            return page
        if self._client.dialect.may_skip:
            return self._by_key(page, borders[-1]) if self._paging is not None and borders else page
        ranges = self._by_creation()
        if ranges is None:
            return page
        self.strands = ranges
        return None

    def _may_split(self, page: Page) -> bool:
        free = self._counted and not self.query.orderby and page.table.num_rows > 0
        known = self.server_count
        return free and (known is None or known > WORTH_SPLITTING * page.table.num_rows)

    def _by_key(self, page: Page, behind: str) -> Page:
        """F&O: the first page as it is, and what is behind it in parts between keys that the service names."""
        paging, size = self._paging, page.table.num_rows
        pages = -(-((self.server_count or 0) - size) // size)
        most = min(CHAINS, pages)
        if paging is None or not paging.parts_by_size or most < 2:
            return page
        try:
            parts = paging.parts(behind, -(-pages // most) * size, most, self._chain(None).fetch)
        except (Rejected, FrameError, IncompleteRead):
            # The service does not compare this key by size, or a border cannot be named, or was told in half an answer.
            return page
        self.strands = [Strand(None), *(Strand(url, within=within) for url, within in parts)]
        return replace(page, next_link=None)

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
        filters, counted = found
        self.server_count = counted if self.server_count is None else self.server_count
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
        """The page as it is handed over: its place, no row that came before, and only what was asked for."""
        strand = self.strands[number]
        if self._held is not None:
            page = page.where(self._held.new_in(page.table)) if self._comes_again else page
            self._held.add(page.table)
        noted = replace(page, table=page.table.drop_columns(list(self._added)), part=number, place=strand.pages)
        strand.rows += page.table.num_rows
        strand.pages += 1
        strand.url = page.next_link
        return noted

    def _chain(self, number: int | None, *, depth: int | None = None, borders: list[str] | None = None) -> Chain:
        """Pages as a strand goes on; without its number, as the service's own links do."""
        client, target = self._client, self.query.entity_set
        step = None
        if self._paging is not None and number is not None:
            step = self._paging.step(number, self.strands[number].within, borders if borders is not None else [])
        apart = self._overlaps and (self.query.page_size or OVERLAP) < 2 * OVERLAP  # too small to overlap
        headers = {**client.dialect.headers, **({} if apart else prefer(self.query))}
        return Chain(
            client.sender,
            self._decoder,
            client.crew,
            headers,
            target=target,
            depth=depth,
            step=step,
            keys=self._keys,
        )

    def _agreed(self) -> Iterator[Page]:
        """Hold the rows against the service's counts before and after the read; both may have moved, the rows too.

        Where the rows are fewer or more than either count it is looked at again, and rows that are missing come then.
        A read that was gone on with knows too few of its keys for that: it is held to be whole, as its pages go by key,
        where another read agrees with the counts.
        """
        if self.server_count == self.rows:
            return
        counts = _known(self.server_count, self._client.count(self.query))
        if counts and not min(counts) <= self.rows <= max(counts):
            counts = self._vouched_for(counts) if self._resumed else (yield from self._looked_again(counts))
        if counts:
            agreed = counts[-1] == self.rows
            self.server_count, self.note = (self.rows, "") if agreed else (None, MOVED)

    def _vouched_for(self, counts: list[int]) -> list[int]:
        """The counts and one more. Raises IncompleteRead where another read, from the beginning on, is not whole."""
        for _ in Reading(self._client, self.query).pages():
            pass
        return _known(*counts, self._client.count(self.query))

    def _looked_again(self, counts: list[int]) -> Generator[Page, None, list[int]]:
        """The rows that other reads have and this one has not, and the counts as they were asked for.

        Where somebody writes all the time a count may stand still, and a row may come and go between any two pages: so
        it is read again until what was seen to move explains the count, or one answer that has count and rows alike
        shows that none is missing. Fewer rows than were counted at any time are never explained.
        Raises IncompleteRead where neither comes to pass: the count is wrong, or rows are kept back.
        """
        moved = read = rounds = 0
        last = self._held.copy() if self._held is not None else None
        while last is not None and (rounds < LEAST_AGAIN or (rounds < AGAIN and read < ROWS_AGAIN)):
            other = yield from self._again()
            rounds += 1
            if self.rows < other.rows:  # every row of the other is held here by now: two of its keys count as one
                raise self._incomplete(f"{self.rows:,} rows came, and then {other.rows:,}")
            if other._held is not None:
                moved, last = max(moved, other._held.apart_from(last)), other._held
            counts = _known(*counts, self._client.count(self.query))
            if other.of_one_answer and other.server_count == other.rows <= max(counts):
                return counts
            if self.rows >= min(counts) and _explained(other.rows, counts, moved):
                return counts
            read += other.rows
        raise self._incomplete(f"{self.rows:,} rows came, but the service counts {counts[-1]:,}")

    def _up_to(self, top: int) -> Iterator[Page]:
        """The rows of a read that ended before its limit, where the service has more than came.

        Where somebody makes rows all the time each look finds new ones, and the next count more again: so the rows are
        held against the counts on either side of a look. Raises IncompleteRead where the last look leaves them fewer
        than both.
        """
        whole = replace(self.query, top=None)
        counted = self._client.count(whole)
        for _ in range(LEAST_AGAIN + 1):
            if counted is None or self.rows >= min(counted, top):
                return
            for page in self._again():
                beyond = max(0, self.rows - top)
                yield page.first(page.table.num_rows - beyond)
                if beyond:
                    return
            if self.rows >= min(counted, top):
                return
            counted = self._client.count(whole)
        if counted is not None and self.rows < min(counted, top):
            raise self._incomplete(f"{self.rows:,} of the first {top:,} rows came, but the service counts {counted:,}")

    def _again(self) -> Generator[Page, None, Reading]:
        """The rows of another read that this one has not, and that read."""
        other, number = Reading(self._client, replace(self.query, page_size=None)), len(self.strands)
        self.strands.append(Strand(None))
        for part, wide in other._wide_pages():
            new = wide.where(self._held.new_in(wide.table)) if self._held is not None else wide
            other._noted(part, wide)
            if new.table.num_rows:
                yield self._noted(number, replace(new, next_link=None))
        return other

    def _incomplete(self, said: str) -> IncompleteRead:
        return IncompleteRead(
            f"{self.query.entity_set}: {said}.",
            target=self.query.entity_set,
            hint="Read again; if it stays, rows change while they are read: choose a quieter hour.",
        )


def _with_top(url: str, rows: int) -> str:
    """An address with another limit: the service's own links have one too."""
    path, _, options = url.partition("?")
    others = [each for each in options.split("&") if not each.lower().startswith(("$top=", "%24top="))]
    return f"{path}?{'&'.join([*others, f'$top={rows}'])}"


def _explained(came: int, counts: Sequence[int], moved: int) -> bool:
    """Whether rows that were seen to come and go, or a count that was, explain that others came than are counted."""
    leeway = moved + max(counts) - min(counts)
    return min(counts[-2:]) - leeway <= came and (leeway > 0 or came <= max(counts[-2:]))


def _known(*counts: int | None) -> list[int]:
    return [count for count in counts if count is not None]
