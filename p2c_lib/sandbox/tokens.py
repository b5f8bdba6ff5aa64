"""The token endpoint and the bearer check, one per port, as both systems have them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote_plus

from p2c_lib.sandbox.wire import Answer, Call


@dataclass(slots=True)
class Tokens:
    """Issues and checks bearer tokens; ``secret`` itself is always a valid token.

    Tokens are signed, so that they outlive a restart with the same secret; ``lifetime`` in seconds.
    """

    secret: str
    lifetime: int = 3599
    issued: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self) -> str:
        """A new token."""
        with self._lock:
            self.issued += 1
            number = self.issued
        payload = json.dumps({"exp": time.time() + self.lifetime, "n": number, "jti": uuid.uuid4().hex})
        head = base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")
        return f"{head}.{self._signature(head)}"

    def _signature(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header carries a token that is valid now."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return False
        if hmac.compare_digest(token.encode(), self.secret.encode()):
            return True
        head, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(head).encode()):
            return False
        payload = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        return float(payload["exp"]) > time.time()

    def answer(self, call: Call) -> Answer:
        """``POST /{tenant}/oauth2/v2.0/token`` (or ``/oauth2/token``, the first version) with client credentials.

        The client's id and secret stand in the body or in an ``Authorization: Basic`` header; wrong ones get the
        directory's error.
        """
        try:
            return self._granted(call)
        except DirectoryError as error:
            return _refused(call, error)

    def _granted(self, call: Call) -> Answer:
        if call.method != "POST":
            raise DirectoryError(400, "invalid_request", 900561, "The endpoint only accepts POST requests.")
        tenant, first = call.path.split("/")[1], "/v2.0/" not in call.path.lower()
        if "." in tenant:
            raise DirectoryError(
                400, "invalid_request", 90002, f"Tenant '{tenant[:80]}' not found. Check the tenant ID."
            )
        form = _form(call)
        grant = form.get("grant_type")
        if not grant:
            raise _missing("grant_type")
        if grant != "client_credentials":
            message = f"The app requested an unsupported grant type '{grant[:80]}'. The sandbox has client_credentials."
            raise DirectoryError(400, "unsupported_grant_type", 70003, message)
        self._check_client(call, form)
        _check_scope(form, first=first)
        return _json(200, self._token(form.get("resource") or call.base, first=first))

    def _check_client(self, call: Call, form: Mapping[str, str]) -> None:
        header = _basic(call.headers.get("authorization", ""))
        ids = [one for one in (header[0] if header else "", form.get("client_id", "")) if one]
        if not ids:
            raise _missing("client_id")
        if len(set(ids)) > 1:
            listed = ", ".join(one[:80] for one in ids)
            message = (
                f"Request is ambiguous, multiple application identifiers found. Application identifiers: '{listed}'."
            )
            raise DirectoryError(400, "invalid_request", 90011, message)
        if form.get("client_assertion"):
            message = "Client assertion failed signature validation. Assertions are not in this sandbox: send a secret."
            raise DirectoryError(401, "invalid_client", 700027, message)
        secrets = [one for one in (header[1] if header else "", form.get("client_secret", "")) if one]
        if not secrets:
            message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise DirectoryError(401, "invalid_client", 7000218, message)
        if not all(hmac.compare_digest(one.encode(), self.secret.encode()) for one in secrets):
            message = f"Invalid client secret provided for app '{ids[0][:80]}'."
            raise DirectoryError(401, "invalid_client", 7000215, message)

    def _token(self, resource: str, *, first: bool) -> dict[str, object]:
        """The body of a granted token; the first version of the endpoint writes its numbers as texts."""
        common = {"token_type": "Bearer", "access_token": self.issue()}
        if not first:
            return {**common, "expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        now = int(time.time())
        moments = {"expires_on": str(now + self.lifetime), "not_before": str(now), "resource": resource}
        return {**common, "expires_in": str(self.lifetime), "ext_expires_in": str(self.lifetime), **moments}


class DirectoryError(Exception):
    """A token request that is refused: HTTP ``status``, OAuth's ``error``, the directory's ``number`` and text."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.number, self.message = status, error, number, message


def _missing(name: str) -> DirectoryError:
    message = f"The request body must contain the following parameter: '{name}'."
    return DirectoryError(400, "invalid_request", 900144, message)


def _form(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))


def _basic(authorization: str) -> tuple[str, str] | None:
    """Id and secret of a Basic header, each form-encoded inside as RFC 6749 2.3.1 has it; None without one."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        name, colon, secret = "", "", ""
    if not colon:
        message = "The Authorization header holds no client credentials: base64 of 'id:secret' is expected after Basic."
        raise DirectoryError(401, "invalid_client", 7000216, message)
    return unquote_plus(name), unquote_plus(secret)


def _check_scope(form: Mapping[str, str], *, first: bool) -> None:
    """What a token is for: a resource in the first version, a scope with /.default in the second; neither is needed."""
    scope = form.get("scope", "")
    if not first and "resource" in form:
        raise DirectoryError(400, "invalid_request", 901002, "The 'resource' request parameter is not supported.")
    if not first and scope and not scope.endswith("/.default"):
        message = (
            f"The provided value for scope {scope[:200]} is not valid. Client credential flows must have a scope value "
            "with /.default suffixed to the resource identifier (application ID URI)."
        )
        raise DirectoryError(400, "invalid_scope", 1002012, message)


def discovery(call: Call) -> Answer:
    """``/{tenant}/v2.0/.well-known/openid-configuration``: where a client library finds the token endpoint."""
    tenant, second = call.path.split("/")[1], "/v2.0/" in call.path.lower()
    base, version = f"{call.base}/{tenant}", "v2.0/" if second else ""
    facts = {
        "token_endpoint": f"{base}/oauth2/{version}token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "authorization_endpoint": f"{base}/oauth2/{version}authorize",
        "device_authorization_endpoint": f"{base}/oauth2/{version}devicecode",
        "jwks_uri": f"{base}/discovery/{version}keys",
        "issuer": f"{base}/{version}",
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid"],
        "tenant_region_scope": None,
    }
    return _json(200, facts)


def challenge(call: Call) -> dict[str, str]:
    """The header that tells a client without a token where to get one."""
    where = f"{call.base}/common/oauth2/authorize"
    return {"WWW-Authenticate": f'Bearer authorization_uri="{where}", resource_id="{call.base}/"'}


def _refused(call: Call, refusal: DirectoryError) -> Answer:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    told = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
    answer = _json(
        refusal.status,
        {
            "error": refusal.error,
            "error_description": f"AADSTS{refusal.number}: {refusal.message} {told}",
            "error_codes": [refusal.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{call.base}/error?code={refusal.number}",
        },
    )
    if refusal.status == 401 and call.headers.get("authorization"):
        # RFC 6749 5.2: who came with a header is told the scheme that is expected there.
        answer.headers.append(("WWW-Authenticate", f'Basic realm="{call.base}"'))
    return answer


def _json(status: int, body: Mapping[str, object]) -> Answer:
    kind = ("Content-Type", "application/json; charset=utf-8")
    headers = [kind, ("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache")]
    return Answer(status, headers, json.dumps(body).encode())
