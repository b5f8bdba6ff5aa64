"""``p2c preflight``, ``p2c quarantine`` and ``p2c gate``: what must be so, what was set aside, and its documents."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, say, session_of, tell
from p2c_lib.config import SANDBOX, workspace
from p2c_lib.errors import UnknownName

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger

__all__ = ["gate", "preflight", "quarantine"]

TaskArgument = Annotated[str, typer.Argument(help="The task of the row.")]
KeyArgument = Annotated[str, typer.Argument(help="The row's key, as the list shows it.")]
STATES = ("open", "released", "waived", "all")
SHOWN = ("task", "key", "kind", "state", "reason", "first_seen", "last_seen")


def preflight(
    *,
    off: Annotated[list[str] | None, typer.Option("--off", help="A check to leave out, by its name.")] = None,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Check what must be so in both systems before anything is sent. Exit 1 when something is not."""
    from p2c_lib.gates.preflight import preflight as look
    from p2c_lib.mapping import known_tasks, template_in

    with session_of(connection_set) as session:
        here = session.workspace
        for client in (session.sales, session.finops):  # where nobody answers, every check would be a mere "unknown"
            client.identity()
        found = look(session, [template_in(task, here) for task in known_tasks(here)], off=off or ())
    if as_json:
        json_line(found.to_dict())
    else:
        tell(found.report().to_text())
    raise typer.Exit(1 if found.verdict == "blocked" else 0)


gate = typer.Typer(help="The gate over time, and its documents.", no_args_is_help=True)


@gate.command()
def docs(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks; all when none is named.")] = None,
    *,
    connection_set: SetOption = SANDBOX,
) -> None:
    """Judge the rows of tasks and write Great Expectations' page for each; writes to neither system."""
    from p2c_lib.flow import TaskWalk
    from p2c_lib.gates.documents import write_docs
    from p2c_lib.mapping import known_tasks

    with session_of(connection_set) as session:
        folder = session.workspace.state / "gate-docs"
        for task in tasks or known_tasks(session.workspace):
            for page in write_docs(TaskWalk(task, session).check(), folder):
                tell(page)


@gate.command()
def trend(
    task: Annotated[str, typer.Argument(help="A task.")],
    *,
    last: Annotated[int, typer.Option("--last", min=1, help="How many runs to look back.")] = 30,
    html: Annotated[Path | None, typer.Option("--html", help="Write it to this file, with its picture.")] = None,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Show how the gate judged a task run after run."""
    from p2c_lib.gates import trend as over_time
    from p2c_lib.mapping import known_tasks

    if task not in (known := known_tasks(workspace())):
        raise UnknownName("task", task, known)
    with _ledger(connection_set) as (ledger, scope):
        found = over_time(ledger, task, **scope, last=last)
    if as_json:
        json_line(found.to_dict())
    elif html is not None:
        tell(found.report().save(html))
    else:
        tell(found.report().to_text())


quarantine = typer.Typer(
    help="Rows that were set aside or wait, and what a person decided on them.", no_args_is_help=True
)


@contextmanager
def _ledger(connection_set: str) -> Iterator[tuple[Ledger, dict[str, str]]]:
    from p2c_lib.ledger import open_ledger

    here = workspace()
    chosen = here.connection_set(connection_set)
    ledger = open_ledger(here.ledger)
    try:
        yield ledger, {"connection_set": connection_set, "company": chosen.company}
    finally:
        ledger.close()


def _rows(connection_set: str, task: str | None, state: str) -> list[dict[str, Any]]:
    if state not in STATES:
        raise UnknownName("state", state, STATES)
    with _ledger(connection_set) as (ledger, scope):
        rows = ledger.quarantine(**scope, task=task)
    return [row for row in rows if state in {"all", row["state"]}]


@quarantine.command(name="list")
def list_rows(
    *,
    task: Annotated[str | None, typer.Option("--task", help="Only rows of this task.")] = None,
    state: Annotated[str, typer.Option("--state", help=f"One of {', '.join(STATES)}.")] = "open",
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """List the rows that wait, with the reason in words and since when."""
    from p2c_lib.report import Table

    rows = _rows(connection_set, task, state)
    if as_json:
        json_line({"state": state, "rows": rows})
    else:
        tell(Table(SHOWN, tuple(tuple(row[c] for c in SHOWN) for row in rows)).to_text())
        say(f"{len(rows):,} rows")


@quarantine.command()
def show(task: TaskArgument, key: KeyArgument, *, connection_set: SetOption = SANDBOX) -> None:
    """Show everything known of one row, the oldest first."""
    with _ledger(connection_set) as (ledger, scope):
        named = _named(ledger, scope, task, key)
        rows = ledger.quarantine(**scope, task=task, key=named)
        if not rows:
            known = {row["key"] for row in ledger.quarantine(**scope, task=task)}
            raise UnknownName("row set aside", key, known, where=task)
    json_line({"task": task, "key": named, "history": rows})


@quarantine.command()
def waive(
    task: TaskArgument,
    key: KeyArgument,
    *,
    why: Annotated[str, typer.Option("--why", help="Why the row may load as it is.")],
    by: Annotated[str, typer.Option("--by", help="Who says so; by default you.")] = "",
    connection_set: SetOption = SANDBOX,
) -> None:
    """Let a quarantined row load from the next run on."""
    who = by or getpass.getuser()
    with _ledger(connection_set) as (ledger, scope):
        ledger.waive(**scope, task=task, key=_named(ledger, scope, task, key), by=who, why=why)
    tell(f"{task} {key}: waived by {who}")


@quarantine.command()
def release(task: TaskArgument, key: KeyArgument, *, connection_set: SetOption = SANDBOX) -> None:
    """End a row's waiver and its waiting; the next run judges it afresh."""
    with _ledger(connection_set) as (ledger, scope):
        ledger.release(**scope, task=task, key=_named(ledger, scope, task, key))
    tell(f"{task} {key}: released")


@quarantine.command()
def export(
    path: Annotated[Path, typer.Argument(help="A .csv, .xlsx or .parquet file.")],
    *,
    task: Annotated[str | None, typer.Option("--task", help="Only rows of this task.")] = None,
    state: Annotated[str, typer.Option("--state", help=f"One of {', '.join(STATES)}.")] = "open",
    connection_set: SetOption = SANDBOX,
) -> None:
    """Write the rows that wait to a file for people."""
    import pyarrow as pa

    from p2c_lib.sheets import write_sheet

    columns = (*SHOWN, "rule", "field", "value", "waived")
    schema = pa.schema([(name, pa.string()) for name in columns])
    rows = _rows(connection_set, task, state)
    table = pa.Table.from_pylist([{c: row[c] for c in columns} for row in rows], schema=schema)
    tell(f"{write_sheet(table, path)}: {len(rows):,} rows")


def _named(ledger: Ledger, scope: dict[str, str], task: str, key: str) -> str:
    """The key of a row set aside, as the ledger has it."""
    from p2c_lib.keys import named_key
    from p2c_lib.mapping import template_in

    known = [row["key"] for row in ledger.quarantine(**scope, task=task)]
    return named_key(key, template_in(task, workspace()).destination.app, known)
