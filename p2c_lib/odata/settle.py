"""After a lost answer: is the row as the write wanted it?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

__all__ = ["as_written"]


def as_written(body: Mapping[str, object], row: Mapping[str, object]) -> bool:
    """Whether every value of a body is what the row holds; columns the row does not show are left out."""
    return all(_same(value, row[name]) for name, value in body.items() if name in row)


def _same(wanted: object, found: object) -> bool:
    if _empty(wanted) and _empty(found):
        return True
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted == found or (found in {"Yes", "No"} and (found == "Yes") == wanted)
    if isinstance(wanted, (int, float, Decimal)) and isinstance(found, (int, float, Decimal)):
        return _number(wanted) == _number(found)
    if isinstance(wanted, (datetime, date)) and isinstance(found, (datetime, date)):
        return _day(wanted) == _day(found)
    return str(wanted).strip().casefold() == str(found).strip().casefold()


def _empty(value: object) -> bool:
    return value is None or value == "" or value == 0


def _number(value: float | Decimal) -> Decimal:
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return Decimal("NaN")


def _day(value: date) -> str:
    return value.isoformat()[:10]
