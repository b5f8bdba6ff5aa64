"""The whole made-up company in memory: both systems in agreement, before anything is spoilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle

from p2c_lib.sandbox.references import Row
from p2c_lib.sandbox.seed.finops import (
    contact_person,
    customer_of_account,
    customer_of_contact,
    quotation,
    quotation_line,
    released_product,
    sales_product,
)
from p2c_lib.sandbox.seed.pools import Pools
from p2c_lib.sandbox.seed.sales import Maker
from p2c_lib.sandbox.store import Value

_STATES = (1,) * 13 + (0,) * 3 + (2,) * 2 + (3,) * 2


@dataclass(frozen=True)
class Sizes:
    """How many rows of each; what is not given follows from ``accounts``, but never beyond what 3,000 would bring."""

    accounts: int
    contacts: int
    products: int
    quotes: int

    @classmethod
    def of(
        cls, accounts: int = 300, contacts: int | None = None, products: int | None = None, quotes: int | None = None
    ) -> Sizes:
        base = min(accounts, 3000)
        return cls(
            accounts,
            base * 2 if contacts is None else contacts,
            max(base * 2 // 3, 10) if products is None else products,
            base * 4 // 3 if quotes is None else quotes,
        )


@dataclass
class Company:
    """Rows by what they are: five sets of Sales, then five of F&O; ``by_quote`` are the lines of each quote."""

    maker: Maker
    pools: Pools
    accounts: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    quotes: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    persons: list[Row] = field(default_factory=list)
    released: list[Row] = field(default_factory=list)
    quotations: list[Row] = field(default_factory=list)
    quotation_lines: list[Row] = field(default_factory=list)
    by_quote: dict[Value, list[Row]] = field(default_factory=dict)

    def add_line(self, line: Row) -> None:
        """Add a line of a quote."""
        self.lines.append(line)
        self.by_quote.setdefault(line["quoteid"], []).append(line)


def build(maker: Maker, pools: Pools, sizes: Sizes) -> Company:
    """A company of that size; six tenths of its accounts are customers in F&O already."""
    company = Company(maker, pools)
    _products(company, sizes.products)
    company.accounts = [maker.account(index) for index in range(sizes.accounts)]
    company.customers = [customer_of_account(row, pools) for row in company.accounts[: sizes.accounts * 6 // 10]]
    _people(company, sizes.contacts)
    _quotes(company, sizes.quotes)
    _already_there(company)
    return company


def _products(company: Company, count: int) -> None:
    rng = company.maker.rng
    company.released = [released_product(index, rng) for index in range(count)]
    known = company.released[: count * 9 // 10]
    external = [sales_product(row, index, company.maker) for index, row in enumerate(known)]
    own = [company.maker.own_product(index) for index in range(min(6, count // 4))]
    company.products = [*external, *own]


def _people(company: Company, count: int) -> None:
    maker, accounts = company.maker, company.accounts
    for index in range(count):
        employer = accounts[index * 7 % len(accounts)] if accounts and index % 10 < 7 else None
        company.contacts.append(maker.contact(index, employer))


def _buyers(company: Company) -> list[Row]:
    """Contacts that have quotes: a quarter, some at an account and some on their own."""
    return [row for index, row in enumerate(company.contacts) if index % 4 == 3]


def _quotes(company: Company, count: int) -> None:
    maker, rng = company.maker, company.maker.rng
    buyers = _buyers(company)
    # The first product is never sold: its number can be spoilt without touching a line.
    products = [row for row in company.products if row["msdynce_ismaintainedexternally"]][1:]
    own = [row for row in company.products if not row["msdynce_ismaintainedexternally"]]
    turns = {True: cycle(buyers), False: cycle(company.accounts[::2] or company.accounts)}
    for index in range(count):
        customer = next(turns[bool(buyers) and index % 5 < 2])
        quote = maker.quote(index, customer, _STATES[index * 7 % len(_STATES)])
        company.quotes.append(quote)
        for sequence in range(1, rng.choice((1, 2, 3, 3, 4, 5)) + 1):
            company.add_line(maker.line(len(company.lines), quote, sequence, rng.choice(products)))
        if index % 9 == 4 and own:
            company.add_line(maker.line(len(company.lines), quote, 9, rng.choice(own)))


def _already_there(company: Company) -> None:
    """Contact persons, customers and quotations that an earlier run has written."""
    pools, released = company.pools, {row["ProductNumber"]: row for row in company.released}
    customers = {row["CustomerAccount"] for row in company.customers}
    bought = {quote["@customer"] for quote in company.quotes}
    for index, row in enumerate(company.contacts):
        if row["msdynce_contactnumber"] in bought:
            if index % 8 < 4:
                company.customers.append(customer_of_contact(row, pools))
        elif row["@account"] in customers and index % 3:
            company.persons.append(contact_person(row, pools))
    for index, quote in enumerate(company.quotes):
        if quote["statecode"] == 1 and quote["@customer"] in customers and index % 4 == 0:
            _write_quotation(company, quote, released)


def _write_quotation(company: Company, quote: Row, released: Mapping[Value, Row]) -> None:
    lines = lines_of(company, quote)
    if all(line.get("@product") in released for line in lines):
        made = [quotation_line(line, quote, released[line["@product"]]) for line in lines]
        company.quotations.append(quotation(quote, made, company.pools))
        company.quotation_lines += made


def lines_of(company: Company, quote: Row) -> list[Row]:
    """The lines of a quote."""
    return company.by_quote.get(quote["quoteid"], [])
