"""Plans, who approved them, who applies them now, and what became of every operation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, text, update

from p2c_lib.ledger import schema
from p2c_lib.ledger.chain import Verification, append, keep, now, verify
from p2c_lib.ledger.database import Database

__all__ = ["Journal"]

MOST_KEYS = 500
# A pace is told by applies of so many rows, the latest of them.
TELLING, LATEST = 50, 5
SHARED_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())")


class Journal(Database):
    """What is written about plans and their operations; lines about operations are only ever added."""

    def record_plan(
        self,
        plan_id: str,
        *,
        task: str,
        folder: Path,
        run_id: str | None,
        company: str | None = None,
        entity_set: str | None = None,
        undoes: str | None = None,
    ) -> None:
        """A plan is about to be applied or was approved; the same plan is recorded once, its run when it is known."""
        table = schema.plans
        row = {"plan_id": plan_id, "run_id": run_id, "task": task, "folder": str(folder.absolute()), "made": now()}
        row |= {"company": company, "entity_set": entity_set, "undoes": undoes}
        with self._write() as connection:
            mine = table.c.plan_id == plan_id
            known = connection.execute(select(table).where(mine)).mappings().first()
            if known is None:
                connection.execute(insert(table), row)
            elif known["run_id"] is None and run_id is not None:
                connection.execute(update(table).where(mine).values(run_id=run_id))
            else:
                return
            keep(connection, table, mine)

    def plans(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """The plans that were applied or approved, the earliest first; those of one run where it is named."""
        table = schema.plans
        statement = select(table).order_by(table.c.made, table.c.plan_id)
        return self._read(statement if run_id is None else statement.where(table.c.run_id == run_id))

    def approve(self, plan_id: str, *, by: str, note: str = "") -> None:
        """A person approved the plan with this hash."""
        with self._write() as connection:
            append(connection, schema.approvals, [{"plan_id": plan_id, "by": by, "note": note, "at": now()}])

    def approvals(self, plan_id: str) -> list[dict[str, Any]]:
        """Who approved a plan and when, the earliest first."""
        table = schema.approvals
        return self._read(select(table).where(table.c.plan_id == plan_id).order_by(table.c.id))

    # who applies a plan now

    def lease(self, plan_id: str, holder: str, seconds: float, *, instead_of: str | None = None) -> str | None:
        """Take or renew a right, such as that to apply a plan; None when it is ours, else who holds it.

        ``instead_of`` is a holder known to be gone, whose lease need not run out first.
        """
        table = schema.leases
        with self._write() as connection:
            until = (at := _clock(connection)) + seconds
            found = connection.execute(select(table).where(table.c.plan_id == plan_id)).mappings().first()
            if found is None:
                connection.execute(insert(table), {"plan_id": plan_id, "holder": holder, "until": until})
                return None
            if found["holder"] not in {holder, instead_of} and found["until"] > at:
                return str(found["holder"])
            mine = table.c.plan_id == plan_id
            connection.execute(update(table).where(mine).values(holder=holder, until=until))
            return None

    def holder_of(self, plan_id: str) -> str | None:
        """Who has a lease that has not run out."""
        table = schema.leases
        with self._look() as connection:
            mine = (table.c.plan_id == plan_id, table.c.until > _clock(connection))
            return connection.execute(select(table.c.holder).where(*mine)).scalar()

    def give_back(self, plan_id: str, holder: str) -> None:
        """The plan may be applied by others again."""
        table = schema.leases
        with self._write() as connection:
            connection.execute(table.delete().where(table.c.plan_id == plan_id, table.c.holder == holder))

    # operations

    def sending(self, plan_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Operations are about to be sent: rows of position, op, entity_set, key."""
        at = now()
        with self._write() as connection:
            append(connection, schema.operations, [{**row, "plan_id": plan_id, "at": at} for row in rows])

    def answered(self, plan_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Operations were answered: rows of position, state, status, message and request_id."""
        at = now()
        with self._write() as connection:
            append(connection, schema.outcomes, [{**row, "plan_id": plan_id, "at": at} for row in rows])

    def importing(self, plan_id: str, execution: str, state: str) -> None:
        """Creates of a plan are about to be sent as one import (``sent``), or what became of it."""
        line = {"plan_id": plan_id, "execution": execution, "state": state, "at": now()}
        with self._write() as connection:
            append(connection, schema.imports, [line])

    def imports(self, plan_id: str) -> list[dict[str, Any]]:
        """What was noted about imports of a plan, the earliest first: execution, state and time."""
        table = schema.imports
        return self._read(select(table).where(table.c.plan_id == plan_id).order_by(table.c.id))

    def operations(self, plan_id: str) -> list[dict[str, Any]]:
        """The operations of a plan that were sent, in plan order, each as it stands now.

        ``state`` is ``sent`` while no answer is known, or that of the last outcome; ``sent`` and ``answered`` are
        times.
        """
        sent = self._read(select(schema.operations).where(schema.operations.c.plan_id == plan_id).order_by("id"))
        ended = self._read(select(schema.outcomes).where(schema.outcomes.c.plan_id == plan_id).order_by("id"))
        return sorted(_together(sent, ended), key=lambda row: int(row["position"]))

    def written(self, entity_set: str, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Every operation on rows of a set that was applied, the earliest first, with its plan's folder and run."""
        sent, ended, plans = schema.operations, schema.outcomes, schema.plans
        joined = sent.join(
            ended,
            (ended.c.plan_id == sent.c.plan_id) & (ended.c.position == sent.c.position) & (ended.c.state == "applied"),
        ).join(plans, plans.c.plan_id == sent.c.plan_id)
        wanted = [sent.c.plan_id, sent.c.position, sent.c.op, sent.c.key, ended.c.request_id, ended.c.status]
        columns = [*wanted, ended.c.at.label("answered"), plans.c.folder, plans.c.run_id, plans.c.task, plans.c.company]
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for start in range(0, len(keys), MOST_KEYS):
            mine = or_(*(sent.c.key == key for key in keys[start : start + MOST_KEYS]))
            statement = select(*columns).select_from(joined).where(sent.c.entity_set == entity_set, mine)
            for row in self._read(statement.order_by(ended.c.id)):
                found[row["plan_id"], row["position"]] = row
        return sorted(found.values(), key=lambda row: str(row["answered"]))

    def written_since(
        self, moment: str, *, task: str, company: str | None, entity_set: str, but: str
    ) -> dict[str, int]:
        """The folders of other plans that wrote rows of a task since a moment, each with how many."""
        ended, plans = schema.outcomes, schema.plans
        since = datetime.fromisoformat(moment).astimezone(UTC).isoformat(timespec="milliseconds")
        mine = (plans.c.task == task, plans.c.entity_set == entity_set, plans.c.plan_id != but)
        of = plans.c.company == company if company else plans.c.company.is_(None)
        statement = (
            select(plans.c.folder, func.count().label("rows"))
            .join(ended, ended.c.plan_id == plans.c.plan_id)
            .where(*mine, of, ended.c.state == "applied", ended.c.at >= since)
            .group_by(plans.c.folder)
        )
        return {row["folder"]: int(row["rows"]) for row in self._read(statement)}

    def pace(self, entity_set: str) -> float | None:
        """Rows a second over the last applies to a set that wrote enough to tell; None before one did."""
        sent, plans = schema.operations, schema.plans
        ended, mine = schema.outcomes, select(plans.c.plan_id).where(plans.c.entity_set == entity_set)
        began = select(sent.c.plan_id, func.min(sent.c.at).label("at")).group_by(sent.c.plan_id).subquery()
        statement = (
            select(func.count().label("rows"), began.c.at.label("began"), func.max(ended.c.at).label("ended"))
            .join(began, began.c.plan_id == ended.c.plan_id)
            .where(ended.c.plan_id.in_(mine), ended.c.state == "applied")
            .group_by(ended.c.plan_id, began.c.at)
            .having(func.count() >= TELLING)
            .order_by(began.c.at.desc())
            .limit(LATEST)
        )
        spans = [(row["rows"], _seconds(row["began"], row["ended"])) for row in self._read(statement)]
        seconds = sum(span for _, span in spans)
        return sum(rows for rows, _ in spans) / seconds if seconds > 0 else None

    def verify(self, *, head: str | None = None) -> Verification:
        """Whether the ledger is as it was written; ``head`` is a hash of the chain noted earlier."""
        with self._look() as connection:
            return verify(connection, head=head)


def _clock(connection: Connection) -> float:
    """Seconds since 1970 by the clock that all who use a ledger share: several machines have several."""
    if connection.dialect.name == "postgresql":
        return float(connection.execute(SHARED_CLOCK).scalar_one())
    return time.time()


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _together(sent: list[dict[str, Any]], ended: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each position once: its latest sending, with the outcome where as many outcomes as sendings are known."""
    tries: dict[int, int] = {}
    latest: dict[int, dict[str, Any]] = {}
    for row in sent:
        latest[row["position"]] = row
        tries[row["position"]] = tries.get(row["position"], 0) + 1
    outcome: dict[int, dict[str, Any]] = {}
    for row in ended:
        outcome[row["position"]] = row
        tries[row["position"]] = tries.get(row["position"], 0) - 1
    for position, row in latest.items():
        known = outcome.get(position, {}) if tries[position] <= 0 else {}
        yield {
            **{name: row[name] for name in ("plan_id", "position", "op", "entity_set", "key")},
            "state": known.get("state", "sent"),
            "status": known.get("status"),
            "message": known.get("message"),
            "request_id": known.get("request_id"),
            "sent": row["at"],
            "answered": known.get("at"),
        }
