"""A ledger of an earlier version becomes one of this version when it is opened, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, text

from p2c_lib.errors import ConfigError
from p2c_lib.ledger import schema
from p2c_lib.ledger.chain import append, keep

__all__ = ["VERSION", "brought_up"]

VERSION = 3


def brought_up(connection: Connection) -> None:
    """Make the tables of a new ledger, or migrate an old one. Raises ConfigError for one of a later version."""
    found = _version(connection)
    if found is not None and found > VERSION:
        raise ConfigError(
            f"The ledger has the schema version {found}; this workbench knows {VERSION}.", hint="Update the workbench."
        )
    for step in STEPS[found:] if found is not None else ():
        step(connection)
    if found != VERSION:
        schema.METADATA.create_all(connection)
        connection.execute(schema.version.delete())
        connection.execute(insert(schema.version), {"version": VERSION})


def _version(connection: Connection) -> int | None:
    """The version of the tables that are there: None without any, 1 before versions were noted."""
    tables = inspect(connection).get_table_names()
    if schema.version.name in tables:
        return int(connection.execute(select(schema.version.c.version)).scalar_one())
    return 1 if schema.runs.name in tables else None


def _to_2(connection: Connection) -> None:
    """Operations had one line that was rewritten; they become what was sent and what was answered, chained."""
    connection.execute(text("ALTER TABLE operations RENAME TO operations_1"))
    for name, kind in (("company", "VARCHAR(20)"), ("entity_set", "VARCHAR(100)"), ("undoes", "VARCHAR(64)")):
        connection.execute(text(f"ALTER TABLE plans ADD COLUMN {name} {kind}"))
    schema.METADATA.create_all(connection)
    rows = [dict(row) for row in connection.execute(text("SELECT * FROM operations_1")).mappings()]
    sent = ("plan_id", "position", "op", "entity_set", "key")
    answered = ("plan_id", "position", "state", "status", "message", "request_id")
    append(connection, schema.operations, [{n: row[n] for n in sent} | {"at": row["sent"]} for row in rows])
    ended = [row for row in rows if row["state"] != "sent"]
    append(connection, schema.outcomes, [{n: row[n] for n in answered} | {"at": row["answered"]} for row in ended])
    connection.execute(text("DROP TABLE operations_1"))
    for table in schema.REMEMBERED:
        keep(connection, table)


def _nothing(_connection: Connection) -> None:
    """Version 0 was never written."""


def _to_3(connection: Connection) -> None:
    """Tables were added."""
    schema.METADATA.create_all(connection)


STEPS: tuple[Callable[[Connection], None], ...] = (_nothing, _to_2, _to_3)
