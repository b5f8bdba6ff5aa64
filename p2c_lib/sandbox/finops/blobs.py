"""Files at addresses of their own, as in the data management framework's storage: signed, and gone after a week."""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote

from p2c_lib.sandbox.wire import Answer, Call

PREFIX = "/dmf/"
KEPT_SECONDS = 7 * 86_400


@dataclass
class Blobs:
    """Files by name, held in memory until the sandbox stops; an address is good for ``signed_seconds``."""

    signed_seconds: float = 3600.0
    files: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def address(self, base: str, name: str) -> str:
        """A signed address for reading and writing the file."""
        until = f"{time.time() + self.signed_seconds:.0f}"
        return f"{base}{PREFIX}{quote(name)}?sv=2021-08-06&sr=b&sp=rw&se={until}&sig={self._signature(name, until)}"

    def _signature(self, name: str, until: str) -> str:
        return hmac.new(self._key, f"{name}\n{until}".encode(), "sha256").hexdigest()

    def keep(self, base: str, content: bytes, suffix: str) -> str:
        """Store a file under a new name and answer its address."""
        name = f"{uuid.uuid4()}{suffix}"
        self.files[name] = (time.time(), content)
        return self.address(base, name)

    def read(self, address: str) -> bytes | None:
        """The content behind an address of this storage; None when there is none."""
        path, _, query = address.partition("?")
        name = path.partition(PREFIX)[2]
        return self._content(name) if self._signed(name, query) else None

    def _content(self, name: str) -> bytes | None:
        found = self.files.get(name)
        return found[1] if found and time.time() - found[0] < KEPT_SECONDS else None

    def _signed(self, name: str, query: str) -> bool:
        given = parse_qs(query)
        until, signature = given.get("se", [""])[0], given.get("sig", [""])[0]
        good = hmac.compare_digest(signature.encode(), self._signature(name, until).encode())
        return good and float(until) > time.time()

    def answer(self, call: Call) -> Answer:
        """PUT (201) and GET (200) of a file; errors are XML, as the storage's own are."""
        name = call.path.removeprefix(PREFIX)
        if not self._signed(name, call.query):
            return _refused(403, "AuthenticationFailed", "The signature is missing, wrong or expired.")
        if call.method == "PUT":
            if call.headers.get("x-ms-blob-type") != "BlockBlob":
                return _refused(400, "MissingRequiredHeader", "The header x-ms-blob-type: BlockBlob is needed.")
            self.files[name] = (time.time(), call.body)
            return Answer(201, [("x-ms-request-server-encrypted", "true")])
        content = self._content(name)
        if call.method not in {"GET", "HEAD"}:
            return _refused(405, "UnsupportedHttpVerb", "The resource does not support this method.")
        if content is None:
            return _refused(404, "BlobNotFound", "The specified blob does not exist.")
        return Answer(200, [("Content-Type", "application/octet-stream")], content if call.method == "GET" else b"")


def _refused(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, [("Content-Type", "application/xml"), ("x-ms-error-code", code)], body.encode())
