"""Unattended runs: what a run costs beside its work, what a second kernel gains, how soon a killed run is back.

    python benchmarks/run.py [--data FOLDER] [--repeat 3] [--json]

Every run is a process of its own on a fresh copy of the same sandbox, which is up before. ``overhead_s_per_notebook``
is the wall time of ``p2c run --apply --kernels 1``, from its start to its exit code, less the seconds its cells took.
``two_kernels_speedup`` divides that wall time by the one with two kernels. ``resume_s`` is the time from
``p2c run --resume`` to the fifth task, in which the run before was killed. With ``--data`` the sandbox holds the CSV
files of that folder (AdventureWorks), else the seeded company. Figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from p2c_lib.events import Follower
from p2c_lib.sandbox import process

NOTEBOOKS = 4
FIFTH = "quotes"
COMMAND = [sys.executable, "-m", "p2c_lib.cli"]


def p2c(home: Path, *words: str) -> subprocess.Popen[bytes]:
    """A command on a workspace, on its way."""
    environment = {**os.environ, "P2C_WORKSPACE": str(home)}
    return subprocess.Popen([*COMMAND, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def copy_of(ground: Path) -> Iterator[Path]:
    """A workspace with the same sandbox, up."""
    with tempfile.TemporaryDirectory(prefix="p2c-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        shutil.copytree(ground, home)
        running = process.start(home / ".p2c" / "sandbox")
        try:
            yield home
        finally:
            process.stop(running)


def lay_ground(folder: Path, data: Path | None) -> Path:
    """A workspace whose sandbox is filled."""
    ground = folder / "ground"
    ground.mkdir()
    if data is not None:
        if p2c(ground, "sandbox", "load", str(data), "--reset").wait():
            raise SystemExit(f"{data} cannot be loaded.")
    else:
        process.stop(process.start(ground / ".p2c" / "sandbox"))
    return ground


def told(home: Path, kind: str) -> list[dict[str, object]]:
    """What the cells or steps of the newest run told."""
    files = sorted((home / ".p2c" / "runs").glob("*/events.jsonl"))
    return [event for file in files[-1:] for event in Follower(file) if event["event"] == kind]


def whole(ground: Path, kernels: int) -> tuple[float, float, int]:
    """Wall seconds of a run, the seconds of its cells, and the rows it read at the source."""
    with copy_of(ground) as home:
        began = time.perf_counter()
        if p2c(home, "run", "--apply", "--kernels", str(kernels)).wait():
            raise SystemExit("The run did not end in agreement.")
        wall = time.perf_counter() - began
        steps = [event for event in told(home, "step") if event["state"] == "done"]
        rows = sum(int(str(event["rows"])) for event in steps if event["step"] == "extract")
        return wall, sum(float(str(event["seconds"])) for event in told(home, "cell")), rows


def wait_for(home: Path, step: str, state: str, times: int, running: subprocess.Popen[bytes]) -> None:
    """Until a step of the fifth task was told so often."""
    while sum((e["task"], e["step"], e["state"]) == (FIFTH, step, state) for e in told(home, "step")) < times:
        if running.poll() is not None:
            raise SystemExit(f"The run ended before {step} of {FIFTH} was {state}.")
        time.sleep(0.01)


def taken_up(ground: Path) -> float:
    """Seconds from the command to the task that was cut off."""
    with copy_of(ground) as home:
        running = p2c(home, "run", "--apply")
        wait_for(home, "plan", "done", 1, running)
        running.kill()
        running.wait()
        began = time.perf_counter()
        running = p2c(home, "run", "--resume", "latest")
        wait_for(home, "extract", "started", 2, running)
        seconds = time.perf_counter() - began
        if running.wait():
            raise SystemExit("The run that was taken up did not end in agreement.")
        return seconds


def main() -> None:
    """Lay the ground and measure every figure on copies of it."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--data", type=Path, help="CSV files to load, such as AdventureWorks")
    words.add_argument("--repeat", type=int, default=3)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="p2c-bench-") as folder:
        ground = lay_ground(Path(folder), given.data)
        one = [whole(ground, 1) for _ in range(given.repeat)]
        two = [whole(ground, 2) for _ in range(given.repeat)]
        back = [taken_up(ground) for _ in range(given.repeat)]
    figures = {
        "overhead_s_per_notebook": round(median(wall - work for wall, work, _ in one) / NOTEBOOKS, 3),
        "two_kernels_speedup": round(median(lap[0] for lap in one) / median(lap[0] for lap in two), 3),
        "resume_s": round(median(back), 3),
        "one_kernel_s": round(median(lap[0] for lap in one), 2),
        "two_kernels_s": round(median(lap[0] for lap in two), 2),
    }
    data = given.data.name if given.data else "seeded"
    found = {"benchmark": "run", "rows": one[0][2], "data": data, "figures": figures}
    print(json.dumps(found) if given.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
