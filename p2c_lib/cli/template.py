"""``p2c template``: show, validate, diff, import, export, suggest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2c_lib.cli.show import JsonOption, SetOption, json_line, say, session_of, tell
from p2c_lib.config import SANDBOX
from p2c_lib.errors import ConfigError, TemplateError

if TYPE_CHECKING:
    from p2c_lib.mapping import Template

__all__ = ["template"]

template = typer.Typer(help="Look at, check, compare and carry over mapping templates.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="A task, or a template file.")]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", help="An open question answered otherwise, name=choice.")
]


@template.command()
def show(name: NameArgument, *, option: OptionOption = None, as_json: JsonOption = False) -> None:
    """Print a template as Markdown: its rows, keys, comparisons and open questions."""
    from p2c_lib.mapping.document import to_markdown

    found = _template(name, option)
    if as_json:
        json_line(found.to_dict())
    else:
        tell(to_markdown(found))


@template.command()
def validate(
    name: NameArgument, *, connection_set: SetOption = SANDBOX, option: OptionOption = None, as_json: JsonOption = False
) -> None:
    """Hold a template against both systems' metadata, before any row is read; exit 1 when it has errors."""
    from p2c_lib.mapping.validation import validate as held

    found = _template(name, option)
    with session_of(connection_set) as session:
        result = held(found, session)
    if as_json:
        json_line(result.to_dict())
    else:
        tell(str(result))
    raise typer.Exit(0 if result.ok else 1)


@template.command()
def diff(before: NameArgument, after: NameArgument, *, as_json: JsonOption = False) -> None:
    """Say what two templates differ in; exit 1 when they do."""
    from p2c_lib.mapping.document import diff as compare

    found = compare(_template(before, None), _template(after, None))
    if as_json:
        json_line(found.to_dict())
    else:
        tell(str(found))
    raise typer.Exit(1 if found.changes else 0)


@template.command()
def export(
    name: NameArgument,
    file: Annotated[
        Path, typer.Argument(help="Where to: .xlsx or .md to hand over, .yml to keep, .json for dual-write.")
    ],
    *,
    option: OptionOption = None,
) -> None:
    """Write a template as an Excel mapping document, Markdown, YAML or a dual-write map."""
    from p2c_lib.mapping.document import export as write

    tell(str(write(_template(name, option), file)))


@template.command(name="import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A dual-write map, or Data Integrator's field mappings, as JSON.")],
    output: Annotated[Path, typer.Argument(help="The template to write, .yml.")],
    *,
    task: Annotated[str, typer.Option(help="The task's name; by default the file's.")] = "",
    leg: Annotated[int, typer.Option(help="Which leg of the map, from 0.")] = 0,
    connection_set: Annotated[
        str, typer.Option("--set", help="Bring names to the spelling of these systems; empty to leave them.")
    ] = SANDBOX,
) -> None:
    """Make a template to begin with from another tool's map, with notes on what it could not carry over."""
    from p2c_lib.mapping.document import export as write
    from p2c_lib.mapping.exchange import import_map

    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{file} cannot be read: {error}.") from None
    name = task or file.stem
    if connection_set:
        with session_of(connection_set) as session:
            made = import_map(text, task=name, leg=leg, session=session)
    else:
        made = import_map(text, task=name, leg=leg)
    tell(str(write(made.template, output)))
    for note in made.notes:
        say(f"note: {note}")


@template.command()
def suggest(
    source: Annotated[str, typer.Argument(help="Source entity set, app:entity, such as sales:accounts.")],
    destination: Annotated[str, typer.Argument(help="Destination entity set, such as finops:CustomersV2.")],
    *,
    connection_set: SetOption = SANDBOX,
    as_json: JsonOption = False,
) -> None:
    """Propose field pairs with the evidence for each; nothing is applied and nothing leaves the machine."""
    from p2c_lib.mapping.suggest import explore
    from p2c_lib.mapping.suggest import suggest as propose
    from p2c_lib.report import Table

    with session_of(connection_set) as session:
        frames = [explore(session, *_place(text)) for text in (source, destination)]
    found = propose(frames[0], frames[1])
    if as_json:
        json_line(found.to_dict())
        return
    rows = tuple((one.source, one.to, round(one.score, 2), one.evidence) for one in found.best)
    tell(Table(("source", "destination", "score", "evidence"), rows).to_text())


def _template(name: str, options: list[str] | None) -> Template:
    from p2c_lib.mapping import template as read

    chosen = {}
    for pair in options or []:
        key, equals, choice = pair.partition("=")
        if not equals:
            raise ConfigError(f"The option '{pair}' has no choice.", hint="Write --option name=choice.")
        chosen[key] = choice
    return read(name, **chosen)


def _place(text: str) -> tuple[str, str]:
    app, colon, entity = text.partition(":")
    if not colon:
        raise ConfigError(f"'{text}' is no entity set.", hint="Write app:entity, such as sales:accounts.")
    return app, entity
