"""Who holds something in the ledger: a process on a machine, and whether it is still there."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

__all__ = ["has_died", "named", "new_holder"]

GONE, ALIVE = "gone", "alive"


def new_holder() -> str:
    """A name for this process that no other holder ever has: machine, number, start and a word of its own."""
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())} {secrets.token_hex(4)}"


def named(holder: str) -> str:
    """A holder in words.

    >>> named("pc7 4711 99 0a1b")
    'process 4711 on pc7'
    """
    host, pid = holder.split(" ")[:2]
    return f"process {pid} on {host}"


def has_died(holder: str) -> bool:
    """Whether a holder is a process of this machine that is not there any more."""
    host, pid, started = holder.split(" ")[:3]
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process of this machine started, as the system counts it; ``gone`` when there is none."""
    if sys.platform == "win32":
        return _on_windows(pid)
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].split()[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return GONE
    except PermissionError:
        return ALIVE
    return ALIVE


def _on_windows(pid: int) -> str:
    """Looked at, not signalled: there ``os.kill`` ends whatever it is called with."""
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - there is none on other systems
    look, still_active = 0x1000, 259  # PROCESS_QUERY_LIMITED_INFORMATION and STILL_ACTIVE of Windows' headers
    handle = kernel.OpenProcess(look, False, pid)  # noqa: FBT003 - as Windows calls it
    if not handle:
        return GONE
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return ALIVE if code.value == still_active else GONE
