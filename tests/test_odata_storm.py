"""Writes while operations of a batch, and whole requests, break down in the service itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import ServiceError
from p2c_lib.odata import Client, Patience, Query, Write
from p2c_lib.sandbox import process
from p2c_lib.sandbox.process import Running
from tests.bad_network import told_server

QUICK = Patience(budget=60, first_wait=0.01, longest_wait=0.05)
JSON = {"Content-Type": "application/json"}
MIXED: dict[str, Any] = {"throttled": 0.05, "unavailable": 0.05, "reset": 0.05, "truncated": 0.05, "retry_after": 0.02}


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = process.start(tmp_path_factory.mktemp("storm"), limits=False, admin=True)
    yield running
    process.stop(running)


def use(running: Running, **faults: float) -> None:
    headers = {"Authorization": f"Bearer {running.token}"}
    for url in (running.sales_url, running.finops_url):
        httpx.put(f"{url}/sandbox/faults", json=faults, headers=headers, trust_env=False).raise_for_status()


@pytest.mark.parametrize("app", ["sales", "finops"])
@pytest.mark.parametrize("faults", [{"parts": 0.1}, {**MIXED, "failed": 0.1}, {**MIXED, "parts": 0.02}])
def test_every_row_is_written_once_whatever_breaks(stormy: Running, app: str, faults: dict[str, float]) -> None:
    url = stormy.sales_url if app == "sales" else stormy.finops_url
    secret, token_url = Secret.literal(stormy.token), f"{url}/t/oauth2/v2.0/token"
    here = Connection(app, app, url, "c", secret, token_url=token_url)  # type: ignore[arg-type]
    entity_set, key = ("accounts", "accountnumber") if app == "sales" else ("CustomerGroups", "CustomerGroupId")
    text = "name" if app == "sales" else "Description"
    keys = [f"S{n:05}" for n in range(600)]
    company = {"dataAreaId": pa.array(["usmf"] * 600)} if app == "finops" else {}
    table = pa.table({key: keys, text: [f"Name {k}" for k in keys], **company})
    use(stormy, throttled=0.0)
    with Client(here, patience=QUICK) as client:
        client.schema(entity_set)
        use(stormy, **faults)
        created = client.write_table("create", entity_set, table)
        use(stormy, throttled=0.0)
        query = Query(entity_set, (key, text), company="usmf" if company else None)
        rows = [row for page in client.read(query) for row in page.table.to_pylist() if row[key] in set(keys)]
        gone = client.write_table("delete", entity_set, table.drop_columns([text]), key=[key, *company])
    assert [result.error for result in created] == [None] * 600
    assert sorted((row[key], row[text]) for row in rows) == [(k, f"Name {k}") for k in keys]
    assert [result.error for result in gone] == [None] * 600


PRODUCTS = {"EntitySetName": "Products", "Name": "Product"}
ID = {"Name": "Id", "TypeName": "Edm.String", "IsKey": True}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (b'{"error":{"message":"An error has occurred."}}', 4),
        (b'{"error":{"innererror":{"message":"No.","type":"X.AxODataWriteException"}}}', 1),
    ],
)
def test_a_breakdown_that_stays_is_told_as_it_came(body: bytes, asked: int) -> None:
    patched: list[str] = []

    def say(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        if method == "GET":
            row = {**PRODUCTS, "Properties": [ID, {"Name": "Name", "TypeName": "Edm.String"}]}
            return 200, JSON, json.dumps({"value": [row] if "metadata" in path else []}).encode()
        patched.append(path)
        return 500, JSON, body

    with told_server(say) as url:
        here = Connection("f", "finops", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with Client(here, patience=QUICK) as client:
            (result,) = client.write([Write("update", "Products", {"Id": "1"}, {"Name": "x"})])
    assert isinstance(result.error, ServiceError)
    assert (result.status, len(patched)) == (500, asked)
