"""F&O values: what a stored value looks like on the wire, what an empty one is, and how a sent one is stored.

A stored NULL is an empty value: F&O has no null. ``""``, 0, the enum's first member and 1900-01-01 stand for it. A
column of the key is never NULL: an empty part of a key is kept as the empty value itself, so that it can be told apart.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from json.encoder import encode_basestring_ascii
from typing import Any

from p2c_lib.sandbox.collation import company
from p2c_lib.sandbox.exact import REAL_LIMIT, REAL_PLACES, rounded, short
from p2c_lib.sandbox.expression import Malformed, moment
from p2c_lib.sandbox.finops.refusals import bad_body, write_refused
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.schema import Column, Entity, entities, enums
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.texts import cut, refused_in, units

as_json_text = encode_basestring_ascii
NAMESPACE = "Microsoft.Dynamics.DataEntities"
FIRST_RECORD = 5637144576
EDM = {
    "string": "Edm.String",
    "int": "Edm.Int32",
    "bigint": "Edm.Int64",
    "decimal": "Edm.Decimal",
    "datetime": "Edm.DateTimeOffset",
    "guid": "Edm.Guid",
}
_RANGES = {"int": 2**31, "bigint": 2**63}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def edm(column: Column) -> str:
    """The column's type as the metadata names it."""
    return f"{NAMESPACE}.{column.enum}" if column.enum else EDM[column.kind]


def first_member(enum: str) -> str:
    """The member that stands for empty: the one with the smallest value."""
    members = enums()[enum]
    return min(members, key=lambda name: members[name])


def empty(column: Column) -> str | int:
    """The wire value of an empty column.

    >>> from p2c_lib.sandbox.schema import entities
    >>> empty(entities("finops")["CDSSalesQuotationHeaders"].columns["RequestedShippingDate"])
    '1900-01-01T12:00:00Z'
    """
    if column.kind == "datetime":
        return "1900-01-01T12:00:00Z" if column.behavior == "Date" else "1900-01-01T00:00:00Z"
    if column.kind == "enum":
        return first_member(column.enum or "")
    if column.kind == "guid":
        return "00000000-0000-0000-0000-000000000000"
    return "" if column.kind == "string" else 0


def keyed(entity: Entity, row: Mapping[str, Value]) -> dict[str, Value]:
    """The row, with the empty value in every part of its key that holds nothing."""
    return {**row, **{name: empty(entity.columns[name]) for name in entity.key if row.get(name) is None}}


def etag(version: int, record: int) -> str:
    """The weak etag: base64 of the record version and the record id in quotes.

    >>> etag(1, 1)
    'W/"JzEsNTYzNzE0NDU3Nyc="'
    """
    pair = f"'{version},{FIRST_RECORD + record}'"
    return f'W/"{base64.b64encode(pair.encode()).decode()}"'


# -- out -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """How a column is written: its name with the colon, the text of an empty value, the text of any other."""

    name: str
    nothing: str
    text: Callable[[Any], str]


@cache
def written(set_name: str) -> dict[str, Written]:
    """How the columns of an entity set are written, by name."""
    columns = entities("finops")[set_name].columns.values()
    return {
        c.name: Written(f"{as_json_text(c.name)}:", json.dumps(empty(c)), _TEXTS.get(c.kind, as_json_text))
        for c in columns
    }


def _decimal(value: Decimal | str) -> str:
    return value if isinstance(value, str) else short(value)


_TEXTS: dict[str, Callable[[Any], str]] = {"int": str, "bigint": str, "decimal": _decimal}


def page_text(columns: Sequence[Written], rows: Sequence[Sequence[Any]], heads: Sequence[str]) -> list[str]:
    """The rows as JSON objects; ``heads`` are the members before the columns, one text a row (may be empty).

    A column without any value on the page is written into the form of the row once, not into every row.
    """
    form, varying = [], []
    for place, column in enumerate(columns):
        name = column.name.replace("%", "%%")
        if all(row[place] is None for row in rows):
            form.append(f"{name}{column.nothing}")
        else:
            form.append(f"{name}%s")
            text, nothing = column.text, column.nothing
            varying.append([nothing if row[place] is None else text(row[place]) for row in rows])
    row_form = ",".join(form) + "}"
    bodies = [row_form % values for values in zip(*varying, strict=True)] if varying else [row_form % ()] * len(rows)
    return [f"{{{head},{body}" if head else f"{{{body}" for head, body in zip(heads, bodies, strict=True)]


