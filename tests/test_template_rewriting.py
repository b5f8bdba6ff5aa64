"""A template's file after a change: its comments, order and quotes are as the person wrote them."""

from __future__ import annotations

from difflib import ndiff
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.mapping import FieldRule, Template, packaged_tasks, parse, template
from p2c_lib.mapping.reading import template_text
from p2c_lib.mapping.rewriting import rewritten, save
from p2c_lib.sandbox import process

OWN = """\
# Accounts of Contoso, agreed with finance on 3 March
version: 1
task: things   # the night's first task
title: 'Things, as they are'
source: {app: sales, entity: accounts}
destination:
  app: finops
  entity: "CustomersV3"

key: {accountnumber: CustomerAccount}
fields:
  # the key stays first
  - {from: accountnumber, to: CustomerAccount}
  - from: name            # the trading name
    to: OrganizationName
    apply:
      - trim
      - truncate: 60      # F&O holds 100
  - {to: PartyType, default: 'Organization'}   # never a person

  - to: Note
    default: |
      two
      lines
compare:
  trim: [OrganizationName]
# the end
"""


def lines_kept(before: str, after: str) -> list[str]:
    """The lines of a text that another still has, in their order."""
    return [line.removeprefix("  ") for line in ndiff(before.splitlines(), after.splitlines()) if line.startswith("  ")]


def edited(made: Template, *rules: dict[str, Any]) -> Template:
    for rule in rules:
        made = made.with_rule(FieldRule.model_validate(rule))
    return made


def test_a_changed_step_changes_its_own_place_only() -> None:
    made = edited(parse(OWN), {"from": "name", "to": "OrganizationName", "apply": ["trim", {"truncate": 100}]})
    change = rewritten(OWN, made)
    assert parse(change.after) == made
    assert [line for line in OWN.splitlines() if line not in change.after.splitlines()] == [
        "      - trim",
        "      - truncate: 60      # F&O holds 100",
    ]
    assert not change.whole


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ({"to": "PartyType", "default": "Person"}, ["  - {to: PartyType, default: 'Organization'}   # never a person"]),
        (
            {"from": "name", "to": "OrganizationName"},
            ["    apply:", "      - trim", "      - truncate: 60      # F&O holds 100"],
        ),
        ({"to": "Note", "default": "one"}, ["    default: |", "      two", "      lines"]),
        ({"to": "Fax", "from": "fax", "apply": ["trim"]}, []),
        (
            {"from": "accountnumber", "to": "CustomerAccount", "default": "x"},
            ["  - {from: accountnumber, to: CustomerAccount}"],
        ),
    ],
)
def test_every_other_line_stays(rule: dict[str, Any], gone: list[str]) -> None:
    made = edited(parse(OWN), rule)
    change = rewritten(OWN, made)
    assert parse(change.after).to_dict() == made.to_dict()
    assert not change.whole
    kept = lines_kept(OWN, change.after)
    assert [line for line in OWN.splitlines() if line not in kept] == gone


def test_comparisons_and_parts_are_added_where_there_are_none() -> None:
    made = parse(OWN)
    compare = made.compare.model_copy(update={"same": {"OrganizationName": ("case",)}, "trim": ("Note",)})
    change = rewritten(OWN, made.model_copy(update={"compare": compare}))
    assert "  trim: [Note]\n  same: {OrganizationName: [case]}\n# the end\n" in change.after
    bare = OWN.replace("compare:\n  trim: [OrganizationName]\n", "").removesuffix("# the end\n")
    change = rewritten(bare, parse(bare).model_copy(update={"compare": compare}))
    assert parse(change.after).compare == compare
    assert len(lines_kept(bare, change.after)) == len(bare.splitlines())


def test_a_rule_is_taken_away_with_its_lines() -> None:
    change = rewritten(OWN, parse(OWN).without("OrganizationName"))
    assert "trading name" not in change.after
    assert "# the key stays first" in change.after
    assert parse(change.after) == parse(OWN).without("OrganizationName").model_copy()


