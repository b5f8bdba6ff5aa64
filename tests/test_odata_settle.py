"""A write whose answer was lost: done only where its row holds exactly what it wrote, lookups too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import Drifted, Duplicate
from p2c_lib.odata import Client, Write, WriteResult
from p2c_lib.odata.stored import keeps
from p2c_lib.sandbox.store import Store
from tests.conftest import TOKEN, Sales
from tests.wired import QUICK, finops_client, sales_client

WRITES = {"POST", "PATCH"}


class Losing(httpx.BaseTransport):
    """A way to a service on which the first write is lost: before it arrives, or its answer on the way back."""

    def __init__(self, inner: httpx.BaseTransport, meanwhile: Callable[[], None], *, arrives: bool) -> None:
        self.inner, self.meanwhile, self.arrives, self.lost = inner, meanwhile, arrives, False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.lost or request.method not in WRITES or "oauth2" in request.url.path:
            return self.inner.handle_request(request)
        self.lost = True
        if self.arrives:
            self.inner.handle_request(request)
        self.meanwhile()
        raise httpx.ReadError("the connection was lost", request=request)


@contextmanager
def losing(client: httpx.Client, app: str, meanwhile: Callable[[], None], *, arrives: bool) -> Iterator[Client]:
    """A client of ours on such a way to the service that a plain client speaks to."""
    url = f"{client.base_url.scheme}://{client.base_url.host}"
    here = Connection(app, app, url, "tester", Secret.literal(TOKEN), token_url=f"{url}/t/oauth2/v2.0/token")  # type: ignore[arg-type]
    transport = Losing(client._transport, meanwhile, arrives=arrives)
    with Client(here, transport=transport, patience=QUICK) as made:
        yield made
    assert transport.lost


def etag_of(sales: Sales, path: str) -> str:
    return str(sales.client.get(path).json()["@odata.etag"])


def renamed(sales: Sales, path: str, **body: object) -> Callable[[], None]:
    """Somebody else's change, with nothing to do with ours."""

    def change() -> None:
        answer = sales.client.patch(path, json=body)
        assert answer.status_code == 204, answer.text

    return change


def told(results: list[WriteResult]) -> list[type]:
    return [type(result.error) for result in results]


CONTACT_BINDINGS: dict[str, Callable[[str], dict[str, object]]] = {
    "a navigation": lambda one: {"parentcustomerid_account@odata.bind": f"/accounts({one})"},
    "a path of the plan": lambda one: {"parentcustomerid.account": f"/accounts({one})"},
    "a column": lambda one: {"parentcustomerid": f"/accounts({one})"},
    "one way bound, the other emptied": lambda one: {
        "parentcustomerid.account": f"/accounts({one})",
        "parentcustomerid.contact": None,
    },
    "a whole address": lambda one: {
        "parentcustomerid_account@odata.bind": f"http://sales.test/api/data/v9.2/accounts({one.upper()})"
    },
}


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("kind", CONTACT_BINDINGS)
def test_an_update_of_lookups_only_counts_when_the_row_points_there(
    sales: Sales, kind: str, arrives: bool, writes: int
) -> None:
    first, second = sales.create("accounts", name="One"), sales.create("accounts", name="Two")
    contacts = [
        sales.create("contacts", lastname="Ito", parentcustomerid_account__bind=f"/accounts({first})")
        for _ in range(writes)
    ]
    path = f"contacts({contacts[0]})"
    body = CONTACT_BINDINGS[kind](second)
    ours = [Write("update", "contacts", {"contactid": c}, body, etag_of(sales, f"contacts({c})")) for c in contacts]
    with losing(sales.client, "sales", renamed(sales, path, firstname="Ann"), arrives=arrives) as client:
        results = client.write(ours)
    there = [sales.client.get(f"contacts({c})").json()["_parentcustomerid_value"] for c in contacts]
    if arrives:
        assert (told(results), there) == ([type(None)] * writes, [second] * writes)
    else:  # the first row moved meanwhile, so only the others could be written
        assert (told(results), there) == ([Drifted, *[type(None)] * (writes - 1)], [first, *[second] * (writes - 1)])


