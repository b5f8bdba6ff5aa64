"""Runs of writes of one operation on one entity set, as they travel: from values, or straight from columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.odata.batch import Part
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.encode import keys_of, members_of, objects_of
from p2c_lib.odata.literals import unsafe_in_path
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.writes import Operation, Write

__all__ = ["METHODS", "FindId", "ListRun", "Ready", "Run", "TableRun", "comes_twice", "named"]

METHODS = {"create": "POST", "update": "PATCH", "upsert": "PATCH", "delete": "DELETE"}
NAMESPACE = "Microsoft.Dynamics.CRM"

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


class Run(Protocol):
    """Writes of one operation on one set: ``ready`` makes some travel alone, ``targets`` as one bulk message."""

    @property
    def op(self) -> Operation: ...
    @property
    def schema(self) -> EntitySchema: ...
    @property
    def guarded(self) -> bool: ...
    @property
    def repeatable(self) -> bool: ...
    def __len__(self) -> int: ...
    def place(self, at: int) -> int: ...
    def row_id(self, at: int) -> str | None: ...
    def ready(self, start: int, stop: int) -> Sequence[Ready]: ...
    def targets(self, start: int, stop: int) -> bytes: ...


class ListRun:
    """Writes that came as values."""

    def __init__(self, ready: Sequence[Ready]) -> None:
        self._ready = ready
        self.op, self.schema = ready[0].op, ready[0].schema
        self.guarded = any("W/" in each.part.headers for each in ready)
        self.repeatable = all(each.repeatable for each in ready)

    def __len__(self) -> int:
        return len(self._ready)

    def place(self, at: int) -> int:
        """The place of a write in the caller's list."""
        return self._ready[at].place

    def row_id(self, at: int) -> str | None:
        """The id of a write's row where it is known."""
        return self._ready[at].row_id

    def ready(self, start: int, stop: int) -> Sequence[Ready]:
        """Some of the writes."""
        return self._ready[start:stop]

    def targets(self, start: int, stop: int) -> bytes:
        """Some of the writes as the body of a bulk message."""
        kind = json.dumps(f"{NAMESPACE}.{self.schema.logical_name}")
        rows = [f'{{"@odata.type":{kind}{self._identity(each)}{_members(each)}}}' for each in self._ready[start:stop]]
        return ('{"Targets":[' + ",".join(rows) + "]}").encode()

    def _identity(self, each: Ready) -> str:
        if each.op == "create":
            return ""
        if each.op == "update" and each.row_id is not None:
            return f',"{self.schema.key[0]}":{json.dumps(each.row_id)}'
        return f',"@odata.id":{json.dumps(each.part.path.rpartition("/")[2])}'


