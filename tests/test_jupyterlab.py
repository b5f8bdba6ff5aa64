"""The explorers as a person meets them: in JupyterLab, by mouse and by keyboard, light and dark, at 1280 pixels."""

from __future__ import annotations

import os
import re
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Locator, expect

from tests.jupyterlab import Lab, Visitor

COUNTRY = "AddressCountryRegionISOCode"
ISO2 = "{from: address1_country, apply: [{country_code: iso2}], default: US}"
MAPPED = "{from: address1_country, apply: [{value_map: {Australia: AU, Canada: CA}, otherwise: keep}], default: USA}"
PICTURES = os.environ.get("P2C_PICTURES")  # a folder to keep screenshots in


def pictures(person: Visitor, part: Locator, name: str) -> None:
    """Keep what the window shows from the top of a part on, in both themes, where pictures are wanted."""
    for theme in ("Dark", "Light") if PICTURES else ():
        person.theme(theme)
        part.evaluate("(part) => part.scrollIntoView({block: 'start'})")
        person.page.mouse.move(0, 0)
        person.page.wait_for_timeout(500)  # the theme's colours fade in
        person.page.screenshot(path=Path(str(PICTURES)) / f"{name}-{theme.lower()}.png")


@pytest.fixture(scope="module")
def mapping(lab: Lab, person: Visitor) -> Locator:
    """The mapping explorer in its notebook, every cell run."""
    person.open(lab, "50_mapping_lab")
    person.run_all()
    return person.show(".p2c-explorer.mapping")


def test_the_country_rule_is_changed_by_mouse_saved_and_compared(lab: Lab, person: Visitor, mapping: Locator) -> None:
    mapping.locator(f"[data-focus='rule {COUNTRY}']").click()
    editor = mapping.get_by_label(f"Rule for {COUNTRY}")
    expect(editor).to_have_value(re.compile("country_code: iso3"))
    editor.fill(ISO2)
    mapping.get_by_role("button", name="Apply").click()
    expect(mapping.locator(".change caption")).to_have_text("298 of 300 rows change")
    expect(mapping.locator(".change tbody tr").first.locator("td")).to_have_text(["United States", "USA", "US", "181"])
    expect(mapping.locator(".findings")).to_contain_text("find nothing wrong")
    pictures(person, mapping, "mapping-explorer")
    mapping.get_by_role("button", name="Save").click()
    expect(mapping.get_by_role("status")).to_have_text("Saved as templates/accounts.yml.")
    expect(mapping.locator("pre.diff .come")).to_contain_text("{country_code: iso2}")
    saved = lab.home / "templates" / "accounts.yml"
    assert "country_code: iso2" in saved.read_text("utf-8")
    saved.unlink()  # or every later run would use it
    assert person.errors == []


def test_the_country_rule_is_changed_by_keyboard_alone(person: Visitor, mapping: Locator) -> None:
    keys, before = person.page.keyboard, person.cells()
    mapping.get_by_role("button", name="Start over").press("Enter")
    expect(mapping.get_by_role("status")).to_have_text("As it was.")
    mapping.get_by_label("Find a rule").focus()
    keys.type("country")
    keys.press("Tab")
    keys.press("Tab")
    expect(mapping.locator(f"[data-focus='rule {COUNTRY}']")).to_be_focused()
    keys.press("ArrowDown")
    expect(mapping.locator(f"[data-focus='rule Delivery{COUNTRY}']")).to_be_focused()
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(mapping.get_by_label(f"Rule for {COUNTRY}")).to_be_focused()
    keys.press("Control+a")
    keys.type(MAPPED)
    keys.press("Control+Enter")
    expect(mapping.locator(".change caption")).to_have_text("300 of 300 rows change")
    keys.press("Escape")
    expect(mapping.locator(f"[data-focus='rule {COUNTRY}']")).to_be_focused()
    assert person.cells() == before
    assert person.errors == []


