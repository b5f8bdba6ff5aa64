"""A large read and a large write while a fifth of all exchanges goes wrong: every row arrives, once, and in what time.

    python benchmarks/faults.py [--rows 200000] [--writes 50000] [--repeat 3] [--json]
    python benchmarks/faults.py --troubles [--every 1] [--json]

The sandbox throttles, is unavailable, drops connections and cuts answers short, 5 % of requests each; a reset happens
for half of them after the work is done. ``*_vs_ideal`` is the time taken over the ideal of the same run: the time
without faults / 0.8, plus the time in which the service had asked to wait (overlapping waits count once). That is kind
where many requests are under way, so ``*_vs_calm``, over the time without faults / 0.8 alone, stands beside it.
``*_wrong_rows`` counts rows that are lost, doubled or different.

With ``--troubles`` whole runs instead, each under one kind of trouble on its way (``troubled_runs.py``).
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import httpx
import pyarrow as pa
import pyarrow.compute as pc
from client_race import show
from troubled_runs import whole_runs

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Query
from p2c_lib.odata.snapshot import gather
from p2c_lib.sandbox import process
from p2c_lib.sandbox.load import load

App = Literal["sales", "finops"]
SHARE = 0.2
FAULTS = {"throttled": 0.05, "unavailable": 0.05, "reset": 0.05, "truncated": 0.05, "retry_after": 0.2}
NO_FAULTS = {"throttled": 0.0}


@dataclass(frozen=True)
class Rows:
    """Rows of one system: the set, its key column, a text column, and a letter that keys begin with."""

    app: App
    entity_set: str
    key: str
    text: str
    letter: str

    @property
    def company(self) -> str | None:
        return "usmf" if self.app == "finops" else None

    def table(self, count: int, mark: str, text: str) -> pa.Table:
        """``count`` rows whose keys begin with a mark."""
        numbers = [f"{mark}{n:07}" for n in range(count)]
        made = {self.key: pa.array(numbers), self.text: pa.array([f"{text} {n}" for n in range(count)])}
        if self.company:
            made["dataAreaId"] = pa.array([self.company] * count)
        return pa.table(made)


SETS = (
    Rows("sales", "accounts", "accountnumber", "name", "A"),
    Rows("finops", "CustomerGroups", "CustomerGroupId", "Description", "G"),
)


class Waits(httpx.HTTPTransport):
    """Notes until when the service asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if "retry-after" in answer.headers:
            now = time.perf_counter()
            self.asked.append((now, now + float(answer.headers["retry-after"])))
        return answer

    def seconds(self) -> float:
        """The waits together; where they overlap they count once."""
        total, end = 0.0, 0.0
        for begin, until in sorted(self.asked):
            total += max(0.0, until - max(begin, end))
            end = max(end, until)
        return total


@dataclass
class Sandbox:
    """A sandbox with rows in both systems, whose faults come and go."""

    running: process.Running

    def use(self, faults: dict[str, float]) -> None:
        """Put a fault profile in force on both ports."""
        headers = {"Authorization": f"Bearer {self.running.token}"}
        for url in (self.running.sales_url, self.running.finops_url):
            httpx.put(f"{url}/sandbox/faults", json=faults, headers=headers, trust_env=False).raise_for_status()

    def client(self, app: App, transport: httpx.BaseTransport | None = None) -> Client:
        url = self.running.sales_url if app == "sales" else self.running.finops_url
        secret, token_url = Secret.literal(self.running.token), f"{url}/b/oauth2/v2.0/token"
        return Client(Connection("bench", app, url, "bench", secret, token_url=token_url), transport=transport)


