"""Numbers kept exactly: as the text of plain digits that is served, compared and summed as what the digits say.

A decimal column is TEXT in the store: in Sales with the zeros that fill its scale (``1250.0000``), in F&O without. In
SQL such a text is compared by `number_key`, a text whose order is the numbers' order whatever their scales, which a
plain comparison, sort or index then keeps exactly. Python sees `Decimal`.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from functools import cache, lru_cache

from p2c_lib.sandbox.meter import charge, define
from p2c_lib.sandbox.schema import Column, System

KINDS = {"decimal", "money"}
# Dataverse keeps money with 4 decimals, and with up to 10 once an organisation is moved to more.
MONEY_PLACES, MOST_PLACES = 4, 10
# F&O's real: 38 digits, 16 of them decimals.
REAL_PLACES, REAL_LIMIT = 16, Decimal(10) ** 22
_LARGEST, _SMALLEST = Decimal("1E+60"), Decimal("1E-60")
_SHORT = 40  # characters without an exponent that cannot be a number beyond those limits
# As JSON has them, and as files do: with a sign before them, zeros in front, and a point at either end.
_NUMBER = re.compile(r"[+-]?(\d++(?:\.\d*+)?|\.\d++)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_WIDE = Context(prec=200, rounding=ROUND_HALF_UP, Emin=-(10**6), Emax=10**6)
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


class Digits(str):
    """A number of a JSON text as its digits, which are to be passed on as they are."""

    __slots__ = ()


def number(text: str) -> Decimal:
    """The number of a text; one beyond any column stays beyond, at a size that can be worked with.

    ``InvalidOperation`` when it is no number: blanks, underscores and digits but 0 to 9 are no part of one.

    >>> number("1e99999"), number("-0.10")
    (Decimal('1E+60'), Decimal('-0.10'))
    """
    if not _NUMBER.fullmatch(text):
        raise InvalidOperation(text)
    try:
        found = Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        found = Decimal(mantissa) * (_SMALLEST if exponent.startswith("-") else _LARGEST)
    if len(text) <= _SHORT and "e" not in text and "E" not in text:
        return found
    if found and not _SMALLEST <= found.copy_abs() <= _LARGEST:
        return (_LARGEST if found.copy_abs() > 1 else _SMALLEST).copy_sign(found)
    return found


def whole(text: str) -> int:
    """The whole number of a text of digits 0 to 9, with a sign or none; ``ValueError`` when it is none."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"'{text[:60]}' is not a whole number.")
    return int(text)


def decimal_of(value: object) -> Decimal:
    """A stored or sent number as it reads."""
    return value if isinstance(value, Decimal) else number(str(value))


def within(value: Decimal | float, column: Column) -> bool:
    """Whether the number is not below the column's minimum and not above its maximum."""
    low, high = (decimal_of(one) if isinstance(one, float) else one for one in (column.minimum, column.maximum))
    return (low is None or value >= low) and (high is None or value <= high)


def plain(value: Decimal) -> str:
    """The number in plain digits, with the decimals it has.

    >>> plain(Decimal("1E+2")), plain(Decimal("-0.0"))
    ('100', '0.0')
    """
    return format(value if value else value.copy_abs(), "f")


def rounded(value: Decimal, places: int) -> Decimal:
    """The number with so many decimals, rounded half away from zero.

    >>> rounded(Decimal("-0.00005"), 4)
    Decimal('-0.0001')
    """
    return value.quantize(_unit(places), context=_WIDE)


@cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def divided(value: Decimal, by: Decimal, places: int) -> Decimal:
    """The quotient with so many decimals, rounded once."""
    return rounded(_WIDE.divide(value, by), places)


def wide() -> AbstractContextManager[Context]:
    """Sums and products inside keep all their digits."""
    return localcontext(_WIDE)


def kept(system: System, column: Column, value: object) -> str:
    """The text that is stored for a number in a decimal column; of whatever type the number is.

    >>> from p2c_lib.sandbox.schema import entity
    >>> kept("sales", entity("sales", "product").columns["price"], 1250)
    '1250.0000'
    """
    return _kept(system, column.kind, column.precision, value if isinstance(value, str) else str(value))


