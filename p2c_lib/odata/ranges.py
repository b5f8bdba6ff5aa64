"""A large Sales set cut into ranges of its creation date, so that several chains of pages run side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from p2c_lib.odata.literals import and_filter

__all__ = ["SPLIT_COLUMN", "creation_ranges"]

SPLIT_COLUMN = "createdon"
ROUNDS = 5
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

    def halves(self) -> list[_Range]:
        middle = (self.start + (self.end - self.start) / 2).replace(microsecond=0)
        return [_Range(self.start, middle), _Range(middle, self.end)] if middle > self.start else [self]


def creation_ranges(
    first: datetime, last: datetime, wanted: int, count: Count, base: str | None
) -> tuple[list[str], int] | None:
    """Filters of about equally many rows that together are the whole set, and its count.

    ``first`` and ``last`` are the earliest and latest creation; ``count`` counts the rows of a filter, or gives None
    where there are too many to count. None when the set does not divide: most rows came in one second.
    """
    start, end = first.astimezone(UTC).replace(microsecond=0), last.astimezone(UTC).replace(microsecond=0) + SECOND
    step = max((end - start) / wanted, SECOND)
    ranges = [_Range(start + step * n, start + step * (n + 1)) for n in range(wanted) if start + step * n < end]
    ranges = [_Range(_whole(r.start), _whole(min(r.end, end))) for r in ranges]
    ranges[-1] = _Range(ranges[-1].start, end)
    counted = _counted(ranges, wanted, count, base)
    if any(each.rows is None for each in counted):
        return None
    total = sum(each.rows or 0 for each in counted)
    merged = _merged(counted, total / wanted)
    if len(merged) < 2 or max(each.rows or 0 for each in merged) > total * 0.7:
        return None
    return [*(each.text for each in merged), f"{SPLIT_COLUMN} eq null"], total


def _counted(ranges: list[_Range], wanted: int, count: Count, base: str | None) -> list[_Range]:
    """The ranges with their rows; those with far more than their share are halved and counted again."""
    with ThreadPoolExecutor(wanted) as pool:
        for _ in range(ROUNDS):
            open_ones = [each for each in ranges if each.rows is None]
            rows = dict(
                zip(open_ones, pool.map(lambda r: count(and_filter(base, r.text) or ""), open_ones), strict=True)
            )
            ranges = [_Range(r.start, r.end, rows[r]) if r.rows is None else r for r in ranges]
            share = 1.5 * sum(r.rows or 0 for r in ranges) / wanted
            split = [r.halves() if r.rows is None or r.rows > share else [r] for r in ranges]
            if all(len(parts) == 1 for parts in split):
                break
            ranges = [part for parts in split for part in parts]
        open_ones = [each for each in ranges if each.rows is None]
        rows = dict(zip(open_ones, pool.map(lambda r: count(and_filter(base, r.text) or ""), open_ones), strict=True))
    return [_Range(r.start, r.end, rows[r]) if r.rows is None else r for r in ranges]


def _merged(ranges: list[_Range], share: float) -> list[_Range]:
    """Neighbours joined until each holds about its share; empty ones vanish into a neighbour."""
    merged: list[_Range] = []
    for each in ranges:
        if merged and (merged[-1].rows or 0) + (each.rows or 0) <= share * 1.1:
            before = merged.pop()
            merged.append(_Range(before.start, each.end, (before.rows or 0) + (each.rows or 0)))
        else:
            merged.append(each)
    return merged


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
