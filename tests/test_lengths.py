"""Lengths are counted in UTF-16 code units, in Python, in Arrow and in SQL, and no character is cut in half."""

from __future__ import annotations

from functools import cache

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from p2c_lib.lengths import add_lengths, cut_sql, cut_text, cut_texts, utf16_length, utf16_length_sql, utf16_lengths

LETTERS = st.sampled_from(
    "aZ 9éßł漢😀🇩🇪\u0301\u200d👩👧\U0001f3fd\ufe0f\uffffｶﾞกำक्ष\u0600\r\n\U0010ffff"
) | st.characters(codec="utf-8")
WORDS = st.text(LETTERS, max_size=12)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


@given(st.lists(st.none() | WORDS, min_size=1))
def test_a_length_is_the_number_of_code_units(words: list[str | None]) -> None:
    wanted = [None if word is None else units(word) for word in words]
    assert [None if word is None else utf16_length(word) for word in words] == wanted
    values = pa.array(words, pa.string())
    assert utf16_lengths(values).to_pylist() == wanted
    assert utf16_lengths(pa.chunked_array([values, values])).to_pylist() == wanted * 2
    connection().register("t", pa.table({"v": values, "n": range(len(words))}))
    found = connection().sql(f"SELECT {utf16_length_sql('v')} FROM t ORDER BY n").fetchall()
    assert [length for (length,) in found] == wanted


@given(st.lists(st.none() | WORDS, min_size=1), st.integers(1, 14))
def test_what_is_cut_fits_and_is_the_beginning(words: list[str | None], most: int) -> None:
    cut = cut_texts(pa.array(words, pa.string()), most).to_pylist()
    assert cut_texts(pa.chunked_array([words], pa.string()), most).to_pylist() == cut
    assert cut == [None if word is None else cut_text(word, most) for word in words]
    for word, short in zip(words, cut, strict=True):
        if word is not None:
            assert word.startswith(short)
            assert units(short) <= most
            assert short == word or units(word) > most
            short.encode("utf-16-le")  # a half pair would not be encoded


FAMILY = "👩\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        ("a😀b", 2, "a"),
        ("a😀b", 3, "a😀"),
        ("Zoe\u0308", 3, "Zo"),
        ("Zoe\u0308", 4, "Zoe\u0308"),
        (f"x{FAMILY}", 8, "x"),
        (FAMILY, 3, "👩\u200d"),  # one character longer than the column: cut between code points
        ("🇩🇪🇫🇷", 6, "🇩🇪"),
        ("🇩🇪🇫🇷", 4, "🇩🇪"),
        ("👍\U0001f3fd", 3, "👍"),
        ("x👍\U0001f3fd", 4, "x"),
        ("x1\ufe0f\u20e3", 3, "x"),
        ("x\u1112\u1161\u11ab", 3, "x"),
        ("ab\r\n", 3, "ab"),
        ("xｶﾞ", 2, "x"),
        ("xﾊﾟ", 2, "x"),
        ("xกำ", 2, "x"),
        ("xກຳ", 2, "x"),
        ("xक्षि", 4, "x"),
        ("x\u0600a", 2, "x"),
        ("x\u1100\u1100\u1161", 3, "x"),
        ("a\u200db", 2, "a\u200d"),
        ("\r\n\u0301", 2, "\r\n"),
        ("abc", 2, "ab"),
        ("é" * 5, 3, "ééé"),
    ],
)
def test_characters_stay_whole(text: str, most: int, wanted: str) -> None:
    assert cut_text(text, most) == wanted
    assert cut_texts(pa.array([text, None]), most).to_pylist() == [wanted, None]
    add_lengths(database := duckdb.connect(":memory:"))
    database.register("t", pa.table({"v": [text]}))
    assert database.sql(f"SELECT {cut_sql('v', most)} FROM t").fetchall() == [(wanted,)]


@given(WORDS, st.integers(1, 14))
def test_a_cut_is_as_long_as_whole_characters_allow(word: str, most: int) -> None:
    wanted = ""
    for character in iter_graphemes(word):  # all of the text from its beginning, one character after the other
        if units(wanted + character) > most:
            break
        wanted += character
    assert cut_text(word, most) == wanted or (not wanted and units(next(iter_graphemes(word))) > most)
