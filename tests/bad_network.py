"""A network that misbehaves, and a server that says whatever it is told: what a client must survive."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, urlsplit

FAULTS = ("429", "503", "lost question", "lost answer", "short", "damaged")


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def asked(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, headers: dict[str, str], body: bytes, *, length: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL at which the handler answers."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _told_there(there: SplitResult, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the service says to a request that is passed on: status, headers and body."""
    upstream = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
    try:
        upstream.request(asked.command, asked.path, body or None, dict(asked.headers.items()))
        answer = upstream.getresponse()
        said = answer.read()
    finally:
        upstream.close()
    skipped = {"content-length", "transfer-encoding", "connection", "date", "server"}
    headers = {name: value for name, value in answer.getheaders() if name.lower() not in skipped}
    return answer.status, headers, said


@contextmanager
def bad_network(url: str, share: float, *, seed: int = 1) -> Iterator[str]:
    """The URL of a way to ``url`` on which a share of all exchanges goes wrong; the token endpoint is spared."""
    chance, lock = random.Random(seed), threading.Lock()
    there = urlsplit(url)

    def fault() -> str:
        with lock:
            return chance.choice(FAULTS) if chance.random() < share else ""

    class Relay(_Quiet):
        def relay(self) -> None:
            body = self.asked()
            kind = "" if "oauth2" in self.path else fault()
            if kind == "lost question":
                return self.hang_up()
            if kind in {"429", "503"}:
                wait = {"Retry-After": "0.01"} if kind == "429" else {}
                return self.say(int(kind), wait, b"<html>busy</html>")
            return self.pass_on(body, kind)

        def pass_on(self, body: bytes, kind: str) -> None:
            status, headers, said = _told_there(there, self, body)
            if kind == "lost answer":
                return self.hang_up()
            if kind == "short":
                self.say(status, headers, said[: len(said) // 2], length=len(said))
                return self.hang_up()
            return self.say(status, headers, said[: len(said) * 2 // 3] if kind == "damaged" else said)

        do_GET = do_POST = do_PATCH = do_DELETE = relay  # noqa: N815 - the names http.server looks for

    with served(Relay) as own:
        yield own


@contextmanager
def relay(url: str, before: Callable[[str], None]) -> Iterator[str]:
    """The URL of a way to ``url``; ``before`` is called with the path of each request and may take its time."""
    there = urlsplit(url)

    class Relay(_Quiet):
        def pass_on(self) -> None:
            body = self.asked()
            before(self.path)
            status, headers, said = _told_there(there, self, body)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.say(status, headers, said)

        do_GET = do_POST = do_PATCH = do_DELETE = pass_on  # noqa: N815 - the names http.server looks for

    with served(Relay) as own:
        yield own


@contextmanager
def told_server(say: Callable[[str, str], tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """The URL of a server that answers each request with ``say(method, path)``; it hands out tokens by itself."""
    with heard_server(lambda method, path, _headers: say(method, path)) as own:
        yield own


@contextmanager
def heard_server(say: Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """Like ``told_server``, for an answer that depends on the request's headers, by lower-case name."""

    class Told(_Quiet):
        def answer(self) -> None:
            self.asked()
            if "oauth2" in self.path:
                return self.say(200, {"Content-Type": "application/json"}, b'{"access_token":"t","expires_in":3600}')
            with contextlib.suppress(BrokenPipeError):
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.say(*say(self.command, self.path, headers))
            return None

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names http.server looks for

    with served(Told) as own:
        yield own
