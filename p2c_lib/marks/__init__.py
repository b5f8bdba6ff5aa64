"""What changed at a task's source since its last load, so that a run need not read everything."""

from p2c_lib.marks.delta import Delta, delta_of
from p2c_lib.marks.increment import Increment, moment
from p2c_lib.marks.mark import Mark, Rules, last_mark
from p2c_lib.marks.seen import source_keys

__all__ = ["Delta", "Increment", "Mark", "Rules", "delta_of", "last_mark", "moment", "source_keys"]
