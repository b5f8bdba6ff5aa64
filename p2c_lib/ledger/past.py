"""What the ledger tells of runs that were: counted by the database, so that a page of a million rows is a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, case, func, or_, select

from p2c_lib.ledger import schema
from p2c_lib.ledger.journal import Journal

__all__ = ["Past"]


class Past(Journal):
    """Questions about runs; nothing here writes."""

    def lines_of(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The tasks of many runs, in the order they ended."""
        if not run_ids:
            return []
        table, found = schema.tasks, []
        for start in range(0, len(run_ids), 500):
            mine = table.c.run_id.in_(run_ids[start : start + 500])
            found += self._read(select(table).where(mine).order_by(table.c.ended))
        return found

    def waiting_reasons(
        self, *, connection_set: str, company: str, tasks: Sequence[str], at: str
    ) -> list[dict[str, Any]]:
        """Why rows waited at a moment: each reason of each task with how many rows and one of them, the most first.

        A row that waits for several reasons counts in each.
        """
        table = schema.waiting
        by = (table.c.task, table.c.kind, table.c.rule, table.c.field)
        waited = _waited(connection_set, company, tasks, at)
        groups = select(func.min(table.c.id).label("id"), func.count(table.c.key.distinct()).label("rows"))
        counted = groups.where(waited).group_by(*by).subquery()
        columns = [*by, counted.c.rows, table.c.key, table.c.value, table.c.reason]
        joined = select(*columns).join(counted, counted.c.id == table.c.id)
        return self._read(joined.order_by(counted.c.rows.desc(), table.c.id))

    def waiting_at(
        self, *, connection_set: str, company: str, tasks: Sequence[str], at: str, most: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The rows that waited at a moment, each once, those that wait longest first; and how many there are in all."""
        table = schema.waiting
        waited = _waited(connection_set, company, tasks, at)
        once = select(func.min(table.c.id).label("id")).where(waited).group_by(table.c.task, table.c.key).subquery()
        rows = select(table).join(once, once.c.id == table.c.id).order_by(table.c.first_seen, table.c.id).limit(most)
        (counted,) = self._read(select(func.count().label("rows")).select_from(once))
        return self._read(rows), int(counted["rows"])

    def outcomes_of(self, run_id: str) -> list[dict[str, Any]]:
        """What became of the operations of a run: task, op, state, message, how many, and the key of one.

        ``state`` is ``sent`` where no answer is known.
        """
        plans, operations, outcomes = schema.plans, schema.operations, schema.outcomes
        mine = select(plans.c.plan_id).where(plans.c.run_id == run_id)
        sent, ended = _latest(operations, mine), _latest(outcomes, mine)
        answered = ended.c.times >= sent.c.times
        state = case((answered, outcomes.c.state), else_="sent").label("state")
        message = case((answered, outcomes.c.message), else_=None).label("message")
        told = (
            select(plans.c.task, plans.c.company, operations.c.op, state, message, operations.c.key.label("key"))
            .select_from(sent)
            .join(operations, operations.c.id == sent.c.id)
            .join(plans, plans.c.plan_id == sent.c.plan_id)
            .join(ended, and_(ended.c.plan_id == sent.c.plan_id, ended.c.position == sent.c.position), isouter=True)
            .join(outcomes, outcomes.c.id == ended.c.id, isouter=True)
            .subquery()
        )
        by = (told.c.task, told.c.company, told.c.op, told.c.state, told.c.message)
        counted = select(*by, func.count().label("rows"), func.min(told.c.key).label("key")).group_by(*by)
        return self._read(counted.order_by(func.count().desc(), told.c.task))


def _waited(connection_set: str, company: str, tasks: Sequence[str], at: str) -> ColumnElement[bool]:
    table = schema.waiting
    one = schema.within(table, {"connection_set": connection_set, "company": company})
    scope = and_(*one, table.c.task.in_(tasks))
    return and_(scope, table.c.first_seen <= at, or_(table.c.state == "open", table.c.last_seen > at))


def _latest(table: Any, plan_ids: Any) -> Subquery:
    """Of each position of these plans the latest line, and how many there are."""
    by = (table.c.plan_id, table.c.position)
    columns = (*by, func.max(table.c.id).label("id"), func.count().label("times"))
    return select(*columns).where(table.c.plan_id.in_(plan_ids)).group_by(*by).subquery()
