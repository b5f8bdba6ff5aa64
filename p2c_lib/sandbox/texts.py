"""Texts as both systems take them: as long as an nvarchar column counts them, of characters that XML can carry."""

from __future__ import annotations

# Control characters and non-characters; tabs and line ends are texts like any other.
_NO_XML = frozenset(chr(code) for code in (*range(0x20), 0xFFFE, 0xFFFF)) - set("\t\n\r")


def units(text: str) -> int:
    """The length of a text in UTF-16 units, of which an emoji has two.

    >>> units("Zoë 😀")
    6
    """
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int) -> str:
    """The beginning of a text that has at most so many UTF-16 units; half a character is left out."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * most].decode("utf-16-le", "ignore")


def refused_in(text: str) -> str | None:
    """The first character of a text that neither system takes.

    >>> refused_in("bad\\x01"), refused_in("two\\r\\nlines")
    ('\\x01', None)
    """
    if text.isprintable():
        return None
    return next((c for c in text if c in _NO_XML or "\ud800" <= c <= "\udfff"), None)
