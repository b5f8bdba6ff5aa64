"""The one text form of a value: plain digits, no exponent, no filling zeros, a day without a zone.

A value reads the same whatever its Arrow type, its scale or its neighbours on a page: 1, 1.0 and decimal 1.0000 are
``1``; 1e-7 is ``0.0000001``; a moment is ``2026-01-31T12:00:00Z``, with a fraction only where it has one. A float is
the shortest number that reads back as the same float of its width. Only a number beyond 10,000 places, which no column
holds, keeps its exponent. A span of time is written as OData writes it
(``P1DT2H``), a list as its parts with commas between, a structure as JSON. ``text_of`` makes the text of one value,
``texts`` that of a column, ``text_sql`` that of a DuckDB expression; all three give the same text. ``plain_values``
are a column's values in Python without the digits that a narrow float gains on the way; ``in_sql`` tells which types
DuckDB has a text for, and ``p2c_lib.sql_tables`` brings the others there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import FrameError

if TYPE_CHECKING:
    import duckdb

__all__ = ["add_texts", "floored", "in_sql", "one_array", "plain_values", "text_of", "text_sql", "texts"]

Values = TypeVar("Values", pa.Array, pa.ChunkedArray)

# By width in bits; the same bytes read with scale 0 are the digits without a point.
DECIMALS = {32: pa.decimal32, 64: pa.decimal64, 128: pa.decimal128, 256: pa.decimal256}
# Arrow writes a decimal with an exponent only below 0.000001, that is with more places than these.
PLAIN_PLACES = 6
# No column holds a number of so many digits; with an exponent one such as 1E+999999999 is not a text of a gigabyte.
LONGEST_PLAIN = 10_000
OUT_OF_RANGE = "<value out of range"
ODD_FLOAT = r"[en]|^-0(\.0*)?$"
MISSING = {"NAType", "NaTType"}  # what pandas says for no value
SQL_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
SQL_FLOATS = {"DOUBLE", "FLOAT", "REAL"}
SQL_PLAIN = re.compile(r'BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|"NULL"|NULL')
MOST_SQL_BITS = 128
MILLISECONDS_A_DAY = 86_400_000
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# DuckDB's own text of a day outside these is another than Arrow's (0044-03-15 (BC)).
FIRST_DAY, DAY_AFTER = "0001-01-01", "10000-01-01"
OTHER = "OTHER"
NOT_FINITE = {"nan", "inf", "-inf"}


def text_of(value: object) -> str | None:
    """One value as text; None for none.

    >>> text_of(Decimal("1E-7")), text_of(100.0), text_of(True), text_of(date(2026, 1, 31))
    ('0.0000001', '100', 'true', '2026-01-31')
    """
    if value is None or type(value).__name__ in MISSING:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, pa.Scalar):
        return _of_scalar(value)
    for kind, write in _BY_TYPE:
        if isinstance(value, kind):
            return write(value)
    return _of_numpy(value) if hasattr(value, "dtype") and hasattr(value, "item") else str(value)


def texts(values: Values) -> Values:
    """A column as text, null where there is no value; the same texts as ``text_of`` gives value by value.

    >>> texts(pa.array(["-2.0000", "10.5000", "0.0000"]).cast(pa.decimal128(9, 4))).to_pylist()
    ['-2', '10.5', '0']
    """
    if pa.types.is_string(values.type):
        return values
    return _each_chunk(values, _writer(values.type))


def floored(counts: Values, step: int) -> Values:
    """Counts in 64 bits by so many, rounded down: a part of a second before 1970 belongs to the second it lies in.

    >>> floored(pa.array([-1, 0, 1999]), 1000).to_pylist()
    [-1, 0, 1]
    """
    whole = pc.divide(counts, step)
    return pc.subtract(whole, pc.greater(pc.multiply(whole, step), counts).cast(pa.int64()))


def plain_values(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column in Python, null as None, so that ``text_of`` gives each the text the column has for it.

    A float narrower than Python's is the number its text says; what Python has no value for, or one that reads
    otherwise, is its text: spans, structures, moments finer than a microsecond.

    >>> plain_values(pa.array([0.1, None], pa.float32()))
    [0.1, None]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain_values(values.cast(kind.value_type))
    if pa.types.is_floating(kind) and not pa.types.is_float64(kind):
        return [None if text is None else float(text) for text in texts(values).to_pylist()]
    if any(test(kind) for test in _AS_PYTHON) or (pa.types.is_timestamp(kind) and kind.unit == "us"):
        try:
            found: list[Any] = values.to_pylist()
        except (ValueError, OverflowError):  # a year that Python's calendar does not have
            return texts(values).to_pylist()  # type: ignore[no-any-return]
        return found
    return texts(values).to_pylist()  # type: ignore[no-any-return]


def one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def add_texts(database: duckdb.DuckDBPyConnection) -> None:
    """Teach a connection what ``text_sql`` asks for; its moments are in UTC from then on."""
    database.execute("SET TimeZone = 'UTC'")
    add: Any = database.create_function  # its stubs want enums that move between versions
    add("p2c_plain_number", _plain_numbers, ["VARCHAR"], "VARCHAR", type="arrow", null_handling="special")
    for kind in ("DATE", "TIMESTAMP"):
        name = f"p2c_{kind.lower()}_text"
        add(name, lambda values: texts(one_array(values)), [kind], "VARCHAR", type="arrow", null_handling="special")


def text_sql(expression: str, kind: pa.DataType | str) -> str:
    """A DuckDB expression as text, in the one form; the connection has seen ``add_texts``.

    ``kind`` is the Arrow type of a column as it was registered, or the type DuckDB has for it (``DECIMAL(38, 4)``).
    Raises FrameError for a type that has another text in SQL: ``p2c_lib.sql_tables`` brings such a column there.

    >>> text_sql("price", "BOOLEAN")
    'CAST(price AS VARCHAR)'
    """
    named = kind.upper() if isinstance(kind, str) else _sql_type(kind)
    words = f"CAST({expression} AS VARCHAR)"
    if named == "VARCHAR":
        return expression
    if found := SQL_DECIMAL.fullmatch(named):
        return _decimal_sql(words, int(found[1]), int(found[2]))
    if named in SQL_FLOATS:
        whole, broken = r"(0|-?[1-9][0-9]*)\.0+", r"-?[0-9]+\.[0-9]*[1-9]"
        plain = f"WHEN regexp_full_match({words}, '{broken}') THEN {words}"
        cut = f"WHEN regexp_full_match({words}, '{whole}') THEN split_part({words}, '.', 1)"
        return f"CASE {plain} {cut} ELSE p2c_plain_number({words}) END"
    if named == "DATE":
        return f"CASE WHEN {_usual(expression, named)} THEN {words} ELSE p2c_date_text({expression}) END"
    if named.startswith("TIMESTAMP"):
        return _moment_sql(expression, named)
    if SQL_PLAIN.fullmatch(named):
        return words
    raise FrameError(f"{expression} is {kind}, which SQL writes in its own way.", hint="Give it as text.")


def in_sql(kind: pa.DataType) -> bool:
    """Whether DuckDB takes a column of an Arrow type as it is, and ``text_sql`` has its text."""
    if pa.types.is_dictionary(kind):
        return in_sql(kind.value_type)
    if pa.types.is_decimal(kind):
        return bool(kind.bit_width <= MOST_SQL_BITS and kind.scale >= 0)
    return _sql_type(kind) != OTHER and not pa.types.is_float16(kind)


def _decimal_sql(words: str, precision: int, scale: int) -> str:
    """Without filling zeros; DuckDB leaves the 0 before the point out where the type has no room for it."""
    if scale == 0:
        return words
    text = f"rtrim(rtrim({words}, '0'), '.')"
    return rf"regexp_replace({text}, '^(-?)(\.|$)', '\10\2')" if precision == scale else text


def _moment_sql(expression: str, named: str) -> str:
    zoned = named in {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"}
    text = f"replace(CAST({expression} AS VARCHAR), ' ', 'T')"
    odd = f"p2c_timestamp_text(CAST({expression} AS TIMESTAMP))"
    text, odd = (f"replace({text}, '+00', 'Z')", f"{odd} || 'Z'") if zoned else (text, odd)
    return text if named.endswith("_NS") else f"CASE WHEN {_usual(expression, named)} THEN {text} ELSE {odd} END"


def _usual(expression: str, named: str) -> str:
    """True where DuckDB writes the year as everybody does."""
    return f"{expression} >= CAST('{FIRST_DAY}' AS {named}) AND {expression} < CAST('{DAY_AFTER}' AS {named})"


def _sql_type(kind: pa.DataType) -> str:
    """What DuckDB makes of an Arrow type, as far as its text is concerned."""
    if pa.types.is_dictionary(kind):
        return _sql_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return f"TIMESTAMP{'' if kind.tz is None else 'TZ'}{'_NS' if kind.unit == 'ns' else ''}"
    names = (
        (_is_text, "VARCHAR"),
        (pa.types.is_floating, "DOUBLE"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_integer, "BIGINT"),
        (pa.types.is_null, "NULL"),
    )
    return next((name for test, name in names if test(kind)), OTHER)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(plain or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    plain = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(plain or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def _plain(text: str) -> str:
    """A number's text without exponent and filling zeros; what is no finite number is nan, inf or -inf."""
    number = Decimal(text)
    if not number.is_finite():
        return "nan" if number.is_nan() else "-inf" if number.is_signed() else "inf"
    if number and abs(number.adjusted()) > LONGEST_PLAIN:
        return str(number)
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def _whole(value: int) -> str:
    """Python itself writes no whole number of more than 4,300 digits."""
    return str(value) if value.bit_length() <= LONGEST_PLAIN else str(Decimal(value))


