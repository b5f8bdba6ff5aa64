"""The ledger's tables. Times are UTC, as ISO 8601 text, so that both databases sort them alike.

A column of one name is of one kind in every table, but for the few that are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    select,
)

__all__ = [
    "CHAINED",
    "DATA",
    "METADATA",
    "REMEMBERED",
    "TOLD",
    "agreed",
    "approvals",
    "cells",
    "chain",
    "decisions",
    "deletions",
    "gate_rules",
    "history",
    "imports",
    "leases",
    "marks",
    "operations",
    "outcomes",
    "plans",
    "reconciliations",
    "runs",
    "spelt",
    "tasks",
    "version",
    "waiting",
    "waivers",
    "within",
]

METADATA = MetaData()

MOMENT, RUN, HASH, WORD, COUNT = String(32), String(40), String(64), String(10), Integer
KINDS: dict[str, Any] = {
    **dict.fromkeys(("at", "started", "ended", "made", "first_seen", "last_seen"), MOMENT),
    **dict.fromkeys(("run_id", "first_run", "last_run"), RUN),
    **dict.fromkeys(("plan_id", "undoes", "sha", "hash", "template_sha", "suite_sha"), HASH),
    **dict.fromkeys(("op", "state", "decision", "severity"), WORD),
    **dict.fromkeys(("connection_set", "entity", "entity_set", "by", "request_id", "execution"), String(100)),
    **dict.fromkeys(("company", "status", "verdict", "version", "lines_of"), String(20)),
    **dict.fromkeys(("position", "first", "last", "rows", "judged", "cell"), COUNT),
    **dict.fromkeys(("seconds", "until"), Float),
    "task": String(60),
    "stage": String(12),
    "holder": String(200),
    "notebook": String(120),
}


def _columns(names: str) -> list[Column[Any]]:
    """Columns by name, text where no kind is known; one that ends in ``?`` may be empty, one in ``*`` is of the key."""
    found = []
    for each in names.split():
        name = each.rstrip("?*")
        key, empty = each.endswith("*"), each.endswith("?")
        found.append(Column(name, KINDS.get(name, Text), primary_key=key, nullable=empty))
    return found


def _line() -> Column[int]:
    """The number of a chained line, given by the chain."""
    return Column("id", Integer, primary_key=True, autoincrement=False)


def _row() -> Column[int]:
    """The number of a row, given by the database."""
    return Column("id", Integer, primary_key=True)


# Words for people, in whatever table; all else is what programs go by.
TOLD = frozenset({"why", "message", "request_id", "note", "reason", "value"})
# Of these, what a customer's row holds.
DATA = frozenset({"value"})

SCOPE = "connection_set company task"

runs = Table(
    "runs",
    METADATA,
    *_columns("run_id* connection_set company"),
    Column("apply", Boolean, nullable=False),
    *_columns("status started ended? report?"),
)

COUNTS = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "extra", "failed", "drifted")

tasks = Table(
    "tasks",
    METADATA,
    *_columns("run_id* task* status verdict why"),
    *(Column(name, Integer, nullable=False) for name in COUNTS),
    *_columns("seconds ended"),
)

plans = Table("plans", METADATA, *_columns("plan_id* run_id? task folder made company? entity_set? undoes?"))

# Chained, only ever added to: an operation is about to be sent, an operation was answered, a plan was approved, many
# creates are about to be sent as one import or it ended.

operations = Table(
    "operations",
    METADATA,
    _line(),
    *_columns("plan_id position op entity_set key at sha"),
    Index("operations_by_plan", "plan_id"),
    Index("operations_by_key", "entity_set", "key"),
)

outcomes = Table(
    "outcomes",
    METADATA,
    _line(),
    *_columns("plan_id position state"),
    Column("status", Integer),
    *_columns("message? request_id? at sha"),
    Index("outcomes_by_plan", "plan_id"),
)

approvals = Table(
    "approvals", METADATA, _line(), *_columns("plan_id by note at sha"), Index("approvals_by_plan", "plan_id")
)

imports = Table(
    "imports",
    METADATA,
    _line(),
    *_columns("plan_id execution"),
    Column("state", String(20), nullable=False),
    *_columns("at sha"),
    Index("imports_by_plan", "plan_id"),
)

history = Table(
    "history",
    METADATA,
    _line(),
    Column("kind", String(40), nullable=False),
    *_columns("subject content at sha"),
)

chain = Table(
    "chain",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    *_columns("lines_of first last at hash"),
    Index("chain_by_table", "lines_of", "last"),
)

CHAINED = (operations, outcomes, approvals, imports, history)

leases = Table("leases", METADATA, *_columns("plan_id* holder until"))

version = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

waiting = Table(
    "waiting",
    METADATA,
    _row(),
    *_columns(f"{SCOPE} key"),
    Column("kind", String(12), nullable=False),
    *_columns("rule field value? reason first_run first_seen last_run last_seen state"),
    Index("waiting_by_task", "connection_set", "company", "task", "state"),
)

CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")

reconciliations = Table(
    "reconciliations",
    METADATA,
    _row(),
    *_columns(f"run_id {SCOPE}"),
    *(Column(name, Integer, nullable=False) for name in CLASSES),
    *_columns("at"),
)

decisions = Table("decisions", METADATA, _row(), *_columns("connection_set entity key_a key_b decision by at"))

waivers = Table("waivers", METADATA, _row(), *_columns(f"{SCOPE} key by why at ended?"))

# One row a task, which moves.
KEYED_SCOPE = "connection_set* company* task*"

agreed = Table("agreed", METADATA, *_columns(f"{KEYED_SCOPE} run_id file rows at"))

marks = Table(
    "marks",
    METADATA,
    *_columns(f"{KEYED_SCOPE} run_id template_sha suite_sha version place positions folder rows at"),
)

deletions = Table("deletions", METADATA, _row(), *_columns(f"run_id {SCOPE} key state at"))

gate_rules = Table(
    "gate_rules",
    METADATA,
    _row(),
    *_columns(f"run_id {SCOPE} stage rule severity rows judged at"),
    Index("gate_rules_by_task", "connection_set", "company", "task"),
)

# What each cell of a run's notebooks did and how long it took: seen, not judged, so it is not chained.
cells = Table(
    "cells",
    METADATA,
    _row(),
    *_columns("run_id notebook cell state seconds why? at"),
    Index("cells_by_run", "run_id"),
)


def within(table: Table, scope: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """The conditions of a scope; a company is one in any case, as earlier versions kept it as it was typed."""
    one = {name: func.lower(table.c[name]) if name == "company" else table.c[name] for name in scope}
    return [one[name] == (value.lower() if name == "company" else value) for name, value in scope.items()]


def spelt(connection: Connection, table: Table, scope: Mapping[str, str]) -> dict[str, str]:
    """A scope in the spelling of its latest row, in whose place the next one goes; as it is where there is none."""
    rows = connection.execute(select(table.c.company).where(*within(table, scope)).order_by(table.c.at.desc()))
    return {**scope, "company": rows.scalars().first() or scope["company"]}


REMEMBERED = (runs, tasks, plans, waiting, waivers, reconciliations, decisions, agreed, marks, deletions, gate_rules)
