"""Which links may be followed: a token never leaves its service."""

from __future__ import annotations

from urllib.parse import urlsplit

from p2c_lib.errors import IncompleteRead
from p2c_lib.service_url import moved, same_service

__all__ = ["own_link"]


def own_link(link: str, base: str, target: str) -> str:
    """A next or delta link at the connection's own host, if it leads to the service itself.

    A token must never be sent to another host, so a link that spells the service otherwise, or by its other name, is
    followed where the connection is. Raises IncompleteRead where it leads elsewhere, or names a user.
    """
    if link.startswith("/") and not link.startswith("//"):
        return link
    if same_service(link, base):
        return moved(link, base)
    raise IncompleteRead(
        f"{target}: the next page is said to be at {_shown(link)}, not at {base}.",
        target=target,
        hint="Nothing was sent there. Check what stands between here and the service.",
    )


def _shown(link: str) -> str:
    """A link as far as its host, without a user's name or password."""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"[:200]
