"""One suite over both dialects, against the sandbox on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count as numbers
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import (
    Drifted,
    Duplicate,
    FrameError,
    NotAuthorised,
    NotFound,
    P2CError,
    Rejected,
    UnknownName,
    Unreachable,
    Unsendable,
)
from p2c_lib.odata import Client, Patience, Query, Write
from p2c_lib.odata.literals import literal
from p2c_lib.sandbox.process import Running
from tests.bad_network import bad_network

_NUMBERS = numbers(1)
QUICK = Patience(budget=60, first_wait=0.01, longest_wait=0.05)


@dataclass
class Wire:
    """A client of one dialect and the entity its tests write to: customers, in each system's words."""

    client: Client
    entity_set: str
    key: str
    text: str
    money: str
    whole: str
    flag: str
    moment: str
    company: dict[str, object]
    needed: dict[str, object]
    too_long: str
    flags: tuple[object, object]

    def new_key(self) -> str:
        return f"T{next(_NUMBERS):06}"

    def named(self, key: str) -> dict[str, object]:
        return {**self.company, self.key: key}

    def create(self, key: str, **body: object) -> Write:
        return Write("create", self.entity_set, None, {**self.named(key), **self.needed, **body})

    def update(self, key: str, etag: str | None = None, **body: object) -> Write:
        return Write("update", self.entity_set, self.named(key), body, etag)

    def delete(self, key: str) -> Write:
        return Write("delete", self.entity_set, self.named(key), {})

    def rows(self, keys: Sequence[str], *columns: str, client: Client | None = None) -> dict[str, dict[str, Any]]:
        """The rows with these keys, by key."""
        at = (client or self.client).schema(self.entity_set).column(self.key)
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(keys), 40):
            terms = " or ".join(f"{self.key} eq {literal(key, at)}" for key in keys[start : start + 40])
            company = str(self.company["dataAreaId"]) if self.company else None
            query = Query(self.entity_set, (self.key, *columns), filter=terms, company=company)
            found |= {r[self.key]: r for page in (client or self.client).read(query) for r in page.table.to_pylist()}
        return found

    def clean(self) -> None:
        """Remove what the tests wrote."""
        at = self.client.schema(self.entity_set)
        starts = f"startswith({self.key},'T0')" if self.client.connection.app == "sales" else f"{self.key} eq 'T0*'"
        pages = list(self.client.read(Query(self.entity_set, at.key, filter=starts)))
        keys = [{n: r[n] for n in at.key} for page in pages for r in page.table.to_pylist()]
        results = self.client.write([Write("delete", self.entity_set, key, {}) for key in keys])
        assert all(result.ok for result in results)


def connection(running: Running, app: str, url: str | None = None) -> Connection:
    at = url or (running.sales_url if app == "sales" else running.finops_url)
    return Connection(app, app, at, "tester", Secret.literal(running.token), token_url=f"{at}/t/oauth2/v2.0/token")


def wire_of(client: Client) -> Wire:
    if client.connection.app == "sales":
        words = ("accounts", "accountnumber", "description", "creditlimit", "numberofemployees", "creditonhold")
        return Wire(client, *words, "lastonholdtime", {}, {"name": "Test"}, "name", (True, False))
    words = (
        "CustomersV2",
        "CustomerAccount",
        "SalesMemo",
        "CreditLimit",
        "OrganizationNumberOfEmployees",
        "IsFinalUser",
    )
    needed = {"CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": "Test"}
    return Wire(client, *words, "AddressValidTo", {"dataAreaId": "usmf"}, needed, "CustomerGroupId", ("Yes", "No"))


@pytest.fixture(scope="module", params=["sales", "finops"])
def wire(request: pytest.FixtureRequest, sandbox: Running) -> Iterator[Wire]:
    with Client(connection(sandbox, request.param), patience=QUICK) as client:
        made = wire_of(client)
        yield made
        made.clean()


