"""What happened, durably: runs, tasks, plans, operations and rows that wait."""

from p2c_lib.ledger.ledger import Ledger, WaitingRow, open_ledger

__all__ = ["Ledger", "WaitingRow", "open_ledger"]
