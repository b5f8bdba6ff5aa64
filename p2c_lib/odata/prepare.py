"""Writes made ready to travel: checked, addressed, with their JSON; from values or straight from a table's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import (
    FrameError,
    NoRoute,
    NotAuthorised,
    NotFound,
    NotSent,
    P2CError,
    Rejected,
    ServiceError,
    UnknownName,
    Unsendable,
    UrlTooLong,
)
from p2c_lib.keys import fold
from p2c_lib.odata.batch import Part
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.encode import apart, odd_versions, without_views
from p2c_lib.odata.literals import key_literal, key_path, literal, unsafe_in_path, version_header
from p2c_lib.odata.metadata import Metadata
from p2c_lib.odata.once import Once, check_table, shown_key
from p2c_lib.odata.runs import (
    METHODS,
    ListRun,
    Prepared,
    Ready,
    Refused,
    Run,
    TableRun,
    row_write,
    unsendable,
)
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.values import plain
from p2c_lib.odata.writes import Operation, Write

__all__ = ["FindIds", "Preparer"]

Key = Mapping[str, object]
BY_ID = "Name the row by its id, or by a key that the service can be asked for."
FindIds = Callable[[str, Sequence[Key]], Sequence[Sequence[str]]]
Ids = Sequence[str] | FrameError | ServiceError


class Preparer:
    """Makes writes ready for one service. Nothing is sent, except to look up ids: of keys that no URL can carry, and
    of rows of Sales that go by another key and no version, which may be another row's when a write is sent again.

    A write that cannot be made ready ends by itself and stops no other; what is wrong with all of them is raised.
    """

    def __init__(self, dialect: Dialect, metadata: Metadata, find_ids: FindIds) -> None:
        self._dialect, self._metadata, self._find_ids = dialect, metadata, find_ids
        self._bodies: dict[str, tuple[EntitySchema, Bodies]] = {}
        self._tail = dialect.options_url("")
        self._weak_match = "" if dialect.cross_company else "If-Match: *\r\n"

    def writes(self, writes: Sequence[Write]) -> Prepared:
        """Runs of one operation on one set, in order.

        Raises FrameError for the same row twice and for an upsert to F&O, UnknownName for a column that is none.
        """
        for write in writes:
            self._check(write)
        return self._prepared(list(enumerate(writes)))

    def table(
        self, op: Operation, entity_set: str, table: pa.Table, key: Sequence[str], etag: str | None = None
    ) -> Prepared:
        """The rows of a table as writes. Raises like ``writes``, and UnknownName for a key the table does not have."""
        schema = self._metadata.schema(entity_set)
        bodies = self.bodies_of(schema)
        self._check_known(schema, op)
        for name in (*key, *([etag] if etag else [])):
            if name not in table.column_names:
                raise UnknownName("column", name, table.column_names, where=f"the rows for {schema.entity_set}")
        if op != "create" and not key:
            raise FrameError(f"Writes to {schema.entity_set} lack a key.", hint="Name the key columns.")
        table = without_views(table)
        odd = apart(table, schema, () if op == "create" else key, bodies)
        if etag is not None:
            odd = pc.or_(odd, odd_versions(table.column(etag)))
        places, plain = pc.indices_nonzero(odd).to_pylist(), pc.indices_nonzero(pc.invert(odd))

        def run(rows: pa.Table, names: tuple[str, ...], at: pa.Array | None) -> list[Run]:
            made = TableRun(op, schema, rows, names, etag, self._dialect, bodies, at)
            return [made] if rows.num_rows else []

        named = () if op == "create" else tuple(key)
        rest = [(at, row_write(op, entity_set, table.slice(at, 1), named, etag)) for at in places]
        prepared = self._prepared(rest)
        check_table(op, schema, _without(table, prepared.refused), named or _own_key(table, schema))
        ids = self._ids_of_table(op, schema, table.take(plain), tuple(key)) if etag is None else None
        if not places and ids is None:
            return Prepared(run(table, tuple(key), None))
        if ids is None:
            return Prepared([*run(table.take(plain), tuple(key), plain), *prepared.runs], prepared.refused)
        known, others = plain.filter(pc.is_valid(ids)), plain.filter(pc.is_null(ids))
        rows = table.take(known).drop_columns(list(key)).append_column(schema.key[0], ids.drop_null())
        runs = [*run(rows, schema.key, known), *run(table.take(others), tuple(key), others)]
        return Prepared([*runs, *prepared.runs], prepared.refused)

    def _ids_of_table(
        self, op: Operation, schema: EntitySchema, rows: pa.Table, key: tuple[str, ...]
    ) -> pa.Array | None:
        """The ids of rows that go by them, null where none or several have the key; None where none goes by its id."""
        if not self._is_by_id(op, schema, key) or schema.key[0] in rows.column_names or not rows.num_rows:
            return None
        try:
            keys = rows.select(key).to_pylist()
        except (OverflowError, ValueError):  # a day outside the years of Python: no row of Sales has it
            return None
        found = self._found(schema.entity_set, keys)
        return pa.array([_one(each) for each in found], pa.string())

    def _is_by_id(self, op: str, schema: EntitySchema, key: Sequence[str]) -> bool:
        """Whether a write by another key of Sales goes by its row's id, as long as it has no version to hold it.

        The key may be another row's when the write is sent again because its answer was lost. An upsert is for whatever
        row has the key.
        """
        return self._dialect.app == "sales" and op in {"update", "delete"} and tuple(key) != schema.key

    def _check(self, write: Write) -> None:
        """Raise for what is wrong with the caller's names, whatever the row."""
        schema = self._metadata.schema(write.entity_set)
        self._check_known(schema, write.op)
        schema.check_columns(write.key or ())
        if write.op != "delete":
            self.bodies_of(schema).check(write)

    def _check_known(self, schema: EntitySchema, op: str) -> None:
        if op == "upsert" and schema.app == "finops":
            raise FrameError(
                f"F&O cannot upsert {schema.entity_set} over OData.",
                hint="Plan creates and updates, or load a package.",
            )

    def _prepared(self, writes: Sequence[tuple[int, Write]]) -> Prepared:
        """Writes with their places, made ready one by one; ids that are needed are looked up together first."""
        ids = self._ids(writes)
        once = Once()
        ready: list[Ready] = []
        refused: list[Refused] = []
        for place, write in writes:
            schema = self._metadata.schema(write.entity_set)
            try:
                made = self._ready(place, write, schema, ids.get(place))
            except (FrameError, ServiceError) as error:
                refused.append(unsendable(place, write, schema, error))
                continue
            once.note(write.op, schema, *_names(write, schema, made.row_id))
            ready.append(made)
        runs = groupby(ready, key=lambda each: (each.op, each.schema.entity_set))
        return Prepared([ListRun(list(run)) for _, run in runs], refused)

    def _ids(self, writes: Sequence[tuple[int, Write]]) -> dict[int, Ids]:
        """By place, the ids of the rows that go by them, or why they could not be looked up.

        Those are the rows whose key no URL of Dataverse can carry, or may be another row's in the midst of it.
        """
        if self._dialect.app != "sales":
            return {}
        odd: dict[str, list[tuple[int, Key]]] = {}
        for place, write in writes:
            schema = self._metadata.schema(write.entity_set)
            if (
                write.op != "create"
                and write.key
                and tuple(write.key) != schema.key
                and (
                    unsafe_in_path(schema, write.key)
                    or (not write.etag and self._is_by_id(write.op, schema, tuple(write.key)))
                )
            ):
                odd.setdefault(write.entity_set, []).append((place, write.key or {}))
        found: dict[int, Ids] = {}
        for entity_set, keyed in odd.items():
            places, keys = zip(*keyed, strict=True)
            schema = self._metadata.schema(entity_set)
            looked_up = zip(places, keys, self._found(entity_set, keys), strict=True)
            # What has no one row is asked for by its key, and told of by the service.
            found |= {at: ids for at, key, ids in looked_up if unsafe_in_path(schema, key) or _one(ids) is not None}
        return found

    def _found(self, entity_set: str, keys: Sequence[Key]) -> list[Ids]:
        """The ids of each key's rows; keys that no question can hold, or that the service refuses, stop no other."""
        try:
            return list(self._find_ids(entity_set, keys))
        except (FrameError, UrlTooLong, Rejected) as error:
            if len(keys) == 1:
                return [error]
            middle = len(keys) // 2
            return self._found(entity_set, keys[:middle]) + self._found(entity_set, keys[middle:])
        except ServiceError as error:
            return [error] * len(keys)

    def _ready(self, place: int, write: Write, schema: EntitySchema, ids: Ids | None) -> Ready:
        bodies = self.bodies_of(schema)
        if write.op == "create":
            return self._new_row(place, write, bodies, schema)
        if not write.key:
            raise FrameError("it has no key", hint="Give every key column.")
        if missing := [name for name in schema.key if name not in write.key and schema.app == "finops"]:
            raise FrameError(f"it has no {missing[0]}", hint="Give every key column.")
        row_id, sent, op = None, write, write.op
        if ids is not None:
            row_id, sent = _by_id(write, ids)
            # An upsert by id of a row that is deleted meanwhile would make one without its key.
            op = "update" if op == "upsert" and sent is write else op
        elif tuple(write.key) == schema.key and schema.app == "sales":
            row_id = key_literal(schema, schema.key[0], write.key[schema.key[0]])
        path = key_path(schema, write.key if row_id is None else {schema.key[0]: row_id})
        version = version_header(write.etag) if write.etag and write.op != "upsert" else self._weak_match
        match = "" if op == "upsert" else version
        text = bodies.json(sent) if op != "delete" else ""
        part = Part(METHODS[op], self._dialect.set_url(write.entity_set) + path + self._tail, match, text)
        alone = schema.app == "finops" and unsafe_in_path(schema, write.key)
        return Ready(place, op, schema, part, row_id, True, lambda: write, alone)  # noqa: FBT003 - repeatable

    def _new_row(self, place: int, write: Write, bodies: Bodies, schema: EntitySchema) -> Ready:
        """In Sales a new row names its own id, so that a repeated send cannot make a second one."""
        whole = {**(write.key or {}), **write.body}
        own, row_id, named_here = schema.key[0], None, False
        if self._dialect.creates_name_their_id:
            given = plain(whole.get(own), own)
            named_here = given is None or given == ""
            row_id = str(uuid4()) if named_here else literal(given, schema.column(own))
            whole[own] = row_id
        keyed = all(_is_named(whole, name, schema) for name in schema.key)
        text = bodies.json(Write("create", write.entity_set, None, whole))
        part = Part("POST", self._dialect.set_url(write.entity_set) + self._tail, "", text)
        back = replace(write, body=whole)
        return Ready(place, "create", schema, part, row_id, keyed, lambda: back, named_here=named_here)

    def bodies_of(self, schema: EntitySchema) -> Bodies:
        """What renders the bodies of an entity set; kept, because it remembers checked names."""
        described, bodies = self._bodies.get(schema.entity_set, (None, None))
        if bodies is None or described is not schema:
            bodies = Bodies(schema, self._dialect, self._metadata.set_of)
            self._bodies[schema.entity_set] = schema, bodies
        return bodies