def _moment(value: datetime) -> str:
    zoned = value.tzinfo is not None
    wall = value.astimezone(UTC).replace(tzinfo=None) if zoned else value.replace(tzinfo=None)
    text = _without_zeros(wall.isoformat(timespec="nanoseconds" if hasattr(wall, "nanosecond") else "microseconds"))
    return f"{text}Z" if zoned else text


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _of_scalar(value: pa.Scalar) -> str | None:
    found: str | None = texts(pa.repeat(value, 1))[0].as_py()
    return found


def _of_numpy(value: Any) -> str | None:
    """A NumPy scalar: a float of its own width, a moment of its own unit."""
    if value.dtype.kind == "f":
        import numpy as np

        return _plain(np.format_float_positional(value, trim="-")) if np.isfinite(value) else str(value)
    if value.dtype.kind in "Mm":
        return _of_numpy_time(value)
    return text_of(value.item())


def _of_numpy_time(value: Any) -> str | None:
    """A day, a moment or a span of NumPy; what is no time has no text."""
    import numpy as np

    if np.isnat(value):
        return None
    unit, span = np.datetime_data(value.dtype)[0], value.dtype.kind == "m"
    if unit in {"Y", "M", "W", "D"} and not span:
        return str(value.astype("datetime64[D]"))
    if unit in {"W", "D", "h", "m"}:  # Arrow counts in seconds and less
        value = value.astype("timedelta64[s]" if span else "datetime64[s]")
    found: str | None = texts(pa.array([value]))[0].as_py()
    return found


