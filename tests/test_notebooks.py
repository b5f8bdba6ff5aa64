"""Notebooks are short programs, stored without outputs; papermill can set what the run parameters name."""

import ast
from pathlib import Path

import nbformat
import pytest

from p2c_lib.runs import NOTEBOOKS, parameters_of

FOLDER = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(name: str) -> list[nbformat.NotebookNode]:
    return list(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_outputs(name: str) -> None:
    code = [c for c in cells(name) if c.cell_type == "code"]
    assert [c.source for c in code if c.outputs or c.execution_count] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_short_and_has_no_logic_that_wants_a_test(name: str) -> None:
    code = [c.source for c in cells(name) if c.cell_type == "code"]
    assert sum(len(source.splitlines()) for source in code) < 100
    kinds = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try)
    assert [s for s in code if any(isinstance(n, kinds) for n in ast.walk(ast.parse(s)))] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_cell_is_the_parameter_model(name: str) -> None:
    model = parameters_of(name)
    (cell,) = [c for c in cells(name) if "parameters" in c.metadata.get("tags", [])]
    given = {n.targets[0].id: ast.literal_eval(n.value) for n in ast.parse(cell.source).body}
    assert list(given) == list(model.model_fields)
    own = {"tasks": given["tasks"]} if "tasks" in given else {}
    assert model.model_validate(given).model_dump() == model.model_validate(own).model_dump()


def test_every_notebook_of_the_walk_is_there() -> None:
    assert set(NOTEBOOKS) | {"00_tour"} <= set(NAMES)
