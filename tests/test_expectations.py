"""The shipped suites: one for each task, readable by Great Expectations, about columns the templates send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from p2c_lib.gates.compiled import COMPILERS
from p2c_lib.gates.explain import readme
from p2c_lib.gates.judge import TABLE_RULES
from p2c_lib.gates.sentence import placeholders
from p2c_lib.gates.suite import Suite, find_suite, read_suite
from p2c_lib.mapping import template

TASKS = ("products", "accounts", "contacts", "contact-customers", "quotes", "quote-lines")


@pytest.fixture(params=TASKS)
def suite(request: pytest.FixtureRequest) -> Suite:
    return read_suite(find_suite(str(request.param)))


def test_a_suite_speaks_of_columns_its_template_sends(suite: Suite) -> None:
    sent = {rule.to for rule in template(suite.name).fields}
    assert {c for rule in suite.expectations for c in rule.columns} <= sent


def test_a_suite_uses_references_its_template_reads(suite: Suite) -> None:
    read = {name.replace(".", "_") for name in template(suite.name).references}
    assert {name for rule in suite.expectations for name in _parameters(rule.kwargs)} <= read


def test_every_key_column_is_given(suite: Suite) -> None:
    needed = {
        c
        for rule in suite.expectations
        if rule.type == "expect_column_values_to_not_be_null" and rule.severity == "critical"
        for c in rule.columns
    }
    assert set(template(suite.name).key.values()) <= needed


def test_every_rule_tells_a_person_what_is_wrong_and_what_to_do(suite: Suite) -> None:
    for rule in suite.expectations:
        assert {"name", "reason", "remedy"} <= set(rule.meta), rule
        known = {"value", "key", *(r.to for r in template(suite.name).fields)}
        assert set(placeholders(rule.reason)) <= known
    names = [rule.name + rule.severity for rule in suite.expectations]
    assert len(names) == len(set(names))


def test_every_shipped_rule_compiles(suite: Suite) -> None:
    assert {rule.type for rule in suite.expectations} <= {*COMPILERS, *TABLE_RULES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_great_expectations_reads_the_suite_and_writes_it_back(suite: Suite) -> None:
    from great_expectations.core import ExpectationSuite

    content = json.loads(suite.path.read_text("utf-8"))
    written = ExpectationSuite(**content).to_json_dict()
    assert written["expectations"] == content["expectations"]


def _parameters(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = {str(value["$PARAMETER"])} if "$PARAMETER" in value else set()
        return own.union(*[_parameters(v) for v in value.values()])
    return set().union(*[_parameters(v) for v in value]) if isinstance(value, list) else set()


def test_the_readme_says_what_the_suites_say() -> None:
    folder = find_suite("accounts").parent
    hint = "renew it: python -m p2c_lib.gates.explain expectations"
    assert (folder / "README.md").read_text("utf-8") == readme(folder), hint
