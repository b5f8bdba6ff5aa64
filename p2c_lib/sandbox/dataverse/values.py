"""JSON values become stored values, with Dataverse's checks of type, length, range and choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from p2c_lib.sandbox.dataverse.model import edm
from p2c_lib.sandbox.dataverse.refusals import out_of_range, too_long, wrong_choice, wrong_literal
from p2c_lib.sandbox.exact import decimal_of, rounded, within
from p2c_lib.sandbox.expression import Malformed, moment
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.texts import refused_in, units
from p2c_lib.sandbox.wire import Refusal

_GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,12})?)?(Z|z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_EARLIEST = "1753-01-01"
_BEYOND = Decimal("1e28")


def stored(value: object, column: Column, entity: Entity) -> Value:
    """The stored form of a JSON value; `Refusal` (400) when it does not fit the column."""
    if value is None:
        return None
    return _CONVERT.get(column.kind, _choice)(value, column, entity)


def _text(value: object, column: Column, entity: Entity) -> Value:
    if not isinstance(value, str):
        raise wrong_literal(value, column, "Edm.String")
    if column.length is not None and units(value) > column.length:
        raise too_long(column, entity)
    bad = refused_in(value)
    if bad is not None:
        raise Refusal(400, "0x80040278", f"Invalid character in field '{column.name}': '\\u{ord(bad):04x}'.")
    return value or None


def _bool(value: object, column: Column, _entity: Entity) -> Value:
    if not isinstance(value, bool):
        raise wrong_literal(value, column, "Edm.Boolean")
    return int(value)


def _whole(value: object, column: Column, entity: Entity) -> Value:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_literal(value, column, edm(column))
    bits = 63 if column.kind == "bigint" else 31
    if not -(2**bits) <= value < 2**bits:
        raise wrong_literal(value, column, edm(column))
    _in_range(value, column, entity)
    return value


def _number(value: object, column: Column, entity: Entity) -> Value:
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        raise wrong_literal(value, column, edm(column))
    if not -_BEYOND <= value <= _BEYOND:
        raise wrong_literal(value, column, edm(column))
    _in_range(value, column, entity)
    if column.kind == "double":
        return float(value)
    if column.kind == "decimal":
        return rounded(decimal_of(value), column.precision if column.precision is not None else 2)
    # The decimals that are kept of money follow from the row's currency, which the body may hold too: see `money`.
    return decimal_of(value)


def _in_range(value: float | Decimal, column: Column, entity: Entity) -> None:
    if not within(value, column):
        raise out_of_range(value, column, entity)


def _choice(value: object, column: Column, entity: Entity) -> Value:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_literal(value, column, "Edm.Int32")
    if column.choices and not any(choice[0] == value for choice in column.choices):
        raise wrong_choice(value, column, entity)
    return value


def _several(value: object, column: Column, entity: Entity) -> Value:
    """Several choices as text, each once, in the order of their numbers."""
    if not isinstance(value, str):
        raise wrong_literal(value, column, "Edm.String")
    parts = [part.strip() for part in value.split(",")] if value.strip() else []
    known = {choice[0] for choice in column.choices}
    for part in parts:
        if not re.fullmatch(r"\d{1,10}", part, re.ASCII) or int(part) not in known:
            raise wrong_choice(part, column, entity)
    return ",".join(map(str, sorted({int(part) for part in parts}))) or None


def guid(value: object, column: Column, _entity: Entity) -> Value:
    """A guid in lower case, braces taken off."""
    match = _GUID.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong_literal(value, column, "Edm.Guid")
    return match.group(1).lower()


def _date(value: object, column: Column, _entity: Entity) -> Value:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise wrong_literal(value, column, "Edm.Date")
    return _existing(value, column, "Edm.Date")


def _datetime(value: object, column: Column, _entity: Entity) -> Value:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise wrong_literal(value, column, "Edm.DateTimeOffset")
    text = value.replace(" ", "T") if "T" in value.replace(" ", "T") else f"{value}T00:00:00Z"
    return _existing(text, column, "Edm.DateTimeOffset")


def _existing(text: str, column: Column, kind: str) -> str:
    try:
        when = moment(text)
    except Malformed as error:
        raise wrong_literal(text, column, kind) from error
    if when < _EARLIEST:
        message = "DateTime is less than minimum value supported by CrmDateTime. Actual value: "
        raise Refusal(400, "0x80040239", f"{message}{text}, Minimum value supported: 01/01/1753 00:00:00")
    return when


_CONVERT: dict[str, Callable[[object, Column, Entity], Value]] = {
    "string": _text,
    "memo": _text,
    "bool": _bool,
    "int": _whole,
    "bigint": _whole,
    "decimal": _number,
    "double": _number,
    "money": _number,
    "guid": guid,
    "choices": _several,
    "date": _date,
    "datetime": _datetime,
}
