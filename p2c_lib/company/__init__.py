"""The whole company at once: every task reconciled, orphans, the same party twice, and how it went over time.

Nothing is written to either system; what was counted goes to the ledger, so that a trend can be drawn.
"""

from p2c_lib.company.catalogue import PARTIES
from p2c_lib.company.survey import duplicates_of, reconcile_all
from p2c_lib.company.view import CompanyView, match_rate

__all__ = ["PARTIES", "CompanyView", "duplicates_of", "match_rate", "reconcile_all"]
