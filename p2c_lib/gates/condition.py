"""A rule's row condition as SQL, in both forms Great Expectations stores: condition objects and ``col("x") > 1``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from p2c_lib.gates.scan import Scan, quoted

__all__ = ["condition_columns", "condition_sql"]

PARSERS = {"great_expectations", "great_expectations__experimental__"}
TEXT_FORM = re.compile(
    r"""^\s*col\("(?P<column>[^"]+)"\)\s*(?:(?P<notnull>\.notnull\(\))|(?P<op>==|!=|>=|<=|>|<)\s*"""
    r"""(?:(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|"(?P<double>[^"']*)"|'(?P<single>[^"']*)'))\s*$""",
    re.IGNORECASE,
)
SIGNS = {"==": "=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


def condition_sql(condition: Any, parser: str | None, scan: Scan) -> str | None:
    """The condition as SQL, true or false on every row; None when only Great Expectations can read it."""
    parsed = _from_text(condition) if isinstance(condition, str) and parser in PARSERS else condition
    return _sql(parsed, scan) if isinstance(parsed, Mapping) else None


def condition_columns(condition: Any) -> tuple[str, ...]:
    """The columns a condition names, as far as it can be read."""
    parsed = _from_text(condition) if isinstance(condition, str) else condition
    if not isinstance(parsed, Mapping):
        return ()
    inner = [c for part in parsed.get("conditions", ()) for c in condition_columns(part)]
    own = parsed.get("column") or {}
    return tuple(inner) + ((str(own["name"]),) if isinstance(own, Mapping) and "name" in own else ())


def _from_text(text: str) -> Mapping[str, Any] | None:
    found = TEXT_FORM.match(text)
    if not found:
        return None
    column = {"name": found["column"]}
    if found["notnull"]:
        return {"type": "nullity", "column": column, "is_null": False}
    number = found["number"]
    value: Any = found["double"] if found["double"] is not None else found["single"]
    if number is not None:
        value = int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
    return {"type": "comparison", "column": column, "operator": found["op"], "parameter": value}


def _sql(condition: Mapping[str, Any], scan: Scan) -> str | None:
    kind = condition.get("type")
    if kind in {"and", "or"}:
        parts = [_sql(part, scan) for part in condition.get("conditions", ())]
        whole = [p for p in parts if p is not None]
        return f"({f' {kind.upper()} '.join(whole)})" if whole and len(whole) == len(parts) else None
    column = str((condition.get("column") or {}).get("name"))
    if kind == "nullity":
        missing = scan.missing(column)
        return missing if condition.get("is_null") else f"NOT ({missing})"
    return _comparison(column, condition, scan) if kind == "comparison" else None


def _comparison(column: str, condition: Mapping[str, Any], scan: Scan) -> str | None:
    sign, value = str(condition.get("operator")), condition.get("parameter")
    there, name = f"NOT ({scan.missing(column)})", quoted(column)
    if sign in {"IN", "NOT_IN"} and isinstance(value, list):
        bounds = [scan.bound(column, v) for v in value]
        if not bounds or None in bounds:
            return None
        held = f"({there} AND {name} IN ({', '.join(str(b) for b in bounds)}))"
        return held if sign == "IN" else f"NOT {held}"
    bound = scan.bound(column, value)
    if bound is None:
        return None
    if sign == "!=":
        return f"NOT ({there} AND {name} = {bound})"
    return f"({there} AND {name} {SIGNS[sign]} {bound})" if sign in SIGNS else None
