"""A page of JSON becomes a typed table: Arrow reads the whole page with the schema, nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from p2c_lib.days import days, out_of_years
from p2c_lib.errors import AnswerTooLarge, IncompleteRead, ServiceError
from p2c_lib.odata.arrow_safe import survived
from p2c_lib.odata.characters import decoded, well_formed
from p2c_lib.odata.exact import Exact, loads
from p2c_lib.odata.held_keys import SPELT
from p2c_lib.odata.notes import Note, narrowed
from p2c_lib.odata.query import Expand, Page, Query
from p2c_lib.odata.schema import Column, EntitySchema, several_text

__all__ = ["Decoder"]

ETAG = "@odata.etag"
EPOCH_OF_NOTHING = date(1900, 1, 1)
NO_GUID = "00000000-0000-0000-0000-000000000000"
DELETED = "@odata.context"  # only a deletion among the rows has one of its own
NO_ETAG = r"[^\x20-\x7e]"  # no header carries it
MOST_SAID = 4_000
SMALLER = "Ask for fewer columns or rows at once, or run it where there is more memory."
ENVELOPE = [
    pa.field("@odata.count", pa.int64()),
    pa.field("@odata.nextLink", pa.string()),
    pa.field("@odata.deltaLink", pa.string()),
    pa.field("error", pa.struct([("code", pa.string()), ("message", pa.string())])),
]


@dataclass(frozen=True)
class _Leaf:
    """One column of the table: its name there, the way to it in a row, and what it is."""

    name: str
    way: tuple[str, ...]
    column: Column


class Decoder:
    """Turns the pages of one query into tables of one schema, whatever the values on a page are.

    With ``tracked`` deletions may stand among the rows. With ``empty_is_null`` (F&O) empty texts, 1900-01-01 and the
    zero guid read as null. With ``spelt`` each table has a column that tells rows apart whose keys are no well-formed
    text and so read alike. Decoding releases the interpreter lock, so it runs beside the next request.
    """

    def __init__(
        self,
        query: Query,
        schema: EntitySchema,
        *,
        empty_is_null: bool,
        tracked: bool = False,
        spelt: bool = False,
    ) -> None:
        self._leaves = tuple(_leaves(query, schema))
        self._empty_is_null = empty_is_null
        self._row_id = schema.key[0] if schema.app == "sales" else None
        self._key = schema.key
        self._key_wires = [schema.column(name).wire for name in schema.key] if spelt else []
        self._spelt = spelt
        self._target = query.entity_set
        self._versioned = not query.apply and not schema.read_only
        self._tracked = tracked
        self._decimals = any(pa.types.is_decimal(leaf.column.type) for leaf in self._leaves)
        own_id = [self._row_id] if self._row_id else []
        self._row = _row_type(self._leaves, [*own_id, *((DELETED, "id") if tracked else ())])
        self.schema = self._table_schema()

    def page(self, body: bytes) -> Page:
        """The page in a body. Raises IncompleteRead for one cut short, ServiceError for a value out of its type."""
        try:
            return self._page(body)
        except MemoryError:
            said = f"a page of {len(body):,} bytes is more than there is memory for"
            raise AnswerTooLarge(f"{self._target}: {said}.", target=self._target, hint=SMALLER) from None
        except (pa.ArrowException, ArithmeticError) as error:
            raise IncompleteRead(
                f"{self._target}: a page of {len(body):,} bytes cannot be read ({str(error)[:200]}).",
                target=self._target,
                hint="Try again; if it stays, something between here and the service changes its answers.",
            ) from error

    def _page(self, body: bytes) -> Page:
        notes: tuple[Note, ...] = ()
        spelt: pa.Array | None = None
        try:
            if not survived(body, decimals=self._decimals):
                raise pa.ArrowInvalid("not for Arrow's reader")
            whole = self._parse(body, self._row)
            whole.validate(full=True)  # the reader checks neither UTF-8 nor a decimal's precision
            self._check_years(whole)
        except pa.ArrowInvalid:
            whole, notes, spelt = self._again(body)
        envelope = {name: whole.column(name)[0].as_py() for name in whole.column_names if name != "value"}
        self._check(whole, envelope, body)
        rows = whole.column("value").chunk(0).flatten()
        if rows.null_count:
            raise IncompleteRead(f"{self._target}: a page holds a row that is null.", target=self._target)
        table, gone = self._table(rows, spelt), self._ids_gone(rows)
        if self._tracked:
            last = self._last_told(rows)
            stays = pc.and_(last, pc.is_null(gone))
            table, gone, notes = table.filter(stays), gone.filter(last), narrowed(notes, stays) if notes else ()
        return Page(
            table,
            next_link=envelope["@odata.nextLink"],
            delta_link=envelope["@odata.deltaLink"],
            server_count=self._count(envelope["@odata.count"]),
            deleted=tuple(gone.drop_null().to_pylist()) if self._tracked else (),
            notes=notes,
        )

    def empty(self) -> pa.Table:
        """A table of this query without rows."""
        return self.schema.empty_table()

    def _parse(self, body: bytes, row: pa.StructType) -> pa.Table:
        fields = [pa.field("value", pa.list_(row)), *ENVELOPE]
        return pj.read_json(
            pa.BufferReader(body),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(body) + 16),
            parse_options=pj.ParseOptions(
                explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore", newlines_in_values=b"\n" in body
            ),
        )

    def _check_years(self, whole: pa.Table) -> None:
        """Raise ArrowInvalid where a moment is outside the years that Python has: Arrow's reader takes it as it is."""
        rows = whole.column("value").combine_chunks().flatten()
        for leaf in self._leaves:
            if pa.types.is_temporal(leaf.column.type) and out_of_years(_reach(rows, leaf.way)) is not None:
                raise pa.ArrowInvalid("a moment outside the years 1 to 9999")

    def _check(self, whole: pa.Table, envelope: Mapping[str, Any], body: bytes) -> None:
        if whole.num_rows != 1:
            raise IncompleteRead(f"{self._target}: a page holds {whole.num_rows} JSON documents.", target=self._target)
        if envelope["error"] is not None:
            raise ServiceError(
                f"{self._target}: an error came as a good answer: {envelope['error']['message']}",
                status=200,
                code=str(envelope["error"]["code"] or ""),
                target=self._target,
            )
        if not whole.column("value")[0].is_valid:
            shown = body[:120].decode("utf-8", "replace")
            raise IncompleteRead(f"{self._target}: a page without rows or an end: {shown}", target=self._target)

    def _count(self, told: int | None) -> int | None:
        if told is not None and told < 0:
            raise IncompleteRead(f"{self._target}: the service counts {told:,} rows.", target=self._target)
        return told

    def _again(self, body: bytes) -> tuple[pa.Table, tuple[Note, ...], pa.Array | None]:
        """The page read by the slow exact way, and how keys were spelt that are no well-formed text.

        It tells a page cut short from a value that does not fit its type.
        """
        try:
            found = loads(body)
        except ValueError as broken:
            raise IncompleteRead(
                f"{self._target}: a page of {len(body):,} bytes is cut short or no JSON ({broken}).",
                target=self._target,
                hint="Try again; if it stays, something between here and the service changes its answers.",
            ) from None
        if not isinstance(found, dict):
            raise IncompleteRead(
                f"{self._target}: the answer is no page but {type(found).__name__}.", target=self._target
            )
        rows = found.get("value")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            rows = None
        values, notes = self._rows_exactly(rows)
        columns: dict[str, pa.Array] = {"value": values}
        for field in ENVELOPE:
            columns[field.name] = pa.array([self._fitting(found.get(field.name), field)], field.type)
        return pa.table(columns), notes, self._spellings(rows or [], body)

    def _spellings(self, rows: list[dict[str, Any]], body: bytes) -> pa.Array:
        """The key of each row as it was spelt, in ASCII, where a part of it is no well-formed text; else null.

        A byte that is no UTF-8 and half a character that is escaped (``\\udcfc``) are told apart: both read as the
        same code, and are two keys.
        """
        keys = [[row.get(wire) for wire in self._key_wires] for row in rows]
        text = decoded(body)
        apart, clean = keys, well_formed(text)
        if self._key_wires and rows and clean != text:
            apart = [[row.get(wire) for wire in self._key_wires] for row in loads(clean.encode())["value"]]
        spelt = (json.dumps(key if key == other else [key, other]) for key, other in zip(keys, apart, strict=True))
        return pa.array(
            [told if any(map(_is_odd, key)) else None for told, key in zip(spelt, keys, strict=True)], pa.string()
        )

    def _rows_exactly(self, rows: list[dict[str, Any]] | None) -> tuple[pa.Array, tuple[Note, ...]]:
        if rows is None:
            return pa.array([None], pa.list_(self._row)), ()
        names = {leaf.way: leaf.name for leaf in self._leaves}
        exact = Exact(self._target, names, rows, self._telling)
        offsets = pa.array([0, len(rows)], pa.int32())
        return pa.ListArray.from_arrays(offsets, exact.array(self._row)), tuple(exact.notes)

    def _fitting(self, value: Any, field: pa.Field) -> Any:
        """A member of the page itself as its type. Raises IncompleteRead for a link or a count that is none."""
        if value is None:
            return None
        if pa.types.is_struct(field.type):
            told = value if isinstance(value, dict) else {"message": value}
            return {name: well_formed(str(told.get(name) or ""))[:MOST_SAID] for name in ("code", "message")}
        if pa.types.is_integer(field.type):
            fits = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < field.type.bit_width
        else:
            fits, value = isinstance(value, str), well_formed(value) if isinstance(value, str) else value
        if not fits:
            said = f"{field.name} of a page is {well_formed(str(value))[:60]!r}, which is none"
            raise IncompleteRead(f"{self._target}: {said}.", target=self._target)
        return value

    def _telling(self, row: Mapping[str, Any]) -> str:
        """Which row of the set a row is, as far as it says so itself."""
        keys = {name: row.get(name) for name in self._key}
        told = [f"{name} {value}" for name, value in keys.items() if isinstance(value, (str, int))]
        return well_formed("".join(f", {each[:60]}" for each in told))

    def _table(self, rows: pa.StructArray, spelt: pa.Array | None) -> pa.Table:
        columns = {leaf.name: self._column(_reach(rows, leaf.way), leaf.column) for leaf in self._leaves}
        columns["@etag"] = self._etags(rows)
        if self._row_id is not None:
            columns["@id"] = _reach(rows, (self._row_id,))
        if self._spelt:
            columns[SPELT] = pa.nulls(len(rows), pa.string()) if spelt is None else spelt
        return pa.table(columns)

    def _gone(self, rows: pa.StructArray) -> pa.Array:
        """Which rows are deletions."""
        return pc.is_valid(_reach(rows, (DELETED,)))

    def _ids_gone(self, rows: pa.StructArray) -> pa.Array:
        """The id of each deletion; null for a row that is none."""
        return pc.if_else(self._gone(rows), pc.utf8_lower(_reach(rows, ("id",))), pa.scalar(None, pa.string()))

    def _last_told(self, rows: pa.StructArray) -> pa.Array:
        """Which entries of a page are the last about their row; all where no deletion and row have one id."""
        gone = self._ids_gone(rows)
        own = _reach(rows, (self._row_id,)) if self._row_id else pa.nulls(len(rows), pa.string())
        if not pc.any(pc.is_in(own.drop_null(), value_set=gone.drop_null())).as_py():
            return pa.repeat(pa.scalar(True), len(rows))  # noqa: FBT003 - the value
        places = pa.array(range(len(rows)), pa.int64())
        ids = pc.coalesce(gone, own, places.cast(pa.string()))
        last = pa.table({"id": ids, "at": places}).group_by("id").aggregate([("at", "max")]).column("at_max")
        return pc.is_in(places, value_set=last.combine_chunks())

    def _etags(self, rows: pa.StructArray) -> pa.Array:
        """Every row's etag. Raises IncompleteRead where one is missing: without it no update could be safe."""
        etags = _reach(rows, (ETAG,))
        allowed = pc.sum(self._gone(rows)).as_py() or 0 if self._tracked else 0
        if self._versioned and etags.null_count > allowed:
            raise IncompleteRead(f"{self._target}: {etags.null_count} rows came without an etag.", target=self._target)
        if pc.any(pc.match_substring_regex(etags, NO_ETAG)).as_py():
            said = "an etag came that cannot be sent back: it holds line ends or letters beyond ASCII"
            raise IncompleteRead(f"{self._target}: {said}.", target=self._target)
        return etags

    def _column(self, values: pa.Array, column: Column) -> pa.Array:
        if pa.types.is_date32(column.type) and not pa.types.is_date32(values.type):
            values = days(values)
        if column.several:
            return in_order(values)
        if not self._empty_is_null:
            return values
        return empty_to_null(values, column)

    def _table_schema(self) -> pa.Schema:
        fields = [pa.field(leaf.name, leaf.column.type) for leaf in self._leaves]
        fields.append(pa.field("@etag", pa.string()))
        named = [name for name, wanted in (("@id", self._row_id), (SPELT, self._spelt)) if wanted]
        return pa.schema([*fields, *(pa.field(name, pa.string()) for name in named)])


