"""The content of an answer, unpacked and bounded: neither a gateway nor a packed bomb fills the memory.

What is told to people of an answer is read in one encoding, UTF-8: a page or an error in another one comes in that.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator

import httpx

from p2c_lib.errors import AnswerTooLarge, IncompleteRead, NotTheService
from p2c_lib.secrecy import masked_bytes

__all__ = ["in_utf8", "received", "too_large"]

GZIP = 16 + zlib.MAX_WBITS
MB = 1024 * 1024
DIGITS = 20
GOOD = range(200, 300)
MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)
MARKED = dict(zip(MARKS, ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be", "utf-8"), strict=True))
LOOKED_AT = 512
SIGNS = b'{"<a'
_OF_ONE_BYTE = re.compile(rb"[^\0]{6,}")  # no shorter secret is known; letters of two bytes have zeros in between
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
HINT = (
    "Ask for fewer columns or rows at once. If the service's own answers are that large, raise largest_answer_mb of "
    "the connection in p2c.toml; if not, something between here and the service makes them so."
)


def received(response: httpx.Response, most: int, target: str) -> tuple[bytes, int]:
    """The content of a streamed answer, and how many bytes of it came over the wire.

    Raises AnswerTooLarge where it has more than ``most`` bytes, as it comes or unpacked: no more than that is ever
    held. Raises IncompleteRead for gzip that is damaged or cut short, NotTheService for another packing, which nobody
    asked for, and httpx' errors for a connection that ends.
    """
    wire, parts, size = _Counted(response, most, target), list[bytes](), 0
    for part in _unpacked(wire, response, target):
        size += len(part)
        if size > most:
            raise too_large(target, most, f"{wire.size:,} bytes came that unpack to more", response.status_code)
        parts.append(part)
    content = b"".join(parts)
    kind = response.headers.get("content-type", "")
    told = response.status_code not in GOOD or "json" not in kind.lower()
    return in_utf8(content, kind) if told else content, wire.size


def in_utf8(content: bytes, kind: str) -> bytes:
    r"""A text in the encoding that its mark, its content type or its zeros show, in UTF-8; one in that as it is.

    IIS and .NET write error pages in UTF-16, with a mark, a name or neither. A name that cannot be true is not
    believed; secrets are masked before anything is decoded: in another encoding nobody would know them again.

    >>> in_utf8("Bad".encode("utf-16-le"), "text/plain"), in_utf8(b"\xff\xfeB\0", ""), in_utf8(b"a\xff", "")
    (b'Bad', b'B', b'a\xff')
    >>> in_utf8(b'{"error": "Bad"}', "application/json; charset=utf-16-be")
    b'{"error": "Bad"}'
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    named = _CHARSET.search(kind)
    encoding = MARKED.get(mark) or _by_zeros(content[:LOOKED_AT]) or (named[1].lower() if named else "utf-8")
    try:
        believed = mark or not _belies(content, encoding)
        if codecs.lookup(encoding).name in {"utf-8", "ascii"} or not believed:
            return content.removeprefix(mark)
        content = _OF_ONE_BYTE.sub(lambda found: masked_bytes(found[0]), content)
        whole = content[len(mark) :] + b"\0" * (-len(content) % 2 if encoding == "utf-16-le" else 0)
        return whole.decode(encoding, "replace").encode("utf-8", "replace")
    except (LookupError, ValueError, TypeError):  # an encoding that nobody knows, or that is none of text
        return content


def _belies(content: bytes, encoding: str) -> bool:
    """Whether plain letters of ASCII begin what would have other bytes for them: JSON or a page, in truth."""
    if SIGNS.decode(encoding, "replace") == SIGNS.decode():
        return False
    begin = content[:LOOKED_AT].lstrip()
    plain = b"\0" not in begin[:2] and begin[:2].isascii()
    return plain and (begin[:1] in (b"{", b"[", b"<") or (begin.isascii() and b"\0" not in begin))


def _by_zeros(content: bytes) -> str | None:
    """UTF-16 or UTF-32 by where its zeros stand: every other byte of Western text is one, or three of four.

    The first letter has to be such a one too: a text in UTF-8 may have zeros in between.
    """
    first = [byte == 0 for byte in content[:4]]
    many = [content[at::4].count(0) * 4 > len(content) // 2 for at in range(4)]
    found = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }
    return found.get((many[0], many[1], many[2], many[3])) if first == many else None


def too_large(target: str, most: int, came: str, status: int = 0) -> AnswerTooLarge:
    """The error for an answer of more bytes than one may have; ``came`` says what of it did."""
    may = f"{most / MB:,.0f} MB" if most >= MB else f"{most / 1024:,.0f} kB"
    said = f"{target}: an answer may have {may}, and {came}."
    return AnswerTooLarge(said, status=status, target=target, hint=HINT)


class _Counted:
    """The bytes of an answer as they come, counted and bounded."""

    def __init__(self, response: httpx.Response, most: int, target: str) -> None:
        self._response, self._most, self._target = response, most, target
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        told = self._response.headers.get("content-length", "").lstrip("0")
        if re.fullmatch(r"[0-9]+", told) and (len(told) > DIGITS or int(told) > self._most):
            raise self._error(f"one of {told[:DIGITS]} bytes is on its way")
        for part in self._response.iter_raw():
            self.size += len(part)
            if self.size > self._most:
                raise self._error("more came")
            yield part

    def _error(self, came: str) -> AnswerTooLarge:
        return too_large(self._target, self._most, came, self._response.status_code)


def _unpacked(wire: _Counted, response: httpx.Response, target: str) -> Iterator[bytes]:
    named = response.headers.get("content-encoding", "").lower().split(",")
    packings = [each.strip() for each in named if each.strip() not in {"", "identity"}]
    if not packings:
        return iter(wire)
    if packings in (["gzip"], ["x-gzip"]):
        return _gunzipped(wire, target)
    raise NotTheService(
        f"{target}: the answer came packed as {', '.join(packings)[:60]!r}; gzip or nothing was asked for.",
        status=response.status_code,
        target=target,
        hint="Something between here and the service packs its answers anew: a proxy or a gateway.",
    )


def _gunzipped(wire: _Counted, target: str) -> Iterator[bytes]:
    """What a gzip holds, every member of it, in parts of bounded size."""
    member = None
    try:
        for came in wire:
            left, full = came, False
            while left or full:  # a full part may not be all that what has come so far unpacks to
                member = member or zlib.decompressobj(GZIP)
                part = member.decompress(left, MB)
                yield part
                left, full = member.unconsumed_tail, len(part) == MB
                if member.eof:
                    left, full, member = member.unused_data, False, None
    except zlib.error as error:
        said = f"{target}: the compressed answer is damaged ({error})."
        raise IncompleteRead(said, target=target, hint="Try again.") from None
    if member is not None:
        raise IncompleteRead(f"{target}: the compressed answer is cut short.", target=target, hint="Try again.")
