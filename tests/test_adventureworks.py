"""A real company's data through the whole walk: bicycles, 27,171 quotes, currencies that no longer exist."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.ledger import open_ledger

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("P2C_ADVENTUREWORKS", ROOT.parent / "shared" / "data" / "adventureworks"))

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the AdventureWorks data are not here: set P2C_ADVENTUREWORKS"
)


def p2c(home: Path, *words: str, exits: int = 0) -> str:
    environment = {**os.environ, "P2C_WORKSPACE": str(home)}
    command = [sys.executable, "-m", "p2c_lib.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == exits, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The workspace as loaded, and what a reconciliation of it says."""
    home = tmp_path_factory.mktemp("adventureworks")
    p2c(home, "sandbox", "load", str(DATA), "--reset")
    view: dict[str, Any] = json.loads(p2c(home, "reconcile", "--all", "--json", exits=1))
    return home, view


@pytest.fixture(scope="module")
def runs(compared: tuple[Path, dict[str, Any]]) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    home, _ = compared
    first = json.loads(p2c(home, "run", "--apply", "--json"))
    second = json.loads(p2c(home, "run", "--apply", "--json"))
    return home, {line["task"]: line for line in first["tasks"]}, {line["task"]: line for line in second["tasks"]}


def causes(task: dict[str, Any]) -> dict[str, dict[str, int]]:
    """How often each cause stands behind each field."""
    found: dict[str, dict[str, int]] = {}
    for line in task["causes"]:
        found.setdefault(line["field"], {})[line["cause"]] = line["count"]
    return found


def test_every_difference_of_the_products_has_the_cause_a_person_would_name(
    compared: tuple[Path, dict[str, Any]],
) -> None:
    products = compared[1]["tasks"]["products"]
    assert {name: products[name] for name in ("equal", "changed", "missing", "extra")} == {
        "equal": 0, "changed": 293, "missing": 11, "extra": 0,
    }  # fmt: skip
    assert causes(products) == {
        "description": {"other-source": 293},
        "isstockitem": {"constant": 293},
        "price": {"ratio": 76},
        "currentcost": {"value": 76},
    }
    money = {line["field"]: line["money"] for line in products["causes"] if line["money"]}
    assert money == {"price": "7462.4445", "currentcost": "5957.0326"}


def test_every_difference_of_the_accounts_has_the_cause_a_person_would_name(
    compared: tuple[Path, dict[str, Any]],
) -> None:
    accounts = compared[1]["tasks"]["accounts"]
    assert {name: accounts[name] for name in ("equal", "changed", "missing", "extra")} == {
        "equal": 0, "changed": 350, "missing": 351, "extra": 0,
    }  # fmt: skip
    assert causes(accounts) == {
        "AddressDescription": {"not-filled": 350},
        "AddressLocationRoles": {"default": 350},
        "AddressState": {"unmapped-value": 350},
        "AddressStreet": {"encoding": 10, "unicode": 1, "value": 2},
        "DeliveryAddressCountryRegionISOCode": {"default": 350},
        "DeliveryAddressDescription": {"not-filled": 350},
        "OrganizationNumberOfEmployees": {"not-filled": 350},
        "PrimaryContactPhone": {"not-filled": 350},
    }


def test_rows_that_refer_to_none_and_people_who_stand_twice_are_found(compared: tuple[Path, dict[str, Any]]) -> None:
    lost = {title: rows for title, rows in compared[1]["orphans"].items() if rows}
    assert lost == {"Sales contacts that neither buy nor work for an account": 4}
    found = {name: (search["open"], search["recall"]) for name, search in compared[1]["duplicates"].items()}
    assert found == {"accounts": (2, 1.0), "contacts": (1192, 1.0), "customers": (0, None)}


def test_every_row_is_read_and_accounted_for(runs: tuple[Path, dict[str, Any], dict[str, Any]]) -> None:
    _, first, _ = runs
    assert {task: line["read"] for task, line in first.items()} == {
        "products": 304,
        "accounts": 701,
        "contacts": 843,
        "contact-customers": 18_148,
        "quotes": 15_892,
        "quote-lines": 29_091,
    }
    for line in first.values():
        assert line["read"] == line["passed"] + line["quarantined"] + line["held"], line
        ended = ("created", "updated", "unchanged", "failed", "drifted")
        assert line["passed"] == sum(line[name] for name in ended), line
        assert line["failed"] == line["drifted"] == 0, line


def test_products_that_sales_lacks_are_created_and_stale_prices_updated(
    runs: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    products = runs[1]["products"]
    assert products["created"] == 11
    assert products["updated"] >= 76


def test_quotes_in_dead_currencies_are_set_aside_with_the_reason_and_their_lines_wait(
    runs: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    home, first, _ = runs
    assert first["quotes"]["quarantined"] == 134
    ledger = open_ledger(home / ".p2c")
    aside = ledger.waiting(connection_set="sandbox", company="USMF", task="quotes")
    lines = ledger.waiting(connection_set="sandbox", company="USMF", task="quote-lines")
    ledger.close()
    assert {row["value"] for row in aside} == {"DEM", "FRF"}
    assert all(row["value"] in row["reason"] for row in aside)
    quotes = {row["key"] for row in aside}
    assert len({row["key"] for row in lines}) == first["quote-lines"]["held"]
    assert {row["key"].split("|")[0] for row in lines} == quotes


def test_the_second_run_writes_nothing(runs: tuple[Path, dict[str, Any], dict[str, Any]]) -> None:
    assert {task: (line["created"], line["updated"]) for task, line in runs[2].items()} == dict.fromkeys(
        runs[2], (0, 0)
    )


@pytest.mark.parametrize(
    ("source", "destination", "pairs"),
    [
        (
            "sales:accounts",
            "finops:CustomersV2",
            "name=OrganizationName accountnumber=CustomerAccount accountnumber=PartyNumber address1_city=AddressCity "
            "address1_country=AddressCountryRegionISOCode address1_line1=AddressStreet "
            "address1_postalcode=AddressZipCode address1_stateorprovince=AddressState "
            "transactioncurrencyid.isocurrencycode=SalesCurrencyCode",
        ),
        (
            "finops:SellableReleasedProducts",
            "sales:products",
            "ProductNumber=productnumber ProductName=name SalesPrice=price UnitCost=currentcost "
            "CurrencyCode=transactioncurrencyid.isocurrencycode SalesUnitDecimalPrecision=quantitydecimal "
            "ProductType=producttypecode ProductDescription=description SalesUnitSymbol=defaultuomid.name "
            "IsStockedProduct=isstockitem",
        ),
    ],
)
def test_with_the_template_hidden_every_field_pair_is_proposed_before_any_wrong_one(
    tmp_path: Path, source: str, destination: str, pairs: str
) -> None:
    p2c(tmp_path, "sandbox", "load", str(DATA), "--reset")
    found = json.loads(p2c(tmp_path, "template", "suggest", source, destination, "--json"))["suggestions"]
    right = set(pairs.split())
    assert {f"{one['from']}={one['to']}" for one in found[: len(right)]} == right
