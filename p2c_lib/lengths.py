"""Lengths as both services count them: in UTF-16 code units, as an nvarchar column does, so that an emoji has two.

A text is cut between what people take for characters: a pair of code units, a letter and its accents, an emoji and
what is joined to it and the two letters of a flag stay together, or go together.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array

if TYPE_CHECKING:
    import duckdb

__all__ = ["add_lengths", "cut_sql", "cut_text", "cut_texts", "utf16_length", "utf16_length_sql", "utf16_lengths"]

Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)

ASTRAL = r"[\x{10000}-\x{10FFFF}]"  # the characters that take two code units
LAST_SINGLE = 0xFFFF
JOINER = "\u200d"
SKIN_TONES, TAGS, FLAGS = (0x1F3FB, 0x1F3FF), (0xE0020, 0xE007F), (0x1F1E6, 0x1F1FF)
HANGUL = (0x1160, 0x11FF)  # vowels and final consonants, which stand with the consonant before them


def utf16_length(text: str) -> int:
    """How many UTF-16 code units a text has.

    >>> utf16_length("Zoë"), utf16_length("😀")
    (3, 2)
    """
    return len(text) if text.isascii() else len(text) + sum(ord(c) > LAST_SINGLE for c in text)


def utf16_lengths(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """How many UTF-16 code units each text of a column has; null where there is none."""
    letters = pc.utf8_length(values).cast(pa.int64())
    if pc.all(pc.equal(letters, pc.binary_length(values))).as_py() in {True, None}:
        return letters
    return pc.add(letters, pc.count_substring_regex(values, ASTRAL).cast(pa.int64()))


def utf16_length_sql(expression: str) -> str:
    """The number of UTF-16 code units of a text, as DuckDB SQL."""
    astral = f"length(regexp_replace({expression}, '[^\\x{{10000}}-\\x{{10FFFF}}]', '', 'g'))"
    return f"(length({expression}) + CASE WHEN strlen({expression}) = length({expression}) THEN 0 ELSE {astral} END)"


def cut_text(text: str, most: int) -> str:
    """The beginning of a text that has at most so many code units and ends between two characters.

    One character that is longer by itself, such as a family of emoji, is cut between its code points.

    >>> cut_text("Zoe\u0308", 3), cut_text("a😀", 2)
    ('Zo', 'a')
    """
    if len(text) * 2 <= most or utf16_length(text) <= most:
        return text
    end = units = 0
    while end < len(text) and (units := units + (2 if ord(text[end]) > LAST_SINGLE else 1)) <= most:
        end += 1
    whole = end
    while whole and _joined(text, whole):
        whole -= 1
    return text[: whole or end]


def cut_texts(values: Texts, most: int) -> Texts:
    """A column as ``cut_text`` makes each of its values."""
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([cut_texts(chunk, most) for chunk in values.chunks], pa.string())
    if (pc.max(pc.binary_length(values)).as_py() or 0) <= most:  # in bytes, of which a code unit has at least one
        return values
    cut = pc.utf8_slice_codeunits(values, 0, most)
    odd = pc.fill_null(pc.invert(pc.string_is_ascii(values)), fill_value=False)
    if not pc.any(odd).as_py():
        return cut
    made = [cut_text(text, most) for text in values.filter(odd).to_pylist()]
    return pc.replace_with_mask(cut, odd, pa.array(made, pa.string()))


def cut_sql(expression: str, most: int) -> str:
    """A text cut as ``cut_text`` does, as DuckDB SQL; the connection has seen ``add_lengths``."""
    ascii_only = f"strlen({expression}) = length({expression})"
    return f"CASE WHEN {ascii_only} THEN left({expression}, {most}) ELSE p2c_cut({expression}, {most}) END"


def add_lengths(database: duckdb.DuckDBPyConnection) -> None:
    """Teach a connection what ``cut_sql`` asks for."""
    add: Any = database.create_function  # its stubs want enums that move between versions
    kinds = ["VARCHAR", "INTEGER"]
    add("p2c_cut", _cut_column, kinds, "VARCHAR", type="arrow", null_handling="special")


def _cut_column(values: pa.ChunkedArray, most: pa.ChunkedArray) -> pa.Array:
    """DuckDB gives the length beside each value; it is one number in all of them."""
    return cut_texts(one_array(values), most[0].as_py()) if len(values) else one_array(values)


def _joined(text: str, place: int) -> bool:
    """Whether the code point at a place belongs to the character before it."""
    if place >= len(text):
        return False
    before, after = text[place - 1], text[place]
    if after.isascii():
        return (before, after) == ("\r", "\n")
    if _within(before, FLAGS) and _within(after, FLAGS):
        return _flag_letters(text, place) % 2 == 1
    marks = unicodedata.category(after).startswith("M") or JOINER in {before, after}
    return marks or any(_within(after, span) for span in (SKIN_TONES, TAGS, HANGUL))


def _flag_letters(text: str, place: int) -> int:
    """How many letters of flags stand in a row before a place."""
    start = place
    while start and _within(text[start - 1], FLAGS):
        start -= 1
    return place - start


def _within(letter: str, span: tuple[int, int]) -> bool:
    return span[0] <= ord(letter) <= span[1]
