"""How the client's peers do the same work: each case a process of its own, in an environment of their own.

    PYTHON benchmarks/client_peers.py CASE WORD...

PYTHON has ``benchmarks/client_peers.txt`` installed. A case prints one JSON object: rows, seconds (without the time to
import its libraries), peak megabytes.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from importlib import import_module
from typing import Any


def sdk(url: str) -> Any:
    """Microsoft's client; it takes only https, so its address is set after it has been made."""
    from azure.core.credentials import AccessToken
    from PowerPlatform.Dataverse.client import DataverseClient

    class Credential:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            return AccessToken("t", int(time.time()) + 3600)

    client = DataverseClient("https://example.invalid", Credential())  # type: ignore[arg-type]
    client._base_url = url
    return client


def sdk_read(url: str, columns: str) -> int:
    """Microsoft's client: pages of records into one frame, as its own ``dataframe`` does."""
    import pandas as pd

    client = sdk(url)
    rows: list[dict[str, Any]] = []
    for page in client.records.list_pages("record", select=columns.split(",")):
        rows.extend(record.data if hasattr(record, "data") else dict(record) for record in page)
    return len(pd.DataFrame.from_records(rows))


def naive_read(url: str, columns: str) -> int:
    """The notebook everybody writes: requests, one list of dicts, one frame, astype."""
    import pandas as pd
    import requests

    rows: list[dict[str, Any]] = []
    link: str | None = f"{url}/api/data/v9.2/records?$select={columns}"
    with requests.Session() as session:
        while link:
            page = session.get(link, headers={"Authorization": "Bearer t"}, timeout=60).json()
            rows += page["value"]
            link = page.get("@odata.nextLink")
    return len(typed(pd.DataFrame(rows)))


def typed(frame: Any) -> Any:
    """A frame of JSON values with the types their names tell."""
    import pandas as pd

    kinds = {"whole": "Int64", "choice": "Int64", "version": "Int64", "amount": "Float64", "flag": "boolean"}
    kinds |= {"factor": "Float64", "text": "str", "record": "str"}
    wanted = {name: kind for name in frame.columns for start, kind in kinds.items() if name.startswith(start)}
    frame = frame.astype(wanted)
    for name in frame.columns:
        if name.startswith(("moment", "createdon")):
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def dlt_read(url: str, columns: str, loader: str) -> int:
    """dlt's rest_api source into DuckDB, with its default loader or Parquet files."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/api/data/v9.2/",
                "headers": {"Authorization": "Bearer t"},
                "paginator": {"type": "json_link", "next_url_path": "['@odata.nextLink']"},
            },
            "resources": [
                {
                    "name": "records",
                    "endpoint": {"path": "records", "params": {"$select": columns}, "data_selector": "value"},
                }
            ],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench", destination=dlt.destinations.duckdb(f"{folder}/x.duckdb"), dataset_name="d", pipelines_dir=folder
        )
        pipeline.run(source, **({"loader_file_format": "parquet"} if loader == "parquet" else {}))
        with pipeline.sql_client() as client:
            return int(client.execute_sql("select count(*) from records")[0][0])


def sdk_payload(path: str) -> int:
    """Microsoft's client: a frame to records, those to UpsertMultiple targets of 1,000 and the JSON requests makes."""
    import pandas as pd
    from PowerPlatform.Dataverse.utils._pandas import dataframe_to_records

    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    client = sdk("http://127.0.0.1:1")._get_odata()
    sizes: list[int] = []
    client._request = lambda *_, json, **__: sizes.append(len(_dumped(json)))
    client._convert_labels_to_ints = lambda _table, record: record
    amounts = [name for name in frame.columns if name.startswith("amount")]
    frame = frame.astype(dict.fromkeys(amounts, "double[pyarrow]"))  # it cannot send a decimal
    began = time.perf_counter()
    keys = [{"number": number} for number in frame["number"]]
    records = dataframe_to_records(frame.drop(columns=["number"]), na_as_null=True)
    for start in range(0, len(records), 1_000):
        client._upsert_multiple("records", "record", keys[start : start + 1_000], records[start : start + 1_000])
    report(len(records), time.perf_counter() - began)
    return 0


def _dumped(payload: Any) -> bytes:
    return json.dumps(payload, allow_nan=False).encode()


def report(rows: int, seconds: float) -> None:
    """The result of a case."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mb": peak}))


IMPORTS = {
    "sdk_read": ("pandas", "PowerPlatform.Dataverse.client"),
    "naive_read": ("pandas", "requests"),
    "dlt_read": ("dlt", "dlt.sources.rest_api", "duckdb", "pyarrow.parquet"),
    "sdk_payload": ("pandas", "PowerPlatform.Dataverse.client"),
}
CASES = {"sdk_read": sdk_read, "naive_read": naive_read, "dlt_read": dlt_read, "sdk_payload": sdk_payload}

if __name__ == "__main__":
    case, *words = sys.argv[1:]
    for module in IMPORTS[case]:
        import_module(module)
    start_of_case = time.perf_counter()
    if counted := CASES[case](*words):
        report(counted, time.perf_counter() - start_of_case)
