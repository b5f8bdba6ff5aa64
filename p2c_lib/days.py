"""The day of a value: a day has no zone, and a moment is the day on its own wall clock.

A moment that carries an offset or a zone (2026-01-31T00:30+02:00) is the day that its own clock shows, one in UTC (Z)
the day in UTC, and one without a zone the day it names. ``day_of`` tells the day of one value, ``days`` of a column.
A moment finer than a microsecond, which no service takes, belongs to the microsecond it lies in, before 1970 too.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import floored, text_of, texts

__all__ = ["day_of", "days", "formatted", "in_microseconds", "iso_moment", "microseconds_of", "out_of_years"]

PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
FIRST_DAY, DAY_AFTER = -719_162, 2_932_897  # 0001-01-01 and 10000-01-01, in days since 1970
YEARS = re.compile(r"%(.)", re.DOTALL)
BEFORE_1000 = 1000
ISO_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def day_of(value: object) -> date | None:
    """The day of a date, a moment or an ISO text of either; None for what names none.

    >>> day_of("2026-01-31T00:30:00+02:00"), day_of("2026-01-31"), day_of("31/01/2026")
    (datetime.date(2026, 1, 31), datetime.date(2026, 1, 31), None)
    """
    if isinstance(value, datetime):
        return value.date() if value == value else None  # pandas' NaT is a moment that equals nothing
    if isinstance(value, date):
        return value
    try:
        return iso_moment(text_of(value) or "").date()
    except ValueError:
        return None


def iso_moment(text: str) -> datetime:
    """The moment that an ISO 8601 text names, its T and Z in either case as both services take them.

    Raises ValueError for what names none.

    >>> iso_moment(" 2026-01-31t22:30:00z").isoformat()
    '2026-01-31T22:30:00+00:00'
    """
    return datetime.fromisoformat(text.strip().upper())


def formatted(day: date, form: str) -> str:
    """A day written by a form such as ``%d.%m.%Y``, years before 1000 with four digits on every system.

    >>> formatted(date(33, 4, 3), "%d.%m.%Y"), formatted(date(33, 4, 3), "%F %%Y")
    ('03.04.0033', '0033-04-03 %Y')
    """
    if day.year >= BEFORE_1000:
        return day.strftime(form)
    spelt = {"Y": f"{day.year:04}", "G": f"{day.isocalendar().year:04}", "F": f"{day.year:04}-{day:%m-%d}"}
    return day.strftime(YEARS.sub(lambda part: spelt.get(part[1], part[0]), form))


def days(values: pa.Array) -> pa.Array:
    """The day of each value of a column, as ``day_of`` tells it; null for what names none."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return days(values.dictionary).take(values.indices)
    if pa.types.is_date64(kind):
        return floored(values.cast(pa.int64()), PER_DAY["ms"]).cast(pa.int32()).cast(pa.date32())
    if pa.types.is_date(kind):
        return values
    if pa.types.is_timestamp(kind):
        return _wall_clock(values).cast(pa.date32(), safe=False)
    return _of_texts(pc.utf8_trim_whitespace(texts(values)))


def out_of_years(values: pa.Array) -> pa.Array | None:
    """Which days and moments of a column are outside the years 1 to 9999; None where none is."""
    kind = values.type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    unit = PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit] if not pa.types.is_date32(kind) else 1
    counts = values.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(pa.int64())
    if unit >= PER_DAY["ns"]:
        return None  # 64 bits of nanoseconds end in the year 2262
    beyond = pc.or_(pc.less(counts, FIRST_DAY * unit), pc.greater_equal(counts, DAY_AFTER * unit))
    beyond = pc.fill_null(beyond, fill_value=False)
    return beyond if pc.any(beyond).as_py() else None


def in_microseconds(values: pa.Array) -> pa.Array:
    """Moments counted in nanoseconds as microseconds, rounded down; coarser ones are the same column.

    >>> in_microseconds(pa.array([-1, None], pa.int64()).cast(pa.timestamp("ns"))).cast(pa.int64()).to_pylist()
    [-1, None]
    """
    kind = values.type
    if not pa.types.is_timestamp(kind) or kind.unit != "ns":
        return values
    return floored(values.cast(pa.int64()), 1000).cast(pa.timestamp("us", kind.tz))


def microseconds_of(value: datetime) -> datetime:
    """One moment as ``in_microseconds`` has it; pandas' moments count nanoseconds."""
    finer: Any = value
    found: datetime = finer.to_pydatetime(warn=False) if hasattr(value, "nanosecond") else value
    return found


def _wall_clock(values: pa.Array) -> pa.Array:
    """Moments as their own clock shows them; UTC needs no list of zones."""
    zone = values.type.tz
    if zone is None or zone.upper() in {"UTC", "Z", "+00:00", "ETC/UTC", "GMT"}:
        return values.cast(pa.timestamp(values.type.unit))
    return pc.local_timestamp(values)


def _of_texts(text: pa.Array) -> pa.Array:
    if pc.all(pc.match_substring_regex(text, ISO_DAY)).as_py() in {True, None}:
        try:
            found = text.cast(pa.date32())
            beyond = out_of_years(found)  # Arrow reads the year 0000 too, which is none
            return found if beyond is None else pc.if_else(beyond, pa.scalar(None, pa.date32()), found)
        except pa.ArrowInvalid:  # the 30th of February
            pass
    return pa.array([None if value is None else day_of(value) for value in text.to_pylist()], pa.date32())
