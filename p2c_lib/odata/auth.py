"""Bearer tokens: had once, renewed before they end, renewed once when the service refuses one."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from p2c_lib.config import Connection
from p2c_lib.errors import ConfigError, NotAuthorised, NotTheService, Unreachable
from p2c_lib.odata.characters import plain_json
from p2c_lib.odata.content import received
from p2c_lib.odata.failures import NOT_THE_SERVICE, not_the_service
from p2c_lib.odata.unreached import unreached
from p2c_lib.odata.wire import Unwanted, Watch, watched, watched_client
from p2c_lib.patience import Patience
from p2c_lib.secrecy import harmless, keep_secret, masked
from p2c_lib.waiting import LOOK, apart, unwanted

__all__ = ["Credential", "Token", "TokenSource", "token_source"]

EARLY_SECONDS = 300.0
TOKEN_SECONDS = 60.0  # for the whole answer with a token; one that does not begin within half of it does not come
PERSON_SECONDS = 1_200.0  # a code that a person is to enter is good for fifteen minutes
TOKENS = ("access_token", "refresh_token", "id_token")
LARGEST_TOKEN = 1024 * 1024  # bytes of an answer with one, which has a few thousand
LONGEST_TOKEN = 60_000  # characters; a header of more is taken by no server
LONGEST_LIFE = 10 * 365 * 86_400.0
MOST_SAID = 300
TOKEN_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}
_NOT_IN_A_TOKEN = re.compile(r"[^!-~]")  # RFC 6750 has even fewer
HINT = "Check the client id, the secret and the tenant of the connection in p2c.toml; with a certificate, its file."


@dataclass(frozen=True)
class Token:
    """A bearer token and the monotonic time at which it should be replaced."""

    value: str
    renew_at: float

    def __repr__(self) -> str:
        return "Token('***')"


class AccessToken(Protocol):
    """A token with the moment it ends, in seconds since 1970."""

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class Credential(Protocol):
    """What azure-identity's credentials offer."""

    def get_token(self, *scopes: str) -> AccessToken: ...


