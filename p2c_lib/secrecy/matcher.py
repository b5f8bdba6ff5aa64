"""Finds the places of a text where a known value, or a long piece of it, is written in any of its ways.

A value that is long is known by its pieces: as it stands, and by its digits and letters alone, which are the same
whatever stands between them. A short one is known as a whole, as are the first letters of a long one, where a text was
cut. All of it is looked for in every view of a text; the time that takes goes with the length of the text alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from p2c_lib.secrecy.pieces import PIECE, VARIED, Pieces
from p2c_lib.secrecy.views import View, letters_of, views
from p2c_lib.secrecy.words import pattern_of

__all__ = ["SHORTEST", "Matcher"]

# Shorter values stand in half of all texts by chance.
SHORTEST = 6
# So much of its beginning is masked where a text was cut.
HEAD = 10
# A value of more letters, few of them of ASCII, is known by its pieces alone.
LONGEST_WORD = 64
# A ruled line is no secret.
DIFFERENT = 3
# One or two letters that a neighbour shares with the value by chance, with a gap before the piece itself.
MARGIN = 200
_BEFORE = re.compile(r"[0-9A-Za-z]{1,2}[^0-9A-Za-z]+(?=[0-9A-Za-z]{3})")
_BEHIND = re.compile(r"(?<=[0-9A-Za-z]{3})[^0-9A-Za-z]+[0-9A-Za-z]{1,2}\Z")


class Matcher:
    """Looks for the values given to it that have ``SHORTEST`` letters and more."""

    def __init__(self, values: Iterable[str]) -> None:
        self._words: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._pieces = Pieces[str]()
        self._letters = Pieces[bytes]()
        for value in values:
            self._take(value)
        self._pattern = pattern_of(self._words)

    @property
    def steps(self) -> int:
        """How often letters were compared so far."""
        return self._pieces.steps + self._letters.steps

    def add(self, value: str) -> None:
        """Look for one more value from now on."""
        if self._take(value):
            self._pattern = pattern_of(self._words)

    def _take(self, value: str) -> bool:
        """Take a value in; whether there are new words then."""
        before = len(self._words)
        if len(value) < SHORTEST:
            return False
        if len(value) >= PIECE:
            self._pieces.add(_folded(value))
            if _is_telling(value[:HEAD]):
                self._words.update(_folded(value[:end]) for end in range(HEAD, PIECE))
        letters = letters_of(value).small
        if len(letters) >= PIECE:
            self._letters.add(letters)
        elif len(value) <= LONGEST_WORD and len(set(value)) >= DIFFERENT:
            self._words.update(_folded(way) for way in _spellings(value))
        return len(self._words) > before

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The places, from and to, in order; those that touch or overlap are one."""
        found = [view.span(*place) for view in views(text) for place in self._found(view)]
        return _joined(found) if found else found

    def _found(self, view: View) -> list[tuple[int, int]]:
        text = _folded(view.text)
        found = [] if self._pattern is None else [one.span() for one in self._pattern.finditer(text)]
        if not view.packed:
            found += self._pieces.spans(text)
        letters = letters_of(view.text)
        return found + [_trimmed(view.text, *letters.place(*place)) for place in self._letters.spans(letters.small)]


def _is_telling(head: str) -> bool:
    """Whether the beginning of a value is no word that other texts have too."""
    return len(set(head)) >= VARIED and not all(letter.isalpha() or letter == " " for letter in head)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A place without what a neighbour has in common with the value by chance."""
    before = _BEFORE.match(text[start : min(end, start + MARGIN)])
    behind = _BEHIND.search(text[max(start, end - MARGIN) : end])
    return start + len(before[0] if before else ""), end - len(behind[0] if behind else "")


def _folded(text: str) -> str:
    """The text in small letters, letter for letter, with a blank for each +, as forms write it."""
    # Of these alone a small letter is two, or goes by its place in the word.
    return text.replace("\u0130", "i").replace("\u03a3", "\u03c3").lower().replace("+", " ")


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _spellings(value: str) -> set[str]:
    """The ways a short value is written that no view accounts for: plain, in base64, in hex."""
    raw = value.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    ways = {value, raw.decode("latin-1"), raw.hex(), raw.hex(" "), raw.hex(":"), *encoded}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The letters at either end are made of neighbours' bits too.
        inner = whole[(8 * before + 5) // 6 : (8 * (before + len(raw))) // 6]
        ways |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {way for way in ways if len(way) >= SHORTEST}
