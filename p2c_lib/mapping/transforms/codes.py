"""Transforms between codes: value maps, countries, states, units, yes and no, and rows of another entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array, text_of, texts
from p2c_lib.keys import folded
from p2c_lib.mapping.transforms.arguments import Letters, Scalar, Text
from p2c_lib.mapping.transforms.registry import Context, Converted, transform
from p2c_lib.value_keys import value_keys

__all__ = ["Pairs", "country_code", "lookup", "state_code", "unit", "value_map", "yes_no"]

Pairs: TypeAlias = Mapping[Scalar | None, Scalar | None]


def _one_meaning(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with pairs: two keys that are one value, or a key no part of a list can be."""
    pairs, separator = arguments.get("pairs", arguments.get("also")) or {}, arguments.get("separator")
    keys: dict[str, Scalar | None] = {}
    for key, folded_key in zip(pairs, _folded(pairs), strict=True):
        first = keys.setdefault(folded_key, key)
        if text_of(pairs[first]) != text_of(pairs[key]):
            return f"'{text_of(first) or ''}' and '{text_of(key) or ''}' are one value here and have two partners"
        for text in (text_of(key) or "", text_of(pairs[key]) or ""):
            if separator and separator in text:
                return f"'{text}' holds the separator '{separator}', so it is several values"
    return None


@transform(together=_one_meaning)
def value_map(values: pa.Array, pairs: Pairs, separator: Letters | None = None) -> Converted:
    """Each value replaced by its partner in ``pairs``, compared without regard to case and outer white space.

    A ``null`` key stands for a missing value, a ``null`` partner for "no value". A value without a partner is refused.
    With a ``separator`` a value is a list, such as several choices (``1,2``), and each of its parts is replaced.
    """
    table = dict(zip(_folded(pairs), map(text_of, pairs.values()), strict=True))
    if separator:
        return _each_part(values, table, separator)
    keys = value_keys(texts(values))
    names = pa.array(list(table), pa.string())
    places = pc.index_in(keys, value_set=names)
    mapped = pa.array(list(table.values()), pa.string()).take(places)
    refused = pc.and_(pc.is_null(places), pc.not_equal(keys, ""))
    return Converted(mapped, refused, "is not in the value map")


def _each_part(values: pa.Array, table: Mapping[str, str | None], separator: str) -> Converted:
    """Lists with each part replaced, each partner once; one with a part that has no partner is refused whole."""
    encoded = one_array(texts(values)).dictionary_encode(null_encoding="encode")
    answers: list[str | None] = []
    refused: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        parts = _folded(part for part in (text or "").split(separator) if part.strip()) or [""]
        partners = dict.fromkeys(table[part] for part in parts if table.get(part) is not None)
        answers.append(separator.join(str(partner) for partner in partners) or None)
        refused.append(any(part and part not in table for part in parts))
    mapped, odd = pa.array(answers, pa.string()), pa.array(refused, pa.bool_())
    return Converted(mapped.take(encoded.indices), odd.take(encoded.indices), "has a part that is not in the value map")


def _folded(keys: Iterable[Scalar | None]) -> list[str]:
    found: list[str] = value_keys(pa.array([text_of(key) for key in keys], pa.string())).to_pylist()
    return found


@transform(per_value=True)
def country_code(values: pa.Array, to: Literal["iso2", "iso3", "name"] = "iso2") -> Converted:
    """A country's name (in any language of the CLDR) or code as ``iso2``, ``iso3`` or English ``name``.

    What names no country, or two countries in two languages, is refused.
    """
    from p2c_lib.mapping.countries import alpha2_of, written

    text = pc.utf8_trim_whitespace(texts(values)).to_pylist()
    codes = [alpha2_of(value) if value else None for value in text]
    answers = pa.array([written(code, to) if code else None for code in codes], pa.string())
    refused = pa.array([bool(value) and code is None for value, code in zip(text, codes, strict=True)], pa.bool_())
    return Converted(answers, refused, "is no country known by name or code")


@transform(reads="columns", per_value=True)
def state_code(columns: Sequence[pa.Array], country: Text = "US") -> Converted:
    """A state's or province's name as its code, from the state and, as a second column, the country.

    ``country`` is used where the second column is missing or blank. A code of the country stays; what names no state
    of it is refused.
    """
    from p2c_lib.mapping.countries import alpha2_of
    from p2c_lib.mapping.states import state_code_of

    states = texts(columns[0]).to_pylist()
    homes = texts(columns[1]).to_pylist() if len(columns) > 1 else [None] * len(states)
    blank = [state is None or not state.strip() for state in states]
    codes = [
        None if b else state_code_of(state, alpha2_of(home if home and home.strip() else country) or "")
        for state, home, b in zip(states, homes, blank, strict=True)
    ]
    refused = [not b and code is None for code, b in zip(codes, blank, strict=True)]
    return Converted(pa.array(codes, pa.string()), pa.array(refused, pa.bool_()), "is no state known of its country")


# Sales names units, F&O has symbols; the names are those of the unit list of the first templates.
UNITS = {
    "Each": "ea",
    "Piece": "pcs",
    "Box": "box",
    "Dozen": "dz",
    "Pair": "pr",
    "Hour": "hr",
    "Day": "day",
    "Pound": "lb",
    "Kilogram": "kg",
    "Gram": "g",
    "Gallon": "gal",
    "Litre": "l",
    "Meter": "m",
}


@transform(together=_one_meaning)
def unit(values: pa.Array, to: Literal["finops", "sales"], also: Pairs | None = None) -> Converted:
    """A unit's name in Sales as its symbol in F&O, or the other way; ``also`` adds pairs or overrides them."""
    known = UNITS if to == "finops" else {symbol: name for name, symbol in UNITS.items()}
    own = dict(zip(_folded(known), known.values(), strict=True))
    more = also or {}
    mapped = value_map(values, own | dict(zip(_folded(more), more.values(), strict=True)))
    return Converted(mapped.values, mapped.refused, "is no unit with a partner")


YES = ("yes", "y", "true", "1", "on", "ja", "oui", "si", "sí", "sim")
NO = ("no", "n", "false", "0", "off", "nein", "nei", "nej", "non", "não")
SPELLINGS = {"yes_no": ("Yes", "No"), "true_false": ("true", "false"), "one_zero": ("1", "0")}


@transform()
def yes_no(values: pa.Array, to: Literal["yes_no", "true_false", "one_zero"] = "yes_no") -> Converted:
    """A yes or no, however written, as ``yes_no`` (F&O), ``true_false`` (Sales) or ``one_zero``."""
    yes, no = SPELLINGS[to]
    mapped = value_map(values, dict.fromkeys(YES, yes) | dict.fromkeys(NO, no))
    return Converted(mapped.values, mapped.refused, "is neither yes nor no")


@transform(per_value=True)
def lookup(
    values: pa.Array, column: str, by: str, app: Literal["sales", "finops"] = "finops", *, context: Context
) -> Converted:
    """Another entity's value: ``column`` (``AddressStates.State``) of the row whose ``by`` is the value that came.

    Compared as that entity's system compares keys, without the white space around it. A value no row has is refused.
    """
    entity, _, name = column.partition(".")
    found = context.lookup(app, entity, by, name)
    keys = folded(pc.utf8_trim_whitespace(texts(values)), app).to_pylist()
    answers = [found.get(key) if key else None for key in keys]
    refused = [bool(key) and key not in found for key in keys]
    return Converted(pa.array(answers, pa.string()), pa.array(refused, pa.bool_()), f"is no {by} in {entity}")
