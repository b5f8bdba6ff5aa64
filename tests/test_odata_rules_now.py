"""A lost answer is settled by what the service does to a value now: an administrator changed it since it was read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.config import Connection, Secret, Workspace
from p2c_lib.errors import Drifted, NotFound, P2CError, Unreachable
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load import apply
from p2c_lib.odata import Client, Query, Write, WriteResult
from p2c_lib.plan import Plan
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from p2c_lib.session import Session, connect
from tests.between import wired
from tests.conftest import TOKEN, Sales
from tests.customers import plan_of
from tests.hasty import Hasty
from tests.subtle import ACCOUNTS, raw_rows
from tests.test_load_exact import journalled
from tests.test_odata_lost_answers import DINAR, KINDS, YEN, one_row, with_money
from tests.test_odata_settle import Losing, losing, told
from tests.wired import QUICK

WANTED = Decimal("1.1235")
ORGANISATION = f"organizations({UUID(int=7)})"
PLACES = [(2, 4), (4, 0)]
LOST = pytest.mark.parametrize("arrives", [False, True])
SETTINGS = {
    "of the organisation": ("products", "price", ORGANISATION, "pricingdecimalprecision"),
    "of a currency": ("accounts", "creditlimit", f"transactioncurrencies({YEN})", "currencyprecision"),
}


def changed(sales: Sales, path: str, **body: object) -> None:
    answer = sales.client.patch(path, json=body)
    assert answer.status_code == 204, answer.text


def rows_of(sales: Sales, store: Store, entity_set: str, column: str, count: int, value: str) -> list[str]:
    """The ids of rows in yen that hold a value."""
    kind = next(one for one in KINDS if one.entity_set == entity_set)
    ids = [str(next(iter(one_row(store, kind, YEN).values()))) for _ in range(count)]
    for one in ids:
        changed(sales, f"{entity_set}({one})", **{column: float(value)})
    return ids


def amounts(sales: Sales, entity_set: str, ids: list[str], column: str) -> list[Decimal]:
    answers = [sales.client.get(f"{entity_set}({one})").content for one in ids]
    return [json.loads(answer, parse_float=Decimal, parse_int=Decimal)[column] for answer in answers]


def updates(
    client: Client, by: str, entity_set: str, ids: list[str], column: str, etags: list[str]
) -> list[WriteResult]:
    own = client.schema(entity_set).key[0]
    if by == "write":
        pairs = zip(ids, etags, strict=True)
        return client.write([Write("update", entity_set, {own: one}, {column: WANTED}, etag) for one, etag in pairs])
    table = pa.table({own: ids, column: pa.array([WANTED] * len(ids)), "@etag": etags})
    return client.write_table("update", entity_set, table, key=(own,), etag="@etag")


@LOST
@pytest.mark.parametrize(("by", "rows"), [("write", 1), ("write_table", 3)])
@pytest.mark.parametrize(("old", "new"), PLACES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_write_is_judged_by_the_decimals_that_are_kept_now(
    sales: Sales, store: Store, setting: str, old: int, new: int, by: str, rows: int, arrives: bool
) -> None:
    """Where the old setting is the coarser, the rows hold before what it makes of the new value."""
    with_money(store)
    entity_set, column, path, name = SETTINGS[setting]
    changed(sales, path, **{name: old})
    ids = rows_of(sales, store, entity_set, column, rows, "1.1235" if old < new else "9")
    before = amounts(sales, entity_set, ids, column)

    def meanwhile() -> None:
        for one in ids:
            changed(sales, f"{entity_set}({one})", description="theirs")

    with losing(sales.client, "sales", meanwhile, arrives=arrives) as client:
        client.precisions()
        changed(sales, path, **{name: new})
        etags = [sales.client.get(f"{entity_set}({one})").json()["@odata.etag"] for one in ids]
        results = updates(client, by, entity_set, ids, column, etags)
    kept = round(WANTED, new)
    assert amounts(sales, entity_set, ids, column) == ([kept] * rows if arrives else before)
    assert before[0] != kept
    # What the old setting makes of the new value may be ours, written while it stood: by the row nobody can tell.
    assert told(results) == [type(None) if arrives else Unreachable if old < new else Drifted] * rows


@pytest.mark.parametrize(("old", "new"), PLACES)
def test_rows_made_by_a_bulk_message_are_known_by_the_decimals_that_are_kept_now(
    sales: Sales, store: Store, old: int, new: int
) -> None:
    with_money(store)
    own = f"transactioncurrencies({DINAR})"
    changed(sales, own, currencyprecision=old)
    columns = {"name": pa.repeat("One", 25), "creditlimit": pa.array([WANTED] * 25)}
    with losing(sales.client, "sales", lambda: None, arrives=True) as client:
        client.precisions()
        changed(sales, own, currencyprecision=new)
        results = client.write_table("create", "accounts", pa.table(columns))
    assert told(results) == [type(None)] * 25
    assert amounts(sales, "accounts", [str(one.row_id) for one in results], "creditlimit") == [round(WANTED, new)] * 25
    assert store.count(entities("sales")["accounts"]) == 25


class Before(httpx.BaseTransport):
    """A way to a service on which an answer to a read was another one until ``ended``."""

    def __init__(
        self, inner: httpx.BaseTransport, was: Callable[[httpx.Request, httpx.Response], bytes | None]
    ) -> None:
        self.inner, self.was, self.ended = inner, was, False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        if self.ended or request.method != "GET":
            return answer
        answer.read()
        content = self.was(request, answer) or answer.content
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(content), request=request)


def _finer_weights(request: httpx.Request, answer: httpx.Response) -> bytes | None:
    if "DecimalAttributeMetadata" not in request.url.path or "product'" not in request.url.path:
        return None
    told = answer.json()
    for row in told["value"]:
        row["Precision"] = 4
    return json.dumps(told).encode()


def _coarser_weights(request: httpx.Request, answer: httpx.Response) -> bytes | None:
    changed = _finer_weights(request, answer)
    return None if changed is None else changed.replace(b'"Precision": 4', b'"Precision": 1')


@LOST
@pytest.mark.parametrize("was", [_finer_weights, _coarser_weights])
def test_a_write_is_judged_by_the_decimals_that_its_column_has_now(
    sales: Sales, store: Store, was: Callable[[httpx.Request, httpx.Response], bytes | None], arrives: bool
) -> None:
    """The column has two; what the client read of it before says another number."""
    with_money(store)
    (row_id,) = rows_of(sales, store, "products", "stockweight", 1, "1.1")
    path = f"products({row_id})"

    def meanwhile() -> None:
        way.ended = True
        changed(sales, path, vendorname="theirs")

    way = Before(sales.client._transport, was)
    at = f"{sales.client.base_url.scheme}://{sales.client.base_url.host}"
    here = Connection("x", "sales", at, "tester", Secret.literal(TOKEN), token_url=f"{at}/t/oauth2/v2.0/token")
    with Client(here, transport=Losing(way, meanwhile, arrives=arrives), patience=QUICK) as client:
        assert client.schema("products").column("stockweight").places in {1, 4}
        etag = sales.client.get(path).json()["@odata.etag"]
        results = updates(client, "write", "products", [row_id], "stockweight", [etag])
        assert client.schema("products").column("stockweight").places == 2
    there = amounts(sales, "products", [row_id], "stockweight")
    assert there == [Decimal("1.12") if arrives else Decimal("1.1")]
    assert told(results) == [type(None) if arrives else Unreachable]  # 1.1 is what one decimal made of it


def test_what_was_published_meanwhile_is_seen_after_ten_minutes(store: Store, portal: BlockingPortal) -> None:
    published, clock = False, Hasty()

    def between(request: httpx.Request) -> httpx.Response | None:
        if published or "DecimalAttributeMetadata" not in request.url.path or "product'" not in request.url.path:
            return None
        return httpx.Response(200, json={"value": [{"LogicalName": "stockweight", "Precision": 4}]})

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between, clock=clock) as (client, transport):
        first = client.schema("products")
        asked = len(transport.asked)
        clock.at += 599
        assert client.schema("products") is first
        assert len(transport.asked) == asked
        clock.at += 2
        assert client.schema("products") is first  # nothing changed yet
        assert len(transport.asked) > asked
        published = True
        assert first.column("stockweight").places == 4
        clock.at += 601
        assert client.schema("products").column("stockweight").places == 2
        assert client.metadata.set_of("product") == "products"


@pytest.mark.parametrize("status", [403, 401, 503, 200])
def test_work_in_hand_goes_on_by_what_was_known_where_metadata_cannot_be_had_after_ten_minutes(
    store: Store, portal: BlockingPortal, status: int
) -> None:
    shut, clock = False, Hasty()

    def between(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(status, html="<p>Sign in") if shut and "Definitions" in request.url.path else None

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between, clock=clock) as (client, transport):
        known = client.schema("accounts")
        shut = True
        clock.at += 601
        assert client.schema("accounts") is known
        asked = len(transport.asked)
        assert client.schema("accounts") is known
        assert len(transport.asked) == asked, "asked again at once"
        (made,) = client.write([Write("create", "accounts", None, {"name": "Made"})])
        assert made.ok, made.error
        with pytest.raises(P2CError):
            client.schema("contacts")  # of which nothing is known


def test_an_upsert_to_a_row_that_goes_meanwhile_makes_none_without_its_key(
    store: Store, portal: BlockingPortal
) -> None:
    accounts = entities("sales")["accounts"]
    with store.write():
        record = [store.insert(accounts, {"accountid": str(UUID(int=5)), "accountnumber": "A/1", "name": "One"})]

    def between(request: httpx.Request) -> None:
        if request.method == "PATCH" and record:
            with store.write():
                store.delete(accounts, record.pop())

    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    with wired(app, portal, "sales", between) as (client, _):
        upsert = Write("upsert", "accounts", {"accountnumber": "A/1"}, {"name": "Two"})
        (result,) = client.write([upsert])
        assert isinstance(result.error, NotFound)
        assert store.count(accounts) == 0
        (result,) = client.write([upsert])
        assert result.ok, result.error
        (row,) = [
            row for page in client.read(Query("accounts", ("accountnumber", "name"))) for row in page.table.to_pylist()
        ]
        assert (row["accountnumber"], row["name"]) == ("A/1", "Two")


class Forbidden(httpx.BaseTransport):
    """A way to a service that does not let its organisation be read once it is ``closed``."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner, self.closed = inner, False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.closed and request.method == "GET" and request.url.path.endswith("/organizations"):
            said = {"error": {"code": "0x80040220", "message": "is missing prvReadOrganization privilege"}}
            return httpx.Response(403, stream=httpx.ByteStream(json.dumps(said).encode()), request=request)
        return self.inner.handle_request(request)


