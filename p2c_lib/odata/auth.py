"""Bearer tokens: had once, renewed before they end, renewed once when the service refuses one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx

from p2c_lib.config import Connection
from p2c_lib.errors import NotAuthorised, Unreachable
from p2c_lib.odata.characters import plain_json
from p2c_lib.odata.entra import PERSON_SECONDS, from_entra
from p2c_lib.odata.token_answer import HINT, MOST_VALUES, checked_token, first_line, lifetime, not_understood, token_of
from p2c_lib.odata.token_calls import TokenCalls
from p2c_lib.secrecy import keep_token
from p2c_lib.waiting import LOOK, WALL, Clock, apart, unwanted

__all__ = ["Credential", "Token", "TokenSource", "token_source"]

EARLY_SECONDS = 300.0


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
            keep_token(value)
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._fetches += 1
        early = min(EARLY_SECONDS, lifetime / 10)
        return Token(value, time.monotonic() + lifetime - early)


def token_source(
    connection: Connection,
    transport: httpx.BaseTransport | None = None,
    credential: Credential | None = None,
    clock: Clock = WALL,
) -> TokenSource:
    """The token source a connection asks for: a credential, its own token endpoint, or Entra for its tenant."""
    if credential is not None:
        return TokenSource(lambda: _from_credential(credential, connection))
    calls = TokenCalls(connection, transport, clock)
    if connection.token_url is not None:
        return TokenSource(lambda: _from_endpoint(connection, calls))
    if connection.secret is None and not connection.interactive:
        return TokenSource(lambda: _nobody(connection))
    return TokenSource(from_entra(connection, calls, _scope(connection)))


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
        said = first_line(str(error)) or "no reason given"
        raise NotAuthorised(f"{type(credential).__name__} gave no token: {said}", hint=HINT) from error
    where = type(credential).__name__
    try:
        left = float(token.expires_on) - time.time()
    except (TypeError, ValueError, OverflowError):
        raise not_understood(where, 0, "its expires_on is no time") from None
    return checked_token(str(token.token), where), lifetime(max(0.0, left), where)


def _scope(connection: Connection) -> str:
    return f"{connection.url}/.default"


def _from_endpoint(connection: Connection, calls: TokenCalls) -> tuple[str, float]:
    url = str(connection.token_url)
    form = {
        "grant_type": "client_credentials",
        "client_id": connection.client_id,
        "client_secret": connection.secret.reveal() if connection.secret else "",
        "scope": _scope(connection),
    }
    reply = calls.ask("POST", url, data=form)
    try:
        body = plain_json(reply.content, most=MOST_VALUES)
    except ValueError:
        raise NotAuthorised(
            f"{url} answered {reply.status} without JSON.",
            status=reply.status,
            target=url,
            hint="Is token_url the token endpoint's own address, and does no proxy answer in its place?",
        ) from None
    return token_of(body if isinstance(body, dict) else {}, url, reply.status)
