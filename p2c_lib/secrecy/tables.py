"""Tables and columns without whole secrets: their bytes are looked through at once, and a value alone only by a hit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from p2c_lib.secrecy.known import whole_secrets
from p2c_lib.secrecy.whole import Whole

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["clean_column", "clean_notes", "clean_table", "secret_columns"]


def clean_table(table: pa.Table, whole: Whole | None = None) -> pa.Table | None:
    """The table with its texts and bytes, however deep, without whole secrets; None where it holds none.

    Raises ValueError for one that holds some where they cannot be replaced: in a name.
    """
    import pyarrow as pa

    whole = whole or whole_secrets()
    if whole is None:
        return None
    columns = [_cleaned_column(column, whole) for column in table.columns]
    schema = _cleaned_schema(table.schema, whole)
    if schema is None and all(column is None for column in columns):
        return None
    merged = [table.column(at) if new is None else new for at, new in enumerate(columns)]
    return pa.Table.from_arrays(merged, schema=schema or table.schema)


def _cleaned_schema(schema: pa.Schema, whole: Whole) -> pa.Schema | None:
    """A schema whose notes, and those of its columns however deep, hold no secret; None where they hold none."""
    import pyarrow as pa

    if not whole.spans(schema.serialize().to_pybytes()):
        return None
    found = pa.schema([_cleaned_field(each, whole) for each in schema], metadata=clean_notes(schema.metadata, whole))
    if whole.spans(found.serialize().to_pybytes()):
        raise ValueError("a secret stands in the name of a column")
    return found


def _cleaned_field(field: pa.Field, whole: Whole) -> pa.Field:
    return field.with_type(_cleaned_type(field.type, whole)).with_metadata(clean_notes(field.metadata, whole))


def _cleaned_type(kind: pa.DataType, whole: Whole) -> pa.DataType:
    """A type whose fields' notes hold no secret; names stay."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType) or not types.is_nested(kind) or types.is_run_end_encoded(kind):
        return kind
    inside = [_cleaned_field(kind.field(number), whole) for number in range(kind.num_fields)]
    if types.is_struct(kind):
        return pa.struct(inside)
    if types.is_union(kind):
        return pa.union(inside, kind.mode, kind.type_codes)
    if types.is_map(kind):
        fields = (_cleaned_field(kind.key_field, whole), _cleaned_field(kind.item_field, whole))
        return pa.map_(*fields, keys_sorted=kind.keys_sorted)
    if types.is_fixed_size_list(kind):
        return pa.list_(inside[0], kind.list_size)
    ways = {"list": pa.list_, "large_list": pa.large_list, "list_view": pa.list_view}
    make = next((ways[name] for name in ways if getattr(types, f"is_{name}")(kind)), pa.large_list_view)
    return make(inside[0])


def clean_notes(notes: Mapping[bytes, bytes] | None, whole: Whole) -> dict[bytes, bytes] | None:
    """The notes of a schema or a field without secrets."""
    return None if notes is None else {whole.without(name): whole.without(told) for name, told in notes.items()}


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
    named = [
        (name, part) for name, column in zip(table.column_names, table.columns, strict=True) for part in _parts(column)
    ]
    return sorted({found for name, part in named for found in _named(name, part, whole)})


def _named(name: str, values: pa.Array, whole: Whole) -> Iterator[str]:
    import pyarrow as pa

    if pa.types.is_struct(values.type):
        for number in range(values.type.num_fields):
            yield from _named(values.type.field(number).name, values.field(number), whole)
    elif _cleaned(values, whole) is not None:
        yield name


def _cleaned_column(column: pa.ChunkedArray, whole: Whole) -> pa.Array | pa.ChunkedArray | None:
    import pyarrow as pa

    parts = _parts(column)
    cleaned = [_cleaned(part, whole) for part in parts]
    if all(part is None for part in cleaned):
        return None
    return pa.chunked_array([old if new is None else new for old, new in zip(parts, cleaned, strict=True)], column.type)


