"""The tasks are the packaged six and those of the workspace, each after what it needs."""

from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping import TASKS, known_tasks, packaged_tasks, template_in

FORM = """
version: 1
task: {task}
title: Territories
needs: [{needs}]
source: {{app: sales, entity: uoms}}
destination: {{app: finops, entity: UnitsOfMeasure}}
key: {{name: UnitSymbol}}
fields:
  - {{from: name, to: UnitSymbol}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    (tmp_path / "templates").mkdir()
    return Workspace(tmp_path)


def add(here: Workspace, task: str, *needs: str, file: str = "") -> None:
    text = FORM.format(task=task, needs=", ".join(needs))
    (here.templates / f"{file or task}.yml").write_text(text, encoding="utf-8")


def test_without_own_templates_the_tasks_are_the_packaged_ones(here: Workspace) -> None:
    assert known_tasks(here) == TASKS
    assert set(TASKS) == set(packaged_tasks())


def test_the_packaged_order_is_one_in_which_every_task_comes_after_its_needs(here: Workspace) -> None:
    for place, task in enumerate(TASKS):
        assert set(template_in(task, here).needs) <= set(TASKS[:place])


def test_a_template_of_the_workspace_is_one_more_task(here: Workspace) -> None:
    add(here, "units")
    assert known_tasks(here) == (*TASKS, "units")
    assert template_in("units", here).destination.entity == "UnitsOfMeasure"


def test_a_task_that_others_need_comes_before_them(here: Workspace) -> None:
    add(here, "units")
    add(here, "quote-lines", "quotes", "late")
    add(here, "late", "units")
    assert known_tasks(here) == (*TASKS[:5], "units", "late", "quote-lines")


def test_tasks_that_need_each_other_are_named(here: Workspace) -> None:
    add(here, "one", "two")
    add(here, "two", "one")
    with pytest.raises(TemplateError, match="one, two need each other"):
        known_tasks(here)


def test_a_need_that_is_no_task_is_named_with_the_nearest(here: Workspace) -> None:
    add(here, "units", "acounts")
    with pytest.raises(UnknownName, match=r"needs of units.*Did you mean 'accounts'"):
        known_tasks(here)


def test_a_file_with_another_tasks_name_is_refused(here: Workspace) -> None:
    add(here, "units", file="measures")
    with pytest.raises(TemplateError, match=r"templates/measures\.yml is the template of task 'units'"):
        known_tasks(here)