class TableRun:
    """Writes that are the rows of a table: their JSON is made by Arrow for all rows at once.

    ``key`` names key columns of the table, ``etag`` a column whose version must still stand.
    """

    def __init__(
        self,
        op: Operation,
        schema: EntitySchema,
        table: pa.Table,
        key: tuple[str, ...],
        etag: str | None,
        dialect: Dialect,
        bodies: Bodies,
        find_id: FindId,
    ) -> None:
        for name in (*key, *([etag] if etag else [])):
            if name not in table.column_names:
                raise UnknownName("column", name, table.column_names, where=f"the rows for {schema.entity_set}")
        if op != "create" and not key:
            raise FrameError(f"Writes to {schema.entity_set} lack a key.", hint="Name the key columns.")
        self.op, self.schema = op, schema
        self._table, self._key, self._etag, self._dialect = table, key, etag, dialect
        self._addresses = None if op == "create" else self._addressed(find_id)
        self._ids, body = self._identified()
        self._members = members_of(body, dialect, bodies, creating=op == "create")
        self.guarded = etag is not None
        self.repeatable = op != "create" or self._ids is not None or set(schema.key) <= set(body.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def place(self, at: int) -> int:
        """The place of a write: its row."""
        return at

    def row_id(self, at: int) -> str | None:
        """The id of a row where it is known."""
        return None if self._ids is None else str(self._ids[at].as_py())

    def ready(self, start: int, stop: int) -> Sequence[Ready]:
        """Some of the rows, each to travel alone."""
        stop = min(stop, len(self))
        texts = objects_of(self._members.slice(start, stop - start)).to_pylist()
        matches = self._matches(start, stop)
        places = range(start, stop)
        url, tail = self._dialect.set_url(self.schema.entity_set), self._dialect.options_url("")
        addresses = (
            [""] * len(places) if self._addresses is None else self._addresses.slice(start, stop - start).to_pylist()
        )
        body = [""] * len(places) if self.op == "delete" else texts
        parts = (
            Part(METHODS[self.op], f"{url}{address}{tail}", match, text)
            for address, match, text in zip(addresses, matches, body, strict=True)
        )
        return [
            Ready(at, self.op, self.schema, part, self.row_id(at), self.repeatable, partial(self._write, at))
            for at, part in zip(places, parts, strict=True)
        ]

    def targets(self, start: int, stop: int) -> bytes:
        """Some of the rows as the body of a bulk message, straight from Arrow's buffers."""
        count = min(stop, len(self)) - start
        lead = f'{{"@odata.type":{json.dumps(f"{NAMESPACE}.{self.schema.logical_name}")}'
        pieces: list[Any] = [lead]
        if self.op == "update" and self._ids is not None:
            pieces = [f'{lead},"{self.schema.key[0]}":"', self._ids.slice(start, count), '"']
        elif self._addresses is not None:
            pieces = [f'{lead},"@odata.id":"{self.schema.entity_set}', self._addresses.slice(start, count), '"']
        rows = pc.binary_join_element_wise(*pieces, self._members.slice(start, count), "},", "")
        return b'{"Targets":[' + b"".join(_bytes(chunk) for chunk in rows.chunks)[:-1] + b"]}"

    def _identified(self) -> tuple[pa.ChunkedArray | None, pa.Table]:
        """The rows' ids known beforehand, and the columns that go into the body."""
        system = [name for name in self._table.column_names if name.startswith("@")]
        own = self.schema.key[0]
        if self.op != "create":
            known = self.schema.app == "sales" and self._key == self.schema.key
            return self._table.column(own) if known else None, self._table.drop_columns([*system, *self._key])
        body = self._table.drop_columns(system)
        if not self._dialect.creates_name_their_id:
            return None, body
        if own in body.column_names and body.column(own).null_count == 0:
            return body.column(own), body
        ids = pa.chunked_array([pa.array([str(uuid4()) for _ in range(len(self))], pa.string())])
        given = body.drop_columns([own]) if own in body.column_names else body
        return ids, given.append_column(own, ids)

    def _addressed(self, find_id: FindId) -> pa.ChunkedArray:
        texts = keys_of(self._table, self.schema, self._key)
        counts = pc.value_counts(pc.utf8_lower(texts))
        doubled = counts.filter(pc.greater(pc.struct_field(counts, "counts"), 1))
        if len(doubled):
            raise comes_twice(f"{self.op} {self.schema.entity_set}{doubled[0]['values'].as_py()}")
        odd = pc.match_substring(texts, "%")
        if self.schema.app != "sales" or self._key == self.schema.key or not pc.any(odd).as_py():
            return texts
        keys = self._table.select(list(self._key)).filter(odd).to_pylist()
        found = [self._by_id(find_id, key, text) for key, text in zip(keys, texts.filter(odd).to_pylist(), strict=True)]
        return pa.chunked_array([pc.replace_with_mask(texts.combine_chunks(), odd.combine_chunks(), pa.array(found))])

    def _by_id(self, find_id: FindId, key: Mapping[str, object], text: str) -> str:
        return f"({find_id(self.schema.entity_set, key)})" if unsafe_in_path(key) else text

    def _matches(self, start: int, stop: int) -> list[str]:
        weak = "" if self._dialect.cross_company or self.op in {"create", "upsert"} else "If-Match: *\r\n"
        if self._etag is None or self.op in {"create", "upsert"}:
            return [weak] * (stop - start)
        etags = self._table.column(self._etag).slice(start, stop - start).to_pylist()
        return [f"If-Match: {etag}\r\n" if etag else weak for etag in etags]

    def _write(self, at: int) -> Write:
        values = self._table.slice(at, 1).to_pylist()[0]
        body = {name: value for name, value in values.items() if not name.startswith("@") and name not in self._key}
        etag = values[self._etag] if self._etag else None
        return Write(self.op, self.schema.entity_set, {name: values[name] for name in self._key}, body, etag)


def _bytes(texts: pa.Array) -> memoryview:
    """All texts of an array after one another, without a copy."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    return memoryview(texts.buffers()[2])[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def _members(each: Ready) -> str:
    inner = each.part.body[1:-1]
    return f",{inner}" if inner else ""


def named(write: Write, schema: EntitySchema) -> str:
    """The row a write is about, for messages: ``CustomersV2(dataAreaId=usmf, CustomerAccount=C-1)``."""
    whole = {**write.body, **(write.key or {})}
    key = write.key or {name: whole[name] for name in schema.key if name in whole and schema.app == "finops"}
    shown = ", ".join(f"{name}={value}" for name, value in key.items())
    return f"{write.entity_set}({shown})" if shown else write.entity_set


def comes_twice(what: str) -> FrameError:
    """The error for a row that is written twice in one call."""
    return FrameError(
        f"{what} comes twice in one call.", hint="Every row may be written once; settle which of the two is meant."
    )
