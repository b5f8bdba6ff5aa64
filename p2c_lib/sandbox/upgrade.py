# ruff: noqa: S608 - names come from the schema and are quoted
"""A state file of an older layout brought up to date: its tables made anew, in one transaction, rows kept as they are.

The layout is numbered in the file (``user_version``); a file without a number is of the first one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from p2c_lib.errors import SandboxError

# 1: texts compared without ASCII case by the columns themselves, decimals as floats. 2: texts compared by `collation`.
# 3: decimals as their digits.
LAYOUT = 3
_RESET = "Make the state anew: `p2c sandbox reset`, then `p2c sandbox seed` or `p2c sandbox load`."


@dataclass(frozen=True)
class Layout:
    """A table's columns with their kinds, and what makes the stored form of those that need one."""

    columns: Mapping[str, str]
    forms: Mapping[str, Callable[[Any], Any]]


class StateOutdated(SandboxError):
    """A state file that this version cannot use as it is."""


def create_table(name: str, columns: Mapping[str, str]) -> str:
    """The statement that makes a table with the store's own columns and these, declared as told."""
    body = "".join(f', "{column}" {kind}' for column, kind in columns.items())
    return f"CREATE TABLE {name} (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL{body})"


def bring_up_to_date(connection: sqlite3.Connection, tables: Mapping[str, Layout]) -> None:
    """Rebuild the tables of an older layout; ``tables`` tell how each is to be, by its quoted name.

    StateOutdated tells of a file of a newer layout. Inside a transaction only.
    """
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout > LAYOUT:
        problem = f"The sandbox's state is of layout {layout}; this version knows layouts up to {LAYOUT}."
        raise StateOutdated(problem, hint=f"Use the version that made it. {_RESET}")
    if layout < LAYOUT:
        for name, wanted in tables.items():
            _rebuild(connection, name, wanted)
        _keep_four(connection)
        connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _rebuild(connection: sqlite3.Connection, name: str, wanted: Layout) -> None:
    have = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
    if not have:
        return
    bare = name[1:-1]
    number = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [bare]).fetchone()
    there = ["_id", "_version", *(column for column in wanted.columns if column in have)]
    listed = ", ".join(f'"{column}"' for column in there)
    for at, column in enumerate(there):
        if column in wanted.forms:
            connection.create_function(f"form_{at}", 1, _or_nothing(wanted.forms[column]))
    read = ", ".join(f'form_{at}("{c}")' if c in wanted.forms else f'"{c}"' for at, c in enumerate(there))
    connection.execute(create_table('"made anew"', wanted.columns))
    connection.execute(f'INSERT INTO "made anew" ({listed}) SELECT {read} FROM {name}')
    connection.execute(f"DROP TABLE {name}")
    connection.execute(f'ALTER TABLE "made anew" RENAME TO {name}')
    if number:
        # The last record number that was given, even where its row is gone: none is given twice.
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", [bare])
        connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", [bare, number[0]])


def _or_nothing(form: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else form(value)


def _keep_four(connection: sqlite3.Connection) -> None:
    """Money was kept with four decimals whatever the organisation and its currencies said: they say so now."""
    for name, column in (("organizations", "pricingdecimalprecision"), ("transactioncurrencies", "currencyprecision")):
        have = {row[1] for row in connection.execute(f"PRAGMA table_info(sales_{name})")}
        if column in have:
            connection.execute(f"UPDATE sales_{name} SET {column} = max({column}, 4)")


@contextmanager
def keys_told(set_name: str) -> Iterator[None]:
    """While indexes are made: rows that an older version took for different and the system takes for one are told."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        message = f"Rows of {set_name} have keys that are one key to the system, let in by an older version: {error}."
        raise StateOutdated(message, hint=_RESET) from error
