"""Values into the type of the destination's column, exactly or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.days import day_of, days, in_microseconds, iso_moment
from p2c_lib.display import plain_values, text_of, texts
from p2c_lib.mapping.transforms.registry import Converted
from p2c_lib.mapping.transforms.text import is_blank
from p2c_lib.numerals import decimal_of

__all__ = ["cast"]

WIDE = pa.decimal256(76, 38)
FAR = r"[eE][-+]?\d{4,}"  # Arrow ends the process at an exponent of nine digits; no number that fits has one of four
HEXADECIMAL = r"[xX]"  # Arrow reads 0x1F as 31
DIGITS = Context(prec=80, rounding=ROUND_HALF_UP)
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def cast(values: pa.Array, kind: pa.DataType) -> Converted:
    """The values as ``kind``; what has no exact form in it is refused.

    A decimal is rounded to the scale of the column (half away from zero), blank text becomes null, text is read as a
    number, an ISO date or a yes/no word.

    >>> cast(pa.array(["12", "x", " "]), pa.int32()).values.to_pylist()
    [12, None, None]
    """
    if values.type == kind:
        return Converted(values)
    if pa.types.is_null(values.type):
        return Converted(pa.nulls(len(values), kind))
    if pa.types.is_string(kind):
        return Converted(texts(values))
    if pa.types.is_date(kind) and (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        return Converted(days(values).cast(kind))
    try:
        return Converted(_fast(in_microseconds(values), kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _each(values, kind)


def _fast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(values.type):
        if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
            raise pa.ArrowInvalid("text that needs reading one by one")
        if pc.any(pc.match_substring_regex(values, f"{FAR}|{HEXADECIMAL}")).as_py():
            raise pa.ArrowInvalid("what Arrow's reader does not survive, or reads as another number")
        values = pc.if_else(is_blank(values), pa.scalar(None, pa.string()), pc.utf8_trim_whitespace(values))
    if pa.types.is_decimal(kind):
        return _decimals(values, kind)
    broken = pa.types.is_decimal(values.type) or pa.types.is_floating(values.type)
    return (texts(values) if broken and pa.types.is_floating(kind) else values).cast(kind)


def _decimals(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Numbers with every digit they are written with, rounded once; a float is what its text says, not its bits."""
    if pa.types.is_integer(values.type):
        return values.cast(pa.decimal128(19 + kind.scale, kind.scale)).cast(kind)
    exact = values if pa.types.is_decimal(values.type) else texts(values).cast(WIDE)
    if exact.type.scale > kind.scale:
        exact = pc.round(exact, kind.scale, round_mode="half_towards_infinity")
    return exact.cast(kind)


def _each(values: pa.Array, kind: pa.DataType) -> Converted:
    read = _reader(kind)
    answers: list[Any] = []
    refused: list[bool] = []
    for value in plain_values(in_microseconds(values)):
        blank = value is None or (isinstance(value, str) and not value.strip())
        answer = None if blank else read(value)
        answers.append(answer)
        refused.append(not blank and answer is None)
    return Converted(pa.array(answers, kind), pa.array(refused, pa.bool_()), f"is no {_named(kind)}")


def _reader(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_boolean(kind):
        return lambda value: WORDS.get(str(value).strip().lower())
    if pa.types.is_integer(kind):
        limit = 2 ** (kind.bit_width - 1)
        return lambda value: _whole(value, limit)
    if pa.types.is_decimal(kind):
        return lambda value: _decimal(value, kind)
    if pa.types.is_floating(kind):
        return _float
    if pa.types.is_date(kind):
        return day_of
    return _moment


def _number(value: Any) -> Decimal | None:
    return value if isinstance(value, Decimal) else decimal_of(str(value))


def _whole(value: Any, limit: int) -> int | None:
    number = _number(value)
    if number is None or number != number.to_integral_value() or not -limit <= number < limit:
        return None
    return int(number)


def _float(value: Any) -> float | None:
    """A number as near as a float comes to it; a whole one only where its digits stay."""
    number = _number(value)
    if number is None or not math.isfinite(found := float(number)):
        return None
    whole = number == number.to_integral_value(context=DIGITS)
    return found if not whole or Decimal(text_of(found) or 0) == number else None


def _decimal(value: Any, kind: pa.DataType) -> Decimal | None:
    number = _number(value)
    whole = kind.precision - kind.scale
    if number is None or (number and number.adjusted() >= whole):
        return None
    rounded = number.quantize(Decimal(1).scaleb(-kind.scale), context=DIGITS)
    return rounded if not rounded or rounded.adjusted() < whole else None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        read = iso_moment(str(value))
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _named(kind: pa.DataType) -> str:
    names = (
        (pa.types.is_boolean, "yes or no"),
        (pa.types.is_integer, "whole number in range"),
        (pa.types.is_decimal, "number in range"),
        (pa.types.is_floating, "number"),
        (pa.types.is_date, "date"),
    )
    return next((name for test, name in names if test(kind)), "time")
