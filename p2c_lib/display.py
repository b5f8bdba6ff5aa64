"""The one text form of a value: plain digits, no exponent, no filling zeros, a day without a zone.

A value reads the same whatever its Arrow type, its scale or its neighbours on a page: 1, 1.0 and decimal 1.0000 are
``1``; 1e-7 is ``0.0000001``; a moment is ``2026-01-31T12:00:00Z``, with a fraction only where it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["text_of", "texts"]

Values = TypeVar("Values", pa.Array, pa.ChunkedArray)


def text_of(value: object) -> str | None:
    """One value as text; None for none.

    >>> text_of(Decimal("1E-7")), text_of(100.0), text_of(True), text_of(date(2026, 1, 31))
    ('0.0000001', '100', 'true', '2026-01-31')
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _plain(repr(value))
    if isinstance(value, Decimal):
        return _plain(str(value))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "item"):
        return text_of(value.item())
    return str(value)


def texts(values: Values) -> Values:
    """A column as text, null where there is no value; the same texts as ``text_of`` gives value by value.

    >>> texts(pa.array(["-2.0000", "10.5000", "0.0000"]).cast(pa.decimal128(9, 4))).to_pylist()
    ['-2', '10.5', '0']
    """
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if pa.types.is_dictionary(kind):
        return texts(values.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return _each_chunk(values, _decimals)
    if pa.types.is_floating(kind):
        return _each_chunk(values, _floats)
    if pa.types.is_timestamp(kind):
        return _each_chunk(values, _moments)
    return values.cast(pa.string())


def _plain(text: str) -> str:
    """A number's text without exponent and filling zeros; what is no finite number stays."""
    number = Decimal(text)
    if not number.is_finite():
        return text.lower()
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def _moment(value: datetime) -> str:
    zoned = value.tzinfo is not None
    wall = value.astimezone(UTC).replace(tzinfo=None) if zoned else value
    text = wall.isoformat(timespec="microseconds").rstrip("0").rstrip(".")
    return f"{text}Z" if zoned else text


def _each_chunk(values: Values, convert: Callable[[pa.Array], pa.Array]) -> Values:
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([convert(chunk) for chunk in values.chunks], pa.string())
    return convert(values)


def _decimals(values: pa.Array) -> pa.Array:
    """Digits cut at the point: Arrow's own text of a small decimal has an exponent."""
    kind = values.type
    if kind.scale <= 0:
        whole = values if kind.scale == 0 else values.cast(pa.decimal256(76, 0))
        return whole.cast(pa.string())
    unscaled = pa.decimal128(kind.precision, 0) if kind.bit_width == 128 else pa.decimal256(kind.precision, 0)
    if kind.bit_width not in {128, 256}:
        values, unscaled = values.cast(pa.decimal128(38, kind.scale)), pa.decimal128(38, 0)
    digits = pa.Array.from_buffers(unscaled, len(values), values.buffers(), offset=values.offset).cast(pa.string())
    body = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), kind.scale + 1, "0")
    whole = pc.utf8_slice_codeunits(body, 0, -kind.scale)
    rest = pc.utf8_rtrim(pc.utf8_slice_codeunits(body, -kind.scale), "0")
    text = pc.if_else(pc.equal(rest, ""), whole, pc.binary_join_element_wise(whole, rest, "."))
    return pc.if_else(pc.starts_with(digits, "-"), pc.binary_join_element_wise("-", text, ""), text)


def _floats(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    odd = pc.fill_null(pc.match_substring_regex(text, r"[en]|^-0(\.0*)?$"), fill_value=False)
    plain = pc.utf8_rtrim(pc.if_else(pc.match_substring(text, "."), pc.utf8_rtrim(text, "0"), text), ".")
    if not pc.any(odd).as_py():
        return plain
    return pc.replace_with_mask(plain, odd, pa.array([_plain(each) for each in text.filter(odd).to_pylist()]))


def _moments(values: pa.Array) -> pa.Array:
    zoned = values.type.tz is not None
    wall = values.cast(pa.timestamp(values.type.unit)) if zoned else values
    text = pc.replace_substring(wall.cast(pa.string()), " ", "T")
    text = pc.if_else(pc.match_substring(text, "."), pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)
    return pc.binary_join_element_wise(text, "Z", "") if zoned else text
