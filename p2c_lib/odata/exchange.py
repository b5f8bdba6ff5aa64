"""One request and its answer: every conversation over HTTP goes through here, whoever is spoken to.

What comes is bounded in size, the exchange in time and speed, and no redirect is followed: what was meant for one host,
a token above all, goes to no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from p2c_lib.odata.content import received
from p2c_lib.odata.wire import Watch, watched

__all__ = ["Reply", "exchanged"]


@dataclass(frozen=True)
class Reply:
    """What came to one request: ``content`` is unpacked, ``size`` counts the bytes as they came, without headers."""

    status: int
    headers: httpx.Headers
    content: bytes = field(repr=False)
    size: int = 0


def exchanged(http: httpx.Client, method: str, url: str, *, watch: Watch, most: int, target: str, **sent: Any) -> Reply:
    """The answer to one request, of at most ``most`` bytes; ``sent`` is what httpx takes: headers, content, data, json.

    Raises httpx' errors where none comes, what ``received`` raises for a content that is none, and Unwanted where
    nobody waits for it any more.
    """
    with watched(watch), http.stream(method, url, follow_redirects=False, **sent) as response:
        content, size = received(response, most, target)
    return Reply(response.status_code, response.headers, content, size)
