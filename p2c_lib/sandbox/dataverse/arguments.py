"""The arguments of a function's call: in place, or by parameter aliases that stand in the query."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from p2c_lib.sandbox.dataverse.operations import Operation
from p2c_lib.sandbox.dataverse.options import split_outside
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.expression import EnumLiteral, Literal, Malformed, parse_filter

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'', re.DOTALL)


def arguments(operation: Operation, text: str | None, raw: Mapping[str, str]) -> dict[str, Any]:
    """Every parameter of the call ``name(<text>)``; `Refusal` (400) for what cannot be read, is unknown or missing.

    An alias that the query does not have is null, as OData has it. Enums are their member's name.
    """
    given: dict[str, Any] = {}
    for part in split_outside(text or "", ","):
        if not part.strip():
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name in given:
            raise bad_query(f"The function's arguments cannot be read: '{part.strip()[:100]}' is not name=value.")
        given[name] = _value(raw.get(value, "null") if value.startswith("@") else value, name)
    return operation.arguments(given)


def loose_json(text: str) -> Any:
    """JSON whose texts may stand in single quotes, as in examples of the reference. Raises ValueError, RecursionError.

    >>> loose_json("{'@odata.id':'contacts(1)'}")
    {'@odata.id': 'contacts(1)'}
    """
    return json.loads(_QUOTED.sub(_in_double_quotes, text))


def _in_double_quotes(found: re.Match[str]) -> str:
    text = found.group()
    return text if text[0] == '"' else json.dumps(text[1:-1].replace("''", "'"))


def _value(text: str, name: str) -> Any:
    text = text.strip()
    if text.startswith("{"):
        try:
            return loose_json(text)
        except (ValueError, RecursionError) as error:
            raise bad_query(f"The argument '{name}' is not JSON: {str(error)[:100]}.") from error
    try:
        node = parse_filter(text)
    except Malformed as error:
        raise bad_query(f"The argument '{name}' cannot be read: {error}") from error
    if isinstance(node, EnumLiteral):
        return node.member
    if isinstance(node, Literal):
        return node.value
    raise bad_query(f"The argument '{name}' must be a literal; '{text[:100]}' came.")
