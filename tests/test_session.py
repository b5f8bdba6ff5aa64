"""A session over the sandbox: frames out of either system, snapshots, references, what it shows of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from p2c_lib.config import Connection, ConnectionSet, Secret, Workspace
from p2c_lib.errors import FrameError, IncompleteRead, UnknownName
from p2c_lib.frames import EntityQuery
from p2c_lib.odata import Query, Write
from p2c_lib.odata.client import Client
from p2c_lib.odata.query import Page
from p2c_lib.odata.reading import Reading
from p2c_lib.odata.snapshot import gather
from p2c_lib.sandbox.process import Running, find
from p2c_lib.session import Session, connect

QUOTES = EntityQuery(
    "sales",
    "quotes",
    (
        "quotenumber",
        "transactioncurrencyid.isocurrencycode",
        "customerid.account.accountnumber",
        "customerid.contact.msdynce_contactnumber",
        "totalamount",
    ),
    ("quotenumber",),
)
LINES = EntityQuery(
    "sales",
    "quotedetails",
    ("quantity", "quoteid.customerid.account.name"),
    ("quoteid.quotenumber", "sequencenumber"),
)
CUSTOMERS = EntityQuery(
    "finops", "CustomersV2", ("CustomerAccount", "CreditLimit", "IsFinalUser"), ("CustomerAccount",)
)


@pytest.fixture(scope="module")
def session(sandbox: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    def at(app: Any, url: str) -> Connection:
        return Connection(
            app, app, url, "tester", Secret.literal(sandbox.token), token_url=f"{url}/t/oauth2/v2.0/token"
        )

    pair = ConnectionSet("test", at("sales", sandbox.sales_url), at("finops", sandbox.finops_url), "USMF")
    with Session(pair, Workspace(tmp_path_factory.mktemp("ws"))) as made:
        yield made


def test_a_frame_follows_lookups_and_tells_both_kinds_of_customer_apart(session: Session) -> None:
    frame = session.extract(QUOTES)
    assert frame.columns == QUOTES.columns
    assert frame.origin.complete
    assert frame.origin.server_count == len(frame) > 0
    rows = frame.table.to_pylist()
    both = [(r["customerid.account.accountnumber"], r["customerid.contact.msdynce_contactnumber"]) for r in rows]
    assert all(account is None or contact is None for account, contact in both)
    assert any(account for account, _ in both)
    assert any(contact for _, contact in both)
    assert {len(r["transactioncurrencyid.isocurrencycode"]) for r in rows} == {3}
    assert all(r["@etag"] and len(r["@id"]) == 36 for r in rows)


def test_paths_go_through_several_lookups_and_the_key_is_always_read(session: Session) -> None:
    frame = session.extract(LINES)
    assert frame.columns == (*LINES.columns, *LINES.key)
    assert frame.table.column("quoteid.quotenumber").null_count == 0
    assert frame.table.column("quoteid.customerid.account.name").null_count < len(frame)
    assert pa.types.is_decimal(frame.table.schema.field("quantity").type)


def test_finops_is_read_for_the_sessions_company_and_says_so(session: Session) -> None:
    frame = session.extract(CUSTOMERS)
    assert (frame.origin.company, frame.origin.complete, frame.origin.note) == ("USMF", False, "company USMF only")
    assert len(frame) == frame.origin.server_count
    assert set(frame.table.column("IsFinalUser").to_pylist()) <= {"Yes", "No"}
    assert "@id" not in frame.table.column_names


def test_choices_come_as_values_with_their_labels(session: Session) -> None:
    frame = session.extract(EntityQuery("sales", "quotes", ("statecode", "name"), ("quotenumber",)))
    pairs = set(zip(frame.table.column("statecode").to_pylist(), frame.labels("statecode").to_pylist(), strict=True))
    assert pairs <= {(0, "Draft"), (1, "Active"), (2, "Won"), (3, "Closed")}
    assert len(pairs) > 1
    with pytest.raises(FrameError, match="no choice"):
        frame.labels("name")
    with pytest.raises(UnknownName):
        frame.labels("statecod")


def test_a_filter_and_a_limit_make_a_part(session: Session) -> None:
    query = EntityQuery("sales", "accounts", ("name",), ("accountnumber",), "statecode eq 0")
    frame = session.extract(query, limit=5)
    assert len(frame) == 5
    assert frame.origin.note == "filtered by statecode eq 0; the first 5 rows"


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (("nmae",), r"Unknown column 'nmae'.*Did you mean 'name'"),
        (("transactioncurrencyd.isocurrencycode",), r"Did you mean 'transactioncurrencyid'"),
        (("transactioncurrencyid.isocode",), r"Did you mean 'isocurrencycode'"),
        (("customerid.accountnumber",), r"customerid\.account"),
        (("customerid.account",), r"customerid\.account\.<column>"),
    ],
)
def test_a_path_that_leads_nowhere_is_named_before_any_row_is_read(
    session: Session, paths: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UnknownName, match=words):
        session.extract(EntityQuery("sales", "quotes", paths, ("quotenumber",)))
    with pytest.raises(UnknownName, match="Allowed: finops, sales"):
        session.extract(EntityQuery("salse", "quotes", ("name",), ("name",)))


def test_reference_values_are_distinct_sorted_and_read_once(session: Session) -> None:
    found = session.reference("Currencies.CurrencyCode", "finops")
    sent = session.finops.sender.requests
    assert found == tuple(sorted(set(found)))
    assert "USD" in found
    assert session.reference("Currencies.CurrencyCode", "finops") is found
    assert session.finops.sender.requests == sent
    with pytest.raises(FrameError, match=r"EntitySet\.Column"):
        session.reference("Currencies", "finops")
    with pytest.raises(UnknownName):
        session.reference("Currencies.Code", "finops")


def test_reference_values_are_read_again_once_the_session_wrote_there(session: Session) -> None:
    before = session.reference("Currencies.CurrencyCode", "finops")
    made = session.finops.write([Write("create", "Currencies", None, {"CurrencyCode": "ZZT", "Name": "Test"})])
    try:
        assert made[0].ok, made[0].error
        assert session.reference("Currencies.CurrencyCode", "finops") == tuple(sorted((*before, "ZZT")))
    finally:
        session.finops.write([Write("delete", "Currencies", {"CurrencyCode": "ZZT"}, {})])
    assert session.reference("Currencies.CurrencyCode", "finops") == before


def test_business_keys_resolve_to_bind_paths(session: Session) -> None:
    found = session.sales.resolve("products", "defaultuomid", "name", ["each", "no such unit"])
    assert list(found) == ["each"]
    assert found["each"].startswith("/uoms(")
    customer = session.extract(QUOTES).table.column("customerid.account.accountnumber").drop_null()[0].as_py()
    path = session.sales.resolve("quotes", "customerid.account", "accountnumber", [customer])[customer]
    assert path.startswith("/accounts(")
    assert session.sales.resolve("quotes", "customerid", "account.accountnumber", [customer]) == {customer: path}


def test_a_snapshot_holds_the_same_rows_as_the_frame(session: Session, tmp_path: Path) -> None:
    told: list[int] = []
    frame = session.extract(
        QUOTES, snapshot=tmp_path / "deep" / "q.parquet", progress=lambda rows, _: told.append(rows)
    )
    kept = pq.read_table(tmp_path / "deep" / "q.parquet")
    assert kept.select(frame.table.column_names).equals(frame.table)
    assert told[-1] == len(frame)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["q.parquet"]


class CutShort(Exception):
    """The machine went away in the middle."""


def pages_until(monkeypatch: pytest.MonkeyPatch, allowed: int) -> list[int]:
    """From now on a read breaks off after so many pages; gives the rows of each page that was read."""
    whole, seen = Reading.pages, list[int]()

    def pages(self: Reading) -> Iterator[Page]:
        for page in whole(self):
            seen.append(page.table.num_rows)
            if len(seen) > allowed:
                raise CutShort
            yield page

    monkeypatch.setattr(Reading, "pages", pages)
    return seen


@pytest.mark.parametrize(("app", "entity"), [("sales", "quotedetails"), ("finops", "CustomersV2")])
def test_a_read_that_was_cut_off_goes_on_at_its_page(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str, entity: str
) -> None:
    client: Client = session.client(app)
    query = Query(entity, client.schema(entity).key, page_size=40)
    whole = gather(client, query)
    with monkeypatch.context() as patch:
        first = pages_until(patch, 3)
        with pytest.raises(CutShort):
            gather(client, query, snapshot=tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()
    with monkeypatch.context() as patch:
        seen = pages_until(patch, 10_000)
        rest = gather(client, query, snapshot=tmp_path / "x.parquet")
    assert rest.resumed == sum(first[:3])
    assert rest.resumed + sum(seen) == rest.table.num_rows
    key = query.select
    assert sorted(map(str, rest.table.select(key).to_pylist())) == sorted(map(str, whole.table.select(key).to_pylist()))


def test_another_query_does_not_go_on_from_a_cut_read(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = session.sales.schema("quotes").key
    with monkeypatch.context() as patch:
        pages_until(patch, 1)
        with pytest.raises(CutShort):
            gather(session.sales, Query("quotes", key, page_size=40), snapshot=tmp_path / "x.parquet")
    other = gather(session.sales, Query("quotes", ("name",), page_size=40), snapshot=tmp_path / "x.parquet")
    assert other.resumed == 0
    assert other.table.num_rows == other.server_count


def test_a_snapshot_that_cannot_be_written_says_so(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FrameError, match="cannot be written"):
        session.extract(QUOTES, snapshot=tmp_path / "file" / "x.parquet")


def test_a_lying_count_is_an_error_not_a_warning(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "count", lambda *_: 7)
    query = Query("quotes", ("name",), page_size=100)
    reading = Reading(session.sales, query)
    pages = reading.pages()
    next(pages)
    reading.server_count = 7
    with pytest.raises(IncompleteRead, match="the service counts 7"):
        list(pages)


def test_a_session_shows_where_it_is_and_hides_its_secrets(session: Session, sandbox: Running) -> None:
    assert "company='USMF'" in repr(session)
    assert sandbox.token not in repr(session) + repr(session.set) + repr(session.sales)


def test_connecting_to_the_sandbox_starts_one_and_closing_stops_it(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with connect("sandbox", workspace=place) as session:
        assert len(session.extract(EntityQuery("finops", "Currencies", ("CurrencyCode",), ("CurrencyCode",)))) > 0
        with connect("sandbox", workspace=place) as second:
            assert second.set.sales.url == session.set.sales.url
        assert find(place.sandbox_home) is not None
    assert find(place.sandbox_home) is None


def test_an_unknown_connection_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'sandbox'"):
        connect("sandbocks", workspace=Workspace(tmp_path))


def test_a_limit_goes_with_paths_through_several_lookups(session: Session) -> None:
    assert len(session.extract(LINES, limit=7)) == 7
