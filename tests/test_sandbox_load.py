"""CSV files become rows of the sandbox, all of them or none."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from p2c_lib.errors import SandboxError, UnknownName
from p2c_lib.sandbox.load import load
from p2c_lib.sandbox.seed import seed
from p2c_lib.sandbox.state import alone, reset, status

# The same shape as a real company's files: people at accounts and on their own, a write-in line, a dead currency.
FILES = {
    "sales/accounts.csv": """
accountnumber,name,numberofemployees,transactioncurrencyid.isocurrencycode,statecode,address1_country
A-1,"Northwind, Inc.",7,USD,0,United States
A-2,Adventure,,EUR,1,Germany
""",
    "sales/contacts.csv": """
msdynce_contactnumber,firstname,lastname,gendercode,parentcustomerid.account.accountnumber,transactioncurrencyid.isocurrencycode
C-1,Orlando,Gee,1,A-1,USD
C-2,Kei,Ito,,,USD
C-3,Ana,Lopez,2,,USD
C-4,Bob,Ray,,a-2,USD
""",
    "sales/products.csv": """
productnumber,name,price,currentcost,defaultuomid.name,defaultuomscheduleid.name,transactioncurrencyid.isocurrencycode,msdynce_ismaintainedexternally
P-1,Helmet,34.99,13.0863,Each,Default unit,USD,true
P-2,Repair,50,20,Hour,Default unit,USD,false
""",
    "quotes.csv": """
quotenumber,name,customerid.account.accountnumber,customerid.contact.msdynce_contactnumber,transactioncurrencyid.isocurrencycode,requestdeliveryby,statecode,statuscode
Q-1,One,A-1,,USD,2026-03-31,1,3
Q-2,Two,,C-2,DEM,,1,3
Q-3,Written in,,C-2,USD,,1,3
Q-4,Draft,A-2,,EUR,,0,
Q-5,Ours,A-1,,USD,,1,3
""",
    "quotedetails.csv": """
quoteid.quotenumber,sequencenumber,productid.productnumber,productdescription,isproductoverridden,quantity,uomid.name,priceperunit,manualdiscountamount
Q-1,1,P-1,,false,3,Each,2024.994,0.5
Q-1,2,P-1,,false,1,Each,10,0
Q-2,1,P-1,,false,1,Each,10,0
Q-3,1,P-1,,false,1,Each,10,0
Q-3,2,,Assembly,true,1,Each,99,0
Q-4,1,P-1,,false,1,Each,10,0
Q-5,1,P-2,,false,1,Hour,50,0
""",
    "finops/SellableReleasedProducts.csv": """
dataAreaId,ProductNumber,ProductName,ProductType,SalesUnitSymbol,SalesPrice,CurrencyCode,IsStockedProduct
USMF,P-1,Helmet,Item,ea,34.99,USD,Yes
USMF,P-3,Glove,Item,ea,12,USD,Yes
""",
    "finops/CustomersV2.csv": """
