"""``$batch`` of the Sales side: parts, change sets, references, lenient reading, strict writing."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.batch import read_batch
from p2c_lib.sandbox.wire import Refusal
from tests.conftest import Sales
from tests.test_sandbox_rows import error_of

TYPE = "multipart/mixed; boundary=b"


def part(request: str, body: str = "", *, content_id: str | None = None) -> str:
    """One part of a batch."""
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    head += f"Content-ID: {content_id}\r\n" if content_id else ""
    return f"{head}\r\n{request} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"


def multipart(*parts: str, boundary: str = "b") -> str:
    """Parts between boundaries."""
    return "".join(f"--{boundary}\r\n{one}" for one in parts) + f"--{boundary}--\r\n"


def change_set(*parts: str) -> str:
    """A change set as a part."""
    return f"Content-Type: multipart/mixed; boundary=c\r\n\r\n{multipart(*parts, boundary='c')}"


def sent(sales: Sales, text: str, **headers: str) -> httpx.Response:
    """The answer to a batch."""
    return sales.client.post("$batch", content=text.encode(), headers={"Content-Type": TYPE, **headers})


def statuses(answer: httpx.Response) -> list[int]:
    """The inner statuses, in order."""
    return [int(text) for text in re.findall(r"HTTP/1\.1 (\d+)", answer.text)]


ONE = part("POST accounts", '{"name":"One","accountnumber":"A-1"}')
BAD = part("POST accounts", '{"nmae":"x"}')
READ = part("GET /api/data/v9.2/accounts(accountnumber='A-1')?$select=name")


def test_operations_are_answered_in_order_and_see_each_other(sales: Sales) -> None:
    answer = sent(
        sales, multipart(ONE, READ, part("DELETE http://sales.test/api/data/v9.2/accounts(accountnumber='A-1')"))
    )
    assert (answer.status_code, statuses(answer)) == (200, [204, 200, 204])
    assert '"name":"One"' in answer.text
    assert sales.client.get("accounts/$count").text == "0"


def test_a_batch_stops_at_the_first_failure_unless_told_to_go_on(sales: Sales) -> None:
    stopped = sent(sales, multipart(ONE, BAD, READ))
    assert (stopped.status_code, statuses(stopped)) == (400, [204, 400])
    gone_on = sent(sales, multipart(BAD, READ), Prefer="odata.continue-on-error")
    assert (gone_on.status_code, statuses(gone_on)) == (200, [400, 200])


def test_a_change_set_is_all_or_nothing(sales: Sales) -> None:
    good, bad = (one.replace("\r\n\r\n", f"\r\nContent-ID: {n}\r\n\r\n", 1) for n, one in enumerate((ONE, BAD)))
    answer = sent(sales, multipart(change_set(good, bad), READ), Prefer="odata.continue-on-error")
    assert statuses(answer) == [400, 404]
    assert "changesetresponse_" in answer.text
    assert sales.client.get("accounts/$count").text == "0"
    sales.organisation.switches = replace(sales.organisation.switches, failed_change_set="plain")
    plain = sent(sales, multipart(change_set(good, bad), READ), Prefer="odata.continue-on-error")
    assert (statuses(plain), "changesetresponse_" in plain.text) == ([400, 404], False)


def test_a_later_operation_of_a_change_set_refers_to_an_earlier_one(sales: Sales) -> None:
    changes = change_set(
        part("POST accounts", '{"name":"A","accountnumber":"A-1"}', content_id="1"),
        part("POST contacts", '{"lastname":"C","parentcustomerid_account@odata.bind":"$1"}', content_id="2"),
        part("PATCH $1", '{"telephone1":"5"}', content_id="3"),
        part("PUT $1/primarycontactid/$ref", '{"@odata.id":"$2"}', content_id="4"),
    )
    assert statuses(sent(sales, multipart(changes))) == [204, 204, 204, 204]
    row = sales.client.get("accounts(accountnumber='A-1')?$expand=primarycontactid($select=lastname)").json()
    assert (row["telephone1"], row["primarycontactid"]["lastname"]) == ("5", "C")
    forward = sent(sales, multipart(change_set(part("PATCH $9", "{}", content_id="1"))))
    assert forward.status_code == 400
    assert "Content-ID Reference: '$9' does not exist in the batch context." in forward.text


def test_line_feeds_alone_and_quoted_boundaries_are_read(sales: Sales) -> None:
    text = multipart(ONE, READ, boundary="b =?").replace("\r\n", "\n")
    answer = sent(sales, text, **{"Content-Type": 'Multipart/Mixed; charset=utf-8; boundary="b =?"'})
    assert statuses(answer) == [204, 200]


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json", "{}"),
        ("multipart/mixed", multipart(ONE)),
        (TYPE, "no boundary here"),
        (TYPE, multipart("Content-Type: text/plain\r\n\r\nx\r\n")),
        (TYPE, multipart(part("nonsense"))),
        (TYPE, multipart(change_set(ONE))),
        (TYPE, multipart(change_set(part("GET accounts", content_id="1")))),
        (TYPE, multipart(part("POST $batch"))),
        (TYPE, multipart(*[READ] * 1001)),
    ],
)
def test_a_malformed_batch_is_told_what_is_wrong(sales: Sales, content_type: str, text: str) -> None:
    answer = sales.client.post("$batch", content=text, headers={"Content-Type": content_type})
    assert error_of(answer) == (400, "0x80060888")
    assert answer.json()["error"]["message"]


def test_a_thousand_creates_are_answered_with_a_thousand_rows(sales: Sales) -> None:
    parts = [part("POST accounts", f'{{"name":"N{n}","accountnumber":"N-{n}"}}') for n in range(1000)]
    answer = sent(sales, multipart(*parts))
    assert statuses(answer) == [204] * 1000
    assert sales.client.get("accounts/$count").text == "1000"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.text(max_size=20))
def test_reading_a_batch_fails_only_as_a_refusal(body: bytes, boundary: str) -> None:
    for content_type in (TYPE, f"multipart/mixed; boundary={boundary}"):
        for framed in (body, b"--b\r\n" + body + b"\r\n--b--\r\n"):
            with suppress(Refusal):
                assert len(read_batch(content_type, framed, limit=10)) <= 10