@lru_cache(maxsize=65_536)
def _kept(system: System, kind: str, precision: int | None, text: str) -> str:
    """By the number's digits, which tell its decimals too: a price stands in many rows."""
    found = number(text)
    if system == "finops":
        return short(rounded(found, REAL_PLACES))
    if kind == "decimal":
        return plain(rounded(found, precision if precision is not None else 2))
    decimals = -int(found.as_tuple().exponent)
    return plain(rounded(found, max(MONEY_PLACES, min(decimals, MOST_PLACES))))


# -- in SQL --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65_536)
def number_key(value: object) -> str | None:
    """A text that sorts as the number does, and is the same for the same number.

    >>> sorted(["10", "9.5", "-2", "0", "-10", "9.50001"], key=number_key)
    ['-10', '-2', '0', '9.5', '9.50001', '10']
    >>> number_key("1.50") == number_key(1.5)
    True
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else plain(decimal_of(value))
    if "e" in text or "E" in text:
        text = plain(decimal_of(text))
    negative = text.startswith("-")
    whole, _, part = (text[1:] if negative else text).partition(".")
    whole, part = whole.lstrip("0"), part.rstrip("0")
    if not negative or not (whole or part):
        return f"1{len(whole):03d}{whole}{part}"
    # Larger digits come first, and a further digit makes a smaller number.
    return f"0{999 - len(whole):03d}{whole.translate(_COMPLEMENT)}{part.translate(_COMPLEMENT)}~"


@lru_cache(maxsize=65_536, typed=True)
def calculated(op: str, one: object, other: object) -> str | None:
    """``add sub mul div divby mod`` of two numbers in plain digits; None of nothing and of a division by zero."""
    if one is None or other is None:
        return None
    a, b = decimal_of(one), decimal_of(other)
    if op in {"div", "divby", "mod"} and not b:
        return None
    with wide():
        if op == "mod":
            return plain(a % b)
        if op in {"div", "divby"}:
            return plain(rounded(a / b, REAL_PLACES))
        return plain({"add": a + b, "sub": a - b, "mul": a * b}[op])


@lru_cache(maxsize=65_536, typed=True)
def in_base(value: object, rate: object) -> str | None:
    """Money in the base currency: divided by the exchange rate, with the decimals it has in its own."""
    if value is None:
        return None
    found = decimal_of(value)
    by = decimal_of(rate) if rate is not None else Decimal(1)
    return plain(divided(found, by or Decimal(1), -int(found.as_tuple().exponent)))


@lru_cache(maxsize=65_536, typed=True)
def fixed(value: object, places: int) -> str | None:
    """The number in plain digits with exactly so many decimals."""
    return None if value is None else plain(rounded(decimal_of(value), places))


class _Sum:
    def __init__(self) -> None:
        self.total, self.count = Decimal(0), 0

    def step(self, value: object) -> None:
        charge()
        if value is not None:
            self.total = _WIDE.add(self.total, decimal_of(value))
            self.count += 1

    def finalize(self) -> str | None:
        return plain(self.total) if self.count else None


class _Average(_Sum):
    def finalize(self) -> str | None:
        if not self.count:
            return None
        return short(divided(self.total, Decimal(self.count), MOST_PLACES))


def short(value: Decimal) -> str:
    """The number in plain digits without zeros that say nothing."""
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def float_digits(value: float) -> str:
    """A float in the digits that read back as the same float; SQLite's own text has fifteen of them."""
    return repr(float(value))


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    define(connection, "number_key", 1, number_key)
    define(connection, "number_op", 3, calculated)
    define(connection, "number_base", 2, in_base)
    define(connection, "number_fixed", 2, fixed)
    define(connection, "number_float", 1, float_digits)
    connection.create_aggregate("number_sum", 1, _Sum)  # type: ignore[arg-type]
    connection.create_aggregate("number_avg", 1, _Average)  # type: ignore[arg-type]
