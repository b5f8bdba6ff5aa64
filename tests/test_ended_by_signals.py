"""SIGTERM and Ctrl-C end every command, whatever it waits for; a second one at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply
from p2c_lib.sandbox import process
from p2c_lib.schedule import Schedule, Schedules
from p2c_lib.session import connect
from tests.bad_network import relay
from tests.chaos import child
from tests.customers import customers, plan_of
from tests.trickling import SLOW_BODY, Serve, answering, asked, slow_server

GUARD = 90  # seconds after which a test that hangs is over; nothing is asserted about how long it took
TERM, INT = signal.SIGTERM, signal.SIGINT
NOTICE = """
[notify.{name}]
kind = "webhook"
url = "env:P2C_TEST_HOOK"
form = "json"
on = ["failure"]
"""


class Hanging:
    """A server that takes requests and then does what hangs; ``reached`` once one has come to that."""

    def __init__(self, hang: Serve | None = None) -> None:
        self.reached = threading.Event()
        self._hang = hang

    def serve(self, connection: socket.socket, over: threading.Event) -> None:
        self.reached.set()
        if self._hang is not None:
            self._hang(connection, over)
        over.wait()


def home(folder: Path, url: str) -> Path:
    """A workspace whose set ``far`` leads to that URL, as both systems and as what is told of failures."""
    text = ""
    for app in ("sales", "finops"):
        text += f'[connections.{app}]\napp = "{app}"\nurl = "{url}"\nclient_id = "c"\n'
        text += f'secret = "env:P2C_TEST_SECRET"\ntoken_url = "{url}/oauth2/token"\n'
    text += '[sets.far]\nsales = "sales"\nfinops = "finops"\ncompany = "USMF"\n' + NOTICE.format(name="hook")
    (folder / "p2c.toml").write_text(text)
    return folder


@contextlib.contextmanager
def p2c(folder: Path, *words: str, url: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """``p2c`` as a process of its own, in a session of its own."""
    environment = {**os.environ, "P2C_WORKSPACE": str(folder), "P2C_TEST_SECRET": "secret", "P2C_TEST_HOOK": f"{url}/h"}
    command = [sys.executable, "-m", "p2c_lib.cli", *words]
    running = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        for pipe in (running.stdin, running.stderr):
            assert pipe is not None
            pipe.close()


def ended(running: subprocess.Popen[bytes], *signals: signal.Signals) -> tuple[int, str]:
    """The exit code after some signals, and what was said."""
    for number in signals:
        running.send_signal(number)
    _, said = running.communicate(timeout=GUARD)
    return running.returncode, said.decode()


WORDS = {
    "preflight": (TERM, "preflight", "--set", "far"),
    "connect": (INT, "connect", "test", "--set", "far"),
    "reconcile": (TERM, "reconcile", "accounts", "--set", "far"),
    "gate": (INT, "gate", "docs", "accounts", "--set", "far"),
    "template": (TERM, "template", "validate", "accounts", "--set", "far"),
    "notify": (INT, "notify", "test", "hook"),
}


@pytest.mark.parametrize("word", WORDS)
def test_a_command_ends_while_its_service_says_nothing(word: str, tmp_path: Path) -> None:
    number, *words = WORDS[word]
    hanging = Hanging(None if word != "reconcile" else SLOW_BODY)
    with slow_server(answering(hanging.serve)) as url, p2c(home(tmp_path, url), *words, url=url) as running:
        assert hanging.reached.wait(GUARD)
        code, said = ended(running, number)
    assert (code, said.strip().splitlines()[-1]) == (128 + number, "interrupted")
    assert "Traceback" not in said


@pytest.mark.parametrize("kind", ["token", "an hour"])
def test_a_command_ends_while_it_waits_for_a_token_or_for_an_hour(kind: str, tmp_path: Path) -> None:
    hanging = Hanging()

    def busy(connection: socket.socket, _over: threading.Event) -> None:
        hanging.reached.set()
        head = b"HTTP/1.1 429 Busy\r\nRetry-After: 500\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(head)
        while asked(connection):
            connection.sendall(head)

    serve = answering(hanging.serve, tokens=False) if kind == "token" else answering(busy)
    with slow_server(serve) as url, p2c(home(tmp_path, url), "preflight", "--set", "far") as running:
        assert hanging.reached.wait(GUARD)
        if kind == "an hour":
            assert running.stderr is not None
            assert running.stderr.readline().startswith(b"Sales asks to wait: 500 s; then try 2 of 40")
        code, said = ended(running, TERM)
    assert (code, said.strip().splitlines()[-1]) == (143, "interrupted")


def test_a_run_ends_with_its_kernels_while_the_service_says_nothing(tmp_path: Path) -> None:
    hanging = Hanging()
    with (
        slow_server(answering(hanging.serve)) as url,
        p2c(home(tmp_path, url), "run", "accounts", "--set=far") as one,
    ):
        assert hanging.reached.wait(GUARD)
        code, said = ended(one, TERM)
        assert subprocess.run(["pgrep", "-s", str(one.pid)], capture_output=True).stdout == b""
    assert (code, said.strip().splitlines()[-1]) == (143, "interrupted")
    assert "goes on with this run" in said
    ledger = open_ledger(Workspace(tmp_path).ledger)
    assert [run["status"] for run in ledger.runs()] == ["interrupted"]
    ledger.close()


def test_a_command_ends_while_another_program_holds_the_ledger(tmp_path: Path) -> None:
    open_ledger(tmp_path / ".p2c").close()
    with contextlib.closing(sqlite3.connect(tmp_path / ".p2c" / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with p2c(home(tmp_path, "http://127.0.0.1:1"), "quarantine", "list", "--set", "far") as running:
            assert running.stderr is not None
            assert running.stderr.readline().startswith(b"Another program writes to the ledger")
            code, said = ended(running, INT)
    assert (code, said.strip()) == (130, "interrupted")


STUBBORN = """
import signal, sys, threading
from p2c_lib import ending
ending.LAST, ending.GRACE, ending.CHILDREN_SOONER = float(sys.argv[1]), 0.1, 0.1
def deaf():
    # What no exception reaches: they are all swallowed, as in a library's own loop.
    while True:
        try:
            print("deaf", flush=True)
            threading.Event().wait()
        except BaseException:
            continue
