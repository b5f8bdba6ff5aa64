"""The reader of templates' filters and both services agree: what one takes the other takes, word by word.

They share no code and meet over HTTP alone. ``P2C_FUZZ_CASES`` asks for more cases, ``P2C_FUZZ_SEED`` for others.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.mapping.filters import columns_in_filter
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import FINOPS_URL, SALES_URL, TOKEN, AppTransport

SEED = os.environ.get("P2C_FUZZ_SEED", "1")
CASES = int(os.environ.get("P2C_FUZZ_CASES", "1000"))
CRM = "Microsoft.Dynamics.CRM."
GUID = "11111111-2222-4333-8444-555555555555"
NO_YES = "Microsoft.Dynamics.DataEntities.NoYes"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "sales": {
        "name": "text", "accountnumber": "text", "primarycontactid/fullname": "text", "revenue": "number",
        "numberofemployees": "number", "statecode": "number", "createdon": "moment", "donotemail": "bool",
        "accountid": "guid", "_primarycontactid_value": "guid", "parentaccountid/revenue": "number",
    },
    "finops": {
        "CustomerAccount": "text", "OrganizationName": "text", "CreditLimit": "number",
        "PersonAnniversaryYear": "number", "AddressValidTo": "moment", "IsFuelSurchargeApplied": "choice",
    },
}  # fmt: skip
VALUES: Mapping[str, Sequence[str]] = {
    "text": ("'a'", "''", "'O''Neil'", "'%_['", "'a*'", "'('", "'eq 1'", "null"),
    "number": ("0", "-1", "+2", "1L", "1.5", "1.5m", "-1.5e9", "1e2", "9" * 19, "null"),
    "moment": ("2026-01-31T00:00:00Z", "2026-01-31T10:00", "2026-01-31T00:00:00+02:00", "2026-01-31", "null"),
    "bool": ("true", "false", "null"),
    "guid": (GUID, f"'{GUID}'", "null"),
    "choice": (f"{NO_YES}'Yes'", f"{NO_YES}'No'"),
}
# What a damaged filter is damaged with.
WORDS = (
    "and", "or", "not", "eq", "ne", "gt", "in", "has", "add", "sub", "mul", "div", "mod", "(", ")", ",", "/", ":", "=",
    "[", "]", "'a'", "1", "1.5m", "1L", "5m", ".5", "1.", "INF", "NaN", "null", "true", "Edm.String", "@p", "$count",
    GUID, "2026-01-31", "2026-02-30", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+14:00", '"a"', "['a']", '["a",1]',
    f"{NO_YES}'Yes'", "length(", "contains(", "startswith(", "cast(", "any(", "x", "x/", "quote_customer_accounts/any(",
    f"{CRM}In(", f"{CRM}Today(", "PropertyName=", "'name'", "PropertyValue=", "PropertyValues=", "'", "-", "#",
    "contact_customer_accounts/any()", "name", "name eq", "not (", ") or (", "CreditLimit", "eq eq",
)  # fmt: skip
# What only the type of a column tells: the reader has no types, and the service says which of them do not fit.
TYPES = re.compile(
    r"Could not find a property|incompatible types|is not a value for|needs a date column|No function signature|"
    r"needs a column of several choices|must evaluate to a single boolean|needs the key of a table|is not a member of"
)
# A column alone is a condition where it is a truth value, which only the service knows; an alias without a value is
# null to the service, and a mistake in a template.
STRICTER = ("eq, ne, gt, ge, lt or le is expected", "is a parameter; templates have values only")


class Filters:
    """Filters of one system at random; the same seed draws the same."""

    def __init__(self, system: str, number: int) -> None:
        self.system = system
        self.random = random.Random(f"{system}/{SEED}/{number}")

    def of(self, words: Sequence[str]) -> str:
        return self.random.choice(words)

    def one(self) -> str:
        text = self.condition(self.random.choice((0, 1, 1, 2, 3)))
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            text = self.damaged(text)
        return text

    def damaged(self, text: str) -> str:
        pieces = re.findall(r"\w+|\s+|'[^']*'|.", text)
        at = self.random.randrange(len(pieces))
        width = self.random.choice((0, 1, 1, 2))
        middle = self.random.choice(([], [self.of(WORDS)], [" ", self.of(WORDS), " "], pieces[at : at + 2] * 2))
        return "".join([*pieces[:at], *middle, *pieces[at + width :]])

    def condition(self, depth: int) -> str:
        if depth <= 0:
            return self.test()
        inner, other = self.condition(depth - 1), self.condition(self.random.randrange(depth))
        return self.of(
            (f"{inner} and {other}", f"({inner} or {other})", f"not ({inner})", f"not {other}", f"(({inner}))", inner)
        )

    def test(self, prefix: str = "") -> str:
        choices = COLUMNS[self.system]
        name = self.of([one for one in choices if not prefix or "/" not in one])
        kind, shown = choices[name], prefix + name
        value = self.of(VALUES[kind])
        operator = self.of(("eq", "ne") if kind in {"bool", "guid", "choice"} else ("eq", "ne", "gt", "ge", "lt", "le"))
        if self.system == "sales":
            return self.of((*self.sales(shown, kind, value, operator, prefix), f"{shown} {operator} {value}"))
        more = [f"{shown} {self.of(('add', 'mul', 'sub', 'div', 'mod'))} 2 {operator} 3"] if kind == "number" else []
        return self.of((*more, f"{shown} {operator} {value}", f"({shown}) {operator} ({value})"))

    def sales(self, shown: str, kind: str, value: str, operator: str, prefix: str) -> list[str]:
        found = [f"({shown}) {operator} {value}", f"{value} {operator} {shown}", f"{shown} {operator} ({value})"]
        if kind == "text" and value != "null":
            test = f"{self.of(('contains', 'startswith', 'endswith'))}({shown},{value})"
            found += [test, f"{test} eq true", f"{CRM}In(PropertyName='name',PropertyValues=[{value}])"]
        if kind == "moment":
            found.append(f"{CRM}{self.of(('Today', 'ThisFiscalYear'))}(PropertyName='createdon')")
            found.append(f"{CRM}{self.of(('LastXDays', 'InFiscalPeriod'))}(PropertyValue=2,PropertyName='createdon')")
            found.append(f"{CRM}InFiscalPeriodAndYear(PropertyName='createdon',PropertyValue1=1,PropertyValue2=2026)")
            found.append(f"{CRM}On(PropertyName='createdon',PropertyValue='2026-01-31')")
        if not prefix and kind == "number":
            found.append(f"account_parent_account/{self.of(('any', 'all'))}(x:{self.test('x/')} or statecode eq 0)")
            found.append("account_parent_account/any()")
        return found


class Services:
    """Both services over an empty store; what a filter is answered."""

    def __init__(self, store: Store, portal: BlockingPortal) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        sales = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
        # As the real one was last seen: no string functions.
        finops = finops_app(store, Tokens(TOKEN), Switches(string_functions="reject"))
        self.clients = {
            system: httpx.Client(transport=AppTransport(app, portal), base_url=url, headers=headers)
            for system, app, url in (("sales", sales, SALES_URL), ("finops", finops, FINOPS_URL))
        }

    def problem(self, system: str, text: str) -> str | None:
        """What the service says against a filter; None when it answers."""
        address = "accounts?$select=name&$top=1" if system == "sales" else "CustomersV2?$select=CustomerAccount&$top=1"
        answer = self.clients[system].get(httpx.URL(address).copy_merge_params({"$filter": text}))
        assert answer.status_code in {200, 400}, (text, answer.text)
        return None if answer.status_code == 200 else answer.text


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Services]:
    path = tmp_path_factory.mktemp("filters") / "sandbox.db"
    store = Store(path, [*entities("sales").values(), *entities("finops").values()])
    yield Services(store, portal)
    store.close()


def read(system: str, text: str) -> str | None:
    """What the reader says against a filter."""
    try:
        columns_in_filter(text, system)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("system", ["sales", "finops"])
def test_reader_and_service_take_the_same_filters(system: str, services: Services) -> None:
    told: Counter[str] = Counter()
    for number in range(CASES):
        text = Filters(system, number).one()
        ours, theirs = read(system, text), services.problem(system, text)
        where = f"Filters({system!r}, {number}) of seed {SEED}: {text!r}\n reader: {ours}\n service: {theirs}"
        if ours is None:
            assert theirs is None or TYPES.search(theirs), where
        elif theirs is None:
            assert ours.startswith(STRICTER[0]) or STRICTER[1] in ours, where
        told[f"{'taken' if ours is None else 'refused'}, {'answered' if theirs is None else 'refused'}"] += 1
    assert told["taken, answered"] > CASES / 4
    assert told["refused, refused"] > CASES / 10


@pytest.mark.parametrize("system", ["sales", "finops"])
def test_a_filter_that_is_meant_well_is_taken_by_both(system: str, services: Services) -> None:
    for number in range(CASES // 5):
        text = Filters(system, number).condition(2)
        assert (read(system, text), services.problem(system, text)) == (None, None), text
