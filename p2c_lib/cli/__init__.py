"""``p2c``: words to calls, errors to exit codes.

Exit codes: 0 clean, 1 differences or a closed gate, 2 error, 130 interrupted, 143 ended by
SIGTERM or SIGHUP. Data goes to stdout, talk to stderr.
"""

from __future__ import annotations

import atexit
import os
import signal
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2c_lib.cli.root import app

__all__ = ["app", "main"]

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main() -> None:
    """The console script. A signal that comes before the command has begun ends it at once: nothing is open yet.

    What is imported for a command takes a second, in which no exception should go through half-made modules.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end_at_once)
    atexit.register(_finished)
    from p2c_lib.cli.root import main as command

    command()


def _finished() -> None:
    """Nothing is left but the interpreter's own end, in which signals would kill it: it ends as the command did."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    with suppress(OSError):  # nobody may listen any more
        os.write(2, b"interrupted\n")
    os._exit(128 + (number if number == signal.SIGINT else signal.SIGTERM))


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from p2c_lib.cli.root import app

    return app
