"""Applying: plans against the sandbox, by either route, the client's own share of the time and its requests.

    python benchmarks/apply.py [--rows 50000] [--json]

First half of the rows as a first load, which goes as a package import; then as many operations as ``--rows``, updates
and creates mixed, which go in batches. ``client_share`` is the share of wall time in which no request was on its way;
``requests_vs_minimum`` divides the requests of the apply, look-ups and samples among them, by the fewest its route
takes. Those of the import begin with ``import_``; between two questions for its status the client waits for F&O too.
One connection, as a user has it.
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
from p2c_lib.odata import package
from p2c_lib.odata.send import Sender
from p2c_lib.plan import Plan
from p2c_lib.plan.forecast import BATCH, PACKAGE
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
    """A watch on every request of a sender, uploads among them, and on the waiting for an import."""
    watch = Watch()
    for owner, name in ((sender, "send"), (sender, "upload"), (package, "rest")):
        plain = getattr(owner, name)

        def timed(*given: Any, plain: Any = plain, **named: Any) -> Any:
            with watch.request():
                return plain(*given, **named)

        setattr(owner, name, timed)
    return watch


def lap(session: Session, plan: Plan, watch: Watch, prefix: str = "") -> dict[str, float]:
    """Apply a plan and measure."""
    before, waited = session.finops.sender.requests, watch.waited
    outcome = apply(plan, session)
    requests = session.finops.sender.requests - before
    if not outcome.complete:
        raise SystemExit(f"Not every row was written: {outcome}")
    return {
        f"{prefix}client_share": round(1 - (watch.waited - waited) / outcome.seconds, 3),
        f"{prefix}requests_vs_minimum": round(requests / plan.facts["predicted"]["requests"], 3),
        f"{prefix}rows_per_s": round(len(plan) / outcome.seconds),
        f"{prefix}requests": requests,
    }


def main() -> None:
    """Plan, apply, measure; twice."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=50_000)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="p2c-bench-") as folder:
        workspace, plans = Workspace(Path(folder)), Path(folder) / "plans"
        running = process.start(workspace.sandbox_home, limits=False)
        try:
            with Session(workspace.connection_set(SANDBOX), workspace) as session:
                watch = watched(session.finops.sender)
                first = plan_of(session, customers("ZB-", given.rows // 2), plans, "ZB-")
                loaded = lap(session, first, watch, "import_")
                mixed = plan_of(session, customers("ZB-", given.rows, version=2), plans, "ZB-")
                figures = lap(session, mixed, watch) | loaded
        finally:
            process.stop(running)
    routes = [plan.facts["predicted"]["routes"]["create"] for plan in (first, mixed)]
    if routes != [PACKAGE, BATCH]:
        raise SystemExit(f"The plans went by other routes than they were to: {routes}. Give more --rows.")
    found = {"benchmark": "apply", "rows": len(mixed), "figures": figures}
    print(json.dumps(found) if given.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
