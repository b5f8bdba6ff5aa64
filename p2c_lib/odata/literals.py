"""Values as OData text: the one place where literals and keys are escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote

from p2c_lib.display import text_of
from p2c_lib.errors import FrameError
from p2c_lib.odata.characters import well_formed
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["and_filter", "encode", "key_path", "literal", "query_string", "unsafe_in_path"]

BARE = {"Edm.Guid", "Edm.Int32", "Edm.Int64", "Edm.Int16", "Edm.Byte", "Edm.Decimal", "Edm.Double", "Edm.Boolean"}
DATES = {"Edm.Date", "Edm.DateTimeOffset"}
UNSAFE = frozenset("/<>*%&:\\?+#")
SAFE_IN_QUERY = "$(),'*:;=@/!~ ".replace(" ", "")


def literal(value: object, column: Column) -> str:
    """The value as an OData literal of the column's type.

    >>> literal("O'Neil", Column("name", "Edm.String", None))
    "'O''Neil'"
    """
    if value is None:
        return "null"
    if column.edm in BARE:
        return _bare(value, column)
    if column.edm in DATES:
        return _date(value, column)
    text = str(value)
    if well_formed(text) != text:
        raise FrameError(f"{column.name}: '{well_formed(text)}' holds half a character.", hint="Clean the text first.")
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if column.edm == "Edm.String" else f"{column.edm}{quoted}"


def _bare(value: object, column: Column) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format(value, "f") if isinstance(value, Decimal) else str(text_of(value))
    if not text or set(text) - set("0123456789abcdefABCDEF-+.trulsefTRUE"):
        raise FrameError(
            f"'{text[:60]}' is no value of {column.name} ({column.edm}).", hint=f"Give a value of type {column.edm}."
        )
    return text


def _date(value: object, column: Column) -> str:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        text = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
        return text.replace("+00:00", "Z")[: 10 if column.edm == "Edm.Date" else None]
    if isinstance(value, date):
        return value.isoformat() + ("" if column.edm == "Edm.Date" else "T12:00:00Z")
    text = str(value)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise FrameError(f"'{text[:60]}' is no date for {column.name}.", hint="Write it as 2026-01-31.") from None
    return text


def key_path(schema: EntitySchema, key: Mapping[str, object]) -> str:
    """``(key)`` of a row's URL, percent-encoded: the bare guid of a Sales row, else every ``column=value``."""
    if len(key) == 1 and tuple(key) == schema.key and schema.app == "sales":
        ((name, value),) = key.items()
        return f"({encode(literal(value, schema.column(name)))})"
    parts = ((schema.column(name), value) for name, value in key.items())
    return "(" + ",".join(f"{c.wire}={encode(literal(value, c))}" for c, value in parts) + ")"


def unsafe_in_path(key: Mapping[str, object]) -> bool:
    """Whether a key holds a character that breaks a Dataverse key URL even when it is percent-encoded."""
    return any(isinstance(value, str) and not UNSAFE.isdisjoint(value) for value in key.values())


def encode(text: str) -> str:
    """Text for the path of a URL, percent-encoded except for what OData itself needs."""
    return quote(text, safe="'(),=-._~@!$")


def query_string(options: Mapping[str, str]) -> str:
    """Query options in order, percent-encoded; ``$`` names stay readable."""
    return "&".join(f"{name}={quote(value, safe=SAFE_IN_QUERY)}" for name, value in options.items())


def and_filter(*terms: str | None) -> str | None:
    """The terms joined by ``and``, each in brackets where there are several; None without terms.

    >>> and_filter("a eq 1 or b eq 2", None, "c eq 3")
    '(a eq 1 or b eq 2) and (c eq 3)'
    """
    given = [term for term in terms if term]
    return " and ".join(f"({term})" for term in given) if len(given) > 1 else next(iter(given), None)
