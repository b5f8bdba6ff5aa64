"""``p2c sandbox``: serve, seed, load, reset, status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2c_lib.cli.show import facts, tell
from p2c_lib.config import workspace
from p2c_lib.errors import SandboxError

__all__ = ["sandbox"]

sandbox = typer.Typer(help="Both systems on this machine, offline, to try everything on.", no_args_is_help=True)

StateOption = Annotated[
    Path | None, typer.Option("--state", help="Folder of the sandbox's rows; by default .p2c/sandbox of the workspace.")
]


@sandbox.command()
def serve(
    *,
    sales_port: Annotated[
        int | None, typer.Option(help="Port of the Sales system; by default the last one, at first 8710.")
    ] = None,
    finops_port: Annotated[
        int | None, typer.Option(help="Port of the F&O system; by default the last one, at first 8711.")
    ] = None,
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
    facts(plant(place, accounts=accounts, random_seed=random_seed).to_dict())


@sandbox.command()
def load(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV files named after entity sets.")],
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Empty the sandbox first.")] = False,
    state: StateOption = None,
) -> None:
    """Load CSV files into the sandbox: all of them, or none when one does not fit."""
    from p2c_lib.sandbox.load import load as load_files

    facts(load_files(_state(state), folder, reset=reset).to_dict())


@sandbox.command(name="reset")
def reset_state(*, state: StateOption = None) -> None:
    """Empty the sandbox; the next start seeds it again."""
    from p2c_lib.sandbox.state import reset

    reset(_state(state))
    tell(f"{_state(state)} is empty; the next start seeds it.")


@sandbox.command()
def status(*, state: StateOption = None) -> None:
    """Say whether the sandbox runs, and what it holds."""
    from p2c_lib.sandbox import process
    from p2c_lib.sandbox.state import status as held

    found = process.find(workspace().sandbox_home)
    where = (
        f"up: Sales {found.sales_url}, F&O {found.finops_url}" if found else "not running; p2c sandbox serve starts it"
    )
    tell(f"The sandbox is {where}.")
    facts(held(state or (found.state if found else _state(None))).to_dict())


def _state(state: Path | None) -> Path:
    if state is not None and state.exists() and not state.is_dir():
        raise SandboxError(f"{state} is not a folder.", hint="Give --state a folder; it is made when absent.")
    return state or workspace().sandbox_home
