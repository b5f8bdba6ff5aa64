"""The reconciliation explorer on a million rows in a real JupyterLab: time to the first paint and from click to answer.

    python -m benchmarks.explorer [--repeat 3] [--json]

Figures are seconds in the browser's own clock, medians of the laps; the goals are 2 s for the first paint after the
result is there and 0.5 s for a click on a cause. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import nbformat

from p2c_lib.sandbox import process
from tests.jupyterlab import Lab, jupyterlab, visitor

MILLION = """\
from datetime import UTC, datetime
from types import SimpleNamespace
import numpy as np, pyarrow as pa, pyarrow.compute as pc
import p2c_lib as p2c
from p2c_lib.frames import Origin
from p2c_lib.mapping import CompareRules

at = np.arange(1_000_000)
number = pa.array(at).cast(pa.string())
name, phone = (pc.binary_join_element_wise(word, number, "") for word in ("Company ", "226-555-1"))
city = pa.array(np.array(["Rome", "Oslo", "Bonn"])[at % 3])
sides = [{"id": number, "name": name, "phone": phone, "city": city} for _ in range(2)]
sides[1]["name"] = pc.if_else(pa.array(at % 10 == 0), pc.utf8_upper(name), name)
sides[1]["phone"] = pc.if_else(pa.array(at % 25 == 0), pc.replace_substring(phone, "-", " "), phone)
origin = Origin("sales", "", "", None, "things", "", ("id",), datetime.now(UTC), None, True, "")
frames = [p2c.EntityFrame(pa.table(side), origin, None) for side in sides]
rules = SimpleNamespace(task="things", sha="", compare=CompareRules(), rule={}.get)
recon = p2c.reconcile(*frames, rules)
"""
# Click, and tell the milliseconds until the words over the rows say so.
CLICKED = """([name, words]) => new Promise((done) => {
  const part = document.querySelector('.p2c-explorer.reconciliation');
  const begun = performance.now();
  const look = () => {
    if (part.querySelector('.said').textContent === words) done(performance.now() - begun);
    else requestAnimationFrame(look);
  };
  part.querySelector(`[data-focus="${name}"]`).click();
  look();
})"""


def lap(lab: Lab) -> dict[str, float]:
    """One visit: run the cell, wait for rows, click two causes and a class."""
    with visitor() as person:
        person.open(lab, "million")
        person.run_next()
        begun = perf_counter()
        person.run_next()
        person.page.locator(".p2c-explorer.reconciliation tbody tr").first.wait_for()
        painted = perf_counter() - begun
        case = person.page.evaluate(CLICKED, ["cause case name", "case in name · 100,000"])
        phone = person.page.evaluate(CLICKED, ["cause phone-format phone", "phone-format in phone · 40,000"])
        equal = person.page.evaluate(CLICKED, ["kind equal", "Rows that agree · 880,000"])
    return {"first_paint_s": painted, "cause_click_s": max(case, phone) / 1000, "class_click_s": equal / 1000}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    cells = [nbformat.v4.new_code_cell(text) for text in (MILLION, "p2c.ReconciliationExplorer(recon)")]
    named = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        running = process.start(home / ".p2c" / "sandbox")
        try:
            with jupyterlab(home) as lab:
                file = lab.home / "notebooks" / "million.ipynb"
                nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=named), file)
                laps = [lap(lab) for _ in range(given.repeat)]
        finally:
            process.stop(running)
    figures = {name: round(median(one[name] for one in laps), 3) for name in laps[0]}
    print(json.dumps({"benchmark": "explorer", "rows": 1_000_000, "figures": figures}) if given.json else figures)


if __name__ == "__main__":
    main()
