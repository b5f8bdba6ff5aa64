"""The content of an answer, unpacked and bounded: neither a gateway nor a packed bomb fills the memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import httpx

from p2c_lib.errors import AnswerTooLarge, IncompleteRead, NotTheService

__all__ = ["received", "too_large"]

GZIP = 16 + zlib.MAX_WBITS
MB = 1024 * 1024
DIGITS = 20
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
    return b"".join(parts), wire.size


def too_large(target: str, most: int, came: str, status: int = 0) -> AnswerTooLarge:
    """The error for an answer of more bytes than one may have; ``came`` says what of it did."""
    said = f"{target}: an answer may have {most / MB:,.0f} MB, and {came}."
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
