"""A run as it happens: its tasks, the step each is at, rows, rate and time left; a finished run at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from p2c_lib.config import Workspace
from p2c_lib.config import workspace as current_workspace
from p2c_lib.errors import UnknownName
from p2c_lib.history import past_runs
from p2c_lib.ledger import open_ledger
from p2c_lib.report import Table, fragment
from p2c_lib.widgets.family import FamilyWidget, family_file, said_badly
from p2c_lib.widgets.run_progress import COUNTS, Steps, progress_of

__all__ = ["RunMonitor"]

SHOWN_RUNS = 30
NONE_YET = "No run yet in this workspace. Start one in a terminal: p2c run"


class RunMonitor(FamilyWidget):
    """Follows the runs of a workspace, the latest unless one is named, from the ledger and the run's own events.

    The browser asks again every second while the run goes on. It starts and stops nothing. ``static()`` is the run as
    it stands, as HTML.
    """

    _esm = family_file("run_monitor.js")
    _css = family_file("run_monitor.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, workspace: Workspace | None = None, run: str | None = None) -> None:
        self._workspace = workspace or current_workspace()
        self.run = run
        self._steps = Steps()
        self._turns = 0
        super().__init__(state={"runs": [], "run": None, "tasks": [], "turn": 0, "nothing": NONE_YET})
        self.on_msg(self._asked)
        self.look()

    def look(self) -> None:
        """Read again how the run stands."""
        self.attempt(self._look)
        self._turns += 1  # an answer is news to the browser even where nothing moved
        self.state = {**self.state, "turn": self._turns}

    def pick(self, run: str | None) -> None:
        """Follow another run, or with None the latest."""
        self.run = run
        self.look()

    def static(self) -> str:
        """The run as it stands, as HTML that needs no kernel."""
        run = self.state["run"]
        if self.problem:
            return said_badly(self.problem)
        if run is None:
            return fragment(f"<p>{NONE_YET}</p>")
        names = ("task", "state", *COUNTS, "seconds")
        rows = tuple(tuple(line.get(name) for name in names) for line in self.state["tasks"])
        return fragment(Table(names, rows, f"Run {run['id']}: {run['status']}").to_html())

    def __repr__(self) -> str:
        run = self.state["run"]
        return f"RunMonitor({run['id']}: {run['status']})" if run else "RunMonitor(no run yet)"

    def _asked(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("do") == "pick":
            self.pick(content.get("run") or None)
        else:
            self.look()

    def _look(self) -> None:
        ledger = open_ledger(self._workspace.ledger)
        try:
            runs = past_runs(ledger, self._workspace, most=SHOWN_RUNS)
        finally:
            ledger.close()
        found = next((one for one in runs if self.run in (None, one.run_id)), None)
        if found is None and self.run is not None:
            raise UnknownName("run", self.run, [one.run_id for one in runs])
        listed = [
            {"id": one.run_id, "says": f"{one.started:%Y-%m-%d %H:%M:%S}, {one.mode}, {one.status}"} for one in runs
        ]
        shown = {} if found is None else progress_of(found, runs, self._steps.of(found))
        self.state = {**self.state, "runs": listed, "picked": self.run or "", "run": None, "tasks": [], **shown}
