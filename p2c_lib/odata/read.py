"""Pages of a query, the next one on the wire while the last is decoded; what arrived is the whole or an error."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import blake2b

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.keyset import NoWayOn
from p2c_lib.odata.links import own_link
from p2c_lib.odata.query import Page
from p2c_lib.odata.send import Sender
from p2c_lib.waiting import Threads

__all__ = ["Chain", "Crew", "Progress", "Step", "peek_next"]

Step = Callable[[bytes, str], str]

DEPTH = 2
TRIES = 6
# Elastic tables answer a page for each of their partitions, of which there are some hundreds at the most.
EMPTY_PAGES = 1_000
# At the service's own 5,000 rows a page this is 500 million: far more than any table that is read over OData.
MOST_PAGES = 100_000
NOTHING_NEW = 100  # pages in a row: a row may come again where its order or its change is told again meanwhile
TAIL = 32_768
_TAIL_LINK = re.compile(
    rb'"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*+")\s*+(?:,\s*+"@odata\.[\w.]++"\s*+:[^,{}\[\]]++)*+\}\s*$'
)
_HEAD = re.compile(rb'^\s*\{(?:\s*"@[\w.]+"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[\d.]+|true|false)\s*,)*')
_HEAD_LINK = re.compile(rb'"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Crew:
    """The threads of a client: ``wire`` waits for answers, ``decode`` reads pages beside it."""

    wire: Threads
    decode: Threads

    def close(self) -> None:
        """Let the threads go; what they still wait for is cut short."""
        self.wire.leave()
        self.decode.leave()


@dataclass(frozen=True)
class _Ahead:
    """A page that was asked for: its URL, its decoding, its next link as its body tells, and where that leads."""

    url: str
    decoding: Future[Page]
    link: str | None
    onward: str | None


class Chain:
    """The pages that follow one another from a first URL, in order; each is asked for again when it arrives damaged.

    A page's ``next_link`` is the URL to go on from: the service's own link, or where ``step`` leads from the page's
    body and that link. A chain is not endless: see ``Progress``.
    """

    def __init__(
        self,
        sender: Sender,
        decoder: Decoder,
        crew: Crew,
        headers: Mapping[str, str],
        *,
        target: str,
        depth: int | None = None,
        step: Step | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        self._sender, self._decoder, self._crew = sender, decoder, crew
        self._headers, self._target = headers, target
        self._depth = depth or DEPTH
        self._step = step or (lambda _body, link: link)
        self._keys = tuple(keys)

    def one(self, url: str) -> Page:
        """The page at ``url``, and no other."""
        return self._page(self._begun(url, self.fetch(url)))

    def pages(self, url: str) -> Iterator[Page]:
        """The pages from ``url`` on. Raises IncompleteRead when one cannot be had whole, or they lead nowhere."""
        progress = Progress(self._target, url, self._keys)
        fetched: Future[bytes] | None = self._crew.wire.submit(self.fetch, url)
        ahead: deque[_Ahead] = deque()
        while fetched is not None or ahead:
            if fetched is not None and len(ahead) < self._depth:
                ahead.append(self._begun(url, fetched.result()))
                fetched, url = self._follow(ahead[-1].onward)
                continue
            asked = ahead.popleft()
            page = self._page(asked)
            if page.next_link != asked.onward:  # it came anew and ends elsewhere: what is under way does not follow it
                ahead.clear()
                fetched, url = self._follow(page.next_link)
            progress.check(page)
            yield page

    def fetch(self, url: str) -> bytes:
        """The body of the page at ``url``."""
        return self._sender.ask("GET", url, headers=self._headers, target=self._target).body

    def _begun(self, url: str, body: bytes) -> _Ahead:
        """The decoding of a body, and what follows it where that can be told before."""
        decoding = self._crew.decode.submit(self._decoder.page, body)
        link = peek_next(body)
        if link is not None:
            return _Ahead(url, decoding, link, self._onward(body, link))
        page = self._sound(url, lambda: self._led_on(body, decoding.result()))
        done: Future[Page] = Future()
        done.set_result(page)
        return _Ahead(url, done, page.next_link, page.next_link)

    def _page(self, asked: _Ahead) -> Page:
        return self._sound(asked.url, lambda: self._as_told(asked))

    def _as_told(self, asked: _Ahead) -> Page:
        """The page whose next link is the one that was found without reading it."""
        page = asked.decoding.result()
        if page.next_link != asked.link:
            raise TwoLinks(f"{self._target}: a page names two next pages.", target=self._target)
        return replace(page, next_link=asked.onward)

    def _sound(self, url: str, first: Callable[[], Page]) -> Page:
        """The decoded page; one that is cut short is asked for again a few times."""
        for attempt in range(TRIES):
            try:
                return first() if attempt == 0 else self._anew(url)
            except (TwoLinks, NoWayOn):
                raise
            except IncompleteRead:
                if attempt + 1 == TRIES:
                    raise
        raise IncompleteRead(f"{self._target}: a page did not arrive.", target=self._target)

    def _anew(self, url: str) -> Page:
        body = self.fetch(url)
        return self._led_on(body, self._decoder.page(body))

    def _led_on(self, body: bytes, page: Page) -> Page:
        return page if page.next_link is None else replace(page, next_link=self._onward(body, page.next_link))

    def _onward(self, body: bytes, link: str) -> str:
        return self._step(body, own_link(link, self._sender.connection.url, self._target))

    def _follow(self, url: str | None) -> tuple[Future[bytes] | None, str]:
        return (None, "") if url is None else (self._crew.wire.submit(self.fetch, url), url)


class TwoLinks(IncompleteRead):
    """A page that names two next pages is not asked for again: somebody made it so."""


class Progress:
    """Holds the pages of a chain against going nowhere.

    A chain ends with IncompleteRead when an address comes again, when a page begins with the same row in the same
    version as an earlier one (of finitely many rows an endless chain must repeat one), after ``NOTHING_NEW`` pages in a
    row that each begin with a row, told by its ``keys``, that an earlier one began with in whatever version, after
    ``EMPTY_PAGES`` pages in a row without any row, and after ``MOST_PAGES`` pages.

    What is kept to compare with is an address, a digest and a key for each page: it grows with the pages, not with
    their rows, and is bounded by ``MOST_PAGES``.
    """

    def __init__(self, target: str, url: str, keys: Sequence[str] = ()) -> None:
        self._target, self._names = target, tuple(keys)
        self._urls = {url}
        self._begins: set[bytes] = set()
        self._keys: set[tuple[object, ...]] = set()
        self._empty = self._pages = self._idle = 0

    def check(self, page: Page) -> None:
        """Raise IncompleteRead where this page shows that the chain goes nowhere."""
        self._pages += 1
        if page.next_link is None:
            return
        if page.next_link in self._urls:
            raise self._nowhere("the pages go in a circle")
        self._urls.add(page.next_link)
        if self._pages >= MOST_PAGES:
            raise self._nowhere(f"{self._pages:,} pages came and there is no end")
        begins = _begins(page)
        self._empty = 0 if begins else self._empty + 1
        if self._empty > EMPTY_PAGES:
            raise self._nowhere(f"{self._empty:,} pages in a row were empty, and each named a next one")
        version = blake2b(repr(begins).encode(), digest_size=16).digest()
        # a row may be deleted, created and deleted again while its changes are told: that is told by its key
        if page.table.num_rows and version in self._begins:
            raise self._nowhere("a page brings the same rows as an earlier one")
        self._begins.add(version)
        self._check_key(page)

    def _check_key(self, page: Page) -> None:
        key = _first_key(page, self._names)
        if not key:
            return
        self._idle = self._idle + 1 if key in self._keys else 0
        if self._idle >= NOTHING_NEW:
            raise self._nowhere(f"{self._idle:,} pages in a row brought rows that had come before")
        self._keys.add(key)

    def _nowhere(self, said: str) -> IncompleteRead:
        return IncompleteRead(
            f"{self._target}: {said}.",
            target=self._target,
            hint="Read again; if it stays, the service's paging is at fault: narrow the filter, or tell its support.",
        )


def _begins(page: Page) -> tuple[object, ...]:
    """What a page begins with: its first row, or the first of its deletions; nothing for an empty one."""
    if page.table.num_rows:
        return tuple(column[0].as_py() for column in page.table.columns)
    return ("deleted", page.deleted[0]) if page.deleted else ()


def _first_key(page: Page, names: Sequence[str]) -> tuple[object, ...]:
    """The key of a page's first row, or the id of its first deletion; nothing where the page or the read has none."""
    if page.table.num_rows:
        return tuple(page.table.column(name)[0].as_py() for name in names)
    return ("deleted", page.deleted[0]) if page.deleted else ()


def peek_next(body: bytes) -> str | None:
    """The next link as it stands at the end or the beginning of a page, found without decoding the page."""
    found = _TAIL_LINK.search(body, max(0, len(body) - TAIL))
    if found is None:
        head = _HEAD.match(body[:TAIL])
        found = _HEAD_LINK.search(head.group(0)) if head else None
    if found is None:
        return None
    try:
        return str(json.loads(found.group(1)))
    except ValueError:
        return None
