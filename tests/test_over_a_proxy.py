"""A proxy that is silent, slow or gone is named where that is told; errors as XML and with a BOM read as words."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import pytest

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import ServiceError
from p2c_lib.odata import Patience
from p2c_lib.odata.failures import failure
from p2c_lib.odata.send import Sender
from p2c_lib.odata.unreached import proxy_of
from tests.bad_network import told_server
from tests.trickling import Serve, asked, slow_server

FAR = "https://contoso.crm4.dynamics.test"
QUICK = Patience(
    tries=1, answer_seconds=0.3, slow_seconds=0.4, whole_seconds=2, wait_without_answer=0.5, least_speed=900
)


def silent(_connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def saying(answer: bytes, *, then_wait: bool = False) -> Serve:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        asked(connection)
        connection.sendall(answer)
        if then_wait:
            over.wait()

    return serve


def trickling(connection: socket.socket, over: threading.Event) -> None:
    asked(connection)
    for byte in b"HTTP/1.1 200 Connection established\r\n\r\n":
        connection.sendall(bytes([byte]))
        over.wait(0.05)
    over.wait()


PROXIES: dict[str, tuple[Serve, str]] = {
    "silent": (silent, "nothing came in time from contoso.crm4.dynamics.test"),
    "silent after CONNECT": (saying(b"HTTP/1.1 200 OK\r\n\r\n", then_wait=True), "nothing came in time from contoso"),
    "trickling": (trickling, "nothing came in time from contoso.crm4.dynamics.test"),
    "hanging up": (saying(b""), "contoso.crm4.dynamics.test over the proxy"),
    "asking who it is": (
        saying(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"),
        "the proxy asks who it is (407 Who; it is",
    ),
    "refusing": (
        saying(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
        "the proxy did not let the request through (403 No;",
    ),
}


def told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> ServiceError:
    monkeypatch.setenv("HTTPS_PROXY", proxy.replace("//", "//user:proxy-pass-0042@"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    with told_server(lambda *_: (404, {}, b"")) as tokens:
        here = Connection("x", "sales", FAR, "c", Secret.literal("s"), token_url=f"{tokens}/oauth2/token")
        with closing(Sender(here, patience=QUICK)) as one, pytest.raises(ServiceError) as caught:
            one.send("GET", "/api/data/v9.2/accounts")
    return caught.value


@pytest.mark.parametrize("kind", PROXIES)
def test_the_proxy_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve, said = PROXIES[kind]
    with slow_server(serve) as url:
        error = told(url, monkeypatch)
    assert said in error.message
    assert url.removeprefix("http://") in error.message
    assert "took the request" not in error.message
    assert "PROXY" in (error.hint or "")
    assert "proxy-pass-0042" not in f"{error.message} {error.hint}"


def test_one_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "127.0.0.1:9" in told("http://127.0.0.1:9", monkeypatch).message
    error = told("http://no-such-proxy.invalid:8080", monkeypatch)
    assert "the name of the proxy no-such-proxy.invalid:8080" in error.message


def test_which_proxy_an_address_goes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert proxy_of(FAR) is None
    monkeypatch.setenv("ALL_PROXY", "u:p@way.out:3128")
    assert proxy_of(FAR) == "way.out:3128"
    monkeypatch.setenv("HTTPS_PROXY", "http://other.way:80/")
    assert proxy_of(FAR) == "other.way:80"
    assert proxy_of("https://127.0.0.1:1") is None
    monkeypatch.setenv("NO_PROXY", ".dynamics.test")
    assert proxy_of(FAR) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'\xef\xbb\xbf<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>', "AuthenticationFailed"),
        (b"\xef\xbb\xbf\xef\xbb\xbfbusy", "busy"),
        (b'\xef\xbb\xbf{"error":{"code":"0x1","message":"no such row"}}', "no such row"),
        (
            b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>'
            b'<m:error xmlns:m="x"><m:code>500</m:code><m:message>Broken &lol2;</m:message></m:error>',
            "500 Broken",
        ),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Error>gone &amp; lost</Error>', "gone &amp; lost"),
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"> ] ><Error>it &e; is</Error>', "it is"),
        (b"<!doctype html><html><!-- a > b --><body>Bad gateway</body></html>", "Bad gateway"),
        (b'<!DOCTYPE x [<!ENTITY a "b"', "HTTP 400 without a message"),
    ],
)
def test_what_is_said_in_xml_is_read_without_its_document_type(body: bytes, said: str) -> None:
    message = failure(400, {}, body, "accounts").message
    assert message.removeprefix("accounts: ").removesuffix(" (status 400)").strip() == said


@pytest.mark.parametrize("piece", [b"<!DOCTYPE [", b"<!--", b"<!DOCTYPE x [<!ENTITY a 'b'>", b"&a;", b"]>"])
def test_no_body_takes_long_to_read(piece: bytes) -> None:
    assert failure(502, {}, piece * 40_000, "accounts").status == 502
