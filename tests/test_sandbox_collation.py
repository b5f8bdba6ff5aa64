"""Texts are one where the system takes them for one: in keys, filters, order, groups and references."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.errors import SandboxError
from p2c_lib.odata.query import Query
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.state import open_store, reset
from p2c_lib.sandbox.store import Store, matching, table
from tests.conftest import Sales
from tests.wired import finops_client

CRM = "Microsoft.Dynamics.CRM"
CAFES = ["CAFÉ-1", "cafe-1", "Cafe-1  ", "cafe\u0301-1", "ＣＡＦＥ－１"]
# Letters as people write them, by what they have in common; the second index tells which accent they carry.
WRITTEN = {
    "a0": "aAａＡ", "a1": ["á", "Á", "a\u0301", "A\u0301"], "a2": "àÀ", "e0": "eEⓔ", "e1": "éÉ", "o0": "oO", "o1": "öÖ",
    "o3": ["ö\u0301", "Ö\u0301"], "S0": ["ß", "ss", "SS", "ẞ", "sS"], "α0": "αΑ", "α1": "άΆ", "я0": "яЯ", "ї1": "їЇ",
    "і0": "іІ", "カ0": ["カ", "か", "ｶ"], "カ1": ["ガ", "が", "ｶﾞ"], "ø0": "øØ", "中0": "中", "10": "1１①", "-0": "-－",
    "%0": "%", "_0": "_", "[0": "[", "'0": "'", "i0": "iI", "i1": ["İ", "i\u0307"], " 0": [" ", "\u3000", "\u00a0"],
}  # fmt: skip
SAME = {"ї": "і"}


class Texts:
    """A written text and, by construction, what each system must take it for."""

    def __init__(self, letters: list[tuple[str, str]]) -> None:
        self.text = "".join(text for _, text in letters)
        whole = [kind for kind, _ in letters]
        while whole and whole[-1] == " 0":
            whole.pop()
        self.sales = tuple(SAME.get(kind[0], kind[0]) for kind in whole)
        self.finops = tuple(whole)


LETTER = st.sampled_from([(kind, text) for kind, texts in WRITTEN.items() for text in texts])
TEXT = st.lists(LETTER, min_size=1, max_size=4).map(Texts).filter(lambda one: one.sales != ())
FEW = st.lists(TEXT, min_size=2, max_size=5)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def found(client: httpx.Client, path: str, column: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return [row[column] for row in answer.json()["value"]]


def emptied(store: Store, *sets: tuple[str, str]) -> None:
    with store.write():
        for system, name in sets:
            one = entities("sales" if system == "sales" else "finops")[name]
            store.connection.execute(f"DELETE FROM {table(one)}")


def one_order(ask: Callable[[str], list[str]], column: str, texts: list[str], ordered: list[str]) -> None:
    """For any two stored texts exactly one of lt, eq and gt holds, and the order is theirs."""
    for text in texts:
        where = {op: set(ask(f"{column} {op} {literal(text)}")) for op in ("lt", "eq", "gt", "le", "ge", "ne")}
        assert where["eq"] == {text}
        assert sorted([*where["lt"], *where["eq"], *where["gt"]]) == sorted(texts)
        at = ordered.index(text)
        assert where["lt"] == set(ordered[:at])
        assert where["gt"] == set(ordered[at + 1 :])
        assert where["le"] == where["lt"] | {text}
        assert where["ge"] == where["gt"] | {text}
        assert where["ne"] == where["lt"] | where["gt"]


def test_one_alternate_key_holds_one_account_however_it_is_written(sales: Sales) -> None:
    sales.create("accounts", name="Zoë", accountnumber=CAFES[0])
    for text in CAFES[1:]:
        again = sales.client.post("accounts", json={"name": "x", "accountnumber": text})
        assert again.status_code == 412
        assert again.json()["error"]["code"] == "0x80060892"
        address = f"accounts(accountnumber='{quote(text)}')?$select=accountnumber"
        assert sales.client.get(address).json()["accountnumber"] == CAFES[0]
        where = quote(f"accountnumber eq {literal(text)}")
        assert found(sales.client, f"accounts?$select=accountnumber&$filter={where}", "accountnumber") == [CAFES[0]]
    assert sales.client.post("accounts", json={"name": "x", "accountnumber": " CAFÉ-1"}).status_code == 204


def test_a_bulk_upsert_meets_the_row_that_has_the_key_without_accents(sales: Sales) -> None:
    row = sales.create("accounts", name="old", accountnumber="Łódź-Ä")
    one = {"@odata.type": f"{CRM}.account", "@odata.id": "accounts(accountnumber='łodz-a')", "name": "new"}
    assert sales.client.post(f"accounts/{CRM}.UpsertMultiple", json={"Targets": [one]}).status_code == 204
    assert sales.client.get(f"accounts({row})?$select=name").json()["name"] == "new"
    assert len(found(sales.client, "accounts?$select=name", "name")) == 1


@pytest.mark.parametrize("pair", [("a=b", "a≠b"), ("กิน", "กัน"), (" x", "x"), ("ko", "kø"), ("a´", "a˙"), ("x", "x\t")])
def test_what_is_no_accent_makes_another_text(sales: Sales, pair: tuple[str, str]) -> None:
    for text in pair:
        assert sales.client.post("accounts", json={"name": "x", "accountnumber": text}).status_code == 204
        assert sales.client.post("accounts", json={"name": "x", "accountnumber": text.upper()}).status_code == 412


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(few=FEW)
def test_key_filter_order_and_function_of_sales_agree(sales: Sales, few: list[Texts]) -> None:
    emptied(sales.organisation.store, ("sales", "accounts"))
    kept: dict[tuple[str, ...], str] = {}
    for one in few:
        answer = sales.client.post("accounts", json={"name": "x", "accountnumber": one.text})
        assert answer.status_code == (412 if one.sales in kept else 204), (one.text, kept)
        kept.setdefault(one.sales, one.text)
    texts = list(kept.values())

    def ask(where: str, order: str = "") -> list[str]:
        query = f"accounts?$select=accountnumber&$filter={quote(where, safe='')}{order}"
        return found(sales.client, query, "accountnumber")

    ordered = ask("accountnumber ne null", "&$orderby=accountnumber")
    one_order(ask, "accountnumber", texts, ordered)
    assert ask("accountnumber ne null", "&$orderby=accountnumber desc") == ordered[::-1]
    for one in few:
        in_list = f"{CRM}.In(PropertyName='accountnumber',PropertyValues=[{literal(one.text)}])"
        assert ask(in_list) == [kept[one.sales]]
        assert ask(f"accountnumber eq {literal(one.text)}") == [kept[one.sales]]
    assert paged(sales, len(texts)) == ordered


def paged(sales: Sales, most: int) -> list[str]:
    url, texts = "accounts?$select=accountnumber&$orderby=accountnumber", list[str]()
    for _ in range(most + 1):
        answer = sales.client.get(url, headers={"Prefer": "odata.maxpagesize=1"}).json()
        texts += [row["accountnumber"] for row in answer["value"]]
        if "@odata.nextLink" not in answer:
            break
        url = answer["@odata.nextLink"]
    return texts


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(few=FEW)
def test_key_filter_and_order_of_finops_agree(store: Store, finops: httpx.Client, few: list[Texts]) -> None:
    emptied(store, ("finops", "LanguageCodes"))
    kept: dict[tuple[str, ...], str] = {}
    for one in few:
        answer = finops.post("LanguageCodes", json={"LanguageCodeId": one.text, "Description": one.text})
        assert answer.status_code == (400 if one.finops in kept else 201), (one.text, kept)
        kept.setdefault(one.finops, one.text.rstrip(" "))
    texts = list(kept.values())

    def ask(where: str, order: str = "") -> list[str]:
        query = f"LanguageCodes?$select=LanguageCodeId&$filter={quote(where, safe='')}{order}"
        return found(finops, query, "LanguageCodeId")

    ordered = ask("LanguageCodeId ne ''", "&$orderby=LanguageCodeId")
    one_order(ask, "LanguageCodeId", texts, ordered)
    assert found(finops, "LanguageCodes?$select=LanguageCodeId", "LanguageCodeId") == ordered
    letters = {kept[one.finops]: one.sales for one in few}
    bases = [letters[text] for text in ordered]
    assert all(len({at for at, b in enumerate(bases) if b == base}) == run(bases, base) for base in bases)


def run(bases: list[tuple[str, ...]], base: tuple[str, ...]) -> int:
    """How many stand together from the first of them on: texts of the same base letters are neighbours."""
    first = bases.index(base)
    return next((n for n in range(len(bases) - first) if bases[first + n] != base), len(bases) - first)


def test_finops_tells_accents_apart_and_no_case(finops: httpx.Client) -> None:
    for text in ("Café", "CAFE"):
        assert finops.post("LanguageCodes", json={"LanguageCodeId": text}).status_code == 201
    assert finops.post("LanguageCodes", json={"LanguageCodeId": "CAFÉ"}).status_code == 400
    assert finops.get(f"LanguageCodes(LanguageCodeId={literal('cAFÉ')})").json()["LanguageCodeId"] == "Café"
    for where, expected in {"eq 'cafe*'": ["CAFE"], "eq '*FÉ'": ["Café"], "ne '*é*'": ["CAFE"]}.items():
        url = f"LanguageCodes?$select=LanguageCodeId&$filter={quote(f'LanguageCodeId {where}')}"
        assert found(finops, url, "LanguageCodeId") == expected


@pytest.fixture
def related(store: Store, finops: httpx.Client) -> httpx.Client:
    sets = entities("finops")
    with store.write():
        store.insert(sets["LegalEntities"], {"LegalEntityId": "usmf"})
        store.insert(sets["CustomerGroups"], {"dataAreaId": "usmf", "CustomerGroupId": "Süd"})
        store.insert(sets["Currencies"], {"CurrencyCode": "EUR"})
    return finops


def test_a_reference_of_finops_must_have_the_accents(related: httpx.Client) -> None:
    body = {"dataAreaId": "USMF", "CustomerAccount": "1", "SalesCurrencyCode": "eur"}
    assert related.post("CustomersV2", json={**body, "CustomerGroupId": "SUD"}).status_code == 400
    assert related.post("CustomersV2", json={**body, "CustomerGroupId": "SÜD"}).status_code == 201


@pytest.fixture
def cities(sales: Sales) -> Sales:
    for number, city in enumerate(["Köln", "KOLN", "köln ", "Kassel"]):
        sales.create("accounts", name=f"N{number}", accountnumber=str(number), address1_city=city, revenue=number)
    return sales


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("address1_city eq 'koln'", "012"),
        ("contains(address1_city,'OL')", "012"),
        ("startswith(address1_city,'kö')", "012"),
        ("endswith(address1_city,'n')", "01"),
        ("startswith(address1_city,'k[áô]')", "0123"),
        (f"{CRM}.NotIn(PropertyName='address1_city',PropertyValues=['KÖLN'])", "3"),
        (f"{CRM}.Between(PropertyName='address1_city',PropertyValues=['KÖ','KÖLN'])", "012"),
    ],
)
def test_every_search_compares_alike(cities: Sales, where: str, expected: str) -> None:
    url = f"accounts?$select=accountnumber&$orderby=accountnumber&$filter={quote(where)}"
    assert "".join(found(cities.client, url, "accountnumber")) == expected


def test_groups_distinct_rows_and_extremes_are_of_the_system_too(cities: Sales) -> None:
    rows = cities.client.get("accounts?$apply=groupby((address1_city),aggregate($count as n))").json()["value"]
    assert sorted(row["n"] for row in rows) == [1, 3]
    text = "aggregate(address1_city with countdistinct as n,address1_city with min as least)"
    assert cities.client.get(f"accounts?$apply={text}").json()["value"] == [{"n": 2, "least": "Kassel"}]
    sql = quote("SELECT DISTINCT address1_city FROM account WHERE address1_city LIKE 'kol%' ORDER BY address1_city")
    assert len(cities.client.get(f"accounts?sql={sql}").json()["value"]) == 1
    fetch = '<fetch distinct="true"><entity name="account"><attribute name="address1_city"/></entity></fetch>'
    assert len(cities.client.get(f"accounts?fetchXml={quote(fetch)}").json()["value"]) == 2
    fetch = '<fetch><entity name="account"><attribute name="name"/><filter><condition attribute="address1_city" '
    fetch += 'operator="in"><value>kòln</value></condition></filter></entity></fetch>'
    assert len(cities.client.get(f"accounts?fetchXml={quote(fetch)}").json()["value"]) == 3


def test_accents_stand_beside_their_letter(sales: Sales) -> None:
    for name in ["Zeta", "Öl", "Oslo", "Ärger", "Apfel", "oase"]:
        sales.create("accounts", name=name)
    assert found(sales.client, "accounts?$select=name&$orderby=name", "name") == [
        "Apfel", "Ärger", "oase", "Öl", "Oslo", "Zeta",
    ]  # fmt: skip


# As Windows sorts words: none of these is another but for accents.
WORDS = [
    " x", "!x", "#x", "(x", "*x", "/x", ":x", "@x", "[x", "_x", "{x", "+x", "<x", "=x", "\u2014x", "\u201cx", "1", "10",
    "1x", "9", "A B", "A.B", "A_B", "AB", "A'B", "A-B", "ab c", "aero", "Ærø", "aft", "coop", "co-op", "corn", "Lodz",
    "Łodz", "lot", "Oslo", "ost", "Øst", "oz", "sao pal", "São Pau", "Seattle", "'tis", "to", "Z", "z1", "Zagreb",
    "Ωα", "Я", "中",
]  # fmt: skip


def test_sales_sorts_words_as_a_reader_looks_for_them(sales: Sales) -> None:
    for word in sorted(WORDS):
        sales.create("accounts", name="x", accountnumber=word)
    assert found(sales.client, "accounts?$select=accountnumber&$orderby=accountnumber", "accountnumber") == WORDS
    assert paged(sales, len(WORDS)) == WORDS
    after = quote("accountnumber gt 'São Pau' and accountnumber le 'zagreb'")
    url = f"accounts?$select=accountnumber&$orderby=accountnumber&$filter={after}"
    assert found(sales.client, url, "accountnumber") == WORDS[WORDS.index("Seattle") : WORDS.index("Zagreb") + 1]
    least = sales.client.get("accounts?$apply=aggregate(accountnumber with max as most)").json()["value"]
    assert least == [{"most": "中"}]


def test_finops_sorts_words_as_a_reader_looks_for_them(finops: httpx.Client) -> None:
    accented = [*WORDS, "Zürich", "zurich", "zurichs"]
    for word in sorted(accented):
        assert finops.post("LanguageCodes", json={"LanguageCodeId": word}).status_code == 201
    wanted = [*WORDS[:-3], "zurich", "Zürich", "zurichs", *WORDS[-3:]]
    for address in ("LanguageCodes?$select=LanguageCodeId", "LanguageCodes?$orderby=LanguageCodeId"):
        assert found(finops, address, "LanguageCodeId") == wanted
    after = quote("LanguageCodeId gt 'São Pau' and LanguageCodeId lt 'ZÜRICH'")
    url = f"LanguageCodes?$select=LanguageCodeId&$filter={after}"
    assert found(finops, url, "LanguageCodeId") == wanted[wanted.index("Seattle") : wanted.index("Zürich")]


def test_a_client_that_pages_by_key_reads_every_word_once(store: Store, portal: BlockingPortal) -> None:
    sets = entities("finops")
    with store.write():
        for number, word in enumerate(WORDS):
            store.insert(sets["LanguageCodes"], {"LanguageCodeId": f"{word}-", "Description": str(number)})
    with finops_client(store, portal) as client:
        query = Query("LanguageCodes", select=("LanguageCodeId", "Description"), page_size=7)
        rows = [row for page in client.read(query) for row in page.table.to_pylist()]
    assert sorted(int(row["Description"]) for row in rows) == list(range(len(WORDS)))


# -- the file ------------------------------------------------------------------------------------------------------


def plan(store: Store, sql: str, values: object) -> str:
    return " | ".join(row[3] for row in store.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))  # type: ignore[arg-type]


def test_keys_and_pages_are_read_by_their_indexes(store: Store) -> None:
    accounts, customers = entities("sales")["accounts"], entities("finops")["CustomersV2"]
    for entity, key in ((accounts, {"accountnumber": "a"}), (customers, {"dataAreaId": "a", "CustomerAccount": "b"})):
        where, values = matching(entity, dict(key))
        assert f"_by_{'_'.join(key)}" in plan(store, f"SELECT _id FROM {table(entity)} WHERE {where}", values)
    sql = f"SELECT t._id FROM {table(accounts)} AS t ORDER BY sales_key(t.name), t.accountid LIMIT 9"
    assert "_by_name_accountid" in plan(store, sql, [])
    assert "TEMP B-TREE" not in plan(store, sql, [])


def old_state(path: Path, *numbers: str) -> None:
    """A state as the first layout made it: texts that compare without ASCII case, three of its tables."""
    with closing(sqlite3.connect(path / "sandbox.db")) as file, file:
        file.executescript("""
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('version', 77), ('sales:account', 1005);
CREATE TABLE deletions (version INTEGER PRIMARY KEY, system TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL,
  at REAL NOT NULL);
