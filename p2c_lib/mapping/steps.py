"""One step of a chain: a transform by name, its arguments, and its policy for what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from p2c_lib.errors import UnknownName
from p2c_lib.mapping.transforms import REGISTRY, Policy, Transform
from p2c_lib.mapping.transforms.arguments import in_words

__all__ = ["Step"]

OTHERWISE = "otherwise"


class Step(BaseModel):
    """A transform with its arguments.

    Written as a name (``trim``) or as a mapping whose first key is the name and holds the main argument; other keys
    are named arguments, and ``otherwise`` is what becomes of a value the transform refuses.

    >>> Step.model_validate({"country_code": "iso3", "otherwise": "null"})
    Step(country_code: iso3, otherwise: null)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    arguments: dict[str, Any] = {}
    otherwise: Policy = "reject"

    @model_validator(mode="before")
    @classmethod
    def _written(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {given: None}
        if not isinstance(given, Mapping) or not given or not all(isinstance(key, str) for key in given):
            raise _wrong("A step is a transform's name, or a mapping that begins with it.", "As in: trim.")
        name, *options = given
        if name not in REGISTRY:
            unknown = UnknownName("transform", name, REGISTRY)
            raise _wrong(unknown.message, str(unknown.hint))
        policy = given.get(OTHERWISE, "reject")
        if policy not in get_args(Policy):
            raise _wrong(f"otherwise is '{policy}'.", f"Allowed: {', '.join(get_args(Policy))}.")
        return {"name": name, "arguments": _arguments(REGISTRY[name], given, options), "otherwise": policy}

    @cached_property
    def transform(self) -> Transform:
        """The transform it names."""
        return REGISTRY[self.name]

    @property
    def written(self) -> str | dict[str, Any]:
        """The step as a template writes it."""
        rest = dict(self.arguments)
        first = rest.pop(self.transform.main, None) if self.transform.main else None
        if self.otherwise != "reject":
            rest[OTHERWISE] = self.otherwise
        return self.name if first is None and not rest else {self.name: first, **rest}

    @property
    def words(self) -> str:
        """The step in words, such as ``country_code: iso3, otherwise: null``."""
        shown = self.written
        return shown if isinstance(shown, str) else ", ".join(f"{name}: {value}" for name, value in shown.items())

    def __repr__(self) -> str:
        return f"Step({self.words})"


def _arguments(transform: Transform, given: Mapping[str, Any], options: list[str]) -> dict[str, Any]:
    allowed = [*list(transform.parameters)[1:], OTHERWISE]
    for option in options:
        if option not in allowed:
            unknown = UnknownName(f"argument of {transform.name}", option, allowed)
            raise _wrong(unknown.message, str(unknown.hint))
    arguments = {option: given[option] for option in options if option != OTHERWISE}
    main = given[transform.name]
    if main is not None and transform.main is None:
        raise _wrong(f"{transform.name} takes no argument, '{main}' came.", f"Write only {transform.name}.")
    if main is not None and transform.main is not None:
        arguments[transform.main] = main
    try:
        return transform.check(arguments)
    except ValidationError as error:
        raise _wrong(*_first(transform, error)) from None
    except ValueError as error:
        raise _wrong(f"{transform.name}: {error}.", f"Its arguments are {', '.join(transform.parameters)}.") from None


def _first(transform: Transform, error: ValidationError) -> tuple[str, str]:
    """The first thing wrong with arguments, and what is allowed, from the transform's own signature."""
    found = error.errors()[0]
    name = str(found["loc"][0])
    needed = f"{name}: {in_words(transform.parameters[name].annotation)}" if name in transform.parameters else name
    says = str(found.get("ctx", {}).get("error", found["msg"]))
    came = "is missing" if found["type"] == "missing" else f"is {found['input']!r}: {says}"
    return f"{transform.name}: argument {name} {came}.", f"It takes {needed}."


def _wrong(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("p2c", "{message}", {"message": message, "hint": hint})
