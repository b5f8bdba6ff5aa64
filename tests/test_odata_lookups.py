"""Lookups that are emptied: as values and as columns, alone, in a batch and by bulk message; and null binds."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.odata import Client, Query, Write
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.conftest import SALES_URL, TOKEN, Sales, _client
from tests.wired import sales_client


def people(client: Client, count: int) -> list[str]:
    """Contacts, by turns of an account and of a contact, all with a currency; their ids."""
    made = client.write(
        [
            Write("create", "accounts", None, {"name": "A", "accountnumber": "A-1"}),
            Write("create", "contacts", None, {"lastname": "Boss", "msdynce_contactnumber": "C-0"}),
            Write("create", "transactioncurrencies", None, {"isocurrencycode": "EUR", "currencyname": "Euro"}),
        ]
    )
    account, boss, currency = (result.row_id for result in made)
    ways = ({"parentcustomerid.account": f"/accounts({account})"}, {"parentcustomerid.contact": f"/contacts({boss})"})
    bodies = [
        {"lastname": f"N{n}", "transactioncurrencyid": f"/transactioncurrencies({currency})", **ways[n % 2]}
        for n in range(count)
    ]
    return [str(r.row_id) for r in client.write([Write("create", "contacts", None, body) for body in bodies])]


def held(client: Client, ids: list[str]) -> list[tuple[Any, Any]]:
    """Customer and currency of each contact."""
    pages = client.read(Query("contacts", ("contactid", "parentcustomerid", "transactioncurrencyid")))
    rows = {row["contactid"]: row for page in pages for row in page.table.to_pylist()}
    return [(rows[one]["parentcustomerid"], rows[one]["transactioncurrencyid"]) for one in ids]


@pytest.mark.parametrize("bind_null", ["clears", "ignores", "refuses"])
@pytest.mark.parametrize("count", [1, 4, 120])
def test_an_emptied_lookup_is_empty_whatever_it_held(
    store: Store, portal: BlockingPortal, bind_null: str, count: int
) -> None:
    with sales_client(store, portal, bind_null=bind_null) as client:
        ids = people(client, count)
        assert all(customer and currency for customer, currency in held(client, ids))
        empty = {"parentcustomerid": None, "transactioncurrencyid": None}
        results = client.write([Write("update", "contacts", {"contactid": one}, empty) for one in ids])
        assert all(result.ok for result in results)
        assert held(client, ids) == [(None, None)] * count


@pytest.mark.parametrize("bind_null", ["clears", "ignores", "refuses"])
@pytest.mark.parametrize("count", [2, 120])
def test_columns_empty_lookups_too_and_only_where_they_are_null(
    store: Store, portal: BlockingPortal, bind_null: str, count: int
) -> None:
    with sales_client(store, portal, bind_null=bind_null) as client:
        ids = people(client, count)
        account = next(customer for customer, _ in held(client, ids[:1]))
        paths = [f"/accounts({account})" if n % 2 else None for n in range(count)]
        table = pa.table({"contactid": ids, "parentcustomerid": pa.array(paths, pa.string())})
        assert all(r.ok for r in client.write_table("update", "contacts", table, key=["contactid"]))
        assert [customer for customer, _ in held(client, ids)] == [account if n % 2 else None for n in range(count)]


def test_a_customer_moves_from_one_table_to_the_other_in_one_write(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        ids = people(client, 2)
        (account, _), (boss, _) = held(client, ids)
        swapped = pa.table(
            {
                "contactid": ids,
                "parentcustomerid.account": pa.array([None, f"/accounts({account})"], pa.string()),
                "parentcustomerid.contact": pa.array([f"/contacts({boss})", None], pa.string()),
            }
        )
        assert all(r.ok for r in client.write_table("update", "contacts", swapped, key=["contactid"]))
        assert [customer for customer, _ in held(client, ids)] == [boss, account]


@pytest.mark.parametrize(
    ("bind_null", "status", "left"), [("clears", 204, 0), ("ignores", 204, 1), ("refuses", 400, 1)]
)
def test_a_null_bind_does_what_the_switch_says_and_a_null_navigation_clears(
    store: Store, portal: BlockingPortal, bind_null: Any, status: int, left: int
) -> None:
    organisation = Organisation(store, SalesSwitches(protection=False, bind_null=bind_null))
    with _client(sales_app(organisation, Tokens(TOKEN)), portal, SALES_URL) as http:
        sales = Sales(organisation, http)
        account = sales.create("accounts", name="A", accountnumber="A-1")
        contact = sales.create("contacts", lastname="C", parentcustomerid_account__bind=f"/accounts({account})")

        def customer() -> Any:
            return http.get(f"contacts({contact})").json()["_parentcustomerid_value"]

        answer = http.patch(f"contacts({contact})", json={"parentcustomerid_account@odata.bind": None})
        assert (answer.status_code, customer()) == (status, account if left else None)
        http.patch(f"contacts({contact})", json={"parentcustomerid_account@odata.bind": f"/accounts({account})"})
        assert http.patch(f"contacts({contact})", json={"parentcustomerid_contact": None}).status_code == 204
        assert http.delete(f"contacts({contact})/parentcustomerid_contact/$ref").status_code == 204
        assert customer() == account
        assert http.patch(f"contacts({contact})", json={"parentcustomerid_account": None}).status_code == 204
        assert customer() is None
