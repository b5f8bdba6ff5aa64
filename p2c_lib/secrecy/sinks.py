"""Where texts leave the process: log records, the streams of a command, what a kernel sends to its notebook."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from p2c_lib.secrecy.files import LEAKED
from p2c_lib.secrecy.harmless import harmless
from p2c_lib.secrecy.known import kept_value, masked, masked_bytes, on_new_secret, told_value
from p2c_lib.secrecy.raised import without_secrets_in

__all__ = ["MaskedStream", "behind", "mask_kernel", "mask_logs", "mask_streams"]

_MARK = "_p2c_masked"
# Jupyter's messages of what is printed (stream) and raised (error, or the reply to a cell) have these.
_TOLD = {"text", "traceback"}


class MaskedStream:
    """A text stream that nothing secret goes through; in all else the stream it stands before.

    ``lost`` is why it did not take what was written, once that was so: a full disk, or nobody who reads.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        with self._noting():
            self._stream.write(masked(text) if isinstance(text, str) else text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._noting():
            self._stream.flush()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.lost = error
            raise

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines, each without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def behind(stream: TextIO) -> TextIO:
    """The stream itself, for what was looked through already and has a form to keep."""
    return stream._stream if isinstance(stream, MaskedStream) else stream


def mask_streams() -> None:
    """Whatever this process prints from now on, tracebacks and warnings of others among it, is without secrets."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, MaskedStream):
            with suppress(AttributeError, OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # a letter the terminal lacks ends no command
            setattr(sys, name, MaskedStream(stream))
    sys.excepthook = _tell_traceback
    threading.excepthook = lambda ended: _tell_traceback(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _tell_traceback(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """What no command expected: its traceback on stderr, as Python tells it, but for secrets and control characters."""
    if sys.stderr is not None:
        sys.stderr.write(harmless(masked("".join(traceback.format_exception(kind, error, trace)))))


def mask_logs() -> None:
    """Every log record is made without secrets, whichever handler gets it."""
    made: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()
    if getattr(made, _MARK, False):
        return

    def record_of(*parts: Any, **named: Any) -> logging.LogRecord:
        record = made(*parts, **named)
        with suppress(Exception):  # a record whose words and values do not fit is logging's own to tell
            record.msg, record.args = masked(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            without_secrets_in(record.exc_info[1])
            record.exc_text = masked("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return record

    setattr(record_of, _MARK, True)
    logging.setLogRecordFactory(record_of)


def mask_kernel() -> None:
    """In a notebook's kernel: every output, traceback and widget state goes out without secrets."""
    # Another thread may be importing IPython just now; a kernel has done so long since.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    session = getattr(getattr(shell, "kernel", None), "session", None)
    pack = getattr(session, "pack", None)
    if session is None or pack is None or getattr(pack, _MARK, False):
        return

    def packed(content: Any) -> bytes:
        made: bytes = pack(content)
        # What was sent is taken apart as JSON: names stay, and no secret is looked for from one text into the next.
        found, whole = _packed_without(made)
        if whole and (place := os.environ.get(LEAKED)):
            with suppress(OSError), Path(place).open("a", encoding="utf-8") as told:
                told.write("\n")
        return found

    setattr(packed, _MARK, True)
    session.pack = packed


def _packed_without(made: bytes) -> tuple[bytes, bool]:
    """A message of a kernel without secrets, and whether a whole one stood in it.

    What is printed or raised is told, so it is without pieces of one too; tables and pages that are shown are data.
    """
    try:
        found = json.loads(made)
    except ValueError:
        told_bytes = masked_bytes(made)
        return told_bytes, told_bytes != made
    told = kept_value(found)
    whole = told != found
    if isinstance(found, dict) and not _TOLD.isdisjoint(found):
        told = told_value(told)
    return (made if told == found else json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")), whole


on_new_secret(mask_logs)
on_new_secret(mask_kernel)
