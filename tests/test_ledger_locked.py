"""A ledger in PostgreSQL that another session holds: a command ends in words or by a signal, never not at all."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from p2c_lib.errors import ConfigError
from p2c_lib.events import listening
from p2c_lib.ledger import database, open_ledger
from tests import postgres

GUARD = 60  # seconds after which a test that hangs is over; nothing is asserted about how long it took
HELD = {
    "a table": "LOCK TABLE runs IN ACCESS EXCLUSIVE MODE",
    "the writer's turn": "SELECT pg_advisory_xact_lock(20250)",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        open_ledger(url).close()
        yield url


@contextlib.contextmanager
def held(url: str, statement: str) -> Iterator[Any]:
    """Another session that holds something."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text(statement))
            yield engine.execution_options(isolation_level="AUTOCOMMIT")  # which sees what came meanwhile
    finally:
        engine.dispose()


@pytest.mark.parametrize("what", HELD)
def test_what_another_session_holds_is_an_error_in_words(
    server: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    heard: list[str] = []
    with (
        held(server, HELD[what]),
        listening(lambda event: heard.append(event["text"])),
        pytest.raises(ConfigError, match="lock timeout"),
        contextlib.closing(open_ledger(server)) as ledger,
    ):
        ledger.runs()
    assert heard == (["Another program writes to the ledger; it is waited for, 0 s at most"] if "turn" in what else [])
    with contextlib.closing(open_ledger(server)) as ledger:
        assert ledger.runs() == []


@pytest.mark.parametrize(("what", "number"), [("a table", signal.SIGINT), ("the writer's turn", signal.SIGTERM)])
def test_a_command_that_waits_for_it_is_ended_by_a_signal(
    server: str, what: str, number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "p2c.toml").write_text('ledger = "env:P2C_LEDGER"\n')
    environment = {**os.environ, "P2C_LEDGER": server, "P2C_WORKSPACE": str(tmp_path)}
    waits = text("SELECT count(*) FROM pg_stat_activity, pg_sleep(0.05) WHERE wait_event_type = 'Lock'")
    command = [sys.executable, "-m", "p2c_lib.cli", "history"]
    with held(server, HELD[what]) as other:
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            with other.connect() as looking:
                while not looking.execute(waits).scalar():
                    assert running.poll() is None
            running.send_signal(number)
            _, said = running.communicate(timeout=GUARD)
        finally:
            running.kill()
            running.wait()
    assert (running.returncode, said.decode().strip().splitlines()[-1]) == (128 + number, "interrupted")
