"""Query options over rows that stand in memory, as the metadata service has them; what is not honoured is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from p2c_lib.sandbox.expression import And, Compare, EnumLiteral, Function, Literal, Malformed, Node, Not, Or, Path
from p2c_lib.sandbox.expression import parse_filter as parsed_filter
from p2c_lib.sandbox.expression import parse_order as parsed_order
from p2c_lib.sandbox.finops.levels import format_level
from p2c_lib.sandbox.finops.refusals import bad_query
from p2c_lib.sandbox.memory_compare import compared
from p2c_lib.sandbox.predicate import Unfit

Row = Mapping[str, Any]
_LISTED = ("$filter", "$select", "$orderby", "$top", "$skip", "$count", "$format")
_SINGLE = ("$select", "$format")
_ENUMS = "Microsoft.Dynamics.Metadata."
_TEXT: dict[str, Callable[..., Any]] = {
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "length": len,
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}


def listed(rows: Sequence[Row], options: Mapping[str, str]) -> dict[str, Any]:
    """The members of a collection's answer: ``@odata.count`` where it is asked for, and ``value``."""
    check_options(options, _LISTED)
    node = _parsed(options["$filter"]) if "$filter" in options else None
    kept = [row for row in rows if node is None or _is_true(_value(node, row))]
    for row in rows[:1]:  # looked at also where the filter or $skip leaves nothing
        chosen(row, options)
        _ = [_value(path, row) for path, _ in _terms(options.get("$orderby"))]
    for path, descending in reversed(_terms(options.get("$orderby"))):
        kept.sort(key=lambda row, path=path: _sortable(_value(path, row)), reverse=descending)  # type: ignore[misc]
    counted = {"@odata.count": len(kept)} if _flag(options.get("$count", "false")) else {}
    skip, top = _number(options, "$skip") or 0, _number(options, "$top")
    page = kept[skip:] if top is None else kept[skip : skip + top]
    return {**counted, "value": [chosen(row, options) for row in page]}


def single(row: Row, options: Mapping[str, str]) -> dict[str, Any]:
    """One row with what ``$select`` names."""
    check_options(options, _SINGLE)
    return chosen(row, options)


def check_options(options: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse a system query option that is not known, and a format that is not JSON."""
    for name in options:
        if name.startswith("$") and name not in known:
            raise bad_query(f"The query option '{name}' is not supported.")
    if "$format" in options:
        format_level(options["$format"])


def chosen(row: Row, options: Mapping[str, str]) -> dict[str, Any]:
    """The members that ``$select`` names, all without it; an unknown name is refused."""
    text = options.get("$select", "*").strip()
    if text == "*":
        return dict(row)
    names = [name.strip() for name in text.split(",")]
    return {name: _member(row, name) for name in names}


def _member(row: Row, name: str) -> Any:
    if name not in row:
        raise bad_query(f"Could not find a property named '{name[:80]}'.")
    return row[name]


def _parsed(text: str) -> Node:
    try:
        return parsed_filter(text)
    except Malformed as error:
        raise bad_query(str(error)) from error


def _terms(text: str | None) -> list[tuple[Path, bool]]:
    if text is None:
        return []
    try:
        return [(term.path, term.descending) for term in parsed_order(text)]
    except Malformed as error:
        raise bad_query(str(error)) from error


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise bad_query(f"Invalid value '{text[:40]}' for {name} query option found; it takes whole numbers from 0.")
    return int(text)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise bad_query(f"Invalid value '{text[:40]}' for $count query option found; it takes true or false.")
    return text == "true"


def _is_true(value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_query("The $filter expression must evaluate to a single boolean value.")
    return value


def _value(node: Node, row: Row) -> Any:
    if isinstance(node, And | Or):
        # Every part is looked at, so that a mistake in one is told whatever the others say.
        results = [_is_true(_value(part, row)) for part in node.parts]
        return all(results) if isinstance(node, And) else any(results)
    if isinstance(node, Not):
        return not _is_true(_value(node.part, row))
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, EnumLiteral) and node.type.startswith(_ENUMS):
        return node.member
    if isinstance(node, Path) and len(node.names) == 1:
        return _member(row, node.names[0])
    if isinstance(node, Compare):
        try:
            return compared(node.op, _value(node.left, row), _value(node.right, row))
        except Unfit as problem:
            raise bad_query(str(problem)) from problem
    if isinstance(node, Function) and node.name in _TEXT:
        return _applied(node, [_value(part, row) for part in node.arguments])
    what = f"function '{node.name}'" if isinstance(node, Function) else "expression"
    raise bad_query(f"This {what} is not supported by the metadata service.")


def _applied(node: Function, values: list[Any]) -> Any:
    if not values or not all(isinstance(value, str) for value in values):
        raise bad_query(f"The function '{node.name}' takes texts.")
    try:
        return _TEXT[node.name](*values)
    except TypeError as error:
        raise bad_query(f"The function '{node.name}' does not take {len(values)} arguments.") from error


def _sortable(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise bad_query("A collection or a complex value cannot be sorted by.")
    return (value is not None, value)
