"""Preflight against a sandbox of its own: each condition broken in turn, and put right again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import p2c_lib as p2c
from p2c_lib.config import Workspace
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS
from p2c_lib.frames import EntityQuery
from p2c_lib.gates.preflight import CHECKS, Preflight, preflight
from p2c_lib.odata import Write
from p2c_lib.sandbox.sql_functions import register
from p2c_lib.session import Session

TEMPLATES = [p2c.template(task) for task in TASKS]
COMPANY = {"dataAreaId": "usmf"}
SEQUENCE = {"NumberSequenceCode": "Sale_3", "ScopeType": "DataArea", "ScopeValue": "usmf"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with p2c.connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("preflight"))) as opened:
        yield opened


def look(session: Session, **given: Any) -> Preflight:
    return preflight(session, TEMPLATES, **given)


def write(session: Session, app: str, op: Any, entity: str, *rows: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
    done = session.client(app).write([Write(op, entity, key or None, body) for key, body in rows])
    assert all(result.ok for result in done), [result.error for result in done]


@contextmanager
def changed(session: Session, app: str, entity: str, change: Mapping[str, Any], row: Any = None) -> Iterator[None]:
    """A row with other values: in Sales by a filter, in F&O by its key."""
    key, where = (
        (None, row) if app == "sales" else (row, " eq ".join([next(iter(row)), f"'{next(iter(row.values()))}'"]))
    )
    of_key = session.client(app).schema(entity).key
    frame = session.extract(EntityQuery(app, entity, (*change, *of_key), of_key, where), limit=1)
    there = frame.table.select([*change, *of_key]).to_pylist()[0]
    key = key or {name: there[name] for name in of_key}
    write(session, app, "update", entity, (key, change))
    try:
        yield
    finally:
        write(session, app, "update", entity, (key, {name: there[name] for name in change}))


@contextmanager
def gone(session: Session, table: str, where: str = "TRUE") -> Iterator[None]:
    """Rows of the sandbox taken out behind its back, and put in again."""
    with closing(sqlite3.connect(session.workspace.sandbox_home / "sandbox.db")) as database:
        register(database)
        database.execute(f'CREATE TEMP TABLE aside AS SELECT * FROM "{table}" WHERE {where}')
        assert database.execute(f'DELETE FROM "{table}" WHERE {where}').rowcount
        database.commit()
        try:
            yield
        finally:
            database.execute(f'INSERT INTO "{table}" SELECT * FROM aside')
            database.commit()


BREAKS: dict[str, Callable[[Session], Any]] = {
    "sellable-products": lambda s: gone(s, "finops_sellablereleasedproducts"),
    "price-lists": lambda s: changed(s, "sales", "pricelevels", {"statecode": 1}, "name eq 'Standard'"),
    "unit-group": lambda s: changed(s, "sales", "uomschedules", {"name": "Mine"}, "name eq 'Default unit'"),
    "units": lambda s: gone(s, "finops_unitsofmeasure"),
    "customer-group": lambda s: gone(s, "finops_customergroups", "CustomerGroupId = '10'"),
    "site-and-warehouse": lambda s: gone(s, "finops_warehouses", "WarehouseId = '13'"),
    "language": lambda s: gone(s, "finops_languagecodes", "LanguageCodeId = 'en-us'"),
    "default-country": lambda s: gone(s, "finops_addresscountryregions", "CountryRegion = 'USA'"),
    "manual-quotation-numbers": lambda s: changed(s, "finops", "SequenceV2Tables", {"Manual": "No"}, SEQUENCE),
    "delivery-date-control": lambda s: changed(
        s, "finops", "AccountsReceivableParameters", {"DeliveryDateControlType": "ATP"}, COMPANY
    ),
    "system-pricing": lambda s: changed(s, "sales", "organizations", {"oobpricecalculationenabled": False}),
    "discount-method": lambda s: changed(s, "sales", "organizations", {"discountcalculationmethod": 1}),
    "active-products": lambda s: changed(
        s, "sales", "organizations", {"createproductswithoutparentinactivestate": False}
    ),
    "number-ranges": lambda s: changed(s, "sales", "accounts", {"accountnumber": "US-001"}, "statecode eq 0"),
}
# Broken by what the sandbox is told before it starts, or by the session.
SWITCHED = {
    "rights": {"without_rights": ["quotedetail"]},
    "alternate-keys": {"pending_keys": ["product"]},
    "change-tracking": {"without_tracking": ["contact"]},
}
WARN = {"active-products", "change-tracking", "sellable-products"}
SAID = {
    "sellable-products": "F&O shows no product that can be sold",
    "price-lists": "no valid price list for USD",
    "unit-group": "does not exist: Default unit (uomschedules.name)",
    "units": "no units in F&O",
    "customer-group": "does not exist: 10 (CustomerGroups.CustomerGroupId)",
    "site-and-warehouse": "does not exist: 13 (Warehouses.WarehouseId)",
    "language": "does not exist: en-us (LanguageCodes.LanguageCodeId)",
    "default-country": "does not exist: US (AddressCountryRegions.ISOcode), USA (AddressCountryRegions.CountryRegion)",
    "manual-quotation-numbers": "sequence Sale_3 gives quotation numbers by itself",
    "delivery-date-control": "it is ATP",
    "system-pricing": "system pricing is off",
    "discount-method": "discounts are calculated per unit",
    "active-products": "new products come as drafts",
    "number-ranges": "1 customers made in F&O have the number of an account, such as us-001",
    "rights": "may not read sales quotedetails",
    "alternate-keys": "no active key of products by productnumber",
    "change-tracking": "off for contacts",
    "company": "company none is none of usmf, usrt",
}


def fires_alone(found: Preflight, name: str) -> None:
    """The named check and no other, with its remedy, in the verdict and in the report."""
    assert {check.name for check in found.checks if check.status != "ok"} == {name}
    assert found.verdict == ("warn" if name in WARN else "blocked")
    check = found.checks[0]
    assert (check.name, check.evidence, check.remedy) == (name, SAID[name], CHECKS[name][1])
    assert f"{name}: {check.evidence}" in found.why
    assert check.remedy in found.report().to_text()


def test_every_check_is_broken_here() -> None:
    assert {*BREAKS, *SWITCHED, "two-systems", "company"} == set(CHECKS)


def test_the_sandbox_is_ready(session: Session) -> None:
    found = look(session)
    assert (found.verdict, found.why) == ("pass", f"{len(CHECKS)} of {len(CHECKS)} checks hold.")
    assert {check.name for check in found.checks} == set(CHECKS)


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_condition_is_found_and_no_other(session: Session, name: str) -> None:
    with BREAKS[name](session):
        found = look(session)
    fires_alone(found, name)


@pytest.mark.parametrize("name", SWITCHED)
def test_what_an_administrator_has_not_granted_is_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    home = tmp_path / ".p2c" / "sandbox"
    home.mkdir(parents=True)
    (home / "switches.json").write_text(json.dumps({"sales": SWITCHED[name]}))
    with p2c.connect("sandbox", workspace=Workspace(tmp_path)) as session:
        fires_alone(look(session), name)


def test_both_connections_to_one_system_are_found(session: Session) -> None:
    one = SimpleNamespace(sales=session.sales, finops=session.sales)
    found: Any = CHECKS["two-systems"][2](SimpleNamespace(session=one))
    assert found == ("fail", f"both connections lead to {session.sales.identity().url}")


def test_a_company_that_does_not_exist_is_found(session: Session) -> None:
    was, session.company = session.company, "none"
    try:
        check = look(session).check("company")
    finally:
        session.company = was
    assert (check.status, check.evidence) == ("fail", SAID["company"])


def test_every_check_can_be_switched_off_and_the_report_says_so(session: Session) -> None:
    with ExitStack() as broken:
        for name in ("system-pricing", "discount-method", "active-products"):
            broken.enter_context(BREAKS[name](session))
        found = look(session, off=["discount-method", "system-pricing"])
    assert {check.name: check.status for check in found.checks if check.status != "ok"} == {
        "active-products": "warn",
        "discount-method": "off",
        "system-pricing": "off",
    }
    assert "Switched off: system-pricing, discount-method." in found.why
    assert found.report().to_text().count("switched off") == 2
    nothing = preflight(session, TEMPLATES, off=CHECKS)
    assert {check.status for check in nothing.checks} == {"off"}
    assert nothing.why == f"0 of {len(CHECKS)} checks hold. Switched off: {', '.join(CHECKS)}."
    with pytest.raises(UnknownName, match="Did you mean 'price-lists'"):
        look(session, off=["price-list"])


def test_a_setting_that_says_nothing_is_no_verdict(session: Session) -> None:
    def values(_app: str, _entity: str, _column: str) -> set[str]:
        return set()

    look_at: Any = CHECKS["discount-method"][2]
    assert look_at(SimpleNamespace(session=session, values=values)) == (
        "unknown",
        "this organisation says nothing in discountcalculationmethod",
    )


def test_it_shows_itself(session: Session) -> None:
    found = look(session)
    assert found.to_dict()["verdict"] == "pass"
    assert "<table>" in found._repr_html_()
    assert repr(found) == f"Preflight(pass: {found.why})"
    assert isinstance(found.report().to_html(), str)
