"""The date functions of queries as ranges ``[start, end)`` in UTC; weeks begin on Sunday, years on 1 January."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_NAMED = {
    "Today", "Tomorrow", "Yesterday", "ThisWeek", "ThisMonth", "ThisYear", "LastWeek", "LastMonth", "LastYear",
    "NextWeek", "NextMonth", "NextYear", "Last7Days", "Next7Days", "ThisFiscalYear", "LastFiscalYear", "NextFiscalYear",
    "ThisFiscalPeriod", "LastFiscalPeriod", "NextFiscalPeriod",
}  # fmt: skip
_PERIODS, _LAST_YEAR = 4, 9998
_UNITS = ("Hours", "Days", "Weeks", "Months", "Years", "FiscalPeriods", "FiscalYears")
_COUNTED = {f"{side}X{unit}" for side in ("Last", "Next") for unit in _UNITS}
_OLDER = {f"OlderThanX{unit}" for unit in ("Minutes", "Hours", "Days", "Weeks", "Months", "Years")}
NAMES = frozenset({*_NAMED, *_COUNTED, *_OLDER})
_SPAN = {
    "Minutes": timedelta(minutes=1),
    "Hours": timedelta(hours=1),
    "Days": timedelta(days=1),
    "Weeks": timedelta(weeks=1),
}
_MONTHS = {"Months": 1, "FiscalPeriods": 3, "Years": 12, "FiscalYears": 12}


def fiscal(year: int, period: int | None) -> tuple[str | None, str | None]:
    """Start and end of a fiscal year, or of one of its four periods; of one beyond the calendar an empty span.

    >>> fiscal(2026, 4)
    ('2026-10-01T00:00:00Z', '2027-01-01T00:00:00Z')
    """
    if not 1 <= year <= _LAST_YEAR or (period is not None and period > _PERIODS):
        return "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"
    start = datetime(year, 1 if period is None else 3 * period - 2, 1, tzinfo=UTC)
    return _text(start), _text(moved(start, 12 if period is None else 3))


def needs_count(name: str) -> bool:
    """Whether the function takes a number of units."""
    return name in _COUNTED or name in _OLDER


def period(name: str, count: int | None = None, now: datetime | None = None) -> tuple[str | None, str | None]:
    """Start and end of the period; None is unbounded.

    >>> period("LastMonth", now=datetime(2026, 3, 31, tzinfo=UTC))
    ('2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z')
    """
    now = now or datetime.now(UTC)
    if needs_count(name):
        return _counted(name, count or 1, now)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if name in {"Last7Days", "Next7Days"}:
        other = today + timedelta(days=7 if name == "Next7Days" else -7)
        ends = sorted([today, other]) if name == "Last7Days" else [today, other]
        return _text(ends[0]), _text(ends[1] + timedelta(days=1))
    if name in {"Today", "Tomorrow", "Yesterday"}:
        start = today + timedelta(days={"Today": 0, "Tomorrow": 1, "Yesterday": -1}[name])
        return _text(start), _text(start + timedelta(days=1))
    match = re.fullmatch(r"(This|Last|Next)(Week|Month|Year|FiscalYear|FiscalPeriod)", name)
    assert match is not None
    shift = {"This": 0, "Last": -1, "Next": 1}[match.group(1)]
    if match.group(2) == "Week":
        start = today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=shift)
        return _text(start), _text(start + timedelta(weeks=1))
    months = {"Month": 1, "FiscalPeriod": 3}.get(match.group(2), 12)
    first = today.replace(day=1, month=(today.month - 1) // months * months + 1)
    return _text(moved(first, shift * months)), _text(moved(first, (shift + 1) * months))


def _counted(name: str, count: int, now: datetime) -> tuple[str | None, str | None]:
    match = re.fullmatch(r"(Last|Next|OlderThan)X(\w+)", name)
    assert match is not None
    side, unit = match.groups()
    sign = 1 if side == "Next" else -1
    other = _shifted(now, unit, sign * count)
    if side == "OlderThan":
        return None, _text(other)
    # Stored moments are whole seconds; the present one belongs to what has been.
    present = now + timedelta(seconds=1)
    return (_text(other), _text(present)) if side == "Last" else (_text(now), _text(other))


def _shifted(now: datetime, unit: str, count: int) -> datetime:
    if unit in _MONTHS:
        return moved(now, count * _MONTHS[unit])
    try:
        return now + _SPAN[unit] * count
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if count > 0 else datetime.min.replace(tzinfo=UTC)


def moved(when: datetime, months: int) -> datetime:
    """The moment so many months later, on the last day of a shorter month; within the years 1 to 9999."""
    total = when.year * 12 + when.month - 1 + months
    year, month = min(max(total // 12, 1), 9999), total % 12 + 1
    for day in range(when.day, 27, -1):
        try:
            return when.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return when.replace(year=year, month=month, day=min(when.day, 28))


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
