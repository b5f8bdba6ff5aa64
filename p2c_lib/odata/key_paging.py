"""F&O's pages by key: the address of what follows a page, and a large read cut into parts between keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from p2c_lib.odata.keyset import TOLD_APART, Behind, KeyOrder, NoWayOn, Row, rows_from_end
from p2c_lib.odata.literals import and_filter
from p2c_lib.odata.query import Query
from p2c_lib.odata.read import Step
from p2c_lib.odata.urls import first_url

if TYPE_CHECKING:
    from p2c_lib.odata.client import Client

__all__ = ["KeyPaging"]

Fetch = Callable[[str], bytes]


class KeyPaging:
    """The addresses of one read in the order of its key; ``query`` names every column of that order.

    ``comes_again`` turns true where a page had to be gone on from before its last row: those behind come again.
    """

    def __init__(self, client: Client, query: Query, order: KeyOrder) -> None:
        self._dialect, self._schema = client.dialect, client.schema(query.entity_set)
        self._query, self._order = replace(query, top=None), order
        self.comes_again = False
        self._together: dict[int, list[Row]] = {}
        self._last: dict[int, str] = {}  # the filter that each strand went on with
        self.parts_by_size = bool(order.terms)
        # Rows that are told apart one by one may fill a page where it is small: the next then depends on this one.
        self.remembers = bool(order.apart) and (query.page_size or TOLD_APART) < TOLD_APART

    def step(self, strand: int, within: str | None, borders: list[str]) -> Step:
        """From a page of a strand to what is sorted behind its last row and ``within``; ``borders`` gets the filters.

        A page without rows, which has none to go on from, leads where its own link does.
        """

        before = self._together.setdefault(strand, [])

        def onward(body: bytes, link: str) -> str:
            rows = rows_from_end(body, self._query.entity_set)
            last = next(rows, None)
            if last is None:
                return link
            behind = self._behind(chain([last], rows, tuple(before)))
            if behind.again and behind.filter == self._last.get(strand):
                raise self._no_way_on("no row of a page can be gone on from, for the keys of all are no text.")
            self._last[strand] = behind.filter
            before[:] = behind.together
            self.comes_again = self.comes_again or behind.again
            borders.append(behind.filter)
            return self._url(self._query, behind.filter, within)

        return onward

    def _behind(self, rows: Iterator[Row]) -> Behind:
        try:
            return self._order.after(rows)
        except NoWayOn as error:
            raise self._no_way_on(error.message) from None

    def _no_way_on(self, said: str) -> NoWayOn:
        target, hint = (
            self._query.entity_set,
            "Correct these keys at the source, or leave their rows out.",
        )
        return NoWayOn(f"{target}: {said}", target=target, hint=hint)

    def parts(self, behind: str, rows: int, most: int, fetch: Fetch) -> list[tuple[str, str | None]]:
        """First addresses of parts of what is ``behind`` a key, of about so many rows, with the filter each is within.

        A border is looked for behind the one before, so that the borders are in the service's own order whatever is
        written meanwhile, and no row is in two parts; the last part has no end.
        """
        found: list[tuple[str, str | None]] = []
        self._together[1] = list(self._together.get(0, ()))  # the first part goes on from the first page
        for _ in range(most - 1):
            border = self._row_behind(behind, rows - 1, fetch)
            if border is None:
                break
            within = self._order.until(border)
            found.append((self._url(self._query, behind, within), within))
            behind = self._order.past(border)
        return [*found, (self._url(self._query, behind), None)]

    def _row_behind(self, behind: str, skipped: int, fetch: Fetch) -> Row | None:
        probe = replace(self._query, select=self._order.columns, expand=(), page_size=None)
        return next(rows_from_end(fetch(f"{self._url(probe, behind)}&$skip={skipped}&$top=1"), probe.entity_set), None)

    def _url(self, query: Query, *texts: str | None) -> str:
        return first_url(replace(query, filter=and_filter(query.filter, *texts)), self._schema, self._dialect)
