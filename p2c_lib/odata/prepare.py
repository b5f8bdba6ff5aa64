"""Writes made ready to travel: checked, addressed, with their JSON; from values or straight from a table's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.odata.batch import Part
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.encode import bodies_of, keys_of
from p2c_lib.odata.literals import key_path, unsafe_in_path
from p2c_lib.odata.metadata import Metadata
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.writes import Operation, Write

__all__ = ["Preparer", "Ready", "named"]

METHODS = {"create": "POST", "update": "PATCH", "upsert": "PATCH", "delete": "DELETE"}

FindId = Callable[[str, Mapping[str, object]], str]


@dataclass(frozen=True, slots=True)
class Ready:
    """A write as it travels: its place in the caller's list, what is sent, its row's id where that is known before.

    ``repeatable``: sending it twice does no harm. ``write`` gives the write back as values, for settling doubts.
    """

    place: int
    op: Operation
    schema: EntitySchema
    part: Part
    row_id: str | None
    repeatable: bool
    write: Callable[[], Write]


class Preparer:
    """Makes writes ready for one service. Nothing is sent, except to look up ids of keys that no URL can carry."""

    def __init__(self, dialect: Dialect, metadata: Metadata, find_id: FindId) -> None:
        self._dialect, self._metadata, self._find_id = dialect, metadata, find_id
        self._bodies: dict[str, Bodies] = {}
        self._tail = dialect.options_url("")
        self._weak_match = "" if dialect.cross_company else "If-Match: *\r\n"

    def writes(self, writes: Sequence[Write]) -> list[Ready]:
        """One ready write each. Raises FrameError for the same row twice or a missing key, UnknownName for a column."""
        seen: set[tuple[str, str, str]] = set()
        return [self._ready(place, write, seen) for place, write in enumerate(writes)]

    def table(
        self, op: Operation, entity_set: str, table: pa.Table, key: Sequence[str], etag: str | None = None
    ) -> list[Ready]:
        """One ready write a row; ``key`` names key columns of the table, ``etag`` the column that must still match."""
        schema = self._metadata.schema(entity_set)
        for name in (*key, *([etag] if etag else [])):
            if name not in table.column_names:
                raise UnknownName("column", name, table.column_names, where=f"the rows for {entity_set}")
        if op != "create" and not key:
            raise FrameError(f"Writes to {entity_set} lack a key.", hint="Name the key columns.")
        self._check_known(schema, op)
        return list(self._rows(op, schema, table, key, etag))

    def _check_known(self, schema: EntitySchema, op: str) -> None:
        if op == "upsert" and schema.app == "finops":
            raise FrameError(
                f"F&O cannot upsert {schema.entity_set} over OData.",
                hint="Plan creates and updates, or load a package.",
            )

    def _rows(
        self, op: Operation, schema: EntitySchema, table: pa.Table, key: Sequence[str], etag: str | None
    ) -> Iterator[Ready]:
        addresses = self._addresses(op, schema, table, key)
        whole, ids = self._whole(op, schema, table, key)
        texts = bodies_of(whole, self._dialect, self._bodies_of(schema), creating=op == "create").to_pylist()
        matches = self._matches(op, table, etag)
        url, method = self._dialect.set_url(schema.entity_set), METHODS[op]
        repeatable = op != "create" or bool(ids) or all(name in whole.column_names for name in schema.key)
        for place in range(table.num_rows):
            part = Part(
                method, f"{url}{addresses[place]}{self._tail}", matches[place], texts[place] if op != "delete" else ""
            )
            row_id = ids[place] if ids else None

            def write(place: int = place) -> Write:
                return _row_as_write(op, schema, table.slice(place, 1), key, etag)

            yield Ready(place, op, schema, part, row_id, repeatable, write)

    def _whole(self, op: str, schema: EntitySchema, table: pa.Table, key: Sequence[str]) -> tuple[pa.Table, list[str]]:
        """The columns that go into the body, and the row ids known beforehand."""
        system = [name for name in table.column_names if name.startswith("@")]
        if op != "create":
            ids = table.column(key[0]).to_pylist() if tuple(key) == schema.key and schema.app == "sales" else []
            return table.drop_columns([*system, *key]), ids
        bare = table.drop_columns(system)
        if not self._dialect.creates_name_their_id:
            return bare, []
        if schema.key[0] in bare.column_names and bare.column(schema.key[0]).null_count == 0:
            return bare, bare.column(schema.key[0]).to_pylist()
        ids = [str(uuid4()) for _ in range(bare.num_rows)]
        given = bare.drop_columns([schema.key[0]]) if schema.key[0] in bare.column_names else bare
        return given.append_column(schema.key[0], pa.array(ids, pa.string())), ids

    def _addresses(self, op: str, schema: EntitySchema, table: pa.Table, key: Sequence[str]) -> list[str]:
        if op == "create":
            return [""] * table.num_rows
        texts: list[str] = keys_of(table, schema, key).to_pylist()
        folded = pc.utf8_lower(pa.array(texts, pa.string()))
        counts = pc.value_counts(folded)
        doubled = counts.filter(pc.greater(pc.struct_field(counts, "counts"), 1))
        if len(doubled):
            raise _comes_twice(f"{op} {schema.entity_set}{doubled[0]['values'].as_py()}")
        if schema.app == "sales" and tuple(key) != schema.key:
            for place, text in enumerate(texts):
                if "%" in text:
                    texts[place] = self._by_id(schema, table.select(list(key)).slice(place, 1).to_pylist()[0], text)
        return texts

    def _by_id(self, schema: EntitySchema, key: Mapping[str, object], text: str) -> str:
        return f"({self._find_id(schema.entity_set, key)})" if unsafe_in_path(key) else text

    def _matches(self, op: str, table: pa.Table, etag: str | None) -> list[str]:
        if op in {"create", "upsert"}:
            return [""] * table.num_rows
        if etag is None:
            return [self._weak_match] * table.num_rows
        return [f"If-Match: {value}\r\n" if value else self._weak_match for value in table.column(etag).to_pylist()]

    def _ready(self, place: int, write: Write, seen: set[tuple[str, str, str]]) -> Ready:
        schema = self._metadata.schema(write.entity_set)
        self._check_known(schema, write.op)
        bodies = self._bodies_of(schema)
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

    def _bodies_of(self, schema: EntitySchema) -> Bodies:
        if schema.entity_set not in self._bodies:
            self._bodies[schema.entity_set] = Bodies(schema, self._dialect, self._metadata.set_of)
        return self._bodies[schema.entity_set]


def named(write: Write, schema: EntitySchema) -> str:
    """The row a write is about, for messages: ``CustomersV2(dataAreaId=usmf, CustomerAccount=C-1)``."""
    whole = {**write.body, **(write.key or {})}
    key = write.key or {name: whole[name] for name in schema.key if name in whole and schema.app == "finops"}
    shown = ", ".join(f"{name}={value}" for name, value in key.items())
    return f"{write.entity_set}({shown})" if shown else write.entity_set


def _row_as_write(op: Operation, schema: EntitySchema, row: pa.Table, key: Sequence[str], etag: str | None) -> Write:
    values = row.to_pylist()[0]
    body = {name: value for name, value in values.items() if not name.startswith("@") and name not in key}
    return Write(op, schema.entity_set, {name: values[name] for name in key}, body, values[etag] if etag else None)


def _check_once(seen: set[tuple[str, str, str]], op: str, entity_set: str, path: str) -> None:
    mark = (op, entity_set, path.casefold())
    if mark in seen:
        raise _comes_twice(f"{op} {entity_set}{path}")
    seen.add(mark)


def _comes_twice(what: str) -> FrameError:
    return FrameError(
        f"{what} comes twice in one call.", hint="Every row may be written once; settle which of the two is meant."
    )
