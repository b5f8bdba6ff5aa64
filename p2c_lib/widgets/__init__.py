"""Look at results in Jupyter; decide nothing."""

from p2c_lib.widgets.connection_panel import ConnectionPanel
from p2c_lib.widgets.gate_view import GateView
from p2c_lib.widgets.mapping_explorer import MappingExplorer
from p2c_lib.widgets.parameter_form import ParameterForm
from p2c_lib.widgets.plan_review import PlanReview
from p2c_lib.widgets.reconciliation_explorer import ReconciliationExplorer
from p2c_lib.widgets.run_monitor import RunMonitor

__all__ = [
    "ConnectionPanel",
    "GateView",
    "MappingExplorer",
    "ParameterForm",
    "PlanReview",
    "ReconciliationExplorer",
    "RunMonitor",
]
