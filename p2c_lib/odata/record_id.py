"""Which record an F&O etag is of, and whether it is as it was made.

One that was deleted and made anew has another id, whatever its key and its values.
"""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["is_another", "is_as_made", "record_id"]

_ETAG = re.compile(r'\AW/"([A-Za-z0-9+/=]{4,4096})"\Z')
_PAIRS = re.compile(rb"'[0-9]{1,19},[0-9]{1,19}(?:;[0-9]{1,19},[0-9]{1,19})*'")


def record_id(etag: str | None) -> int | None:
    """The record id of an entity's own data source, from base64 of ``'version,record[;version,record...]'``.

    None for an etag of another form, which tells nothing.

    >>> record_id('W/"JzEsNjg3MTk0ODI4MzMn"')
    68719482833
    """
    found = _pairs(etag)
    return None if found is None else found[0][1]


def is_as_made(etag: str | None) -> bool:
    """Whether every record behind an etag has the version that a new one has; false for an etag of another form.

    A data source without a record has the version 0; every update gives a record another version than 1.

    >>> is_as_made('W/"JzEsNjg3MTk0ODI4MzMn"')
    True
    """
    found = _pairs(etag)
    return found is not None and found[0][0] == 1 and all(version in {0, 1} for version, _ in found)


def _pairs(etag: str | None) -> list[tuple[int, int]] | None:
    """Version and record id of each data source of a row."""
    found = _ETAG.match(etag or "")
    if found is None:
        return None
    try:
        text = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None
    if _PAIRS.fullmatch(text) is None:
        return None
    pairs = [pair.partition(b",") for pair in text.strip(b"'").split(b";")]
    return [(int(version), int(record)) for version, _, record in pairs]


def is_another(before: str | None, now: str | None) -> bool | None:
    """Whether two etags that are not the same are of two records; None where they do not tell."""
    ids = record_id(before), record_id(now)
    return None if None in ids else ids[0] != ids[1]