dataAreaId,CustomerAccount,PartyNumber,PartyType,OrganizationName,CustomerGroupId,SalesCurrencyCode,AddressCountryRegionISOCode
USMF,A-1,A-1,Organization,Northwind,10,USD,USA
""",
}


def write(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    for name, text in {**FILES, **(changes or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text.lstrip("\n"), "utf-8")
        else:
            path.unlink(missing_ok=True)
    return folder


def ask(state: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(state / "sandbox.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    result = load(tmp_path / "state", write(tmp_path / "csv"), reset=True)
    assert result.rows == {
        "products": 2,
        "accounts": 2,
        "contacts": 4,
        "quotes": 5,
        "quotedetails": 7,
        "SellableReleasedProducts": 2,
        "CustomersV2": 1,
    }
    return tmp_path / "state"


def test_blanks_around_a_text_are_kept_as_each_system_keeps_them(tmp_path: Path):
    sales = FILES["sales/accounts.csv"].replace("Adventure", "  Adventure \u00a0 ").replace("A-2,", " A-2  ,")
    sales = sales.replace('"Northwind, Inc."', '"  "')
    contacts = FILES["sales/contacts.csv"].replace(",a-2,", ", a-2,")
    contacts = contacts.replace(",A-1,", ",A-1 ,").replace("C-3,Ana,Lopez,2,,", "C-3,Ana,Lopez,2,  ,")
    quotes = FILES["quotes.csv"].replace("Draft,A-2", "Draft, A-2")
    customers = FILES["finops/CustomersV2.csv"].replace("Northwind", '" Northwind\t\n  "')
    changes = {"sales/accounts.csv": sales, "sales/contacts.csv": contacts, "quotes.csv": quotes}
    files = write(tmp_path / "csv", {**changes, "finops/CustomersV2.csv": customers})
    load(tmp_path / "state", files, reset=True)
    accounts = ask(tmp_path / "state", "SELECT name, accountnumber FROM sales_accounts ORDER BY accountnumber")
    assert accounts == [("  Adventure \u00a0 ", " A-2  "), ("  ", "A-1")]
    named = "SELECT msdynce_contactnumber, a.accountnumber FROM sales_contacts c LEFT JOIN sales_accounts a "
    named += "ON a.accountid = c.parentcustomerid ORDER BY 1"
    wanted = [("C-1", "A-1"), ("C-2", None), ("C-3", None), ("C-4", " A-2  ")]
    assert ask(tmp_path / "state", named) == wanted
    assert ask(tmp_path / "state", 'SELECT "OrganizationName" FROM "finops_customersv2"') == [(" Northwind\t\n",)]


def test_the_solution_flags_are_set_as_the_solution_would(loaded: Path):
    contacts = "SELECT msdynce_contactnumber, msdynce_isactivecustomer, msdynce_iscompanyanaccount FROM sales_contacts"
    assert ask(loaded, f"{contacts} ORDER BY 1") == [("C-1", 0, 1), ("C-2", 1, 0), ("C-3", 0, 0), ("C-4", 0, 1)]
    quotes = "SELECT quotenumber, msdynce_hasexternallymaintainedproductsonly FROM sales_quotes ORDER BY 1"
    assert ask(loaded, quotes) == [("Q-1", 1), ("Q-2", 1), ("Q-3", 0), ("Q-4", 1), ("Q-5", 0)]
    lines = """SELECT q.quotenumber, sum(d.msdynce_quotehasexternalmaintainedproductsonly) FROM sales_quotedetails d
               JOIN sales_quotes q USING (quoteid) GROUP BY 1 ORDER BY 1"""
    assert ask(loaded, lines) == [("Q-1", 2), ("Q-2", 1), ("Q-3", 0), ("Q-4", 1), ("Q-5", 0)]


def test_amounts_states_dates_and_owners_are_those_sales_would_have(loaded: Path):
    sql = "SELECT totalamount, requestdeliveryby, q.statecode, q.statuscode, revisionnumber, fullname"
    sql += " FROM sales_quotes q LEFT JOIN sales_contacts ON contactid = customerid ORDER BY quotenumber"
    assert ask(loaded, sql) == [
        ("6084.4820", "2026-03-31T00:00:00Z", 1, 3, 0, None),
        ("10.0000", None, 1, 3, 0, "Kei Ito"),
        ("109.0000", None, 1, 3, 0, "Kei Ito"),
        ("10.0000", None, 0, 1, 0, None),
        ("50.0000", None, 1, 3, 0, None),
    ]
    assert ask(loaded, "SELECT priceperunit FROM sales_quotedetails WHERE sequencenumber = 1 LIMIT 1") == [
        ("2024.9940",)
    ]
    assert ask(loaded, "SELECT statecode, statuscode FROM sales_accounts ORDER BY accountnumber") == [(0, 1), (1, 2)]
    owners = 'SELECT DISTINCT "ownerid!type" FROM sales_accounts JOIN sales_systemusers ON systemuserid = ownerid'
    assert ask(loaded, owners) == [("systemuser",)]


def test_reference_rows_are_made_on_both_sides_and_dead_currencies_only_in_sales(loaded: Path):
    assert ask(loaded, "SELECT isocurrencycode FROM sales_transactioncurrencies ORDER BY 1") == [
        ("DEM",),
        ("EUR",),
        ("USD",),
    ]
    lists = "SELECT isocurrencycode, name FROM sales_pricelevels JOIN sales_transactioncurrencies"
    lists += " USING (transactioncurrencyid)"
    assert ask(loaded, f"{lists} ORDER BY 1") == [("DEM", "Standard DEM"), ("EUR", "Standard EUR"), ("USD", "Standard")]
    assert ask(loaded, "SELECT count(*) FROM finops_currencies WHERE CurrencyCode IN ('DEM', 'FRF')") == [(0,)]
    assert ask(loaded, "SELECT count(*) FROM finops_currencies WHERE CurrencyCode IN ('USD', 'EUR', 'AUD')") == [(3,)]
    assert ask(loaded, "SELECT name FROM sales_uoms ORDER BY 1") == [("Each",), ("Hour",)]
    assert ask(loaded, "SELECT DISTINCT dataAreaId FROM finops_customersv2") == [("usmf",)]
    items = "SELECT productnumber, amount FROM sales_productpricelevels"
    assert ask(loaded, items) == [("P-1", "34.9900")]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("sales/accounts.csv", "name,", "nmae,", ["column 'nmae'", "sales/accounts.csv line 1", "Did you mean 'name'"]),
        ("sales/accounts.csv", "accountnumber,", "description,", ["column 'accountnumber' is missing", "line 1"]),
        ("sales/accounts.csv", "name,", "accountnumber,", ["'accountnumber' is there twice"]),
        ("sales/accounts.csv", "7,USD", "seven,USD", ["line 2, column 'numberofemployees'", "'seven'"]),
        ("sales/accounts.csv", "USD,0", "USD,9", ["line 2, column 'statecode'", "'9'", "0 (Active)"]),
        ("sales/accounts.csv", "7,USD", "7,XXX", ["line 2", "no row of 'transactioncurrencies' has 'XXX'"]),
        ("sales/accounts.csv", "A-2,", "a-1,", ["line 3, column 'accountnumber'", "'a-1' is there already"]),
        ("sales/accounts.csv", "A-2,Adventure", "A-2", ["line 3", "5 values, but the header has 6"]),
        ("sales/accounts.csv", "A-2,", f"{'A' * 21},", ["line 3", "21 characters; at most 20"]),
        ("sales/accounts.csv", "A-2,", f"{'A' * 18}🏭a,", ["line 3", "21 characters; at most 20"]),
        (
            "sales/contacts.csv",
            "C-1,Orlando,Gee,1,A-1",
            "C-1,Orlando,Gee,1,A-9",
            ["line 2", "'A-9' in 'accountnumber'"],
        ),
        ("sales/contacts.csv", "parentcustomerid.account.", "parentcustomerid.", ["lookup", "account, contact"]),
        ("sales/contacts.csv", "account.accountnumber", "account.nmae", ["Unknown column 'nmae'"]),
        ("quotes.csv", "Q-1,One,A-1,,", "Q-1,One,A-1,C-1,", ["line 2", "'customerid' is given twice"]),
        ("quotes.csv", "2026-03-31", "31.03.2026", ["line 2, column 'requestdeliveryby'", "YYYY-MM-DD"]),
        ("quotedetails.csv", "Q-5,1", "Q-9,1", ["line 8, column 'quoteid.quotenumber'", "'Q-9'"]),
        ("quotedetails.csv", "Q-1,2,P-1", "Q-1,1,P-1", ["line 3", "is there already"]),
        ("quotedetails.csv", "3,Each", "1e99,Each", ["line 2, column 'quantity'", "Allowed:"]),
        (
            "finops/CustomersV2.csv",
            "Organization,Northwind,10",
            "Organization,Northwind,99",
            ["line 2", "CustomerGroups"],
        ),
        ("finops/CustomersV2.csv", "USD,USA", "DEM,USA", ["line 2, column 'SalesCurrencyCode'", "Currencies"]),
        ("finops/SellableReleasedProducts.csv", "34.99,USD,Yes", "34.99,USD,true", ["'true'", "No, Yes"]),
        ("finops/SellableReleasedProducts.csv", "USMF,P-3", "USMF,", ["line 3, column 'ProductNumber'", "empty"]),
    ],
)
def test_what_cannot_be_taken_names_file_line_and_column_and_loads_nothing(
    loaded: Path, tmp_path: Path, file: str, old: str, new: str, said: list[str]
):
    before = status(loaded)
    assert old in FILES[file]
    folder = write(tmp_path / "bad", {file: FILES[file].replace(old, new, 1)})
    with pytest.raises((SandboxError, UnknownName)) as refused:
        load(loaded, folder, reset=True)
    for part in said:
        assert part in str(refused.value)
    assert status(loaded).sales == before.sales
    assert status(loaded).finops == before.finops


def test_rows_may_name_rows_of_their_own_file_and_of_files_to_come(tmp_path: Path):
    accounts = """
