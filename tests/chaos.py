"""Kill an apply at random points under faults; then hold destination and ledger to an undisturbed run.

python -m tests.chaos [--points 50] [--operations 5000] [--kills 5] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply
from p2c_lib.load.destination import Destination
from p2c_lib.plan import Plan, open_plan
from p2c_lib.sandbox import process
from p2c_lib.session import Session, connect
from tests.customers import Customer, customers, plan_of, there, values

# One request in five ends badly, and one operation of a batch in fifty.
FAULTS = """\
throttled: 0.05
unavailable: 0.04
failed: 0.03
reset: 0.04
truncated: 0.04
parts: 0.02
retry_after: 0.1
"""
LONGEST = 300.0
# Customers of a plan begin with letters no other has.
LETTERS = 3


@dataclass(frozen=True)
class Round:
    """One plan applied with kills: where they fell (share of the run's usual time), and what is wrong in the end."""

    points: tuple[float, ...]
    wrong: tuple[str, ...]


def wanted(prefix: str, operations: int) -> tuple[list[Customer], list[Customer]]:
    """Customers to be there before, and after: half of the operations are updates, half creates."""
    half = operations // 2
    return list(customers(prefix, half, 1)), list(customers(prefix, operations, 2))


def prepared(session: Session, prefix: str, operations: int, folder: Path) -> Plan:
    """A plan of mixed operations over customers that are there already."""
    before, after = wanted(prefix, operations)
    outcome = apply(plan_of(session, before, folder, prefix), session)
    if outcome.failed or outcome.drifted:
        raise SystemExit(f"The ground could not be laid: {outcome}")
    return plan_of(session, after, folder, prefix)


def child(root: Path, plan: Plan) -> subprocess.Popen[str]:
    """A process of its own that applies the plan; it says ``begun`` when it begins."""
    command = [sys.executable, "-m", "tests.chaos", "--apply", str(plan.folder), "--root", str(root)]
    process_ = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process_.stdout is not None
    assert process_.stdout.readline().strip() == "begun"
    return process_


def killed(root: Path, plan: Plan, after: float) -> bool:
    """Whether an apply could be killed that many seconds after it began; False when it ended before."""
    running = child(root, plan)
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
    code = running.wait(LONGEST)
    assert running.stdout is not None
    running.stdout.close()
    return code == -signal.SIGKILL


def one_round(session: Session, root: Path, plan: Plan, chance: random.Random, kills: int, usual: float) -> Round:
    """Kill the apply of a plan some times, let it end, and look at everything."""
    points = []
    for _ in range(kills):
        after = chance.uniform(0, usual)
        if not killed(root, plan, after):
            break
        points.append(round(after / usual, 3))
    for _ in range(3):
        outcome = apply(plan, session)
        if not outcome.failed:
            break
    return Round(tuple(points), tuple(wrongs(session, plan)))


def wrongs(session: Session, plan: Plan) -> list[str]:
    """What is not as it would be had nothing happened: rows, doubles, the ledger line by line."""
    prefix = plan.operations.column("key")[0].as_py()[:LETTERS].upper()
    found = there(session, prefix)
    said = []
    keys = pc.utf8_lower(found.table.column("CustomerAccount"))
    if len(pc.unique(keys)) != len(keys):
        said.append("a row stands twice")
    as_wanted = [dict(row) for row in values(found)]
    expected = list(customers(prefix, len(plan.operations), 2))
    shown = [{name: row[name] for name in expected[0]} for row in as_wanted]
    if shown != expected:
        said.append(f"{sum(a != b for a, b in zip(shown, expected, strict=False))} rows differ of {len(expected)}")
        said.append(f"{len(shown)} rows are there")
    ledger = open_ledger(session.workspace.ledger)
    try:
        states = {row["position"]: row["state"] for row in ledger.operations(plan.id)}
        said += list(ledger.verify().findings)
    finally:
        ledger.close()
    if sorted(states) != list(range(len(plan))):
        said.append(f"the ledger knows {len(states)} of {len(plan)} operations")
    destination = Destination(plan, session)
    now = destination.read(plan.operations)
    for row in plan.operations.to_pylist():
        holds = row["key"] in now and not destination.differing(row, now[row["key"]])
        if (states.get(row["position"]) == "applied") != holds:
            said.append(f"the ledger says {states.get(row['position'])} of {row['key']}, the destination {holds}")
    return said[:10]


def chaos(root: Path, *, points: int, operations: int, kills: int, seed: int) -> list[Round]:
    """Rounds until so many kills have fallen."""
    chance = random.Random(seed)
    profile = root / "faults.yml"
    profile.write_text(FAULTS)
    workspace = Workspace(root)
    running = process.start(workspace.sandbox_home, faults=profile, limits=False)
    rounds: list[Round] = []
    try:
        with connect(workspace=workspace) as session:
            plan = prepared(session, "ZZU", operations, root / "plans")
            started = time.perf_counter()
            apply(plan, session)
            usual = time.perf_counter() - started
            undisturbed = wrongs(session, plan)
            rounds.append(Round((), tuple(undisturbed)))
            while sum(len(each.points) for each in rounds) < points:
                prefix = f"ZY{chr(ord('A') + len(rounds) % 26)}"
                still = points - sum(len(each.points) for each in rounds)
                plan = prepared(session, prefix, operations, root / "plans")
                rounds.append(one_round(session, root, plan, chance, min(kills, still), usual))
    finally:
        process.stop(running)
    return rounds


def main() -> None:
    """Kill, look, say."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--points", type=int, default=50)
    words.add_argument("--operations", type=int, default=5_000)
    words.add_argument("--kills", type=int, default=5, help="at most so many a plan")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--json", action="store_true")
    words.add_argument("--apply", type=Path, help=argparse.SUPPRESS)
    words.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.apply is not None:
        with connect(workspace=Workspace(given.root)) as session:
            print("begun", flush=True)
            apply(open_plan(given.apply), session)
        return
    with tempfile.TemporaryDirectory(prefix="p2c-chaos-") as folder:
        rounds = chaos(
            Path(folder), points=given.points, operations=given.operations, kills=given.kills, seed=given.seed
        )
    fell = [point for each in rounds for point in each.points]
    wrong = [line for each in rounds for line in each.wrong]
    found = {"operations": given.operations, "points": fell, "rounds": len(rounds), "wrong": wrong}
    print(
        json.dumps(found) if given.json else f"{len(fell)} kills in {len(rounds)} plans: {wrong or 'nothing is wrong'}"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
