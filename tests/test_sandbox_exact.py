"""Decimals are kept, served, compared and summed to the last digit; money keeps the decimals its column's rule says."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox.references import add_references, currency_guid
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.store import Store
from tests.conftest import Sales
from tests.test_sandbox_finops_packages import act, package, part, rows, run
from tests.test_sandbox_finops_packages import client as packages  # noqa: F401 - a fixture

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = {"Content-Type": "application/json"}


def reals(places: int, whole: int) -> st.SearchStrategy[str]:
    """Numbers in plain digits with up to so many decimals and whole digits, near ones among them."""
    digits = st.text("0123456789", max_size=places)
    heads = st.one_of(st.sampled_from(["0", "1", "9" * whole, "1" + "0" * (whole - 1)]), st.integers(0, 99).map(str))
    return st.builds(lambda sign, head, tail: f"{sign}{head}{'.' + tail if tail else ''}",
                     st.sampled_from(["", "-"]), heads, digits)  # fmt: skip


def digits_of(body: str, name: str) -> list[str]:
    """The digits of a number in a JSON text as they stand there."""
    return re.findall(rf'"{name}":\s*(-?[0-9.eE+-]+|null)', body)


def get(client: httpx.Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(client: httpx.Client, method: str, url: str, body: str, **headers: str) -> httpx.Response:
    return client.request(method, url, content=body, headers={**JSON, **headers})


# -- F&O -----------------------------------------------------------------------------------------------------------


@FEW
@given(few=st.lists(reals(16, 22), min_size=1, max_size=5))
def test_every_real_of_finops_is_served_compared_and_sorted_exactly(
    store: Store, finops: httpx.Client, few: list[str]
) -> None:
    with store.write():
        store.connection.execute("DELETE FROM finops_currencies")
    for at, text in enumerate(few):
        answer = send(finops, "POST", "Currencies", f'{{"CurrencyCode": "{at}", "RoundingRulePrices": {text}}}')
        assert answer.status_code == 201, answer.text
        assert Fraction(digits_of(answer.text, "RoundingRulePrices")[0]) == Fraction(text)
    body = get(finops, "Currencies?$select=CurrencyCode,RoundingRulePrices")
    there = digits_of(body, "RoundingRulePrices")
    assert [Fraction(one) for one in there] == [Fraction(one) for one in few]
    assert all(re.fullmatch(r"-?\d+(\.\d*[1-9])?", one) for one in there)
    for text in few:
        for op, holds in OPS.items():
            where = quote(f"RoundingRulePrices {op} {text}")
            found = json.loads(get(finops, f"Currencies?$select=CurrencyCode&$filter={where}"))["value"]
            expected = [str(at) for at, one in enumerate(few) if holds(Fraction(one), Fraction(text))]
            assert [row["CurrencyCode"] for row in found] == expected, (op, text)
    body = get(finops, "Currencies?$orderby=RoundingRulePrices desc&$select=RoundingRulePrices")
    ordered = [Fraction(one) for one in digits_of(body, "RoundingRulePrices")]
    assert ordered == sorted(map(Fraction, few), reverse=True)


OPS: dict[str, Any] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}  # fmt: skip


def test_a_real_is_rounded_at_sixteen_decimals_and_refused_beyond_its_digits(finops: httpx.Client) -> None:
    sent = {"a": "0.00000000000000005", "b": "-1.00000000000000005", "c": "1e-30", "d": "9999999999999999999999"}
    for code, text in sent.items():
        body = f'{{"CurrencyCode": "{code}", "RoundingRulePrices": {text}}}'
        assert send(finops, "POST", "Currencies", body).status_code == 201
    assert digits_of(get(finops, "Currencies"), "RoundingRulePrices") == [
        "0.0000000000000001", "-1.0000000000000001", "0", "9999999999999999999999",
    ]  # fmt: skip
    for text in ("1e22", "-1e22", "1e999999999", "-1e99999999999999999999", '"1"', "true"):
        body = f'{{"CurrencyCode": "x", "RoundingRulePrices": {text}}}'
        assert send(finops, "POST", "Currencies", body).status_code == 400


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("RoundingRulePrices add 0.2 eq 0.3", "a"),
        ("RoundingRulePrices mul 3 eq 0.3", "a"),
        ("RoundingRulePrices sub 1e-16 lt 0.1", "a"),
        ("RoundingRulePrices div 3 eq 11111111111111.1111111111111112", "b"),
        ("RoundingRulePrices gt 33333333333333.3333333333333334", "b"),
        ("RoundingRulePrices lt 1e99999", "ab"),
        ("RoundingRulePrices gt 99999999999999999999", ""),
        ("RoundingRulePrices eq 0.10000000000000000", "a"),
    ],
)
def test_sums_in_a_filter_are_exact(finops: httpx.Client, where: str, expected: str) -> None:
    for code, text in {"a": "0.1", "b": "33333333333333.3333333333333335"}.items():
        body = f'{{"CurrencyCode": "{code}", "RoundingRulePrices": {text}}}'
        assert send(finops, "POST", "Currencies", body).status_code == 201
    there = json.loads(get(finops, f"Currencies?$filter={quote(where)}"))["value"]
    assert "".join(row["CurrencyCode"] for row in there) == expected


def test_a_property_and_a_package_keep_every_digit(packages: httpx.Client) -> None:  # noqa: F811 - a fixture
    columns = ["CURRENCYCODE", "ROUNDINGRULEPRICES"]
    label = entities("finops")["Currencies"].label
    sent = package({f"{label}.csv": rows(columns, ["XXA", "33.3333333333333333"])}, part(label, columns))
    execution = run(packages, sent)
    assert act(packages, "GetExecutionErrors", executionId=execution) == "[]"
    body = get(packages, "Currencies(CurrencyCode='xxa')/RoundingRulePrices")
    assert digits_of(body, "value") == ["33.3333333333333333"]


# -- Dataverse -----------------------------------------------------------------------------------------------------


@pytest.fixture
def company(sales: Sales) -> Sales:
    with sales.organisation.store.write():
        add_references(sales.organisation.store, currencies=["EUR", "JPY"])
    return sales


def precisions(sales: Sales, *, pricing: int, **currencies: int) -> None:
    client = sales.client
    organisation = json.loads(get(client, "organizations?$select=organizationid"))["value"][0]["organizationid"]
    changed = client.patch(f"organizations({organisation})", json={"pricingdecimalprecision": pricing})
    assert changed.status_code == 204, changed.text
    for code, places in currencies.items():
        answer = client.patch(f"transactioncurrencies({currency_guid(code)})", json={"currencyprecision": places})
        assert answer.status_code == 204, answer.text


def test_money_keeps_the_decimals_of_its_column_organisation_or_currency(company: Sales) -> None:
    unit = json.loads(get(company.client, "uoms?$select=uomid"))["value"][0]["uomid"]
    sent, names = "0.000025", ("creditlimit", "price")
    for pricing, eur, expected in ((4, 4, ("0.0000", "0.0000")), (10, 2, ("0.0000", "0.0000250000")),
                                   (2, 5, ("0.00003", "0.0000")), (0, 10, ("0.0000250000", "0.0000"))):  # fmt: skip
        precisions(company, pricing=pricing, EUR=eur)
        euro = f'"transactioncurrencyid@odata.bind": "/transactioncurrencies({currency_guid("EUR")})"'
        wanted = {"Prefer": "return=representation"}
        account = send(company.client, "POST", "accounts", f'{{"name": "a", "creditlimit": {sent}, {euro}}}', **wanted)
        unit_of = f'"productnumber": "{pricing}{eur}", "defaultuomid@odata.bind": "/uoms({unit})"'
        product = send(
            company.client, "POST", "products", f'{{"name": "p", "price": {sent}, {euro}, {unit_of}}}', **wanted
        )
        told = tuple(digits_of(one.text, name)[0] for one, name in zip((account, product), names, strict=True))
        assert told == expected, (pricing, eur)


def test_an_update_rounds_by_the_currency_the_row_has_and_half_goes_away_from_zero(company: Sales) -> None:
    precisions(company, pricing=4, JPY=0, USD=3)
    yen = f"/transactioncurrencies({currency_guid('JPY')})"
    key = company.create("accounts", name="a", transactioncurrencyid__bind=yen)
    for value, expected in (("2.5", "3.0000"), ("2.4999999", "2.0000"), ("3.5", "4.0000")):
        assert send(company.client, "PATCH", f"accounts({key})", f'{{"revenue": {value}}}').status_code == 204
        assert digits_of(get(company.client, f"accounts({key})?$select=revenue"), "revenue") == [expected]
    other = company.create("accounts", name="b", revenue=1)
    assert send(company.client, "PATCH", f"accounts({other})", '{"revenue": 1.0005}').status_code == 204
    assert digits_of(get(company.client, f"accounts({other})?$select=revenue"), "revenue") == ["1.0010"]


MONEY = reals(4, 14).filter(lambda text: not text.startswith("-"))


@FEW
@given(few=st.lists(MONEY, min_size=1, max_size=5))
def test_money_is_compared_sorted_paged_and_summed_exactly(company: Sales, few: list[str]) -> None:
    client = company.client
    with company.organisation.store.write():
        company.organisation.store.connection.execute("DELETE FROM sales_accounts")
    targets = ",".join(
        f'{{"@odata.type":"Microsoft.Dynamics.CRM.account","name":"{at}","revenue":{text}}}'
        for at, text in enumerate(few)
    )
    answer = send(client, "POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", f'{{"Targets":[{targets}]}}')
    assert answer.status_code == 200, answer.text
    there = digits_of(get(client, "accounts?$select=revenue,name&$orderby=name"), "revenue")
    assert there == [f"{Decimal(text):.4f}" for text in few]
    for text in few:
        for op, holds in OPS.items():
            names = [str(at) for at, one in enumerate(few) if holds(Fraction(one), Fraction(text))]
            for url in filters(op, text):
                assert sorted(row["name"] for row in json.loads(get(client, url))["value"]) == names, url
    assert [Fraction(one) for one in paged(client)] == sorted(map(Fraction, few))
    methods = ",".join(f"revenue with {name} as {name}" for name in ("sum", "min", "max"))
    body = get(client, f"accounts?$apply=aggregate({methods})")
    told = [Fraction(digits_of(body, name)[0]) for name in ("sum", "min", "max")]
    values = list(map(Fraction, few))
    assert told == [sum(values), min(values), max(values)]
    sql = quote("SELECT SUM(revenue) AS s FROM account")
    assert Fraction(digits_of(get(client, f"accounts?sql={sql}"), "s")[0]) == sum(values)


def filters(op: str, text: str) -> list[str]:
    sign = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}[op]
    fetch = '<fetch><entity name="account"><attribute name="name"/><filter>'
    fetch += f'<condition attribute="revenue" operator="{op}" value="{text}"/></filter></entity></fetch>'
    return [
        f"accounts?$select=name&$filter={quote(f'revenue {op} {text}')}",
        f"accounts?fetchXml={quote(fetch)}",
        f"accounts?sql={quote(f'SELECT name FROM account WHERE revenue {sign} {text}')}",
    ]


def paged(client: httpx.Client) -> list[str]:
    url, found = "accounts?$select=revenue&$orderby=revenue", list[str]()
    while url:
        answer = client.get(url, headers={"Prefer": "odata.maxpagesize=1"})
        found += digits_of(answer.text, "revenue")
        url = answer.json().get("@odata.nextLink", "")
    return found


def test_tenths_add_up_and_equal_values_are_one_group(company: Sales) -> None:
    for value in (0.1, 0.2, 0.3, 0.1):
        company.create("accounts", name=str(value), revenue=value)
    body = get(company.client, "accounts?$apply=aggregate(revenue with sum as s,revenue with average as a)")
    assert (digits_of(body, "s"), digits_of(body, "a")) == (["0.7000"], ["0.175"])
    groups = get(company.client, "accounts?$apply=groupby((revenue),aggregate($count as n))")
    assert sorted(zip(digits_of(groups, "revenue"), digits_of(groups, "n"), strict=True)) == [
        ("0.1000", "2"), ("0.2000", "1"), ("0.3000", "1"),
    ]  # fmt: skip
    between = quote("Microsoft.Dynamics.CRM.Between(PropertyName='revenue',PropertyValues=['0.15','0.3'])")
    assert digits_of(get(company.client, f"accounts?$select=revenue&$filter={between}"), "revenue") == [
        "0.2000",
        "0.3000",
    ]


def test_the_base_twin_is_divided_by_the_rate_and_rounded_once(company: Sales) -> None:
    precisions(company, pricing=4, EUR=10)
    euro = f"/transactioncurrencies({currency_guid('EUR')})"
    for value, expected in (("1", "1.0869565217"), ("0.46", "0.5000000000"), ("0.0000000001", "0.0000000001")):
        body = f'{{"name": "a", "creditlimit": {value}, "transactioncurrencyid@odata.bind": "{euro}"}}'
        answer = send(company.client, "POST", "accounts", body, Prefer="return=representation")
        assert digits_of(answer.text, "creditlimit_base") == [expected]


def test_amounts_of_a_line_and_of_its_quote_are_exact(company: Sales) -> None:
    customer = company.create("accounts", name="c")
    quotation = company.create("quotes", name="q", customerid_account__bind=f"/accounts({customer})")
    bind = f'"quoteid@odata.bind": "/quotes({quotation})", "productdescription": "x", "isproductoverridden": true'
    for price, quantity, discount in (("1234567.0505", "3.00001", "0.0001"), ("0.0001", "5000.5", "0")):
        body = f'{{{bind}, "priceperunit": {price}, "quantity": {quantity}, "manualdiscountamount": {discount}}}'
        assert send(company.client, "POST", "quotedetails", body).status_code == 204
    lines = get(company.client, "quotedetails?$select=baseamount,extendedamount&$orderby=sequencenumber")
    # 1234567.0505 x 3.00001 = 3703713.497170... and 0.0001 x 5000.5 = 0.50005, half away from zero
    assert digits_of(lines, "baseamount") == ["3703713.4972", "0.5001"]
    assert digits_of(lines, "extendedamount") == ["3703713.4971", "0.5001"]
    assert digits_of(get(company.client, f"quotes({quotation})"), "totalamount") == ["3703713.9972"]


@pytest.mark.parametrize("text", ["1e999999999", "-1e99999999999999999999", "1e400", '"1"', "NaN"])
def test_what_is_no_number_or_too_large_is_refused(company: Sales, text: str) -> None:
    answer = send(company.client, "POST", "accounts", f'{{"name": "a", "revenue": {text}}}')
    assert answer.status_code == 400


def test_an_older_state_keeps_its_numbers_as_they_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as file, file:
        file.executescript("""
