"""The reference pages, made from the code each time the site is built: they cannot be out of date."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    import click
    from mkdocs.config.defaults import MkDocsConfig
    from pydantic import BaseModel

__all__ = ["PAGES", "on_files"]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every generated page; mkdocs calls this by its name."""
    for path, page in PAGES.items():
        files.append(File.generated(config, path, content="\n".join(page())))
    return files


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A Markdown table and a blank line."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"
    yield ""


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("``", "`")
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


def prose(docstring: str | None) -> Iterator[str]:
    """A docstring as Markdown: single backticks, example sessions left to the Python page."""
    text = inspect.cleandoc(docstring or "").partition(">>>")[0].rstrip()
    yield text.replace("``", "`")
    yield ""


def command_line() -> Iterator[str]:
    """Every command of ``p2c`` with its arguments and options."""
    import typer

    from p2c_lib.cli import app

    yield "# Command line\n"
    yield "Data goes to stdout, talk to stderr. Exit codes: 0 clean, 1 differences or a closed gate, 2 error, "
    yield "130 interrupted, 143 ended by SIGTERM or SIGHUP.\n"
    root = typer.main.get_command(app)
    named = list(_commands(root, "p2c"))
    yield from table(("command", "what it does"), ((f"`{name}`", _first_line(one.help)) for name, one in named))
    for name, one in named:
        yield f"## {name}\n"
        yield from prose(one.help)
        parameters = [p for p in one.params if p.name != "help"]
        if parameters:
            yield from table(("argument or option", "what", "default"), map(_parameter, parameters))


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    inner: Mapping[str, click.Command] | None = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name in sorted(inner):
        yield from _commands(inner[name], f"{path} {name}")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.metavar or parameter.name or '').upper()}`"
        return name, parameter.help or "", "needed" if parameter.required else "optional"
    names = " ".join(f"`{text}`" for text in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = "" if default is None or default is False or default == "" or callable(default) else f"`{default}`"
    return names, parameter.help or "", "needed" if parameter.required else shown


def _first_line(text: str | None) -> str:
    return inspect.cleandoc(text or "").splitlines()[0] if text else ""


def template_keys() -> Iterator[str]:
    """Every key a template file may have, from the models that read it."""
    from p2c_lib.mapping.template import PARTS

    yield "# Template keys\n"
    yield "A template is one YAML file a task: `templates/<task>.yml` of the workspace, or the packaged one. An "
    yield "unknown key is an error that names its place and the nearest key. `p2c template validate TASK` holds a "
    yield "template against both systems before any row is read. What `apply` can do is on "
    yield "[the page of transforms](../transforms.md).\n"
    for model in dict.fromkeys(PARTS.values()):
        named = " or ".join(f"`{part}`" for part, one in PARTS.items() if one is model and part)
        yield f"## {model.__name__}{f': {named}' if named else ': the file'}\n"
        yield from prose(model.__doc__)
        yield from table(("key", "what it holds", "default"), _keys(model))


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = "needed" if field.is_required() else _default(field.default)
        yield f"`{key}`", shape(properties[key]), default


def _default(value: object) -> str:
    return "" if value in (None, "", (), {}) or hasattr(value, "model_fields") else f"`{json.dumps(value)}`"


def shape(schema: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words: ``list of text``, ``map to number``, ``one of a, b``."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"{'one of ' if len(values) > 1 else ''}{', '.join(f'`{value}`' for value in values)}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(shape(one) for one in schema["anyOf"] if one.get("type") != "null"))
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if kind == "object":
        return f"map to {shape(schema['additionalProperties'])}" if schema.get("additionalProperties") else "map"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    bounds = [f"from {schema['minimum']:g}"] if "minimum" in schema else []
    bounds += [f"to {schema['maximum']:g}"] if "maximum" in schema else []
    return " ".join([schema.get("format", words.get(kind, "a value")).replace("date-time", "moment"), *bounds])


def parameters() -> Iterator[str]:
    """What every notebook can be told, one table for those that share it."""
    from p2c_lib.runs.parameters import MODELS

    yield "# Parameters\n"
    yield "What the notebooks can be told: `p2c run --param name=value`, `p2c run NOTEBOOK --param name=value`, or the "
    yield "first code cell of a notebook. They are checked before a kernel starts; a wrong name or value is an error "
    yield "that says what is allowed. `p2c params NOTEBOOK` shows those of one.\n"
    for model in dict.fromkeys(MODELS.values()):
        notebooks = ", ".join(name for name, one in MODELS.items() if one is model)
        yield f"## {notebooks}\n"
        yield from prose(model.__doc__)
        properties = model.model_json_schema()["properties"]
        rows = (
            (f"`{name}`", shape(properties[name]), _default(field.default), field.description or "")
            for name, field in model.model_fields.items()
        )
        yield from table(("parameter", "what it holds", "default", "what it does"), rows)


def checks() -> Iterator[str]:
    """Every check: of the connection, preflight, templates and rows."""
    from p2c_lib.connecting.result import TITLES
    from p2c_lib.gates.preflight import CHECKS
    from p2c_lib.mapping.validation import CODES

    yield "# Checks\n"
    yield "## Of a connection set: p2c connect test\n"
    yield from table(("step", "what must be so"), ((f"`{name}`", title) for name, title in TITLES.items()))
    yield "## Before a run: p2c preflight\n"
    yield "`--off NAME` leaves one out.\n"
    rows = ((f"`{name}`", title, remedy) for name, (title, remedy, _look) in CHECKS.items())
    yield from table(("check", "what must be so", "what to do when it is not"), rows)
    yield "## Of a template: p2c template validate\n"
    yield "Codes are those of Data Integrator's project validation where it has one.\n"
    yield from table(("code", "what it means"), ((f"`{code}`", meaning) for code, meaning in CODES.items()))
    yield "## Of the rows: the suites of the gate\n"
    yield "A critical rule that a row breaks quarantines the row; one about the whole table closes the gate. A warning "
    yield "lets the row pass.\n"
    for task in _tasks():
        yield f"### {task}\n"
        yield from table(("rule", "severity", "what is said", "what to do"), _rules(task))


def _tasks() -> tuple[str, ...]:
    from p2c_lib.mapping import TASKS

    return TASKS


def _rules(task: str) -> Iterator[tuple[str, str, str, str]]:
    from p2c_lib.config import shipped

    suite = json.loads((shipped("expectations") / f"{task}.json").read_text("utf-8"))
    for rule in suite["expectations"]:
        meta = rule["meta"]
        yield meta["name"], rule["severity"], meta["reason"], meta.get("remedy", "")


def errors() -> Iterator[str]:
    """Every error the workbench raises."""
    from p2c_lib import errors as module

    yield "# Errors\n"
    yield "Every error says in one line what came and what is allowed, and in a hint what to do next. On the command "
    yield "line both go to stderr and the exit code is 2; in Python all are a `P2CError` with `message`, `hint` and "
    yield "`can_retry`.\n"
    tree = inspect.cleandoc(module.__doc__ or "").split("\n\n")[1]
    yield f"```text\n{inspect.cleandoc(tree)}\n```\n"
    for name in sorted(module.__all__):
        kind = getattr(module, name)
        yield f"## {name}\n"
        yield from prose(kind.__doc__)
        if getattr(kind, "can_retry", False):
            yield "The same call may succeed later.\n"


def python() -> Iterator[str]:
    """Every public name of the package, from its docstring."""
    import p2c_lib

    yield "# Python\n"
    yield "`import p2c_lib as p2c` offers these names. A step takes values and returns one frozen value that shows "
    yield "itself, dumps itself with `to_dict()` and hands out its rows.\n"
    groups: dict[str, list[str]] = {"The walk": [], "Values": [], "Around it": []}
    steps = {"connect", "template", "map_frame", "check", "reconcile", "plan", "apply", "undo", "walk"}
    for name in p2c_lib.__all__:
        if name == "TASKS":
            continue
        group = "The walk" if name in steps else "Values" if name[0].isupper() else "Around it"
        groups[group].append(name)
    for group, names in groups.items():
        yield f"## {group}\n"
        for name in names:
            value = getattr(p2c_lib, name)
            yield f"::: {value.__module__}.{value.__qualname__}\n"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "reference/cli.md": command_line,
    "reference/templates.md": template_keys,
    "reference/parameters.md": parameters,
    "reference/checks.md": checks,
    "reference/errors.md": errors,
    "reference/python.md": python,
}

if __name__ == "__main__":
    sys.stdout.write("\n".join(PAGES[sys.argv[1]]()))
