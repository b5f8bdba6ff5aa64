"""A request's path cut into segments: ``accounts(<key>)/primarycontactid/$ref``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from p2c_lib.sandbox.dataverse.options import split_outside
from p2c_lib.sandbox.dataverse.refusals import unknown_segment

_SEGMENT = re.compile(r"([$\w.]+)(?:\((.*)\))?", re.DOTALL)
# The web server finds the service without case; names of sets, functions and actions behind it have theirs.
PREFIX = re.compile(r"/?api/data/v\d+\.\d+(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path; ``key`` is what stood in parentheses, None without them."""

    name: str
    key: str | None = None


def segments(path: str) -> list[Segment]:
    """The path's segments; `Refusal` (404) names the one that cannot be read."""
    found: list[Segment] = []
    for part in split_outside(path.strip("/"), "/") if path.strip("/") else []:
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise unknown_segment(part[:100])
        found.append(Segment(match.group(1), match.group(2)))
    return found
