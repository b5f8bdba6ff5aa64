"""Tables and columns without whole secrets: their bytes are looked through at once, and a value alone only by a hit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from p2c_lib.secrecy.known import kept_value, whole_secrets
from p2c_lib.secrecy.whole import Whole

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["clean_column", "clean_table", "secret_columns"]


def clean_table(table: pa.Table, whole: Whole | None = None) -> pa.Table | None:
    """The table with its texts and bytes, however deep, without whole secrets; None where it holds none.

    Raises ValueError for one that holds some where they cannot be replaced: in a name, or in values of a rare kind.
    """
    import pyarrow as pa

    whole = whole or whole_secrets()
    if whole is None:
        return None
    columns = [_cleaned(_one(column), whole) for column in table.columns]
    before = table.schema
    schema = _without_notes(before, whole)
    if all(column is None for column in columns) and schema is before:
        return None
    merged = [table.column(at) if new is None else new for at, new in enumerate(columns)]
    return pa.Table.from_arrays(merged, schema=schema)


def _without_notes(schema: pa.Schema, whole: Whole) -> pa.Schema:
    """The schema; without the notes beside its names where a secret stands in them."""
    import pyarrow as pa

    if not whole.spans(schema.serialize().to_pybytes()):
        return schema
    bare = pa.schema([field.remove_metadata() for field in schema])
    if whole.spans(bare.serialize().to_pybytes()):
        raise ValueError("a secret stands in the name of a column")
    return bare


def clean_column(values: pa.Array) -> pa.Array:
    """A column without whole secrets; the column itself where it holds none."""
    whole = whole_secrets()
    found = None if whole is None else _cleaned(_one(values), whole)
    return values if found is None else found


def secret_columns(table: pa.Table) -> list[str]:
    """The names of the columns, and of the fields within them, in which a whole secret stands."""
    whole = whole_secrets()
    if whole is None:
        return []
    named = zip(table.column_names, table.columns, strict=True)
    return sorted({found for name, column in named for found in _named(name, _one(column), whole)})


def _named(name: str, values: pa.Array, whole: Whole) -> Iterator[str]:
    import pyarrow as pa

    if pa.types.is_struct(values.type):
        for number in range(values.type.num_fields):
            yield from _named(values.type.field(number).name, values.field(number), whole)
    elif _cleaned(values, whole) is not None:
        yield name


def _one(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        whole = values.combine_chunks()
        return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    return values


def _cleaned(values: pa.Array, whole: Whole) -> pa.Array | None:
    """A column without secrets, of the same kind; None where it holds none."""
    import pyarrow as pa

    kind, types = values.type, pa.types
    if isinstance(values, pa.ExtensionArray):
        inside = _cleaned(values.storage, whole)
        return None if inside is None else pa.ExtensionArray.from_storage(kind, inside)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return _cleaned_texts(values, whole)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        plain = pa.large_string() if types.is_string_view(kind) else pa.large_binary()
        inside = _cleaned_texts(values.cast(plain), whole)
        return None if inside is None else inside.cast(kind)
    if types.is_dictionary(kind):
        words = _cleaned(values.dictionary, whole)
        return None if words is None else pa.DictionaryArray.from_arrays(values.indices, words, ordered=kind.ordered)
    if types.is_struct(kind):
        return _cleaned_struct(values, whole)
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_map, types.is_list_view)
    if any(is_one(kind) for is_one in lists):
        return None if all(_cleaned(leaf, whole) is None for leaf in _leaves(values)) else _cleaned_lists(values, whole)
    rare = types.is_fixed_size_binary(kind) or types.is_union(kind) or types.is_run_end_encoded(kind)
    if (rare or types.is_large_list_view(kind)) and whole.spans(str(values.to_pylist()).encode("utf-8", "replace")):
        raise ValueError(f"a secret stands in values of the kind {kind}")
    return None


def _cleaned_struct(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Fields go by their places: names may stand twice."""
    import pyarrow as pa

    parts = [values.field(number) for number in range(values.type.num_fields)]
    cleaned = [_cleaned(part, whole) for part in parts]
    if all(part is None for part in cleaned):
        return None
    whole_parts = [part if new is None else new for part, new in zip(parts, cleaned, strict=True)]
    return pa.StructArray.from_arrays(whole_parts, fields=list(values.type), mask=values.is_null())


def _cleaned_lists(values: pa.Array, whole: Whole) -> pa.Array:
    """Rare, so a list is taken apart by its rows: each cleaned by itself, and put together again."""
    import pyarrow as pa

    if pa.types.is_map(values.type):
        return pa.array(kept_value(values.to_pylist()), values.type)
    rows = []
    for row in values:
        inside = None if row.values is None else _cleaned(row.values, whole)
        rows.append(row.values if inside is None else inside)
    there = [row for row in rows if row is not None]
    items = pa.concat_arrays(there) if there else pa.array([], values.type.value_type)
    if pa.types.is_fixed_size_list(values.type):
        return _of_one_size(rows, values.type)
    return _of_lengths(rows, items, values.type)


def _of_lengths(rows: list[Any], items: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    offsets, end = [], 0
    for row in rows:
        offsets.append(None if row is None else end)
        end += 0 if row is None else len(row)
    large = pa.types.is_large_list(kind)
    at = pa.array([*offsets, end], pa.int64() if large else pa.int32())
    made = (pa.LargeListArray if large else pa.ListArray).from_arrays(at, items)
    return made.cast(kind)


def _of_one_size(rows: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    empty = pa.nulls(kind.list_size, kind.value_type)
    items = pa.concat_arrays([empty if row is None else row for row in rows])
    return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=pa.array([row is None for row in rows]))


def _leaves(values: pa.Array) -> Iterator[pa.Array]:
    import pyarrow as pa

    if pa.types.is_map(values.type):
        yield from (values.keys, values.items)
    else:
        yield values.flatten()


def _cleaned_texts(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Only what holds letters that are known is looked at by itself, each different text once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held, ends = _bytes_of(values)
    rows = sorted({row for start, end in whole.places(held) if (row := _row(ends, start, end)) is not None})
    told: dict[bytes, bytes] = {}
    changed: dict[int, bytes] = {}
    for row in rows:
        found = held[ends[row] : ends[row + 1]]
        if found not in told:
            told[found] = whole.without(found)
        if told[found] != found and values[row].is_valid:
            changed[row] = told[found]
    if not changed:
        return None
    mask = pa.array([row in changed for row in range(len(values))])
    return pc.replace_with_mask(values, mask, pa.array(list(changed.values()), pa.large_binary()).cast(values.type))


def _bytes_of(values: pa.Array) -> tuple[bytes, Any]:
    """All the bytes of a column in a row, and where each value's begin; one more for where the last ends."""
    import numpy as np
    import pyarrow as pa

    large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, ends, data = values.buffers()
    if ends is None or not len(values):
        return b"", [0]
    places = np.frombuffer(ends, np.int64 if large else np.int32)[values.offset : values.offset + len(values) + 1]
    held = b"" if data is None else data.slice(int(places[0]), int(places[-1] - places[0])).to_pybytes()
    return held, (places - places[0])


def _row(ends: Any, start: int, end: int) -> int | None:
    """The row that holds the bytes from ``start`` to ``end``; None where they stand in two."""
    row = bisect_right(ends, start) - 1
    return row if end <= ends[row + 1] else None
