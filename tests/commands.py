"""Commands of the command line, called in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from p2c_lib.cli import app, main


def called(words: Sequence[str]) -> int:
    """A command in this process, as its script starts it; its exit code."""
    before = sys.argv, sys.stdout, sys.stderr, sys.excepthook
    sys.argv = ["p2c", *words]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv, sys.stdout, sys.stderr, sys.excepthook = before
    return 0


def commands(group: Any = None, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command the parser knows, with its words before it."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if not hasattr(command, "commands"):
            yield " ".join((*before, name))
            continue
        if command.invoke_without_command:
            yield " ".join((*before, name))
        yield from commands(command, (*before, name))
