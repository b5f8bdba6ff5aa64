"""Cases run in turn, each in its own process, and medians of what they took; servers and peers' environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
HOME = HERE.parent / "build" / "peers"

HERE_FIRST = {**os.environ, "PYTHONPATH": str(HERE.parent)}

Case = tuple[str, Path, tuple[str, ...]]


def own(name: str, *words: str) -> Case:
    """One of our own cases."""
    return sys.executable, HERE / "client_cases.py", (name, *words)


def peer(python: str, name: str, *words: str) -> Case:
    """A peer's case."""
    return python, HERE / "client_peers.py", (name, *words)


def peer_python(given: str | None) -> str:
    """The peers' Python: the one given, or that of ``build/peers``, made and filled on first use."""
    if given:
        return given
    python = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        needed = ["-m", "pip", "install", "-q", "-r", str(HERE / "client_peers.txt")]
        subprocess.run([str(python), *needed], check=True)
    return str(python)


def race(cases: dict[str, Case], repeat: int) -> dict[str, dict[str, float]]:
    """Every case ``repeat`` times, in turn: rows a second and megabytes at the peak, in the median."""
    laps: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(repeat):
        for name, (python, script, words) in cases.items():
            done = subprocess.run(
                [python, str(script), *words], capture_output=True, text=True, check=False, env=HERE_FIRST
            )
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
            laps[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, laps[name][-1], file=sys.stderr)
    return {
        name: {
            "rows_per_s": median(lap["rows"] / lap["seconds"] for lap in found),
            "peak_mb": median(lap["peak_mb"] for lap in found),
        }
        for name, found in laps.items()
    }


@contextmanager
def page_server(rows: int, latency: float = 0.0) -> Iterator[str]:
    """The URL of a page server in a process of its own."""
    command = [sys.executable, str(HERE / "page_server.py"), "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def ratio(found: dict[str, dict[str, float]], one: str, other: str) -> float:
    """How many times faster the one is than the other."""
    return round(found[one]["rows_per_s"] / found[other]["rows_per_s"], 2)


def show(benchmark: str, rows: int, figures: dict[str, Any], *, as_json: bool) -> None:
    """The figures, as one JSON object or as lines."""
    if as_json:
        print(json.dumps({"benchmark": benchmark, "rows": rows, "figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:35} {value}")
