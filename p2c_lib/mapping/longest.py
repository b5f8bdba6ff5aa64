"""The longest text a rule can give, worked out from its columns' lengths and what each transform does to them.

Lengths are those of ``p2c_lib.lengths``. Every transform of the registry has a line in ``LONGEST``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from p2c_lib.days import formatted
from p2c_lib.display import text_of
from p2c_lib.lengths import utf16_length

if TYPE_CHECKING:
    from p2c_lib.mapping.steps import Step
    from p2c_lib.mapping.template import FieldRule

__all__ = ["LONGEST", "UNKNOWN", "Longest", "longest_of"]

ISO_DAY, MOMENT, ZONED = 10, 27, 35  # 2026-01-31, to a microsecond with a Z, and with an offset to the second
# How many code units one can become, over all of Unicode.
NORMAL = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18}
YES_NO = {"yes_no": 3, "true_false": 5, "one_zero": 1}
CODES = {"iso2": 2, "iso3": 3}
WEEKDAYS_OF_ALL = 366 * 28  # every day of every month falls on every weekday within these

Held = Callable[[str, str], "int | None"]
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Longest:
    """The most code units of a text, as far as known; ``by`` says what may give it more, empty where nothing does."""

    most: int
    by: str = ""

    def __or__(self, other: Longest) -> Longest:
        return Longest(max(self.most, other.most), self.by or other.by)

    def plus(self, units: int) -> Longest:
        """Longer by so many, where there is a text."""
        return replace(self, most=self.most + units) if self.most or self.by else self


UNKNOWN = Longest(0, "its source")


def longest_of(rule: FieldRule, lengths: Sequence[int | None], held: Held) -> Longest:
    """The longest text of a rule; ``lengths`` are those of its columns, ``held`` gives that of ``Entity.Column``."""
    columns = [UNKNOWN if length is None else Longest(length) for length in lengths]
    came = Longest(0)
    for column in columns:
        came |= column
    for place, step in enumerate(rule.apply):
        parts = columns if place == 0 and columns else [came]
        came = _after(step, came, parts, held)
    return came if rule.default is None else came | Longest(_length(rule.default))


def _after(step: Step, came: Longest, parts: Sequence[Longest], held: Held) -> Longest:
    arguments = {name: given.default for name, given in step.transform.parameters.items()} | step.arguments
    if step.name == "lookup":
        length = held(arguments["app"], arguments["column"])
        made = Longest(0, "lookup") if length is None else Longest(length)
    else:
        made = LONGEST[step.name](came, parts, arguments)
    return came | made if step.otherwise == "keep" else made


def _length(value: object) -> int:
    return utf16_length(text_of(value) or "")


def _same(came: Longest, _parts: Sequence[Longest], _arguments: Arguments) -> Longest:
    return came


def _truncated(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    length = arguments["length"]
    return came if length < 0 else Longest(length if came.by else min(came.most, length))


def _affixed(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    return came.plus(utf16_length(arguments["text"]))


def _replaced(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    old, new = utf16_length(arguments["text"]), utf16_length(arguments["by"])
    if new <= old:
        return came
    return Longest(came.most + came.most // old * (new - old), came.by) if old else Longest(came.most, "replace")


def _padded(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    return replace(came, most=max(came.most, arguments["length"])) if came.most or came.by else came


def _normal(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    return replace(came, most=came.most * NORMAL[arguments["form"]])


def _concatenated(_came: Longest, parts: Sequence[Longest], arguments: Arguments) -> Longest:
    joints = (len(parts) - 1) * utf16_length(arguments["separator"])
    return Longest(sum(part.most for part in parts) + joints, next((part.by for part in parts if part.by), ""))


def _partnered(came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    partners = [_length(partner) for partner in arguments["pairs"].values() if partner is not None]
    most, separator = max(partners, default=0), utf16_length(arguments["separator"] or "")
    if not separator:
        return Longest(most)
    several = min(len(partners), came.most // separator + 1) if not came.by else len(partners)
    return Longest(sum(sorted(partners, reverse=True)[:several]) + max(several - 1, 0) * separator)


def _country(_came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    return Longest(CODES.get(arguments["to"]) or _longest_country())


def _state(_came: Longest, _parts: Sequence[Longest], _arguments: Arguments) -> Longest:
    return Longest(_longest_state())


def _unit(_came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    from p2c_lib.mapping.transforms.codes import UNITS

    known = UNITS.values() if arguments["to"] == "finops" else UNITS
    return Longest(max(map(utf16_length, [*known, *(arguments["also"] or {}).values()])))


def _number(_came: Longest, _parts: Sequence[Longest], _arguments: Arguments) -> Longest:
    """An exponent is written out, so a short text can become a long one; nobody can say how long."""
    return Longest(0, "the number")


def _formatted(_came: Longest, _parts: Sequence[Longest], arguments: Arguments) -> Longest:
    return Longest(_longest_day(arguments["form"]))


def _fixed(most: int) -> Callable[[Longest, Sequence[Longest], Arguments], Longest]:
    return lambda _came, _parts, _arguments: Longest(most)


LONGEST: Mapping[str, Callable[[Longest, Sequence[Longest], Arguments], Longest]] = {
    **dict.fromkeys(
        ("trim", "upper", "lower", "case", "collapse", "remove_prefix", "remove_suffix", "strip", "part", "coalesce"),
        _same,
    ),
    **dict.fromkeys(("prefix", "suffix"), _affixed),
    **dict.fromkeys(
        ("read_number", "number_format", "round_to", "whole", "discount_per_unit", "discount_remainder"), _number
    ),
    **dict.fromkeys(("read_date", "shift_days"), _fixed(ISO_DAY)),
    "truncate": _truncated,
    "replace": _replaced,
    "pad": _padded,
    "normal_form": _normal,
    "constant": lambda _came, _parts, arguments: Longest(utf16_length(arguments["value"])),
    "concatenate": _concatenated,
    "value_map": _partnered,
    "yes_no": lambda _came, _parts, arguments: Longest(YES_NO[arguments["to"]]),
    "country_code": _country,
    "state_code": _state,
    "unit": _unit,
    "lookup": _same,  # told by the column that is looked up
    "today": lambda came, _parts, _arguments: came | Longest(ISO_DAY),
    "in_zone": _fixed(ZONED),
    "from_zone": _fixed(MOMENT),
    "date_format": _formatted,
}


@cache
def _longest_country() -> int:
    from p2c_lib.mapping.countries import country_names

    return max(map(utf16_length, country_names()))


@cache
def _longest_state() -> int:
    from p2c_lib.mapping.states import state_codes

    return max(map(utf16_length, state_codes()))


@cache
def _longest_day(form: str) -> int:
    """The longest text of a day in a form: of each day in years that have every weekday, and of the first and last."""
    days = [date(2001, 1, 1) + timedelta(days=n) for n in range(WEEKDAYS_OF_ALL)]
    return max(utf16_length(formatted(day, form)) for day in (*days, date.min, date.max))
