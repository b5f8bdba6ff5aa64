"""A parameter model in words: what options, tables and forms are made of."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from p2c_lib.errors import ConfigError

__all__ = ["Parameter", "described", "parse_parameters"]

TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "names and values",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter for people: ``type`` and ``allowed`` in words, ``default`` as a plain value."""

    name: str
    type: str
    default: Any
    meaning: str
    allowed: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def described(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Every parameter of a model, in its order."""
    properties = _properties(model)
    return tuple(
        Parameter(
            name=name,
            type=_type(properties[name]),
            default=_plain(field.default),
            meaning=field.description or "",
            allowed=_allowed(properties[name]),
        )
        for name, field in model.model_fields.items()
    )


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """What JSON's words say of each; a type they have none for may be any value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a default has no form in JSON
        found: dict[str, Any] = model.model_json_schema().get("properties", {})
    return {name: found.get(name, {}) for name in model.model_fields}


def _plain(value: Any) -> Any:
    """A default as JSON has it; as Python writes it where JSON cannot tell it."""
    try:
        found = to_jsonable_python(value)
    except (ValueError, TypeError):
        return repr(value)
    return found if isinstance(value, list | tuple | dict | str | int | float | None) else repr(value)


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``k=v`` texts as values: JSON where it is JSON, text otherwise. Raises ConfigError for a pair that is none.

    >>> parse_parameters(["ceiling=0.1", "connection_set=test"])
    {'ceiling': 0.1, 'connection_set': 'test'}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"The parameter '{pair}' has no value.", hint="Write --param name=value.")
        if name in values:
            raise ConfigError(f"The parameter {name} is given twice.", hint="Keep one of them.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The ways a value may be given, null aside."""
    return [way for way in schema.get("anyOf", [schema]) if way.get("type") != "null"]


def _type(schema: dict[str, Any]) -> str:
    (way, *_) = [*_choices(schema), {}]
    if way.get("format") == "date-time":
        return "date and time"
    return TYPES.get(str(way.get("type")), "any value")


def _allowed(schema: dict[str, Any]) -> str:
    (way, *_) = [*_choices(schema), {}]
    least, most = way.get("minimum"), way.get("maximum")
    said = {
        (True, True): f"{least} to {most}",
        (True, False): f"{least} or more",
        (False, True): f"{most} or less",
        (False, False): "",
    }[least is not None, most is not None]
    said = schema.get("allowed") or (", ".join(map(str, way["enum"])) if "enum" in way else said)
    return " or ".join(part for part in (said, "none" if "anyOf" in schema else "") if part)
