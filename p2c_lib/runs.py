"""Notebooks as unattended runs: checked parameters, papermill, a run folder, one report.

A run folder is ``.p2c/runs/<run id>/``: the executed notebooks, each task's snapshots and plan, and ``report.html``.
Results come back through the ledger; no notebook output is ever parsed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from p2c_lib.config import SANDBOX, Workspace
from p2c_lib.errors import ConfigError, RunError, UnknownName
from p2c_lib.flow import COUNTS, TASKS, TaskSummary, new_run_id
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.mapping import template
from p2c_lib.report import Facts, Links, Part, Report, Table, stacked_bars

__all__ = ["NOTEBOOKS", "RunParameters", "RunResult", "parse_parameters", "run"]

NOTEBOOKS = {
    "10_products": ("products",),
    "20_accounts": ("accounts",),
    "30_contacts": ("contacts", "contact-customers"),
    "40_quotes": ("quotes", "quote-lines"),
}
COLOURS = {
    "created": "#1a7f37",
    "updated": "#0969da",
    "unchanged": "#afb8c1",
    "held": "#bf8700",
    "quarantined": "#e16f24",
    "drifted": "#8250df",
    "failed": "#cf222e",
}
SHOWN = 40
Tell = Callable[[str], None]


class RunParameters(BaseModel):
    """What every task notebook can be told; checked before a kernel starts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection_set: str = Field(SANDBOX, description="a connection set of p2c.toml")
    apply: bool = Field(default=False, description="write what is planned")
    tasks: tuple[str, ...] = Field((), description="the tasks of the notebook to walk; none: all of them")
    run_id: str = Field("", description="the run this belongs to; none: a run of its own")
    ceiling: float = Field(0.05, ge=0, le=1, description="share of rows that may be quarantined before the load stops")
    limit: int | None = Field(None, ge=1, description="read only so many source rows")


@dataclass(frozen=True)
class RunResult:
    """What a run came to: ``status`` is clean, differences or error; ``problems`` names tasks that did not end."""

    run_id: str
    status: str
    report: Path
    tasks: tuple[TaskSummary, ...]
    problems: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 clean, 1 differences or a closed gate, 2 error."""
        return {"clean": 0, "differences": 1, "error": 2}[self.status]

    def table(self) -> Table:
        """One line a task."""
        rows = tuple(tuple(task.to_dict().values()) for task in self.tasks)
        return Table(("task", *COUNTS, "seconds"), rows)

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"run_id": self.run_id, "status": self.status, "report": str(self.report)}
        facts["tasks"] = [task.to_dict() for task in self.tasks]
        return facts | ({"problems": dict(self.problems)} if self.problems else {})


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``k=v`` texts as values: JSON where it is JSON, text otherwise.

    >>> parse_parameters(["ceiling=0.1", "connection_set=test"])
    {'ceiling': 0.1, 'connection_set': 'test'}
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"The parameter '{pair}' has no value.", hint="Write --param name=value.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


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
    checked = _checked({"run_id": new_run_id(), **(parameters or {})})
    wanted = _wanted(tasks or checked.tasks)
    connection_set = workspace.connection_set(checked.connection_set)
    started = perf_counter()
    folder = workspace.state / "runs" / checked.run_id
    folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(workspace.ledger)
    try:
        ledger.begin_run(
            checked.run_id, connection_set=connection_set.name, company=connection_set.company, apply=checked.apply
        )
        problems = _execute_all(workspace, wanted, checked, folder, ledger, tell)
        lines = tuple(_summary(row) for row in ledger.tasks(checked.run_id))
        ordered = tuple(sorted(lines, key=lambda line: TASKS.index(line.task)))
        status = _status(ordered, problems)
        report = folder / "report.html"
        result = RunResult(checked.run_id, status, report, ordered, problems, perf_counter() - started)
        waiting = ledger.waiting(connection_set=connection_set.name, company=connection_set.company)
        _report(result, checked, waiting, folder).save(report)
        ledger.end_run(checked.run_id, status=status, report=str(report))
    finally:
        ledger.close()
    return result


def _checked(parameters: Mapping[str, Any]) -> RunParameters:
    known = [name for name in RunParameters.model_fields if name != "run_id"]
    for name in parameters:
        if name not in RunParameters.model_fields:
            raise UnknownName("parameter", name, known)
    try:
        return RunParameters.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        told = RunParameters.model_fields[str(first["loc"][0])].description
        raise ConfigError(
            f"The parameter {name} came as {first['input']!r}: {first['msg'].lower()}.", hint=f"{name} is {told}."
        ) from None


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
        given = parameters.model_dump() | {"tasks": ready, "run_id": parameters.run_id}
        failure = execute(workspace, workspace.notebooks / f"{name}.ipynb", folder / f"{name}.ipynb", given)
        ended = {row["task"]: row["status"] for row in ledger.tasks(parameters.run_id)}
        for task in ready:
            if task not in ended:
                problems[task] = failure or "the notebook ended without recording the task"
            elif ended[task] == "blocked":
                problems[task] = "the gate is closed"
        tell(f"{name}: {'failed' if failure else 'done'} ({perf_counter() - started:.1f} s)")
    return problems


def _needs_of(task: str, problems: Mapping[str, str]) -> list[str]:
    return [needed for needed in template(task).needs if needed in problems]


def _hold(task: str, needed: Sequence[str], problems: dict[str, str]) -> bool:
    problems[task] = f"held: it needs {', '.join(needed)}"
    return False


def execute(workspace: Workspace, notebook: Path, output: Path, parameters: Mapping[str, Any]) -> str | None:
    """Execute one notebook into the run folder; the reason when it failed, None when it did not.

    The failed copy is kept, with its traceback.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    if not notebook.is_file():
        raise RunError(f"There is no notebook {notebook}.", hint="A workspace keeps its notebooks in notebooks/.")
    try:
        with _environment(P2C_WORKSPACE=str(workspace.root), GX_ANALYTICS_ENABLED="false"):
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                progress_bar=False,
                cwd=str(workspace.root),
                request_save_on_cell_execute=False,
                config=_quiet_local_kernels(),
                extra_arguments=["--log-level=CRITICAL"],
            )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".splitlines()[0]
    return None


