"""The mapping on the bench: an edit shows what it changes, a mistake changes nothing, saving keeps a template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2c_lib.config import workspace
from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping import template
from p2c_lib.mapping.lab import MappingLab
from p2c_lib.session import Session, connect
from p2c_lib.widgets import MappingExplorer

COUNTRY = "AddressCountryRegionISOCode"
ISO2 = "{from: address1_country, apply: [{country_code: iso2}], default: US}"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=workspace(tmp_path_factory.mktemp("lab"))) as opened:
        yield opened


@pytest.fixture
def lab(session: Session, monkeypatch: pytest.MonkeyPatch) -> MappingLab:
    monkeypatch.setenv("P2C_WORKSPACE", str(session.workspace.root))
    return MappingLab(session, "accounts")


def test_an_edited_rule_shows_its_stages_its_effect_and_the_difference(lab: MappingLab) -> None:
    lab.select(COUNTRY)
    lab.edit(COUNTRY, ISO2)
    seen = lab.view()
    assert seen["error"] == ""
    assert seen["stages"] == ["from", "country_code: iso2", "default US", "to"]
    assert seen["change"]["rows"] == 300
    assert seen["change"]["changed"] == 298
    assert {"came": "United States", "before": "USA", "after": "US"}.items() <= seen["change"]["pairs"][0].items()
    assert f"field {COUNTRY}\n" in seen["diff"]
    assert [f["to"] for f in seen["fields"] if f["edited"]] == [COUNTRY]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{from: address1_country, apply: [{country_cod: iso2}]}", "Did you mean 'country_code'?"),
        ("{form: address1_country}", "Did you mean 'from'?"),
        ("{from: address1_land}", "address1_land"),
        ("[a, b]", "A rule is a mapping"),
        ("{from: [", "no YAML"),
        ("{to: NoSuchColumn, from: name}", "NoSuchColumn"),
        ("{from: name, to: CustomerAccount}", ""),
    ],
)
def test_a_mistake_in_an_edit_is_shown_and_changes_nothing(lab: MappingLab, text: str, word: str) -> None:
    before = lab.template
    lab.edit(COUNTRY, text)
    if word:
        assert word in lab.view()["error"]
        assert lab.template == before
    else:
        assert lab.template.rule("CustomerAccount").paths == ("name",)  # type: ignore[union-attr]


def test_a_rule_may_read_a_column_that_was_not_read_before(lab: MappingLab) -> None:
    lab.edit("AddressCity", "{from: address1_county}")
    assert (lab.error, "address1_county" in lab.source.columns) == ("", True)


def test_validation_follows_the_edit(lab: MappingLab) -> None:
    lab.edit("IsExternallyMaintained", "{default: Perhaps}")
    found = lab.view()
    assert [f["code"] for f in found["findings"]] == ["DIPV1030"]
    assert next(f["level"] for f in found["fields"] if f["to"] == "IsExternallyMaintained") == "error"


def test_an_open_question_is_answered_and_everything_can_be_begun_again(lab: MappingLab) -> None:
    lab.choose("accounts", "active")
    assert lab.view()["options"]["accounts"]["chosen"] == "active"
    assert "filtered" in lab.source.origin.note
    lab.choose("accounts", "all")
    assert "filtered" not in lab.source.origin.note
    lab.choose("accounts", "active")
    lab.reset()
    assert lab.view()["diff"] == "The same."
    assert "filtered" not in lab.source.origin.note


def test_coverage_and_suggestions_are_about_the_rows_on_the_bench(lab: MappingLab) -> None:
    lab.edit(COUNTRY, ISO2)
    (country,) = [f for f in lab.coverage().fields if f.field == COUNTRY]
    assert (country.rows, country.steps) == (300, "country_code: iso2, default US")
    assert {one.to: one.source for one in lab.suggestions().best}[COUNTRY] == "address1_country"


def test_the_key_cannot_be_removed_and_another_column_can(lab: MappingLab) -> None:
    lab.remove("CustomerAccount")
    assert "key names CustomerAccount" in lab.error
    lab.remove("SalesMemo")
    assert (lab.error, lab.template.rule("SalesMemo")) == ("", None)


def test_a_saved_template_is_used_from_then_on_and_stays_in_the_workspace(lab: MappingLab) -> None:
    lab.edit(COUNTRY, ISO2)
    path = lab.save()
    try:
        assert template("accounts") == lab.template
        with pytest.raises(TemplateError, match="outside"):
            lab.save(Path("../../elsewhere.yml"))
    finally:
        path.unlink()


def test_the_static_twin_says_what_the_widget_shows_and_escapes_it(lab: MappingLab) -> None:
    lab.edit("SalesMemo", "{default: <script>alert(1)</script>}")
    twin = lab._repr_html_()
    assert "&lt;script&gt;" in twin
    assert "<script>" not in twin
    assert "Against the template as it was" in twin


def test_the_widget_sends_a_page_of_text_and_no_rows(session: Session, lab: MappingLab) -> None:
    shown = MappingExplorer(session, "quote-lines")
    assert len(json.dumps(shown.state)) < 60_000
    shown.ask("select", column="SalesPrice")
    assert shown.state["selected"] == "SalesPrice"
    shown.ask("select", column="SalesPrise")
    assert "Did you mean 'SalesPrice'?" in shown.state["error"]
    shown.ask("dance")
    assert "Unknown request 'dance'" in shown.state["error"]
    data, _ = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "SalesPrice" in data["text/html"]


def test_both_sides_are_listed_with_a_value_of_their_own(lab: MappingLab) -> None:
    sides = lab.columns()
    accounts = {column["name"]: column for column in sides["source"]}
    assert accounts["accountnumber"]["value"].startswith("ACC-")
    assert accounts["name"]["label"] == "Account Name"
    assert {"CustomerAccount", "PersonFirstName"} <= {column["name"] for column in sides["destination"]}


def test_a_column_that_is_not_mapped_cannot_be_selected(lab: MappingLab) -> None:
    with pytest.raises(UnknownName, match="AddressCity"):
        lab.select("AdressCity")
