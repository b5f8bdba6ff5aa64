"""Secrets are looked for in time and memory that go with the lengths alone, whatever the text and the secrets are."""

import random
import string
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.secrecy import forget_secrets, keep_secret, keep_token, masked
from p2c_lib.secrecy import known as known_secrets
from p2c_lib.secrecy.matcher import Matcher
from p2c_lib.secrecy.pieces import Pieces
from p2c_lib.secrecy.views import views

SAME = "x"
TWO = "ab"
LETTERS = "".join(random.Random(5).choices(string.ascii_letters + string.digits + "-_.", k=4_000))
JWT_WITH_A_RUN = f"eyJ{LETTERS[:600]}.{'A' * 300}{LETTERS[600:1200]}"
PACKED = ("+%2B%252B%25252B", "%41", "&amp;amp;+", "\\\\\\\\+", "<b>a</b>", "=41", "41 ", "65, ", "QUJD", "\u200b")


def steps(secrets: list[str], text: str) -> int:
    matcher = Matcher(secrets)
    before = matcher.steps
    matcher.spans(text)
    return matcher.steps - before


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (SAME * 5_000, SAME * 2_000),
        (TWO * 2_500, TWO * 1_000),
        (JWT_WITH_A_RUN, "A" * 2_000),
        (LETTERS, LETTERS[:2_000]),
        (LETTERS * 3, (LETTERS[:15] + "!") * 125),
        (LETTERS, "".join(random.Random(6).choices(LETTERS, k=2_000))),
    ],
    ids=["one letter", "two letters", "a run", "itself", "nearly", "its letters"],
)
def test_the_steps_go_with_the_length_of_the_text(secret: str, text: str) -> None:
    few, many = steps([secret], text), steps([secret], text * 8)
    # A view for each of the ways a text may be packed, each gone through three times at most.
    assert few <= 3 * sum(len(view.text) + 8 for view in views(text)) * 2
    assert many <= 9 * few + 1_000
    assert steps([secret * 2, *(f"{secret[:-1]}{n}" for n in range(20))], text) <= 1.2 * few + 1_000


@pytest.mark.parametrize("packed", PACKED)
def test_a_text_has_a_bounded_number_of_views(packed: str) -> None:
    text = packed * 200
    letters = sum(len(view.text) for view in views(text))
    assert letters <= 60 * len(text)
    assert sum(len(view.text) for view in views(text * 4)) <= 4.2 * letters + 4_000


def test_the_secrets_that_are_kept_are_bounded_by_their_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_secrets()
    for n in range(60):
        keep_secret(f"{n:04d}{LETTERS * 4}")
    keep_secret("the latest of them 0042")
    assert sum(map(len, known_secrets._values)) <= known_secrets.ALTOGETHER
    assert masked("it was: the latest of them 0042.") == "it was: ***."
    keep_secret("b" + LETTERS * 300)
    assert max(map(len, known_secrets._values)) == known_secrets.LONGEST
    assert LETTERS[100:200] not in masked(f"said {LETTERS[90:300]}")


@pytest.mark.parametrize(
    "word", ["accounts", "t", "x" * 5_000, "refresh", "CustomersV2", "SalesOrderHeadersV2"[:15], "a-b-c-d-a-b-c-d-a-b"]
)
def test_a_token_that_may_be_a_word_is_no_secret(word: str) -> None:
    forget_secrets()
    assert keep_token(word) == word
    assert masked(f"142 rows of {word} were written") == f"142 rows of {word} were written"


def naive(values: list[str], text: str) -> set[int]:
    """Every place of a text that lies in sixteen letters of a value with six kinds of them, by looking at all."""
    windows = {value[at : at + 16] for value in values for at in range(len(value) - 15)}
    found: set[int] = set()
    for at in range(len(text) - 15):
        if text[at : at + 16] in windows and len(set(text[at : at + 16])) >= 6:
            found |= set(range(at, at + 16))
    return found


def chained(values: list[str], text: str) -> set[int]:
    """Every place that lies in eight letters of some value, the most that is ever taken out."""
    eights = {value[at : at + 8] for value in values for at in range(len(value) - 7)}
    return {at + n for at in range(len(text) - 7) if text[at : at + 8] in eights for n in range(8)}


FEW = st.text("abcdefgh1", min_size=16, max_size=40)


@settings(max_examples=200)
@given(st.data())
def test_all_that_is_a_piece_is_found_and_nothing_that_is_none(data: st.DataObject) -> None:
    values = data.draw(st.lists(FEW, min_size=1, max_size=4))
    cut = st.builds(lambda value, a, b: value[a:b], st.sampled_from(values), st.integers(0, 20), st.integers(16, 40))
    text = "".join(data.draw(st.lists(st.one_of(cut, st.text("abcdefgh1", max_size=20)), max_size=6)))
    spans = Pieces(values).spans(text)
    found = {at for start, end in spans for at in range(start, end)}
    assert naive(values, text) <= found <= chained(values, text)
    assert all(one < other for one, other in pairwise(spans))


@settings(max_examples=60)
@given(st.text(max_size=300), st.lists(st.text("abcdefgh1-. \n", min_size=6, max_size=40), min_size=1, max_size=3))
def test_a_value_of_six_kinds_of_letters_never_stays_whole(text: str, values: list[str]) -> None:
    forget_secrets()
    for value in values:
        keep_secret(value)
    left = masked(text + "".join(values) + text)
    assert [value for value in values if len(set(value)) >= 6 and value in left] == []
