"""A run from its beginning to its report: begun, or taken up again where it was cut off."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from p2c_lib import events
from p2c_lib.config import Workspace
from p2c_lib.errors import P2CError, RunError
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.ledger.holders import named
from p2c_lib.mapping import template_in
from p2c_lib.run_folder import INTERRUPTED, RUN, RunFolder, keep, said_of
from p2c_lib.runs.asked import Asked, asked, asked_before, folder_of, rules_of, secrets_of
from p2c_lib.runs.declared import model_of_cell
from p2c_lib.runs.graph import Unit, side_by_side, units
from p2c_lib.runs.kernels import WarmKernels, can_fork
from p2c_lib.runs.looking import looking
from p2c_lib.runs.scrub import scrub
from p2c_lib.runs.stopping import stoppable
from p2c_lib.secrecy import LEAKED, masked

if TYPE_CHECKING:
    from p2c_lib.runs.engine import Ending, Job
    from p2c_lib.runs.result import RunResult

__all__ = ["carry_out", "resume", "run"]

EVENTS = "events.jsonl"
LOOK_SECONDS = 0.1
# Widgets show their static twin where it is set.
UNATTENDED = "P2C_UNATTENDED"

Tell = Callable[[str], None]
Watch = Callable[[Mapping[str, Any]], None]


def run(
    workspace: Workspace,
    tasks: Sequence[str] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    companies: Sequence[str] = (),
    kernels: int = 2,
    tell: Tell = lambda _line: None,
    watch: Watch | None = None,
    wait: float | None = None,
) -> RunResult:
    """Execute the notebooks of the tasks (all by default), each when what it needs is done, and write the report.

    ``tasks`` may name notebooks of the walk too, or one other notebook. ``parameters`` are those of the notebook's
    model, and ``companies`` those to run for in place of the connection set's own; a wrong name or value raises before
    a kernel starts. A task that did not end holds the tasks that need it; the rest go on. ``tell`` gets one line for
    each thing that happens, ``watch`` every event of the run as it is told.

    Before a run that writes begins, another that writes one of the same tasks to the same system is waited for, with
    one line: until it has ended, or ``wait`` seconds; then RunError is raised.
    """
    wanted = asked(workspace, tasks, parameters or {}, companies=companies, kernels=kernels)
    return carry_out(workspace, wanted, tell=tell, watch=watch, wait=wait)


def resume(
    workspace: Workspace,
    run_id: str,
    *,
    tell: Tell = lambda _line: None,
    watch: Watch | None = None,
    wait: float | None = None,
) -> RunResult:
    """Go on with a run that was cut off or failed: what is done stays done, the rest is run.

    A task is done when it ended with its gate open, and neither its template nor its rules nor the code have changed
    since. Raises UnknownName for a run there is not.
    """
    return carry_out(workspace, asked_before(workspace, run_id), again=True, tell=tell, watch=watch, wait=wait)


def carry_out(
    workspace: Workspace,
    wanted: Asked,
    *,
    again: bool = False,
    tell: Tell = lambda _line: None,
    watch: Watch | None = None,
    wait: float | None = None,
) -> RunResult:
    """What was asked for, from its beginning or ``again`` from where it was cut off. Raises RunError while another
    process is at it, or writes the same and is not waited for any longer."""
    return _Run(workspace, wanted, tell, watch).carry_out(again=again, wait=wait)


class _Run:
    """One run under way."""

    def __init__(self, workspace: Workspace, wanted: Asked, tell: Tell, watch: Watch | None) -> None:
        self.workspace, self.wanted, self.tell, self.watch = workspace, wanted, tell, watch
        self.folder = folder_of(workspace, wanted.run_id)
        self.started = perf_counter()
        self._jobs: list[Job] = []
        self._printed: set[tuple[str, str]] = set()  # runs and their files that held a secret
        self._warm: WarmKernels | None = None
        self._holder = ""  # under whose lease the kernels write

    def carry_out(self, *, again: bool = False, wait: float | None = None) -> RunResult:
        """Run what is not done yet and say what it came to."""
        ledger = open_ledger(self.workspace.ledger)
        try:
            with stoppable(), _alone(ledger, self.wanted.run_id), self._writing(ledger, wait):
                self.folder.mkdir(parents=True, exist_ok=True)
                if not again:
                    self.wanted.save(self.folder)
                with self._kernels(), self._watching():
                    return self._parts(ledger, again=again)
        finally:
            ledger.close()

    @contextmanager
    def _writing(self, ledger: Ledger, wait: float | None) -> Iterator[None]:
        """Nobody else writes the same tasks to the same systems meanwhile; what they hold is read after that."""
        from p2c_lib.load.lease import leased
        from p2c_lib.load.written_by import Writing

        if not (self.wanted.applies and self.wanted.tasks):
            yield
            return
        found, writing = self.workspace.connection_set(self.wanted.connection_set), Writing()
        for task in self.wanted.tasks:
            app = template_in(task, self.workspace).destination.app
            url = (found.sales if app == "sales" else found.finops).url
            for company in self.wanted.companies or (found.company,):
                writing.add(task, app, url, company)
        with leased(ledger, *writing.names, busy=writing.busy, wait=wait, tell=self.tell) as lease:
            self._holder = lease.holder
            yield

    def _parts(self, ledger: Ledger, *, again: bool) -> RunResult:
        """Each company's part of the run, all in one graph. Whatever happens, every part that began ends."""
        connection_set = self.workspace.connection_set(self.wanted.connection_set)
        companies = self.wanted.companies or (connection_set.company,)
        begun: list[str] = []
        try:
            todo: list[Unit] = []
            for company in companies:
                todo += self._begin(ledger, connection_set.name, company, again=again)
                begun.append(company)
            problems = self._graph(ledger, todo, companies)
        except BaseException as error:
            self._break_off(ledger, begun, error)
            raise
        parts = tuple(self._close(ledger, company, problems.get(company, {})) for company in companies)
        return parts[0] if len(parts) == 1 else self._together(parts)

    def _begin(self, ledger: Ledger, connection_set: str, company: str, *, again: bool) -> list[Unit]:
        """Note that the part of a company begins or goes on; what is to be executed of it."""
        run_id = self.wanted.part(company)
        done = self._done(ledger, run_id) if again else set()
        todo = self._todo(company, done)
        if not (again and ledger.go_on_with_run(run_id)):
            scope = {"connection_set": connection_set, "company": company}
            ledger.begin_run(run_id, **scope, apply=self.wanted.applies)
        return todo

    def _graph(self, ledger: Ledger, todo: list[Unit], companies: Sequence[str]) -> dict[str, dict[str, str]]:
        with looking(self.workspace, self.wanted, companies):
            return side_by_side(
                todo,
                lambda unit, able: self._carried_out(ledger, unit, able),
                kernels=self.wanted.kernels,
                held=lambda unit, task, why: self.tell(f"{unit.name}: {task} {why}"),
                interrupt=self._interrupt,
                kill=self._kill,
            )

    def _break_off(self, ledger: Ledger, companies: Sequence[str], error: BaseException) -> None:
        """End the parts of a run that an interrupt or an error broke off; what goes wrong meanwhile hides no cause."""
        interrupted = isinstance(error, KeyboardInterrupt)
        why = {} if interrupted else {self.wanted.notebook or "run": masked(_said(error))}
        for company in companies:
            with suppress(Exception):
                self._close(ledger, company, why, interrupted=interrupted)
        if interrupted:
            self.tell(f"p2c run --resume {self.wanted.run_id} goes on with this run")

    def _todo(self, company: str, done: Collection[str]) -> list[Unit]:
        """The executions that are left, of a task's notebook without the tasks that are done."""
        if self.wanted.notebook:
            return [Unit(self.wanted.notebook, company=company)]
        if done:
            self.tell(f"done before: {', '.join(task for task in self.wanted.tasks if task in done)}")
        left = [task for task in self.wanted.tasks if task not in done]
        return list(units(self.workspace, left, company))

    def _done(self, ledger: Ledger, run_id: str) -> set[str]:
        """The tasks of a run that ended with an open gate, by rules that are still those of today."""
        from p2c_lib.steps import done_by

        ended = {row["task"] for row in ledger.tasks(run_id) if row["status"] != "blocked"}
        runs = folder_of(self.workspace, run_id)
        return {task for task in ended if done_by(runs / task) == rules_of(self.workspace, task)}

    def _carried_out(self, ledger: Ledger, unit: Unit, able: tuple[str, ...]) -> dict[str, str]:
        """What came of a notebook; an error beside it is why its tasks did not end, and the others go on."""
        try:
            return self._execute(ledger, unit, able)
        except Exception as error:
            why = masked(_said(error))
            self.tell(f"{self._where(unit)}: failed: {why}")
            return dict.fromkeys(able or (unit.notebook,), why)

    def _execute(self, ledger: Ledger, unit: Unit, able: tuple[str, ...]) -> dict[str, str]:
        """Execute a notebook for the tasks of it that can run; of those that did not end, why."""
        from p2c_lib.runs.engine import execute

        run_id = self.wanted.part(unit.company)
        folder = folder_of(self.workspace, run_id)
        output = _free(folder, unit.name)
        shown = ", ".join(able) or unit.notebook
        self.tell(f"{self._where(unit)}: {shown} ...")
        began, cells = perf_counter(), _Cells(run_id, output.stem, self.folder / EVENTS)
        given = dict(self.wanted.parameters)
        if unit.tasks:
            given |= {"tasks": list(able), "run_id": run_id, "company": unit.company}
        leaked = folder / f"{output.stem}.leaked"
        job, file = self._job(cells, leaked), self.workspace.notebook(unit.notebook)
        taken = model_of_cell(file).model_fields
        ending = execute(file, output, {name: given[name] for name in given if name in taken}, job)
        if leaked.exists():
            files = {Path(line) if line else output for line in leaked.read_text("utf-8").splitlines()}
            leaked.unlink()
            self._printed |= {(run_id, file.relative_to(folder).as_posix()) for file in files}
        ledger.record_cells(run_id, cells.ended)
        killed = job.interrupted and ending.state == "failed"
        ending = replace(ending, why=INTERRUPTED if killed else masked(ending.why))
        failed = INTERRUPTED if ending.why == INTERRUPTED else f"failed: {ending.why}"
        said = {"done": "done", "stopped": f"nothing left to do: {ending.why}", "failed": failed}
        self.tell(f"{self._where(unit)}: {said[ending.state]} ({perf_counter() - began:.1f} s)")
        if not unit.tasks:
            return {unit.notebook: ending.why} if ending.state == "failed" else {}
        return _problems(ledger, run_id, able, ending)

    def _job(self, cells: _Cells, leaked: Path) -> Job:
        from p2c_lib.load.lease import HOLDER
        from p2c_lib.runs.engine import Job

        env = {"P2C_WORKSPACE": str(self.workspace.root), "GX_ANALYTICS_ENABLED": "false", UNATTENDED: "1"}
        env |= {HOLDER: self._holder} if self._holder else {}
        job = Job(
            env=env | {events.PLACE: str(self.folder / EVENTS), LEAKED: str(leaked)},
            cwd=self.workspace.root,
            kernels=self._warm,
            told=cells.told,
        )
        self._jobs.append(job)
        return job

    def _interrupt(self) -> None:
        for job in self._jobs:
            job.interrupt()

    def _kill(self) -> None:
        for job in self._jobs:
            job.kill()

    def _where(self, unit: Unit) -> str:
        return f"{unit.name} of {unit.company}" if len(self.wanted.companies) > 1 else unit.name

    def _close(
        self, ledger: Ledger, company: str, problems: Mapping[str, str], *, interrupted: bool = False
    ) -> RunResult:
        """Take secrets out of the files, record the end of a part and write its report.

        Where that goes wrong the part ends as an error, and what went wrong is raised.
        """
        from p2c_lib.history import past_run, run_report
        from p2c_lib.runs.result import RunResult, status_of, summary_of

        run_id = self.wanted.part(company)
        folder = folder_of(self.workspace, run_id)
        report = RunFolder(folder).report
        try:
            problems = {**problems, **self._scrub(folder)}
            rows = {row["task"]: row for row in ledger.tasks(run_id)}
            lines = tuple(summary_of(rows[task]) for task in self.wanted.tasks if task in rows)
            status = "interrupted" if interrupted else status_of(lines, problems)
            notebooks = {task: f"{unit.name}.ipynb" for unit in self._todo(company, ()) for task in unit.tasks}
            keep(folder, {"parameters": self.wanted.told, "problems": problems, "notebooks": notebooks}, RUN)
            ledger.end_run(run_id, status=status, report=str(report))
            run_report(past_run(ledger, self.workspace, run_id), ledger).save(report)
        except Exception:
            ledger.end_run(run_id, status="interrupted" if interrupted else "error", report=str(report))
            raise
        result = RunResult(run_id, status, report, lines, problems, perf_counter() - self.started, company)
        if not interrupted:
            self._tell_others(ledger, result)
        return result

    def _scrub(self, folder: Path) -> dict[str, str]:
        printed = [name for run_id, name in self._printed if folder_of(self.workspace, run_id) == folder]
        return scrub(folder, secrets_of(self.workspace, self.wanted.connection_set), printed)

    def _tell_others(self, ledger: Ledger, result: RunResult) -> None:
        """Send word of failure, closed gates or drift to whom p2c.toml names."""
        from p2c_lib.notices import announce, notice_of

        deleted = Counter(row["task"] for row in ledger.deletions(run_id=result.run_id))
        place = f"{self.wanted.connection_set}, {result.company}"
        notice = notice_of(result.run_id, place, result.tasks, result.problems, report=result.report, deleted=deleted)
        announce(notice, self.workspace, self.tell)

    def _together(self, parts: Sequence[RunResult]) -> RunResult:
        """The result of a run over several companies, with a page that leads to each one's."""
        from p2c_lib.runs.result import together

        self._scrub(self.folder)
        result = together(self.wanted.run_id, self.folder / "report.html", parts)
        result.overview().save(result.report)
        return result

    @contextmanager
    def _kernels(self) -> Iterator[None]:
        """The process that kernels are forked from, where there is fork."""
        if not can_fork():
            _load_engine()
            yield
            return
        with WarmKernels() as self._warm:
            _load_engine()
            yield

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """While the run goes on, every event is handed to whoever watches."""
        watch = self.watch
        if watch is None:
            yield
            return
        over, news = threading.Event(), events.Follower(self.folder / EVENTS)

        def look() -> None:
            while not over.wait(LOOK_SECONDS):
                for event in news:
                    watch(event)

        looking = threading.Thread(target=look, name="watch", daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


class _Cells:
    """What the cells of one notebook did: told at once, and kept until the notebook has ended."""

    def __init__(self, run_id: str, notebook: str, file: Path) -> None:
        self._facts = {"run": run_id, "notebook": notebook}
        self._file = file
        self.ended: list[dict[str, Any]] = []

    def told(self, cell: int, state: str, seconds: float, why: str | None) -> None:
        """A cell was started, done, failed or skipped."""
        facts = {"cell": cell, "state": state, "seconds": round(seconds, 3), "why": why}
        events.append(self._file, event="cell", **self._facts, **facts)
        if state != "started":
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.ended.append({**facts, "notebook": self._facts["notebook"], "at": at})


@contextmanager
def _alone(ledger: Ledger, run_id: str) -> Iterator[None]:
    """Nobody else carries out this run meanwhile. Raises RunError while another process does."""
    from p2c_lib.load.lease import leased

    def busy(_name: str, holder: str) -> RunError:
        return RunError(f"The run {run_id} is under way in {named(holder)}.", hint="Wait until it has ended.")

    with leased(ledger, f"run {run_id}", busy=busy):
        yield


def _said(error: BaseException) -> str:
    """An error as one line: ours in its own words, another with its kind."""
    return str(error) if isinstance(error, P2CError) else said_of(type(error).__name__, error)


def _load_engine() -> None:
    """Load papermill, meanwhile the forking process imports what kernels need.

    What reads notebooks would compile a grammar of international addresses, for a second, and never use it.
    """
    unused = "rfc3987_syntax"
    if unused not in sys.modules:
        sys.modules[unused] = cast(Any, None)
        import_module("p2c_lib.runs.engine")
        del sys.modules[unused]


def _problems(ledger: Ledger, run_id: str, able: Sequence[str], ending: Ending) -> dict[str, str]:
    """Of the tasks a notebook was to walk, those that did not end or have a closed gate. One that says there is nothing
    to do has ended."""
    ended = {row["task"]: row["status"] for row in ledger.tasks(run_id)}
    problems = {}
    for task in able:
        if ended.get(task) == "blocked":
            problems[task] = "the gate is closed"
        elif task not in ended and ending.state != "stopped":
            problems[task] = ending.why or "the notebook ended without recording the task"
    return problems


def _free(folder: Path, name: str) -> Path:
    """Where an executed notebook goes: one that is there already, of an earlier try, is kept."""
    number, place = 1, folder / f"{name}.ipynb"
    while place.exists():
        number += 1
        place = folder / f"{name}-{number}.ipynb"
    return place
