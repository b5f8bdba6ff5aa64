"""What a service says steers nobody's screen: a message is harmless from where it is made, wherever it is shown."""

from __future__ import annotations

import json
import logging
import unicodedata

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import P2CError, ServiceError, UnknownName
from p2c_lib.odata import Query, Write
from p2c_lib.odata.failures import failure
from p2c_lib.odata.notes import Note
from p2c_lib.report import Report
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.between import wired
from tests.conftest import TOKEN

STEERING = "No\x1b[2J\rsuch\x07 row\x9b31m \u202eyad\u2066 \x7f\u2028next\r\nline\x00"
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harm(text: str) -> list[str]:
    """What of a text steers a terminal or turns letters around, by what Unicode says of its characters."""
    kept = "\n\t"
    return [
        c for c in text if (unicodedata.category(c) in {"Cc", "Zl", "Zp"} and c not in kept) or
        unicodedata.bidirectional(c) in BIDI
    ]  # fmt: skip


def _bodies() -> list[bytes]:
    inner = {"error": {"code": STEERING, "message": "x", "innererror": {"message": STEERING}}}
    odata = {"error": {"code": STEERING, "message": STEERING}}
    old = {"Message": STEERING, "MessageDetail": STEERING}
    return [*(json.dumps(each).encode() for each in (inner, odata, old)), STEERING.encode(), b"<p>" + STEERING.encode()]


@pytest.mark.parametrize("body", _bodies())
@pytest.mark.parametrize("status", [400, 404, 412, 429, 500, 503])
def test_an_error_says_nothing_that_steers(status: int, body: bytes) -> None:
    error = failure(status, {"req_id": "a\x1bb", "location": STEERING}, body, "accounts")
    shown = [str(error), repr(error), error.message, error.code, error.request_id, *map(str, error.args)]
    assert [text for text in shown if harm(text) or "\n" in text] == []
    assert harm(json.dumps(error.to_dict(), ensure_ascii=False)) == []
    assert "No" in error.message
    assert "such" in error.message


@given(st.text(st.characters(codec=None), max_size=20))
def test_no_error_of_ours_says_anything_that_steers(text: str) -> None:
    made = (P2CError(text, hint=text), ServiceError(text, target=text, code=text), UnknownName("column", text, [text]))
    for error in made:
        assert harm(f"{error}{error.message}{error.hint}") == []
        str(error).encode()
    assert harm(str(Note("name", "replaced", 1, text))) == []


def test_what_a_service_says_is_harmless_in_results_logs_and_reports(
    store: Store, portal: BlockingPortal, caplog: pytest.LogCaptureFixture
) -> None:
    def between(request: httpx.Request) -> httpx.Response | None:
        body = json.dumps({"error": {"code": "0x1", "message": STEERING}})
        return httpx.Response(400, text=body) if "/accounts" in str(request.url) else None

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between) as (client, _):
        with pytest.raises(ServiceError) as caught:
            list(client.read(Query("accounts", ("name",))))
        (one,) = client.write([Write("create", "accounts", None, {"name": "x"})])
        (other,) = client.write_table("create", "accounts", pa.table({"name": ["x"]}))
    logging.getLogger("p2c").warning("%s", caught.value)
    report = Report("A run", "failed", str(caught.value))
    told = [str(caught.value), str(one.error), str(other.error), caplog.text, report.to_text(), report.to_html()]
    assert [text for text in told if harm(text)] == []
    assert all("such" in text for text in told)
