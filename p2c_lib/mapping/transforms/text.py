"""Transforms of text."""

from __future__ import annotations

import re
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.lengths import cut_texts, utf16_length, utf16_lengths
from p2c_lib.mapping.transforms.arguments import Length, Letters, Part, Text
from p2c_lib.mapping.transforms.registry import Converted, transform

__all__ = [
    "case",
    "collapse",
    "constant",
    "is_blank",
    "lower",
    "normal_form",
    "pad",
    "part",
    "prefix",
    "remove_prefix",
    "remove_suffix",
    "replace",
    "strip",
    "suffix",
    "trim",
    "truncate",
    "upper",
]


BLANKS = r"[\s\p{Z}\x{85}]+"  # of any width, also those that keep words together
APOSTROPHES = ("'", "\u2019")
WORD = re.compile(r"[^\W_](?:[^\W_]|['\u2019](?=[^\W_])|[\u0300-\u036f])*")


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
    return Converted(pc.utf8_trim_whitespace(texts(values)))


@transform()
def upper(values: pa.Array) -> Converted:
    """Text in upper case."""
    return Converted(pc.utf8_upper(texts(values)))


@transform()
def lower(values: pa.Array) -> Converted:
    """Text in lower case."""
    return Converted(pc.utf8_lower(texts(values)))


@transform(per_value=True)
def case(values: pa.Array, to: Literal["upper", "lower", "title", "sentence"]) -> Converted:
    """Text in ``upper``, ``lower``, ``title`` (Each Word) or ``sentence`` (First letter) case.

    In title case a word goes on after an apostrophe or a digit (Children's, 3rd), and begins anew after the single
    letter of a name (O'Neil, D'Angelo).
    """
    if to == "title":
        made = [None if text is None else WORD.sub(_titled, text) for text in texts(values).to_pylist()]
        return Converted(pa.array(made, pa.string()))
    kernel = {"upper": pc.utf8_upper, "lower": pc.utf8_lower, "sentence": pc.utf8_capitalize}
    return Converted(kernel[to](texts(values)))


def _titled(found: re.Match[str]) -> str:
    word = found[0]
    before, apostrophe, after = word[:1], word[1:2], word[2:]
    if apostrophe in APOSTROPHES and len(after) > 1 and before not in "iI":  # I'll is no name
        return before.upper() + apostrophe + after[:1].title() + after[1:].lower()
    return word[:1].title() + word[1:].lower()


@transform()
def truncate(values: pa.Array, length: Length) -> Converted:
    """The beginning of the text, at most ``length`` long as both systems count it: an emoji is 2, and is never cut."""
    return Converted(cut_texts(texts(values), length))


@transform()
def collapse(values: pa.Array) -> Converted:
    """White space at both ends removed, every run of it inside made one space."""
    return Converted(pc.utf8_trim_whitespace(pc.replace_substring_regex(texts(values), BLANKS, " ")))


@transform()
def normal_form(values: pa.Array, form: Literal["NFC", "NFD", "NFKC", "NFKD"] = "NFC") -> Converted:
    """Text in a Unicode normal form, so that an accent typed in two ways is one text."""
    return Converted(pc.utf8_normalize(texts(values), form))


@transform()
def prefix(values: pa.Array, text: Text) -> Converted:
    """``text`` put before every value that is not blank."""
    given = texts(values)
    return Converted(pc.if_else(is_blank(given), given, pc.binary_join_element_wise(text, given, "")))


@transform()
def suffix(values: pa.Array, text: Text) -> Converted:
    """``text`` put after every value that is not blank."""
    given = texts(values)
    return Converted(pc.if_else(is_blank(given), given, pc.binary_join_element_wise(given, text, "")))


@transform()
def remove_prefix(values: pa.Array, text: Text) -> Converted:
    """``text`` taken away where a value begins with it."""
    given = texts(values)
    rest = pc.utf8_slice_codeunits(given, len(text))
    return Converted(pc.if_else(pc.starts_with(given, text), rest, given))


@transform()
def remove_suffix(values: pa.Array, text: Text) -> Converted:
    """``text`` taken away where a value ends with it."""
    given = texts(values)
    rest = pc.utf8_slice_codeunits(given, 0, -len(text)) if text else given
    return Converted(pc.if_else(pc.ends_with(given, text), rest, given))


@transform()
def strip(values: pa.Array, characters: Letters) -> Converted:
    """Any of ``characters`` removed at both ends."""
    return Converted(pc.utf8_trim(texts(values), characters))


@transform()
def replace(values: pa.Array, text: Letters, by: Text = "") -> Converted:
    """Every occurrence of ``text`` replaced ``by`` another; the text is taken literally."""
    return Converted(pc.replace_substring(texts(values), text, by))


@transform()
def pad(values: pa.Array, length: Length, character: Letters = "0") -> Converted:
    """Text brought to ``length`` by putting ``character`` before it, as in 0042."""
    given = texts(values)
    room = pc.max_element_wise(pc.subtract(length, utf16_lengths(given)), 0, skip_nulls=False)
    padding = pc.binary_repeat(character, pc.divide(room, utf16_length(character)))
    return Converted(pc.if_else(is_blank(given), given, pc.binary_join_element_wise(padding, given, "")))


@transform(per_value=True)
def part(values: pa.Array, number: Part, separator: Letters = " ") -> Converted:
    """The part with that ``number`` (1 is the first, -1 the last) of text split at ``separator``; none if too few."""
    pieces = pc.split_pattern(texts(values), separator)
    lists = pieces.to_pylist()
    place = number - 1 if number > 0 else number
    chosen = [p[place] if p is not None and -len(p) <= place < len(p) else None for p in lists]
    return Converted(pa.array(chosen, pa.string()))


@transform()
def constant(values: pa.Array, value: Text) -> Converted:
    """``value`` for every row, whatever came."""
    return Converted(pa.repeat(pa.scalar(value, pa.string()), len(values)))
