"""The parameters a notebook of the workspace declares: its cell tagged ``parameters``, read without running it."""

from __future__ import annotations

import ast
import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from p2c_lib.config import Secret
from p2c_lib.errors import ConfigError

__all__ = ["model_of_cell", "parameters_cell", "tells_of_secret"]

SECRET_WORDS = ("secret", "password", "token", "api_key")


def _reference(value: str) -> str:
    try:
        Secret(value)
    except ConfigError as error:
        raise ValueError(f"{error.message} {error.hint}") from None
    return value


SecretReference = Annotated[str, AfterValidator(_reference)]


def tells_of_secret(name: str) -> bool:
    """Whether a name says that its value is a secret."""
    return any(word in name.lower() for word in SECRET_WORDS)


def parameters_cell(file: Path) -> str | None:
    """The source of a notebook's parameters cell; None where it has none.

    Raises ConfigError for what is no notebook.
    """
    try:
        made = json.loads(file.read_text("utf-8-sig"))
        cells = made["cells"] if isinstance(made, dict) and "worksheets" not in made else None
        tagged = [c["source"] for c in cells or () if "parameters" in (c.get("metadata") or {}).get("tags", ())]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        hint = "Open it in JupyterLab, or take it from where it was whole."
        raise ConfigError(f"{file} is no notebook: {type(error).__name__}: {error}.", hint=hint) from None
    if cells is None:
        raise ConfigError(f"{file} is a notebook of an old format.", hint="Open it in JupyterLab and save it there.")
    return "".join(tagged[0]) if tagged else None


def model_of_cell(file: Path) -> type[BaseModel]:
    """A model of the names in the parameters cell, their types those of the values there, comments their meaning.

    A name that tells of a secret takes a reference (``env:NAME``), never the secret itself. Raises ConfigError for a
    cell that holds more than ``name = value`` lines.
    """
    source = parameters_cell(file) or ""
    fields: dict[str, Any] = {}
    for statement in _statements(source, file):
        name, value = _assigned(statement, file)
        comment = source.splitlines()[(statement.end_lineno or 1) - 1].partition("  # ")[2]
        if name.startswith("_"):
            continue  # a name of the notebook's own
        fields[name] = (_type_of(name, value), Field(value, description=comment or None))
    return create_model(file.stem, __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def _statements(source: str, file: Path) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError) as error:
        line = source.splitlines()[(getattr(error, "lineno", None) or 1) - 1] if source.strip() else ""
        hint = "Write name = value; a magic goes into another cell."
        raise ConfigError(
            f"The parameters cell of {file.name} has a line that is no plain value: {line}.", hint=hint
        ) from None


def _assigned(statement: ast.stmt, file: Path) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            with suppress(ValueError):
                return name, ast.literal_eval(value)
    line = ast.unparse(statement)
    raise ConfigError(
        f"The parameters cell of {file.name} has a line that is no plain value: {line}.", hint="Write name = value."
    )


def _type_of(name: str, value: Any) -> Any:
    if tells_of_secret(name):
        return SecretReference
    return Any if value is None else type(value)
