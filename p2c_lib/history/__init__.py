"""Runs that were: listed, shown, compared and pruned, from the ledger and the run folders."""

from p2c_lib.history.past_run import PastRun, past_run, past_runs
from p2c_lib.history.run_page import run_report

__all__ = ["PastRun", "past_run", "past_runs", "run_report"]
