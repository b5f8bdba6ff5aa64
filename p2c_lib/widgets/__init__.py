"""Look at results in Jupyter; decide nothing."""

from p2c_lib.widgets.mapping_explorer import MappingExplorer
from p2c_lib.widgets.plan_review import PlanReview
from p2c_lib.widgets.reconciliation_explorer import ReconciliationExplorer

__all__ = ["MappingExplorer", "PlanReview", "ReconciliationExplorer"]
