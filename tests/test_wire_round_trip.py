"""Random rows through client and sandbox and back: what is held afterwards is exactly what the service would hold.

What is held is told twice: by plain JSON from the service, which no code of the client touches, and by the client. What
should be held is worked out here, from what the services are known to do with a value, by code of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from itertools import cycle
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.odata import Client, Query, Write
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import TOKEN, AppTransport

EXAMPLES = 30
HOST = "http://127.0.0.1"
BULK = 24  # rows beyond which the client takes a bulk message
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
# Letters that fold, expand, combine or take two code units; blanks of several kinds inside a text.
STRANGE = "äÄßẞéÉıİſǅﬁΩςΣдЖはハﾊ한א\u0301\u00a0\u2003\U0001f600\U00010400𝒳"

blanks = st.sampled_from(["", "", " ", "  "])
key_texts = st.tuples(blanks, st.text(st.sampled_from(PRINTABLE + "éÉßΩ"), max_size=6)).map("".join)
# What stands after the number that makes a key one of its own; blanks there count for nothing.
key_ends = st.tuples(st.text(st.sampled_from(PRINTABLE + "éΩ"), max_size=3), blanks).map("".join)
texts = st.text(st.sampled_from(PRINTABLE + STRANGE + "\t\n"), max_size=12) | st.sampled_from(
    [
        "",
        " ",
        "  x",
        "x  ",
        "0",
        "null",
        "4711E25",
        "1900-01-01",
        "=1+1",
        '"',
        "'",
        "''",
        "\\",
        "\\u0041",
        "%27",
        "a\r\nb",
    ]
)
days = st.dates(date(1900, 1, 2), date(2154, 12, 31))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 3), datetime(2150, 1, 1), timezones=zones | st.just(UTC))


def decimals(places: int, whole: int) -> st.SearchStrategy[Decimal]:
    """Amounts from nothing to so many digits, with up to so many places, many of them at a place's edge."""
    least = Decimal(1).scaleb(-places)
    some = st.decimals(0, Decimal(10) ** whole, places=places, allow_nan=False, allow_infinity=False)
    return some | st.sampled_from([Decimal(0), least, 5 * least, Decimal("33.3333333333333").quantize(least)])


@dataclass(frozen=True, repr=False)
class System:
    """One system with a customer's columns in its words: how each is made up, and what becomes of its value."""

    client: Client
    plain: httpx.Client
    entity_set: str
    key: str
    company: Mapping[str, object]
    needed: Mapping[str, object]
    values: Mapping[str, st.SearchStrategy[Any]]
    held: Mapping[str, Callable[[Any], Any]]
    nothing: Mapping[str, Any]
    wires: Mapping[str, str]

    def writes(self, op: Any, rows: Mapping[str, Mapping[str, Any]]) -> list[Write]:
        """One write a row, which goes by its key."""
        if op == "create":
            whole = [{**self.company, **self.needed, self.key: key, **_given(row)} for key, row in rows.items()]
            return [Write(op, self.entity_set, None, each) for each in whole]
        return [Write(op, self.entity_set, {**self.company, self.key: key}, row) for key, row in rows.items()]

    def told(self) -> dict[str, dict[str, Any]]:
        """Every row as the service's own JSON has it, by key."""
        found: dict[str, dict[str, Any]] = {}
        url: str | None = f"{self.entity_set}?cross-company=true" if self.company else self.entity_set
        while url:
            answer = self.plain.get(url)
            assert answer.status_code == 200, answer.text
            page = json.loads(answer.content, parse_float=Decimal)
            found |= {row[self.key]: row for row in page["value"]}
            url = page.get("@odata.nextLink")
        return found

    def read(self) -> dict[str, dict[str, Any]]:
        """Every row as the client gives it, by key."""
        columns = (self.key, *self.values)
        pages = list(
            self.client.read(Query(self.entity_set, columns, company=str(self.company.get("dataAreaId", "")) or None))
        )
        return {row[self.key]: row for page in pages for row in page.table.to_pylist()}

    def clear(self) -> None:
        """Delete every row by its key, and see that it is gone."""
        left = self.writes("delete", {key: {} for key in self.told()})
        refused = [result.error for result in self.client.write(left) if not result.ok]
        assert refused == []
        assert self.told() == {}


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def to_the_second(value: datetime) -> datetime:
    """A moment as Dataverse keeps it."""
    return value.astimezone(UTC).replace(microsecond=0)


def kept_to(places: int) -> Callable[[Decimal], Decimal]:
    """A number kept to so many places, half away from zero."""
    return lambda value: value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def text_or_nothing(value: str) -> str | None:
    """A text as Dataverse keeps it: an empty one is none."""
    return value or None


def trimmed(value: str) -> str | None:
    """A text as F&O keeps it: without blanks at its end, an empty one told as none by the client."""
    return value.rstrip(" ") or None


def same(value: Any) -> Any:
    """A value that is kept as it is."""
    return value


