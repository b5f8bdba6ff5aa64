"""What no service should answer ends in an error of ours that says what came, and never in the end of the process."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import requests

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import (
    AnswerTooLarge,
    IncompleteRead,
    NotAuthorised,
    NotTheService,
    P2CError,
    ServiceError,
    Unreachable,
    Untrusted,
)
from p2c_lib.odata import Client, Column, EntitySchema, Patience, Query
from p2c_lib.odata.auth import token_source
from p2c_lib.odata.characters import MOST_NESTED, plain_json
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.links import own_link
from p2c_lib.odata.unreached import unreached
from p2c_lib.sandbox.certificate import certificate
from tests.bad_network import heard_server, told_server
from tests.test_odata_hostile import COUNTED, JSON, ROW, SHORT, Said, page, read_from

MB = 1024 * 1024
MOMENT = Column("made", "Edm.DateTimeOffset", pa.timestamp("us", "UTC"))
PAGES = """
import sys
import pyarrow as pa
from p2c_lib.errors import P2CError
from p2c_lib.odata import Column, EntitySchema, Query
from p2c_lib.odata.decode import Decoder
columns = [Column("thingid", "Edm.Guid", pa.string()), Column("amount", "Edm.Decimal", pa.decimal128(38, 4))]
schema = EntitySchema("sales", "things", "thing", ("thingid",), {c.name: c for c in columns})
for line in sys.stdin:
    try:
        Decoder(Query("things", ("amount",)), schema, empty_is_null=False).page(bytes.fromhex(line))
        print("read", flush=True)
    except P2CError as error:
        print(type(error).__name__, flush=True)
