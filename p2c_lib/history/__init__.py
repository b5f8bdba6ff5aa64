"""Runs that were: listed, shown, compared and pruned, from the ledger and the run folders."""

from p2c_lib.history.closing import close_gone
from p2c_lib.history.comparison import Comparison, compare
from p2c_lib.history.overview import History, history
from p2c_lib.history.past_run import PastRun, past_run, past_runs
from p2c_lib.history.pruning import Pruned, duration, prune
from p2c_lib.history.run_page import run_report, show_run

__all__ = [
    "Comparison",
    "History",
    "PastRun",
    "Pruned",
    "close_gone",
    "compare",
    "duration",
    "history",
    "past_run",
    "past_runs",
    "prune",
    "run_report",
    "show_run",
]
