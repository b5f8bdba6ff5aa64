"""Transforms between codes: value maps and countries."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.mapping.transforms.registry import Converted, transform
from p2c_lib.mapping.transforms.text import as_text

__all__ = ["Scalar", "country_code", "scalar_text", "value_map"]

Scalar: TypeAlias = bool | int | float | Decimal | str


def scalar_text(value: Scalar | None) -> str | None:
    """A value of a template as the text that is cast to the destination's type."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


@transform()
def value_map(values: pa.Array, pairs: Mapping[Scalar | None, Scalar | None]) -> Converted:
    """Each value replaced by its partner in ``pairs``, compared without regard to case and outer white space.

    A ``null`` key stands for a missing value, a ``null`` partner for "no value". A value without a partner is refused.
    """
    table = {_folded(key): scalar_text(value) for key, value in pairs.items()}
    keys = pc.fill_null(pc.utf8_lower(pc.utf8_trim_whitespace(as_text(values))), "")
    names = pa.array(list(table), pa.string())
    places = pc.index_in(keys, value_set=names)
    mapped = pa.array(list(table.values()), pa.string()).take(places)
    refused = pc.and_(pc.is_null(places), pc.not_equal(keys, ""))
    return Converted(mapped, refused, "is not in the value map")


def _folded(key: Scalar | None) -> str:
    return (scalar_text(key) or "").strip().lower()


@transform(per_value=True)
def country_code(values: pa.Array, to: Literal["iso2", "iso3", "name"] = "iso2") -> Converted:
    """A country's name (in any language of the CLDR) or code as ``iso2``, ``iso3`` or English ``name``.

    What names no country, or two countries in two languages, is refused.
    """
    from p2c_lib.mapping.countries import alpha2_of, written

    text = pc.utf8_trim_whitespace(as_text(values)).to_pylist()
    codes = [alpha2_of(value) if value else None for value in text]
    answers = pa.array([written(code, to) if code else None for code in codes], pa.string())
    refused = pa.array([bool(value) and code is None for value, code in zip(text, codes, strict=True)], pa.bool_())
    return Converted(answers, refused, "is no country known by name or code")
