"""Notebooks are short programs, in step with their texts and stored without outputs but the figures they are held
against; papermill can set what the run parameters name."""

import ast
import os
import shutil
from pathlib import Path

import nbformat
import pytest

from p2c_lib.runs import NOTEBOOKS, parameters_of
from tests import notebook_pairs

FOLDER = Path(__file__).parent.parent / "notebooks"
WIDE = 105  # letters of code beside the list of files in a window of 1280 pixels
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(name: str) -> list[nbformat.NotebookNode]:
    return list(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_outputs_but_what_its_checked_cells_print(name: str) -> None:
    code = [c for c in cells(name) if c.cell_type == "code"]
    assert [c.source for c in cells(name) if set(c.metadata) - {"tags"}] == []
    checked = [c for c in code if notebook_pairs.CHECKED in c.metadata.get("tags", [])]
    assert [c.source for c in code if (c.outputs or c.execution_count) and c not in checked] == []
    assert [[(o.output_type, o.name) for o in c.outputs] for c in checked] == [[("stream", "stdout")]] * len(checked)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_and_its_text_are_the_same_program(name: str) -> None:
    notebook = FOLDER / f"{name}.ipynb"
    assert notebook_pairs.program(notebook_pairs.text_of(notebook)) == notebook_pairs.program(notebook)


def test_no_text_is_without_its_notebook() -> None:
    assert sorted(path.stem for path in FOLDER.glob("text/*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_its_question_and_a_picture_of_the_flow(name: str) -> None:
    title, _, after = cells(name)[0].source.partition("\n")
    assert title.startswith("# ")
    assert after.strip().startswith("**")
    assert "?**" in after
    assert "```mermaid" in after


@pytest.mark.parametrize("name", ["00_tour", *NOTEBOOKS, "50_mapping_lab", "60_reconcile"])
def test_a_notebook_is_held_against_the_figures_of_the_sandbox(name: str) -> None:
    assert [c.source for c in cells(name) if notebook_pairs.CHECKED in c.metadata.get("tags", [])]


def test_a_changed_text_becomes_the_notebook_and_a_changed_notebook_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(notebook_pairs, "ROOT", tmp_path)
    shutil.copy(FOLDER.parent / "jupytext.toml", tmp_path)
    notebook = tmp_path / "notebooks" / "20_accounts.ipynb"
    shutil.copy(FOLDER / notebook.name, notebook)
    notebook_pairs.bring_in_step(notebook.parent)
    text = notebook_pairs.text_of(notebook)
    text.write_text(text.read_text("utf-8").replace("# # Accounts", "# # Customers"), "utf-8")
    later(text, notebook)
    notebook_pairs.bring_in_step(notebook.parent)
    found = nbformat.read(notebook, as_version=4)
    assert found.cells[0].source.startswith("# Customers")
    found.cells[0].source = "# Buyers"
    nbformat.write(found, notebook)
    later(notebook, text)
    notebook_pairs.bring_in_step(notebook.parent)
    assert text.read_text("utf-8").startswith("# %% [markdown]\n# # Buyers\n")


def test_stripping_leaves_what_checked_cells_print(tmp_path: Path) -> None:
    notebook = tmp_path / "20_accounts.ipynb"
    found = nbformat.read(FOLDER / notebook.name, as_version=4)
    said = [nbformat.v4.new_output("stream", name="stdout", text="300\n"), nbformat.v4.new_output("display_data")]
    code = [c for c in found.cells if c.cell_type == "code"]
    for cell in code:
        cell.execution_count, cell.outputs = 1, list(said)
    nbformat.write(found, notebook)
    (tmp_path / "text").mkdir()
    notebook_pairs.strip(notebook)
    left = [c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    checked = [notebook_pairs.CHECKED in c.metadata.get("tags", []) for c in left]
    assert [c.outputs for c in left] == [said[:1] if one else [] for one in checked]
    assert [c.execution_count for c in left] == [1 if one else None for one in checked]


def later(younger: Path, older: Path) -> None:
    """Make one file a minute younger than another."""
    moment = older.stat().st_mtime + 60
    os.utime(younger, (moment, moment))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_short_and_has_no_logic_that_wants_a_test(name: str) -> None:
    code = [c.source for c in cells(name) if c.cell_type == "code"]
    assert sum(len(source.splitlines()) for source in code) < 100
    assert [line for source in code for line in source.splitlines() if len(line) > WIDE] == []
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
