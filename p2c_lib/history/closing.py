"""Runs whose process is gone: killed, or lost with its machine, they are ended here as interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from p2c_lib.history.past_run import past_run
from p2c_lib.history.run_page import run_report
from p2c_lib.ledger.holders import has_died
from p2c_lib.run_folder import RunFolder
from p2c_lib.secrecy import clean_folder

if TYPE_CHECKING:
    from p2c_lib.config import Workspace
    from p2c_lib.ledger import Ledger

__all__ = ["close_gone"]


def close_gone(ledger: Ledger, workspace: Workspace) -> list[str]:
    """End in the ledger every run that is told to go on and that no process carries out; their ids.

    Secrets are taken out of its files and its page is written, as far as its folder is there. It ended when it gave
    its last sign. One on another machine is gone when its lease, of two minutes, has run out.
    """
    closed = []
    for row in ledger.runs():
        if row["status"] != "running" or _goes_on(ledger, row):
            continue
        folder = RunFolder(workspace.state / "runs" / row["run_id"])
        report = str(folder.report) if folder.is_there else None
        ledger.end_run(row["run_id"], status="interrupted", report=report, at=max(_signs(ledger, row, folder)))
        closed.append(row["run_id"])
        if folder.is_there:
            with suppress(OSError):
                clean_folder(folder.path)
                run_report(past_run(ledger, workspace, row["run_id"]), ledger).save(folder.report)
    return closed


def _goes_on(ledger: Ledger, row: Mapping[str, Any]) -> bool:
    """Whether a process carries a run out: it holds its lease, of a company's part that of the whole run."""
    whole = str(row["run_id"]).removesuffix(f"-{row['company'].lower()}")
    holders = [ledger.holder_of(f"run {name}") for name in {row["run_id"], whole}]
    return any(holder is not None and not has_died(holder) for holder in holders)


def _signs(ledger: Ledger, row: Mapping[str, Any], folder: RunFolder) -> Iterator[str]:
    """When a run told something: its start, its tasks and its events."""
    yield row["started"]
    yield from (task["ended"] for task in ledger.tasks(row["run_id"]))
    with suppress(OSError):
        at = (folder.path / "events.jsonl").stat().st_mtime
        yield datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
