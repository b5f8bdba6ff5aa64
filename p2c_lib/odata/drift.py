"""What changed in an entity set's own description between two looks at it, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["Drift", "described", "drift"]

PARTS = ("edm", "type", "max_length", "required", "creatable", "updatable", "choices", "targets", "behavior")


@dataclass(frozen=True)
class Drift:
    """One difference: ``column`` is empty where the set itself changed, ``part`` names what did."""

    entity_set: str
    column: str
    part: str
    before: Any
    after: Any

    def __str__(self) -> str:
        place = f"{self.entity_set}.{self.column}" if self.column else self.entity_set
        if self.part == "column":
            return f"{place} is {'new' if self.before is None else 'gone'}"
        return f"{place}: {self.part} was {self.before}, is {self.after}"


def described(schema: EntitySchema) -> dict[str, Any]:
    """An entity set's description as plain values, to be kept and held against a later one."""
    return {
        "app": schema.app,
        "entity_set": schema.entity_set,
        "key": list(schema.key),
        "alternate_keys": {name: list(columns) for name, columns in schema.alternate_keys.items()},
        "read_only": schema.read_only,
        "columns": {name: _column(column) for name, column in schema.columns.items()},
    }


def drift(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Drift]:
    """The differences between two descriptions, the set's own first, then column by column in order of name.

    >>> old = {"entity_set": "a", "columns": {"n": {"max_length": 10}}}
    >>> [str(d) for d in drift(old, {"entity_set": "a", "columns": {"n": {"max_length": 20}}})]
    ['a.n: max_length was 10, is 20']
    """
    name = str(after["entity_set"])
    own = [
        Drift(name, "", part, before.get(part), after.get(part))
        for part in ("key", "alternate_keys", "read_only")
        if before.get(part) != after.get(part)
    ]
    return own + list(_columns(name, before["columns"], after["columns"]))


def _columns(entity_set: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Drift]:
    for column in sorted({*before, *after}):
        old, new = before.get(column), after.get(column)
        if old is None or new is None:
            yield Drift(entity_set, column, "column", old, new)
            continue
        for part in sorted({*old, *new}):
            if old.get(part) != new.get(part):
                yield Drift(entity_set, column, part, old.get(part), new.get(part))


def _column(column: Column) -> dict[str, Any]:
    found = {part: getattr(column, part) for part in PARTS}
    choices = None if column.choices is None else {str(value): label for value, label in column.choices.items()}
    return found | {"type": str(column.type), "choices": choices, "targets": list(column.targets)}
