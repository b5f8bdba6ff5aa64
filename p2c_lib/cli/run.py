"""``p2c run`` and ``p2c params``: options made from the parameter model, a run watched as it goes."""

from __future__ import annotations

import inspect
import json
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from p2c_lib.cli.show import JsonOption, WaitOption, json_line, sandbox_when_named, say, seconds_of, tell, waits_said
from p2c_lib.config import workspace
from p2c_lib.errors import ConfigError
from p2c_lib.events import listening
from p2c_lib.runs.described import Parameter, described, parse_parameters
from p2c_lib.runs.parameters import RunParameters, parameters_of

if TYPE_CHECKING:
    from p2c_lib.runs import RunResult

__all__ = ["params", "run"]

# Given in another way: as words, several at once, or by the run itself.
IN_ANOTHER_WAY = ("tasks", "run_id", "company")
SPELLED = {"connection_set": "--set"}


def run(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Tasks or notebooks of the walk, all by default; or one other notebook."),
    ] = None,
    *,
    company: Annotated[
        list[str] | None, typer.Option(help="An F&O company; repeat it for several.", show_default="the set's")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(help="A notebook parameter, name=value.")] = None,
    kernels: Annotated[str, typer.Option(metavar="NUMBER", help="Notebooks that run side by side.")] = "2",
    resume: Annotated[str, typer.Option(metavar="RUN", help="Go on with a run that was cut off or failed.")] = "",
    wait: WaitOption = "",
    as_json: JsonOption = False,
    **given: Any,
) -> None:
    """Execute the tasks' notebooks, each when what it needs is done, and write a report.

    Exit code 0: in agreement. 1: differences, or a closed gate. 2: an error. 130: interrupted. 143: ended by SIGTERM.
    """
    from p2c_lib.runs.asked import asked, asked_before

    here = workspace()
    seconds = seconds_of(wait)
    options = {name: value for name, value in given.items() if value is not None}
    parameters = parse_parameters(param or [])
    if twice := sorted(options.keys() & parameters.keys()):
        raise ConfigError(f"{twice[0]} is given twice.", hint="Keep the option or the --param.")
    parameters |= options
    if resume:
        if what or parameters or company:
            raise ConfigError(
                "A run goes on with what it was asked for.", hint=f"Write p2c run --resume {resume} alone."
            )
        wanted = asked_before(here, resume)
    else:
        side_by_side = _whole_number("kernels", kernels)
        wanted = asked(here, what or [], parameters, companies=company or (), kernels=side_by_side)
    from p2c_lib.cli.progress import RunDisplay
    from p2c_lib.runs.running import carry_out

    display = RunDisplay() if sys.stderr.isatty() and not as_json else None
    hear = display.event if display else waits_said
    with sandbox_when_named(here, wanted.connection_set), display or nullcontext(), listening(hear):
        result = carry_out(
            here,
            wanted,
            again=bool(resume),
            tell=display.line if display else say,
            watch=hear,
            wait=seconds,
        )
    _show(result, as_json=as_json)
    raise typer.Exit(result.exit_code)


def params(
    notebook: Annotated[str, typer.Argument(help="A notebook, such as 20_accounts.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what a notebook can be told: name, type, default, meaning and what is allowed."""
    from p2c_lib.report import Table

    found = described(parameters_of(notebook))
    if as_json:
        json_line({"notebook": notebook, "parameters": [one.to_dict() for one in found]})
        return
    rows = tuple((one.name, one.type, _default(one), one.allowed, one.meaning) for one in found)
    tell(Table(("name", "type", "default", "allowed", "meaning"), rows).to_text())


def _default(one: Parameter) -> str:
    if isinstance(one.default, list | dict):
        return json.dumps(one.default, ensure_ascii=False) if one.default else "none"
    return {None: "none", "": "empty"}.get(one.default, str(one.default))


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name} came as '{text}'.", hint=f"Give a whole number: --{name} 2.") from None


def _options(model: type[BaseModel]) -> list[inspect.Parameter]:
    """An option for each parameter: a pair of flags for what is true or false, a text for the others, which the model
    then judges in its own words. What is not given is not passed on."""
    made = []
    for one in described(model):
        if one.name in IN_ANOTHER_WAY:
            continue
        extra = model.model_fields[one.name].json_schema_extra
        flags = extra.get("flags") if isinstance(extra, dict) else None
        words = str(flags or SPELLED.get(one.name, f"--{one.name.replace('_', '-')}"))
        info = typer.Option(
            words,
            help=f"{one.meaning[:1].upper()}{one.meaning[1:]}.",
            metavar=None if flags else one.type.replace(" ", "-").upper(),
            show_default=str(flags).split("/")[not one.default] if flags else _default(one),
        )
        kind: Any = Annotated[bool | None, info] if flags else Annotated[str | None, info]
        made.append(inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind))
    return made


def _with_options(command: Any, model: type[BaseModel]) -> None:
    """Give a command the options of a model in the place of its ``**given``."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    options = _options(model)
    command.__signature__ = signature.replace(parameters=[*own, *options])
    command.__annotations__ = {one.name: one.annotation for one in (*own, *options)}


_with_options(run, RunParameters)


def _show(result: RunResult, *, as_json: bool) -> None:
    if as_json:
        json_line(result.to_dict())
    else:
        if result.tasks:
            tell(result.table().to_text())
        tell(f"report: {result.report}")
    for task, what in result.problems.items():
        say(f"{task}: {what}")
