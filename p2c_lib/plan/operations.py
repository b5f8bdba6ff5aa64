"""The writes of a plan as one table: creates, then updates, each in key order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.reconcile.sides import Side, arrow_schema, taken

if TYPE_CHECKING:
    from p2c_lib.reconcile import Reconciliation

__all__ = ["assembled", "changing", "field_texts", "fields_of", "numbered", "operations_of"]

TEXTS = pa.list_(pa.string())


def operations_of(recon: Reconciliation) -> pa.Table:
    """Creates, then updates; ``before`` and ``after`` are structs in the types of the frames."""
    return numbered(pa.concat_tables([_creates(recon), _updates(recon)]))


def numbered(table: pa.Table) -> pa.Table:
    """The same operations with their positions, from 0."""
    if "position" in table.column_names:
        table = table.drop_columns(["position"])
    return table.add_column(0, "position", pa.array(range(table.num_rows), pa.int64()))


def assembled(
    op: str,
    *,
    key: Any,
    ids: Any,
    etags: Any,
    changed: Any,
    causes: Any,
    reason: Any,
    before: pa.Array,
    after: pa.Array,
) -> pa.Table:
    """Operations of one kind as a table, without positions."""
    return pa.table(
        {
            "op": pa.array([op] * len(after), pa.string()),
            "key": texts(key),
            "id": ids,
            "etag": etags,
            "changed": changed.cast(TEXTS),
            "causes": causes.cast(TEXTS),
            "reason": texts(reason),
            "before": before,
            "after": after,
        }
    )


def fields_of(operations: pa.Table) -> pa.Table:
    """Every field that is written as a line: position, op, key, field, before, after (as text) and cause.

    A create has its fields that hold something, an update those that change, a delete those that go.
    """
    parts = []
    whole = operations.combine_chunks()
    before, after = (_struct(whole, side) for side in ("before", "after"))
    flat = _changed_fields(whole)
    for name in dict.fromkeys([f.name for f in after.type] + [f.name for f in before.type]):
        old, new = field_texts(before, name), field_texts(after, name)
        rows, causes = _rows_of(whole, name, old, new, flat)
        lines = whole.select(["position", "op", "key"]).take(rows)
        for title, values in (("before", old.take(rows)), ("after", new.take(rows)), ("cause", causes)):
            lines = lines.append_column(title, values)
        parts.append(lines.add_column(3, "field", pa.array([name] * len(rows), pa.string())))
    if not parts:
        return whole.select(["position", "op", "key"])
    return pa.concat_tables(parts).sort_by("position")


def changing(operations: pa.Table, fields: Sequence[str]) -> pa.Array:
    """Which operations are updates of one of some fields."""
    changed = one_array(operations.column("changed"))
    hit = pc.is_in(pc.list_flatten(changed), value_set=pa.array(fields, pa.string()))
    rows = pc.list_parent_indices(changed).filter(hit)
    places = pa.array(range(operations.num_rows), rows.type)
    return pc.and_(one_array(pc.equal(operations.column("op"), "update")), pc.is_in(places, value_set=rows))


def _rows_of(whole: pa.Table, name: str, old: pa.Array, new: pa.Array, flat: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The operations that write a field, and why each does."""
    op = whole.column("op").combine_chunks()
    made = pc.and_(pc.equal(op, "create"), pc.is_valid(new))
    gone = pc.and_(pc.equal(op, "delete"), pc.is_valid(old))
    plain = pc.indices_nonzero(pc.or_(made, gone)).cast(pa.int64())
    mine = flat.filter(pc.equal(flat.column("field"), name))
    reasons = pc.if_else(pc.equal(op.take(plain), "create"), "missing", "undone")
    rows = pa.concat_arrays([plain, one_array(mine.column("row"))])
    return rows, pa.concat_arrays([reasons.cast(pa.string()), one_array(mine.column("cause"))])


def _changed_fields(whole: pa.Table) -> pa.Table:
    """Each changed field of each update: its row, its name and its cause."""
    changed, causes = one_array(whole.column("changed")), one_array(whole.column("causes"))
    return pa.table(
        {
            "row": pc.list_parent_indices(changed).cast(pa.int64()),
            "field": pc.list_flatten(changed),
            "cause": pc.list_flatten(causes),
        }
    )


def _struct(table: pa.Table, name: str) -> pa.StructArray:
    return one_array(table.column(name))


def field_texts(values: pa.StructArray, name: str) -> pa.Array:
    """A field of a struct as text, null where the struct is."""
    if name not in {f.name for f in values.type}:
        return pa.nulls(len(values), pa.string())
    return texts(pc.struct_field(values, name))


def _creates(recon: Reconciliation) -> pa.Table:
    """New rows of Sales are given their id here: whatever is sent twice, there is one row in the end."""
    rows = recon.rows("missing").sort_by("key")
    none = pa.nulls(rows.num_rows, pa.string())
    unsaid = pa.nulls(rows.num_rows, TEXTS)
    in_sales = recon.actual.origin.app == "sales"
    return assembled(
        "create",
        key=rows.column("key"),
        ids=pa.array([str(uuid4()) for _ in range(rows.num_rows)], pa.string()) if in_sales else none,
        etags=none,
        changed=unsaid,
        causes=unsaid,
        reason=pa.array(["missing"] * rows.num_rows, pa.string()),
        before=pa.nulls(rows.num_rows, _struct_type(recon.actual, _shared(recon))),
        after=_structs(recon.expected, rows.column("@expected"), recon.expected.columns),
    )


def _updates(recon: Reconciliation) -> pa.Table:
    rows = recon.rows("changed").sort_by("key")
    there = rows.column("@actual")
    changed, causes = _changes(recon, rows)
    return assembled(
        "update",
        key=rows.column("key"),
        ids=_text(recon.actual, there, "@id"),
        etags=_text(recon.actual, there, "@etag"),
        changed=changed,
        causes=causes,
        reason=pa.array([", ".join(dict.fromkeys(said)) for said in causes.to_pylist()], pa.string()),
        before=_structs(recon.actual, there, _shared(recon)),
        after=_structs(recon.expected, rows.column("@expected"), recon.expected.columns),
    )


def _changes(recon: Reconciliation, rows: pa.Table) -> tuple[pa.Array, pa.Array]:
    """For each changed row, in the order of ``rows``, the fields that differ and the cause of each."""
    grouped = (
        recon.differences.select(["@expected", "field", "cause"])
        .group_by("@expected", use_threads=False)
        .aggregate([("field", "list"), ("cause", "list")])
    )
    at = pc.index_in(one_array(rows.column("@expected")), one_array(grouped.column("@expected")))
    ordered = grouped.take(at)
    return one_array(ordered.column("field_list")), one_array(ordered.column("cause_list"))


def _shared(recon: Reconciliation) -> tuple[str, ...]:
    return tuple(c for c in recon.expected.columns if c in recon.actual.columns)


def _struct_type(side: Side, columns: tuple[str, ...]) -> pa.StructType:
    schema = arrow_schema(side)
    return pa.struct([schema.field(c) for c in columns])


def _structs(side: Side, positions: pa.ChunkedArray, columns: tuple[str, ...]) -> pa.Array:
    arrays = [one_array(taken(side, c, positions)) for c in columns]
    return pa.StructArray.from_arrays(arrays, fields=list(_struct_type(side, columns)))


def _text(side: Side, positions: pa.ChunkedArray, name: str) -> pa.Array:
    if name not in arrow_schema(side).names:
        return pa.nulls(len(positions), pa.string())
    return one_array(texts(taken(side, name, positions)))
