"""Notebooks executed unattended: skipped cells, an early stop, a failure kept, kernels that leave nothing behind."""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from p2c_lib.errors import RunError
from p2c_lib.run_folder import RunFolder
from p2c_lib.runs.engine import Ending, Job, execute
from p2c_lib.runs.kernels import WarmKernels


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmKernels]:
    with WarmKernels() as kernels:
        yield kernels


def notebook(folder: Path, *cells: str, interactive: tuple[int, ...] = ()) -> Path:
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    for place in interactive:
        made[place].metadata["tags"] = ["interactive"]
    made.append(nbformat.v4.new_markdown_cell("the end"))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / "made.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), path)
    return path


def run(folder: Path, job: Job, *cells: str, **tagged: Any) -> tuple[Ending, list[Any]]:
    ending = execute(notebook(folder, *cells, **tagged), folder / "done.ipynb", {}, job)
    return ending, list(nbformat.read(folder / "done.ipynb", as_version=4).cells)


def shown(cell: Any) -> str:
    return "".join(str(o.get("text") or o.get("data", {}).get("text/plain", "")) for o in cell.outputs)


def test_cells_for_a_person_are_skipped_and_say_so(tmp_path: Path, warm: WarmKernels) -> None:
    told: list[tuple[int, str]] = []
    job = Job(kernels=warm, cwd=tmp_path, told=lambda cell, state, _s, _w: told.append((cell, state)))
    ending, cells = run(tmp_path, job, "x = 1", "x = 2", "print(x)", interactive=(1,))
    assert ending == Ending("done")
    assert shown(cells[2]) == "1\n"
    assert shown(cells[1]).startswith("This cell is for a person")
    assert [cell.metadata.papermill["status"] for cell in cells[:3]] == ["completed", "skipped", "completed"]
    assert told == [(0, "started"), (0, "done"), (1, "skipped"), (2, "started"), (2, "done")]


def test_a_notebook_that_has_nothing_left_to_do_ends_cleanly(tmp_path: Path, warm: WarmKernels) -> None:
    stop = "import p2c_lib as p2c\nprint('looked')\nraise p2c.StopRun('nothing changed')"
    ending, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), stop, "1 / 0")
    assert ending == Ending("stopped", "nothing changed")
    assert shown(cells[0]) == "looked\nnothing changed"
    assert shown(cells[1]) == "Skipped: nothing changed"
    assert not [output for cell in cells[:2] for output in cell.outputs if output.output_type == "error"]


def test_a_notebook_that_fails_is_kept_with_its_traceback_on_top(tmp_path: Path, warm: WarmKernels) -> None:
    ending, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), "x = 1", "1 / 0", "x = 3")
    assert ending == Ending("failed", "ZeroDivisionError: division by zero")
    top = cells[0].source
    assert top.startswith("## This notebook failed")
    assert "----> 1 1 / 0" in top
    assert "\x1b" not in top
    assert [c.metadata.papermill["status"] for c in cells if c.cell_type == "code"] == [
        "completed",
        "failed",
        "pending",
    ]
    again, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), "x = 1")
    assert again == Ending("done")


def test_a_notebook_that_leaves_before_its_last_cell_is_not_done(tmp_path: Path, warm: WarmKernels) -> None:
    ending, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), "import sys\nsys.exit(0)", "print('after')")
    assert ending.state == "failed"
    assert ending.why.startswith("SystemExit: 0: what comes after it did not run")
    assert [shown(cell) for cell in cells if cell.cell_type == "code"][1:] == [""]
    assert cells[0].source.startswith("## This notebook failed")


def test_an_error_that_a_cell_is_tagged_for_is_no_failure(tmp_path: Path, warm: WarmKernels) -> None:
    path = notebook(tmp_path, "1 / 0", "print('after')")
    made = nbformat.read(path, as_version=4)
    made.cells[0].metadata["tags"] = ["raises-exception"]
    nbformat.write(made, path)
    assert execute(path, tmp_path / "done.ipynb", {}, Job(kernels=warm, cwd=tmp_path)) == Ending("done")
    cells = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    assert (cells[0].outputs[0].ename, shown(cells[1])) == ("ZeroDivisionError", "after\n")
    assert RunFolder(tmp_path).failure(Path("done.ipynb")) == ""


