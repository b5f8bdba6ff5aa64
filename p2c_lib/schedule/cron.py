"""Cron's five fields as sets of numbers, so that every scheduler is told the same moments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from p2c_lib.errors import ConfigError, UnknownName

__all__ = ["DAYS", "MONTHS", "Cron", "zone_named"]

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIELDS: Mapping[str, tuple[int, int, tuple[str, ...]]] = {
    "minute": (0, 59, ()),
    "hour": (0, 23, ()),
    "day": (1, 31, ()),
    "month": (1, 12, ("", *MONTHS)),
    "weekday": (0, 7, DAYS),
}
WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
ONE_DAY = timedelta(days=1)
LONGEST_WAIT = 366 * 8  # from one 29 February to the next, over a year without one
HINT = "Write minute, hour, day, month and weekday: '30 2 * * mon-fri' is half past two on working days."


@dataclass(frozen=True)
class Cron:
    """The moments of a cron expression; ``weekdays`` count from Sunday, 0. An empty set stands for ``*``.

    >>> Cron.parsed("30 2 * * mon-fri").weekdays
    (1, 2, 3, 4, 5)
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parsed(cls, text: str) -> Cron:
        """The expression as sets. Raises ConfigError naming the field that is wrong."""
        said = " ".join(text.split())
        fields = WORDS.get(said.lower(), said).split()
        if len(fields) != len(FIELDS):
            raise ConfigError(f"The cron expression '{said}' has {len(fields)} fields, not five.", hint=HINT)
        sets = (_numbers(field, name, said) for field, name in zip(fields, FIELDS, strict=True))
        minutes, hours, days, months, weekdays = sets
        found = cls(said, minutes, hours, days, months, tuple(sorted({day % 7 for day in weekdays})))
        if found.days and found.weekdays:
            raise ConfigError(
                f"The cron expression '{said}' names days of the month and of the week.",
                hint="Schedulers read that in two ways. Make two schedules, one for each.",
            )
        if found.days and not any(
            day <= _longest(month) for day in found.days for month in found.months or range(1, 13)
        ):
            raise ConfigError(f"The cron expression '{said}' never comes: no such month has that day.", hint=HINT)
        return found

    def after(self, moment: datetime, zone: str) -> datetime:
        """The first of the moments later than ``moment``, by the clocks of a zone.

        A time that comes twice in the night the clocks are put back counts once; one that they skip comes as much
        later as they are put forward.
        """
        here = ZoneInfo(zone)
        first = moment.astimezone(here).date() - ONE_DAY
        for day in (first + n * ONE_DAY for n in range(LONGEST_WAIT)):
            if self._names(day):
                told = (datetime(day.year, day.month, day.day, *time, tzinfo=here) for time in self.times())
                later = [at for at in (each.astimezone(UTC) for each in told) if at > moment]
                if later:
                    return min(later).astimezone(here)
        raise ConfigError(f"The cron expression '{self.text}' does not come within eight years.", hint=HINT)

    def _names(self, day: date) -> bool:
        """Whether it comes on a day."""
        named = ((self.days, day.day), (self.months, day.month), (self.weekdays, day.isoweekday() % 7))
        return all(not numbers or number in numbers for numbers, number in named)

    def times(self) -> Iterator[tuple[int, int]]:
        """Every hour and minute of a day it comes at."""
        for hour in self.hours or range(24):
            for minute in self.minutes or range(60):
                yield hour, minute

    def in_utc(self, zone: str) -> str:
        """The expression in UTC, by the offset the zone has now, for schedulers that know no zones.

        Raises ConfigError where the offset moves some of the moments to another day, or tears hours apart.
        """
        offset = datetime.now(UTC).astimezone(ZoneInfo(zone)).utcoffset()
        moved = -int(offset.total_seconds() // 60) if offset is not None else 0
        if not moved:
            return " ".join(self.fields)
        totals = [hour * 60 + minute + moved for hour, minute in self.times()]
        within = {total // 1440 for total in totals} == {0}
        hours = tuple(sorted({total // 60 % 24 for total in totals}))
        minutes = tuple(sorted({total % 60 for total in totals}))
        if len(set(totals)) != len(hours) * len(minutes) or not (within or not self._days_named()):
            hint = "Give the schedule --zone UTC and the hours of UTC."
            raise ConfigError(f"'{self.text}' in {zone} has no one cron expression in UTC.", hint=hint)
        fields = self.fields
        return " ".join((_listed(minutes, 60), _listed(hours, 24), *fields[2:]))

    def _days_named(self) -> bool:
        return bool(self.days or self.months or self.weekdays)

    @property
    def fields(self) -> list[str]:
        """The five fields as cron takes them."""
        return WORDS.get(self.text.lower(), self.text).split()


def zone_named(name: str) -> str:
    """The time zone of that name; this machine's where it is empty. Raises UnknownName with the nearest."""
    if not name:
        from tzlocal import get_localzone_name

        return get_localzone_name() or "UTC"
    if name not in (known := available_timezones()):
        raise UnknownName("time zone", name, known)
    return name


def _numbers(field: str, name: str, text: str) -> tuple[int, ...]:
    """The numbers a field stands for, empty for ``*``."""
    low, high, names = FIELDS[name]
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdigit() and int(step) > 0):
            raise ConfigError(f"The {name} '{part}' of '{text}' has the step '{step}'.", hint="Write */15 or 8-18/2.")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _number(first, name, text)
        until = high if span == "*" or (slash and not dash) else _number(last if dash else first, name, text)
        if begin > until:
            raise ConfigError(
                f"The {name} '{part}' of '{text}' runs backwards.", hint="Write two ranges, with a comma."
            )
        found |= set(range(begin, until + 1, int(step) if slash else 1))
    distinct = {number % 7 for number in found} if names is DAYS else found
    return () if len(distinct) == (7 if names is DAYS else high - low + 1) else tuple(sorted(found))


def _number(word: str, name: str, text: str) -> int:
    low, high, names = FIELDS[name]
    if word and word.lower() in names:
        return names.index(word.lower())
    if not (word.isascii() and word.isdigit() and low <= int(word) <= high):
        allowed = f"{low} to {high}" + (f" or {', '.join(filter(None, names))}" if names else "")
        raise ConfigError(f"The {name} '{word}' of '{text}' is none.", hint=f"Allowed: {allowed}. {HINT}")
    return int(word)


def _listed(numbers: tuple[int, ...], full: int) -> str:
    return "*" if len(numbers) == full else ",".join(map(str, numbers))


def _longest(month: int) -> int:
    return 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31
