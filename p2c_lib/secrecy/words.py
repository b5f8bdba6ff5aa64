"""One pattern for many words: what they begin with alike is looked at once, so a text is gone through once."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["pattern_of"]

Branch = dict[str, "Branch"]
END = ""


def pattern_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """What finds the longest of the words at every place of a text; None for no word.

    >>> [found[0] for found in pattern_of(["here", "hereby", "hers"]).finditer("hereb hereby hers her")]
    ['here', 'hereby', 'hers']
    """
    root: Branch = {}
    for word in words:
        at = root
        for letter in word:
            at = at.setdefault(letter, {})
        at[END] = {}
    return re.compile(_written(root)) if root else None


def _written(branch: Branch) -> str:
    """The pattern of all that goes on from here; what has one way to go on is written in one."""
    ways = []
    for letter, rest in sorted(branch.items()):
        if letter == END:
            continue
        run = letter
        while len(rest) == 1 and END not in rest:
            ((letter, rest),) = rest.items()
            run += letter
        ways.append(re.escape(run) + _written(rest))
    if not ways:
        return ""
    several = ways[0] if len(ways) == 1 and END not in branch else f"(?:{'|'.join(ways)})"
    return f"{several}?" if END in branch else several