def _span(count: int, unit: str) -> str:
    """A span of time as OData writes it: days, hours, minutes, seconds, the sign before all of them."""
    sign, (whole, part) = "-" if count < 0 else "", divmod(abs(count), PER_SECOND[unit])
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    places = len(str(PER_SECOND[unit])) - 1
    fine = _without_zeros(f"{seconds}.{part:0{places}d}") if part else str(seconds)
    clock = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{fine}S" if fine != "0" else ""]
    text = (f"{days}D" if days else "") + ("T" + "".join(clock) if any(clock) else "")
    return f"{sign}P{text or 'T0S'}"


def _of_span(value: timedelta) -> str:
    """Python's span counts microseconds, pandas' nanoseconds."""
    if hasattr(value, "nanoseconds"):
        return texts(pa.array([value], pa.duration("ns")))[0].as_py()  # type: ignore[no-any-return]
    return _span(value // timedelta(microseconds=1), "us")


def _interval(value: pa.MonthDayNano) -> str:
    """Months and days have no length in seconds, so each part has a sign of its own."""
    parts = ((value.months, "M"), (value.days, "D"))
    dates = "".join(f"{count}{name}" for count, name in parts if count)
    seconds = _plain(str(Decimal(value.nanoseconds).scaleb(-9)))
    return f"P{dates}" if dates and seconds == "0" else f"P{dates}T{seconds}S"


def _list(value: list[Any]) -> str:
    """The parts with commas between; Arrow gives a map as a list of pairs."""
    if value and all(isinstance(each, tuple) for each in value):
        return _object((text_of(name) or "", _member(each)) for name, each in value)
    return ",".join(text_of(each) or "" for each in value)


def _object(members: Iterable[tuple[str, str]]) -> str:
    """A structure as JSON; each member's value is JSON already."""
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in members) + "}"


