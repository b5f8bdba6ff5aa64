"""The token endpoint and the bearer check, one per port, as both systems have them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

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
        """``POST /{tenant}/oauth2/v2.0/token`` with client credentials; wrong ones get the directory's error."""
        if call.method != "POST":
            return _refused(400, "invalid_request", 900144, "The request body must be sent with POST.")
        tenant = call.path.split("/")[1]
        if "." in tenant:
            return _refused(400, "invalid_request", 90002, f"Tenant '{tenant[:80]}' not found. Check the tenant ID.")
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            came = form.get("grant_type", "")
            message = f"The grant type '{came}' is not supported; use client_credentials."
            return _refused(400, "unsupported_grant_type", 70003, message)
        if not form.get("client_id"):
            return _refused(400, "invalid_request", 900144, "The request body must contain the parameter: 'client_id'.")
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.secret.encode()):
            message = f"Invalid client secret provided for app '{form['client_id'][:80]}'."
            return _refused(401, "invalid_client", 7000215, message)
        return _json(
            200,
            {
                "token_type": "Bearer",
                "expires_in": self.lifetime,
                "ext_expires_in": self.lifetime,
                "access_token": self.issue(),
            },
        )


def challenge(call: Call) -> dict[str, str]:
    """The header that tells a client without a token where to get one."""
    where = f"{call.base}/common/oauth2/authorize"
    return {"WWW-Authenticate": f'Bearer authorization_uri="{where}", resource_id="{call.base}/"'}


def _refused(status: int, error: str, number: int, message: str) -> Answer:
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    return _json(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {correlation}",
            "error_codes": [number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
        },
    )


def _json(status: int, body: dict[str, object]) -> Answer:
    headers = [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store, no-cache")]
    return Answer(status, headers, json.dumps(body).encode())