with ending.on_signals():
    deaf()
"""


@pytest.mark.parametrize(("last", "signals", "word"), [("600", (TERM, INT), "at once"), ("0.5", (TERM,), "by itself")])
def test_what_no_signal_reaches_is_ended_by_the_second_or_by_time(
    last: str, signals: tuple[signal.Signals, ...], word: str
) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, last], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert running.stdout is not None
    for number in signals:
        assert running.stdout.readline() == b"deaf\n"
        running.send_signal(number)
    _, said = running.communicate(timeout=GUARD)
    assert running.returncode == 128 + signals[-1]
    assert word in said.decode()


def test_the_scheduler_ends_well_when_it_is_stopped(tmp_path: Path) -> None:
    place = Workspace(home(tmp_path, "http://127.0.0.1:1"))
    Schedules(place).add(Schedule("nightly", "30 2 * * *", "UTC", ("accounts",), {"connection_set": "far"}))
    with p2c(tmp_path, "schedule", "run") as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith(b"nightly: ")
        code, said = ended(running, TERM)
    assert (code, "Traceback" in said) == (0, False)


def test_the_sandbox_ends_well_when_it_is_stopped(tmp_path: Path) -> None:
    with p2c(tmp_path, "sandbox", "serve", "--sales-port=0", "--finops-port=0") as running:
        for _ in range(GUARD * 5):
            if process.find(Workspace(tmp_path).sandbox_home):
                break
            threading.Event().wait(0.2)
        code, said = ended(running, TERM)
    assert (code, "Traceback" in said) == (0, False)


def test_an_apply_ends_with_its_journal_closed_though_nothing_answers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    running = process.start(workspace.sandbox_home)
    held, reached, over = [True], threading.Event(), threading.Event()

    def hold(path: str) -> None:
        if held[0] and "$batch" in path:
            reached.set()
            over.wait()

    record = workspace.sandbox_home / process.RECORD
    try:
        with relay(running.finops_url, hold) as between:
            record.write_text(record.read_text().replace(running.finops_url, between))
            with connect("sandbox", workspace=workspace) as session:
                plan = plan_of(session, customers("ZS-", 40, version=2), workspace.state / "plans", "ZS-")
                applying = child(tmp_path, plan)
                assert reached.wait(GUARD)
                applying.send_signal(signal.SIGTERM)
                assert applying.wait(GUARD) != 0
                assert applying.stdout is not None
                applying.stdout.close()
                ledger = open_ledger(workspace.ledger)
                assert {row["state"] for row in ledger.operations(plan.id)} == {"sent"}
                ledger.close()
                held[0] = False
                outcome = apply(plan, session)
                over.set()
    finally:
        over.set()
        process.stop(running)
    assert (outcome.created, outcome.failed) == (40, 0)


def test_a_second_signal_ends_a_command_at_once(tmp_path: Path) -> None:
    hanging = Hanging()
    with slow_server(answering(hanging.serve)) as url, p2c(home(tmp_path, url), "preflight", "--set", "far") as running:
        assert hanging.reached.wait(GUARD)
        code, said = ended(running, TERM, TERM)
    assert code == 143
    assert "Traceback" not in said
