"""A moment as people and services write it: ISO 8601, and nothing that only looks like a number."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["moment_of"]

_DAY = r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3})"
_TIME = r"[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?|[0-9]{2}(?:[0-9]{2}(?:[.,][0-9]+)?)?)?"
_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
ISO_MOMENT = re.compile(rf"{_DAY}(?:[T ]{_TIME}{_OFFSET}?)?")


def moment_of(text: str) -> datetime | None:
    """The moment, in UTC, that an ISO 8601 text names, in its long or its short form; None for what names none.

    A day is its first second; what names no offset is in UTC. A number is no moment, however many digits it has, unless
    it is a day of eight.

    >>> [str(moment_of(text)) for text in ("2026-01-31", "20260131T2230Z", "2026-01-31 22:30+05:30", "1769900000")]
    ['2026-01-31 00:00:00+00:00', '2026-01-31 22:30:00+00:00', '2026-01-31 17:00:00+00:00', 'None']
    """
    spelt = text.strip().upper()
    if ISO_MOMENT.fullmatch(spelt) is None:
        return None
    try:
        found = datetime.fromisoformat(spelt)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February; before the year 1 in UTC
        return None
