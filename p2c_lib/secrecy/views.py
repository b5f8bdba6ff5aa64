"""A text as it reads once it is decoded, and where each letter of that stands in the text itself.

What is told may be packed on its way: escaped by an address, JSON, HTML or a mail, in base64 or in hex, in two bytes a
letter, with invisible characters, tags or line ends in between. Each such way is a view of the text, and each view has
views of its own, two deep; escapes, which a form, an address and JSON within JSON add up, four deep.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import unescape

from p2c_lib.secrecy.harmless import INVISIBLE

__all__ = ["Letters", "View", "letters_of", "views"]

LEVELS = 4
# So many bytes in hex or base64 hold the sixteen letters that are looked for, and fewer hold none.
SHORTEST_PACKED = 16

_ESCAPE = re.compile(
    r"(?:%|\\x)[0-7][0-9A-Fa-f]"
    r"|(?:%|\\x)[CcDd][0-9A-Fa-f](?:%|\\x)[89ABab][0-9A-Fa-f]"
    r"|(?:%|\\x)[Ee][0-9A-Fa-f](?:(?:%|\\x)[89ABab][0-9A-Fa-f]){2}"
    r"|(?:%|\\x)[Ff][0-7](?:(?:%|\\x)[89ABab][0-9A-Fa-f]){3}"
    r"|[%\\]u[Dd][89ABab][0-9A-Fa-f]{2}[%\\]u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
    r"|[%\\]u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\u\{0{0,20}[0-9A-Fa-f]{1,6}\}"
    r"|\\3[0-7]{2}(?:\\2[0-7]{2}){1,3}|\\[0-3][0-7]{2}|\\0{2}[0-9A-Fa-f]{4}\b ?|\\[\"'\\/nrtbfv]"
    r"|&\#0{0,40}[0-9]{1,7};?|&\#[xX]0{0,40}[0-9A-Fa-f]{1,6};?|&[A-Za-z]{2,8};"
    r"|\b0[xX][0-9A-Fa-f]{2}\b(?:[,; ]{1,2}(?=0[xX]))?"
)
_QUOTED = re.compile(r"=[C-F][0-9A-F](?:=[89AB][0-9A-F]){1,3}|=[0-9A-Fa-f]{2}|=\r?\n")
_TAG = re.compile(r"<[A-Za-z/!?][^<>]{0,400}>")
_DECIMAL = re.compile(r"(?<![0-9.])[0-9]{1,3}(?![0-9.])[,; \t\r\n]{0,4}")
_DECIMALS = re.compile(r"(?:[0-9]{1,3}[,; \t\r\n]{1,4}){5}")
_READABLE = re.compile(r"[\x00\t\r\n -~]{16}")
_WIDE = re.compile("[\uff01-\uff5e]")  # the letters of ASCII as wide as those of Chinese
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}

_ALL = bytes(range(256))
_DIGITS_AND_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NO_LETTER = bytes(byte for byte in _ALL if byte not in _DIGITS_AND_LETTERS)
_LOWER = bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in _ALL)
_SIXTY_FOUR = _DIGITS_AND_LETTERS + b"+/-_"
_NO_SIXTY_FOUR = bytes(byte for byte in _ALL if byte not in _SIXTY_FOUR)
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_HEX = b"0123456789abcdefABCDEF"
_HEX_OR_ZERO = bytes(byte if byte in _HEX else 48 for byte in _ALL)
_HEX_RUN = re.compile(rb"[0-9A-Fa-f]{%d}" % (2 * SHORTEST_PACKED - 2))

Place = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Letters:
    """What is left of a text of its digits and its letters of ASCII, small; and where those stand in it."""

    small: bytes
    _text: str

    def place(self, start: int, end: int) -> tuple[int, int]:
        """From where to where the letters from ``start`` to ``end`` go in the text."""
        return self._places[start], self._places[end - 1] + 1

    @cached_property
    def _places(self) -> list[int]:
        return [found.start() for found in re.finditer("[0-9A-Za-z]", self._text)]


def letters_of(text: str) -> Letters:
    """The digits and letters of a text."""
    return Letters(text.encode("ascii", "replace").translate(_LOWER, _NO_LETTER), text)


@dataclass(frozen=True)
class View:
    """A text, and how its places lead back to the text it was made of."""

    text: str
    place: Place = lambda start, end: (start, end)
    of: View | None = None
    # Made of bytes that may be none: only whole letters of ASCII mean something in it.
    packed: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the letters from ``start`` to ``end`` stand in the text that was looked at first."""
        view: View | None = self
        while view is not None:
            start, end = view.place(start, end)
            view = view.of
        return start, end


def views(text: str) -> Iterator[View]:
    """The text, and all that it can be read as."""
    whole: View | None = View(text)
    for _ in range(LEVELS + 1):
        if whole is None:
            return
        yield whole
        for inside in _inside(whole):
            yield inside
            if inside.packed and _READABLE.search(inside.text) is None:
                continue
            if (undone := _unescaped(inside)) is not None:
                yield undone
            yield from _inside(inside)
        whole = _unescaped(whole)


