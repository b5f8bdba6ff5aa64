"""The whole walk with its ledger in PostgreSQL: the same line for every task, twice, and a sound record."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from p2c_lib.flow import TASKS
from p2c_lib.ledger import open_ledger
from tests import postgres
from tests.test_walk import p2c_run


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def test_the_walk_over_postgresql(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_LEDGER", server)
    (tmp_path / "p2c.toml").write_text('ledger = "env:P2C_LEDGER"\n')
    first, second = (p2c_run(tmp_path, "--apply") for _ in range(2))
    assert tuple(line["task"] for line in first["tasks"]) == TASKS
    assert sum(line["created"] for line in first["tasks"]) > 300
    assert [(line["created"], line["updated"], line["failed"]) for line in second["tasks"]] == [(0, 0, 0)] * len(TASKS)
    ledger = open_ledger(server)
    try:
        assert [run["run_id"] for run in ledger.runs()] == [second["run_id"], first["run_id"]]
        states = {row["state"] for plan in ledger.plans(first["run_id"]) for row in ledger.operations(plan["plan_id"])}
        assert (states, ledger.verify().findings) == ({"applied"}, ())
    finally:
        ledger.close()
    assert not (tmp_path / ".p2c" / "ledger.db").exists()
