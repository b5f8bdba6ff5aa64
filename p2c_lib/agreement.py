"""What both systems last agreed on, a Parquet file a task beside the ledger: the third side of a reconciliation.

After an apply both systems agree on the rows that were equal and on those that were written. A row agreed on earlier
stays agreed until a newer agreement on its key: that is how a row deleted at the source is known as ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from p2c_lib.frames import EntityFrame
from p2c_lib.keys import RowKey

if TYPE_CHECKING:
    from pathlib import Path

    from p2c_lib.ledger import Ledger
    from p2c_lib.load import LoadOutcome
    from p2c_lib.reconcile import Reconciliation
    from p2c_lib.session import Session

__all__ = ["forget", "last_agreed", "record_agreed"]


def last_agreed(recon: Reconciliation, session: Session, ledger: Ledger) -> EntityFrame | None:
    """The rows of the task that both systems last agreed on, in the destination's columns; None before the first.

    What was agreed on under another key, before the template was changed, says nothing about rows of this one.
    """
    scope = {"connection_set": session.set.name, "company": session.company}
    file = ledger.agreed(**scope, task=recon.template.task)
    if file is None or not file.is_file():
        return None
    table = pq.read_table(file)
    return _as_agreed(table, recon) if _has(table, recon.expected.key) else None


def record_agreed(
    recon: Reconciliation, outcome: LoadOutcome, session: Session, ledger: Ledger, *, run_id: str
) -> EntityFrame:
    """Keep what both systems agree on after an apply, and give it."""
    before = last_agreed(recon, session, ledger)
    table = _agreed(recon, outcome, before.table if before is not None else None)
    task, name = recon.template.task, session.set.name
    folder = session.workspace.state / "agreed" / name / session.company
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{task}.parquet"
    _write(table, file)
    scope = {"connection_set": name, "company": session.company, "task": task}
    ledger.record_agreed(run_id, **scope, file=file, rows=table.num_rows)
    return _as_agreed(table, recon)


def _as_agreed(table: pa.Table, recon: Reconciliation) -> EntityFrame:
    """Agreed rows are the destination's, by the key of the task."""
    return EntityFrame(table, replace(recon.actual.origin, key=recon.expected.key), recon.actual.schema)


def forget(outcome: LoadOutcome, session: Session, ledger: Ledger) -> int:
    """What was taken back, now or by an undo before, is agreed on no more; tells how many rows that were."""
    plan, applied = outcome.plan, outcome.rows.filter(pc.equal(outcome.rows.column("state"), "applied"))
    scope = {"connection_set": session.set.name, "company": session.company, "task": plan.task}
    file = ledger.agreed(**scope)
    if file is None or not file.is_file():
        return 0
    table = pq.read_table(file)
    place = plan.facts["destination"]
    if not _has(table, place["key"]):
        return 0
    keys = RowKey.within(session.client(place["app"]).schema(place["entity_set"]), place["key"]).texts(table)
    before = pa.array([line["key"] for line in plan.facts.get("undone", ())], pa.string())
    undone = pa.chunked_array([*applied.column("key").chunks, before], pa.string()).combine_chunks()
    kept = table.filter(pc.invert(pc.is_in(keys, value_set=undone)))
    _write(kept, file)
    ledger.record_agreed(f"undo-{plan.id[:12]}", **scope, file=file, rows=kept.num_rows)
    return int(table.num_rows - kept.num_rows)


def _has(table: pa.Table, key: Sequence[str]) -> bool:
    return set(key) <= set(table.column_names)


def _write(table: pa.Table, file: Path) -> None:
    partial = file.with_suffix(".parquet.part")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(file)


def _agreed(recon: Reconciliation, outcome: LoadOutcome, before: pa.Table | None) -> pa.Table:
    expected = recon.expected.table if isinstance(recon.expected, EntityFrame) else recon.expected.read().table
    keys = recon.row_key.texts(expected)
    applied = outcome.rows.filter(pc.equal(outcome.rows.column("state"), "applied")).column("key")
    at = pa.chunked_array(
        [
            *recon.rows("equal").column("@expected").chunks,
            pc.indices_nonzero(pc.is_in(keys, value_set=applied.combine_chunks())).cast(pa.int64()),
        ],
        pa.int64(),
    )
    now = expected.select([c for c in expected.column_names if not c.startswith("@")]).take(pc.unique(at))
    if before is None:
        return now
    newer = pc.is_in(recon.row_key.texts(before), value_set=recon.row_key.texts(now))
    kept = before.filter(pc.invert(newer)).select([c for c in now.column_names if c in before.column_names])
    return pa.concat_tables([now, kept], promote_options="permissive")
