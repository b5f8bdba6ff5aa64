"""Lengths as both services count them: in UTF-16 code units, as an nvarchar column does, so that an emoji has two.

A text is cut between what people take for characters, which are Unicode's extended grapheme clusters: a pair of code
units, a letter and its marks, a Hangul syllable, an emoji and what is joined to it and the two letters of a flag stay
together, or go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import one_array

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "add_lengths",
    "cut_sql",
    "cut_text",
    "cut_texts",
    "cut_units_sql",
    "utf16_length",
    "utf16_length_sql",
    "utf16_lengths",
]

Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)

ASTRAL = r"[\x{10000}-\x{10FFFF}]"  # the characters that take two code units
LAST_SINGLE = 0xFFFF
SPACE = " "


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
    return text[: _last_boundary(text, end) or end]


def cut_texts(values: Texts, most: int) -> Texts:
    """A column as ``cut_text`` makes each of its values."""
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([cut_texts(chunk, most) for chunk in values.chunks], pa.string())
    if (pc.max(pc.binary_length(values)).as_py() or 0) <= most:  # in bytes, of which a code unit has at least one
        return values
    cut = pc.utf8_slice_codeunits(values, 0, most)
    several = pc.or_(pc.invert(pc.string_is_ascii(values)), pc.match_substring(values, "\r"))  # CR LF is one character
    odd = pc.fill_null(several, fill_value=False)
    if not pc.any(odd).as_py():
        return cut
    made = [cut_text(text, most) for text in values.filter(odd).to_pylist()]
    return pc.replace_with_mask(cut, odd, pa.array(made, pa.string()))


def cut_sql(expression: str, most: int) -> str:
    """A text cut as ``cut_text`` does, as DuckDB SQL; the connection has seen ``add_lengths``."""
    plain = f"strlen({expression}) = length({expression}) AND NOT contains({expression}, chr(13))"
    return f"CASE WHEN {plain} THEN left({expression}, {most}) ELSE p2c_cut({expression}, {most}) END"


def cut_units_sql(expression: str, most: int) -> str:
    """A text cut as the services cut it, as DuckDB SQL: after so many code units, between the two of a pair alone."""
    return f"p2c_cut_units({expression}, {most})"


def add_lengths(database: duckdb.DuckDBPyConnection) -> None:
    """Teach a connection what ``cut_sql`` and ``cut_units_sql`` ask for."""
    add: Any = database.create_function  # its stubs want enums that move between versions
    kinds = ["VARCHAR", "INTEGER"]
    add("p2c_cut", _cut_column, kinds, "VARCHAR", type="arrow", null_handling="special")
    add("p2c_cut_units", _cut_units, kinds, "VARCHAR", type="arrow", null_handling="special")


def _cut_column(values: pa.ChunkedArray, most: pa.ChunkedArray) -> pa.Array:
    """DuckDB gives the length beside each value; it is one number in all of them."""
    return cut_texts(one_array(values), most[0].as_py()) if len(values) else one_array(values)


def _cut_units(values: pa.ChunkedArray, most: pa.ChunkedArray) -> pa.Array:
    end = 2 * most[0].as_py() if len(values) else 0
    units = (None if text is None else text.encode("utf-16-le")[:end] for text in values.to_pylist())
    return pa.array([None if cut is None else cut.decode("utf-16-le", "ignore") for cut in units], pa.string())


def _last_boundary(text: str, place: int) -> int:
    """The last place up to this one at which a character ends; 0 where the first goes on beyond it.

    What follows is looked at as far as one code point: it tells whether the character before it goes on.
    """
    from wcwidth import iter_graphemes

    start = place
    while start and not _apart(text[start - 1], text[start]):
        start -= 1
    whole = start
    for character in iter_graphemes(text[start : place + 1]):
        if whole + len(character) > place:
            break
        whole += len(character)
    return whole


def _apart(before: str, after: str) -> bool:
    """Whether two code points surely belong to two characters: printable ones of ASCII join nothing before them."""
    return before.isascii() and after.isascii() and before >= SPACE and after >= SPACE
