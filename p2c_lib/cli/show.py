"""What every command says in the same way: data on stdout, talk on stderr, the sandbox up while it is spoken to."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p2c_lib.config import SANDBOX, Workspace, workspace
from p2c_lib.errors import ConfigError
from p2c_lib.secrecy import behind, escaped_json, harmless, kept_value, masked, one_line

if TYPE_CHECKING:
    from p2c_lib.session import Session

__all__ = [
    "JsonOption",
    "SetOption",
    "WaitOption",
    "facts",
    "json_line",
    "sandbox_when_named",
    "say",
    "seconds_of",
    "session_of",
    "tell",
    "waits_said",
]

SetOption = Annotated[str, typer.Option("--set", help="Connection set of p2c.toml.")]
WaitOption = Annotated[
    str,
    typer.Option(
        metavar="LENGTH",
        help="How long another run that writes the same is waited for, such as 30m; 0: not at all.",
        show_default="until it has ended",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def say(line: str) -> None:
    """Talk: a line on stderr; where nobody can be told any more, because a terminal is gone, the work goes on."""
    with suppress(OSError):
        typer.echo(harmless(masked(one_line(line))), err=True)


def tell(text: object, *, end: str = "\n") -> None:
    """Data: a text on stdout."""
    typer.echo(harmless(masked(f"{text}{end}")), nl=False)


def waits_said(event: Mapping[str, Any]) -> None:
    """Talk: a wait, as one is told."""
    if event["event"] == "wait":
        say(str(event["text"]))


def json_line(value: Any) -> None:
    """Data: one JSON object on stdout; what would steer a terminal is escaped as JSON has it."""
    from p2c_lib.display import text_of

    plain = kept_value(json.loads(json.dumps(value, default=text_of)))
    typer.echo(escaped_json(json.dumps(plain, ensure_ascii=False)), file=behind(sys.stdout))


def facts(values: Mapping[str, Any], inside: str = "") -> None:
    """Data: one line a fact; a group of facts has its name before each."""
    for name, value in values.items():
        if isinstance(value, dict):
            facts(value, f"{inside}{name} ")
        elif isinstance(value, list):
            tell(f"{inside}{name}: {', '.join(map(str, value))}")
        else:
            tell(f"{inside}{name}: {value:,}" if type(value) is int else f"{inside}{name}: {value}")


@contextmanager
def sandbox_when_named(here: Workspace, name: str) -> Iterator[None]:
    """The sandbox up for the duration, when it is what is spoken to and nobody started it yet."""
    from p2c_lib.sandbox import process

    if name != SANDBOX or process.find(here.sandbox_home) is not None:
        yield
        return
    say("starting the sandbox ...")
    started = process.start(here.sandbox_home)
    try:
        yield
    finally:
        process.stop(started)


@contextmanager
def session_of(name: str) -> Iterator[Session]:
    """A session with a connection set of the current workspace."""
    from p2c_lib.session import connect

    here = workspace()
    with sandbox_when_named(here, name), connect(name, workspace=here) as session:
        yield session


def seconds_of(wait: str) -> float | None:
    """The seconds of ``--wait``; None where nothing is said. Raises ConfigError for what is no length of time."""
    found = re.fullmatch(r"(\d{1,5})([smhd]?)", wait.strip().lower(), re.ASCII)
    if not wait:
        return None
    if found is None or (found[2] == "" and int(found[1])):
        raise ConfigError(f"'{wait}' is no length of time.", hint="Write 90s, 30m, 2h or 1d, or 0 not to wait.")
    return int(found[1]) * {"": 0.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[found[2]]
