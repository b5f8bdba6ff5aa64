"""What would be written, as files held by their hash: made, shown, narrowed, opened again."""

from p2c_lib.plan.files import open_plan
from p2c_lib.plan.make import plan
from p2c_lib.plan.value import Plan

__all__ = ["Plan", "open_plan", "plan"]
