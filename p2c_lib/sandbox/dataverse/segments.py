"""A request's path cut into segments: ``accounts(<key>)/primarycontactid/$ref``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from p2c_lib.sandbox.dataverse.options import split_outside
from p2c_lib.sandbox.dataverse.refusals import not_last, unknown_segment

_SEGMENT = re.compile(r"([$\w.]+)(?:\((.*)\))?", re.DOTALL)
# The web server finds the service without case; names of sets, functions and actions behind it have theirs.
_LAST = {"$ref", "$batch", "$count", "$value", "$metadata"}
PREFIX = re.compile(r"/?api/data/v(\d+\.\d+)(?:/|$)", re.IGNORECASE)


def prefix(path: str) -> str:
    """What an address under the same version of the service begins with.

    >>> prefix("/API/data/v9.1/accounts"), prefix("/$1")
    ('api/data/v9.1/', 'api/data/v9.2/')
    """
    found = PREFIX.match(path)
    return f"api/data/v{found.group(1) if found else '9.2'}/"


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path; ``key`` is what stood in parentheses, None without them."""

    name: str
    key: str | None = None


def segments(path: str) -> list[Segment]:
    """The path's segments; `Refusal` names the one that cannot be read (404) or after which none can stand (400)."""
    found: list[Segment] = []
    for part in split_outside(path.strip("/"), "/") if path.strip("/") else []:
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise unknown_segment(part[:100])
        if match.group(2) is not None and match.group(1) in _LAST:
            raise unknown_segment(part[:100])
        if found and found[-1].name in _LAST:
            raise not_last(found[-1].name)
        found.append(Segment(match.group(1), match.group(2)))
    return found
