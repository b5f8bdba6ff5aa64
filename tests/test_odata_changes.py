"""Changes since an earlier read, drift of metadata, bulk messages, and keys no URL can carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import Duplicate, FrameError, UnknownName
from p2c_lib.marks.increment import moment as moment_since
from p2c_lib.odata import Client, Query, Write, described, drift
from p2c_lib.odata.ranges import creation_ranges
from p2c_lib.sandbox.process import Running

PREFIX = "CHG-"


def connection(running: Running, app: Any) -> Connection:
    url = running.sales_url if app == "sales" else running.finops_url
    return Connection(app, app, url, "tester", Secret.literal(running.token), token_url=f"{url}/t/oauth2/v2.0/token")


@pytest.fixture
def sales(sandbox: Running) -> Iterator[Client]:
    with Client(connection(sandbox, "sales")) as client:
        yield client
        query = Query("accounts", ("accountid",), filter=f"startswith(accountnumber,'{PREFIX}')")
        ids = [row["accountid"] for page in client.read(query) for row in page.table.to_pylist()]
        assert all(
            result.ok for result in client.write([Write("delete", "accounts", {"accountid": i}, {}) for i in ids])
        )


@pytest.fixture
def finops(sandbox: Running) -> Iterator[Client]:
    with Client(connection(sandbox, "finops")) as client:
        yield client


def accounts(n: int, start: int = 0) -> list[Write]:
    made = range(start, start + n)
    return [Write("create", "accounts", None, {"accountnumber": f"{PREFIX}{i:05}", "name": f"N {i}"}) for i in made]


def names(client: Client) -> dict[str, str]:
    query = Query("accounts", ("accountnumber", "name"), filter=f"startswith(accountnumber,'{PREFIX}')")
    return {r["accountnumber"]: r["name"] for page in client.read(query) for r in page.table.to_pylist()}


def test_changes_and_deletions_since_a_token(sales: Client) -> None:
    first = sales.changes("accounts", ["name"])
    assert (first.whole, first.note, first.deleted) == (True, "first read", ())
    assert first.table.num_rows == sales.count(Query("accounts", ("name",)))
    results = sales.write(accounts(3))
    sales.write([Write("delete", "accounts", {"accountid": str(results[1].row_id)}, {})])
    later = sales.changes("accounts", ["name"], since=first.token)
    assert later.whole is False
    assert sorted(later.table.column("name").to_pylist()) == ["N 0", "N 2"]
    assert later.deleted == (results[1].row_id,)
    nothing = sales.changes("accounts", ["name"], since=later.token)
    assert (nothing.table.num_rows, nothing.deleted) == (0, ())
    assert nothing.table.schema.equals(first.table.schema)


def test_an_expired_token_falls_back_to_a_whole_read_and_says_so(sales: Client) -> None:
    token = str(sales.changes("accounts", ["name"]).token)
    old = token.partition("$deltatoken=")[0] + "$deltatoken=1%2101%2f02%2f2020%2008%3a10%3a44"
    again = sales.changes("accounts", ["name"], since=old)
    assert again.whole
    assert again.note.startswith("the token had expired")
    assert again.table.num_rows == sales.count(Query("accounts", ("name",)))


def test_a_token_never_leads_to_another_host(sales: Client) -> None:
    from p2c_lib.errors import IncompleteRead

    with pytest.raises(IncompleteRead, match="Nothing was sent there"):
        sales.changes("accounts", ["name"], since="https://evil.example/accounts?$deltatoken=1")


@pytest.mark.parametrize("since", ["0001-01-01", "0999-12-31T23:59:59Z", "1752-12-31", "1900-01-01T00:00:00Z"])
def test_since_a_moment_before_all_others_is_everything(sales: Client, since: str) -> None:
    assert all(result.ok for result in sales.write(accounts(3)))
    found = sales.changes("accounts", ["accountnumber"], since=since)
    assert set(names(sales)) <= set(found.table.column("accountnumber").to_pylist())
    later = sales.changes("accounts", ["accountnumber"], since=found.token)
    assert later.token is not None


@given(st.datetimes(max_value=datetime(1900, 1, 1)))
@settings(max_examples=30)
def test_a_moment_has_four_digits_of_its_year_wherever_reads_are_cut_by_it(moment: datetime) -> None:
    text = f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}Z"
    assert moment_since(moment) == text
    cut = creation_ranges(moment.replace(tzinfo=UTC), datetime(1950, 1, 1, tzinfo=UTC), 4, lambda _text: 5, None)
    assert cut is not None
    assert all(re.search(r"ge \d{4}-\d\d-\d\dT\S+Z", each) for each in cut[0][1:])


def test_finops_says_that_it_cannot_tell_what_was_deleted(finops: Client) -> None:
    found = finops.changes("CustomersV2", ["CustomerAccount"], company="usmf")
    assert found.whole
    assert found.table.column_names == ["CustomerAccount", "@etag"]
    assert "deleted shows by comparing keys" in found.note
    with pytest.raises(UnknownName):
        finops.changes("CustomersV2", ["CustomerAcount"])


def test_a_bulk_message_carries_many_rows_and_one_bad_row_fails_alone(sales: Client) -> None:
    sales.schema("accounts")
    before = sales.sender.requests
    good = sales.write(accounts(300))
    assert all(result.ok for result in good)
    assert sales.sender.requests - before < 10
    mixed = accounts(120, start=300)
    mixed[77] = Write("create", "accounts", None, {"accountnumber": f"{PREFIX}00005", "name": "again"})
    results = sales.write(mixed)
    assert [place for place, result in enumerate(results) if not result.ok] == [77]
    assert isinstance(results[77].error, Duplicate)
    assert len(names(sales)) == 419


def test_upserts_from_columns_create_and_update_by_alternate_key(sales: Client) -> None:
    sales.write(accounts(30))
    keys = [f"{PREFIX}{i:05}" for i in range(60)]
    table = pa.table({"accountnumber": keys, "name": [f"U {i}" for i in range(60)]})
    results = sales.write_table("upsert", "accounts", table, key=["accountnumber"])
    assert all(result.ok for result in results)
    assert names(sales) == {key: f"U {i}" for i, key in enumerate(keys)}


def test_finops_has_no_upsert(finops: Client) -> None:
    table = pa.table({"dataAreaId": ["usmf"], "CustomerAccount": ["X"]})
    with pytest.raises(FrameError, match="cannot upsert"):
        finops.write_table("upsert", "CustomersV2", table, key=["dataAreaId", "CustomerAccount"])


def test_a_package_loads_a_whole_table_and_names_the_rows_it_refused(finops: Client) -> None:
    keys = [f"PKG{n:04}" for n in range(300)]
    table = pa.table(
        {
            "CustomerAccount": keys,
            "CustomerGroupId": ["10"] * 299 + ["no such group"],
            "SalesCurrencyCode": ["USD"] * 300,
            "OrganizationName": [f'"{n}", ä\nsecond line' if n % 2 else f"Org {n}" for n in range(300)],
            "CreditLimit": pa.array([None if n % 3 else n for n in range(300)]).cast(pa.decimal128(24, 2)),
            "@row": list(range(300)),
        }
    )
    result = finops.load_package("CustomersV2", table, company="usmf")
    query = Query(
        "CustomersV2", ("CustomerAccount", "OrganizationName", "CreditLimit"), filter="CustomerAccount eq 'PKG*'"
    )
    rows = {r["CustomerAccount"]: r for page in finops.read(query) for r in page.table.to_pylist()}
    deleted = finops.write_table(
        "delete",
        "CustomersV2",
        pa.table({"dataAreaId": ["usmf"] * len(rows), "CustomerAccount": list(rows)}),
        key=["dataAreaId", "CustomerAccount"],
    )
    assert all(each.ok for each in deleted)
    assert (result.status, result.ok) == ("PartiallySucceeded", False)
    assert [(e["row"], e["key"]) for e in result.errors.to_pylist()] == [(300, "PKG0299")]
    assert sorted(rows) == keys[:299]
    assert rows["PKG0001"]["OrganizationName"] == '"1", ä\nsecond line'
    assert rows["PKG0003"]["CreditLimit"] == 3
    with pytest.raises(UnknownName):
        finops.load_package("CustomersV2", pa.table({"CustomerAcount": ["x"]}), company="usmf")


def test_keys_that_no_url_can_carry_are_found_by_query(sales: Client) -> None:
    odd = f"{PREFIX}A/B&C%:+?*"
    sales.write([Write("create", "accounts", None, {"accountnumber": odd, "name": "before"})])
    assert sales.write([Write("update", "accounts", {"accountnumber": odd}, {"name": "after"})])[0].ok
    assert names(sales)[odd] == "after"
    table = pa.table({"accountnumber": [odd], "name": ["columns"]})
    assert sales.write_table("update", "accounts", table, key=["accountnumber"])[0].ok
    assert names(sales)[odd] == "columns"


def test_a_table_with_the_same_key_twice_is_refused(sales: Client) -> None:
    table = pa.table({"accountnumber": [f"{PREFIX}1", f"{PREFIX.lower()}1"], "name": ["a", "b"]})
    with pytest.raises(FrameError, match="comes twice"):
        sales.write_table("update", "accounts", table, key=["accountnumber"])


def test_large_sales_sets_are_read_in_ranges_and_counted_exactly(sales: Client) -> None:
    sales.write(accounts(5_200))
    query = Query("accounts", ("accountnumber",), filter=f"startswith(accountnumber,'{PREFIX}')", page_size=500)
    assert sales.count(query) == 5_200
    rows = [n for page in sales.read(query) for n in page.table.column("accountnumber").to_pylist()]
    assert len(set(rows)) == len(rows) == 5_200
    assert sum(page.table.num_rows for page in sales.read(replace(query, top=5_100, page_size=None))) == 5_100


def test_drift_names_every_column_that_changed(sales: Client) -> None:
    schema = sales.schema("accounts")
    name = schema.columns["name"]
    columns = {**schema.columns, "name": replace(name, max_length=99, required=False), "new_tier": name}
    del columns["fax"]
    later = replace(schema, columns=columns, key=("other",))
    assert drift(described(schema), described(schema)) == []
    assert [str(each) for each in drift(described(schema), described(later))] == [
        "accounts: key was ['accountid'], is ['other']",
        "accounts.fax is gone",
        "accounts.name: max_length was 160, is 99",
        "accounts.name: required was True, is False",
        "accounts.new_tier is new",
    ]
