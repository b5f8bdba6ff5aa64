"""The walk: one task through all its steps, each step's value kept, the end recorded in the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib import events
from p2c_lib.agreement import record_agreed
from p2c_lib.display import text_of
from p2c_lib.errors import PlanError, UnknownName
from p2c_lib.frames import Origin
from p2c_lib.gates import HELD, GateResult, check, rule_names, waiting_wholes
from p2c_lib.keys import RowKey
from p2c_lib.ledger import Ledger, WaitingRow, open_ledger
from p2c_lib.load import apply
from p2c_lib.load.lease import leased
from p2c_lib.mapping import TASKS, Mapped, Template, known_tasks, map_frame, template_in
from p2c_lib.marks import Increment, moment, source_keys
from p2c_lib.plan import plan as make_plan
from p2c_lib.private import private_folder
from p2c_lib.reconcile import reconcile
from p2c_lib.report import Figures, Report
from p2c_lib.run_folder import VERSION, RunFolder, keep
from p2c_lib.secrecy import MASK, clean_what_a_run_kept, leaves
from p2c_lib.steps import KeptSteps, address_of, rules_address

if TYPE_CHECKING:
    from p2c_lib.frames import EntityFrame
    from p2c_lib.load import LoadOutcome, Progress
    from p2c_lib.odata.notes import Note
    from p2c_lib.plan import Plan
    from p2c_lib.reconcile import Reconciliation
    from p2c_lib.session import Session

__all__ = ["COUNTS", "TASKS", "TaskSummary", "TaskWalk", "new_run_id", "walk"]

# The steps that make values and write nothing, with those each stands on.
STANDS_ON = {
    "extract": (),
    "map": ("extract",),
    "check": ("map",),
    "target": ("check",),
    "reconcile": ("check", "target"),
    "plan": ("reconcile",),
}
NO_KEY = "(no key)"
UNKNOWN_KEY = "Its key came as no well-formed text: nobody knows which row it is. Correct it at the source."
COUNTS = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "extra", "failed", "drifted")


@dataclass(frozen=True)
class TaskSummary:
    """One line of a run: what became of every row that was read.

    read = passed + quarantined + held; passed = created + updated + unchanged + failed + drifted. When nothing was
    applied, ``created`` and ``updated`` are what would be; when the gate is closed, what passed is held.
    ``status`` is clean, differences, planned or blocked.
    """

    task: str
    status: str
    verdict: str
    why: str
    read: int
    passed: int
    quarantined: int
    held: int
    created: int
    updated: int
    unchanged: int
    extra: int
    failed: int
    drifted: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {"task": self.task, **{n: getattr(self, n) for n in COUNTS}, "seconds": self.seconds}

    def report(self) -> Report:
        verdict = {"clean": "pass", "differences": "warn", "planned": "planned", "blocked": "blocked"}[self.status]
        counts = Figures(tuple((name, getattr(self, name)) for name in COUNTS))
        return Report(f"Task {self.task}", verdict, self.why, (counts,))

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        counted = ", ".join(f"{name} {getattr(self, name):,}" for name in COUNTS)
        return f"TaskSummary({self.task}: {self.status}; {counted})"


Value = TypeVar("Value")


def _step(method: Callable[[TaskWalk], Value]) -> Callable[[TaskWalk], Value]:
    """A step that runs once, keeps its value, and counts its own seconds without those of the steps it needs."""
    name = method.__name__

    @wraps(method)
    def once(walk: TaskWalk) -> Value:
        if name not in walk._values:
            started, inner = perf_counter(), sum(walk.seconds.values())
            walk.say(name, "started")
            made = not walk.take_up(name)
            if made:
                walk._values[name] = method(walk)
            walk.seconds[name] = perf_counter() - started - (sum(walk.seconds.values()) - inner)
            if made:
                walk.keep_step(name)
            told = [str(note) for note in _changed(walk._values[name])]
            facts: dict[str, Any] = {"changed": told} if told else {}
            walk.say(name, "done", rows=_rows(walk._values[name]), seconds=round(walk.seconds[name], 3), **facts)
        value: Value = walk._values[name]
        return value

    return once


class TaskWalk:
    """One task of one connection set, step by step: extract, map, check, reconcile, plan, apply, finish.

    Each step runs once, runs the steps before it when they have not been, and gives its value; ``finish`` records the
    task in the ledger. Nothing is written to a destination unless ``apply`` was asked for. Without ``full`` only what
    changed since the last load is read on both sides; with ``since`` what changed since that moment. ``without`` names
    rules of the suites that are switched off; a plan of more than ``max_creates`` or ``max_updates`` is refused.

    Within a run that goes on, a step that was done before is taken up from the run folder (``p2c_lib.steps``).
    """

    def __init__(
        self,
        task: str,
        session: Session,
        *,
        apply: bool = False,
        run_id: str | None = None,
        ceiling: float = 0.05,
        limit: int | None = None,
        full: bool = True,
        since: datetime | str | None = None,
        without: Collection[str] = (),
        max_creates: int | None = None,
        max_updates: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        if task not in (known := known_tasks(session.workspace)):
            raise UnknownName("task", task, known)
        self.task, self.session, self.applies = task, session, apply
        self.ceiling, self.limit, self.without = ceiling, limit, tuple(sorted(without))
        self.limits = {"max_creates": max_creates, "max_updates": max_updates}
        self.progress = progress or events.progress(task=task, step="apply", run=run_id)
        self.full, self.since = full and since is None, moment(since)
        self._own_run = run_id is None
        self.run_id = run_id or new_run_id()
        self.seconds: dict[str, float] = {}
        self._values: dict[str, Any] = {}
        self._renewed = False

    @cached_property
    def folder(self) -> Path:
        """Where this task's files of this run are kept."""
        private_folder(self.session.workspace.state)
        folder = self.session.workspace.state / "runs" / self.run_id / self.task
        folder.mkdir(parents=True, exist_ok=True)
        leaves(folder)
        return folder

    @cached_property
    def template(self) -> Template:
        return template_in(self.task, self.session.workspace)

    @cached_property
    def increment(self) -> Increment | None:
        """What changed since the last load; None where everything is read and no mark is to be moved.

        A full load of a task that has a mark leaves a new one.
        """
        suites = self.session.workspace.suites(self.task)
        with self._ledger() as ledger:
            moves = self.applies and self.limit is None and ledger.mark(**self._scope, task=self.task) is not None
            if self.full and not moves:
                return None
            return Increment(self.session, self.template, suites, ledger, since=self.since, full=self.full)

    @cached_property
    def kept(self) -> KeptSteps:
        """The steps of this task in this run that are done."""
        return KeptSteps(self.folder, self.template)

    def address(self, step: str) -> str:
        """What a step's output hangs on, as a hash."""
        told: dict[str, Any] = {
            "extract": (self.session.set.to_dict(), self.session.company, self.limit, self.full, self.since),
            "check": (self.ceiling, self.without, self._set_aside()),
            "plan": self.limits,
        }
        stands_on = [self.address(before) for before in STANDS_ON[step]]
        rules = rules_address(self.template, self.session.workspace.suites(self.task))
        return address_of(rules, self.task, step, told.get(step), stands_on)

    def take_up(self, step: str) -> bool:
        """Whether this step was done before in this run; its value is then there."""
        if self._own_run or step not in STANDS_ON or step not in self.kept.done:
            return False
        found = self.kept.load(step, self.address(step))
        if found is None:
            return False
        if step == "extract":
            found, began = found
            if (self.increment is None) != (began is None):
                return False
            if self.increment is not None:
                self.increment.go_on(began)
        self._values[step] = found
        return True

    def keep_step(self, step: str) -> None:
        """Keep the output of a step that was made, for a run that has to go on after it was cut off."""
        if self._own_run or step not in STANDS_ON:
            return
        value = self._values[step]
        if step == "extract":
            value = (value, None if self.increment is None else self.increment.beginning)
        self.kept.keep(step, self.address(step), value, self.seconds[step])

    def say(self, step: str, state: str, **facts: Any) -> None:
        """Tell whoever listens to this run."""
        events.tell(event="step", run=self.run_id, task=self.task, step=step, state=state, **facts)

    def _set_aside(self) -> tuple[Any, Any]:
        """What the ledger holds against the rows of this task before it is checked."""
        with self._ledger() as ledger:
            blocked = ledger.blocked(**self._scope)
            waived = ledger.waived(**self._scope, task=self.task)
        return {task: rows for task, rows in blocked.items() if task != self.task}, waived

    @_step
    def extract(self) -> EntityFrame:
        """The source rows, as the template asks for them."""
        snapshot = self.folder / "source.parquet"
        moved = events.progress(task=self.task, step="extract", run=self.run_id)
        if self.increment is not None:
            return self.increment.extract(snapshot=snapshot, limit=self.limit, progress=moved)
        return self.session.extract(self.template.source, snapshot=snapshot, limit=self.limit, progress=moved)

    @_step
    def map(self) -> Mapped:
        """The rows in the destination's shape, and the rejected ones."""
        return map_frame(self.extract(), self.template, self.session)

    @_step
    def check(self) -> GateResult:
        """What the gate lets through, sets aside and holds."""
        suites = self.session.workspace.suites(self.task)
        with self._ledger() as ledger:
            blocked = ledger.blocked(**self._scope)
            waived = ledger.waived(**self._scope, task=self.task)
        parts = self._waiting_for_parts(blocked)
        of = None if self.increment is None else self.increment.of
        return check(
            self.map(),
            suites,
            blocked=blocked,
            waived=waived,
            parts=parts,
            kept_in=self._kept_in,
            off=self._off(self.task),
            ceiling=self.ceiling,
            of=of,
        )

    @cached_property
    def _kept_in(self) -> dict[str, str]:
        """The system that keeps the rows of each task."""
        place = self.session.workspace
        return {task: template_in(task, place).destination.app for task in known_tasks(place)}

    def _off(self, task: str) -> set[str]:
        """The rules of a task that are switched off."""
        return set(self.without) & set(rule_names(task, self.session.workspace)) if self.without else set()

    def _waiting_for_parts(self, blocked: Mapping[str, Mapping[str, str]]) -> pa.Table:
        """The rows of this task that wait for a part of theirs, such as a quote for one of its lines.

        The parts are judged ahead of their own turn, without what this task itself has set aside.
        """
        place, found = self.session.workspace, [HELD.empty_table()]
        for task in known_tasks(place) if len(self.map().frame) else ():
            made = template_in(task, place)
            columns = [parent.column for parent in made.parents if parent.whole and self.task in parent.tasks]
            if not columns:
                continue
            with self._ledger() as ledger:
                waived = ledger.waived(**self._scope, task=task)
            parts = map_frame(self._parts(made, columns[0]), made, self.session)
            others = {name: reasons for name, reasons in blocked.items() if name != self.task}
            judged = check(
                parts,
                place.suites(task),
                blocked=others,
                waived=waived,
                kept_in=self._kept_in,
                off=self._off(task),
                ceiling=1,
            )
            found.append(waiting_wholes(parts, judged, self.task))
        return pa.concat_tables(found)

    def _parts(self, made: Template, column: str) -> EntityFrame:
        """The source rows of another task that are parts of those of this one, by the column that names their whole."""
        snapshot = self.folder / f"{made.task}.parquet"
        if self.increment is not None:
            return self.increment.parts(made, column, self.extract(), snapshot=snapshot)
        return self.session.extract(made.source, snapshot=snapshot)

    @_step
    def target(self) -> EntityFrame:
        """The destination's rows, as far as the template looks at them."""
        snapshot = self.folder / "destination.parquet"
        moved = events.progress(task=self.task, step="target", run=self.run_id)
        if self.increment is not None:
            return self.increment.target(self.check().passed, snapshot=snapshot, progress=moved)
        return self.session.extract(self.template.destination, snapshot=snapshot, progress=moved)

    @_step
    def reconcile(self) -> Reconciliation:
        """How what passed compares with what the destination has."""
        return reconcile(self.check().passed, self.target(), self.template)

    @_step
    def plan(self) -> Plan:
        """The writes that would bring them into agreement, as files in the run folder.

        Raises PlanError where a secret stands in what was read: then nothing is written.
        """
        recon = self.reconcile()
        self._refuse_secrets()
        with self._ledger() as ledger:
            pace = ledger.pace(self.template.destination.entity)
        there = self.increment.there() if self.increment is not None and len(self.check().passed) else None
        return make_plan(recon, self.check(), folder=self.folder, pace=pace, there=there, **self.limits)

    def _refuse_secrets(self) -> None:
        """What was read is looked through before anything is made of it, not when it was written long since."""
        found = clean_what_a_run_kept(self.folder)
        if not found:
            return
        self.kept.forget()
        raise PlanError(
            f"A secret or a token stood in what was read ({', '.join(found)}); there it was replaced by {MASK}, and "
            "nothing is written.",
            hint="Correct the row where it came from, and make a new secret: the old one is known there.",
        )

    @_step
    def apply(self) -> LoadOutcome | None:
        """What became of the plan's writes; None when applying was not asked for or the gate is closed."""
        made = self.plan()
        if not self.applies or self.check().verdict == "blocked":
            return None
        with self._ledger() as ledger:
            return apply(
                made,
                self.session,
                ledger=ledger,
                run_id=self.run_id,
                progress=self.progress,
                fresh=self._own_run,
            )

    @_step
    def finish(self) -> TaskSummary:
        """Record the task in the ledger, with the rows that wait and why, and give its line of the run."""
        outcome = self.apply()
        summary = self._line(outcome)
        if problem := _does_not_add_up(summary):
            raise PlanError(f"The counts of {self.task} do not add up: {problem}.", hint="Please report this.")
        with self._run_of_its_own() if self._own_run else nullcontext():
            self._record(outcome, summary)
            keep(self.folder, self._facts(outcome))
            self.kept.finish(rules_address(self.template, self.session.workspace.suites(self.task)))
            clean_what_a_run_kept(self.folder)
            if self._own_run:
                self._end_run(summary.status)
        return summary

    @contextmanager
    def _run_of_its_own(self) -> Iterator[None]:
        """A task that is walked by itself is a run: it begins where the task is recorded, and ends in any case."""
        with self._ledger() as ledger, leased(ledger, f"run {self.run_id}"):
            ledger.begin_run(self.run_id, **self._scope, apply=self.applies)
            try:
                yield
            except BaseException:
                ledger.end_run(self.run_id, status="error", report=None)
                raise

    def _record(self, outcome: LoadOutcome | None, summary: TaskSummary) -> None:
        """Write to the ledger what the task came to."""
        with self._ledger() as ledger:
            waiting = tuple(self._waiting(outcome))
            judged = self._judged(ledger)
            ledger.record_waiting(self.run_id, **self._scope, task=self.task, rows=waiting, judged=judged)
            ledger.record_task(self.run_id, asdict(summary))
            found = [rule for rule in self.check().rules.to_pylist() if rule["rows"]]
            ledger.record_gate(self.run_id, **self._scope, task=self.task, rules=found)
            summed = self.reconcile().summary
            ledger.record_reconciliation(self.run_id, **self._scope, task=self.task, summary=summed)
            if outcome is not None:
                record_agreed(self.reconcile(), outcome, self.session, ledger, run_id=self.run_id)
            if self.increment is not None:
                failed = [row.key for row in waiting if row.kind == "failed"]
                done = self.plan() if outcome is not None and self.limit is None else None
                self.increment.record(self.map(), self.check().passed, failed, ledger, run_id=self.run_id, done=done)

    def _end_run(self, status: str) -> None:
        """A task that is walked by itself is a run, with a report of its own."""
        from p2c_lib.history import past_run, run_report

        report = RunFolder(self.folder.parent).report
        with self._ledger() as ledger:
            ledger.end_run(self.run_id, status=status, report=str(report))
            run_report(past_run(ledger, self.session.workspace, self.run_id), ledger).save(report)

    def _judged(self, ledger: Ledger) -> set[str] | None:
        """The keys this run looked at, where rows that wait may be among those it did not; None otherwise."""
        if self.limit is None and self.since is None:
            return None
        keys = set(source_keys(self.map()).to_pylist())
        if None in keys:  # rows without a key are named by their place, which is another one in every run
            keys |= {row["key"] for row in ledger.waiting(**self._scope, task=self.task) if row["key"].endswith(NO_KEY)}
        return keys

    def _facts(self, outcome: LoadOutcome | None) -> dict[str, Any]:
        """What the ledger does not keep, for the report of the run."""
        return {
            "version": VERSION,
            "task": self.task,
            "company": self.session.company,
            "template_sha": self.template.sha,
            "gate": self.check().to_dict(),
            "reconciliation": self.reconcile().to_dict(),
            "plan": self.plan().to_dict(),
            "outcome": None if outcome is None else outcome.to_dict(),
            "seconds": {name: round(spent, 3) for name, spent in self.seconds.items()},
        }

    def _line(self, outcome: LoadOutcome | None) -> TaskSummary:
        gate, recon, made = self.check(), self.reconcile(), self.plan()
        counts = dict(gate.counts)
        unpaired = counts["passed"] - sum(recon.summary[kind] for kind in ("equal", "changed", "missing"))
        changed = (
            {"created": outcome.created, "updated": outcome.updated, "failed": outcome.failed + unpaired}
            if outcome
            else {"created": made.creates, "updated": made.updates, "failed": unpaired}
        )
        closed = gate.verdict == "blocked"
        if closed:
            counts |= {"passed": 0, "held": counts["held"] + counts["passed"]}
            changed = dict.fromkeys(changed, 0)
        return TaskSummary(
            task=self.task,
            status=self._status(outcome, changed["failed"]),
            verdict=gate.verdict,
            why=" ".join((gate.why, *([] if self.increment is None else [self.increment.note]), *self.told())),
            **{name: counts[name] for name in ("read", "passed", "quarantined", "held")},
            **changed,
            unchanged=0 if closed else recon.summary["equal"],
            extra=recon.summary["extra"],
            drifted=outcome.drifted if outcome else 0,
            seconds=round(sum(self.seconds.values()), 3),
        )

    def told(self) -> Iterator[str]:
        """Which values of either system could not be kept as they came, and which of ours the destination rounds."""
        sides = {"source": self.extract(), "mapped": self.map(), "destination": self.target()}
        for side, value in sides.items():
            yield from (f"{side} {note}" for note in _changed(value))

    def _status(self, outcome: LoadOutcome | None, failed: int) -> str:
        if self.check().verdict == "blocked":
            return "blocked"
        if failed or (outcome and not outcome.complete):
            return "differences"
        return "planned" if outcome is None and len(self.plan()) else "clean"

    def _waiting(self, outcome: LoadOutcome | None) -> Iterator[WaitingRow]:
        gate, recon = self.check(), self.reconcile()
        for row in gate.quarantined.to_pylist():
            if row["severity"] == "critical":
                yield WaitingRow(row["key"], "quarantined", row["rule"], row["column"], row["value"], row["reason"])
        for row in gate.held.to_pylist():
            yield WaitingRow(row["key"], "held", row["task"], "", row["parent_key"], row["reason"])
        twice = recon.rows("duplicate")
        ours = twice.filter(pc.is_valid(twice.column("@expected")))
        for key in pc.unique(ours.column("key")).to_pylist():
            yield WaitingRow(key, "failed", "duplicate", "", None, f"{recon.twice[key]}.")
        unknown = recon.rows("invalid")
        ours = unknown.filter(pc.is_valid(unknown.column("@expected"))).select(list(recon.expected.key))
        for parts in dict.fromkeys(tuple(row.values()) for row in ours.to_pylist()):
            yield WaitingRow(
                "|".join(text_of(part) or "" for part in parts), "failed", "invalid", "", None, UNKNOWN_KEY
            )
        if outcome is not None:
            for row in outcome.problems().to_pylist():
                yield WaitingRow(row["key"], "failed", row["state"], "", None, row["message"] or row["state"])

    @property
    def _scope(self) -> dict[str, str]:
        return {"connection_set": self.session.set.name, "company": self.session.company}

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        ledger = open_ledger(self.session.workspace.ledger)
        try:
            if not self._renewed:
                to = self.template.destination
                ledger.renew_keys(RowKey(to.key, to.app).given, **self._scope, task=self.task)
                self._renewed = True
            yield ledger
        finally:
            ledger.close()

    def __repr__(self) -> str:
        return f"TaskWalk({self.task}, {self.session.set.name}, run {self.run_id})"


