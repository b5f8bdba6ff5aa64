"""The ledger: one database a workspace, SQLite in ``.p2c/`` unless a URL names another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update

from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.ledger import schema
from p2c_lib.ledger.cells import Cells
from p2c_lib.ledger.chain import keep, now
from p2c_lib.ledger.database import engine_of
from p2c_lib.ledger.marks import Marks
from p2c_lib.ledger.past import Past

__all__ = ["ONE_KEY", "Ledger", "WaitingRow", "open_ledger"]

# How the gate calls what no word can let through: values the mapping refused, and rows the destination takes for one.
ONE_KEY = "one key in "
NO_WORD = ("mapping of ", ONE_KEY)
GATE_COUNTS = ("read", "passed", "quarantined", "held")
DECISIONS = ("same", "not same")


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row that did not go in, and why: ``kind`` is quarantined, held or failed.

    ``key`` is the row's normalised key text, as ``keys.RowKey`` makes it for its destination.
    """

    key: str
    kind: str
    rule: str
    field: str
    value: str | None
    reason: str


class Ledger(Past, Marks, Cells):
    """Facts about runs; every write is one transaction."""

    # runs and their tasks

    def begin_run(self, run_id: str, *, connection_set: str, company: str, apply: bool) -> None:
        """A run starts."""
        row = {
            "run_id": run_id,
            "connection_set": connection_set,
            "company": company,
            "apply": apply,
            "status": "running",
            "started": now(),
        }
        with self._write() as connection:
            connection.execute(insert(schema.runs), row)
            keep(connection, schema.runs, schema.runs.c.run_id == run_id)

    def go_on_with_run(self, run_id: str) -> bool:
        """A run that was cut off or failed is taken up again; false where there is none of that name."""
        mine = schema.runs.c.run_id == run_id
        with self._write() as connection:
            values = {"status": "running", "ended": None}
            found = connection.execute(update(schema.runs).where(mine).values(values)).rowcount
            keep(connection, schema.runs, mine)
        return bool(found)

    def end_run(self, run_id: str, *, status: str, report: str | None, at: str | None = None) -> None:
        """A run ended, now unless a moment is given; ``status`` is clean, differences, error or interrupted."""
        values = {"status": status, "report": report, "ended": at or now()}
        with self._write() as connection:
            connection.execute(update(schema.runs).where(schema.runs.c.run_id == run_id).values(values))
            keep(connection, schema.runs, schema.runs.c.run_id == run_id)

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the latest first."""
        return self._read(select(schema.runs).order_by(schema.runs.c.started.desc()))

    def record_task(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """What one task of a run came to; a task done again within a run replaces its line."""
        table = schema.tasks
        with self._write() as connection:
            connection.execute(table.delete().where(table.c.run_id == run_id, table.c.task == facts["task"]))
            connection.execute(insert(table), {**facts, "run_id": run_id, "ended": now()})
            keep(connection, table, table.c.run_id == run_id, table.c.task == facts["task"])

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run in the order they ended. Raises UnknownName for a run that is not in the ledger."""
        rows = self._read(select(schema.tasks).where(schema.tasks.c.run_id == run_id).order_by(schema.tasks.c.ended))
        if not rows and run_id not in (known := [r["run_id"] for r in self.runs()]):
            raise UnknownName("run", run_id, known)
        return rows

    # rows that wait

    def record_waiting(
        self,
        run_id: str,
        *,
        connection_set: str,
        company: str,
        task: str,
        rows: Iterable[WaitingRow],
        judged: Collection[str] | None = None,
    ) -> None:
        """The rows of a task that wait now; those that waited before and no longer do are released.

        ``judged`` are the keys a run looked at where it did not look at all: the others go on waiting.
        """
        table, at = schema.waiting, now()
        mine = schema.within(table, {"connection_set": connection_set, "company": company, "task": task})
        with self._write() as connection:
            open_rows = connection.execute(select(table).where(*mine, table.c.state == "open")).mappings().all()
            known = {(r["key"], r["kind"], r["rule"], r["field"]): r["id"] for r in open_rows}
            twice = {r["id"] for r in open_rows} - set(known.values())  # kept under two spellings of the company
            seen = {"last_run": run_id, "last_seen": at}
            new, still = [], []
            for row in rows:
                found = known.pop((row.key, row.kind, row.rule, row.field), None)
                if found is not None:
                    still.append({"at": found, "shown": row.value, "why": row.reason})
                    continue
                first = {"first_run": run_id, "first_seen": at, "state": "open", "task": task, "company": company}
                new.append({**asdict(row), **first, **seen, "connection_set": connection_set})
            by_id = update(table).where(table.c.id == bindparam("at"))
            if still:
                connection.execute(by_id.values(value=bindparam("shown"), reason=bindparam("why"), **seen), still)
            if judged is not None:
                known = {row: at for row, at in known.items() if row[0] in judged}
            if ended := [{"at": row} for row in (*known.values(), *sorted(twice))]:
                connection.execute(by_id.values(state="released", **seen), ended)
            if new:
                connection.execute(insert(table), new)
            moved = or_(table.c.first_run == run_id, table.c.state == "released")
            keep(connection, table, *mine, table.c.last_run == run_id, moved)

    def waiting(self, *, connection_set: str, company: str, task: str | None = None) -> list[dict[str, Any]]:
        """The rows that wait now, of one task or of all."""
        table = schema.waiting
        scope = {"connection_set": connection_set, "company": company}
        statement = select(table).where(*schema.within(table, scope), table.c.state == "open")
        if task is not None:
            statement = statement.where(table.c.task == task)
        return self._read(statement.order_by(table.c.task, table.c.key, table.c.rule))

    def blocked(self, *, connection_set: str, company: str) -> dict[str, dict[str, str]]:
        """For each task the keys that wait and why, the first reason of each: what holds dependent rows."""
        found: dict[str, dict[str, str]] = {}
        for row in self.waiting(connection_set=connection_set, company=company):
            found.setdefault(row["task"], {}).setdefault(row["key"], row["reason"])
        return found

    def renew_keys(self, renew: Callable[[str], str], *, connection_set: str, company: str, task: str) -> int:
        """Put the keys of a task's waiting rows and waivers in the form keys have now; tells how many were in another.

        A row set aside or let through before keys were compared as they are now stays what it is.
        """
        scope, changed = {"connection_set": connection_set, "company": company, "task": task}, 0
        for table in (schema.waiting, schema.waivers):
            mine = schema.within(table, scope)
            known = [row["key"] for row in self._read(select(table.c.key).where(*mine).distinct())]
            for key, renewed in ((key, renew(key)) for key in known):
                if key != renewed:
                    changed += 1
                    with self._write() as connection:
                        connection.execute(update(table).where(*mine, table.c.key == key).values(key=renewed))
                        keep(connection, table, *mine, table.c.key == renewed)
        return changed

    # what the gate's rules found, run by run

    def record_gate(
        self, run_id: str, *, connection_set: str, company: str, task: str, rules: Iterable[Mapping[str, Any]]
    ) -> None:
        """The rules of a task that found something in a run: stage, rule, severity, ``rows`` of those ``judged``.

        A task judged again within a run replaces its lines.
        """
        table, at = schema.gate_rules, now()
        scope = {"run_id": run_id, "connection_set": connection_set, "company": company, "task": task}
        mine = schema.within(table, scope)
        names = ("stage", "rule", "severity", "rows", "judged")
        lines = [{**scope, **{name: rule[name] for name in names}, "at": at} for rule in rules]
        with self._write() as connection:
            connection.execute(table.delete().where(*mine))
            if lines:
                connection.execute(insert(table), lines)
                keep(connection, table, *mine)

    def gate_rules(self, *, connection_set: str, company: str, task: str) -> list[dict[str, Any]]:
        """What the rules of a task found in every run, the oldest first."""
        table = schema.gate_rules
        scope = {"connection_set": connection_set, "company": company, "task": task}
        mine = schema.within(table, scope)
        return self._read(select(table).where(*mine).order_by(table.c.id))

    def gate_runs(self, *, connection_set: str, company: str, task: str) -> list[dict[str, Any]]:
        """Verdict and counts of a task in every run of a set and company, the oldest first."""
        runs, tasks = schema.runs, schema.tasks
        joined = tasks.join(runs, runs.c.run_id == tasks.c.run_id)
        columns = [runs.c.started, *(tasks.c[name] for name in ("run_id", "verdict", *GATE_COUNTS))]
        scope = {"connection_set": connection_set, "company": company}
        mine = (*schema.within(runs, scope), tasks.c.task == task)
        return self._read(select(*columns).select_from(joined).where(*mine).order_by(runs.c.started))

    # what a person let through

    def quarantine(
        self, *, connection_set: str, company: str, task: str | None = None, key: str | None = None
    ) -> list[dict[str, Any]]:
        """Every row ever set aside or held, the newest last; ``state`` is open, released or waived, with by whom."""
        table = schema.waiting
        wanted = {"connection_set": connection_set, "company": company, "task": task, "key": key}
        mine = schema.within(table, {name: value for name, value in wanted.items() if value is not None})
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
            if row["kind"] != "quarantined" or row["rule"].startswith(NO_WORD):
                hint = "Correct the row, or the one it waits for, or the template; a waiver only overrules the gate."
                raise ConfigError(f"{key} cannot be waived: {row['reason']}.", hint=hint)
        with self._write() as connection:
            waivers = schema.waivers
            connection.execute(insert(waivers), {**scope, "key": key, "by": by, "why": why, "at": now()})
            keep(connection, waivers, *schema.within(waivers, scope | {"key": key}))

    def waived(self, *, connection_set: str, company: str, task: str) -> dict[str, str]:
        """The keys of a task that were let through, with who did and why."""
        table = schema.waivers
        scope = {"connection_set": connection_set, "company": company, "task": task}
        mine = schema.within(table, scope)
        rows = self._read(select(table).where(*mine, table.c.ended.is_(None)).order_by(table.c.id))
        return {row["key"]: f"{row['by']}: {row['why']}" for row in rows}

    def release(self, *, connection_set: str, company: str, task: str, key: str) -> int:
        """End a row's waiver and its waiting; the next run judges it afresh. Returns how many entries that ended.

        Raises UnknownName for a row that is neither waived nor waiting.
        """
        scope = {"connection_set": connection_set, "company": company, "task": task, "key": key}
        ended = 0
        with self._write() as connection:
            for table, ends in ((schema.waivers, {"ended": now()}), (schema.waiting, {"state": "released"})):
                still = table.c.ended.is_(None) if table is schema.waivers else table.c.state == "open"
                mine = schema.within(table, scope)
                ended += connection.execute(update(table).where(*mine, still).values(**ends)).rowcount
                keep(connection, table, *mine)
        if not ended:
            known = {row["key"] for row in self.waiting(connection_set=connection_set, company=company, task=task)}
            raise UnknownName("row set aside", key, known, where=task)
        return ended

    # what was compared, decided and agreed

    def record_reconciliation(
        self, run_id: str, *, connection_set: str, company: str, task: str, summary: Mapping[str, int]
    ) -> None:
        """How many rows of a task were in each class."""
        scope = {"run_id": run_id, "connection_set": connection_set, "company": company, "task": task, "at": now()}
        with self._write() as connection:
            table = schema.reconciliations
            connection.execute(insert(table), {**scope, **summary})
            keep(connection, table, table.c.run_id == run_id, table.c.task == task)

    def reconciliations(self, *, connection_set: str, company: str) -> list[dict[str, Any]]:
        """Every reconciliation of a set and company, the oldest first: what a trend is drawn from."""
        table = schema.reconciliations
        mine = schema.within(table, {"connection_set": connection_set, "company": company})
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
            table = schema.decisions
            connection.execute(insert(table), {**row, "decision": decision, "by": by, "at": now()})
            keep(connection, table, *(table.c[name] == value for name, value in row.items()))

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
            scope = schema.spelt(connection, table, scope)
            connection.execute(table.delete().where(*(table.c[name] == value for name, value in scope.items())))
            facts = {**scope, "run_id": run_id, "file": str(file), "rows": rows, "at": now()}
            connection.execute(insert(table), facts)
            keep(connection, table, *(table.c[name] == value for name, value in scope.items()))

    def agreed(self, *, connection_set: str, company: str, task: str) -> Path | None:
        """The Parquet file of the rows both systems last agreed on; None before the first agreement."""
        table = schema.agreed
        scope = {"connection_set": connection_set, "company": company, "task": task}
        rows = self._read(select(table).where(*schema.within(table, scope)).order_by(table.c.at.desc()))
        return Path(rows[0]["file"]) if rows else None


def open_ledger(place: Path | str) -> Ledger:
    """The ledger in a folder (``ledger.db``, made when absent) or at a SQLAlchemy URL, brought up to this version.

    Raises ConfigError when it cannot be opened, lacks a driver or is of a later version.
    """
    return Ledger(engine_of(place))
