"""Notebooks as unattended runs: checked parameters, papermill, a run folder, one report.

A run folder is ``.p2c/runs/<run id>/``: the executed notebooks, each task's snapshots and plan, ``events.jsonl`` and
``report.html``. Results come back through the ledger; no notebook output is ever parsed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from p2c_lib.runs.described import Parameter, described, parse_parameters
from p2c_lib.runs.parameters import NOTEBOOKS, RunParameters, checked, parameters_of

if TYPE_CHECKING:
    from p2c_lib.runs.result import RunResult
    from p2c_lib.runs.running import resume, run

__all__ = [
    "NOTEBOOKS",
    "Parameter",
    "RunParameters",
    "RunResult",
    "checked",
    "described",
    "parameters_of",
    "parse_parameters",
    "resume",
    "run",
]

# These load what a walk needs; a wrong parameter is told before that.
_LATER = {"RunResult": "result", "resume": "running", "run": "running"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
