"""The F&O side of the sandbox: data entities under ``/data/``, their metadata under ``/metadata/``."""

from p2c_lib.sandbox.finops.service import FinOps
from p2c_lib.sandbox.finops.switches import Switches

__all__ = ["FinOps", "Switches"]
