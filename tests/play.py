"""Every notebook played through as a person would: opened in JupyterLab, all cells run, looked at from top to bottom in
both themes at 1280 pixels; then every widget by mouse and keyboard.

``python -m tests.play`` (``make play``) leaves a picture of every screenful in ``build/play`` and ends with 1 where
a cell failed, wrote to stderr, a text is cut off or faint, or the browser's console had an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from p2c_lib.sandbox import process
from tests.jupyterlab import CUT_OFF, FAINT, NOTEBOOKS, Lab, Visitor, jupyterlab, visitor

PICTURES = Path("build") / "play"
THEMES = ("Light", "Dark")
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output"
OVERLAP = 80

# What code cells wrote to stderr: warnings and progress that a person did not ask for.
NOISE = """() => [...window.jupyterapp.shell.currentWidget.content.widgets].filter((cell) => cell.model.type === 'code')
  .flatMap((cell) => cell.model.outputs.toJSON()).filter((output) => output.name === 'stderr')
  .map((output) => output.text)"""

# One of the questions put to each output in sight that was not asked it before.
ONCE = """([shown, name]) => {
  const parts = [...document.querySelectorAll(shown)].filter((part) => part.checkVisibility() && !part.dataset[name]);
  parts.forEach((part) => { part.dataset[name] = 'yes'; });
  return parts.flatMap(%s);
}"""


def screens(person: Visitor) -> Iterator[int]:
    """Scroll the open notebook from top to bottom, a screen at a time."""
    panel = person.page.locator(PANEL).first
    top, number = 0, 0
    while True:
        panel.evaluate("(panel, top) => panel.scrollTo(0, top)", top)
        person.page.wait_for_timeout(500)  # cells are drawn as they come into sight
        yield number
        whole, seen, at = panel.evaluate("(panel) => [panel.scrollHeight, panel.clientHeight, panel.scrollTop]")
        if at + seen >= whole - 1:
            return
        top, number = at + seen - OVERLAP, number + 1


def look(person: Visitor, name: str, theme: str) -> set[str]:
    """What is wrong with what one notebook shows in one theme; each output is looked at once."""
    person.theme(theme)
    found = set()
    for number in screens(person):
        person.page.screenshot(path=PICTURES / f"{name}-{theme.lower()}-{number:02}.png")
        for problem, seen in (("cut off", CUT_OFF), ("faint", FAINT)):
            found |= {
                f"{problem}: {text}" for text in person.page.evaluate(ONCE % seen, [SHOWN, f"{problem[:3]}{theme}"])
            }
    return found


def play(person: Visitor, lab: Lab, name: str) -> list[str]:
    """Open a notebook, run it and look at all of it; what is wrong, one line each."""
    person.open(lab, name)
    person.theme(THEMES[0])
    wrong = set()
    try:
        person.run_all(seconds=120)
    except AssertionError as failed:
        wrong.add(f"a cell failed: {failed}")
    wrong |= {f"noise: {text}" for text in person.page.evaluate(NOISE)}
    for theme in THEMES:
        wrong |= {f"{theme.lower()}, {problem}" for problem in look(person, name, theme)}
    wrong |= {f"console: {error}" for error in person.errors}
    person.errors.clear()
    person.command("kernelmenu:shutdown")
    return sorted(wrong)


def main() -> int:
    """Play all notebooks, then the widgets."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        running = process.start(home / ".p2c" / "sandbox")
        try:
            with jupyterlab(home) as lab, visitor() as person:
                for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
                    wrong = play(person, lab, notebook.stem)
                    failed += bool(wrong)
                    print(f"{notebook.stem}: {'good' if not wrong else f'{len(wrong)} to look at'}", flush=True)
                    print("".join(f"  {line}\n" for line in wrong), end="", flush=True)
        finally:
            process.stop(running)
    widgets = [str(path) for path in sorted(Path(__file__).parent.glob("test_jupyterlab*.py"))]
    environment = {**os.environ, "P2C_PICTURES": str(PICTURES.resolve())}
    played = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", *widgets], env=environment, check=False)
    return int(bool(failed or played.returncode))


if __name__ == "__main__":
    sys.exit(main())
