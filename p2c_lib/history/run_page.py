"""The report of a run, from the ledger and the run's folder: it can be made again as long as the ledger is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2c_lib import __version__
from p2c_lib.history import sections
from p2c_lib.history.past_run import PastRun, past_run
from p2c_lib.ledger.schema import COUNTS
from p2c_lib.report import Figures, Link, Links, Mark, Part, Prose, Report, Section, Table, stacked_bars

if TYPE_CHECKING:
    from p2c_lib.config import Workspace
    from p2c_lib.ledger import Ledger

__all__ = ["COLOURS", "run_report", "show_run", "verdict_of"]

COLOURS = {
    "created": "#1a7f37",
    "updated": "#0969da",
    "unchanged": "#8c959f",
    "held": "#bf8700",
    "quarantined": "#e16f24",
    "drifted": "#8250df",
    "failed": "#cf222e",
}
REASONS, ROWS, FILES, BROKEN = 40, 25, 120, 3
# How a run says that a task was not begun, since one it needs did not end.
HELD = "held: "
TASK = {"clean": "ok", "differences": "warning", "planned": "info", "blocked": "stop"}


def run_report(run: PastRun, ledger: Ledger, *, beside: Path | None = None) -> Report:
    """What a run came to: verdict first, then every task, what waits and why, and how it came to that.

    Files are led to by their paths from the folder ``beside``, where the page will be; by default the run's own.
    """
    near = _near(run.folder.path, beside)
    facts = _in_order(run)
    parts: list[Part] = [_figures(run)]
    if problems := _problems(run, ledger, near):
        parts.append(problems)
    parts += [_tasks(run), *_waiting(run, ledger)]
    if facts:
        parts += [sections.gate(facts), sections.causes(facts)]
        parts.append(sections.plans(facts, run.folder.path, near, applied=run.applied))
    parts.append(sections.outcomes(facts, ledger.outcomes_of(run.run_id), applied=run.applied))
    if gone := ledger.deletions(run_id=run.run_id):
        parts.append(sections.deletions(gone))
    parts.append(sections.preflight(run.folder.preflight()))
    if facts:
        parts.append(sections.seconds(facts, ledger.cells(run.run_id)))
    parts.append(_files(run, near))
    verdict, why = verdict_of(run)
    made = (
        f"Made by p2c {__version__} on {datetime.now(UTC):%d %b %Y at %H:%M} UTC, from the ledger and the run folder."
    )
    return Report("Prospect to cash", verdict, why, tuple(parts), _subtitle(run), made)


def show_run(name: str = "latest", *, workspace: Workspace | None = None) -> Report:
    """The report of a run of a workspace, by its id, the beginning of its id, or ``latest``. Raises UnknownName."""
    from p2c_lib.config import workspace as current
    from p2c_lib.ledger import open_ledger

    here = workspace or current()
    ledger = open_ledger(here.ledger)
    try:
        return run_report(past_run(ledger, here, name), ledger)
    finally:
        ledger.close()


def _near(folder: Path, beside: Path | None) -> Path:
    """The run's folder as a page in ``beside`` names it."""
    return Path(os.path.relpath(folder, beside)) if beside is not None else Path()


def _in_order(run: PastRun) -> list[Mapping[str, Any]]:
    """What the tasks kept, in the order the tasks ended."""
    order = {line["task"]: n for n, line in enumerate(run.tasks)}
    kept = [task for task in run.folder.tasks() if task["task"] in order]
    return sorted(kept, key=lambda task: order[task["task"]])


def _subtitle(run: PastRun) -> str:
    when = f"{run.started:%d %b %Y, %H:%M} UTC"
    lasted = f"{run.seconds:,.1f} s" if run.ended else "not ended"
    told = (
        f"Run {run.run_id}",
        f"{run.connection_set}, company {run.company}",
        run.mode,
        *_narrowed(run),
        when,
        lasted,
    )
    return " · ".join(told)


def _narrowed(run: PastRun) -> list[str]:
    """What keeps a run from telling of every row by every rule."""
    given = run.folder.run().get("parameters", {})
    found = []
    if given.get("since"):
        found.append(f"only what changed since {given['since']}")
    elif given.get("full") is False:
        found.append("only what changed since the last load")
    if given.get("limit") is not None:
        found.append(f"at most {given['limit']:,} rows of each source")
    if given.get("without"):
        found.append(f"without the rules {', '.join(given['without'])}")
    return found


def verdict_of(run: PastRun) -> tuple[str, str]:
    """The verdict and what it stands on, the worst first."""
    problems = run.problems
    waits = run.count("quarantined", "held", "failed", "drifted")
    if problems:
        return "failed", _failed(run)
    if run.status == "interrupted":
        return "warn", f"The run was interrupted; p2c run --resume {run.run_id} goes on. {_counted(run)}"
    if run.status in {"error", "running"}:
        return "failed", f"The run did not end. {_counted(run)}"
    if not run.tasks:
        return "pass", "The notebook ended; it walked no task."
    if blocked := [task["task"] for task in run.tasks if task["status"] == "blocked"]:
        closed = f"The gate is closed for {', '.join(blocked)}: nothing of it was written."
        return "blocked", f"{closed} {_counted(run)}" if run.count("created", "updated") else f"{closed}{_not_in(run)}"
    if not run.applied and run.count("created", "updated"):
        return "planned", _counted(run)
    return "warn" if waits else "pass", _counted(run)