def test_a_mistake_is_said_in_the_explorer_and_keeps_what_was_typed(person: Visitor, mapping: Locator) -> None:
    editor = mapping.get_by_label(f"Rule for {COUNTRY}")
    editor.fill("{from: address1_country, apply: [{contry_code: iso2}]}")
    editor.press("Control+Enter")
    expect(mapping.get_by_role("status")).to_contain_text("Did you mean 'country_code'?")
    expect(editor).to_have_value("{from: address1_country, apply: [{contry_code: iso2}]}")
    mapping.get_by_role("button", name="Save").click()
    expect(mapping.get_by_role("status")).to_contain_text("Did you mean 'country_code'?")
    assert person.errors == []


def test_validation_follows_and_another_column_gets_a_rule(person: Visitor, mapping: Locator) -> None:
    mapping.get_by_role("button", name="Start over").click()
    mapping.get_by_label("Add a rule for another column").select_option("CreditRating")
    editor = mapping.get_by_label("New rule for CreditRating")
    expect(editor).to_be_focused()
    editor.fill("{default: A}")
    editor.press("Control+Enter")
    expect(mapping.locator("[data-focus='rule CreditRating'] .tag")).to_have_text("edited")
    mapping.get_by_label("Find a rule").fill("IsExternally")
    mapping.locator("[data-focus='rule IsExternallyMaintained']").click()
    mapping.get_by_label("Rule for IsExternallyMaintained").fill("{default: Perhaps}")
    mapping.get_by_role("button", name="Apply").click()
    expect(mapping.locator(".findings caption")).to_have_text("Validation: 1 error, 0 warnings")
    expect(mapping.locator(".findings tbody td").nth(1)).to_have_text("DIPV1030")
    mapping.get_by_label("Find a rule").fill("")
    assert person.errors == []


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_nothing_is_cut_off_and_everything_can_be_read(person: Visitor, mapping: Locator, theme: str) -> None:
    person.theme(theme)
    assert person.cut_off(mapping) == []
    assert person.faint(mapping) == []


@pytest.fixture(scope="module")
def reconciled(lab: Lab, person: Visitor) -> Locator:
    """The reconciliation explorer in its notebook, every cell run."""
    person.open(lab, "60_reconcile")
    person.run_all()
    return person.show(".p2c-explorer.reconciliation")


def test_a_cause_is_chosen_by_mouse_and_what_would_settle_it_is_shown(person: Visitor, reconciled: Locator) -> None:
    reconciled.get_by_role("button", name="phone-format").click()
    expect(reconciled.locator("tbody tr")).to_have_count(3)
    expect(reconciled.locator("tbody tr").first.locator("mark").first).to_have_text("-")
    reconciled.get_by_role("button", name="What would settle it?").click()
    expect(reconciled.get_by_role("status")).to_contain_text("without regard to phone-format")
    expect(reconciled.get_by_role("status")).to_contain_text("3 differences in PrimaryContactPhone become 0")
    pictures(person, reconciled, "reconciliation-explorer")
    assert person.errors == []


def test_classes_causes_and_pages_are_reached_by_keyboard_alone(person: Visitor, reconciled: Locator) -> None:
    keys = person.page.keyboard
    reconciled.get_by_role("button", name="changed").focus()
    keys.press("ArrowRight")
    expect(reconciled.get_by_role("button", name="missing")).to_be_focused()
    keys.press("Enter")
    expect(reconciled.get_by_text("1 to 25 of 116")).to_be_visible()
    reconciled.get_by_role("button", name="next").press("Enter")
    expect(reconciled.get_by_text("26 to 50 of 116")).to_be_visible()
    expect(reconciled.get_by_role("button", name="next")).to_be_focused()
    reconciled.get_by_label("Search in these rows").focus()
    keys.type("Unisys")
    expect(reconciled.locator("tbody tr")).to_have_count(1)
    keys.press("Control+a")
    keys.press("Delete")
    expect(reconciled.get_by_text("1 to 25 of 116")).to_be_visible()
    reconciled.get_by_role("button", name="missing").focus()
    keys.press("ArrowLeft")
    keys.press("Enter")
    expect(reconciled.get_by_role("button", name="changed")).to_have_attribute("aria-pressed", "true")
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(reconciled.locator(".said")).to_have_text("case in OrganizationName · 3")
    assert person.errors == []


