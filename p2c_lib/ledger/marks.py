"""How far each task has read its source, and what it saw being deleted there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from p2c_lib.ledger import schema
from p2c_lib.ledger.chain import keep, now
from p2c_lib.ledger.database import Database

__all__ = ["Marks"]


class Marks(Database):
    """One mark a task, which moves when a load is done; ``place`` names the two systems it was read from."""

    def mark(self, *, connection_set: str, company: str, task: str) -> dict[str, Any] | None:
        """A task's mark: the hashes of its rules, its positions by table, folder, rows and at; None before one."""
        scope = {"connection_set": connection_set, "company": company, "task": task}
        table = schema.marks
        rows = self._read(select(table).where(*schema.within(table, scope)).order_by(table.c.at.desc()))
        return {**rows[0], "positions": json.loads(rows[0]["positions"])} if rows else None

    def marks(self, *, connection_set: str, company: str) -> list[dict[str, Any]]:
        """The marks of all tasks of a set and company."""
        table, scope = schema.marks, {"connection_set": connection_set, "company": company}
        rows = self._read(select(table).where(*schema.within(table, scope)).order_by(table.c.task, table.c.at))
        return list({row["task"]: row for row in rows}.values())

    def set_mark(
        self,
        run_id: str,
        *,
        connection_set: str,
        company: str,
        task: str,
        template_sha: str,
        suite_sha: str,
        version: str,
        place: str,
        positions: Mapping[str, str | None],
        folder: Path,
        rows: int,
    ) -> None:
        """A load is done: the task has read its source up to here. It takes the place of the earlier mark."""
        table, scope = schema.marks, {"connection_set": connection_set, "company": company, "task": task}
        facts = {"template_sha": template_sha, "suite_sha": suite_sha, "version": version, "place": place}
        facts |= {"positions": json.dumps(dict(positions)), "folder": str(folder)}
        row = {**facts, "run_id": run_id, "rows": rows, "at": now()}
        with self._write() as connection:
            scope = schema.spelt(connection, table, scope)
            connection.execute(table.delete().where(*_mine(table, scope)))
            connection.execute(insert(table), {**row, **scope})
            keep(connection, table, *_mine(table, scope))

    def record_deletions(
        self, run_id: str, *, connection_set: str, company: str, task: str, states: Mapping[str, str]
    ) -> None:
        """Rows of a task were seen to be deleted at the source; by key, what came of it at the destination.

        ``left`` where it was not asked for, else as ``marks.removed`` says.
        """
        table = schema.deletions
        scope = {"run_id": run_id, "connection_set": connection_set, "company": company, "task": task}
        rows = [{**scope, "key": key, "state": state, "at": now()} for key, state in states.items()]
        if not rows:
            return
        with self._write() as connection:
            connection.execute(insert(table), rows)
            keep(connection, table, table.c.run_id == run_id, table.c.task == task)

    def deletions(self, *, run_id: str | None = None, task: str | None = None) -> list[dict[str, Any]]:
        """What was seen to be deleted at the source, the earliest first; in one run and of one task where named."""
        table, wanted = schema.deletions, {"run_id": run_id, "task": task}
        mine = _mine(table, {name: value for name, value in wanted.items() if value is not None})
        return self._read(select(table).where(*mine).order_by(table.c.id))


def _mine(table: Any, scope: Mapping[str, str]) -> list[Any]:
    return [table.c[name] == value for name, value in scope.items()]
