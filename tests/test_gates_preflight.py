"""Preflight against a sandbox of its own: each condition broken in turn, and put right again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import p2c_lib as p2c
from p2c_lib.config import workspace
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS
from p2c_lib.frames import EntityQuery
from p2c_lib.gates.preflight import CHECKS, Preflight, preflight
from p2c_lib.odata import Write
from p2c_lib.session import Session

TEMPLATES = [p2c.template(task) for task in TASKS]
# The sandbox's organisation does not tell how discounts are calculated.
UNTOLD = {"discount-method"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with p2c.connect("sandbox", workspace=workspace(tmp_path_factory.mktemp("preflight"))) as opened:
        yield opened


def look(session: Session, **given: Any) -> Preflight:
    return preflight(session, TEMPLATES, **given)


def write(session: Session, app: str, entity: str, key: Mapping[str, object], body: Mapping[str, object]) -> None:
    (result,) = session.client(app).write([Write("update", entity, key, body)])
    assert result.ok, result.error


def first(session: Session, app: str, entity: str, *columns: str, where: str | None = None) -> dict[str, Any]:
    frame = session.extract(EntityQuery(app, entity, columns, columns[:1], where), limit=1)
    row: dict[str, Any] = frame.table.select(list(columns)).to_pylist()[0]
    return row


def broken(found: Preflight) -> set[str]:
    return {check.name for check in found.checks if check.status not in {"ok", "off"}} - UNTOLD


def test_the_sandbox_is_ready(session: Session) -> None:
    found = look(session)
    assert broken(found) == set()
    assert {check.name for check in found.checks} == set(CHECKS)
    assert "17 of 18 checks hold" in found.why
    assert "discountcalculationmethod" in found.check("discount-method").evidence


COMPANY = {"dataAreaId": "usmf"}
SEQUENCE = {"NumberSequenceCode": "Sale_3", "ScopeType": "DataArea", "ScopeValue": "usmf"}


@pytest.mark.parametrize(
    ("name", "app", "entity", "row", "change", "back"),
    [
        ("price-lists", "sales", "pricelevels", "name eq 'Standard'", {"statecode": 1}, {"statecode": 0}),
        ("unit-group", "sales", "uomschedules", "name eq 'Default unit'", {"name": "Mine"}, {"name": "Default unit"}),
        ("system-pricing", "sales", "organizations", None, {"oobpricecalculationenabled": False}, None),
        ("active-products", "sales", "organizations", None, {"createproductswithoutparentinactivestate": False}, None),
        ("number-ranges", "sales", "accounts", "statecode eq 0", {"accountnumber": "US-001"}, None),
        ("manual-quotation-numbers", "finops", "SequenceV2Tables", SEQUENCE, {"Manual": "No"}, {"Manual": "Yes"}),
        (
            "delivery-date-control",
            "finops",
            "AccountsReceivableParameters",
            COMPANY,
            {"DeliveryDateControlType": "ATP"},
            {"DeliveryDateControlType": "None"},
        ),
    ],
)
def test_a_broken_condition_is_found_and_no_other(
    session: Session, name: str, app: str, entity: str, row: Any, change: dict[str, Any], back: dict[str, Any] | None
) -> None:
    key = row
    if app == "sales":
        key_column = session.sales.schema(entity).key[0]
        there = first(session, app, entity, key_column, *change, where=row)
        key = {key_column: there.pop(key_column)}
        back = back or there
    write(session, app, entity, key, change)
    try:
        found = look(session)
    finally:
        assert back is not None
        write(session, app, entity, key, back)
    assert broken(found) == {name}
    assert found.verdict == ("warn" if name == "active-products" else "blocked")
    check = found.check(name)
    assert check.remedy == CHECKS[name][1]
    assert f"{name}: {check.evidence}" in found.why


def test_a_default_that_does_not_exist_is_found(session: Session) -> None:
    def other(task: str, column: str, default: str) -> Any:
        content = p2c.template(task).to_dict()
        next(rule for rule in content["fields"] if rule["to"] == column)["default"] = default
        return type(TEMPLATES[0]).model_validate(content)

    for column, name in (
        ("CustomerGroupId", "customer-group"),
        ("LanguageId", "language"),
        ("SiteId", "site-and-warehouse"),
    ):
        found = preflight(session, [other("accounts", column, "zz")])
        assert broken(found) == {name}
        assert "zz" in found.check(name).evidence


def test_a_company_that_does_not_exist_is_found(session: Session) -> None:
    was, session.company = session.company, "none"
    try:
        assert look(session).check("company").evidence == "company none is none of usmf, usrt"
    finally:
        session.company = was


def test_a_check_can_be_switched_off_and_the_report_says_so(session: Session) -> None:
    found = look(session, off=["price-lists"])
    assert found.check("price-lists").status == "off"
    assert "Switched off: price-lists." in found.why
    assert "switched off" in found.report().to_text()
    with pytest.raises(UnknownName, match="Did you mean 'price-lists'"):
        look(session, off=["price-list"])


def test_it_shows_itself(session: Session) -> None:
    found = look(session)
    assert found.to_dict()["verdict"] == "warn"
    assert "<table>" in found._repr_html_()
    assert repr(found).startswith("Preflight(warn: 17 of 18 checks hold.")
    assert isinstance(found.report().to_html(), str)
