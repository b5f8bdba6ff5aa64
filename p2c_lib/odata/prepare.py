"""Writes made ready to travel: checked, addressed, with their JSON; from values or straight from a table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from uuid import uuid4

import pyarrow as pa

from p2c_lib.errors import FrameError
from p2c_lib.odata.batch import Part
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.literals import key_path, unsafe_in_path
from p2c_lib.odata.metadata import Metadata
from p2c_lib.odata.runs import METHODS, FindId, ListRun, Ready, TableRun, comes_twice
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.writes import Operation, Write

__all__ = ["Preparer"]


class Preparer:
    """Makes writes ready for one service. Nothing is sent, except to look up ids of keys that no URL can carry."""

    def __init__(self, dialect: Dialect, metadata: Metadata, find_id: FindId) -> None:
        self._dialect, self._metadata, self._find_id = dialect, metadata, find_id
        self._bodies: dict[str, Bodies] = {}
        self._tail = dialect.options_url("")
        self._weak_match = "" if dialect.cross_company else "If-Match: *\r\n"

    def writes(self, writes: Sequence[Write]) -> list[ListRun]:
        """Runs of one operation on one set, in order.

        Raises FrameError for the same row twice or a missing key, UnknownName for a column that is none.
        """
        seen: set[tuple[str, str, str]] = set()
        ready = [self._ready(place, write, seen) for place, write in enumerate(writes)]
        return [ListRun(list(run)) for _, run in groupby(ready, key=lambda each: (each.op, each.schema.entity_set))]

    def table(
        self, op: Operation, entity_set: str, table: pa.Table, key: Sequence[str], etag: str | None = None
    ) -> TableRun:
        """The rows of a table as writes. Raises like ``writes``, and UnknownName for a key the table does not have."""
        schema = self._metadata.schema(entity_set)
        self._check_known(schema, op)
        return TableRun(op, schema, table, tuple(key), etag, self._dialect, self.bodies_of(schema), self._find_id)

    def _check_known(self, schema: EntitySchema, op: str) -> None:
        if op == "upsert" and schema.app == "finops":
            raise FrameError(
                f"F&O cannot upsert {schema.entity_set} over OData.",
                hint="Plan creates and updates, or load a package.",
            )

    def _ready(self, place: int, write: Write, seen: set[tuple[str, str, str]]) -> Ready:
        schema = self._metadata.schema(write.entity_set)
        self._check_known(schema, write.op)
        bodies = self.bodies_of(schema)
        url = self._dialect.set_url(write.entity_set)
        if write.op == "create":
            return self._new_row(place, write, bodies, schema, seen)
        if not write.key:
            raise FrameError(f"A write to {write.entity_set} lacks a key.", hint="Give every key column.")
        path = self._path(write, schema)
        _check_once(seen, write.op, write.entity_set, path)
        match = "" if write.op == "upsert" else f"If-Match: {write.etag}\r\n" if write.etag else self._weak_match
        text = bodies.json(write) if write.op != "delete" else ""
        row_id = str(write.key[schema.key[0]]) if len(write.key) == 1 and schema.key[0] in write.key else None
        part = Part(METHODS[write.op], url + path + self._tail, match, text)
        return Ready(place, write.op, schema, part, row_id, True, lambda: write)  # noqa: FBT003 - repeatable

    def _path(self, write: Write, schema: EntitySchema) -> str:
        """The row's address; by its id where its key holds characters that break a Dataverse key URL."""
        key = write.key or {}
        if schema.app == "sales" and unsafe_in_path(key):
            return f"({self._find_id(write.entity_set, key)})"
        return key_path(schema, key)

    def _new_row(
        self, place: int, write: Write, bodies: Bodies, schema: EntitySchema, seen: set[tuple[str, str, str]]
    ) -> Ready:
        """In Sales a new row names its own id, so that a repeated send cannot make a second one."""
        whole = {**(write.key or {}), **write.body}
        row_id = str(whole.get(schema.key[0]) or uuid4()) if self._dialect.creates_name_their_id else None
        if row_id is not None:
            whole[schema.key[0]] = row_id
        keyed = all(whole.get(name) is not None for name in schema.key)
        if keyed:
            _check_once(seen, "create", write.entity_set, key_path(schema, {name: whole[name] for name in schema.key}))
        text = bodies.json(Write("create", write.entity_set, None, whole))
        part = Part("POST", self._dialect.set_url(write.entity_set) + self._tail, "", text)
        return Ready(place, "create", schema, part, row_id, keyed, lambda: replace(write, body=whole))

    def bodies_of(self, schema: EntitySchema) -> Bodies:
        """What renders the bodies of an entity set; kept, because it remembers checked names."""
        if schema.entity_set not in self._bodies:
            self._bodies[schema.entity_set] = Bodies(schema, self._dialect, self._metadata.set_of)
        return self._bodies[schema.entity_set]


def _check_once(seen: set[tuple[str, str, str]], op: str, entity_set: str, path: str) -> None:
    mark = (op, entity_set, path.casefold())
    if mark in seen:
        raise comes_twice(f"{op} {entity_set}{path}")
    seen.add(mark)
