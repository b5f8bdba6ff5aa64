"""``p2c`` as a process of its own that begins warm: forked from one that has imported everything already.

A second of imports saved a command; what imports cost and what a cold start does is held by tests of their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

GUARD = 90  # seconds after which a test that hangs is over; nothing is asserted about how long it took
IMPORTS = [
    *("pytest", "tests.warm", "pandas", "duckdb", "httpx", "great_expectations", "p2c_lib.cli.root", "p2c_lib.flow"),
    *("p2c_lib.session", "p2c_lib.odata.client", "p2c_lib.connecting", "p2c_lib.gates.documents", "p2c_lib.load"),
]


class Command:
    """A command that runs, and what it says on stderr."""

    def __init__(self, process: BaseProcess, said: Path) -> None:
        self._process, self._said = process, said
        self.pid = process.pid or 0

    def says(self, beginning: str) -> bool:
        """Wait until it says a line that begins so; False where it ends before."""
        until = time.monotonic() + GUARD
        while time.monotonic() < until:
            over = not self._process.is_alive()
            if any(line.startswith(beginning) for line in self.said.splitlines()):
                return True
            if over:
                return False
            time.sleep(0.02)
        return False

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._said.read_text("utf-8") if self._said.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def ended(self, *signals: signal.Signals) -> tuple[int | None, str]:
        """The exit code after some signals, and what was said."""
        for number in signals:
            self.signal(number)
        self._process.join(GUARD)
        return self._process.exitcode, self.said


def _called(words: tuple[str, ...], environment: dict[str, str], said: str, written: str = os.devnull) -> None:
    """The child: a session of its own, its words and what it writes to files."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["p2c", *words]
    from p2c_lib.cli import main

    main()


@contextlib.contextmanager
def p2c(folder: Path, *words: str, said: Path, further: Mapping[str, str] | None = None) -> Iterator[Command]:
    """``p2c`` with these words in a workspace; what it leaves behind is ended with it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    environment = {**os.environ, "P2C_WORKSPACE": str(folder), **(further or {})}
    process = context.Process(target=_called, args=(words, environment, str(said)))
    process.start()
    command = Command(process, said)
    try:
        yield command
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        process.join(GUARD)
        process.close()


def answered(folder: Path, *words: str, further: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``p2c`` with these words in a workspace, once it has ended."""
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    environment = {**os.environ, "P2C_WORKSPACE": str(folder), **(further or {})}
    with tempfile.TemporaryDirectory() as place:
        out, talk = Path(place) / "out", Path(place) / "talk"
        process = context.Process(target=_called, args=(words, environment, str(talk), str(out)))
        process.start()
        process.join(GUARD)
        assert process.exitcode is not None, f"p2c {' '.join(words)} did not end"
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(words, code, out.read_text("utf-8"), talk.read_text("utf-8"))
