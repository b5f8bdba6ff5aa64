"""``p2c plan``, ``approve``, ``apply``, ``undo``, ``why``, ``ledger``: see what would be written, answer for it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2c_lib.cli.show import JsonOption, SetOption, WaitOption, json_line, say, seconds_of, session_of, tell
from p2c_lib.config import SANDBOX, workspace

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.load import LoadOutcome
    from p2c_lib.plan import Plan

__all__ = ["apply", "approve", "ledger", "plan", "undo", "why"]

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN", help="The folder of a plan.")]
Words = Annotated[list[str] | None, typer.Option(help="May be given more than once.")]

plan = typer.Typer(help="Look at a plan, or take a part of it.", no_args_is_help=True)
ledger = typer.Typer(help="What happened, and whether its record is whole.", no_args_is_help=True)


@contextmanager
def _opened() -> Iterator[Ledger]:
    from p2c_lib.ledger import open_ledger

    found = open_ledger(workspace().ledger)
    try:
        yield found
    finally:
        found.close()


def _show(one: Plan, *, as_json: bool) -> None:
    if as_json:
        json_line(one.to_dict())
    else:
        tell(one.report().to_text())


@plan.command()
def show(
    folder: PlanArgument,
    *,
    html: Annotated[Path | None, typer.Option(help="Write the review as a page.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write every field to a .xlsx, .csv or .parquet file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a plan would write."""
    from p2c_lib.plan import open_plan
    from p2c_lib.sheets import write_sheet

    found = open_plan(folder)
    if html is not None:
        found.report().save(html)
    if export is not None:
        write_sheet(found.rows, export)
    _show(found, as_json=as_json)


@plan.command()
def only(
    folder: PlanArgument,
    *,
    op: Words = None,
    key: Words = None,
    field: Words = None,
    cause: Words = None,
    as_json: JsonOption = False,
) -> None:
    """Make a plan of the operations that fit every choice."""
    from p2c_lib.plan import open_plan

    _show(open_plan(folder).only(ops=op, keys=key, fields=field, causes=cause), as_json=as_json)


@plan.command()
def without(
    folder: PlanArgument,
    *,
    op: Words = None,
    key: Words = None,
    field: Words = None,
    cause: Words = None,
    as_json: JsonOption = False,
) -> None:
    """Make a plan without the operations that fit every choice."""
    from p2c_lib.plan import open_plan

    _show(open_plan(folder).without(ops=op, keys=key, fields=field, causes=cause), as_json=as_json)


def approve(
    folder: PlanArgument,
    *,
    by: Annotated[str, typer.Option(help="Who approves; by default you.")] = "",
    note: Annotated[str, typer.Option(help="What to say with it.")] = "",
) -> None:
    """Approve a plan: who, when and which hash go to the ledger."""
    from p2c_lib.plan import open_plan

    found = open_plan(folder)
    who = by or getpass.getuser()
    destination = found.facts["destination"]
    place = {"company": destination["company"], "entity_set": destination["entity_set"]}
    with _opened() as book:
        book.record_plan(found.id, task=found.task, folder=folder, run_id=None, undoes=found.undoes, **place)
        book.approve(found.id, by=who, note=note)
    tell(f"{found!r} is approved by {who}")


def apply(
    folder: PlanArgument,
    *,
    connection_set: SetOption = SANDBOX,
    wait: WaitOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write what a plan says, or go on where an apply of it was cut off. Exit 1 when rows were not written."""
    from p2c_lib.load import apply as applied
    from p2c_lib.plan import open_plan

    found, seconds = open_plan(folder), seconds_of(wait)
    with session_of(connection_set) as session:
        outcome = applied(found, session, wait=seconds, tell=say)
    _tell(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.complete else 1)


def undo(
    run: Annotated[str, typer.Argument(help="A run, or the folder of a plan.")],
    *,
    connection_set: SetOption = SANDBOX,
    do: Annotated[bool, typer.Option("--apply/--plan-only", help="Write, or only say what would be.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the plans that take back what a run wrote, the last first. Exit 1 when something cannot be undone."""
    from p2c_lib.agreement import forget
    from p2c_lib.load import apply as applied
    from p2c_lib.load import undo as undone
    from p2c_lib.plan import open_plan

    left = 0
    what = open_plan(Path(run)) if (Path(run) / "plan.json").is_file() else run
    with session_of(connection_set) as session, _opened() as book:
        for back in undone(what, session, ledger=book):
            left += len(back.facts["cannot"])
            if not do:
                _show(back, as_json=as_json)
                continue
            outcome = applied(back, session, ledger=book)
            forget(outcome, session, book)
            left += not outcome.complete
            _tell(outcome, as_json=as_json)
    raise typer.Exit(1 if left else 0)


def why(
    app: Annotated[str, typer.Argument(help="sales or finops.")],
    entity: Annotated[str, typer.Argument(help="The entity set.")],
    key: Annotated[str, typer.Argument(help="The row's key; parts of a composite one joined with |.")],
    field: Annotated[str, typer.Argument(help="The field.")],
    *,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Say how a value came to stand where the workbench wrote it."""
    from p2c_lib.why import why as explained

    with session_of(connection_set) as session:
        found = explained(app, entity, key, field, session)
    if as_json:
        json_line(found.to_dict())
    else:
        tell(str(found))


@ledger.command()
def verify(
    *,
    head: Annotated[str | None, typer.Option(help="A head noted earlier, to hold the ledger to.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find edited, added and lost lines. Exit 1 when there are any."""
    with _opened() as book:
        found = book.verify(head=head)
    if as_json:
        json_line(found.to_dict())
    else:
        for line in found.findings:
            tell(line)
        say(f"{found.lines:,} lines in {found.blocks:,} blocks: {'sound' if found.sound else 'not sound'}")
        tell(f"head: {found.head}")
    raise typer.Exit(0 if found.sound else 1)


def _tell(outcome: LoadOutcome, *, as_json: bool) -> None:
    if as_json:
        json_line(outcome.to_dict())
    else:
        tell(outcome.report().to_text())
