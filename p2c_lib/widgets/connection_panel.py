"""A connection set step by step: what was found at each, and what to do where it does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from p2c_lib.config import SANDBOX, Workspace
from p2c_lib.connecting import ConnectionCheck, Finding, check_connection
from p2c_lib.report import fragment
from p2c_lib.widgets.family import FamilyWidget, family_file, said_badly

__all__ = ["ConnectionPanel"]


class ConnectionPanel(FamilyWidget):
    """Walks through a connection set of ``p2c.toml`` and shows each step with its finding and remedy.

    A button looks again, with the findings appearing as they are made. ``check`` is the latest look; nothing is written
    to either system. ``static()`` is the same as HTML.
    """

    _esm = family_file("connection_panel.js")
    _css = family_file("connection_panel.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, connection_set: str = SANDBOX, *, workspace: Workspace | None = None) -> None:
        self.connection_set, self._workspace = connection_set, workspace
        self.check: ConnectionCheck | None = None
        super().__init__(state=self._state(()))
        self.on_msg(self._asked)
        self.look()

    def look(self) -> None:
        """Walk through the connection set anew."""
        self.attempt(self._look)

    def static(self) -> str:
        """The findings as HTML that needs no kernel."""
        return said_badly(self.problem) if self.check is None else fragment(self.check.report().body())

    def __repr__(self) -> str:
        return f"ConnectionPanel({self.connection_set}: {self.check.why if self.check else self.problem})"

    def _asked(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("do") == "look":
            self.look()

    def _look(self) -> None:
        found: list[Finding] = []
        self.check = None

        def told(finding: Finding) -> None:
            found.append(finding)
            self.state = self._state(tuple(found))

        self.check = check_connection(self.connection_set, workspace=self._workspace, tell=told)
        self.state = self._state(self.check.findings, self.check)

    def _state(self, findings: tuple[Finding, ...], check: ConnectionCheck | None = None) -> dict[str, Any]:
        end = {"verdict": check.verdict, "why": check.why} if check else {"verdict": "", "why": ""}
        lines = [{**finding.to_dict(), "system": finding.system} for finding in findings]
        return {"set": self.connection_set, "findings": lines, **end}
