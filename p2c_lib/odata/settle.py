"""After a lost answer: do the rows hold exactly what the writes put there?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from p2c_lib.errors import NotFound, UnknownName
from p2c_lib.keys import RowKey
from p2c_lib.odata.among import held_key
from p2c_lib.odata.precision import RulesNow
from p2c_lib.odata.query import Expand, Page, Query
from p2c_lib.odata.schema import EntitySchema, Lookup
from p2c_lib.odata.stored import keeps, kept_now
from p2c_lib.odata.writes import Write
from p2c_lib.waiting import threads

__all__ = ["Doubt", "settled"]

KEYS_AT_ONCE = 50
QUERIES_AT_ONCE = 4
BIND = "@odata.bind"
CURRENCY = "transactioncurrencyid"
_GUID_IN_PATH = re.compile(r"\((?:\w+=)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\)$")

Doubt = tuple[Write, str | None]
Row = Mapping[str, object]
ReadAmong = Callable[[Query, Sequence[Row]], Iterator[Page]]


@dataclass(frozen=True)
class _Binding:
    """A lookup as a write sets it: the row it is to point to, None where it is emptied.

    ``through`` is the navigation, where the column has several and one is meant: the row must be reached that way, or
    none. ``known`` is false for a row that is named in another way than by its id: what the lookup holds cannot be held
    against that.
    """

    column: str
    row_id: str | None
    through: Lookup | None = None
    known: bool = True

    @property
    def empties(self) -> bool:
        """Whether the lookup is to point to no row."""
        return self.row_id is None and self.known


@dataclass(frozen=True)
class _Wanted:
    """What a write puts into its row: plain values by column, and lookups."""

    values: Mapping[str, object]
    bindings: tuple[_Binding, ...]


class _Judge:
    """Reads rows of one entity set and holds writes to them. ``target`` describes a table that lookups point to."""

    def __init__(
        self,
        schema: EntitySchema,
        read: ReadAmong,
        target: Callable[[str], EntitySchema],
        rules: RulesNow,
    ) -> None:
        self._schema, self._read, self._target, self._rules = schema, read, target, rules

    def settled(self, doubts: Sequence[Doubt]) -> list[bool | None]:
        """Whether each write is in its row, None where the row does not tell; one that names nothing to look for never.

        A delete is where its row is not.

        Raises the ServiceError that keeps the rows from being read: nobody can tell then.
        """
        keys = [self._key(write, row_id) for write, row_id in doubts]
        wanted = [self._wanted(write) for write, _ in doubts]
        try:
            pages = self._read(self._query(keys, wanted), [key for key in keys if key])
            rows = [row for page in pages for row in page.table.to_pylist()]
        except NotFound:
            return [write.op == "delete" for write, _ in doubts]
        found = {
            names: {self._mark({n: row[n] for n in names}): row for row in rows} for names in set(map(tuple, keys))
        }
        there = [found[tuple(key)].get(mark) if (mark := self._mark(key)) else None for key in keys]
        whole = zip(doubts, keys, wanted, there, strict=True)
        return [
            bool(key) and row is None if write.op == "delete" else False if row is None else self._holds(row, each)
            for (write, _), key, each, row in whole
        ]

    def _query(self, keys: Sequence[Row], wanted: Sequence[_Wanted]) -> Query:
        names = [name for part in (*keys, *(each.values for each in wanted)) for name in part]
        bindings = [binding for each in wanted for binding in each.bindings if binding.known]
        ways = dict.fromkeys(binding.through for binding in bindings if binding.through is not None)
        expand = tuple(Expand(way.navigation, way.navigation, *self._ends(way)) for way in ways)
        further = [binding.column for binding in bindings]
        if CURRENCY in self._schema.columns and any(self._schema.column(n).edm == "Edm.Decimal" for n in names):
            further.append(CURRENCY)  # by which money may be kept by now, whatever the column said before
        select = tuple(dict.fromkeys([*names, *further]))
        return Query(self._schema.entity_set, select, expand=expand)

    def _ends(self, way: Lookup) -> tuple[EntitySchema, tuple[str, ...]]:
        schema = self._target(way.target)
        return schema, schema.key

    def _mark(self, key: Row) -> str | None:
        return RowKey.within(self._schema, tuple(key)).of(held_key(self._schema, key)) if key else None

    def _key(self, write: Write, row_id: str | None) -> dict[str, object]:
        if row_id is not None:
            return {self._schema.key[0]: row_id}
        whole = {**write.body, **(write.key or {})}
        return dict(write.key) if write.key else {name: whole.get(name) for name in self._schema.key}

    def _wanted(self, write: Write) -> _Wanted:
        """A create names its key among its values, and leaves what it has no value for to the service."""
        is_new = write.op == "create"
        whole = {**(write.key or {}), **write.body} if is_new else dict(write.body)
        if is_new:
            whole = {name: value for name, value in whole.items() if value is not None}
        values: dict[str, object] = {}
        bindings: list[_Binding] = []
        for name, value in whole.items():
            ways = self._ways(name)
            if ways:
                bindings.append(self._binding(ways, value))
            else:
                values[name] = value
        # What empties a lookup that the same body binds through another navigation is not sent.
        bound = {each.column for each in bindings if not each.empties}
        return _Wanted(values, tuple(each for each in bindings if not each.empties or each.column not in bound))

    def _ways(self, name: str) -> list[Lookup]:
        """The navigations a member of a body may set; none for a plain column."""
        if self._schema.app != "sales":
            return []
        bare = name.removesuffix(BIND)
        column, dot, target = bare.partition(".")
        if dot:
            return [self._schema.lookup(column, target)]
        by_name = [way for way in self._schema.lookups if way.navigation == bare]
        if name.endswith(BIND) or bare not in self._schema.columns:
            return by_name
        return [way for way in self._schema.lookups if way.column == bare]

    def _binding(self, ways: Sequence[Lookup], value: object) -> _Binding:
        """What a lookup is set to; of several navigations the one whose entity set the path names."""
        column = ways[0].column
        several = len({way.navigation for way in self._schema.lookups if way.column == column}) > 1
        if value is None:
            return _Binding(column, None, ways[0] if several and len({way.navigation for way in ways}) == 1 else None)
        path = str(value)
        named = _GUID_IN_PATH.search(path)
        if named is None:
            return _Binding(column, None, known=False)
        if not several:
            return _Binding(column, named.group(1))
        entity_set = path.rpartition("(")[0].rpartition("/")[2]
        fitting = [way for way in ways if len(ways) == 1 or self._set_of(way) == entity_set]
        return _Binding(column, named.group(1), fitting[0] if fitting else None, known=bool(fitting))

    def _set_of(self, way: Lookup) -> str | None:
        try:
            return self._target(way.target).entity_set
        except UnknownName:
            return None

    def _holds(self, row: Row, wanted: _Wanted) -> bool | None:
        there = [self._keeps(name, value, row) for name, value in wanted.values.items()]
        there += [binding.known and self._points(row, binding) for binding in wanted.bindings]
        if not there or False in there:
            return False
        return None if None in there else True

    def _keeps(self, name: str, value: object, row: Row) -> bool | None:
        """Whether a row holds a value. The beginning of a text does not tell, in a new row either: whose is it?"""
        column = self._schema.column(name)
        now = partial(self._rules.of, column.name, row.get(CURRENCY))
        return kept_now(value, row[name], column, self._schema.app, now)

    def _points(self, row: Row, binding: _Binding) -> bool:
        column, app = self._schema.column(binding.column), self._schema.app
        if binding.through is None:
            return keeps(binding.row_id, row[binding.column], column, app)
        target = self._target(binding.through.target)
        reached = row[f"{binding.through.navigation}.{target.key[0]}"]
        if binding.empties:
            return reached is None
        there = keeps(binding.row_id, row[binding.column], column, app)
        return there and keeps(binding.row_id, reached, target.column(target.key[0]), app)


def settled(
    schema: EntitySchema,
    doubts: Sequence[Doubt],
    read: ReadAmong,
    target: Callable[[str], EntitySchema],
    rules: RulesNow,
) -> list[bool | None]:
    """Whether each write, with its row's id where that is known, is exactly what its row holds; None for nobody knows.

    All rows are read in a few queries side by side, not one by one. ``target`` describes a table by its logical name,
    ``rules`` are the service's own, asked after the rows were read. A lookup set by an alternate key cannot be told
    from its row, so such a write is never held for done.
    """
    judge = _Judge(schema, read, target, rules)
    parts = [doubts[start : start + KEYS_AT_ONCE] for start in range(0, len(doubts), KEYS_AT_ONCE)]
    with threads(QUERIES_AT_ONCE) as pool:
        return [done for part in pool.map(judge.settled, parts) for done in part]
