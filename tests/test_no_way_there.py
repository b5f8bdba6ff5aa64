"""No way to a system: its name, its certificate, a proxy or nobody at all; each command says which, and what to do."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.bad_network import told_server
from tests.commands import called
from tests.trickling import Serve, asked, slow_server

NOW = datetime.now(UTC)
HOME = """
[connections.{app}]
app = "{app}"
url = "{url}"
client_id = "c"
secret = "env:P2C_TEST_SECRET"
token_url = "{tokens}/oauth2/token"
patience = {{budget = 2, wait_without_answer = 1, first_wait = 0.01}}
"""


@dataclass(frozen=True)
class Authority:
    """Who vouches for certificates here."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @property
    def file(self) -> str:
        return str(self.folder / "root.pem")

    def certificate(self, host: str, until: datetime) -> ssl.SSLContext:
        """What a server shows for a host, good until then."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = signed(host, key, self.root.subject, self.key, until)
        file = self.folder / f"{host}.pem"
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def signed(
    host: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    by: ec.EllipticCurvePrivateKey,
    until: datetime = NOW + timedelta(days=1),
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if issuer is None:
        usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
        usage |= {"digital_signature": True, "key_cert_sign": True, "crl_sign": True}
        made = made.add_extension(x509.KeyUsage(**usage, encipher_only=False, decipher_only=False), critical=True)
    return made.sign(by, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder, key = tmp_path_factory.mktemp("authority"), ec.generate_private_key(ec.SECP256R1())
    root = signed("p2c test root", key, None, key)
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, key, root)


def showing(context: ssl.SSLContext) -> Serve:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True):
            over.wait()

    return serve


def resetting(connection: socket.socket, _over: threading.Event) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def asking_who(connection: socket.socket, _over: threading.Event) -> None:
    asked(connection)
    head = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=p\r\n"
    connection.sendall(head + b"Content-Length: 0\r\n\r\n")


@contextmanager
def over_tls(serve: Serve) -> Iterator[str]:
    with slow_server(serve) as url:
        yield url.replace("http://127.0.0.1", "https://localhost")


Way = Callable[[Authority, pytest.MonkeyPatch], "Iterator[str]"]


@contextmanager
def untrusted(authority: Authority, _patch: pytest.MonkeyPatch) -> Iterator[str]:
    with over_tls(showing(authority.certificate("localhost", NOW + timedelta(days=1)))) as url:
        yield url


@contextmanager
def expired(authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[str]:
    patch.setenv("SSL_CERT_FILE", authority.file)
    with over_tls(showing(authority.certificate("localhost", NOW - timedelta(days=2)))) as url:
        yield url


@contextmanager
def other_name(authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[str]:
    patch.setenv("SSL_CERT_FILE", authority.file)
    with over_tls(showing(authority.certificate("other.example", NOW + timedelta(days=1)))) as url:
        yield url


@contextmanager
def reset(_authority: Authority, _patch: pytest.MonkeyPatch) -> Iterator[str]:
    with over_tls(resetting) as url:
        yield url


@contextmanager
def no_name(_authority: Authority, _patch: pytest.MonkeyPatch) -> Iterator[str]:
    yield "https://no-such-system.invalid"


@contextmanager
def refused(_authority: Authority, _patch: pytest.MonkeyPatch) -> Iterator[str]:
    yield "https://127.0.0.1:9"


@contextmanager
def proxy(_authority: Authority, patch: pytest.MonkeyPatch) -> Iterator[str]:
    with slow_server(asking_who) as url:
        patch.setenv("HTTPS_PROXY", url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield "https://no-such-system.invalid"


# What is told, and what is said to do about it.
WAYS = {
    untrusted: ("issued by CN=p2c test root, is not trusted", "SSL_CERT_FILE"),
    expired: ("certificate has expired", "renew"),
    other_name: ("not valid for 'localhost'", "the name that the certificate is for"),
    reset: ("broke off", "url in p2c.toml"),
    no_name: ("no address is known for the name no-such-system.invalid", "Write the name right"),
    refused: ("nobody answers at 127.0.0.1:9", "sandbox status"),
    proxy: ("the proxy asks who it is (407", "HTTPS_PROXY"),
}
COMMANDS = {
    "connect test": ("connect", "test"),
    "preflight": ("preflight",),
    "reconcile": ("reconcile", "accounts"),
    "template validate": ("template", "validate", "accounts"),
    "gate docs": ("gate", "docs", "accounts"),
    "settle": ("settle", "accounts"),
    "duplicates list": ("duplicates", "list", "customers"),
}


LOOKS = {"connect test"}  # they tell what they found, and exit with 1 where it is not as it should be


def home(folder: Path, url: str, tokens: str) -> None:
    text = "".join(HOME.format(app=app, url=url, tokens=tokens) for app in ("sales", "finops"))
    text += '[sets.far]\nsales = "sales"\nfinops = "finops"\ncompany = "USMF"\n'
    (folder / "p2c.toml").write_text(text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("P2C_TEST_SECRET", "a-secret-of-some-length")
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return tmp_path


def told(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = called([*words, "--set", "far"])
    done = capfd.readouterr()
    return code, " ".join((done.out + done.err).split())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_command_says_why_and_what_to_do(
    way: Way, authority: Authority, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, remedy = WAYS[way]
    with told_server(lambda *_: (404, {}, b"")) as tokens, way(authority, monkeypatch) as url:
        home(here, url, tokens)
        for name, words in COMMANDS.items():
            code, said = told(words, capfd)

            assert (name, code) == (name, 1 if name in LOOKS else 2)
            assert found in said
            assert remedy in said
            assert "Traceback" not in said


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_it_is_the_same_for_a_token_endpoint(
    way: Way, authority: Authority, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, remedy = WAYS[way]
    with told_server(lambda *_: (404, {}, b"")) as service, way(authority, monkeypatch) as url:
        home(here, service, url)
        code, said = told(("reconcile", "accounts"), capfd)

        assert code == 2
        assert found in said
        assert remedy in said


def test_a_run_says_it_too(
    authority: Authority, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, remedy = WAYS[expired]
    with told_server(lambda *_: (404, {}, b"")) as tokens, expired(authority, monkeypatch) as url:
        home(here, url, tokens)
        code, said = told(("run", "accounts"), capfd)
    assert code == 2
    assert found in said
    assert remedy in said
    assert "Traceback" not in said
