"""What a notebook can be told: checked before a kernel starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from p2c_lib.config import SANDBOX
from p2c_lib.errors import ConfigError, UnknownName

__all__ = ["NOTEBOOKS", "RunParameters", "checked", "parse_parameters"]

NOTEBOOKS = {
    "10_products": ("products",),
    "20_accounts": ("accounts",),
    "30_contacts": ("contacts", "contact-customers"),
    "40_quotes": ("quotes", "quote-lines"),
}


class RunParameters(BaseModel):
    """What every task notebook can be told; checked before a kernel starts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection_set: str = Field(SANDBOX, description="a connection set of p2c.toml")
    apply: bool = Field(default=False, description="write what is planned")
    tasks: tuple[str, ...] = Field((), description="the tasks of the notebook to walk; none: all of them")
    run_id: str = Field("", description="the run this belongs to; none: a run of its own")
    ceiling: float = Field(0.05, ge=0, le=1, description="share of rows that may be quarantined before the load stops")
    limit: int | None = Field(None, ge=1, description="read only so many source rows")


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``k=v`` texts as values: JSON where it is JSON, text otherwise.

    >>> parse_parameters(["ceiling=0.1", "connection_set=test"])
    {'ceiling': 0.1, 'connection_set': 'test'}
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"The parameter '{pair}' has no value.", hint="Write --param name=value.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def checked(parameters: Mapping[str, Any]) -> RunParameters:
    """The parameters of a run. Raises UnknownName for a wrong name and ConfigError for a wrong value."""
    known = [name for name in RunParameters.model_fields if name != "run_id"]
    for name in parameters:
        if name not in RunParameters.model_fields:
            raise UnknownName("parameter", name, known)
    try:
        return RunParameters.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        told = RunParameters.model_fields[str(first["loc"][0])].description
        raise ConfigError(
            f"The parameter {name} came as {first['input']!r}: {first['msg'].lower()}.", hint=f"{name} is {told}."
        ) from None
