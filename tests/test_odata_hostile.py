"""Answers no client should trust: each ends in one of our errors, and nothing half-read is taken for whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import IncompleteRead, NotAuthorised, P2CError, ServiceError, Throttled, Unreachable
from p2c_lib.odata import Client, Column, EntitySchema, Patience, Query, Write
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.ranges import creation_ranges
from p2c_lib.odata.read import peek_next
from tests.bad_network import told_server
from tests.things import JSON, Said, things

SHORT = Patience(budget=0.4, first_wait=0.01, longest_wait=0.05, wait_without_answer=0.2)
ROW = {"@odata.etag": 'W/"1"', "thingid": "a", "name": "n", "amount": 1.5}


def page(rows: list[dict[str, Any]], **envelope: object) -> bytes:
    return json.dumps({"@odata.context": "x", "value": rows, **envelope}).encode()


def read_from(say: Callable[[str], Said]) -> list[dict[str, Any]]:
    """The rows a client reads where ``say`` answers for the set and the metadata is sound."""
    with things(lambda _method, path: say(path), SHORT) as client:
        return [row for each in client.read(Query("things", ("name", "amount"))) for row in each.table.to_pylist()]


COUNTED = page([ROW], **{"@odata.count": 1})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (COUNTED[:-20], "cut short"),
        (b"", "cut short"),
        (b"<html>sign in</html>", "no JSON"),
        (b"[1,2]", "no page"),
        (COUNTED + COUNTED, "2 JSON documents"),
        (page([ROW], **{"@odata.count": 7}), "1 rows came, but the service counts 7"),
        (page([{**ROW, "@odata.etag": None}], **{"@odata.count": 1}), "without an etag"),
        (b'{"error":{"code":"0x1","message":"sorry"}}', "an error came as a good answer: sorry"),
        (b'{"value":null}', "without rows"),
        (b'{"value":{"a":1}}', "without rows"),
        (b'{"@odata.context":"x"}', "without rows"),
        (page([{**ROW, "amount": "many"}], **{"@odata.count": 1}), "'many' is no decimal"),
        (page([{**ROW, "amount": True}], **{"@odata.count": 1}), "no decimal"),
        (page([ROW, "row"], **{"@odata.count": 1}), "without rows"),  # type: ignore[list-item]
        (page([ROW], **{"@odata.nextLink": "https://evil.example/next"}), "Nothing was sent there"),
    ],
)
def test_a_page_that_is_not_sound_is_an_error(body: bytes, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        read_from(lambda path: (200, JSON, body))


def test_pages_that_go_in_a_circle_end() -> None:
    def say(path: str) -> Said:
        return 200, JSON, page([ROW], **{"@odata.nextLink": "/api/data/v9.2/things?$skiptoken=1"})

    with pytest.raises(IncompleteRead, match="circle"):
        read_from(say)


def test_a_second_gzip_member_is_read_too() -> None:
    zipped = gzip.compress(COUNTED[:60]) + gzip.compress(COUNTED[60:])
    rows = read_from(lambda path: (200, {**JSON, "Content-Encoding": "gzip"}, zipped))
    assert rows == [{"name": "n", "amount": Decimal("1.5"), "@etag": 'W/"1"', "@id": "a"}]


@pytest.mark.parametrize("cut", [lambda z: z[:-9], lambda z: z[:20], lambda z: z + b"rubbish", lambda z: b"no gzip"])
def test_gzip_that_is_cut_or_damaged_is_an_error(cut: Callable[[bytes], bytes]) -> None:
    with pytest.raises(IncompleteRead):
        read_from(lambda path: (200, {**JSON, "Content-Encoding": "gzip"}, cut(gzip.compress(COUNTED))))


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {"Retry-After": "3,600"}, Throttled),
        (503, {}, Unreachable),
        (504, {"Retry-After": "1"}, Unreachable),
        (401, {}, NotAuthorised),
        (403, {}, NotAuthorised),
        (302, {"Location": "https://evil.example/"}, ServiceError),
        (418, {}, ServiceError),
        (500, {}, ServiceError),
    ],
)
def test_every_status_that_is_no_success_is_an_error_of_ours(status: int, headers: dict[str, str], kind: type) -> None:
    with pytest.raises(kind) as raised:
        read_from(lambda path: (status, headers, b"<html><script>x</script></html>"))
    assert isinstance(raised.value, P2CError)
    assert "<" not in raised.value.message


def test_metadata_that_is_not_sound_is_an_error() -> None:
    for body in (b"", b"<html>", b"[]", b'{"value":[{}]}', b'{"value":7}', b'{"value":[{"EntitySetName":"things"}]}'):
        with told_server(lambda method, path, body=body: (200, JSON, body)) as url:
            for app in ("sales", "finops"):
                here = Connection("x", app, url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")  # type: ignore[arg-type]
                with Client(here, patience=SHORT) as client, pytest.raises(P2CError):
                    client.schema("things")


@pytest.mark.parametrize(
    "answer",
    [
        (200, JSON, b"not a batch"),
        (200, {"Content-Type": "multipart/mixed; boundary=b"}, b"--b\r\n\r\nHTTP/1.1 204 No Content\r\n"),
        (413, {}, b"too large"),
        (200, {"Content-Type": "multipart/mixed; boundary=b"}, b"--b\r\nrubbish\r\n--b--"),
    ],
)
def test_writes_whose_answer_is_not_sound_have_an_error_each(answer: Said) -> None:
    with things(lambda _method, path: answer if "$batch" in path else None, SHORT) as client:
        results = client.write([Write("create", "things", None, {"name": str(n)}) for n in range(3)])
    assert [isinstance(result.error, ServiceError) for result in results] == [True] * 3


SCHEMA = EntitySchema(
    "sales",
    "things",
    "thing",
    ("thingid",),
    {
        "thingid": Column("thingid", "Edm.Guid", pa.string()),
        "amount": Column("amount", "Edm.Decimal", pa.decimal128(38, 4)),
        "at": Column("at", "Edm.DateTimeOffset", pa.timestamp("us", "UTC")),
        "day": Column("day", "Edm.Date", pa.date32()),
        "whole": Column("whole", "Edm.Int64", pa.int64()),
    },
)


def decoded(column: str, *values: str) -> list[Any]:
    rows = ",".join(f'{{"@odata.etag":"e","thingid":"i","{column}":{value}}}' for value in values)
    decoder = Decoder(Query("things", (column,)), SCHEMA, empty_is_null=False)
    return list(decoder.page(b'{"value":[' + rows.encode() + b"]}").table.column(column).to_pylist())


def test_numbers_are_exact_however_they_are_written() -> None:
    assert decoded("amount", "99999999999999999.1234", "0.1", "1e3", "7") == [
        Decimal("99999999999999999.1234"),
        Decimal("0.1000"),
        Decimal(1000),
        Decimal(7),
    ]
    assert decoded("amount", "0.123456789") == [Decimal("0.1235")]
    assert decoded("whole", "9007199254740993", "null", "1.0") == [9007199254740993, None, 1]


def test_moments_keep_their_microseconds_and_offsets() -> None:
    noon = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert decoded("at", '"2026-03-31T12:00:00Z"', '"2026-03-31T14:00:00+02:00"') == [noon, noon]
    assert decoded("at", '"2026-03-31T12:00:00.1234567Z"', "null") == [noon + timedelta(microseconds=123456), None]
    assert decoded("at", '"2026-03-31T12:00:00.1234567"') == [noon + timedelta(microseconds=123456)]
    assert [str(day) for day in decoded("day", '"2026-03-31"', "null")] == ["2026-03-31", "None"]


def test_the_next_link_is_found_without_reading_the_page() -> None:
    link = "http://h/x?$skiptoken=%3Ccookie%22"
    assert peek_next(page([ROW], **{"@odata.nextLink": link})) == link
    first = json.dumps({"@odata.context": "c", "@odata.count": 3, "@odata.nextLink": link, "value": [ROW]}).encode()
    assert peek_next(first) == link
    liar = {**ROW, "name": '"@odata.nextLink":"http://evil/"}'}
    assert peek_next(page([liar])) is None


@given(
    st.lists(st.integers(0, 3_000), min_size=20, max_size=200),
    st.integers(2, 8),
)
def test_ranges_hold_every_moment_once(seconds: list[int], wanted: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(seconds=s) for s in seconds]

    def bounds(text: str) -> tuple[datetime, datetime]:
        low, high = (datetime.fromisoformat(word) for word in text.split() if word.endswith("Z"))
        return low, high

    def counted(text: str) -> int:
        low, high = bounds(text)
        return sum(low <= moment < high for moment in moments)

    found = creation_ranges(min(moments), max(moments), wanted, counted, None)
    if found is None:
        return
    filters, total = found
    assert total == len(moments)
    assert filters[0] == "createdon eq null"
    spans = [bounds(text) for text in filters[1:]]
    assert [sum(low <= moment < high for low, high in spans) for moment in moments] == [1] * len(moments)


def test_a_column_named_like_a_part_of_a_deletion_stays_a_column() -> None:
    columns = {**SCHEMA.columns, "reason": Column("reason", "Edm.String", pa.string())}
    schema = EntitySchema("sales", "things", "thing", ("thingid",), columns)
    body = b'{"value":[{"@odata.etag":"e","thingid":"i","reason":"because"}]}'
    found = Decoder(Query("things", ("reason",)), schema, empty_is_null=False).page(body)
    assert (found.table.column("reason").to_pylist(), found.deleted) == (["because"], ())
