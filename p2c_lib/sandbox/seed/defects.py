"""Every kind of trouble, planted on purpose in an otherwise clean company, and written down as it is planted."""

from __future__ import annotations

from p2c_lib.sandbox.seed.company import Company
from p2c_lib.sandbox.seed.finops_defects import FINOPS_STEPS
from p2c_lib.sandbox.seed.planter import Defect, Planter
from p2c_lib.sandbox.seed.sales_defects import SALES_STEPS


def plant(company: Company) -> list[Defect]:
    """Plant everything once or a few times, whatever the company's size allows; answers what was planted."""
    planter = Planter(company)
    for step in (*SALES_STEPS, *FINOPS_STEPS):
        step(planter)
    return planter.planted
