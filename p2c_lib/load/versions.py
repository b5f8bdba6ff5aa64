"""The version each new row had once it was written, kept beside the plan: it tells later whether anybody touched it.

A version is that of our own write: as its answer tells it, else as it is read afterwards from a row that is exactly as
the plan made it and shows that nobody changed it since. What a later apply finds in a row is nobody's word on it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
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

__all__ = ["Versions", "sampled", "versions_of"]

FILE, UNDER_WAY = "versions.parquet", "versions.jsonl"
SAMPLE = 100
KIND = pa.schema([("key", pa.string()), ("etag", pa.string())])


def versions_of(plan: Plan) -> dict[str, str]:
    """Each new row's version after the write, by key; rows of which it was never known are missing."""
    whole, latest = plan.folder / FILE, plan.folder / UNDER_WAY
    known: dict[str, str] = {}
    if whole.is_file():
        table = pq.read_table(whole)
        known = dict(zip(table.column("key").to_pylist(), table.column("etag").to_pylist(), strict=True))
    if latest.is_file():
        for line in latest.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # the last one may be cut off, where the apply was killed
                known |= json.loads(line)
    return known


class Versions:
    """The versions that become known in one apply, noted as they come; ``keep`` makes one file of them."""

    def __init__(self, plan: Plan, destination: Destination) -> None:
        self._plan, self._destination = plan, destination
        self._folder, self._known = plan.folder, versions_of(plan)
        self._noting = threading.Lock()

    def of(self, key: str) -> str | None:
        """The version of a row, where it is known to be that of our own write."""
        return self._known.get(key)

    def note(self, versions: Mapping[str, str]) -> None:
        """Note versions by key; from now on an apply that is killed leaves them behind."""
        if not versions:
            return
        with self._noting, (self._folder / UNDER_WAY).open("ab") as file:
            self._known.update(versions)
            file.write(json.dumps(dict(versions)).encode() + b"\n")

    def look(self, creates: pa.Table) -> None:
        """Look at rows that this apply made and whose answers told no version, as ``Destination.as_written`` does.

        Raises a ServiceError.
        """
        known = pa.array(list(self._known), pa.string())
        creates = creates.filter(pc.invert(pc.is_in(creates.column("key"), value_set=known)))
        if creates.num_rows:
            self.note(self._destination.as_written(creates))

    def keep(self) -> None:
        """Put what is known into one file."""
        partial = (self._folder / FILE).with_suffix(".part")
        with self._noting:
            whole = pa.table([list(self._known), list(self._known.values())], schema=KIND)
            pq.write_table(whole, partial, compression="zstd")
            partial.replace(self._folder / FILE)
            (self._folder / UNDER_WAY).unlink(missing_ok=True)


def sampled(written: pa.Table, destination: Destination) -> ReadBack:
    """A sample of the rows just written, held to what was sent."""
    fresh = written.filter(pc.not_equal(written.column("op"), "delete"))
    if not fresh.num_rows:
        return ReadBack(why="nothing was written that was not read back before")
    step = max(1, fresh.num_rows // SAMPLE)
    sample = fresh.take(list(range(0, fresh.num_rows, step))[:SAMPLE])
    try:
        found = destination.read(sample)
    except ServiceError as error:
        return ReadBack(why=f"nothing could be read back: {error.message}")
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
