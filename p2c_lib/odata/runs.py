"""Runs of writes of one operation on one entity set, as they travel: from values, or straight from columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.errors import P2CError, ServiceError, Unsendable
from p2c_lib.odata.batch import Part
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.encode import keys_of, members_of, objects_of
from p2c_lib.odata.once import shown_key
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.writes import Operation, OutOfYears, Write, WriteResult

__all__ = [
    "METHODS",
    "ListRun",
    "Prepared",
    "Ready",
    "Refused",
    "Run",
    "TableRun",
    "named",
    "row_write",
    "unsendable",
]

METHODS = {"create": "POST", "update": "PATCH", "upsert": "PATCH", "delete": "DELETE"}
DOUBLE = 64
NAMESPACE = "Microsoft.Dynamics.CRM"

Refused = tuple[int, WriteResult]


@dataclass(frozen=True, slots=True)
class Ready:
    """A write as it travels: its place in the caller's list, what is sent, its row's id where that is known before.

    ``repeatable``: sending it twice does no harm. ``write`` gives the write back as values, for settling doubts.
    ``alone``: it goes into no batch, because how its address is read there is not known. ``named_here``: the id of its
    new row was made here, so that nobody else's row has it.
    """

    place: int
    op: Operation
    schema: EntitySchema
    part: Part
    row_id: str | None
    repeatable: bool
    write: Callable[[], Write]
    alone: bool = False
    named_here: bool = False

    def doubt(self) -> tuple[Write, str | None]:
        """The write to look for in its row, and the row's id; a row with an id of our own is ours, whatever it holds.

        A workflow may have changed it since.
        """
        if not self.named_here:
            return self.write(), self.row_id
        return Write(self.op, self.schema.entity_set, None, {self.schema.key[0]: self.row_id}), self.row_id


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


@dataclass(frozen=True)
class Prepared:
    """What is sent of the writes of one call, and what became of those that no request can carry, by their place."""

    runs: Sequence[Run]
    refused: Sequence[Refused] = ()


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

    ``key`` names key columns of the table, ``etag`` a column whose version must still stand. ``places`` are the places
    of the rows in the caller's table, where these are not all of them.
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
        places: pa.Array | None = None,
    ) -> None:
        self.op, self.schema = op, schema
        self._table, self._key, self._etag, self._dialect, self._places = table, key, etag, dialect, places
        self._addresses = None if op == "create" else keys_of(table, schema, key)
        self._given: pa.ChunkedArray | None = None  # ids that the caller's new rows came with
        self._ids, body = self._identified()
        self._members = members_of(body, dialect, bodies, creating=op == "create")
        self.guarded = etag is not None
        self.repeatable = op != "create" or self._ids is not None or _names_its_rows(body, schema)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def place(self, at: int) -> int:
        """The place of a write in the caller's table."""
        return at if self._places is None else int(self._places[at].as_py())

    def row_id(self, at: int) -> str | None:
        """The id of a row where it is known."""
        return None if self._ids is None else str(self._ids[at].as_py())

    def ready(self, start: int, stop: int) -> Sequence[Ready]:
        """Some of the rows, each to travel alone."""
        stop = min(stop, len(self))
        texts = objects_of(self._members.slice(start, stop - start)).to_pylist()
        matches = self._matches(start, stop)
        rows = range(start, stop)
        url, tail = self._dialect.set_url(self.schema.entity_set), self._dialect.options_url("")
        addresses = (
            [""] * len(rows) if self._addresses is None else self._addresses.slice(start, stop - start).to_pylist()
        )
        body = [""] * len(rows) if self.op == "delete" else texts
        parts = (
            Part(METHODS[self.op], f"{url}{address}{tail}", match, text)
            for address, match, text in zip(addresses, matches, body, strict=True)
        )
        return [
            Ready(
                self.place(at),
                self.op,
                self.schema,
                part,
                self.row_id(at),
                self.repeatable,
                partial(self.write, at),
                named_here=self._is_named_here(at),
            )
            for at, part in zip(rows, parts, strict=True)
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
        if own not in body.column_names:
            ids = pa.chunked_array([_new_ids(len(self))])
            return ids, body.append_column(own, ids)
        self._given = given = body.column(own)
        if given.null_count == 0:
            return given, body
        ids = pc.coalesce(texts(given), pa.chunked_array([_new_ids(len(self))]))
        return ids, body.drop_columns([own]).append_column(own, ids)

    def _is_named_here(self, at: int) -> bool:
        """Whether a new row got its id here and not from the caller."""
        made = self.op == "create" and self._ids is not None
        return made and (self._given is None or not self._given[at].is_valid)

    def _matches(self, start: int, stop: int) -> list[str]:
        weak = "" if self._dialect.cross_company or self.op in {"create", "upsert"} else "If-Match: *\r\n"
        if self._etag is None or self.op in {"create", "upsert"}:
            return [weak] * (stop - start)
        etags = self._table.column(self._etag).slice(start, stop - start).to_pylist()
        return [f"If-Match: {etag}\r\n" if etag else weak for etag in etags]

    def write(self, at: int) -> Write:
        """One of the rows as values."""
        return row_write(self.op, self.schema.entity_set, self._table.slice(at, 1), self._key, self._etag)


def _new_ids(count: int) -> pa.Array:
    return pa.array([str(uuid4()) for _ in range(count)], pa.string())


def _names_its_rows(body: pa.Table, schema: EntitySchema) -> bool:
    """Whether every row of a body has its whole key; where a part is missing the service may give a number."""
    there = set(body.column_names)
    return all(name in there and _is_filled(body.column(name), optional=name in schema.optional) for name in schema.key)


def _is_filled(values: pa.ChunkedArray, *, optional: bool) -> bool:
    """An empty text is a number to come, unless the part is one that may be empty: there it is a value."""
    empty = pc.equal(pc.utf8_trim_whitespace(texts(values)), "")
    return values.null_count == 0 and (optional or not pc.any(empty).as_py())


def _bytes(texts: pa.Array) -> memoryview:
    """All texts of an array after one another, without a copy."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    return memoryview(texts.buffers()[2])[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def _members(each: Ready) -> str:
    inner = each.part.body[1:-1]
    return f",{inner}" if inner else ""


def row_write(op: Operation, entity_set: str, row: pa.Table, key: Sequence[str], etag: str | None) -> Write:
    """The one row of a table as a write of values."""
    values = {name: _value(row.column(name)) for name in row.column_names}
    body = {name: value for name, value in values.items() if not name.startswith("@") and name not in key}
    return Write(op, entity_set, {name: values[name] for name in key} or None, body, values[etag] if etag else None)


def _value(cell: pa.ChunkedArray) -> Any:
    """A cell as a value of Python; a float keeps its width, which its text goes by."""
    if pa.types.is_floating(cell.type) and cell.type.bit_width < DOUBLE and cell.null_count == 0:
        return cell.to_numpy()[0]
    try:
        return cell.to_pylist()[0]
    except (OverflowError, ValueError):  # Python has no day outside the years 1 to 9999
        return OutOfYears(texts(cell).to_pylist()[0])


def named(write: Write, schema: EntitySchema) -> str:
    """The row a write is about, for messages: ``CustomersV2(dataAreaId=usmf, CustomerAccount=C-1)``."""
    whole = {**write.body, **(write.key or {})}
    key = write.key or {name: whole[name] for name in schema.key if name in whole and schema.app == "finops"}
    return shown_key(write.entity_set, key)


def unsendable(place: int, write: Write, schema: EntitySchema, why: P2CError) -> Refused:
    """The outcome of a write that no request can carry: it names the row and says why."""
    row = named(write, schema).encode("utf-8", "replace").decode()
    if isinstance(why, ServiceError):
        return place, WriteResult(why.status, None, why, why.request_id)
    error = Unsendable(f"{row}: {why.message.rstrip('.')}.", target=row, hint=why.hint)
    return place, WriteResult(0, None, error, "")
