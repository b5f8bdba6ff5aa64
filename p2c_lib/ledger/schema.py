"""The ledger's tables. Times are UTC, as ISO 8601 text, so that both databases sort them alike."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

__all__ = [
    "METADATA",
    "agreed",
    "decisions",
    "operations",
    "plans",
    "reconciliations",
    "runs",
    "tasks",
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
)

operations = Table(
    "operations",
    METADATA,
    Column("plan_id", String(64), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("op", String(10), nullable=False),
    Column("entity_set", String(100), nullable=False),
    Column("key", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("status", Integer),
    Column("message", Text),
    Column("request_id", String(60)),
    Column("sent", String(32), nullable=False),
    Column("answered", String(32)),
)

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
