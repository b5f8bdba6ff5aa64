"""Notebooks as unattended runs: checked parameters, papermill, a run folder, one report.

A run folder is ``.p2c/runs/<run id>/``: the executed notebooks, each task's snapshots and plan, and ``report.html``.
Results come back through the ledger; no notebook output is ever parsed.
"""

from p2c_lib.runs.described import Parameter, described, parse_parameters
from p2c_lib.runs.graph import run
from p2c_lib.runs.parameters import NOTEBOOKS, RunParameters, checked, parameters_of
from p2c_lib.runs.result import RunResult

__all__ = [
    "NOTEBOOKS",
    "Parameter",
    "RunParameters",
    "RunResult",
    "checked",
    "described",
    "parameters_of",
    "parse_parameters",
    "run",
]