class NotAsked:
    """Stands in a notebook for a task this run was not asked for: every step gives None."""

    def __init__(self, task: str) -> None:
        self.task = task

    def _nothing(self) -> None:
        return None

    extract = map = check = target = reconcile = plan = apply = finish = _nothing

    def __repr__(self) -> str:
        return f"{self.task} was not asked for in this run"


def walk(task: str, session: Session, *, tasks: Collection[str] = (), **options: Any) -> TaskWalk | NotAsked:
    """The walk of one task; where ``tasks`` are named and it is not among them, one whose steps do nothing.

    ``options`` are those of TaskWalk. Raises UnknownName for a task that does not exist.
    """
    made = TaskWalk(task, session, **options)
    return NotAsked(task) if tasks and task not in tasks else made


def new_run_id() -> str:
    """A name for a run that sorts by time and is never given twice."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _rows(value: Any) -> int | None:
    """How many rows a step's value is about; None where it is about none."""
    counts = getattr(value, "counts", None)
    if counts is not None:
        return int(counts.get("passed", counts.get("mapped", 0)))
    return len(value) if hasattr(value, "__len__") else None


def _changed(value: Any) -> tuple[Note, ...]:
    """The notes of a step's value about values that could not be kept as they came."""
    origin = getattr(getattr(value, "frame", value), "origin", None)
    return origin.changed if isinstance(origin, Origin) else ()


def _does_not_add_up(line: TaskSummary) -> str | None:
    if line.read != line.passed + line.quarantined + line.held:
        return f"read {line.read} is not passed {line.passed} + quarantined {line.quarantined} + held {line.held}"
    ended = line.created + line.updated + line.unchanged + line.failed + line.drifted
    return None if line.passed == ended else f"passed {line.passed} is not the {ended} rows that ended"
