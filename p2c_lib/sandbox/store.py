# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""The rows of both systems in one SQLite file: a real column an attribute, a version a row, a log of deletions.

A table is named ``<system>_<entity set>``. Beside its attributes it has ``_id`` (the record number, also F&O's RecId)
and ``_version`` (one counter over all tables, so a larger version is a later write; new records of F&O have 1). A
lookup with several targets has a twin ``<lookup>!type`` that names the entity it points to. Text is kept as it came and
compares by `collation`.

How a value is stored, by kind of column: text, memo, enum member as text; guid and lookup as lower-case text; decimal
and money as plain digits (`exact`); other numbers and choices as numbers; bool as 0 or 1; datetime as
``YYYY-MM-DDTHH:MM:SSZ``; date as ``YYYY-MM-DD``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from p2c_lib.sandbox import exact, upgrade
from p2c_lib.sandbox.collation import compared, edition
from p2c_lib.sandbox.sql_functions import register

if TYPE_CHECKING:
    from p2c_lib.sandbox.schema import Column, Entity

Value = str | int | float | Decimal | None

_DECLARED = {
    "string": "TEXT",
    "memo": "TEXT",
    "choices": "TEXT",
    "enum": "TEXT",
    "guid": "TEXT",
    "lookup": "TEXT",
    "datetime": "TEXT",
    "date": "TEXT",
    "decimal": "TEXT",
    "double": "REAL",
    "money": "TEXT",
}

# Lookups that most rows share: an index of them would not narrow a search.
_SHARED = {
    "createdby", "modifiedby", "createdonbehalfby", "modifiedonbehalfby", "ownerid", "owninguser", "owningteam",
    "owningbusinessunit", "organizationid", "transactioncurrencyid",
}  # fmt: skip

_LEDGER = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deletions (
  version INTEGER PRIMARY KEY, system TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deletions_by_entity ON deletions (system, entity, version);
"""


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def table(entity: Entity) -> str:
    """The entity's table as an SQL identifier."""
    return quoted(f"{entity.system}_{entity.set_name.lower()}")


def sortable_guid() -> str:
    """A new guid whose text order is the order of making, as a server's sequential guids are."""
    head = f"{time.time_ns() // 1_000:015x}"[-15:]
    tail = os.urandom(9).hex()[:17]
    text = head + tail
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def matching(entity: Entity, key: Mapping[str, Value]) -> tuple[str, list[Value]]:
    """SQL for the rows with these column values, as the system compares them, and the values to bind."""
    pairs = ((comparable(entity, name), comparable(entity, name, "?")) for name in key)
    return " AND ".join(f"{column} = {value}" for column, value in pairs), [bindable(value) for value in key.values()]


def comparable(entity: Entity, name: str, sql: str | None = None) -> str:
    """SQL for what a column (or ``sql``, a value for it) is compared, sorted and indexed by."""
    if name == "dataAreaId":
        # Companies are kept as they compare, so that pages of one company are read in the order of its index.
        return quoted(name) if sql is None else f"company({sql})"
    sql = quoted(name) if sql is None else sql
    column = entity.columns.get(name)
    return sql if column is None else compared(entity.system, column, sql)


def bindable(value: Value) -> Value:
    """The value in a type that SQLite takes: a decimal as its plain digits."""
    return exact.plain(value) if isinstance(value, Decimal) else value


def _form(entity: Entity, name: str) -> Callable[[Value], Value] | None:
    """What makes the stored form of a column's value; None where values are stored as they are."""
    column = entity.columns.get(name)
    return partial(exact.kept, entity.system, column) if column is not None and column.kind in exact.KINDS else None


def _formed(entity: Entity, values: Mapping[str, Value]) -> list[Value]:
    forms = {name: _form(entity, name) for name, value in values.items() if value is not None}
    return [value if (form := forms.get(name)) is None else form(value) for name, value in values.items()]


def _read(entity: Entity, name: str, value: Value) -> Value:
    column = entity.columns.get(name)
    return Decimal(value) if isinstance(value, str) and column is not None and column.kind in exact.KINDS else value


def index_name(entity: Entity, columns: Sequence[str]) -> str:
    """The name of the index of these columns."""
    return f"{entity.system}_{entity.set_name.lower()}_by_{'_'.join(columns)}"


class KeyTaken(Exception):
    """Another row has the same key; ``columns`` are the key's columns (the primary key's or an alternate key's)."""

    def __init__(self, entity: Entity, columns: tuple[str, ...]) -> None:
        super().__init__(f"{entity.name} {columns}")
        self.entity, self.columns = entity, columns


class Store:
    """One SQLite file for both systems; any number of readers and one writer at a time, from any thread.

    >>> import tempfile
    >>> from p2c_lib.sandbox.schema import entity
    >>> accounts, folder = entity("sales", "account"), tempfile.TemporaryDirectory()
    >>> store = Store(Path(folder.name) / "sandbox.db", [accounts])
    >>> with store.write():
    ...     record = store.insert(accounts, {"accountid": sortable_guid(), "name": "Fabrikam"})
    >>> store.value(accounts, "name", {"_id": record})
    'Fabrikam'
    >>> store.close(); folder.cleanup()
    """

    def __init__(self, path: Path, entities: Iterable[Entity]) -> None:
        self.path = path
        self.entities = tuple(entities)
        self._writer = threading.RLock()
        self._depth = 0
        self._local = threading.local()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._opening = threading.Lock()
        self._version = 0
        try:
            self._make_ready()
        except BaseException:
            self.close()
            raise

    def _make_ready(self) -> None:
        self.connection.executescript(_LEDGER)
        with self.write():
            self._create()
        self._version = self._counter("version")

    # -- connections and transactions ------------------------------------------------------------------------------

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's own connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._open()
        return found

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=60, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-16384")
        connection.execute("PRAGMA mmap_size=4294967296")
        connection.execute("PRAGMA temp_store=MEMORY")
        # Indexes are of functions of ours; some builds of SQLite would not let a schema call them.
        connection.execute("PRAGMA trusted_schema=ON")
        register(connection)
        with self._opening:
            self._close_those_of_ended_threads()
            self._opened.append((threading.current_thread(), connection))
        return connection

    def _close_those_of_ended_threads(self) -> None:
        """Each connection takes three files of the process's few; nobody else uses one whose thread has ended."""
        ended = [one for thread, one in self._opened if not thread.is_alive()]
        self._opened = [(thread, one) for thread, one in self._opened if thread.is_alive()]
        for connection in ended:
            connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside is kept together or not at all; inside another ``write`` it is a savepoint."""
        with self._writer:
            connection = self.connection
            if self._depth:
                with self._savepoint(connection):
                    yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                # Another process may have written: a load while the server runs.
                before = self._version = self._counter("version")
                yield connection
                if self._version != before:
                    self._keep("version", self._version)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    @contextmanager
    def _savepoint(self, connection: sqlite3.Connection) -> Iterator[None]:
        name = f"s{self._depth}"
        connection.execute(f"SAVEPOINT {name}")
        self._depth += 1
        try:
            yield
        except BaseException:
            connection.execute(f"ROLLBACK TO {name}")
            connection.execute(f"RELEASE {name}")
            raise
        else:
            connection.execute(f"RELEASE {name}")
        finally:
            self._depth -= 1

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Reads inside see one state of the store, whatever is written meanwhile."""
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections of all threads; the store cannot be used afterwards."""
        with self._opening:
            for _, connection in self._opened:
                connection.close()
            self._opened.clear()
        self._local = threading.local()

    # -- tables ----------------------------------------------------------------------------------------------------

    def _create(self) -> None:
        upgrade.bring_up_to_date(self.connection, {table(one): _layout(one) for one in self.entities})
        for entity in self.entities:
            self._create_table(entity)
            with upgrade.keys_told(entity.set_name):
                self.create_indexes(entity)
        if self._counter("collation") != edition():
            with upgrade.keys_told("a set"):
                self.connection.execute("REINDEX")
            self._keep("collation", edition())

    def _create_table(self, entity: Entity) -> None:
        declared = _declared(entity)
        have = {row[1] for row in self.connection.execute(f"PRAGMA table_info({table(entity)})")}
        if not have:
            self.connection.execute(upgrade.create_table(table(entity), declared))
            return
        for name in declared.keys() - have:
            self.connection.execute(f"ALTER TABLE {table(entity)} ADD COLUMN {quoted(name)} {declared[name]}")

    def create_indexes(self, entity: Entity) -> None:
        """Indexes of the keys (unique), lookups, primary name and version; those that exist already are left."""
        plain = [c.name for c in entity.columns.values() if c.kind == "lookup" and c.name not in _SHARED]
        if entity.primary_name and (entity.primary_name,) not in self.keys(entity).values():
            plain.append(entity.primary_name)
        for columns in {entity.key, *entity.alternate_keys.values()}:
            self._index(entity, columns, unique=True)
        for name in plain:
            self._index(entity, (name, *entity.key) if name == entity.primary_name else (name,), unique=False)
        self._index(entity, ("_version",), unique=False)

    def drop_indexes(self, entity: Entity) -> None:
        """Drop the entity's indexes before a large ``insert_many``; call ``create_indexes`` after it."""
        name = table(entity)[1:-1]
        rows = self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", [name]
        ).fetchall()
        for (index,) in rows:
            self.connection.execute(f"DROP INDEX {quoted(index)}")

    def _index(self, entity: Entity, columns: tuple[str, ...], *, unique: bool) -> None:
        # Most lookups are empty on most rows; a condition on one always means rows that have it.
        lookup = entity.columns[columns[0]].kind == "lookup" if columns[0] in entity.columns else False
        filled = f" WHERE {quoted(columns[0])} IS NOT NULL" if lookup and len(columns) == 1 and not unique else ""
        self.add_index(entity, columns, unique=unique, where=filled)

    def add_index(self, entity: Entity, columns: Sequence[str], *, unique: bool = False, where: str = "") -> None:
        """An index of columns as they are compared, unless it is there."""
        kind, name = "UNIQUE INDEX" if unique else "INDEX", quoted(index_name(entity, columns))
        listed = ", ".join(comparable(entity, c) for c in columns)
        self.connection.execute(f"CREATE {kind} IF NOT EXISTS {name} ON {table(entity)} ({listed}){where}")

    def keys(self, entity: Entity) -> dict[str, tuple[str, ...]]:
        """Primary (named ``""``) and alternate keys."""
        return {"": entity.key, **entity.alternate_keys}

    # -- versions and counters -------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The version of the latest write."""
        return self._version

    def next_version(self, count: int = 1) -> int:
        """The first of ``count`` new versions; inside ``write`` only."""
        first = self._version + 1
        self._version += count
        return first

    def next_number(self, name: str, start: int, count: int = 1) -> int:
        """The first of ``count`` next numbers of a named sequence; inside ``write`` only."""
        first = max(self._counter(name), start - 1) + 1
        self._keep(name, first + count - 1)
        return first

    def _counter(self, name: str) -> int:
        row = self.connection.execute("SELECT value FROM counters WHERE name = ?", [name]).fetchone()
        return int(row[0]) if row else 0

    def _first_version(self, entity: Entity) -> int:
        """The version of a new row: the next of all in Sales, 1 in F&O, where only an update gives a record another."""
        following = self.next_version()
        return 1 if entity.system == "finops" else following

    def _keep(self, name: str, value: int) -> None:
        self.connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", [name, value])

    # -- rows ------------------------------------------------------------------------------------------------------

    def insert(self, entity: Entity, values: Mapping[str, Value]) -> int:
        """Insert one row of stored values and answer its record number; ``KeyTaken`` when a key is in use."""
        names = ", ".join(quoted(name) for name in values)
        marks = ", ".join("?" * (len(values) + 1))
        sql = f"INSERT INTO {table(entity)} (_version, {names}) VALUES ({marks})"
        with self._keys_named(entity):
            cursor = self.connection.execute(sql, [self._first_version(entity), *_formed(entity, values)])
        return int(cursor.lastrowid or 0)

    def insert_many(self, entity: Entity, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> int:
        """Insert rows of stored values, in the order of ``columns``; answers how many."""
        names = ", ".join(quoted(name) for name in columns)
        sql = f"INSERT INTO {table(entity)} (_version, {names}) VALUES ({', '.join('?' * (len(columns) + 1))})"
        forms = [(at, form) for at, name in enumerate(columns) if (form := _form(entity, name)) is not None]
        numbered = ((self._first_version(entity), *row) for row in _rows_formed(rows, forms))
        with self._keys_named(entity):
            return self.connection.executemany(sql, numbered).rowcount

    def update(self, entity: Entity, record: int, values: Mapping[str, Value]) -> None:
        """Set columns of one row and give it a new version; ``KeyTaken`` when a key is in use."""
        pairs = "".join(f", {quoted(name)} = ?" for name in values)
        sql = f"UPDATE {table(entity)} SET _version = ?{pairs} WHERE _id = ?"
        with self._keys_named(entity):
            self.connection.execute(sql, [self.next_version(), *_formed(entity, values), record])

    def delete(self, entity: Entity, record: int) -> None:
        """Delete one row and remember its key for change tracking."""
        key = ", ".join(quoted(name) for name in entity.key)
        found = self.connection.execute(f"SELECT {key} FROM {table(entity)} WHERE _id = ?", [record]).fetchone()
        if found is None:
            return
        self.connection.execute(f"DELETE FROM {table(entity)} WHERE _id = ?", [record])
        self.connection.execute(
            "INSERT INTO deletions VALUES (?, ?, ?, ?, ?)",
            [self.next_version(), entity.system, entity.name, "|".join(map(str, found)), time.time()],
        )

    def find(self, entity: Entity, key: Mapping[str, Value]) -> dict[str, Value] | None:
        """The row with these column values, as the system compares them, with ``_id`` and ``_version``, or None."""
        where, values = matching(entity, key)
        cursor = self.connection.execute(f"SELECT * FROM {table(entity)} WHERE {where} LIMIT 1", values)
        row = cursor.fetchone()
        if row is None:
            return None
        names = [described[0] for described in cursor.description]
        return {name: _read(entity, name, value) for name, value in zip(names, row, strict=True)}

    def value(self, entity: Entity, column: str, key: Mapping[str, Value]) -> Value:
        """One column of the row with these column values; None when there is no such row."""
        where, values = matching(entity, key)
        sql = f"SELECT {quoted(column)} FROM {table(entity)} WHERE {where} LIMIT 1"
        row = self.connection.execute(sql, values).fetchone()
        return _read(entity, column, row[0]) if row else None

    def exists(self, entity: Entity, key: Mapping[str, Value]) -> bool:
        """Whether there is a row with these column values."""
        return self.value(entity, "_id", key) is not None

    def count(self, entity: Entity) -> int:
        """Rows of the entity."""
        return int(self.connection.execute(f"SELECT count(*) FROM {table(entity)}").fetchone()[0])

    @contextmanager
    def _keys_named(self, entity: Entity) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise KeyTaken(entity, self._key_in(entity, str(error))) from error

    def _key_in(self, entity: Entity, problem: str) -> tuple[str, ...]:
        """The key that SQLite says was violated: it names the index where that is of a function, else the columns."""
        for columns in self.keys(entity).values():
            if f"'{index_name(entity, columns)}'" in problem:
                return columns
        return tuple(part.rpartition(".")[2] for part in problem.partition(": ")[2].split(", "))


def _rows_formed(
    rows: Iterable[Sequence[Value]], forms: Sequence[tuple[int, Callable[[Value], Value]]]
) -> Iterator[Sequence[Value]]:
    if not forms:
        yield from rows
        return
    for row in rows:
        made = list(row)
        for at, form in forms:
            if made[at] is not None:
                made[at] = form(made[at])
        yield made


def _declared(entity: Entity) -> dict[str, str]:
    return {name: kind for column in entity.columns.values() for name, kind in _columns_of(column)}


def _columns_of(column: Column) -> Iterator[tuple[str, str]]:
    yield column.name, _DECLARED.get(column.kind, "INTEGER")
    if column.kind == "lookup" and len(column.targets) > 1:
        yield f"{column.name}!type", "TEXT"


def _layout(entity: Entity) -> upgrade.Layout:
    forms = {name: form for name in entity.columns if (form := _form(entity, name)) is not None}
    return upgrade.Layout(_declared(entity), forms)
