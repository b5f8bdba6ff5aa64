"""SIGTERM and Ctrl-C end every command, whatever it waits for; a second one at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from p2c_lib.config import Workspace
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply
from p2c_lib.sandbox import process
from p2c_lib.schedule import Schedule, Schedules
from p2c_lib.session import connect
from tests.bad_network import relay
from tests.chaos import child
from tests.commands import commands
from tests.customers import customers, plan_of
from tests.trickling import SLOW_BODY, Serve, answering, asked, slow_server
from tests.warm import GUARD, Command, p2c

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
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
def cold(
    folder: Path, *words: str, url: str = "", shell: Sequence[str] = (sys.executable,)
) -> Iterator[subprocess.Popen[bytes]]:
    """``p2c`` as a process of its own that begins cold, as what has children of its own does."""
    environment = {**os.environ, "P2C_WORKSPACE": str(folder), "P2C_TEST_SECRET": "secret", "P2C_TEST_HOOK": f"{url}/h"}
    command = [*shell, "-m", "p2c_lib.cli", *words]
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


@contextlib.contextmanager
def called(folder: Path, *words: str, url: str = "", **further: str) -> Iterator[Command]:
    """A command in a workspace whose notices go to a URL."""
    given = {"P2C_TEST_SECRET": "secret", "P2C_TEST_HOOK": f"{url}/h", **further}
    with p2c(folder, *words, said=folder / f"said-{uuid4().hex}", further=given) as one:
        yield one


def interrupted(one: Command, number: signal.Signals) -> None:
    """It is ended by a signal, and says so."""
    code, said = one.ended(number)
    assert (code, said.strip().splitlines()[-1:]) == (128 + number, ["interrupted"]), said
    assert "Traceback" not in said


# What each command is called with; ``{plan}`` and ``{tmp}`` are what the workspace has of these.
ASKS: dict[str, tuple[str, ...]] = {
    "preflight": ("--set", "far"),
    "connect test": ("--set", "far"),
    "reconcile": ("accounts", "--set", "far"),
    "gate docs": ("accounts", "--set", "far"),
    "settle": ("accounts", "--set", "far"),
    "template validate": ("accounts", "--set", "far"),
    "template import": ("{tmp}/map.json", "{tmp}/made.yml", "--set", "far"),
    "template suggest": ("sales:accounts", "finops:CustomersV2", "--set", "far"),
    "duplicates list": ("customers", "--set", "far"),
    "why": ("finops", "CustomersV2", "ACC-1", "OrganizationName", "--set", "far"),
    "notify test": ("hook",),
}
LOOKS_UP: dict[str, tuple[str, ...]] = {
    "approve": ("{plan}",),
    "undo": ("a-run", "--set", "far"),
    "gate trend": ("accounts", "--set", "far"),
    "quarantine list": ("--set", "far"),
    "quarantine show": ("accounts", "X-1", "--set", "far"),
    "quarantine waive": ("accounts", "X-1", "--why", "as it is", "--set", "far"),
    "quarantine release": ("accounts", "X-1", "--set", "far"),
    "quarantine export": ("{tmp}/waiting.xlsx", "--set", "far"),
    "duplicates decide": ("customers", "A", "B", "same", "--set", "far"),
    "history": (),
    "history show": ("latest",),
    "history compare": ("latest", "latest"),
    "history prune": ("--dry-run",),
    "ledger verify": (),
}
# Those that have a test of their own here, and those that wait for nobody: they read and write files of this machine.
ELSEWHERE = {"run", "apply", "schedule run", "sandbox serve", "lab"}
ALONE = {
    *("init", "params", "plan show", "plan only", "plan without", "template show", "template diff", "template export"),
    *(
        "schedule list",
        "schedule add",
        "schedule remove",
        "schedule export",
        "sandbox status",
        "sandbox seed",
        "sandbox load",
    ),
    "sandbox reset",
}
MAP = {
    "sourceSchema": "CustomersV2",
    "destinationSchema": "accounts",
    "fieldMappings": [{"sourceField": "CUSTOMERACCOUNT", "destinationField": "accountnumber", "syncDirection": 3}],
}
AT_ONCE = 3


def test_every_command_is_among_them() -> None:
    assert sorted(commands()) == sorted({*ASKS, *LOOKS_UP, *ELSEWHERE, *ALONE})


@pytest.fixture(scope="module")
def planned(sandbox: process.Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan that somebody made."""
    place, folder = Workspace(tmp_path_factory.mktemp("planned")), tmp_path_factory.mktemp("plans")
    (place.sandbox_home).mkdir(parents=True)
    facts = {"sales_url": sandbox.sales_url, "finops_url": sandbox.finops_url, "token": sandbox.token}
    record = {**facts, "pid": sandbox.pid, "state": str(sandbox.state)}
    (place.sandbox_home / process.RECORD).write_text(json.dumps(record))
    with connect("sandbox", workspace=place) as session:
        return plan_of(session, customers("ZQ-", 2), folder, "ZQ-").folder


