"""Runs put straight into a ledger, with what their tasks kept: a long past in a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from p2c_lib.config import Workspace
from p2c_lib.ledger import Ledger, open_ledger, schema
from p2c_lib.run_folder import keep

TASKS = ("products", "accounts", "contacts", "contact-customers", "quotes", "quote-lines")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINE = {"read": 100, "passed": 95, "quarantined": 4, "held": 1, "created": 10, "updated": 5, "unchanged": 80}
NAUGHTY = "<script>document.title = 'caught'; alert('caught')</script>"
RULES = ("rule", "severity", "outcome", "rows")


def line(task: str, **counts: Any) -> dict[str, Any]:
    """A task's line of the ledger."""
    rest = {"extra": 2, "failed": 0, "drifted": 0, "seconds": 1.5}
    return {"task": task, "status": "clean", "verdict": "warn", "why": "4 rows set aside", **LINE, **rest, **counts}


def put_run(ledger: Ledger, run_id: str, lines: Sequence[Mapping[str, Any]], **facts: Any) -> None:
    """One run with its tasks, in one transaction."""
    started = facts.pop("started", NOON)
    run: dict[str, Any] = {"connection_set": "sandbox", "company": "USMF", "apply": True, "status": "clean"}
    run |= {"started": _text(started), "ended": _text(started + timedelta(seconds=12)), "report": None} | facts
    with ledger._write() as connection:
        connection.execute(insert(schema.runs), {"run_id": run_id, **run})
        ended = [_text(started + timedelta(seconds=n)) for n in range(len(lines))]
        if lines:
            made = [{**one, "run_id": run_id, "ended": at} for one, at in zip(lines, ended, strict=True)]
            connection.execute(insert(schema.tasks), made)


def put_runs(home: Path, count: int) -> list[str]:
    """So many runs of six tasks, one a day, the first id the oldest."""
    ledger = open_ledger(Workspace(home).ledger)
    ids = []
    for day in range(count):
        started = NOON - timedelta(days=count - day)
        ids.append(f"{started:%Y%m%d-%H%M%S}-{day:06x}")
        put_run(ledger, ids[-1], [line(task, read=100 + day) for task in TASKS], started=started)
    ledger.close()
    return ids


def put_waiting(ledger: Ledger, rows: int, *, task: str = "accounts", reason: str = "", state: str = "open") -> None:
    """So many rows of a task that were set aside at noon, each with a reason of its own unless one is named."""
    at = _text(NOON)
    seen = {"first_run": "r", "first_seen": at, "last_run": "r", "last_seen": at, "state": state}
    scope = {"connection_set": "sandbox", "company": "USMF", "task": task, "kind": "quarantined", "field": "Name"}
    made = [
        {"key": f"acc-{n}", "rule": f"rule {n % 300}", "value": NAUGHTY, "reason": reason or f"{NAUGHTY} {n}"}
        for n in range(rows)
    ]
    with ledger._write() as connection:
        connection.execute(insert(schema.waiting), [{**scope, **seen, **row} for row in made])


def keep_task(folder: Path, task: str, **changes: Any) -> None:
    """What a task keeps in its run folder, with an account of a naughty name."""
    rules = [
        ("OrganizationName is given", "critical", "fails", 3),
        ("CreditLimit is not below 0", "warning", "holds", 0),
    ]
    rest = {"stage": "mapped", "judged": 100, "finding": None, "remedy": "Give it a name.", "judged_by": "compiled"}
    cause = {"cause": "case", "field": "OrganizationName", "count": 3, "money": None}
    counts = {"create": 10, "update": 5, "delete": 0, "unchanged": 80, "extra": 2}
    facts: dict[str, Any] = {
        "version": 1,
        "task": task,
        "company": "USMF",
        "template_sha": "a" * 64,
        "gate": {
            "verdict": "warn",
            "why": f"4 of 100 rows are set aside: {NAUGHTY}",
            "suites": [{"stage": "mapped", "file": "accounts.json", "sha256": "b" * 64}],
            "rules": [dict(zip(RULES, rule, strict=True)) | rest for rule in rules],
        },
        "reconciliation": {"causes": [cause | {"expected": NAUGHTY, "actual": "Contoso"}]},
        "plan": {
            "id": "c" * 64,
            "folder": str(folder / task / f"{task}-{'c' * 12}"),
            "counts": counts,
            "destination": {"app": "finops", "entity_set": "CustomersV2"},
            "predicted": {"requests": 3, "minutes": 0.5},
            "money": [{"field": "CreditLimit", "currency": "USD", "created": "1200.500000", "from": "10", "to": "20"}],
            "follows": [],
        },
        "outcome": {"seconds": 0.7, "sample": "15 rows read back: all as written"},
        "seconds": {"extract": 0.5, "map": 0.7, "check": 0.2, "apply": 0.1},
    }
    keep(folder / task, facts | changes)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
