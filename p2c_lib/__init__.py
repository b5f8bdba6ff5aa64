"""The Prospect-to-cash workbench: bring Dynamics 365 Sales and Finance and Operations into agreement.

    import p2c_lib as p2c

    session = p2c.connect("sandbox")
    template = p2c.template("accounts")
    source = session.extract(template.source)
    mapped = p2c.map_frame(source, template, session)
    gate = p2c.check(mapped, "accounts")

Names load when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2c_lib.company import CompanyView, reconcile_all
    from p2c_lib.config import ConnectionSet, Workspace, workspace
    from p2c_lib.connecting import ConnectionCheck, check_connection
    from p2c_lib.errors import P2CError, StopRun
    from p2c_lib.flow import TASKS, TaskSummary, TaskWalk, walk
    from p2c_lib.frames import EntityFrame, EntityQuery
    from p2c_lib.gates import GateResult, check
    from p2c_lib.history import Comparison, History, compare, history, show_run
    from p2c_lib.ledger import Ledger, open_ledger
    from p2c_lib.load import LoadOutcome, apply, undo
    from p2c_lib.mapping import Mapped, Template, map_frame, template
    from p2c_lib.mapping.document import diff, export
    from p2c_lib.mapping.lab import MappingLab
    from p2c_lib.mapping.suggest import explore, suggest
    from p2c_lib.mapping.validation import validate
    from p2c_lib.plan import Plan, open_plan, plan
    from p2c_lib.reconcile import Reconciliation, reconcile
    from p2c_lib.report import Report
    from p2c_lib.session import Session, connect
    from p2c_lib.why import why, why_cell
    from p2c_lib.widgets import (
        ConnectionPanel,
        GateView,
        MappingExplorer,
        ParameterForm,
        PlanReview,
        ReconciliationExplorer,
        RunMonitor,
    )

__version__ = "0.1.0"

_HOMES = {
    "company": ("CompanyView", "reconcile_all"),
    "config": ("ConnectionSet", "Workspace", "workspace"),
    "connecting": ("ConnectionCheck", "check_connection"),
    "errors": ("P2CError", "StopRun"),
    "flow": ("TASKS", "TaskSummary", "TaskWalk", "walk"),
    "frames": ("EntityFrame", "EntityQuery"),
    "gates": ("GateResult", "check"),
    "history": ("Comparison", "History", "compare", "history", "show_run"),
    "ledger": ("Ledger", "open_ledger"),
    "load": ("LoadOutcome", "apply", "undo"),
    "mapping": ("Mapped", "Template", "map_frame", "template"),
    "mapping.document": ("diff", "export"),
    "mapping.lab": ("MappingLab",),
    "mapping.suggest": ("explore", "suggest"),
    "mapping.validation": ("validate",),
    "plan": ("Plan", "open_plan", "plan"),
    "reconcile": ("Reconciliation", "reconcile"),
    "report": ("Report",),
    "session": ("Session", "connect"),
    "why": ("why", "why_cell"),
    "widgets": (
        "ConnectionPanel",
        "GateView",
        "MappingExplorer",
        "ParameterForm",
        "PlanReview",
        "ReconciliationExplorer",
        "RunMonitor",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "TASKS",
    "CompanyView",
    "Comparison",
    "ConnectionCheck",
    "ConnectionPanel",
    "ConnectionSet",
    "EntityFrame",
    "EntityQuery",
    "GateResult",
    "GateView",
    "History",
    "Ledger",
    "LoadOutcome",
    "Mapped",
    "MappingExplorer",
    "MappingLab",
    "P2CError",
    "ParameterForm",
    "Plan",
    "PlanReview",
    "Reconciliation",
    "ReconciliationExplorer",
    "Report",
    "RunMonitor",
    "Session",
    "StopRun",
    "TaskSummary",
    "TaskWalk",
    "Template",
    "Workspace",
    "apply",
    "check",
    "check_connection",
    "compare",
    "connect",
    "diff",
    "explore",
    "export",
    "history",
    "map_frame",
    "open_ledger",
    "open_plan",
    "plan",
    "reconcile",
    "reconcile_all",
    "show_run",
    "suggest",
    "template",
    "undo",
    "validate",
    "walk",
    "why",
    "why_cell",
    "workspace",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """``plan`` and ``reconcile`` name a function and the module it lives in: the function is what users call."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME_OF):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
