"""``p2c notify``: who is told of runs, and whether that works."""

from __future__ import annotations

from typing import Annotated

import typer

from p2c_lib.cli.show import JsonOption, json_line, say, tell
from p2c_lib.config import workspace

__all__ = ["notify"]

notify = typer.Typer(help="Who is told of failed runs, closed gates and drift.", no_args_is_help=True)


@notify.command("test")
def try_out(
    names: Annotated[list[str] | None, typer.Argument(help="The channels; all by default.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Send a test notice through the channels of p2c.toml. Exit 2 when one did not go out."""
    from p2c_lib.errors import NoticeError, UnknownName
    from p2c_lib.notices import EVENTS, Notice, channels, send

    known = {channel.name: channel for channel in channels(workspace())}
    for name in names or []:
        if name not in known:
            raise UnknownName("channel", name, known, where="[notify] of p2c.toml")
    if not known:
        say("p2c.toml has no [notify.<name>]: nobody is told of anything. See docs/unattended.md.")
    lines = ("This is a test: notices of runs will come this way.", f"Workspace: {workspace().root}", "To do: nothing.")
    results = {}
    for name in names or known:
        try:
            send(Notice(EVENTS, "p2c: a test notice", lines), known[name])
            results[name] = "sent"
        except NoticeError as error:
            results[name] = error.message
    if as_json:
        json_line({"channels": results})
    else:
        for name, what in results.items():
            tell(f"{name}: {what}")
    raise typer.Exit(0 if set(results.values()) <= {"sent"} else 2)
