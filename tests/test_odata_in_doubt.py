"""Answers of what stands before a service, after the service has carried out the request: nothing of it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from p2c_lib.config import Connection, Secret, Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply, undo
from p2c_lib.odata import Client, Write, WriteResult
from p2c_lib.odata.failures import may_have_begun
from p2c_lib.plan import forecast
from p2c_lib.session import Session, connect
from tests.conftest import TOKEN, Sales
from tests.customers import customers, plan_of, there
from tests.wired import QUICK

PAGE = b"<html><title>Busy</title>The page was not found, try later.</html>"
OWN = json.dumps({"error": {"code": "0x80072322", "message": "Number of requests exceeded the limit."}}).encode()
WRITES = {"POST", "PATCH", "DELETE"}
Said = tuple[int, bytes]
Answers = Callable[[httpx.Request, int], Said | str | None]


class Between(httpx.BaseTransport):
    """A way on which an answer is another one, though its request arrived; ``answers`` is told which of them it is."""

    def __init__(self, inner: httpx.BaseTransport, answers: Answers) -> None:
        self.inner, self.answers, self.count = inner, answers, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        said = self.answers(request, self.count)
        self.count += said is not None
        if said is None:
            return answer
        content = answer.read()
        answer.close()
        if said == "lost":
            raise httpx.ReadError("the connection was lost", request=request)
        status, body = (answer.status_code, content[: len(content) // 2]) if isinstance(said, str) else said
        return httpx.Response(status, stream=httpx.ByteStream(body), request=request)

    def close(self) -> None:
        self.inner.close()


@contextmanager
def through(plain: httpx.Client, app: Any, answers: Answers) -> Iterator[Client]:
    url = f"{plain.base_url.scheme}://{plain.base_url.host}"
    here = Connection(app, app, url, "tester", Secret.literal(TOKEN), token_url=f"{url}/t/oauth2/v2.0/token")
    with Client(here, transport=Between(plain._transport, answers), patience=QUICK) as client:
        yield client


def first_write(*said: Said | str) -> Answers:
    """The first answers to writes are these."""

    def answers(request: httpx.Request, count: int) -> Said | str | None:
        is_write = request.method in WRITES and "oauth2" not in request.url.path
        return said[count] if is_write and count < len(said) else None

    return answers


GROUP = {"dataAreaId": "usmf", "CustomerGroupId": "10"}


def ok(results: list[WriteResult]) -> bool:
    return all(result.ok for result in results)


@pytest.mark.parametrize("body", [PAGE, b"", b"busy", b'{"error": "busy"}'], ids=["page", "empty", "text", "json"])
def test_a_gateway_that_is_busy_after_the_write_was_carried_out_is_not_taken_for_the_service(
    sales: Sales, finops: httpx.Client, body: bytes
) -> None:
    finops.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"})
    busy = first_write((503, body))
    with through(finops, "finops", busy) as client:
        assert ok(client.write([Write("create", "CustomerGroups", None, GROUP | {"Description": "Ten"})]))
    (row,) = finops.get("CustomerGroups?cross-company=true").json()["value"]
    with through(finops, "finops", busy) as client:
        assert ok(client.write([Write("update", "CustomerGroups", GROUP, {"Description": "X"}, row["@odata.etag"])]))
    with through(finops, "finops", busy) as client:
        assert ok(client.write([Write("delete", "CustomerGroups", GROUP, {})]))
    assert finops.get("CustomerGroups?cross-company=true").json()["value"] == []
    for count in (1, 3, 30):
        with through(sales.client, "sales", busy) as client:
            assert ok(client.write([Write("create", "accounts", None, {"name": f"{count}"})] * count))
    assert len(sales.client.get("accounts").json()["value"]) == 34


def test_only_the_service_itself_says_that_it_did_not_begin() -> None:
    assert [may_have_begun(status, {}, OWN) for status in (400, 429, 503, 500, 502, 408)] == [False] * 3 + [True] * 3
    assert [may_have_begun(status, {}, PAGE) for status in (400, 429, 503, 425)] == [True] * 4
    assert not may_have_begun(425, {}, OWN)
    theirs = OWN.replace(b"0x80072322", b"ServiceUnavailable")
    assert [may_have_begun(503, {}, body) for body in (theirs, OWN.replace(b"0x80072322", b""))] == [True, False]
    assert [may_have_begun(status, {"retry-after": "4"}, b"{}") for status in (429, 503)] == [True, True]


@pytest.mark.parametrize("app", ["sales", "finops"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_delete_that_is_refused_in_broken_words_is_looked_at(
    sales: Sales, finops: httpx.Client, app: str, rows: int
) -> None:
    """The first answer is lost and the second arrives cut in half: the row tells."""
    said = ("lost", "half") if rows == 1 else ("lost", (502, PAGE))
    if app == "sales":
        keys: list[dict[str, str]] = [{"accountid": sales.create("accounts", name="One")} for _ in range(rows)]
        entity_set, plain = "accounts", sales.client
    else:
        finops.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"})
        keys = [GROUP | {"CustomerGroupId": f"1{n}"} for n in range(rows)]
        for key in keys:
            assert finops.post("CustomerGroups", json=key | {"Description": "Ten"}).status_code == 201
        entity_set, plain = "CustomerGroups", finops
    with through(plain, app, first_write(*said)) as client:
        results = client.write([Write("delete", entity_set, key, {}) for key in keys])
    assert ok(results), [result.error for result in results]


# -- imports of packages -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("doubt"))) as opened:
        yield opened


ROWS = 60


@contextmanager
def answered_so(session: Session, action: str, said: Said, times: int) -> Iterator[None]:
    """Questions to an action of packages are answered so, as often, though they arrive."""

    def answers(request: httpx.Request, count: int) -> Said | None:
        return said if request.url.path.endswith(action) and count < times else None

    usual, way = session.finops, Between(httpx.HTTPTransport(), answers)
    with Client(session.set.finops, transport=way, patience=QUICK) as session.finops:
        yield
    session.finops = usual


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "PACKAGE_ROWS", ROWS)
    monkeypatch.setattr(forecast, "FEW", 0)


@pytest.mark.parametrize(
    ("prefix", "action", "status"),
    [
        ("XA-", "GetExecutionSummaryStatus", 500),
        ("XB-", "GetExecutionSummaryStatus", 404),
        ("XC-", "GetExecutionSummaryStatus", 200),
        ("XD-", "GetExecutionErrors", 403),
        ("XE-", "ImportFromPackage", 503),
        ("XF-", "ImportFromPackage", 404),
        ("XG-", "ImportFromPackage", 200),
    ],
)
def test_one_answer_of_a_gateway_is_no_end_of_an_import(
    session: Session, few: None, tmp_path: Path, prefix: str, action: str, status: int
) -> None:
    plan = plan_of(session, customers(prefix, ROWS), session.workspace.state / "plans", prefix)
    ledger = open_ledger(tmp_path / "ledger.db")
    try:
        with answered_so(session, action, (status, PAGE), 1):
            outcome = apply(plan, session, ledger=ledger)
        assert outcome.complete, outcome.problems().to_pylist()[:2]
        assert [each["state"] for each in ledger.imports(plan.id)] == ["sent", "Succeeded"]
    finally:
        ledger.close()
    assert len(there(session, prefix)) == ROWS


@pytest.mark.parametrize(("prefix", "said"), [("XP-", (499, PAGE)), ("XQ-", (302, b"")), ("XR-", (200, b"null"))])
def test_an_undo_lists_the_new_rows_of_a_batch_that_a_gateway_answered(
    session: Session, tmp_path: Path, prefix: str, said: Said
) -> None:
    """Every answer to a batch is another's: all its rows are there and told so, but whose they are is not.

    Somebody else may have made the very same rows in F&O meanwhile, so that an undo leaves and names them.
    """
    plan = plan_of(session, customers(prefix, 3), session.workspace.state / "plans", prefix)
    ledger = open_ledger(tmp_path / "ledger.db")
    try:
        with answered_so(session, "$batch", said, 1_000):
            outcome = apply(plan, session, ledger=ledger)
        assert (outcome.created, outcome.failed, len(there(session, prefix))) == (3, 0, 3)
        (back,) = undo(plan, session, ledger=ledger, folder=tmp_path)
        assert (len(back), [line["key"] for line in back.facts["cannot"]]) == (
            0,
            plan.operations["key"].to_pylist()[::-1],
        )
    finally:
        ledger.close()


def test_an_import_whose_end_cannot_be_learned_stays_in_doubt_until_it_can(
    session: Session, few: None, tmp_path: Path
) -> None:
    plan = plan_of(session, customers("XH-", ROWS), session.workspace.state / "plans", "XH-")
    ledger = open_ledger(tmp_path / "ledger.db")
    try:
        with answered_so(session, "GetExecutionSummaryStatus", (403, PAGE), 1_000):
            outcome = apply(plan, session, ledger=ledger)
        assert outcome.failed == ROWS
        assert {each["state"] for each in ledger.operations(plan.id)} == {"sent"}
        assert [each["state"] for each in ledger.imports(plan.id)] == ["sent"]
        assert apply(plan, session, ledger=ledger).complete
    finally:
        ledger.close()
    assert len(there(session, "XH-")) == ROWS
