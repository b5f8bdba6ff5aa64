"""Each notebook and its text are one program: ``python -m tests.notebook_pairs`` (``make notebooks``) brings the two in
step, the newer of them into the other, and takes outputs out of the notebooks.

Cells tagged ``nbval-check-output`` keep what they print: the figures of the seeded sandbox, which nbval holds every run
against. ``--renew`` runs the notebooks on a sandbox of their own and writes the figures anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
CHECKED = "nbval-check-output"


def text_of(notebook: Path) -> Path:
    """Where the text of a notebook lies."""
    return notebook.parent / "text" / f"{notebook.stem}.py"


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def program(place: Path) -> list[tuple[str, str, list[str]]]:
    """What a notebook or its text says: kind, source and tags of every cell."""
    return [(cell.cell_type, cell.source.strip(), tags(cell)) for cell in jupytext.read(place).cells]


def bring_in_step(folder: Path) -> None:
    """The newer of each pair becomes the other; a text without a notebook gets one."""
    pairs = sorted(folder.glob("text/*.py"))
    missing = [p for p in pairs if not (folder / f"{p.stem}.ipynb").exists()]
    places = [str(p.relative_to(ROOT)) for p in (*sorted(folder.glob("*.ipynb")), *missing)]
    subprocess.run([sys.executable, "-m", "jupytext", "--quiet", "--sync", *places], cwd=ROOT, check=True)


def strip(notebook: Path) -> None:
    """Take the outputs and counts of a run away, except what checked cells print."""
    found = nbformat.read(notebook, as_version=4)
    for cell in found.cells:
        cell.metadata = {"tags": tags(cell)} if tags(cell) else {}
    for cell in (c for c in found.cells if c.cell_type == "code"):
        kept = [o for o in cell.outputs if CHECKED in tags(cell) and o.output_type == "stream" and o.name == "stdout"]
        cell.outputs = kept
        cell.execution_count = 1 if kept else None  # nbval takes outputs of a cell that was never run for a mistake
    found.metadata = {"kernelspec": found.metadata["kernelspec"], "language_info": {"name": "python"}}
    _write(notebook, found)


def renew(notebook: Path) -> None:
    """Run a notebook on a sandbox of its own and keep what its checked cells print."""
    import nbclient
    from traitlets.config import Config

    found = nbformat.read(notebook, as_version=4)
    if any(CHECKED in tags(cell) for cell in found.cells):
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, "P2C_WORKSPACE": home, "PYTHONPATH": str(ROOT)}
            config = Config({"KernelManager": {"transport": "ipc"}} if os.name == "posix" else {})
            nbclient.NotebookClient(found, timeout=120, config=config, record_timing=False).execute(
                env=environment, cwd=str(ROOT)
            )
        _write(notebook, found)
    strip(notebook)


def _write(notebook: Path, found: nbformat.NotebookNode) -> None:
    """Write where something changed, with the text a moment younger than its notebook, as jupytext wants it."""
    before = notebook.read_text("utf-8")
    after = nbformat.writes(found) + "\n"
    if before != after:
        notebook.write_text(after, "utf-8")
        text_of(notebook).touch()


def main(words: Iterable[str]) -> None:
    """Bring all pairs in step, strip the notebooks, and renew their figures where asked."""
    bring_in_step(NOTEBOOKS)
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        (renew if "--renew" in words else strip)(notebook)


if __name__ == "__main__":
    main(sys.argv[1:])
