"""What a file may say to a column is what a request may: `sandbox load` and the wire take, refuse and store alike."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.load import load
from p2c_lib.sandbox.state import open_store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import FINOPS_URL, SALES_URL, TOKEN, AppTransport

EXAMPLES = int(os.environ.get("P2C_LOAD_EXAMPLES", "12"))
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Subject:
    """A set under test: what every row has, which column tells rows apart, and the kinds of the columns tried."""

    system: str
    set_name: str
    row: Mapping[str, str]
    mark: str
    columns: Mapping[str, str]

    def body(self, key: str, column: str, text: str) -> str:
        """The request that says what the cell says."""
        sent = {name: json.dumps(value) for name, value in {**self.row, self.mark: key}.items()}
        sent[column] = wire(self.columns[column], text)
        return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in sent.items()) + "}"


def wire(kind: str, text: str) -> str:
    """A cell as JSON: numbers and truth values are bare where they are some, and texts where they are none."""
    bare = {"number": JSON_NUMBER.fullmatch(text), "bool": text in {"true", "false"}}.get(kind)
    return text if bare else json.dumps(text)


SUBJECTS = (
    Subject(
        "sales", "accounts", {"name": "n"}, "accountnumber",
        {"name": "text", "description": "text", "numberofemployees": "number", "creditlimit": "number",
         "address1_latitude": "number", "donotphone": "bool", "industrycode": "number", "new_interests": "text",
         "lastonholdtime": "text", "address1_addressid": "text"},
    ),
    Subject("sales", "contacts", {"lastname": "n"}, "msdynce_contactnumber", {"birthdate": "text"}),
    Subject(
        "finops", "CustomersV2",
        {"dataAreaId": "usmf", "CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": "n"},
        "CustomerAccount",
        {"OrganizationName": "text", "CreditLimit": "number", "PersonAnniversaryYear": "number",
         "AddressValidTo": "text", "OnHoldStatus": "text", "CustomerGroupId": "text"},
    ),
)  # fmt: skip
ODD = "\x00\x01\x0b\x1f\t\n\r\x7f\x85\ufffe\uffff\ufeff\ud7ff\ue000 \u3000\u200d\u0301é😀İß,\"';aB１٣"
TEXTS = st.text(st.sampled_from(ODD), max_size=6) | st.builds(
    lambda c, n, end: c * n + end, st.sampled_from("aé😀 "), st.sampled_from([79, 80, 81, 160, 161, 1000, 1001, 2000]),
    st.sampled_from(["", "b", " ", "😀"]),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-3, 9).map(str),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 10**9, 10**9 + 1, 10**14, 10**14 + 1]).map(str),
    st.sampled_from([10**22, 10**22 - 1, 10**27, 10**29]).map(str),
    st.decimals(-400, 10**15, places=18).map(lambda value: format(value, "f")),
    st.builds("{}e{}".format, st.integers(-9, 9), st.integers(-30, 30)),
    st.sampled_from([" 5", "5 ", "1_000.5", "1_0", "１２", "٣", "1,5", "NaN", "Infinity", "0x1", "1e", "five", "12.0"]),
)
MOMENTS = st.one_of(
    st.datetimes().map(lambda at: at.isoformat()[:19] + "Z"),
    st.dates().map(str),
    st.sampled_from([
        "1752-12-31", "1753-01-01", "1752-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00",
        "2026-1-5", "2026-02-30", "20260131", "2026-W05-1", "２０２６-01-31", "2026-01-31T10Z", "2026-01-31T10:00Z",
        "2026-01-31T24:00:00Z", "2026-01-31T10:00:60Z", "2026-01-31T10:00:00+05:30", "2026-01-31T10:00:00.1234567Z",
        "31.01.2026", "2026-01-31 ", " 2026-01-31", "1900-01-01", "2026-01-31T10:00:00",
    ]),
)  # fmt: skip
CHOICES = st.sampled_from(
    ["100000000", "100000001,100000000", "100000000, 100000000", "1", "9", "x", "Yes", "No", "yes"]
)
GUIDS = (
    st.uuids().map(str) | st.uuids().map(lambda one: f"{{{str(one).upper()}}}") | st.sampled_from(["1", "a-b", "{}"])
)
CELLS = {"number": NUMBERS | CHOICES, "bool": st.sampled_from(["true", "false", "maybe", "t", " true"])}
ANY = TEXTS | MOMENTS | CHOICES | GUIDS | NUMBERS
CASES = st.lists(
    st.sampled_from([(one, column) for one in SUBJECTS for column in one.columns]).flatmap(
        lambda case: st.tuples(st.just(case), CELLS.get(case[0].columns[case[1]], ANY))
    ),
    min_size=40,
    max_size=120,
)


@dataclass
class Both:
    """The two systems' wires over one store, and a folder whose rows are loaded into another."""

    clients: Mapping[str, httpx.Client]
    wired: Path
    state: Path
    files: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def sent(self, one: Subject, key: str, column: str, text: str) -> bool:
        """Whether the wire takes the value."""
        body = one.body(key, column, text).encode()
        answer = self.clients[one.system].post(one.set_name, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {201, 204, 400}, answer.text
        return answer.status_code != 400

    def loaded(self, one: Subject, cells: list[tuple[str, str, str]]) -> Mapping[str, int]:
        """Load rows of (key, column, text) and nothing else."""
        path = self.files / f"{one.set_name}.csv"
        columns = list(dict.fromkeys([*one.row, one.mark, *(column for _, column, _ in cells)]))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows({**one.row, one.mark: key, column: text} for key, column, text in cells)
        try:
            return load(self.state, self.files, reset=True).rows
        finally:
            path.unlink()


def held(state: Path, one: Subject, key: str, column: str) -> object:
    connection = sqlite3.connect(state / "sandbox.db")
    try:
        sql = f'SELECT "{column}" FROM {one.system}_{one.set_name.lower()} WHERE "{one.mark}" = ?'
        return connection.execute(sql, [key]).fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("both")
    files = home / "files"
    files.mkdir()
    (files / "accounts.csv").write_text("accountnumber,name\nZ,z\n", "utf-8")
    load(home / "wired", files)
    (files / "accounts.csv").unlink()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with open_store(home / "wired") as store:
        apps = {
            "sales": (sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN)), SALES_URL),
            "finops": (finops_app(store, Tokens(TOKEN), Switches()), FINOPS_URL),
        }
        clients = {
            system: httpx.Client(transport=AppTransport(app, portal), base_url=url, headers=headers)
            for system, (app, url) in apps.items()
        }
        yield Both(clients, home / "wired", home / "state", files)


