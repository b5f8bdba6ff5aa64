"""The docs site: built strictly, whole, readable offline, and with nothing that axe calls serious."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

import p2c_lib
from p2c_lib import errors
from p2c_lib.gates.preflight import CHECKS
from p2c_lib.mapping import TASKS
from p2c_lib.mapping.template import PARTS
from p2c_lib.runs.parameters import MODELS
from tests.jupyterlab import SWITCHES, chromium

ROOT = Path(__file__).parent.parent
BAD = {"serious", "critical"}
LOOKED_AT = ("index", "tutorial", "how-to/task", "data-integrator", "404")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a broken link or a missing page is an error of the build."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return place


def words_of(site: Path, page: str) -> str:
    """The text of a page, without its tags."""
    return unescape(re.sub(r"<[^>]+>", "", (site / f"{page}.html").read_text("utf-8")))


def commands() -> Iterator[str]:
    import typer

    from p2c_lib.cli import app

    waiting = [("p2c", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name
        else:
            waiting += [(f"{name} {word}", one) for word, one in inner.items()]


def test_the_reference_names_all_there_is(site: Path) -> None:
    named = {
        "reference/cli": set(commands()),
        "reference/errors": set(errors.__all__),
        "reference/parameters": {*MODELS, *(name for model in MODELS.values() for name in model.model_fields)},
        "reference/checks": {*CHECKS, *TASKS},
        "reference/templates": {f.alias or n for part in PARTS.values() for n, f in part.model_fields.items()},
        "reference/python": set(p2c_lib.__all__) - {"TASKS"},
    }
    lacking = {page: {word for word in words if word not in words_of(site, page)} for page, words in named.items()}
    assert {page: words for page, words in lacking.items() if words} == {}


def test_every_page_stands_in_the_contents() -> None:
    class Loose(yaml.SafeLoader):
        """mkdocs.yml may hold tags of mkdocs' own."""

    Loose.add_multi_constructor("", lambda loader, suffix, node: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loose)["nav"]
    named = set(re.findall(r"[\w/-]+\.md", str(nav)))
    there = {file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    assert there - named == set()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"?(?:https?:)?//[^\" >]+|url\(['\"]?https?:[^)]+"
    )
    texts = [*site.rglob("*.html"), site / "site.css", *site.glob("assets/stylesheets/*.css")]
    found = {hit for file in texts for hit in loads.findall(file.read_text("utf-8"))}
    assert {hit for hit in found if "rel=canonical" not in hit} == set()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        yield started
        started.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not news."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site as a server on this machine gives it out; over file: its search is not there to be looked at."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_no_page_asks_anybody_else(browser: Browser, address: str, dark: bool) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark" if dark else "light")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    found = {}
    for name in LOOKED_AT:
        page.goto(f"{address}/{name}.html")
        violations = Axe().run(page).response["violations"]
        bad = [(rule["id"], rule["nodes"][0]["html"][:160]) for rule in violations if rule["impact"] in BAD]
        found |= {name: bad} if bad else {}
    context.close()
    assert found == {}
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
