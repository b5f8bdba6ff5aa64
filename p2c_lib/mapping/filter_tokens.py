"""The words of an OData filter: values with their kinds, names, marks, and lists as query functions take them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

__all__ = ["Token", "is_day", "tokens"]

TOKEN = re.compile(
    r"""
    (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)?)
  | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
  | (?P<day>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?(?:\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)[mMdDfF]?|\d+(?:[mMdDfF](?![\w-])|[lL]?)))
  | (?P<enum>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+'(?:[^']|'')*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"[^"]*")
  | (?P<alias>@\w+)
  | (?P<count>\$count)
  | (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
  | (?P<mark>[(),:/=\[\]])
    """,
    re.VERBOSE,
)
SINGLE = re.compile(r"\[\s*'(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*\s*\]")
TEXT = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Token:
    """One word; ``kind`` is the pattern's name or ``list``, ``at`` its first character from 1, ``values`` a list's."""

    kind: str
    text: str
    at: int
    values: tuple[object, ...] = ()


def tokens(text: str) -> list[Token]:
    """The words in their order; raises ``ValueError`` for what is none, and for a day that does not exist.

    >>> [one.text for one in tokens("name eq 'A' and not x/y gt 1.5m")]
    ['name', 'eq', "'A'", 'and', 'not', 'x', '/', 'y', 'gt', '1.5m']
    """
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        if text[place].isspace():
            place += 1
            continue
        token = _list(text, place) or _token(text, place)
        found.append(token)
        place += len(token.text)
    return found


def _token(text: str, place: int) -> Token:
    match = TOKEN.match(text, place)
    if match is None:
        raise ValueError(f"'{text[place:].strip()[:12]}' at character {place + 1} is not understood")
    token = Token(str(match.lastgroup), match.group(), place + 1)
    if token.kind in {"moment", "day"} and not is_day(token.text):
        raise ValueError(f"'{token.text}' at character {token.at} is no day that exists")
    return token


def is_day(text: str) -> bool:
    """Whether a text is a day or a moment that exists."""
    try:
        if "T" not in text.upper():
            return bool(date.fromisoformat(text)) and re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None
        moment = datetime.fromisoformat(re.sub(r"\.(\d{6})\d+", r".\1", text.upper()))
        return moment.tzinfo is None or moment.astimezone(UTC).tzinfo is UTC
    except (ValueError, OverflowError):
        return False


def _list(text: str, place: int) -> Token | None:
    """A list of JSON, or of texts in single quotes; None where none begins or it is neither."""
    if text[place] != "[":
        return None
    try:
        values, end = json.JSONDecoder().raw_decode(text, place)
        return Token("list", text[place:end], place + 1, tuple(values))
    except (ValueError, RecursionError):
        match = SINGLE.match(text, place)
        if match is None:
            return None
        inner = tuple(one.replace("''", "'") for one in TEXT.findall(match.group()))
        return Token("list", match.group(), place + 1, inner)