@pytest.mark.parametrize("arrives", [False, True])
def test_a_lookup_that_is_emptied_counts_when_it_is_empty(sales: Sales, arrives: bool) -> None:
    parent = sales.create("accounts", name="Parent")
    child = sales.create("accounts", name="Child", parentaccountid__bind=f"/accounts({parent})")
    path = f"accounts({child})"
    ours = Write("update", "accounts", {"accountid": child}, {"parentaccountid": None}, etag_of(sales, path))
    with losing(sales.client, "sales", renamed(sales, path, description="x"), arrives=arrives) as client:
        results = client.write([ours])
    assert told(results) == [type(None) if arrives else Drifted]
    assert sales.client.get(path).json()["_parentaccountid_value"] == (None if arrives else parent)


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize("target", ["account", "contact"])
def test_a_way_that_is_emptied_counts_when_the_row_is_not_reached_by_it(
    sales: Sales, target: str, arrives: bool
) -> None:
    parent = sales.create("accounts", name="Parent")
    child = sales.create("contacts", lastname="Ito", parentcustomerid_account__bind=f"/accounts({parent})")
    path = f"contacts({child})"
    ours = Write("update", "contacts", {"contactid": child}, {f"parentcustomerid.{target}": None}, etag_of(sales, path))
    with losing(sales.client, "sales", renamed(sales, path, description="x"), arrives=arrives) as client:
        results = client.write([ours])
    nothing_to_do = target == "contact"
    assert told(results) == [type(None) if arrives or nothing_to_do else Drifted]
    emptied = arrives and not nothing_to_do
    assert sales.client.get(path).json()["_parentcustomerid_value"] == (None if emptied else parent)


def test_a_lookup_that_points_to_the_same_id_in_another_table_is_not_ours(sales: Sales) -> None:
    shared = str(uuid4())
    sales.create("accounts", name="Company", accountid=shared)
    sales.create("contacts", lastname="Person", contactid=shared)
    contact = sales.create("contacts", lastname="Ito")
    path = f"contacts({contact})"
    body = {"parentcustomerid_account@odata.bind": f"/accounts({shared})"}
    ours = Write("update", "contacts", {"contactid": contact}, body, etag_of(sales, path))
    theirs = renamed(sales, path, **{"parentcustomerid_contact@odata.bind": f"/contacts({shared})"})
    with losing(sales.client, "sales", theirs, arrives=False) as client:
        assert told(client.write([ours])) == [Drifted]


def test_a_lookup_by_alternate_key_is_never_taken_for_written(sales: Sales) -> None:
    sales.create("accounts", name="Parent", accountnumber="P-1")
    child = sales.create("accounts", name="Child", accountnumber="C-1")
    path = f"accounts({child})"
    body = {"parentaccountid@odata.bind": "/accounts(accountnumber='P-1')"}
    ours = Write("update", "accounts", {"accountid": child}, body, etag_of(sales, path))
    with losing(sales.client, "sales", renamed(sales, path, description="x"), arrives=False) as client:
        assert told(client.write([ours])) == [Drifted]


SUBTLE: Mapping[str, list[tuple[dict[str, object], dict[str, object]]]] = {
    "sales": [
        ({"name": "Cafe"}, {"name": "CAFE"}),
        ({"name": "Cafe"}, {"name": "Café"}),
        ({"name": "Cafe"}, {"name": "Cafe "}),
        ({"numberofemployees": None}, {"numberofemployees": 0}),
        ({"numberofemployees": 0}, {"numberofemployees": None}),
        ({"donotemail": True}, {"donotemail": False}),
        ({"lastonholdtime": "2026-03-01T08:00:00Z"}, {"lastonholdtime": datetime(2026, 3, 1, 17, 5, 9, tzinfo=UTC)}),
    ],
    "finops": [
        ({"OrganizationName": "Cafe"}, {"OrganizationName": "CAFE"}),
        ({"OrganizationName": "Cafe"}, {"OrganizationName": "Café"}),
        ({"SalesMemo": "x"}, {"SalesMemo": " x"}),
        ({"CreditLimit": 1}, {"CreditLimit": None}),
        ({"AddressValidTo": "2026-03-01T12:00:00Z"}, {"AddressValidTo": date(2026, 3, 2)}),
        ({"IsFinalUser": "Yes"}, {"IsFinalUser": "No"}),
    ],
}


