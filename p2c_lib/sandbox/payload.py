"""What a text stands for in a JSON body where another type is expected: both services read bodies with one library.

It reads texts as truth values, whole numbers of 32 bits and floats. Numbers that JavaScript cannot hold, decimals and
whole numbers of 64 bits, are texts exactly when the Content-Type says ``IEEE754Compatible=true``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from p2c_lib.sandbox.exact import number

_COMPATIBLE = re.compile(r";\s*ieee754compatible\s*=\s*\"?true\b", re.IGNORECASE)
_INT32 = re.compile(r"\s*([+-]?\d{1,10})\s*", re.ASCII)
_FLOAT = re.compile(r"\s*([+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,4})?)\s*", re.ASCII)
_WIDE = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_FRACTION = re.compile("[.eE]")


def wide_as_text(media_type: str) -> bool:
    """Whether a media type says that decimals and whole numbers of 64 bits are texts.

    >>> wide_as_text("application/json;odata.metadata=minimal; IEEE754Compatible=true")
    True
    """
    return _COMPATIBLE.search(media_type) is not None


def as_bool(value: object) -> object:
    """The truth value that a text spells, in any case; anything else as it is.

    >>> as_bool("False"), as_bool("no"), as_bool(1)
    (False, 'no', 1)
    """
    spelt = value.strip().lower() if isinstance(value, str) else ""
    return spelt == "true" if spelt in {"true", "false"} else value


def as_int32(value: object) -> object:
    """The whole number that a text spells; anything else as it is."""
    found = _INT32.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else int(found.group(1))


def as_float(value: object) -> object:
    """The number that a text spells; anything else as it is."""
    found = _FLOAT.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else number(found.group(1))


def as_wide(value: object, *, compatible: bool) -> object:
    """A decimal or a whole number of 64 bits, from a text exactly when they are ``compatible``.

    A number where a text must stand comes as its text, which no column of numbers takes; anything else as it is.

    >>> as_wide("12.50", compatible=True), as_wide("12.50", compatible=False), as_wide(12, compatible=True)
    (Decimal('12.50'), '12.50', '12')
    """
    if not compatible or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return str(value)
    if not isinstance(value, str) or not _WIDE.fullmatch(value):
        return value
    found = number(value)
    return found if _FRACTION.search(value) else int(found)


def from_text(value: object, kind: str, *, compatible: bool) -> object:
    """A value of a body for a column of that kind, whatever text it may stand for read as that."""
    if kind in _WIDE_KINDS:
        return as_wide(value, compatible=compatible)
    read = _READ.get(kind)
    return value if read is None else read(value)


_WIDE_KINDS = {"decimal", "money", "bigint"}
_READ: Mapping[str, Callable[[object], object]] = {
    "bool": as_bool,
    "double": as_float,
    **dict.fromkeys(("int", "choice", "state", "status"), as_int32),
}
