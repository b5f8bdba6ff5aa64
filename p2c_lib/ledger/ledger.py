"""The ledger: one database a workspace, SQLite in ``.p2c/`` unless a URL names another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.ledger import schema

__all__ = ["Ledger", "WaitingRow", "open_ledger"]

DECISIONS = ("same", "not same")


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row that did not go in, and why: ``kind`` is quarantined, held or failed.

    ``key`` is the row's normalised key text, as ``frames.key_text`` makes it.
    """

    key: str
    kind: str
    rule: str
    field: str
    value: str | None
    reason: str


class Ledger:
    """Facts about runs; every write is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        schema.METADATA.create_all(engine)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise ConfigError(
                f"The ledger at {self._engine.url.render_as_string()} cannot be written: {error.__class__.__name__}.",
                hint="Check that its disk is not full and that no other program holds it.",
            ) from error

    def _read(self, statement: Any) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    # runs and their tasks

    def begin_run(self, run_id: str, *, connection_set: str, company: str, apply: bool) -> None:
        """A run starts."""
        row = {
            "run_id": run_id,
            "connection_set": connection_set,
            "company": company,
            "apply": apply,
            "status": "running",
            "started": _now(),
        }
        with self._write() as connection:
            connection.execute(insert(schema.runs), row)

    def end_run(self, run_id: str, *, status: str, report: str | None) -> None:
        """A run ended; ``status`` is clean, differences or error."""
        values = {"status": status, "report": report, "ended": _now()}
        with self._write() as connection:
            connection.execute(update(schema.runs).where(schema.runs.c.run_id == run_id).values(values))

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the latest first."""
        return self._read(select(schema.runs).order_by(schema.runs.c.started.desc()))

    def record_task(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """What one task of a run came to; a task done again within a run replaces its line."""
        table = schema.tasks
        with self._write() as connection:
            connection.execute(table.delete().where(table.c.run_id == run_id, table.c.task == facts["task"]))
            connection.execute(insert(table), {**facts, "run_id": run_id, "ended": _now()})

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run in the order they ended. Raises UnknownName for a run that is not in the ledger."""
        rows = self._read(select(schema.tasks).where(schema.tasks.c.run_id == run_id).order_by(schema.tasks.c.ended))
        if not rows and run_id not in (known := [r["run_id"] for r in self.runs()]):
            raise UnknownName("run", run_id, known)
        return rows

    # plans and operations

    def record_plan(self, plan_id: str, *, task: str, folder: Path, run_id: str | None) -> None:
        """A plan is about to be applied; the same plan is recorded once."""
        row = {"plan_id": plan_id, "run_id": run_id, "task": task, "folder": str(folder), "made": _now()}
        with self._write() as connection:
            known = connection.execute(select(schema.plans.c.plan_id).where(schema.plans.c.plan_id == plan_id)).first()
            if known is None:
                connection.execute(insert(schema.plans), row)

    def sending(self, plan_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Operations are about to be sent: rows of position, op, entity_set, key."""
        table = schema.operations
        sent = [{**row, "plan_id": plan_id, "state": "sent", "sent": _now()} for row in rows]
        again = table.delete().where(table.c.plan_id == plan_id, table.c.position == bindparam("at"))
        with self._write() as connection:
            connection.execute(again, [{"at": row["position"]} for row in rows])
            connection.execute(insert(table), sent)

    def answered(self, plan_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Operations were answered: rows of at (the position), to (the state), code, message and request."""
        table = schema.operations
        statement = (
            update(table)
            .where(table.c.plan_id == plan_id, table.c.position == bindparam("at"))
            .values(
                state=bindparam("to"),
                status=bindparam("code"),
                message=bindparam("text"),
                request_id=bindparam("request"),
                answered=_now(),
            )
        )
        with self._write() as connection:
            connection.execute(statement, [dict(row) for row in rows])

    def operations(self, plan_id: str) -> list[dict[str, Any]]:
        """The operations of a plan that were sent, in plan order."""
        table = schema.operations
        return self._read(select(table).where(table.c.plan_id == plan_id).order_by(table.c.position))

    # rows that wait

    def record_waiting(
        self, run_id: str, *, connection_set: str, company: str, task: str, rows: Iterable[WaitingRow]
    ) -> None:
        """The rows of a task that wait now; those that waited before and no longer do are released."""
        table, now = schema.waiting, _now()
        mine = (table.c.connection_set == connection_set, table.c.company == company, table.c.task == task)
        with self._write() as connection:
            open_rows = connection.execute(select(table).where(*mine, table.c.state == "open")).mappings().all()
            known = {(r["key"], r["kind"], r["rule"], r["field"]): r["id"] for r in open_rows}
            seen = {"last_run": run_id, "last_seen": now}
            new, still = [], []
            for row in rows:
                found = known.pop((row.key, row.kind, row.rule, row.field), None)
                if found is not None:
                    still.append({"at": found, "shown": row.value, "why": row.reason})
                    continue
                first = {"first_run": run_id, "first_seen": now, "state": "open", "task": task, "company": company}
                new.append({**asdict(row), **first, **seen, "connection_set": connection_set})
            by_id = update(table).where(table.c.id == bindparam("at"))
            if still:
                connection.execute(by_id.values(value=bindparam("shown"), reason=bindparam("why"), **seen), still)
            if known:
                connection.execute(by_id.values(state="released", **seen), [{"at": i} for i in known.values()])
            if new:
                connection.execute(insert(table), new)

    def waiting(self, *, connection_set: str, company: str, task: str | None = None) -> list[dict[str, Any]]:
        """The rows that wait now, of one task or of all."""
        table = schema.waiting
        statement = select(table).where(
            table.c.connection_set == connection_set, table.c.company == company, table.c.state == "open"
        )
        if task is not None:
            statement = statement.where(table.c.task == task)
        return self._read(statement.order_by(table.c.task, table.c.key, table.c.rule))

    def blocked(self, *, connection_set: str, company: str) -> dict[str, dict[str, str]]:
        """For each task the keys that wait and why, the first reason of each: what holds dependent rows."""
        found: dict[str, dict[str, str]] = {}
        for row in self.waiting(connection_set=connection_set, company=company):
            found.setdefault(row["task"], {}).setdefault(row["key"], row["reason"])
        return found

    # what a person let through

    def quarantine(
        self, *, connection_set: str, company: str, task: str | None = None, key: str | None = None
    ) -> list[dict[str, Any]]:
        """Every row ever set aside or held, the newest last; ``state`` is open, released or waived, with by whom."""
        table = schema.waiting
        wanted = {"connection_set": connection_set, "company": company, "task": task, "key": key}
        mine = [table.c[name] == value for name, value in wanted.items() if value is not None]
        rows = self._read(select(table).where(*mine).order_by(table.c.id))
        waived = {
            (at, name): word
            for at in {row["task"] for row in rows}
            for name, word in self.waived(connection_set=connection_set, company=company, task=at).items()
        }
        for row in rows:
            row["waived"] = waived.get((row["task"], row["key"]))
            row["state"] = "waived" if row["waived"] and row["kind"] == "quarantined" else row["state"]
        return rows

    def waive(self, *, connection_set: str, company: str, task: str, key: str, by: str, why: str) -> None:
        """A person lets a quarantined row through from the next run on, and says why.

        Raises UnknownName for a row that is not set aside, ConfigError for one no word can let through.
        """
        scope = {"connection_set": connection_set, "company": company, "task": task}
        rows = [row for row in self.waiting(**scope) if row["key"] == key]
        if not rows:
            raise UnknownName("row set aside", key, {row["key"] for row in self.waiting(**scope)}, where=task)
        if not why.strip():
            raise ConfigError(f"{key} cannot be waived without a reason.", hint="Say why it may load as it is.")
        for row in rows:
            if row["kind"] != "quarantined" or row["rule"].startswith("mapping of "):
                hint = "Correct the row, or the one it waits for, or the template; a waiver only overrules the gate."
                raise ConfigError(f"{key} cannot be waived: {row['reason']}.", hint=hint)
        with self._write() as connection:
            connection.execute(insert(schema.waivers), {**scope, "key": key, "by": by, "why": why, "at": _now()})

    def waived(self, *, connection_set: str, company: str, task: str) -> dict[str, str]:
        """The keys of a task that were let through, with who did and why."""
        table = schema.waivers
        scope = {"connection_set": connection_set, "company": company, "task": task}
        mine = [table.c[name] == value for name, value in scope.items()]
        rows = self._read(select(table).where(*mine, table.c.ended.is_(None)).order_by(table.c.id))
        return {row["key"]: f"{row['by']}: {row['why']}" for row in rows}

    def release(self, *, connection_set: str, company: str, task: str, key: str) -> int:
        """End a row's waiver and its waiting; the next run judges it afresh. Returns how many entries that ended.

        Raises UnknownName for a row that is neither waived nor waiting.
        """
        scope = {"connection_set": connection_set, "company": company, "task": task, "key": key}
        ended = 0
        with self._write() as connection:
            for table, ends in ((schema.waivers, {"ended": _now()}), (schema.waiting, {"state": "released"})):
                still = table.c.ended.is_(None) if table is schema.waivers else table.c.state == "open"
                mine = [table.c[name] == value for name, value in scope.items()]
                ended += connection.execute(update(table).where(*mine, still).values(**ends)).rowcount
        if not ended:
            known = {row["key"] for row in self.waiting(connection_set=connection_set, company=company, task=task)}
            raise UnknownName("row set aside", key, known, where=task)
        return ended

    # what was compared, decided and agreed

    def record_reconciliation(
        self, run_id: str, *, connection_set: str, company: str, task: str, summary: Mapping[str, int]
    ) -> None:
        """How many rows of a task were in each class."""
        scope = {"run_id": run_id, "connection_set": connection_set, "company": company, "task": task, "at": _now()}
        with self._write() as connection:
            connection.execute(insert(schema.reconciliations), {**scope, **summary})

    def reconciliations(self, *, connection_set: str, company: str) -> list[dict[str, Any]]:
        """Every reconciliation of a set and company, the oldest first: what a trend is drawn from."""
        table = schema.reconciliations
        mine = (table.c.connection_set == connection_set, table.c.company == company)
        return self._read(select(table).where(*mine).order_by(table.c.id))

    def decide(self, *, connection_set: str, entity: str, pair: tuple[str, str], decision: str, by: str) -> None:
        """A person said whether two rows of an entity are the same party; the latest word counts.

        ``decision`` is ``same`` or ``not same``. Raises UnknownName for another word.
        """
        if decision not in DECISIONS:
            raise UnknownName("decision", decision, DECISIONS)
        first, second = sorted(pair)
        row = {"connection_set": connection_set, "entity": entity, "key_a": first, "key_b": second}
        with self._write() as connection:
            connection.execute(insert(schema.decisions), {**row, "decision": decision, "by": by, "at": _now()})

    def decisions(self, *, connection_set: str, entity: str) -> dict[tuple[str, str], str]:
        """What was decided about pairs of rows (keys, the smaller first)."""
        table = schema.decisions
        mine = (table.c.connection_set == connection_set, table.c.entity == entity)
        rows = self._read(select(table).where(*mine).order_by(table.c.id))
        return {(row["key_a"], row["key_b"]): row["decision"] for row in rows}

    def record_agreed(
        self, run_id: str, *, connection_set: str, company: str, task: str, file: Path, rows: int
    ) -> None:
        """Both systems agree on the rows in a Parquet file; it takes the place of the task's earlier one."""
        table = schema.agreed
        scope = {"connection_set": connection_set, "company": company, "task": task}
        with self._write() as connection:
            connection.execute(table.delete().where(*(table.c[name] == value for name, value in scope.items())))
            facts = {**scope, "run_id": run_id, "file": str(file), "rows": rows, "at": _now()}
            connection.execute(insert(table), facts)

    def agreed(self, *, connection_set: str, company: str, task: str) -> Path | None:
        """The Parquet file of the rows both systems last agreed on; None before the first agreement."""
        table = schema.agreed
        scope = {"connection_set": connection_set, "company": company, "task": task}
        rows = self._read(select(table).where(*(table.c[name] == value for name, value in scope.items())))
        return Path(rows[0]["file"]) if rows else None


def open_ledger(place: Path | str) -> Ledger:
    """The ledger in a folder (``ledger.db``, made when absent) or at a SQLAlchemy URL."""
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{place / 'ledger.db'}"
    else:
        url = place
    try:
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _durable_and_shared)
        return Ledger(engine)
    except SQLAlchemyError as error:
        raise ConfigError(f"The ledger at {place} cannot be opened: {error.__class__.__name__}.") from error


def _durable_and_shared(connection: Any, _record: Any) -> None:
    """Write-ahead log: readers never wait, and a killed writer leaves a consistent file."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=20000"):
        connection.execute(f"PRAGMA {pragma}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
