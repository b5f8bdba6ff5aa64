"""What an operation is called with, held against what it takes: a function's arguments, the body of an action."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse.operation_types import CLOSING, CLOSING_BINDS, COMPLEX, ENUMS, FLAGS, NOT_HERE
from p2c_lib.sandbox.dataverse.operations import Operation
from p2c_lib.sandbox.dataverse.options import split_outside
from p2c_lib.sandbox.dataverse.refusals import (
    NAMESPACE,
    bad_argument,
    bad_payload,
    bad_query,
    names_type,
    not_allowed,
    not_last,
    wrong_type,
)
from p2c_lib.sandbox.expression import EnumLiteral, Literal, Malformed, moment, parse_filter
from p2c_lib.sandbox.payload import as_bool, as_int32

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

_GUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'', re.DOTALL)


def arguments(operation: Operation, text: str | None, raw: Mapping[str, str]) -> dict[str, Any]:
    """Every parameter of the call ``name(<text>)``; `Refusal` (400) for what cannot be read, is unknown or missing.

    An alias that the query does not have is null, as OData has it. Enums are their members' names.
    """
    given: dict[str, Any] = {}
    for part in split_outside(text or "", ","):
        if not part.strip():
            continue
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise bad_query(f"The function's arguments cannot be read: '{part.strip()[:100]}' is not name=value.")
        if name in given:
            raise bad_query(f"The argument '{name[:100]}' was given more than once.")
        given[name] = _value(raw.get(value, "null") if value.startswith("@") else value, name)
    for one in operation.parameters:
        if isinstance(given.get(one.name), dict | list):
            given[one.name] = _read(given[one.name], one.type)
    return _checked(operation, given)


def sent(request: Request, operation: Operation, segment: Segment, rest: Sequence[Segment] = ()) -> dict[str, Any]:
    """Every parameter of an action, from the body; `Refusal` for another method, a longer path, or a wrong body.

    An action that needs nothing may come without a body.
    """
    if rest:
        raise not_last(segment.name)
    if request.call.method != "POST":
        raise not_allowed(request.call.method, request.path)
    request.only()
    if segment.key:
        raise bad_query(f"The parameters of the action '{operation.name}' stand in its body, not in its address.")
    needed = any(not one.nullable for one in operation.parameters)
    body = request.body() if needed or request.call.body else {}
    if not isinstance(body, dict):
        raise bad_payload(f"The parameters of '{operation.name}' are a JSON object; {type(body).__name__} came.")
    told = {one.name: one.type for one in operation.parameters}
    return _checked(operation, {name: _read(value, told.get(name, "")) for name, value in body.items()})


def _checked(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter with what was given, or null; `Refusal` (400) for one too many, one missing, or a wrong type."""
    known = {one.name: one for one in operation.parameters}
    for name in given:
        if name not in known and not _annotates(name, known):
            raise bad_payload(
                f"The parameter '{name[:100]}' in the request payload is not a valid parameter for the operation "
                f"'{operation.name}'."
            )
    for one in operation.parameters:
        value = given.get(one.name)
        if value is None and not one.nullable:
            raise bad_argument(f"{operation.name} needs {one.name}, which cannot be null.")
        if value is not None:
            _fit(value, one.type, one.name)
    return {name: _plain(given.get(name)) for name in known}


def _annotates(name: str, known: Mapping[str, object]) -> bool:
    """Whether a member is an annotation: of the whole, or of a member that is known."""
    target, mark, _ = name.partition("@")
    return bool(mark) and (not target or target in known)


def _plain(value: Any) -> Any:
    return value.member if isinstance(value, EnumLiteral) else value


# -- types ------------------------------------------------------------------------------------------------------------


def _read(value: Any, kind: str) -> Any:
    """A value of JSON with what its texts stand for: a client that writes everything as text is understood."""
    if isinstance(value, list):
        return [_read(one, kind.removeprefix("Collection(").removesuffix(")")) for one in value]
    if isinstance(value, dict):
        bare = kind.removeprefix("mscrm.")
        members = CLOSING if bare == "quoteclose" else {} if bare == "Object" else COMPLEX.get(bare, {})
        return {name: _read(one, members[name]) if name in members else one for name, one in value.items()}
    return _FROM_TEXT[kind](value) if kind in _FROM_TEXT else value


