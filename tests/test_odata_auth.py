"""Signing in: several application users, and msal against a directory that listens on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import ConfigError, NotAuthorised, Unreachable
from p2c_lib.odata import Client, Query
from p2c_lib.odata.auth import token_source
from p2c_lib.patience import Patience
from p2c_lib.sandbox.process import Running
from p2c_lib.waiting import Clock, Stop, never
from tests.bad_network import heard_server, told_server
from tests.entra import CONTOSO, directory

JSON = {"Content-Type": "application/json"}


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


def test_a_secret_signs_in_at_entra() -> None:
    with directory() as entra:
        assert entra.source(replace(CONTOSO, secret=Secret.literal("s3cret"))).current() == "issued"
    form = entra.forms[0]
    assert {name: form[name] for name in ("client_id", "client_secret", "grant_type", "scope")} == {
        "client_id": "app-id",
        "client_secret": "s3cret",
        "grant_type": "client_credentials",
        "scope": "https://org.example/.default",
    }


@pytest.mark.parametrize(("suffix", "password"), [("pem", ""), ("pem", "word"), ("pfx", ""), ("pfx", "word")])
def test_a_certificate_signs_in_at_entra(tmp_path: Path, suffix: str, password: str) -> None:
    pem, pfx = key_pair(password.encode() or None)
    (tmp_path / f"app.{suffix}").write_bytes(pem if suffix == "pem" else pfx)
    passphrase = Secret.literal(password) if password else None
    here = replace(CONTOSO, secret=Secret(f"file:{tmp_path}/app.{suffix}"), passphrase=passphrase)
    with directory() as entra:
        assert entra.source(here).current() == "issued"
    assert "client_secret" not in entra.forms[0]
    assert len(entra.forms[0]["client_assertion"].split(".")) == 3


def test_a_person_signs_in_with_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    with directory() as entra:
        entra.said.append({"error": "authorization_pending"})
        assert entra.source(replace(CONTOSO, interactive=True)).current() == "issued"
    assert "Enter ABC at https://x." in capsys.readouterr().err
    assert [form["client_id"] for form in entra.forms] == ["app-id"] * 3
    assert entra.forms[-1]["device_code"] == "d"


def test_what_the_directory_refuses_is_an_error_of_ours() -> None:
    with directory() as entra:
        entra.said.append({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."})
        with pytest.raises(NotAuthorised, match="AADSTS7000215") as caught:
            entra.source(replace(CONTOSO, secret=Secret.literal("wrong"))).current()
    assert "wrong" not in str(caught.value)


class Still(Clock):
    """A clock that stands still but for its waits."""

    def __init__(self) -> None:
        self.at, self.waits = 0.0, [0.0]

    def now(self) -> float:
        return self.at

    def rest(self, seconds: float, stop: Stop = never) -> None:
        self.at += seconds
        self.waits.append(seconds)


PASSING: list[dict[str, object]] = [
    {"error": "temporarily_unavailable", "error_description": "AADSTS90033: A transient error has occurred."},
    {"error": "temporarily_unavailable"},
    {"error": "server_error", "error_description": "something"},
    {"error": "invalid_request", "error_description": "AADSTS90024: Try again.", "error_codes": [90024]},
    {"error": "invalid_grant", "error_description": "in other words", "error_codes": [90055]},
]


@pytest.mark.parametrize("said", PASSING)
def test_a_refusal_that_passes_by_itself_is_asked_again(said: dict[str, object]) -> None:
    clock = Still()
    with directory() as entra:
        entra.said += [said] * 3
        assert entra.source(replace(CONTOSO, secret=Secret.literal("s3cret")), clock).current() == "issued"
    assert len(entra.forms) == 4
    assert len(clock.waits) == 4


@pytest.mark.parametrize("own", [True, False])
def test_one_that_stays_ends_within_the_budget_and_says_later(own: bool) -> None:
    clock, patience = Still(), Patience(budget=30.0)
    said = PASSING[0]

    def stays(_method: str, _path: str) -> tuple[int, dict[str, str], bytes]:
        return 400, JSON, json.dumps(said).encode()

    with directory() as entra, told_server(stays) as url:
        entra.said += [said] * 100
        here = replace(CONTOSO, secret=Secret.literal("s3cret"), patience=patience)
        if own:
            source = token_source(replace(here, token_url=f"{url}/token"), clock=clock)
        else:
            source = entra.source(here, clock)
        with pytest.raises(NotAuthorised, match="AADSTS90033: A transient error has occurred") as caught:
            source.current()
    assert 3 < len(clock.waits) <= patience.tries
    assert clock.at <= patience.budget
    assert "Try again in a few minutes" in str(caught.value.hint)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "said", [{"error": "invalid_client", "error_codes": ["90033", None]}, {"error": "access_denied"}]
)
def test_a_refusal_that_stays_is_asked_once(said: dict[str, object]) -> None:
    with directory() as entra:
        entra.said += [said] * 5
        with pytest.raises(NotAuthorised):
            entra.source(replace(CONTOSO, secret=Secret.literal("s3cret")), Still()).current()
    assert len(entra.forms) == 1


def test_an_empty_token_is_told_as_one() -> None:
    with directory() as entra:
        entra.said.append({"access_token": "", "expires_in": 3600, "token_type": "Bearer"})
        with pytest.raises(NotAuthorised, match="access_token is empty"):
            entra.source(replace(CONTOSO, secret=Secret.literal("s3cret"))).current()


def test_a_directory_that_does_not_answer_and_a_certificate_that_is_none_are_errors_of_ours(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    (tmp_path / "bad.pfx").write_text("no certificate")
    with directory() as entra:
        for name in ("bad.pem", "bad.pfx"):
            with pytest.raises(NotAuthorised, match="prod cannot sign in"):
                entra.source(replace(CONTOSO, secret=Secret(f"file:{tmp_path}/{name}"))).current()
        for name in ("none.pem", "none.pfx"):
            with pytest.raises(ConfigError, match="cannot be read"):
                entra.source(replace(CONTOSO, secret=Secret(f"file:{tmp_path}/{name}"))).current()
    with pytest.raises(Unreachable, match=r"No answer from https://login\.microsoftonline\.com/contoso"):
        entra.source(replace(CONTOSO, secret=Secret.literal("s"))).current()  # whose server is closed by now


def test_a_connection_that_says_no_way_to_sign_in_is_told_so() -> None:
    with pytest.raises(NotAuthorised, match="prod does not say how to sign in"):
        token_source(CONTOSO).current()
