"""Applying: a plan of mixed operations against the sandbox, the client's own share of the time and its requests.

    python benchmarks/apply.py [--rows 50000] [--json]

``client_share`` is the share of wall time in which no request was on its way. ``requests_vs_minimum`` divides the
requests of the apply, look-ups and samples among them, by the fewest its route takes. One connection, as a user has it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from p2c_lib.config import SANDBOX, Workspace
from p2c_lib.load import apply
from p2c_lib.odata.send import Sender
from p2c_lib.sandbox import process
from p2c_lib.session import Session
from tests.customers import customers, plan_of


class Watch:
    """When requests were on their way, over all threads."""

    def __init__(self) -> None:
        self.waited, self._flying, self._since = 0.0, 0, 0.0
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """One request."""
        with self._lock:
            if self._flying == 0:
                self._since = perf_counter()
            self._flying += 1
        try:
            yield
        finally:
            with self._lock:
                self._flying -= 1
                if self._flying == 0:
                    self.waited += perf_counter() - self._since


def watched(sender: Sender) -> Watch:
    """A watch on every request of a sender."""
    watch = Watch()
    plain = sender.send

    def send(*given: Any, **named: Any) -> Any:
        with watch.request():
            return plain(*given, **named)

    sender.send = send  # type: ignore[method-assign]
    return watch


def main() -> None:
    """Lay the ground, plan, apply, measure."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=50_000)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    half = given.rows // 2
    with tempfile.TemporaryDirectory(prefix="p2c-bench-") as folder:
        workspace = Workspace(Path(folder))
        running = process.start(workspace.sandbox_home, limits=False)
        try:
            with Session(workspace.connection_set(SANDBOX), workspace) as session:
                apply(plan_of(session, customers("ZB-", half), Path(folder) / "plans", "ZB-"), session)
                plan = plan_of(session, customers("ZB-", given.rows, version=2), Path(folder) / "plans", "ZB-")
                watch, before = watched(session.finops.sender), session.finops.sender.requests
                outcome = apply(plan, session)
                requests = session.finops.sender.requests - before
        finally:
            process.stop(running)
    if outcome.failed or outcome.drifted:
        raise SystemExit(f"Not every row was written: {outcome}")
    figures = {
        "client_share": round(1 - watch.waited / outcome.seconds, 3),
        "requests_vs_minimum": round(requests / plan.facts["predicted"]["requests"], 3),
        "rows_per_s": round(len(plan) / outcome.seconds),
        "requests": requests,
    }
    found = {"benchmark": "apply", "rows": len(plan), "figures": figures}
    print(json.dumps(found) if given.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
