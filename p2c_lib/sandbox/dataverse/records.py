"""Creating, changing and deleting rows, with what the platform fills in and the business rules around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from p2c_lib.sandbox import solution
from p2c_lib.sandbox.dataverse import business
from p2c_lib.sandbox.dataverse.bodies import Around, Change, lookup_values, read_change
from p2c_lib.sandbox.dataverse.deletion import delete_row
from p2c_lib.sandbox.dataverse.keys import Contents, Key, find
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.refusals import exists, key_violated, names_type, required, version_mismatch
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import KeyTaken, Value, sortable_guid
from p2c_lib.sandbox.wire import Refusal


def no_contents(_reference: str) -> str | None:
    """Outside a change set no ``$1`` means anything."""
    return None


@dataclass(frozen=True, slots=True)
class Conditions:
    """``If-Match`` and ``If-None-Match`` of a request, unquoted; None when absent."""

    match: str | None = None
    none_match: str | None = None

    def check(self, found: Mapping[str, Value] | None, key: Key) -> None:
        """Refuse (404, 412) when the row is not as the conditions want it."""
        if self.match is not None and found is None:
            raise key.missing()
        if self.none_match == "*" and found is not None:
            raise exists()
        if self.match not in {None, "*"} and found is not None and self.match != etag(found):
            raise version_mismatch()


def etag(row: Mapping[str, Value]) -> str:
    """The row's etag."""
    return f'W/"{row["_version"]}"'


@dataclass(frozen=True, slots=True)
class Written:
    """A row that was created or updated: its record number and primary key."""

    record: int
    key: str
    created: bool


class Records:
    """The write side of one organisation; every method runs inside the store's ``write``.

    Without ``custom_logic`` the solution's plug-ins do not run; ``wide_as_text`` is how bodies tell wide numbers.
    """

    def __init__(
        self,
        organisation: Organisation,
        contents: Contents = no_contents,
        *,
        custom_logic: bool = True,
        wide_as_text: bool = False,
    ) -> None:
        self.organisation = organisation
        self.custom_logic = custom_logic and organisation.switches.solution
        self.store = organisation.store
        self.contents = contents
        self.wide_as_text = wide_as_text

    def create(self, entity: Entity, body: object, seed: Mapping[str, Value] | None = None) -> Written:
        """Create a row; ``seed`` are values that come from the URL and yield to the body's."""
        change = read_change(entity, body, self._around(None))
        for column in change.values:
            _not_emptied(entity, column, change.values[column])
        for name, value in (seed or {}).items():
            change.values.setdefault(name, value)
        self._make_parents(change)
        return self._insert(entity, change)

    def _make_parents(self, change: Change) -> None:
        for navigation, body in change.parents:
            named = body.get("@odata.type")
            target = next((t for t in navigation.targets if names_type(named, t.name)), navigation.target)
            made = self.create(target, body)
            change.values.update(lookup_values(navigation.column, made.key, target))

    def _insert(self, entity: Entity, change: Change) -> Written:
        values = change.values
        key = str(values.get(entity.key[0]) or sortable_guid())
        values[entity.key[0]] = key
        business.before_create(self.organisation, entity, values)
        if self.custom_logic:
            solution.before_create(self.store, entity, values)
        record = self._kept(entity, None, values)
        for collection, rows in change.children:
            seed = lookup_values(collection.lookup, key, entity)
            for body in rows:
                self.create(collection.child, body, seed)
        business.after_create(self.organisation, entity, values)
        if self.custom_logic:
            solution.after_create(self.store, entity, values)
        return Written(record, key, created=True)

    def update(
        self, entity: Entity, row: Mapping[str, Value], body: object, *, without: tuple[str, ...] = ()
    ) -> Written:
        """Change a found row; the columns ``without`` are left out of the body."""
        if without and isinstance(body, dict):
            body = {name: value for name, value in body.items() if name not in without}
        change = read_change(entity, body, self._around(row))
        for column, value in change.values.items():
            _not_emptied(entity, column, value)
        self.set(entity, row, change.values)
        return Written(int(row["_id"] or 0), str(row[entity.key[0]]), created=False)

    def set(self, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]) -> None:
        """Set stored values of a found row, under the business rules."""
        business.before_update(self.organisation, entity, row, values)
        self._kept(entity, int(row["_id"] or 0), values)
        after = {**row, **values}
        business.after_update(self.organisation, entity, row, after, values)
        if self.custom_logic:
            solution.after_update(self.store, entity, after, values)

    def upsert(self, key: Key, body: object, conditions: Conditions) -> Written:
        """``PATCH``: change the key's row, or create it when it is not there and the conditions allow."""
        row = find(self.store, key)
        conditions.check(row, key)
        if row is not None:
            return self.update(key.entity, row, body, without=tuple(key.values) if key.alternate else ())
        return self.create(key.entity, body, key.values)

    def delete(self, key: Key, conditions: Conditions) -> None:
        """Delete the key's row."""
        row = find(self.store, key)
        if row is None:
            raise key.missing()
        conditions.check(row, key)
        business.before_delete(self.organisation, key.entity, row)
        delete_row(self.store, key.entity, row)
        business.after_delete(self.organisation, key.entity, row)
        if self.custom_logic:
            solution.after_delete(self.store, key.entity, row)

    def _around(self, row: Mapping[str, Value] | None) -> Around:
        return Around(self.store, self.contents, row, self.organisation.switches.bind_null, self.wide_as_text)

    def _kept(self, entity: Entity, record: int | None, values: Mapping[str, Value]) -> int:
        try:
            if record is None:
                return self.store.insert(entity, values)
            self.store.update(entity, record, values)
        except KeyTaken as taken:
            raise _taken(taken) from taken
        return record


def _taken(taken: KeyTaken) -> Refusal:
    entity = taken.entity
    for name, columns in entity.alternate_keys.items():
        if set(columns) == set(taken.columns):
            return key_violated(entity, name, columns)
    return exists()


def _not_emptied(entity: Entity, name: str, value: Value) -> None:
    column = entity.columns.get(name)
    if value is None and column is not None and column.required == "system" and column.kind != "guid":
        raise required(column, entity)
