"""The Prospect to cash solution and the Sales app's state rules."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from p2c_lib.sandbox.schema import entity
from p2c_lib.sandbox.store import sortable_guid
from tests.conftest import Sales
from tests.test_sandbox_batch import multipart, part, sent, statuses
from tests.test_sandbox_rows import error_of


@pytest.fixture
def shop(sales: Sales) -> Sales:
    """A currency, a unit, and two price lists of which the first by name is valid."""
    store = sales.organisation.store
    ids = {name: sortable_guid() for name in ("currency", "group", "unit")}
    with store.write():
        currency = {"transactioncurrencyid": ids["currency"], "isocurrencycode": "USD", "exchangerate": 1.0}
        store.insert(entity("sales", "transactioncurrency"), currency)
        store.insert(entity("sales", "uomschedule"), {"uomscheduleid": ids["group"], "name": "Default"})
        unit = {"uomid": ids["unit"], "name": "Each", "uomscheduleid": ids["group"]}
        store.insert(entity("sales", "uom"), unit)
    for name in ("B list", "A list"):
        sales.create("pricelevels", name=name, transactioncurrencyid__bind=f"/transactioncurrencies({ids['currency']})")
    return sales


def product(sales: Sales, number: str, *, external: bool) -> str:
    """A new product."""
    unit = sales.client.get("uoms").json()["value"][0]
    return sales.create(
        "products",
        name=number,
        productnumber=number,
        price=12.5,
        quantitydecimal=2,
        msdynce_ismaintainedexternally=external,
        defaultuomid__bind=f"/uoms({unit['uomid']})",
        defaultuomscheduleid__bind=f"/uomschedules({unit['_uomscheduleid_value']})",
    )


def row(sales: Sales, url: str) -> dict[str, Any]:
    """A row."""
    answer = sales.client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_accounts_and_contacts_are_numbered_when_blank(sales: Sales) -> None:
    for entity_set, column, prefix, body in (
        ("accounts", "accountnumber", "ACC", {"name": "x"}),
        ("contacts", "msdynce_contactnumber", "CON", {"lastname": "x"}),
    ):
        numbers = [row(sales, f"{entity_set}({sales.create(entity_set, **body)})")[column] for _ in range(2)]
        assert [number[:10] for number in numbers] == [f"{prefix}-01000-", f"{prefix}-01001-"]
        assert all(re.fullmatch(rf"{prefix}-\d{{5}}-[A-Z]{{6}}", number) for number in numbers)
        given = sales.create(entity_set, **body, **{column: "MINE"})
        assert row(sales, f"{entity_set}({given})")[column] == "MINE"


def test_a_quote_makes_its_contact_an_active_customer(sales: Sales) -> None:
    account = sales.create("accounts", name="A")
    contact = sales.create("contacts", lastname="C", parentcustomerid_account__bind=f"/accounts({account})")
    flags = "msdynce_isactivecustomer,msdynce_iscompanyanaccount"
    before = row(sales, f"contacts({contact})?$select={flags}")
    sales.create("quotes", name="Q", customerid_contact__bind=f"/contacts({contact})")
    after = row(sales, f"contacts({contact})?$select={flags}")
    assert [before[name] for name in flags.split(",")] == [False, True]
    assert [after[name] for name in flags.split(",")] == [True, True]
    sales.client.patch(f"contacts({contact})", json={"parentcustomerid_account": None})
    assert row(sales, f"contacts({contact})")["msdynce_iscompanyanaccount"] is False


def test_lines_decide_whether_a_quote_is_external_only_and_carry_the_stamp(shop: Sales) -> None:
    external, own = product(shop, "EXT", external=True), product(shop, "OWN", external=False)
    account = shop.create("accounts", name="A")
    quote = shop.create("quotes", name="Q", customerid_account__bind=f"/accounts({account})")
    flag, stamp = "msdynce_hasexternallymaintainedproductsonly", "msdynce_quotehasexternalmaintainedproductsonly"
    parent = {"quoteid__bind": f"/quotes({quote})"}
    seen = [row(shop, f"quotes({quote})")[flag]]
    shop.create("quotedetails", **parent, productid__bind=f"/products({external})", quantity=2, priceperunit=10)
    seen.append(row(shop, f"quotes({quote})")[flag])
    other = shop.create("quotedetails", **parent, productid__bind=f"/products({own})", quantity=1, priceperunit=5)
    lines = f"quotedetails?$filter=_quoteid_value eq {quote}&$orderby=sequencenumber"
    seen.append(row(shop, f"quotes({quote})")[flag])
    assert [line[stamp] for line in row(shop, lines)["value"]] == [False, False]
    shop.client.delete(f"quotedetails({other})")
    seen.append(row(shop, f"quotes({quote})")[flag])
    shop.create("quotedetails", **parent, productdescription="written in", quantity=1, priceperunit=1)
    seen.append(row(shop, f"quotes({quote})")[flag])
    assert seen == [True, True, False, True, False]
    assert row(shop, f"quotes({quote})")["totalamount"] == 21
    assert [line["sequencenumber"] for line in row(shop, lines)["value"]] == [1, 2]


def test_an_external_product_gets_its_price_on_the_first_list_of_its_currency(shop: Sales) -> None:
    key = product(shop, "EXT", external=True)
    product(shop, "OWN", external=False)
    items = row(shop, "productpricelevels?$select=amount&$expand=pricelevelid($select=name),productid($select=name)")
    assert [(i["amount"], i["pricelevelid"]["name"], i["productid"]["name"]) for i in items["value"]] == [
        (12.5, "A list", "EXT")
    ]
    assert shop.client.patch(f"products({key})", json={"price": 13}).status_code == 204
    assert [i["amount"] for i in row(shop, "productpricelevels")["value"]] == [13]


def test_an_external_product_without_a_list_in_its_currency_is_refused(shop: Sales) -> None:
    for level in row(shop, "pricelevels")["value"]:
        shop.client.patch(f"pricelevels({level['pricelevelid']})", json={"statecode": 1})
    with pytest.raises(AssertionError, match="No valid price list"):
        product(shop, "EXT", external=True)
    assert row(shop, "products")["value"] == []


def test_an_active_product_is_locked_unless_external(shop: Sales) -> None:
    own, external = product(shop, "OWN", external=False), product(shop, "EXT", external=True)
    assert row(shop, f"products({own})")["statecode"] == 0
    shop.organisation.switches = replace(shop.organisation.switches, business_status=403)
    assert error_of(shop.client.patch(f"products({own})", json={"name": "x"})) == (403, "0x8004F995")
    shop.organisation.switches = replace(shop.organisation.switches, business_status=400)
    assert shop.client.patch(f"products({external})", json={"name": "x"}).status_code == 204
    moves = [
        ({"statecode": 3}, 204, None),
        ({"name": "y"}, 204, None),
        ({"statecode": 0}, 204, None),
        ({"statecode": 2}, 400, "0x8004F912"),
        ({"statecode": 1}, 204, None),
        ({"statecode": 1}, 400, "0x8004F980"),
        ({"statecode": 2}, 400, "0x8004F979"),
    ]
    for body, status, code in moves:
        answer = shop.client.patch(f"products({own})", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert code is None or answer.json()["error"]["code"] == code


def test_a_quote_is_open_to_changes_while_it_is_a_draft(shop: Sales) -> None:
    account = shop.create("accounts", name="A")
    quote = shop.create("quotes", name="Q", customerid_account__bind=f"/accounts({account})")
    line = shop.create("quotedetails", quoteid__bind=f"/quotes({quote})", productdescription="w", quantity=1)
    close = {"QuoteClose": {"subject": "won", "quoteid@odata.bind": f"/quotes({quote})"}, "Status": -1}
    assert error_of(shop.client.post("WinQuote", json=close))[0] == 400
    assert error_of(shop.client.patch(f"quotes({quote})", json={"statuscode": 4})) == (400, "0x80048408")
    assert error_of(shop.client.patch(f"quotes({quote})", json={"statecode": 2})) == (400, "0x80040265")
    assert shop.client.patch(f"quotes({quote})", json={"statecode": 1, "statuscode": 2}).status_code == 204
    assert error_of(shop.client.patch(f"quotes({quote})", json={"name": "x"})) == (400, "0x80040265")
    assert error_of(shop.client.patch(f"quotedetails({line})", json={"quantity": 2})) == (400, "0x80040265")
    assert error_of(shop.client.delete(f"quotedetails({line})")) == (400, "0x80040265")
    revised = shop.client.post("ReviseQuote", json={"QuoteId": quote, "ColumnSet": {"AllColumns": True}}).json()
    assert (revised["statecode"], revised["revisionnumber"]) == (0, 1)
    assert row(shop, f"quotes({quote})")["statuscode"] == 7
    again = shop.client.post("ReviseQuote", json={"QuoteId": quote, "ColumnSet": {"AllColumns": True}})
    assert error_of(again) == (400, "0x80048d00")
    shop.client.patch(f"quotes({revised['quoteid']})", json={"statecode": 1})
    close["QuoteClose"]["quoteid@odata.bind"] = f"/quotes({revised['quoteid']})"
    assert shop.client.post("WinQuote", json=close).status_code == 204
    assert (row(shop, f"quotes({revised['quoteid']})")["statecode"]) == 2


def test_a_deep_insert_makes_parent_and_children_or_nothing(shop: Sales) -> None:
    lines = [{"productdescription": "a", "quantity": 2, "priceperunit": 3}, {"productdescription": "b", "quantity": 1}]
    body = {"name": "Q", "customerid_account": {"name": "New"}, "quote_details": lines}
    key = shop.create("quotes", **body)
    made = row(
        shop, f"quotes({key})?$expand=quote_details($select=productdescription),customerid_account($select=name)"
    )
    assert (made["totalamount"], len(made["quote_details"]), made["customerid_account"]["name"]) == (6, 2, "New")
    lines[1]["quantity"] = "one"
    assert error_of(shop.client.post("quotes", json=body)) == (400, "0x80048d19")
    assert shop.client.get("accounts/$count").text == "1"


def test_references_are_set_read_and_cleared(sales: Sales) -> None:
    account, contact = sales.create("accounts", name="A"), sales.create("contacts", lastname="C")
    url = f"accounts({account})/primarycontactid"
    assert sales.client.get(f"{url}/$ref").status_code == 204
    assert sales.client.put(f"{url}/$ref", json={"@odata.id": f"contacts({contact})"}).status_code == 204
    assert sales.client.get(f"{url}/$ref").json()["@odata.id"].endswith(f"contacts({contact})")
    assert sales.client.get(f"{url}/lastname").json()["value"] == "C"
    assert sales.client.delete(f"{url}/$ref").status_code == 204
    children = f"accounts({account})/contact_customer_accounts"
    assert sales.client.post(f"{children}/$ref", json={"@odata.id": f"contacts({contact})"}).status_code == 204
    assert [one["lastname"] for one in sales.client.get(children).json()["value"]] == ["C"]
    assert sales.client.get(f"{children}/$count").text == "1"
    assert sales.client.delete(f"{children}({contact})/$ref").status_code == 204
    assert sales.client.get(f"{children}/$count").text == "0"


def test_single_properties_are_read_written_and_emptied(sales: Sales) -> None:
    url = f"accounts({sales.create('accounts', name='A', telephone1='1')})/telephone1"
    assert sales.client.get(url).json()["value"] == "1"
    assert sales.client.put(url, json={"value": "2"}).status_code == 204
    assert sales.client.get(f"{url}/$value").text == "2"
    assert sales.client.delete(url).status_code == 204
    assert sales.client.get(url).status_code == 204


@pytest.mark.parametrize(
    ("entity_set", "body", "code"),
    [
        ("products", {"name": "x"}, "0x80043b05"),
        ("products", {"name": "x", "productnumber": "x"}, "0x80043b13"),
        ("pricelevels", {"name": "a LIST"}, "0x80043b0f"),
        ("pricelevels", {"description": "x"}, "0x80043b0e"),
        ("transactioncurrencies", {"isocurrencycode": "usd", "currencyname": "x"}, "0x80048cf3"),
    ],
)
def test_the_sales_app_refuses_with_its_own_codes(
    shop: Sales, entity_set: str, body: dict[str, object], code: str
) -> None:
    assert error_of(shop.client.post(entity_set, json=body)) == (400, code)


def test_a_price_list_item_is_unique_and_currencies_agree(shop: Sales) -> None:
    product(shop, "EXT", external=True)
    item = row(shop, "productpricelevels")["value"][0]
    binds = {
        f"{name}@odata.bind": f"/{entity_set}({item[f'_{name}_value']})"
        for name, entity_set in (("pricelevelid", "pricelevels"), ("productid", "products"), ("uomid", "uoms"))
    }
    assert error_of(shop.client.post("productpricelevels", json={"amount": 1, **binds})) == (400, "0x80043b08")
    other = {"isocurrencycode": "EUR", "currencyname": "Euro", "exchangerate": 0.9, "currencysymbol": "e"}
    euro = shop.create("transactioncurrencies", **other)
    quote = {
        "name": "Q",
        "pricelevelid@odata.bind": binds["pricelevelid@odata.bind"],
        "transactioncurrencyid@odata.bind": f"/transactioncurrencies({euro})",
    }
    assert error_of(shop.client.post("quotes", json=quote)) == (400, "0x80048cee")


def test_the_solution_can_be_bypassed(sales: Sales) -> None:
    headers = {"MSCRM.BypassCustomPluginExecution": "true", "Prefer": "return=representation"}
    assert sales.client.post("accounts", json={"name": "x"}, headers=headers).json()["accountnumber"] is None


def test_a_url_beyond_the_limit_goes_into_a_batch(sales: Sales) -> None:
    url = f"accounts?$filter=name eq '{'x' * 40_000}'"
    assert sales.client.get(url).status_code == 414
    assert statuses(sent(sales, multipart(part(f"GET {url}")))) == [200]
    too_long = f"accounts?$filter=name eq '{'x' * 70_000}'"
    assert statuses(sent(sales, multipart(part(f"GET {too_long}")))) == [414]


def test_orders_and_invoices_follow_the_same_rules(sales: Sales) -> None:
    contact = sales.create("contacts", lastname="C")
    order = sales.create("salesorders", name="O", customerid_contact__bind=f"/contacts({contact})")
    made = row(sales, f"salesorders({order})")
    sales.create("salesorderdetails", salesorderid__bind=f"/salesorders({order})", productdescription="w", quantity=1)
    line = row(sales, "salesorderdetails")["value"][0]
    invoice = sales.create(
        "invoices",
        name="I",
        customerid_contact__bind=f"/contacts({contact})",
        salesorderid__bind=f"/salesorders({order})",
    )
    assert row(sales, f"contacts({contact})")["msdynce_isactivecustomer"] is True
    assert line["msdynce_ordernumber"] == made["ordernumber"]
    assert line["msdynce_orderhasexternalmaintainedproductsonly"] is False
    assert row(sales, f"salesorders({order})")["statecode"] == 4
    assert row(sales, f"invoices({invoice})")["_ownerid_value"] == made["_ownerid_value"]
    assert sales.client.patch(f"salesorders({order})", json={"statecode": 1}).status_code == 204
