"""Every kind of trouble, planted on purpose in an otherwise clean company, and written down as it is planted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2c_lib.sandbox.references import (
    COMPANY,
    OTHER_COMPANY,
    Row,
    currency_guid,
    fixed_guid,
    price_list_guid,
    unit_guid,
)
from p2c_lib.sandbox.seed.company import Company, lines_of

PALLET = fixed_guid("uom", "Pallet")


@dataclass(frozen=True)
class Defect:
    """One planted fact: ``key`` is the row's business key, composite parts joined with ``|``."""

    kind: str
    system: str
    entity: str
    key: str
    column: str
    detail: str


@dataclass
class Planter:
    """Plants defects into rows that have none yet, and keeps the list of them."""

    company: Company
    planted: list[Defect] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    def pick(self, rows: Sequence[Row], count: int, fits: Callable[[Row], bool] = lambda _row: True) -> list[Row]:
        """The first ``count`` untouched rows that fit; fewer when there are not so many."""
        found = [row for row in rows if id(row) not in self.taken and fits(row)][:count]
        self.taken.update(id(row) for row in found)
        return found

    def note(self, kind: str, entity: str, row: Row, column: str, detail: str) -> None:
        system, keys = KEYS[entity]
        key = "|".join(_key_text(row.get(name)) for name in keys)
        self.planted.append(Defect(kind, system, entity, key, column, detail))


KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "accounts": ("sales", ("accountnumber",)),
    "contacts": ("sales", ("msdynce_contactnumber",)),
    "products": ("sales", ("productnumber",)),
    "quotes": ("sales", ("quotenumber",)),
    "quotedetails": ("sales", ("@quote", "sequencenumber")),
    "CustomersV2": ("finops", ("CustomerAccount",)),
    "CDSContactPersons": ("finops", ("ContactPersonPartyNumber", "AssociatedPartyNumber")),
    "SellableReleasedProducts": ("finops", ("ProductNumber",)),
    "CDSSalesQuotationHeaders": ("finops", ("SalesQuotationNumber",)),
    "CDSSalesQuotationLines": ("finops", ("SalesQuotationNumber", "LineCreationSequenceNumber")),
}


def _key_text(value: object) -> str:
    return "" if value is None else str(value)


def plant(company: Company) -> list[Defect]:
    """Plant everything once or a few times, whatever the company's size allows; answers what was planted."""
    planter = Planter(company)
    for step in (_accounts, _contacts, _quotes, _lines, _products, _customers, _persons, _quotations, _strangers):
        step(planter)
    return planter.planted


def _set(planter: Planter, kind: str, entity: str, rows: Sequence[Row], column: str, values: Sequence[object]) -> None:
    for row, value in zip(rows, values, strict=False):
        before, row[column] = row.get(column), value  # type: ignore[assignment]
        planter.note(kind, entity, row, column, f"{before!r} became {value!r}")


def _change(
    planter: Planter, kind: str, entity: str, rows: Sequence[Row], column: str, change: Callable[[str], object]
) -> None:
    _set(planter, kind, entity, rows, column, [change(str(row[column])) for row in rows])


# -- Sales: what the gate has to find ------------------------------------------------------------------------------


def _accounts(planter: Planter) -> None:
    fresh = {row["CustomerAccount"] for row in planter.company.customers}
    used = {quote["@customer"] for quote in planter.company.quotes}
    rows = planter.company.accounts

    def new(row: Row) -> bool:
        return row["accountnumber"] not in fresh and row["accountnumber"] not in used

    for row in planter.pick(rows, 1, new):
        planter.note("missing-key", "accounts", row, "accountnumber", f"{row['name']!r} has no account number")
        row["accountnumber"] = None
        planter.planted[-1] = Defect("missing-key", "sales", "accounts", "", "accountnumber", f"name {row['name']!r}")
    _set(
        planter,
        "bad-country",
        "accounts",
        planter.pick(rows, 2, new),
        "address1_country",
        ["Untied States", "Atlantis"],
    )
    for row in planter.pick(rows, 1, new):
        row["@currency"], row["exchangerate"] = "DEM", 1.8
        _set(planter, "unknown-currency", "accounts", [row], "transactioncurrencyid", [currency_guid("DEM")])
    long_names = planter.pick(rows, 2, new)
    _change(
        planter, "too-long", "accounts", long_names, "name", lambda name: f"{name} and Partners".ljust(112, "x")[:112]
    )
    _change(planter, "whitespace", "accounts", planter.pick(rows, 2, new), "name", lambda name: f"{name}  ")
    _change(planter, "lookalike", "accounts", planter.pick(rows, 2, new), "name", _lookalike)
    _set(
        planter, "implausible-email", "accounts", planter.pick(rows, 2, new), "emailaddress1", ["info(at)shop", "none"]
    )
    _set(planter, "implausible-phone", "accounts", planter.pick(rows, 2, new), "telephone1", ["ask reception", "000"])
    for first, second in zip(planter.pick(rows, 2), planter.pick(rows, 2, new), strict=False):
        _set(planter, "duplicate-name", "accounts", [second], "name", [first["name"]])


