"""Finds the places of a text where a known value, or a long piece of it, is written in one of its spellings.

A piece of sixteen letters is enough: a message that was cut after 200 letters, or a line that was wrapped, holds one.
Every such piece holds eight letters that begin at a multiple of eight, so a text is looked through eight at a time.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

from p2c_lib.secrecy.decoded import readings

__all__ = ["SHORTEST", "Matcher"]

# Shorter values stand in half of all texts by chance.
SHORTEST = 6
GRAM, PIECE = 8, 16
# A piece with fewer different letters (zeros of an id, a ruled line) tells nothing.
VARIED = 6
# So much of its beginning is masked where a text was cut.
HEAD = 10
# A line that was wrapped goes on with so many letters of it, within so wide a margin.
GOES_ON, MARGIN = 3, 200
_BLANKS = " \t\r\n\u2502|"
_WRAPPED = re.compile(f"[{_BLANKS}]{{1,{MARGIN}}}")


class Matcher:
    """Looks for the values given to it that have ``SHORTEST`` letters and more."""

    def __init__(self, values: Iterable[str]) -> None:
        self._long: list[str] = []
        self._short: dict[str, None] = {}
        self._heads: dict[str, str] = {}
        self._grams: set[str] = set()
        self._words: re.Pattern[str] | None = None
        self._spaces = False
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Look for one more value from now on."""
        if len(value) < SHORTEST:
            return
        self._spaces = self._spaces or " " in value
        for way in _spellings(value):
            if len(way) < PIECE:
                self._short[way] = None
            else:
                self._long.append(way)
                self._grams.update(way[at : at + GRAM] for at in range(len(way) - GRAM + 1))
        if len(value) >= PIECE and _is_telling(value[:HEAD]):
            self._heads[value[:HEAD]] = value
        longest_first = sorted({*self._short, *self._heads}, key=lambda way: (-len(way), way))
        self._words = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The places, from and to, in order; those that touch or overlap are one."""
        found = self._found(text)
        if "%" in text or "\\" in text or "&" in text or (self._spaces and "+" in text):
            for reading in readings(text, blanks=self._spaces):
                found += [reading.span(*place) for place in self._found(reading.text)]
        return _joined(found) if found else found

    def _found(self, text: str) -> list[tuple[int, int]]:
        found = [self._word(text, one) for one in self._words.finditer(text)] if self._words is not None else []
        grams, end = self._grams, 0
        for at in range(0, len(text) - GRAM + 1, GRAM):
            if text[at : at + GRAM] in grams and at + GRAM > end:
                start, stop = max(self._around(text, at), key=lambda span: span[1] - span[0])
                if stop - start >= PIECE and len(set(text[start:stop])) >= VARIED:
                    found.append((start, stop))
                    end = stop
        return found

    def _word(self, text: str, found: re.Match[str]) -> tuple[int, int]:
        """A short value whole; of a long one its beginning and as much more as there is, where a text was cut."""
        value = self._heads.get(found[0])
        return found.span() if value is None else (found.start(), _on(text, found.end(), value, HEAD))

    def _around(self, text: str, at: int) -> Iterator[tuple[int, int]]:
        """How far a text goes with each spelling on both sides of the eight letters they share."""
        gram = text[at : at + GRAM]
        for way in self._long:
            place = way.find(gram)
            while place >= 0:
                yield _back(text, at, way, place), _on(text, at + GRAM, way, place + GRAM)
                place = way.find(gram, place + 1)


def _is_telling(head: str) -> bool:
    """Whether the beginning of a value is no word that other texts have too."""
    return len(set(head)) >= VARIED and not all(letter.isalpha() or letter == " " for letter in head)


def _on(text: str, at: int, way: str, place: int) -> int:
    """Where a text that goes like a spelling leaves it; a line end with its indents is no part of either."""
    while True:
        while at < len(text) and place < len(way) and text[at] == way[place]:
            at, place = at + 1, place + 1
        gap = _WRAPPED.match(text, at)
        if gap is None or place == len(way) or not text.startswith(way[place : place + GOES_ON], gap.end()):
            return at
        at = gap.end()


def _back(text: str, at: int, way: str, place: int) -> int:
    """The same towards the beginning."""
    while True:
        while at and place and text[at - 1] == way[place - 1]:
            at, place = at - 1, place - 1
        before = text[max(0, at - MARGIN) : at].rstrip(_BLANKS)
        start = max(0, at - MARGIN) + len(before)
        if place == 0 or start == at or not before.endswith(way[max(0, place - GOES_ON) : place]):
            return at
        at = start


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _spellings(value: str) -> set[str]:
    """The ways a value is written that no escape accounts for: plain, in base64, in hex."""
    raw = value.encode("utf-8", "surrogatepass")
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    ways = {value, value.lower(), value.upper(), raw.hex(), raw.hex().upper(), *encoded}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The letters at either end are made of neighbours' bits too.
        inner = whole[(8 * before + 5) // 6 : (8 * (before + len(raw))) // 6]
        ways |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {way for way in ways if len(way) >= SHORTEST}
