"""What goes on the wire as text: literals, keys, bodies, batches; and what is read out of answers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from json import loads

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import (
    Drifted,
    Duplicate,
    FrameError,
    IncompleteRead,
    NotAuthorised,
    NotFound,
    Rejected,
    Throttled,
    UnknownName,
    Unreachable,
)
from p2c_lib.odata.batch import Part, frame, replies
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import FINOPS, SALES
from p2c_lib.odata.encode import members_of
from p2c_lib.odata.failures import clean_infolog, failure, is_transient
from p2c_lib.odata.links import own_link
from p2c_lib.odata.literals import and_filter, key_path, literal
from p2c_lib.odata.retry_after import retry_after
from p2c_lib.odata.schema import Column, EntitySchema, Lookup
from p2c_lib.odata.writes import Write

TEXT = Column("name", "Edm.String", pa.string())
ENUM = Column("Blocked", "Microsoft.Dynamics.DataEntities.NoYes", pa.string(), choices={0: "No", 1: "Yes"})
MONEY = Column("amount", "Edm.Decimal", pa.decimal128(38, 4))
WHEN = Column("at", "Edm.DateTimeOffset", pa.timestamp("us", "UTC"))
DAY = Column("day", "Edm.Date", pa.date32())
ID = Column("quoteid", "Edm.Guid", pa.string())
CUSTOMER = Column("customerid", "Edm.Guid", pa.string(), wire="_customerid_value", targets=("account", "contact"))
GUID = "11111111-2222-3333-4444-555555555555"


def schema(app: str) -> EntitySchema:
    columns = {c.name: c for c in (TEXT, MONEY, WHEN, DAY, ID, ENUM, CUSTOMER)}
    ways = (
        Lookup("customerid", "customerid_account", "account"),
        Lookup("customerid", "customerid_contact", "contact"),
    )
    return EntitySchema(app, "quotes", "quote", ("quoteid",) if app == "sales" else ("name", "day"), columns, {}, ways)


def bodies(app: str) -> Bodies:
    return Bodies(
        schema(app), SALES if app == "sales" else FINOPS, {"account": "accounts", "contact": "contacts"}.__getitem__
    )


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        ("O'Neil", TEXT, "'O''Neil'"),
        ("Yes", ENUM, "Microsoft.Dynamics.DataEntities.NoYes'Yes'"),
        (Decimal("1250.5000"), MONEY, "1250.5"),
        (datetime(2026, 1, 31, 1, 2, 3, tzinfo=UTC), WHEN, "2026-01-31T01:02:03Z"),
        (date(2026, 1, 31), DAY, "2026-01-31"),
        (GUID, ID, GUID),
        (None, TEXT, "null"),
    ],
)
def test_a_value_is_written_as_a_literal_of_its_columns_type(value: object, column: Column, text: str) -> None:
    assert literal(value, column) == text


def test_a_literal_cannot_carry_a_filter_into_the_query() -> None:
    with pytest.raises(FrameError):
        literal("1 or 1 eq 1", MONEY)
    with pytest.raises(FrameError):
        literal("2026-01-31 or true", DAY)


def test_keys_are_addressed_as_each_system_wants_them() -> None:
    assert key_path(schema("sales"), {"quoteid": GUID}) == f"({GUID})"
    assert key_path(schema("sales"), {"name": "a b'c"}) == "(name='a%20b''c')"
    assert (
        key_path(schema("finops"), {"name": "ä/b", "day": date(2026, 1, 2)}) == "(name='%C3%A4%252Fb',day=2026-01-02)"
    )


def test_filters_are_joined_in_brackets() -> None:
    assert and_filter(None, "a eq 1") == "a eq 1"
    assert and_filter("a eq 1", "b eq 2 or c eq 3") == "(a eq 1) and (b eq 2 or c eq 3)"
    assert and_filter() is None


def test_a_body_binds_lookups_by_the_table_of_the_path() -> None:
    write = Write(
        "create", "quotes", None, {"name": 'a"b', "amount": Decimal("0.10"), "customerid": f"/contacts({GUID})"}
    )
    assert bodies("sales").json(write) == (
        '{"name":"a\\"b","amount":0.1,"customerid_contact@odata.bind":"/contacts(' + GUID + ')"}'
    )
    named = Write("update", "quotes", None, {"customerid.account": f"/accounts({GUID})", "customerid": None})
    assert loads(bodies("sales").json(named)) == {"customerid_account@odata.bind": f"/accounts({GUID})"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"customerid": None}, {"customerid_account": None, "customerid_contact": None}),
        ({"_customerid_value": None}, {"customerid_account": None, "customerid_contact": None}),
        ({"customerid.contact": None}, {"customerid_contact": None}),
        ({"customerid_contact@odata.bind": None}, {"customerid_contact": None}),
        (
            {"customerid_account@odata.bind": None, "customerid.contact": f"/contacts({GUID})"},
            {"customerid_contact@odata.bind": f"/contacts({GUID})"},
        ),
    ],
)
def test_a_lookup_is_emptied_by_its_navigations_and_never_by_a_null_bind(
    body: dict[str, object], said: dict[str, object]
) -> None:
    assert loads(bodies("sales").json(Write("update", "quotes", None, body))) == said
    columns = pa.table({name: pa.array([value], pa.string()) for name, value in body.items()})
    (members,) = members_of(columns, SALES, bodies("sales"), creating=False).to_pylist()
    assert loads("{" + members[1:] + "}") == said
    emptied = {name: value for name, value in body.items() if value is None}
    assert bodies("sales").json(Write("create", "quotes", None, emptied)) == "{}"


def test_nothing_is_written_in_each_systems_way() -> None:
    empty = {"name": None, "amount": None, "at": None, "Blocked": None}
    assert bodies("sales").json(Write("update", "quotes", None, empty)) == (
        '{"name":null,"amount":null,"at":null,"Blocked":null}'
    )
    assert bodies("finops").json(Write("create", "quotes", None, empty)) == "{}"
    assert bodies("finops").json(Write("update", "quotes", None, empty)) == (
        '{"name":"","amount":0,"at":"1900-01-01T00:00:00Z","Blocked":"No"}'
    )


def test_finops_keeps_days_at_noon() -> None:
    write = Write("update", "quotes", None, {"at": date(2026, 3, 31)})
    assert bodies("finops").json(write) == '{"at":"2026-03-31T12:00:00Z"}'
    assert bodies("sales").json(write) == '{"at":"2026-03-31T00:00:00Z"}'


def test_a_body_refuses_what_no_service_takes() -> None:
    for value in (float("nan"), Decimal("NaN"), "\ud800", object()):
        with pytest.raises(FrameError):
            bodies("sales").json(Write("create", "quotes", None, {"name": value}))
    with pytest.raises(UnknownName, match=r"nmae.*name"):
        bodies("sales").json(Write("create", "quotes", None, {"nmae": 1}))


SENDABLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")


@given(st.dictionaries(st.just("name"), st.text(SENDABLE | st.sampled_from("\t\n\r")), min_size=1))
def test_every_text_survives_a_body(body: dict[str, str]) -> None:
    assert loads(bodies("sales").json(Write("create", "quotes", None, body))) == body


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15), max_value=10**15))
def test_every_amount_survives_a_body(amount: Decimal) -> None:
    text = bodies("sales").json(Write("create", "quotes", None, {"amount": amount}))
    assert loads(text, parse_float=Decimal, parse_int=Decimal) == {"amount": amount}


def answer_of(*parts: str) -> tuple[dict[str, str], bytes]:
    head = "--r\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return {"content-type": "multipart/mixed; boundary=r"}, "".join(
        head + p + "\r\n" for p in parts
    ).encode() + b"--r--\r\n"


def test_a_batch_frames_every_write_and_its_answers_come_back_in_order() -> None:
    body, kind = frame([Part("PATCH", "/data/A('1')", "If-Match: *\r\n", '{"a":1}'), Part("DELETE", "/data/A('2')")])
    assert kind.startswith('multipart/mixed; boundary="batch_')
    assert body.count(b"Content-Type: application/http\r\n") == 2
    assert b"PATCH /data/A('1') HTTP/1.1\r\nContent-Type: application/json\r\nIf-Match: *\r\n\r\n{\"a\":1}\r\n" in body
    headers, answer = answer_of(
        "HTTP/1.1 204 No Content\r\nOData-EntityId: http://h/A(1)\r\n\r\n",
        'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{"error":{"code":"","message":"no"}}',
    )
    found = replies(headers, answer, "A")
    assert [(r.status, r.body) for r in found] == [(204, b""), (400, b'{"error":{"code":"","message":"no"}}')]
    assert found[0].headers() == {"odata-entityid": "http://h/A(1)"}


def test_a_batch_cut_short_gives_only_the_whole_answers() -> None:
    headers, answer = answer_of("HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n")
    cut = answer[: answer.rindex(b"--r--")]
    assert [r.status for r in replies(headers, cut, "A")] == [204]
    with pytest.raises(IncompleteRead):
        replies({"content-type": "text/html"}, answer, "A")


def test_a_change_set_is_answered_part_by_part() -> None:
    inner = b"--c\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n"
    whole = b"--r\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + inner + inner + b"--c--\r\n--r--\r\n"
    assert [r.status for r in replies({"content-type": "multipart/mixed; boundary=r"}, whole, "A")] == [204, 204]


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (401, "", "no", NotAuthorised),
        (403, "0x80040220", "missing privilege", NotAuthorised),
        (404, "0x80040217", "gone", NotFound),
        (412, "0x80060882", "moved", Drifted),
        (412, "0x80060892", "key violated", Duplicate),
        (412, "0x80040237", "A record with matching key values already exists.", Duplicate),
        (500, "0x80040333", "duplicates", Duplicate),
        (429, "0x80072322", "slow down", Throttled),
        (503, "", "busy", Unreachable),
        (400, "0x80044331", "too long", Rejected),
    ],
)
def test_sales_errors_are_told_apart_by_status_and_code(status: int, code: str, message: str, kind: type) -> None:
    body = f'{{"error":{{"code":"{code}","message":"{message}"}}}}'.encode()
    error = failure(status, {"REQ_ID": "r-1"}, body, "accounts")
    assert (type(error), error.status, error.code) == (kind, status, code)
    assert message in str(error)


def infolog(text: str) -> bytes:
    return ('{"error":{"code":"","message":"An error has occurred.","innererror":{"message":"' + text + '"}}}').encode()


@pytest.mark.parametrize(
    ("inner", "kind", "said"),
    [
        (
            "Write failed for table row of type 'T'. Infolog: Warning: The value '99' in field 'Customer group' is not "
            "found in the related table 'Customer groups'.; Warning: validateField failed on field 'T.G'.",
            Rejected,
            "The value '99' in field 'Customer group' is not found in the related table 'Customer groups'.",
        ),
        (
            "Write failed for table row of type 'T'. Infolog: Info: Cannot create a record in Groups (G). Group: 1."
            "\\nThe record already exists..",
            Duplicate,
            "Cannot create a record in Groups (G). Group: 1. The record already exists.",
        ),
        ("No resources were found when selecting for update.", NotFound, "No resources were found"),
        ("Infolog: Error: Cannot edit a record in T (T). An update conflict occurred.", Drifted, "An update conflict"),
    ],
)
def test_finops_errors_are_read_from_the_infolog(inner: str, kind: type, said: str) -> None:
    error = failure(400, {}, infolog(inner), "CustomersV2")
    assert type(error) is kind
    assert said in error.message
    assert "Infolog" not in error.message


@pytest.mark.parametrize("status", [400, 404, 409, 412, 500])
@pytest.mark.parametrize(
    "said",
    [
        "",
        "<html>412 Precondition Failed</html>",
        "The record already exists.",
        "An update conflict occurred.",
        "No resources were found when selecting for update.",
        '{"Message":"The record already exists."}',
        '{"error":"record already exists"}',
    ],
)
def test_of_a_row_only_the_service_itself_can_say_anything(status: int, said: str) -> None:
    assert type(failure(status, {}, said.encode(), "accounts")) not in {Drifted, Duplicate, NotFound}


def test_an_error_page_that_is_no_json_is_survived() -> None:
    error = failure(502, {}, b"<html><body><h1>Bad gateway</h1></body></html>", "accounts")
    assert type(error) is Unreachable
    assert "Bad gateway" in error.message
    assert "<" not in error.message


def test_only_what_can_get_better_is_tried_again() -> None:
    assert [status for status in (400, 408, 412, 429, 500, 502, 503, 504) if is_transient(status, b"")] == [
        408,
        429,
        502,
        503,
        504,
    ]
    assert not is_transient(503, b'{"type":"Microsoft.AxODataWriteException"}')


def test_a_wait_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after({"retry-after": "1,200.00"}) == 1200.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_link_to_another_host_is_not_followed() -> None:
    base = "https://contoso.crm4.dynamics.com"
    assert own_link("https://contoso.api.crm4.dynamics.com/api/x", base, "a").endswith("/api/x")
    for link in ("https://evil.example/api", "http://contoso.crm4.dynamics.com/api", "//evil.example/x"):
        with pytest.raises(IncompleteRead, match="Nothing was sent there"):
            own_link(link, base, "a")


def test_infolog_noise_is_dropped_but_never_everything() -> None:
    assert clean_infolog("Update has been canceled.") == "Update has been canceled."
