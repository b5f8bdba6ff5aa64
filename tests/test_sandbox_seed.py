"""The made-up company: the same for the same seed, mostly clean, and honest about what is not."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from p2c_lib.errors import SandboxError
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.seed import Seeded, seed
from p2c_lib.sandbox.seed.planter import KEYS
from p2c_lib.sandbox.state import status

KINDS = {
    "missing-key", "bad-country", "unknown-currency", "too-long", "whitespace", "lookalike", "implausible-email",
    "implausible-phone", "duplicate-name", "contact-without-account", "write-in-line", "inactive-account",
    "quote-of-inactive-account", "not-active", "bad-quantity", "zero-quantity", "unmapped-unit", "zero-price",
    "stale-price", "stale-text", "rounding", "not-external", "leading-zeros", "case", "unicode", "truncated",
    "phone-format", "default", "empty-vs-value", "unmapped-value", "value", "day-shift", "extra-deleted-at-source",
    "extra-never-ours", "other-company",
}  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seeded]:
    state = tmp_path_factory.mktemp("company")
    return state, seed(state)


def ask(state: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(state / "sandbox.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def content(state: Path) -> dict[str, list[tuple[object, ...]]]:
    names = [name for (name,) in ask(state, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    return {name: ask(state, f'SELECT * FROM "{name}" ORDER BY 1') for name in names if not name.startswith("sqlite_")}


def test_the_default_company_has_the_promised_size(company: tuple[Path, Seeded]):
    state, made = company
    told = {name: made.rows[name] for name in ("accounts", "contacts", "quotes", "SellableReleasedProducts")}
    assert told == {"accounts": 300, "contacts": 600, "quotes": 400, "SellableReleasedProducts": 200}
    assert 1100 < made.rows["quotedetails"] < 1400
    assert {**status(state).sales, **status(state).finops} == made.rows
    assert status(state).truth


def test_the_same_seed_makes_the_same_rows_and_another_does_not(company: tuple[Path, Seeded], tmp_path: Path):
    seed(tmp_path / "again")
    assert content(tmp_path / "again") == content(company[0])
    assert (tmp_path / "again" / "truth.json").read_text() == (company[0] / "truth.json").read_text()
    seed(tmp_path / "again", random_seed=1)
    assert content(tmp_path / "again")["sales_accounts"] != content(company[0])["sales_accounts"]


def test_every_kind_of_defect_is_planted_and_found_where_the_truth_says(company: tuple[Path, Seeded]):
    state, made = company
    truth = json.loads((state / "truth.json").read_text("utf-8"))
    assert set(made.defects) == KINDS
    assert sum(made.defects.values()) == len(truth)
    lines = """SELECT q.quotenumber || '|' || d.sequencenumber FROM sales_quotedetails d
               JOIN sales_quotes q USING (quoteid)"""
    there = {"quotedetails": {key for (key,) in ask(state, lines)}}
    for name, (system, keys) in KEYS.items():
        if name != "quotedetails":
            joined = " || '|' || ".join(f'"{key}"' for key in keys)
            there[name] = {key for (key,) in ask(state, f"SELECT {joined} FROM {system}_{name.lower()}")}
    for one in truth:
        assert set(one) == {"kind", "system", "entity", "key", "column", "detail"}
        assert one["column"] in entities(one["system"])[one["entity"]].columns
        assert one["key"] in there[one["entity"]] or one["kind"] == "missing-key"


def test_defects_are_in_the_rows(company: tuple[Path, Seeded]):
    state = company[0]
    assert ask(state, "SELECT count(*) FROM sales_accounts WHERE accountnumber IS NULL") == [(1,)]
    assert ask(state, "SELECT count(*) FROM sales_accounts WHERE name LIKE '%  '") == [(2,)]
    assert ask(state, "SELECT count(*) FROM sales_accounts WHERE length(name) > 100") == [(2,)]
    dead = "SELECT count(*) FROM sales_quotes JOIN sales_transactioncurrencies USING (transactioncurrencyid)"
    assert ask(state, f"{dead} WHERE isocurrencycode IN ('DEM', 'FRF')") == [(4,)]
    assert ask(state, "SELECT count(*) FROM sales_quotedetails WHERE CAST(quantity AS REAL) <= 0") == [(3,)]
    assert ask(state, "SELECT count(*) FROM sales_quotedetails WHERE productid IS NULL") == [(4,)]
    assert ask(state, "SELECT count(*) FROM finops_sellablereleasedproducts WHERE SalesUnitSymbol = 'pal'") == [(2,)]
    ours = "SELECT IsExternallyMaintained, count(*) FROM finops_customersv2 c WHERE dataAreaId = 'usmf' AND NOT EXISTS"
    sources = "(SELECT 1 FROM sales_accounts WHERE accountnumber = CustomerAccount) AND PartyType = 'Organization'"
    assert ask(state, f"{ours} {sources} GROUP BY 1 ORDER BY 1") == [("No", 4), ("Yes", 3)]


def test_most_rows_are_clean_for_every_task(company: tuple[Path, Seeded]):
    state, _ = company
    truth = json.loads((state / "truth.json").read_text("utf-8"))
    stopping = {"missing-key", "bad-country", "unknown-currency", "unmapped-unit", "bad-quantity", "zero-quantity"}
    sent = "JOIN sales_quotes q USING (quoteid) WHERE q.statecode = 1 AND q.msdynce_hasexternallymaintainedproductsonly"
    rows = {
        "accounts": 300,
        "contacts": 600,
        "SellableReleasedProducts": 200,
        "quotes": ask(state, f"SELECT count(DISTINCT quoteid) FROM sales_quotedetails {sent}")[0][0],
        "quotedetails": ask(state, f"SELECT count(*) FROM sales_quotedetails {sent}")[0][0],
    }
    for name, count in rows.items():
        assert isinstance(count, int)
        bad = {one["key"] for one in truth if one["entity"] == name and one["kind"] in stopping}
        assert 0 < len(bad) < count * 0.03, name


@pytest.mark.parametrize("accounts", [1, 2, 7, 40])
def test_small_companies_are_whole(tmp_path: Path, accounts: int):
    made = seed(tmp_path, accounts=accounts)
    assert made.rows["accounts"] == accounts
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert len(truth) == sum(made.defects.values())


def test_beyond_the_core_rows_are_streamed_and_clean(tmp_path: Path):
    made = seed(tmp_path, accounts=3500, contacts=10, products=10, quotes=10)
    assert made.rows["accounts"] == 3500
    numbers = (
        "SELECT count(DISTINCT accountnumber), count(DISTINCT accountid), count(DISTINCT name) FROM sales_accounts"
    )
    distinct = ask(tmp_path, numbers)[0]
    assert distinct[0] == 3499
    assert distinct[1] == 3500
    assert made.rows["CustomersV2"] > 2000


def test_a_size_that_makes_no_company_is_refused(tmp_path: Path):
    with pytest.raises(SandboxError, match="accounts cannot be 0"):
        seed(tmp_path, accounts=0)
    with pytest.raises(SandboxError, match="contacts cannot be -1"):
        seed(tmp_path, contacts=-1)
