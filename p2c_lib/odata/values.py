"""Which values a request can carry: one reading of what Python has, for keys in addresses, filters and bodies alike.

A value that none can carry is an error of its own row, whatever it is: a number longer than any column's, one that is
not finite, a kind of object that is no plain value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from p2c_lib.display import MISSING, text_of
from p2c_lib.errors import FrameError
from p2c_lib.odata.schema import several_text
from p2c_lib.odata.writes import OutOfYears

__all__ = ["GREATEST", "MOST_PLACES", "choices_text", "plain", "shown_value"]

GREATEST = 10**38  # more digits than a decimal of either service has
MOST_PLACES = 400  # more than the smallest float is written with
SHOWN = 60
_PLAIN = frozenset({str, bool, date, datetime})


def plain(value: object, name: str) -> Any:
    """A value as a text, number, yes or no, day or moment of Python's own; None for what stands for no value.

    ``name`` is the column, for messages. Raises FrameError for a value that no request can carry.

    >>> plain(UUID(int=1), "id"), plain(Decimal("1.50"), "price")
    ('00000000-0000-0000-0000-000000000001', Decimal('1.50'))
    """
    kind = type(value)
    if value is None or kind in _PLAIN:
        return value
    if kind.__name__ in MISSING:
        return None
    if isinstance(value, Enum):
        return plain(value.value, name)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (str, bool, date)):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _number(value, name)
    if isinstance(value, OutOfYears):
        raise FrameError(f"{name}: {value} is outside the years 1 to 9999.", hint="Give a day inside them.")
    if hasattr(value, "as_py"):
        return plain(value.as_py(), name)
    if hasattr(value, "dtype") and len(getattr(value, "shape", "array")) == 0:
        return _of_numpy(value, name)
    raise FrameError(f"{name}: a {kind.__name__} cannot be written.", hint="Give plain Python values.")


def choices_text(value: object, name: str) -> str | None:
    """Several choices as the text their column holds, whether a list or a text of them came; None for none.

    >>> choices_text([3, "1"], "picks"), choices_text("3, 1", "picks"), choices_text([], "picks")
    ('1,3', '1,3', None)
    """
    if hasattr(value, "tolist") and len(getattr(value, "shape", "")) > 0:
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        parts: Iterable[object] = value
    else:
        one = plain(value, name)
        parts = one.split(",") if isinstance(one, str) else () if one is None else (one,)
    return several_text(text_of(plain(each, name)) or "" for each in parts)


def shown_value(value: object) -> str:
    """A value in a message, whatever it is, cut where it is long."""
    if isinstance(value, int) and abs(value) > GREATEST:
        return "a number too long"
    if not isinstance(value, (str, int, float, Decimal, date, UUID, OutOfYears)) and value is not None:
        return f"a {type(value).__name__}"
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _number(value: int | float | Decimal, name: str) -> int | float | Decimal:
    finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)
    if not finite:
        raise FrameError(f"{name}: {value} is no number a service takes.")
    if _is_long(value):
        raise FrameError(f"{name}: a number with so many digits is none that a service takes.")
    return value


def _is_long(value: int | float | Decimal) -> bool:
    if not isinstance(value, Decimal):
        return abs(value) > GREATEST
    places = -int(value.as_tuple().exponent)
    return abs(places) > MOST_PLACES or value.copy_abs() > GREATEST


def _of_numpy(value: Any, name: str) -> Any:
    """A NumPy scalar: a float of its own width digit by digit, a moment to the microsecond."""
    if value.dtype.kind == "f":
        return _number(Decimal(str(value)), name)
    if value.dtype.kind != "M":
        return plain(value.item(), name)
    moment = value.astype("datetime64[us]").item() if value.dtype != "datetime64[D]" else value.item()
    if moment is not None and not isinstance(moment, date):
        raise FrameError(f"{name}: {value} is outside the years 1 to 9999.", hint="Give a day inside them.")
    return moment
