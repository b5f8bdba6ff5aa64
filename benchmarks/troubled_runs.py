"""Whole runs of ``p2c run``, each with one kind of trouble on its way to both systems and followed by a calm one.

A run under trouble ends within its bound: with exit code 2 and words, or rightly where the trouble passes. No token
goes to another host, nothing that is printed is secret, and the calm run after it ends as the first calm one did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from p2c_lib.sandbox import process

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.troubled import Between, Exchange, between
from tests.troubles import QUICK, READS, TOKENS, Case

SECRET = "between-secret-0042-whole-runs"
BOUND = 120.0  # seconds of a run, kernels included, whose requests are waited for two
RUN = ("run", "accounts", "--set", "between", "--limit", "20")


@dataclass(frozen=True)
class Ended:
    """How one run came out: its exit code (None: it did not end), its seconds and what it printed."""

    code: int | None
    seconds: float
    told: str


def run(root: Path) -> Ended:
    """One run in a process of its own, killed when its bound is over."""
    environment = {**os.environ, "P2C_WORKSPACE": str(root), "P2C_BETWEEN": SECRET, "NO_COLOR": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "p2c_lib.cli", *RUN],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = child.communicate(timeout=BOUND)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        told, _ = child.communicate()
        return Ended(None, time.perf_counter() - began, told)
    return Ended(child.returncode, time.perf_counter() - began, told)


def faults_of(ended: Ended, case: Case, calm: Ended, place: Between) -> Iterator[str]:
    """What went wrong with a run under trouble, in a word or two each."""
    right = {"ends": {2}, "goes on": {calm.code}, "either": {2, calm.code}}[case.comes]
    if ended.code is None:
        yield "no end"
    elif ended.code not in right:
        yield f"exit code {ended.code}, not {' or '.join(map(str, sorted(right, key=str)))}"
    if "Traceback" in ended.told:
        yield "a traceback"
    if any(one.token or SECRET.encode() in one.body for one in place.strays):
        yield "a token at another host"
    if any(value in ended.told for value in (SECRET, *place.tokens)):
        yield "a secret was printed"


def tried(place: Between, root: Path, case: Case, meant: Callable[[Exchange], bool], calm: Ended) -> tuple[Ended, str]:
    """A run under trouble and a calm one after it; what went wrong."""
    place.trouble = case.trouble(place, meant)
    try:
        ended = run(root)
    finally:
        place.trouble = None
    wrong = list(faults_of(ended, case, calm, place))
    if (after := run(root)).code != calm.code:
        wrong.append(f"the next run ended with {after.code}")
    return ended, "; ".join(wrong)


def whole_runs(every: int = 1) -> dict[str, float]:
    """Every so many of all troubles, told line by line on stderr; how many there were, went wrong, and the longest."""
    cases = [("rows", case, lambda one: one.is_rows) for case in READS]
    cases += [("token", case, lambda one: one.is_token) for case in TOKENS]
    wrong, longest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        running = process.start(Path(folder, "sandbox"))
        try:
            with between(running, SECRET) as place:
                root = place.workspace(Path(folder, "workspace"), QUICK, "largest_answer_mb = 8")
                calm = run(root)
                for what, case, meant in cases[::every]:
                    ended, said = tried(place, root, case, meant, calm)
                    wrong, longest = wrong + bool(said), max(longest, ended.seconds)
                    line = f"{what:5} {case.name:35} {case.comes:8} {ended.code} {ended.seconds:6.1f} s  {said}"
                    print(line if not said else f"{line}\n{ended.told}", file=sys.stderr, flush=True)
        finally:
            process.stop(running)
    return {"troubles": len(cases[::every]), "troubles_wrong": wrong, "troubles_longest_seconds": round(longest, 1)}