def _failed(run: PastRun) -> str:
    """What broke, then what waits for it, then what ended."""
    broken = {task: why for task, why in run.problems.items() if not why.startswith(HELD)}
    held = [task for task in run.problems if task not in broken]
    told = "; ".join(f"{task}: {why}" for task, why in list(broken.items())[:BROKEN])
    more = f"; and {len(broken) - BROKEN} more" if len(broken) > BROKEN else ""
    waits = f" Not begun: {', '.join(held)}." if held else ""
    ended = ", ".join(str(line["task"]) for line in run.tasks)
    return f"{told}{more}.{waits} {f'Ended: {ended}.' if ended else 'No task ended.'}".strip()


def _counted(run: PastRun) -> str:
    made, changed = run.count("created"), run.count("updated")
    if made + changed:
        said = f"{made + changed:,} rows {run.verb}: {made:,} created, {changed:,} updated."
    else:
        said = "There is nothing to write."
    said += f" {run.count('unchanged'):,} of {run.count('read'):,} rows agreed already."
    return said + (_not_in(run) or " No row waits.")


def _not_in(run: PastRun) -> str:
    """How many rows did not go in, by why; empty when all did."""
    words = {"quarantined": "quarantined", "held": "held", "failed": "refused", "drifted": "drifted"}
    told = ", ".join(f"{run.count(name):,} {word}" for name, word in words.items() if run.count(name))
    return f" Not in: {told}." if told else ""


def _figures(run: PastRun) -> Figures:
    names = ("quarantined", "held", "failed", "drifted")
    rest = [(name, run.count(name)) for name in names]
    written = ("written" if run.applied else "to write", run.count("created", "updated"))
    return Figures((("read", run.count("read")), written, ("agreed", run.count("unchanged")), *rest))


def _problems(run: PastRun, ledger: Ledger, near: Path) -> Section | None:
    """What failed, with the last line of what happened, and the notebook and cell that show it."""
    if not run.problems:
        return None
    failed = {
        f"{line['notebook']}.ipynb": line["cell"] for line in ledger.cells(run.run_id) if line["state"] == "failed"
    }
    rows = []
    for task, why in run.problems.items():
        notebook = "" if why.startswith(HELD) else run.notebook(task)
        place = f"{notebook}, cell {failed[notebook]}" if notebook in failed else notebook
        rows.append((task, why, Link(place, (near / notebook).as_posix()) if notebook else ""))
    table = Table(("task", "what happened", "where"), tuple(rows), "What did not end")
    again = f"What is done stays done. p2c run --resume {run.run_id} goes on where it stopped."
    return Section("What failed", (table, Prose(again)))


def _tasks(run: PastRun) -> Section:
    if not run.tasks:
        return Section("Tasks", (Prose("No task ended."),))
    names = (*COUNTS, "seconds")
    rows = tuple(
        (line["task"], Mark(line["status"], TASK.get(line["status"], "info")), *(line[name] for name in names))
        for line in run.tasks
    )
    sums = ("all", "", *(run.count(name) for name in COUNTS), sum(float(line["seconds"]) for line in run.tasks))
    table = Table(("task", "state", *names), rows, "Rows of each task", sums=sums if len(rows) > 1 else ())
    bars = [(line["task"], kind, line[kind]) for line in run.tasks for kind in COLOURS]
    told = "read = passed + quarantined + held; passed = created + updated + unchanged + failed + drifted."
    if not run.applied:
        told += " Nothing was written: created and updated say what would be."
    return Section("Tasks", (table, Prose(told), stacked_bars("What became of every row", bars, COLOURS)))


def _waiting(run: PastRun, ledger: Ledger) -> list[Part]:
    """Reasons with their counts, then the rows that wait longest; as it was when the run ended."""
    at = (run.ended or datetime.now(UTC)).isoformat(timespec="milliseconds")
    scope: dict[str, Any] = {"connection_set": run.connection_set, "company": run.company, "at": at}
    scope["tasks"] = [line["task"] for line in run.tasks]
    reasons = ledger.waiting_reasons(**scope)
    if not reasons:
        return [Section("Rows that wait", (Prose("No row waits."),))]
    rows = [
        (r["task"], r["kind"], int(r["rows"]), r["reason"], r["key"], r["field"] or r["rule"])
        for r in reasons[:REASONS]
    ]
    columns = ("task", "state", "rows", "reason, for example", "key", "field or rule")
    by_reason = Table(columns, tuple(rows), "Rows that wait, by reason", len(reasons))
    first, total = ledger.waiting_at(**scope, most=ROWS)
    shown = [(r["key"], r["task"], r["kind"], r["reason"], r["first_seen"][:10]) for r in first]
    titles = ("key", "task", "state", "reason", "since")
    longest = Table(titles, tuple(shown), "Those that wait longest", total)
    told = "They go in by themselves once the cause is gone. p2c quarantine list shows all of them; "
    told += "p2c quarantine waive lets one through that may load as it is."
    return [Section("Rows that wait", (by_reason, Prose(told), longest))]


def _files(run: PastRun, near: Path) -> Section:
    found = run.folder.files()
    if not found:
        return Section("Files", (Prose("The run folder was pruned; what the ledger knows is above."),))
    links = tuple((file.as_posix(), (near / file).as_posix()) for file in found[:FILES])
    parts: list[Part] = [Links(links)]
    if len(found) > FILES:
        parts.append(Prose(f"… and {len(found) - FILES:,} more in {run.folder.path}."))
    return Section("Files", tuple(parts))
