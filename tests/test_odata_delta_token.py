"""Tokens of changes: which are taken and followed, what is read where one cannot be; and changes on many pages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import IncompleteRead, UnfitToken
from p2c_lib.moments import moment_of
from p2c_lib.odata import Changes, Client, Query, Write
from p2c_lib.odata.decode import Decoder
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.between import wired
from tests.conftest import TOKEN, AppTransport
from tests.wired import finops_client, sales_client

COLUMNS = ["accountnumber", "name"]
Turn = Callable[[dict[str, Any]], object]


def accounts(client: Client, *numbers: str) -> list[str]:
    results = client.write([Write("create", "accounts", None, {"accountnumber": n, "name": f"N {n}"}) for n in numbers])
    assert all(result.ok for result in results)
    return [str(result.row_id) for result in results]


@contextmanager
def turned(store: Store, portal: BlockingPortal, turn: Turn) -> Iterator[Client]:
    """A client whose pages with a delta link are turned to something else before they reach it."""
    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    plain = AppTransport(app, portal)

    def between(request: httpx.Request) -> httpx.Response | None:
        if "/accounts?" not in str(request.url):
            return None
        answer = plain.handle_request(request)
        said = json.loads(answer.read())
        if "@odata.deltaLink" in said:
            turn(said)
        headers = {"Content-Type": answer.headers["Content-Type"]}
        return httpx.Response(answer.status_code, headers=headers, content=json.dumps(said).encode())

    with wired(app, portal, "sales", between) as (client, _):
        yield client


def link_to(change: Callable[[str], str]) -> Turn:
    return lambda said: said.update({"@odata.deltaLink": change(said["@odata.deltaLink"])})


NO_TOKENS: dict[str, tuple[Turn, str]] = {
    "an inner host": (link_to(lambda link: link.replace("sales.test", "inner-7.local:8080")), "inner-7.local:8080"),
    "another scheme": (link_to(lambda link: link.replace("http:", "https:")), "https://sales.test"),
    "line ends": (link_to(lambda link: link + "\r\nX: y"), "U+000D"),
    "endless": (link_to(lambda link: link + "x" * 70_000), "characters"),
    "no token": (link_to(lambda link: link.partition("?")[0]), "no $deltatoken"),
    "another set": (link_to(lambda link: link.replace("/accounts?", "/contacts?")), "is of contacts"),
    "fewer columns": (link_to(lambda link: link.replace("accountnumber%2Cname", "name").replace(
        "accountnumber,name", "name")), "does not bring accountnumber"),
    "a filter": (link_to(lambda link: link + "&$filter=name eq 'x'"), "$filter"),
    "words": (link_to(lambda _: "hello"), "'hello', which is no link"),
    "nothing": (lambda said: said.pop("@odata.deltaLink"), "no link to later changes"),
}  # fmt: skip


@pytest.mark.parametrize(("turn", "says"), NO_TOKENS.values(), ids=NO_TOKENS.keys())
def test_a_link_that_leads_nowhere_is_no_token(store: Store, portal: BlockingPortal, turn: Turn, says: str) -> None:
    with sales_client(store, portal) as client:
        accounts(client, "A-1", "A-2")
        token = client.changes("accounts", COLUMNS).token
        accounts(client, "A-3")
    with turned(store, portal, turn) as client:
        first = client.changes("accounts", COLUMNS)
        assert (first.token, first.whole, first.note, first.table.num_rows) == (None, True, "first read", 3)
        assert says in first.untold
        later = client.changes("accounts", COLUMNS, since=token)
        whole = says == "no link to later changes"  # then nothing tells that these were all changes
        assert (later.token, later.whole, later.table.num_rows) == (None, whole, 3 if whole else 1)
        assert says in later.untold


def test_a_link_in_another_spelling_of_the_service_is_kept_in_its_own(store: Store, portal: BlockingPortal) -> None:
    with turned(store, portal, link_to(lambda link: link.replace("http://sales.test", "HTTP://SALES.test.:80"))) as one:
        first = one.changes("accounts", COLUMNS)
        assert str(first.token).startswith("http://sales.test/")
        assert one.changes("accounts", COLUMNS, since=first.token).note == ""


FOREIGN = "http://inner-7.local:8080/api/data/v9.2/accounts?$select=accountnumber,name&$deltatoken=1"
ODD = {
    "": UnfitToken,
    "hello": UnfitToken,
    "919042!08/22/2017 08:10:44": UnfitToken,
    "20260230": UnfitToken,
    "1769900000": UnfitToken,
    "http://sales.test/api/data/v9.2/accounts": UnfitToken,
    "http://sales.test/api/data/v9.2/contacts?$deltatoken=1": UnfitToken,
    "http://sales.test/api/data/v9.2/accounts?$select=name&$deltatoken=1": UnfitToken,
    "http://sales.test/api/data/v9.2/accounts?$deltatoken=1&$top=5": UnfitToken,
    "/api/data/v9.2/accounts?$deltatoken=": UnfitToken,
    FOREIGN: IncompleteRead,
    f"{FOREIGN}\r\n": IncompleteRead,
}


@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize(("token", "error"), ODD.items())
def test_a_token_that_does_not_fit_is_refused_or_renewed(
    store: Store, portal: BlockingPortal, token: str, error: type[Exception], tracked: bool
) -> None:
    with sales_client(store, portal, without_tracking=() if tracked else ("account",)) as client:
        accounts(client, "A-1", "A-2")
        with pytest.raises(error) as caught:
            client.changes("accounts", COLUMNS, since=token)
        assert caught.value.hint  # type: ignore[attr-defined]
        again = client.changes("accounts", COLUMNS, since=token, renew=True)
        assert (again.whole, again.table.num_rows) == (True, 2)
        assert again.note.startswith("the token cannot be used (accounts: ")
        assert client.changes("accounts", COLUMNS, since=again.token, renew=True).note == (
            "" if tracked else "what was deleted shows by comparing keys"
        )


def test_a_token_of_more_columns_fits_and_what_the_service_refuses_is_renewed(
    store: Store, portal: BlockingPortal
) -> None:
    with sales_client(store, portal) as client:
        accounts(client, "A-1")
        token = client.changes("accounts", COLUMNS).token
        accounts(client, "A-2")
        assert client.changes("accounts", ["name"], since=token).table.column("name").to_pylist() == ["N A-2"]
        garbled = str(token).partition("$deltatoken=")[0] + "$deltatoken=%00"
        again = client.changes("accounts", COLUMNS, since=garbled, renew=True)
        assert (again.whole, again.table.num_rows) == (True, 2)
        assert again.note.startswith("the service does not take the token (")


def test_tracking_that_is_switched_off_and_on_again_is_said_and_read_whole_once(
    store: Store, portal: BlockingPortal
) -> None:
    with sales_client(store, portal) as client:
        ids = accounts(client, "A-1", "A-2", "A-3")
        link = client.changes("accounts", COLUMNS).token
    for renew in (True, False):
        with sales_client(store, portal, without_tracking=("account",)) as client:
            off = client.changes("accounts", COLUMNS, since=link, renew=renew)
            assert (off.whole, off.table.num_rows) == (True, 3)
            assert off.note.startswith("change tracking is off for accounts by now: all rows were read anew")
            assert moment_of(str(off.token)) is not None
            still = client.changes("accounts", COLUMNS, since=off.token, renew=renew)
            assert not still.whole
    with sales_client(store, portal) as client:
        assert not client.changes("accounts", COLUMNS, since=off.token).whole, "a moment that somebody names is one"
        on = client.changes("accounts", COLUMNS, since=off.token, renew=True)
        assert (on.whole, on.note) == (True, "accounts tells changes exactly by now: all rows were read anew")
        client.write([Write("delete", "accounts", {"accountid": ids[0]}, {})])
        assert client.changes("accounts", COLUMNS, since=on.token, renew=True).deleted == (ids[0],)


def test_tracking_that_goes_off_under_an_open_client_is_found_out(store: Store, portal: BlockingPortal) -> None:
    organisation = Organisation(store, SalesSwitches(protection=False))
    with wired(sales_app(organisation, Tokens(TOKEN)), portal, "sales") as (client, _):
        accounts(client, "A-1")
        token = client.changes("accounts", COLUMNS).token
        object.__setattr__(organisation.switches, "without_tracking", ("account",))
        found = client.changes("accounts", COLUMNS, since=token, renew=True)
        assert (found.whole, found.table.num_rows) == (True, 1)
        assert moment_of(str(found.token)) is not None


def test_finops_takes_moments_alone(store: Store, portal: BlockingPortal) -> None:
    with finops_client(store, portal) as client:
        for token in ("", "hello", "20260230"):
            with pytest.raises(UnfitToken):
                client.changes("CustomersV2", ["CustomerAccount"], since=token)


DAYS = ("%G-W%V-%u", "%Y%m%d", "%Y-%m-%d")
TIMES = {"": 0, "T%H": 3_600, " %H:%M": 60, "T%H:%M:%S": 1, "t%H%M%S": 1, "T%H:%M:%S.%f": 0}  # what it leaves out
OFFSETS = {"": 0, "Z": 0, "z": 0, "+0530": 330, "-08:00": -480, "+01": 60}  # minutes


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1)),
    st.sampled_from(DAYS),
    st.sampled_from(sorted(TIMES)),
    st.sampled_from(sorted(OFFSETS)),
)
def test_every_iso_spelling_is_its_moment(at: datetime, day: str, time: str, offset: str) -> None:
    text = at.strftime(day + time) + (offset if time else "")
    seconds = (at - datetime(1900, 1, 1)).total_seconds() if time else (at.date() - date(1900, 1, 1)).days * 86_400
    seconds -= seconds % TIMES[time] if TIMES[time] else 0
    found = moment_of(text)
    assert found is not None
    assert found.tzinfo is UTC
    shift = 60 * OFFSETS[offset] if time else 0
    assert (found - datetime(1900, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(seconds - shift, abs=1e-6)


@given(st.integers() | st.floats())
def test_no_number_is_a_moment(number: float) -> None:
    text = str(number)
    assert moment_of(text) is None or len(text) == 8


def test_of_a_row_and_its_deletion_on_one_page_the_last_counts(store: Store, portal: BlockingPortal) -> None:
    def row(name: str) -> dict[str, str]:
        return {"accountid": name, "name": name, "@odata.etag": 'W/"1"'}

    def gone(name: str) -> dict[str, str]:
        return {"@odata.context": "x#accounts/$deletedEntity", "id": name, "reason": "deleted"}

    with sales_client(store, portal) as client:
        decoder = Decoder(Query("accounts", ("name",)), client.schema("accounts"), empty_is_null=False, tracked=True)
    rows = [row("a"), gone("b"), gone("A"), row("b"), row("c"), gone("d"), row("d"), gone("d")]
    page = decoder.page(json.dumps({"value": rows}).encode())
    assert (page.table.column("@id").to_pylist(), page.deleted) == (["b", "c"], ("a", "d"))


class Meddler:
    """Somebody who writes to accounts now and then; what they do follows from the seed."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client, self._random, self._made, self._seed = client, random.Random(seed), 0, seed
        self._gone: list[tuple[str, str]] = []

    def rows(self) -> dict[str, tuple[str, str]]:
        query = Query("accounts", ("accountid", *COLUMNS))
        rows = [row for page in self._client.read(query) for row in page.table.to_pylist()]
        return {row["accountid"]: (row["accountnumber"], row["name"]) for row in rows}

    def meddle(self, times: int) -> None:
        for _ in range(times):
            self._once(sorted(self.rows().items()))

    def _once(self, there: list[tuple[str, tuple[str, str]]]) -> None:
        self._made += 1
        what = self._random.choice(["change", "delete", "create", "back", "again"])
        if what == "create" or not there:
            accounts(self._client, f"N-{self._seed}-{self._made}")
            return
        row, (number, _) = self._random.choice(there)
        if what == "change":
            self._client.write([Write("update", "accounts", {"accountid": row}, {"name": f"C {self._made}"})])
        elif what in ("delete", "again"):
            assert self._client.write([Write("delete", "accounts", {"accountid": row}, {})])[0].ok
            self._gone.append((row, number))
        if what in ("back", "again") and self._gone:
            row, number = self._gone.pop()
            body = {"accountid": row, "accountnumber": number, "name": f"B {self._made}"}
            assert self._client.write([Write("create", "accounts", None, body)])[0].ok


