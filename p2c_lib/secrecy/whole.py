"""Finds whole values in data, in whatever way they are written, and nothing that only begins or sounds like one.

Customers' data are much, and a part of a secret may well stand in them by chance: a company that a password begins
with. So a value counts as a whole here. Of each way to write it some letters are known that must stand there; data are
looked through for those eight bytes at a time, and only where they stand anything is decoded.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from p2c_lib.secrecy.views import views

__all__ = ["MASK", "Whole", "joined"]

MASK = "***"
GRAM = 8
# So many bytes hold eight that begin at a multiple of eight, wherever they stand.
LONG = 2 * GRAM - 1
AT_ONCE = 1 << 20
# A run of fewer letters stands in most texts: a value without a longer one is looked for in each of its spellings.
SHORTEST_RUN, NEAR_RUN, SHORTEST_FOREIGN = 4, 3, 2
MOST_RUNS, MOST_OF_A_RUN = 4, 64
# Bytes that one letter takes at most, escaped twice.
WIDEST = 12
_COVER = bytes([0, *b"*" * 255])  # the zeros of letters two bytes wide stay
_RUNS = re.compile(r"[0-9A-Za-z]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]+")

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class _Anchor:
    """Bytes that stand where a value is written in one way.

    They are all of it where ``reach`` is 0; else so far to both sides of them the rest is, with each of ``near`` in it.
    """

    letters: bytes
    reach: int = 0
    near: tuple[bytes, ...] = ()


class Whole:
    """Looks for whole values. ``looked`` counts the texts that were decoded for it."""

    def __init__(self, values: Iterable[str]) -> None:
        self._ways = tuple({way: None for value in values for way in _ways(value)})
        self._short: list[_Anchor] = []
        self._grams: dict[int, list[tuple[int, _Anchor]]] = {}
        self.looked = 0
        for anchor in dict.fromkeys(anchor for value in values for anchor in _anchors(value)):
            if len(anchor.letters) < LONG:
                self._short.append(anchor)
                continue
            for at in range(GRAM):
                gram = int.from_bytes(anchor.letters[at : at + GRAM], sys.byteorder)
                self._grams.setdefault(gram, []).append((at, anchor))

    def places(self, data: bytes) -> Spans:
        """Where a value may stand: the bytes from and to that are known of it, without order."""
        return [(at, at + len(anchor.letters)) for at, anchor in self._hits(data)]

    def spans(self, data: bytes) -> Spans:
        """The bytes, from and to and in order, that are a value written in some way."""
        found, windows = [], []
        for at, anchor in self._hits(data):
            end = at + len(anchor.letters)
            if not anchor.reach:
                found.append((at, end))
                continue
            window = max(0, at - anchor.reach), min(len(data), end + anchor.reach)
            if all(data.find(run, *window) >= 0 for run in anchor.near):
                windows.append(window)
        for start, end in joined(windows):
            text = data[start:end].decode("utf-8", "surrogateescape")
            found += [(start + _bytes(text, a), start + _bytes(text, b)) for a, b in self._decoded(text)]
        return joined(found)

    def without(self, data: bytes) -> bytes:
        """The data with each value masked; the data themselves where there is none."""
        spans = self.spans(data)
        if not spans:
            return data
        pieces, last = [], 0
        for start, end in spans:
            pieces += [data[last:start], MASK.encode()]
            last = end
        return b"".join([*pieces, data[last:]])

    def covered(self, data: bytes) -> bytes:
        """The data with each letter of a value hidden and all else where it is: for what goes by lengths and places."""
        told = bytearray(data)
        for start, end in self.spans(data):
            told[start:end] = data[start:end].translate(_COVER)
        return bytes(told)

    def _hits(self, data: bytes) -> Iterator[tuple[int, _Anchor]]:
        for anchor in self._short:
            at = data.find(anchor.letters)
            while at >= 0:
                yield at, anchor
                at = data.find(anchor.letters, at + 1)
        if not self._grams:
            return
        for start in range(0, len(data) - GRAM + 1, AT_ONCE):
            end = min(start + AT_ONCE, len(data) // GRAM * GRAM)
            part = memoryview(data)[start:end].cast("Q")
            if not self._grams.keys().isdisjoint(part):
                yield from self._followed(data, start, part)

    def _followed(self, data: bytes, start: int, part: memoryview) -> Iterator[tuple[int, _Anchor]]:
        for number, gram in enumerate(part):
            for before, anchor in self._grams.get(gram, ()):
                at = start + number * GRAM - before
                if at >= 0 and data.startswith(anchor.letters, at):
                    yield at, anchor

    def _decoded(self, text: str) -> Iterator[tuple[int, int]]:
        self.looked += 1
        for view in views(text):
            shown = view.text.replace("+", " ")  # as forms write it
            for way in self._ways:
                at = shown.find(way)
                while at >= 0:
                    yield view.span(at, at + len(way))
                    at = shown.find(way, at + len(way))


def joined(spans: Spans) -> Spans:
    """The places in order; those that touch or overlap are one."""
    found: Spans = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _bytes(text: str, letters: int) -> int:
    return len(text[:letters].encode("utf-8", "surrogateescape"))


def _ways(value: str) -> set[str]:
    """A value as it reads once it is decoded: plain, or of bytes that were taken for letters; each + is a blank."""
    return {way.replace("+", " ") for way in (value, value.encode("utf-8", "surrogatepass").decode("latin-1"))}


def _anchors(value: str) -> Iterator[_Anchor]:
    reach = WIDEST * len(value) + 64
    if runs := _runs(value):
        for write in _WRITTEN:
            first, *others = map(write, runs)
            yield _Anchor(first, reach, tuple(others))
    else:
        yield from (_Anchor(spelled, reach) for spelled in _escaped(value))
    yield from (_Anchor(spelled) for spelled in _encoded(value.encode("utf-8", "surrogatepass")))


def _runs(value: str) -> list[str]:
    """Stretches of letters that each way to write a value treats alike, the longest first; none of much use: none."""
    for pattern, shortest in ((_RUNS, SHORTEST_RUN), (_FOREIGN, SHORTEST_FOREIGN)):
        runs = sorted(set(pattern.findall(value)), key=lambda run: (-len(run), run))
        if runs and len(runs[0]) >= shortest:
            return [run[:MOST_OF_A_RUN] for run in runs[:MOST_RUNS] if len(run) >= min(shortest, NEAR_RUN)]
    return []


def _escaped(value: str) -> set[bytes]:
    """A value of hardly a letter of ASCII in the ways services escape it."""
    json_of = value.encode("unicode_escape").decode().replace('"', '\\"')
    plain = {value, quote(value), quote(value, safe=""), json_of, json_of.replace("\\", "\\\\")}
    html = "".join(letter if letter.isascii() and letter.isalnum() else f"&#{ord(letter)};" for letter in value)
    lower = re.sub("%..", lambda found: found[0].lower(), quote(value, safe=""))
    every = {write(value) for write in _WRITTEN} if value.isascii() else set()
    return {way.encode("utf-8", "surrogatepass") for way in plain | {html, lower}} | every


def _encoded(raw: bytes) -> set[bytes]:
    """Bytes in base64, wherever they begin in what was encoded, and in hex."""
    ways = {raw.hex(), *(raw.hex(sign) for sign in " :-")}
    ways |= {way.upper() for way in ways}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        # The letters at either end are made of neighbours' bits too; the last is not where nothing comes behind.
        begin, end = (8 * before + 5) // 6, 8 * (before + len(raw)) // 6
        for inner in (whole[begin:end], whole[begin:].rstrip("="), whole[begin:]):
            plain = {inner, inner.replace("+", "-").replace("/", "_")}
            ways |= plain | {quote(way, safe="") for way in plain} | {inner.replace("/", "\\/")}
    return {way.encode() for way in ways}


def _bytewise(form: str) -> Callable[[str], bytes]:
    return lambda run: "".join(form.format(byte) for byte in run.encode("utf-8", "surrogatepass")).encode()


def _unitwise(form: str) -> Callable[[str], bytes]:
    def write(run: str) -> bytes:
        raw = run.encode("utf-16-be", "surrogatepass")
        return "".join(form.format(raw[at] * 256 + raw[at + 1]) for at in range(0, len(raw), 2)).encode()

    return write


def _letterwise(form: str) -> Callable[[str], bytes]:
    return lambda run: "".join(form.format(ord(letter)) for letter in run).encode()


# How a run of digits and letters stands in a text: most escapes leave those of ASCII, some write each as a number.
_WRITTEN: tuple[Callable[[str], bytes], ...] = (
    lambda run: run.encode("utf-8", "surrogatepass"),
    lambda run: run.encode("utf-16-be", "surrogatepass")[1:],  # without the zero before, or behind in the other order
    *map(_bytewise, ("%{:02x}", "%{:02X}", "%25{:02x}", "%25{:02X}", "\\x{:02x}")),
    *map(_unitwise, ("\\u{:04x}", "\\u{:04X}", "\\\\u{:04x}", "\\\\u{:04X}")),
    *map(_letterwise, ("&#{};", "&#x{:x};", "&#x{:X};")),
)