def _is_odd(value: Any) -> bool:
    """Whether a value is a text that is not well-formed."""
    return isinstance(value, str) and well_formed(value) != value


def in_order(values: pa.Array) -> pa.Array:
    """Lists of choices, each in the order of its numbers: they are sets, and a service may give them in any order."""
    encoded = values.dictionary_encode()
    words = pa.array([several_text(text.split(",")) for text in encoded.dictionary.to_pylist()], pa.string())
    return words.take(encoded.indices)


def empty_to_null(values: pa.Array, column: Column) -> pa.Array:
    """F&O's empty values as null: no text, the zero guid, 1900-01-01; the number 0 stays a number."""
    if pa.types.is_string(values.type):
        empty = pc.equal(values, NO_GUID if column.edm == "Edm.Guid" else "")
    elif pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        empty = pc.equal(days(values), pa.scalar(EPOCH_OF_NOTHING, pa.date32()))
    else:
        return values
    if not pc.any(empty).as_py():
        return values
    return pc.if_else(empty, pa.scalar(None, values.type), values)


def _leaves(query: Query, schema: EntitySchema) -> Iterator[_Leaf]:
    for name in query.select:
        column = schema.column(name)
        yield _Leaf(name, (column.wire,), column)
    for expand in query.expand:
        yield from _expanded(expand, ())


