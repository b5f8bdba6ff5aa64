# ruff: noqa: S608 - names come from the schema and are quoted
"""A state file of an older layout brought up to date: its tables made anew, in one transaction, rows kept as they are.

The layout is numbered in the file (``user_version``); a file without a number is of the first one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from p2c_lib.errors import SandboxError

# 1: texts compared without ASCII case by the columns themselves. 2: texts compared by `collation`.
LAYOUT = 2
_RESET = "Make the state anew: `p2c sandbox reset`, then `p2c sandbox seed` or `p2c sandbox load`."


class StateOutdated(SandboxError):
    """A state file that this version cannot use as it is."""


def create_table(name: str, columns: Mapping[str, str]) -> str:
    """The statement that makes a table with the store's own columns and these, declared as told."""
    body = "".join(f', "{column}" {kind}' for column, kind in columns.items())
    return f"CREATE TABLE {name} (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL{body})"


def bring_up_to_date(connection: sqlite3.Connection, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Rebuild the tables of an older layout; ``tables`` are columns with their kinds by quoted name.

    StateOutdated tells of a file of a newer layout. Inside a transaction only.
    """
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout > LAYOUT:
        problem = f"The sandbox's state is of layout {layout}; this version knows layouts up to {LAYOUT}."
        raise StateOutdated(problem, hint=f"Use the version that made it. {_RESET}")
    if layout < LAYOUT:
        for name, columns in tables.items():
            _rebuild(connection, name, columns)
        connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _rebuild(connection: sqlite3.Connection, name: str, columns: Mapping[str, str]) -> None:
    have = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
    if not have:
        return
    bare = name[1:-1]
    number = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [bare]).fetchone()
    listed = ", ".join(["_id", "_version", *(f'"{column}"' for column in columns if column in have)])
    connection.execute(create_table('"made anew"', columns))
    connection.execute(f'INSERT INTO "made anew" ({listed}) SELECT {listed} FROM {name}')
    connection.execute(f"DROP TABLE {name}")
    connection.execute(f'ALTER TABLE "made anew" RENAME TO {name}')
    if number:
        # The last record number that was given, even where its row is gone: none is given twice.
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", [bare])
        connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", [bare, number[0]])


def keys_meet(set_name: str, problem: str) -> StateOutdated:
    """The error of rows that an older layout took for different and the system takes for one."""
    message = f"Rows of '{set_name}' have keys that are one key to the system, let in by an older version: {problem}."
    return StateOutdated(message, hint=_RESET)
