"""What the client's benchmarks measure of our own, each case in a process of its own.

    python benchmarks/client_cases.py CASE WORD...

A case prints one JSON object: rows, seconds (without the time to import libraries), peak megabytes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from client_peers import typed
from page_server import COLUMNS, PAGE, Pages, definition

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Column, EntitySchema, Query
from p2c_lib.odata import metadata_sales as metadata
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.dialect import SALES
from p2c_lib.odata.prepare import Preparer
from p2c_lib.odata.snapshot import gather

DECODED_PAGES = 60
THREADS = 2


def client(url: str) -> Client:
    return Client(Connection("b", "sales", url, "c", Secret.literal("t"), token_url=f"{url}/oauth2/token"))


def schema() -> EntitySchema:
    parts: dict[str, dict[str, Any]] = {name: {"value": []} for name in metadata.urls("record")}
    return metadata.schema({**parts, "whole": definition()}, {"record": "records"})


def pages() -> list[bytes]:
    body = b'{"@odata.context":"x","value":[' + Pages(PAGE).whole + b'],"@odata.nextLink":"http://h/x"}'
    return [bytes(bytearray(body)) for _ in range(DECODED_PAGES)]


def timed(work: Callable[[], int]) -> None:
    began = time.perf_counter()
    report(work(), time.perf_counter() - began)


def report(rows: int, seconds: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mb": peak}))


def decode_own() -> None:
    """Pages to one typed frame, as a read does it."""
    bodies, decoder = pages(), Decoder(Query("records", tuple(COLUMNS)), schema(), empty_is_null=False)

    def work() -> int:
        with ThreadPoolExecutor(THREADS) as pool:
            tables = [page.table for page in pool.map(decoder.page, bodies)]
        return len(pa.concat_tables(tables).to_pandas(types_mapper=pd.ArrowDtype))

    timed(work)


def decode_pyarrow() -> None:
    """The same pages through bare pyarrow.json with the same types, no checks, no frame."""
    bodies, known = pages(), schema()
    row = pa.struct([("@odata.etag", pa.string()), *((name, known.columns[name].type) for name in COLUMNS)])
    options = pj.ParseOptions(explicit_schema=pa.schema([("value", pa.list_(row))]), unexpected_field_behavior="ignore")

    def read(body: bytes) -> pa.Table:
        whole = pj.read_json(
            pa.BufferReader(body), pj.ReadOptions(use_threads=False, block_size=len(body) + 1), options
        )
        return pa.table(whole.column("value").chunk(0).flatten())

    def work() -> int:
        with ThreadPoolExecutor(THREADS) as pool:
            return int(pa.concat_tables(list(pool.map(read, bodies))).num_rows)

    timed(work)


def decode_naive() -> None:
    """json.loads, every dict in one list, one DataFrame, astype."""
    bodies = pages()

    def work() -> int:
        rows: list[dict[str, Any]] = []
        for body in bodies:
            rows += json.loads(body)["value"]
        return len(typed(pd.DataFrame(rows)))

    timed(work)


def read_own(url: str, *, orderby: tuple[str, ...] = ()) -> None:
    """A whole read into a frame; an order keeps it to one chain of pages."""
    with client(url) as one:
        query = Query("records", tuple(COLUMNS), orderby=orderby)
        one.schema("records")
        timed(lambda: len(gather(one, query).table.to_pandas(types_mapper=pd.ArrowDtype)))


def read_chain(url: str) -> None:
    """The same with one request at a time in flight."""
    read_own(url, orderby=("createdon",))


def read_to_parquet(url: str, path: str) -> None:
    """A whole read into a Parquet file and a frame."""
    with client(url) as one:
        query = Query("records", tuple(COLUMNS))
        one.schema("records")
        timed(lambda: len(gather(one, query, snapshot=Path(path)).table.to_pandas(types_mapper=pd.ArrowDtype)))


def payload_rows(count: int) -> pa.Table:
    """Rows to upsert: a key and 20 columns of six kinds, some of them null."""
    moment = datetime(2026, 1, 1)
    made: dict[str, Any] = {"number": pa.array([f"N-{n:07}" for n in range(count)])}
    for i in range(8):
        made[f"text{i}"] = pa.array(
            [f'Wert {n} von "{i}"' if n % 50 == 0 else f"value {n} of {i}" for n in range(count)]
        )
    for i in range(4):
        made[f"whole{i}"] = pa.array([n if n % 9 else None for n in range(count)], pa.int32())
        made[f"amount{i}"] = pc.cast(pa.array([n * 1.25 for n in range(count)]), pa.decimal128(18, 4))
    for i in range(2):
        made[f"flag{i}"] = pa.array([n % 2 == 0 for n in range(count)])
        made[f"moment{i}"] = pa.array([moment + timedelta(minutes=n) for n in range(count)], pa.timestamp("us", "UTC"))
    return pa.table(made)


def payload_frame(path: str, count: str) -> None:
    """The rows to upsert, kept for every case."""
    import pyarrow.parquet as pq

    timed(lambda: pq.write_table(payload_rows(int(count)), path) or int(count))


def payload_own(path: str) -> None:
    """Rows of a frame to UpsertMultiple bodies of 1,000."""
    import pyarrow.parquet as pq

    frame = pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype)
    edm = {"text": "Edm.String", "number": "Edm.String", "whole": "Edm.Int32", "amount": "Edm.Decimal"}
    edm |= {"flag": "Edm.Boolean", "moment": "Edm.DateTimeOffset"}
    kinds = {name: next(kind for start, kind in edm.items() if name.startswith(start)) for name in frame.columns}
    known = {name: Column(name, kind, pa.string()) for name, kind in kinds.items()}
    record = EntitySchema("sales", "records", "record", ("recordid",), known)

    class Known:
        def schema(self, _entity_set: str) -> EntitySchema:
            return record

        def set_of(self, _table: str) -> str:
            return "records"

    def work() -> int:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        run = Preparer(SALES, Known(), lambda *_: "").table("upsert", "records", table, ["number"])  # type: ignore[arg-type]
        made = [run.targets(start, start + 1_000) for start in range(0, len(run), 1_000)]
        return sum(len(json.loads(made[n])["Targets"]) for n in (0, -1)) // 2 * len(made)

    timed(work)


CASES: dict[str, Callable[..., None]] = {
    case.__name__: case
    for case in (
        decode_own,
        decode_pyarrow,
        decode_naive,
        read_own,
        read_chain,
        read_to_parquet,
        payload_frame,
        payload_own,
    )
}

if __name__ == "__main__":
    name, *words = sys.argv[1:]
    CASES[name](*words)
