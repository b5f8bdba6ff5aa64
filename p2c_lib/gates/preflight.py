"""Preflight: what must be so in both systems before anything is sent, each as a named check with a remedy.

The conditions are those of the Prospect to cash templates' pages and of the Sales solution; a check looks at what the
services themselves say and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from p2c_lib.errors import NotAuthorised, P2CError, UnknownName
from p2c_lib.keys import fold
from p2c_lib.report import Report, Table
from p2c_lib.service_url import same_service

if TYPE_CHECKING:
    from p2c_lib.gates.ground import Ground
    from p2c_lib.mapping import Template
    from p2c_lib.session import Session

__all__ = ["Check", "Preflight", "preflight"]

Status: TypeAlias = Literal["ok", "warn", "fail", "unknown", "off"]
WORST = ("fail", "warn", "unknown", "off", "ok")


@dataclass(frozen=True)
class Check:
    """One condition: what was found, the evidence, and what to do when it does not hold.

    ``unknown`` means the service did not tell (no such column, no right to look); ``off`` that it was switched off.
    """

    name: str
    title: str
    status: Status
    evidence: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        return dict(vars(self))


@dataclass(frozen=True)
class Preflight:
    """All checks, the worst first. ``verdict`` is blocked when one fails, warn when one warns or could not tell."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        found = {check.status for check in self.checks}
        return "blocked" if "fail" in found else "warn" if found & {"warn", "unknown"} else "pass"

    @property
    def why(self) -> str:
        """Which checks do not hold, in one line."""
        told = [f"{c.name}: {c.evidence}" for c in self.checks if c.status in {"fail", "warn"}]
        off = [c.name for c in self.checks if c.status == "off"]
        held = sum(c.status == "ok" for c in self.checks)
        words = [f"{held} of {len(self.checks)} checks hold.", *(f"{t}." for t in told)]
        return " ".join([*words, f"Switched off: {', '.join(off)}."] if off else words)

    def check(self, name: str) -> Check:
        """The check of that name. Raises UnknownName."""
        found = next((c for c in self.checks if c.name == name), None)
        if found is None:
            raise UnknownName("check", name, CHECKS)
        return found

    def report(self) -> Report:
        rows = tuple((c.status, c.name, c.evidence, c.remedy if c.status != "ok" else "") for c in self.checks)
        table = Table(("status", "check", "finding", "what to do"), rows, "Checks")
        return Report("Preflight", self.verdict, self.why, (table,))

    def to_dict(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "why": self.why, "checks": [c.to_dict() for c in self.checks]}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"Preflight({self.verdict}: {self.why})"


def preflight(session: Session, templates: Sequence[Template], *, off: Iterable[str] = ()) -> Preflight:
    """Check every condition of these templates in both systems of a session; ``off`` names checks to leave out.

    Raises UnknownName for a check there is not; a check that cannot look says so and stops nothing.
    """
    from p2c_lib.gates.ground import Ground

    switched_off = set(off)
    for name in switched_off:
        if name not in CHECKS:
            raise UnknownName("check", name, CHECKS)
    ground = Ground(session, tuple(templates))
    made = [_off(name) if name in switched_off else _looked(name, ground) for name in CHECKS]
    return Preflight(tuple(sorted(made, key=lambda check: WORST.index(check.status))))


def _off(name: str) -> Check:
    return Check(name, CHECKS[name][0], "off", "switched off", CHECKS[name][1])


def _looked(name: str, ground: Ground) -> Check:
    title, remedy, look = CHECKS[name]
    try:
        status, evidence = look(ground)
    except NotAuthorised as error:
        status, evidence = "unknown", f"the application user may not look: {error.message}"
    except P2CError as error:
        status, evidence = "unknown", error.message
    return Check(name, title, status, evidence, remedy)


Found: TypeAlias = tuple[Status, str]


def _two_systems(ground: Ground) -> Found:
    sales, finops = (client.identity() for client in (ground.session.sales, ground.session.finops))
    if same_service(sales.url, finops.url):
        return "fail", f"both connections lead to {sales.url}"
    return "ok", f"Sales is {sales.url}, F&O is {finops.url}"


def _rights(ground: Ground) -> Found:
    refused = []
    for app, entity in ground.sets:
        try:
            ground.readable(app, entity)
        except NotAuthorised:
            refused.append(f"{app} {entity}")
    return ("fail", f"may not read {', '.join(refused)}") if refused else ("ok", f"reads {len(ground.sets)} sets")


def _company(ground: Ground) -> Found:
    company = ground.session.company
    if ground.knows("finops", "LegalEntities.LegalEntityId", company):
        return "ok", f"company {company} exists"
    known = ground.values("finops", "LegalEntities", "LegalEntityId")
    return "fail", f"company {company} is none of {', '.join(sorted(known)) or 'none'}"


