"""One HTTP exchange as plain values, and the way a request is refused; shared by both systems."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from p2c_lib.sandbox.exact import number


class Refusal(Exception):
    """A request that is answered with an error: HTTP ``status``, the service's ``code``, a message with the problem.

    ``inner`` is the text of F&O's inner error, ``parts`` are further members of a Dataverse error body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        headers: Mapping[str, str] | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.inner, self.headers, self.parts = inner, dict(headers or {}), dict(parts or {})


@dataclass(frozen=True, slots=True)
class Call:
    """A request: ``path`` decoded and without the host, ``query`` as it came, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str

    def options(self) -> dict[str, str]:
        """The query options, decoded (``+`` and ``%20`` are spaces); a repeated one is refused."""
        try:
            pairs = parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=100)
        except (ValueError, UnicodeDecodeError) as error:
            raise Refusal(400, "0x80060888", f"The query string cannot be read: {error}.") from error
        options = dict(pairs)
        if len(options) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Refusal(400, "0x80060888", f"Query option '{twice}' was specified more than once.")
        return options

    def preferences(self) -> dict[str, str]:
        """The ``Prefer`` header by lower-case name; a preference without a value has the value ``""``."""
        return dict(_preferences(self.headers.get("prefer", "")))

    def json(self) -> Any:
        """The body as JSON, numbers that are not whole as `Decimal`; raises ``ValueError`` when it is not."""
        return json.loads(self.body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=number)


@dataclass(slots=True)
class Answer:
    """A response: status, headers in order, and the body's bytes."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _preferences(header: str) -> list[tuple[str, str]]:
    found, rest = [], header
    while rest.strip(" ,;"):
        rest = rest.strip(" ,;")
        name, mark, after = _until(rest, "=,;")
        value = ""
        if mark == "=":
            after = after.lstrip()
            if after.startswith('"'):
                value, _, after = after[1:].partition('"')
            else:
                value, _, after = _until(after, ",;")
        found.append((name.strip().lower(), value.strip()))
        rest = after
    return found


def _until(text: str, marks: str) -> tuple[str, str, str]:
    at = next((i for i, c in enumerate(text) if c in marks), len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


_PAGE = re.compile(r"(?:^|&)(?:\$|%24)skip(?:token)?=[^&]*")


def asked_length(path: str, query: str) -> int:
    """The letters of an address without what a service's own link to a next page adds to it.

    >>> asked_length("/data/A", "$top=1&$skiptoken=abc"), asked_length("/data/A", "$top=1")
    (13, 13)
    """
    return len(path) + len(_PAGE.sub("", query))


def split_url(url: str) -> tuple[str, str]:
    """Decoded path and raw query of an absolute or relative URL."""
    if "://" in url.partition("?")[0]:
        url = "/" + url.partition("://")[2].partition("/")[2]
    path, _, query = url.partition("?")
    return unquote(path, errors="replace"), query
