"""The accounts template against a hand-written Polars expression and against plain pandas, same rows, same result.

    python benchmarks/map.py [--rows 1000000] [--repeat 3] [--peers PYTHON] [--json]

Every case runs in a process of its own, the cases in turn; figures are ratios of medians of the same run. Polars runs
under ``--peers PYTHON``, an environment with ``benchmarks/peers.txt`` installed; without it its figure is left out.
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

CASES = Path(__file__).with_name("map_cases.py")


def run(case: str, python: str, folder: Path) -> dict[str, Any]:
    """One case in its own process: seconds, and what it made in numbers."""
    done = subprocess.run([python, str(CASES), case, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(case, round(found["seconds"], 3), file=sys.stderr)
    return found


def figures(laps: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """``time_vs_polars`` above 1 means ours is slower by that factor, ``speed_vs_pandas`` that it is faster."""
    seconds = {case: median(lap["seconds"] for lap in found) for case, found in laps.items()}
    checks = [lap["check"] for found in laps.values() for lap in found]
    made: dict[str, Any] = {
        "same_result": all(each == checks[0] for each in checks),
        "seconds": round(seconds["ours"], 3),
        "speed_vs_pandas": round(seconds["pandas"] / seconds["ours"], 2),
    }
    if "polars" in seconds:
        made["time_vs_polars"] = round(seconds["ours"] / seconds["polars"], 2)
    return made


def main() -> None:
    from map_data import write_accounts

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--peers", default=None, help="python of an environment with benchmarks/peers.txt")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    cases = dict.fromkeys(("ours", "pandas"), sys.executable) | ({"polars": given.peers} if given.peers else {})
    laps: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        write_accounts(Path(folder), given.rows)
        for _ in range(given.repeat):
            for case, python in cases.items():
                laps[case].append(run(case, python, Path(folder)))
    result = {"benchmark": "map", "rows": given.rows, "figures": figures(laps)}
    print(json.dumps(result) if given.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
