"""Which links may be followed: a token never leaves its service."""

from __future__ import annotations

from urllib.parse import urlsplit

from p2c_lib.errors import IncompleteRead

__all__ = ["own_link"]


def own_link(link: str, base: str, target: str) -> str:
    """A next or delta link, if it leads to the service itself. Raises IncompleteRead where it leads elsewhere.

    A token must never be sent to another host. Dataverse's ``org.crm`` and ``org.api.crm`` are one service.
    """
    if link.startswith("/") and not link.startswith("//"):
        return link
    there, here = urlsplit(link), urlsplit(base)
    same_scheme = there.scheme == here.scheme
    if same_scheme and there.netloc.replace(".api.crm", ".crm") == here.netloc.replace(".api.crm", ".crm"):
        return link
    raise IncompleteRead(
        f"{target}: the next page is said to be at {there.scheme}://{there.netloc}, not at {base}.",
        target=target,
        hint="Nothing was sent there. Check what stands between here and the service.",
    )
