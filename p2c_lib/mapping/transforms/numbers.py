"""Transforms of numbers: reading, rounding, writing, and the discount of one unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any

import pyarrow as pa

from p2c_lib.display import text_of, texts
from p2c_lib.mapping.transforms.registry import Converted, transform

__all__ = ["discount_per_unit", "discount_remainder", "number_format", "read_number", "round_to", "whole"]

NO_NUMBER = "is no number"
MOST_DIGITS = 76  # of the widest decimal there is; what has more before or behind the point is no number of a column
EXACT = Context(prec=4 * MOST_DIGITS, rounding=ROUND_HALF_UP)


def decimals(values: pa.Array) -> list[Decimal | None]:
    """The values as exact numbers, None where there is none; a value that is no number is NaN."""
    return [None if text is None or not text.strip() else _number(text) for text in texts(values).to_pylist()]


@transform(per_value=True)
def read_number(values: pa.Array, decimal: str = ".", grouping: str = ",") -> Converted:
    """Text such as ``1.234,50`` read as a number, by its ``decimal`` mark and its ``grouping`` mark."""
    text = texts(values).to_pylist()
    plain = [None if t is None else t.replace(grouping, "").replace(" ", "").replace(decimal, ".") for t in text]
    return _each([None if not t else _number(t) for t in plain], text_of)


@transform(per_value=True)
def number_format(values: pa.Array, places: int = 2, decimal: str = ".", grouping: str = "") -> Converted:
    """A number written with so many decimals, a ``decimal`` mark and, where wanted, a ``grouping`` mark."""

    def write(number: Decimal) -> str:
        rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        marks = {",": grouping, ".": decimal}
        return "".join(marks.get(sign, sign) for sign in f"{rounded or abs(rounded):,f}")

    return _each(decimals(values), write)


@transform(per_value=True)
def round_to(values: pa.Array, places: int = 2) -> Converted:
    """A number rounded to so many decimal ``places``, half away from zero."""
    unit = Decimal(1).scaleb(-places)
    return _each(decimals(values), lambda number: text_of(number.quantize(unit, rounding=ROUND_HALF_UP)))


@transform(per_value=True)
def whole(values: pa.Array) -> Converted:
    """A number without its decimals, as Data Integrator cuts a decimal to an integer."""
    return _each(decimals(values), lambda number: text_of(number.quantize(Decimal(1), rounding=ROUND_DOWN)))


@transform(reads="columns", per_value=True)
def discount_per_unit(columns: Sequence[pa.Array], places: int = 2) -> Converted:
    """The discount of one unit, from the line's total discount and its quantity, rounded to ``places``.

    F&O stores a discount per unit; what rounding loses is ``discount_remainder``. A discount on no quantity is refused.
    """
    return _discount(columns, lambda total, quantity: _unit(total, quantity, places))


@transform(reads="columns", per_value=True)
def discount_remainder(columns: Sequence[pa.Array], places: int = 2) -> Converted:
    """The charge that makes a line with a rounded discount per unit come to the same net amount.

    From total discount and quantity: 10.00 on 3 is 3.33 a unit and a charge of -0.01.
    """
    return _discount(columns, lambda total, quantity: quantity * _unit(total, quantity, places) - total)


def _unit(total: Decimal, quantity: Decimal, places: int) -> Decimal:
    return (total / quantity).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _discount(columns: Sequence[pa.Array], of: Callable[[Decimal, Decimal], Decimal]) -> Converted:
    pairs = zip(*(decimals(column) for column in columns), strict=True)
    answers: list[str | None] = []
    refused: list[bool] = []
    for total, quantity in pairs:
        known = total is not None and not total.is_nan()
        usable = quantity is not None and not quantity.is_nan() and quantity != 0
        free = known and total == 0
        answers.append("0" if free else _exactly(lambda: of(total, quantity)) if known and usable else None)  # noqa: B023
        refused.append(total is not None and answers[-1] is None)
    return Converted(pa.array(answers, pa.string()), pa.array(refused, pa.bool_()), "is a discount on no quantity")


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return Decimal("NaN")
    if not number:
        return Decimal(0)
    fits = number.is_finite() and abs(number.adjusted()) <= MOST_DIGITS and len(number.as_tuple().digits) <= MOST_DIGITS
    return number if fits else Decimal("NaN")


def _exactly(work: Callable[[], Any]) -> str | None:
    """The text of what some arithmetic comes to, with every digit; None where it has too many."""
    try:
        with localcontext(EXACT):
            return text_of(work())
    except InvalidOperation:
        return None


def _each(numbers: list[Decimal | None], write: Callable[[Decimal], Any]) -> Converted:
    answers = [None if n is None or n.is_nan() else _exactly(lambda n=n: write(n)) for n in numbers]  # type: ignore[misc]
    refused = [number is not None and answer is None for number, answer in zip(numbers, answers, strict=True)]
    return Converted(pa.array(answers, pa.string()), pa.array(refused, pa.bool_()), NO_NUMBER)
