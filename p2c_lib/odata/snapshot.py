"""The pages of a query gathered into one table; with a snapshot they go to disk as they come.

While a read runs, each page is one Arrow file in ``<snapshot>.parts/`` beside a ``state.json`` that tells where every
strand of the read stands. A read that was cut off goes on from there; one that ends becomes the Parquet file.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from p2c_lib.errors import FrameError, IncompleteRead, Rejected
from p2c_lib.odata.client import Client
from p2c_lib.odata.notes import Note, together
from p2c_lib.odata.query import Page, Query
from p2c_lib.odata.reading import Reading
from p2c_lib.secrecy import kept_value

__all__ = ["Gathered", "gather", "gather_only"]

STATE = "state.json"
RESUME_SECONDS = 3_600
IN_MEMORY_BYTES = 128 * 1024 * 1024
PROMOTE = "permissive"
PAGING = "by key"  # a read that was begun under another way of paging is not gone on with

Progress = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Gathered:
    """Every row of a query in one table, with the count the service agreed to; ``resumed`` rows were on disk before.

    ``notes`` say which values could not be kept as they came. ``uncounted`` says why there is no count where the
    service does count: rows came or went meanwhile.
    """

    table: pa.Table
    server_count: int | None
    resumed: int = 0
    notes: tuple[Note, ...] = ()
    uncounted: str = ""


def gather(client: Client, query: Query, *, snapshot: Path | None = None, progress: Progress | None = None) -> Gathered:
    """Reads a query to its end. Raises IncompleteRead when not every counted row came.

    With ``snapshot`` the rows also stand in that Parquet file, and a table too large for memory is mapped from disk.
    """
    if snapshot is None:
        return _in_memory(Reading(client, query), progress, lambda page: page)
    try:
        return _on_disk(client, query, snapshot, progress)
    except OSError as error:
        raise FrameError(
            f"The snapshot {snapshot} cannot be written ({error}).", hint="Give a folder with room that may be written."
        ) from error


def gather_only(client: Client, query: Query, kept: Callable[[Page], Page]) -> Gathered:
    """Reads a query to its end and keeps of each page what ``kept`` leaves of it. Raises like ``gather``."""
    return _in_memory(Reading(client, query), None, kept)


def _in_memory(reading: Reading, progress: Progress | None, kept: Callable[[Page], Page]) -> Gathered:
    pages: list[Page] = []
    for page in reading.pages():
        pages.append(kept(page))
        _tell(progress, reading)
    pages.sort(key=lambda page: (page.part, page.place))
    table = pa.concat_tables([page.table for page in pages], promote_options=PROMOTE)
    notes = together(note for page in pages for note in page.notes)
    return Gathered(table, reading.server_count, notes=notes, uncounted=reading.note)


def _on_disk(client: Client, query: Query, snapshot: Path, progress: Progress | None) -> Gathered:
    parts = _Parts(snapshot, f"{client.connection.url}{client.describe(query)}")
    state = parts.state()
    reading = Reading(client, query) if state is None else Reading.of(client, query, state)
    resumed = reading.rows
    try:
        for page in reading.pages():
            parts.add(page, reading.state())
            _tell(progress, reading)
    except (IncompleteRead, Rejected):
        if state is not None or reading.ended:
            parts.forget()  # to go on from there once more would end the same way
        if state is None:
            raise
        return _on_disk(client, query, snapshot, progress)
    return Gathered(parts.finish(), reading.server_count, resumed, together(parts.notes), reading.note)


def _tell(progress: Progress | None, reading: Reading) -> None:
    if progress is not None:
        progress(reading.rows, reading.server_count)


class _Parts:
    """The pages of one snapshot on disk while its read runs."""

    def __init__(self, snapshot: Path, query: str) -> None:
        self._snapshot = snapshot
        self._folder = snapshot.with_name(snapshot.name + ".parts")
        self._mark = sha256(f"{PAGING} {query}".encode()).hexdigest()
        self._token = uuid4().hex[:8]
        self.notes: list[Note] = []

    def state(self) -> dict[str, Any] | None:
        """How far an earlier read of the same query came, if it was within the hour; else the folder is made empty."""
        kept = self._kept()
        if kept is not None and kept["reading"]["strands"]:
            self._token = str(kept["token"])
            self.notes = [Note(**note) for note in kept["notes"]]
            return dict(kept["reading"])
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        return None

    def add(self, page: Page, state: dict[str, Any]) -> None:
        """Keep a page, then say that it is kept: in this order, so that a cut between the two loses nothing."""
        path = self._folder / f"{self._token}-{page.part:05}-{page.place:06}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, page.table.schema) as writer:
            writer.write_table(page.table)
        self.notes += page.notes
        notes = [note.to_dict() for note in together(self.notes)]
        whole = {"mark": self._mark, "token": self._token, "at": time.time(), "reading": state, "notes": notes}
        draft = self._folder / "state.tmp"
        draft.write_text(json.dumps(kept_value(whole)), "utf-8")
        os.replace(draft, self._folder / STATE)

    def forget(self) -> None:
        """Let the next read of the query begin anew."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def finish(self) -> pa.Table:
        """The Parquet file in the place of the parts, and its rows as a table."""
        files = sorted(self._folder.glob(f"{self._token}-*.arrow"))
        schema = pa.unify_schemas([_schema(file) for file in files], promote_options=PROMOTE)
        self._to_parquet(files, schema)
        if sum(file.stat().st_size for file in files) <= IN_MEMORY_BYTES:
            table = pa.concat_tables(_tables(files, schema, copied=True))
            shutil.rmtree(self._folder, ignore_errors=True)
            return table
        table = pa.concat_tables(_tables(files, schema, copied=False))
        (self._folder / STATE).unlink(missing_ok=True)
        weakref.finalize(table, shutil.rmtree, str(self._folder), True)  # noqa: FBT003 - ignore_errors
        return table

    def _kept(self) -> dict[str, Any] | None:
        try:
            whole = json.loads((self._folder / STATE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        fresh = (
            whole.get("mark") == self._mark and "notes" in whole and time.time() - whole.get("at", 0) < RESUME_SECONDS
        )
        return dict(whole) if fresh else None

    def _to_parquet(self, files: list[Path], schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        draft = self._snapshot.with_name(self._snapshot.name + ".partial")
        with pq.ParquetWriter(draft, schema, compression="zstd", compression_level=1) as writer:
            for table in _tables(files, schema, copied=False):
                writer.write_table(table)
        os.replace(draft, self._snapshot)


def _schema(file: Path) -> pa.Schema:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).schema


def _tables(files: list[Path], schema: pa.Schema, *, copied: bool) -> Iterator[pa.Table]:
    """One table a file, in the order of the read; mapped from disk, or ``copied`` into memory."""
    for file in files:
        source = pa.OSFile(str(file)) if copied else pa.memory_map(str(file))
        yield pa.ipc.open_file(source).read_all().cast(schema)
