"""A run folder: the files of one run, and the facts about its tasks that no other file keeps.

``.p2c/runs/<run id>/`` holds the executed notebooks, ``report.html`` and a folder for each task, with its snapshots,
its plan and ``task.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2c_lib.secrecy import kept_value

__all__ = ["INTERRUPTED", "PREFLIGHT", "RUN", "VERSION", "RunFolder", "keep", "said_of"]

TASK, RUN, REPORT, PREFLIGHT = "task.json", "run.json", "report.html", "preflight.json"
INTERRUPTED = "interrupted"
# Of the facts of a task; what another version wrote is not read.
VERSION = 1


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, whether it is still there or was pruned."""

    path: Path

    @property
    def is_there(self) -> bool:
        return self.path.is_dir()

    @property
    def report(self) -> Path:
        """Where the page of the run is, or will be."""
        return self.path / REPORT

    def tasks(self) -> list[dict[str, Any]]:
        """What the tasks that ended kept: gate, causes, plan, outcome and seconds of each; without order."""
        return [facts for facts in map(_read, sorted(self.path.glob(f"**/{TASK}"))) if facts.get("version") == VERSION]

    def run(self) -> dict[str, Any]:
        """What the run was told and which of its tasks did not end: ``parameters``, ``problems`` and ``notebooks``.

        Of a run that was killed, what its failed notebooks say, each under its own name.
        """
        if found := _read(self.path / RUN):
            return found
        failed = {file.stem: self.failure(file) for file in self.files() if file.suffix == ".ipynb"}
        problems = {name: why for name, why in failed.items() if why}
        return {"problems": problems, "notebooks": {name: f"{name}.ipynb" for name in problems}}

    def preflight(self) -> dict[str, Any]:
        """What was found before the run; empty when nobody looked."""
        return _read(self.path / PREFLIGHT)

    def files(self) -> list[Path]:
        """What a person would open, by relative path: the executed notebooks, then the plans."""
        found = [*sorted(self.path.glob("**/*.ipynb")), *sorted(self.path.glob("**/plan.json"))]
        return [file.relative_to(self.path) for file in found]

    def executed(self, notebook: str) -> str:
        """The file a notebook was executed into, of several tries the last; empty when it was not executed."""
        tries = [*self.path.glob(f"{notebook}.ipynb"), *self.path.glob(f"{notebook}-[0-9]*.ipynb")]
        return max(tries, key=lambda file: file.stat().st_mtime).name if tries else ""

    def failure(self, notebook: Path) -> str:
        """The last line of the traceback an executed notebook ended with; empty when it did not fail."""
        cells = _read(self.path / notebook).get("cells", [])
        meant = [cell for cell in cells if "raises-exception" not in cell.get("metadata", {}).get("tags", ())]
        outputs = [output for cell in meant for output in cell.get("outputs", [])]
        said = [said_of(o.get("ename"), o.get("evalue")) for o in outputs if o.get("output_type") == "error"]
        return said[-1] if said else ""

    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


def said_of(kind: object, words: object) -> str:
    """What the error that ended a notebook says, in one line; of an interruption, that it was one.

    >>> said_of("ValueError", "no such row"), said_of("KeyboardInterrupt", "")
    ('ValueError: no such row', 'interrupted')
    """
    return INTERRUPTED if kind in {"KeyboardInterrupt", "Interrupted"} else f"{kind}: {words}".splitlines()[0]


def keep(folder: Path, facts: Mapping[str, Any], name: str = TASK) -> None:
    """Write facts into a folder of the run; who reads meanwhile finds the old file or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.part"
    plain = kept_value(json.loads(json.dumps(facts, default=str)))
    partial.write_text(json.dumps(plain, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / name)


def _read(file: Path) -> dict[str, Any]:
    """The facts in a file; none when it is missing or was cut off while it was written."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
