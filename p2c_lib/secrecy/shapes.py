"""What is secret by its form, known or not: a bearer header, a JWT, the password and the signature of an address."""

from __future__ import annotations

import base64
import binascii
import re

from p2c_lib.secrecy.whole import MASK

__all__ = ["MASK", "without_shapes"]

_SIGNS = re.compile("bearer|basic|eyj|sig(?:=|%3d)|://|client_|_token|accountkey|sharedaccess|password|pwd")
_BASIC = re.compile(r"(\bbasic\s+)([A-Za-z0-9+/_-]{8,}={0,2})", re.IGNORECASE)
_SHAPES = (
    (re.compile(r"(\bbearer\s+)(?=\S*\d)[A-Za-z0-9._~+/=-]{20,}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), MASK),
    (re.compile(r"((?:[?&;]|%26|%3[Ff])sig(?:=|%3[Dd]))[^&\s\"'<>\\;]+"), rf"\1{MASK}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/?#:@\"'<>\\]*:)[^\s/?#@\"'<>\\]+(?=@)", re.IGNORECASE), rf"\1{MASK}"),
    (
        re.compile(
            r"((?:client_secret|client_assertion|access_token|refresh_token|id_token|accountkey|sharedaccesskey)"
            r"(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?)[^\s\"'&,;<>\\]{16,}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # A secret of a few letters is known by where it stands alone.
    (
        re.compile(
            r"(\b(?:client_secret|password|pwd)(?:=|%3[Dd]|\\?[\"']\s{0,5}:\s{0,5}\\?[\"']))[^\s\"'&,;<>\\]{1,100}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def without_shapes(text: str) -> str:
    """The text without what is secret by its form.

    >>> without_shapes("GET https://x.blob/a?se=1&sig=Ab%2B1 over http://me:word@proxy:8080")
    'GET https://x.blob/a?se=1&sig=*** over http://me:***@proxy:8080'
    """
    if not _SIGNS.search(text.lower()):
        return text
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return _BASIC.sub(_without_basic, text)


def _without_basic(found: re.Match[str]) -> str:
    """A Basic header is base64 of a name, a colon and a password; a course for beginners is not."""
    text = found[2].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        inside = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return found[0]
    return f"{found[1]}{MASK}" if b":" in inside else found[0]
