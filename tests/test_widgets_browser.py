"""The explorer's own front end in headless Chromium, spoken to by the real widget: click, search, turn pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from p2c_lib.widgets import ReconciliationExplorer
from tests.test_widgets_reconciliation import result

CHROMIUM = shutil.which("chromium")
MODEL = """
const held = %s, heard = {};
const model = {
  get: (name) => held[name], set: (name, value) => { held[name] = value; },
  on: (event, deed) => { (heard[event] ??= []).push(deed); }, off: () => {},
  save_changes: async () => {
    held.page = JSON.parse(await window.ask(JSON.stringify(held.wanted)));
    for (const deed of [...(heard["change:wanted"] ?? []), ...(heard["change:page"] ?? [])]) deed();
  },
};
widget.render({ model, el: document.getElementById("root") });
"""


@pytest.fixture
def page() -> Iterator[Any]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI installs Chromium"
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_the_explorer_is_clicked_through(page: Any) -> None:
    shown = ReconciliationExplorer(result())

    def ask(wanted: str) -> str:
        shown.wanted = json.loads(wanted)
        return json.dumps(shown.page)

    page.expose_function("ask", ask)
    state = {name: getattr(shown, name) for name in ("summary", "causes", "wanted", "page", "fix")}
    script = shown._esm if isinstance(shown._esm, str) else str(shown._esm)
    page.set_content('<div id="root"></div>')
    program = script.replace("export default", "const widget =") + MODEL % json.dumps(state)
    page.add_script_tag(content=program, type="module")

    assert page.locator("tbody tr").count() == 25
    assert "1 to 25 of 41" in page.locator(".pager").inner_text()
    page.get_by_text("next ›").click()
    page.get_by_text("26 to 41 of 41").wait_for()

    page.locator(".line", has_text="value").click()
    page.locator(".title", has_text="value in ").filter(has_text="· 1").wait_for()
    assert page.locator("mark").all_inner_texts() == ["Rome", "<b>"]
    assert page.locator(".line", has_text="value").get_attribute("aria-pressed") == "true"

    page.locator(".segment", has_text="missing").click()
    page.get_by_role("cell", name="=1+1").wait_for()
    page.get_by_label("Search in these rows").fill("nothing like it")
    page.get_by_text("No row has this text.").wait_for()
