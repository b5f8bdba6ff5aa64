"""Paging by offset where rows cannot be gone on from by key: pages overlap, and are held together by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.held_keys import HeldKeys
from p2c_lib.odata.query import Page
from p2c_lib.odata.read import Chain

__all__ = ["overlapping"]

OVERLAP = 10
NOTHING_NEW = 100  # pages in a row: so many full pages of new rows would have to be put in front meanwhile


def overlapping(chain: Chain, url: Callable[[int], str], at: int, held: HeldKeys, target: str) -> Iterator[Page]:
    """The rows of a set that are not held, page by page, from the offset ``at`` on; ``url`` is that of an offset.

    A page counts only when its first row was read before (or it is the set's first page): then no row that stands in
    the order of the key can lie between the two. A page of one row has no room for another's: the page in front of it,
    asked for right after it, takes that row's place. Where rows in front were deleted a page begins too late, and an
    earlier one is asked for. The caller adds a page's rows to ``held`` before it takes the next.
    Raises IncompleteRead where the pages bring nothing new and do not end.
    """
    back, idle = OVERLAP, 0
    while idle <= NOTHING_NEW:
        page = chain.one(url(at))
        rows = page.table.num_rows
        if at and not (
            _begins_with_held(page, held) or (rows == 1 and _begins_with_held(chain.one(url(at - 1)), held))
        ):
            at, back, idle = max(0, at - back), 2 * back, idle + 1
            continue
        new = page.where(held.new_in(page.table))
        at += max(1, rows - min(OVERLAP, rows // 2))
        idle = 0 if new.table.num_rows else idle + 1
        back = OVERLAP
        yield new
        if page.next_link is None:
            return
    raise IncompleteRead(
        f"{target}: {NOTHING_NEW} pages in a row brought no new row, and each named a next one.",
        target=target,
        hint="Read again; if it stays, the service's paging is at fault: narrow the filter, or tell its support.",
    )


def _begins_with_held(page: Page, held: HeldKeys) -> bool:
    return page.table.num_rows > 0 and held.has_first_of(page.table)
