"""Signing in: several application users, and msal against a directory that listens on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import ConfigError, NotAuthorised, Unreachable
from p2c_lib.odata import Client, Query
from p2c_lib.odata.auth import token_source
from p2c_lib.sandbox.process import Running
from tests.bad_network import heard_server, told_server

JSON = {"Content-Type": "application/json"}
CONTOSO = Connection("prod", "sales", "https://org.example", "app-id", None, "contoso.example")


def test_every_user_of_a_connection_takes_a_share_of_the_requests() -> None:
    seen: list[str] = []

    def say(_method: str, _path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        seen.append(headers["authorization"])
        return 200, JSON, b"{}"

    with heard_server(say) as url:
        here = Connection("s", "sales", url, "one", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        both = replace(here, users=(replace(here, client_id="two"),))
        with Client(both) as client:
            for number, user in enumerate(client.sender._users):
                user.tokens._fetch = lambda number=number: (f"token-{number}", 3600.0)  # type: ignore[misc]
            for _ in range(10):
                client.sender.send("GET", "/a")
    assert sorted(seen) == ["Bearer token-0"] * 5 + ["Bearer token-1"] * 5


def test_two_users_read_the_sandbox_as_one_would(sandbox: Running) -> None:
    url, secret = sandbox.sales_url, Secret.literal(sandbox.token)
    one = Connection("s", "sales", url, "one", secret, token_url=f"{url}/t/oauth2/v2.0/token")
    two = replace(one, users=(replace(one, client_id="two"),))

    def read(connection: Connection) -> tuple[list[str], int, int]:
        with Client(connection) as client:
            pages = client.read(Query("accounts", ("accountnumber",), page_size=20))
            numbers = [row for page in pages for row in page.table.column("accountnumber").to_pylist()]
            tokens = {user.tokens._token.value for user in client.sender._users if user.tokens._token is not None}
            return sorted(numbers, key=str), len(tokens), client.sender.parallel

    alone, together = read(one), read(two)
    assert together[0] == alone[0]
    assert (alone[1], together[1]) == (1, 2)
    assert together[2] > alone[2]


@dataclass
class Directory:
    """What Entra was asked, and what it says to the next token request."""

    forms: list[dict[str, str]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    """Entra's addresses lead to a server of ours: real msal, real HTTP, another host."""
    told = Directory()
    send = requests.Session.send

    def say(_method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        base = "https://login.microsoftonline.com/contoso.example"
        if "openid-configuration" in path:
            places = {"authorization": "authorize", "token": "token", "device_authorization": "devicecode"}
            body: dict[str, Any] = {f"{n}_endpoint": f"{base}/oauth2/v2.0/{p}" for n, p in places.items()}
            return 200, JSON, json.dumps({**body, "issuer": f"{base}/v2.0"}).encode()
        if "discovery/instance" in path:
            return 200, JSON, b'{"metadata": []}'
        if path.endswith("/devicecode"):
            code = {"device_code": "d", "user_code": "ABC", "verification_uri": "https://x", "expires_in": 9}
            return 200, JSON, json.dumps({**code, "interval": 0, "message": "Enter ABC at https://x."}).encode()
        body = told.said.pop(0) if told.said else {"access_token": "issued", "expires_in": 3600, "token_type": "Bearer"}
        return (400 if "error" in body else 200), JSON, json.dumps(body).encode()

    with told_server(say) as url:

        def to_here(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            if request.body:
                told.forms.append(dict(parse_qsl(str(request.body))))
            request.url = str(request.url).replace("https://login.microsoftonline.com", url).replace("oauth2", "o2")
            return send(self, request, **{**options, "proxies": {}})

        monkeypatch.setattr(requests.Session, "send", to_here)
        yield told


def key_pair(password: bytes | None = None) -> tuple[bytes, bytes]:
    """A key with its certificate, as .pem and as .pfx."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "p2c test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    closed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
    return pem + signed.public_bytes(serialization.Encoding.PEM), pkcs12.serialize_key_and_certificates(
        b"p2c", key, signed, None, closed
    )


def test_a_secret_signs_in_at_entra(monkeypatch: pytest.MonkeyPatch) -> None:
    with directory(monkeypatch) as entra:
        assert token_source(replace(CONTOSO, secret=Secret.literal("s3cret"))).current() == "issued"
    form = entra.forms[0]
    assert {name: form[name] for name in ("client_id", "client_secret", "grant_type", "scope")} == {
        "client_id": "app-id",
        "client_secret": "s3cret",
        "grant_type": "client_credentials",
        "scope": "https://org.example/.default",
    }


@pytest.mark.parametrize(("suffix", "password"), [("pem", ""), ("pem", "word"), ("pfx", ""), ("pfx", "word")])
def test_a_certificate_signs_in_at_entra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, password: str
) -> None:
    pem, pfx = key_pair(password.encode() or None)
    (tmp_path / f"app.{suffix}").write_bytes(pem if suffix == "pem" else pfx)
    passphrase = Secret.literal(password) if password else None
    here = replace(CONTOSO, secret=Secret(f"file:{tmp_path}/app.{suffix}"), passphrase=passphrase)
    with directory(monkeypatch) as entra:
        assert token_source(here).current() == "issued"
    assert "client_secret" not in entra.forms[0]
    assert len(entra.forms[0]["client_assertion"].split(".")) == 3


def test_a_person_signs_in_with_a_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with directory(monkeypatch) as entra:
        entra.said.append({"error": "authorization_pending"})
        assert token_source(replace(CONTOSO, interactive=True)).current() == "issued"
    assert "Enter ABC at https://x." in capsys.readouterr().err
    assert [form["client_id"] for form in entra.forms] == ["app-id"] * 3
    assert entra.forms[-1]["device_code"] == "d"


def test_what_the_directory_refuses_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with directory(monkeypatch) as entra:
        entra.said.append({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."})
        with pytest.raises(NotAuthorised, match="AADSTS7000215") as caught:
            token_source(replace(CONTOSO, secret=Secret.literal("wrong"))).current()
    assert "wrong" not in str(caught.value)


def test_a_directory_that_does_not_answer_and_a_certificate_that_is_none_are_errors_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    (tmp_path / "bad.pfx").write_text("no certificate")
    with directory(monkeypatch):
        for name in ("bad.pem", "bad.pfx"):
            with pytest.raises(NotAuthorised, match="prod cannot sign in"):
                token_source(replace(CONTOSO, secret=Secret(f"file:{tmp_path}/{name}"))).current()
        for name in ("none.pem", "none.pfx"):
            with pytest.raises(ConfigError, match="cannot be read"):
                token_source(replace(CONTOSO, secret=Secret(f"file:{tmp_path}/{name}"))).current()

    def nobody(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "send", nobody)
    with pytest.raises(Unreachable, match=r"No answer from https://login\.microsoftonline\.com/contoso"):
        token_source(replace(CONTOSO, secret=Secret.literal("s"))).current()


def test_a_connection_that_says_no_way_to_sign_in_is_told_so() -> None:
    with pytest.raises(NotAuthorised, match="prod does not say how to sign in"):
        token_source(CONTOSO).current()