"""
NOT_AN_OBJECT = [
    b"null",
    b" \r\n\tnull",
    b"\xef\xbb\xbfnull",
    b"null\n{}",
    b'{"value":[]}null{}',
    b'{"value":[]}\n null\n',
    b"[null]",
    b"12",
    b'"text"',
    b"true",
    b"NaN",
    b"",
    b"\x00",
]
FAR = [
    "1e-9999999",
    "1E-999999999",
    '"1e-999999999"',
    '"1e-99\\u0039999999"',
    '"1\\u0065-999999999"',
    '"1e\\u002d9999999"',
]


def read_in_a_process(bodies: list[bytes]) -> tuple[int, list[str]]:
    """How a process that decodes these pages ends, and what came of each."""
    given = "".join(f"{body.hex()}\n" for body in bodies)
    done = subprocess.run([sys.executable, "-c", PAGES], input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split()


def test_a_page_that_is_no_object_ends_in_words_and_not_in_the_process() -> None:
    assert read_in_a_process(NOT_AN_OBJECT) == (0, ["IncompleteRead"] * len(NOT_AN_OBJECT))


def test_no_exponent_ends_the_process_however_it_is_spelt() -> None:
    row = '{"value":[{"@odata.etag":"1","thingid":"a","amount":%s}]}'
    assert read_in_a_process([(row % number).encode() for number in FAR]) == (0, ["read"] * len(FAR))


@pytest.mark.parametrize(
    ("envelope", "words"),
    [
        ({"@odata.count": True}, "@odata.count of a page is 'True'"),
        ({"@odata.count": 10**40}, "@odata.count of a page is '1000"),
        ({"@odata.count": -1}, "counts -1 rows"),
        ({"@odata.count": "one"}, "@odata.count of a page is 'one'"),
        ({"@odata.nextLink": 7}, "@odata.nextLink of a page is '7'"),
        ({"@odata.nextLink": ["/x"]}, "@odata.nextLink of a page"),
        ({"@odata.nextLink": "/api/x\n?a"}, "U\\+000A"),
        ({"@odata.nextLink": "http://["}, "an address that is none"),
        ({"@odata.nextLink": "/api/" + "x" * 70_000}, "70,005 characters"),
        ({"error": "sorry"}, "an error came as a good answer: sorry"),
        ({"further": [[[]]] * 3}, None),
    ],
)
def test_what_stands_beside_the_rows_is_held_to_its_kind(envelope: dict[str, object], words: str | None) -> None:
    body = page([ROW], **{"@odata.count": 1, **envelope})
    if words is None:
        assert len(read_from(lambda _: (200, JSON, body))) == 1
        return
    with pytest.raises(ServiceError, match=words):
        read_from(lambda _: (200, JSON, body))


@pytest.mark.parametrize("moment", ["\\udce5", "2026-01-31\\ud800", "x"])
def test_a_moment_of_half_characters_is_told_with_its_row(moment: str) -> None:
    body = f'{{"value":[{{"@odata.etag":"1","thingid":"a","made":"{moment}"}}]}}'
    made = {"thingid": Column("thingid", "Edm.Guid", pa.string()), "made": MOMENT}
    schema = EntitySchema("sales", "things", "thing", ("thingid",), made)
    decoder = Decoder(Query("things", ("made",)), schema, empty_is_null=False)
    with pytest.raises(ServiceError, match=r"things.made: the value .* is no timestamp.*row 1 of the page, thingid a"):
        decoder.page(body.encode())


@pytest.mark.parametrize("etag", ['W/"1"\r\nAuthorization: x', 'W/"é"', "\x00"])
def test_an_etag_that_no_header_carries_is_refused_where_it_comes(etag: str) -> None:
    with pytest.raises(IncompleteRead, match="cannot be sent back"):
        read_from(lambda _: (200, JSON, page([{**ROW, "@odata.etag": etag}], **{"@odata.count": 1})))


def test_a_link_with_half_a_character_is_not_followed() -> None:
    with pytest.raises(IncompleteRead, match=r"U\+D800"):
        own_link("/api/\ud800", "https://contoso.crm4.dynamics.com", "things")


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 200_000, "[" * 900 + "]" * 900])
def test_what_is_nested_without_end_is_no_json(body: str) -> None:
    with pytest.raises(ValueError, match=str(MOST_NESTED)):
        plain_json(body)
    with pytest.raises(IncompleteRead):
        read_from(lambda _: (200, JSON, b'{"value":[{"@odata.etag":"1","amount":' + body.encode()))


def bomb(size: int) -> bytes:
    """A gzip of blanks that unpacks to so many bytes, and is a thousandth of it."""
    packer, blanks = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * MB
    return b"".join(packer.compress(blanks) for _ in range(size // MB)) + packer.flush()


def client_of(url: str, most: int) -> Client:
    here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
    return Client(replace(here, largest_answer=most), patience=SHORT)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((200, {"Content-Encoding": "gzip"}, bomb(64 * MB)), "bytes came that unpack to more"),
        ((200, {}, b" " * (9 * MB)), "9437184 bytes is on its way"),
        ((500, {"Content-Encoding": "gzip"}, bomb(64 * MB)), "unpack to more"),
    ],
)
@pytest.mark.parametrize("ask", [Client.identity, lambda c: c.schema("things"), lambda c: c.metadata.set_of("thing")])
def test_an_answer_has_a_largest_size_packed_and_unpacked(
    said: Said, words: str, ask: Callable[[Client], object]
) -> None:
    with told_server(lambda _method, _path: said) as url, client_of(url, 8 * MB) as client:
        with pytest.raises(AnswerTooLarge, match=words) as raised:
            ask(client)
        assert "8 MB" in raised.value.message
        assert "largest_answer_mb" in (raised.value.hint or "")


def test_an_answer_without_a_length_is_bounded_as_it_comes() -> None:
    with endless() as url, client_of(url, MB) as client, pytest.raises(AnswerTooLarge, match="more came"):
        client.identity()


@contextmanager
def endless() -> Iterator[str]:
    """A server that gives a token, and blanks for ever to every other question."""
    with listening(_blanks_for_ever) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on this machine where every connection is given to ``serve``."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_served, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _served(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        try:
            serve(connection)
        except OSError:
            return


def _blanks_for_ever(connection: socket.socket) -> None:
    asked = connection.recv(65_536)
    if b"oauth2" in asked:
        token = b'{"access_token":"t","expires_in":3600}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(token) + token)
        return
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65_536)


@pytest.mark.parametrize("packing", ["br", "deflate", "gzip, gzip", "zstd", "x" * 500])
def test_a_packing_that_nobody_asked_for_is_named(packing: str) -> None:
    with pytest.raises(NotTheService, match=f"packed as '{packing[:20]}"):
        read_from(lambda _: (200, {**JSON, "Content-Encoding": packing}, COUNTED))


def token_from(said: Said) -> str:
    with bare_server(said) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/token")
        return token_source(here).current()


@contextmanager
def bare_server(said: Said) -> Iterator[str]:
    with told_server(lambda _method, _path: said) as url:
        yield url


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"access_token": "t", "expires_in": "soon"}, "its expires_in is 'soon', not seconds"),
        ({"access_token": "t", "expires_in": -1}, "its expires_in is '-1'"),
        ({"access_token": "t", "expires_in": [3600]}, "its expires_in"),
        ({"access_token": "t", "expires_in": "1e999"}, "its expires_in"),
        ({"access_token": "t\r\nX: y", "expires_in": 3600}, r"U\+000D at 2 of 7"),
        ({"access_token": "clé", "expires_in": 3600}, r"U\+00E9"),
        ({"access_token": ["t"], "expires_in": 3600}, "no text but list"),
        ({"access_token": "t" * 70_000, "expires_in": 3600}, "its access_token has 70,000 characters; a token has 16,"),
        ({"access_token": "t", "refresh_token": "r" * 1_000_000}, "its refresh_token has 1,000,000 characters"),
        ({"access_token": "t", "id_token": "i" * 16_385}, "its id_token has 16,385 characters"),
    ],
)
def test_a_token_answer_that_cannot_be_understood_is_told_as_one(answer: dict[str, object], words: str) -> None:
    with pytest.raises(NotAuthorised, match=words) as raised:
        token_from((200, JSON, json.dumps(answer).encode()))
    assert "The token answer of http://127.0.0.1" in raised.value.message
    assert "token_url" in (raised.value.hint or "")


@pytest.mark.parametrize("body", [b"null", b"[" * 200_000, b'{"access_token":"\\ud800"}', b"\xff\xfe", b""])
def test_a_token_answer_that_is_no_object_is_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(NotAuthorised):
        token_from((200, JSON, body))


def test_a_token_answer_is_bounded() -> None:
    with pytest.raises(AnswerTooLarge):
        token_from((200, {**JSON, "Content-Encoding": "gzip"}, bomb(64 * MB)))


def test_a_broken_token_answer_is_asked_for_once_and_told_in_every_question() -> None:
    asked: list[str] = []

    def say(_method: str, path: str, _headers: dict[str, str]) -> Said:
        asked.append(path)
        return 200, JSON, b'{"access_token":"a\\nb","expires_in":3600}'

    with heard_server(say) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/token")
        with Client(here, patience=Patience()) as client:
            for ask in (client.identity, lambda: client.schema("things")):
                with pytest.raises(NotAuthorised, match="The token answer of"):
                    ask()
    assert asked == ["/token", "/token"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://me:secret@login.example/x?code=1", "sends to sign in at login.example"),
        ("https://evil.example/", "sends to evil.example"),
        ("/somewhere?session=secret", "sends to the page /somewhere"),
        ("http://[", "no readable address"),
        (None, "does not say where to"),
    ],
)
def test_a_redirect_is_told_with_where_it_leads(location: str | None, words: str) -> None:
    headers = {"Location": location} if location else {}
    with pytest.raises(NotTheService, match=words) as raised:
        read_from(lambda _: (302, headers, b""))
    assert "secret" not in str(raised.value)
    assert "proxy" in (raised.value.hint or "")


@pytest.mark.parametrize("status", [407, 511])
def test_a_proxy_that_asks_who_it_is_is_told(status: int) -> None:
    with pytest.raises(NotTheService) as raised:
        read_from(lambda _: (status, {}, b"<html>Proxy Authentication Required</html>"))
    assert "HTTPS_PROXY" in (raised.value.hint or "")


def first_error(url: str) -> P2CError:
    here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=None)
    with Client(replace(here, token_url=f"{url}/token"), patience=SHORT) as client, pytest.raises(P2CError) as raised:
        client.identity()
    return raised.value


@contextmanager
def tls_server(folder: Path, **versions: ssl.TLSVersion) -> Iterator[str]:
    """A server with a certificate that nobody trusts, and those versions of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))
    for name, version in versions.items():
        setattr(context, name, version)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with listening(serve) as port:
        yield f"https://127.0.0.1:{port}"


