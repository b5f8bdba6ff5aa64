"""Every parser of what comes from outside, fed with damaged answers: a process, which must live and use little.

``python -m tests.fuzz_answers PARSERS SEED FIRST CASES NOTE`` tries cases of each parser and prints a line for one
that ends otherwise than it may: as if nothing were wrong, or by an error of the workbench. Before each case its number
goes into the file NOTE, so that a process that died tells of which. A case is found again by parser, seed and number.
"""

from __future__ import annotations

import json
import mmap
import random
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import pyarrow as pa

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import P2CError
from p2c_lib.mapping.exchange import import_map
from p2c_lib.odata import Client, Column, EntitySchema, Patience, Query, Write
from p2c_lib.odata.auth import token_source
from p2c_lib.odata.batch import replies
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.failures import failure
from p2c_lib.odata.keyset import KeyOrder, rows_from_end
from p2c_lib.odata.links import own_link
from p2c_lib.odata.query import Expand
from p2c_lib.odata.read import peek_next
from p2c_lib.secrecy import forget_secrets
from tests.damage import Damage

URL = "http://127.0.0.1:1"
PATIENCE = Patience(budget=0.02, first_wait=0.0001, longest_wait=0.0002, tries=2)
JSON = {"content-type": "application/json"}


def _columns(*kinds: tuple[str, str, pa.DataType]) -> dict[str, Column]:
    return {name: Column(name, edm, kind) for name, edm, kind in kinds}


PARENT = EntitySchema(
    "sales",
    "owners",
    "owner",
    ("ownerid",),
    _columns(("ownerid", "Edm.Guid", pa.string()), ("limit", "Edm.Decimal", pa.decimal128(38, 10))),
)
COLUMNS = _columns(
    ("thingid", "Edm.Guid", pa.string()),
    ("name", "Edm.String", pa.string()),
    ("amount", "Edm.Decimal", pa.decimal128(38, 4)),
    ("size", "Edm.Double", pa.float64()),
    ("count", "Edm.Int32", pa.int32()),
    ("large", "Edm.Int64", pa.int64()),
    ("flag", "Edm.Boolean", pa.bool_()),
    ("made", "Edm.DateTimeOffset", pa.timestamp("us", "UTC")),
    ("day", "Edm.Date", pa.date32()),
) | {"several": Column("several", "Edm.String", pa.string(), several=True)}
THINGS = EntitySchema("sales", "things", "thing", ("thingid",), COLUMNS)
GOODS = EntitySchema(
    "finops",
    "Goods",
    "Good",
    ("name", "made", "amount"),
    {**COLUMNS, "day": Column("day", "Edm.DateTimeOffset", pa.date32(), day=True)},
)
ROWS: list[dict[str, Any]] = [
    {
        "@odata.etag": f'W/"{n}"',
        "thingid": f"00000000-0000-0000-0000-00000000000{n}",
        "name": f"N {n}",
        "amount": 12.5 + n,
        "size": 0.5,
        "count": n,
        "large": 10**12,
        "flag": True,
        "made": "2026-01-31T10:00:00Z",
        "day": "2026-01-31",
        "several": "1,2",
        "parent": {"@odata.etag": 'W/"9"', "ownerid": "o", "limit": 1.25, "deeper": None},
    }
    for n in range(3)
]
PAGE: dict[str, Any] = {
    "@odata.context": "x",
    "@odata.count": 3,
    "value": ROWS,
    "@odata.nextLink": f"{URL}/api/data/v9.2/things?$skiptoken=2",
}
GONE = {"@odata.context": "x/$deletedEntity", "id": "5", "reason": "deleted"}
DEFINITION: dict[str, Any] = {
    "LogicalName": "thing",
    "EntitySetName": "things",
    "PrimaryIdAttribute": "thingid",
    "PrimaryNameAttribute": "name",
    "ChangeTrackingEnabled": True,
    "Attributes": [
        {"LogicalName": "thingid", "AttributeType": "Uniqueidentifier"},
        {"LogicalName": "name", "AttributeType": "String", "DisplayName": {"UserLocalizedLabel": {"Label": "Name"}}},
        {"LogicalName": "amount", "AttributeType": "Money", "RequiredLevel": {"Value": "SystemRequired"}},
        {"LogicalName": "state", "AttributeType": "Picklist", "AttributeTypeName": {"Value": "PicklistType"}},
        {"LogicalName": "made", "AttributeType": "DateTime", "IsValidForUpdate": False},
        {"LogicalName": "owner", "AttributeType": "Owner"},
    ],
    "Keys": [{"LogicalName": "k", "KeyAttributes": ["name"], "EntityKeyIndexStatus": "Active"}],
    "ManyToOneRelationships": [
        {
            "ReferencingAttribute": "owner",
            "ReferencedEntity": "thing",
            "ReferencingEntityNavigationPropertyName": "owner",
        }
    ],
}
EXTRAS: dict[str, Any] = {
    "value": [
        {"LogicalName": "name", "MaxLength": 100},
        {"LogicalName": "amount", "Precision": 2, "PrecisionSource": 2},
        {
            "LogicalName": "state",
            "OptionSet": {"Options": [{"Value": 1, "Label": {"UserLocalizedLabel": {"Label": "On"}}}]},
        },
        {"LogicalName": "made", "DateTimeBehavior": {"Value": "UserLocal"}},
        {"LogicalName": "owner", "Targets": ["thing"]},
    ]
}
ENTITY: dict[str, Any] = {
    "Name": "Good",
    "EntitySetName": "Goods",
    "LabelId": "@X",
    "Properties": [
        {"Name": "dataAreaId", "TypeName": "Edm.String", "IsKey": True, "IsMandatory": True},
        {"Name": "name", "TypeName": "Edm.String", "IsKey": True, "LabelId": "@N"},
        {"Name": "amount", "TypeName": "Edm.Decimal", "DataType": "Real", "AllowEdit": False},
        {"Name": "kind", "TypeName": "Microsoft.Dynamics.DataEntities.Kind", "DataType": "Enum"},
        {"Name": "day", "TypeName": "Edm.DateTimeOffset", "DataType": "Date"},
    ],
    "NavigationProperties": [{"Name": "To", "RelatedEntity": "Good"}],
}


