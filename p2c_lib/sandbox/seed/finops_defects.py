"""What is planted in F&O: what reconciliation has to find."""

from __future__ import annotations

from collections.abc import Callable

from p2c_lib.sandbox.references import (
    COMPANY,
    OTHER_COMPANY,
    Row,
)
from p2c_lib.sandbox.seed.planter import Planter, change, lookalike, put


def _customers(planter: Planter) -> None:
    rows = planter.company.customers

    def shop(row: Row) -> bool:
        return row["PartyType"] == "Organization"

    def at(land: str) -> Callable[[Row], bool]:
        return lambda row: shop(row) and row["AddressCountryRegionISOCode"] == land

    def of(count: int, fits: Callable[[Row], bool] = shop) -> list[Row]:
        return planter.pick(rows, count, fits)

    change(planter, "whitespace", "CustomersV2", of(2), "OrganizationName", lambda t: t.replace(" ", "  ", 1))
    change(planter, "case", "CustomersV2", of(3), "OrganizationName", str.upper)
    change(planter, "unicode", "CustomersV2", of(2), "OrganizationName", lookalike)
    change(planter, "truncated", "CustomersV2", of(2), "OrganizationName", lambda t: t[:10].rstrip())
    change(planter, "phone-format", "CustomersV2", of(3, at("USA")), "PrimaryContactPhone", _bracketed)
    zeros = of(2, lambda r: at("USA")(r))
    accounts = {a["accountnumber"]: a for a in planter.company.accounts}
    for row in zeros:
        code = f"0{str(row['AddressZipCode'])[1:]}"
        accounts[row["CustomerAccount"]]["address1_postalcode"] = code
        put(planter, "leading-zeros", "CustomersV2", [row], "AddressZipCode", [code.lstrip("0")])
    rounded = of(2, lambda r: shop(r) and bool(r["CreditLimit"]))
    for row in rounded:
        accounts[row["CustomerAccount"]]["creditlimit"] = float(row["CreditLimit"] or 0) + 0.37
        planter.note("rounding", "CustomersV2", row, "CreditLimit", "the cents are missing")
    put(planter, "default", "CustomersV2", of(2), "CustomerGroupId", ["20", "30"])
    put(planter, "empty-vs-value", "CustomersV2", of(2), "PrimaryContactEmail", [None, None])
    put(planter, "unmapped-value", "CustomersV2", of(2, at("DEU")), "AddressCountryRegionISOCode", ["DE", "DE"])
    change(planter, "value", "CustomersV2", of(4), "AddressCity", lambda _t: "Springfield")
    people = of(2, lambda r: r["PartyType"] == "Person")
    change(planter, "case", "CustomersV2", people, "PersonLastName", str.upper)


def _bracketed(phone: str) -> str:
    return f"({phone[:3]}) {phone[4:]}"


def _persons(planter: Planter) -> None:
    rows = planter.company.persons
    change(planter, "value", "CDSContactPersons", planter.pick(rows, 3), "EmploymentProfession", lambda _t: "Trainee")
    put(planter, "empty-vs-value", "CDSContactPersons", planter.pick(rows, 2), "PrimaryPhoneNumber", [None, None])
    change(planter, "case", "CDSContactPersons", planter.pick(rows, 2), "PrimaryEmailAddress", str.upper)
    flags = planter.pick(rows, 2, lambda r: r["IsReceivingDirectMail"] == "Yes")
    put(planter, "value", "CDSContactPersons", flags, "IsReceivingDirectMail", ["No", "No"])


def _quotations(planter: Planter) -> None:
    heads, lines = planter.company.quotations, planter.company.quotation_lines
    change(
        planter, "value", "CDSSalesQuotationHeaders", planter.pick(heads, 2), "SalesQuotationName", lambda t: f"{t} B"
    )
    late = planter.pick(heads, 2)
    change(planter, "day-shift", "CDSSalesQuotationHeaders", late, "RequestedShippingDate", _day_before)
    dear = planter.pick(lines, 2)
    prices = [round(float(row["SalesPrice"] or 0) + 5, 2) for row in dear]
    put(planter, "value", "CDSSalesQuotationLines", dear, "SalesPrice", prices)


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


FINOPS_STEPS = (_customers, _persons, _quotations, _strangers)