CREATE TABLE sales_accounts (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL, accountid TEXT,
  name TEXT COLLATE NOCASE, revenue REAL, address1_latitude REAL);
INSERT INTO sales_accounts VALUES (1, 1, 'a', 'A', 1234.5678, 0.1), (2, 2, 'b', 'B', 1250.0, NULL),
  (3, 3, 'c', 'C', NULL, 1.0);
CREATE TABLE sales_transactioncurrencies (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL,
  transactioncurrencyid TEXT, isocurrencycode TEXT COLLATE NOCASE, currencyprecision INTEGER, exchangerate REAL);
INSERT INTO sales_transactioncurrencies VALUES (1, 4, 'x', 'EUR', 2, 0.92);
CREATE TABLE finops_currencies (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL,
  CurrencyCode TEXT COLLATE NOCASE, RoundingRulePrices REAL);
INSERT INTO finops_currencies VALUES (1, 5, 'EUR', 33.3333333333333), (2, 6, 'USD', 1e-05);
""")
    with open_store(tmp_path) as store:
        read = store.connection.execute
        rows = read("SELECT revenue, address1_latitude FROM sales_accounts ORDER BY _id").fetchall()
        assert rows == [("1234.5678", 0.1), ("1250.0000", None), (None, 1.0)]
        found = read("SELECT currencyprecision, exchangerate FROM sales_transactioncurrencies").fetchall()
        assert [(places, Decimal(rate)) for places, rate in found] == [(4, Decimal("0.92"))]
        found = read("SELECT RoundingRulePrices FROM finops_currencies ORDER BY _id").fetchall()
        assert found == [("33.3333333333333",), ("0.00001",)]


def test_numbers_of_a_batch_are_exact(company: Sales, portal: BlockingPortal) -> None:
    del portal
    precisions(company, pricing=4, USD=10)
    key = "11111111-1111-1111-1111-111111111111"
    body = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"PATCH /api/data/v9.2/accounts({key}) HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
        '{"name": "a", "revenue": 12345678901234.0123456789}\r\n--b--\r\n'
    )
    answer = company.client.post("$batch", content=body, headers={"Content-Type": "multipart/mixed; boundary=b"})
    assert answer.status_code == 200
    assert digits_of(get(company.client, f"accounts({key})/revenue"), "value") == ["12345678901234.0123456789"]


@FEW
@given(latitude=st.floats(-90, 90).filter(lambda value: not value or abs(value) > 1e-30))
def test_a_float_of_sales_reads_back_as_the_float_that_was_written(sales: Sales, latitude: float) -> None:
    row = sales.create("accounts", name="float", address1_latitude=latitude)
    (told,) = digits_of(get(sales.client, f"accounts({row})?$select=address1_latitude"), "address1_latitude")
    assert float(told) == latitude
    (most,) = digits_of(
        get(sales.client, f"accounts?$apply=filter(accountid eq {row})/aggregate(address1_latitude with max as most)"),
        "most",
    )
    assert float(most) == latitude