@contextmanager
def sandbox(rows: int) -> Iterator[Sandbox]:
    """A sandbox that holds ``rows`` rows of every set; its limits are off."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.mkdir()
        for each in SETS:
            table = each.table(rows, each.letter, "Row")
            with Path(files, f"{each.entity_set}.csv").open("w", newline="", encoding="utf-8") as file:
                lines = csv.writer(file)
                lines.writerow(table.column_names)
                lines.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        load(Path(folder, "state"), files, reset=True)
        running = process.start(Path(folder, "state"), limits=False, admin=True)
        try:
            yield Sandbox(running)
        finally:
            process.stop(running)


def wrong(found: pa.Table, wanted: pa.Table, rows: Rows) -> int:
    """Rows that are lost, doubled or different."""
    columns = [rows.key, rows.text]
    ours = found.select(columns).group_by(columns).aggregate([([], "count_all")])
    same = ours.join(wanted.select(columns), columns, join_type="inner")
    doubled = pc.sum(ours["count_all"]).as_py() - len(ours)
    return int(len(wanted) - len(same) + len(ours) - len(same) + doubled)


def read(client: Client, rows: Rows, mark: str) -> pa.Table:
    """The rows whose keys have that mark, by a read of the whole set: the sandbox has a few of its own too."""
    found = gather(client, Query(rows.entity_set, (rows.key, rows.text), company=rows.company)).table
    return found.filter(pc.match_substring_regex(found[rows.key], rf"^{mark}\d{{7}}$"))


def timed_read(place: Sandbox, rows: Rows, count: int, faults: dict[str, float]) -> tuple[float, float, int]:
    """Seconds, seconds of waits and wrong rows of one whole read."""
    place.use(NO_FAULTS)
    waits = Waits()
    with place.client(rows.app, waits) as client:
        client.schema(rows.entity_set)
        place.use(faults)
        began = time.perf_counter()
        found = read(client, rows, rows.letter)
        seconds = time.perf_counter() - began
    return seconds, waits.seconds(), wrong(found, rows.table(count, rows.letter, "Row"), rows)


def timed_write(place: Sandbox, rows: Rows, count: int, faults: dict[str, float]) -> tuple[float, float, int]:
    """Seconds, seconds of waits and wrong rows of one write of new rows, which are removed again."""
    place.use(NO_FAULTS)
    waits = Waits()
    wanted = rows.table(count, "N", "New")
    with place.client(rows.app, waits) as client, place.client(rows.app) as calm:
        client.schema(rows.entity_set)
        place.use(faults)
        began = time.perf_counter()
        results = client.write_table("create", rows.entity_set, wanted)
        seconds = time.perf_counter() - began
        place.use(NO_FAULTS)
        bad = sum(not result.ok for result in results) + wrong(read(calm, rows, "N"), wanted, rows)
        keys = wanted.select([name for name in wanted.column_names if name != rows.text])
        calm.write_table("delete", rows.entity_set, keys, key=keys.column_names)
    return seconds, waits.seconds(), bad


Timed = Callable[[Sandbox, Rows, int, dict[str, float]], tuple[float, float, int]]


def case(name: str, timed: Timed, place: Sandbox, rows: Rows, count: int, repeat: int) -> dict[str, float]:
    """The figures of one kind of work on one system, without and with faults in turn."""
    ratios, bare, seconds, wrong_rows = [], [], [], 0
    for lap in range(repeat):
        calm, _, wrong_calm = timed(place, rows, count, NO_FAULTS)
        took, waited, wrong_now = timed(place, rows, count, {**FAULTS, "seed": 100 + lap})
        ratios.append(took / (calm / (1 - SHARE) + waited))
        bare.append(took / (calm / (1 - SHARE)))
        seconds.append(took)
        wrong_rows += wrong_calm + wrong_now
    return {
        f"{name}_vs_ideal": round(median(ratios), 2),
        f"{name}_vs_calm": round(median(bare), 2),
        f"{name}_seconds": round(median(seconds), 2),
        f"{name}_wrong_rows": wrong_rows,
    }


def main() -> None:
    """Run the benchmark."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=200_000)
    words.add_argument("--writes", type=int, default=50_000)
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--troubles", action="store_true")
    words.add_argument("--every", type=int, default=1)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    if given.troubles:
        found = whole_runs(given.every)
        show("troubles", 0, found, as_json=given.json)
        sys.exit(1 if found["troubles_wrong"] else 0)
    figures: dict[str, float] = {}
    with sandbox(given.rows) as place:
        for rows in SETS:
            figures |= case(f"{rows.app}_read", timed_read, place, rows, given.rows, given.repeat)
            figures |= case(f"{rows.app}_write", timed_write, place, rows, given.writes, given.repeat)
    show("faults", given.rows, figures, as_json=given.json)


if __name__ == "__main__":
    main()