def _lookalike(name: str) -> str:
    """The name with Cyrillic letters that look Latin."""
    return name.translate(str.maketrans("aeo", "аео"))


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
    _set(planter, "bad-country", "contacts", bad, "address1_country", ["Deutschlnad", "n/a"])
    _set(planter, "bad-country", "contacts", planter.pick(rows, 1, buyer), "address1_country", ["Lilliput"])
    _set(
        planter, "implausible-email", "contacts", planter.pick(rows, 2, employed), "emailaddress1", ["nobody", "a@b@c"]
    )
    _set(planter, "implausible-phone", "contacts", planter.pick(rows, 1, employed), "telephone1", ["12"])
    _change(planter, "too-long", "contacts", planter.pick(rows, 1, employed), "lastname", lambda name: (name * 9)[:40])
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
        _set(planter, "unknown-currency", "quotes", [quote], "transactioncurrencyid", [currency_guid(code)])
    _set(planter, "bad-country", "quotes", planter.pick(rows, 1, sent), "shipto_country", ["Ruritania"])
    _change(planter, "too-long", "quotes", planter.pick(rows, 1, sent), "name", lambda name: f"{name} ".ljust(90, "n"))
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

    _set(planter, "bad-quantity", "quotedetails", planter.pick(lines, 2, sent), "quantity", [-2.0, -1.0])
    _set(planter, "zero-quantity", "quotedetails", planter.pick(lines, 1, sent), "quantity", [0.0])
    _set(planter, "unmapped-unit", "quotedetails", planter.pick(lines, 2, sent), "uomid", [PALLET, PALLET])


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
    _set(planter, "unmapped-unit", released, planter.pick(company.released, 2, new), "SalesUnitSymbol", ["pal", "pal"])
    _set(planter, "zero-price", released, planter.pick(company.released, 2, new), "SalesPrice", [0.0, 0.0])
    mine = planter.pick(company.products, 8, lambda r: r["msdynce_ismaintainedexternally"] == 1)
    _set(planter, "stale-price", "products", mine[:5], "price", [round(float(r["price"] or 0) * 0.9, 2) for r in mine])
    _set(planter, "stale-text", "products", mine[5:], "description", ["Discontinued finish."] * 3)
    cents = planter.pick(company.products, 2, lambda r: r["msdynce_ismaintainedexternally"] == 1)
    _set(planter, "rounding", "products", cents, "price", [round(float(r["price"] or 0) + 0.004, 3) for r in cents])
    for row in company.products:
        if not row["msdynce_ismaintainedexternally"]:
            planter.note("not-external", "products", row, "msdynce_ismaintainedexternally", "made in Sales")


# -- F&O: what reconciliation has to find --------------------------------------------------------------------------


def _customers(planter: Planter) -> None:
    rows = planter.company.customers

    def shop(row: Row) -> bool:
        return row["PartyType"] == "Organization"

    def at(land: str) -> Callable[[Row], bool]:
        return lambda row: shop(row) and row["AddressCountryRegionISOCode"] == land

    def of(count: int, fits: Callable[[Row], bool] = shop) -> list[Row]:
        return planter.pick(rows, count, fits)

    _change(planter, "whitespace", "CustomersV2", of(2), "OrganizationName", lambda t: t.replace(" ", "  ", 1))
    _change(planter, "case", "CustomersV2", of(3), "OrganizationName", str.upper)
    _change(planter, "unicode", "CustomersV2", of(2), "OrganizationName", _lookalike)
    _change(planter, "truncated", "CustomersV2", of(2), "OrganizationName", lambda t: t[:10].rstrip())
    _change(planter, "phone-format", "CustomersV2", of(3, at("USA")), "PrimaryContactPhone", _bracketed)
    zeros = of(2, lambda r: at("USA")(r))
    accounts = {a["accountnumber"]: a for a in planter.company.accounts}
    for row in zeros:
        code = f"0{str(row['AddressZipCode'])[1:]}"
        accounts[row["CustomerAccount"]]["address1_postalcode"] = code
        _set(planter, "leading-zeros", "CustomersV2", [row], "AddressZipCode", [code.lstrip("0")])
    rounded = of(2, lambda r: shop(r) and bool(r["CreditLimit"]))
    for row in rounded:
        accounts[row["CustomerAccount"]]["creditlimit"] = float(row["CreditLimit"] or 0) + 0.37
        planter.note("rounding", "CustomersV2", row, "CreditLimit", "the cents are missing")
    _set(planter, "default", "CustomersV2", of(2), "CustomerGroupId", ["20", "30"])
    _set(planter, "empty-vs-value", "CustomersV2", of(2), "PrimaryContactEmail", [None, None])
    _set(planter, "unmapped-value", "CustomersV2", of(2, at("DEU")), "AddressCountryRegionISOCode", ["DE", "DE"])
    _change(planter, "value", "CustomersV2", of(4), "AddressCity", lambda _t: "Springfield")
    people = of(2, lambda r: r["PartyType"] == "Person")
    _change(planter, "case", "CustomersV2", people, "PersonLastName", str.upper)


