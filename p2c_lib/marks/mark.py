"""A task's mark: how far it has read each table it depends on, which rows it has seen and which of them wait.

The ledger holds the positions; the rows seen lie in Parquet files under ``.p2c/marks/``. A mark is written when a load
is done, as a new folder and one line of the ledger, so that a run that is killed leaves the earlier one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.session import Session

__all__ = ["SEEN", "Mark", "Rules", "last_mark", "save_mark"]

SEEN = pa.schema([("id", pa.string()), ("key", pa.string()), ("twin", pa.string()), ("waits", pa.bool_())])
ROWS = "rows.parquet"
CHANGED = {
    "template_sha": "the template changed",
    "suite_sha": "the suite changed",
    "version": "the workbench changed",
    "place": "a system is at another address",
}


@dataclass(frozen=True)
class Rules:
    """By what rows were judged and where; with another rule or another system, rows that did not change count too."""

    template_sha: str
    suite_sha: str
    version: str
    place: str


@dataclass(frozen=True)
class Mark:
    """Up to where a task has read: ``positions`` by table, as ``Client.changes`` gave them.

    ``seen`` has a line for each row of the task: its ``id``, its normalised ``key``, the value of the column by which
    its twins are found, and whether it ``waits``. ``behind`` holds, for each table behind a lookup, the values in use.
    """

    at: str
    positions: Mapping[str, str | None]
    seen: pa.Table
    behind: Mapping[str, pa.Table]


def last_mark(ledger: Ledger, task: str, rules: Rules, scope: Mapping[str, str]) -> tuple[Mark | None, str]:
    """The mark of a task; where there is none that holds, None and why in words."""
    row = ledger.mark(**scope, task=task)
    if row is None:
        return None, "no load of this task left a mark yet"
    for name, says in CHANGED.items():
        if row[name] != getattr(rules, name):
            return None, says
    folder = Path(row["folder"])
    behind = {path: folder / f"{number}.parquet" for number, path in enumerate(_behind(row["positions"]))}
    if not all(file.is_file() for file in (folder / ROWS, *behind.values())):
        return None, f"what the last load saw is not in {folder}"
    tables = {path: pq.read_table(file) for path, file in behind.items()}
    return Mark(row["at"], row["positions"], pq.read_table(folder / ROWS), tables), ""


def save_mark(mark: Mark, session: Session, ledger: Ledger, *, task: str, rules: Rules, run_id: str) -> None:
    """Put a mark in the place of the task's earlier one."""
    place = session.workspace.state / "marks" / session.set.name / session.company / task
    folder = place / run_id
    folder.mkdir(parents=True, exist_ok=True)
    files: list[tuple[Any, str]] = [(mark.seen, ROWS)]
    files += [(mark.behind[path], f"{number}.parquet") for number, path in enumerate(_behind(mark.positions))]
    for table, name in files:
        pq.write_table(table, folder / name, compression="zstd")
    ledger.set_mark(
        run_id,
        connection_set=session.set.name,
        company=session.company,
        task=task,
        template_sha=rules.template_sha,
        suite_sha=rules.suite_sha,
        version=rules.version,
        place=rules.place,
        positions=mark.positions,
        folder=folder,
        rows=mark.seen.num_rows,
    )
    for old in place.iterdir():
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _behind(positions: Mapping[str, str | None]) -> list[str]:
    """The tables behind lookups, in an order that stays; the source itself has no path."""
    return sorted(path for path in positions if path)
