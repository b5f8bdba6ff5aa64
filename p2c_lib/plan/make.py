"""A reconciliation becomes an ordered, immutable list of writes.

``plan()`` gets values only: it has no client, so it cannot reach a network. Only what differs is written: a missing row
becomes a create with every mapped value, a changed row an update with the changed columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from p2c_lib import config
from p2c_lib.plan.consequences import follows
from p2c_lib.plan.files import VERSION, saved
from p2c_lib.plan.forecast import counts_of, money, predicted
from p2c_lib.plan.operations import operations_of
from p2c_lib.plan.taken import taken

if TYPE_CHECKING:
    from p2c_lib.gates import GateResult
    from p2c_lib.plan.value import Plan
    from p2c_lib.reconcile import Reconciliation

__all__ = ["foretold", "now", "plan"]


def plan(
    recon: Reconciliation,
    gate: GateResult,
    *,
    folder: Path | None = None,
    max_creates: int | None = None,
    max_updates: int | None = None,
    max_share_changed: float | None = None,
    pace: float | None = None,
    there: int | None = None,
) -> Plan:
    """The writes that bring the destination into agreement, saved in a new folder below ``folder``.

    ``folder`` is ``.p2c/plans`` of the workspace by default. ``max_creates``, ``max_updates`` and ``max_share_changed``
    (the share of the destination's rows that may be updated, 0 to 1), by default the template's, are limits that
    ``apply`` enforces. ``pace`` is rows a second as measured earlier, for the minutes it will take; ``there`` how many
    rows the destination has where only a part of them was read. A row whose key stands twice on a side is never paired,
    so it is never written.
    """
    operations = operations_of(recon)
    named = {"max_creates": max_creates, "max_updates": max_updates, "max_share_changed": max_share_changed}
    given = {name: limit for name, limit in named.items() if limit is not None}
    limits = dict.fromkeys(named) | recon.template.limits.model_dump() | given
    rows = max(len(recon.actual), there or 0)
    facts = _facts(recon, gate, operations, limits, rows, pace)
    return saved(operations, facts, folder or config.workspace().state / "plans")


def now() -> str:
    """This moment in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def foretold(destination: Mapping[str, Any], operations: pa.Table, pace: float | None) -> dict[str, Any]:
    """What a plan says about its future, all of it worked out from its operations."""
    app, entity_set = destination["app"], destination["entity_set"]
    return {
        "predicted": predicted(app, counts_of(operations), int(destination["rows"]), pace),
        "money": money(operations),
        "follows": follows(app, entity_set, operations),
    }


def _facts(
    recon: Reconciliation,
    gate: GateResult,
    operations: pa.Table,
    limits: Mapping[str, Any],
    there: int,
    pace: float | None,
) -> dict[str, Any]:
    summary = recon.summary
    destination = recon.actual.origin.to_dict() | {"rows": there}
    return {
        "version": VERSION,
        "task": recon.template.task,
        "made": now(),
        "source": gate.passed.origin.to_dict() | {"rows": gate.counts["read"]},
        "destination": destination,
        "template": {"title": recon.template.title, "sha256": recon.template.sha},
        "gate": {"verdict": gate.verdict, "why": gate.why, "suite_sha256": gate.suite_sha, "counts": dict(gate.counts)},
        "counts": {
            **counts_of(operations),
            **{name: summary[kind] for name, kind in (("unchanged", "equal"), ("extra", "extra"))},
            **{kind: summary[kind] for kind in ("duplicate", "invalid")},
        },
        "left_alone": _left_alone(gate.counts, summary),
        "limits": dict(limits),
        "ignored": sorted(recon.template.compare.ignore),
        "taken": taken(recon, operations),
        **foretold(destination, operations, pace),
    }


def _left_alone(counts: Mapping[str, int], summary: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows the plan does not touch, and why."""
    said = (
        (summary["equal"], "agree already"),
        (counts.get("quarantined", 0), "were set aside by the gate"),
        (counts.get("held", 0), "wait for a row they depend on"),
        (summary["extra"], "stand only at the destination"),
        (summary["duplicate"], "have a key that stands more than once"),
        (summary["invalid"], "have no key"),
    )
    return [{"rows": rows, "why": why} for rows, why in said if rows]