def row_text(columns: Sequence[Written], row: Sequence[Any], head: str) -> str:
    """One row as a JSON object."""
    parts = [
        f"{column.name}{column.nothing if value is None else column.text(value)}"
        for column, value in zip(columns, row, strict=True)
    ]
    return "{" + ",".join([head, *parts] if head else parts) + "}"


# -- in ------------------------------------------------------------------------------------------------------------


def stored(entity: Entity, column: Column, sent: Any, switches: Switches) -> Value:
    """What is stored for a value sent in a body; refuses what the column's type cannot hold."""
    if sent is None:
        if switches.null_values == "reject":
            raise bad_body(f"A null value was found for the property '{column.name}', which is not nullable.")
        return None
    if column.kind == "string":
        return _text(entity, column, sent, switches)
    if column.kind == "enum":
        return _member(column, sent, switches)
    if column.kind == "datetime":
        return _moment(column, sent)
    if column.kind == "guid":
        if not isinstance(sent, str) or not _GUID.fullmatch(sent):
            raise _cannot_convert(column, sent)
        return sent.lower()
    return _number(column, sent)


def _cannot_convert(column: Column, sent: Any) -> Exception:
    shown = json.dumps(sent, default=str)[:60]
    wanted = f"property '{column.name}' to the expected type '{edm(column)}'"
    return bad_body(f"Cannot convert the literal {shown} of {wanted}.")


def _text(entity: Entity, column: Column, sent: Any, switches: Switches) -> Value:
    if not isinstance(sent, str):
        raise _cannot_convert(column, sent)
    bad = refused_in(sent)
    if bad is not None:
        raise bad_body(f"'{column.name}': hexadecimal value 0x{ord(bad):02X}, is an invalid character.")
    text = sent.rstrip(" ")
    if column.name == "dataAreaId":
        text = company(text)
    size = units(text)
    if column.length is not None and size > column.length:
        if column.name in entity.key or switches.string_overflow == "reject":
            raise write_refused(
                entity,
                f"Error: The text in field '{column.name}' has {size} characters; at most {column.length} fit.",
                f"Warning: validateField failed on field '{entity.aot}.{column.name}'.",
            )
        if switches.string_overflow == "truncate":
            text = cut(text, column.length).rstrip(" ")
    return text or None


def _member(column: Column, sent: Any, switches: Switches) -> Value:
    members = enums()[column.enum or ""]
    if isinstance(sent, int) and not isinstance(sent, bool) and switches.integer_enums == "accept":
        named = {value: name for name, value in members.items()}
        if sent in named:
            return named[sent]
    if not isinstance(sent, str):
        raise _cannot_convert(column, sent)
    if sent not in members:
        known = ", ".join(members)
        raise bad_body(
            f"Requested value '{sent[:60]}' was not found in type '{edm(column)}' of property '{column.name}'. "
            f"Members: {known}."
        )
    return sent


def _moment(column: Column, sent: Any) -> Value:
    if not isinstance(sent, str):
        raise _cannot_convert(column, sent)
    try:
        when = moment(sent)
    except Malformed as error:
        raise _cannot_convert(column, sent) from error
    if len(when) == len("2026-01-31"):
        when += "T00:00:00Z"
    if when.startswith("1900-01-01"):
        return None
    return f"{when[:10]}T12:00:00Z" if column.behavior == "Date" else when


def _number(column: Column, sent: Any) -> Value:
    if isinstance(sent, bool) or not isinstance(sent, int | Decimal):
        raise _cannot_convert(column, sent)
    if column.kind == "decimal":
        if not -REAL_LIMIT < sent < REAL_LIMIT:
            raise _cannot_convert(column, sent)
        return rounded(Decimal(sent), REAL_PLACES)
    limit = _RANGES[column.kind]
    if isinstance(sent, Decimal) or not -limit <= sent < limit:
        raise _cannot_convert(column, sent)
    return sent