accountid,accountnumber,name,parentaccountid.accountnumber,primarycontactid.msdynce_contactnumber
,A-1,Child,A-2,C-1
11111111-2222-4333-8444-555555555555,A-2,Parent,,
"""
    load(tmp_path / "state", write(tmp_path / "csv", {"sales/accounts.csv": accounts, "quotes.csv": None,
                                                      "quotedetails.csv": None}))  # fmt: skip
    sql = """SELECT a.name, p.name, fullname, p.accountid FROM sales_accounts a
             JOIN sales_accounts p ON p.accountid = a.parentaccountid
             JOIN sales_contacts ON contactid = a.primarycontactid"""
    assert ask(tmp_path / "state", sql) == [("Child", "Parent", "Orlando Gee", "11111111-2222-4333-8444-555555555555")]
    assert ask(tmp_path / "state", "SELECT count(*) FROM sales_accounts WHERE accountid IS NULL") == [(0,)]


def test_unknown_and_missing_files_are_named(tmp_path: Path):
    with pytest.raises(UnknownName, match=r"Did you mean 'accounts\.csv'"):
        load(tmp_path / "state", write(tmp_path / "csv", {"acounts.csv": "name\nx\n"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SandboxError, match="no CSV file"):
        load(tmp_path / "state", tmp_path / "empty")
    with pytest.raises(SandboxError, match="not a folder"):
        load(tmp_path / "state", tmp_path / "nowhere")


def test_without_reset_rows_are_added_and_known_keys_refused(loaded: Path, tmp_path: Path):
    more = tmp_path / "more"
    more.mkdir()
    (more / "accounts.csv").write_text("accountnumber,name\nA-3,Third\n", "utf-8")
    assert load(loaded, more).rows == {"accounts": 1}
    assert status(loaded).sales["accounts"] == 3
    with pytest.raises(SandboxError, match="there already"):
        load(loaded, more)
    reset(loaded)
    assert status(loaded).sales == {}
    assert status(loaded).finops == {}


def test_a_reset_gives_the_room_back(loaded: Path):
    seed(loaded, accounts=2000, contacts=0, quotes=0)
    before = status(loaded).bytes
    reset(loaded)
    assert status(loaded).bytes < before / 2
    assert not (loaded / "truth.json").exists()


def test_a_state_that_is_served_is_left_alone(loaded: Path, tmp_path: Path):
    with alone(loaded):
        for change in (lambda: load(loaded, tmp_path / "csv"), lambda: reset(loaded), lambda: seed(loaded)):
            with pytest.raises(SandboxError, match="in use by another process"):
                change()


def adventureworks() -> Path | None:
    """The folder named by P2C_ADVENTUREWORKS, or the one beside the checkout."""
    named = os.environ.get("P2C_ADVENTUREWORKS")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "adventureworks"
    return Path(named) if named else beside if beside.is_dir() else None


@pytest.mark.skipif(adventureworks() is None, reason="the AdventureWorks files are not on this machine")
def test_adventureworks_loads_with_the_known_counts(tmp_path: Path):
    folder = adventureworks()
    assert folder is not None
    result = load(tmp_path, folder, reset=True)
    assert result.rows == {
        "accounts": 701,
        "contacts": 18_995,
        "products": 293,
        "quotes": 27_171,
        "quotedetails": 59_601,
        "SellableReleasedProducts": 304,
        "CustomersV2": 350,
    }
    of = "SELECT count(*) FROM sales_contacts WHERE msdynce_isactivecustomer"
    assert ask(tmp_path, f"{of} = 0 AND msdynce_iscompanyanaccount = 1") == [(843,)]
    assert ask(tmp_path, f"{of} = 1") == [(18_148,)]
    quotes = "SELECT count(*) FROM sales_quotes WHERE statecode = 1 AND msdynce_hasexternallymaintainedproductsonly = 1"
    assert ask(tmp_path, quotes) == [(15_892,)]
    lines = """SELECT count(*) FROM sales_quotedetails d JOIN sales_quotes q USING (quoteid)
               WHERE q.statecode = 1 AND d.msdynce_quotehasexternalmaintainedproductsonly = 1"""
    assert ask(tmp_path, lines) == [(29_091,)]
