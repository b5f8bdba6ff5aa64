"""Columns straight to JSON: whole rows of a table as request bodies, made by Arrow, never a Python value a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.days import days, in_microseconds, out_of_years
from p2c_lib.display import texts
from p2c_lib.errors import FrameError
from p2c_lib.odata.bodies import BARE_DAYS, Bodies, sendable
from p2c_lib.odata.characters import refused
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.literals import NUMBERS, UNSAFE, WHOLE, encode, key_literal, part_in_path
from p2c_lib.odata.schema import Column, EntitySchema, several_text
from p2c_lib.odata.values import GREATEST

__all__ = ["apart", "keys_of", "members_of", "objects_of", "odd_versions", "without_views"]

NEEDS_ESCAPE = '["\\\\\\x00-\\x1f]'
NEEDS_QUOTING = r"[^A-Za-z0-9(),=._~@!$ -]"
ODD_IN_KEY = "[" + re.escape(UNSAFE) + r"\x00-\x1f\x7f\x{FFFE}\x{FFFF}]"
GUID = "^[0-9a-zA-Z-]+$"
ROWS_AT_ONCE = 20_000
LONGEST = len(str(GREATEST)) - 1  # digits before the point


def members_of(table: pa.Table, dialect: Dialect, bodies: Bodies, *, creating: bool) -> pa.ChunkedArray:
    """Every row's columns as the members of a JSON object, each with a comma before it, in the service's way.

    Columns of the workbench (``@...``) are left out. Decimals keep every digit. Raises UnknownName for a column that
    is none and FrameError for a number that is not finite.
    """
    names = [name for name in table.column_names if not name.startswith("@")]
    places = [bodies.place(name) for name in names]
    chunks = []
    for start in range(0, max(table.num_rows, 1), ROWS_AT_ONCE):
        piece = table.slice(start, ROWS_AT_ONCE)
        columns = [piece.column(name).combine_chunks() for name in names]
        fragments = [
            _fragment(values, key, column, dialect, bodies, _nothing_of(name, piece, bodies, creating=creating))
            for name, values, (key, column) in zip(names, columns, places, strict=True)
        ]
        nothing = pa.array([""] * piece.num_rows, pa.string())
        chunks.append(pc.binary_join_element_wise(*fragments, "") if fragments else nothing)
    return pa.chunked_array(chunks, pa.string())


def objects_of(members: pa.ChunkedArray) -> pa.ChunkedArray:
    """Members as whole JSON objects."""
    return pc.binary_join_element_wise(pc.binary_replace_slice(members, 0, 1, "{"), "}", "")


def keys_of(table: pa.Table, schema: EntitySchema, key: Sequence[str]) -> pa.ChunkedArray:
    """Every row's ``(key)`` as it stands in a URL, percent-encoded: what ``key_path`` makes of each.

    The rows are those that columns can carry: ``apart`` tells the others.
    """
    bare = schema.app == "sales" and tuple(key) == schema.key
    pieces: list[Any] = []
    for name in key:
        lead = "(" if not pieces else ","
        pieces += [lead if bare else f"{lead}{schema.column(name).wire}=", _part(table.column(name), schema, name)]
    return pc.binary_join_element_wise(*pieces, ")", "")


def _part(values: pa.ChunkedArray, schema: EntitySchema, name: str) -> pa.ChunkedArray:
    """A part of every row's key; values of another kind than their column's as ``key_path`` writes each of them."""
    column = schema.column(name)
    if not _is_natural(values.type, column):
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        encoded = values.combine_chunks().cast(kind).dictionary_encode(null_encoding="encode")
        known = texts(encoded.dictionary) if pa.types.is_floating(kind) else encoded.dictionary  # text of its width
        words = pa.array([_path_of(schema, name, each) for each in known.to_pylist()], pa.string())
        return pa.chunked_array([words.take(encoded.indices)])
    text = texts(values)
    literal = _quoted_literal(text) if column.edm == "Edm.String" else text
    if name not in schema.optional:
        return literal
    empty = pc.or_kleene(pc.is_null(text), pc.equal(pc.utf8_trim_whitespace(text), ""))
    return pc.if_else(empty, _path_of(schema, name, None), literal)


def _path_of(schema: EntitySchema, name: str, value: object) -> str | None:
    try:
        return part_in_path(schema, name, value)
    except FrameError:
        return None


def _is_natural(kind: pa.DataType, column: Column) -> bool:
    """Whether the text of a column's values is what they have in a key."""
    if _is_text(kind):
        return column.edm in {"Edm.String", "Edm.Guid"}
    if column.edm in WHOLE or column.edm == "Edm.Double":
        return bool(pa.types.is_integer(kind))
    if column.edm == "Edm.Decimal" and not pa.types.is_integer(kind):
        return bool(pa.types.is_decimal(kind) and kind.scale <= column.type.scale)
    return _is_number(kind) and column.edm in {"Edm.String", *NUMBERS}


