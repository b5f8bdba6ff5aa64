"""A first look at an address, before any token: does it answer, is it trusted, is it the system it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from p2c_lib.config import LOOPBACK, Connection
from p2c_lib.connecting.remedies import SYSTEMS
from p2c_lib.connecting.result import Status
from p2c_lib.errors import ServiceError
from p2c_lib.odata.dialect import DIALECTS
from p2c_lib.odata.exchange import Reply, exchanged
from p2c_lib.odata.failures import NOT_THE_SERVICE, SIGN_IN, not_the_service, sent_to
from p2c_lib.odata.unreached import why
from p2c_lib.odata.wire import Watch, watched_client
from p2c_lib.patience import Patience
from p2c_lib.service_url import host_of

__all__ = ["Looked", "look"]

SECONDS = 15.0
MOST = 4 * 1024 * 1024  # bytes of an answer that says that a token is needed
ASKING = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "p2c-workbench"}
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
    except ServiceError as error:
        yield Looked("address", "fail", error.message.rstrip("."), error.hint or "")
        return
    except (httpx.HTTPError, OSError) as error:
        yield from _no_answer(error, connection, host)
        return
    yield Looked("address", "ok", f"{host} answers")
    if parts.scheme == "http":
        yield Looked("tls", "ok", "plain http, which stays on this machine")
    else:
        yield Looked("tls", "ok", "verified")
    yield _service(connection, answer)


def _asked(connection: Connection) -> Reply:
    """The answer to a request without a token, over the same ways as all others."""
    url, host = connection.url + DIALECTS[connection.app].root, host_of(connection.url)
    loopback = urlsplit(connection.url).hostname in LOOPBACK
    watch = Watch(Patience(slow_seconds=SECONDS), SECONDS, whole=2 * SECONDS)
    with watched_client(timeout=SECONDS, trust_env=not loopback) as client:
        return exchanged(client, "GET", url, watch=watch, most=MOST, target=host, headers=ASKING)


def _no_answer(error: Exception, connection: Connection, host: str) -> Iterator[Looked]:
    reason = why(error, connection.url)
    if reason.step == "tls":
        yield Looked("address", "ok", f"{host} answers")
        yield Looked("tls", "fail", reason.found, reason.remedy)
        return
    remedy = reason.remedy
    if host.partition(":")[0] in LOOPBACK and reason.found.startswith("nobody answers"):
        remedy = "Is the sandbox up there? p2c sandbox status says where it listens."
    yield Looked("address", "fail", reason.found, remedy)


def _service(connection: Connection, answer: Reply) -> Looked:
    if answer.status not in ASKS_FOR_A_TOKEN:
        return _another(connection, answer)
    if answer.status in {302, 303} and not _to_sign_in(answer, connection):
        said = f"sends to {sent_to(answer.headers)[0] or 'another page'} where a token should be asked for"
        return Looked("service", "warn", said, NOT_THE_SERVICE)
    found = _TENANT.search(answer.headers.get("www-authenticate", ""))
    theirs = found[1] if found else ""
    if _GUID.fullmatch(theirs) and _GUID.fullmatch(connection.tenant) and theirs.lower() != connection.tenant.lower():
        said = f"the system belongs to tenant {theirs}, p2c.toml names {connection.tenant}"
        return Looked("service", "fail", said, f'Write tenant = "{theirs}", or correct url.')
    return Looked("service", "ok", f"asks for a token{f' of tenant {theirs}' if _GUID.fullmatch(theirs) else ''}")


def _another(connection: Connection, answer: Reply) -> Looked:
    """Who answers does not ask for a token, and so is not the system."""
    system = SYSTEMS[connection.app]
    said = f"answered {answer.status} where a token should be asked for"
    if other := not_the_service(answer.status, answer.headers, answer.content, connection.url):
        said = other.message.removeprefix(f"{connection.url}: ").rstrip(".")
        return Looked("service", "fail", said, f"{NOT_THE_SERVICE} It is written like {_EXAMPLES[connection.app]}.")
    return Looked("service", "fail", said, f"Write only the host of {system}, such as {_EXAMPLES[connection.app]}.")


def _to_sign_in(answer: Reply, connection: Connection) -> bool:
    """Whether a redirect leads to Microsoft Entra, as F&O answers a browser, or to a sign-in of the system's own."""
    host = sent_to(answer.headers)[0]
    return host.startswith(SIGN_IN) or host == host_of(connection.url)


_EXAMPLES = {"sales": "https://contoso.crm4.dynamics.com", "finops": "https://contoso.operations.dynamics.com"}
