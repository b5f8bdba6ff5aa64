"""Kill an apply at random points under faults; then hold destination and ledger to what an undisturbed run leaves.

Plans of F&O and of Sales take turns. Among their updates are those that are easily taken for nothing: of case, accents,
a trailing blank, 0 and null, a time of day, lookups alone.

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
from itertools import count
from pathlib import Path

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply, interrupt
from p2c_lib.plan import Plan, open_plan
from p2c_lib.sandbox import process
from p2c_lib.session import Session, connect
from tests.customers import plan_of
from tests.subtle import ACCOUNTS, CUSTOMERS, PLAIN, SEQUENCES, Subject, ground, held, raw_rows, wanted_of

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
# Rows of a plan begin with letters no other has.
LETTERS = 3
SUBJECTS = (CUSTOMERS, ACCOUNTS, SEQUENCES)


@dataclass(frozen=True)
class Round:
    """One plan applied with kills: where they fell (share of the run's usual time), and what is wrong in the end."""

    task: str
    points: tuple[float, ...]
    wrong: tuple[str, ...]


def prepared(session: Session, subject: Subject, prefix: str, operations: int, folder: Path) -> Plan:
    """A plan of mixed operations over rows of which half are there already."""
    for rows in ground(subject, prefix, operations // 2):
        outcome = apply(plan_of(session, rows, folder, prefix, subject.template), session)
        if outcome.failed or outcome.drifted:
            raise SystemExit(f"The ground could not be laid: {outcome}, {outcome.problems().slice(0, 3).to_pylist()}")
    return plan_of(session, subject.rows(prefix, operations, 2), folder, prefix, subject.template)


def child(root: Path, plan: Plan, *, grace: float = interrupt.GRACE) -> subprocess.Popen[str]:
    """A process of its own that applies the plan; it says ``begun`` when it begins.

    After a signal its requests in flight have ``grace`` seconds to end: a slow machine may need more than usual.
    """
    command = [sys.executable, "-m", "tests.chaos", "--apply", str(plan.folder), "--root", str(root)]
    command += ["--grace", str(grace)]
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


def one_round(
    session: Session, root: Path, plan: Plan, chance: random.Random, kills: int, usual: float
) -> tuple[float, ...]:
    """Kill the apply of a plan some times, then let it end; the points where it was killed."""
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
    return tuple(points)


def wrongs(session: Session, plan: Plan, subject: Subject = PLAIN, rows: int | None = None) -> list[str]:
    """What is not as it would be had nothing happened: rows to the last blank, doubles, the ledger line by line.

    The rows are read over plain HTTP, and held to what the service would keep as the tests know it.
    """
    prefix = plan.operations.column("key")[0].as_py()[:LETTERS].upper()
    found = raw_rows(session, subject, prefix)
    wanted = wanted_of(subject, subject.rows(prefix, rows or len(plan), 2), found)
    said = list(held(wanted, found, subject.key))
    ledger = open_ledger(session.workspace.ledger)
    try:
        states = {row["position"]: row["state"] for row in ledger.operations(plan.id)}
        said += list(ledger.verify().findings)
    finally:
        ledger.close()
    if sorted(states) != list(range(len(plan))):
        said.append(f"the ledger knows {len(states)} of {len(plan)} operations")
    by_key = {row[subject.key].lower(): row for row in wanted}
    there = {row[subject.key].lower(): row for row in found}
    for row in plan.operations.select(["position", "key"]).to_pylist():
        one = [there[row["key"]]] if row["key"] in there else []
        holds = not list(held([by_key[row["key"]]], one, subject.key))
        if (states.get(row["position"]) == "applied") != holds:
            said.append(f"the ledger says {states.get(row['position'])} of {row['key']}, the destination {holds}")
    return said[:10]


def chaos(root: Path, *, points: int, operations: int, kills: int, seed: int) -> list[Round]:
    """Rounds over every subject in turn until so many kills have fallen; the first of each is undisturbed."""
    chance = random.Random(seed)
    profile = root / "faults.yml"
    profile.write_text(FAULTS)
    workspace = Workspace(root)
    running = process.start(workspace.sandbox_home, faults=profile, limits=False)
    rounds: list[Round] = []
    usual: dict[str, float] = {}
    try:
        with connect(workspace=workspace) as session:
            for turn in count():
                still = points - sum(len(each.points) for each in rounds)
                if turn >= len(SUBJECTS) and still <= 0:
                    break
                subject = SUBJECTS[turn % len(SUBJECTS)]
                letters = divmod(turn, 26)
                prefix = "Z" + "".join(chr(ord("A") + one) for one in letters)
                plan = prepared(session, subject, prefix, operations, root / "plans")
                fell: tuple[float, ...] = ()
                if turn < len(SUBJECTS):
                    started = time.perf_counter()
                    apply(plan, session)
                    usual[subject.template.task] = time.perf_counter() - started
                else:
                    took = usual[subject.template.task]
                    fell = one_round(session, root, plan, chance, min(kills, still), took)
                wrong = wrongs(session, plan, subject, operations)
                rounds.append(Round(subject.template.task, fell, tuple(wrong)))
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
    words.add_argument("--grace", type=float, default=interrupt.GRACE, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.apply is not None:
        interrupt.GRACE = given.grace
        with connect(workspace=Workspace(given.root)) as session:
            print("begun", flush=True)
            apply(open_plan(given.apply), session)
        return
    with tempfile.TemporaryDirectory(prefix="p2c-chaos-") as folder:
        rounds = chaos(
            Path(folder), points=given.points, operations=given.operations, kills=given.kills, seed=given.seed
        )
    fell = [point for each in rounds for point in each.points]
    wrong = [f"{each.task}: {line}" for each in rounds for line in each.wrong]
    found = {"operations": given.operations, "points": fell, "rounds": len(rounds), "wrong": wrong}
    print(
        json.dumps(found) if given.json else f"{len(fell)} kills in {len(rounds)} plans: {wrong or 'nothing is wrong'}"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
