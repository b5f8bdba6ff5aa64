"""Every row is written once in a call: which rows are the same is for the destination's own comparison to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError
from p2c_lib.keys import RowKey, ignores
from p2c_lib.odata.among import held_key, held_keys
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.values import shown_value
from p2c_lib.odata.writes import Operation

__all__ = ["Once", "check_table", "later_ones", "shown_key"]


class Once:
    """The rows that a call writes, by operation, each of which may come once.

    A row that is named in two ways, by its id and by a key, has both names here.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, tuple[str, ...], str], Mapping[str, object]] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], RowKey] = {}

    def note(self, op: Operation, schema: EntitySchema, *names: Mapping[str, object]) -> None:
        """Note the names of one row. Raises FrameError where it was noted before; a name with empty parts is none."""
        found = [(op, schema.entity_set, *mark) for name in names if (mark := self._mark(schema, name)) is not None]
        if earlier := next((self._seen[each] for each in found if each in self._seen), None):
            raise _twice(op, schema, [earlier, names[0]])
        self._seen |= dict.fromkeys(found, names[0]) if names else {}

    def _mark(self, schema: EntitySchema, name: Mapping[str, object]) -> tuple[tuple[str, ...], str] | None:
        columns = tuple(sorted(name))
        if not columns:
            return None
        kept = (schema.entity_set, columns)
        key = self._keys.get(kept) or self._keys.setdefault(kept, RowKey.within(schema, columns))
        try:
            text = key.of(held_key(schema, name))
        except FrameError:  # what no key can hold is told of its own write
            return None
        return None if text is None else (columns, text)


def check_table(op: Operation, schema: EntitySchema, table: pa.Table, key: Sequence[str]) -> None:
    """Raise FrameError where two rows of a table have one key; one that lacks a part of it names no row."""
    again = later_ones(op, schema, table, key)
    if len(again):
        texts = _texts(op, schema, table, key)
        same = pc.indices_nonzero(pc.equal(texts, texts[again[0].as_py()]))[:2]
        raise _twice(op, schema, table.select(list(key)).take(same).to_pylist())


def later_ones(op: Operation, schema: EntitySchema, table: pa.Table, key: Sequence[str]) -> pa.Array:
    """The places of the rows of a table whose key another row before them has."""
    if not key or table.num_rows < 2:
        return pa.array([], pa.int64())
    encoded = _texts(op, schema, table, key).dictionary_encode()
    if len(encoded.dictionary) + encoded.null_count == len(encoded):
        return pa.array([], pa.int64())
    first = pc.index_in(encoded.dictionary, value_set=encoded.dictionary.take(encoded.indices))
    places = pa.array(range(len(encoded)), pa.int64())
    return places.filter(pc.fill_null(pc.less(first.take(encoded.indices), places), fill_value=False))


def _texts(op: Operation, schema: EntitySchema, table: pa.Table, key: Sequence[str]) -> pa.Array:
    """The key of each row; none for a new row that leaves a part of it to the service."""
    texts = RowKey.within(schema, tuple(sorted(key))).texts(held_keys(schema, table, key))
    if op == "create":
        for name in key:
            texts = pc.if_else(pc.is_valid(table.column(name).combine_chunks()), texts, pa.scalar(None, pa.string()))
    return texts


def shown_key(entity_set: str, key: Mapping[str, object]) -> str:
    """A row by its key, for messages: ``CustomersV2(dataAreaId=usmf, CustomerAccount=C-1)``."""
    shown = ", ".join(f"{name}={shown_value(value)}" for name, value in key.items())
    return f"{entity_set}({shown})" if shown else entity_set


def _twice(op: str, schema: EntitySchema, rows: Sequence[Mapping[str, object]]) -> FrameError:
    """The error for a row that is written twice in one call, in the spellings that came."""
    spelt = dict.fromkeys(shown_key(schema.entity_set, row) for row in rows)
    return FrameError(
        f"{op} {' and '.join(spelt)} comes twice in one call.",
        hint=f"Every row may be written once, and {ignores(schema.app)}; settle which of the two is meant.",
    )