def _products(ground: Ground) -> Found:
    count = len(ground.values("finops", "SellableReleasedProducts", "ProductNumber"))
    return ("ok", f"{count:,} products can be sold") if count else ("warn", "F&O shows no product that can be sold")


def _price_lists(ground: Ground) -> Found:
    currencies = ground.values("finops", "SellableReleasedProducts", "CurrencyCode")
    lists = ground.rows(
        "sales", "pricelevels", ("transactioncurrencyid.isocurrencycode", "statecode", "begindate", "enddate")
    )
    valid = {
        row["transactioncurrencyid.isocurrencycode"] for row in lists if row["statecode"] == 0 and _now_within(row)
    }
    lacking = sorted(currencies - valid)
    if lacking:
        return "fail", f"no valid price list for {', '.join(lacking)}"
    return "ok", f"price lists for {', '.join(sorted(currencies)) or 'no currency: there are no products'}"


def _now_within(row: Mapping[str, Any]) -> bool:
    today = datetime.now(UTC).date()
    begin, end = (getattr(row[c], "date", lambda at=row[c]: at)() for c in ("begindate", "enddate"))
    return (begin is None or begin <= today) and (end is None or today <= end)


def _default_exists(*references: str) -> Any:
    """A check that the templates' defaults for these reference columns exist at their destination."""

    def look(ground: Ground) -> Found:
        wanted = ground.defaults(references)
        lacking = sorted(f"{value} ({name})" for app, name, value in wanted if not ground.knows(app, name, value))
        if lacking:
            return "fail", f"does not exist: {', '.join(lacking)}"
        values = sorted({value for _, _, value in wanted})
        return "ok", f"exists: {', '.join(values)}" if values else "no template uses a default here"

    return look


def _units(ground: Ground) -> Found:
    counts = {"Sales": len(ground.values("sales", "uoms", "name"))}
    counts["F&O"] = len(ground.values("finops", "UnitsOfMeasure", "UnitSymbol"))
    empty = [name for name, number in counts.items() if not number]
    told = ", ".join(f"{name} has {number}" for name, number in counts.items())
    return ("fail", f"no units in {' and '.join(empty)}") if empty else ("ok", f"{told} units")


def _manual_numbers(ground: Ground) -> Found:
    company = ground.session.company
    references = ground.rows(
        "finops", "NumberSequencesV2References", ("DataTypeName", "NumberSequenceCode", "ScopeType", "ScopeValue")
    )
    codes = {
        fold(r["NumberSequenceCode"], "finops")
        for r in references
        if r["DataTypeName"] == "SalesQuotationId" and _same(r["ScopeValue"] or company, company)
    }
    if not codes:
        return "fail", f"company {ground.session.company} has no number sequence for sales quotations"
    sequences = ground.rows("finops", "SequenceV2Tables", ("NumberSequenceCode", "ScopeType", "ScopeValue", "Manual"))
    automatic = sorted(
        s["NumberSequenceCode"]
        for s in sequences
        if fold(s["NumberSequenceCode"], "finops") in codes
        and _same(s["ScopeValue"] or company, company)
        and s["Manual"] != "Yes"
    )
    if automatic:
        return "fail", f"sequence {', '.join(automatic)} gives quotation numbers by itself"
    named = sorted(r["NumberSequenceCode"] for r in references if fold(r["NumberSequenceCode"], "finops") in codes)
    return "ok", f"sequence {', '.join(dict.fromkeys(named))} takes the numbers of Sales"


def _same(code: str, other: str) -> bool:
    """Whether F&O takes two codes for one."""
    return fold(code, "finops") == fold(other, "finops")


def _delivery_date_control(ground: Ground) -> Found:
    found = ground.values("finops", "AccountsReceivableParameters", "DeliveryDateControlType")
    return (
        ("ok", "delivery date control is None") if found <= {"None"} else ("fail", f"it is {', '.join(sorted(found))}")
    )


def _organization(column: str, wanted: str, problem: Status, said: str) -> Any:
    """A check of a column of the Sales organisation."""

    def look(ground: Ground) -> Found:
        schema = ground.session.sales.schema("organizations")
        if not schema.has(column):
            return "unknown", f"this organisation has no column {column}"
        found = ground.values("sales", "organizations", column)
        if not found:
            return "unknown", f"this organisation says nothing in {column}"
        return ("ok", f"{column} is {wanted}") if found == {wanted} else (problem, said)

    return look


def _alternate_keys(ground: Ground) -> Found:
    lacking = []
    for entity, column in KEYED.items():
        schema = ground.session.sales.schema(entity)
        if (column,) not in schema.alternate_keys.values():
            lacking.append(f"{entity} by {column}")
    return (
        ("fail", f"no active key of {', '.join(lacking)}")
        if lacking
        else ("ok", f"keys of {', '.join(KEYED)} are active")
    )


