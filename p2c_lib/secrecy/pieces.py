"""Finds the stretches of a text that are long pieces of a known value, in time linear in the text whatever is known.

A piece of sixteen letters is enough: a message that was cut after 200 letters, or a line that was wrapped, holds one.
Every such piece holds eight letters that begin at a multiple of eight, so a text is looked through eight at a time;
from there it is followed to both sides as long as every eight letters stand in a known value one after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["GRAM", "PIECE", "VARIED", "Pieces"]

GRAM, PIECE = 8, 16
# A piece with fewer different letters (zeros of an id, a ruled line) tells nothing.
VARIED = 6

Letters = TypeVar("Letters", str, bytes)


class Pieces(Generic[Letters]):
    """The values whose pieces are looked for, by the eight letters that stand in them."""

    def __init__(self, values: Iterable[Letters] = ()) -> None:
        self._grams: set[Letters] = set()
        # How often letters were compared, in all: what a test holds against the length of what was looked through.
        self.steps = 0
        for value in values:
            self.add(value)

    def add(self, value: Letters) -> None:
        """Look for the pieces of one more value from now on."""
        if len(value) >= PIECE:
            self.steps += len(value)
            self._grams.update(value[at : at + GRAM] for at in range(len(value) - GRAM + 1))

    def spans(self, text: Letters) -> list[tuple[int, int]]:
        """The places of pieces, from and to, in order."""
        grams, end = self._grams, 0
        found: list[tuple[int, int]] = []
        if not grams or len(text) < PIECE:
            return found
        self.steps += len(text) // GRAM
        for at in range(0, len(text) - GRAM + 1, GRAM):
            if text[at : at + GRAM] in grams and at + GRAM > end:
                start, end = self._stretch(text, at)
                if end - start >= PIECE and len(set(text[start:end])) >= VARIED:
                    found.append((start, end))
        return found

    def _stretch(self, text: Letters, at: int) -> tuple[int, int]:
        """How far a text goes on to both sides of eight letters, each with the seven beside it known."""
        grams, start, end = self._grams, at, at + GRAM
        while start and text[start - 1 : start - 1 + GRAM] in grams:
            start -= 1
        while end < len(text) and text[end + 1 - GRAM : end + 1] in grams:
            end += 1
        self.steps += 2 + (at - start) + (end - at - GRAM)
        return start, end
