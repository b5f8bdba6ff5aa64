"""Rows that were deleted at the source, deleted at the destination too where a template asks for it.

Only a row that both systems agreed on, and that still stands as agreed, is deleted: by a plan of its own, with the rows
as they were, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from p2c_lib.agreement import forget
from p2c_lib.errors import P2CError
from p2c_lib.frames import EntityFrame
from p2c_lib.keys import RowKey
from p2c_lib.load import apply
from p2c_lib.plan.files import saved
from p2c_lib.plan.forecast import counts_of
from p2c_lib.plan.make import foretold, now
from p2c_lib.plan.operations import assembled, numbered
from p2c_lib.reconcile import Reconciliation, reconcile

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.mapping import Template
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["removed"]

DELETED, CHANGED, MISSING, REFUSED, NOT_OURS, TOO_MANY = (
    "deleted", "changed", "missing", "refused", "not agreed", "too many",
)  # fmt: skip
NOTHING = ("unchanged", "extra", "duplicate", "invalid")


def removed(
    keys: Sequence[str], template: Template, session: Session, ledger: Ledger, *, like: Plan, run_id: str
) -> dict[str, str]:
    """What became of each key at the destination; ``like`` is the plan of the load these deletions go with.

    ``deleted``, ``changed`` there since, ``missing`` there, ``refused`` by the service, ``not agreed`` on before, or
    ``too many`` for the template.
    """
    if len(keys) > template.deletions.at_most:
        return dict.fromkeys(keys, TOO_MANY)
    agreed = _agreed(keys, template, session, ledger)
    if not agreed.num_rows:
        return dict.fromkeys(keys, NOT_OURS)
    query = template.destination
    names = agreed.select(list(query.key)).to_pylist()
    found = session.extract_parts(query, names, note="only keys that are gone at the source")
    recon = reconcile(EntityFrame(agreed, found.origin, found.schema), found, template)
    states = dict.fromkeys(keys, NOT_OURS)
    for kind, state in (("equal", REFUSED), ("changed", CHANGED), ("missing", MISSING)):
        states |= dict.fromkeys(recon.rows(kind).column("key").to_pylist(), state)
    return states | _delete(recon, found, session, ledger, like=like, run_id=run_id)


def _agreed(keys: Sequence[str], template: Template, session: Session, ledger: Ledger) -> pa.Table:
    """The rows with these keys as both systems last agreed on them."""
    file = ledger.agreed(connection_set=session.set.name, company=session.company, task=template.task)
    if file is None or not file.is_file():
        return pa.table({})
    table, query = pq.read_table(file), template.destination
    mine = RowKey.within(session.client(query.app).schema(query.entity), query.key).texts(table)
    return table.filter(pc.is_in(mine, value_set=pa.array(list(keys), pa.string())))


def _delete(
    recon: Reconciliation,
    found: EntityFrame,
    session: Session,
    ledger: Ledger,
    *,
    like: Plan,
    run_id: str,
) -> dict[str, str]:
    """Delete the rows that are as agreed; the keys that went."""
    rows = recon.rows("equal").sort_by("key")
    if not rows.num_rows:
        return {}
    made = _plan(_operations(rows, found), like)
    try:
        outcome = apply(made, session, ledger=ledger, run_id=run_id)
    except P2CError:
        return {}
    forget(outcome, session, ledger)
    gone = outcome.rows.filter(pc.equal(outcome.rows.column("state"), "applied"))
    return dict.fromkeys(gone.column("key").to_pylist(), DELETED)


def _operations(rows: pa.Table, found: EntityFrame) -> pa.Table:
    there = found.table.take(rows.column("@actual"))
    none = pa.nulls(rows.num_rows, pa.list_(pa.string()))
    before = there.select(list(found.columns)).to_struct_array().combine_chunks()
    ids = there.column("@id") if "@id" in there.column_names else pa.nulls(rows.num_rows, pa.string())
    return numbered(
        assembled(
            "delete",
            key=rows.column("key"),
            ids=ids,
            etags=there.column("@etag"),
            changed=none,
            causes=none,
            reason=pa.array(["deleted at the source"] * rows.num_rows, pa.string()),
            before=before,
            after=pa.nulls(rows.num_rows, before.type),
        )
    )


def _plan(operations: pa.Table, like: Plan) -> Plan:
    """A plan beside the load's own, for the same two systems."""
    kept: Mapping[str, object] = {n: v for n, v in like.facts.items() if n not in {"operations_sha256"}}
    counts = {**counts_of(operations), **dict.fromkeys(NOTHING, 0)}
    gate = {**like.facts["gate"], "verdict": "pass", "why": "Deletes rows that were deleted at the source."}
    facts = {
        "made": now(),
        "gate": gate,
        "counts": counts,
        "left_alone": [],
        "taken": [],
        "limits": dict.fromkeys(like.facts["limits"]),
    }
    return saved(
        operations, {**kept, **facts, **foretold(like.facts["destination"], operations, None)}, like.folder.parent
    )