INSERT INTO deletions VALUES (70, 'sales', 'account', 'gone', 1.5);
CREATE TABLE sales_accounts (_id INTEGER PRIMARY KEY AUTOINCREMENT, _version INTEGER NOT NULL, accountid TEXT,
  name TEXT COLLATE NOCASE, accountnumber TEXT COLLATE NOCASE);
CREATE UNIQUE INDEX sales_accounts_by_accountnumber ON sales_accounts (accountnumber);
CREATE INDEX sales_accounts_by_name_accountid ON sales_accounts (name, accountid);
""")
        for at, number in enumerate(numbers, start=5):
            row = (at, 60 + at, f"00000000-0000-0000-0000-00000000000{at}", f"Name {number}", number)
            file.execute("INSERT INTO sales_accounts VALUES (?, ?, ?, ?, ?)", row)
        file.execute("UPDATE sqlite_sequence SET seq = 41")


def test_an_older_state_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    old_state(tmp_path, "É-1", "f-2")
    accounts = entities("sales")["accounts"]
    for _ in range(2):
        with open_store(tmp_path) as store:
            row = store.find(accounts, {"accountnumber": "e-1"}) or {}
            assert (row["_id"], row["_version"], row["name"], row["revenue"]) == (5, 65, "Name É-1", None)
            assert store.version == 77
            assert store.connection.execute("SELECT key, at FROM deletions").fetchall() == [("gone", 1.5)]
    with open_store(tmp_path) as store, store.write():
        assert store.next_number("sales:account", 1000) == 1006
        assert store.insert(accounts, {"accountid": "x", "accountnumber": "new"}) == 42


def test_an_older_state_whose_keys_meet_now_is_told_with_what_to_do(tmp_path: Path) -> None:
    old_state(tmp_path, "É-1", "E-1")
    for _ in range(2):
        with pytest.raises(SandboxError, match=r"accounts.*older version") as told, open_store(tmp_path):
            pass
        assert "p2c sandbox reset" in str(told.value.hint)
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as file:
        assert file.execute("SELECT count(*) FROM sales_accounts").fetchone() == (2,)
    reset(tmp_path)
    with open_store(tmp_path) as store:
        assert store.count(entities("sales")["accounts"]) == 0


def test_keys_of_other_unicode_tables_are_made_anew(tmp_path: Path) -> None:
    accounts = entities("sales")["accounts"]
    with open_store(tmp_path) as store, store.write():
        store.insert(accounts, {"accountid": "x", "accountnumber": "É"})
        store.connection.execute("UPDATE counters SET value = 1 WHERE name = 'collation'")
        # Tables in which an accent is a letter of its own: the index would not find the row.
        store.connection.create_function("sales_key", 1, lambda text: text, deterministic=True)
        store.connection.execute("REINDEX")
    with open_store(tmp_path) as store:
        assert store.find(accounts, {"accountnumber": "e"}) is not None


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as file:
        file.execute("PRAGMA user_version = 999")
    with pytest.raises(SandboxError, match="layout 999"), open_store(tmp_path):
        pass
