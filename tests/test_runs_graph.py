"""Notebooks as a graph: order, side by side, what is held, what an interrupt does."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.flow import TASKS
from p2c_lib.ledger import open_ledger
from p2c_lib.runs.graph import Unit, side_by_side, units


class Played:
    """Executions that only note when they ran; those named fail, and ``before`` is called in each."""

    def __init__(self, *failing: str, before: Callable[[Unit], None] = lambda _unit: None) -> None:
        self.failing, self.before = failing, before
        self.order: list[str] = []
        self.held: list[tuple[str, str]] = []
        self.most = self._now = 0
        self._lock = threading.Lock()

    def execute(self, unit: Unit, able: tuple[str, ...]) -> dict[str, str]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.order.append(f"{unit.company}{'+'.join(able) or unit.notebook}")
        self.before(unit)
        with self._lock:
            self._now -= 1
        return {task: "failed" for task in able if task in self.failing}

    def run(self, wanted: tuple[Unit, ...], kernels: int = 2) -> dict[str, dict[str, str]]:
        return side_by_side(
            wanted,
            self.execute,
            kernels=kernels,
            held=lambda unit, task, why: self.held.append((task, why)),
            interrupt=lambda: self.order.append("interrupted"),
            kill=lambda: self.order.append("killed"),
        )


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_notebook_waits_for_the_tasks_that_its_own_need(here: Workspace) -> None:
    wanted = units(here, TASKS)
    assert [(unit.name, unit.tasks) for unit in wanted] == [
        ("10_products", ("products",)),
        ("20_accounts", ("accounts",)),
        ("30_contacts", ("contacts", "contact-customers")),
        ("40_quotes", ("quotes", "quote-lines")),
    ]
    assert [unit.waits_for() for unit in wanted] == [
        set(),
        set(),
        {"accounts"},
        {"products", "accounts", "contact-customers"},
    ]
    assert [unit.waits_for() for unit in units(here, ["contacts", "quote-lines"])] == [set(), set()]


def test_independent_notebooks_run_side_by_side_and_no_more_than_there_are_kernels(here: Workspace) -> None:
    together = threading.Barrier(2)

    def meet(unit: Unit) -> None:
        if unit.tasks[0] in {"products", "accounts"}:
            together.wait(60)

    played = Played(before=meet)
    assert played.run(units(here, TASKS)) == {"": {}}
    assert set(played.order[:2]) == {"products", "accounts"}
    assert played.order[2:] == ["contacts+contact-customers", "quotes+quote-lines"]
    assert played.most == 2
    alone = Played()
    alone.run(units(here, TASKS), kernels=1)
    assert alone.most == 1


def test_a_task_that_failed_holds_those_that_need_it_and_the_rest_go_on(here: Workspace) -> None:
    played = Played("contact-customers")
    problems = played.run(units(here, TASKS))[""]
    assert problems == {
        "contact-customers": "failed",
        "quotes": "held: it needs contact-customers",
        "quote-lines": "held: it needs quotes",
    }
    assert sorted(played.order) == ["accounts", "contacts+contact-customers", "products"]
    assert played.held == [(task, why) for task, why in problems.items() if why != "failed"]


def test_companies_do_not_wait_for_each_other(here: Workspace) -> None:
    played = Played("accounts")
    wanted = (*units(here, ["accounts", "contacts"], "a:"), *units(here, ["products"], "b:"))
    problems = played.run(wanted)
    assert problems == {"a:": {"accounts": "failed", "contacts": "held: it needs accounts"}, "b:": {}}
    assert sorted(played.order) == ["a:accounts", "b:products"]


def test_a_task_of_the_workspace_has_an_execution_of_its_own(here: Workspace, tmp_path: Path) -> None:
    packaged = Path(__file__).parent.parent / "p2c_lib" / "mapping" / "templates" / "accounts.yml"
    (tmp_path / "templates").mkdir()
    for task in ("vendors", "partners"):
        own = packaged.read_text("utf-8").replace("task: accounts", f"task: {task}", 1)
        own = own.replace("needs: []", "needs: [accounts]", 1)
        (tmp_path / "templates" / f"{task}.yml").write_text(own)
    wanted = units(here, ["accounts", "partners", "vendors"])
    assert [unit.name for unit in wanted] == ["20_accounts", "80_task-partners", "80_task-vendors"]
    assert wanted[1].waits_for() == {"accounts"}


def test_an_interrupt_lets_what_runs_end_and_starts_nothing_more(here: Workspace) -> None:
    def stop(_unit: Unit) -> None:
        raise KeyboardInterrupt

    played = Played(before=stop)
    with pytest.raises(KeyboardInterrupt):
        played.run(units(here, TASKS), kernels=1)
    assert played.order == ["products", "interrupted"]


def _write_cells(folder: Path, name: str) -> None:
    ledger = open_ledger(folder)
    for number in range(60):
        row = {"notebook": name, "cell": number, "state": "done", "seconds": 0.1, "why": None, "at": f"{number:04}"}
        ledger.record_cells("r", [row])
        ledger.begin_run(f"{name}-{number}", connection_set="sandbox", company="USMF", apply=False)
    ledger.close()


def test_two_processes_write_to_one_ledger_at_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_write_cells, args=(tmp_path, name)) for name in ("a", "b")]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    ledger = open_ledger(tmp_path)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(ledger.cells("r")) == len(ledger.runs()) == 120
    assert ledger.verify().sound
    ledger.close()
