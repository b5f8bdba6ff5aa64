"""The report of a run and the history page in headless Chromium with the network off: seen, heard, printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from p2c_lib.config import Workspace
from p2c_lib.history import history, past_run, run_report
from p2c_lib.ledger import open_ledger
from p2c_lib.run_folder import PREFLIGHT, RUN, RunFolder, keep
from tests.jupyterlab import SWITCHES, chromium
from tests.many_runs import NAUGHTY, NOON, TASKS, keep_task, line, put_run, put_runs, put_waiting

BAD = {"serious", "critical"}


@dataclass
class Seen:
    """A page before a person, and everything it did that a page that stands alone does not do."""

    page: Page
    did: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A failed run with naughty names in every place that takes a name, and a history of forty runs."""
    here = Workspace(tmp_path_factory.mktemp("pages"))
    put_runs(here.root, 40)
    ledger = open_ledger(here.ledger)
    lines = [line(task) for task in TASKS[:5]]
    put_run(ledger, "20260301-120000-abcdef", [*lines, line(NAUGHTY)], status="error", started=NOON)
    put_waiting(ledger, 60)
    folder = here.state / "runs" / "20260301-120000-abcdef"
    for task in (*TASKS[:5], NAUGHTY.replace("/", "-")):
        keep_task(folder, task)
    problems = {"quote-lines": f"Rejected: {NAUGHTY}"}
    keep(folder, {"problems": problems, "notebooks": {"quote-lines": "40_quotes.ipynb"}}, RUN)
    keep(folder, {"cells": []}, "40_quotes.ipynb")
    check = {"name": "rights", "status": "fail", "evidence": NAUGHTY, "remedy": "Ask for the role."}
    keep(folder, {"why": "0 of 1 checks hold.", "checks": [check]}, PREFLIGHT)
    run = past_run(ledger, here, "latest")
    report = run_report(run, ledger).save(RunFolder(folder).report)
    ledger.close()
    return {"report": report, "history": history(here).save(here.state / "history.html")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        yield started
        started.close()


def look(browser: Browser, file: Path, *, width: int = 1280, dark: bool = False) -> Seen:
    """Open a page offline and write down requests, dialogs and what the console says."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, offline=True, color_scheme="dark" if dark else "light"
    )
    seen = Seen(context.new_page())
    seen.page.on("console", lambda message: seen.did.append(f"console: {message.text}"))
    seen.page.on("pageerror", lambda error: seen.did.append(f"error: {error}"))
    seen.page.on("dialog", lambda dialog: (seen.did.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    seen.page.on("request", lambda request: seen.did.append(request.url) if request.url != file.as_uri() else None)
    seen.page.goto(file.as_uri())
    return seen


@pytest.mark.parametrize("name", ["report", "history"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_stands_alone_and_axe_finds_nothing_serious(
    browser: Browser, pages: dict[str, Path], name: str, dark: bool
) -> None:
    seen = look(browser, pages[name], dark=dark)
    found = Axe().run(seen.page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found if rule["impact"] in BAD] == []
    assert seen.did == []
    assert pages[name].stat().st_size < 3_000_000


def test_a_script_as_a_name_shows_as_text(browser: Browser, pages: dict[str, Path]) -> None:
    page = look(browser, pages["report"]).page
    assert page.title() == "Prospect to cash"
    assert page.locator("script").count() == 0
    for section in ("What failed", "Tasks", "Rows that wait", "Gate", "Causes", "Preflight"):
        assert NAUGHTY in page.get_by_role("region", name=section, exact=True).inner_text(), section


def test_the_verdict_comes_first_and_the_contents_lead_to_every_section(
    browser: Browser, pages: dict[str, Path]
) -> None:
    page = look(browser, pages["report"]).page
    first = page.locator("main > *").first
    assert first.inner_text().startswith("✕FAILED quote-lines: Rejected:")
    places = page.get_by_role("navigation", name="Contents").get_by_role("link")
    named = [link.inner_text() for link in places.all()]
    sections = ["What failed", "Tasks", "Rows that wait", "Gate", "Causes", "Plan", "Outcomes", "Preflight", "Time"]
    assert named == [*sections, "Files"]
    for link in places.all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1


def test_a_link_leads_to_the_executed_notebook(browser: Browser, pages: dict[str, Path]) -> None:
    page = look(browser, pages["report"]).page
    found = page.get_by_role("region", name="What failed").get_by_role("link").get_attribute("href")
    assert (pages["report"].parent / str(found)).is_file()


@pytest.mark.parametrize("name", ["report", "history"])
def test_on_a_phone_only_tables_scroll_and_their_first_column_stays(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    page = look(browser, pages[name], width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    table = page.locator(".scroll").first
    table.evaluate("(part) => { part.scrollLeft = 300; }")
    assert table.locator("tbody th").first.evaluate("(cell) => cell.getBoundingClientRect().left") >= 0


@pytest.mark.parametrize("name", ["report", "history"])
def test_on_paper_nothing_is_cut_off_at_the_right(browser: Browser, pages: dict[str, Path], name: str) -> None:
    page = look(browser, pages[name], width=703).page  # A4 less its margins
    page.emulate_media(media="print")
    beyond = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
    assert page.evaluate(f"{beyond}.map((e) => e.textContent.slice(0, 60))") == []
    assert len(page.pdf()) > 10_000
