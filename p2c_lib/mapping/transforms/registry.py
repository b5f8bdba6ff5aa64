"""The one list of transforms, and what a transform is: a named function from values to values.

A transform gets an Arrow array and its arguments and answers with a ``Converted``. It converts what it can and marks
what it refuses; what becomes of a refused value is the step's policy, not the transform's business. An array holds
distinct values wherever that pays, so a transform must treat each value by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_type_hints

import pyarrow as pa

from p2c_lib.errors import UnknownName

__all__ = ["REGISTRY", "Converted", "Policy", "Transform", "find", "transform"]

Policy = Literal["reject", "null", "keep"]
Reads = Literal["values", "columns"]


@dataclass(frozen=True, slots=True)
class Converted:
    """Converted values; ``refused`` is true where a value is present that the transform cannot convert.

    ``reason`` completes the sentence "'x' ...", as in "'Narnia' is no country".
    """

    values: pa.Array
    refused: pa.Array | None = None
    reason: str = ""


@dataclass(frozen=True)
class Transform:
    """A registered transform: its function, what it reads and how its arguments are checked.

    ``reads`` is ``columns`` for a transform that joins several columns into one. ``per_value`` tells that it works in
    Python on each value, which only pays on distinct values.
    """

    name: str
    function: Callable[..., Converted]
    reads: Reads = "values"
    per_value: bool = False

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def documentation(self) -> str:
        """Its whole docstring."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Its arguments after the values, by name; the first is the step's main argument."""
        listed = list(inspect.signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter for parameter in listed}

    @property
    def main(self) -> str | None:
        """The argument a step may give without naming it."""
        return next(iter(self.parameters), None)

    @cached_property
    def _model(self) -> Any:
        from pydantic import ConfigDict, create_model

        hints = get_type_hints(self.function)
        fields: Any = {
            name: (hints[name], ... if p.default is inspect.Parameter.empty else p.default)
            for name, p in self.parameters.items()
        }
        return create_model(self.name, __config__=ConfigDict(extra="forbid", strict=True, frozen=True), **fields)

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with their types checked and no unknown one; raises pydantic's ``ValidationError``."""
        checked = self._model.model_validate(arguments)
        return {name: getattr(checked, name) for name in checked.model_fields_set}


REGISTRY: dict[str, Transform] = {}


def transform(
    *, reads: Reads = "values", per_value: bool = False
) -> Callable[[Callable[..., Converted]], Callable[..., Converted]]:
    """Enter a function into the registry under its own name, less a trailing underscore."""

    def enter(function: Callable[..., Converted]) -> Callable[..., Converted]:
        name = function.__name__.rstrip("_")
        REGISTRY[name] = Transform(name, function, reads, per_value)
        return function

    return enter


def find(name: str, known: Iterable[str] | None = None) -> Transform:
    """The transform of that name; raises ``UnknownName`` with the nearest one."""
    if name not in REGISTRY:
        raise UnknownName("transform", name, known or REGISTRY)
    return REGISTRY[name]
