"""What names of the Web API mean: properties, navigation properties and computed columns of the Sales tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from p2c_lib.sandbox.schema import Column, Entity, entities, entity
from p2c_lib.sandbox.store import quoted


@dataclass(frozen=True, slots=True)
class Navigation:
    """A single-valued navigation property: the lookup behind it and the entities it may lead to."""

    name: str
    column: Column
    targets: tuple[Entity, ...]

    @property
    def target(self) -> Entity:
        """The entity that is read through it."""
        return self.targets[0]

    @property
    def shared(self) -> bool:
        """Whether the lookup has other targets too, so that the row's type matters."""
        return len(self.column.targets) > 1

    def matches(self, alias: str, target_alias: str) -> str:
        """SQL: the row under ``target_alias`` is the one looked up by the row under ``alias``."""
        key = quoted(self.target.key[0])
        typed = f" AND {alias}.{quoted(self.column.name + '!type')} = '{self.target.name}'" if self.shared else ""
        return f"{target_alias}.{key} = {alias}.{quoted(self.column.name)}{typed}"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection-valued navigation property: the child entity and its lookup back."""

    name: str
    child: Entity
    lookup: Column
    parent: Entity

    def matches(self, alias: str, child_alias: str) -> str:
        """SQL: the row under ``child_alias`` belongs to the row under ``alias``."""
        key = quoted(self.parent.key[0])
        typed = ""
        if len(self.lookup.targets) > 1:
            typed = f" AND {child_alias}.{quoted(self.lookup.name + '!type')} = '{self.parent.name}'"
        return f"{child_alias}.{quoted(self.lookup.name)} = {alias}.{key}{typed}"


def sets() -> dict[str, Entity]:
    """Every Sales entity by its set name."""
    return entities("sales")


def by_name(name: str) -> Entity:
    """A Sales entity by its logical name."""
    return entity("sales", name)


@cache
def _served() -> frozenset[str]:
    return frozenset(one.name for one in sets().values())


# The key that users and teams inherit from principal: their own, under the name of what owns rows.
OWNER = Column("ownerid", "guid", label="Owner", create=False, update=False)
# Columns that stand in the metadata alone: no row carries them here.
VIRTUAL: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "account": (("entityimage", "Image", "Default Image"), ("new_contract", "File", "Contract")),
    "contact": (("entityimage", "Image", "Entity Image"),),
    "product": (("entityimage", "Image", "Entity Image"),),
    "transactioncurrency": (("entityimage", "Image", "Entity Image"),),
    "systemuser": (("entityimage", "Image", "Entity Image"),),
}


@cache
def properties_of(name: str) -> Mapping[str, Column]:
    """Columns by their name on the wire: a lookup ``x`` is ``_x_value``."""
    columns = by_name(name).columns.values()
    found = {(f"_{c.name}_value" if c.kind == "lookup" else c.name): c for c in columns}
    return {**found, OWNER.name: OWNER} if name in {"systemuser", "team"} else found


@cache
def missing(name: str) -> frozenset[str]:
    """Names that the metadata of a table tells and that lead nowhere here: images, files, and tables that are away."""
    own = by_name(name)
    told = {navigation for column in own.columns.values() for navigation in column.navigation}
    told |= own.collections.keys() | {about[0] for about in VIRTUAL.get(name, ())}
    return frozenset(told - _navigations(name).keys() - _collections(name).keys())


def properties(one: Entity) -> Mapping[str, Column]:
    """The entity's columns by their name on the wire."""
    return properties_of(one.name)


@cache
def _navigations(name: str) -> Mapping[str, Navigation]:
    found: dict[str, Navigation] = {}
    for column in by_name(name).columns.values():
        pairs = list(zip(column.navigation, column.targets, strict=False))
        for navigation in dict.fromkeys(column.navigation):
            targets = tuple(by_name(t) for n, t in pairs if n == navigation and t in _served())
            if targets:
                found[navigation] = Navigation(navigation, column, targets)
    return found


def navigations(one: Entity) -> Mapping[str, Navigation]:
    """The entity's single-valued navigation properties that lead to a served entity."""
    return _navigations(one.name)


@cache
def _collections(name: str) -> Mapping[str, Collection]:
    parent = by_name(name)
    found = {}
    for navigation, (child, lookup) in parent.collections.items():
        if child in _served():
            found[navigation] = Collection(navigation, by_name(child), by_name(child).columns[lookup], parent)
    return found


def collections(one: Entity) -> Mapping[str, Collection]:
    """The entity's collection-valued navigation properties."""
    return _collections(one.name)


def expression(one: Entity, column: Column, alias: str) -> str:
    """SQL for a column's value: the version and money in base currency are computed, all else is stored."""
    if column.name == "versionnumber":
        return f"{alias}._version"
    if column is OWNER:
        return f"{alias}.{quoted(one.key[0])}"
    if column.kind == "money" and column.name.endswith("_base") and "exchangerate" in one.columns:
        twin = column.name.removesuffix("_base")
        if twin in one.columns:
            return f"number_base({alias}.{quoted(twin)}, {alias}.exchangerate)"
    return f"{alias}.{quoted(column.name)}"


def edm(column: Column) -> str:
    """The column's type on the wire."""
    return _EDM.get(column.kind, "Edm.Int32") if column.kind != "datetime" else "Edm.DateTimeOffset"


_EDM = {
    "string": "Edm.String",
    "memo": "Edm.String",
    "choices": "Edm.String",
    "bigint": "Edm.Int64",
    "decimal": "Edm.Decimal",
    "double": "Edm.Double",
    "money": "Edm.Decimal",
    "bool": "Edm.Boolean",
    "date": "Edm.Date",
    "guid": "Edm.Guid",
    "lookup": "Edm.Guid",
    "enum": "Edm.String",
}
