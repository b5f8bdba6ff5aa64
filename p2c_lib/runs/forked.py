"""The process that kernels are forked from: one thread, the heavy imports done, a request a line on its input.

``python -m p2c_lib.runs.forked`` answers ``{"argv", "env", "cwd"}`` with ``{"pid"}``. It ends, and its kernels with it,
when its input does: a run that is killed leaves no kernel behind.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

__all__ = ["serve"]

# What every walk of a task imports. Great Expectations is not among them: it is rarely needed and costs 3 s.
IMPORTS = ("pandas", "duckdb", "httpx", "p2c_lib.flow", "p2c_lib.session", "ipykernel.kernelapp")


def serve() -> None:
    """Import, say so, and fork a kernel for every request until the input ends."""
    for name in IMPORTS:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernels: list[int] = []
    if not _told("ready"):
        return
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            _become_kernel(json.loads(line))
        kernels.append(pid)
        if not _told(json.dumps({"pid": pid})):
            break
    for pid in kernels:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def _told(answer: str) -> bool:
    """Give the answer that is waited for; False where nobody waits any more, because the run has ended."""
    try:
        os.write(1, f"{answer}\n".encode())
    except OSError:
        return False
    return True


def _become_kernel(request: dict[str, Any]) -> None:
    """Turn the child into a kernel of its own session, with nothing of the parent's pipes or signals; never returns."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(request["argv"])
    # From here on only what the notebook wants to be done at its end; the run asks for that and then kills the kernel,
    # since taking a big interpreter apart would cost it seconds.
    atexit._clear()
    app.start()
    atexit._run_exitfuncs()
    os._exit(0)


if __name__ == "__main__":
    serve()