def _member(value: object) -> str:
    """A value inside a structure, as JSON."""
    return _in_json(text_of(value), bare=isinstance(value, bool | int | float | Decimal | Mapping))


def _in_json(text: str | None, *, bare: bool) -> str:
    if text is None:
        return "null"
    return text if bare and text not in NOT_FINITE else json.dumps(text, ensure_ascii=False)


_BY_TYPE: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (int, _whole),
    (float, lambda value: _plain(float.__repr__(value))),
    (Decimal, lambda value: _plain(str(value))),
    (datetime, _moment),
    (date, date.isoformat),
    (time, lambda value: _without_zeros(value.isoformat(timespec="microseconds"))),
    (bytes, lambda value: value.decode("utf-8", "replace")),
    (timedelta, _of_span),
    (pa.MonthDayNano, _interval),
    (list, lambda value: _list(value)),
    (Mapping, lambda value: _object((str(name), _member(each)) for name, each in value.items())),
)


def _each_chunk(values: Values, convert: Callable[[pa.Array], pa.Array]) -> Values:
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([convert(chunk) for chunk in values.chunks], pa.string())
    return convert(values)


def _writer(kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    for test, write in _WRITERS:
        if test(kind):
            return write
    return _each


def _cast(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _each(values: pa.Array) -> pa.Array:
    """What has no text in Arrow: spans of months, unions and whatever else comes."""
    return pa.array([text_of(value) for value in values.to_pylist()], pa.string())


def _bytes(values: pa.Array) -> pa.Array:
    """Bytes as the UTF-8 they are, U+FFFD where they are none."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return _each(values)


def _times(values: pa.Array) -> pa.Array:
    text = _cast(values)
    return pc.if_else(pc.match_substring(text, "."), pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)


def _spans(values: pa.Array) -> pa.Array:
    counts, unit = values.cast(pa.int64()).to_pylist(), values.type.unit
    return pa.array([None if count is None else _span(count, unit) for count in counts], pa.string())


def _lists(values: pa.Array) -> pa.Array:
    """The texts of the parts, which are made as a column, with commas between."""
    lengths = pc.list_value_length(values).to_pylist()
    valid = values.drop_null()
    parts = iter(texts(valid.flatten()).to_pylist())
    made = [None if n is None else ",".join(next(parts) or "" for _ in range(n)) for n in lengths]
    return pa.array(made, pa.string())


def _maps(values: pa.Array) -> pa.Array:
    kind = values.type
    lists = values.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
    pairs = lists.drop_null().flatten()
    names, members = iter(texts(pairs.field("key")).to_pylist()), iter(_members(pairs.field("value")))
    lengths = pc.list_value_length(lists).to_pylist()
    found = [None if n is None else _object([(next(names), next(members)) for _ in range(n)]) for n in lengths]
    return pa.array(["" if text == "{}" else text for text in found], pa.string())


def _structures(values: pa.Array) -> pa.Array:
    names = [field.name for field in values.type]
    members = zip(*(_members(part) for part in values.flatten()), strict=True) if names else [()] * len(values)
    made = [_object(zip(names, row, strict=True)) for row in members]
    return pc.if_else(values.is_valid(), pa.array(made, pa.string()), pa.scalar(None, pa.string()))


def _members(values: pa.Array) -> list[str]:
    """A column inside a structure, as JSON."""
    bare = any(test(values.type) for test in _BARE_IN_JSON)
    return [_in_json(text, bare=bare) for text in texts(values).to_pylist()]


def _extended(values: pa.Array) -> pa.Array:
    """A type built upon another reads as Python reads it, else as what it is built upon."""
    return _each(values) if values.type.extension_name in {"arrow.uuid", "arrow.bool8"} else texts(values.storage)


def _words(values: pa.Array) -> pa.Array:
    """Once for each entry of a dictionary."""
    return texts(values.dictionary).take(values.indices)


def _decimals(values: pa.Array) -> pa.Array:
    """Beyond a few places Arrow's own text has an exponent: there the digits are cut at the point."""
    kind = values.type
    if kind.scale == 0:
        return _cast(values)
    if 0 < kind.scale <= PLAIN_PLACES:
        return pc.utf8_rtrim(pc.utf8_rtrim(_cast(values), "0"), ".")
    unscaled = DECIMALS[kind.bit_width](kind.precision, 0)
    digits = _cast(pa.Array.from_buffers(unscaled, len(values), values.buffers(), offset=values.offset))
    if kind.scale < 0:
        return pc.if_else(pc.equal(digits, "0"), digits, pc.binary_join_element_wise(digits, "0" * -kind.scale, ""))
    body = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), kind.scale + 1, "0")
    whole = pc.utf8_slice_codeunits(body, 0, -kind.scale)
    rest = pc.utf8_rtrim(pc.utf8_slice_codeunits(body, -kind.scale), "0")
    text = pc.if_else(pc.equal(rest, ""), whole, pc.binary_join_element_wise(whole, rest, "."))
    return pc.if_else(pc.starts_with(digits, "-"), pc.binary_join_element_wise("-", text, ""), text)


