"""What is planted in Sales, and in the products that go there: what the gate has to find, what rules leave out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from p2c_lib.sandbox.references import (
    Row,
    currency_guid,
    fixed_guid,
    price_list_guid,
    unit_guid,
)
from p2c_lib.sandbox.seed.company import lines_of
from p2c_lib.sandbox.seed.planter import Planter, change, lookalike, put

PALLET = fixed_guid("uom", "Pallet")


def _accounts(planter: Planter) -> None:
    fresh = {row["CustomerAccount"] for row in planter.company.customers}
    used = {quote["@customer"] for quote in planter.company.quotes}
    rows = planter.company.accounts

    def new(row: Row) -> bool:
        return row["accountnumber"] not in fresh and row["accountnumber"] not in used

    for row in planter.pick(rows, 1, new):
        row["accountnumber"] = None
        planter.note("missing-key", "accounts", row, "accountnumber", f"name {row['name']!r}")
    put(
        planter,
        "bad-country",
        "accounts",
        planter.pick(rows, 2, new),
        "address1_country",
        ["Untied States", "Atlantis"],
    )
    for row in planter.pick(rows, 1, new):
        row["@currency"], row["exchangerate"] = "DEM", 1.8
        put(planter, "unknown-currency", "accounts", [row], "transactioncurrencyid", [currency_guid("DEM")])
    long_names = planter.pick(rows, 2, new)
    change(
        planter, "too-long", "accounts", long_names, "name", lambda name: f"{name} and Partners".ljust(112, "x")[:112]
    )
    change(planter, "whitespace", "accounts", planter.pick(rows, 2, new), "name", lambda name: f"{name}  ")
    change(planter, "lookalike", "accounts", planter.pick(rows, 2, new), "name", lookalike)
    put(planter, "implausible-email", "accounts", planter.pick(rows, 2, new), "emailaddress1", ["info(at)shop", "none"])
    put(planter, "implausible-phone", "accounts", planter.pick(rows, 2, new), "telephone1", ["ask reception", "000"])
    for first, second in zip(planter.pick(rows, 2), planter.pick(rows, 2, new), strict=False):
        put(planter, "duplicate-name", "accounts", [second], "name", [first["name"]])


def _contacts(planter: Planter) -> None:
    bought = {quote["@customer"] for quote in planter.company.quotes}
    there = {row["ContactPersonPartyNumber"] for row in planter.company.persons}
    there |= {row["CustomerAccount"] for row in planter.company.customers}
    rows = planter.company.contacts

    def employed(row: Row) -> bool:
        number = row["msdynce_contactnumber"]
        return bool(row["@account"]) and number not in bought and number not in there and "address1_country" in row

    def buyer(row: Row) -> bool:
        number = row["msdynce_contactnumber"]
        return number in bought and number not in there and "address1_country" in row

    bad = planter.pick(rows, 2, employed)
    put(planter, "bad-country", "contacts", bad, "address1_country", ["Deutschlnad", "n/a"])
    put(planter, "bad-country", "contacts", planter.pick(rows, 1, buyer), "address1_country", ["Lilliput"])
    put(planter, "implausible-email", "contacts", planter.pick(rows, 2, employed), "emailaddress1", ["nobody", "a@b@c"])
    put(planter, "implausible-phone", "contacts", planter.pick(rows, 1, employed), "telephone1", ["12"])
    change(planter, "too-long", "contacts", planter.pick(rows, 1, employed), "lastname", lambda name: (name * 9)[:40])
    for row in planter.pick(rows, 3, lambda r: not r["@account"] and r["msdynce_contactnumber"] not in bought):
        planter.note("contact-without-account", "contacts", row, "parentcustomerid", "works for nobody, bought nothing")


# -- quotes --------------------------------------------------------------------------------------------------------


def _external(planter: Planter, quote: Row) -> bool:
    return all(str(line.get("@product", "SVC")).startswith("SVC") is False for line in lines_of(planter.company, quote))


def _quotes(planter: Planter) -> None:
    company = planter.company
    written = {row["SalesQuotationNumber"] for row in company.quotations}
    rows = [q for q in company.quotes if q["quotenumber"] not in written]

    def sent(quote: Row) -> bool:
        return quote["statecode"] == 1 and _external(planter, quote)

    for code, quote in zip(("DEM", "FRF", "DEM", "FRF"), planter.pick(rows, 4, sent), strict=False):
        quote["@currency"], quote["pricelevelid"] = code, price_list_guid(code)
        put(planter, "unknown-currency", "quotes", [quote], "transactioncurrencyid", [currency_guid(code)])
    put(planter, "bad-country", "quotes", planter.pick(rows, 1, sent), "shipto_country", ["Ruritania"])
    change(planter, "too-long", "quotes", planter.pick(rows, 1, sent), "name", lambda name: f"{name} ".ljust(90, "n"))
    for quote in planter.pick(rows, 4, sent):
        line = company.maker.line(len(company.lines), quote, 8, None)
        company.add_line(line)
        planter.note("write-in-line", "quotedetails", line, "productid", "the quote is not F&O's alone: left out")
    _inactive(planter, rows, sent)
    for state, name in ((0, "draft"), (2, "won"), (3, "closed")):
        for quote in planter.pick(rows, 2, lambda q, state=state: q["statecode"] == state):  # type: ignore[misc]
            planter.note("not-active", "quotes", quote, "statecode", f"{name}: left out")


def _inactive(planter: Planter, rows: Sequence[Row], sent: Callable[[Row], bool]) -> None:
    accounts = {row["accountnumber"]: row for row in planter.company.accounts}
    for quote in planter.pick(rows, 2, lambda q: sent(q) and q["@customer"] in accounts):
        account = accounts[quote["@customer"]]
        account["statecode"], account["statuscode"] = 1, 2
        planter.note("inactive-account", "accounts", account, "statecode", f"active quote {quote['quotenumber']}")
        planter.note(
            "quote-of-inactive-account", "quotes", quote, "customerid", f"{account['accountnumber']} is inactive"
        )


def _lines(planter: Planter) -> None:
    company = planter.company
    written = {row["SalesQuotationNumber"] for row in company.quotations}
    touched = {quote["quotenumber"] for quote in company.quotes if id(quote) in planter.taken}
    good = {
        quote["quotenumber"]
        for quote in company.quotes
        if quote["statecode"] == 1 and quote["quotenumber"] not in written | touched and _external(planter, quote)
    }
    lines = company.lines

    def sent(line: Row) -> bool:
        return line["@quote"] in good

    put(planter, "bad-quantity", "quotedetails", planter.pick(lines, 2, sent), "quantity", [-2.0, -1.0])
    put(planter, "zero-quantity", "quotedetails", planter.pick(lines, 1, sent), "quantity", [0.0])
    put(planter, "unmapped-unit", "quotedetails", planter.pick(lines, 2, sent), "uomid", [PALLET, PALLET])


# -- products ------------------------------------------------------------------------------------------------------


def _products(planter: Planter) -> None:
    company = planter.company
    sold = {line.get("@product") for line in company.lines}
    known = {row["productnumber"] for row in company.products}

    def quiet(row: Row) -> bool:
        return row["ProductNumber"] not in sold and row["ProductNumber"] in known

    def new(row: Row) -> bool:
        return row["ProductNumber"] not in known

    for row in planter.pick(company.released, 1, quiet):
        number = f"0{str(row['ProductNumber'])[-4:]}"
        mirror = next(p for p in company.products if p["productnumber"] == row["ProductNumber"])
        planter.taken.add(id(mirror))
        row["ProductNumber"], mirror["productnumber"] = number, number.lstrip("0")
        planter.note("leading-zeros", "products", mirror, "productnumber", f"F&O has {number!r}")
    released = "SellableReleasedProducts"
    put(planter, "unmapped-unit", released, planter.pick(company.released, 2, new), "SalesUnitSymbol", ["pal", "pal"])
    put(planter, "zero-price", released, planter.pick(company.released, 2, new), "SalesPrice", [0.0, 0.0])
    mine = planter.pick(company.products, 8, lambda r: r["msdynce_ismaintainedexternally"] == 1)
    put(planter, "stale-price", "products", mine[:5], "price", [round(float(r["price"] or 0) * 0.9, 2) for r in mine])
    put(planter, "stale-text", "products", mine[5:], "description", ["Discontinued finish."] * 3)
    cents = planter.pick(company.products, 2, lambda r: r["msdynce_ismaintainedexternally"] == 1)
    put(planter, "rounding", "products", cents, "price", [round(float(r["price"] or 0) + 0.004, 3) for r in cents])
    for row in company.products:
        if not row["msdynce_ismaintainedexternally"]:
            planter.note("not-external", "products", row, "msdynce_ismaintainedexternally", "made in Sales")


def pallet_unit() -> Row:
    """A unit of Sales that no template maps."""
    return {"uomid": PALLET, "name": "Pallet", "quantity": 100.0, "baseuom": unit_guid("Each")}


SALES_STEPS = (_accounts, _contacts, _quotes, _lines, _products)
