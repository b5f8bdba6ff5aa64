"""The words ``p2c run`` and ``p2c lab``, and the errors of every command as exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from p2c_lib import __version__
from p2c_lib.cli.connect import connect
from p2c_lib.cli.gate import gate, preflight, quarantine
from p2c_lib.cli.history import history
from p2c_lib.cli.init import init
from p2c_lib.cli.plan import apply, approve, ledger, plan, undo, why
from p2c_lib.cli.reconcile import duplicates, reconcile
from p2c_lib.cli.sandbox import sandbox
from p2c_lib.cli.show import JsonOption, SetOption, json_line, sandbox_when_named, say
from p2c_lib.cli.template import template
from p2c_lib.config import SANDBOX, workspace
from p2c_lib.errors import P2CError

if TYPE_CHECKING:
    from p2c_lib.runs import RunResult

__all__ = ["app", "main"]

# JupyterLab by itself asks its makers for news and newer versions; the workbench speaks to the two systems alone.
QUIET_LAB = ("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")

app = typer.Typer(
    name="p2c",
    help="Bring Dynamics 365 Sales and Finance and Operations into agreement, from prospect to cash.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The console script."""
    try:
        app()
    except P2CError as error:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False
) -> None:
    if version:
        typer.echo(f"p2c {__version__}")
        raise typer.Exit


@app.command()
def run(
    tasks: Annotated[list[str] | None, typer.Argument(help="Tasks to run; all six by default.")] = None,
    *,
    connection_set: SetOption = SANDBOX,
    apply: Annotated[bool, typer.Option("--apply/--plan-only", help="Write, or only say what would be.")] = False,
    param: Annotated[list[str] | None, typer.Option(help="A notebook parameter, name=value.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Execute the tasks' notebooks in order and write a report."""
    from p2c_lib import runs

    here = workspace()
    parameters = {"connection_set": connection_set, "apply": apply, **runs.parse_parameters(param or [])}
    with sandbox_when_named(here, str(parameters["connection_set"])):
        result = runs.run(here, tasks or [], parameters=parameters, tell=say)
    _show(result, as_json=as_json)
    raise typer.Exit(result.exit_code)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the workspace's notebooks, with the sandbox up; further words go to JupyterLab."""
    import subprocess

    here = workspace()
    with sandbox_when_named(here, SANDBOX):
        say("The sandbox is up; JupyterLab opens. Stop both with Ctrl-C.")
        command = [sys.executable, "-m", "jupyterlab", *QUIET_LAB, "--notebook-dir", str(here.notebooks), *context.args]
        raise typer.Exit(subprocess.call(command))  # noqa: S603 - our own interpreter, no shell


app.command()(init)
app.command()(reconcile)
app.command()(preflight)
for verb in (approve, apply, undo, why):
    app.command()(verb)
app.add_typer(connect, name="connect")
app.add_typer(duplicates, name="duplicates")
app.add_typer(gate, name="gate")
app.add_typer(history, name="history")
app.add_typer(ledger, name="ledger")
app.add_typer(plan, name="plan")
app.add_typer(quarantine, name="quarantine")
app.add_typer(sandbox, name="sandbox")
app.add_typer(template, name="template")


def _show(result: RunResult, *, as_json: bool) -> None:
    if as_json:
        json_line(result.to_dict())
    else:
        if result.tasks:
            typer.echo(result.table().to_text())
        typer.echo(f"report: {result.report}")
    for task, what in result.problems.items():
        say(f"{task}: {what}")