@LOST
@pytest.mark.parametrize(("value", "outcome"), [("1.1235", Unreachable), ("1.12", type(None)), ("7.1235", Drifted)])
def test_where_nobody_says_how_many_decimals_are_kept_nothing_is_guessed(
    sales: Sales, store: Store, value: str, outcome: type, arrives: bool
) -> None:
    """The row holds 1.12 before. What is there to the last decimal was written, what is another number was not."""
    with_money(store, 2)
    (row_id,) = rows_of(sales, store, "products", "price", 1, "1.12")
    path = f"products({row_id})"
    way = Forbidden(sales.client._transport)

    def meanwhile() -> None:
        changed(sales, path, vendorname="theirs")

    at = f"{sales.client.base_url.scheme}://{sales.client.base_url.host}"
    here = Connection("x", "sales", at, "tester", Secret.literal(TOKEN), token_url=f"{at}/t/oauth2/v2.0/token")
    with Client(here, transport=Losing(way, meanwhile, arrives=arrives), patience=QUICK) as client:
        assert client.precisions().pricing == 2
        way.closed = True
        etag = sales.client.get(path).json()["@odata.etag"]
        body = {"price": Decimal(value)}
        (result,) = client.write([Write("update", "products", {"productid": row_id}, body, etag)])
    if outcome is Drifted and arrives:
        outcome = Unreachable  # 7.12 is what two decimals make of it, and nobody says that they are two
    assert type(result.error) is outcome
    if result.error is not None and outcome is Unreachable:
        assert "does not tell whether it was written" in result.error.message


