"""Plans of updates that are easily taken for nothing: case, accents, a trailing blank, 0 and null, a time, a lookup.

And what the sandbox must hold after them, worked out here and read over plain HTTP: nothing of this comes from the code
that decides whether a write was carried out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from p2c_lib.mapping import Template
from p2c_lib.sandbox import process
from p2c_lib.session import Session
from tests.customers import FIXED, TEMPLATE, Customer, customers

__all__ = ["ACCOUNTS", "CUSTOMERS", "PLAIN", "SEQUENCES", "Subject", "ground", "held", "raw_rows", "wanted_of"]

FIRST = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
PARENTS = 5
TRIES = 200


def _template(title: str, source: tuple[str, str], destination: tuple[str, str], key: str, fields: str) -> Template:
    apps, names = ("sales", "finops"), fields.split()
    assert {source[0], destination[0]} == set(apps)
    return Template.model_validate(
        {
            "task": title,
            "title": f"{title} of a test",
            "source": {"app": source[0], "entity": source[1]},
            "destination": {"app": destination[0], "entity": destination[1]},
            "key": {"name": key},
            "fields": [{"from": "name", "to": name} for name in names],
        }
    )


@dataclass(frozen=True)
class Subject:
    """Rows of one entity set in two versions: ``rows`` makes them from a prefix, how many, and the version."""

    template: Template
    key: str
    rows: Callable[[str, int, int], list[dict[str, Any]]]
    stored: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]

    @property
    def app(self) -> str:
        return self.template.destination.app


# -- customers of F&O --------------------------------------------------------------------------------------------------


def _customers(prefix: str, count: int, version: int) -> list[dict[str, Any]]:
    return [_customer(f"{prefix}{n:06}", n, version == 2) for n in range(count)]


def _customer(account: str, n: int, new: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "CustomerAccount": account,
        "OrganizationName": f"Cafe {n} of the Corner",
        "AddressCity": f"City {n % 97}",
        "CreditLimit": Decimal(n % 1000) + Decimal("0.25"),
        "SalesMemo": f"memo of {n}",
        "AddressValidFrom": FIRST.replace(hour=12, minute=0) + timedelta(days=n % 300),
        **FIXED,
    }
    after: Sequence[dict[str, Any]] = (
        {"OrganizationName": f"Customer {n}", "CreditLimit": Decimal("7.5"), "SalesMemo": None},
        {"OrganizationName": f"CAFE {n} OF THE CORNER"},
        {"OrganizationName": f"Café {n} of the Corner"},
        {"SalesMemo": f"memo of {n}  "},
        {"CreditLimit": None},
        {"SalesMemo": None},
        {"AddressValidFrom": FIRST + timedelta(days=n % 300 + 1)},
        {"CreditLimit": Decimal(n % 1000) + Decimal("0.250001")},
    )
    return row | (after[n % len(after)] if new else {})


def _finops_stored(row: Mapping[str, Any], _ids: Mapping[str, str]) -> dict[str, Any]:
    """F&O trims on the right, knows no null, and keeps a day at noon."""
    numbers, days = {"CreditLimit", "Next"}, {"AddressValidFrom"}
    held: dict[str, Any] = {}
    for name, value in row.items():
        if name in numbers:
            held[name] = Decimal(0) if value is None else Decimal(value)
        elif isinstance(value, datetime):
            held[name] = f"{value:%Y-%m-%d}T12:00:00Z" if name in days else f"{value:%Y-%m-%dT%H:%M:%SZ}"
        else:
            held[name] = "" if value is None else value.rstrip()
    return held


PLAIN = Subject(
    TEMPLATE,
    "CustomerAccount",
    lambda prefix, count, version: [FIXED | row for row in customers(prefix, count, version)],
    _finops_stored,
)
CUSTOMERS = Subject(
    _template(
        "customers",
        ("sales", "accounts"),
        ("finops", "CustomersV2"),
        "CustomerAccount",
        f"CustomerAccount OrganizationName AddressCity CreditLimit SalesMemo AddressValidFrom {' '.join(FIXED)}",
    ),
    "CustomerAccount",
    _customers,
    _finops_stored,
)


# -- number sequences of F&O: the one set that has a time of day -------------------------------------------------------


def _sequences(prefix: str, count: int, version: int) -> list[dict[str, Any]]:
    return [_sequence(f"{prefix}{n:06}", n, version == 2) for n in range(count)]


def _sequence(code: str, n: int, new: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "NumberSequenceCode": code,
        "ScopeType": "DataArea",
        "ScopeValue": "usmf",
        "Name": f"sequence {n}",
        "Next": n + 1,
        "Manual": "Yes",
        "DateTime": FIRST + timedelta(days=n % 200),
    }
    after: Sequence[dict[str, Any]] = (
        {"DateTime": row["DateTime"].replace(hour=17, minute=5, second=9)},
        {"Next": None},
        {"Name": f"SEQUENCE {n}"},
        {"Manual": "No"},
    )
    return row | (after[n % len(after)] if new else {})


SEQUENCES = Subject(
    _template(
        "sequences",
        ("sales", "accounts"),
        ("finops", "SequenceV2Tables"),
        "NumberSequenceCode",
        "NumberSequenceCode ScopeType ScopeValue Name Next Manual DateTime",
    ),
    "NumberSequenceCode",
    _sequences,
    _finops_stored,
)


# -- accounts of Sales: null is a value there, and lookups are ---------------------------------------------------------

PARENT = "parentaccountid.accountnumber"


def _accounts(prefix: str, count: int, version: int) -> list[dict[str, Any]]:
    """The first few are the parents of others and never change."""
    return [_account(prefix, n, version == 2 and n >= PARENTS) for n in range(count)]


def _account(prefix: str, n: int, new: bool) -> dict[str, Any]:
    parents = [f"{prefix}{p:06}" for p in range(PARENTS)]
    row: dict[str, Any] = {
        "accountnumber": f"{prefix}{n:06}",
        "name": f"Cafe {n} of the Corner",
        "description": f"memo of {n}",
        "numberofemployees": None if n % 12 == 4 else n % 12 * 7 % 5 if n % 12 == 5 else n,
        "creditlimit": Decimal(n % 1000) + Decimal("0.25"),
        "donotemail": False,
        "lastonholdtime": FIRST + timedelta(days=n % 300),
        PARENT: parents[n % PARENTS] if n >= PARENTS and n % 12 != 9 else None,
    }
    after: Sequence[dict[str, Any]] = (
        {"name": f"Account {n}", "creditlimit": Decimal("7.5"), "description": None},
        {"name": f"CAFE {n} OF THE CORNER"},
        {"name": f"Café {n} of the Corner"},
        {"description": f"memo of {n} "},
        {"numberofemployees": 0},
        {"numberofemployees": None},
        {"lastonholdtime": row["lastonholdtime"].replace(hour=17, minute=5, second=9)},
        {PARENT: parents[(n + 1) % PARENTS]},
        {PARENT: None},
        {PARENT: parents[n % PARENTS]},
        {"donotemail": True},
        {"creditlimit": None},
    )
    return row | (after[n % len(after)] if new else {})


def _sales_stored(row: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Sales keeps null, and of a lookup the row it points to."""
    held: dict[str, Any] = {}
    for name, value in row.items():
        if name == PARENT:
            held["_parentaccountid_value"] = None if value is None else ids[value]
        elif isinstance(value, datetime):
            held[name] = f"{value:%Y-%m-%dT%H:%M:%SZ}"
        else:
            held[name] = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return held


