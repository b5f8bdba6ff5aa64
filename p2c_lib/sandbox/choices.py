"""``switches.json`` of a state folder: how both systems behave where real ones vary."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops.switches import Switches

__all__ = ["FILE", "Choices", "chosen", "read_choices"]

FILE = "switches.json"
T = TypeVar("T", SalesSwitches, Switches)


@dataclass(frozen=True)
class Choices:
    """The switches of both systems."""

    sales: SalesSwitches = field(default_factory=SalesSwitches)
    finops: Switches = field(default_factory=Switches)


def read_choices(path: Path) -> Choices:
    """The switches of a JSON file, ``{"sales": {...}, "finops": {...}}``; the defaults when there is none.

    SandboxError or UnknownName for what is no JSON, no switch or no value of one.
    """
    if not path.exists():
        return Choices()
    try:
        wanted = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SandboxError(f"{path.name} is not JSON: {error}.", hint="Correct or delete it.") from error
    if not isinstance(wanted, dict) or not all(isinstance(part, dict) for part in wanted.values()):
        raise SandboxError(f"{path.name} does not hold switches.", hint='Write {"sales": {}, "finops": {}}.')
    for name in wanted:
        if name not in {"sales", "finops"}:
            raise UnknownName("system", name, ["sales", "finops"], where=path.name)
    return Choices(chosen(SalesSwitches, wanted.get("sales", {})), chosen(Switches, wanted.get("finops", {})))


def chosen(kind: type[T], wanted: dict[str, Any]) -> T:
    """The switches of one system with some set by name.

    >>> chosen(Switches, {"next_link": "skiptoken"}).next_link
    'skiptoken'
    """
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in wanted.items():
        if name not in hints:
            raise UnknownName("switch", name, [f.name for f in fields(kind)])
        values[name] = _fitting(name, value, hints[name])
    return kind(**values)


def _fitting(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is tuple and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if get_origin(hint) is Literal:
        fits, known = value in get_args(hint) and not isinstance(value, bool), ", ".join(map(str, get_args(hint)))
    elif hint is float:
        fits, known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0, "a number from 0"
    elif hint is int:
        fits, known = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number from 0"
    else:
        names = {bool: "true, false", str: "a text"}
        fits, known = isinstance(value, hint) if hint in names else False, names.get(hint, "a list of texts")
    if not fits:
        raise SandboxError(f"Switch '{name}' cannot be {value!r}.", hint=f"Allowed: {known}.")
    return value
