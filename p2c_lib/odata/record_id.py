"""Which record an F&O etag is of: one that was deleted and made anew has another, whatever its key and its values."""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["is_another", "record_id"]

_ETAG = re.compile(r'\AW/"([A-Za-z0-9+/=]{4,4096})"\Z')
_PAIRS = re.compile(rb"'(?:[0-9]+,([0-9]+))(?:;[0-9]+,[0-9]+)*'")


def record_id(etag: str | None) -> int | None:
    """The record id of an entity's own data source, from base64 of ``'version,record[;version,record...]'``.

    None for an etag of another form, which tells nothing.

    >>> record_id('W/"JzEsNjg3MTk0ODI4MzMn"')
    68719482833
    """
    found = _ETAG.match(etag or "")
    if found is None:
        return None
    try:
        pairs = _PAIRS.fullmatch(base64.b64decode(found[1], validate=True))
    except binascii.Error:
        return None
    return int(pairs[1]) if pairs is not None and len(pairs[1]) < 20 else None


def is_another(before: str | None, now: str | None) -> bool | None:
    """Whether two etags that are not the same are of two records; None where they do not tell."""
    ids = record_id(before), record_id(now)
    return None if None in ids else ids[0] != ids[1]
