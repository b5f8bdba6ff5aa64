"""Transforms of dates: reading, writing, moving, and the day of the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.mapping.transforms.registry import Context, Converted, transform
from p2c_lib.mapping.transforms.text import is_blank

__all__ = ["date_format", "read_date", "shift_days", "today"]


@transform(per_value=True)
def read_date(values: pa.Array, form: str) -> Converted:
    """Text read as a date by a form such as ``%d.%m.%Y``."""
    return _each(texts(values), lambda text: _read(text, form), "is no date of that form")


@transform(per_value=True)
def date_format(values: pa.Array, form: str) -> Converted:
    """A date written by a form such as ``%d.%m.%Y``."""
    return _each(texts(values), lambda text: None if (day := _iso(text)) is None else day.strftime(form), NO_DATE)


@transform(per_value=True)
def shift_days(values: pa.Array, days: int) -> Converted:
    """A date moved by so many days; a negative number moves it back."""
    return _each(texts(values), lambda text: _moved(text, days), NO_DATE)


@transform()
def today(values: pa.Array, days: int = 0, *, context: Context) -> Converted:
    """The day of the run, or so many days after it, where no value came; a value that came stays."""
    day = pa.scalar((context.today + timedelta(days=days)).isoformat(), pa.string())
    given = texts(values)
    return Converted(pc.if_else(is_blank(given), day, given))


NO_DATE = "is no date"


def _iso(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        return None


def _read(text: str, form: str) -> str | None:
    try:
        return datetime.strptime(text.strip(), form).date().isoformat()
    except ValueError:
        return None


def _moved(text: str, days: int) -> str | None:
    day = _iso(text)
    try:
        return None if day is None else (day + timedelta(days=days)).isoformat()
    except OverflowError:
        return None


def _each(given: pa.Array, convert: Callable[[str], str | None], reason: str) -> Converted:
    blank = is_blank(given).to_pylist()
    answers = [None if b else convert(text) for text, b in zip(given.to_pylist(), blank, strict=True)]
    refused = [not b and answer is None for answer, b in zip(answers, blank, strict=True)]
    return Converted(pa.array(answers, pa.string()), pa.array(refused, pa.bool_()), reason)