def test_a_client_tells_who_answers_and_never_its_secret(wire: Wire, sandbox: Running) -> None:
    identity = wire.client.identity()
    assert (identity.app, identity.url) == (wire.client.connection.app, wire.client.connection.url)
    assert identity.organisation
    assert sandbox.token not in repr(wire.client) + repr(wire.client.connection)


def test_unknown_names_come_with_the_nearest_before_anything_is_read(wire: Wire) -> None:
    with pytest.raises(UnknownName, match=f"Did you mean '{wire.entity_set}'"):
        wire.client.schema(wire.entity_set + "s")
    with pytest.raises(UnknownName, match=f"Did you mean '{wire.money}'"):
        next(wire.client.read(Query(wire.entity_set, (wire.money + "x",))))
    with pytest.raises(UnknownName, match=f"Did you mean '{wire.money}'"):
        wire.client.write([wire.create(wire.new_key(), **{wire.money + "x": 1})])


def test_columns_are_typed_from_metadata(wire: Wire) -> None:
    columns = wire.client.schema(wire.entity_set).columns
    assert pa.types.is_decimal(columns[wire.money].type)
    assert columns[wire.whole].type == pa.int32()
    assert columns[wire.text].type == pa.string()
    is_day = wire.client.dialect.days_at_noon  # F&O's moment here is a date
    assert columns[wire.moment].type == (pa.date32() if is_day else pa.timestamp("us", "UTC"))


def test_every_write_has_its_outcome_in_order(wire: Wire) -> None:
    one, other = wire.new_key(), wire.new_key()
    first = wire.client.write([wire.create(one), wire.create(other)])
    assert [result.ok for result in first] == [True, True]
    second = wire.client.write(
        [
            wire.create(one),
            wire.update(one, **{wire.text: "changed"}),
            wire.update("T-none", **{wire.text: "x"}),
            wire.update(other, **{wire.too_long: "9" * 400}),
            wire.delete(other),
        ]
    )
    assert [type(result.error) for result in second] == [Duplicate, type(None), NotFound, Rejected, type(None)]
    assert all("Infolog" not in str(result.error) for result in second)
    assert {key: row[wire.text] for key, row in wire.rows([one, other], wire.text).items()} == {one: "changed"}


def test_a_row_that_moved_is_not_overwritten(wire: Wire) -> None:
    key = wire.new_key()
    wire.client.write([wire.create(key)])
    etag = wire.rows([key])[key]["@etag"]
    assert wire.client.write([wire.update(key, etag, **{wire.text: "first"})])[0].ok
    late = wire.client.write([wire.update(key, etag, **{wire.text: "second"}), wire.update("T-x", etag)])
    assert isinstance(late[0].error, Drifted)
    assert wire.rows([key], wire.text)[key][wire.text] == "first"


def test_the_same_row_twice_in_one_call_is_caught_before_sending(wire: Wire) -> None:
    key = wire.new_key()
    wire.client.write([wire.update(key, **{wire.text: "a"})])  # metadata are known after it
    sent = wire.client.sender.requests
    with pytest.raises(FrameError, match="comes twice"):
        wire.client.write([wire.update(key, **{wire.text: "a"}), wire.update(key.lower(), **{wire.text: "b"})])
    looked_up = wire.client.connection.app == "sales"  # the ids of the rows, once
    assert wire.client.sender.requests == sent + looked_up