def test_what_comes_from_an_anchor_is_written_anew_and_said() -> None:
    text = OWN.replace(
        "  - {to: PartyType, default: 'Organization'}",
        "  - {to: Kind, default: &w Organization}\n  - {to: PartyType, default: *w}",
    )
    change = rewritten(text, edited(parse(text), {"to": "PartyType", "default": "Person"}))
    assert parse(change.after).rule("Kind").default == "Organization"  # type: ignore[union-attr]
    assert parse(change.after).rule("PartyType").default == "Person"  # type: ignore[union-attr]
    assert change.whole
    assert "comments are lost" in change.lost[0]


RULES = st.fixed_dictionaries(
    {"to": st.sampled_from(["CustomerAccount", "OrganizationName", "PartyType", "Note", "Fax", "Phone"])},
    optional={
        "from": st.sampled_from(["name", "fax", "telephone1"]),
        "apply": st.lists(st.sampled_from(["trim", "upper", "collapse"]), max_size=2),
        "exists_in": st.just("Currencies.CurrencyCode"),
    },
).flatmap(lambda rule: st.text("ab #:'{}-,\n\t\"é", max_size=8).map(lambda text: {**rule, "default": text}))


@settings(max_examples=200, deadline=None)
@given(st.lists(RULES, max_size=4), st.sets(st.sampled_from(["OrganizationName", "PartyType", "Note"]), max_size=2))
def test_whatever_is_changed_the_file_reads_back_and_keeps_its_comments(
    rules: list[dict[str, Any]], gone: set[str]
) -> None:
    made = edited(parse(OWN), *rules)
    for name in sorted(gone):
        made = made.without(name)
        made = made if len(made.fields) else parse(OWN)
    change = rewritten(OWN, made)
    assert parse(change.after).to_dict() == made.to_dict()
    if not change.whole:
        for words in ("# Accounts of Contoso, agreed", "# the night's first task", "# the key stays first"):
            assert words in change.after


@pytest.mark.parametrize("task", packaged_tasks())
def test_a_packaged_template_keeps_its_comments_under_every_answer(task: str) -> None:
    text = template_text(task)
    for name, option in template(task).options.items():
        for answer in option.choices:
            change = rewritten(text, template(task).choose(**{name: answer}))
            assert not change.whole, (name, answer)
            assert parse(change.after).to_dict() == template(task).choose(**{name: answer}).to_dict()


def test_a_new_file_begins_with_the_packaged_text(tmp_path: Path) -> None:
    file = tmp_path / "templates" / "accounts.yml"
    change = save(edited(template("accounts"), {"to": "LanguageId", "default": "da"}), file)
    text = file.read_text("utf-8")
    assert text.count("#") == template_text("accounts").count("#")
    assert "+  - {to: LanguageId, default: da" in change.diff("templates/accounts.yml")
    assert [path.name for path in file.parent.iterdir()] == ["accounts.yml"]
    with_mark = "\ufeff" + text
    file.write_text(with_mark, encoding="utf-8")
    save(edited(template(str(file)), {"to": "LanguageId", "default": "sv"}), file)
    assert file.read_text("utf-8").count("#") == text.count("#")


def test_an_accepted_proposal_keeps_the_comments_of_the_file_and_shows_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    file = tmp_path / "templates" / "accounts.yml"
    file.parent.mkdir()
    own = template_text("accounts").replace("fields:\n", "fields:\n  # agreed with finance\n", 1)
    file.write_text(own, encoding="utf-8")
    running = process.start(tmp_path / ".p2c" / "sandbox")
    try:
        done = CliRunner().invoke(app, ["settle", "accounts", "1"])
    finally:
        process.stop(running)
    assert done.exit_code == 0, done.output
    assert "--- templates/accounts.yml\n+++ templates/accounts.yml\n@@" in done.output
    after = file.read_text("utf-8")
    assert after.count("#") == own.count("#")
    assert after != own