def _floats(values: pa.Array) -> pa.Array:
    return _plain_numbers(_cast(values))


def _plain_numbers(numbers: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Numbers as text without exponent and filling zeros; those that need reading are read one by one."""
    text = one_array(numbers)
    odd = pc.fill_null(pc.match_substring_regex(text, ODD_FLOAT), fill_value=False)
    plain = pc.utf8_rtrim(pc.if_else(pc.match_substring(text, "."), pc.utf8_rtrim(text, "0"), text), ".")
    if not pc.any(odd).as_py():
        return plain
    return pc.replace_with_mask(plain, odd, pa.array([_plain(each) for each in text.filter(odd).to_pylist()]))


def _dates(values: pa.Array) -> pa.Array:
    if not pa.types.is_date64(values.type):
        return _in_range(values, "datetime64[D]")
    days = floored(values.cast(pa.int64()), MILLISECONDS_A_DAY)
    low, high = pc.min_max(days).as_py().values()
    if low is None or (low >= -(2**31) and high < 2**31):
        return _in_range(days.cast(pa.int32()).cast(pa.date32()), "datetime64[D]")
    return _by_numpy(days, "datetime64[D]")


def _moments(values: pa.Array) -> pa.Array:
    unit, zoned = values.type.unit, values.type.tz is not None
    wall = values.cast(pa.timestamp(unit)) if zoned else values
    text = pc.replace_substring(_in_range(wall, f"datetime64[{unit}]"), " ", "T")
    text = pc.if_else(pc.match_substring(text, "."), pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)
    return pc.binary_join_element_wise(text, "Z", "") if zoned else text


def _in_range(values: pa.Array, kind: str) -> pa.Array:
    """Days and moments as Arrow writes them; those whose year it refuses as NumPy does."""
    text = _cast(values)
    odd = pc.fill_null(pc.starts_with(text, OUT_OF_RANGE), fill_value=False)
    if not pc.any(odd).as_py():
        return text
    counts = values.filter(odd).cast(pa.int32() if pa.types.is_date(values.type) else pa.int64())
    return pc.replace_with_mask(text, odd, _by_numpy(counts.cast(pa.int64()), kind))


def _by_numpy(counts: pa.Array, kind: str) -> pa.Array:
    """Counts since 1970 as NumPy writes days and moments; null stays null."""
    import numpy as np

    written = np.datetime_as_string(counts.fill_null(0).to_numpy().astype("int64").view(kind))
    return pc.if_else(counts.is_valid(), pa.array(written.tolist(), pa.string()), pa.scalar(None, pa.string()))


def _halves(values: pa.Array) -> pa.Array:
    """Arrow writes a float of 16 bits with all digits of the double it is."""
    written = [_of_numpy(value) for value in values.fill_null(0).to_numpy()]
    return pc.if_else(values.is_valid(), pa.array(written, pa.string()), pa.scalar(None, pa.string()))


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (_is_text, _cast),
    (pa.types.is_null, _cast),
    (pa.types.is_boolean, _cast),
    (pa.types.is_integer, _cast),
    (pa.types.is_dictionary, _words),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_float16, _halves),
    (pa.types.is_floating, _floats),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_duration, _spans),
    (_is_binary, _bytes),
    (pa.types.is_map, _maps),
    (_is_list, _lists),
    (pa.types.is_struct, _structures),
    (pa.types.is_run_end_encoded, lambda values: texts(pc.run_end_decode(values))),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extended),
)
_BARE_IN_JSON = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_struct,
    pa.types.is_map,
)
_AS_PYTHON: tuple[Callable[[pa.DataType], bool], ...] = (
    _is_text,
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float64,
    pa.types.is_decimal,
    pa.types.is_date32,
)