ACCOUNTS = Subject(
    _template(
        "accounts",
        ("finops", "CustomersV2"),
        ("sales", "accounts"),
        "accountnumber",
        f"accountnumber name description numberofemployees creditlimit donotemail lastonholdtime {PARENT}",
    ),
    "accountnumber",
    _accounts,
    _sales_stored,
)


def ground(subject: Subject, prefix: str, count: int) -> list[list[dict[str, Any]]]:
    """The rows to be there before, in the order of plans: a lookup needs its row."""
    rows = subject.rows(prefix, count, 1)
    return [rows[:PARENTS], rows] if subject is ACCOUNTS else [rows]


# -- what is there -----------------------------------------------------------------------------------------------------


def raw_rows(session: Session, subject: Subject, prefix: str) -> list[dict[str, Any]]:
    """The rows of a prefix as the service's own JSON, read with nothing but an HTTP client and much patience."""
    running = process.find(session.workspace.sandbox_home)
    assert running is not None
    sales = subject.app == "sales"
    # Not a range: texts sort as words do, so a prefix that ends with a hyphen has no text that ends it.
    where = f"startswith({subject.key},'{prefix}')" if sales else f"{subject.key} eq '{prefix}*'"
    root = f"{running.sales_url}/api/data/v9.2" if sales else f"{running.finops_url}/data"
    options = {"$filter": where} | ({} if sales else {"cross-company": "true"})
    url: str | httpx.URL = httpx.URL(f"{root}/{subject.template.destination.entity}", params=options)
    rows: list[dict[str, Any]] = []
    with httpx.Client(headers={"Authorization": f"Bearer {running.token}"}) as client:
        while url:
            page = _page(client, url)
            rows += page["value"]
            url = page.get("@odata.nextLink", "")
    return rows


def _page(client: httpx.Client, url: str | httpx.URL) -> Any:
    for _ in range(TRIES):
        try:
            answer = client.get(url)
            if answer.status_code == 200:
                return json.loads(answer.content, parse_float=Decimal, parse_int=Decimal)
        except (httpx.HTTPError, ValueError):
            continue
        time.sleep(0.01)
    raise AssertionError(f"{url} cannot be read")


def wanted_of(subject: Subject, rows: Sequence[Customer], found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the service would hold once these rows are written; ``found`` tells the ids that lookups point to."""
    ids = {row[subject.key]: row["accountid"] for row in found} if subject.app == "sales" else {}
    return [subject.stored(row, ids) for row in rows]


def held(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], key: str) -> Iterator[str]:
    """Whatever is not exactly as wanted: rows that are missing, double or too many, and values that differ."""
    there: dict[str, Mapping[str, Any]] = {}
    for row in found:
        if row[key].lower() in there:
            yield f"{row[key]} stands twice"
        there[row[key].lower()] = row
    for row in wanted:
        is_there = there.pop(row[key].lower(), None)
        if is_there is None:
            yield f"{row[key]} is not there"
            continue
        for name, value in row.items():
            if is_there[name] != value or isinstance(is_there[name], bool) != isinstance(value, bool):
                yield f"{row[key]} holds {is_there[name]!r} in {name}, not {value!r}"
    yield from (f"{key} is there and should not be" for key in there)
