"""One at a time: a lock file that the system lets go of when its holder ends, however it ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from p2c_lib.errors import RunError
from p2c_lib.waiting import LOOK, WALL, unwanted

__all__ = ["alone"]

WAITED = 20.0  # seconds; what holds such a lock is done in a moment


@contextmanager
def alone(file: Path, doing: str, *, wait: bool = False) -> Iterator[int]:
    """Hold a lock file while doing something; gives its file number, which a child may hold on to.

    Raises RunError saying what another process does and since when, at once or after having waited some seconds for it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    says = file.with_name(f"{file.name}.held")
    with file.open("a+b") as handle:
        try:
            _lock(handle.fileno(), WAITED if wait else 0.0)
        except OSError:
            raise RunError(f"{_other(says)} in {file.parent}.", hint="Wait until it has ended, or stop it.") from None
        held = {"doing": doing, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        says.write_text(json.dumps(held), "utf-8")
        try:
            yield handle.fileno()
        finally:
            says.unlink(missing_ok=True)


def _lock(number: int, seconds: float) -> None:
    """Take the lock, at once or within some seconds. Raises OSError."""
    until = WALL.now() + seconds
    while True:
        try:
            return _lock_now(number)
        except OSError:
            if WALL.now() >= until or unwanted():
                raise
        WALL.rest(LOOK / 4)


def _lock_now(number: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _other(says: Path) -> str:
    try:
        held = json.loads(says.read_text("utf-8"))
        since = held["since"][:16].replace("T", " ")
        return f"{held['doing']} runs since {since} UTC (process {held['pid']})"
    except (OSError, ValueError, KeyError):
        return "Another process holds the lock"
