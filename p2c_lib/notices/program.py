"""A program of the user's own that is given a notice: what it says is bounded, and it does not outlive the wait."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from p2c_lib import ending
from p2c_lib.secrecy import masked

__all__ = ["run_program"]

MOST_SAID = 64 * 1024  # bytes of its stderr that are kept; what comes after them is read and dropped
AT_ONCE = 64 * 1024
SETTLE_SECONDS = 0.5  # for what it said last, once it has ended


class _Said:
    """What a program writes to its stderr, read beside it: a child it leaves behind may hold the other end open."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._held = stream, bytearray()
        self._reading = threading.Thread(target=self._read, name="said", daemon=True)
        self._reading.start()

    def _read(self) -> None:
        with self._stream:
            while part := self._stream.read1(AT_ONCE):  # type: ignore[attr-defined]
                self._held += part[: max(0, MOST_SAID - len(self._held))]

    def text(self) -> str:
        self._reading.join(SETTLE_SECONDS)
        return bytes(self._held).decode("utf-8", "replace").strip()


def run_program(command: Sequence[str], given: str, seconds: float) -> None:
    """Run a program with a text on its stdin, and wait until it ends, not for what it leaves behind.

    Raises OSError where it does not start or ends with another code than 0, subprocess.TimeoutExpired after the
    seconds. Whatever ends the wait sooner ends the program, and what it started.
    """
    child = subprocess.Popen(  # noqa: S603 - the user's own command, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stderr is not None
    with ending.beside(child, whole_group=True):
        try:
            said = _Said(child.stderr)
            threading.Thread(target=_give, args=(child.stdin, given.encode()), name="given", daemon=True).start()
            code = child.wait(seconds)
        except BaseException:
            ending.end_group(child)
            child.wait()
            raise
    if code:
        raise OSError(f"the command ended with {code}: {masked(said.text())[:200]}")


def _give(stream: IO[bytes], given: bytes) -> None:
    """Write to a program that may not read it."""
    try:
        with stream:
            stream.write(given)
    except OSError:
        return
