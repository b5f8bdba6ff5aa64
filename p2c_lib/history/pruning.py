"""Run folders that are old are removed; what the ledger knows of the runs stays."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib.errors import ConfigError
from p2c_lib.history.past_run import PastRun, past_runs
from p2c_lib.report import Facts, Report, Table
from p2c_lib.run_folder import RunFolder

if TYPE_CHECKING:
    from p2c_lib.config import Workspace
    from p2c_lib.ledger import Ledger

__all__ = ["Pruned", "Removed", "duration", "prune"]

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
# A run that was killed can be taken up again; after this long nobody will.
RESUMABLE = timedelta(days=7)
SHOWN = 40


@dataclass(frozen=True)
class Removed:
    """A run folder that was removed, or would be: when the run began and how many bytes that is."""

    run_id: str
    began: datetime
    size: int


@dataclass(frozen=True)
class Pruned:
    """What pruning came to; ``kept`` tells of old folders that stay, and why. ``done`` is False for a dry run."""

    removed: tuple[Removed, ...]
    kept: dict[str, str]
    folders: int
    done: bool

    @property
    def size(self) -> int:
        """Bytes of what was removed."""
        return sum(one.size for one in self.removed)

    def report(self) -> Report:
        """How much went, what stays and what can no longer be done."""
        verb = "removed" if self.done else "would be removed"
        why = f"{len(self.removed):,} of {self.folders:,} run folders {verb}, {self.size / 1e6:,.1f} MB."
        if self.removed:
            why += " Their facts stay in the ledger; what they wrote cannot be undone any more."
        shown = tuple((one.run_id, f"{one.began:%Y-%m-%d %H:%M}", one.size / 1e6) for one in self.removed[:SHOWN])
        parts: list[Any] = [Table(("run", "began (UTC)", "MB"), shown, verb.capitalize(), len(self.removed))]
        if self.kept:
            parts.append(Facts(tuple(self.kept.items()), "Old, but kept"))
        return Report("Prune", "pass" if self.done else "planned", why, tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        removed = [{"run_id": one.run_id, "began": one.began.isoformat(), "bytes": one.size} for one in self.removed]
        return {"done": self.done, "folders": self.folders, "bytes": self.size, "removed": removed, "kept": self.kept}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()


def duration(text: str) -> timedelta:
    """A length of time as people write it. Raises ConfigError for what is none.

    >>> duration("90d"), duration("12h")
    (datetime.timedelta(days=90), datetime.timedelta(seconds=43200))
    """
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip().lower())
    if found is None:
        raise ConfigError(f"'{text}' is no length of time.", hint="Write 90d, 12h or 8w.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def prune(workspace: Workspace, *, older_than: timedelta, keep: int = 0, dry_run: bool = False) -> Pruned:
    """Remove the folders of runs that began longer ago than ``older_than``, but never those of the latest ``keep``.

    A run that can be resumed keeps its folder, as does one with operations whose answer is not known. Folders that are
    no run's are left alone.
    """
    from p2c_lib.ledger import open_ledger

    ledger = open_ledger(workspace.ledger)
    try:
        runs = {run.run_id: run for run in past_runs(ledger, workspace)}
        found = list(_folders(workspace, runs))
        limit = datetime.now(UTC) - older_than
        old = [one for one in found[keep:] if one.began < limit]
        kept = {one.run_id: why for one in old if (why := _needed(runs.get(one.run_id), one, ledger))}
    finally:
        ledger.close()
    for one in old:
        if one.run_id not in kept and not dry_run and (why := _remove(workspace.state / "runs" / one.run_id)):
            kept[one.run_id] = why
    gone = tuple(one for one in old if one.run_id not in kept)
    return Pruned(gone, kept, len(found), done=not dry_run)


def _remove(folder: Path) -> str:
    """Remove a folder; why it could not be, empty when it is gone."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        return f"cannot be removed: {error.strerror or error}"
    return ""


def _folders(workspace: Workspace, runs: dict[str, PastRun]) -> Iterator[Removed]:
    """Every run folder, the latest first; a walk that never ended has one too, with its time in its name."""
    for folder in sorted((workspace.state / "runs").glob("*"), key=lambda path: path.name, reverse=True):
        began = runs[folder.name].started if folder.name in runs else _named_time(folder)
        if began is not None and folder.is_dir() and not folder.is_symlink():
            yield Removed(folder.name, began, RunFolder(folder).size())


def _named_time(folder: Path) -> datetime | None:
    try:
        return datetime.strptime(folder.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _needed(run: PastRun | None, folder: Removed, ledger: Ledger) -> str:
    """Why an old folder must stay; empty when it need not."""
    if run is None or run.ended is None:
        young = datetime.now(UTC) - folder.began < RESUMABLE
        return "has not ended and can be resumed" if young else ""
    if any(line["state"] == "sent" for line in ledger.outcomes_of(run.run_id)):
        return "has operations without an answer; p2c apply looks at them first"
    return ""
