"""Comparisons of values that stand in memory, as both systems have them in tables: of one type, and null with any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from p2c_lib.sandbox.predicate import incompatible

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


def compared(op: str, left: Any, right: Any) -> bool:
    """Whether ``left op right`` holds; raises `Unfit` where the types do not compare.

    >>> compared("eq", "a", "a"), compared("ne", None, 1), compared("gt", None, 1)
    (True, True, False)
    """
    families = _family(left), _family(right)
    nothing = "null" in families
    if not nothing and (families[0] != families[1] or "complex" in families):
        raise incompatible(*families, op)
    if op in {"eq", "ne"}:
        return bool(left == right) is (op == "eq")
    return not nothing and _ORDER[op](left, right)


def _family(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "number"
    # Texts, and what texts are compared by.
    return "complex" if isinstance(value, Mapping | list) else "string"
