"""``$batch``: many writes in one request, framed as multipart text, and their answers taken apart in order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from p2c_lib.errors import IncompleteRead
from p2c_lib.odata.characters import plain_json

__all__ = ["Part", "Reply", "frame", "replies"]

_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?', re.IGNORECASE)
LONGEST_BOUNDARY = 200  # RFC 2046 has 70
_STATUS = re.compile(rb"(?m)^HTTP/\d\.\d (\d{3})[^\r\n]*+\r?\n")
_NESTED = re.compile(rb'^[Cc]ontent-[Tt]ype:\s*multipart/mixed;\s*boundary="?([^";,\s]+)"?', re.MULTILINE)
_CONTENT_ID = re.compile(rb"(?im)^content-id:[ \t]*([^\r\n]*?)[ \t]*\r?$")
_ETAG = re.compile(rb"(?im)^etag:([^\r\n]*)")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One request inside a batch: method, path from the host on, further header lines and a JSON body."""

    method: str
    path: str
    headers: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer inside a batch: status, header text, body, and the Content-ID of its request where it tells one."""

    status: int
    head: bytes
    body: bytes
    content_id: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers by lower-case name."""
        lines = (line.partition(":") for line in self.head.decode("latin-1").splitlines())
        return {name.strip().lower(): value.strip() for name, _, value in lines if name.strip()}

    def etag(self) -> str | None:
        """The version of the row as the answer tells it, in the row or in its headers."""
        try:
            row = plain_json(self.body) if b'"@odata.etag"' in self.body else None
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("@odata.etag"), str):
            return str(row["@odata.etag"])
        named = _ETAG.search(self.head)
        return None if named is None else named.group(1).decode("latin-1").strip() or None


def frame(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body of a batch of independent requests, numbered from 1 by their Content-ID, and its content type."""
    boundary = f"batch_{uuid4().hex}"
    return f"{_framed(parts, boundary)}--{boundary}--\r\n".encode(), f'multipart/mixed; boundary="{boundary}"'


def frame_change_set(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body of a batch holding one change set: all of its writes happen, or none."""
    boundary, inner = f"batch_{uuid4().hex}", f"changeset_{uuid4().hex}"
    head = f"--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n"
    whole = f"{head}{_framed(parts, inner)}--{inner}--\r\n--{boundary}--\r\n"
    return whole.encode(), f'multipart/mixed; boundary="{boundary}"'


def _framed(parts: Sequence[Part], boundary: str) -> str:
    head = f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    return "".join(
        f"{head}Content-ID: {n}\r\n\r\n"
        f"{p.method} {p.path} HTTP/1.1\r\nContent-Type: application/json\r\n{p.headers}\r\n{p.body}\r\n"
        for n, p in enumerate(parts, 1)
    )


def replies(headers: Mapping[str, str], body: bytes, target: str) -> list[Reply]:
    """The answers of a batch in order, those of change sets among them. Raises IncompleteRead for what is no batch."""
    found = _BOUNDARY.search(headers.get("content-type", ""))
    if found is None or not found[1].isascii() or len(found[1]) > LONGEST_BOUNDARY:
        raise IncompleteRead(f"{target}: the answer to a batch is no batch.", target=target)
    return _parts(body, found[1].encode("ascii"))


def _parts(body: bytes, boundary: bytes, *, inner: bool = False) -> list[Reply]:
    """The whole parts: one is only taken when the boundary that ends it has arrived too.

    A batch holds change sets, and a change set holds none.
    """
    pieces = (b"\r\n" + body).split(b"\n--" + boundary)
    answers: list[Reply] = []
    for piece in pieces[1:-1]:
        nested = None if inner else _NESTED.search(piece, 0, 400)
        if nested is not None and b"HTTP/1.1" not in piece[: nested.start()]:
            answers.extend(_parts(piece, nested.group(1), inner=True))
            continue
        answers.extend(_reply(piece))
    return answers


def _reply(piece: bytes) -> list[Reply]:
    status = _STATUS.search(piece)
    if status is None:
        return []
    code, rest = int(status.group(1)), piece[status.end() :]
    end = _END_OF_HEADERS.search(b"\n" + rest)
    head, body = (rest, b"") if end is None else (rest[: max(0, end.start() - 1)], rest[end.end() - 1 :].strip())
    named = _CONTENT_ID.search(piece, 0, status.start()) or _CONTENT_ID.search(head)
    return [Reply(code, head, body, named.group(1).decode("latin-1") if named else None)]
