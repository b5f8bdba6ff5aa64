"""Tokens of Microsoft Entra through msal: a secret, a certificate file, or a device code for a person.

What msal says to Entra goes through the conversations of our own, so that its answers are bounded and its waits told.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from p2c_lib.config import Connection
from p2c_lib.errors import ConfigError, NotAuthorised, NotTheService, Unreachable
from p2c_lib.odata.characters import plain_json
from p2c_lib.odata.failures import NOT_THE_SERVICE
from p2c_lib.odata.token_answer import HINT, MOST_VALUES, first_line, token_of
from p2c_lib.odata.token_calls import TOKEN_SECONDS, TokenCalls
from p2c_lib.secrecy import harmless
from p2c_lib.waiting import apart, unwanted

__all__ = ["PERSON_SECONDS", "from_entra"]

PERSON_SECONDS = 1_200.0  # a code that a person is to enter is good for fifteen minutes
CALLS = 3  # two about the directory and one for the token
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def from_entra(connection: Connection, calls: TokenCalls, scope: str) -> Callable[[], tuple[str, float]]:
    """What fetches a token and says how long it lasts."""
    application: list[Any] = []
    http = _Http(calls)
    seconds = PERSON_SECONDS if connection.interactive else connection.patience.budget + CALLS * TOKEN_SECONDS

    def asked() -> dict[str, Any]:
        if not application:  # to make one asks Entra too
            application.append(_application(connection, http))
        if connection.interactive:
            return _as_person(application[0], connection)
        return dict(application[0].acquire_token_for_client(scopes=[scope]) or {})

    def fetch() -> tuple[str, float]:
        with _errors(connection):
            return token_of(apart(asked, seconds), connection.tenant)

    return fetch


@dataclass(frozen=True)
class _Said:
    """An answer as msal looks at it."""

    status_code: int
    text: str
    headers: Mapping[str, str]


class _Http:
    """The way over which msal asks: one of ours, which waits and tries again by itself."""

    def __init__(self, calls: TokenCalls) -> None:
        self._calls = calls

    def get(self, url: str, *, params: Any = None, headers: Any = None, **_: Any) -> _Said:
        """Ask for something."""
        return self._said("GET", url, params=params or None, headers=dict(headers or {}))

    def post(self, url: str, *, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> _Said:
        """Ask with a form."""
        form = data if isinstance(data, str) else urlencode({k: v for k, v in (data or {}).items() if v is not None})
        head = {**FORM, **(headers or {})}
        return self._said("POST", url, params=params or None, content=form.encode(), headers=head)

    def close(self) -> None:
        """Nothing is held open."""

    def _said(self, method: str, url: str, **sent: Any) -> _Said:
        reply = self._calls.ask(method, url, **sent)
        try:
            found = plain_json(reply.content, most=MOST_VALUES)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            said = f"{url} answered {reply.status} with something that is no JSON object."
            raise NotTheService(said, status=reply.status, target=url, hint=NOT_THE_SERVICE)
        return _Said(reply.status, json.dumps(found), reply.headers)


@contextmanager
def _errors(connection: Connection) -> Iterator[None]:
    """What msal raises, as errors of ours: the file cannot be read, or what it was given is no good."""
    import msal

    where = f"https://login.microsoftonline.com/{connection.tenant}"
    try:
        yield
    except TimeoutError as error:
        raise Unreachable(f"No answer from {where} ({error}).", target=where, hint="Check the network.") from error
    except OSError as error:
        raise ConfigError(f"The certificate of {connection.name} cannot be read ({error}).") from error
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, msal.exceptions.MsalError) as error:
        said = first_line(str(error)) or type(error).__name__
        raise NotAuthorised(f"{connection.name} cannot sign in at {where}: {said}", target=where, hint=HINT) from None


def _application(connection: Connection, http: _Http) -> Any:
    import msal

    authority = f"https://login.microsoftonline.com/{connection.tenant}"
    if connection.interactive:
        return msal.PublicClientApplication(connection.client_id, authority=authority, http_client=http)
    credential = _credential(connection)
    return msal.ConfidentialClientApplication(
        connection.client_id, client_credential=credential, authority=authority, http_client=http
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
