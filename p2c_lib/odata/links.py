"""Which links may be followed: a token never leaves its service."""

from __future__ import annotations

from urllib.parse import urlsplit

from p2c_lib.errors import IncompleteRead
from p2c_lib.service_url import moved, same_service

__all__ = ["own_link"]

LONGEST_LINK = 60_000  # characters; no request carries many more


def own_link(link: str, base: str, target: str, *, what: str = "the next page is") -> str:
    """A next or delta link at the connection's own host, if it leads to the service itself.

    A token must never be sent to another host, so a link that spells the service otherwise, or by its other name, is
    followed where the connection is. Raises IncompleteRead where it leads elsewhere, or names a user; ``what`` is said
    to be there.
    """
    if len(link) > LONGEST_LINK or not link.isprintable():
        raise IncompleteRead(
            f"{target}: {what} said to be at an address that is none ({_odd(link)}).",
            target=target,
            hint="Nothing was sent there. Check what stands between here and the service.",
        )
    if link.startswith("/") and not link.startswith("//"):
        return link
    if same_service(link, base):
        return moved(link, base)
    raise IncompleteRead(
        f"{target}: {what} said to be at {_shown(link)}, not at {base}.",
        target=target,
        hint="Nothing was sent there. Check what stands between here and the service.",
    )


def _odd(link: str) -> str:
    if len(link) > LONGEST_LINK:
        return f"{len(link):,} characters, and no more than {LONGEST_LINK:,} can be asked for"
    odd = next(char for char in link if not char.isprintable())
    return f"it holds U+{ord(odd):04X}"


def _shown(link: str) -> str:
    """A link as far as its host, without a user's name or password."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"[:200]
