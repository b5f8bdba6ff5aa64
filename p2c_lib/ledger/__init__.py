"""What happened, durably: runs, tasks, plans, operations and rows that wait."""

from p2c_lib.ledger.ledger import ONE_KEY, Ledger, WaitingRow, open_ledger

__all__ = ["ONE_KEY", "Ledger", "WaitingRow", "open_ledger"]
