"""Transforms of dates: reading, writing, moving, and the day of the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from p2c_lib.days import formatted, iso_moment
from p2c_lib.display import text_of, texts
from p2c_lib.mapping.transforms.arguments import PARTS_OF_A_CLOCK, DateForm, Days, MomentForm
from p2c_lib.mapping.transforms.registry import Context, Converted, transform
from p2c_lib.mapping.transforms.text import is_blank

__all__ = ["Zone", "date_format", "from_zone", "in_zone", "known_zone", "read_date", "shift_days", "today"]


# Files beside the zones: the machine's own zone, and zones that count leap seconds.
_OF_A_MACHINE = ("localtime", "posixrules", "Factory", "right/", "posix/")


def known_zone(name: str) -> str:
    """The name of a time zone of the IANA list. Raises ValueError, with the nearest name, for one that is none."""
    try:
        found = ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found = ""
    if not found or found.startswith(_OF_A_MACHINE):
        known = [zone for zone in available_timezones() if not zone.startswith(_OF_A_MACHINE)]
        near = get_close_matches(name, known, n=1)
        guess = f"; did you mean {near[0]}?" if near else "; write it as Europe/Berlin"
        raise ValueError(f"there is no such time zone{guess}")
    return found


Zone = Annotated[str, AfterValidator(known_zone)]


@transform(per_value=True)
def read_date(values: pa.Array, form: DateForm) -> Converted:
    """Text read as a date by a form such as ``%d.%m.%Y``, or as a moment where the form has hours (``%H:%M``)."""
    return _each(texts(values), lambda text: _read(text, form), "is no date of that form")


@transform(per_value=True)
def date_format(values: pa.Array, form: MomentForm) -> Converted:
    """A date or a moment written by a form such as ``%d.%m.%Y`` or ``%d.%m.%Y %H:%M``, by its own clock.

    A moment of Sales has the clock of UTC until ``in_zone`` gives it another. A day has no clock: its hours are 00:00.
    """
    return _each(texts(values), lambda text: _formed(text, form), NO_DATE)


@transform(per_value=True)
def shift_days(values: pa.Array, days: Days) -> Converted:
    """A date or a moment moved by so many days, a moment with its clock; a negative number moves it back."""
    return _each(texts(values), lambda text: _moved(text, days), NO_DATE)


@transform()
def today(values: pa.Array, days: Days = 0, *, context: Context) -> Converted:
    """The day of the run, or so many days after it, where no value came; a value that came stays."""
    day = pa.scalar((context.today + timedelta(days=days)).isoformat(), pa.string())
    given = texts(values)
    return Converted(pc.if_else(is_blank(given), day, given))


@transform(per_value=True)
def in_zone(values: pa.Array, zone: Zone) -> Converted:
    """A moment on the wall clock of a time zone of the IANA list (``Europe/Berlin``), so that it becomes the day there.

    Sales keeps what people enter in UTC: midnight in Berlin is 23:00 of the day before. The clock is that of the
    moment, summer time or not. A moment without a zone is taken for UTC; a day has no zone and stays.
    """
    clock = ZoneInfo(zone)
    return _each(texts(values), lambda text: _on_clock(text.strip(), clock), "is no moment")


@transform(per_value=True)
def from_zone(values: pa.Array, zone: Zone) -> Converted:
    """A day, or a wall clock without a zone, of a time zone of the IANA list (``Europe/Berlin``) as the moment in UTC.

    The reverse of ``in_zone``, for a day that goes into a user-local moment of Sales: there 31 January in Berlin is 30
    January, 23:00 UTC, and people in Berlin see the 31st. A day begins at midnight. A moment that names its own zone
    stays that moment.
    """
    clock = ZoneInfo(zone)
    return _each(texts(values), lambda text: _off_clock(text.strip(), clock), NO_DATE)


NO_DATE = "is no date"
_TOUCHING = re.compile(r"%[YymdjHMSI]%[YymdjHMSI]")  # numbers with no mark between them


def _on_clock(text: str, clock: ZoneInfo) -> str | None:
    read = _moment(text)
    if not isinstance(read, datetime):
        return None if read is None else read.isoformat()
    try:
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(clock).isoformat()
    except (ValueError, OverflowError):
        return None


def _off_clock(text: str, clock: ZoneInfo) -> str | None:
    try:
        read = iso_moment(text)
        return text_of((read if read.tzinfo else read.replace(tzinfo=clock)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _read(text: str, form: str) -> str | None:
    try:
        read = datetime.strptime(text.strip(), form)
    except ValueError:
        return None
    if _TOUCHING.search(form) and formatted(read, form) != text.strip():
        return None  # a digit is missing where no mark tells which part it is of
    if "%j" in form and _unpadded(formatted(read, form)) != _unpadded(text.strip()):
        return None  # day 366 of a year of 365 is no day of the next
    clock = PARTS_OF_A_CLOCK & set(re.findall(r"%(.)", form))
    return _iso(read) if clock else read.date().isoformat()


def _unpadded(text: str) -> str:
    return re.sub(r"\b0+(?=[0-9])", "", text)


def _iso(value: date) -> str:
    """A day or a moment with the clock it has; UTC is written Z."""
    return re.sub(r"\+00:00$", "Z", value.isoformat())


def _moment(text: str) -> date | None:
    """The moment a text names, or the day where it names no hour."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        pass
    try:
        return iso_moment(text.strip())
    except ValueError:
        return None


def _formed(text: str, form: str) -> str | None:
    moment = _moment(text)
    return None if moment is None else formatted(moment, form)


def _moved(text: str, days: int) -> str | None:
    moment = _moment(text)
    try:
        return None if moment is None else _iso(moment + timedelta(days=days))
    except OverflowError:
        return None


def _each(given: pa.Array, convert: Callable[[str], str | None], reason: str) -> Converted:
    blank = is_blank(given).to_pylist()
    answers = [None if b else convert(text) for text, b in zip(given.to_pylist(), blank, strict=True)]
    refused = [not b and answer is None for answer, b in zip(answers, blank, strict=True)]
    return Converted(pa.array(answers, pa.string()), pa.array(refused, pa.bool_()), reason)
