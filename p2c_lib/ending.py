"""A process that is asked to end does end: by itself within seconds, else by force; and at once when asked again.

SIGINT, SIGTERM and SIGHUP, which a closed terminal sends, raise KeyboardInterrupt where the main thread stands. A
thread beside it counts the seconds, also while the main thread is somewhere that no exception reaches: after ``GRACE``
nothing in the process waits any more, and after ``LAST`` it ends, its children before it. What the ledger and the
journal hold is on the disk at any moment.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType

from p2c_lib.waiting import end_every_wait

__all__ = [
    "GRACE",
    "IN_FLIGHT",
    "Interrupted",
    "asked",
    "beside",
    "end_group",
    "exit_code",
    "heeded",
    "interrupted",
    "on_signals",
]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
IN_FLIGHT = 2.0  # seconds that a request which writes has to be answered; after that it is in doubt
GRACE = 5.0  # seconds that what is in flight has to end by itself
LAST = 20.0  # seconds after which the process ends whatever it does; its children five seconds earlier
CHILDREN_SOONER = 5.0

_asked: list[int] = []
_children: dict[subprocess.Popen[bytes], bool] = {}  # and whether what a child started ends with it
_wakers: list[socket.socket] = []  # open as long as a process that was asked to end lives


class Interrupted(KeyboardInterrupt):
    """The interruption itself. A kind of its own, since Python kills a process by SIGINT, whatever its exit code, in
    which a plain KeyboardInterrupt once went through a text that was executed, as the making of a dataclass is."""


def heeded() -> tuple[signal.Signals, ...]:
    """The signals that end this process; none that its parent told it to ignore: ``nohup`` does so with SIGHUP, a shell
    with SIGINT for what it starts in the background."""
    return tuple(n for n in SIGNALS if n == signal.SIGTERM or signal.getsignal(n) != signal.SIG_IGN)


def asked() -> bool:
    """Whether this process was asked to end."""
    return bool(_asked)


def exit_code() -> int:
    """128 and the number of the signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM, and for SIGHUP too."""
    return _code(_asked[0] if _asked else signal.SIGINT)


def _code(number: int) -> int:
    return 128 + (number if number == signal.SIGINT else signal.SIGTERM)


def interrupted(number: int, _frame: FrameType | None = None) -> None:
    """The handler of a signal: raises KeyboardInterrupt where the main thread stands.

    It does not raise it once more while the first goes its way and the thread beside is about to end the process.
    """
    _asked.append(number)
    if len(_asked) == 1 or not _wakers:
        raise Interrupted


@contextmanager
def beside(child: subprocess.Popen[bytes], *, whole_group: bool = False) -> Iterator[None]:
    """A child process that must not outlive this one, however it ends; with its ``whole_group``, where it leads one."""
    _children[child] = whole_group
    try:
        yield
    finally:
        _children.pop(child, None)


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads a session of its own, and all that it started in it."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


@contextmanager
def on_signals() -> Iterator[None]:
    """For the duration, signals end this process as described above; for the main thread of a program."""
    reader, writer = socket.socketpair()
    _wakers.append(writer)
    writer.settimeout(0.0)
    before = {number: signal.signal(number, interrupted) for number in heeded()}
    waker = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="ending", daemon=True).start()
    try:
        yield
    finally:
        if not asked():  # what ends now is watched over until it has ended
            signal.set_wakeup_fd(waker)
            for number, handler in before.items():
                signal.signal(number, handler)
            _wakers.remove(writer)
            writer.close()


def _watch(reader: socket.socket) -> None:
    """Count the seconds from the first signal; the second one ends the process. Ends itself when nothing can come."""
    with reader, suppress(EOFError):
        _count_down(reader)


def _count_down(reader: socket.socket) -> None:
    number = _signal(reader, None)
    began = monotonic()
    stages = [(GRACE, end_every_wait), (LAST - CHILDREN_SOONER, _end_children)]
    for seconds, act in stages:
        if (again := _signal(reader, began + seconds)) is not None:
            _end_at_once(again, "ended at once")
        act()
    again = _signal(reader, began + LAST)
    _end_at_once(again or number or signal.SIGTERM, f"did not end by itself within {LAST:.0f} s, and was ended")


def _signal(reader: socket.socket, until: float | None) -> int | None:
    """The next of ``SIGNALS`` that comes until a moment; None where none does. Raises EOFError where none can."""
    while until is None or until > monotonic():
        reader.settimeout(None if until is None else max(0.01, until - monotonic()))
        try:
            came = reader.recv(1)
        except TimeoutError:
            return None
        if not came:
            raise EOFError
        if came[0] in SIGNALS:
            return came[0]
    return None


def _end_children() -> None:
    for child, whole_group in tuple(_children.items()):
        with suppress(OSError):
            end_group(child) if whole_group else child.kill()


def _end_at_once(number: int, said: str) -> None:
    _end_children()
    with suppress(OSError):
        os.write(2, f"{said}\n".encode())
    os._exit(_code(number))