def troubles(one: Callable[[str], None], names: Iterable[str]) -> dict[str, str]:
    """What is wrong with which of the commands, a few of which run at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = {name: pool.submit(one, name) for name in names}
    return {name: repr(found.exception()) for name, found in done.items() if found.exception() is not None}


def words_of(command: str, given: tuple[str, ...], planned: Path, tmp: Path) -> list[str]:
    return [*command.split(), *(word.format(plan=planned, tmp=tmp) for word in given)]


def test_every_command_ends_while_its_service_says_nothing(planned: Path, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(json.dumps({"legs": [MAP]}))

    def one(command: str) -> None:
        folder = tmp_path / command.replace(" ", "-")
        folder.mkdir()
        hanging = Hanging(None if command != "reconcile" else SLOW_BODY)
        words = words_of(command, ASKS[command], planned, tmp_path)
        with slow_server(answering(hanging.serve)) as url, called(home(folder, url), *words, url=url) as running:
            assert hanging.reached.wait(GUARD), (command, running.said)
            interrupted(running, TERM if len(command) % 2 else INT)

    assert troubles(one, ASKS) == {}


def test_every_command_ends_while_another_program_holds_the_ledger(planned: Path, tmp_path: Path) -> None:
    open_ledger(home(tmp_path, "http://127.0.0.1:1") / ".p2c").close()

    def one(command: str) -> None:
        with called(tmp_path, *words_of(command, LOOKS_UP[command], planned, tmp_path)) as running:
            assert running.says("Another program writes to the ledger"), (command, running.said)
            interrupted(running, TERM if len(command) % 2 else INT)

    with contextlib.closing(sqlite3.connect(tmp_path / ".p2c" / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert troubles(one, LOOKS_UP) == {}
    with contextlib.closing(open_ledger(tmp_path / ".p2c")) as ledger:
        assert ledger.verify().findings == ()


DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path({ready!r}).touch()
time.sleep(600)
"""


def children(session: int) -> list[str]:
    """What of a session still runs; one that has ended and that nobody asked how is none."""
    found = subprocess.run(["pgrep", "-a", "-s", str(session)], capture_output=True, text=True).stdout.splitlines()
    return [line for line in found if not line.endswith("<defunct>")]


def test_a_program_that_is_waited_for_ends_with_its_command(tmp_path: Path) -> None:
    ready, deaf = tmp_path / "ready", tmp_path / "deaf.py"
    deaf.write_text(DEAF.format(ready=str(ready)))
    (home(tmp_path, "http://127.0.0.1:1") / "p2c.toml").write_text(
        f'[notify.page]\nkind = "command"\ncommand = ["{sys.executable}", "{deaf}"]\n'
    )
    with called(tmp_path, "notify", "test", "page") as running:
        while not ready.exists():
            threading.Event().wait(0.05)
        interrupted(running, INT)
        assert children(running.pid) == []


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
    with slow_server(serve) as url, called(home(tmp_path, url), "preflight", "--set", "far") as running:
        assert hanging.reached.wait(GUARD)
        if kind == "an hour":
            assert running.says("Sales asks to wait: 500 s; then try 2 of 40")
        interrupted(running, TERM)


