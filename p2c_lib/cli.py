"""``p2c``: words to calls, errors to exit codes.

Exit codes: 0 clean, 1 differences or a closed gate, 2 error, 130 interrupted. Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2c_lib import __version__
from p2c_lib.config import SANDBOX, Workspace, workspace
from p2c_lib.errors import P2CError, SandboxError

if TYPE_CHECKING:
    from p2c_lib.runs import RunResult
    from p2c_lib.sandbox.process import Running

__all__ = ["app", "main"]

app = typer.Typer(
    name="p2c",
    help="Bring Dynamics 365 Sales and Finance and Operations into agreement, from prospect to cash.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sandbox = typer.Typer(help="Both systems on this machine, offline, to try everything on.", no_args_is_help=True)
app.add_typer(sandbox, name="sandbox")

StateOption = Annotated[
    Path | None, typer.Option("--state", help="Folder of the sandbox's rows; by default .p2c/sandbox of the workspace.")
]


def main() -> None:
    """The console script."""
    try:
        app()
    except P2CError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        sys.exit(2)
    except KeyboardInterrupt:
        _say("interrupted")
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
    connection_set: Annotated[str, typer.Option("--set", help="Connection set of p2c.toml.")] = SANDBOX,
    apply: Annotated[bool, typer.Option("--apply/--plan-only", help="Write, or only say what would be.")] = False,
    param: Annotated[list[str] | None, typer.Option(help="A notebook parameter, name=value.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Execute the tasks' notebooks in order and write a report."""
    from p2c_lib import runs

    here = workspace()
    parameters = {"connection_set": connection_set, "apply": apply, **runs.parse_parameters(param or [])}
    with _sandbox_when_named(here, str(parameters["connection_set"])):
        result = runs.run(here, tasks or [], parameters=parameters, tell=_say)
    _show(result, as_json=as_json)
    raise typer.Exit(result.exit_code)


@app.command()
def lab() -> None:
    """Open JupyterLab on the workspace's notebooks, with the sandbox up."""
    import subprocess

    here = workspace()
    with _sandbox_when_named(here, SANDBOX):
        _say("The sandbox is up; JupyterLab opens. Stop both with Ctrl-C.")
        command = [sys.executable, "-m", "jupyterlab", "--notebook-dir", str(here.notebooks)]
        raise typer.Exit(subprocess.call(command))  # noqa: S603 - our own interpreter, no shell


@sandbox.command()
def serve(
    *,
    sales_port: Annotated[int, typer.Option(help="Port of the Sales system; 0 takes a free one.")] = 8710,
    finops_port: Annotated[int, typer.Option(help="Port of the F&O system; 0 takes a free one.")] = 8711,
    state: StateOption = None,
    token: Annotated[str | None, typer.Option(help="The token to ask for; by default a new one.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https, with a certificate of the sandbox's own.")] = False,
    limits: Annotated[bool, typer.Option(help="Keep the service protection limits of Sales.")] = True,
    faults: Annotated[
        str, typer.Option(help="Trouble on purpose: none, busy, flaky, storm, expiring, or a YAML file.")
    ] = "none",
    admin: Annotated[bool, typer.Option("--admin", help="Let PUT /sandbox/faults change the trouble.")] = False,
) -> None:
    """Serve both systems on 127.0.0.1 until Ctrl-C; a line with 'ready' says when they answer."""
    from p2c_lib.sandbox.server import serve as serve_both

    serve_both(
        workspace().sandbox_home,
        sales_port=sales_port,
        finops_port=finops_port,
        state=state,
        token=token,
        tls=tls,
        limits=limits,
        faults=faults,
        admin=admin,
    )


@sandbox.command()
def seed(
    *,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts; the rest follows in proportion.")] = 300,
    random_seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 20170701,
    state: StateOption = None,
) -> None:
    """Replace the sandbox's rows by a made-up company with planted defects; truth.json lists them."""
    from p2c_lib.sandbox.seed import seed as plant

    place = _state(state)
    _report(plant(place, accounts=accounts, random_seed=random_seed).to_dict())


@sandbox.command()
def load(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV files named after entity sets.")],
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Empty the sandbox first.")] = False,
    state: StateOption = None,
) -> None:
    """Load CSV files into the sandbox: all of them, or none when one does not fit."""
    from p2c_lib.sandbox.load import load as load_files

    _report(load_files(_state(state), folder, reset=reset).to_dict())


@sandbox.command(name="reset")
def reset_state(*, state: StateOption = None) -> None:
    """Empty the sandbox; the next start seeds it again."""
    from p2c_lib.sandbox.state import reset

    reset(_state(state))
    typer.echo(f"{_state(state)} is empty; the next start seeds it.")


@sandbox.command()
def status(*, state: StateOption = None) -> None:
    """Say whether the sandbox runs, and what it holds."""
    from p2c_lib.sandbox import process
    from p2c_lib.sandbox.state import status as held

    found = process.find(workspace().sandbox_home)
    where = (
        f"up: Sales {found.sales_url}, F&O {found.finops_url}" if found else "not running; p2c sandbox serve starts it"
    )
    typer.echo(f"The sandbox is {where}.")
    _report(held(state or (found.state if found else _state(None))).to_dict())


@contextmanager
def _sandbox_when_named(here: Workspace, name: str) -> Iterator[Running | None]:
    """The sandbox up for the duration, when it is what is spoken to and nobody started it yet."""
    from p2c_lib.sandbox import process

    if name != SANDBOX or process.find(here.sandbox_home) is not None:
        yield None
        return
    _say("starting the sandbox ...")
    started = process.start(here.sandbox_home)
    try:
        yield started
    finally:
        process.stop(started)


def _state(state: Path | None) -> Path:
    if state is not None and state.exists() and not state.is_dir():
        raise SandboxError(f"{state} is not a folder.", hint="Give --state a folder; it is made when absent.")
    return state or workspace().sandbox_home


def _show(result: RunResult, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        typer.echo(result.table().to_text())
        typer.echo(f"report: {result.report}")
    for task, what in result.problems.items():
        _say(f"{task}: {what}")


def _report(facts: Mapping[str, Any], inside: str = "") -> None:
    """One line a fact; a group of facts has its name before each."""
    for name, value in facts.items():
        if isinstance(value, dict):
            _report(value, f"{inside}{name} ")
        elif isinstance(value, list):
            typer.echo(f"{inside}{name}: {', '.join(map(str, value))}")
        else:
            typer.echo(f"{inside}{name}: {value:,}" if type(value) is int else f"{inside}{name}: {value}")


def _say(line: str) -> None:
    typer.echo(line, err=True)


if __name__ == "__main__":
    main()