class Told(httpx.BaseTransport):
    """Answers as ``say`` does, by method and path; a sound token to whoever asks for one."""

    def __init__(self) -> None:
        self.say: Callable[[httpx.Request], tuple[int, Mapping[str, str], bytes]] = lambda _: (404, {}, b"")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return _response(request, 200, JSON, b'{"access_token":"t0ken-of-the-fuzz","expires_in":3600}')
        return _response(request, *self.say(request))


def _response(request: httpx.Request, status: int, headers: Mapping[str, str], body: bytes) -> httpx.Response:
    named = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(body), request=request)


FOUND = {
    "@odata.etag": 'W/"1"',
    "thingid": "1",
    "dataAreaId": "usmf",
    "name": "n",
    "amount": 1.5,
    "state": 1,
    "day": "2026-01-31T12:00:00Z",
}
NAMED = {"PublicCollectionName": "Goods", "PublicEntityName": "Good", "LabelId": "@X", "DataManagementEnabled": True}
ENUM = {"Name": "Kind", "Members": [{"Name": "A", "Value": 0}, {"Name": "B", "Value": 1}]}
CURRENCY = {"transactioncurrencyid": "c", "isocurrencycode": "USD", "currencyprecision": 2}
SOUND: list[tuple[str, Any]] = [  # by a part of the path, the first that fits
    ("/metadata/PublicEnum", ENUM),
    ("/metadata/Labels", {"Value": "Goods of the company"}),
    ("/metadata/DataEntities", {"value": [NAMED]}),
    ("/metadata/", {"value": [ENTITY]}),
    ("/Attributes/", EXTRAS),
    ("EntityDefinitions(", DEFINITION),
    ("EntityDefinitions", {"value": [DEFINITION]}),
    ("WhoAmI", {"OrganizationId": "o", "UserId": "u", "BusinessUnitId": "b"}),
    ("organizations", {"value": [{"pricingdecimalprecision": 2, "_basecurrencyid_value": "c"}]}),
    ("transactioncurrencies", {"value": [CURRENCY]}),
    ("sdkmessagefilters", {"value": [{"sdkmessagefilterid": "1"}]}),
    ("/things", {"@odata.count": 1, "value": [FOUND], "@odata.deltaLink": f"{URL}/api/data/v9.2/things?$deltatoken=1"}),
    ("/data/Goods", {"@odata.count": 1, "value": [FOUND]}),
    ("/data/", {"@odata.context": f"{URL}/data/$metadata", "value": [{"name": "Goods"}]}),
]


