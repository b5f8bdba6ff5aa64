"""Kernels that begin with the imports done, forked from a process that holds them; cold ones where there is no fork."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

__all__ = ["Forked", "WarmKernels", "can_fork"]

STARTING_SECONDS = 60.0


def can_fork() -> bool:
    """Whether this system forks processes (Windows does not)."""
    return hasattr(os, "fork") and sys.platform != "win32"


class Forked:
    """A forked kernel, in the words of ``subprocess.Popen`` that a kernel manager uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """None while it lives. Its parent is the forking process, which keeps no exit code: gone counts as 0."""
        if self.returncode is None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its end. Raises TimeoutExpired when it lives on."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.01)
        return 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class WarmKernels:
    """The forking process of one run; it starts at once and imports while the run makes itself ready."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "p2c_lib.runs.forked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._one_at_a_time = threading.Lock()
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fork(self, argv: list[str], *, env: Mapping[str, str], cwd: str) -> Forked:
        """A new kernel with these arguments. Raises OSError when the forking process is gone."""
        with self._one_at_a_time:
            if not self._ready:
                self._answer()
                self._ready = True
            assert self._server.stdin is not None
            request = {"argv": argv, "env": dict(env), "cwd": cwd}
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            self._server.stdin.flush()
            return Forked(json.loads(self._answer())["pid"])

    def _answer(self) -> bytes:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise OSError("the process that kernels are forked from has ended")
        return line

    def close(self) -> None:
        """End the forking process and the kernels that still live."""
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._server.wait(STARTING_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
