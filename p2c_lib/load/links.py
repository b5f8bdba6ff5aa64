"""Business keys of lookups become the rows they name at the destination, a unit within the group that its row names.

A key that names no row, or more than one, is for the row that has it to tell; the others of its plan go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from p2c_lib.odata import Client, EntitySchema
    from p2c_lib.odata.client import NamedRow

__all__ = ["Link", "links_of"]

# The names of units are unique within their group only.
UNIT, GROUP, GROUPS = "uom", "uomscheduleid", "uomschedule"
BETWEEN = "\x1f"


@dataclass(frozen=True)
class Link:
    """A lookup column of a plan (``defaultuomid.name``), its navigation, and the rows that its values may name.

    ``group`` is the column of the same plan that names the group of its units; None for what has no group.
    """

    column: str
    navigation: str
    rows: Mapping[str, Sequence[NamedRow]]
    group: Link | None = None

    def paths(self, after: pa.StructArray) -> pa.Array:
        """The path to bind in each row; none where its value is empty, or names no row or several."""
        values = pc.struct_field(after, self.column)
        if self.group is None:
            return _by_value(values, {value: self.path(value, None) for value in self.rows})
        groups = pc.struct_field(after, self.group.column)
        pairs = pc.binary_join_element_wise(values, pc.fill_null(groups, ""), BETWEEN)
        known = {pair: self.path(*pair.split(BETWEEN, 1)) for pair in pc.unique(pairs).drop_null().to_pylist()}
        return _by_value(pairs, known)

    def path(self, value: str, group: str | None) -> str | None:
        """The path to the one row that a value names; None where there is none, or more than one."""
        named = self._named(value, group)
        return named[0].path if len(named) == 1 else None

    def lacking(self, after: pa.StructArray) -> pa.Array:
        """Which rows have a value that does not name one row."""
        return pc.and_(pc.is_valid(pc.struct_field(after, self.column)), pc.is_null(self.paths(after)))

    def why(self, after: Mapping[str, Any]) -> str:
        """Why the value of a row names no one row, in words."""
        value = after[self.column]
        group = None if self.group is None else after[self.group.column] or None
        if self.group is not None and group is not None and self.group.path(group, None) is None:
            return self.group.why(after)
        named = len(self._named(value, group))
        where = f" in '{group}'" if group is not None else ""
        if named:
            return (
                f"{self.column} '{value}' names {named:,} rows at the destination{where}. Make it unique there, or map "
                "it to one that is."
            )
        return (
            f"{self.column} '{value}' does not exist at the destination{where}. Create it there, or map it to one that "
            "does."
        )

    def _named(self, value: str, group: str | None) -> Sequence[NamedRow]:
        """The rows that a value names: of several that compare as the same, those that are spelt like it."""
        rows = self.rows.get(value, ())
        if self.group is not None and group:
            inside = self.group.path(group, None)
            rows = [row for row in rows if row.within is not None and inside == f"{_set_in(inside)}({row.within})"]
        return [row for row in rows if row.key == value] or rows


def links_of(operations: pa.Table, client: Client, schema: EntitySchema) -> dict[str, Link]:
    """For each lookup column of a plan's operations the rows that its values may name; those without a group first."""
    after = operations.column("after").combine_chunks()
    names = [field.name for field in after.type if "." in field.name]
    ways = {name: schema.lookup(*_split(name)[:2]) for name in names}
    groups = next((name for name in names if ways[name].target == GROUPS), None)
    made: dict[str, Link] = {}
    for name in sorted(names, key=lambda name: ways[name].target == UNIT):
        lookup, _, rest = name.partition(".")
        values = pc.unique(pc.struct_field(after, name)).drop_null().to_pylist()
        in_group = ways[name].target == UNIT and groups is not None
        rows = client.named_rows(schema.entity_set, lookup, rest, values, within=GROUP if in_group else None)
        made[name] = Link(name, ways[name].navigation, rows, made[groups] if in_group and groups else None)
    return made


def _split(name: str) -> tuple[str, str | None, str]:
    """``customerid.account.accountnumber`` as lookup, table and column."""
    lookup, _, rest = name.partition(".")
    target, _, column = rest.rpartition(".")
    return lookup, target or None, column


def _by_value(values: pa.Array, paths: Mapping[str, str | None]) -> pa.Array:
    encoded = values.dictionary_encode()
    found = pa.array([paths.get(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return found.take(encoded.indices)


def _set_in(path: str | None) -> str:
    return "" if path is None else path.partition("(")[0]