class TokenSource:
    """Keeps one token for one application user; threads share it and only one of them renews it."""

    def __init__(self, fetch: Callable[[], tuple[str, float]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._failed: Exception | None = None
        self._fetches = 0

    def current(self) -> str:
        """A token that is good for a while. Raises NotAuthorised or Unreachable."""
        token = self._token
        if token is not None and time.monotonic() < token.renew_at:
            return token.value
        return self.renew(token.value if token else None)

    def renew(self, refused: str | None) -> str:
        """A token other than ``refused``: a new one unless another thread has fetched it meanwhile."""
        before = self._fetches
        with self._taken():
            if self._fetches != before and self._failed is not None:
                raise self._failed  # those who waited for it meanwhile do not wait for the same once more
            if self._token is None or self._token.value == refused:
                self._token = self._fetched()
            return self._token.value

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """The lock, waited for as long as the wait is wanted. Raises Unreachable."""
        while not self._lock.acquire(timeout=LOOK):
            if unwanted():
                raise Unreachable("No token: it was asked to stop.")
        try:
            yield
        finally:
            self._lock.release()

    def _fetched(self) -> Token:
        self._failed = None
        try:
            value, lifetime = self._fetch()
            keep_secret(value)
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._fetches += 1
        early = min(EARLY_SECONDS, lifetime / 10)
        return Token(value, time.monotonic() + lifetime - early)


def token_source(
    connection: Connection, *, transport: httpx.BaseTransport | None = None, credential: Credential | None = None
) -> TokenSource:
    """The token source a connection asks for: a credential, its own token endpoint, or Entra for its tenant."""
    if credential is not None:
        return TokenSource(lambda: _from_credential(credential, connection))
    if connection.token_url is not None:
        return TokenSource(lambda: _from_endpoint(connection, transport))
    if connection.secret is None and not connection.interactive:
        return TokenSource(lambda: _nobody(connection))
    return TokenSource(_entra(connection))


def _nobody(connection: Connection) -> tuple[str, float]:
    raise NotAuthorised(
        f"The connection {connection.name} does not say how to sign in.",
        target=connection.name,
        hint="Give it a secret, a certificate, or interactive = true in p2c.toml; or pass a credential to connect().",
    )


def _from_credential(credential: Credential, connection: Connection) -> tuple[str, float]:
    try:
        token = apart(lambda: credential.get_token(_scope(connection)), PERSON_SECONDS)
    except Exception as error:  # what a credential may raise is its own library's affair
        said = (masked(str(error)).splitlines() or ["no reason given"])[0][:300]
        raise NotAuthorised(f"{type(credential).__name__} gave no token: {said}", hint=HINT) from error
    where = type(credential).__name__
    try:
        left = float(token.expires_on) - time.time()
    except (TypeError, ValueError, OverflowError):
        raise _not_understood(where, 0, "its expires_on is no time") from None
    return _checked(str(token.token), where), _lifetime(max(0.0, left), where)


def _scope(connection: Connection) -> str:
    return f"{connection.url}/.default"


def _from_endpoint(connection: Connection, transport: httpx.BaseTransport | None) -> tuple[str, float]:
    url = str(connection.token_url)
    form = {
        "grant_type": "client_credentials",
        "client_id": connection.client_id,
        "client_secret": connection.secret.reveal() if connection.secret else "",
        "scope": _scope(connection),
    }
    try:
        watch = Watch(Patience(slow_seconds=TOKEN_SECONDS / 2), TOKEN_SECONDS / 2, whole=TOKEN_SECONDS)
        with (
            watched_client(transport=transport, timeout=30, trust_env=False) as client,
            watched(watch),
            client.stream("POST", url, data=form, headers=TOKEN_HEADERS) as answer,
        ):
            content, _ = received(answer, LARGEST_TOKEN, url)
    except Unwanted:
        raise Unreachable(f"{url} was not waited for: it was asked to stop.", target=url) from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
        raise unreached(error, url) from error
    if other := not_the_service(answer.status_code, answer.headers, content, url):
        raise other
    try:
        body = plain_json(content)
    except ValueError:
        raise NotAuthorised(
            f"{url} answered {answer.status_code} without JSON.",
            status=answer.status_code,
            target=url,
            hint="Is token_url the token endpoint's own address, and does no proxy answer in its place?",
        ) from None
    return _token_of(body if isinstance(body, dict) else {}, url, answer.status_code)


def _token_of(body: Mapping[str, Any], where: str, status: int = 0) -> tuple[str, float]:
    """Token and lifetime of a token endpoint's answer. Raises NotAuthorised for one that has none, or none of use."""
    for name in TOKENS:
        keep_secret(str(body.get(name) or ""))
    token = body.get("access_token")
    if not token:
        raise _refused(body, where, status)
    if not isinstance(token, str):
        raise _not_understood(where, status, f"its access_token is no text but {type(token).__name__}")
    return _checked(token, where, status), _lifetime(body.get("expires_in"), where, status)


def _checked(token: str, where: str, status: int = 0) -> str:
    """The token itself. Raises NotAuthorised for one that no header can carry, or that is no token by its length."""
    if (odd := _NOT_IN_A_TOKEN.search(token)) is not None:
        said = f"a character that no token has (U+{ord(odd[0]):04X} at {odd.start() + 1:,} of {len(token):,})"
        raise _not_understood(where, status, f"its access_token holds {said}")
    if len(token) > LONGEST_TOKEN:
        raise _not_understood(where, status, f"its access_token has {len(token):,} characters")
    return token


def _refused(body: Mapping[str, Any], where: str, status: int) -> NotAuthorised:
    told = masked(str(body.get("error_description") or body.get("error") or "no reason given"))[:MOST_SAID].splitlines()
    code = masked(str(body.get("error") or ""))[:MOST_SAID]
    return NotAuthorised(
        f"No token from {where}: {(told or [''])[0]}", status=status, code=code, target=where, hint=HINT
    )


def _not_understood(where: str, status: int, found: str) -> NotAuthorised:
    """The error for a token endpoint's answer that is none: it never repeats a token."""
    return NotAuthorised(
        f"The token answer of {where} cannot be understood: {found}.",
        status=status,
        target=where,
        hint="An access_token in plain letters and expires_in in seconds are needed. Is token_url the token endpoint's "
        "own address, and does nothing between here and it change its answers?",
    )


def _lifetime(told: Any, where: str, status: int = 0) -> float:
    """The seconds a token lasts as its answer tells; an hour, as usual, where it tells nothing."""
    if told is None:
        return 3600.0
    try:
        seconds = float("nan") if isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if not 0.0 <= seconds < float("inf"):
        raise _not_understood(where, status, f"its expires_in is {masked(str(told))[:60]!r}, not seconds")
    return min(seconds, LONGEST_LIFE)


def _entra(connection: Connection) -> Callable[[], tuple[str, float]]:
    """Tokens through msal: a secret, a certificate file, or a device code for a person."""
    application: list[Any] = []

    def fetch() -> tuple[str, float]:
        with _entra_errors(connection):
            seconds = PERSON_SECONDS if connection.interactive else TOKEN_SECONDS
            return _token_of(apart(lambda: _asked_entra(application, connection), seconds), connection.tenant)

    return fetch


def _asked_entra(application: list[Any], connection: Connection) -> dict[str, Any]:
    """What Entra says; msal's application is made on first use, which asks Entra too."""
    if not application:
        application.append(_msal_application(connection))
    if connection.interactive:
        return _as_person(application[0], connection)
    return dict(application[0].acquire_token_for_client(scopes=[_scope(connection)]) or {})


@contextmanager
def _entra_errors(connection: Connection) -> Iterator[None]:
    """What msal raises, as errors of ours: nobody answers, the file cannot be read, or what it was given is no good."""
    import json

    import msal
    import requests

    where = f"https://login.microsoftonline.com/{connection.tenant}"
    try:
        yield
    except requests.RequestException as error:
        raise unreached(error, where) from error
    except TimeoutError as error:
        raise Unreachable(f"No answer from {where} ({error}).", target=where, hint="Check the network.") from error
    except OSError as error:
        raise ConfigError(f"The certificate of {connection.name} cannot be read ({error}).") from error
    except json.JSONDecodeError as error:
        said = f"{where} answered {connection.name} with something that is no JSON."
        raise NotTheService(said, target=where, hint=NOT_THE_SERVICE) from error
    except (ValueError, TypeError, KeyError, msal.exceptions.MsalError) as error:
        said = (masked(str(error)).splitlines() or [""])[0][:200]
        raise NotAuthorised(f"{connection.name} cannot sign in at {where}: {said}", target=where, hint=HINT) from None


def _msal_application(connection: Connection) -> Any:
    import msal

    authority = f"https://login.microsoftonline.com/{connection.tenant}"
    if connection.interactive:
        return msal.PublicClientApplication(connection.client_id, authority=authority, timeout=TOKEN_SECONDS / 2)
    return msal.ConfidentialClientApplication(
        connection.client_id,
        client_credential=_credential(connection),
        authority=authority,
        timeout=TOKEN_SECONDS / 2,
    )


def _credential(connection: Connection) -> Any:
    """The secret as text, or what msal needs of a certificate when the reference is a .pem or .pfx file."""
    secret = connection.secret
    if secret is None:
        return None
    scheme, _, rest = secret.reference.partition(":")
    path = Path(rest).expanduser()
    if scheme != "file" or path.suffix.lower() not in {".pem", ".pfx", ".p12"}:
        return secret.reveal()
    words = {"passphrase": connection.passphrase.reveal()} if connection.passphrase is not None else {}
    if path.suffix.lower() != ".pem":
        return {"private_key_pfx_path": str(path), **words}
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The certificate {path} cannot be read ({error}).") from None
    return {"private_key": text, "public_certificate": text, **words}


def _as_person(app: Any, connection: Connection) -> dict[str, Any]:
    """A token of the person who enters the shown code in a browser; silent while msal's cache still has one."""
    import sys

    scopes = [f"{connection.url}/user_impersonation"]
    accounts = app.get_accounts()
    if accounts and (found := app.acquire_token_silent(scopes, account=accounts[0])):
        return dict(found)
    flow = app.initiate_device_flow(scopes=scopes)
    if "message" in flow:
        sys.stderr.write(harmless(flow["message"]) + "\n")
        over = time.time() + float(flow.get("expires_in") or PERSON_SECONDS)
        return dict(app.acquire_token_by_device_flow(flow, exit_condition=lambda _: unwanted() or time.time() > over))
    return dict(flow)
