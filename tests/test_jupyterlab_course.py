"""The tour and a notebook of the walk as a person meets them in JupyterLab: connection panel, gate view, run monitor
and parameter form by mouse and by keyboard, light and dark, at 1280 pixels."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.jupyterlab import Lab, Visitor
from tests.test_jupyterlab import pictures

THEMES = pytest.mark.parametrize("theme", ["Dark", "Light"])


@pytest.fixture(scope="module")
def tour(lab: Lab, person: Visitor) -> Visitor:
    """The tour, every cell run."""
    person.open(lab, "00_tour")
    person.run_all()
    return person


def readable(person: Visitor, part: Locator, theme: str) -> None:
    """Nothing of a part is cut off or faint in a theme."""
    person.theme(theme)
    assert person.cut_off(part) == []
    assert person.faint(part) == []
    assert person.errors == []


@pytest.fixture
def panel(tour: Visitor) -> Locator:
    return tour.show(".p2c-explorer.connection")


def test_the_panel_looks_again_by_mouse_and_by_keyboard(tour: Visitor, panel: Locator) -> None:
    said = panel.get_by_role("status")
    expect(said).to_have_text(re.compile(r"Connection set sandbox: ✓ everything holds \d+ of \d+ steps hold\."))
    expect(panel.get_by_role("list", name="F&O").get_by_text("A token is given")).to_be_visible()
    again = panel.get_by_role("button", name="Check again")
    again.click()
    expect(again).to_be_enabled()
    expect(said).to_contain_text("everything holds")
    again.focus()
    tour.page.keyboard.press("Enter")
    expect(again).to_be_enabled()
    expect(panel).to_have_attribute("aria-busy", "false")
    pictures(tour, panel, "connection-panel")
    assert tour.errors == []


@THEMES
def test_the_panel_can_be_read(tour: Visitor, panel: Locator, theme: str) -> None:
    readable(tour, panel, theme)


@pytest.fixture
def gate(tour: Visitor) -> Locator:
    return tour.show(".p2c-explorer.gate")


def test_rules_and_their_rows_are_reached_by_mouse(tour: Visitor, gate: Locator) -> None:
    gate.get_by_role("button", name="quarantined").click()
    expect(gate.locator("tbody tr")).to_have_count(4)
    gate.get_by_role("button", name="SalesCurrencyCode exists in F&O").click()
    expect(gate.locator("tbody tr")).to_have_count(1)
    expect(gate.locator("tbody td").last).to_have_text("Currency DEM does not exist in F&O")
    pictures(tour, gate, "gate-view")
    gate.get_by_role("button", name="passed").click()
    gate.get_by_role("button", name="next").click()
    expect(gate.get_by_text("26 to 50 of 296")).to_be_visible()
    assert tour.errors == []


def test_rules_and_their_rows_are_reached_by_keyboard_alone(tour: Visitor, gate: Locator) -> None:
    keys = tour.page.keyboard
    gate.get_by_role("button", name="passed").focus()
    keys.press("ArrowLeft")
    expect(gate.get_by_role("button", name="warnings")).to_be_focused()
    keys.press("Enter")
    expect(gate.locator(".said")).to_have_text(re.compile("Rows that load with a warning"))
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("Enter")
    chosen = gate.locator(".line[aria-pressed='true']")
    expect(chosen).to_be_focused()
    expect(gate.locator(".said b")).to_have_text(chosen.locator("b").inner_text())
    gate.get_by_label("Search in these rows").focus()
    keys.type("nothing like it")
    expect(gate.get_by_text("No row has this text.")).to_be_visible()
    keys.press("Control+a")
    keys.press("Delete")
    expect(gate.get_by_text("No row has this text.")).to_be_hidden()
    assert tour.errors == []


@THEMES
@pytest.mark.parametrize("kind", ["quarantined", "warnings", "passed"])
def test_the_gate_can_be_read(tour: Visitor, gate: Locator, theme: str, kind: str) -> None:
    gate.get_by_role("button", name=kind).click()
    expect(gate.get_by_role("button", name=kind)).to_have_attribute("aria-pressed", "true")
    readable(tour, gate, theme)


@pytest.fixture
def monitor(tour: Visitor) -> Locator:
    return tour.show(".p2c-explorer.run")


def test_a_run_is_watched_from_its_start_to_its_end(lab: Lab, tour: Visitor, monitor: Locator) -> None:
    expect(monitor).to_contain_text("No run yet in this workspace")
    environment = {**os.environ, "P2C_WORKSPACE": str(lab.home), "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-m", "p2c_lib.cli", "run", "products", "accounts", "contacts", "--apply"]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(monitor.get_by_role("status")).to_contain_text("running for", timeout=30_000)
        expect(monitor.get_by_role("list", name="Tasks")).to_contain_text("products", timeout=30_000)
        expect(monitor.get_by_role("status")).to_contain_text("clean after", timeout=60_000)
    finally:
        assert run.wait(60) == 0
    expect(monitor.get_by_role("listitem").first).to_contain_text("200 read, 19 created, 10 updated, 169 unchanged")
    pictures(tour, monitor, "run-monitor")
    assert tour.errors == []


def test_an_earlier_run_is_picked_by_keyboard(tour: Visitor, monitor: Locator) -> None:
    picker = monitor.get_by_label("Run")
    picker.focus()
    tour.page.keyboard.press("ArrowDown")
    expect(picker).not_to_have_value("")
    expect(picker).to_be_focused()
    expect(monitor.get_by_role("status")).to_contain_text(picker.input_value())
    assert tour.errors == []


@THEMES
def test_the_monitor_can_be_read(tour: Visitor, monitor: Locator, theme: str) -> None:
    readable(tour, monitor, theme)


@pytest.fixture(scope="module")
def products(lab: Lab, person: Visitor, tour: Visitor) -> Visitor:
    """The notebook of the products, every cell run; the tour is left."""
    person.open(lab, "10_products")
    person.run_all()
    return person


@pytest.fixture
def form(products: Visitor) -> Locator:
    return products.show(".p2c-explorer.parameters")


def test_a_mistake_is_told_at_its_field_and_the_command_follows_what_is_typed(products: Visitor, form: Locator) -> None:
    limit, keys = form.get_by_label("limit"), products.page.keyboard
    limit.fill("many")
    expect(form.locator("[data-said='limit']")).to_contain_text("The parameter limit came as 'many'")
    expect(limit).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_role("status")).to_have_text("1 field to mend.")
    pictures(products, form, "parameter-form")
    limit.focus()
    keys.press("Control+a")
    keys.type("100")
    keys.press("Tab")
    expect(form.get_by_label("ceiling")).to_be_focused()
    expect(form.get_by_role("status")).to_contain_text("p2c run products --param limit=100")
    form.get_by_label("apply").focus()
    keys.press("Space")
    expect(form.get_by_role("status")).to_contain_text("p2c run products --param apply=true --param limit=100")
    assert products.errors == []


@THEMES
def test_the_form_can_be_read(products: Visitor, form: Locator, theme: str) -> None:
    readable(products, form, theme)


def test_no_cell_of_a_notebook_writes_warnings_or_progress(products: Visitor) -> None:
    from tests.play import NOISE

    assert products.page.evaluate(NOISE) == []
