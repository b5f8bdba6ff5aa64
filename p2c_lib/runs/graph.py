"""The walk as a graph: a notebook runs when what its tasks need is done, independent ones side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from p2c_lib.config import Workspace
from p2c_lib.ending import IN_FLIGHT
from p2c_lib.mapping import template_in
from p2c_lib.runs.parameters import NOTEBOOKS, OWN_TASK
from p2c_lib.waiting import threads

__all__ = ["Unit", "side_by_side", "units"]

# A kernel that is interrupted gives what it has in flight some seconds, and closes its journal.
ENDED_WITHIN = IN_FLIGHT + 2.0
# Of each task that did not end, why.
Problems = dict[str, str]


@dataclass(frozen=True)
class Unit:
    """One execution of a notebook for one company: the tasks it walks, and those of other units that they need."""

    notebook: str
    tasks: tuple[str, ...] = ()
    needs: Mapping[str, tuple[str, ...]] | None = None
    company: str = ""

    @property
    def name(self) -> str:
        """What its output is called: the notebook's name, with the task where one notebook serves several."""
        return f"{self.notebook}-{self.tasks[0]}" if self.notebook == OWN_TASK else self.notebook

    def waits_for(self) -> set[str]:
        """The tasks of other units that any of its tasks needs."""
        return {name for needed in (self.needs or {}).values() for name in needed} - set(self.tasks)


def units(workspace: Workspace, tasks: Sequence[str], company: str = "") -> tuple[Unit, ...]:
    """The notebooks that walk these tasks, in the order the tasks are given; a task of the workspace's own has one
    execution of the notebook for such tasks."""
    home = {task: name for name, offered in NOTEBOOKS.items() for task in offered}
    together: dict[tuple[str, str], list[str]] = {}
    for task in tasks:
        notebook = home.get(task, OWN_TASK)
        together.setdefault((notebook, task if notebook == OWN_TASK else ""), []).append(task)
    needs = {task: tuple(n for n in template_in(task, workspace).needs if n in tasks) for task in tasks}
    return tuple(
        Unit(notebook, tuple(walked), {task: needs[task] for task in walked}, company)
        for (notebook, _), walked in together.items()
    )


def side_by_side(
    wanted: Sequence[Unit],
    execute: Callable[[Unit, tuple[str, ...]], Problems],
    *,
    kernels: int,
    held: Callable[[Unit, str, str], None],
    interrupt: Callable[[], None],
    kill: Callable[[], None],
) -> dict[str, Problems]:
    """Run every unit once what it needs has ended, so many side by side; of each company's tasks that did not end, why.

    ``execute`` is given a unit and the tasks of it that can run. A task whose need did not end is ``held``; the others
    go on. On Ctrl-C ``interrupt`` is called once, running units end, those that do not within seconds after ``kill``,
    and KeyboardInterrupt is raised.
    """
    waiting = list(wanted)
    problems: dict[str, Problems] = {unit.company: {} for unit in wanted}
    running: dict[Future[Problems], Unit] = {}
    with threads(kernels, "kernel") as pool:
        try:
            while waiting or running:
                open_tasks = {(unit.company, task) for unit in (*waiting, *running.values()) for task in unit.tasks}
                for unit in [unit for unit in waiting if _is_ready(unit, open_tasks)][: kernels - len(running)]:
                    waiting.remove(unit)
                    able = _able(unit, problems[unit.company], held)
                    if able or not unit.tasks:
                        running[pool.submit(execute, unit, able)] = unit
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    problems[running.pop(future).company] |= future.result()
        except KeyboardInterrupt:
            interrupt()
            if wait(running, timeout=ENDED_WITHIN).not_done:
                kill()
                wait(running, timeout=ENDED_WITHIN)
            raise
    return problems


def _is_ready(unit: Unit, open_tasks: Collection[tuple[str, str]]) -> bool:
    return not any((unit.company, task) in open_tasks for task in unit.waits_for())


def _able(unit: Unit, problems: Problems, held: Callable[[Unit, str, str], None]) -> tuple[str, ...]:
    """The tasks of a unit that can run; those that need a task that did not end are problems themselves."""
    able = []
    for task in unit.tasks:
        missing = [needed for needed in (unit.needs or {}).get(task, ()) if needed in problems]
        if missing:
            problems[task] = f"held: it needs {', '.join(missing)}"
            held(unit, task, problems[task])
        else:
            able.append(task)
    return tuple(able)
