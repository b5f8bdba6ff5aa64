"""Which side moved since both last agreed, and where rows come from that stand only at the destination."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.frames import EntityFrame
from p2c_lib.reconcile.columns import compared_columns
from p2c_lib.reconcile.engine import find
from p2c_lib.reconcile.sides import Side, Snapshot

if TYPE_CHECKING:
    from p2c_lib.reconcile.result import Reconciliation

__all__ = ["EXTERNAL", "MOVED", "extras_of", "moved_since"]

MOVED = ("source-ahead", "destination-ahead", "both-changed", "within-rules", "unknown")
EXTERNAL = ("IsExternallyMaintained", "IsContactPersonExternallyMaintained", "msdynce_ismaintainedexternally")
YES = ("yes", "true", "1")
NAMED = "\x1f"


def moved_since(recon: Reconciliation, agreed: EntityFrame) -> pa.Table:
    """The differences with ``moved``: which side left the state both last agreed on.

    ``agreed`` has the destination's columns. ``source-ahead``: only the expected value is new; ``destination-ahead``:
    only the actual one is; ``both-changed``; ``within-rules``: each is still within the compare rules of the agreed
    value; ``unknown``: the row was not there.
    """
    told = recon.differences
    expected, actual = (
        _rows(s, told.column(f"@{n}")) for s, n in ((recon.expected, "expected"), (recon.actual, "actual"))
    )
    key = recon.row_key
    base = agreed.with_table(agreed.table.filter(pc.is_in(key.texts(agreed.table), _flat(told, "key"))))
    spots = _spots(told)
    source = pc.is_in(spots, _spots(_differences(expected, base, recon)))
    destination = pc.is_in(spots, _spots(_differences(_shaped(base, expected), actual, recon)))
    known = pc.is_in(_flat(told, "key"), key.texts(base.table))
    moved = pc.case_when(
        pc.make_struct(pc.invert(known), pc.and_(source, destination), source, destination),
        *(pa.scalar(name) for name in ("unknown", "both-changed", "source-ahead", "destination-ahead", "within-rules")),
    )
    return told.append_column("moved", moved)


def extras_of(recon: Reconciliation, *, agreed: EntityFrame | None = None, aside: Iterable[str] = ()) -> pa.Table:
    """Where the rows come from that only the destination has: (``@actual``, ``key``, ``origin``, ``why``).

    ``origin`` is ``deleted-at-source`` (ours, and the whole source was read), ``ours`` (but its absence proves
    nothing: part of the source was read, or the row is set aside), or ``never-ours``. Ours is what is marked as
    externally maintained or stood in the agreed state. ``aside`` are keys of rows the gate kept back.
    """
    rows = recon.rows("extra").select(["@actual", "key"])
    taken = _rows(recon.actual, rows.column("@actual")).table
    ours = _marked(taken)
    if agreed is not None:
        ours = pc.or_(ours, pc.is_in(_flat(rows, "key"), recon.row_key.texts(agreed.table)))
    kept = pc.is_in(_flat(rows, "key"), pa.array(list(aside), pa.string()))
    whole = recon.expected.origin.complete
    said = [
        ("never-ours", "made at the destination: neither marked as externally maintained nor ever agreed on"),
        ("ours", "the gate keeps its row back"),
        ("deleted-at-source", "ours, and the source no longer has it")
        if whole
        else ("ours", f"not among the rows read from the source ({recon.expected.origin.note or 'a part'})"),
    ]
    truths = pc.make_struct(pc.invert(ours), kept)
    for number, name in enumerate(("origin", "why")):
        rows = rows.append_column(name, pc.case_when(truths, *(pa.scalar(s[number]) for s in said)))
    return rows


def _rows(side: Side, positions: pa.ChunkedArray) -> EntityFrame:
    """The rows at these positions, each once."""
    frame = side.read() if isinstance(side, Snapshot) else side
    return frame.with_table(frame.table.take(pc.unique(positions)))


def _shaped(base: EntityFrame, like: EntityFrame) -> EntityFrame:
    """The agreed rows with the columns of the mapped ones."""
    return base.with_table(base.table.select([c for c in like.columns if c in base.columns]))


def _differences(expected: EntityFrame, actual: EntityFrame, recon: Reconciliation) -> pa.Table:
    return find(expected, actual, compared_columns(expected, actual, recon.template)).differences


def _spots(differences: pa.Table) -> pa.Array:
    """Key and field of each difference as one text."""
    return pc.binary_join_element_wise(_flat(differences, "key"), _flat(differences, "field"), NAMED)


def _marked(table: pa.Table) -> pa.Array:
    """Whether a row is marked as maintained by the other system; false where no column says so."""
    column = next((c for c in EXTERNAL if c in table.column_names), None)
    if column is None:
        return pa.array([False] * table.num_rows, pa.bool_())
    text = pc.utf8_lower(texts(table.column(column)))
    return pc.fill_null(pc.is_in(text, pa.array(YES)), False).combine_chunks()  # noqa: FBT003


def _flat(table: pa.Table, column: str) -> pa.Array:
    return table.column(column).combine_chunks()
