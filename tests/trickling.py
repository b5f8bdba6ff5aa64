"""Servers that take their time: they trickle, stall, read nothing, or never answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2c_lib.errors import ServiceError
from p2c_lib.odata.send import Sender

GUARD = 60  # seconds after which a test that hangs is over; nothing is asserted about how long it took

Serve = Callable[[socket.socket, threading.Event], None]

TOKEN = b'{"access_token": "t", "expires_in": 3600}'


def whole(body: bytes, kind: str = "application/json") -> bytes:
    """An answer as it goes over the wire."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind.encode(), len(body), body)


def asked(connection: socket.socket) -> bytes:
    """The head of a request, and what of its body came along with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        came = connection.recv(65_536)
        if not came:
            return b""
        head += came
    return head


@contextmanager
def slow_server(serve: Serve) -> Iterator[str]:
    """The URL of a server that gives every connection to ``serve``, with an event that is set when all is over."""
    over, listener = threading.Event(), socket.create_server(("127.0.0.1", 0), backlog=64)
    open_ones: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            serve(connection, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        for each in (listener, *open_ones):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def answering(then: Serve, *, tokens: bool = True) -> Serve:
    """Serves tokens at once, and every other request as ``then`` does, which finds the request read."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        while head := asked(connection):
            if tokens and b"oauth2" in head.partition(b"\r\n")[0]:
                connection.sendall(whole(TOKEN))
            else:
                return then(connection, over)
        return None

    return serve


def trickle(before: bytes) -> Serve:
    """Sends the beginning at once and then a byte at a time for ever."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(before)
        while not over.wait(0.01):
            connection.sendall(b"a")

    return serve


def silence(_connection: socket.socket, over: threading.Event) -> None:
    """Says nothing at all, and reads nothing further."""
    over.wait()


SLOW_BODY = trickle(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
SLOW_HEAD = trickle(b"HTTP/1.1 200 OK\r\nX-Long: ")


def closed_while(one: Sender, begun: threading.Event, ask: Callable[[], object]) -> list[type[ServiceError]]:
    """How a request ends whose sender is closed once it has begun; nothing where it does not end."""
    ended: list[type[ServiceError]] = []

    def asked() -> None:
        try:
            ask()
        except ServiceError as error:
            ended.append(type(error))

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    assert begun.wait(GUARD)
    one.close()
    thread.join(GUARD)
    return ended
