"""The secrets and tokens this process has come to hold, and texts without them.

They are a fact about the process, as its environment is: a token that one client got may be echoed to another. The
latest are kept, ``MOST`` of them and ``ALTOGETHER`` letters, in memory alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from p2c_lib.secrecy.matcher import SHORTEST, Matcher
from p2c_lib.secrecy.pieces import VARIED
from p2c_lib.secrecy.shapes import MASK, without_shapes

__all__ = [
    "MASK",
    "forget_secrets",
    "is_like_a_token",
    "keep_secret",
    "keep_secrets_of_proxies",
    "keep_secrets_of_url",
    "keep_token",
    "masked",
    "masked_bytes",
    "masked_value",
    "on_new_secret",
    "rows_without_secrets",
    "without_secrets",
]

# A night's run renews a token once an hour for each application user.
MOST = 256
# Letters of all of them: a hundred tokens as Entra makes them. Each takes some two hundred bytes to be found by.
ALTOGETHER = 300_000
LONGEST = 65_536
# A token of fewer letters, or of nothing but letters, may be a word that other texts have too.
SHORTEST_TOKEN, LONGEST_WORD = 16, 64
DEEPEST = 6
SIGNATURES = {"sig", "code", "token", "key", "signature"}

T = TypeVar("T")
R = TypeVar("R")
_lock = threading.Lock()
_values: dict[str, None] = {}
_matcher: Matcher | None = None
_on_new: list[Callable[[], None]] = []


def on_new_secret(begin: Callable[[], None]) -> None:
    """Have something done whenever there is a new secret to hide."""
    _on_new.append(begin)


def keep_secret(value: str) -> str:
    """The value itself, which from now on is told to nobody.

    One of fewer than six letters cannot be told apart from other words; of one longer than any key or token is (64 kB)
    the beginning is told to nobody.
    """
    global _matcher
    if len(value) < SHORTEST:
        return value
    kept = value[:LONGEST]
    with _lock:
        new = kept not in _values
        _values.pop(kept, None)
        _values[kept] = None
        if len(_values) > MOST or sum(map(len, _values)) > ALTOGETHER:
            _drop_oldest()
            _matcher = None
        elif new and _matcher is not None:
            _matcher.add(kept)
    if new:
        for begin in _on_new:
            begin()
    return value


def _drop_oldest() -> None:
    left = sum(map(len, _values))
    while len(_values) > MOST or left > ALTOGETHER:
        oldest = next(iter(_values))
        left -= len(oldest)
        del _values[oldest]


def keep_token(value: str) -> str:
    """The value itself, a token that a service gave; it is told to nobody unless it may be an everyday word.

    Where one is echoed that is as short or as plain as a word, it is known by the form of a header alone: to mask it
    everywhere would take a word out of what others say.
    """
    return keep_secret(value) if is_like_a_token(value) else value


def is_like_a_token(value: str) -> bool:
    """Whether a text is no word: sixteen letters and more, of six kinds and more, with a digit among up to 64.

    >>> is_like_a_token("accounts"), is_like_a_token("BusinessDocumentSalesAgreements")
    (False, False)
    >>> is_like_a_token("x" * 5_000), is_like_a_token("0.AXkAq7Zt-5dW2c")
    (False, True)
    """
    if len(value) < SHORTEST_TOKEN or len(set(value)) < VARIED:
        return False
    return len(value) > LONGEST_WORD or any(letter.isdigit() for letter in value)


def keep_secrets_of_url(url: str) -> str:
    """The address itself; its password and its signature are told to nobody."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url
    for value in (password, *(value for name, value in parse_qsl(parts.query) if name.lower() in SIGNATURES)):
        if value:
            keep_secret(value)
            keep_secret(unquote(value))
    return url


def keep_secrets_of_proxies() -> None:
    """The passwords of the proxies that the environment names are told to nobody."""
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy"):
            keep_secrets_of_url(value)


def forget_secrets() -> None:
    """Begin anew, as a new process does."""
    global _matcher
    with _lock:
        _values.clear()
        _matcher = None


def masked(text: str) -> str:
    """The text without any secret, known or secret by its form.

    >>> _ = keep_secret("tell nobody: 0042")
    >>> masked("the secret was tell%20nobody%3a+0042."), masked("tell nobody: 0042"[:16])
    ('the secret was ***.', '***')
    """
    return without_shapes(without_secrets(text))


def without_secrets(text: str) -> str:
    """The text without any secret this process knows."""
    matcher = _ready()
    if matcher is None or len(text) < SHORTEST:
        return text
    spans = matcher.spans(text)
    if not spans:
        return text
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], MASK]
        end = stop
    return "".join([*pieces, text[end:]])


def masked_bytes(content: bytes) -> bytes:
    """The same for what is not decoded yet; bytes that are no UTF-8 stay as they are."""
    return masked(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def masked_value(value: T, depth: int = DEEPEST) -> T:
    """A text, or a list, tuple or mapping of such, without secrets; anything else as it is."""
    return cast(T, _masked_inside(value, depth))


def _masked_inside(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, bytes):
        return masked_bytes(value)
    if depth == 0:
        return value
    if type(value) is dict:
        return {_masked_inside(name, depth): _masked_inside(each, depth - 1) for name, each in value.items()}
    if type(value) in {list, tuple, set, frozenset}:
        inside = [_masked_inside(each, depth - 1) for each in value]
        return value if all(new is old for new, old in zip(inside, value, strict=True)) else type(value)(inside)
    return value


def rows_without_secrets(rows: Sequence[R]) -> Sequence[R]:
    """Rows for a database, each a tuple or a mapping, without the secrets this process knows.

    They are looked through together: that there is none, as almost always, is found at little cost.
    """
    matcher = _ready()
    if matcher is None or not rows or not matcher.spans("\0".join(_texts(rows))):
        return rows
    return [cast(R, _without_known(row)) for row in rows]


def _texts(rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        yield from (value for value in (row.values() if isinstance(row, Mapping) else row) if isinstance(value, str))


def _without_known(row: Any) -> Any:
    def plain(value: Any) -> Any:
        return without_secrets(value) if isinstance(value, str) else value

    if isinstance(row, Mapping):
        return {name: plain(value) for name, value in row.items()}
    return tuple(map(plain, row))


def _ready() -> Matcher | None:
    global _matcher
    matcher = _matcher
    if matcher is None and _values:
        with _lock:
            matcher = _matcher = Matcher(_values)
    return matcher