ACCOUNTS, CUSTOMERS = SUBJECTS[0], SUBJECTS[2]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@example(
    [((ACCOUNTS, "name"), text) for text in ("bad\x01", "nul\x00", "\ufffe", "\uffff", "\x7f", "😀" * 80, "a" * 161)]
)
@example([((ACCOUNTS, "numberofemployees"), text) for text in ("-1", "0", "1000000000", "1000000001", "１", "7.0")])
@example([((ACCOUNTS, "creditlimit"), text) for text in ("0.00005", "1_000.5", " 5", "1e2", "100000000000001")])
@example([((CUSTOMERS, "CreditLimit"), text) for text in ("１", " 5", "1_0", "0.12345678901234565", "1e22")])
@example([((CUSTOMERS, "OrganizationName"), text) for text in ("bad\x0b", "\uffff", "x ", " x", "x\t ", "a" * 200)])
@given(CASES)
def test_a_file_and_a_request_are_taken_or_refused_and_stored_alike(
    both: Both, cells: list[tuple[tuple[Subject, str], str]]
) -> None:
    taken: dict[str, list[tuple[str, str, str]]] = {}
    for (one, column), text in cells:
        if text == "":
            continue  # an empty cell says nothing
        key = f"K{next(both.numbers)}"
        if both.sent(one, key, column, text):
            taken.setdefault(one.set_name, []).append((key, column, text))
            continue
        with pytest.raises(SandboxError, match=f"{one.set_name}.csv line [0-9]+, column '{column}'"):
            both.loaded(one, [(key, column, text)])
    for one in SUBJECTS:
        rows = taken.get(one.set_name, [])
        if rows:
            assert both.loaded(one, rows) == {one.set_name: len(rows)}
            for key, column, text in rows:
                assert held(both.state, one, key, column) == held(both.wired, one, key, column), (column, text)