def _quiet_local_kernels() -> Any:
    """Kernels are spoken to over sockets of the file system where there are such: nothing listens on a port."""
    from traitlets.config import Config

    return Config({"KernelManager": {"transport": "ipc"}} if os.name == "posix" else {})


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _summary(row: Mapping[str, Any]) -> TaskSummary:
    return TaskSummary(**{name: row[name] for name in TaskSummary.__dataclass_fields__})


def _status(lines: Sequence[TaskSummary], problems: Mapping[str, str]) -> str:
    ended = {line.task for line in lines}
    if any(task not in ended for task in problems):
        return "error"
    return "clean" if all(line.status == "clean" for line in lines) else "differences"


def _report(result: RunResult, parameters: RunParameters, waiting: Sequence[Mapping[str, Any]], folder: Path) -> Report:
    lines = result.tasks
    total = {name: sum(getattr(line, name) for line in lines) for name in COUNTS}
    verb = "" if parameters.apply else "would be "
    why = (
        f"{total['read']:,} rows read: {total['created']:,} {verb}created, {total['updated']:,} {verb}updated, "
        f"{total['unchanged']:,} agreed already; {total['quarantined']:,} quarantined, {total['held']:,} held, "
        f"{total['failed']:,} refused and {total['drifted']:,} drifted."
    )
    verdict = {"clean": "pass", "differences": "warn", "error": "failed"}[result.status]
    if result.status == "clean" and total["quarantined"]:
        verdict = "warn"
    parts: list[Part] = [Table(result.table().columns, result.table().rows, "Tasks")]
    if result.problems:
        parts.append(Table(("task", "what happened"), tuple(result.problems.items()), "Did not end"))
    if lines:
        bars = [(line.task, kind, getattr(line, kind)) for line in lines for kind in COLOURS]
        parts.append(stacked_bars("What became of every row", bars, COLOURS))
    parts.append(_waiting_table(waiting))
    parts += [Facts(tuple((line.task, line.why) for line in lines), "The gate"), _links(folder)]
    facts = (("run", result.run_id), ("connection set", parameters.connection_set), ("seconds", result.seconds))
    parts.append(Facts(facts, "This run"))
    return Report("Prospect to cash", verdict, why, tuple(parts))


def _waiting_table(waiting: Sequence[Mapping[str, Any]]) -> Table:
    """Reasons, not rows: how many rows wait for each, with some of their keys."""
    reasons = Counter((row["task"], row["kind"], row["rule"], row["field"]) for row in waiting)
    example = {(row["task"], row["kind"], row["rule"], row["field"]): row for row in reversed(waiting)}
    rows = tuple(
        (
            task,
            kind,
            field_name or rule,
            count,
            example[task, kind, rule, field_name]["reason"],
            example[task, kind, rule, field_name]["key"],
        )
        for (task, kind, rule, field_name), count in sorted(reasons.items(), key=lambda item: TASKS.index(item[0][0]))
    )
    columns = ("task", "state", "field or rule", "rows", "reason", "for example")
    return Table(columns, rows[:SHOWN], "Rows that wait, by reason", len(rows))


def _links(folder: Path) -> Links:
    files = sorted([*folder.glob("*.ipynb"), *folder.glob("*/*/plan.json")])
    return Links(tuple((f.relative_to(folder).as_posix(),) * 2 for f in files), "Files of this run")
