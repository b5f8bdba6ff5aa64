"""A bare Dataverse-like server for benchmarks: pages made beforehand, a latency, ranges of ``createdon``.

One table, ``records``, of 40 columns. Row n was created n seconds after the first of January 2020; every page of
5,000 rows holds the same row texts under ids of its own, so that the server's own cost stays out of the figures. Run as
a program it prints the port it listens on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, unquote, urlsplit

PAGE = 5_000
START = datetime(2020, 1, 1, tzinfo=UTC)
KINDS = (
    [("String", f"text{n:02}") for n in range(14)]
    + [("Integer", f"whole{n}") for n in range(5)]
    + [("Money", f"amount{n}") for n in range(5)]
    + [("Picklist", f"choice{n}") for n in range(5)]
    + [("Boolean", f"flag{n}") for n in range(3)]
    + [("DateTime", f"moment{n}") for n in range(4)]
    + [("BigInt", "versionnumber"), ("Uniqueidentifier", "recordid"), ("DateTime", "createdon"), ("Double", "factor")]
)
COLUMNS = [name for _, name in KINDS]


def row(n: int, chance: random.Random) -> dict[str, object]:
    """Row n: a third of the optional values are null."""
    moment = (START + timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made: dict[str, object] = {"@odata.etag": f'W/"{1_000_000 + n}"'}
    for kind, name in KINDS:
        made[name] = None if chance.random() < 0.33 else value(kind, n, chance, moment)
    made |= {"recordid": f"00000000-0000-4000-8000-{n:012d}", "createdon": moment, "versionnumber": 1_000_000 + n}
    return made


def value(kind: str, n: int, chance: random.Random, moment: str) -> object:
    """A value of an attribute type."""
    if kind == "String":
        return f"Customer text {chance.randrange(10**9)} of row {n % 977}"
    if kind == "Money":
        return round(chance.random() * 100_000, 4)
    if kind == "Double":
        return chance.random()
    if kind == "Boolean":
        return chance.random() < 0.5
    if kind == "DateTime":
        return moment
    return chance.randrange(100_000)


def definition() -> dict[str, object]:
    """The table's metadata."""
    attributes = [
        {"LogicalName": name, "AttributeType": kind, "AttributeOf": None, "RequiredLevel": {"Value": "None"}}
        for kind, name in KINDS
    ]
    return {
        "LogicalName": "record",
        "EntitySetName": "records",
        "PrimaryIdAttribute": "recordid",
        "PrimaryNameAttribute": "text00",
        "ChangeTrackingEnabled": False,
        "Attributes": attributes,
        "Keys": [],
        "ManyToOneRelationships": [],
    }


class Pages:
    """The answers of the server, by path."""

    def __init__(self, rows: int) -> None:
        chance = random.Random(7)
        self.rows = rows
        self.texts = [json.dumps(row(n, chance), separators=(",", ":")).encode() for n in range(min(rows, PAGE))]
        self.whole = b",".join(self.texts)

    def answer(self, method: str, target: str, host: str) -> bytes:
        """The body for a request."""
        parts = urlsplit(target)
        if method == "POST":
            return b'{"access_token":"t","expires_in":3600,"token_type":"Bearer"}'
        if parts.path.endswith("/WhoAmI"):
            return b'{"UserId":"u","OrganizationId":"o","BusinessUnitId":"b"}'
        if "EntityDefinitions" in parts.path:
            return self._metadata(parts.path)
        return self._page({name: values[0] for name, values in parse_qs(parts.query).items()}, host)

    def _metadata(self, path: str) -> bytes:
        if "/Attributes/" in path:
            return b'{"value":[]}'
        whole = definition()
        return json.dumps(whole if "(" in path else {"value": [whole]}).encode()

    def _page(self, options: dict[str, str], host: str) -> bytes:
        text = options.get("$filter") or options.get("$apply", "")
        first, last = self._bounds(text)
        if "$apply" in options:
            return b'{"value":[%s]}' % (b'{"rows":%d}' % (last - first) if last - first <= 50_000 else b"")
        at = int(options.get("$skiptoken", first))
        end = min(last, at + min(PAGE, int(options.get("$top", PAGE))))
        if options.get("$orderby", "").startswith("createdon desc"):
            at, end = max(first, last - 1), last
        moment = (START + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "$top" in options and end - at == 1:
            inner = b'{"@odata.etag":"W/\\"1\\"","createdon":"%s","recordid":"r"}' % moment.encode()
        else:
            made = self.whole if end - at == len(self.texts) else b",".join(self.texts[: end - at])
            inner = made.replace(b'"00000000-', b'"%08x-' % at)
        count = b'"@odata.count":%d,' % min(last - first, PAGE) if "$count" in options else b""
        link = b""
        if end < last and "$top" not in options:
            query = f"$filter={quote(text)}&$skiptoken={end}" if text else f"$skiptoken={end}"
            link = b',"@odata.nextLink":"http://%s/api/data/v9.2/records?%s"' % (host.encode(), query.encode())
        return b'{"@odata.context":"x",%s"value":[%s]%s}' % (count, inner, link)

    def _bounds(self, text: str) -> tuple[int, int]:
        first, last = 0, self.rows
        for word, stamp in re.findall(r"createdon (ge|lt) ([\d:TZ.-]+)", unquote(text)):
            seconds = int((datetime.fromisoformat(stamp) - START).total_seconds())
            bound = min(max(seconds, 0), self.rows)
            first, last = (max(first, bound), last) if word == "ge" else (first, min(last, bound))
        return (0, 0) if "createdon eq null" in text else (first, max(first, last))


async def serve(rows: int, latency: float) -> None:
    """Answer for ever; print the port first."""
    pages = Pages(rows)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
                await reader.readexactly(int(fields.get("content-length", "0")))
                body = pages.answer(method, target, fields.get("host", ""))
                await asyncio.sleep(latency)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-ms-dop-hint: 8\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body))
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=300_000)
    words.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    given = words.parse_args()
    asyncio.run(serve(given.rows, given.latency))
