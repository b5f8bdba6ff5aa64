"""A notice by mail: SMTP with verified TLS, whose answers are bounded as those of HTTP are."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic
from typing import Any

from p2c_lib.notices.notice import Notice
from p2c_lib.waiting import unwanted

__all__ = ["mail"]

SECONDS = 15.0  # of one read or write
LARGEST = 64 * 1024  # bytes of all that a server says


def mail(notice: Notice, settings: Any, seconds: float) -> None:
    """Send a notice through a server. Raises OSError and SMTPException for what goes wrong or on for longer."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = notice.headline, settings["from"], ", ".join(settings["to"])
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=settings["from"].rpartition("@")[2])
    message.set_content(notice.text)
    trust = ssl.create_default_context(cafile=settings["authority"])
    bounds = _Bounds(seconds)
    address = (settings["host"], settings["port"])
    with (
        _Tls(bounds, *address, timeout=SECONDS, context=trust)
        if settings["security"] == "tls"
        else _Plain(bounds, *address, timeout=SECONDS)
    ) as server:
        if settings["security"] == "starttls":
            server.starttls(context=trust)
        if settings["password"] is not None:
            server.login(settings["user"], settings["password"].reveal())
        server.send_message(message)


class _Bounds:
    """What is left of the bytes and of the time that one conversation has."""

    def __init__(self, seconds: float) -> None:
        self._bytes, self._until = LARGEST, monotonic() + seconds

    def take(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise OSError(f"the server says more than {LARGEST:,} bytes")
        if monotonic() > self._until or unwanted():
            raise TimeoutError("the server is too slow")


class _Lines:
    """The lines that a server says, within bounds; one that comes letter by letter too."""

    def __init__(self, inner: Any, bounds: _Bounds) -> None:
        self._inner, self._bounds = inner, bounds

    def readline(self, most: int) -> bytes:
        line = b""
        while len(line) < most and not line.endswith(b"\n"):
            came = self._inner.read1(1) or b""
            self._bounds.take(len(came))
            if not came:
                break
            line += came
        return line

    def close(self) -> None:
        self._inner.close()


class _Plain(smtplib.SMTP):
    """SMTP whose answers are bounded; smtplib bounds a line and a read, but not how many there are."""

    def __init__(self, bounds: _Bounds, *address: Any, **options: Any) -> None:
        self._bounds = bounds
        super().__init__(*address, **options)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Lines(self.sock.makefile("rb"), self._bounds)
        return super().getreply()


class _Tls(_Plain, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""
