"""A request's JSON body read into a change: columns, lookups, and rows to be made along with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias

from p2c_lib.sandbox.dataverse.keys import Contents, bound
from p2c_lib.sandbox.dataverse.model import Collection, Navigation, by_name, collections, navigations, properties
from p2c_lib.sandbox.dataverse.refusals import (
    bad_payload,
    bad_query,
    invalid_property,
    names_type,
    undeclared_bind,
    wrong_type,
)
from p2c_lib.sandbox.dataverse.values import stored
from p2c_lib.sandbox.payload import from_text
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, Value

BindNull: TypeAlias = Literal["clears", "ignores", "refuses"]


@dataclass(frozen=True, slots=True)
class Around:
    """What a body is read against: the row as it is (None: it is being made), Content-IDs, what a null bind does.

    ``wide_as_text``: decimals and whole numbers of 64 bits come as texts.
    """

    store: Store
    contents: Contents
    row: Mapping[str, Value] | None
    bind_null: BindNull
    wide_as_text: bool = False


@dataclass(slots=True)
class Change:
    """Stored values by column, and what a deep insert brings: parents are made before the row, children after."""

    values: dict[str, Value] = field(default_factory=dict)
    parents: list[tuple[Navigation, dict[str, Any]]] = field(default_factory=list)
    children: list[tuple[Collection, list[Any]]] = field(default_factory=list)


@cache
def _columns(name: str) -> Mapping[str, Column]:
    return {c.name: c for c in by_name(name).columns.values() if c.kind != "lookup"}


def read_change(entity: Entity, body: object, around: Around) -> Change:
    """The change a body asks for; columns that cannot be written so are left out, as Dataverse does."""
    if not isinstance(body, dict):
        raise bad_payload(f"A JSON object is expected; {type(body).__name__} came.")
    check_type(body, entity.name, entity.set_name)
    change, create = Change(), around.row is None
    columns = _columns(entity.name)
    for name, value in body.items():
        column = columns.get(name)
        if column is not None:
            if column.create if create else column.update:
                sent = from_text(value, column.kind, compatible=around.wide_as_text)
                change.values[name] = stored(sent, column, entity)
        elif "@" in name:
            if name.endswith("@odata.bind"):
                _bind(entity, name, value, change, around)
            else:
                _annotated(entity, name, body)
        else:
            _navigated(entity, name, value, change, around)
    return change


def check_type(body: Mapping[str, Any], expected: str, set_name: str) -> None:
    """Refuse a body whose ``@odata.type`` is another table's; without one, it is of the type that is expected."""
    kind = body.get("@odata.type")
    if kind is not None and not names_type(kind, expected):
        raise wrong_type(str(kind)[:120], expected, set_name)


def _annotated(entity: Entity, name: str, body: Mapping[str, Any]) -> None:
    target = name.partition("@")[0]
    if target and target not in body and target not in properties(entity) and target not in navigations(entity):
        raise undeclared_bind(target, entity)


def _bind(entity: Entity, name: str, value: object, change: Change, around: Around) -> None:
    target = name.partition("@")[0]
    navigation = navigations(entity).get(target)
    if navigation is None:
        if target in collections(entity):
            raise bad_query(f"'{name}' binds a collection; make the rows, or add them with POST .../{target}/$ref.")
        raise undeclared_bind(target, entity)
    if not (navigation.column.create if around.row is None else navigation.column.update):
        return
    if value is None:
        _bound_to_nothing(name, navigation, change, around)
        return
    row_entity, key = bound(around.store, value, around.contents)
    if row_entity.name not in {one.name for one in navigation.targets}:
        allowed = " or ".join(one.set_name for one in navigation.targets)
        raise bad_query(f"'{target}' leads to {allowed}; '{row_entity.set_name}' was bound.")
    change.values.update(lookup_values(navigation.column, key, row_entity))


def _bound_to_nothing(name: str, navigation: Navigation, change: Change, around: Around) -> None:
    if around.bind_null == "refuses":
        raise bad_payload(
            f"The 'odata.bind' instance or property annotation has a null value ({name}). In OData, the 'odata.bind' "
            "instance or property annotation must have a non-null string value."
        )
    if around.bind_null == "clears":
        _emptied(navigation, change, around.row)


def _emptied(navigation: Navigation, change: Change, row: Mapping[str, Value] | None) -> None:
    """Nothing for a lookup: through a navigation that does not hold its value, or beside a bind, nothing happens."""
    for name, value in emptied(navigation, row).items():
        change.values.setdefault(name, value)


def emptied(navigation: Navigation, row: Mapping[str, Value] | None) -> dict[str, Value]:
    """The stored values that empty the lookup of a row through one of its navigations."""
    kind = (row or {}).get(f"{navigation.column.name}!type")
    if navigation.shared and kind not in {None, *(one.name for one in navigation.targets)}:
        return {}
    return lookup_values(navigation.column, None, None)


def lookup_values(column: Column, key: str | None, target: Entity | None) -> dict[str, Value]:
    """The stored values that point a lookup to a row, or to none."""
    values: dict[str, Value] = {column.name: key}
    if len(column.targets) > 1:
        values[f"{column.name}!type"] = target.name if target else None
    return values


def _navigated(entity: Entity, name: str, value: object, change: Change, around: Around) -> None:
    navigation, create = navigations(entity).get(name), around.row is None
    if navigation is not None:
        if value is None:
            if navigation.column.create if create else navigation.column.update:
                _emptied(navigation, change, around.row)
        elif isinstance(value, dict) and create:
            change.parents.append((navigation, value))
        else:
            raise bad_query(f"'{name}' is a navigation property: use '{name}@odata.bind' with the URL of a row.")
        return
    collection = collections(entity).get(name)
    if collection is not None:
        if not (isinstance(value, list) and create):
            raise bad_query(f"'{name}' is a collection: rows can be given in an array when the parent is created.")
        change.children.append((collection, value))
        return
    if name in properties(entity):
        message = "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead."
        raise bad_query(f"{message} ({name})")
    raise invalid_property(name, entity)
