"""``p2c connect test``: walk through a connection set, each step with its finding and its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, sandbox_when_named, say, tell
from p2c_lib.config import SANDBOX, workspace

if TYPE_CHECKING:
    from p2c_lib.connecting import Finding

__all__ = ["connect"]

connect = typer.Typer(help="Whether the two systems of a connection set can be spoken to.", no_args_is_help=True)


@connect.callback()
def _connect() -> None:
    """Stands so that ``test`` stays a word of its own."""


@connect.command(name="test")
def walk_through(*, connection_set: SetOption = SANDBOX, as_json: JsonOption = False) -> None:
    """Look at address, TLS, token, identity, entities and rights of both systems. Exit 1 when a step fails."""
    from p2c_lib.connecting import check_connection

    def told(finding: Finding) -> None:
        if finding.status != "not reached":
            say(f"{finding.system}, {finding.step}: {finding.status}")

    here = workspace()
    with sandbox_when_named(here, connection_set):
        found = check_connection(connection_set, workspace=here, tell=told)
    if as_json:
        json_line(found.to_dict())
    else:
        tell(found.report().to_text())
    raise typer.Exit(1 if found.verdict == "failed" else 0)
