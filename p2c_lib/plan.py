"""A reconciliation becomes an ordered, immutable list of writes, saved as files and held by its hash.

``plan()`` gets values only: it has no client, so it cannot reach a network. Only what differs is written: a missing row
becomes a create with every mapped value, a changed row an update with the changed columns.

A plan is a folder of two files: ``plan.json`` says for which two environments it was made, from what and by which
rules; ``operations.parquet`` holds the writes. The plan's id is the hash over both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from p2c_lib import config
from p2c_lib.errors import PlanAltered, PlanError
from p2c_lib.reconcile.sides import Side, arrow_schema, taken
from p2c_lib.report import Facts, Report, Table

if TYPE_CHECKING:
    from p2c_lib.gates import GateResult
    from p2c_lib.reconcile import Reconciliation

__all__ = ["Plan", "open_plan", "plan"]

PLAN, OPERATIONS = "plan.json", "operations.parquet"
SHOWN = 20


@dataclass(frozen=True)
class Plan:
    """Writes for one task.

    ``operations`` has a row for each: position, op, key, id, etag, changed, reason, before, after.

    ``facts`` is the content of ``plan.json``; ``folder`` is where both files lie.
    """

    id: str
    folder: Path
    facts: Mapping[str, Any]
    operations: pa.Table

    @property
    def task(self) -> str:
        return str(self.facts["task"])

    @property
    def creates(self) -> int:
        return int(self.facts["counts"]["create"])

    @property
    def updates(self) -> int:
        return int(self.facts["counts"]["update"])

    def __len__(self) -> int:
        return int(self.operations.num_rows)

    def verify(self) -> None:
        """Raise PlanAltered unless the files on disk are the ones this plan was hashed with."""
        found = open_plan(self.folder)
        if found.id != self.id:
            raise PlanAltered(
                f"The plan in {self.folder} has the hash {found.id[:12]}, not {self.id[:12]}.", hint="Make a new plan."
            )

    def report(self) -> Report:
        """What this plan would write."""
        counts = self.facts["counts"]
        why = (
            f"{counts['create']:,} rows to create and {counts['update']:,} to update in "
            f"{self.facts['destination']['entity_set']} at {self.facts['destination']['url']}; "
            f"{counts['unchanged']:,} agree already and {counts['extra']:,} stand only there and are left alone."
        )
        verdict = "blocked" if self.facts["gate"]["verdict"] == "blocked" else "planned"
        facts = Facts((("plan", self.id[:12]), ("folder", str(self.folder)), ("gate", self.facts["gate"]["why"])))
        return Report(f"Plan for {self.task}", verdict, why, (facts, self._sample()))

    def _sample(self) -> Table:
        rows = []
        for row in self.operations.slice(0, SHOWN).to_pylist():
            fields = row["changed"] if row["op"] == "update" else [k for k, v in row["after"].items() if v is not None]
            before = row["before"] or {}
            shown = [f"{f}: {_short(before.get(f))} → {_short(row['after'][f])}" for f in fields[:6]]
            more = f" … {len(fields) - 6} more" if len(fields) > 6 else ""
            rows.append((row["op"], row["key"], "; ".join(shown) + more, row["reason"]))
        return Table(("op", "key", "fields", "reason"), tuple(rows), "Writes", len(self))

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "folder": str(self.folder), **self.facts}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"Plan({self.task}, {self.creates:,} creates, {self.updates:,} updates, {self.id[:12]})"


def plan(
    recon: Reconciliation,
    gate: GateResult,
    *,
    folder: Path | None = None,
    max_creates: int | None = None,
    max_updates: int | None = None,
) -> Plan:
    """The writes that bring the destination into agreement, saved in a new folder below ``folder``.

    ``folder`` is ``.p2c/plans`` of the workspace by default. ``max_creates`` and ``max_updates``, by default the
    template's, are limits that ``apply`` enforces. A row whose key stands twice on a side is never paired, so it is
    never written.
    """
    operations = _operations(recon)
    limits = recon.template.limits.model_dump() | {
        name: limit for name, limit in (("max_creates", max_creates), ("max_updates", max_updates)) if limit is not None
    }
    facts = _facts(recon, gate, operations, limits)
    return _save(operations, facts, folder or config.workspace().state / "plans")


def open_plan(folder: Path) -> Plan:
    """The plan in a folder. Raises PlanAltered when its files do not have its hash, PlanError when they are missing."""
    try:
        text = (folder / PLAN).read_bytes()
        written = (folder / OPERATIONS).read_bytes()
    except OSError as error:
        raise PlanError(f"There is no plan in {folder} ({error.strerror}).") from None
    try:
        facts = json.loads(text)
        plan_id = facts.pop("id")
    except (ValueError, KeyError, AttributeError):
        raise PlanAltered(f"{folder / PLAN} is not a plan any more.", hint="Make a new plan.") from None
    if _hash(facts) != plan_id or hashlib.sha256(written).hexdigest() != facts["operations_sha256"]:
        raise PlanAltered(f"The plan in {folder} was altered after it was made.", hint="Make a new plan.")
    if text != _plan_file(facts, plan_id):
        raise PlanAltered(f"{folder / PLAN} was altered after it was made.", hint="Make a new plan.")
    return Plan(plan_id, folder, facts, pq.read_table(pa.BufferReader(written)))


def _save(operations: pa.Table, facts: dict[str, Any], parent: Path) -> Plan:
    sink = pa.BufferOutputStream()
    pq.write_table(operations, sink, compression="zstd")
    written = sink.getvalue().to_pybytes()
    facts["operations_sha256"] = hashlib.sha256(written).hexdigest()
    plan_id = _hash(facts)
    folder = parent / f"{facts['task']}-{plan_id[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OPERATIONS).write_bytes(written)
    (folder / PLAN).write_bytes(_plan_file(facts, plan_id))
    return Plan(plan_id, folder, facts, operations)


def _plan_file(facts: Mapping[str, Any], plan_id: str) -> bytes:
    return (json.dumps({"id": plan_id, **facts}, indent=1, ensure_ascii=False) + "\n").encode()


def _hash(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _facts(
    recon: Reconciliation, gate: GateResult, operations: pa.Table, limits: Mapping[str, int | None]
) -> dict[str, Any]:
    ops = operations.column("op")
    create = int(pc.sum(pc.equal(ops, "create")).as_py() or 0)
    summary = recon.summary
    return {
        "version": 1,
        "task": recon.template.task,
        "made": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "source": gate.passed.origin.to_dict() | {"rows": gate.counts["read"]},
        "destination": recon.actual.origin.to_dict() | {"rows": len(recon.actual)},
        "template": {"title": recon.template.title, "sha256": recon.template.sha},
        "gate": {"verdict": gate.verdict, "why": gate.why, "suite_sha256": gate.suite_sha, "counts": dict(gate.counts)},
        "counts": {
            "create": create,
            "update": operations.num_rows - create,
            "unchanged": summary["equal"],
            "extra": summary["extra"],
            "duplicate": summary["duplicate"],
            "invalid": summary["invalid"],
        },
        "limits": dict(limits),
    }


def _operations(recon: Reconciliation) -> pa.Table:
    """Creates, then updates, each in key order; ``before`` and ``after`` are structs in the types of the frames."""
    parts = [_creates(recon), _updates(recon)]
    table = pa.concat_tables(parts)
    return table.add_column(0, "position", pa.array(range(table.num_rows), pa.int64()))


def _creates(recon: Reconciliation) -> pa.Table:
    rows = recon.rows("missing").sort_by("key")
    after = _structs(recon.expected, rows.column("@expected"), recon.expected.columns)
    none = pa.nulls(rows.num_rows, pa.string())
    before = pa.nulls(rows.num_rows, _struct_type(recon.actual, _shared(recon)))
    changed = pa.nulls(rows.num_rows, pa.list_(pa.string()))
    reason = pa.array(["missing"] * rows.num_rows, pa.string())
    return _assemble("create", rows.column("key"), none, none, changed, reason, before, after)


def _updates(recon: Reconciliation) -> pa.Table:
    rows = recon.rows("changed").sort_by("key")
    changed, reason = _changes(recon, rows)
    after = _structs(recon.expected, rows.column("@expected"), recon.expected.columns)
    before = _structs(recon.actual, rows.column("@actual"), _shared(recon))
    ids, etags = (_text(recon.actual, rows.column("@actual"), name) for name in ("@id", "@etag"))
    return _assemble("update", rows.column("key"), ids, etags, changed, reason, before, after)


def _changes(recon: Reconciliation, rows: pa.Table) -> tuple[pa.Array, pa.Array]:
    """For each changed row, in the order of ``rows``, the fields that differ and the causes in words."""
    grouped = (
        recon.differences.select(["@expected", "field", "cause"])
        .group_by("@expected", use_threads=False)
        .aggregate([("field", "list"), ("cause", "distinct")])
    )
    at = pc.index_in(rows.column("@expected").combine_chunks(), grouped.column("@expected").combine_chunks())
    ordered = grouped.take(at)
    causes = ordered.column("cause_distinct").combine_chunks()
    return ordered.column("field_list").combine_chunks(), pc.binary_join(causes, ", ")


def _shared(recon: Reconciliation) -> tuple[str, ...]:
    return tuple(c for c in recon.expected.columns if c in recon.actual.columns)


def _struct_type(side: Side, columns: tuple[str, ...]) -> pa.StructType:
    schema = arrow_schema(side)
    return pa.struct([schema.field(c) for c in columns])


def _structs(side: Side, positions: pa.ChunkedArray, columns: tuple[str, ...]) -> pa.Array:
    arrays = [_one(taken(side, c, positions)) for c in columns]
    return pa.StructArray.from_arrays(arrays, fields=list(_struct_type(side, columns)))


def _text(side: Side, positions: pa.ChunkedArray, name: str) -> pa.Array:
    if name not in arrow_schema(side).names:
        return pa.nulls(len(positions), pa.string())
    return _one(taken(side, name, positions).cast(pa.string()))


def _one(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _assemble(
    op: str, key: Any, ids: Any, etags: Any, changed: Any, reason: Any, before: pa.Array, after: pa.Array
) -> pa.Table:
    return pa.table(
        {
            "op": pa.array([op] * len(after), pa.string()),
            "key": key.cast(pa.string()),
            "id": ids,
            "etag": etags,
            "changed": changed.cast(pa.list_(pa.string())),
            "reason": reason.cast(pa.string()),
            "before": before,
            "after": after,
        }
    )


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
