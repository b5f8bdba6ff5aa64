"""The ledger's tables. Times are UTC, as ISO 8601 text, so that both databases sort them alike."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

__all__ = [
    "CHAINED",
    "METADATA",
    "REMEMBERED",
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
    "tasks",
    "version",
    "waiting",
    "waivers",
]

METADATA = MetaData()

runs = Table(
    "runs",
    METADATA,
    Column("run_id", String(40), primary_key=True),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("apply", Boolean, nullable=False),
    Column("status", String(20), nullable=False),
    Column("started", String(32), nullable=False),
    Column("ended", String(32)),
    Column("report", Text),
)

COUNTS = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "extra", "failed", "drifted")

tasks = Table(
    "tasks",
    METADATA,
    Column("run_id", String(40), primary_key=True),
    Column("task", String(60), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("why", Text, nullable=False),
    *(Column(name, Integer, nullable=False) for name in COUNTS),
    Column("seconds", Float, nullable=False),
    Column("ended", String(32), nullable=False),
)

plans = Table(
    "plans",
    METADATA,
    Column("plan_id", String(64), primary_key=True),
    Column("run_id", String(40)),
    Column("task", String(60), nullable=False),
    Column("folder", Text, nullable=False),
    Column("made", String(32), nullable=False),
    Column("company", String(20)),
    Column("entity_set", String(100)),
    Column("undoes", String(64)),
)

# Chained, only ever added to: an operation is about to be sent, an operation was answered, a plan was approved, many
# creates are about to be sent as one import or it ended.

operations = Table(
    "operations",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("op", String(10), nullable=False),
    Column("entity_set", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("sha", String(64), nullable=False),
    Index("operations_by_plan", "plan_id"),
    Index("operations_by_key", "entity_set", "key"),
)

outcomes = Table(
    "outcomes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("status", Integer),
    Column("message", Text),
    Column("request_id", String(100)),
    Column("at", String(32), nullable=False),
    Column("sha", String(64), nullable=False),
    Index("outcomes_by_plan", "plan_id"),
)

approvals = Table(
    "approvals",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", String(64), nullable=False),
    Column("by", String(100), nullable=False),
    Column("note", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("sha", String(64), nullable=False),
    Index("approvals_by_plan", "plan_id"),
)

imports = Table(
    "imports",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plan_id", String(64), nullable=False),
    Column("execution", String(100), nullable=False),
    Column("state", String(20), nullable=False),
    Column("at", String(32), nullable=False),
    Column("sha", String(64), nullable=False),
    Index("imports_by_plan", "plan_id"),
)

history = Table(
    "history",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("sha", String(64), nullable=False),
)

chain = Table(
    "chain",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("lines_of", String(20), nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("chain_by_table", "lines_of", "last"),
)

CHAINED = (operations, outcomes, approvals, imports, history)

leases = Table(
    "leases",
    METADATA,
    Column("plan_id", String(64), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("until", Float, nullable=False),
)

version = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

waiting = Table(
    "waiting",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("task", String(60), nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("rule", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text),
    Column("reason", Text, nullable=False),
    Column("first_run", String(40), nullable=False),
    Column("first_seen", String(32), nullable=False),
    Column("last_run", String(40), nullable=False),
    Column("last_seen", String(32), nullable=False),
    Column("state", String(10), nullable=False),
    Index("waiting_by_task", "connection_set", "company", "task", "state"),
)

CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")

reconciliations = Table(
    "reconciliations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("task", String(60), nullable=False),
    *(Column(name, Integer, nullable=False) for name in CLASSES),
    Column("at", String(32), nullable=False),
)

decisions = Table(
    "decisions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("connection_set", String(100), nullable=False),
    Column("entity", String(100), nullable=False),
    Column("key_a", Text, nullable=False),
    Column("key_b", Text, nullable=False),
    Column("decision", String(10), nullable=False),
    Column("by", String(100), nullable=False),
    Column("at", String(32), nullable=False),
)

waivers = Table(
    "waivers",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("task", String(60), nullable=False),
    Column("key", Text, nullable=False),
    Column("by", String(100), nullable=False),
    Column("why", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("ended", String(32)),
)

agreed = Table(
    "agreed",
    METADATA,
    Column("connection_set", String(100), primary_key=True),
    Column("company", String(20), primary_key=True),
    Column("task", String(60), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("file", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)

marks = Table(
    "marks",
    METADATA,
    Column("connection_set", String(100), primary_key=True),
    Column("company", String(20), primary_key=True),
    Column("task", String(60), primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("template_sha", String(64), nullable=False),
    Column("suite_sha", String(64), nullable=False),
    Column("version", String(20), nullable=False),
    Column("place", Text, nullable=False),
    Column("positions", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)

deletions = Table(
    "deletions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("task", String(60), nullable=False),
    Column("key", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("at", String(32), nullable=False),
)

gate_rules = Table(
    "gate_rules",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("connection_set", String(100), nullable=False),
    Column("company", String(20), nullable=False),
    Column("task", String(60), nullable=False),
    Column("stage", String(12), nullable=False),
    Column("rule", Text, nullable=False),
    Column("severity", String(10), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("judged", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Index("gate_rules_by_task", "connection_set", "company", "task"),
)

# What each cell of a run's notebooks did and how long it took: seen, not judged, so it is not chained.
cells = Table(
    "cells",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(40), nullable=False),
    Column("notebook", String(120), nullable=False),
    Column("cell", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("why", Text),
    Column("at", String(32), nullable=False),
    Index("cells_by_run", "run_id"),
)

REMEMBERED = (runs, tasks, plans, waiting, waivers, reconciliations, decisions, agreed, marks, deletions, gate_rules)