@pytest.mark.parametrize("number", [TERM, HUP])
def test_a_run_ends_with_its_kernels_while_the_service_says_nothing(number: signal.Signals, tmp_path: Path) -> None:
    hanging = Hanging()
    with (
        slow_server(answering(hanging.serve)) as url,
        cold(home(tmp_path, url), "run", "accounts", "--set=far") as one,
    ):
        assert hanging.reached.wait(GUARD)
        code, said = ended(one, number)
        assert children(one.pid) == []
    assert (code, said.strip().splitlines()[-1]) == (143, "interrupted")
    assert "goes on with this run" in said
    assert "20_accounts: interrupted (" in said
    assert "KeyboardInterrupt" not in said
    ledger = open_ledger(Workspace(tmp_path).ledger)
    assert [run["status"] for run in ledger.runs()] == ["interrupted"]
    ledger.close()


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


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_scheduled_run_ends_with_the_command_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    hanging = Hanging()
    with slow_server(answering(hanging.serve)) as url:
        place = Workspace(home(tmp_path, url))
        Schedules(place).add(Schedule("nightly", "30 2 * * *", "UTC", ("accounts",), {"connection_set": "far"}))
        with cold(tmp_path, "schedule", "run", "nightly") as one:
            assert hanging.reached.wait(GUARD)
            code, said = ended(one, number)
            assert children(one.pid) == []
    assert code == 128 + number
    assert "20_accounts: interrupted (" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [TERM, INT])
def test_the_lab_ends_with_its_server_and_the_sandbox(number: signal.Signals, tmp_path: Path) -> None:
    with cold(home(tmp_path, "http://127.0.0.1:1"), "lab", "--no-browser", "--ServerApp.port=0") as one:
        assert one.stderr is not None
        said = next(line for line in one.stderr if b"JupyterLab opens" in line)
        code, rest = ended(one, number)
        assert children(one.pid) == []
    assert said
    assert code == 128 + number
    assert rest.strip().splitlines()[-1] == "interrupted"
    assert process.find(Workspace(tmp_path).sandbox_home) is None


def test_what_a_parent_told_it_to_ignore_stays_ignored(tmp_path: Path) -> None:
    hanging = Hanging()
    shell = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable]
    with (
        slow_server(answering(hanging.serve)) as url,
        cold(home(tmp_path, url), "preflight", "--set=far", shell=shell) as one,
    ):
        assert hanging.reached.wait(GUARD)
        code, said = ended(one, INT, INT, TERM)
    assert (code, said.strip().splitlines()[-1]) == (143, "interrupted")


def test_the_scheduler_ends_well_when_it_is_stopped(tmp_path: Path) -> None:
    place = Workspace(home(tmp_path, "http://127.0.0.1:1"))
    Schedules(place).add(Schedule("nightly", "30 2 * * *", "UTC", ("accounts",), {"connection_set": "far"}))
    with called(tmp_path, "schedule", "run") as running:
        assert running.says("nightly: ")
        code, said = running.ended(TERM)
    assert (code, "Traceback" in said) == (0, False)


def test_the_sandbox_ends_well_when_it_is_stopped(tmp_path: Path) -> None:
    with cold(tmp_path, "sandbox", "serve", "--sales-port=0", "--finops-port=0") as running:
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


@pytest.mark.parametrize("signals", [(INT,), (TERM, INT)], ids=["once", "at once"])
def test_the_command_apply_ends_while_its_write_hangs(signals: tuple[signal.Signals, ...], tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    running = process.start(workspace.sandbox_home)
    reached, over = threading.Event(), threading.Event()

    def hold(path: str) -> None:
        if "$batch" in path:
            reached.set()
            over.wait()

    record = workspace.sandbox_home / process.RECORD
    try:
        with relay(running.finops_url, hold) as between:
            record.write_text(record.read_text().replace(running.finops_url, between))
            with connect("sandbox", workspace=workspace) as session:
                plan = plan_of(session, customers("ZT-", 40, version=2), workspace.state / "plans", "ZT-")
            with called(tmp_path, "apply", str(plan.folder), "--set", "sandbox") as one:
                assert reached.wait(GUARD)
                code, said = one.ended(*signals)
            over.set()
            ledger = open_ledger(workspace.ledger)
            assert {row["state"] for row in ledger.operations(plan.id)} == {"sent"}
            assert ledger.verify().sound
            ledger.close()
    finally:
        over.set()
        process.stop(running)
    assert code in {128 + number for number in signals}  # of two that wait, the kernel chooses which comes first
    assert said.strip().splitlines()[-1] in {"interrupted", "ended at once"}
    assert "Traceback" not in said


def test_a_second_signal_ends_a_command_at_once(tmp_path: Path) -> None:
    hanging = Hanging()
    with slow_server(answering(hanging.serve)) as url, called(home(tmp_path, url), "preflight", "--set", "far") as one:
        assert hanging.reached.wait(GUARD)
        code, said = one.ended(TERM, TERM)
    assert code == 143
    assert "Traceback" not in said
