"""Rows of a plan looked up at the destination by their key: for doubts, for samples, for taking back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, texts
from p2c_lib.errors import NotFound
from p2c_lib.frames import EntityFrame, EntityQuery
from p2c_lib.keys import RowKey, fold
from p2c_lib.load.outcome import APPLIED, DRIFTED, OPEN, SENT, taken_by_another, untold
from p2c_lib.odata.record_id import is_another, is_as_made
from p2c_lib.odata.stored import keeps, kept_now

if TYPE_CHECKING:
    from p2c_lib.odata.schema import Column
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["Destination", "values_of"]

BY_KEY = 600
CURRENCY = "transactioncurrencyid"
STAMPS = (("createdon", "modifiedon"), ("createdby", "modifiedby"))


class Destination:
    """The entity set a plan writes to, as it is now."""

    def __init__(self, plan: Plan, session: Session) -> None:
        facts = plan.facts["destination"]
        self._session = session
        self.app, self.entity_set, self.key = facts["app"], facts["entity_set"], tuple(facts["key"])
        self._size = int(facts["rows"])
        self._ignored = frozenset(plan.facts["ignored"])
        self._client = session.client(self.app)
        self._schema = self._client.schema(self.entity_set)
        self._rules = self._client.rules_now(self.entity_set)
        self._leaves: dict[str, Column] = {}
        self._row_key = RowKey.within(self._schema, self.key)
        self.columns = tuple(field.name for field in plan.operations.schema.field("after").type)
        plain = (self._schema.columns.get(name) for name in self.columns)
        numbers = any(column is not None and column.edm == "Edm.Decimal" for column in plain)
        self._further = (CURRENCY,) if numbers and CURRENCY in self._schema.columns else ()

    def read(self, rows: pa.Table, columns: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """The rows of some operations as they are now, by normalised key, with ``@etag`` and, in Sales, ``@id``.

        A row that is not there is left out. Few are asked for by key, many by reading the whole set.
        """
        found: dict[str, dict[str, Any]] = {}
        for table in self._tables(rows, (*self.columns, *self._further) if columns is None else columns):
            keys = table.column("@key").to_pylist()
            found.update(zip(keys, table.drop_columns(["@key"]).to_pylist(), strict=True))
        return found

    def read_own(self, rows: pa.Table, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The rows of Sales with the ids of some operations as they are now, whatever their key is, by the plan's key.

        Few are asked for by id, many by reading the whole set.
        """
        query = EntityQuery(self.app, self.entity_set, (*self.key, *columns), self.key)
        if self._is_many(rows):
            frame = self._session.extract(query)
        else:
            ids = [{self._schema.key[0]: each} for each in rows.column("id").drop_null().to_pylist()]
            if not ids:
                return {}
            frame = self._session.extract_parts(query, ids, note="the rows of the plan's ids")
        at = pc.index_in(frame.table.column("@id").combine_chunks(), value_set=rows.column("id").combine_chunks())
        there = frame.table.filter(pc.is_valid(at)).to_pylist()
        return dict(zip(rows.column("key").take(at.drop_null()).to_pylist(), there, strict=True))

    def standing(self, rows: pa.Table) -> dict[int, tuple[str, str | None]]:
        """For operations of unknown outcome, by position, whether each was carried out, and why not in words.

        ``applied``: the row is exactly as the operation makes it. ``open``: it is as it was before, so nothing was
        written. ``drifted``: neither, so somebody else was there. ``sent``: nobody can tell by what is in the row.
        """
        listed, there = rows.to_pylist(), self.read(rows)
        by_id = self._by_id([row for row in listed if self._is_another(row, there.get(row["key"]))])
        return {row["position"]: self._stands(row, by_id.get(row["id"]), there.get(row["key"])) for row in listed}

    def with_own_id(self, rows: pa.Table) -> dict[int, str]:
        """The creates of Sales, by position, whose row is there under the id the plan gave it alone."""
        named = rows.filter(pc.and_(pc.equal(rows.column("op"), "create"), pc.is_valid(rows.column("id"))))
        there = self._by_id(named.to_pylist())
        known = dict(zip(named.column("position").to_pylist(), named.column("id").to_pylist(), strict=True))
        return {at: row_id for at, row_id in known.items() if row_id in there}

    def differing(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        """The fields an operation writes that do not hold exactly what the service keeps of what it writes."""
        return [name for name, held in self._held(row, found).items() if not held]

    def changed(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        """The fields an operation writes that hold something else for sure."""
        return [name for name, held in self._held(row, found).items() if held is False]

    def holds_before(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        """Whether a row holds in each field that an operation wrote or deleted exactly what it held before.

        A field that was empty counts like any other: somebody else's row may have the same values and more.
        """
        before = row["before"] or {}
        fields = row["changed"] if row["op"] == "update" else before
        told = [name for name in fields if name not in self._ignored]
        return bool(told) and all(
            name in before and name in found and self._keeps(name, before[name], found[name], found) is True
            for name in told
        )

    def _held(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, bool | None]:
        """Whether each field an operation writes holds it; None where nobody says what the service keeps of it."""
        written = {name: value for name, value in values_of(row).items() if name not in self._ignored and name in found}
        return {name: self._keeps(name, value, found[name], found) for name, value in written.items()}

    def _untold(self, held: Mapping[str, bool | None]) -> str:
        """Why a row whose fields hold all that is written or part of it does not tell, in words."""
        texts = [name for name, each in held.items() if each is None and self._column(name).edm == "Edm.String"]
        return untold(texts, [name for name, each in held.items() if each is None and name not in texts])

    def unlike(self, creates: pa.Table) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        """The rows of some creates that are there: each one's version, and what those are that are not as written.

        Both by key; the latter ``drifted`` or ``sent`` with why, as of operations of unknown outcome. Columns are
        compared whole; only values that are not the same at sight are looked at one by one.
        """
        versions: dict[str, str] = {}
        fields: dict[str, dict[str, bool | None]] = {}
        for found in self._tables(creates, (*self.columns, *self._further)):
            versions |= zip(found.column("@key").to_pylist(), found.column("@etag").to_pylist(), strict=True)
            at = pc.index_in(creates.column("key").combine_chunks(), found.column("@key").combine_chunks())
            rows, there = creates.filter(pc.is_valid(at)), found.take(at.drop_null())
            for name in self.columns:
                for key, held in self._unlike(name, rows, there) if name not in self._ignored else ():
                    fields.setdefault(key, {})[name] = held
        return versions, {key: self._told(held) for key, held in fields.items()}

    def as_written(self, creates: pa.Table) -> dict[str, str]:
        """The version of each row of some creates that is exactly as these made it, by key.

        What is beside their fields may have been filled in by others: a row counts only where it shows that nothing
        was changed in it since it was made.
        """
        versions: dict[str, str] = {}
        odd: set[str] = set()
        stamps = tuple(name for pair in STAMPS for name in pair if name in self._schema.columns)
        for found in self._tables(creates, dict.fromkeys((*self.columns, *self._further, *stamps))):
            at = pc.index_in(creates.column("key").combine_chunks(), found.column("@key").combine_chunks())
            rows, there = creates.filter(pc.is_valid(at)), found.take(at.drop_null())
            ours = pc.and_(self._has_our_id(rows, there), self._is_as_made(there))
            mine = there.filter(ours).select(["@key", "@etag"])
            versions |= zip(mine.column("@key").to_pylist(), mine.column("@etag").to_pylist(), strict=True)
            for name in self.columns:
                odd |= {key for key, _ in self._unlike(name, rows, there)} if name not in self._ignored else set()
        return {key: version for key, version in versions.items() if key not in odd}

    def _has_our_id(self, rows: pa.Table, there: pa.Table) -> pa.Array:
        """Whether a row of Sales is that of the plan; in F&O the key is all there is."""
        if "@id" not in there.column_names:
            return pa.array([True] * rows.num_rows, pa.bool_())
        return pc.fill_null(pc.equal(rows.column("id").combine_chunks(), there.column("@id").combine_chunks()), False)  # noqa: FBT003

    def _is_as_made(self, there: pa.Table) -> pa.Array:
        """Whether rows show that nobody changed them since they were made."""
        if self.app == "finops":
            return pa.array([is_as_made(etag) for etag in there.column("@etag").to_pylist()], pa.bool_())
        if not all(name in there.column_names for pair in STAMPS for name in pair):
            return pa.array([False] * there.num_rows, pa.bool_())
        same = [pc.equal(*(there.column(name).combine_chunks() for name in pair)) for pair in STAMPS]
        return pc.fill_null(pc.and_(*same), False)  # noqa: FBT003

    def filled_in(
        self, creates: pa.Table, names: Sequence[str], key: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """The version of each created row that is there, and those that hold something where the plan has nothing.

        Both by key; the latter as ``fields``, ``etag`` and the row's own ``key``.
        """
        versions: dict[str, str] = {}
        filled: dict[str, dict[str, Any]] = {}
        for found in self._tables(creates, (*names, *key)):
            versions |= zip(found.column("@key").to_pylist(), found.column("@etag").to_pylist(), strict=True)
            at = pc.index_in(creates.column("key").combine_chunks(), found.column("@key").combine_chunks())
            rows, there = creates.filter(pc.is_valid(at)), found.take(at.drop_null())
            for name in names:
                mask = self._is_filled_in(name, rows, there)
                for row in there.filter(mask).select(["@key", "@etag", *key]).to_pylist():
                    made = {"fields": [], "etag": row["@etag"], "key": {part: row[part] for part in key}}
                    filled.setdefault(row["@key"], made)["fields"].append(name)
        return versions, filled

    def whole(self, creates: pa.Table) -> pa.Table:
        """The rows of some creates that are there, with every column, ``@key`` and ``@etag``; at least one is asked."""
        return pa.concat_tables(self._tables(creates, self._schema.columns)).combine_chunks()

    def emptied(self, creates: pa.Table, before: pa.Table, names: Sequence[str]) -> dict[str, str]:
        """The version of each created row that differs from ``before`` in nothing but the emptied ``names``, by key.

        So a version is that of our own emptying, whatever others do in the meantime: F&O's answer tells none.
        """
        now = self.whole(creates)
        at = pc.index_in(now.column("@key"), value_set=before.column("@key").combine_chunks())
        now, old = now.filter(pc.is_valid(at)), before.take(at.drop_null())
        rows = creates.take(pc.index_in(now.column("@key"), value_set=creates.column("key").combine_chunks()))
        fine = pa.array(np.ones(now.num_rows, np.bool_))
        for name, column in self._schema.columns.items():
            if column.edm == "Edm.DateTimeOffset" and not column.updatable:
                continue  # when the row was changed last, which it was by us
            said = [pc.fill_null(one_array(texts(side.column(name))), "") for side in (old, now)]
            same = pc.equal(*said)
            if name in names:
                nothing = pc.is_null(pc.struct_field(rows.column("after").combine_chunks(), name))
                same = pc.and_(pc.or_(same, nothing), pc.invert(self._is_filled_in(name, rows, now)))
            fine = pc.and_(fine, same)
        mine = now.filter(fine)
        return dict(zip(mine.column("@key").to_pylist(), mine.column("@etag").to_pylist(), strict=True))

    def _is_filled_in(self, name: str, rows: pa.Table, there: pa.Table) -> pa.Array:
        wanted = pc.struct_field(rows.column("after").combine_chunks(), name)
        held = there.column(name).combine_chunks()
        odd = pc.and_(pc.is_null(wanted), pc.is_valid(held))
        column = self._column(name)
        some = pc.unique(held.filter(odd))
        something = [not keeps(None, value, column, self.app) for value in some.to_pylist()]
        return pc.and_(odd, pc.is_in(held, value_set=some.filter(pa.array(something, pa.bool_()))))

    def _told(self, held: Mapping[str, bool | None]) -> tuple[str, str]:
        differing = [name for name, each in held.items() if each is False]
        return (DRIFTED, taken_by_another(differing)) if differing else (SENT, self._untold(held))

    def _unlike(self, name: str, rows: pa.Table, there: pa.Table) -> Iterator[tuple[str, bool | None]]:
        """The keys of the creates whose value of a column the found row does not hold, or holds perhaps (None)."""
        wanted = pc.struct_field(rows.column("after").combine_chunks(), name)
        held = there.column(name).combine_chunks()
        odd = pc.is_valid(wanted)
        if wanted.type == held.type:
            odd = pc.and_(odd, pc.invert(pc.fill_null(pc.equal(wanted, held), fill_value=False)))
        same = cache(lambda wanted, held, currency: self._keeps(name, wanted, held, {CURRENCY: currency}))
        known = CURRENCY in there.column_names
        currency = there.column(CURRENCY) if known else pa.nulls(there.num_rows, pa.string())
        sides = [values.filter(odd).to_pylist() for values in (rows.column("key"), wanted, held, currency)]
        yield from ((key, same(*pair)) for key, *pair in zip(*sides, strict=True) if not same(*pair))

    def _keeps(self, name: str, wanted: Any, found: Any, row: Mapping[str, Any]) -> bool | None:
        """Whether a field holds what was written; a column of the row a lookup points to names that row as a key does.

        Where a lookup is set by ``defaultuomid.name``, two spellings that the service takes for one name one row.
        """
        column = self._column(name)
        if "." not in name:
            return kept_now(wanted, found, column, self.app, partial(self._rules.of, column.name, row.get(CURRENCY)))
        if isinstance(wanted, str) and isinstance(found, str) and column.edm == "Edm.String":
            return fold(wanted, self.app) == fold(found, self.app)
        return keeps(wanted, found, column, self.app)

    def _column(self, path: str) -> Column:
        """The column at the end of a path through lookups."""
        known = self._leaves.get(path)
        if known is None:
            schema, rest, client = self._schema, path, self._client
            while "." in rest:
                lookup, _, rest = rest.partition(".")
                several = len(schema.targets(lookup)) > 1
                target, _, rest = rest.partition(".") if several else ("", "", rest)
                schema = client.schema(client.metadata.set_of(schema.lookup(lookup, target or None).target))
            known = self._leaves[path] = schema.column(rest)
        return known

    def _tables(self, rows: pa.Table, columns: Iterable[str]) -> Iterator[pa.Table]:
        """The rows of some operations as tables, with their normalised key as ``@key``.

        What they are held against is asked for after them: the rules of an earlier look may not be so any more.
        """
        self._rules = self._client.rules_now(self.entity_set)
        if not rows.num_rows:
            return
        wanted = rows.column("key").combine_chunks()
        named = self._row_key.renewed(wanted)
        asked = tuple(dict.fromkeys((*self.key, *columns)))
        for frame in self._frames(rows, EntityQuery(self.app, self.entity_set, asked, self.key)):
            at = pc.index_in(self._row_key.texts(frame.table), value_set=named)
            yield frame.table.append_column("@key", wanted.take(at)).filter(pc.is_valid(at))

    def _is_another(self, row: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
        """Whether the row an operation names by its id is not the one that stands at its key."""
        return row["id"] is not None and (found is None or found.get("@id") != row["id"])

    def _is_anew(self, row: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
        """Whether the row at a key in F&O is a record made anew since the plan read the one it means."""
        anew = self.app == "finops" and found is not None and is_another(row["etag"], found["@etag"])
        return bool(anew)

    def _by_id(self, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Rows of Sales by their id: those an operation names that way stand perhaps at another key by now."""
        ids = [row["id"] for row in rows]
        found: dict[str, dict[str, Any]] = {}
        asked = tuple(dict.fromkeys((*self.key, *self.columns, *self._further)))
        name = self._schema.key[0]
        if not ids:
            return found
        query = EntityQuery(self.app, self.entity_set, asked, self.key)
        frame = self._session.extract_parts(query, [{name: one} for one in ids], note="the rows of the plan's ids")
        return found | {row["@id"]: row for row in frame.table.to_pylist()}

    def _stands(
        self, row: Mapping[str, Any], by_id: Mapping[str, Any] | None, at_key: Mapping[str, Any] | None
    ) -> tuple[str, str | None]:
        other = by_id is None and (self._is_another(row, at_key) or self._is_anew(row, at_key))
        found = by_id if by_id is not None else None if other else at_key
        if row["op"] == "create":
            return self._created(row, found, at_key)
        if row["op"] == "delete":
            if found is None:
                return APPLIED, None
            return (OPEN, None) if self._as_before(row, found) else (DRIFTED, "The row was changed since.")
        if found is None:
            return DRIFTED, "The row is not there any more."
        if row["etag"] is not None and found["@etag"] == row["etag"]:
            return OPEN, None
        held = self._held(row, found)
        if all(held.values()):
            return APPLIED, None
        if self._as_before(row, found):
            return OPEN, None
        return self._told(held)

    def _created(
        self, row: Mapping[str, Any], found: Mapping[str, Any] | None, at_key: Mapping[str, Any] | None
    ) -> tuple[str, str | None]:
        """A row of Sales has the id that the plan gave it; another at its key is somebody else's, however alike."""
        if found is not None and row["id"] is not None:
            return APPLIED, None
        if at_key is None:
            return OPEN, None
        if found is None:
            return DRIFTED, "A row with this key is there, which somebody else made."
        held = self._held(row, found)
        return (APPLIED, None) if all(held.values()) else self._told(held)

    def _as_before(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        """Whether a row is what the plan read: by its version, where that was read, else by the fields that go."""
        if row["etag"] is not None:
            return bool(found["@etag"] == row["etag"])
        before = row["before"] or {}
        fields = row["changed"] if row["op"] == "update" else before
        return all(name in before and found.get(name) == before[name] for name in fields)

    def _frames(self, rows: pa.Table, query: EntityQuery) -> Iterator[EntityFrame]:
        """The whole set where many rows are asked for, else the rows with the keys of these operations alone."""
        if self._is_many(rows):
            yield self._session.extract(query)
            return
        keys = self._key_values(rows)
        if lacking := next((key for key in keys if self._row_key.of(key) is None), None):
            empty = next(name for name in self.key if lacking[name] is None or name == self.key[-1])
            raise NotFound(f"A row of {self.entity_set} has no {empty}.", target=self.entity_set)
        yield self._session.extract_parts(query, keys, note="the rows of the plan's operations")

    def _is_many(self, rows: pa.Table) -> bool:
        return bool(rows.num_rows > max(BY_KEY, self._size // 200))

    def _key_values(self, rows: pa.Table) -> list[dict[str, Any]]:
        parts = []
        for name in self.key:
            sides = [rows.column(side).combine_chunks() for side in ("after", "before")]
            named = [pc.struct_field(s, name) for s in sides if name in {field.name for field in s.type}]
            parts.append((pc.coalesce(*named) if len(named) > 1 else named[0]).to_pylist())
        return [dict(zip(self.key, values, strict=True)) for values in zip(*parts, strict=True)]


def values_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an operation writes: every value of a create, the changed ones of an update."""
    after = row["after"] or {}
    if row["op"] == "update":
        return {name: after[name] for name in row["changed"]}
    return {name: value for name, value in after.items() if value is not None}