def without_views(table: pa.Table) -> pa.Table:
    """The table, its columns of views as large texts and bytes: much of Arrow does not compute with views."""
    kinds = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    schema = pa.schema([field.with_type(kinds.get(field.type, field.type)) for field in table.schema])
    return table if schema == table.schema else table.cast(schema)


def apart(table: pa.Table, schema: EntitySchema, key: Sequence[str], bodies: Bodies) -> pa.Array:
    """Which rows columns cannot carry: one by one they are addressed in another way, or it is told why they cannot be.

    Those that lack a part of their key, whose key holds what no path takes as it is, or a value that no service takes.
    """
    told = [_odd_key(table.column(name).combine_chunks(), schema, name) for name in key]
    names = [name for name in table.column_names if not name.startswith("@") and name not in key]
    told += [_odd_value(table.column(name).combine_chunks(), name, bodies) for name in names]
    odd = [each for each in told if each is not None]
    return reduce(pc.or_, odd) if odd else pa.repeat(pa.scalar(False), table.num_rows)  # noqa: FBT003 - the value


def odd_versions(etags: pa.ChunkedArray) -> pa.Array:
    """Which versions are no etag, so that no request can name them."""
    text = etags.combine_chunks().cast(pa.string())
    return pc.invert(pc.fill_null(pc.match_substring_regex(text, "^[ -~]*$"), fill_value=True))


def _odd_key(values: pa.Array, schema: EntitySchema, name: str) -> pa.Array | None:
    """Which rows have a part of their key that goes into an address in another way than as it stands in its column.

    A moment has colons, which break an address of Sales.
    """
    if pa.types.is_dictionary(values.type):
        return _odd_key(values.cast(values.type.value_type), schema, name)
    column, kind = schema.column(name), values.type
    strange = pa.types.is_floating(kind) and column.edm not in {"Edm.String", *NUMBERS}
    breaks = schema.app == "sales" and column.edm == "Edm.DateTimeOffset"
    if breaks or strange or not any(fits(kind) for fits in _IN_KEYS):
        return pa.repeat(pa.scalar(True), len(values))  # noqa: FBT003 - the value
    beyond = out_of_years(values)
    odd = [each for each in (beyond, _too_long(values)) if each is not None]
    if name not in schema.optional:
        odd.append(pc.is_null(values))
    if _is_text(kind):
        text = values.cast(pa.string())
        if name not in schema.optional:
            odd.append(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(text), ""), fill_value=True))
        odd.append(pc.fill_null(pc.match_substring_regex(text, ODD_IN_KEY), fill_value=False))
    if column.edm == "Edm.Guid" and _is_text(kind):
        odd.append(pc.fill_null(pc.invert(pc.match_substring_regex(text, GUID)), fill_value=False))
    elif not _is_natural(kind, column):
        known = values if beyond is None else values.filter(pc.invert(beyond))
        bad = [each for each in pc.unique(known).to_pylist() if not _has_literal(schema, name, each)]
        odd.append(pc.is_in(values, value_set=pa.array(bad, kind)))
    return reduce(pc.or_, odd) if odd else None


