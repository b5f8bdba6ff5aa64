"""What columns the two systems have: names, types, lengths, choices and keys of every entity set the sandbox serves.

The data files ``data/sales.json`` and ``data/finops.json`` hold one line a column; a fact that is not written there has
the default of :class:`Column`. F&O text lengths are approximate: its metadata publishes none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

__all__ = ["Column", "Entity", "System", "entities", "entity", "enums"]

System = Literal["sales", "finops"]
Kind = Literal[
    "string", "memo", "int", "bigint", "decimal", "double", "money", "bool", "datetime", "date", "guid", "lookup",
    "choice", "choices", "state", "status", "enum",
]  # fmt: skip
Required = Literal["none", "recommended", "application", "system"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the service's own metadata tells it.

    ``choices`` are (value, label, state): state only for status reasons; a column of kind ``choices`` holds several.
    ``navigation`` has one name a target.
    ``behavior`` is the date behaviour: ``UserLocal``, ``UserLocal/DateOnly``, ``DateOnly``, ``TimeZoneIndependent``
    in Sales; ``Date`` (served at midday) or ``DateAndTime`` in F&O.
    """

    name: str
    kind: Kind
    length: int | None = None
    precision: int | None = None
    precision_source: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    required: Required = "none"
    create: bool = True
    update: bool = True
    targets: tuple[str, ...] = ()
    navigation: tuple[str, ...] = ()
    choices: tuple[tuple[int, str, int | None], ...] = ()
    default_status: dict[int, int] = field(default_factory=dict)
    enum: str | None = None
    default: int | bool | None = None
    behavior: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity set: ``name`` is the logical name in Sales, the public entity name in F&O.

    ``collections`` maps a collection's navigation name to (child entity, the child's lookup). ``aot`` is the F&O
    entity's inner name, which its error texts use; ``label`` the name data packages use.
    """

    system: System
    name: str
    set_name: str
    key: tuple[str, ...]
    primary_name: str
    columns: dict[str, Column]
    alternate_keys: dict[str, tuple[str, ...]]
    collections: dict[str, tuple[str, str]]
    label: str = ""
    schema_name: str = ""
    aot: str = ""

    @property
    def companied(self) -> bool:
        """Whether rows belong to a company (F&O), so that ``dataAreaId`` is part of the key."""
        return "dataAreaId" in self.key


def _column(name: str, facts: dict[str, Any]) -> Column:
    facts = dict(facts)
    for plural in ("targets", "navigation"):
        if plural in facts:
            facts[plural] = tuple(facts[plural])
    if "choices" in facts:
        facts["choices"] = tuple((c[0], c[1], c[2] if len(c) > 2 else None) for c in facts["choices"])
    if "default_status" in facts:
        facts["default_status"] = {int(state): status for state, status in facts["default_status"].items()}
    return Column(name=name, **facts)


def _entity(system: System, name: str, facts: dict[str, Any]) -> Entity:
    return Entity(
        system=system,
        name=facts.get("name", name),
        set_name=facts["set"],
        key=tuple(facts["key"]),
        primary_name=facts.get("primary_name", ""),
        columns={column: _column(column, about) for column, about in facts["columns"].items()},
        alternate_keys={key: tuple(columns) for key, columns in facts["keys"].items()},
        collections={nav: (child, lookup) for nav, (child, lookup) in facts["collections"].items()},
        label=facts.get("label") or facts.get("display", ""),
        schema_name=facts.get("schema_name", ""),
        aot=facts.get("aot", ""),
    )


@cache
def _document(system: System) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files(__package__).joinpath("data", f"{system}.json").read_text("utf-8"))
    return document


@cache
def entities(system: System) -> dict[str, Entity]:
    """Every entity of a system by its entity set name.

    >>> entities("sales")["accounts"].columns["name"].length
    160
    """
    found = (_entity(system, name, facts) for name, facts in _document(system)["entities"].items())
    return {one.set_name: one for one in found}


@cache
def _by_name(system: System) -> dict[str, Entity]:
    return {one.name: one for one in entities(system).values()}


def entity(system: System, name: str) -> Entity:
    """An entity by its own (singular) name; ``KeyError`` when there is none.

    >>> entity("sales", "quotedetail").set_name
    'quotedetails'
    """
    return _by_name(system)[name]


@cache
def enums() -> dict[str, dict[str, int]]:
    """The members and values of every F&O enum, by the enum's name.

    >>> enums()["NoYes"]
    {'No': 0, 'Yes': 1}
    """
    members: dict[str, dict[str, int]] = _document("finops")["enums"]
    return members
