"""A first look at an address, before any token: does it answer, is it trusted, is it the system it should be."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from p2c_lib.config import LOOPBACK, Connection
from p2c_lib.connecting.remedies import SYSTEMS
from p2c_lib.connecting.result import Status
from p2c_lib.odata.dialect import DIALECTS
from p2c_lib.odata.failures import NOT_THE_SERVICE, SIGN_IN, not_the_service
from p2c_lib.odata.wire import Watch, watched, watched_client
from p2c_lib.patience import Patience
from p2c_lib.secrecy import masked
from p2c_lib.service_url import host_of

__all__ = ["Looked", "look"]

SECONDS = 15.0
ASKS_FOR_A_TOKEN = {302, 303, 401, 403}
_TENANT = re.compile(r"authorization_uri=\"?https?://[^/\s\"]+/([^/\s\",]+)/")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Looked:
    """What one step at the address came to."""

    step: str
    status: Status
    finding: str
    remedy: str = ""


def look(connection: Connection) -> Iterator[Looked]:
    """The steps ``address``, ``tls`` and ``service``; ends with the first that fails."""
    parts = urlsplit(connection.url)
    host = parts.netloc
    try:
        answer = _asked(connection)
    except httpx.HTTPError as error:
        yield from _no_answer(error, host)
        return
    yield Looked("address", "ok", f"{host} answers")
    if parts.scheme == "http":
        yield Looked("tls", "ok", "plain http, which stays on this machine")
    else:
        yield Looked("tls", "ok", "verified")
    yield _service(connection, answer)


def _asked(connection: Connection) -> httpx.Response:
    """The answer to a request without a token, over the same ways as all others."""
    url = connection.url + DIALECTS[connection.app].root
    loopback = urlsplit(connection.url).hostname in LOOPBACK
    watch = Watch(Patience(slow_seconds=SECONDS), SECONDS, whole=2 * SECONDS)
    with watched_client(timeout=SECONDS, trust_env=not loopback) as client, watched(watch):
        return client.get(url, headers={"Accept": "application/json", "User-Agent": "p2c-workbench"})


def _no_answer(error: httpx.HTTPError, host: str) -> Iterator[Looked]:
    causes = [error, *_causes(error)]
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "CERTIFICATE_VERIFY" in str(error):
        yield Looked("address", "ok", f"{host} answers")
        remedy = (
            "A proxy of your company may stand between: set SSL_CERT_FILE to a file with its root certificate. "
            "Verification is never switched off."
        )
        yield Looked("tls", "fail", f"the certificate of {host} is not trusted ({_said(causes)})", remedy)
        return
    if isinstance(error, httpx.TimeoutException):
        remedy = "Is a VPN or a proxy (HTTPS_PROXY) needed, or a firewall in between?"
        yield Looked("address", "fail", f"{host} did not answer in {SECONDS:.0f} s", remedy)
        return
    remedy = "Correct url in p2c.toml, or let this machine through to it (VPN, proxy, firewall)."
    if host.partition(":")[0] in LOOPBACK:
        remedy = "Is the sandbox up there? p2c sandbox status says where it listens."
    yield Looked("address", "fail", f"nobody answers at {host} ({_said(causes)})", remedy)


def _causes(error: BaseException) -> Iterator[BaseException]:
    inner = error.__cause__ or error.__context__
    if inner is not None:
        yield inner
        yield from _causes(inner)


def _said(causes: list[BaseException]) -> str:
    """The innermost reason in one line; system errors have it as their text."""
    told = [masked(str(getattr(cause, "strerror", None) or cause)) for cause in causes]
    return next((line.splitlines()[0][:120] for line in reversed(told) if line), type(causes[0]).__name__)


def _service(connection: Connection, answer: httpx.Response) -> Looked:
    if answer.status_code not in ASKS_FOR_A_TOKEN:
        return _another(connection, answer)
    if answer.is_redirect and not _to_sign_in(answer):
        said = f"sends to {_sent_to(answer)} where a token should be asked for"
        return Looked("service", "warn", said, NOT_THE_SERVICE)
    found = _TENANT.search(answer.headers.get("www-authenticate", ""))
    theirs = found[1] if found else ""
    if _GUID.fullmatch(theirs) and _GUID.fullmatch(connection.tenant) and theirs.lower() != connection.tenant.lower():
        said = f"the system belongs to tenant {theirs}, p2c.toml names {connection.tenant}"
        return Looked("service", "fail", said, f'Write tenant = "{theirs}", or correct url.')
    return Looked("service", "ok", f"asks for a token{f' of tenant {theirs}' if _GUID.fullmatch(theirs) else ''}")


def _another(connection: Connection, answer: httpx.Response) -> Looked:
    """Who answers does not ask for a token, and so is not the system."""
    system = SYSTEMS[connection.app]
    said = f"answered {answer.status_code} where a token should be asked for"
    if other := not_the_service(answer.status_code, answer.headers, answer.content, connection.url):
        said = other.message.removeprefix(f"{connection.url}: ").rstrip(".")
        return Looked("service", "fail", said, f"{NOT_THE_SERVICE} It is written like {_EXAMPLES[connection.app]}.")
    return Looked("service", "fail", said, f"Write only the host of {system}, such as {_EXAMPLES[connection.app]}.")


def _sent_to(answer: httpx.Response) -> str:
    return urlsplit(masked(answer.headers.get("location", ""))).netloc.rpartition("@")[2].lower() or "another page"


def _to_sign_in(answer: httpx.Response) -> bool:
    """Whether a redirect leads to Microsoft Entra, as F&O answers a browser, or to a sign-in of the system's own."""
    host = _sent_to(answer)
    return host.startswith(SIGN_IN) or host == host_of(str(answer.request.url))


_EXAMPLES = {"sales": "https://contoso.crm4.dynamics.com", "finops": "https://contoso.operations.dynamics.com"}
