"""The wait that an answer asks for with ``Retry-After``, however it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST", "retry_after"]

LONGEST = 1e9  # seconds, some thirty years: more digits say no more
_NUMBER = re.compile(r"[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)")
# Two headers come as one with a comma between; a comma inside a date or a number is none of these.
_BETWEEN = re.compile(r",\s+(?=[+-]?[0-9.]+(?:,|$))|(?<=[0-9]),\s+(?=[A-Z])|(?<=GMT),\s*")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that ``Retry-After`` asks for, as a number or a date in any of HTTP's three forms.

    From 0 to ``LONGEST``; of several the longest. A date is held against the answer's own ``Date``, because clocks
    differ. None without the header, or where it says nothing that can be understood.

    >>> retry_after({"retry-after": "7"})
    7.0
    """
    text = headers.get("retry-after", "").strip()
    asked = [wait for part in _BETWEEN.split(text) if (wait := _wait(part.strip(), headers)) is not None]
    return max(asked, default=None)


def _wait(text: str, headers: Mapping[str, str]) -> float | None:
    if _NUMBER.fullmatch(text):
        return _within(float(text.replace(",", "")))
    until = _moment(text)
    if until is None:
        return None
    now = _moment(headers.get("date", "")) or datetime.now(UTC)
    return _within((until - now).total_seconds())


def _moment(text: str) -> datetime | None:
    """A date; without a zone, as in the oldest of the forms, it is in UTC."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _within(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST)