def _one(ids: Ids) -> str | None:
    """The id of the one row that has a key."""
    return None if isinstance(ids, P2CError) or len(ids) != 1 else ids[0]


def _is_named(row: Mapping[str, object], name: str, schema: EntitySchema) -> bool:
    """Whether a new row says a part of its key: for an empty one that each row has the service may give a number."""
    value = row.get(name)
    says = fold(value, schema.app) != "" if isinstance(value, str) else value is not None
    return says or (value is not None and name in schema.optional)


def _names(write: Write, schema: EntitySchema, row_id: str | None) -> list[Key]:
    """The names of the row that a write is about: its key, and its id where that is known by now.

    A new row has the name that its own values give it, unless it leaves a part to the service.
    """
    by_id: list[Key] = [] if row_id is None else [{schema.key[0]: row_id}]
    if write.op != "create":
        return [*([write.key] if write.key else []), *by_id]
    whole = {**(write.key or {}), **write.body}
    own = {name: whole.get(name) for name in schema.key}
    return [own] if all(_is_named(whole, name, schema) for name in schema.key) else by_id


def _own_key(table: pa.Table, schema: EntitySchema) -> tuple[str, ...]:
    """The set's own key, where a table of new rows has all of its columns."""
    return schema.key if set(schema.key) <= set(table.column_names) else ()


