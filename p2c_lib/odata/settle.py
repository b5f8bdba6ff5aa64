"""After a lost answer: are the rows as the writes wanted them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from p2c_lib.errors import NotFound, Rejected
from p2c_lib.odata.literals import and_filter, literal
from p2c_lib.odata.query import Page, Query
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.writes import Write

__all__ = ["as_written", "settled"]

KEYS_AT_ONCE = 50
QUERIES_AT_ONCE = 4

Doubt = tuple[Write, str | None]
Key = tuple[tuple[str, str], ...]


def settled(schema: EntitySchema, doubts: Sequence[Doubt], read: Callable[[Query], Iterator[Page]]) -> list[bool]:
    """Whether each write, with its row's id where that is known, is already what its row holds.

    All rows are read in a few queries side by side, not one by one.
    """
    parts = [doubts[start : start + KEYS_AT_ONCE] for start in range(0, len(doubts), KEYS_AT_ONCE)]
    with ThreadPoolExecutor(QUERIES_AT_ONCE) as pool:
        return [done for part in pool.map(lambda some: _settled(schema, some, read), parts) for done in part]


def _settled(schema: EntitySchema, doubts: Sequence[Doubt], read: Callable[[Query], Iterator[Page]]) -> list[bool]:
    keys = [_key(schema, write, row_id) for write, row_id in doubts]
    bodies = [_plain(schema, write) for write, _ in doubts]
    names = tuple(dict.fromkeys(name for body in (*bodies, *keys) for name in body))
    terms = [
        and_filter(*(f"{schema.column(n).wire} eq {literal(v, schema.column(n))}" for n, v in k.items())) for k in keys
    ]
    query = Query(schema.entity_set, names, filter=" or ".join(f"({term})" for term in terms))
    try:
        rows = [row for page in read(query) for row in page.table.to_pylist()]
    except (NotFound, Rejected):
        return [False] * len(doubts)
    found = {mark: {_mark({n: row[n] for n in mark}): row for row in rows} for mark in {tuple(key) for key in keys}}
    matched = [found[tuple(key)].get(_mark(key)) for key in keys]
    return [row is not None and as_written(body, row) for body, row in zip(bodies, matched, strict=True)]


def _key(schema: EntitySchema, write: Write, row_id: str | None) -> dict[str, object]:
    if row_id is not None:
        return {schema.key[0]: row_id}
    whole = {**write.body, **(write.key or {})}
    return dict(write.key) if write.key else {name: whole.get(name) for name in schema.key}


def _plain(schema: EntitySchema, write: Write) -> dict[str, object]:
    """The values of a write that can be compared with a row: no bindings."""
    whole = {**(write.key or {}), **write.body}
    return {name: value for name, value in whole.items() if name in schema.columns and not schema.columns[name].targets}


def _mark(key: Mapping[str, object]) -> Key:
    return tuple((name, str(value).strip().casefold()) for name, value in key.items())


def as_written(body: Mapping[str, object], row: Mapping[str, object]) -> bool:
    """Whether every value of a body is what the row holds; columns the row does not show are left out."""
    return all(_same(value, row[name]) for name, value in body.items() if name in row)


def _same(wanted: object, found: object) -> bool:
    if _empty(wanted) and _empty(found):
        return True
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted == found or (found in {"Yes", "No"} and (found == "Yes") == wanted)
    if isinstance(wanted, (int, float, Decimal)) and isinstance(found, (int, float, Decimal)):
        return _number(wanted) == _number(found)
    if isinstance(wanted, (datetime, date)) and isinstance(found, (datetime, date)):
        return _day(wanted) == _day(found)
    return str(wanted).strip().casefold() == str(found).strip().casefold()


def _empty(value: object) -> bool:
    return value is None or value == "" or value == 0


def _number(value: float | Decimal) -> Decimal:
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return Decimal("NaN")


def _day(value: date) -> str:
    return value.isoformat()[:10]
