"""Text that is not well-formed, and characters no service takes: read with U+FFFD, refused before they are sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "NO_CHARACTER",
    "TooMuch",
    "all_shown",
    "decoded",
    "page_json",
    "plain_json",
    "refused",
    "shown",
    "well_formed",
    "why_refused",
]

# What XML 1.0 cannot carry, and so neither service keeps: control characters but tab, line feed and carriage return.
ODD = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
REFUSED = re.compile(f"[{ODD}\ud800-\udfff]")
REFUSED_IN_ARROW = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
LONE = re.compile("[\ud800-\udfff]")
NO_CHARACTER = "\ufffd"
MOST_VALUES = 1_000_000  # the definitions of the largest tenant's tables have fewer
MOST_IN_PAGE = 5_000_000  # a page of 10,000 rows with 400 filled columns has four million
MOST_NESTED = 100
SPACE, ALLOWED, FIRST_OF_FFFE = 0x20, (0x09, 0x0A, 0x0D), 0xEF


class TooMuch(ValueError):
    """JSON of more values than anything of its kind has."""


def well_formed(text: str) -> str:
    """The text with U+FFFD for what is no character.

    >>> well_formed("a\\ud83db") == "a\\ufffdb"
    True
    """
    return text if text.isascii() else LONE.sub(NO_CHARACTER, text)


def why_refused(text: str) -> str | None:
    """What a text holds that no service takes, in words that go on from the text; None where it may be sent.

    >>> why_refused("Con\\x07toso"), why_refused("Contoso")
    ('holds a control character (U+0007)', None)
    """
    if text.isprintable():
        return None
    found = REFUSED.search(text)
    if found is None:
        return None
    code = ord(found[0])
    kind = "a control character" if code < SPACE else "half a character" if code < 0xE000 else "no character"
    return f"holds {kind} (U+{code:04X})"


def shown(text: str) -> str:
    """A text for people, U+FFFD in the place of what no service takes."""
    return text if text.isprintable() else REFUSED.sub(NO_CHARACTER, text)


def all_shown(values: pa.Array) -> pa.Array:
    """A column of texts as ``shown`` has each."""
    return pc.replace_substring_regex(values, REFUSED_IN_ARROW, NO_CHARACTER)


def refused(values: pa.Array) -> pa.Array | None:
    """Which texts of a column hold what no service takes; None where none does, which costs one look at the bytes."""
    if not _may_hold(values):
        return None
    odd = pc.fill_null(pc.match_substring_regex(values, REFUSED_IN_ARROW), fill_value=False)
    return odd if pc.any(odd).as_py() else None


def _may_hold(values: pa.Array) -> bool:
    if len(values) == 0 or not pa.types.is_string(values.type):
        return len(values) > 0 and not pa.types.is_string(values.type)
    _, offsets, data = values.buffers()
    if data is None:
        return False
    ends = np.frombuffer(offsets, np.int32, len(values) + 1, values.offset * 4)
    held = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    low = held[held < SPACE]
    return bool((held == FIRST_OF_FFFE).any() or (len(low) and not np.isin(low, ALLOWED).all()))


def decoded(body: bytes) -> str:
    """Bytes as text, whatever they are: what is no UTF-8 stands as lone surrogates, which ``well_formed`` replaces."""
    return body.decode("utf-8-sig", "surrogateescape")


def plain_json(body: bytes | str, *, most: int = MOST_VALUES) -> Any:
    """JSON with well-formed texts, whatever its characters are.

    Raises TooMuch where it has more than ``most`` values, before any is made, and ValueError for what is no JSON or is
    nested without end.
    """
    _check_values(body, most)
    text = well_formed(decoded(body) if isinstance(body, bytes) else body)
    found = _loaded(text)
    return _cleaned(found) if ESCAPED_HALF.search(text) else found


def page_json(body: bytes, **options: Any) -> Any:
    """The JSON of a page of rows as ``plain_json`` has it, but for its texts; ``options`` are ``json.loads``'s."""
    _check_values(body, MOST_IN_PAGE)
    return _loaded(decoded(body), **options)


def _check_values(body: bytes | str, most: int) -> None:
    """Raise TooMuch for more values than ``most``: each but the first of a list or an object comes after a comma.

    They are counted where they stand. A value of two characters takes some hundred bytes in memory.
    """
    if len(body) <= most:
        return
    marks = (b",", b"[", b"{") if isinstance(body, bytes) else (",", "[", "{")
    if sum(map(body.count, marks)) > most:  # type: ignore[arg-type]
        raise TooMuch(f"it has more than {most:,} values")


def _loaded(text: str, **options: Any) -> Any:
    """JSON by Python's own reader; what is nested without end ends the reader and all that walks through it later."""
    try:
        found = json.loads(text, strict=False, **options)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MOST_NESTED}") from None
    except MemoryError:
        raise TooMuch(f"there is not memory enough for its {len(text):,} characters") from None
    level, depth = [found], 0
    while level := [inner for each in level for inner in _within(each) if isinstance(inner, (dict, list))]:
        depth += 1
        if depth >= MOST_NESTED:
            raise ValueError(f"it is nested deeper than {MOST_NESTED}")
    return found


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _cleaned(found: Any) -> Any:
    """The value itself with every text well-formed, in its place."""
    if isinstance(found, str):
        return well_formed(found)
    if isinstance(found, list):
        for at, each in enumerate(found):
            found[at] = _cleaned(each)
    elif isinstance(found, dict):
        for name in list(found):
            value = _cleaned(found.pop(name))
            found[well_formed(name)] = value
    return found