def _without(table: pa.Table, refused: Sequence[Refused]) -> pa.Table:
    """The rows of a table that are sent."""
    if not refused:
        return table
    gone = pa.array([place for place, _ in refused], pa.int64())
    return table.filter(pc.invert(pc.is_in(pa.array(range(table.num_rows), pa.int64()), value_set=gone)))


def _by_id(write: Write, ids: Ids) -> tuple[str, Write]:
    """The id of a row whose key no URL can carry, and the write as it goes there; a new id for an upsert of a new row.

    An upsert by id makes the row where it is not there, and then its key has to be among its values.
    """
    if isinstance(ids, FrameError):
        raise ids
    if isinstance(ids, ServiceError):
        raise _not_found_out(ids, shown_key(write.entity_set, write.key or {})) from ids
    if len(ids) > 1:
        raise FrameError(f"{len(ids)} rows have this key", hint="Make it unique there, then try again.")
    if ids:
        return ids[0], write
    if write.op == "upsert":
        return str(uuid4()), replace(write, body={**(write.key or {}), **write.body})
    what = shown_key(write.entity_set, write.key or {})
    raise NotFound(f"{what}: no row has this key.", status=404, target=what)


def _not_found_out(error: ServiceError, row: str) -> ServiceError:
    """What is said of a write whose row could not be looked up: final where asking again would be refused again."""
    said = f"{row}: nothing was sent, because the row cannot be looked up by its key: {error.message}"
    told: dict[str, Any] = {"status": error.status, "target": row, "request_id": error.request_id}
    if isinstance(error, UrlTooLong):
        return UrlTooLong(said, hint=BY_ID, **told)
    if isinstance(error, NotAuthorised):
        return Unsendable(said, hint=error.hint, **told)
    if isinstance(error, (Rejected, NoRoute, NotFound, Unsendable)) and error.status < 500:
        return Unsendable(said, hint=BY_ID, **told)
    return NotSent(said, target=row, hint=error.hint)
