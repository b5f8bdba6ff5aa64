"""The database behind the ledger: SQLite in a folder, PostgreSQL at a URL; one writer at a time on either."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from p2c_lib.errors import ConfigError
from p2c_lib.events import tell
from p2c_lib.ledger.migrate import brought_up
from p2c_lib.ledger.schema import DATA, TOLD
from p2c_lib.private import private_file, private_folder
from p2c_lib.secrecy import keep_secrets_of_url, rows_without_secrets
from p2c_lib.waiting import WALL, unwanted

__all__ = ["Database", "engine_of"]

FILE = "ledger.db"
WRITES = "p2c_writes"
# SQLite waits where no signal reaches: a little at a time, again and again until the ledger is free.
BUSY_MILLISECONDS = 1_000
BUSY_SECONDS = 20.0
EMPTY_SECONDS = 1.0
# One number for all ledgers: PostgreSQL then lets one transaction at a time add to a chain.
AT_ONCE = text("SELECT pg_try_advisory_xact_lock(20250)")
ONE_WRITER = text("SELECT pg_advisory_xact_lock(20250)")
# libpq's own words: seconds for a connection, and milliseconds and seconds after which one that is dead is noticed.
REACHED = {"connect_timeout": 15, "tcp_user_timeout": 60_000, "keepalives_idle": 30, "keepalives_interval": 10}
OF_LIBPQ = {"psycopg", "psycopg2"}


class Database:
    """A database with the ledger's tables, brought up to this version when it is opened."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        try:
            with self._write("opened") as connection:
                brought_up(connection)
        except ConfigError:
            engine.dispose()
            raise

    def close(self) -> None:
        """Let every connection go."""
        self._engine.dispose()

    @contextmanager
    def _write(self, done: str = "written") -> Iterator[Connection]:
        """One transaction, the only one that writes meanwhile."""
        try:
            with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
                if connection.dialect.name == "postgresql" and not connection.execute(AT_ONCE).scalar():
                    _tell_of_wait(BUSY_SECONDS)
                    connection.execute(ONE_WRITER)
                yield connection
        except SQLAlchemyError as error:
            raise self._failed(done, error) from error

    @contextmanager
    def _look(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self._failed("read", error) from error

    def _read(self, statement: Any) -> list[dict[str, Any]]:
        with self._look() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _failed(self, done: str, error: SQLAlchemyError) -> ConfigError:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        return ConfigError(
            f"The ledger at {self._engine.url.render_as_string()} cannot be {done}: {cause[0] if cause else error}.",
            hint="Check that it can be reached, that its disk is not full and that no other program holds it.",
        )


def engine_of(place: Path | str) -> Engine:
    """An engine for a folder or a SQLAlchemy URL. Raises ConfigError for a URL that is none or lacks its driver."""
    if isinstance(place, Path):
        private_folder(place)
        _refuse_emptied(place)
        private_file(place / FILE)
        url: str | URL = URL.create("sqlite", database=str(place / FILE))  # as text a ? or %20 would say something
    else:
        url = keep_secrets_of_url(place)
    try:
        engine = create_engine(url, connect_args=_further(url))
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(
            "The ledger's URL is none that is known.", hint="Write postgresql+psycopg://user:password@host/database."
        ) from None
    except ImportError as error:
        hint = "For PostgreSQL run: pip install 'p2c-lib[postgres]'."
        raise ConfigError(f"The ledger's database needs the package {error.name}.", hint=hint) from None
    event.listen(engine, "before_cursor_execute", _without_secrets, retval=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable_and_shared)
        event.listen(engine, "begin", _begin)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_patiently)
    return engine


def _refuse_emptied(place: Path) -> None:
    """Raises ConfigError for a file of no bytes beside runs that were: one that is being made has them for a moment."""
    file = place / FILE
    if any((place / "runs").glob("*/*")) and _is_empty(file):
        WALL.rest(EMPTY_SECONDS)
        if _is_empty(file):
            raise ConfigError(
                f"The ledger {file} has no bytes, and it was not empty before: {place / 'runs'} holds runs.",
                hint="Bring it back from a copy; to begin a new one, which knows nothing of them, remove the file.",
            )


def _is_empty(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == 0


def _further(url: str | URL) -> dict[str, int]:
    """What a connection is made with besides its URL: times, where the URL names none."""
    parts = make_url(url)
    if parts.get_backend_name() != "postgresql" or parts.get_driver_name() not in OF_LIBPQ:
        return {}
    return {name: value for name, value in REACHED.items() if name not in parts.query}


def _begin_patiently(connection: Connection) -> None:
    """No transaction waits for ever for what another one holds, be it to write or to read."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {1000 * BUSY_SECONDS:.0f}")


def _without_secrets(
    _connection: Connection,
    _cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    many: bool,  # noqa: FBT001 - as SQLAlchemy calls it
) -> tuple[str, Any]:
    """The words that are kept are without secrets; names, keys and ids are kept, and looked for, as they are.

    Lines of the chain had theirs taken out before they got their hash.
    """
    compiled = getattr(context, "compiled", None)
    names: Sequence[str] = getattr(compiled, "positiontup", None) or ()
    if not parameters or compiled is None or "sha" in compiled.params:
        return statement, parameters

    def name(column: str | int) -> str | int:
        return names[column] if isinstance(column, int) and column < len(names) else column

    rows = parameters if many else [parameters]
    plain = rows_without_secrets(rows, lambda column: name(column) in TOLD, lambda column: name(column) in DATA)
    return statement, plain if many else plain[0]


def _durable_and_shared(connection: Any, _record: Any) -> None:
    """Write-ahead log, synced at every commit: readers never wait, and what was said to be written is."""
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    # Only the first to open a file has to turn it; two that try at once do not wait for each other.
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            WALL.rest(0.05)


def _begin(connection: Connection) -> None:
    """A transaction that writes takes its turn at the beginning, so that what it read still holds when it writes."""
    writes = connection.get_execution_options().get(WRITES)
    if not writes:
        connection.exec_driver_sql("BEGIN")
        return
    until, told = WALL.now() + BUSY_SECONDS, False
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or WALL.now() >= until or unwanted():
                raise
        if not told:
            told = True
            _tell_of_wait(until - WALL.now())


def _tell_of_wait(seconds: float) -> None:
    said = f"Another program writes to the ledger; it is waited for, {seconds:,.0f} s at most"
    tell(event="wait", system="ledger", seconds=round(seconds, 1), attempt=0, of=0, target="", why=said, text=said)
