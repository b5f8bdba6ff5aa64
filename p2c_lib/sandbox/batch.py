"""``multipart/mixed`` batches: read leniently (CRLF or LF alone, quoted boundaries), written strictly."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from p2c_lib.sandbox.wire import Answer, Refusal

_CODE = "0x80060888"
_REQUEST = re.compile(r"([A-Z]++)[ \t]++([^ \t]++(?:[ \t]++(?!HTTP/\d(?:\.\d)?[ \t]*$)[^ \t]++)*+)")


@dataclass(frozen=True, slots=True)
class Operation:
    """One request inside a batch; ``url`` as it came."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str | None


Part = Operation | tuple[Operation, ...]
One = tuple[Answer, str | None]
Answered = One | list[One]


def read_batch(content_type: str, body: bytes, *, limit: int) -> list[Part]:
    """The batch's parts in order; a tuple is a change set. `Refusal` (400) names what is wrong."""
    parts: list[Part] = []
    count = 0
    for number, raw in enumerate(_parts(content_type, body), start=1):
        headers, content = _headed(raw)
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/mixed"):
            pieces = _parts(kind, content, whole=True)
            inside = tuple(_operation(piece, number, required=True) for piece in pieces)
            _unique_ids(inside)
            parts.append(inside)
            count += len(inside)
        else:
            parts.append(_operation(raw, number, required=False))
            count += 1
        if count > limit:
            where = "a change set" if isinstance(parts[-1], tuple) else "a batch request"
            message = f"The maximum number of operations is exceeded. A maximum number of '{limit}' operations are "
            raise Refusal(400, _CODE, f"{message}allowed in {where}.")
    return parts


def boundary_of(content_type: str) -> str:
    """The boundary parameter, quoted or not; `Refusal` when the type is not multipart/mixed with one."""
    match = re.search(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;,]+))', content_type, re.IGNORECASE)
    if not content_type.lower().strip().startswith("multipart/mixed") or match is None:
        raise Refusal(
            400, _CODE, f"A batch needs the Content-Type multipart/mixed with a boundary; '{content_type}' came."
        )
    return str(match.group(1) or match.group(2))


def _parts(content_type: str, body: bytes, *, whole: bool = False) -> list[bytes]:
    """The pieces between the boundaries; a change set must be ``whole``, or a cut one would be done in part."""
    boundary = boundary_of(content_type)
    edge = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r?\n|$)")
    marks = list(edge.finditer(body))
    if not marks:
        raise Refusal(400, _CODE, f"The batch body has no part: the boundary '{boundary}' was not found.")
    if whole and not marks[-1].group(1):
        message = f"The change set with the boundary '{boundary}' ends without '--{boundary}--': nothing was done."
        raise Refusal(400, _CODE, message)
    pieces: list[bytes] = []
    for here, following in zip(marks, [*marks[1:], None], strict=True):
        if here.group(1):
            break
        piece = body[here.end() : following.start() if following else len(body)]
        pieces.append(re.sub(rb"^\r?\n", b"", piece))
    return [piece for piece in pieces if piece.strip()]


def _headed(raw: bytes) -> tuple[dict[str, str], bytes]:
    match = re.search(rb"\r?\n[ \t]*\r?\n", b"\n" + raw)
    head, content = (raw, b"") if match is None else (raw[: max(match.start() - 1, 0)], raw[match.end() - 1 :])
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            raise Refusal(400, _CODE, f"'{line[:80]}' in the batch is not a header.")
        headers[name.strip().lower()] = value.strip()
    return headers, content


def _operation(raw: bytes, number: int, *, required: bool) -> Operation:
    outer, content = _headed(raw)
    if not outer.get("content-type", "").lower().startswith("application/http"):
        raise Refusal(400, _CODE, f"Part {number} of the batch is not of Content-Type application/http.")
    content = content.lstrip(b"\r\n")
    first, _, rest = content.partition(b"\n")
    match = _REQUEST.match(first.decode("utf-8", "replace").strip())
    if match is None:
        raise Refusal(400, _CODE, f"Part {number} of the batch does not begin with a request line.")
    headers, body = _headed(rest)
    content_id = headers.get("content-id") or outer.get("content-id")
    if required and content_id is None:
        raise Refusal(400, _CODE, "A 'Content-ID' header is required on every request in a change set.")
    if required and match.group(1) == "GET":
        raise Refusal(400, _CODE, "A GET request is not allowed in a change set.")
    return Operation(match.group(1), match.group(2), headers, body.strip(b"\r\n"), content_id)


def _unique_ids(operations: Sequence[Operation]) -> None:
    seen: set[str] = set()
    for operation in operations:
        if operation.content_id in seen:
            raise Refusal(400, _CODE, f"The Content-ID '{operation.content_id}' is in the change set twice.")
        seen.add(operation.content_id or "")


def write_batch(answers: Sequence[Answered]) -> tuple[str, bytes]:
    """Content-Type and body of the answer; a list of answers becomes a change set's part."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    pieces: list[bytes] = []
    for answered in answers:
        pieces.append(f"--{boundary}\r\n".encode())
        if isinstance(answered, list):
            inner = f"changesetresponse_{uuid.uuid4()}"
            pieces.append(f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n".encode())
            for answer, content_id in answered:
                pieces += [f"--{inner}\r\n".encode(), _written(answer, content_id)]
            pieces.append(f"--{inner}--\r\n".encode())
        else:
            answer, content_id = answered
            pieces.append(_written(answer, content_id))
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/mixed; boundary={boundary}", b"".join(pieces)


def _written(answer: Answer, content_id: str | None) -> bytes:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines += ["", f"HTTP/1.1 {answer.status} {phrase}", *(f"{k}: {v}" for k, v in answer.headers), "", ""]
    return "\r\n".join(lines).encode() + answer.body + b"\r\n"