def rows_of(client: httpx.Client, app: str) -> tuple[str, dict[str, object]]:
    """A customer in either system: its address and its key."""
    if app == "sales":
        answer = client.post("accounts", json={"name": "Test"})
        row_id = answer.headers["OData-EntityId"].rpartition("(")[2][:-1]
        return f"accounts({row_id})", {"accountid": row_id}
    account = f"C-{uuid4().hex[:8]}"
    key: dict[str, object] = {"dataAreaId": "usmf", "CustomerAccount": account}
    client.post("LegalEntities", json={"LegalEntityId": "usmf", "Name": "usmf"})
    client.post("CustomerGroups", json={"dataAreaId": "usmf", "CustomerGroupId": "10"})
    client.post("Currencies", json={"CurrencyCode": "USD"})
    needed = {"OrganizationName": "Test", "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}
    answer = client.post("CustomersV2", json=key | needed)
    assert answer.status_code == 201, answer.text
    return f"CustomersV2(dataAreaId='usmf',CustomerAccount='{account}')", key


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.parametrize(("app", "case"), [(app, n) for app, cases in SUBTLE.items() for n in range(len(cases))])
def test_a_subtle_update_counts_when_the_row_holds_exactly_that(
    sales: Sales, finops: httpx.Client, app: str, case: int, arrives: bool
) -> None:
    plain = sales.client if app == "sales" else finops
    path, key = rows_of(plain, app)
    before, after = SUBTLE[app][case]
    cross = {"cross-company": "true"} if app == "finops" else {}
    assert plain.patch(path, json=before, params=cross).status_code == 204
    etag = plain.get(path, params=cross).json()["@odata.etag"]
    touched = {"description": "theirs"} if app == "sales" else {"AddressCity": "theirs"}

    def meanwhile() -> None:
        assert plain.patch(path, json=touched, params=cross).status_code == 204

    with losing(plain, app, meanwhile, arrives=arrives) as client:
        results = client.write([Write("update", path.partition("(")[0], key, after, etag)])
    assert told(results) == [type(None) if arrives else Drifted]


@pytest.mark.parametrize("scope", ["usmf", ""])
@pytest.mark.parametrize("theirs", [None, "NAME"])
def test_a_create_whose_answer_was_lost_counts_when_the_row_is_ours(
    finops: httpx.Client, scope: str, theirs: str | None
) -> None:
    ours: dict[str, object] = {
        "NumberSequenceCode": "N-1",
        "ScopeType": "DataArea",
        "ScopeValue": scope,
        "Name": "name",
    }

    def meanwhile() -> None:
        if theirs is not None:
            assert finops.post("SequenceV2Tables", json=ours | {"Name": theirs}).status_code == 201

    with losing(finops, "finops", meanwhile, arrives=theirs is None) as client:
        results = client.write([Write("create", "SequenceV2Tables", None, ours)])
    assert told(results) == [type(None) if theirs is None else Duplicate]


TEXTS = st.text(st.sampled_from(list("aAeéÉ ß.0x\n")), max_size=5)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(1900, 1, 3)) | st.datetimes(
    datetime(2026, 3, 1), datetime(2026, 3, 2, 3), timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])
)
WHOLE = st.none() | st.integers(0, 3)
NUMBERS = st.none() | st.decimals(0, 2, places=2) | st.integers(0, 2) | st.sampled_from([0.0, 0.5, 1.25])
COLUMNS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "sales": {
        "description": st.none() | TEXTS,
        "numberofemployees": WHOLE,
        "creditlimit": NUMBERS,
        "donotemail": st.booleans(),
        "lastonholdtime": st.none() | MOMENTS,
    },
    "finops": {
        "SalesMemo": st.none() | TEXTS,
        "OrganizationNumberOfEmployees": WHOLE,
        "CreditLimit": NUMBERS,
        "IsFinalUser": st.none() | st.sampled_from(["Yes", "No"]),
        "AddressValidTo": st.none() | MOMENTS | st.dates(date(2026, 3, 1), date(2026, 3, 2)),
    },
}


@pytest.mark.parametrize(("app", "column"), [(app, name) for app, columns in COLUMNS.items() for name in columns])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_two_values_are_one_exactly_where_the_service_keeps_them_alike(
    sales: Sales, finops: httpx.Client, store: Store, portal: BlockingPortal, app: str, column: str, data: st.DataObject
) -> None:
    """The oracle is the service: what it answers, byte for byte, once either value was written."""
    one, other = (data.draw(COLUMNS[app][column], label=name) for name in ("one", "other"))
    plain = sales.client if app == "sales" else finops
    path, key = rows_of(plain, app)
    entity_set = path.partition("(")[0]
    shown, found = [], None
    with (sales_client if app == "sales" else finops_client)(store, portal) as client:
        for value in (one, other):
            (result,) = client.write([Write("update", entity_set, key, {column: value})])
            assert result.ok, result.error
            raw = plain.get(path, params={"cross-company": "true"} if app == "finops" else {})
            shown.append(json.loads(raw.content, parse_float=Decimal)[column])
            found = client.get(entity_set, key, (column,))[column]
        schema = client.schema(entity_set)
    assert keeps(other, found, schema.column(column), app)
    assert keeps(one, found, schema.column(column), app) == (shown[0] == shown[1])


def test_a_number_is_kept_with_the_decimals_of_its_column(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        weight = client.schema("products").column("stockweight")
        credit = client.schema("accounts").column("creditlimit")
    assert (weight.places, credit.places_by) == (2, "currency")
    assert keeps(Decimal("1.239"), Decimal("1.24"), weight, "sales")
    assert not keeps(Decimal("1.239"), Decimal("1.23"), weight, "sales")
    assert not keeps(Decimal("1250.4"), Decimal(1250), credit, "sales")
    assert keeps(1250, Decimal("1250.0000000000"), credit, "sales")
    assert not keeps(None, Decimal(0), credit, "sales")
