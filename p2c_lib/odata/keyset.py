"""Paging by key: what follows a page is what the service itself sorts behind its last row.

An offset counts rows that come and go; a key does not. The client never compares keys by an order of its own: F&O
compares text by a collation that only the service knows, so every border is a value that the service gave and every
comparison is one that it makes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import takewhile
from typing import Any

from p2c_lib.errors import FrameError, IncompleteRead
from p2c_lib.keys import fold
from p2c_lib.odata.characters import well_formed
from p2c_lib.odata.literals import literal
from p2c_lib.odata.query import Query
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["TOLD_APART", "Behind", "KeyOrder", "NoWayOn", "rows_from_end"]

NUMBERS = {"Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Byte", "Edm.Decimal", "Edm.Double"}
ORDERED = {"Edm.String", "Edm.Date", "Edm.DateTimeOffset"} | NUMBERS
TOLD_APART = 100  # members of an enumeration that an address has room for
NESTED = 64
_ROW = b'{"@odata.etag"'
_EXACT = json.JSONDecoder(parse_float=str, parse_int=str)
_COMMA = re.compile(r"\s*,\s*")
_END_OF_ROWS = re.compile(
    r'\s*+\]\s*+(?:,\s*+"@odata\.[\w.]++"\s*+:\s*+(?:"(?:[^"\\]|\\.)*+"|[^"\[\]{},]++)\s*+)*+\}\s*+'
)

Row = Mapping[str, Any]


class NoWayOn(IncompleteRead):
    """No row of a page, nor of those before, can be gone on from: no address can name any of them."""


@dataclass(frozen=True)
class _Term:
    """A column that rows are sorted by."""

    column: Column
    descending: bool = False

    @property
    def text(self) -> str:
        return f"{self.column.wire} desc" if self.descending else self.column.wire

    def beyond(self, value: str) -> str:
        return f"{self.column.wire} {'lt' if self.descending else 'gt'} {value}"

    def before(self, value: str) -> str:
        return f"{self.column.wire} {'gt' if self.descending else 'lt'} {value}"

    def not_before(self, value: str) -> str:
        return f"{self.column.wire} {'le' if self.descending else 'ge'} {value}"

    def not_behind(self, value: str) -> str:
        return f"{self.column.wire} {'ge' if self.descending else 'le'} {value}"

    def same(self, value: str) -> str:
        """Equal, in words that take a ``*`` for a letter: in F&O's ``eq`` it stands for any text."""
        name = self.column.wire
        return f"({name} ge {value} and {name} le {value})" if "*" in value else f"{name} eq {value}"


@dataclass(frozen=True)
class Behind:
    """The filter for what follows a row, and the rows that were read of those told apart from it alone.

    ``again``: the last rows cannot be named in an address (half a character); the filter is that of an earlier row, and
    what follows it comes again.
    """

    filter: str
    together: list[Row]
    again: bool