def _too_long(values: pa.Array) -> pa.Array | None:
    """Which numbers of a column are not finite or longer than any column is; None where none is."""
    kind = values.type
    if pa.types.is_decimal(kind) and kind.precision - kind.scale > LONGEST:
        great = pc.greater(pc.abs(values.cast(pa.float64())), float(GREATEST))
    elif pa.types.is_floating(kind):
        wide = values.cast(pa.float64())
        great = pc.or_kleene(pc.invert(pc.is_finite(wide)), pc.greater(pc.abs(wide), float(GREATEST)))
    else:
        return None
    return pc.fill_null(great, fill_value=False)


def _has_literal(schema: EntitySchema, name: str, value: object) -> bool:
    try:
        key_literal(schema, name, value)
    except FrameError:
        return False
    return True


def _odd_value(values: pa.Array, name: str, bodies: Bodies) -> pa.Array | None:
    """Numbers that are not finite, characters no service takes, and paths that the lookup cannot be bound to."""
    if pa.types.is_dictionary(values.type):
        return _odd_value(values.cast(values.type.value_type), name, bodies)
    if _is_number(values.type):
        return _too_long(values)
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return out_of_years(values)
    column = bodies.place(name)[1]
    if column is None or not column.targets:
        return refused(values) if _is_text(values.type) else None
    bad = [path for path in pc.unique(values).to_pylist() if path is not None and not _is_bound(bodies, column, path)]
    return pc.is_in(values, value_set=pa.array(bad, pa.string())) if bad else None


def _is_bound(bodies: Bodies, column: Column, path: str) -> bool:
    try:
        bodies.bound(column, path)
    except FrameError:
        return False
    return True


def _fragment(values: pa.Array, key: str, column: Column | None, dialect: Dialect, bodies: Bodies, nothing: Any) -> Any:
    """One column as ``,"name":value`` in every row, and ``nothing`` in the place of null."""
    if column is not None and column.targets:
        return pc.coalesce(_lookup(values, column, bodies), nothing)
    made = pc.binary_join_element_wise(f",{key}", _json(values, column, dialect), "")
    return made if made.null_count == 0 else pc.coalesce(made, nothing)


def _nothing_of(name: str, piece: pa.Table, bodies: Bodies, *, creating: bool) -> Any:
    """What is said of a column where it is null; not a word of a lookup that the row binds in another column."""
    text = pa.scalar("".join(f",{each}" for each in bodies.emptied(name, creating=creating)))
    family = bodies.family(name)
    others = [n for n in piece.column_names if n != name and not n.startswith("@") and bodies.family(n) == family]
    if family is None or not others:
        return text
    bound = [pc.is_valid(piece.column(other).combine_chunks()) for other in others]
    return pc.if_else(reduce(pc.or_, bound), "", text)


def _lookup(values: pa.Array, column: Column, bodies: Bodies) -> pa.Array:
    """A column of bind paths; each path's set says which navigation it takes."""
    made = {path: f",{bodies.bound(column, path)}" for path in pc.unique(values).to_pylist() if path is not None}
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    words = pa.array([made[path] for path in encoded.dictionary.to_pylist()], pa.string())
    return pc.take(words, encoded.indices)


def _json(values: pa.Array, column: Column | None, dialect: Dialect) -> pa.Array:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _json(values.cast(kind.value_type), column, dialect)
    if column is not None and column.several:
        return _text(_several(values), column, dialect)
    if column is not None and column.is_day and (_is_text(kind) or pa.types.is_timestamp(kind)):
        found = days(values)
        if found.null_count == values.null_count:  # else the service tells what it cannot read
            return _day(found, column, dialect)
    for fits, write in _WRITERS:
        if fits(kind):
            return write(values, column, dialect)
    raise FrameError(f"{column.name if column else 'A column'} is {kind}, which has no JSON form.")


