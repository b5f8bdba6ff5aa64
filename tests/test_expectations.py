"""The shipped suites: one for each task and stage, readable by Great Expectations, about columns the templates send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from p2c_lib.errors import SuiteError
from p2c_lib.gates.compiled import COMPILERS
from p2c_lib.gates.editing import gx_suite, save_suite
from p2c_lib.gates.explain import readme
from p2c_lib.gates.judge import DISTINCT_RULES, TABLE_RULES
from p2c_lib.gates.sentence import placeholders
from p2c_lib.gates.suite import Suite, find_suite, read_suite
from p2c_lib.mapping import Template, template

TASKS = ("products", "accounts", "contacts", "contact-customers", "quotes", "quote-lines")


FOLDER = find_suite("accounts").parent
SUITES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> Suite:
    return read_suite(find_suite(str(request.param)))


def columns_of(suite: Suite, made: Template) -> set[str]:
    """The columns there are to judge at the suite's stage."""
    return {
        "source": {*made.source.columns, *made.gate.sums},
        "mapped": {rule.to for rule in made.fields},
        "destination": {*made.references, *lists_of(made)},
    }[suite.stage]


def lists_of(made: Template) -> dict[str, str]:
    """The references by the column that is held against each, under the name a suite gives them."""
    return {f"exists_in.{rule.to}": rule.exists_in for rule in made.fields if rule.exists_in}


def options_of(made: Template) -> dict[str, tuple[str, ...]]:
    """The template's options with the answers there are to each."""
    return {name: (*option.choices, made.answers[name]) for name, option in made.options.items()}


def task_of(suite: Suite) -> str:
    return suite.path.stem.split(".")[0]


def answered(task: str) -> list[Template]:
    """The task's template, as it is and with each option answered in each way."""
    made = template(task)
    answers = [(name, choice) for name, option in made.options.items() for choice in option.choices]
    return [made, *(made.choose(**{name: choice}) for name, choice in answers)]


def test_every_task_has_a_suite_for_every_stage() -> None:
    assert set(SUITES) == {task + end for task in TASKS for end in ("", ".source", ".destination")}


def test_a_suite_speaks_of_columns_of_its_stage_however_the_options_are_answered(suite: Suite) -> None:
    for made in answered(task_of(suite)):
        rules = suite.answering(made.answers, options_of(made)).expectations
        assert {c for rule in rules for c in rule.columns} <= columns_of(suite, made), made.chosen


def test_a_suite_uses_parameters_its_template_gives_however_the_options_are_answered(suite: Suite) -> None:
    for made in answered(task_of(suite)):
        defaults = [f"default.{rule.to}" for rule in made.fields if rule.exists_in]
        given = (*made.references, *made.gate.references, *defaults, *lists_of(made))
        rules = suite.answering(made.answers, options_of(made)).expectations
        used = {name for rule in rules for name in _parameters(rule.kwargs)}
        assert used <= {name.replace(".", "_") for name in given}, made.chosen


def test_a_rule_for_an_answer_names_an_option_and_an_answer_there_is(suite: Suite) -> None:
    options = {name: tuple(option.choices) for name, option in template(task_of(suite)).options.items()}
    assert {name for rule in suite.expectations for name in rule.option} <= set(options)
    suite.answering({}, options)
    suites = [suite.answering(made.answers, options_of(made)) for made in answered(task_of(suite))]
    every = [rule for one in suites for rule in one.expectations]
    assert {rule.name for rule in every} == {rule.name for rule in suite.expectations}


@pytest.mark.parametrize("option", ["v1", ["version", "v1"], {"version": True}, {"version": ["v1"]}, 5, True, {}])
def test_an_option_of_a_rule_that_is_none_is_refused_when_the_suite_is_read(tmp_path: Path, option: object) -> None:
    with pytest.raises(SuiteError, match=r"contacts.json: expectations\[0\] .*meta.option is"):
        read_suite(with_option(tmp_path, option))


@pytest.mark.parametrize("answer", ["V1", "v3", ""])
def test_a_rule_for_an_answer_there_is_not_takes_no_rule_out_unseen(tmp_path: Path, answer: str) -> None:
    suite = read_suite(with_option(tmp_path, {"version": answer}))
    with pytest.raises(SuiteError, match=f"option version is never answered '{answer}'"):
        suite.answering(template("contacts").answers, {"version": ("v1", "v2")})