def _expanded(expand: Expand, way: tuple[str, ...]) -> Iterator[_Leaf]:
    here = (*way, expand.navigation)
    for name in expand.select:
        column = expand.schema.column(name)
        yield _Leaf(f"{expand.path}.{name}", (*here, column.wire), column)
    for deeper in expand.expand:
        yield from _expanded(deeper, here)


def _row_type(leaves: Sequence[_Leaf], further: Sequence[str]) -> pa.StructType:
    """A row as it travels: columns in the order asked for, which Arrow reads fastest, then what else is wanted."""
    tree: dict[str, Any] = {ETAG: pa.string()}
    for leaf in leaves:
        place = tree
        for step in leaf.way[:-1]:
            place = place.setdefault(step, {})
        place[leaf.way[-1]] = _wire_type(leaf.column)
    for name in further:
        tree.setdefault(name, pa.string())
    return _struct(tree)


def _struct(tree: Mapping[str, Any]) -> pa.StructType:
    return pa.struct([(name, _struct(kind) if isinstance(kind, dict) else kind) for name, kind in tree.items()])


def _wire_type(column: Column) -> pa.DataType:
    """What Arrow's JSON reader can read; it knows no dates, only moments, and F&O sends a day as its noon."""
    if not pa.types.is_date32(column.type):
        return column.type
    return pa.timestamp("s") if column.edm == "Edm.Date" else pa.timestamp("us", "UTC")


def _reach(rows: pa.StructArray, way: tuple[str, ...]) -> pa.Array:
    if rows.type.get_field_index(way[0]) < 0:
        return pa.nulls(len(rows), pa.string())
    return pc.struct_field(rows, list(way))
