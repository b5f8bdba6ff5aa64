"""The gate: quality decides, row by row."""

from __future__ import annotations

from p2c_lib.gates.check import check
from p2c_lib.gates.result import GateResult

__all__ = ["GateResult", "check"]
