"""Pages of a query, the next one on the wire while the last is decoded; what arrived is the whole or an error."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.links import own_link
from p2c_lib.odata.query import Page
from p2c_lib.odata.send import Sender

__all__ = ["Chain", "Crew", "peek_next"]

DEPTH = 2
TRIES = 6
TAIL = 32_768
_TAIL_LINK = re.compile(
    rb'"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*")\s*(?:,\s*"@odata\.[\w.]+"\s*:\s*[^,{}\[\]]+)*\}\s*$'
)
_HEAD = re.compile(rb'^\s*\{(?:\s*"@[\w.]+"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[\d.]+|true|false)\s*,)*')
_HEAD_LINK = re.compile(rb'"@odata\.nextLink"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Crew:
    """The threads of a client: ``wire`` waits for answers, ``decode`` reads pages beside it."""

    wire: ThreadPoolExecutor
    decode: ThreadPoolExecutor

    def close(self) -> None:
        """Let go of threads that have nothing left to do."""
        self.wire.shutdown(wait=False, cancel_futures=True)
        self.decode.shutdown(wait=False, cancel_futures=True)


class Chain:
    """The pages that follow one another from a first URL, in order; each is asked for again when it arrives damaged."""

    def __init__(
        self,
        sender: Sender,
        decoder: Decoder,
        crew: Crew,
        headers: Mapping[str, str],
        *,
        target: str,
        depth: int | None = None,
    ) -> None:
        self._sender, self._decoder, self._crew = sender, decoder, crew
        self._headers, self._target = headers, target
        self._depth = depth or DEPTH

    def one(self, url: str) -> Page:
        """The page at ``url``, and no other."""
        return self._whole(url, self._crew.decode.submit(self._decoder.page, self._fetch(url)))

    def pages(self, url: str) -> Iterator[Page]:
        """The pages from ``url`` on. Raises IncompleteRead when one cannot be had whole, or a link goes in circles."""
        seen = {url}
        fetched: Future[bytes] | None = self._crew.wire.submit(self._fetch, url)
        ahead: deque[tuple[str, Future[Page], str | None]] = deque()
        while fetched is not None or ahead:
            if fetched is not None and len(ahead) < self._depth:
                decoding, link = self._start_decoding(url, fetched.result())
                ahead.append((url, decoding, link))
                fetched, url = self._follow(link, seen)
                continue
            asked, decoding, link = ahead.popleft()
            page = self._whole(asked, decoding)
            if page.next_link != link:
                raise IncompleteRead(f"{self._target}: a page names two next pages.", target=self._target)
            yield page

    def _start_decoding(self, url: str, body: bytes) -> tuple[Future[Page], str | None]:
        decoding = self._crew.decode.submit(self._decoder.page, body)
        peeked = peek_next(body)
        if peeked is not None:
            return decoding, peeked
        page = self._whole(url, decoding)
        done: Future[Page] = Future()
        done.set_result(page)
        return done, page.next_link

    def _follow(self, link: str | None, seen: set[str]) -> tuple[Future[bytes] | None, str]:
        if link is None:
            return None, ""
        url = own_link(link, self._sender.connection.url, self._target)
        if url in seen:
            raise IncompleteRead(f"{self._target}: the pages go in a circle.", target=self._target)
        seen.add(url)
        return self._crew.wire.submit(self._fetch, url), url

    def _fetch(self, url: str) -> bytes:
        return self._sender.ask("GET", url, headers=self._headers, target=self._target).body

    def _whole(self, url: str, decoding: Future[Page]) -> Page:
        """The decoded page; one that is cut short is asked for again a few times."""
        for attempt in range(TRIES):
            try:
                return decoding.result() if attempt == 0 else self._decoder.page(self._fetch(url))
            except IncompleteRead:
                if attempt + 1 == TRIES:
                    raise
        raise IncompleteRead(f"{self._target}: a page did not arrive.", target=self._target)


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
