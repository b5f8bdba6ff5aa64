"""The history of two hundred runs in a terminal and as a page, and the report of a run that 100,000 rows wait in.

    python -m benchmarks.history [--repeat 3] [--json]

Figures are seconds and kilobytes, medians of the laps; the goals are 1 s for ``p2c history`` (the whole command), 2 s
to make a report and 3 MB for any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from p2c_lib.config import Workspace
from p2c_lib.history import history, past_run, run_report
from p2c_lib.ledger import Ledger, open_ledger
from tests.many_runs import NOON, TASKS, keep_task, line, put_run, put_runs, put_waiting

RUNS, WAITING = 200, 100_000
BUSY = f"{NOON:%Y%m%d-%H%M%S}-abcdef"


def filled(home: Path) -> tuple[Workspace, Ledger]:
    """A workspace of so many runs, the latest with rows that wait."""
    put_runs(home, RUNS - 1)
    here = Workspace(home)
    ledger = open_ledger(here.ledger)
    put_run(ledger, BUSY, [line(task, quarantined=WAITING) for task in TASKS])
    put_waiting(ledger, WAITING)
    for task in TASKS:
        keep_task(here.state / "runs" / BUSY, task)
    return here, ledger


def seconds(deed: Callable[[], object], repeat: int) -> float:
    """How long it takes, the median."""
    laps = []
    for _ in range(repeat):
        started = perf_counter()
        deed()
        laps.append(perf_counter() - started)
    return round(median(laps), 3)


def figures(repeat: int) -> dict[str, float]:
    """What is measured, by name."""
    with tempfile.TemporaryDirectory() as place:
        here, ledger = filled(Path(place))
        environment = {**os.environ, "P2C_WORKSPACE": place}
        command = [sys.executable, "-m", "p2c_lib.cli", "history"]

        def listed() -> None:
            subprocess.run(command, env=environment, check=True, capture_output=True)

        def report() -> Path:
            run = past_run(ledger, here, BUSY)
            return run_report(run, ledger).save(run.folder.report)

        def page() -> Path:
            return history(here).save(here.state / "history.html")

        told = {"history_s": seconds(listed, repeat), "report_s": seconds(report, repeat)}
        told |= {"page_s": seconds(page, repeat), "report_kb": report().stat().st_size // 1000}
        return told | {"page_kb": page().stat().st_size // 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = figures(asked.repeat)
    if asked.json:
        print(json.dumps({"benchmark": "history", "rows": RUNS, "figures": told}))
    else:
        print("\n".join(f"{name}: {value}" for name, value in told.items()))


if __name__ == "__main__":
    main()