def _text(values: pa.Array, column: Column | None, _dialect: Dialect) -> pa.Array:
    text = values.cast(pa.string())
    if (mask := refused(text)) is not None:
        sendable(text.filter(mask)[0].as_py(), column.name if column else "A column")
    odd = pc.fill_null(pc.match_substring_regex(text, NEEDS_ESCAPE), fill_value=False)
    plain = pc.binary_join_element_wise('"', text, '"', "")
    if not pc.any(odd).as_py():
        return plain
    return pc.replace_with_mask(plain, odd, pa.array([quoted(value) for value in text.filter(odd).to_pylist()]))


def _several(values: pa.Array) -> pa.Array:
    """Several choices as the text of their column, from lists of them or from texts in any spelling."""
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        counts = pc.fill_null(pc.list_value_length(values), 0).cast(pa.int32())
        ends = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts)])
        words = pc.fill_null(texts(pc.list_flatten(values)), "")
        values = pc.binary_join(pa.ListArray.from_arrays(ends, words), ",")
    encoded = texts(values).dictionary_encode()
    made = pa.array([several_text(text.split(",")) for text in encoded.dictionary.to_pylist()], pa.string())
    return made.take(encoded.indices)


def _number(values: pa.Array, column: Column | None, _dialect: Dialect) -> pa.Array:
    if (
        pa.types.is_floating(values.type)
        and not pc.all(pc.is_finite(values)).as_py()
        and pc.any(pc.is_valid(values)).as_py()
    ):
        raise FrameError(f"{column.name if column else 'A column'} holds numbers that are not finite.")
    return texts(values)


def _flag(values: pa.Array, column: Column | None, _dialect: Dialect) -> pa.Array:
    yes_no = column is not None and column.edm.startswith("Microsoft.")
    return pc.if_else(values, '"Yes"' if yes_no else "true", '"No"' if yes_no else "false")


def _moment(values: pa.Array, _column: Column | None, _dialect: Dialect) -> pa.Array:
    return pc.binary_join_element_wise('"', texts(_in_utc(values)), '"', "")


def _in_utc(values: pa.Array) -> pa.Array:
    """Moments as they travel: no finer than a microsecond; one without a zone is in UTC."""
    moments = in_microseconds(values)
    return moments if moments.type.tz else moments.cast(pa.timestamp(moments.type.unit, "UTC"))


def _day(values: pa.Array, column: Column | None, dialect: Dialect) -> pa.Array:
    hour = "T12:00:00Z" if dialect.days_at_noon else "T00:00:00Z"
    tail = '"' if column is not None and column.edm in BARE_DAYS else f'{hour}"'
    return pc.binary_join_element_wise('"', texts(values), tail, "")


def _nothing(values: pa.Array, _column: Column | None, _dialect: Dialect) -> pa.Array:
    return values.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_IN_KEYS = (_is_text, _is_number, pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp, pa.types.is_null)
_WRITERS: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array, Column | None, Dialect], pa.Array]]] = (
    (_is_text, _text),
    (_is_number, _number),
    (pa.types.is_boolean, _flag),
    (pa.types.is_timestamp, _moment),
    (pa.types.is_date, _day),
    (pa.types.is_null, _nothing),
)


def _quoted_literal(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as an OData literal inside a URL: quotes doubled, everything else that needs it percent-encoded."""
    odd = pc.match_substring_regex(text, NEEDS_QUOTING)
    safe = pc.binary_join_element_wise("'", pc.replace_substring(text, " ", "%20"), "'", "")
    if not pc.any(odd).as_py():
        return safe
    made = ["'" + encode(value.replace("'", "''")) + "'" for value in text.filter(odd).to_pylist()]
    return pa.chunked_array([pc.replace_with_mask(safe.combine_chunks(), odd.combine_chunks(), pa.array(made))])
