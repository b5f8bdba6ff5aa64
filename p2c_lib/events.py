"""What happens while a run goes on, line by line in a file: the kernels write, the terminal and the monitor read.

A process tells when ``P2C_EVENTS`` names the file; each line is one JSON object with ``at`` in UTC.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p2c_lib.secrecy import kept_value

__all__ = ["PLACE", "Follower", "append", "listening", "progress", "tell"]

PLACE = "P2C_EVENTS"
OFTEN = 0.25

Hear = Callable[[Mapping[str, Any]], None]

_listeners: list[Hear] = []


@contextmanager
def listening(hear: Hear) -> Iterator[None]:
    """For the duration, what this process tells is handed to ``hear`` too, in the place of whoever listened before."""
    _listeners.append(hear)
    try:
        yield
    finally:
        _listeners.remove(hear)


def tell(**facts: Any) -> None:
    """Add what happened to the file of this run, and hand it to who listens in this process."""
    if _listeners:
        _listeners[-1](facts)
    place = os.environ.get(PLACE)
    if place:
        append(Path(place), **facts)


def append(file: Path, **facts: Any) -> None:
    """Add one line, whole: several processes write to the same file."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    plain = kept_value(json.loads(json.dumps({"at": at, **facts}, default=str)))
    line = json.dumps(plain, ensure_ascii=False) + "\n"
    target = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(target, line.encode("utf-8", "backslashreplace"))
    finally:
        os.close(target)


def progress(**facts: Any) -> Callable[[int, int | None], None]:
    """A callback for rows done and rows in all, which tells a few times a second and at the end."""
    told = 0.0

    def moved(done: int, of: int | None) -> None:
        nonlocal told
        if done == of or time.monotonic() - told >= OFTEN:
            told = time.monotonic()
            tell(event="progress", **facts, done=done, of=of)

    return moved


class Follower:
    """Reads a growing file of events: every call gives the lines that are new and whole."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.file.is_file():
            return
        with self.file.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield json.loads(line)
