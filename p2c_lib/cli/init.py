"""``p2c init``: a workspace for a project of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2c_lib.cli.show import JsonOption, json_line, say, tell

__all__ = ["init"]


def init(
    folder: Annotated[Path, typer.Argument(help="The folder; it is made when absent.")] = Path(),
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a folder a workspace: p2c.toml, notebooks, expectations, templates. What is there already stays as it is."""
    from p2c_lib.new_workspace import new_workspace

    made = new_workspace(folder)
    if as_json:
        json_line(made.to_dict())
        return
    for path in made.made:
        tell(f"made {path.as_posix()}")
    for path in made.kept:
        tell(f"kept {path.as_posix()}, which was there already")
    say(f"{made.root} is a workspace. Next: cd there, then p2c connect test, p2c lab or p2c run.")