def _inside(view: View) -> Iterator[View]:
    """What a text holds that is packed otherwise than by escapes."""
    if (
        not (view.text.isascii() and view.text.isprintable())
        and (bare := _replaced(view, INVISIBLE, lambda _: "")) is not None
    ):
        yield bare
    if "<" in view.text and (bare := _replaced(view, _TAG, lambda _: "")) is not None:
        yield bare
    if not view.text.isascii() and (plain := _replaced(view, _WIDE, lambda wide: chr(ord(wide) - 0xFEE0))) is not None:
        yield plain
    if "=" in view.text and (plain := _replaced(view, _QUOTED, _quoted)) is not None:
        yield plain
    if _DECIMALS.search(view.text) and (plain := _replaced(view, _DECIMAL, _counted)) is not None:
        yield plain
    yield from _from_hex(view)
    yield from _from_base64(view)


def _unescaped(view: View) -> View | None:
    """The text with its escapes undone once; None where it has none."""
    return _replaced(view, _ESCAPE, _letter)


def _replaced(view: View, pattern: re.Pattern[str], meant: Callable[[str], str | None]) -> View | None:
    """The text with what a pattern finds as what it means; None where nothing is found that means anything."""
    pieces: list[str] = []
    marks: list[int] = []
    original: list[int] = []
    length = end = 0
    for found in pattern.finditer(view.text):
        letter = meant(found[0])
        if letter is None:
            continue
        pieces += [view.text[end : found.start()], letter]
        length += found.start() - end
        marks += [length, length + len(letter)]
        original += [found.start(), found.end()]
        length, end = length + len(letter), found.end()
    if not pieces:
        return None
    pieces.append(view.text[end:])

    def one(at: int, *, last: bool) -> int:
        # Every escape has two marks: where its letter stands, and where the text goes on behind it.
        before = bisect_right(marks, at) - 1
        if before < 0:
            return at
        if before % 2:
            return original[before] + at - marks[before]
        return original[before + 1] - 1 if last else original[before]

    return View("".join(pieces), lambda a, b: (one(a, last=False), one(b - 1, last=True) + 1), view, view.packed)


def _from_hex(view: View) -> Iterator[View]:
    """The bytes that are written in hex, whatever stands between them, beginning at either letter."""
    letters = letters_of(view.text)
    if _HEX_RUN.search(letters.small) is None:
        return
    digits = letters.small.translate(_HEX_OR_ZERO)
    for first in (0, 1):
        whole = digits[first : first + (len(digits) - first) // 2 * 2]
        yield _packed(bytes.fromhex(whole.decode()), _Pairs(letters, first).place, view)


@dataclass(frozen=True)
class _Pairs:
    """Where bytes are written, two letters each."""

    letters: Letters
    first: int

    def place(self, start: int, end: int) -> tuple[int, int]:
        """From where to where the bytes from ``start`` to ``end`` are written."""
        return self.letters.place(self.first + 2 * start, self.first + 2 * end)


def _from_base64(view: View) -> Iterator[View]:
    """The bytes that are written in base64, whatever stands between its letters, beginning at any of four."""
    letters = view.text.encode("ascii", "replace").translate(_TO_BASE64, _NO_SIXTY_FOUR)
    if len(letters) < SHORTEST_PACKED * 4 // 3:
        return
    for first in range(4):
        whole = letters[first : first + (len(letters) - first) // 4 * 4]
        yield _packed(binascii.a2b_base64(whole), _Fours(view.text, first).place, view)


@dataclass(frozen=True)
class _Fours:
    """Where bytes are written, four letters of base64 for three of them."""

    text: str
    first: int

    def place(self, start: int, end: int) -> tuple[int, int]:
        """From where to where the bytes from ``start`` to ``end`` are written."""
        last = end - 1
        places = self._places
        return places[self.first + start // 3 * 4 + start % 3], places[self.first + last // 3 * 4 + last % 3 + 1] + 1

    @cached_property
    def _places(self) -> list[int]:
        return [found.start() for found in re.finditer("[0-9A-Za-z+/_-]", self.text)]


def _packed(found: bytes, place: Place, view: View) -> View:
    return View(found.decode("latin-1"), place, view, packed=True)


def _letter(escape: str) -> str | None:
    """What an escape stands for; None for one that stands for nothing."""
    try:
        if escape[0] == "&":
            letter = unescape(escape if escape[-1] == ";" else f"{escape};")
            return None if letter == escape else letter
        if escape[0] == "0":
            return chr(int(escape[:4], 16))
        if escape[1] in "uU":
            halves = "".join(chr(int(part.strip("{}"), 16)) for part in re.split(r"[%\\][uU]", escape)[1:])
            return halves.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
        if escape[0] == "%" or escape[1] == "x":
            return bytes.fromhex(escape.replace("%", "").replace("\\x", "")).decode()
        if escape[1].isdigit():
            return chr(int(escape[1:], 16)) if escape[1:3] == "00" and len(escape) > 4 else _octal(escape)
    except (ValueError, OverflowError):
        return None
    return _NAMED.get(escape[1], escape[1])


def _octal(escapes: str) -> str:
    found = bytes(int(each, 8) for each in escapes.split("\\")[1:])
    return found.decode("latin-1" if len(found) == 1 else "utf-8")


def _quoted(found: str) -> str:
    """What quoted-printable stands for; a line end that it added for nothing."""
    if found.endswith("\n"):
        return ""
    bytes_of = bytes.fromhex(found.replace("=", ""))
    return bytes_of.decode("latin-1" if len(bytes_of) == 1 else "utf-8", "replace")


def _counted(found: str) -> str | None:
    number = int(found.rstrip(",; \t\r\n"))
    return chr(number) if number < 256 else None
