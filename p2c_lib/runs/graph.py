"""The notebooks of a run in dependency order; a task that did not end holds those that need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from p2c_lib.config import Workspace
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS, new_run_id
from p2c_lib.history import past_run, run_report
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.mapping import template
from p2c_lib.run_folder import RUN, RunFolder, keep
from p2c_lib.runs.engine import execute
from p2c_lib.runs.parameters import NOTEBOOKS, RunParameters, checked_by
from p2c_lib.runs.result import RunResult, status_of, summary_of

__all__ = ["run"]

Tell = Callable[[str], None]


def run(
    workspace: Workspace,
    tasks: Sequence[str] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    tell: Tell = lambda _line: None,
) -> RunResult:
    """Execute the notebooks of the tasks (all by default) in dependency order and write the report.

    ``parameters`` are those of RunParameters; a wrong name or type raises before a kernel starts. ``tell`` gets one
    line for each thing that happens. A task that did not end holds the tasks that need it; the rest go on.
    """
    given = checked_by(RunParameters, {"run_id": new_run_id(), **(parameters or {})})
    wanted = _wanted(tasks or given.tasks)
    connection_set = workspace.connection_set(given.connection_set)
    started = perf_counter()
    folder = workspace.state / "runs" / given.run_id
    folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(workspace.ledger)
    try:
        ledger.begin_run(
            given.run_id, connection_set=connection_set.name, company=connection_set.company, apply=given.apply
        )
        problems = _execute_all(workspace, wanted, given, folder, ledger, tell)
        lines = tuple(summary_of(row) for row in ledger.tasks(given.run_id))
        ordered = tuple(sorted(lines, key=lambda line: TASKS.index(line.task)))
        status = status_of(ordered, problems)
        report = RunFolder(folder).report
        keep(folder, {"parameters": given.model_dump(), "problems": problems, "notebooks": _notebooks(wanted)}, RUN)
        ledger.end_run(given.run_id, status=status, report=str(report))
        run_report(past_run(ledger, workspace, given.run_id), ledger).save(report)
        result = RunResult(given.run_id, status, report, ordered, problems, perf_counter() - started)
    finally:
        ledger.close()
    return result


def _wanted(tasks: Sequence[str]) -> tuple[str, ...]:
    for task in tasks:
        if task not in TASKS:
            raise UnknownName("task", task, TASKS)
    return tuple(task for task in TASKS if not tasks or task in tasks)


def _execute_all(
    workspace: Workspace,
    wanted: Sequence[str],
    parameters: RunParameters,
    folder: Path,
    ledger: Ledger,
    tell: Tell,
) -> dict[str, str]:
    """Run each notebook that has wanted tasks; for each task that did not end, why."""
    problems: dict[str, str] = {}
    for name, offered in NOTEBOOKS.items():
        chosen = [task for task in offered if task in wanted]
        ready = [task for task in chosen if not (needed := _needs_of(task, problems)) or _hold(task, needed, problems)]
        if not ready:
            continue
        tell(f"{name}: {', '.join(ready)} ...")
        started = perf_counter()
        given = parameters.model_dump(mode="json") | {"tasks": ready, "run_id": parameters.run_id}
        failure = execute(workspace, workspace.notebooks / f"{name}.ipynb", folder / f"{name}.ipynb", given)
        ended = {row["task"]: row["status"] for row in ledger.tasks(parameters.run_id)}
        for task in ready:
            if task not in ended:
                problems[task] = failure or "the notebook ended without recording the task"
            elif ended[task] == "blocked":
                problems[task] = "the gate is closed"
        tell(f"{name}: {'failed' if failure else 'done'} ({perf_counter() - started:.1f} s)")
    return problems


def _notebooks(wanted: Sequence[str]) -> dict[str, str]:
    """The executed notebook of each task, by its name in the run folder."""
    return {task: f"{name}.ipynb" for name, offered in NOTEBOOKS.items() for task in offered if task in wanted}


def _needs_of(task: str, problems: Mapping[str, str]) -> list[str]:
    return [needed for needed in template(task).needs if needed in problems]


def _hold(task: str, needed: Sequence[str], problems: dict[str, str]) -> bool:
    problems[task] = f"held: it needs {', '.join(needed)}"
    return False
