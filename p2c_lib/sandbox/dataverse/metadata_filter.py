"""``$filter`` over rows that no table holds: definitions, and small sets such as solutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from p2c_lib.sandbox.collation import sales_key
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.expression import And, Compare, EnumLiteral, Function, Literal, Node, Not, Or, Path
from p2c_lib.sandbox.memory_compare import compared
from p2c_lib.sandbox.predicate import Unfit
from p2c_lib.sandbox.wire import Refusal

_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}


def holds(
    node: Node, row: Mapping[str, Any], parameters: Mapping[str, Node] = MappingProxyType({}), *, texts: bool = False
) -> bool:
    """Whether a row fits a filter.

    Definitions know no string functions (501) and compare texts exactly; with ``texts`` both are as in tables.
    """
    if isinstance(node, And | Or):
        # Every part is looked at, so that a mistake in one is told whatever the others say.
        results = [holds(part, row, parameters, texts=texts) for part in node.parts]
        return all(results) if isinstance(node, And) else any(results)
    if isinstance(node, Not):
        return not holds(node.part, row, parameters, texts=texts)
    if isinstance(node, Function):
        return _function(node, row, parameters, texts=texts)
    if isinstance(node, Compare):
        left, right = (_folded(_value(side, row, parameters), texts=texts) for side in (node.left, node.right))
        try:
            return compared(node.op, left, right)
        except Unfit as problem:
            raise bad_query(str(problem)) from problem
    value = _value(node, row, parameters)
    if not isinstance(value, bool):
        raise bad_query("The $filter expression must evaluate to a single boolean value.")
    return value


def _folded(value: Any, *, texts: bool) -> Any:
    return sales_key(value) if texts and isinstance(value, str) else value


def _function(node: Function, row: Mapping[str, Any], parameters: Mapping[str, Node], *, texts: bool) -> bool:
    if not texts:
        raise Refusal(501, "0x8006088a", f"The function '{node.name}' is not supported for metadata.")
    values = [_value(part, row, parameters) for part in node.arguments]
    if node.name not in _TEXT or len(values) != 2:
        raise bad_query(f"The function '{node.name}' is not supported for this set.")
    if not all(value is None or isinstance(value, str) for value in values):
        raise bad_query(f"No function signature for the function with name '{node.name}' matches the arguments.")
    if None in values:
        return False
    return _TEXT[node.name](str(sales_key(values[0])), str(sales_key(values[1])))


def _value(node: Node, row: Mapping[str, Any], parameters: Mapping[str, Node]) -> Any:
    if isinstance(node, Path) and node.names[0].startswith("@"):
        node = parameters.get(node.names[0], Literal("null", None))
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, EnumLiteral):
        return node.member
    if isinstance(node, Path):
        value: Any = row
        for name in node.names:
            if not isinstance(value, Mapping) or name not in value:
                raise bad_query(f"Could not find a property named '{name}'.")
            value = value[name]
        return value
    raise bad_query("This expression is not supported for metadata.")
