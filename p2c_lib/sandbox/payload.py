"""What a text stands for in JSON where another type is expected: both services read and write it with one library.

It reads texts as truth values, whole numbers of 32 bits and floats. Numbers that JavaScript cannot hold, decimals and
whole numbers of 64 bits, are texts exactly when the media type says ``IEEE754Compatible=true``: the Content-Type of a
body that comes, and the Accept header for one that goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from p2c_lib.sandbox.exact import Digits, number

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


# The kind of a member of a row, and how the members of rows inside it are told; None for what is not known.
About: TypeAlias = Callable[[str], "tuple[str | None, About | None]"]


def unknown(_name: str) -> tuple[str | None, About | None]:
    """Nothing is known of a row's members: what has a fraction is a decimal."""
    return None, None


def told_as_text(body: str, about: About) -> str:
    """The text of an answer with its decimals, whole numbers of 64 bits and counts as texts, digits as they were.

    >>> told_as_text('{"@odata.count": 2, "value": [{"a": 1.50, "b": 2}]}', unknown)
    '{"@odata.count": "2", "value": [{"a": "1.50", "b": 2}]}'
    """
    found = json.loads(body, parse_float=Digits)
    return _FLOAT_MARK.sub(r"\1", json.dumps(_texts(found, about), ensure_ascii=False))


# Floats stay numbers with their own digits, between signs that no stored text can hold.
_FLOAT_MARK = re.compile(r'"\\u0000([^"]*)\\u0000"')


def _texts(node: object, about: About) -> object:
    if isinstance(node, list):
        return [_texts(one, about) for one in node]
    if not isinstance(node, dict):
        return str(node) if isinstance(node, Digits) else node
    return {name: _text(name, value, about) for name, value in node.items()}


def _text(name: str, value: object, about: About) -> object:
    if isinstance(value, dict | list):
        inner = about(name)[1]
        return _texts(value, about if name == "value" and inner is None else inner or unknown)
    kind = "bigint" if name.endswith("@odata.count") else about(name)[0]
    if isinstance(value, Digits):
        return f"\0{value}\0" if kind == "double" else str(value)
    return str(value) if type(value) is int and kind in _WIDE_KINDS else value
