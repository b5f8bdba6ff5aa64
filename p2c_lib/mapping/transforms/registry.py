"""The one list of transforms, and what a transform is: a named function from values to values.

A transform gets an Arrow array and its arguments and answers with a ``Converted``. It converts what it can and marks
what it refuses; what becomes of a refused value is the step's policy, not the transform's business. An array holds
distinct values wherever that pays, so a transform must treat each value by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal, Protocol, get_type_hints

import pyarrow as pa

__all__ = ["REGISTRY", "Context", "Converted", "Policy", "Reads", "Transform", "transform"]

Policy = Literal["reject", "null", "keep"]
Reads = Literal["values", "columns"]
CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Converted:
    """Converted values; ``refused`` is true where a value is present that the transform cannot convert.

    ``reason`` completes the sentence "'x' ...", as in "'Narnia' is no country".
    """

    values: pa.Array
    refused: pa.Array | None = None
    reason: str = ""


class Context(Protocol):
    """What a transform may know of the world beyond its values: the day of the run, and rows of either system."""

    @property
    def today(self) -> date: ...

    def lookup(self, app: str, entity: str, by: str, column: str) -> dict[str, str]:
        """``column`` by the text of ``by`` in lower case, for every row of an entity set."""
        ...


@dataclass(frozen=True)
class Transform:
    """A registered transform: its function, what it reads and how its arguments are checked.

    ``reads`` is ``columns`` for a transform that joins several columns into one. ``per_value`` tells that it works in
    Python on each value, which only pays on distinct values. ``together`` says what is wrong with arguments that are
    right one by one, or nothing.
    """

    name: str
    function: Callable[..., Converted]
    reads: Reads = "values"
    per_value: bool = False
    together: Callable[[Mapping[str, Any]], str | None] = lambda _: None

    @property
    def documentation(self) -> str:
        """Its whole docstring."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return self.documentation.split("\n\n", 1)[0].replace("\n", " ")

    @cached_property
    def _signature(self) -> dict[str, inspect.Parameter]:
        return dict(list(inspect.signature(self.function).parameters.items())[1:])

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The arguments a template may give, by name; the first is the step's main argument."""
        return {name: given for name, given in self._signature.items() if name != CONTEXT}

    @property
    def needs_context(self) -> bool:
        """Whether it must be told the day or be able to look rows up."""
        return CONTEXT in self._signature

    @property
    def main(self) -> str | None:
        """The argument a step may give without naming it."""
        return next(iter(self.parameters), None)

    @cached_property
    def _model(self) -> Any:
        from pydantic import ConfigDict, create_model

        hints = get_type_hints(self.function, include_extras=True)
        fields: Any = {
            name: (hints[name], ... if given.default is inspect.Parameter.empty else given.default)
            for name, given in self.parameters.items()
        }
        return create_model(self.name, __config__=ConfigDict(extra="forbid", strict=True, frozen=True), **fields)

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with their types and limits checked and no unknown one.

        Raises pydantic's ``ValidationError`` for one that is wrong by itself, ``ValueError`` for some that do not go
        together.
        """
        checked = self._model.model_validate(arguments)
        given = {name: getattr(checked, name) for name in checked.model_fields_set}
        if wrong := self.together({name: getattr(checked, name) for name in self.parameters}):
            raise ValueError(wrong)
        return given


REGISTRY: dict[str, Transform] = {}


def transform(
    *,
    reads: Reads = "values",
    per_value: bool = False,
    together: Callable[[Mapping[str, Any]], str | None] = lambda _: None,
) -> Callable[[Callable[..., Converted]], Callable[..., Converted]]:
    """Enter a function into the registry under its own name."""

    def enter(function: Callable[..., Converted]) -> Callable[..., Converted]:
        REGISTRY[function.__name__] = Transform(function.__name__, function, reads, per_value, together)
        return function

    return enter
