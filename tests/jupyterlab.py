"""A real JupyterLab over a workspace of its own, with Debian's Chromium before it: what a person sees and can click."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, sync_playwright

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
STARTUP_SECONDS = 40
PATIENCE = 15_000  # milliseconds
WIDTH, HEIGHT = 1280, 800
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# JupyterLab asks whether it may fetch news, which would need a network, and says so in a dialog over the page.
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


@dataclass
class Lab:
    """A running JupyterLab: where it is and the workspace it shows."""

    url: str
    token: str
    home: Path

    def address(self, notebook: str) -> str:
        """The page of a notebook, in a layout of its own: nothing an earlier visit left open comes back."""
        return f"{self.url}lab/workspaces/{secrets.token_hex(4)}/tree/{notebook}.ipynb?token={self.token}"


@dataclass
class Visitor:
    """A person before the browser; ``errors`` gathers what the page wrote to the console as an error."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def open(self, lab: Lab, notebook: str) -> None:
        """Open a notebook and wait until its first cell stands there."""
        self.page.goto(lab.address(notebook))
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    def command(self, name: str, **arguments: object) -> None:
        """Run a command of JupyterLab by its id."""
        script = "([name, given]) => window.jupyterapp.commands.execute(name, given)"
        self.page.evaluate(script, [name, arguments])

    def ready(self, *, seconds: float = 60) -> None:
        """Wait until the notebook has a kernel that is idle."""
        self.page.wait_for_function(READY, timeout=seconds * 1000)

    def run_next(self) -> None:
        """Run the selected cell, as Shift+Enter does, and select the next; wait until it has ended."""
        self.ready()
        self.command("notebook:run-cell-and-select-next")
        self.ready()

    def run_all(self, *, seconds: float = 60) -> None:
        """Run every cell from the menu, as a person would, and wait until the last one has ended."""
        self.ready(seconds=seconds)
        self.page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
        self.page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        outcome = self.page.wait_for_function(OUTCOME, timeout=seconds * 1000)
        assert outcome.json_value() == []

    def cells(self) -> list[str]:
        """The sources of the open notebook's cells, as they stand now."""
        found: list[str] = self.page.evaluate(CELLS)
        return found

    def theme(self, name: str) -> None:
        """Switch to a theme of JupyterLab: ``Light`` or ``Dark``."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        wanted = "true" if name == "Light" else "false"
        self.page.locator(f"body[data-jp-theme-light='{wanted}']").wait_for(state="attached")
        # Its curtain goes a moment later; another switch before that would be an error of JupyterLab's own.
        self.page.wait_for_timeout(100)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def show(self, selector: str) -> Locator:
        """Bring a part of the notebook into view; cells out of sight are not drawn until then."""
        found = self.page.locator(selector).first
        found.wait_for()
        found.evaluate("(part) => part.scrollIntoView({block: 'start'})")
        return found

    def cut_off(self, part: Locator) -> list[str]:
        """The texts of a part that stand beyond its right edge, or are wider than what they stand in."""
        found: list[str] = part.evaluate(CUT_OFF)
        return found

    def faint(self, part: Locator) -> list[str]:
        """The texts of a part with less contrast to their ground than WCAG 2 asks for (4.5 to 1)."""
        found: list[str] = part.evaluate(FAINT)
        return found


CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.sharedModel.source)"
CUT_OFF = """(part) => {
  const edge = part.getBoundingClientRect().right + 1;
  const all = [...part.querySelectorAll('*')].filter((e) => e.checkVisibility() && e.getClientRects().length);
  const wide = (e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible'
    && getComputedStyle(e).textOverflow !== 'ellipsis' && !['SELECT', 'INPUT'].includes(e.tagName);
  return all.filter((e) => e.getBoundingClientRect().right > edge || wide(e))
    .map((e) => `${e.tagName} ${e.textContent.slice(0, 40)}`);
}"""

FAINT = """(part) => {
  const numbers = (colour) => {
    const [r, g, b, a] = colour.match(/[0-9.]+/g).map(Number);
    return colour.startsWith('color(') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (colour) => colour.slice(0, 3).map((v) => linear(v / 255))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const over = (top, ground) => top.slice(0, 3).map((v, n) => v * (top[3] ?? 1) + ground[n] * (1 - (top[3] ?? 1)));
  const ground = (e) => {
    if (!e) return [255, 255, 255];
    const own = numbers(getComputedStyle(e).backgroundColor);
    return (own[3] ?? 1) === 1 ? own : over(own, ground(e.parentElement));
  };
  const contrast = (e) => {
    const behind = ground(e), text = over(numbers(getComputedStyle(e).color), behind);
    const [dark, bright] = [light(text), light(behind)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const says = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
  return [...part.querySelectorAll('*')]
    .filter((e) => e.checkVisibility() && says(e) && !e.disabled && contrast(e) < 4.5)
    .map((e) => `${e.textContent.slice(0, 40)} (${contrast(e).toFixed(1)})`);
}"""

# A kernel of its own, connected and idle, and nobody still asking which one to take.
READY = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = session?.session?.kernel;
  return session?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""

# What the code cells of the open notebook came to: the errors of those that failed, or null while some still run.
OUTCOME = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.widgets].filter((c) => c.model.type === 'code');
  const failed = cells.flatMap((c) => c.model.outputs.toJSON()).filter((o) => o.output_type === 'error');
  if (failed.length) return failed.map((o) => `${o.ename}: ${o.evalue}`);
  const ran = (c) => c.model.sharedModel.execution_count !== null && c.model.executionState !== 'running';
  return cells.every(ran) ? [] : null;
}"""


def chromium() -> str:
    """Where Chromium is; without it a test is skipped, but fails where everything is promised to be there (CI)."""
    found = shutil.which("chromium")
    if found is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def jupyterlab(home: Path) -> Iterator[Lab]:
    """JupyterLab over copies of the notebooks in a workspace; it and its kernels end with the block."""
    shutil.copytree(NOTEBOOKS, home / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    places = {name: str(home / "jupyter" / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    places |= {name: str(home / "jupyter" / name.lower()) for name in ("JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    runtime, settings = home / "jupyter" / "runtime", home / "jupyter" / "settings"
    for plugin, values in SETTINGS.items():
        file = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"]
    command += [f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"]
    given = {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTERLAB_SETTINGS_DIR": str(settings), "P2C_WORKSPACE": str(home)}
    with (home / "jupyterlab.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={home / 'notebooks'}"],
            env={**os.environ, **places, **given},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Lab(_url(server, runtime, home / "jupyterlab.log"), token, home)
        finally:
            _stop(server)


def _url(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The address the server wrote down, once it answers."""
    deadline = monotonic() + STARTUP_SECONDS
    while monotonic() < deadline and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            url = str(json.loads(file.read_text())["url"])
            with suppress(URLError), urlopen(f"{url}api") as answer:  # the file is there before anybody listens
                if answer.status == 200:
                    return url
        sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server by its own signal: it shuts its kernels down first."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def visitor(*, dark: bool = False) -> Iterator[Visitor]:
    """A person before Chromium in a window of 1280 by 800; errors on its console are gathered."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        context.set_default_timeout(PATIENCE)
        person = Visitor(context.new_page())

        def said(message: ConsoleMessage) -> None:
            if message.type == "error":
                person.errors.append(f"{message.text} {message.location.get('url', '')}")

        person.page.on("console", said)
        person.page.on("pageerror", lambda error: person.errors.append(error.stack or str(error)))
        try:
            yield person
        finally:
            browser.close()
