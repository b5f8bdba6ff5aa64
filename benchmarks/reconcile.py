"""Reconciliation against its peers and against the least a comparison can cost.

    python benchmarks/reconcile.py [--rows 1000000] [--repeat 3] [--peers PYTHON] [--json]

Every case runs in a process of its own, the cases in turn; figures are ratios of medians of the same run. The peers
(datacompy on pandas and on Polars) pin other versions, so they run under ``--peers PYTHON``, an environment with
``benchmarks/peers.txt`` installed; without it their figures are left out. From 5 million rows on only the bare GROUP BY
is raced.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

CASES = Path(__file__).with_name("reconcile_cases.py")
CLASSES = ("equal", "changed", "missing", "extra", "duplicate", "invalid")
MANY = 5_000_000


def run(case: str, python: str, folder: Path) -> dict[str, Any]:
    """One case in its own process: seconds, peak_mb and what it counted."""
    done = subprocess.run([python, str(CASES), case, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def race(cases: dict[str, str], folder: Path, repeat: int) -> dict[str, dict[str, Any]]:
    """The cases in turn, ``repeat`` times: median seconds and the largest peak of each."""
    laps: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(repeat):
        for case, python in cases.items():
            laps[case].append(run(case, python, folder))
            print(case, laps[case][-1], file=sys.stderr)
    return {
        case: {
            "seconds": median(lap["seconds"] for lap in found),
            "peak_mb": max(lap["peak_mb"] for lap in found),
            "counts": found[0].get("counts"),
        }
        for case, found in laps.items()
    }


def figures(found: dict[str, dict[str, Any]], truth: dict[str, Any], rows: int) -> dict[str, Any]:
    """Ratios over 1 mean ours is faster (speed) or slower (time) by that factor."""
    ours = found["ours_parquet"]
    made: dict[str, Any] = {
        "counts_equal_truth": all(
            f["counts"][c] == truth[c] for n, f in found.items() if n.startswith("ours") for c in CLASSES
        ),
        "time_vs_duckdb_hash": round(ours["seconds"] / found["bare"]["seconds"], 2),
        "seconds": round(ours["seconds"], 2),
        "seconds_per_million_rows": round(ours["seconds"] * 1e6 / rows, 2),
        "peak_mb": ours["peak_mb"],
    }
    for peer in ("datacompy_pandas", "datacompy_polars"):
        if peer in found:
            made[f"speed_vs_{peer}"] = round(found[peer]["seconds"] / found["ours_arrow"]["seconds"], 1)
    return made


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--peers", default=None, help="python of an environment with benchmarks/peers.txt")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    from reconcile_data import write_sides

    own = ["bare", "ours_parquet"] + ([] if given.rows >= MANY else ["ours_arrow"])
    cases = dict.fromkeys(own, sys.executable)
    if given.peers and given.rows < MANY:
        cases |= dict.fromkeys(("datacompy_pandas", "datacompy_polars"), given.peers)
    with tempfile.TemporaryDirectory() as folder:
        truth = write_sides(Path(folder), given.rows)
        found = race(cases, Path(folder), given.repeat)
    result = {"benchmark": "reconcile", "rows": given.rows, "figures": figures(found, truth, given.rows)}
    print(json.dumps(result) if given.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
