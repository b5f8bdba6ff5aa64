"""What the cells of a run's notebooks did and how long each took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select

from p2c_lib.ledger import schema
from p2c_lib.ledger.database import Database

__all__ = ["Cells"]


class Cells(Database):
    """One line for each cell that ended: done, failed or skipped."""

    def record_cells(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Cells that ended, each with notebook, cell (its place), state, seconds, why and at."""
        if rows:
            with self._write() as connection:
                connection.execute(insert(schema.cells), [{**row, "run_id": run_id} for row in rows])

    def cells(self, run_id: str) -> list[dict[str, Any]]:
        """The cells of a run in the order they ended."""
        table = schema.cells
        return self._read(select(table).where(table.c.run_id == run_id).order_by(table.c.at, table.c.id))
