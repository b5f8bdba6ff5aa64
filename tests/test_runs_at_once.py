"""Two runs that write the same: the second waits with a line, or leaves with one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load.lease import leased
from p2c_lib.load.written_by import Writing
from p2c_lib.sandbox import process
from tests import warm
from tests.test_runs_that_end import home, own, statuses

__all__ = ["home"]


@contextmanager
def another_writes(place: Path, running: process.Running, task: str) -> Iterator[None]:
    """This process has the lease that a run on another machine with this ledger would have."""
    ledger, writing = open_ledger(Workspace(place).ledger), Writing()
    writing.add(task, "sales", running.sales_url, "FRRT")
    with leased(ledger, *writing.names, busy=writing.busy):
        yield
    ledger.close()


def test_a_second_run_of_what_is_being_written_leaves_with_a_line(home: Path, sandbox: process.Running) -> None:
    own(home, "10_products", "import p2c_lib\nraise p2c_lib.StopRun('nothing')")
    words = ("run", "products", "--param", "run_id=mine")
    with another_writes(home, sandbox, "products"):
        done = warm.answered(home, *words, "--apply", "--wait", "0")
        assert done.returncode == 2
        assert f"error: products is being written by process {os.getpid()} on " in done.stderr
        assert statuses(home) == [], "nothing has begun"
        assert warm.answered(home, *words).returncode == 0, "a run that only plans waits for nobody"


def test_a_second_run_of_what_is_being_written_waits_with_a_line(
    home: Path, sandbox: process.Running, tmp_path: Path
) -> None:
    own(home, "10_products", "import p2c_lib\nraise p2c_lib.StopRun('nothing')")
    words = ("run", "products", "--apply", "--param", "run_id=mine")
    with warm.p2c(home, *words, said=tmp_path / "said") as second:
        with another_writes(home, sandbox, "products"):
            assert second.says("waiting: products is being written by process")
            assert statuses(home) == []
        assert second.ended()[0] == 0
    assert statuses(home) == ["clean"]


@pytest.mark.parametrize("text", ["5", "soon", "1.5h", "-1m"])
def test_a_wait_that_is_no_length_of_time_is_refused(tmp_path: Path, text: str) -> None:
    done = warm.answered(tmp_path, "run", "products", f"--wait={text}")
    assert done.returncode == 2
    assert f"'{text}' is no length of time" in done.stderr
