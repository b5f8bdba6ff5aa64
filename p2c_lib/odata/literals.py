"""Values as OData text: the one place where literals and keys are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from urllib.parse import quote

import pyarrow as pa

from p2c_lib.days import day_of, iso_moment, microseconds_of
from p2c_lib.display import text_of
from p2c_lib.errors import FrameError
from p2c_lib.keys import fold
from p2c_lib.odata.characters import well_formed
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.values import choices_text, plain

__all__ = [
    "UNSAFE",
    "WHOLE",
    "and_filter",
    "encode",
    "equals",
    "key_literal",
    "key_path",
    "literal",
    "member",
    "part_in_path",
    "query_string",
    "to_places",
    "unsafe_in_path",
    "version_header",
]

WHOLE = {"Edm.Int32", "Edm.Int64", "Edm.Int16", "Edm.Byte"}
NUMBERS = {*WHOLE, "Edm.Decimal", "Edm.Double"}
BARE = {"Edm.Guid", "Edm.Boolean", *NUMBERS}
DATES = {"Edm.Date", "Edm.DateTimeOffset"}
# Characters that ASP.NET refuses in a path, or its router takes for something else, when they are encoded once.
UNSAFE = "/<>*%&:\\?+#"
TWICE = {ord(c): quote(c, safe="") for c in UNSAFE}
UNSAFE_TEXT = re.compile("[" + re.escape(UNSAFE) + "\\x00-\\x1f\\x7f]")
VERSION = re.compile("[ -~]+")
CONTROL = re.compile("[\\x00-\\x1f\\x7f\ufffe\uffff]")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_BARE_TEXT = {"Edm.Guid": re.compile("[0-9a-zA-Z-]+"), "Edm.Boolean": re.compile("true|false", re.IGNORECASE)}
ENDLESS = Context(prec=1_000, rounding=ROUND_HALF_UP)  # more digits than a value that can be sent has
NOTHING_BY_EDM = {"Edm.Guid": "00000000-0000-0000-0000-000000000000", "Edm.Date": "1900-01-01"}
SAFE_IN_QUERY = "$(),'*:;=@/!~ ".replace(" ", "")


def literal(value: object, column: Column) -> str:
    """The value as an OData literal of the column's type. Raises FrameError for what no literal can hold.

    >>> literal("O'Neil", Column("name", "Edm.String", None))
    "'O''Neil'"
    """
    value = choices_text(value, column.name) if column.several else plain(value, column.name)
    if value is None:
        return "null"
    if column.edm in BARE:
        return _bare(value, column)
    if column.edm in DATES:
        return _date(value, column)
    text = member(value, column) or text_of(value) or ""
    if well_formed(text) != text:
        raise FrameError(f"{column.name}: '{well_formed(text)}' holds half a character.", hint="Clean the text first.")
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if column.edm == "Edm.String" else f"{column.edm}{quoted}"


def member(value: object, column: Column) -> str | None:
    """The name of an F&O enumeration's member that a number, or a yes or no, stands for; None for any other value."""
    if not column.edm.startswith("Microsoft."):
        return None
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return (column.choices or {}).get(value) if isinstance(value, int) else None


def _bare(value: object, column: Column) -> str:
    """A number of more decimals than the service holds of any stands as it would be held, else no row had it."""
    text = text_of(value) or ""
    if not _BARE_TEXT.get(column.edm, NUMBER).fullmatch(text):
        raise FrameError(
            f"'{text[:60]}' is no value of {column.name} ({column.edm}).", hint=f"Give a value of type {column.edm}."
        )
    if column.edm == "Edm.Decimal" and pa.types.is_decimal(column.type) and "." in text:
        return text_of(to_places(Decimal(text), column.type.scale)) or ""
    if column.edm == "Edm.Double":
        return text_of(float(text)) or ""
    return _whole(text) if column.edm in WHOLE else text


def _whole(text: str) -> str:
    """A number of a column of whole ones: 5 for 5.0; what has decimals stands as it is."""
    number = Decimal(text)
    return text_of(number) or "" if number == number.to_integral_value() else text


def to_places(number: Decimal, places: int) -> Decimal:
    """A number with so many decimals at the most, half away from zero as both services round.

    >>> to_places(Decimal("0.125"), 2), to_places(Decimal("7"), 2)
    (Decimal('0.13'), Decimal('7'))
    """
    if -int(number.as_tuple().exponent) <= places:
        return number
    return number.quantize(Decimal(1).scaleb(-places), context=ENDLESS)


def _date(value: object, column: Column) -> str:
    """A day has its column's hour where it travels as a moment; a moment is told in UTC, whatever it came as.

    A text goes into a body as it is, so one that is a day alone is the first second of it in a column of moments.
    """
    day = day_of(value) if column.is_day else value
    if isinstance(day, date) and (column.is_day or not isinstance(day, datetime)):
        return day.isoformat() + ("" if column.edm == "Edm.Date" else column.hour)
    moment = microseconds_of(value) if isinstance(value, datetime) else _moment(value, column)
    return str(text_of(_in_utc(moment, column)))


