"""Whether a schema that a service told of is one: every part of its own kind, so that nothing fails on it later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from p2c_lib.odata.characters import why_refused
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["named", "sound"]

LONGEST_NAME = 1_000
MOST = 2**31


def sound(schema: EntitySchema) -> EntitySchema:
    """The schema itself. Raises ValueError that names the first part which is none."""
    _name("its name", schema.entity_set)
    _name("its logical name", schema.logical_name)
    for way in schema.lookups:
        _names(f"the lookup {way.column!r:.40}", (way.column, way.navigation, way.target))
    for column in schema.columns.values():
        _column(column)
    for key in (schema.key, *schema.alternate_keys.values()):
        _names("a key", key)
    if lost := next((name for name in schema.key if name not in schema.columns), None):
        raise ValueError(f"its key names the column {lost!r:.60}, which it does not have")
    _text("its label", schema.label)
    _text("its primary name", schema.primary_name)
    return schema


def named(sets: Mapping[str, str]) -> dict[str, str]:
    """Entity sets with the names of their rows. Raises ValueError for a name that is none."""
    _names("the list of entity sets", (*sets, *sets.values()))
    return dict(sets)


def _column(column: Column) -> None:
    where = f"the column {column.name!r:.60}"
    _names(where, (column.name, column.wire, column.edm, *column.targets))
    _text(f"the label of {where}", column.label)
    _text(f"the behaviour of {where}", column.behavior)
    _whole(f"the longest text of {where}", column.max_length)
    _whole(f"the decimals of {where}", column.places)
    for value, label in (column.choices or {}).items():
        _whole(f"a choice of {where}", abs(value))
        _text(f"the label of a choice of {where}", label)


def _names(what: str, names: Iterable[object]) -> None:
    for name in names:
        _name(f"a name in {what}", name)


def _name(what: str, name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or why_refused(name):
        raise ValueError(f"{what} is {name!r:.60}")


def _text(what: str, text: object) -> None:
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{what} is {text!r:.60}")


def _whole(what: str, number: object) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST:
        raise ValueError(f"{what} is {number!r:.60}")
