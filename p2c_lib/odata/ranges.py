"""A large Sales set cut into ranges of its creation date, so that several chains of pages run side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from p2c_lib.display import text_of
from p2c_lib.odata.literals import and_filter
from p2c_lib.waiting import threads

__all__ = ["SPLIT_COLUMN", "creation_ranges"]

SPLIT_COLUMN = "createdon"
ROUNDS = 4
FINER = 4
SECOND = timedelta(seconds=1)

Count = Callable[[str], "int | None"]


@dataclass(frozen=True)
class _Range:
    """Moments from ``start`` up to but not including ``end``, and how many rows were created then."""

    start: datetime
    end: datetime
    rows: int | None = None

    @property
    def text(self) -> str:
        return f"{SPLIT_COLUMN} ge {_stamp(self.start)} and {SPLIT_COLUMN} lt {_stamp(self.end)}"

    def parts(self, share: float) -> list[_Range]:
        """The range cut into pieces where it holds far more than its share, or too many rows to count."""
        if self.rows is not None and self.rows <= share:
            return [self]
        return _even(self.start, self.end, FINER)


def creation_ranges(
    first: datetime, last: datetime, wanted: int, count: Count, base: str | None
) -> tuple[list[str], int] | None:
    """Filters of about equally many rows that together are the whole set, and its count.

    ``first`` and ``last`` are the earliest and latest creation; ``count`` counts the rows of a filter, or gives None
    where there are too many to count. None when the set does not divide: most rows came in one second.
    """
    start, end = first.astimezone(UTC).replace(microsecond=0), last.astimezone(UTC).replace(microsecond=0) + SECOND
    counted = _counted(_even(start, end, wanted), wanted, count, base)
    if any(each.rows is None for each in counted):
        return None
    total = sum(each.rows or 0 for each in counted)
    merged = _merged(counted, total / wanted)
    if len(merged) < 2 or max(each.rows or 0 for each in merged) > total * 0.7:
        return None
    return [f"{SPLIT_COLUMN} eq null", *(each.text for each in merged)], total


def _even(start: datetime, end: datetime, pieces: int) -> list[_Range]:
    """The time from start to end in so many pieces of whole seconds, or fewer where a second is too long for that."""
    whole = int((end - start).total_seconds())
    bounds = sorted({whole * n // pieces for n in range(pieces + 1)})
    return [_Range(start + a * SECOND, start + b * SECOND) for a, b in pairwise(bounds)]


def _counted(ranges: list[_Range], wanted: int, count: Count, base: str | None) -> list[_Range]:
    """The ranges with their rows; those with far more than their share are cut and counted again."""
    with threads(2 * wanted) as pool:

        def known(each: _Range) -> _Range:
            return each if each.rows is not None else replace(each, rows=count(and_filter(base, each.text) or ""))

        for _ in range(ROUNDS):
            ranges = list(pool.map(known, ranges))
            share = 1.5 * sum(each.rows or 0 for each in ranges) / wanted
            cut = [part for each in ranges for part in each.parts(share)]
            if len(cut) == len(ranges):
                return ranges
            ranges = cut
        return list(pool.map(known, ranges))


def _merged(ranges: list[_Range], share: float) -> list[_Range]:
    """Neighbours joined so that each holds about its share of the rows."""
    merged: list[_Range] = []
    before, bucket = 0, -1
    for each in ranges:
        rows = each.rows or 0
        mine = int((before + rows / 2) / share) if share else 0
        if merged and mine <= bucket:
            last = merged.pop()
            merged.append(_Range(last.start, each.end, (last.rows or 0) + rows))
        else:
            merged.append(each)
            bucket = mine
        before += rows
    return merged


def _stamp(moment: datetime) -> str:
    return str(text_of(moment))
