"""A text as it reads once its escapes are undone, and where each letter of that stands in the text itself."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape

__all__ = ["Reading", "readings"]

# Escaped once by a form, once more by an address or by JSON within JSON; more has not been seen.
LEVELS = 4
_ESCAPE = re.compile(
    r"(?:%|\\x)[0-7][0-9A-Fa-f]"
    r"|(?:%|\\x)[CcDd][0-9A-Fa-f](?:%|\\x)[89ABab][0-9A-Fa-f]"
    r"|(?:%|\\x)[Ee][0-9A-Fa-f](?:(?:%|\\x)[89ABab][0-9A-Fa-f]){2}"
    r"|(?:%|\\x)[Ff][0-7](?:(?:%|\\x)[89ABab][0-9A-Fa-f]){3}"
    r"|\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
    r"|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
    r"|\\[\"'\\/]"
    r"|&\#[0-9]{1,7};|&\#[xX][0-9A-Fa-f]{1,6};|&[A-Za-z]{2,8};"
)


@dataclass(frozen=True)
class Reading:
    """A text, decoded some times over, and how its places lead back to the text it was made of."""

    text: str
    _decoded: tuple[int, ...] = ()
    _original: tuple[int, ...] = ()
    _of: Reading | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the letters from ``start`` to ``end`` stand in the text this was decoded from at first."""
        if self._of is None:
            return start, end
        return self._of.span(self._place(start), self._place(end - 1, last=True) + 1)

    def _place(self, at: int, *, last: bool = False) -> int:
        """The place of a letter in the text one level down; for an escape its first sign, or its ``last``."""
        before = bisect_right(self._decoded, at) - 1
        if before < 0:
            return at
        decoded, original = self._decoded[before], self._original[before]
        # Every escape has two marks: where its letter stands, and where the text goes on behind it.
        if before % 2:
            return original + at - decoded
        return self._original[before + 1] - 1 if last else original

    def decoded(self) -> Reading | None:
        """The text with its escapes undone once; None where it has none."""
        pieces: list[str] = []
        decoded: list[int] = []
        original: list[int] = []
        length = end = 0
        for found in _ESCAPE.finditer(self.text):
            letter = _letter(found[0])
            if letter is None:
                continue
            pieces += [self.text[end : found.start()], letter]
            length += found.start() - end
            decoded += [length, length + len(letter)]
            original += [found.start(), found.end()]
            length, end = length + len(letter), found.end()
        if not pieces:
            return None
        pieces.append(self.text[end:])
        return Reading("".join(pieces), tuple(decoded), tuple(original), self)


def readings(text: str, *, blanks: bool = False) -> Iterator[Reading]:
    """The text with its escapes undone once, twice ..., and where ``blanks`` may be meant also with one for each +."""
    at_hand = [Reading(text)]
    for _ in range(LEVELS):
        if blanks:  # as forms write them
            at_hand += [replace(one, text=one.text.replace("+", " ")) for one in at_hand if "+" in one.text]
            yield from at_hand
        at_hand = [one for one in (reading.decoded() for reading in at_hand) if one is not None]
        yield from at_hand


def _letter(escape: str) -> str | None:
    """What an escape stands for; None for one that stands for nothing."""
    try:
        if escape[0] == "%" or escape[1] == "x":
            return bytes.fromhex(escape.replace("%", "").replace("\\x", "")).decode()
        if escape[0] == "&":
            letter = unescape(escape)
            return None if letter == escape else letter
        if escape[1] in "uU":
            halves = "".join(chr(int(part, 16)) for part in re.split(r"\\[uU]", escape)[1:])
            return halves.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
    except (ValueError, OverflowError):
        return None
    return escape[1]
