"""Damaged copies of a sound answer: members of another kind, bytes of another text, and nothing of it left."""

from __future__ import annotations

import json
import random
from typing import Any

__all__ = ["Damage"]

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**18,
    10**40,
    -(10**40),
    1e308,
    "",
    " ",
    "x",
    "é\u4e2d",
    "\ud800",
    "a\udfff\ud800",
    "\x00",
    "\r\nX: y",
    "x" * 5_000,
    "1e-9999999",
    "1e9999999",
    "-9" * 30,
    "9999-12-31T23:59:59.9999999Z",
    "0001-01-01T00:00:00+14:00",
    "12:00",
    "Infinity",
    "../../x",
    "https://evil.example/x",
    "http://[",
    "//host",
    "/api/data/v9.2/things?$skiptoken=1",
    [],
    {},
    [None],
    [[]],
    {"a": {"b": []}},
    [1, "x", None],
    {"": None},
]
RAW = [
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e-99999999",
    b'"1e-99\\u0039999999"',
    b'"1\\u0065-9999999"',
    b'"\\ud800"',
    b"\\u0000",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"{}",
    b"[]",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b",",
    b":",
    b"\n",
    b"-",
    b"0" * 400,
    b"9" * 5_000,
    b'"@odata.nextLink":',
    b'"@odata.count":true,',
    b'{"@odata.etag"',
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"--b\r\n",
    b"--b--",
]
WHOLE = [
    b"",
    b" \n",
    b"null",
    b" null",
    b"null null",
    b"[null]",
    b"12",
    b'"x"',
    b"true",
    b"NaN",
    b"{}",
    b"[]",
    b"{}null",
    b"\x00",
]


class Damage:
    """Damaged copies of a document; the same ones for the same chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def body(self, sound: bytes) -> bytes:
        """A body made of a sound one: other members, other bytes, or nothing of it left."""
        kind = self.chance.randrange(20)
        if kind == 0:
            return self.chance.choice(WHOLE)
        if kind == 1:
            return self._nested(sound)
        try:
            found = json.loads(sound) if kind < 12 else None
        except ValueError:
            found = None
        if found is None:
            return self._bytes(sound)
        for _ in range(self.chance.randint(1, 3)):
            found = self._members(found)
        made = json.dumps(found, ensure_ascii=self.chance.random() < 0.5).encode("utf-8", "surrogatepass")
        return self._bytes(made) if kind == 11 else made

    def text(self, sound: str) -> str:
        """A header value or a text, damaged as bytes."""
        made = self._bytes(sound.encode()) if self.chance.random() < 0.5 else sound.encode()
        return made.decode("latin-1")

    def _nested(self, sound: bytes) -> bytes:
        depth = self.chance.choice((50, 99, 101, 900, 5_000, 100_000))
        ways = [(b"[", b"]"), (b'{"a":', b"}"), (b'{"value":[', b"]}")]
        opened, closed = self.chance.choice(ways)
        inner = self.chance.choice((b"1", b"null", b'""'))
        deep = opened * depth + inner + (closed * depth if self.chance.random() < 0.8 else b"")
        return deep if self.chance.random() < 0.3 else self._put(sound, deep)

    def _put(self, sound: bytes, what: bytes) -> bytes:
        places = [at for at, byte in enumerate(sound) if byte in b":,[{}]"] or [0]
        at = self.chance.choice(places) + 1
        return sound[:at] + what + (b"," if self.chance.random() < 0.5 else b"") + sound[at:]

    def _bytes(self, sound: bytes) -> bytes:
        made = bytearray(sound)
        for _ in range(self.chance.randint(1, 4)):
            at = self.chance.randint(0, len(made))
            end = min(len(made), at + self.chance.choice((0, 1, 1, 2, 8, 60)))
            kind = self.chance.randrange(6)
            if kind == 0:
                del made[at:]
            elif kind == 1:
                made[at:end] = b""
            elif kind == 2:
                made[at:end] = self.chance.choice(RAW)
            elif kind == 3:
                made[at:at] = self.chance.choice(RAW)
            elif kind == 4:
                made[at:at] = made[max(0, at - self.chance.randint(1, 80)) : at]
            elif made:
                made[min(at, len(made) - 1)] = self.chance.randrange(256)
        if self.chance.random() < 0.04:
            return bytes(made).decode("utf-8", "replace").encode("utf-16")
        return bytes(made)

    def _members(self, found: Any) -> Any:
        """A document with one value anywhere in it replaced, left out, doubled or under another name."""
        if not isinstance(found, (dict, list)) or not found or self.chance.random() < 0.15:
            return self.chance.choice(ODD)
        where = self.chance.choice(list(found)) if isinstance(found, dict) else self.chance.randrange(len(found))
        made = dict(found) if isinstance(found, dict) else list(found)
        kind = self.chance.randrange(10)
        if kind == 0:
            del made[where]
        elif kind == 1 and isinstance(made, dict):
            made[self.chance.choice(("value", "error", "", "@odata.nextLink", "x" * 300, "\ud800"))] = made.pop(where)
        elif kind == 1:
            made.append(self.chance.choice(ODD))
        else:
            made[where] = self._members(made[where])
        return made