@pytest.mark.parametrize(
    ("source", "says"),
    [("%nosuch", "UsageError: Line magic function `%nosuch` not found"), ("%%bash\nexit 3", "CalledProcessError: ")],
)
def test_a_magic_that_fails_is_told_with_its_reason(tmp_path: Path, warm: WarmKernels, source: str, says: str) -> None:
    ending, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), source)
    assert ending.state == "failed"
    assert ending.why.startswith(says)
    assert says in cells[0].source


def test_the_folder_for_what_is_temporary_may_have_a_long_name(
    tmp_path: Path, warm: WarmKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 95)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert run(tmp_path, Job(kernels=warm, cwd=tmp_path), "1 + 1")[0] == Ending("done")


def test_a_folder_may_have_any_name(tmp_path: Path, warm: WarmKernels) -> None:
    folder = tmp_path / "{client} 100%20 what?x=1#'é\""
    folder.mkdir()
    path = notebook(folder, "print(x)")
    ending = execute(path, folder / "done.ipynb", {"x": 1}, Job(kernels=warm, cwd=folder))
    assert ending == Ending("done")


def test_a_kernel_has_the_folder_and_environment_of_its_job_and_none_of_another(
    tmp_path: Path, warm: WarmKernels
) -> None:
    look = (
        "import os, sys\n"
        "print(os.environ.get('MINE'), os.getcwd(), 'pandas' in sys.modules, globals().get('left'))\n"
        "left = 1"
    )
    results = {}

    def one(name: str) -> None:
        (tmp_path / name).mkdir()
        job = Job(env={"MINE": name}, cwd=tmp_path / name, kernels=warm)
        results[name] = shown(run(tmp_path / name, job, look)[1][0])

    both = [threading.Thread(target=one, args=(name,)) for name in ("a", "b")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert results == {name: f"{name} {tmp_path / name} True None\n" for name in ("a", "b")}
    assert os.environ.get("MINE") is None


def test_what_a_notebook_wants_done_at_its_end_is_done(tmp_path: Path, warm: WarmKernels) -> None:
    run(tmp_path, Job(kernels=warm, cwd=tmp_path), "import atexit\natexit.register(open, 'left', 'w')", "1 / 0")
    assert (tmp_path / "left").is_file()


def test_without_fork_a_kernel_starts_cold(tmp_path: Path) -> None:
    ending, cells = run(tmp_path, Job(cwd=tmp_path, env={"MINE": "1"}), "import os\nprint(os.environ['MINE'])")
    assert (ending, shown(cells[0])) == (Ending("done"), "1\n")


def test_a_kernel_that_dies_is_a_failure_whose_notebook_is_kept(tmp_path: Path, warm: WarmKernels) -> None:
    ending, cells = run(tmp_path, Job(kernels=warm, cwd=tmp_path), "print('here')", "import os\nos._exit(1)", "x = 1")
    assert ending.state == "failed"
    assert "the kernel died" in ending.why
    assert "the kernel died" in cells[0].source
    assert shown(next(cell for cell in cells if cell.source == "print('here')")) == "here\n"


def test_no_such_notebook_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no notebook"):
        execute(tmp_path / "none.ipynb", tmp_path / "done.ipynb", {}, Job())


def test_kernels_end_with_the_process_that_forked_them(tmp_path: Path) -> None:
    kernels = WarmKernels()
    kernel = kernels.fork(["-f", str(tmp_path / "kernel.json")], env=dict(os.environ), cwd=str(tmp_path))
    assert kernel.poll() is None
    kernels.close()
    assert kernel.wait(60) == 0


def test_a_kernel_is_spoken_to_over_files_that_only_this_user_reaches(tmp_path: Path, warm: WarmKernels) -> None:
    look = (
        "import os, stat\napp = get_ipython().kernel.parent\n"
        "print(app.transport, oct(stat.S_IMODE(os.stat(os.path.dirname(app.ip)).st_mode)), app.ip)"
    )
    transport, mode, place = shown(run(tmp_path, Job(kernels=warm, cwd=tmp_path), look)[1][0]).split()
    assert (transport, mode) == ("ipc", "0o700")
    assert not Path(place).parent.exists()


def test_the_kernels_of_a_run_are_forked_once_the_imports_are_done(warm: WarmKernels, tmp_path: Path) -> None:
    told = "import sys\nprint({'pandas', 'duckdb', 'p2c_lib.flow'} <= set(sys.modules))"
    assert shown(run(tmp_path, Job(kernels=warm, cwd=tmp_path), told)[1][0]) == "True\n"