def test_nothing_is_written_and_read_back_as_nothing(wire: Wire) -> None:
    key = wire.new_key()
    full = {wire.text: "x", wire.money: Decimal("5.5"), wire.moment: datetime(2026, 1, 2, tzinfo=UTC)}
    wire.client.write([wire.create(key, **full)])
    assert wire.client.write([wire.update(key, **dict.fromkeys(full))])[0].ok
    row = wire.rows([key], *full)[key]
    assert (row[wire.text], row[wire.moment]) == (None, None)
    assert row[wire.money] in {None, Decimal(0)}


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co")) | st.sampled_from("\t\n'\"\\<>&%/?#+;|{}")
TEXTS = st.text(LETTERS, max_size=60).map(str.rstrip)
MONEY = st.decimals(0, 10**9, places=4)
NOONS = st.dates(date(1990, 1, 1), date(2090, 1, 1)).map(lambda d: datetime(d.year, d.month, d.day, 12, tzinfo=UTC))
ROWS = st.lists(st.tuples(TEXTS, MONEY, st.integers(0, 10**9), st.booleans(), NOONS), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_every_value_comes_back_as_it_was_written(wire: Wire, rows: list[tuple[Any, ...]]) -> None:
    names = (wire.text, wire.money, wire.whole, wire.flag, wire.moment)
    made = [(t, m, i, wire.flags[0] if f else wire.flags[1], at) for t, m, i, f, at in rows]
    half = len(made) // 2
    keys = [wire.new_key() for _ in made]
    writes = [wire.create(key, **dict(zip(names, row, strict=True))) for key, row in zip(keys, made, strict=True)]
    table = pa.Table.from_pylist([dict(write.body) for write in writes[half:]])
    results = wire.client.write(writes[:half]) + wire.client.write_table("create", wire.entity_set, table)
    assert [result.error for result in results] == [None] * len(made)
    found = wire.rows(keys, *names)
    kept = [(*row[:4], row[4].date() if wire.client.dialect.days_at_noon else row[4]) for row in made]
    wanted = {key: (row[0] or None, *row[1:]) for key, row in zip(keys, kept, strict=True)}
    assert {key: tuple(row[name] for name in names) for key, row in found.items()} == wanted


def test_pages_hold_every_row_once_and_as_many_as_the_service_counts(wire: Wire) -> None:
    key = wire.client.schema(wire.entity_set).key
    whole = Query(wire.entity_set, key)
    pages = list(wire.client.read(replace(whole, page_size=37)))
    rows = [tuple(row[name] for name in key) for page in pages for row in page.table.to_pylist()]
    assert max(page.table.num_rows for page in pages) == 37
    assert len(set(rows)) == len(rows) == wire.client.count(whole)


def test_the_first_rows_are_read_alone(wire: Wire) -> None:
    key = wire.client.schema(wire.entity_set).key
    assert sum(page.table.num_rows for page in wire.client.read(Query(wire.entity_set, key, top=3))) == 3


def test_writes_from_columns_update_and_delete_by_key(wire: Wire) -> None:
    keys = [wire.new_key() for _ in range(30)]
    wire.client.write([wire.create(key) for key in keys])
    columns: dict[str, Any] = {name: [value] * 30 for name, value in wire.company.items()}
    columns |= {wire.key: keys, wire.text: [f'{n} "ä" \\ \n.' if n % 3 else None for n in range(30)], "@note": [1] * 30}
    named = (*wire.company, wire.key)
    results = wire.client.write_table("update", wire.entity_set, pa.table(columns), key=named)
    assert all(result.ok for result in results)
    found = wire.rows(keys, wire.text)
    assert [found[key][wire.text] for key in keys] == columns[wire.text]
    gone = wire.client.write_table("delete", wire.entity_set, pa.table(columns).select(list(named)), key=named)
    assert all(result.ok for result in gone)
    assert wire.rows(keys) == {}


def test_etags_of_a_column_guard_each_row(wire: Wire) -> None:
    keys = [wire.new_key(), wire.new_key()]
    wire.client.write([wire.create(key) for key in keys])
    old = wire.rows(keys)
    wire.client.write([wire.update(keys[0], **{wire.text: "moved"})])
    columns: dict[str, Any] = {name: [value] * 2 for name, value in wire.company.items()}
    columns |= {wire.key: keys, wire.text: ["mine"] * 2, "@etag": [old[key]["@etag"] for key in keys]}
    named = (*wire.company, wire.key)
    results = wire.client.write_table("update", wire.entity_set, pa.table(columns), key=named, etag="@etag")
    assert [type(result.error) for result in results] == [Drifted, type(None)]
    assert {key: row[wire.text] for key, row in wire.rows(keys, wire.text).items()} == {
        keys[0]: "moved",
        keys[1]: "mine",
    }


def test_a_change_set_happens_whole_or_not_at_all(wire: Wire) -> None:
    keys = [wire.new_key() for _ in range(4)]
    bad = wire.create(keys[3], **{wire.too_long: "9" * 400})
    refused = wire.client.write([*(wire.create(key) for key in keys[:3]), bad], together=True)
    assert not any(result.ok for result in refused)
    assert wire.rows(keys) == {}
    assert all(result.ok for result in wire.client.write([wire.create(key) for key in keys[:3]], together=True))
    assert sorted(wire.rows(keys)) == sorted(keys[:3])


def test_a_wrong_secret_and_a_silent_port_each_say_what_to_do(wire: Wire) -> None:
    wrong = replace(wire.client.connection, secret=Secret.literal("not the token"))
    with Client(wrong) as client, pytest.raises(NotAuthorised, match="client id, the secret and the tenant"):
        client.identity()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        nobody = replace(wire.client.connection, url=url, token_url=f"{url}/t/oauth2/v2.0/token")
        with Client(nobody) as client, pytest.raises(Unreachable, match=url):
            client.identity()


def test_a_refused_token_is_renewed_once_in_mid_run(wire: Wire) -> None:
    user = wire.client.sender._users[0]
    user.tokens.current()
    user.tokens._token = replace(user.tokens._token, value="stale")  # type: ignore[type-var]
    assert wire.client.count(Query(wire.entity_set, wire.client.schema(wire.entity_set).key)) is not None


def test_several_application_users_share_the_load(wire: Wire) -> None:
    here = wire.client.connection
    with Client(here, users=(replace(here, client_id="second"),)) as client:
        for _ in range(4):
            client.count(Query(wire.entity_set, client.schema(wire.entity_set).key))
        assert client.sender.parallel >= 8


def test_a_bad_network_loses_nothing_and_doubles_nothing(wire: Wire, sandbox: Running) -> None:
    here = wire.client.connection
    with (
        bad_network(here.url, 0.2, seed=5) as url,
        Client(connection(sandbox, here.app, url), patience=QUICK) as client,
    ):
        keys = [wire.new_key() for _ in range(1200)]
        created = client.write([wire.create(key, **{wire.text: key}) for key in keys])
        assert [result.error for result in created] == [None] * len(keys)
        changed = client.write([wire.update(key, **{wire.text: f"{key} again"}) for key in keys])
        assert [result.error for result in changed] == [None] * len(keys)
        found = wire.rows(keys, wire.text, client=client)
        assert {key: row[wire.text] for key, row in found.items()} == {key: f"{key} again" for key in keys}
        query = Query(wire.entity_set, client.schema(wire.entity_set).key, page_size=100)
        rows = [str(row) for page in client.read(query) for row in page.table.drop_columns(["@etag"]).to_pylist()]
        assert len(set(rows)) == len(rows) == wire.client.count(query)
        gone = client.write([wire.delete(key) for key in keys])
        assert [result.error for result in gone] == [None] * len(keys)


def test_no_error_of_another_library_comes_out(wire: Wire) -> None:
    bad: list[Write] = [
        wire.update("T-x", None, **{wire.text: object()}),
        Write("update", wire.entity_set, None, {wire.text: "x"}),
        wire.create("T-y", **{wire.money: float("nan")}),
    ]
    key = wire.new_key()
    results = wire.client.write([bad[0], wire.create(key), *bad[1:]])
    assert [type(result.error) for result in results] == [Unsendable, type(None), Unsendable, Unsendable]
    assert [result.status for result in results if result.error] == [0, 0, 0]
    for query in (Query(wire.entity_set, (wire.key,), filter="this is no filter"), Query("no set", ("x",))):
        with pytest.raises(P2CError):
            list(wire.client.read(query))
