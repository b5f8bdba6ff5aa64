"""The truth file is complete and right: what the workbench finds in the default company is what was planted in it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import p2c_lib as p2c
from p2c_lib.config import Workspace

TASKS = {
    "products": "SellableReleasedProducts",
    "accounts": "accounts",
    "contacts": "contacts",
    "contact-customers": "contacts",
    "quotes": "quotes",
    "quote-lines": "quotedetails",
}
# The rule meant for each planted kind, by source entity; a contact goes by one of two tasks.
MEANT = {
    ("SellableReleasedProducts", "unmapped-unit"): {"mapping of defaultuomid.name"},
    ("SellableReleasedProducts", "zero-price"): {"price is above 0"},
    ("accounts", "missing-key"): {"CustomerAccount is given"},
    ("accounts", "bad-country"): {"mapping of AddressCountryRegionISOCode"},
    ("accounts", "unknown-currency"): {"SalesCurrencyCode exists in F&O"},
    ("accounts", "too-long"): {"name is not cut"},
    ("accounts", "whitespace"): {"name has no white space around it"},
    ("accounts", "lookalike"): {"OrganizationName is written in one alphabet"},
    ("accounts", "implausible-email"): {"PrimaryContactEmail is plausible"},
    ("accounts", "implausible-phone"): {"PrimaryContactPhone is plausible"},
    ("accounts", "duplicate-name"): {"name stands on one account"},
    ("accounts", "inactive-account"): {"account is active"},
    ("contacts", "bad-country"): {
        "mapping of PrimaryAddressCountryRegionISOCode",
        "mapping of AddressCountryRegionISOCode",
    },
    ("contacts", "implausible-email"): {"PrimaryEmailAddress is plausible"},
    ("contacts", "implausible-phone"): {"PrimaryPhoneNumber is plausible"},
    ("contacts", "too-long"): {"LastName has a length F&O takes"},
    ("quotes", "unknown-currency"): {"CurrencyCode exists in F&O"},
    ("quotes", "bad-country"): {"mapping of DeliveryAddressCountryRegionISOCode"},
    ("quotes", "too-long"): {"name is not cut"},
    ("quotes", "quote-of-inactive-account"): {"account of the quote is active"},
    ("quotedetails", "bad-quantity"): {"RequestedSalesQuantity is above 0"},
    ("quotedetails", "zero-quantity"): {"RequestedSalesQuantity is above 0"},
    ("quotedetails", "unmapped-unit"): {"mapping of SalesUnitSymbol"},
}
# Rows that the templates' filters leave out.
LEFT_OUT = {"contact-without-account", "not-active", "write-in-line"}
# Defects of the destination's rows, which reconciling finds.
THERE = {"CustomersV2", "CDSContactPersons", "CDSSalesQuotationHeaders", "CDSSalesQuotationLines", "products"}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[p2c.Session, list[dict[str, str]]]]:
    root = tmp_path_factory.mktemp("truth")
    session = p2c.connect("sandbox", workspace=Workspace(root))
    try:
        yield session, json.loads(next(root.rglob("truth.json")).read_text("utf-8"))
    finally:
        session.close()


def test_every_kind_of_defect_has_the_rule_meant_for_it(walked: tuple[p2c.Session, list[dict[str, str]]]):
    kinds = {(one["entity"], one["kind"]) for one in walked[1] if one["entity"] not in THERE}
    assert kinds == set(MEANT) | {(entity, kind) for entity, kind in kinds if kind in LEFT_OUT}


@pytest.mark.parametrize("task", TASKS)
def test_each_planted_defect_is_caught_by_its_rule_and_nothing_clean_is(
    walked: tuple[p2c.Session, list[dict[str, str]]], task: str
):
    session, truth = walked
    template = p2c.template(task)
    source = session.extract(template.source)
    gate = p2c.check(p2c.map_frame(source, template, session), task)
    read = {_first(task, text.lower()) for text in source.row_key().texts(source.table).to_pylist() if text}
    mine = [one for one in truth if one["entity"] == TASKS[task]]
    assert not {one["key"].lower() for one in mine if one["kind"] in LEFT_OUT} & read
    planted = {
        (one["key"].lower(), rule)
        for one in mine
        for rule in MEANT.get((one["entity"], one["kind"]), ())
        if one["key"].lower() in read and rule in set(gate.rules.column("rule").to_pylist())
    }
    findings = gate.findings.to_pylist()
    found = {(_first(task, f["key"]), f["rule"]) for f in findings if "no key" not in f["key"]}
    assert found - _follows(truth, task, findings) == planted
    nameless = [f["rule"] for f in findings if "no key" in f["key"]]
    assert nameless == [rule for one in mine if one["kind"] == "missing-key" for rule in MEANT["accounts", one["kind"]]]


def _first(task: str, key: str) -> str:
    return key.split("|")[0] if task == "contacts" else key


def _follows(truth: list[dict[str, str]], task: str, findings: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Findings on rows that are sound themselves, each the consequence of a planted one."""
    keys = {
        kind: {one["key"].lower() for one in truth if one["kind"] == kind}
        for kind in ("inactive-account", "duplicate-name", "bad-quantity", "quote-of-inactive-account")
    }
    of_inactive = {"company is active", "account of the quote is active"}
    follows = set()
    for finding in findings:
        key, rule, words = _first(task, finding["key"]), finding["rule"], finding["reason"].lower()
        behind = rule in of_inactive and any(number in words for number in keys["inactive-account"])
        twin = rule == "name stands on one account" and key not in keys["duplicate-name"]
        less = rule == "QuotationTotalAmount is not below 0" and any(k.startswith(key) for k in keys["bad-quantity"])
        if (behind and key not in keys["quote-of-inactive-account"]) or twin or less:
            follows.add((key, rule))
    named = [finding["value"] for finding in findings if finding["rule"] == "name stands on one account"]
    assert sorted(named) == sorted(2 * list(set(named)))
    return follows


def _keys(frame: p2c.EntityFrame) -> set[str]:
    return {text.lower() for text in frame.row_key().texts(frame.table).to_pylist() if text}


def test_every_planted_difference_of_a_customer_is_found_with_its_column(
    walked: tuple[p2c.Session, list[dict[str, str]]],
):
    session, truth = walked
    template = p2c.template("accounts")
    gate = p2c.check(p2c.map_frame(session.extract(template.source), template, session), "accounts")
    compared = p2c.reconcile(gate.passed, session.extract(template.destination), template)
    found = {(row["key"], row["field"]) for row in compared.differences.to_pylist()}
    kinds = {"extra-deleted-at-source", "extra-never-ours", "other-company"}
    shops = _keys(gate.passed)
    planted = {
        (one["key"].lower(), one["column"])
        for one in truth
        if one["entity"] == "CustomersV2" and one["kind"] not in kinds and one["key"].lower() in shops
    }
    assert found == planted
    extra = [one for one in truth if one["entity"] == "CustomersV2" and one["kind"].startswith("extra")]
    assert compared.summary["extra"] == len(extra)
