"""Runs as a program starts them: several companies, other notebooks, an early stop, a failure, a planted secret."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from rich.console import Console

from p2c_lib.cli.progress import RunDisplay
from p2c_lib.config import Workspace
from p2c_lib.errors import PlanError, RunError
from p2c_lib.events import Follower, append
from p2c_lib.flow import TaskWalk
from p2c_lib.ledger import open_ledger
from p2c_lib.load.lease import leased
from p2c_lib.runs import RunResult, resume, run
from p2c_lib.runs.asked import asked
from p2c_lib.sandbox import process
from p2c_lib.session import connect

SECRET = "tell-nobody-0042"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    place = Workspace(tmp_path_factory.mktemp("runs"))
    running = process.start(place.sandbox_home, token=SECRET)
    yield place
    process.stop(running)


def own(here: Workspace, name: str, *cells: str, parameters: str = 'connection_set = "sandbox"') -> None:
    folder = here.root / "notebooks"
    folder.mkdir(exist_ok=True)
    made = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    made += [nbformat.v4.new_code_cell(cell) for cell in cells]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def companies(here: Workspace) -> RunResult:
    return run(here, ["products"], parameters={"limit": 20}, companies=["USMF", "FRRT"])


def test_a_run_over_several_companies_has_a_part_for_each(here: Workspace, companies: RunResult) -> None:
    assert [part.company for part in companies.parts] == ["USMF", "FRRT"]
    assert [part.tasks[0].read for part in companies.parts] == [20, 0]
    assert companies.status == "differences"
    assert companies.exit_code == 1
    assert set(companies.to_dict()["companies"]) == {"USMF", "FRRT"}
    page = companies.report.read_text("utf-8")
    for part in companies.parts:
        assert part.report.is_file()
        assert f"../{part.run_id}/report.html" in page
    ledger = open_ledger(here.ledger)
    rows = {row["run_id"]: row["company"] for row in ledger.runs()}
    ledger.close()
    assert {part.run_id: part.company for part in companies.parts}.items() <= rows.items()


def test_every_cell_is_in_the_ledger_with_its_seconds(here: Workspace, companies: RunResult) -> None:
    ledger = open_ledger(here.ledger)
    cells = ledger.cells(companies.parts[0].run_id)
    ledger.close()
    assert {cell["notebook"] for cell in cells} == {"10_products"}
    assert {cell["state"] for cell in cells} <= {"done", "skipped"}
    assert [cell["cell"] for cell in cells] == sorted({cell["cell"] for cell in cells})
    assert all(cell["seconds"] >= 0 for cell in cells)


def test_one_stops_early_one_fails_and_resuming_runs_what_is_left(here: Workspace) -> None:
    parameters = 'connection_set = "sandbox"\ncompany = ""\ntasks = []\nrun_id = ""\nlimit = None\nceiling = 0.05'
    own(here, "10_products", "import p2c_lib as p2c\nraise p2c.StopRun('no product today')", parameters=parameters)
    own(here, "20_accounts", "1 / 0", parameters=parameters)
    lines: list[str] = []
    failed = run(here, ["products", "accounts", "contacts"], parameters={"limit": 5, "ceiling": 1}, tell=lines.append)
    for name in ("10_products", "20_accounts"):
        (here.root / "notebooks" / f"{name}.ipynb").unlink()
    assert (failed.status, failed.exit_code) == ("error", 2)
    assert failed.problems == {
        "accounts": "ZeroDivisionError: division by zero",
        "contacts": "held: it needs accounts",
    }
    assert any("nothing left to do: no product today" in line for line in lines)
    folder = failed.report.parent
    assert "This notebook failed" in nbformat.read(folder / "20_accounts.ipynb", as_version=4).cells[0].source
    again = resume(here, failed.run_id)
    assert again.problems == {}
    assert [(line.task, line.read) for line in again.tasks] == [("products", 5), ("accounts", 5), ("contacts", 5)]
    names = [
        f"{name}.ipynb" for name in ("10_products-2", "10_products", "20_accounts-2", "20_accounts", "30_contacts")
    ]
    assert sorted(path.name for path in folder.glob("*.ipynb")) == names


def test_a_secret_that_a_notebook_prints_is_replaced_and_the_run_fails(here: Workspace) -> None:
    leak = (
        "import json\nfrom pathlib import Path\nimport p2c_lib as p2c\nprint(rows * 2)\n"
        "secret = p2c.connect(connection_set).set.sales.secret\nprint(secret.reveal())\n"
        "for folder in Path('.p2c/runs').glob('*'):\n"
        "    if not (folder / 'report.html').exists():\n"
        "        (folder / 'log.json').write_text(json.dumps({'header': 'Bearer ' + secret.reveal()}))"
    )
    own(here, "leaky", leak, parameters='connection_set = "sandbox"\nrows = 5')
    result = run(here, ["leaky"], parameters={"rows": 21})
    folder = result.report.parent
    assert (result.status, list(result.problems)) == ("error", ["secrets"])
    assert "leaky.ipynb" in result.problems["secrets"]
    assert "log.json" in result.problems["secrets"]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert json.loads((folder / "log.json").read_text("utf-8")) == {"header": "Bearer ***"}
    executed = nbformat.read(folder / "leaky.ipynb", as_version=4)
    assert "".join(output.text for output in executed.cells[-1].outputs) == "42\n***\n"


def test_rules_can_be_switched_off_and_plans_capped(here: Workspace) -> None:
    off = "CustomerGroupId exists in F&O"
    with connect("sandbox", workspace=here) as session:
        judged = TaskWalk("accounts", session, limit=20, without=[off]).check()
        assert judged.why.endswith(f"Rules switched off: {off}.")
        assert off not in judged.rules.column("rule").to_pylist()
        assert off in TaskWalk("accounts", session, limit=20).check().rules.column("rule").to_pylist()
        with pytest.raises(PlanError, match="max_updates"):
            TaskWalk("products", session, apply=True, max_updates=0).apply()


def test_a_run_that_is_under_way_is_not_begun_again(here: Workspace) -> None:
    own(here, "slow", "pass")
    wanted = asked(here, ["slow"], {})
    wanted.save(here.state / "runs" / wanted.run_id)
    ledger = open_ledger(here.ledger)
    with (
        leased(ledger, f"run {wanted.run_id}"),
        pytest.raises(RunError, match=f"The run {wanted.run_id} is under way in process {os.getpid()}"),
    ):
        resume(here, wanted.run_id)
    ledger.close()


def test_the_terminal_shows_step_rows_and_rate_while_a_task_goes_on() -> None:
    console = Console(force_terminal=True, width=120, record=True, color_system=None)
    step = {"event": "step", "run": "r", "task": "accounts", "step": "extract"}
    with RunDisplay(console) as display:
        display.line("20_accounts: accounts ...")
        display.event({**step, "state": "started"})
        display.event({**step, "event": "progress", "done": 100, "of": 4_000})
        time.sleep(0.02)
        display.event({**step, "event": "progress", "done": 3_000, "of": 4_000})
        display.event({"event": "cell", "notebook": "20_accounts", "cell": 1, "state": "done"})
        display._progress.refresh()
        shown = console.export_text(clear=True)
        display.event({**step, "step": "map", "state": "started"})
        display._progress.refresh()
        later = console.export_text(clear=True)
        display.event({**step, "step": "finish", "state": "done"})
    assert "20_accounts: accounts ..." in shown
    assert "accounts extract" in shown
    assert "3,000 of 4,000 rows, " in shown
    assert "accounts map" in later
    assert "rows" not in later.splitlines()[-1]


def test_events_are_read_line_by_line_as_they_come(tmp_path: Path) -> None:
    news: Any = Follower(tmp_path / "events.jsonl")
    assert list(news) == []
    append(tmp_path / "events.jsonl", event="a")
    with (tmp_path / "events.jsonl").open("a") as half:
        half.write('{"event": "b"')
    assert [event["event"] for event in news] == ["a"]
    with (tmp_path / "events.jsonl").open("a") as rest:
        rest.write("}\n")
    assert [event["event"] for event in news] == ["b"]
    assert list(news) == []
