"""The version each row had once it was written, kept beside the plan: it tells later whether anybody touched it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from p2c_lib.display import text_of
from p2c_lib.errors import ServiceError
from p2c_lib.load.destination import Destination
from p2c_lib.load.outcome import ReadBack

if TYPE_CHECKING:
    from p2c_lib.plan import Plan

__all__ = ["look_again", "note_versions", "versions_of"]

FILE = "versions.parquet"
SAMPLE = 100
KIND = pa.schema([("key", pa.string()), ("etag", pa.string())])


def versions_of(plan: Plan) -> dict[str, str]:
    """Each written row's version after the write, by key; rows of an apply that was cut off may be missing."""
    file = plan.folder / FILE
    if not file.is_file():
        return {}
    table = pq.read_table(file)
    return dict(zip(table.column("key").to_pylist(), table.column("etag").to_pylist(), strict=True))


def note_versions(plan: Plan, destination: Destination, created: pa.Table) -> None:
    """Note the versions of rows that were just created and are not looked at otherwise: nothing else tells them."""
    known = versions_of(plan)
    fresh = _unnoted(created, known)
    if fresh.num_rows:
        _save({**known, **{key: row["@etag"] for key, row in destination.read(fresh, ()).items()}}, plan.folder / FILE)


def _unnoted(rows: pa.Table, known: Mapping[str, str]) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows.column("key"), value_set=pa.array(list(known), pa.string()))))


def look_again(plan: Plan, destination: Destination, applied: pa.Table, seen: Mapping[str, str]) -> ReadBack:
    """Note the versions of the rows just written and hold a sample of them to what was sent.

    ``seen`` are versions that were read after the writing already, by key.
    """
    known = versions_of(plan)
    fresh = _unnoted(applied, known)
    fresh = fresh.filter(pc.not_equal(fresh.column("op"), "delete"))
    if not fresh.num_rows:
        return ReadBack(why="nothing was written that was not read back before")
    step = max(1, fresh.num_rows // SAMPLE)
    sample = fresh.take(list(range(0, fresh.num_rows, step))[:SAMPLE])
    try:
        versions = destination.read(_unnoted(fresh, seen), ())
        found = destination.read(sample)
    except ServiceError as error:
        return ReadBack(why=f"nothing could be read back: {error.message}")
    known |= {**seen, **{key: row["@etag"] for key, row in versions.items()}}
    _save(known, plan.folder / FILE)
    return ReadBack(sample.num_rows, tuple(_differences(sample, found, destination)))


def _differences(
    sample: pa.Table, found: dict[str, dict[str, Any]], destination: Destination
) -> list[dict[str, str | None]]:
    lines: list[dict[str, str | None]] = []
    for row in sample.to_pylist():
        there = found.get(row["key"])
        if there is None:
            lines.append({"key": row["key"], "field": "", "written": row["op"], "found": "the row is not there"})
            continue
        lines += [
            {"key": row["key"], "field": name, "written": text_of(row["after"][name]), "found": text_of(there[name])}
            for name in destination.differing(row, there)
        ]
    return lines


def _save(versions: dict[str, str], file: Path) -> None:
    partial = file.with_suffix(".part")
    pq.write_table(pa.table([list(versions), list(versions.values())], schema=KIND), partial, compression="zstd")
    partial.replace(file)
