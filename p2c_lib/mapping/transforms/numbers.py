"""Transforms of numbers: reading, rounding, writing, and the discount of one unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any

import pyarrow as pa

from p2c_lib.display import text_of, texts
from p2c_lib.mapping.transforms.arguments import Mark, Places
from p2c_lib.mapping.transforms.registry import Converted, transform
from p2c_lib.numerals import decimal_of

__all__ = ["discount_per_unit", "discount_remainder", "number_format", "read_number", "round_to", "whole"]

NO_NUMBER = "is no number"
BLANKS = " \u00a0\u2009\u202f"  # the blank, the no-break blank and two narrow ones
MOST_DIGITS = 76  # of the widest decimal there is; what has more before or behind the point is no number of a column
EXACT = Context(prec=4 * MOST_DIGITS, rounding=ROUND_HALF_UP)


def decimals(values: pa.Array) -> list[Decimal | None]:
    """The values as exact numbers, None where there is none; a value that is no number is NaN."""
    return [None if text is None or not text.strip() else _number(text) for text in texts(values).to_pylist()]


def _two_marks(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with the marks of a number: without two of them nobody can tell thousands from decimals."""
    if not arguments["decimal"]:
        return "the decimal mark is empty"
    blanks = arguments["decimal"] in BLANKS and arguments["grouping"] in BLANKS
    if arguments["decimal"] == arguments["grouping"] or blanks:
        return f"the decimal mark and the grouping mark are both '{arguments['decimal']}'"
    return None


@transform(per_value=True, together=_two_marks)
def read_number(values: pa.Array, decimal: Mark = ".", grouping: Mark = ",") -> Converted:
    """Text such as ``1.234,50`` read as a number, by its ``decimal`` mark and its ``grouping`` mark.

    Blanks of any width group digits as well, but no number has two kinds of grouping. A grouping mark stands before
    three digits and before the decimal mark, and the first group does not begin with 0: where the comma groups,
    ``12,50`` and ``0,125`` are refused, and never read as 1250 and 125.
    """
    form = _numeral(decimal, grouping)
    return _each([_read(text, form, decimal) for text in texts(values).to_pylist()], text_of)


def _numeral(decimal: str, grouping: str) -> re.Pattern[str]:
    """A number as people write it; its groups are the sign, the digits before the mark and the rest."""
    marks = [f"[{BLANKS}]", *([re.escape(grouping)] if grouping and grouping not in BLANKS else [])]
    grouped = "|".join(f"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+" for mark in marks)
    mark = re.escape(decimal)
    return re.compile(rf"([-+\u2212]?)[{BLANKS}]*({grouped}|[0-9]*)((?:{mark}[0-9]*)?(?:[eE][-+]?[0-9]+)?)")


def _read(text: str | None, form: re.Pattern[str], decimal: str) -> Decimal | None:
    if text is None or not text.strip():
        return None
    found = form.fullmatch(text.strip())
    if found is None:
        return Decimal("NaN")
    sign, whole, rest = found.groups()
    return _number(sign.replace("\u2212", "-") + re.sub(r"[^0-9]", "", whole) + rest.replace(decimal, "."))


@transform(per_value=True, together=_two_marks)
def number_format(values: pa.Array, places: Places = 2, decimal: Mark = ".", grouping: Mark = "") -> Converted:
    """A number written with so many decimals, a ``decimal`` mark and, where wanted, a ``grouping`` mark."""

    def write(number: Decimal) -> str:
        rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        marks = {",": grouping, ".": decimal}
        return "".join(marks.get(sign, sign) for sign in f"{rounded or abs(rounded):,f}")

    return _each(decimals(values), write)


@transform(per_value=True)
def round_to(values: pa.Array, places: Places = 2) -> Converted:
    """A number rounded to so many decimal ``places``, half away from zero."""
    unit = Decimal(1).scaleb(-places)
    return _each(decimals(values), lambda number: text_of(number.quantize(unit, rounding=ROUND_HALF_UP)))


@transform(per_value=True)
def whole(values: pa.Array) -> Converted:
    """A number without its decimals, as Data Integrator cuts a decimal to an integer."""
    return _each(decimals(values), lambda number: text_of(number.quantize(Decimal(1), rounding=ROUND_DOWN)))


@transform(reads="columns", per_value=True)
def discount_per_unit(columns: Sequence[pa.Array], places: Places = 2) -> Converted:
    """The discount of one unit, from the line's total discount and its quantity, rounded to ``places``.

    F&O stores a discount per unit; what rounding loses is ``discount_remainder``. A discount on no quantity is refused.
    """
    return _discount(columns, lambda total, quantity: _unit(total, quantity, places))


@transform(reads="columns", per_value=True)
def discount_remainder(columns: Sequence[pa.Array], places: Places = 2) -> Converted:
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
    number = decimal_of(text)
    if number is None:
        return Decimal("NaN")
    if not number:
        return Decimal(0)
    fits = abs(number.adjusted()) <= MOST_DIGITS and len(number.as_tuple().digits) <= MOST_DIGITS
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