# -- what a killed process left ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("rules"))) as opened:
        yield opened


@contextmanager
def another_ledger(session: Session, name: str) -> Iterator[Ledger]:
    ledger = open_ledger(session.workspace.state / f"{name}.db")
    try:
        yield ledger
    finally:
        ledger.close()


def _planned(session: Session, prefix: str, row: Mapping[str, Any]) -> Plan:
    return plan_of(session, [row], session.workspace.state / "plans", prefix, ACCOUNTS.template)


def _coarse_money(session: Session, prefix: str, code: str) -> tuple[Mapping[str, Any], dict[str, object]]:
    """An account of 7.8 in a currency of its own with one decimal, as it was laid, and the currency's key."""
    (row,) = ACCOUNTS.rows(prefix, 1, 1)
    assert apply(
        plan_of(session, [row], session.workspace.state / "plans", prefix, ACCOUNTS.template), session
    ).complete
    coarse = {"currencyname": code, "isocurrencycode": code, "currencysymbol": "Z", "currencyprecision": 1}
    (made,) = session.sales.write([Write("create", "transactioncurrencies", None, {**coarse, "exchangerate": 1})])
    (there,) = raw_rows(session, ACCOUNTS, prefix)
    body = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({made.row_id})", "creditlimit": Decimal("7.8")}
    (done,) = session.sales.write([Write("update", "accounts", {"accountid": there["accountid"]}, body)])
    assert done.ok
    return row, {"transactioncurrencyid": made.row_id}


