"""Rows that are asked for by value: filters as long as an address may be, and what comes held against what was asked.

A service may bring more than it is asked for: ``*`` in an ``eq`` of F&O is a wildcard that nothing escapes. And what
is the same to it may be spelt in several ways. So each filter knows the keys it stands for, no two filters stand for
the same one, and only rows with these keys are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.errors import FrameError
from p2c_lib.keys import RowKey
from p2c_lib.odata.characters import well_formed
from p2c_lib.odata.literals import NUMBERS, SAFE_IN_QUERY, WHOLE, and_filter, equals, literal, member, to_places
from p2c_lib.odata.query import Query
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.values import choices_text, plain

__all__ = ["Asked", "among", "held_key", "held_keys", "stored_key"]

SPELLED = 120  # comparisons joined by or: a filter is a tree, and services limit its size
IN_LIST = {"Edm.String", "Edm.Guid"}
LEAST_ROOM = 1_000  # for values, where the rest of the address leaves less

Key = Mapping[str, object]


@dataclass(frozen=True)
class Asked:
    """A filter for some values of a key, and those values, normalised: rows with other values were not asked for."""

    filter: str
    key: RowKey
    values: pa.Array

    def query(self, query: Query) -> Query:
        """The query for these rows only; it reads the key too."""
        select = tuple(dict.fromkeys((*query.select, *self.key.columns)))
        return replace(query, select=select, filter=and_filter(query.filter, self.filter))

    def held(self, table: pa.Table) -> pa.Array | pa.ChunkedArray:
        """Which rows of a table were asked for."""
        return pc.is_in(self.key.texts(table), value_set=self.values)


def among(schema: EntitySchema, keys: Sequence[Key], room: int) -> list[Asked]:
    """What to ask for the rows with these keys, each a value for one or more columns.

    No filter is longer than ``room`` characters, percent-encoded, but for one that asks for a single key. A key that
    lacks a part or holds half a character is nobody's. A value that the service would keep in fewer digits is asked for
    in these too. Raises FrameError for a value of another kind than its column's.

    >>> from p2c_lib.odata.schema import Column
    >>> sites = EntitySchema("finops", "Sites", "Site", ("Id",), {"Id": Column("Id", "Edm.String", None)})
    >>> [one.filter for one in among(sites, [{"Id": "A"}, {"Id": "a"}, {"Id": "B"}], 1000)]
    ["Id eq 'A' or Id eq 'B'"]
    """
    room = max(room, LEAST_ROOM)
    found: list[Asked] = []
    for names in dict.fromkeys(tuple(key) for key in keys):
        row_key = RowKey.within(schema, names)
        groups = _groups(schema, row_key, (key for key in keys if tuple(key) == names))
        listed = len(names) == 1 and schema.app == "sales" and schema.column(names[0]).edm in IN_LIST
        cut = _listed(schema, names[0], groups, room) if listed else _spelled(schema, groups, room)
        found += [Asked(text, row_key, pa.array(texts, pa.string())) for text, texts in cut]
    return found


def _groups(schema: EntitySchema, row_key: RowKey, keys: Iterator[Key]) -> dict[str | None, list[Key]]:
    """The spellings of each key, by its normalised text: a service may tell some of them apart.

    Texts of which the comparison leaves nothing, such as marks alone, have none: they are one key, whose rows have none
    either.
    """
    groups: dict[str | None, dict[tuple[str, ...], Key]] = {}
    for given in keys:
        if not _has_text(given):
            continue
        held = held_key(schema, given)
        for key in dict.fromkeys(tuple(each.items()) for each in (held, stored_key(schema, held))):
            text = row_key.of(dict(key))
            if text is not None or _says_something(key):
                spelling = tuple((text_of(value) or "").rstrip().lower() for _, value in key)
                groups.setdefault(text, {}).setdefault(spelling, dict(key))
    return {text: list(spellings.values()) for text, spellings in groups.items()}


def _says_something(key: Iterable[tuple[str, object]]) -> bool:
    """Whether each part of a key has a value that is more than blanks."""
    return all((text_of(value) or "").rstrip(" ") for _, value in key)


def _has_text(key: Key) -> bool:
    """Whether the texts of a key are well-formed; no row has one with half a character, and no request carries it."""
    return all(not isinstance(value, str) or well_formed(value) == value for value in key.values())


def held_key(schema: EntitySchema, key: Key) -> dict[str, object]:
    """A key as the columns of its row are read, so that both have one text, whatever spelling or type it came in.

    Raises FrameError for a value that no filter can hold.
    """
    return {name: _as_held(schema, name, value) for name, value in key.items()}


def stored_key(schema: EntitySchema, key: Key) -> dict[str, object]:
    """A key as the service keeps it once it is written: moments to the second, decimals as many as the column has.

    ``key`` is one of ``held_key``. Money that keeps the decimals of an organisation or a currency stands as it is.
    """
    return {name: _as_stored(schema.column(name), value) for name, value in key.items()}


def _as_stored(column: Column, value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    if isinstance(value, Decimal) and column.places_by == "attribute" and column.places is not None:
        return to_places(value, column.places)
    return value


def held_keys(schema: EntitySchema, table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The key columns of a table as ``held_key`` has each row's; null where a value is one that no key can hold."""
    return pa.table({name: _all_held(schema, name, table.column(name)) for name in names})


