"""Reading: pages decoded, whole reads against peers over the same server, memory and parallel ranges.

    python benchmarks/extract.py [--rows 200000] [--repeat 3] [--only PART] [--peers PYTHON | --no-peers] [--json]

A figure is a ratio of rows a second in the same run, except ``peak_mb_1m``. ``decode_*`` take 300,000 rows of 40
columns from memory; ``*_200ms`` read from a server that answers after 200 ms; dlt gets a tenth of the rows, as it would
take minutes for all of them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable

from client_race import own, page_server, peer, peer_python, race, ratio, show
from page_server import COLUMNS

MILLION = 1_000_000
LATENCY = 0.2


def decode(repeat: int) -> dict[str, float]:
    """Decoding against the naive way and against bare pyarrow.json."""
    found = race({name: own(name) for name in ("decode_own", "decode_naive", "decode_pyarrow")}, repeat)
    return {
        "decode_vs_naive": ratio(found, "decode_own", "decode_naive"),
        "decode_vs_pyarrow": ratio(found, "decode_own", "decode_pyarrow"),
        "decode_rows_per_s": round(found["decode_own"]["rows_per_s"]),
    }


def memory() -> dict[str, float]:
    """A million rows to a Parquet file and a frame."""
    with tempfile.TemporaryDirectory() as folder, page_server(MILLION) as url:
        found = race({"million": own("read_to_parquet", url, f"{folder}/rows.parquet")}, 1)
    return {"peak_mb_1m": round(found["million"]["peak_mb"]), "rows_per_s_1m": round(found["million"]["rows_per_s"])}


def latency(rows: int, repeat: int, python: str | None) -> dict[str, float]:
    """Ranges side by side against one chain and the naive notebook, 200 ms away."""
    with page_server(rows, LATENCY) as url:
        cases = {"own": own("read_own", url), "chain": own("read_chain", url)}
        if python:
            cases["naive"] = peer(python, "naive_read", url, ",".join(COLUMNS))
        found = race(cases, repeat)
    figures = {"parallel8_vs_chain_200ms": ratio(found, "own", "chain")}
    if python:
        figures["parallel8_vs_naive_200ms"] = ratio(found, "own", "naive")
    return figures


def peers(rows: int, repeat: int, python: str) -> dict[str, float]:
    """Whole reads over the same server without latency."""
    columns = ",".join(COLUMNS)
    with page_server(rows) as url:
        found = race({"own": own("read_own", url), "sdk": peer(python, "sdk_read", url, columns)}, repeat)
    with page_server(rows // 10) as url:
        cases = {name: peer(python, "dlt_read", url, columns, name) for name in ("insert", "parquet")}
        found |= race(cases, 1)
    return {
        "rows_per_s_vs_dlt": ratio(found, "own", "insert"),
        "rows_per_s_vs_dlt_parquet": ratio(found, "own", "parquet"),
        "rows_per_s_vs_dataverse_sdk": ratio(found, "own", "sdk"),
        "rows_per_s": round(found["own"]["rows_per_s"]),
    }


def main() -> None:
    """Run the benchmark."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=200_000)
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--only", choices=("decode", "memory", "latency", "peers"))
    words.add_argument("--peers", metavar="PYTHON")
    words.add_argument("--no-peers", action="store_true")
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    python = None if given.no_peers else peer_python(given.peers)
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "decode": lambda: decode(given.repeat),
        "memory": memory,
        "latency": lambda: latency(2 * given.rows, given.repeat, python),
        "peers": lambda: peers(given.rows, given.repeat, python) if python else {},
    }
    figures: dict[str, float] = {}
    for name, part in parts.items():
        if given.only in {None, name}:
            figures |= part()
    show("extract", given.rows, figures, as_json=given.json)


if __name__ == "__main__":
    main()