@pytest.mark.parametrize("name", ["verison", "Version", "zone", ""])
def test_a_rule_for_an_option_there_is_not_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    made = template("contacts")
    suite = read_suite(with_option(tmp_path, {name: "v1"}))
    with pytest.raises(SuiteError, match=rf"contacts.json: expectations\[0\] .*no option '{name}'") as refused:
        suite.answering(made.answers, options_of(made))
    assert all(option in str(refused.value.hint) for option in made.options)


def test_a_rule_for_an_option_of_a_template_without_options_is_refused(tmp_path: Path) -> None:
    suite = read_suite(with_option(tmp_path, {"version": "v1"}))
    with pytest.raises(SuiteError) as refused:
        suite.answering({}, {})
    assert "options: none" in str(refused.value.hint)


def with_option(folder: Path, option: object) -> Path:
    """The suite of contacts, its first rule for an option."""
    content = json.loads((FOLDER / "contacts.json").read_text("utf-8"))
    content["expectations"][0]["meta"]["option"] = option
    (folder / "contacts.json").write_text(json.dumps(content), "utf-8")
    return folder / "contacts.json"


@pytest.mark.parametrize("task", TASKS)
def test_every_reference_column_and_its_default_is_asked_of_the_destination(task: str) -> None:
    made, suite = template(task), read_suite(find_suite(f"{task}.destination"))
    lists = lists_of(made)
    assert {lists.get(c, c) for rule in suite.expectations for c in rule.columns} == set(made.references)
    asked = {name for rule in suite.expectations for name in _parameters(rule.kwargs)}
    filled = [rule.to for rule in made.fields if rule.exists_in and rule.default is not None]
    assert asked == {f"default.{column}".replace(".", "_") for column in filled}
    assert {rule.severity for rule in suite.expectations} == {"critical"}


@pytest.mark.parametrize("task", TASKS)
def test_every_key_column_is_given(task: str) -> None:
    needed = {
        c
        for rule in read_suite(find_suite(task)).expectations
        if rule.type == "expect_column_values_to_not_be_null" and rule.severity == "critical"
        for c in rule.columns
    }
    assert set(template(task).key.values()) <= needed


def test_every_rule_tells_a_person_what_is_wrong_and_what_to_do(suite: Suite) -> None:
    for rule in suite.expectations:
        assert {"name", "reason", "remedy"} <= set(rule.meta), rule
        assert set(placeholders(rule.reason)) <= {"value", "key", *columns_of(suite, template(task_of(suite)))}
        assert all(rule.meta[part] for part in ("name", "reason", "remedy"))


@pytest.mark.parametrize("task", TASKS)
def test_a_name_stands_for_one_rule_of_a_task(task: str) -> None:
    suites = [read_suite(find_suite(task + end)) for end in ("", ".source", ".destination")]
    names = [rule.name for suite in suites for rule in suite.expectations]
    assert len(names) == len(set(names))


def test_every_shipped_rule_compiles(suite: Suite) -> None:
    assert {rule.type for rule in suite.expectations} <= {*COMPILERS, *TABLE_RULES, *DISTINCT_RULES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_great_expectations_reads_the_suite_and_writes_it_back(suite: Suite) -> None:
    from great_expectations.core import ExpectationSuite

    content = json.loads(suite.path.read_text("utf-8"))
    written = ExpectationSuite(**content).to_json_dict()
    assert written["expectations"] == content["expectations"]


def test_a_suite_edited_with_great_expectations_is_saved_as_the_gate_reads_it(tmp_path: Path) -> None:
    given = read_suite(find_suite("accounts.source"))
    suite = gx_suite("accounts.source")
    path = save_suite(suite, tmp_path / "expectations")
    assert (path.name, read_suite(path).expectations, read_suite(path).meta["title"]) == (
        "accounts.source.json",
        given.expectations,
        given.meta["title"],
    )
    next(rule for rule in suite.expectations if hasattr(rule, "regex")).regex = "("
    with pytest.raises(SuiteError, match="wrong regex"):
        save_suite(suite, tmp_path / "expectations")
    assert read_suite(path).expectations == given.expectations


def _parameters(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = {str(value["$PARAMETER"])} if "$PARAMETER" in value else set()
        return own.union(*[_parameters(v) for v in value.values()])
    return set().union(*[_parameters(v) for v in value]) if isinstance(value, list) else set()


def test_the_readme_says_what_the_suites_say() -> None:
    hint = "renew it: python -m p2c_lib.gates.explain expectations"
    assert (FOLDER / "README.md").read_text("utf-8") == readme(FOLDER), hint