def _all_held(schema: EntitySchema, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Columns of their own kind stand as they are; of others each different value is looked at once."""
    column = schema.column(name)
    if _stands(values.type, column):
        return values
    encoded = values.combine_chunks().cast(_value_type(values.type)).dictionary_encode()
    texts = [_held_text(schema, name, encoded.dictionary, at) for at in range(len(encoded.dictionary))]
    return pa.chunked_array([pa.array(texts, pa.string()).take(encoded.indices)])


def _stands(kind: pa.DataType, column: Column) -> bool:
    """Whether the text of a value of this kind is the one its column has."""
    if column.several or column.choices:
        return False
    if column.edm == "Edm.Double":
        return bool(kind == column.type)
    if pa.types.is_decimal(kind) and column.edm == "Edm.Decimal":
        return bool(kind.scale <= column.type.scale)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return column.edm in {*NUMBERS, "Edm.String"}
    return bool(kind == column.type or (pa.types.is_large_string(kind) and column.type == pa.string()))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _held_text(schema: EntitySchema, name: str, values: pa.Array, at: int) -> str | None:
    try:
        return text_of(_as_held(schema, name, values[at].as_py()))
    except (FrameError, OverflowError, ValueError):  # Python has no day outside the years 1 to 9999
        return None


def _as_held(schema: EntitySchema, name: str, value: object) -> object:
    """A value as its column is read: days and texts as moments, numbers as numbers, empty parts filled in."""
    column = schema.column(name)
    value = choices_text(value, name) if column.several else plain(value, name)
    if value is None:
        if name not in schema.optional:
            return None
        return column.first_choice if column.choices else 0 if column.edm in NUMBERS else None
    said = literal(value, column)  # which tells of a value that no filter can hold
    if column.is_day:
        return date.fromisoformat(said[:10])
    if column.edm == "Edm.DateTimeOffset":
        return datetime.fromisoformat(said)
    if column.edm in NUMBERS:
        return _number(said, column)
    return member(value, column) or value


def _number(said: str, column: Column) -> Decimal | float:
    """A number as its column holds it. Raises FrameError where a column of whole numbers can hold none such."""
    if column.edm == "Edm.Double":
        return float(said)
    number = Decimal(said)
    if column.edm in WHOLE and number != number.to_integral_value():
        raise FrameError(f"{column.name} holds whole numbers, and {said[:60]} is none.", hint="Ask for a whole number.")
    return number


def _listed(
    schema: EntitySchema, name: str, groups: Mapping[str | None, list[Key]], room: int
) -> Iterator[tuple[str, list[str | None]]]:
    """Filters by Dataverse's own list of values."""
    values = {
        text: [json.dumps(text_of(key[name]), ensure_ascii=False) for key in keys] for text, keys in groups.items()
    }
    start = f"Microsoft.Dynamics.CRM.In(PropertyName='{schema.column(name).name}',PropertyValues=["
    for texts in _cut({text: ",".join(each) for text, each in values.items()}, room - _length(start), 1):
        yield f"{start}{','.join(one for text in texts for one in values[text])}])", texts


def _spelled(
    schema: EntitySchema, groups: Mapping[str | None, list[Key]], room: int
) -> Iterator[tuple[str, list[str | None]]]:
    """Filters that spell out each comparison."""
    terms = {text: " or ".join(_term(schema, key) for key in keys) for text, keys in groups.items()}
    for texts in _cut(terms, room, len(quote(" or ")), most=SPELLED):
        yield " or ".join(terms[text] for text in texts), texts


def _term(schema: EntitySchema, key: Key) -> str:
    parts = [equals(schema, name, value) for name, value in key.items()]
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def _cut(
    terms: Mapping[str | None, str], room: int, between: int, most: int | None = None
) -> Iterator[list[str | None]]:
    """The names of the terms, in parts that fit."""
    part: list[str | None] = []
    taken = 0
    for name, term in terms.items():
        length = _length(term) + between
        if part and (taken + length > room or len(part) == most):
            yield part
            part, taken = [], 0
        part.append(name)
        taken += length
    if part:
        yield part


def _length(text: str) -> int:
    return len(quote(text, safe=SAFE_IN_QUERY, errors="replace"))
