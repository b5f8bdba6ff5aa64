"""The one client for both systems: reads, writes, counts and describes, in the dialect of its connection."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import httpx
import pyarrow as pa

from p2c_lib.config import Connection
from p2c_lib.display import text_of, texts
from p2c_lib.errors import (
    FrameError,
    IncompleteRead,
    NoRoute,
    NotFound,
    P2CError,
    Rejected,
    ServiceError,
    UnknownName,
)
from p2c_lib.keys import RowKey, fold
from p2c_lib.odata.among import Asked, among, held_key, stored_key
from p2c_lib.odata.ask import ask_json
from p2c_lib.odata.auth import Credential
from p2c_lib.odata.bulk import BulkMessages
from p2c_lib.odata.changes import Changes, changes_since
from p2c_lib.odata.count import count_rows
from p2c_lib.odata.dialect import DIALECTS, Dialect
from p2c_lib.odata.identity import Identity, no_answer, of_finops, of_sales
from p2c_lib.odata.metadata import Metadata
from p2c_lib.odata.notes import known_rows
from p2c_lib.odata.once import shown_key
from p2c_lib.odata.package import PackageResult, load_package, package_result
from p2c_lib.odata.precision import Precisions, RulesNow
from p2c_lib.odata.prepare import Preparer
from p2c_lib.odata.query import Page, Query
from p2c_lib.odata.read import Crew
from p2c_lib.odata.reading import Reading
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender
from p2c_lib.odata.settle import Doubt, settled
from p2c_lib.odata.shelf import Shelf
from p2c_lib.odata.urls import first_url
from p2c_lib.odata.write import Writer
from p2c_lib.odata.writes import Operation, Write, WriteResult
from p2c_lib.patience import Patience
from p2c_lib.waiting import WALL, Clock, Stop, Threads, never

__all__ = ["Client", "Identity", "NamedRow"]

Progress = Callable[[int, int], None]
T = TypeVar("T")
WIRE_THREADS = 32
WHOLE_SET = 600


@dataclass(frozen=True)
class NamedRow:
    """A row that a business key names: the path to bind, its key as it is spelt there, the id of what it is within."""

    path: str
    key: str
    within: str | None = None


class Client:
    """Speaks to one connection; safe to share between threads.

    ``users`` are further application users of the same service that share the load, since service limits are counted
    for each of them; those the connection names take part in any case. ``credential`` is one of azure-identity's, used
    in the place of the connection's secret. Metadata with etags is kept in the folder ``kept`` for the next client.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        users: tuple[Connection, ...] = (),
        transport: httpx.BaseTransport | None = None,
        patience: Patience | None = None,
        credential: Credential | None = None,
        kept: Path | None = None,
        clock: Clock = WALL,
    ) -> None:
        self.connection = connection
        self.dialect: Dialect = DIALECTS[connection.app]
        everyone = (*connection.users, *users)
        self.sender = Sender(
            connection, users=everyone, transport=transport, patience=patience, credential=credential, clock=clock
        )
        self.metadata = Metadata(self.sender, self.dialect, Shelf(kept, connection) if kept is not None else None)
        threads = max(2, min(4, os.cpu_count() or 2))
        self.crew = Crew(Threads(WIRE_THREADS, "wire"), Threads(threads, "decode"))
        self._identity: Identity | None = None
        self._written: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._preparer = Preparer(self.dialect, self.metadata, self._find_ids)
        self._writer = Writer(self.sender, self.dialect, BulkMessages(self.sender, self.dialect), self._settle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.connection.app!r}, {self.connection.url!r}, as {self.connection.client_id!r})"

    def close(self) -> None:
        """Close the connections and let the threads go."""
        self.crew.close()
        self.sender.close()

    def identity(self) -> Identity:
        """Who answers here.

        Raises Unreachable when nobody does, NotAuthorised when the token is refused, and NotTheService when what
        answers is not this system.
        """
        if self._identity is None:
            self._identity = self._ask_identity()
        return self._identity

    def schema(self, entity_set: str) -> EntitySchema:
        """The entity set as the service describes it. Raises UnknownName with the nearest names."""
        return self.metadata.schema(entity_set)

    def precisions(self) -> Precisions:
        """How many decimals the organisation and its currencies keep of money; empty in F&O, which says nothing.

        They are asked for anew each time: anybody may change them, and old ones falsify what is held against them.
        """
        return self.metadata.precisions()

    def rules_now(self, entity_set: str) -> RulesNow:
        """What the service does to values of a set by its settings of this moment, for one judgement."""
        return RulesNow(lambda: self.metadata.renewed(entity_set), self.precisions)

    def written(self, entity_set: str) -> int:
        """How often this client wrote to a set: what was learned from its rows before may not be so any more."""
        return self._written[entity_set]

    def read(self, query: Query) -> Iterator[Page]:
        """The pages of a query; those of a large one come interleaved, with ``part`` and ``place`` to order them.

        Every name is checked before anything is read: UnknownName for one that does not exist. Raises IncompleteRead
        for a page that cannot be had whole, and after the last page when rows are missing by the service's own count.
        """
        return self._sure_pages(lambda: Reading(self, query).pages())

    def asked(self, query: Query, keys: Sequence[Mapping[str, object]]) -> list[Asked]:
        """What to ask for the rows of a query with these keys: filters as long as the service's addresses may be."""
        schema = self.schema(query.entity_set)
        names = dict.fromkeys(name for key in keys for name in key)
        base = replace(query, select=tuple(dict.fromkeys((*query.select, *names))))
        return among(schema, keys, self.dialect.longest_url - len(first_url(base, schema, self.dialect, count=True)))

    def read_among(self, query: Query, keys: Sequence[Mapping[str, object]]) -> Iterator[Page]:
        """The pages of a query's rows with one of these keys, each a value for one or more columns.

        No other row is among them and none twice, whatever the service brings: ``*`` is a wildcard to F&O. A row
        that is named by keys of different columns comes once for each. The columns of the keys are read too. Raises
        like ``read``.
        """
        for one in self._sure(lambda: self.asked(query, keys)):
            for page in self.read(one.query(query)):
                yield replace(page.where(one.held(page.table)), server_count=None)

    def changes(
        self,
        entity_set: str,
        columns: Sequence[str],
        *,
        since: str | None = None,
        company: str | None = None,
        renew: bool = False,
    ) -> Changes:
        """What changed since the token of an earlier call; without one, every row and the first token.

        A Sales table that tracks changes tells them and deletions exactly, and reads all rows anew where the token has
        expired. Other tables, F&O's, and a ``since`` that is a moment go by a modified date where the entity has one.
        Raises UnfitToken for a token of another set, of other columns, or that is none; with ``renew`` all rows are
        read anew in its place, and a note says why.
        """
        return self._sure(lambda: changes_since(self, entity_set, columns, since, company, renew=renew))

    def count(self, query: Query) -> int | None:
        """How many rows the service says a query has; None where it cannot tell (Dataverse beyond its limits)."""
        return self._sure(lambda: count_rows(self.sender, self.dialect, self.schema(query.entity_set), query))

    def describe(self, query: Query) -> str:
        """A query as the URL it is read from, without the host."""
        return first_url(query, self.schema(query.entity_set), self.dialect)

    def write(
        self,
        writes: Sequence[Write],
        *,
        together: bool = False,
        progress: Progress | None = None,
        stop: Stop = never,
        versions: bool = False,
    ) -> list[WriteResult]:
        """Carries out writes in batches and tells the outcome of each, in order; one that fails stops no other.

        With ``together`` all happen or none. ``progress`` is called with how many are done and how many there are.
        Once ``stop`` says so no request is begun: what is in flight ends, the rest has the error NotSent. A write that
        no request can carry, for its key or for a value, has the error Unsendable. Raises FrameError for a row that is
        written twice in one call and UnknownName for a column that does not exist, both before anything is sent. With
        ``versions`` Sales is asked for the version of each row, as F&O tells it of new ones; bulk messages tell none.
        """
        prepared, writer = (
            self._sure(lambda: self._preparer.writes(writes)),
            self._writer.until(stop, versions=versions),
        )
        with self._writing({write.entity_set for write in writes}):
            return writer.write_together(prepared) if together else writer.write(prepared, progress)

    def write_table(
        self,
        op: Operation,
        entity_set: str,
        table: pa.Table,
        *,
        key: Sequence[str] = (),
        etag: str | None = None,
        progress: Progress | None = None,
        stop: Stop = never,
        versions: bool = False,
    ) -> list[WriteResult]:
        """Like ``write``, for every row of a table: its columns become JSON in Arrow, never Python values a row.

        ``key`` are columns of the table that name the row, ``etag`` a column whose version must still stand; columns
        whose name begins with ``@`` are not written. An ``upsert`` is for Sales only.
        """
        prepared = self._sure(lambda: self._preparer.table(op, entity_set, table, key, etag))
        with self._writing({entity_set}):
            return self._writer.until(stop, versions=versions).write(prepared, progress)

    def load_package(
        self, entity_set: str, table: pa.Table, *, company: str, execution: str | None = None, stop: Stop = never
    ) -> PackageResult:
        """Imports a table into an F&O company as one data package, the way for first loads of very many rows.

        A row that is there is overwritten. ``execution`` is the name the import is to have. Raises UnknownName,
        FrameError for Sales, Rejected for the whole package, an error with ``can_retry`` where it may have begun.
        """
        with self._writing({entity_set}):
            return load_package(self, entity_set, table, company=company, execution=execution, stop=stop)

    def package_result(self, execution: str, *, stop: Stop = never) -> PackageResult:
        """What became of an import that was begun before. Raises NotFound for one that never began."""
        return package_result(self, execution, stop=stop)

    def resolve(self, entity_set: str, lookup: str, column: str, values: Iterable[str]) -> dict[str, str]:
        """Where rows of ``entity_set`` point to through ``lookup``: business key to bind path, ``"/uoms(<guid>)"``.

        ``lookup`` or ``column`` names the table too where there may be several (``customerid.account``, or
        ``account.accountnumber``). Every spelling that is asked for is answered, as Dataverse compares text; a value
        without a row is left out. Raises FrameError when one value names two rows.
        """
        found = self.named_rows(entity_set, lookup, column, values)
        return {value: _one_of(rows, value, column) for value, rows in found.items()}

    def named_rows(
        self, entity_set: str, lookup: str, column: str, values: Iterable[str], *, within: str | None = None
    ) -> dict[str, list[NamedRow]]:
        """Like ``resolve``, with every row that a value names, however it is spelt there.

        ``within`` is a lookup of the rows themselves whose id comes along.
        """
        name, *middle, column = f"{lookup}.{column}".split(".")
        way = self.schema(entity_set).lookup(name, ".".join(middle) or None)
        target_set = self.metadata.set_of(way.target)
        target = self.schema(target_set)
        given = dict.fromkeys(text_of(each) or "" for each in values)
        asked = {value: spelt for value in given if (spelt := self._texts_of(target, column, value))}
        there: dict[str, dict[str, NamedRow]] = {}
        for key, row_id, inside in self._keys(target, column, list(asked), within):
            path = f"/{target_set}({row_id})"
            there.setdefault(fold(key, self.connection.app), {})[path] = NamedRow(path, key, inside)
        found: dict[str, list[NamedRow]] = {}
        for value, spelt in asked.items():
            rows = next((there[text] for text in spelt if text in there), None)
            if rows is not None:
                found[value] = list(rows.values())
        return found

    def get(self, entity_set: str, key: Mapping[str, object], columns: Sequence[str]) -> dict[str, object]:
        """One row by its key, as plain values; an empty part of a key in F&O is a value.

        Raises NotFound, and FrameError for a key that no row can have.
        """
        held_key(self.schema(entity_set), key)  # among others such a key is nobody's; alone it is told of
        pages = self.read_among(Query(entity_set, tuple(columns)), [key])
        rows = [row for page in pages for row in page.table.to_pylist()]
        if len(rows) != 1:
            what = shown_key(entity_set, key)
            raise NotFound(f"{what}: {len(rows)} rows have this key.", status=404, target=entity_set)
        mine = {*columns, *(name for name in rows[0] if name.startswith("@"))}
        return {name: value for name, value in rows[0].items() if name in mine}

    def _sure(self, call: Callable[[], T]) -> T:
        """What a call gives that changes nothing; made again where what was kept of metadata was at fault."""
        mended = self.metadata.mended
        try:
            return call()
        except P2CError as error:
            if not self._is_mended(error, mended):
                raise
        return call()

    def _sure_pages(self, begin: Callable[[], Iterator[Page]]) -> Iterator[Page]:
        """Pages, begun again where what was kept of metadata was at fault and nothing was given yet."""
        begun, mended = False, self.metadata.mended
        try:
            for page in begin():
                begun = True
                yield page
        except P2CError as error:
            if not self._is_mended(error, mended) or begun:
                raise
        else:
            return
        yield from begin()

    def _is_mended(self, error: P2CError, before: int) -> bool:
        """Whether metadata that may be what an error comes of were put right, by now or in the midst of it."""
        return _is_doubtful(error) and (self.metadata.put_right() or self.metadata.mended > before)

    @contextmanager
    def _writing(self, entity_sets: Iterable[str]) -> Iterator[None]:
        """Count a write to each set once it is over, whatever came of it: what is learned meanwhile is old by then."""
        try:
            yield
        finally:
            with self._counting:
                self._written.update(entity_sets)

    def _ask_identity(self) -> Identity:
        here, finops = self.connection, self.connection.app == "finops"
        target = "service document" if finops else "WhoAmI"
        url = self.dialect.root if finops else f"{self.dialect.root}WhoAmI"
        try:
            said = ask_json(self.sender, url, self.dialect.headers, target)
        except IncompleteRead as error:
            raise no_answer(here, target) from error
        return of_finops(here, said) if finops else of_sales(here, said)

    def _keys(
        self, schema: EntitySchema, column: str, values: Sequence[str], within: str | None
    ) -> Iterator[tuple[str, str, str | None]]:
        """Business key and id of the rows whose key is among the values, and what they are within; the whole set when
        there are many."""
        query = Query(schema.entity_set, (column, *([within] if within else [])))
        few = len(values) <= WHOLE_SET
        for page in self.read_among(query, [{column: value} for value in values]) if few else self.read(query):
            known = known_rows(page.table, page.notes, {column})
            names = [texts(known.column(name)).to_pylist() for name in (column, "@id", within or "@id")]
            yield from ((k, i, group if within else None) for k, i, group in zip(*names, strict=True) if k is not None)

    def _texts_of(self, schema: EntitySchema, column: str, value: str) -> list[str]:
        """What the text of a row's value may be that was written as this one, folded: as it is, and as it is stored."""
        try:
            held = held_key(schema, {column: value})
        except FrameError:  # no row can hold it
            return []
        return [fold(text_of(key[column]) or "", self.connection.app) for key in (held, stored_key(schema, held))]

    def _find_ids(self, entity_set: str, keys: Sequence[Mapping[str, object]]) -> list[list[str]]:
        """The ids of the rows with each of these keys of one Sales table, in their order."""
        schema = self.schema(entity_set)
        found: dict[tuple[str, ...], dict[str | None, list[str]]] = {}
        for names in dict.fromkeys(tuple(key) for key in keys):
            rows, mine = found.setdefault(names, {}), RowKey.within(schema, names)
            asked = [key for key in keys if tuple(key) == names]
            for page in self.read_among(Query(entity_set, names), asked):
                known = known_rows(page.table, page.notes, names)
                for text, row_id in zip(mine.texts(known).to_pylist(), known["@id"].to_pylist(), strict=True):
                    rows.setdefault(text, []).append(row_id)
        return [self._ids_of(schema, found[tuple(key)], key) for key in keys]

    def _ids_of(
        self, schema: EntitySchema, rows: Mapping[str | None, list[str]], key: Mapping[str, object]
    ) -> list[str]:
        mine, held = RowKey.within(schema, tuple(key)), held_key(schema, key)
        return rows.get(mine.of(held)) or rows.get(mine.of(stored_key(schema, held)), [])

    def _settle(self, schema: EntitySchema, doubts: Sequence[Doubt]) -> list[bool | None]:
        def target(table: str) -> EntitySchema:
            return self.schema(self.metadata.set_of(table))

        return settled(schema, doubts, self.read_among, target, self.rules_now(schema.entity_set))


def _is_doubtful(error: P2CError) -> bool:
    """Whether an error may come of metadata that are not so: a name, an address or a value that does not fit."""
    unfit = isinstance(error, UnknownName | FrameError | NoRoute | NotFound | Rejected | IncompleteRead)
    return unfit or (type(error) is ServiceError and error.status in (0, 200, 400))


def _one_of(rows: Sequence[NamedRow], value: str, column: str) -> str:
    """The path of the one row for a value: of several that compare as the same, the one that is spelt like it."""
    rows = [row for row in rows if row.key == value] or rows
    if len(rows) > 1:
        where = f"{rows[0].path[1:].partition('(')[0]} by {column.rpartition('.')[2]}"
        raise FrameError(f"'{value}' names two rows of {where}.", hint="Make it unique there, then try again.")
    return rows[0].path