KEYED = {
    "accounts": "accountnumber",
    "contacts": "msdynce_contactnumber",
    "products": "productnumber",
    "quotes": "quotenumber",
}


def _change_tracking(ground: Ground) -> Found:
    without = [e for e in (*KEYED, "quotedetails") if not ground.session.sales.schema(e).change_tracking]
    return ("warn", f"off for {', '.join(without)}") if without else ("ok", "on for every set that is read")


def _number_ranges(ground: Ground) -> Found:
    customers = ground.rows("finops", "CustomersV2", ("CustomerAccount", "IsExternallyMaintained"))
    own = {fold(r["CustomerAccount"], "finops") for r in customers if r["IsExternallyMaintained"] != "Yes"}
    both = sorted(own & {fold(v, "finops") for v in ground.values("sales", "accounts", "accountnumber")})
    if both:
        return "fail", f"{len(both):,} customers made in F&O have the number of an account, such as {both[0]}"
    return "ok", f"none of F&O's own {len(own):,} customers has the number of an account"


# name: what must be so, what to do when it is not, and how to look.
CHECKS: Mapping[str, tuple[str, str, Any]] = {
    "two-systems": ("Source and destination are two systems", "Correct the addresses in p2c.toml.", _two_systems),
    "rights": (
        "The application user may read every set",
        "Give the application user (Sales) and the registered application (F&O) a role that reads these tables.",
        _rights,
    ),
    "company": ("The company exists in F&O", "Set the company of the connection set to a legal entity's id.", _company),
    "sellable-products": (
        "F&O shows products that can be sold",
        "Run the job 'Populate distinct product table' once in F&O, and release products to the company.",
        _products,
    ),
    "price-lists": (
        "Sales has a valid price list for each product currency",
        "Create an active price list in that currency in Sales: its products cannot be synchronised without.",
        _price_lists,
    ),
    "unit-group": (
        "The unit group of new products exists in Sales",
        "Create the unit group in Sales or change the default in the products template.",
        _default_exists("uomschedules.name"),
    ),
    "units": ("Both systems have units", "Create the units in the system that has none.", _units),
    "customer-group": (
        "The customer group of new customers exists in F&O",
        "Create the group in the company or change the default in the templates.",
        _default_exists("CustomerGroups.CustomerGroupId"),
    ),
    "site-and-warehouse": (
        "Site and warehouse of new customers exist in F&O",
        "Create them in the company or change the defaults in the accounts template.",
        _default_exists("OperationalSites.SiteId", "Warehouses.WarehouseId"),
    ),
    "language": (
        "The language of new customers exists in F&O",
        "Install the language or change the default in the templates.",
        _default_exists("LanguageCodes.LanguageCodeId"),
    ),
    "default-country": (
        "The country used where an address has none exists in F&O",
        "Create the country in F&O or change the default in the templates.",
        _default_exists("AddressCountryRegions.CountryRegion", "AddressCountryRegions.ISOcode"),
    ),
    "manual-quotation-numbers": (
        "F&O takes quotation numbers from Sales",
        "Set the number sequence of sales quotations to Manual (Sales and marketing parameters, Number sequences).",
        _manual_numbers,
    ),
    "delivery-date-control": (
        "F&O does not calculate delivery dates of its own",
        "Set Delivery date control to None (Accounts receivable parameters, Shipments).",
        _delivery_date_control,
    ),
    "system-pricing": (
        "Sales calculates prices by its own system pricing",
        "Set 'Use system pricing calculation system' to Yes in the Sales settings.",
        _organization("oobpricecalculationenabled", "true", "fail", "system pricing is off"),
    ),
    "discount-method": (
        "Sales calculates discounts per line",
        "Set 'Discount calculation method' to Line item in the Sales settings.",
        _organization("discountcalculationmethod", "0", "fail", "discounts are calculated per unit"),
    ),
    "active-products": (
        "Sales creates products in active state",
        "Set 'Create products in active state' to Yes; else publish new products before they are put on a quote.",
        _organization("createproductswithoutparentinactivestate", "true", "warn", "new products come as drafts"),
    ),
    "alternate-keys": (
        "Sales rows can be addressed by their business keys",
        "Activate the alternate keys of these tables in Sales.",
        _alternate_keys,
    ),
    "change-tracking": (
        "Sales can tell what changed",
        "Switch change tracking on for these tables; until then every run reads everything.",
        _change_tracking,
    ),
    "number-ranges": (
        "Numbers given in Sales and in F&O do not meet",
        "Give the two systems number ranges that do not overlap, and renumber these customers.",
        _number_ranges,
    ),
}
