"""Kinds of arguments a transform may take, each with its limits and the words a person reads for it.

A template is read before a run: what no value could be converted by is refused there. A number, where a text is
wanted, is the text it was typed as.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from p2c_lib.display import text_of

__all__ = [
    "DateForm",
    "Days",
    "Length",
    "Letters",
    "Mark",
    "MomentForm",
    "Part",
    "Places",
    "Scalar",
    "Text",
    "in_words",
]

Scalar: TypeAlias = bool | int | float | Decimal | str

MOST_PLACES = 38  # digits of the widest decimal a column has
LONGEST = 1_048_576  # characters of Dataverse's longest memo
MOST_DAYS = 3_652_058  # between the first and the last day there is, 0001-01-01 and 9999-12-31
# The parts of a date that Python knows everywhere, those of a day and those of a clock
PARTS_OF_A_DAY = frozenset("YmdyjBbAaUWVGuwxF%")
PARTS_OF_A_CLOCK = frozenset("HIMSfpzZcXTR")


def _whole(given: Any) -> Any:
    """A whole number, also one with its sign typed before it (+2); yes and no are none."""
    if isinstance(given, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", given):
        return int(given)
    return given


def _typed(given: Any) -> Any:
    return text_of(given) if isinstance(given, int | float | Decimal) else given


def _not_empty(given: str) -> str:
    if not given:
        raise ValueError("it is empty")
    return given


def _is_a_place(given: int) -> int:
    if not given:
        raise ValueError("there is no part 0: 1 is the first, -1 the last")
    return given


def _is_a_mark(given: str) -> str:
    if len(given) > 1 or given.isalnum() or given in {"+", "-"}:
        raise ValueError("a mark is one sign that is no letter, digit, + or -")
    return given


def _read_by(given: str) -> str:
    """A form that Python reads a date by."""
    try:
        datetime.strptime("", given)
    except re.error:
        raise ValueError("a part of the date is named twice") from None
    except ValueError as error:
        if "does not match" not in str(error):
            raise ValueError(f"no date is read by this form: {error}") from None
    return _whole_date(_known_parts(given))


def _whole_date(given: str) -> str:
    """A form by which one day is meant, and one hour of it: what is left out would be made up."""
    parts = [part for part in re.findall(r"%(.)", given) if part != "%"]
    if "Z" in parts:
        raise ValueError("%Z names a zone by letters that each machine reads otherwise; as in +0100, %z")
    if ("I" in parts) != ("p" in parts):
        raise ValueError("%I and %p go together, or which half of the day is meant is open; as in %I:%M %p")
    of_a_day = sorted({NAMED_ALSO.get(part, part) for part in parts if part in PARTS_OF_A_DAY and part not in "aA"})
    if "".join(of_a_day) not in WHOLE_DATES and parts != ["c"]:
        raise ValueError("the form names no whole date, or more than one; as in %d.%m.%Y")
    if sum(NAMED_ALSO.get(part, part) in "Ymdj" for part in parts) > len(of_a_day):
        raise ValueError("a part of the date is named twice")
    return given


def _known_parts(given: str) -> str:
    named = re.findall(r"%(.?)", given, re.DOTALL)
    allowed = PARTS_OF_A_DAY | PARTS_OF_A_CLOCK
    odd = [name for name in named if name not in allowed]
    if odd:
        raise ValueError(f"%{odd[0]} is no part of a date; as in %d.%m.%Y %H:%M")
    if not named or set(named) == {"%"}:
        raise ValueError("the form names no part of a date; as in %d.%m.%Y")
    datetime(2026, 1, 31, tzinfo=UTC).strftime(given)  # raises what this machine cannot write
    return given


# The parts of a day by which one is meant, sorted: year, month and day; year and its day; a week and its day; the date.
WHOLE_DATES = ("Ydm", "Yj", "GVu", "x")
NAMED_ALSO = {"y": "Y", "b": "m", "B": "m"}

Text = Annotated[str, BeforeValidator(_typed)]
Letters = Annotated[Text, AfterValidator(_not_empty)]
Mark = Annotated[Text, AfterValidator(_is_a_mark)]
Places = Annotated[int, BeforeValidator(_whole), Field(ge=-MOST_PLACES, le=MOST_PLACES)]
Length = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LONGEST)]
Days = Annotated[int, BeforeValidator(_whole), Field(ge=-MOST_DAYS, le=MOST_DAYS)]
Part = Annotated[int, BeforeValidator(_whole), AfterValidator(_is_a_place)]
DateForm = Annotated[str, AfterValidator(_read_by)]
MomentForm = Annotated[str, AfterValidator(_known_parts)]

WORDS = {
    "DateForm": "form of a date, such as %d.%m.%Y",
    "Days": f"whole number from -{MOST_DAYS:,} to {MOST_DAYS:,}",
    "Length": f"whole number from 1 to {LONGEST:,}",
    "Letters": "text of at least one character",
    "Mark": "one sign, or nothing",
    "MomentForm": "form of a date, such as %d.%m.%Y %H:%M",
    "Pairs": "values and their partners",
    "Part": "whole number, 1 for the first or -1 for the last",
    "Places": f"whole number from -{MOST_PLACES} to {MOST_PLACES}",
    "Text": "text",
    "Zone": "time zone",
    "Scalar": "value",
    "None": "nothing",
    "|": "or",
}


def in_words(annotation: object) -> str:
    """A kind of argument as people read it.

    >>> in_words("Places"), in_words("str | None")
    ('whole number from -38 to 38', 'str or nothing')
    """
    return re.sub(r"\w+|\|", lambda found: WORDS.get(found[0], found[0]), str(annotation))