def _sound(request: httpx.Request) -> bytes:
    """The sound answer to a question."""
    path = request.url.path
    return json.dumps(next((answer for part, answer in SOUND if part in path), {"value": []})).encode()


def _client(app: str, told: Told) -> Client:
    here = Connection("x", app, URL, "c", Secret.literal("the-secret"), token_url=f"{URL}/token")  # type: ignore[arg-type]
    return Client(here, transport=told, patience=PATIENCE)


HEADERS = {
    "date": "Mon, 01 Jan 0001 00:00:00 +2359",
    "etag": 'W/"\xe9"',
    "content-encoding": "br",
    "x-ms-dop-hint": "9" * 400,
    "x-ms-service-request-id": "\x07" * 900,
    "location": "http://[",
    "content-length": "999999999999",
    "req_id": "x",
    "content-type": "text/html",
}


def _damaged(damage: Damage, sound: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """A whole answer: damage to its status and headers now and then, to its body mostly."""
    chance = damage.chance
    headers = dict(JSON)
    if chance.random() < 0.1:
        name = chance.choice(list(HEADERS))
        headers[name] = HEADERS[name]
    status = chance.choice((100, 204, 302, 304, 400, 404, 407, 412, 500, 511)) if chance.random() < 0.1 else 200
    return status, headers, damage.body(sound) if chance.random() < 0.9 else sound


def _asking(app: str, ask: Callable[[Client], object], part: str = "") -> Callable[[Damage], None]:
    """A parser: a question to a system, one or all of whose answers with ``part`` in their path are damaged."""

    def case(damage: Damage) -> None:
        told = Told()
        few = 12 if part == "EntityDefinitions" else 2
        every, seen = damage.chance.random() < 0.3, [damage.chance.randrange(few)]

        def say(request: httpx.Request) -> tuple[int, Mapping[str, str], bytes]:
            sound = _sound(request)
            if part not in str(request.url):
                return 200, JSON, sound
            seen[0] -= 1
            return _damaged(damage, sound) if every or seen[0] < 0 else (200, JSON, sound)

        told.say = say
        with _client(app, told) as client:
            ask(client)

    return case


def _page(damage: Damage) -> None:
    schema = damage.chance.choice((THINGS, GOODS))
    expand = (Expand("parent", "parent", PARENT, ("limit",)),) if schema is THINGS else ()
    query = Query(schema.entity_set, tuple(COLUMNS), expand=expand)
    tracked = schema is THINGS and damage.chance.random() < 0.3
    decoder = Decoder(query, schema, empty_is_null=schema is GOODS, tracked=tracked)
    sound = {**PAGE, "value": [*ROWS, GONE]} if tracked else PAGE
    decoder.page(damage.body(json.dumps(sound).encode())).table.to_pylist()


def _links(damage: Damage) -> None:
    body = damage.body(json.dumps(PAGE).encode())
    link = peek_next(body)
    if link is not None:
        httpx.URL(own_link(link, URL, "things"))


def _keys(damage: Damage) -> None:
    order = KeyOrder.of(
        Query("Goods", ("name",), orderby=("size desc",) if damage.chance.random() < 0.5 else ()), GOODS
    )
    body = damage.body(json.dumps({"value": ROWS}).encode())
    if order is not None:
        order.after(rows_from_end(body, "Goods")).filter.encode()
        row = next(rows_from_end(body, "Goods"), None)
        if row is not None:
            (order.past(row) + order.until(row)).encode()


def _token(damage: Damage) -> None:
    told = Told()
    here = Connection("x", "sales", URL, "c", Secret.literal("the-secret"), token_url=f"{URL}/other")
    told.say = lambda _: _damaged(
        damage, b'{"access_token":"aaa.bbb","expires_in":3600,"token_type":"Bearer","error":null}'
    )
    token = token_source(here, transport=told).current()
    httpx.Headers({"Authorization": f"Bearer {token}"})


BATCH = (
    b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nOData-EntityId: x/things(1)\r\n\r\n\r\n"
    b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\n"
    b'HTTP/1.1 400 Bad Request\r\n\r\n{"error":{"code":"0x1","message":"no","innererror":{"message":"m"}}}'
    b"\r\n--c--\r\n--b--\r\n"
)


def _batch(damage: Damage) -> None:
    kind = (
        damage.text('multipart/mixed; boundary="b"') if damage.chance.random() < 0.3 else "multipart/mixed; boundary=b"
    )
    nested = damage.chance.random() < 0.05
    body = (
        BATCH
        if not nested
        else b"".join(
            b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(3_000)
        )
    )
    for reply in replies({"content-type": kind}, damage.body(body), "things"):
        headers = reply.headers()
        str(failure(reply.status, headers, reply.body, "things"))


def _writes(damage: Damage) -> None:
    told = Told()

    def say(request: httpx.Request) -> tuple[int, Mapping[str, str], bytes]:
        if request.method == "GET":
            return 200, JSON, _sound(request)
        if damage.chance.random() < 0.5:
            return 200, {"content-type": "multipart/mixed; boundary=b"}, damage.body(BATCH)
        return _damaged(damage, b'{"@odata.context":"x","Ids":["1","2"]}')

    told.say = say
    rows = [{"thingid": f"00000000-0000-0000-0000-0000000000{n:02}", "name": f"n{n}"} for n in range(30)]
    with _client("sales", told) as client:
        if damage.chance.random() < 0.5:
            results = client.write([Write("create", "things", None, row) for row in rows[:2]])
            assert len(results) == 2
        else:
            table = pa.Table.from_pylist(rows)
            assert len(client.write_table("update", "things", table, key=["thingid"])) == 30


def _error(damage: Damage) -> None:
    sounds = [
        b'{"error":{"code":"0x80040217","message":"gone","innererror":{"message":"Infolog: Warning: a.; Error: b.."}}}',
        b'{"Message":"no","MessageDetail":"why"}',
        b"<html><title>Sign in</title><body>busy</body></html>",
        b'{"error":{"code":"","message":"' + b"." * 100_000 + b'x"}}',
        b"<" * 100_000,
        b"<title" * 30_000,
    ]
    name = damage.chance.choice(list(HEADERS))
    status = damage.chance.choice((200, 302, 304, 400, 401, 404, 407, 412, 413, 429, 500, 503, 999))
    error = failure(
        status,
        httpx.Headers({name: HEADERS[name].encode("latin-1", "replace")}),
        damage.body(damage.chance.choice(sounds)),
        "things",
    )
    json.dumps(error.to_dict()).encode()
    str(error).encode("utf-8", "surrogatepass")


def _package(damage: Damage) -> None:
    told = Told()
    sounds = {
        "GetAzureWriteUrl": json.dumps({"value": json.dumps({"BlobId": "1", "BlobUrl": f"{URL}/blob?sig=x"})}).encode(),
        "ImportFromPackage": b'{"value":"run-1"}',
        "GetExecutionSummaryStatus": b'{"value":"PartiallySucceeded"}',
        "GetExecutionErrors": json.dumps(
            {"value": json.dumps([{"RecordId": "2", "Key": "k", "ErrorMessage": "no"}])}
        ).encode(),
    }
    chosen = damage.chance.choice((*sounds, "metadata", "blob"))

    def say(request: httpx.Request) -> tuple[int, Mapping[str, str], bytes]:
        name = request.url.path.rpartition(".")[2]
        sound = sounds.get(name) or (b"" if "blob" in request.url.path else _sound(request))
        if name != chosen and chosen not in request.url.path:
            return 200, JSON, sound
        if name in sounds and damage.chance.random() < 0.5:
            inner = json.loads(sound)["value"]
            return 200, JSON, json.dumps({"value": damage.body(inner.encode()).decode("latin-1")}).encode()
        return _damaged(damage, sound)

    told.say = say
    with _client("finops", told) as client:
        result = client.load_package("Goods", pa.table({"name": ["a"], "amount": [1]}), company="usmf")
        result.errors.to_pylist()


MAP = json.dumps(
    {
        "name": "m",
        "legs": [
            {
                "sourceSchema": "things",
                "destinationSchema": "Goods",
                "fieldMappings": [
                    {
                        "sourceField": "name",
                        "destinationField": "Name",
                        "syncDirection": 3,
                        "valueTransforms": [
                            {"transformType": "ValueMap", "valueMap": {"a": "b"}},
                            {"transformType": "Default", "defaultValue": "x"},
                        ],
                    }
                ],
            }
        ],
    }
).encode()


def _map(damage: Damage) -> None:
    import_map(damage.body(MAP).decode("utf-8", "surrogateescape"), task="t", key={"name": "Name"})


def _kept(damage: Damage) -> None:
    """Metadata from the shelf, where a file was damaged since."""
    folder = Path(mkdtemp(prefix="fuzz-"))
    told = Told()
    told.say = lambda request: (200, {**JSON, "etag": 'W/"1"'}, _sound(request))
    here = Connection("x", "sales", URL, "c", Secret.literal("the-secret"), token_url=f"{URL}/token")
    for _ in range(2):
        with Client(here, transport=told, patience=PATIENCE, kept=folder) as client:
            client.schema("things")
        for file in folder.iterdir():
            file.write_bytes(damage.body(file.read_bytes()))
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


THING, GOOD = Query("things", ("name", "amount")), Query("Goods", ("name", "amount", "kind"))
PARSERS: Mapping[str, Callable[[Damage], object]] = {
    "page": _page,
    "links": _links,
    "keys": _keys,
    "token": _token,
    "batch": _batch,
    "error": _error,
    "map": _map,
    "writes": _writes,
    "package": _package,
    "kept": _kept,
    "sales metadata": _asking("sales", lambda c: c.schema("things"), "EntityDefinitions"),
    "finops metadata": _asking("finops", lambda c: c.schema("Goods"), "/metadata/"),
    "sets": _asking("sales", lambda c: c.metadata.set_of("thing")),
    "precisions": _asking("sales", lambda c: c.precisions()),
    "sales identity": _asking("sales", lambda c: c.identity()),
    "finops identity": _asking("finops", lambda c: c.identity()),
    "sales count": _asking("sales", lambda c: c.count(THING), "/things"),
    "finops count": _asking("finops", lambda c: c.count(GOOD), "/Goods"),
    "sales read": _asking("sales", lambda c: list(c.read(THING)), "/things"),
    "finops read": _asking("finops", lambda c: list(c.read(GOOD)), "/Goods"),
    "one row": _asking("sales", lambda c: c.get("things", {"name": "n"}, ["amount"]), "/things"),
    "changes": _asking("sales", lambda c: c.changes("things", ["name", "amount"]), "/things"),
    "later changes": _asking(
        "sales", lambda c: c.changes("things", ["name"], since=f"{URL}/api/data/v9.2/things?$deltatoken=1"), "/things"
    ),
}


def run(parser: str, seed: int, first: int, cases: int, note: mmap.mmap) -> int:
    """How many of the cases ended as none may."""
    wrong = refused = read = 0
    for number in range(first, first + cases):
        note[:20] = f"{number:20}".encode()
        forget_secrets()  # of the tokens of cases before
        try:
            PARSERS[parser](Damage(random.Random(f"{parser}:{seed}:{number}")))
            read += 1
        except P2CError as error:
            refused += 1
            json.dumps(error.to_dict(), default=str).encode()
        except Exception as error:  # this is what is looked for
            wrong += 1
            way = [f"{at.filename.rpartition('/')[2]}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)]
            said = f"{type(error).__name__}: {str(error)[:200]!a} ({' '.join(way[-6:])})"
            print(f"{parser!r} seed {seed} case {number}: {said}", flush=True)
    print(f"{parser}: refused {refused}, read {read}")
    return wrong


def _peak_mb() -> int:
    """The most memory this process had. Its resource usage would begin with what the process that made it had."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """The cases that the command line asks for; ends with 1 where one went wrong."""
    parsers, seed, first, cases, file = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    with Path(file).open("r+b") as opened, mmap.mmap(opened.fileno(), 100) as note:
        wrong = 0
        for parser in parsers.split(","):
            note[20:100] = parser.encode().ljust(80)
            wrong += run(parser, int(seed), int(first), int(cases), note)
    print(f"peak {_peak_mb()} MB")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