def _moment(value: object, column: Column) -> datetime:
    text = text_of(value) or ""
    try:
        return iso_moment(text)
    except ValueError:
        raise FrameError(f"'{text[:60]}' is no date for {column.name}.", hint="Write it as 2026-01-31.") from None


def _in_utc(value: datetime, column: Column) -> datetime:
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise FrameError(f"{column.name}: {value} is outside the years 1 to 9999 in UTC.") from None


def key_literal(schema: EntitySchema, name: str, value: object) -> str:
    """A part of a key as an OData literal: in F&O an empty part that may be empty is its type's empty value.

    Raises FrameError where a part is missing that every row has.
    """
    column = schema.column(name)
    value = plain(value, name)
    if value is not None and (not isinstance(value, str) or fold(value, schema.app)):  # only blanks say nothing
        return literal(value, column)
    if name not in schema.optional:
        raise FrameError(f"it has no {name}", hint="Every row needs each part of its key.")
    if column.first_choice is not None:
        return literal(column.first_choice, column)
    if column.edm == "Edm.DateTimeOffset":
        return f"1900-01-01{column.hour if column.is_day else 'T00:00:00Z'}"
    return "''" if column.edm == "Edm.String" else NOTHING_BY_EDM.get(column.edm, "0")


def equals(schema: EntitySchema, name: str, value: object) -> str:
    """The filter for rows whose column has one value; nothing is the empty value in a key of F&O.

    Blanks at the end count for nothing, but in a pattern of F&O, which any text with ``*`` is: so they are left out.
    """
    column = schema.column(name)
    if schema.app == "finops" and isinstance(value, str):
        value = value.rstrip(" ")
    text = key_literal(schema, name, value) if name in schema.optional else literal(value, column)
    return f"{column.wire} eq {text}"


def key_path(schema: EntitySchema, key: Mapping[str, object]) -> str:
    """``(key)`` of a row's URL, percent-encoded: the bare guid of a Sales row, else every ``column=value``.

    F&O decodes a key twice, so the characters that a path takes only so are encoded twice. Its moments stand as they
    are, as in Microsoft's own example of a key with a day.
    Raises FrameError for a missing part and for what no path can carry.
    """
    if len(key) == 1 and tuple(key) == schema.key and schema.app == "sales":
        ((name, value),) = key.items()
        return f"({part_in_path(schema, name, value)})"
    return "(" + ",".join(f"{schema.column(n).wire}={part_in_path(schema, n, value)}" for n, value in key.items()) + ")"


def part_in_path(schema: EntitySchema, name: str, value: object) -> str:
    """A part of a key as it stands in a URL, percent-encoded. Raises FrameError for what no path can carry."""
    text = key_literal(schema, name, value)
    if found := CONTROL.search(text):
        raise FrameError(f"its {name} holds the control character {found.group()!r}, which no address can carry")
    if schema.app == "sales":
        return encode(text, f"its {name}")
    return text if schema.column(name).edm in DATES else encode(text.translate(TWICE), f"its {name}")


def unsafe_in_path(schema: EntitySchema, key: Mapping[str, object]) -> bool:
    """Whether a key has a part whose literal breaks a key URL when it is percent-encoded once.

    So do the colons of a moment in Dataverse. A part that has no literal breaks none: no URL is made of it.
    """
    names = [n for n in key if schema.app == "sales" or schema.column(n).edm not in DATES]
    return any(_is_unsafe(schema, name, key[name]) for name in names)


def _is_unsafe(schema: EntitySchema, name: str, value: object) -> bool:
    try:
        return UNSAFE_TEXT.search(key_literal(schema, name, value)) is not None
    except FrameError:
        return False


def encode(text: str, what: str = "a name") -> str:
    """Text for the path of a URL, percent-encoded except for what OData itself needs.

    Raises FrameError, which says ``what`` it is, for text that is not well-formed.
    """
    return _quoted(text, "'(),=-._~@!$", what)


def query_string(options: Mapping[str, str]) -> str:
    """Query options in order, percent-encoded; ``$`` names stay readable. Raises FrameError like ``encode``."""
    return "&".join(f"{name}={_quoted(value, SAFE_IN_QUERY, name)}" for name, value in options.items())


def _quoted(text: str, safe: str, what: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as error:
        at = well_formed(text[max(0, error.start - 30) : error.start + 30])
        raise FrameError(
            f"{what} holds half a character, which no address can carry: '{at}'.", hint="Clean the text first."
        ) from None


def version_header(etag: str) -> str:
    """The version a row must still have, as a line of a request's head. Raises FrameError for what can be none."""
    if not VERSION.fullmatch(etag):
        raise FrameError(f"its version {well_formed(etag[:60])!r} is no etag", hint="Give the @etag that was read.")
    return f"If-Match: {etag}\r\n"


def and_filter(*terms: str | None) -> str | None:
    """The terms joined by ``and``, each in brackets where there are several; None without terms.

    >>> and_filter("a eq 1 or b eq 2", None, "c eq 3")
    '(a eq 1 or b eq 2) and (c eq 3)'
    """
    given = [term for term in terms if term]
    return " and ".join(f"({term})" for term in given) if len(given) > 1 else next(iter(given), None)
