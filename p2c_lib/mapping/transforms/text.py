"""Transforms of text."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.mapping.transforms.registry import Converted, transform

__all__ = ["as_text", "case", "is_blank", "lower", "trim", "truncate", "upper"]


def as_text(values: pa.Array) -> pa.Array:
    """Values as text: numbers without trailing zeros, true and false in words, dates in ISO form.

    >>> as_text(pa.array([True, None])).to_pylist()
    ['true', None]
    """
    kind = values.type
    if pa.types.is_string(kind):
        return values
    text = values.cast(pa.string())
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        text = pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1")
        text = pc.replace_substring_regex(text, r"\.$", "")
    return text


def is_blank(values: pa.Array) -> pa.Array:
    """True where there is no value: null, or text of nothing but white space."""
    missing = pc.is_null(values)
    if not pa.types.is_string(values.type):
        return missing
    empty = pc.equal(pc.utf8_trim_whitespace(values), "")
    return pc.or_(missing, pc.fill_null(empty, fill_value=True))


@transform()
def trim(values: pa.Array) -> Converted:
    """White space at both ends removed."""
    return Converted(pc.utf8_trim_whitespace(as_text(values)))


@transform()
def upper(values: pa.Array) -> Converted:
    """Text in upper case."""
    return Converted(pc.utf8_upper(as_text(values)))


@transform()
def lower(values: pa.Array) -> Converted:
    """Text in lower case."""
    return Converted(pc.utf8_lower(as_text(values)))


@transform()
def case(values: pa.Array, to: Literal["upper", "lower", "title", "sentence"]) -> Converted:
    """Text in ``upper``, ``lower``, ``title`` (Each Word) or ``sentence`` (First letter) case."""
    kernel = {"upper": pc.utf8_upper, "lower": pc.utf8_lower, "title": pc.utf8_title, "sentence": pc.utf8_capitalize}
    return Converted(kernel[to](as_text(values)))


@transform()
def truncate(values: pa.Array, length: int) -> Converted:
    """The first ``length`` characters of the text."""
    return Converted(pc.utf8_slice_codeunits(as_text(values), 0, length))