def _told_by_another(session: Session, writes: list[Write]) -> None:
    """Somebody else writes: nothing the session learned before is noticed to be old."""
    with Client(session.set.sales) as other:
        assert all(result.ok for result in other.write(writes))


def _touched(session: Session, prefix: str) -> list[Write]:
    (there,) = raw_rows(session, ACCOUNTS, prefix)
    return [Write("update", "accounts", {"accountid": there["accountid"]}, {"telephone1": "555"})]


@pytest.mark.parametrize(("prefix", "code", "sent"), [("ZYA", "ZYA", False), ("ZYB", "ZYB", True)])
def test_a_plan_is_gone_on_with_by_the_decimals_that_are_kept_now(
    session: Session, prefix: str, code: str, sent: bool
) -> None:
    row, currency = _coarse_money(session, prefix, code)
    session.sales.precisions()
    plan = plan_of(
        session,
        [{**row, "creditlimit": Decimal("7.8123")}],
        session.workspace.state / "plans",
        prefix,
        ACCOUNTS.template,
    )
    finer = Write("update", "transactioncurrencies", currency, {"currencyprecision": 4})
    with another_ledger(session, prefix) as ledger:
        if sent:
            assert apply(plan, session).complete
            assert raw_rows(session, ACCOUNTS, prefix)[0]["creditlimit"] == Decimal("7.8")
        journalled(ledger, plan)
        _told_by_another(session, [*([] if sent else [finer]), *_touched(session, prefix)])
        outcome = apply(plan, session, ledger=ledger)
        (noted,) = [one["state"] for one in ledger.operations(plan.id)]
    # Written while one decimal was kept, the row would look as it does now: that it was not sent, nobody can tell.
    told = ("applied", "applied") if sent else ("failed", "sent")
    assert (*outcome.rows.column("state").to_pylist(), noted) == told, outcome.problems().to_pylist()
    assert raw_rows(session, ACCOUNTS, prefix)[0]["creditlimit"] == Decimal("7.8")


def test_a_plan_says_where_nobody_can_tell_and_looks_again_once_somebody_can(session: Session) -> None:
    row, _ = _coarse_money(session, "ZYC", "ZYC")
    plan = plan_of(
        session,
        [{**row, "creditlimit": Decimal("7.8123")}],
        session.workspace.state / "plans",
        "ZYC",
        ACCOUNTS.template,
    )
    usual = session.sales
    with another_ledger(session, "ZYC") as ledger, httpx.HTTPTransport() as wire:
        way = Forbidden(wire)
        journalled(ledger, plan)
        _told_by_another(session, _touched(session, "ZYC"))
        with Client(session.set.sales, transport=way) as session.sales:
            way.closed = True
            outcome = apply(plan, session, ledger=ledger)
            (line,) = outcome.problems().to_pylist()
            assert (line["state"], "creditlimit the number with fewer decimals" in line["message"]) == ("failed", True)
            assert [one["state"] for one in ledger.operations(plan.id)] == ["sent"]
            way.closed = False
            outcome = apply(plan, session, ledger=ledger)
        session.sales = usual
        assert outcome.rows.column("state").to_pylist() == ["applied"]
        assert [one["state"] for one in ledger.operations(plan.id)] == ["applied"]
    assert raw_rows(session, ACCOUNTS, "ZYC")[0]["creditlimit"] == Decimal("7.8")
