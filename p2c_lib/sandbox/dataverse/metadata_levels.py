"""How much control information an answer carries: ``odata.metadata`` of the Accept header, else minimal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from p2c_lib.sandbox.dataverse.model import collections, edm, navigations, properties, sets
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE
from p2c_lib.sandbox.payload import About, told_as_text, wide_as_text
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.wire import Answer, Call

_LEVEL = re.compile(r"odata\.metadata=(none|full)\b")
_CONTROL = re.compile(r'"@odata\.(?:context|etag)":\s*"(?:[^"\\]|\\.)*",?\s*')
_CONTEXT = re.compile(r"\$metadata#(\w+)(?:\(.*\))?(?:/\$entity)?")
_NUMBER = re.compile(r'"\\u0000([^"]*)\\u0000"')
# Types that JSON's own do not tell.
_TOLD = {"Edm.DateTimeOffset", "Edm.Date", "Edm.Guid", "Edm.Decimal", "Edm.Int64", "Edm.Double"}


def at_level(call: Call, answer: Answer) -> Answer:
    """The answer as the Accept header wants it: ``none`` has no context and no etags, ``full`` types and links."""
    accept = call.headers.get("accept", "")
    found, wide = _LEVEL.search(accept.lower()), wide_as_text(accept)
    kind = answer.header("content-type") or ""
    if not (found or wide) or answer.status >= 300 or not kind.startswith("application/json") or not answer.body:
        return answer
    text = answer.body.decode("utf-8", "surrogatepass")
    level = found.group(1) if found else "minimal"
    if wide:
        text = told_as_text(text, _about(text))
    if level != "minimal":
        text = _CONTROL.sub("", text) if level == "none" else _full(text)
    told = kind.replace("metadata=minimal", f"metadata={level}") + ("; IEEE754Compatible=true" if wide else "")
    headers = [(name, told if value == kind else value) for name, value in answer.headers]
    return Answer(answer.status, headers, text.encode("utf-8", "surrogatepass"))


def _about(text: str) -> About:
    """How the members of an answer are told, by what its context says it holds."""
    place = text.find("$metadata#", 0, _HEAD)  # the first one is the answer's own
    context = _METADATA.match(text, place) if place >= 0 else None
    entity = sets().get(context.group(1)) if context else None
    if context is None or entity is None:
        return _of_definition
    column = properties(entity).get(context.group(2) or "")
    if column is not None:
        kind = column.kind
        return lambda name: (kind if name == "value" else None, None)
    return _of_rows(entity)


_METADATA = re.compile(r"\$metadata#(\w+)(?:\([^\"]*?\))?(?:/(\w+))?[\"/]")
_HEAD = 40_000  # letters of an answer in which its context stands


def _of_rows(entity: Entity) -> About:
    known = properties(entity)

    def about(name: str) -> tuple[str | None, About | None]:
        target = _target(entity, name)
        return (known[name].kind if name in known else None, None if target is None else _of_rows(target))

    return about


def _of_definition(_name: str) -> tuple[str | None, About | None]:
    """The bounds of columns, which are all that definitions hold of such numbers, stay numbers."""
    return ("double", _of_definition)


def _full(text: str) -> str:
    # Numbers go through as they are written, marked by a sign that no stored text can hold.
    body = json.loads(text, parse_float=lambda digits: f"\0{digits}\0")
    root, _, context = str(body.get("@odata.context", "")).partition("$metadata")
    match = _CONTEXT.fullmatch(f"$metadata{context}")
    entity = sets().get(match.group(1)) if match else None
    if entity is not None:
        rows = body.get("value", body)
        for row in rows if isinstance(rows, list) else [body]:
            if isinstance(row, dict) and entity.key[0] in row:
                _typed(row, entity, root)
    return _NUMBER.sub(r"\1", json.dumps(body, ensure_ascii=False))


def _typed(row: dict[str, Any], entity: Entity, root: str) -> None:
    """A row with its type and address, the types of its values, and the same for rows that were expanded."""
    for name, value in list(row.items()):
        target = _target(entity, name)
        for inner in value if isinstance(value, list) else [value]:
            if target is not None and isinstance(inner, dict):
                _typed(inner, target, root)
    known = properties(entity)
    told = {name: edm(known[name]) for name, value in row.items() if name in known and value is not None}
    types = {f"{name}@odata.type": f"#{kind.removeprefix('Edm.')}" for name, kind in told.items() if kind in _TOLD}
    address = f"{entity.set_name}({row.get(entity.key[0])})"
    links = {"@odata.id": f"{root}{address}", "@odata.editLink": address}
    own: Mapping[str, Any] = {"@odata.type": f"#{NAMESPACE}.{entity.name}", **links, **types, **row}
    context = {"@odata.context": row["@odata.context"]} if "@odata.context" in row else {}
    row.clear()
    row.update({**context, **own})


def _target(entity: Entity, name: str) -> Entity | None:
    if name in navigations(entity):
        return navigations(entity)[name].target
    return collections(entity)[name].child if name in collections(entity) else None
