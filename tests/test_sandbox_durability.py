"""Many clients at once lose no write, and a killed server leaves a consistent store."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import SandboxError
from p2c_lib.odata import Query
from p2c_lib.sandbox import process
from p2c_lib.sandbox.schema import entity
from p2c_lib.sandbox.seed import seed
from p2c_lib.sandbox.sql_functions import register
from p2c_lib.sandbox.store import Store, sortable_guid
from tests.test_sandbox_batch import change_set, multipart, part
from tests.wired import finops_client, sales_client

CLIENTS, ROWS = 50, 4
GUARD = 120  # seconds after which a test that hangs is over; nothing is asserted about how long it took


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    """A sandbox that only these tests write to."""
    home = tmp_path_factory.mktemp("busy")
    seed(home, accounts=1)
    running = process.start(home)
    yield running
    process.stop(running)


def client_of(running: process.Running) -> httpx.Client:
    """A client of the Sales side."""
    headers = {"Authorization": f"Bearer {running.token}"}
    return httpx.Client(base_url=f"{running.sales_url}/api/data/v9.2/", headers=headers, timeout=GUARD)


def in_threads(count: int, work: Callable[[int], dict[str, str]]) -> dict[str, str]:
    """What all threads wrote, in one."""
    with ThreadPoolExecutor(count) as pool:
        parts = list(pool.map(work, range(count)))
    return {key: value for one in parts for key, value in one.items()}


def everything(client: httpx.Client, prefix: str) -> dict[str, str]:
    """Names of accounts by number, over all pages."""
    found: dict[str, str] = {}
    url: str | None = f"accounts?$select=accountnumber,name&$filter=startswith(accountnumber,'{prefix}')"
    while url:
        page = client.get(url).json()
        found |= {row["accountnumber"]: row["name"] for row in page["value"]}
        url = page.get("@odata.nextLink")
    return found


def test_fifty_clients_lose_no_write(busy: process.Running) -> None:
    together = threading.Barrier(CLIENTS)

    def write(number: int) -> dict[str, str]:
        acknowledged: dict[str, str] = {}
        with client_of(busy) as client:
            together.wait(GUARD)
            for at in range(ROWS):
                key = f"LOAD-{number}-{at}"
                made = client.post("accounts", json={"name": "first", "accountnumber": key})
                assert made.status_code == 204, made.text
                url = made.headers["OData-EntityId"]
                moved = client.patch(url, json={"name": f"{number}.{at}"}, headers={"If-Match": "*"})
                assert moved.status_code == 204, moved.text
                acknowledged[key] = f"{number}.{at}"
        return acknowledged

    acknowledged = in_threads(CLIENTS, write)
    with client_of(busy) as client:
        assert everything(client, "LOAD-") == acknowledged
    assert len(acknowledged) == CLIENTS * ROWS


def test_an_etag_lets_one_of_two_writers_through(busy: process.Running) -> None:
    with client_of(busy) as client:
        url = client.post("accounts", json={"name": "counter", "numberofemployees": 0}).headers["OData-EntityId"]

    def count(number: int) -> dict[str, str]:
        with client_of(busy) as client:
            for _ in range(5):
                while True:
                    row = client.get(url).json()
                    body = {"numberofemployees": row["numberofemployees"] + 1}
                    answer = client.patch(url, json=body, headers={"If-Match": row["@odata.etag"]})
                    if answer.status_code == 204:
                        break
                    assert answer.json()["error"]["code"] == "0x80060882"
        return {}

    in_threads(6, count)
    with client_of(busy) as client:
        assert client.get(url).json()["numberofemployees"] == 30


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_killed_server_leaves_what_it_acknowledged_and_whole_change_sets(tmp_path: Path) -> None:
    seed(tmp_path, accounts=1)
    running = process.start(tmp_path)
    acknowledged: set[str] = set()
    stop, some = threading.Event(), threading.Semaphore(0)

    def write(number: int) -> None:
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        with client_of(running) as client:
            for at in range(10_000):
                keys = [f"KILL-{number}-{at}-{row}" for row in range(10)]
                parts = [part("POST accounts", f'{{"name":"x","accountnumber":"{k}"}}', content_id=k) for k in keys]
                try:
                    answer = client.post("$batch", content=multipart(change_set(*parts)), headers=headers)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged.update(keys)
                    some.release()
                if stop.is_set():
                    return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for _ in threads:
        assert some.acquire(timeout=GUARD)
    os.kill(running.pid, signal.SIGKILL)
    stop.set()
    for one in threads:
        one.join()
    assert process.find(tmp_path) is None
    process.stop(running)
    again = process.start(tmp_path)
    try:
        with client_of(again) as client:
            kept = set(everything(client, "KILL-"))
            assert acknowledged
            assert acknowledged <= kept
            assert len(kept) % 10 == 0
            assert len({key.rpartition("-")[0] for key in kept}) * 10 == len(kept)
            assert client.post("accounts", json={"name": "after"}).status_code == 204
    finally:
        process.stop(again)
    with sqlite3.connect(tmp_path / "sandbox.db") as connection:
        register(connection)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_port_or_state_in_use_is_told_with_what_to_do(busy: process.Running, tmp_path: Path) -> None:
    port = int(busy.sales_url.rpartition(":")[2])
    with pytest.raises(SandboxError, match=rf"Port {port} for Sales cannot be used"):
        process.start(tmp_path, sales_port=port)
    with pytest.raises(SandboxError, match="in use by another process"):
        process.start(tmp_path / "other", state=busy.state)


def test_the_record_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    seed(tmp_path, accounts=1)
    running = process.start(tmp_path, tls=True, limits=False)
    found = process.find(tmp_path)
    assert found == running
    assert running.token not in repr(running)
    assert running.sales_url.startswith("https://127.0.0.1:")
    assert sys.platform == "win32" or (tmp_path / process.RECORD).stat().st_mode & 0o077 == 0
    process.stop(running)
    assert process.find(tmp_path) is None
    assert not (tmp_path / process.RECORD).exists()


def test_a_sandbox_comes_back_at_the_address_it_had(tmp_path: Path) -> None:
    first = process.start(tmp_path)
    process.stop(first)
    second = process.start(tmp_path)
    try:
        assert (second.sales_url, second.finops_url) == (first.sales_url, first.finops_url)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "ports.json").write_text((tmp_path / "ports.json").read_text("utf-8"), encoding="utf-8")
        beside = process.start(tmp_path / "other", state=tmp_path / "other")
        try:
            assert {beside.sales_url, beside.finops_url}.isdisjoint({second.sales_url, second.finops_url})
        finally:
            process.stop(beside)
    finally:
        process.stop(second)


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/dev/fd"))


def test_the_store_keeps_no_files_open_for_threads_that_have_ended(store: Store) -> None:
    accounts = entity("sales", "account")

    def use() -> None:
        with store.write():
            store.insert(accounts, {"accountid": sortable_guid(), "name": "One"})

    before = open_files()
    for _ in range(20):
        one = threading.Thread(target=use)
        one.start()
        one.join()
    assert store.count(accounts) == 20
    assert open_files() < before + 10


def test_clients_that_come_and_go_leave_no_files_open(store: Store, portal: BlockingPortal) -> None:
    gc.collect()
    gc.disable()  # what is over must not need it
    try:
        before = open_files()
        for _ in range(20):
            with sales_client(store, portal) as client, finops_client(store, portal) as other:
                list(client.read(Query("accounts", ("name",))))
                list(other.read(Query("CustomerGroups", ("CustomerGroupId",))))
        assert open_files() < before + 60
    finally:
        gc.enable()
