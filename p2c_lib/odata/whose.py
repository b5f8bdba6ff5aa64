"""Whose an answer is: each part of a batch is held against the write it stands for.

Services answer in the order of the request, but what stands between may change the order, leave a part out or bring one
twice. A part tells whose it is by the Content-ID of its request, by the address of its row, or by the row itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from p2c_lib.display import text_of
from p2c_lib.keys import fold
from p2c_lib.odata.batch import Reply
from p2c_lib.odata.characters import plain_json
from p2c_lib.odata.runs import Ready
from p2c_lib.odata.schema import EntitySchema

__all__ = ["row_id_told", "stranger"]

_ENTITY_ID = re.compile(rb"(?im)^(?:odata-entityid|location):(?:[^)\r\n]*+\)(?!\s*$))*+[^(\r\n]*+\(([^)\r\n]*+)\)\s*$")
_KEY_IN_PATH = re.compile(r"\A[^(]*+\((.*)\)[^()]*$")
_NAMED = re.compile(r"(?<!\w)(\w++)=('(?:[^']|'')*+'|[^,'=]*+)(?:,|$)")
COMPARED = frozenset({"Edm.String", "Edm.Guid"})  # values of other types have several spellings
COUNTED = frozenset({"Edm.Byte", "Edm.SByte", "Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Decimal"})  # but by size one
CREATED = 201
WITH_ROW = frozenset({200, CREATED})

Key = Mapping[str, str]


def stranger(batch: Sequence[Ready], answers: Sequence[Reply]) -> str | None:
    """What shows that answers are not those to these writes, in their order; None where all that they tell fits."""
    if len(answers) > len(batch):
        return f"{len(answers):,} answers came to {len(batch):,} writes"
    for number, (each, reply) in enumerate(zip(batch, answers, strict=False), 1):
        if reply.content_id is not None and reply.content_id != str(number):
            return f"the answer to write {number:,} has the Content-ID {reply.content_id[:20]!r}"
        if not _is_of(each, reply):
            return f"the answer to write {number:,} is of another row"
    return _twice(batch, answers) or _nameless(batch, answers)


def _twice(batch: Sequence[Ready], answers: Sequence[Reply]) -> str | None:
    """What shows that one new row answers two writes, of which neither names it; None where none does."""
    unnamed = [pair for pair in zip(batch, answers, strict=False) if not pair[0].repeatable and pair[1].status < 300]
    told = [(each.schema, _told(each.schema, reply)) for each, reply in unnamed]
    whole = [tuple(fold(key[name], of.app) for name in of.key) for of, key in told if set(of.key) <= set(key)]
    return "two answers are of one new row" if len(set(whole)) < len(whole) else None


def _nameless(batch: Sequence[Ready], answers: Sequence[Reply]) -> str | None:
    """What shows that good answers may be in another's place: they tell no row, and not every write has a good one."""
    good = [(at, reply) for at, reply in enumerate(answers) if reply.status < 300]
    if len(good) == len(batch) or all(
        reply.content_id is not None or _is_told_apart(batch, at, reply) for at, reply in good
    ):
        return None
    return f"{len(good):,} of {len(batch):,} writes were done, and not every answer tells whose it is"


def _is_told_apart(batch: Sequence[Ready], at: int, reply: Reply) -> bool:
    """Whether an answer can be that to one write of a batch alone: by the row's key, or by the values it holds."""
    each = batch[at]
    wanted = _wanted(each)
    named = wanted if each.op != "create" or each.row_id is not None else each.schema.key
    if wanted and set(named) <= set(wanted) <= set(_told(each.schema, reply)):
        return all(_is_compared(each.schema, name) for name in wanted)
    row = _row(reply.body) if reply.status == CREATED else {}
    return [place for place, other in enumerate(batch) if _holds(row, other)] == [at]


def _holds(row: Mapping[str, Any], each: Ready) -> bool:
    """Whether the row that an answer shows has the values of a write, as far as it shows them."""
    values = _row(each.part.body.encode())
    shown = [name for name in values if name in row]
    return bool(shown) and all(_alike(values[name], row[name]) for name in shown)


def _alike(written: object, shown: object) -> bool:
    if isinstance(written, str) and isinstance(shown, str):
        return written.rstrip(" ") == shown.rstrip(" ")
    return written == shown


def row_id_told(reply: Reply) -> str | None:
    """The key of the row as the address in an answer has it."""
    found = _ENTITY_ID.search(reply.head)
    return found.group(1).decode("utf-8", "replace") if found else None


def _is_of(each: Ready, reply: Reply) -> bool:
    """Whether the names an answer has for its row are those of a write's; a refusal has none."""
    if reply.status >= 300:
        return True
    told = _told(each.schema, reply)
    if not told:
        return True
    wanted = _wanted(each)
    return all(_same(each.schema, name, told[name], wanted[name]) for name in told if name in wanted)


def _same(schema: EntitySchema, name: str, told: str, wanted: str) -> bool:
    if not _is_compared(schema, name):
        return True
    if schema.columns[name].edm in COUNTED:
        return _number(told) == _number(wanted)
    return fold(told, schema.app) == fold(wanted, schema.app)


def _is_compared(schema: EntitySchema, name: str) -> bool:
    """Whether a part of a key has one spelling by which it can be compared."""
    column = schema.columns.get(name)
    return column is not None and column.edm in COMPARED | COUNTED


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _told(schema: EntitySchema, reply: Reply) -> Key:
    address = row_id_told(reply)
    if address is not None:
        return _parsed(address, schema)
    return _in_body(reply.body, schema) if reply.status in WITH_ROW else {}


def _wanted(each: Ready) -> Key:
    """The names of a write's row, as far as they are known before; a new one may get its number from the service."""
    if each.row_id is not None:
        return {each.schema.key[0]: each.row_id}
    if each.op == "create":
        return _in_body(each.part.body.encode(), each.schema)
    found = _KEY_IN_PATH.search(each.part.path.partition("?")[0])
    return _parsed(found.group(1), each.schema) if found else {}


def _in_body(body: bytes, schema: EntitySchema) -> Key:
    """The key of a row as its JSON has it; what is no text and no number in it is left out."""
    row = _row(body)
    parts = {name: row[name] for name in schema.key if name in row}
    texts = {name: text_of(value) for name, value in parts.items() if _is_part(value)}
    return {name: text for name, text in texts.items() if text is not None and text.strip()}


def _is_part(value: object) -> bool:
    return isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)


def _row(body: bytes) -> Mapping[str, Any]:
    """A row of JSON; nothing where there is none."""
    try:
        row: Any = plain_json(body)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _parsed(text: str, schema: EntitySchema) -> Key:
    """The key in an address: ``6f1c...`` or ``dataAreaId='usmf',CustomerGroupId='10'``, encoded once or twice."""
    text = unquote(unquote(text))
    if "=" not in text:
        return {schema.key[0]: text.strip("'")} if len(schema.key) == 1 else {}
    return {name: value[1:-1].replace("''", "'") if value[:1] == "'" else value for name, value in _NAMED.findall(text)}
