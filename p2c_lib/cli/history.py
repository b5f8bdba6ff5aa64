"""``p2c history``: the runs that were, one of them, two of them side by side, and how long their folders are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2c_lib.cli.show import JsonOption, json_line, say, tell
from p2c_lib.config import workspace

if TYPE_CHECKING:
    from p2c_lib.config import Workspace
    from p2c_lib.ledger import Ledger

__all__ = ["history"]

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or 'latest'.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write it as a page that stands alone.")]

history = typer.Typer(help="The runs that were: list, show, compare, prune.", invoke_without_command=True)


@history.callback()
def list_runs(
    context: typer.Context,
    *,
    connection_set: Annotated[str | None, typer.Option("--set", help="Only runs of this connection set.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Only what runs did of this task.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="The latest so many.")] = 30,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs, the latest first, with how each task went. Runs whose process is gone are ended first."""
    _close_gone()
    if context.invoked_subcommand is not None:
        return
    from p2c_lib.history import history as runs_of

    # A page is for looking back, a terminal for the last few.
    found = runs_of(workspace(), connection_set=connection_set, task=task, most=None if html else last)
    if html is not None:
        tell(found.save(html))
    elif as_json:
        json_line(found.to_dict())
    elif not found.runs:
        say("No run is in the ledger yet; p2c run makes one.")
    else:
        tell(found.table().to_text())
        tell(f"\n{found.trend_table().to_text()}")
        say(f"{len(found.runs):,} of {found.total:,} runs")


@history.command()
def show(run: RunArgument, *, html: HtmlOption = None, as_json: JsonOption = False) -> None:
    """Show what a run came to; its report can be made again as long as the ledger is there."""
    from p2c_lib.history import past_run, run_report

    with _ledger() as (ledger, here):
        found = past_run(ledger, here, run)
        if as_json:
            json_line(
                {**found.to_dict(), "problems": dict(found.problems), "outcomes": ledger.outcomes_of(found.run_id)}
            )
        elif html is not None:
            tell(run_report(found, ledger, beside=html.parent.resolve()).save(html))
        else:
            tell(run_report(found, ledger).to_text())


@history.command()
def compare(
    before: RunArgument,
    after: Annotated[str, typer.Argument(metavar="[RUN]", help="The later run; by default the latest.")] = "latest",
    *,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: what changed in counts, verdicts, causes, rules and seconds."""
    from p2c_lib.history import compare as look

    found = look(before, after, workspace=workspace())
    _show(found, html=html, as_json=as_json)


@history.command()
def prune(
    *,
    older_than: Annotated[str, typer.Option("--older-than", help="A length of time: 90d, 12h or 8w.")] = "90d",
    keep: Annotated[int, typer.Option("--keep", min=0, help="The latest so many stay, however old.")] = 50,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the folders of old runs; what the ledger knows of them stays."""
    from p2c_lib.history import duration
    from p2c_lib.history import prune as remove

    found = remove(workspace(), older_than=duration(older_than), keep=keep, dry_run=dry_run)
    _show(found, html=None, as_json=as_json)


def _close_gone() -> None:
    from p2c_lib.history import close_gone

    with _ledger() as (ledger, here):
        for run_id in close_gone(ledger, here):
            say(f"note: the process of the run {run_id} is gone; it is told as interrupted from now on")


@contextmanager
def _ledger() -> Iterator[tuple[Ledger, Workspace]]:
    from p2c_lib.ledger import open_ledger

    here = workspace()
    ledger = open_ledger(here.ledger)
    try:
        yield ledger, here
    finally:
        ledger.close()


def _show(value: Any, *, html: Path | None, as_json: bool) -> None:
    if as_json:
        json_line(value.to_dict())
    elif html is not None:
        tell(value.report().save(html))
    else:
        tell(value.report().to_text())
