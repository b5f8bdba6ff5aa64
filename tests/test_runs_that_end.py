"""Whatever happens to a run, it ends in the ledger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError
from p2c_lib.ledger import open_ledger
from p2c_lib.load.lease import leased
from p2c_lib.run_folder import PREFLIGHT, keep
from p2c_lib.runs import resume, run
from p2c_lib.runs.asked import asked
from p2c_lib.sandbox import process
from tests import warm
from tests.many_runs import line, put_run

TAKES = 'tasks = []\nrun_id = ""\ncompany = ""\napply = False'


@pytest.fixture
def home(tmp_path: Path, sandbox: process.Running) -> Path:
    """A workspace whose sandbox is up, where a run called mine need not look at it first."""
    place = Workspace(tmp_path).sandbox_home
    place.mkdir(parents=True)
    shutil.copy(sandbox.state / process.RECORD, place)
    keep(tmp_path / ".p2c" / "runs" / "mine", {"why": "", "checks": []}, PREFLIGHT)
    return tmp_path


def own(home: Path, name: str, *cells: str) -> Path:
    """A notebook of the workspace's own, with a cell of parameters as the walk gives them."""
    file = home / "notebooks" / f"{name}.ipynb"
    file.parent.mkdir(exist_ok=True)
    made = [nbformat.v4.new_code_cell(TAKES, metadata={"tags": ["parameters"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=made + [nbformat.v4.new_code_cell(cell) for cell in cells]), file)
    return file


def statuses(home: Path) -> list[str]:
    ledger = open_ledger(Workspace(home).ledger)
    try:
        return [row["status"] for row in ledger.runs()]
    finally:
        ledger.close()


def test_an_error_beside_a_notebook_ends_its_tasks_and_the_run_but_no_other_task(home: Path) -> None:
    accounts = own(home, "20_accounts", "pass")
    own(home, "10_products", f"open({str(accounts)!r}, 'w').write('[]')", "import p2c_lib\nraise p2c_lib.StopRun()")
    done = warm.answered(home, "run", "products", "accounts", "contacts", "--kernels", "1", "--param", "run_id=mine")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "20_accounts.ipynb is a notebook of an old format" in done.stderr
    assert "contacts: held: it needs accounts" in done.stderr
    assert statuses(home) == ["error"]
    (report,) = (home / ".p2c" / "runs").glob("*/report.html")
    assert "is a notebook of an old format" in report.read_text("utf-8")


def test_an_error_at_the_end_of_a_run_ends_it_too(home: Path) -> None:
    file = home / ".p2c" / "runs" / "mine" / "run.json"
    own(home, "10_products", f"import os\nos.makedirs({str(file / 'within')!r})")
    with pytest.raises(OSError, match=r"run\.json"):
        run(Workspace(home), ["products"], parameters={"run_id": "mine"})
    assert statuses(home) == ["error"]


def test_history_ends_a_run_whose_process_is_gone_and_no_other(home: Path) -> None:
    own(home, "10_products", "import time\ntime.sleep(600)")
    command = [sys.executable, "-m", "p2c_lib.cli", "run", "products", "--param", "run_id=mine"]
    child = subprocess.Popen(command, env={**os.environ, "P2C_WORKSPACE": str(home)}, stderr=subprocess.PIPE)
    events = home / ".p2c" / "runs"
    while not list(events.glob("*/events.jsonl")):
        assert child.poll() is None
        time.sleep(0.05)
    said = CliRunner().invoke(app, ["history", "--json"], env={"P2C_WORKSPACE": str(home)}, catch_exceptions=False)
    assert json.loads(said.stdout)["runs"][0]["status"] == "running"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    said = CliRunner().invoke(app, ["history", "--json"], env={"P2C_WORKSPACE": str(home)}, catch_exceptions=False)
    (told,) = json.loads(said.stdout)["runs"]
    assert (told["status"], told["ended"] is not None) == ("interrupted", True)
    assert "is gone; it is told as interrupted from now on" in said.stderr
    assert statuses(home) == ["interrupted"]
    assert Path(told["report"]).is_file()


def test_a_part_of_a_run_goes_on_while_the_run_does(tmp_path: Path) -> None:
    ledger = open_ledger(Workspace(tmp_path).ledger)
    for run_id in ("r-1-usmf", "r-2-usmf"):
        put_run(ledger, run_id, [line("products")], status="running", ended=None)
    with leased(ledger, "run r-1"):
        said = CliRunner().invoke(app, ["history", "--json"], env={"P2C_WORKSPACE": str(tmp_path)})
    found = {one["run_id"]: one["status"] for one in json.loads(said.stdout)["runs"]}
    assert found == {"r-1-usmf": "running", "r-2-usmf": "interrupted"}
    ledger.close()


CELL = """\
keys = {1: "one"}
pair = (1, 2)
raw = b"\\xff"
few = {1, 2}
left = 1.5
given = (1,)
"""


def test_only_what_was_given_is_given_to_a_notebook_and_exactly_so(home: Path) -> None:
    file = home / "notebooks" / "mine.ipynb"
    out = home / "out"
    file.parent.mkdir()
    cells = [nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})]
    told = f"open({str(out)!r}, 'a').write(repr((keys, pair, raw, few, left, given)) + '\\n')"
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(told)]), file)
    run(Workspace(home), ["mine"])
    first = run(Workspace(home), ["mine"], parameters={"given": (1, (b"x", None)), "keys": {2: {3}}})
    resume(Workspace(home), first.run_id)
    with_some = "({2: {3}}, (1, 2), b'\\xff', {1, 2}, 1.5, (1, (b'x', None)))"
    assert out.read_text().splitlines() == [
        "({1: 'one'}, (1, 2), b'\\xff', {1, 2}, 1.5, (1,))",
        *[with_some] * 2,
    ]
    with pytest.raises(ConfigError, match=r"keys came as \{1: Decimal\('1'\)\}: no notebook can be given"):
        run(Workspace(home), ["mine"], parameters={"keys": {1: Decimal(1)}})


def test_a_notebook_of_the_walk_keeps_the_values_of_its_own(home: Path) -> None:
    wanted = asked(Workspace(home), ["products"], {"limit": 5})
    assert wanted.parameters.keys() == {"run_id", "limit", "connection_set", "apply"}