def test_what_is_chosen_is_saved_from_the_browser_all_of_it(
    person: Visitor, reconciled: Locator, tmp_path: Path
) -> None:
    reconciled.get_by_role("button", name="missing").click()
    expect(reconciled.locator(".said")).to_have_text("Rows the destination lacks · 116")
    with person.page.expect_download() as coming:
        reconciled.get_by_role("button", name="Excel").click()
    assert coming.value.suggested_filename == "accounts-missing.xlsx"
    coming.value.save_as(tmp_path / "rows.xlsx")
    assert openpyxl.load_workbook(tmp_path / "rows.xlsx").active.max_row == 117
    assert person.errors == []


@pytest.mark.parametrize("theme", ["Dark", "Light"])
@pytest.mark.parametrize("kind", ["missing", "changed"])
def test_no_row_is_cut_off_and_every_one_can_be_read(
    person: Visitor, reconciled: Locator, theme: str, kind: str
) -> None:
    person.theme(theme)
    reconciled.get_by_role("button", name=kind).click()
    expect(reconciled.get_by_role("button", name=kind)).to_have_attribute("aria-pressed", "true")
    assert person.cut_off(reconciled) == []
    assert person.faint(reconciled) == []


@pytest.fixture(scope="module")
def reviewed(lab: Lab, person: Visitor) -> Locator:
    """The review of a plan in the accounts notebook, every cell run."""
    person.open(lab, "20_accounts")
    person.run_all()
    return person.show(".p2c-explorer.plan")


def test_a_plan_is_searched_and_an_operation_opened_by_mouse(person: Visitor, reviewed: Locator) -> None:
    reviewed.get_by_role("button", name="create").click()
    expect(reviewed.locator(".said")).to_contain_text("Fields of new rows")
    reviewed.get_by_role("button", name="update").click()
    reviewed.locator("[data-focus^='cause phone-format']").click()
    expect(reviewed.locator(".right tbody tr")).to_have_count(3)
    expect(reviewed.locator("tbody mark").first).to_have_text("(")
    reviewed.locator(".opens").nth(1).click()
    opened = reviewed.locator(".opened")
    expect(opened).to_contain_text("PrimaryContactPhone")
    expect(opened.locator("code")).to_have_text(re.compile(r"p2c why finops CustomersV2 \S+ PrimaryContactPhone"))
    pictures(person, reviewed, "plan-review")
    opened.get_by_role("button", name="Close").click()
    expect(opened).to_have_count(0)
    reviewed.get_by_label("Search in these lines").fill("nothing like it")
    expect(reviewed.get_by_text("No line has this text.")).to_be_visible()
    reviewed.get_by_label("Search in these lines").fill("")
    assert person.errors == []


def test_a_plan_is_gone_through_by_keyboard_alone(person: Visitor, reviewed: Locator) -> None:
    keys = person.page.keyboard
    reviewed.get_by_role("button", name="update").focus()
    keys.press("ArrowLeft")
    keys.press("Enter")
    expect(reviewed.get_by_role("button", name="create")).to_have_attribute("aria-pressed", "true")
    expect(reviewed.get_by_text("1 to 25 of")).to_be_visible()
    reviewed.locator(".opens").first.focus()
    keys.press("ArrowDown")
    expect(reviewed.locator(".opens").nth(1)).to_be_focused()
    keys.press("Enter")
    opened = reviewed.locator(".opened")
    expect(opened.locator("tbody tr").first).to_contain_text("missing")
    opened.get_by_role("button", name="Close").focus()
    keys.press("Escape")
    expect(opened).to_have_count(0)
    assert person.errors == []


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_nothing_of_a_plan_is_cut_off_and_all_of_it_can_be_read(person: Visitor, reviewed: Locator, theme: str) -> None:
    person.theme(theme)
    reviewed.get_by_role("button", name="update").click()
    reviewed.locator(".opens").first.click()
    expect(reviewed.locator(".opened")).to_be_visible()
    assert person.cut_off(reviewed) == []
    assert person.faint(reviewed) == []
    reviewed.get_by_role("button", name="Close").click()
