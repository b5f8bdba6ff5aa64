"""The tasks of a workspace in the order they run: the six that come with the package, and those it has a file for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from p2c_lib.config import Workspace, workspace
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping.reading import packaged_template, template
from p2c_lib.mapping.template import Template

__all__ = ["TASKS", "known_tasks", "template_in"]

TASKS = ("products", "accounts", "contacts", "contact-customers", "quotes", "quote-lines")


def known_tasks(here: Workspace | None = None) -> tuple[str, ...]:
    """The tasks of a workspace (the current one by default), each after all that it needs.

    A file ``templates/<task>.yml`` adds a task, or stands for the packaged one of that name. Raises UnknownName for a
    need that is no task and TemplateError for tasks that need each other.

    >>> known_tasks()[-1]
    'quote-lines'
    """
    place = here or workspace()
    own = sorted(file.stem for file in place.templates.glob("*.yml"))
    if not own:
        return TASKS
    named = tuple(dict.fromkeys((*TASKS, *own)))
    return _in_order({task: template_in(task, place).needs for task in named})


def template_in(task: str, here: Workspace) -> Template:
    """The template a workspace has for a task: its own file, else the packaged one."""
    own = here.templates / f"{task}.yml"
    if not own.is_file():
        return packaged_template(task)
    found = template(own)
    if found.task != task:
        hint = f"Name the file {found.task}.yml, or write task: {task} in it."
        raise TemplateError(f"{_shown(own)} is the template of task '{found.task}'.", path="task", hint=hint)
    return found


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _in_order(needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The names in the order given, moved back only as far as their needs ask for."""
    for task, needed in needs.items():
        for name in needed:
            if name not in needs:
                raise UnknownName("task", name, needs, where=f"needs of {task}")
    placed: dict[str, None] = {}
    while len(placed) < len(needs):
        waiting = [task for task in needs if task not in placed]
        ready = next((task for task in waiting if all(name in placed for name in needs[task])), None)
        if ready is None:
            hint = "Take one of them out of the needs of another."
            raise TemplateError(f"The tasks {', '.join(waiting)} need each other.", path="needs", hint=hint)
        placed[ready] = None
    return tuple(placed)
