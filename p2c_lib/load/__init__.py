"""Apply a plan, or take back what one wrote: every row accounted for, safe to repeat."""

from p2c_lib.load.applying import apply
from p2c_lib.load.outcome import LoadOutcome, Progress
from p2c_lib.load.undoing import undo

__all__ = ["LoadOutcome", "Progress", "apply", "undo"]
