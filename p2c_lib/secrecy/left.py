"""Where this process leaves rows of customers: looked through for whole secrets before it ends, whatever it does.

A command does so at its end, and says it; a notebook's kernel or a script when it leaves.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from p2c_lib.secrecy.files import Cleaned, clean_folder, let_the_run_know

__all__ = ["forget_places", "leaves", "look_through"]

_places: dict[Path, None] = {}


def leaves(place: Path) -> None:
    """Rows are left in a folder, or in a file: it is looked through before this process ends."""
    if not _places:
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
    _places[place] = None


def forget_places() -> None:
    """Nothing is left to look through."""
    _places.clear()


def look_through() -> Iterator[tuple[Path, Cleaned]]:
    """Take the whole secrets this process knows out of what it leaves; the places where there was something to tell."""
    while _places:
        place = next(iter(_places))
        found = clean_folder(place)
        del _places[place]
        if found != Cleaned():
            let_the_run_know(place, found)
            yield place, found


def _at_exit() -> None:
    for place, found in look_through():
        told = ", ".join((*found.cleaned, *found.plans, *found.unread))
        with suppress(OSError, ValueError):
            sys.stderr.write(f"A secret stood, or may stand, below {place}: {told}. Change it, and what holds it.\n")
