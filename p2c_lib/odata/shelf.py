"""Metadata answers kept on disk with their etags, so that a service need not send again what has not changed."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from p2c_lib.config import Connection
from p2c_lib.secrecy import without_whole_secrets

__all__ = ["Shelf", "Tagged"]


@dataclass(frozen=True)
class Tagged:
    """A JSON object as the service sent it, with the etag it had; an empty one where the service sends none."""

    etag: str
    content: dict[str, Any]


class Shelf:
    """The kept answers of one connection in a folder, one file a request.

    A file counts only while it is whole and is of this address, user and request: any other is as good as none. The
    names of files are digests, so no name that came from outside leads out of the folder. One that is not ``trusted``
    any more finds nothing, and keeps what comes instead.
    """

    def __init__(self, folder: Path, connection: Connection) -> None:
        self._folder, self._connection = folder, connection
        self.trusted = True

    def find(self, url: str) -> Tagged | None:
        """What was kept of a request, or None."""
        if not self.trusted:
            return None
        try:
            kept = json.loads(self._path(url).read_bytes())
            etag, content = kept["etag"], kept["content"]
            whole = kept["of"] == self._of(url) and kept["digest"] == _digest(etag, content)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return Tagged(etag, content) if whole and isinstance(etag, str) and isinstance(content, dict) else None

    def keep(self, url: str, answer: Tagged) -> None:
        """Keep an answer that has an etag, in one move; where the folder cannot be written nothing is kept."""
        if not answer.etag:
            return
        digest = _digest(answer.etag, answer.content)
        text = json.dumps({"of": self._of(url), "etag": answer.etag, "digest": digest, "content": answer.content})
        if without_whole_secrets(text) != text:
            return  # what a service echoes is not for the disk
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self._folder, suffix=".new", encoding="utf-8", delete=False) as file:
                file.write(text)
            os.replace(file.name, self._path(url))

    def _path(self, url: str) -> Path:
        """One file for a request of a connection, wherever its service listens today."""
        name = f"{self._connection.name}\n{self._connection.app}\n{url}"
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:40]}.json"

    def _of(self, url: str) -> list[str]:
        return [self._connection.app, self._connection.url, self._connection.client_id, url]


def _digest(etag: object, content: object) -> str:
    text = json.dumps([etag, content], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
