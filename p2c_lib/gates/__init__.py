"""The gate: quality decides, row by row, and remembers."""

from __future__ import annotations

from p2c_lib.gates.check import check
from p2c_lib.gates.held import waiting_wholes
from p2c_lib.gates.result import HELD, GateResult, Stage
from p2c_lib.gates.suite import rule_names
from p2c_lib.gates.trend import Trend, trend

__all__ = ["HELD", "GateResult", "Stage", "Trend", "check", "rule_names", "trend", "waiting_wholes"]