def _parts(column: pa.ChunkedArray) -> list[pa.Array]:
    """A column in one piece, or in its own pieces where Arrow puts none of its kind together."""
    import pyarrow as pa

    try:
        return [_one(column)]
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # the second: more than an offset reaches
        return list(column.chunks)


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
    if types.is_fixed_size_binary(kind) or types.is_int8(kind) or types.is_uint8(kind):
        return _covered(values, whole)
    if types.is_dictionary(kind):
        words = _cleaned(values.dictionary, whole)
        return None if words is None else pa.DictionaryArray.from_arrays(values.indices, words, ordered=kind.ordered)
    if types.is_struct(kind):
        return _cleaned_struct(values, whole)
    return _cleaned_inside(values, whole) if types.is_nested(kind) or types.is_run_end_encoded(kind) else None


def _cleaned_struct(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Fields go by their places: names may stand twice."""
    import pyarrow as pa

    parts = [values.field(number) for number in range(values.type.num_fields)]
    cleaned = [_cleaned(part, whole) for part in parts]
    if all(part is None for part in cleaned):
        return None
    whole_parts = [part if new is None else new for part, new in zip(parts, cleaned, strict=True)]
    return pa.StructArray.from_arrays(whole_parts, fields=list(values.type), mask=values.is_null())


def _cleaned_inside(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Lists, maps, unions and repeated values: what they hold is a column of its own, and its places stay."""
    import pyarrow as pa

    own, parts = _taken_apart(values)
    cleaned = [_cleaned(part, whole) for part in parts]
    if all(part is None for part in cleaned):
        return None
    inside = [part if new is None else new for part, new in zip(parts, cleaned, strict=True)]
    buffers, nulls = values.buffers()[:own], values.null_count
    if pa.types.is_run_end_encoded(values.type):
        return pa.RunEndEncodedArray.from_buffers(values.type, len(values), [None], 0, values.offset, children=inside)
    return pa.Array.from_buffers(values.type, len(values), buffers, nulls, values.offset, children=inside)


def _taken_apart(values: pa.Array) -> tuple[int, list[pa.Array]]:
    """How many buffers are a nested column's own, and the columns it is made of as a whole, whatever part is looked at.

    Raises ValueError for a kind that nobody knows.
    """
    import pyarrow as pa

    kind, types = values.type, pa.types
    if types.is_run_end_encoded(kind):
        return 1, [values.run_ends, values.values]
    if types.is_union(kind):
        return 2 if kind.mode == "sparse" else 3, [_whole_field(values, at) for at in range(kind.num_fields)]
    if types.is_map(kind):
        pairs = pa.StructArray.from_arrays([values.keys, values.items], fields=[kind.key_field, kind.item_field])
        return 2, [pairs]
    if types.is_fixed_size_list(kind):
        return 1, [values.values]
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return 3, [values.values]
    if types.is_list(kind) or types.is_large_list(kind):
        return 2, [values.values]
    raise ValueError(f"no reader here knows columns of {kind}")


def _whole_field(values: pa.Array, at: int) -> pa.Array:
    """One part of a union as it is kept: of a sparse one the rows before those looked at too."""
    import pyarrow as pa

    part = values.field(at)
    return (
        part
        if values.type.mode == "dense" or not values.offset
        else pa.concat_arrays([pa.nulls(values.offset, part.type), part])
    )


def _covered(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Bytes that lie side by side, each value as long as the next: a secret among them is covered, nothing moves."""
    import pyarrow as pa

    validity, data = values.buffers()
    found = b"" if data is None else data.to_pybytes()
    told = whole.covered(found)
    if told == found:
        return None
    buffers = [validity, pa.py_buffer(told)]
    return pa.Array.from_buffers(values.type, len(values), buffers, values.null_count, values.offset)


def _cleaned_texts(values: pa.Array, whole: Whole) -> pa.Array | None:
    """Only what holds letters that are known is looked at by itself, each different text once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held, ends = _bytes_of(values)
    rows = sorted({row for start, end in whole.places(held) if (row := _row(ends, start, end)) is not None})
    told: dict[bytes, bytes] = {}
    changed: dict[int, bytes | None] = {}
    for row in rows:
        found = held[ends[row] : ends[row + 1]]
        if found not in told:
            told[found] = whole.without(found)
        if told[found] != found:
            changed[row] = told[found] if values[row].is_valid else None  # what stands behind a null is gone too
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