@pytest.mark.parametrize(
    ("one", "column", "text", "said", "allowed"),
    [
        (ACCOUNTS, "name", "bad\x01", "holds the character U+0001", "control characters"),
        (ACCOUNTS, "name", "a" * 161, "161 characters; at most 160 fit", "Shorten it to 160"),
        (ACCOUNTS, "description", "y" * 200_000, "200000 characters; at most 2000 fit", "Shorten it to 2000"),
        (ACCOUNTS, "numberofemployees", "-1", "'-1' is not a whole number", "Allowed: 0 to 1000000000"),
        (ACCOUNTS, "creditlimit", "1_000.5", "'1_000.5' is not a number", "Allowed: 0 to 100000000000000"),
        (ACCOUNTS, "donotphone", "Ja", "'Ja' is not true or false", "Allowed: true, false"),
        (ACCOUNTS, "address1_addressid", "7", "'7' is not a guid", "00000000-0000"),
        (ACCOUNTS, "lastonholdtime", "1752-12-31", "'1752-12-31' is not a date or a moment", "from 1753"),
        (ACCOUNTS, "lastonholdtime", "2026-1-5", "'2026-1-5' is not a date or a moment", "YYYY-MM-DD"),
        (ACCOUNTS, "industrycode", "999", "'999' is not a value of 'industrycode'", "Allowed: 1 (Accounting)"),
        (CUSTOMERS, "CreditLimit", "１", "'１' is not a number", "digits 0-9"),
        (CUSTOMERS, "OrganizationName", "nul\x00", "holds the character U+0000", "control characters"),
        (CUSTOMERS, "CustomerGroupId", "", "it is empty", "fill it in"),
        (CUSTOMERS, "AddressValidTo", "2026-1-5", "'2026-1-5' is not a date or a moment", "YYYY-MM-DD"),
    ],
)
def test_a_refused_value_is_told_with_its_place_and_what_is_allowed(
    both: Both, one: Subject, column: str, text: str, said: str, allowed: str
) -> None:
    with pytest.raises(SandboxError) as refused:
        both.loaded(one, [("K", next(iter(one.row)), "usmf" if one is CUSTOMERS else "n"), ("L", column, text)])
    assert f"{one.set_name}.csv line 3, column '{column}'" in refused.value.message
    assert said in refused.value.message
    assert allowed in (refused.value.hint or "")
    assert not both.sent(one, f"K{next(both.numbers)}", column, text)


def test_a_key_beyond_its_length_is_refused_and_what_is_too_long_else_goes_by_the_switch(both: Both) -> None:
    for cells in ([("K" * 21, "OrganizationName", "n")],):
        with pytest.raises(SandboxError, match="line 2, column 'CustomerAccount': 21 characters; at most 20 fit"):
            both.loaded(CUSTOMERS, cells)
    both.loaded(CUSTOMERS, [("K", "OrganizationName", "x" * 120)])
    assert held(both.state, CUSTOMERS, "K", "OrganizationName") == [("x" * 120,)]
    switches = both.state / "switches.json"
    try:
        switches.write_text('{"finops": {"string_overflow": "truncate"}}', "utf-8")
        both.loaded(CUSTOMERS, [("K", "OrganizationName", "x" * 99 + "😀")])
        assert held(both.state, CUSTOMERS, "K", "OrganizationName") == [("x" * 99,)]
        switches.write_text('{"finops": {"string_overflow": "reject"}}', "utf-8")
        with pytest.raises(SandboxError, match="101 characters; at most 100 fit"):
            both.loaded(CUSTOMERS, [("K", "OrganizationName", "x" * 101)])
    finally:
        switches.unlink()