def _bracketed(phone: str) -> str:
    return f"({phone[:3]}) {phone[4:]}"


def _persons(planter: Planter) -> None:
    rows = planter.company.persons
    _change(planter, "value", "CDSContactPersons", planter.pick(rows, 3), "EmploymentProfession", lambda _t: "Trainee")
    _set(planter, "empty-vs-value", "CDSContactPersons", planter.pick(rows, 2), "PrimaryPhoneNumber", [None, None])
    _change(planter, "case", "CDSContactPersons", planter.pick(rows, 2), "PrimaryEmailAddress", str.upper)
    flags = planter.pick(rows, 2, lambda r: r["IsReceivingDirectMail"] == "Yes")
    _set(planter, "value", "CDSContactPersons", flags, "IsReceivingDirectMail", ["No", "No"])


def _quotations(planter: Planter) -> None:
    heads, lines = planter.company.quotations, planter.company.quotation_lines
    _change(
        planter, "value", "CDSSalesQuotationHeaders", planter.pick(heads, 2), "SalesQuotationName", lambda t: f"{t} B"
    )
    late = planter.pick(heads, 2)
    _change(planter, "day-shift", "CDSSalesQuotationHeaders", late, "RequestedShippingDate", _day_before)
    dear = planter.pick(lines, 2)
    prices = [round(float(row["SalesPrice"] or 0) + 5, 2) for row in dear]
    _set(planter, "value", "CDSSalesQuotationLines", dear, "SalesPrice", prices)


def _day_before(moment: str) -> str:
    from datetime import date, timedelta

    return f"{date.fromisoformat(moment[:10]) - timedelta(days=1)}{moment[10:]}"


def _strangers(planter: Planter) -> None:
    """Rows that only F&O has: ours, whose source was deleted; never ours; and those of another company."""
    company = planter.company
    if not company.customers:
        return
    model = company.customers[0]
    for index in range(3):
        number = company.maker.number("ACC", 90_000 + index)
        gone = {
            **model,
            "CustomerAccount": number,
            "PartyNumber": number,
            "OrganizationName": f"Closed Shop {index + 1}",
        }
        company.customers.append(gone)
        planter.note(
            "extra-deleted-at-source", "CustomersV2", gone, "CustomerAccount", "the account is gone from Sales"
        )
    for index in range(4):
        number = f"US-{index + 1:03d}"
        own = {**model, "CustomerAccount": number, "PartyNumber": number, "OrganizationName": f"Walk-in {index + 1}"}
        own |= {"IsExternallyMaintained": "No", "CustomerGroupId": "30"}
        company.customers.append(own)
        planter.note("extra-never-ours", "CustomersV2", own, "CustomerAccount", "made in F&O")
    for row in company.accounts[:5]:
        other = {**model, "CustomerAccount": row["accountnumber"], "PartyNumber": row["accountnumber"]}
        if row["accountnumber"]:
            twin = {**other, "dataAreaId": OTHER_COMPANY, "OrganizationName": "Of another company"}
            company.customers.append(twin)
            planter.note("other-company", "CustomersV2", twin, "dataAreaId", f"{OTHER_COMPANY} has the number too")
    lost = company.maker.own_product(90)
    lost |= {"productnumber": "OLD-0001", "name": "Retired in F&O", "msdynce_ismaintainedexternally": 1}
    company.products.append(lost)
    planter.note("extra-deleted-at-source", "products", lost, "productnumber", f"{COMPANY} no longer sells it")


def pallet_unit() -> Row:
    """A unit of Sales that no template maps."""
    return {"uomid": PALLET, "name": "Pallet", "quantity": 100.0, "baseuom": unit_guid("Each")}
