"""The secrets and tokens this process has come to hold, and texts without them.

What is told, a message or a log, is without them and without their pieces. What is kept as data, rows and the facts
about them, is without whole ones: a piece of a secret may be a customer's name.

A secret that is an everyday word, as short as one or a name that programs may go by, is taken out of what is told to
people, and of nothing else: a task, a key or a row that holds the same word stays what it is.

They are a fact about the process, as its environment is: a token that one client got may be echoed to another. The
latest are kept, ``MOST`` of them and ``ALTOGETHER`` letters, in memory alone.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from p2c_lib.secrecy.matcher import SHORTEST, Matcher
from p2c_lib.secrecy.shapes import without_shapes
from p2c_lib.secrecy.tokens import is_like_a_token, is_surely_a_token
from p2c_lib.secrecy.whole import MASK, Whole

__all__ = [
    "MASK",
    "forget_secrets",
    "is_weak",
    "keep_public",
    "keep_secret",
    "keep_secrets_of_proxies",
    "keep_secrets_of_url",
    "keep_token",
    "kept_value",
    "masked",
    "masked_bytes",
    "masked_value",
    "on_new_secret",
    "rows_without_secrets",
    "told_value",
    "whole_secrets",
    "without_secrets",
    "without_whole_secrets",
]

# A night's run renews a token once an hour for each application user.
MOST = 256
# Letters of all of them: a hundred tokens as Entra makes them. Each takes some two hundred bytes to be found by.
ALTOGETHER = 300_000
LONGEST = 65_536
# A secret of fewer letters, of letters alone up to a length that names have, or of digits as numbers have them.
SHORTEST_FIRM = 8
_WORD = re.compile(r"[A-Za-z_]{1,40}(?:V[0-9]{1,2})?|[0-9]{1,20}")
# Letters of an address or a name that are looked at.
LONGEST_PUBLIC = 2_000
DEEPEST = 6
DEEPEST_JSON = 100
SIGNATURES = {"sig", "code", "token", "key", "signature"}

T = TypeVar("T")
R = TypeVar("R")
_lock = threading.Lock()
_values: dict[str, None] = {}
_public: dict[str, None] = {}
_matchers: dict[bool, Matcher] = {}  # by whether everyday words are left out
_whole: list[Whole] = []
_on_new: list[Callable[[], None]] = []


def on_new_secret(begin: Callable[[], None]) -> None:
    """Have something done whenever there is a new secret to hide."""
    _on_new.append(begin)


def keep_secret(value: str) -> str:
    """The value itself, which from now on is told to nobody.

    One of fewer than six letters cannot be told apart from other words; of one longer than any key or token is (64 kB)
    the beginning is told to nobody.
    """
    if len(value) < SHORTEST:
        return value
    kept = value[:LONGEST]
    with _lock:
        new = kept not in _values
        if new:
            _whole.clear()
        _values.pop(kept, None)
        _values[kept] = None
        if len(_values) > MOST or sum(map(len, _values)) > ALTOGETHER:
            _drop_oldest()
            _matchers.clear()
        elif new:
            for firm, matcher in _matchers.items():
                if not (firm and is_weak(kept)):
                    matcher.add(kept)
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


def keep_token(value: str, *, used: bool = True) -> str:
    """The value itself, a token that a service gave; it is told to nobody unless it may be a word, an address or an id.

    Where one is echoed that is as short or as plain as a word, it is known by the form of a header alone: to mask it
    everywhere would take a word out of what others say. One that is not ``used`` to sign in, but came beside it, is
    kept only where it is surely a token.
    """
    secret = is_like_a_token(value) if used else is_surely_a_token(value)
    return keep_secret(value) if secret and not _is_public(value) else value


def keep_public(*values: str | None) -> None:
    """What everybody may read: addresses, ids and names. A secret that stands in one is taken out of no file."""
    new = {
        value.lower()[:LONGEST_PUBLIC]
        for value in values
        if value and not ("://" in value and any(sign in value for sign in "@?"))  # those may hold a password
    } - _public.keys()
    if not new:
        return
    with _lock:
        _public.update(dict.fromkeys(new))
        if any(value.lower() in public for value in _values for public in new):
            _matchers.pop(True, None)
            _whole.clear()


def _is_public(value: str) -> bool:
    small = value.lower()
    return any(small in public for public in list(_public))


def is_weak(value: str) -> bool:
    """Whether a secret may stand in data by chance, and so is not taken out of data, plans and journals.

    So may one that is a part of what everybody may read: an address, an id or a name of the configuration.

    >>> is_weak("accounts"), is_weak("CustomersV2"), is_weak("12345678"), is_weak("s3cret")
    (True, True, True, True)
    >>> is_weak("tell-nobody"), is_weak("Zt9.k4Qx7")
    (False, False)
    """
    return len(value) < SHORTEST_FIRM or _WORD.fullmatch(value) is not None or _is_public(value)


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
    with _lock:
        _values.clear()
        _public.clear()
        _matchers.clear()
        _whole.clear()


def masked(text: str) -> str:
    """The text without any secret, known or secret by its form.

    >>> _ = keep_secret("tell nobody: 0042")
    >>> masked("the secret was tell%20nobody%3a+0042."), masked("tell nobody: 0042"[:16])
    ('the secret was ***.', '***')
    """
    return without_shapes(_without(text, firm=False))


def whole_secrets() -> Whole | None:
    """What finds whole secrets in data, everyday words left out; None where there is none to be found."""
    found = next(iter(_whole), None)
    if found is None:
        with _lock:
            firm = [value for value in _values if not is_weak(value)]
            if not firm:
                return None
            found = Whole(firm)
            _whole[:] = [found]
    return found


def without_secrets(text: str) -> str:
    """A message that is kept, without any secret this process knows, or a piece of one, but for everyday words."""
    return _without(text, firm=True)


def without_whole_secrets(text: str) -> str:
    """A text of data without the whole secrets this process knows, in whatever way one is written.

    >>> _ = keep_secret("Contoso Retail: 2026!")
    >>> without_whole_secrets("Contoso Retail: 2025"), without_whole_secrets("/Contoso%20Retail%3A+2026!/")
    ('Contoso Retail: 2025', '/***/')
    """
    found = whole_secrets()
    if found is None or len(text) < SHORTEST_FIRM:
        return text
    data = text.encode("utf-8", "surrogatepass")
    told = found.without(data)
    return text if told is data else told.decode("utf-8", "surrogatepass")


def _without(text: str, *, firm: bool) -> str:
    matcher = _ready(firm=firm)
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
    return cast(T, _masked_inside(value, depth, masked, keys=True))


def kept_value(value: T) -> T:
    """Values as JSON has them, for a file or a program: each text without whole secrets but for everyday words.

    The keys stay, and so does what is no text: who reads it goes by them.

    >>> _ = keep_secret("tell nobody: 0042"), keep_secret("accounts")
    >>> kept_value({"accounts": ["accounts", "said tell nobody: 0042", 42]})
    {'accounts': ['accounts', 'said ***', 42]}
    """
    return cast(T, _masked_inside(value, DEEPEST_JSON, _kept_text, keys=False))


def told_value(value: T) -> T:
    """Values as JSON has them that are a message: each text without secrets and their pieces; the keys stay."""
    return cast(T, _masked_inside(value, DEEPEST_JSON, lambda text: without_shapes(without_secrets(text)), keys=False))


def _kept_text(text: str) -> str:
    return without_shapes(without_whole_secrets(text))


def _masked_inside(value: Any, depth: int, clean: Callable[[str], str], *, keys: bool) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return clean(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if depth == 0:
        return value
    if type(value) is dict:
        return {
            clean(name) if keys and isinstance(name, str) else name: _masked_inside(each, depth - 1, clean, keys=keys)
            for name, each in value.items()
        }
    if type(value) in {list, tuple, set, frozenset}:
        inside = [_masked_inside(each, depth - 1, clean, keys=keys) for each in value]
        return value if all(new is old for new, old in zip(inside, value, strict=True)) else type(value)(inside)
    return value


def rows_without_secrets(
    rows: Sequence[R], named: Callable[[Any], bool] | None = None, data: Callable[[Any], bool] | None = None
) -> Sequence[R]:
    """Rows for a database, each a tuple or a mapping, without the secrets this process knows but everyday words.

    ``named`` says of a column, by its name or its place, whether it is told to people; without it all are. ``data``
    says which of those hold customers' data, where only a whole secret counts. The rows are looked through together:
    that there is no secret, as almost always, is found at little cost.
    """
    matcher = _ready(firm=True)
    if matcher is None or not rows or not matcher.spans("\0\n\0".join(_texts(rows, named))):
        return rows
    return [cast(R, _without_known(row, named, data)) for row in rows]


def _texts(rows: Sequence[Any], named: Callable[[Any], bool] | None) -> Iterator[str]:
    for row in rows:
        for name, value in row.items() if isinstance(row, Mapping) else enumerate(row):
            if isinstance(value, str) and (named is None or named(name)):
                yield value


def _without_known(row: Any, named: Callable[[Any], bool] | None, data: Callable[[Any], bool] | None) -> Any:
    def plain(name: Any, value: Any) -> Any:
        if not isinstance(value, str) or (named is not None and not named(name)):
            return value
        return without_whole_secrets(value) if data is not None and data(name) else without_secrets(value)

    if isinstance(row, Mapping):
        return {name: plain(name, value) for name, value in row.items()}
    return tuple(plain(at, value) for at, value in enumerate(row))


def _ready(*, firm: bool) -> Matcher | None:
    matcher = _matchers.get(firm)
    if matcher is None and _values:
        with _lock:
            matcher = _matchers[firm] = Matcher(value for value in _values if not (firm and is_weak(value)))
    return matcher
