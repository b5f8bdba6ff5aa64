"""Whether a text that came as a token is one: no word, no address, no id, no name that anybody may read."""

from __future__ import annotations

import re

from p2c_lib.secrecy.pieces import VARIED

__all__ = ["is_like_a_token", "is_surely_a_token"]

# A token of fewer letters, or of nothing but letters, may be a word that other texts have too.
SHORTEST_TOKEN, LONGEST_WORD = 16, 64
# So many letters and digits without a gap stand in no address, no id and no date; in an opaque token they do.
SHORTEST_RUN = 16
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://|(?:mailto|urn|api):")
_GUID = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}\}?")
# A host and its port, or the name of a person in a tenant: the last part is letters alone, or all are numbers.
_HOST = re.compile(r"(?:[^\s@/]+@)?(?:[a-z0-9_-]{1,63}\.){1,10}(?:[a-z]{2,24}|[0-9]{1,3})(?::[0-9]{1,5})?(?:/\S*)?")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,3}")
_OPAQUE = re.compile(r"[A-Za-z0-9._~+/=|!*-]+")
_RUN = re.compile(rf"[A-Za-z0-9]{{{SHORTEST_RUN},}}")


def is_like_a_token(value: str) -> bool:
    """Whether a text that is used as a token is no word, address or id: sixteen letters and more, of six kinds and
    more, with a digit among up to 64.

    >>> is_like_a_token("accounts"), is_like_a_token("BusinessDocumentSalesAgreements")
    (False, False)
    >>> is_like_a_token("https://contoso.crm4.dynamics.com"), is_like_a_token("6f1c2d3e-1111-4222-8333-94455667788a")
    (False, False)
    >>> is_like_a_token("x" * 5_000), is_like_a_token("0.AXkAq7Zt-5dW2c")
    (False, True)
    """
    if len(value) < SHORTEST_TOKEN or len(set(value)) < VARIED or _is_public(value):
        return False
    return len(value) > LONGEST_WORD or any(letter.isdigit() for letter in value)


def is_surely_a_token(value: str) -> bool:
    """Whether a text that stands beside a token in an answer is one too: a JWT, or letters and digits at random.

    >>> is_surely_a_token("eyJhbGciOiJub25lIn0.eyJhIjoxfQ."), is_surely_a_token("0.AXkAq7Zt5dW2cQ8mLr3V.x-y")
    (True, True)
    >>> is_surely_a_token("customer-v3-of-2026-11"), is_surely_a_token("https://contoso.example/Q7Zt5dW2cQ8mLr3V")
    (False, False)
    """
    if not is_like_a_token(value) or _OPAQUE.fullmatch(value) is None:
        return False
    return _JWT.fullmatch(value) is not None or any(not (run.isalpha() or run.isdigit()) for run in _RUN.findall(value))


def _is_public(value: str) -> bool:
    """Whether a text is an address or an id, which everybody may read and files are full of."""
    return any(form(value) is not None for form in (_ADDRESS.match, _GUID.fullmatch, _HOST.fullmatch))