_FROM_TEXT: Mapping[str, Callable[[object], object]] = {"Edm.Boolean": as_bool, "Edm.Int32": as_int32}


def _fit(value: Any, kind: str, at: str) -> None:
    """Refuse (400) a value that is not of the type; ``at`` says where it stands."""
    if kind.startswith("Collection("):
        if not isinstance(value, list):
            raise _unfit(value, kind, at)
        for number, one in enumerate(value):
            _fit(one, kind[len("Collection(") : -1], f"{at}[{number}]")
        return
    bare = kind.removeprefix("mscrm.")
    if kind in _PRIMITIVE:
        fitting = _PRIMITIVE[kind](value)
    elif bare in ENUMS:
        fitting = _is_member(value, bare)
    elif bare == "Object" and not isinstance(value, dict):
        # Clients leave the shell around a value out.
        fitting = not isinstance(value, list) or all(isinstance(one, str | int) for one in value)
    else:
        fitting = isinstance(value, dict)
    if not fitting:
        raise _unfit(value, kind, at)
    if bare == "quoteclose":
        _fit_members(value, bare, at, {**CLOSING, **dict.fromkeys(CLOSING_BINDS, "mscrm.crmbaseentity")})
    elif bare in COMPLEX and isinstance(value, dict):
        _fit_members(value, bare, at, COMPLEX[bare])


def _fit_members(value: Mapping[str, Any], kind: str, at: str, members: Mapping[str, str]) -> None:
    away = NOT_HERE.get(kind, set())
    named = value.get("@odata.type")
    if named is not None and not names_type(named, kind):
        raise wrong_type(str(named)[:120], kind, at)
    for name, inner in value.items():
        if name not in members and not _annotates(name, members):
            raise bad_payload(f"The property '{name[:100]}' does not exist on type '{NAMESPACE}.{kind}' ({at}).")
        if name in away and not _says_nothing(inner):
            raise bad_argument(f"'{name}' of {kind} ({at}) is documented, but not in this sandbox.")
        # The value of an Object is of the type that it says.
        if name in members and inner is not None and kind != "Object":
            _fit(inner, members[name], f"{at}/{name}")


def _says_nothing(value: Any) -> bool:
    """Whether a value is what serialisers write for none: null, false, 0, nothing in it, or an object of such."""
    return all(map(_says_nothing, value.values())) if isinstance(value, dict) else not value


def _is_member(value: Any, kind: str) -> bool:
    if isinstance(value, EnumLiteral):
        return names_type(value.type, kind) and _is_member(value.member, kind)
    members = ENUMS[kind]
    if isinstance(value, int) and not isinstance(value, bool):
        return value in members.values() or (kind in FLAGS and 0 <= value <= max(members.values()))
    if not isinstance(value, str):
        return False
    return all(part.strip() in members for part in value.split(",")) if kind in FLAGS else value in members


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(moment(value))
    except Malformed:
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


_PRIMITIVE: Mapping[str, Callable[[Any], bool]] = {
    "Edm.String": lambda value: isinstance(value, str),
    "Edm.Boolean": lambda value: isinstance(value, bool),
    "Edm.Int32": _is_whole,
    "Edm.Guid": lambda value: isinstance(value, str) and _GUID.fullmatch(value) is not None,
    "Edm.DateTimeOffset": _is_moment,
}


def _unfit(value: Any, kind: str, at: str) -> Exception:
    return bad_payload(
        f"Cannot convert the value '{str(_plain(value))[:100]}' of '{at}' to the expected type '{kind}'."
    )


# -- literals ---------------------------------------------------------------------------------------------------------


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
        return node
    if isinstance(node, Literal):
        return node.value
    raise bad_query(f"The argument '{name}' must be a literal; '{text[:100]}' came.")
