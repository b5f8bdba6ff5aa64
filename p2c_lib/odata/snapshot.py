"""The pages of a query gathered into one table, and into a Parquet snapshot as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from p2c_lib.odata.client import Client
from p2c_lib.odata.query import Query

__all__ = ["Gathered", "gather"]


@dataclass(frozen=True)
class Gathered:
    """Every row of a query in one table, with the service's own count where it gave one."""

    table: pa.Table
    server_count: int | None


def gather(
    client: Client,
    query: Query,
    *,
    snapshot: Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Gathered:
    """Reads a query to its end. Raises IncompleteRead when not every counted row came."""
    tables, said, rows = [], None, 0
    for page in client.read(query):
        tables.append(page.table)
        said = page.server_count
        rows += page.table.num_rows
        if progress is not None:
            progress(rows, said)
    table = pa.concat_tables(tables, promote_options="permissive")
    if snapshot is not None:
        import pyarrow.parquet as pq

        snapshot.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, snapshot, compression="zstd")
    return Gathered(table, said)