def after(held: dict[str, tuple[str, str]], told: Changes) -> dict[str, tuple[str, str]]:
    """What is held once changes were taken over."""
    rows = told.table.to_pylist()
    assert not {row["@id"] for row in rows} & set(told.deleted)
    kept = {} if told.whole else {row: values for row, values in held.items() if row not in told.deleted}
    return kept | {row["@id"]: (row["accountnumber"], row["name"]) for row in rows}


@pytest.mark.parametrize("size", [1, 2, 3, 5_000])
def test_deletions_and_changes_are_told_as_they_end_whatever_the_pages(
    store: Store, portal: BlockingPortal, size: int
) -> None:
    """Somebody writes before each page: what is told is what stands when the last one was read."""
    app = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    busy: list[Meddler] = []

    def between(request: httpx.Request) -> None:
        if "/accounts?" in str(request.url):
            request.headers["Prefer"] = ",".join(
                filter(None, (request.headers.get("Prefer"), f"odata.maxpagesize={size}"))
            )
            if "$deltatoken" in str(request.url) and budget and busy:
                busy[0].meddle(budget.pop())

    with wired(app, portal, "sales", between) as (client, _), sales_client(store, portal) as other:
        for seed in range(6):
            meddler = Meddler(other, seed)
            accounts(other, *(f"S-{seed}-{n}" for n in range(4)))
            budget: list[int] = []
            busy[:] = [meddler]
            told = client.changes("accounts", COLUMNS)
            held = after({}, told)
            for _ in range(3):
                meddler.meddle(5)
                budget = [2, 1, 3]
                told = client.changes("accounts", COLUMNS, since=told.token)
                assert not told.whole
                held = after(held, told)
                assert held == meddler.rows()


def test_deletions_behind_more_changes_than_a_page_holds_are_told(store: Store, portal: BlockingPortal) -> None:
    with sales_client(store, portal) as client:
        ids = accounts(client, *(f"L-{n}" for n in range(5_300)))
        token = client.changes("accounts", COLUMNS).token
        gone = client.write([Write("delete", "accounts", {"accountid": row}, {}) for row in ids[:87]])
        assert all(result.ok for result in gone)
        table = pa.table({"accountid": ids[87:], "name": ["changed"] * 5_213})
        assert all(result.ok for result in client.write_table("update", "accounts", table, key=["accountid"]))
        told = client.changes("accounts", COLUMNS, since=token)
        assert (told.table.num_rows, set(told.deleted)) == (5_213, set(ids[:87]))