@dataclass(frozen=True)
class KeyOrder:
    """The order of a read by columns that the service can compare, down to the single row.

    ``terms`` are compared by size. ``apart`` are columns of the key that know only equal and unequal (enumerations):
    they sort last, and what follows a row among those that differ in them alone is what was not read of these.
    """

    terms: tuple[_Term, ...]
    apart: tuple[Column, ...] = ()

    orderby: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: Query, schema: EntitySchema) -> KeyOrder | None:
        """The order of a query's rows; None where a column of it has no order, or the entity has no key."""
        terms = [_Term(schema.column(name), descending) for name, descending in query.order()]
        left = [schema.column(n) for n in schema.key if n not in {term.column.name for term in terms}]
        terms += [_Term(column) for column in left if column.edm in ORDERED]
        apart = tuple(column for column in left if column.edm not in ORDERED)
        orderby = (*(term.text for term in terms), *(column.wire for column in apart))
        fixed = {"dataAreaId"} if query.company is not None else set()
        terms = [term for term in terms if term.column.name not in fixed]
        known = all(term.column.edm in ORDERED for term in terms)
        few = all(column.choices and len(column.choices) <= TOLD_APART for column in apart)
        return cls(tuple(terms), apart, orderby) if schema.key and (terms or apart) and known and few else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must come with to be gone on from."""
        return (*(term.column.name for term in self.terms), *(column.name for column in self.apart))

    def after(self, rows: Iterator[Row]) -> Behind:
        """What follows the last row of a page, whose ``rows`` come from the end on, and those of pages before.

        Raises NoWayOn where no row can be gone on from.
        """
        again, trouble = False, NoWayOn("A page came without rows to be gone on from.")
        for last in rows:
            try:
                values, _ = self._values(last), self._apart(last)
            except FrameError as error:
                again, trouble = True, NoWayOn(f"A row cannot be gone on from: {error}")
                continue
            alike = partial(self._together, last)
            together = [last, *takewhile(alike, rows if self.apart else ())]
            read = [self._apart(row) for row in together]
            tie = " and ".join(f"({_unlike(each)})" for each in read) if self.apart else ""
            return Behind(_nested(self.terms, values, tie) or tie, together, again)
        raise trouble

    def past(self, row: Row) -> str:
        """The filter for what the service sorts behind a row and all that only differ in what is told apart."""
        return _nested(self.terms, self._values(row), "")

    def until(self, row: Row) -> str:
        """The filter for all that is not ``past`` a row."""
        return _until(self.terms, self._values(row))

    def _values(self, row: Row) -> list[str]:
        return [_written(row, term.column) for term in self.terms]

    def _apart(self, row: Row) -> list[tuple[Column, str]]:
        return [(column, _written(row, column)) for column in self.apart]

    def _together(self, one: Row, other: Row) -> bool:
        """Whether two rows differ at most in what is told apart."""
        names = [term.column.wire for term in self.terms]
        return all(fold(str(one.get(name)), "finops") == fold(str(other.get(name)), "finops") for name in names)


def _nested(terms: Sequence[_Term], values: Sequence[str], tie: str) -> str:
    """``A ge a and (A gt a or (A eq a and ...))``: the first part is implied, and finds the place in an index."""
    if not terms:
        return ""
    term, value = terms[0], values[0]
    rest = _nested(terms[1:], values[1:], tie) or tie
    if not rest:
        return term.beyond(value)
    return f"{term.not_before(value)} and ({term.beyond(value)} or ({term.same(value)} and ({rest})))"


def _until(terms: Sequence[_Term], values: Sequence[str]) -> str:
    term, value = terms[0], values[0]
    if len(terms) == 1:
        return term.not_behind(value)
    return f"{term.not_behind(value)} and ({term.before(value)} or ({_until(terms[1:], values[1:])}))"


def _unlike(pairs: Sequence[tuple[Column, str]]) -> str:
    return " or ".join(f"{column.wire} ne {value}" for column, value in pairs)


def _written(row: Row, column: Column) -> str:
    """A value of a row as it stands in the service's own answer, as a literal that an address can hold."""
    value = row.get(column.wire)
    if value is None:
        raise FrameError(f"{column.name} is missing.")
    text = str(value)
    if "\ufffd" in text:
        raise FrameError(f"{column.name} is {text[:60]!r}, which holds half a character.")
    if well_formed(text) != text:
        raise FrameError(f"{column.name} is {text[:60]!r}, which holds half a character.")
    if column.edm != "Edm.Decimal":
        return literal(text, column)
    try:
        return literal(Decimal(text), column)
    except InvalidOperation:
        raise FrameError(f"{column.name} is {text[:60]!r}, which is no number.") from None


def rows_from_end(body: bytes, target: str) -> Iterator[Row]:
    """The rows of a page from its last on, their numbers as they are written; the page is not read whole for that.

    A row begins with its etag; inside a text no quotation mark stands bare, so what looks like a row's beginning is
    one, or that of a row within it. Raises IncompleteRead for what is no page.
    """
    given, tried, end, behind = 0, 0, len(body), _END_OF_ROWS
    at = body.rfind(_ROW)
    while at >= 0 and tried < NESTED:
        row = _row_at(body[at:end], behind)
        tried += 1
        if row is not None:
            yield row
            given, tried, end, behind = given + 1, 0, at, _COMMA
        at = body.rfind(_ROW, 0, at)
    if tried or not given or not body[:end].rstrip().endswith(b"["):
        yield from _all_from_end(body, target)[given:]


def _row_at(text: bytes, behind: re.Pattern[str]) -> Row | None:
    """The row a text begins with, where nothing but what may stand behind one follows."""
    whole = text.decode("utf-8", "replace")
    try:
        row, stop = _EXACT.raw_decode(whole)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and behind.fullmatch(whole, stop) else None


def _all_from_end(body: bytes, target: str) -> list[Row]:
    try:
        rows = _EXACT.decode(body.decode("utf-8", "replace"))["value"]
        return [row for row in reversed(rows) if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IncompleteRead(f"{target}: the rows of a page cannot be told.", target=target) from None