def sales_system(client: Client, plain: httpx.Client) -> System:
    """Accounts of Sales."""
    currency = plain.get("transactioncurrencies?$filter=isocurrencycode eq 'EUR'").json()["value"][0]
    choices = "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='new_interests')"
    kind = "Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata"
    options = plain.get(f"{choices}/{kind}?$select=LogicalName&$expand=OptionSet").json()["OptionSet"]["Options"]
    interests = [option["Value"] for option in options]
    parents = [f"/systemusers({row['systemuserid']})" for row in plain.get("systemusers").json()["value"]]
    return System(
        client,
        plain,
        "accounts",
        "accountnumber",
        {},
        {"name": "Round trip", "transactioncurrencyid": f"/transactioncurrencies({currency['transactioncurrencyid']})"},
        {
            "description": st.none() | texts,
            "address1_city": st.none() | texts,
            "creditlimit": st.none() | decimals(10, 11),
            "numberofemployees": st.none() | st.integers(0, 10**9),
            "creditonhold": st.booleans(),  # a new account has one in any case
            "lastonholdtime": st.none() | moments,
            "new_interests": st.none() | st.lists(st.sampled_from(interests), min_size=1, max_size=5),
            "preferredsystemuserid": st.none() | st.sampled_from(parents),
        },
        {
            "description": text_or_nothing,
            "address1_city": text_or_nothing,
            "creditlimit": kept_to(currency["currencyprecision"]),
            "lastonholdtime": to_the_second,
            "new_interests": lambda values: ",".join(map(str, sorted(set(values)))),
            "preferredsystemuserid": lambda path: path[-37:-1],
        },
        {},
        {"preferredsystemuserid": "_preferredsystemuserid_value"},
    )


def finops_system(client: Client, plain: httpx.Client) -> System:
    """Customers of F&O."""
    return System(
        client,
        plain,
        "CustomersV2",
        "CustomerAccount",
        {"dataAreaId": "usmf"},
        {"CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": "Round trip"},
        {
            "SalesMemo": st.none() | texts,
            "NameAlias": st.none() | texts,
            "CreditLimit": st.none() | decimals(16, 15),
            "AddressLatitude": st.none() | decimals(16, 2),
            "OrganizationNumberOfEmployees": st.none() | st.integers(0, 2**31 - 1),
            "IsFinalUser": st.none() | st.booleans(),
            "AddressValidTo": st.none() | days,
        },
        {
            "SalesMemo": trimmed,
            "NameAlias": trimmed,
            "IsFinalUser": lambda value: "Yes" if value else "No",
        },
        {"CreditLimit": 0, "AddressLatitude": 0, "OrganizationNumberOfEmployees": 0, "IsFinalUser": "No"},
        {},
    )


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Mapping[str, System]]:
    """Both systems over one store of reference rows, each with a client of the workbench and a plain one."""
    with open_store(tmp_path_factory.mktemp("round-trip")) as store, ExitStack() as closing:
        with store.write():
            add_references(store, currencies=["USD", "EUR"])
        organisation = Organisation(store, SalesSwitches(protection=False))
        apps: dict[Any, Any] = {
            "sales": sales_app(organisation, Tokens(TOKEN)),
            "finops": finops_app(store, Tokens(TOKEN)),
        }
        made = {}
        for name, app in apps.items():
            transport, root = AppTransport(app, portal), "/api/data/v9.2/" if name == "sales" else "/data/"
            at = Connection(name, name, HOST, "tester", Secret.literal(TOKEN), token_url=f"{HOST}/t/oauth2/v2.0/token")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            plain = closing.enter_context(httpx.Client(transport=transport, base_url=f"{HOST}{root}", headers=headers))
            client = closing.enter_context(Client(at, transport=transport))
            made[name] = (sales_system if name == "sales" else finops_system)(client, plain)
        yield made


def rows_of(draw: st.DrawFn, system: System, count: int) -> dict[str, dict[str, Any]]:
    """So many rows with keys of their own, some values of each left empty; a few rows are drawn, the others repeat."""
    made = [{name: draw(values) for name, values in system.values.items()} for _ in range(min(count, 3))]
    names = [(draw(key_texts), draw(key_ends)) for _ in range(min(count, 6))]
    keys = [f"{begin}{at:04}{end}" for at, (begin, end) in zip(range(count), cycle(names), strict=False)]
    return {key: made[at % len(made)] for at, key in enumerate(keys)}


def expected(system: System, row: Mapping[str, Any]) -> dict[str, Any]:
    """What the client has to tell of a row that was written."""
    return {
        name: system.nothing.get(name) if value is None else system.held.get(name, same)(value)
        for name, value in row.items()
    }


def as_json(system: System, name: str, value: Any) -> Any:
    """What the service's own JSON has to say of a value the client tells."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return f"{value.isoformat()}T12:00:00Z"  # a day of F&O
    if value is None and system.company:
        return "1900-01-01T12:00:00Z" if name.startswith("AddressValid") else ""
    return value


def check(system: System, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Hold what stands there to what should, by both ways of asking."""
    told, read = system.told(), system.read()
    if system.company:  # F&O takes blanks off the end
        rows = {key.rstrip(" "): row for key, row in rows.items()}
    assert sorted(told) == sorted(rows)
    assert sorted(read) == sorted(rows)
    for key, row in rows.items():
        wanted = expected(system, row)
        assert {name: read[key][name] for name in wanted} == wanted
        as_told = {name: as_json(system, name, value) for name, value in wanted.items()}
        assert {name: told[key][system.wires.get(name, name)] for name in wanted} == as_told


def write(system: System, op: Any, rows: Mapping[str, Mapping[str, Any]], route: str) -> None:
    """Write the rows by a route; every one must be taken."""
    writes = system.writes(op, rows)
    results = [system.client.write([each])[0] for each in writes] if route == "alone" else system.client.write(writes)
    assert [str(result.error) for result in results if not result.ok] == []


@pytest.mark.parametrize(("route", "count"), [("alone", 2), ("batch", 6), ("bulk", BULK)])
@pytest.mark.parametrize("app", ["sales", "finops"])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_is_what_is_held(
    systems: Mapping[str, System], app: str, route: str, count: int, data: st.DataObject
) -> None:
    system = systems[app]
    rows = data.draw(st.composite(rows_of)(system, count))
    later = data.draw(st.composite(rows_of)(system, count))
    try:
        write(system, "create", rows, route)
        check(system, rows)
        changed = dict(zip(rows, later.values(), strict=True))
        write(system, "update", changed, route)
        check(system, changed)
    finally:
        system.clear()
