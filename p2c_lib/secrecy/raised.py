"""An exception and those behind it, without the secrets that a service echoed into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from p2c_lib.secrecy.known import masked_value

__all__ = ["without_secrets_in"]

# What exceptions of Python's own keep beside their arguments: an undecodable page, a document that is no JSON.
_KEPT = ("object", "reason", "doc", "msg", "text", "strerror", "filename", "filename2", "name")
# Requests and answers hang on the exceptions of HTTP libraries, with every header that was sent.
_WIRE = {"httpx", "httpcore", "requests", "urllib3", "h11"}
MOST = 50


def without_secrets_in(error: BaseException | None) -> None:
    """Take secrets out of an exception, its causes and its contexts, in place; their requests and answers go too."""
    for one in _chain(error):
        with suppress(Exception):  # what an exception of a library refuses to have changed stays
            _clean(one)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    left, seen = [error], set[int]()
    while left and len(seen) < MOST:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions


def _clean(error: BaseException) -> None:
    _replace(error, "args", error.args)
    for name, value in list(vars(error).items()):
        if type(value).__module__.partition(".")[0] in _WIRE:
            setattr(error, name, None)
        else:
            _replace(error, name, value)
    for name in _KEPT:
        _replace(error, name, getattr(error, name, None))


def _replace(error: BaseException, name: str, value: Any) -> None:
    found = masked_value(value)
    if found is not value and found != value:
        with suppress(AttributeError, TypeError):
            setattr(error, name, found)
