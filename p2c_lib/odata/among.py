"""Rows that are asked for by value: filters as long as an address may be, and what comes held against what was asked.

A service may bring more than it is asked for: ``*`` in an ``eq`` of F&O is a wildcard that nothing escapes. And what
is the same to it may be spelt in several ways. So each filter knows the keys it stands for, no two filters stand for
the same one, and only rows with these keys are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.keys import RowKey
from p2c_lib.odata.literals import SAFE_IN_QUERY, and_filter, equals, literal
from p2c_lib.odata.query import Query
from p2c_lib.odata.schema import EntitySchema

__all__ = ["Asked", "among"]

SPELLED = 120  # comparisons joined by or: a filter is a tree, and services limit its size
IN_LIST = {"Edm.String", "Edm.Guid"}
NUMBERS = {"Edm.Int32", "Edm.Int64", "Edm.Int16", "Edm.Byte", "Edm.Decimal", "Edm.Double"}
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

    def held(self, table: pa.Table) -> pa.Table:
        """The rows of a table that were asked for."""
        mine = pc.is_in(self.key.texts(table), value_set=self.values)
        return table if pc.all(mine).as_py() else table.filter(mine)


def among(schema: EntitySchema, keys: Sequence[Key], room: int) -> list[Asked]:
    """What to ask for the rows with these keys, each a value for one or more columns.

    No filter is longer than ``room`` characters, percent-encoded, but for one that asks for a single key. A key that
    lacks a part is nobody's.

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


def _groups(schema: EntitySchema, row_key: RowKey, keys: Iterator[Key]) -> dict[str, list[Key]]:
    """The spellings of each key, by its normalised text: a service may tell some of them apart."""
    groups: dict[str, dict[tuple[str, ...], Key]] = {}
    for given in keys:
        key = {name: _as_held(schema, name, value) for name, value in given.items()}
        text = row_key.of(key)
        if text is not None:
            spelling = tuple((text_of(value) or "").rstrip().lower() for value in key.values())
            groups.setdefault(text, {}).setdefault(spelling, key)
    return {text: list(spellings.values()) for text, spellings in groups.items()}


def _as_held(schema: EntitySchema, name: str, value: object) -> object:
    """A value as its column is read, so that both have one text: days and texts as moments, empty parts filled in."""
    column = schema.column(name)
    if value is None and name in schema.optional:
        return column.choices[min(column.choices)] if column.choices else 0 if column.edm in NUMBERS else None
    if column.is_day and value is not None:
        return date.fromisoformat(literal(value, column)[:10])
    if column.edm == "Edm.DateTimeOffset" and isinstance(value, str | date):
        moment = datetime.fromisoformat(literal(value, column))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    literal(value, column)  # which tells of a value that no filter can hold
    return value


def _listed(
    schema: EntitySchema, name: str, groups: Mapping[str, list[Key]], room: int
) -> Iterator[tuple[str, list[str]]]:
    """Filters by Dataverse's own list of values."""
    values = {
        text: [json.dumps(text_of(key[name]), ensure_ascii=False) for key in keys] for text, keys in groups.items()
    }
    start = f"Microsoft.Dynamics.CRM.In(PropertyName='{schema.column(name).name}',PropertyValues=["
    for texts in _cut({text: ",".join(each) for text, each in values.items()}, room - _length(start), 1):
        yield f"{start}{','.join(one for text in texts for one in values[text])}])", texts


def _spelled(schema: EntitySchema, groups: Mapping[str, list[Key]], room: int) -> Iterator[tuple[str, list[str]]]:
    """Filters that spell out each comparison."""
    terms = {text: " or ".join(_term(schema, key) for key in keys) for text, keys in groups.items()}
    for texts in _cut(terms, room, len(quote(" or ")), most=SPELLED):
        yield " or ".join(terms[text] for text in texts), texts


def _term(schema: EntitySchema, key: Key) -> str:
    parts = [equals(schema, name, value) for name, value in key.items()]
    return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})"


def _cut(terms: Mapping[str, str], room: int, between: int, most: int | None = None) -> Iterator[list[str]]:
    """The names of the terms, in parts that fit."""
    part: list[str] = []
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