def test_a_certificate_that_is_not_trusted_is_named_at_once(tmp_path: Path) -> None:
    with tls_server(tmp_path) as url:
        error = first_error(url)
    assert type(error) is Untrusted
    assert f"the certificate of {url.removeprefix('https://')}, issued by CN=P2C sandbox" in error.message
    assert "SSL_CERT_FILE" in (error.hint or "")
    assert not error.can_retry


def test_the_library_that_signs_in_at_entra_is_understood_too(tmp_path: Path) -> None:
    def error_at(url: str) -> ServiceError:
        with pytest.raises(requests.RequestException) as raised:
            requests.get(url, timeout=60)
        return unreached(raised.value, url)

    with tls_server(tmp_path) as url:
        error = error_at(url)
    assert type(error) is Untrusted
    assert "issued by CN=P2C sandbox" in error.message
    assert "no address is known for the name" in error_at("https://nobody.invalid").message


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_version_of_tls_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = ssl.TLSVersion.TLSv1_1
    with tls_server(tmp_path, minimum_version=old, maximum_version=old) as url:
        error = first_error(url)
    assert type(error) is Untrusted
    assert "no version of TLS in common" in error.message


def test_a_port_that_speaks_something_else_is_named() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"220 mail.example ESMTP\r\n\r\n")

    with listening(serve) as port:
        error = first_error(f"http://127.0.0.1:{port}")
    assert "does not speak HTTP" in error.message


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as port, bare_server((200, JSON, b'{"access_token":"t"}')) as token_url:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        here = Connection("x", "sales", "https://contoso.invalid", "c", Secret.literal("s"), token_url=token_url)
        with Client(here, patience=Patience()) as client, pytest.raises(NotTheService) as raised:
            client.identity()
    assert raised.value.status == 407
    assert "the proxy asks who it is (407" in raised.value.message
    assert "password of the proxy" in (raised.value.hint or "")


def test_a_name_that_nobody_knows_is_told() -> None:
    error = first_error("https://nobody.invalid")
    assert isinstance(error, Unreachable)
    assert "no address is known for the name nobody.invalid" in error.message


def test_a_port_that_speaks_no_tls_is_told() -> None:
    with told_server(lambda *_: (200, JSON, b"{}")) as url:
        error = first_error(url.replace("http:", "https:"))
    assert type(error) is Untrusted
    assert "does not speak TLS" in error.message
    assert "port" in (error.hint or "")


def test_a_large_gzip_member_that_fills_a_part_exactly_comes_whole() -> None:
    body = page([{**ROW, "name": "n" * (3 * MB)}], **{"@odata.count": 1})
    body += b" " * (-len(body) % MB)
    rows = read_from(lambda _: (200, {**JSON, "Content-Encoding": "gzip"}, gzip.compress(body)))
    assert len(rows[0]["name"]) == 3 * MB
