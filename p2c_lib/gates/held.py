"""Rows that wait: for a parent that was set aside, or for a part of their own that was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.gates.result import HELD, GateResult
from p2c_lib.gates.rows import Mask, Positions, Rows
from p2c_lib.gates.sentence import sentences
from p2c_lib.keys import RowKey

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped
    from p2c_lib.mapping.template import Parent

__all__ = ["held_rows", "waiting_wholes"]


def held_rows(
    mapped: Mapped,
    rows: Rows,
    blocked: Mapping[str, Mapping[str, str]],
    parts: pa.Table,
    bad: Mask,
    kept_in: Mapping[str, str],
) -> tuple[Mask, pa.Table]:
    """Which good rows wait, and a line for each row they wait for.

    ``kept_in`` is the system that keeps the rows of a task, where it is another than this task's destination: it says
    when a value is the key of such a row. A row that waits for a cause of its own does not wait for its whole as well,
    which waits for this very row.
    """
    waits, lines = rows.mask(()), [HELD.empty_table()]
    for parent in sorted(mapped.template.parents, key=lambda one: bool(one.whole)):
        for at, line in _behind(mapped, rows, parent, blocked, bad | waits if parent.whole else bad, kept_in):
            waits[at] = True
            lines.append(line)
    mine = pc.index_in(parts.column("key"), rows.keys)
    there = parts.filter(pc.is_valid(mine))
    at = mine.drop_null().to_numpy()
    waits[at[~bad[at]]] = True
    lines.append(there.filter(pa.array(~bad[at])))
    return waits, pa.concat_tables(lines)


def _behind(
    mapped: Mapped,
    rows: Rows,
    parent: Parent,
    blocked: Mapping[str, Mapping[str, str]],
    out: Mask,
    kept_in: Mapping[str, str],
) -> Iterator[tuple[Positions, pa.Table]]:
    """The rows behind one kind of parent: their places, and a line for each."""
    table = mapped.frame.table
    for task in parent.tasks:
        if not blocked.get(task):
            continue
        key = RowKey((parent.column,), kept_in.get(task, mapped.template.destination.app))
        parents = key.texts(table)
        reasons = {key.given(name): why for name, why in blocked[task].items()}
        found = pc.index_in(parents, pa.array(list(reasons), pa.string())).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(~np.isnan(found) & ~out[rows.at])
        why = pa.array(list(reasons.values()), pa.string()).take(pa.array(found[at].astype(np.int64)))
        value = one_array(texts(table.column(parent.column).take(pa.array(at))))
        words = f"waits for {parent.says or task} {{value}}: {{why}}"
        columns = {
            "key": rows.keys.take(pa.array(rows.at[at])),
            "task": pa.repeat(pa.scalar(task), len(at)),
            "parent_key": parents.take(pa.array(at)),
            "reason": sentences(words, {"value": value, "why": why}, len(at)),
        }
        yield rows.at[at], pa.table(columns, schema=HELD)


def waiting_wholes(mapped: Mapped, gate: GateResult, task: str) -> pa.Table:
    """The rows of ``task`` that wait because a part of theirs is set aside: a line for each part, why in words.

    ``mapped`` and ``gate`` are of the task whose rows are the parts; its template says which column leads to the whole.
    """
    parent = next(p for p in mapped.template.parents if p.whole and task in p.tasks)
    assert parent.whole is not None
    rows, key = Rows(mapped), list(mapped.frame.key)
    parts = pa.concat_tables([_texts(table, key) for table in (mapped.frame.table, mapped.rejected)])
    keys = rows.keys.take(pa.array(np.concatenate([rows.at, rows.rejected_at])))
    reasons = gate.set_aside()
    found = pc.index_in(keys, pa.array(list(reasons), pa.string()))
    there = parts.filter(pc.is_valid(found))
    why = pa.array(list(reasons.values()), pa.string()).take(found.drop_null())
    given = {name: there.column(name) for name in key} | {"why": why}
    columns = {
        "key": mapped.frame.row_key([parent.column]).texts(there),
        "task": pa.repeat(pa.scalar(mapped.template.task), there.num_rows),
        "parent_key": keys.filter(pc.is_valid(found)),
        "reason": sentences(f"waits for {parent.whole}: {{why}}", given, there.num_rows),
    }
    return _once(pa.table(columns, schema=HELD))


def _texts(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The key's columns as text, the same from mapped rows and from rejected ones."""
    return pa.table({name: one_array(texts(table.column(name))) for name in columns})


def _once(table: pa.Table) -> pa.Table:
    """Each line once, in its order; a row rejected for two values comes twice."""
    return table.group_by(HELD.names, use_threads=False).aggregate([]).select(HELD.names)