def test_money_has_the_decimals_of_the_rows_own_currency(tmp_path: Path) -> None:
    (tmp_path / "transactioncurrencies.csv").write_text(
        "isocurrencycode,currencyname,currencysymbol,currencyprecision,exchangerate,statecode\nJPY,Yen,¥,0,149,0\n",
        "utf-8",
    )
    (tmp_path / "accounts.csv").write_text(
        "accountnumber,name,creditlimit,transactioncurrencyid.isocurrencycode\nA,a,10.5,JPY\nB,b,10.12345,USD\n",
        "utf-8",
    )
    load(tmp_path / "state", tmp_path)
    assert held(tmp_path / "state", ACCOUNTS, "A", "creditlimit") == [("11.0000",)]
    assert held(tmp_path / "state", ACCOUNTS, "B", "creditlimit") == [("10.1235",)]


# -- files ---------------------------------------------------------------------------------------------------------


LINES = st.lists(st.sampled_from(["A-{},n", "", ",", " , ", 'A-{},"two\nlines"']), max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2), LINES)
def test_every_line_but_empty_ones_is_a_row_or_is_refused(tmp_path: Path, before: int, lines: list[str]) -> None:
    said = ["\n" * before + "accountnumber,name", *(line.format(n) for n, line in enumerate(lines))]
    (tmp_path / "accounts.csv").write_text("\n".join(said) + "\n", "utf-8")
    bad = [n for n, line in enumerate(lines) if line.strip() == ","]
    if bad:
        place = "\n".join(said[: bad[0] + 1]).count("\n") + 2
        with pytest.raises(SandboxError, match=f"accounts.csv line {place}: every value is empty"):
            load(tmp_path / "state", tmp_path, reset=True)
    else:
        rows = sum(line != "" for line in lines)
        assert load(tmp_path / "state", tmp_path, reset=True).rows == {"accounts": rows}


def test_empty_lines_before_the_header_do_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("\n\naccountnumber,nmae\nA,a\n", "utf-8")
    with pytest.raises(UnknownName, match=r"Unknown column 'nmae' in accounts\.csv line 3"):
        load(tmp_path / "state", tmp_path)


def test_files_are_found_whatever_the_case_of_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("accountnumber,name\nA,a\n", "utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "ACCOUNTS.CSV").write_text("accountnumber,name\nB,b\n", "utf-8")
    (tmp_path / "CONTACTS.CSV").write_text("msdynce_contactnumber,lastname\nC,c\n", "utf-8")
    found = load(tmp_path / "state", tmp_path)
    assert (found.rows, set(found.files)) == (
        {"accounts": 2, "contacts": 1},
        {"accounts.csv", "more/ACCOUNTS.CSV", "CONTACTS.CSV"},
    )


def test_a_folder_with_the_name_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("accountnumber,name\nA,a\n", "utf-8")
    (tmp_path / "contacts.csv").mkdir()
    with pytest.raises(SandboxError, match=r"contacts\.csv' is a folder"):
        load(tmp_path / "state", tmp_path)
    (tmp_path / "contacts.csv").rmdir()
    (tmp_path / "contacts.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(SandboxError, match=r"contacts\.csv' is no file"):
        load(tmp_path / "state", tmp_path)


def test_a_line_of_a_quotation_has_the_unit_of_its_product_where_it_brings_none(tmp_path: Path) -> None:
    files = {
        "SellableReleasedProducts": "dataAreaId,ProductNumber,SalesUnitSymbol,CurrencyCode\nusmf,P,ea,USD\n",
        "CustomersV2": "dataAreaId,CustomerAccount,CustomerGroupId,SalesCurrencyCode\nusmf,C,10,USD\n",
        "CDSSalesQuotationHeaders": "dataAreaId,SalesQuotationNumber,RequestingCustomerAccountNumber\nusmf,Q,C\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, "utf-8")
    assert sum(load(tmp_path / "state", tmp_path).rows.values()) == 3
    headers = Subject("finops", "CDSSalesQuotationHeaders", {}, "SalesQuotationNumber", {})
    assert held(tmp_path / "state", headers, "Q", "CurrencyCode") == [("USD",)]
