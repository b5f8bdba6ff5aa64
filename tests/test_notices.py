"""Notices: what they say, and that they go out by mail, webhook and command."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from p2c_lib.cli import app
from p2c_lib.config import Workspace
from p2c_lib.errors import ConfigError, NoticeError, UnknownName
from p2c_lib.flow import TaskSummary
from p2c_lib.notices import EVENTS, Notice, announce, channels, notice_of, send
from p2c_lib.sandbox.certificate import certificate

NOTICE = Notice(("gate",), "p2c: a gate is closed (accounts) - prod, USMF", ("accounts: 5 read & <held>.",), "r1")


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs; what is sent is kept on the server."""

    def handle(self) -> None:
        self.say("220 receiver")
        while line := self.rfile.readline():
            word = line.decode().strip().upper()
            if word.startswith("EHLO"):
                self.say("250-receiver\r\n250-AUTH PLAIN\r\n250 STARTTLS")
            elif word == "STARTTLS":
                self.say("220 go")
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)  # type: ignore[attr-defined]
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")
            elif word.startswith("AUTH"):
                self.server.said.append(line.decode().strip())  # type: ignore[attr-defined]
                self.say("235 in")
            elif word == "DATA":
                self.say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(b"".join(lines))  # type: ignore[attr-defined]
                self.say("250 kept")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
        self.wfile.flush()


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers as its path says."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(500 if "broken" in self.path else 202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Any]:
    chain, key = certificate(tmp_path)
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(chain, key)
    server.handle_error = lambda *_: None  # a client that refuses the certificate leaves in the middle
    server.mails, server.said, server.authority = [], [], chain
    with serving(server):
        yield server


@pytest.fixture
def hook() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Hook)
    server.posted = []
    with serving(server):
        yield server


def place(root: Path, **notify: dict[str, Any]) -> Workspace:
    return Workspace(root, {"notify": notify})


def mail(mailbox: Any, **further: Any) -> dict[str, Any]:
    address = {"kind": "email", "host": "localhost", "port": mailbox.server_address[1]}
    return {**address, "from": "p2c@contoso.com", "to": ["it@contoso.com", "cfo@contoso.com"], **further}


def line(task: str, status: str = "clean", **counts: int) -> TaskSummary:
    names = ("read", "passed", "quarantined", "held", "created", "updated", "unchanged", "extra", "failed", "drifted")
    numbers = {name: counts.get(name, 0) for name in names}
    return TaskSummary(task=task, status=status, verdict="", why="2 x 'Fabrikam' is no country", seconds=1.0, **numbers)


def test_a_mail_goes_out_over_verified_tls_with_the_password_that_is_referred_to(
    mailbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_TEST_SMTP", "s3cret-word")
    entry = mail(mailbox, user="p2c", password="env:P2C_TEST_SMTP", authority=str(mailbox.authority))
    (channel,) = channels(place(tmp_path, mail=entry))
    send(NOTICE, channel)
    got = message_from_bytes(mailbox.mails[0], policy=policy.default)
    assert (got["Subject"], got["To"]) == (NOTICE.headline, "it@contoso.com, cfo@contoso.com")
    assert got.get_content().splitlines() == [NOTICE.headline, "", *NOTICE.lines]
    assert mailbox.said == ["AUTH PLAIN AHAyYwBzM2NyZXQtd29yZA=="]
    assert "s3cret" not in repr(channel)


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_mail(mailbox: Any, tmp_path: Path) -> None:
    (channel,) = channels(place(tmp_path, mail=mail(mailbox)))
    with pytest.raises(NoticeError, match="CERTIFICATE_VERIFY_FAILED"):
        send(NOTICE, channel)
    assert mailbox.mails == []


def test_webhooks_get_the_form_they_want(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_TEST_HOOK", f"http://127.0.0.1:{hook.server_address[1]}/in/")
    forms = {form: {"kind": "webhook", "url": "env:P2C_TEST_HOOK", "form": form} for form in ("teams", "slack", "json")}
    for channel in channels(place(tmp_path, **forms)):
        send(NOTICE, channel)
    (_, teams), (_, slack), (_, plain) = hook.posted
    assert [block["text"] for block in teams["attachments"][0]["content"]["body"]] == [NOTICE.headline, NOTICE.lines[0]]
    assert slack == {"text": f"{NOTICE.headline}\n\naccounts: 5 read &amp; &lt;held&gt;.\n"}
    assert plain == {"events": ["gate"], "headline": NOTICE.headline, "lines": list(NOTICE.lines), "run_id": "r1"}


def test_a_command_is_given_the_notice_on_its_input(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    keep = f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(sys.stdin.read())"
    (channel,) = channels(place(tmp_path, page={"kind": "command", "command": [sys.executable, "-c", keep]}))
    send(NOTICE, channel)
    assert json.loads(out.read_text()) == NOTICE.to_dict()


FLOOD = "import os\nfor _ in range(2_000): os.write({stream}, b'y' * 65_536)\nraise SystemExit(3)"


@pytest.mark.parametrize("stream", [1, 2])
def test_what_a_program_writes_is_not_kept(tmp_path: Path, stream: int) -> None:
    command = [sys.executable, "-c", FLOOD.format(stream=stream)]
    (channel,) = channels(place(tmp_path, page={"kind": "command", "command": command}))
    tracemalloc.start()
    try:
        with pytest.raises(NoticeError, match="ended with 3"):
            send(NOTICE, channel)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


LEAVES = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({note!r}, "w").write(str(child.pid))
sys.stderr.write("no pager")
{then}
"""


def test_a_child_that_a_program_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = [sys.executable, "-c", LEAVES.format(note=str(note), then="sys.exit(3)")]
    (channel,) = channels(place(tmp_path, page={"kind": "command", "command": command}))
    try:
        with pytest.raises(NoticeError, match="ended with 3: no pager"):
            send(NOTICE, channel)
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


def gone(pid: int) -> bool:
    """Whether a process is no more, or is only waiting to be taken note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("how", ["too long", "interrupted"])
def test_a_program_that_is_not_waited_for_any_longer_ends_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    note = tmp_path / "pid"
    command = [sys.executable, "-c", LEAVES.format(note=str(note), then="import time; time.sleep(600)")]
    (channel,) = channels(place(tmp_path, page={"kind": "command", "command": command}))
    waited = subprocess.Popen.wait

    def wait(child: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        """Gives up once the program has started what it starts."""
        if timeout is None:
            return waited(child)
        while not (note.is_file() and note.read_text()):
            time.sleep(0.01)
        raise KeyboardInterrupt if how == "interrupted" else subprocess.TimeoutExpired(child.args, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    with pytest.raises(KeyboardInterrupt if how == "interrupted" else NoticeError):
        send(NOTICE, channel)
    left = int(note.read_text())
    for _ in range(500):
        if gone(left):
            break
        time.sleep(0.01)
    assert gone(left)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"kind": "webhook", "url": "env:P2C_TEST_BROKEN"}, "the service answered 500"),
        ({"kind": "webhook", "url": "env:P2C_TEST_NOBODY"}, "no answer"),
        ({"kind": "webhook", "url": "env:P2C_TEST_PLAIN"}, "the webhook has the url"),
        ({"kind": "webhook", "url": "env:P2C_TEST_UNSET"}, "P2C_TEST_UNSET is not set"),
        ({"kind": "command", "command": ["/nowhere/page"]}, "No such file"),
        ({"kind": "command", "command": [sys.executable, "-c", "raise SystemExit('no pager')"]}, "no pager"),
        ({"kind": "email", "host": "127.0.0.1", "port": 9, "from": "a@b.c", "to": ["a@b.c"]}, "refused"),
    ],
)
def test_what_cannot_be_sent_is_said_and_raises_nothing(
    entry: dict[str, Any], says: str, hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = hook.server_address[1]
    monkeypatch.setenv("P2C_TEST_BROKEN", f"http://127.0.0.1:{port}/broken?secret=in-url")
    monkeypatch.setenv("P2C_TEST_NOBODY", "http://127.0.0.1:9/secret=in-url")
    monkeypatch.setenv("P2C_TEST_PLAIN", "http://hooks.example.com/in")
    told: list[str] = []
    here = place(tmp_path, one=entry, other={"kind": "command", "command": [sys.executable, "-c", "input()"]})
    assert announce(NOTICE, here, told.append) == 1
    assert len(told) == 1
    assert "The notice to one was not sent" in told[0]
    assert says in told[0]
    assert "in-url" not in told[0]


def test_a_wrong_entry_is_said_too(tmp_path: Path) -> None:
    told: list[str] = []
    assert announce(NOTICE, place(tmp_path, one={"kind": "pigeon"}), told.append) == 0
    assert told == ["nobody was told: Unknown kind 'pigeon' in notify.one. Allowed: command, email, webhook."]


GOOD_MAIL = {"kind": "email", "host": "smtp.contoso.com", "from": "p2c@contoso.com", "to": ["it@contoso.com"]}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "has no kind"),
        ({**GOOD_MAIL, "hots": "x"}, "Unknown key 'hots'"),
        ({"kind": "email", "host": "x"}, "lacks from, to"),
        ({**GOOD_MAIL, "on": ["failures"]}, "Did you mean 'failure'"),
        ({**GOOD_MAIL, "on": "failure"}, "is no list of texts"),
        ({**GOOD_MAIL, "security": "none"}, "would send unprotected"),
        ({**GOOD_MAIL, "security": "ssl"}, "Unknown security 'ssl'"),
        ({**GOOD_MAIL, "port": "587"}, "port is '587'"),
        ({**GOOD_MAIL, "user": "p2c"}, "needs both user and password"),
        ({**GOOD_MAIL, "user": "p2c", "password": "hunter2"}, "given by reference"),
        ({**GOOD_MAIL, "to": ["it"]}, "has the address 'it'"),
        ({**GOOD_MAIL, "to": ["it@x\r\nBcc: all@x"]}, "has the address"),
        ({**GOOD_MAIL, "authority": "nowhere.pem"}, "there is no file"),
        ({"kind": "webhook", "url": "https://hooks.example.com/T0/secret"}, "given by reference"),
        ({"kind": "webhook", "url": "env:X", "form": "discord"}, "Unknown form 'discord'"),
        ({"kind": "command", "command": "page now"}, "is no list of texts"),
    ],
)
def test_every_mistake_in_an_entry_is_named(entry: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, UnknownName)) as caught:
        channels(place(tmp_path, one=entry))
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_channel_is_told_of_its_own_events_only(tmp_path: Path) -> None:
    out = tmp_path / "out"
    note = [sys.executable, "-c", f"open({str(out)!r}, 'a').write('x')"]
    here = place(
        tmp_path, one={"kind": "command", "command": note}, all={"kind": "command", "command": note, "on": list(EVENTS)}
    )
    announce(Notice(("clean",), "p2c: a run ended clean", ()), here, print)
    assert out.read_text() == "x"
    announce(Notice(("drift", "failure"), "p2c", ()), here, print)
    assert out.read_text() == "xxx"


def test_a_notice_says_what_how_many_where_and_what_to_do(tmp_path: Path) -> None:
    tasks = (
        line("accounts", "blocked", read=100, quarantined=40, held=60),
        line("products", "differences", read=10, passed=10, updated=8, drifted=2),
    )
    problems = {"accounts": "the gate is closed", "contacts": "held: it needs accounts"}
    notice = notice_of("r7", "prod, USMF", tasks, problems, report=tmp_path / "report.html", deleted={"products": 3})
    assert notice.events == ("gate", "drift")
    assert notice.headline == "p2c: a gate is closed and rows drifted (contacts, accounts, products) - prod, USMF"
    assert notice.lines[:4] == (
        "contacts: was not run, a task it needs did not end.",
        "accounts: the gate is closed; 100 read, 40 quarantined, 60 held.",
        "products: 10 read, 8 updated, 2 drifted.",
        "products: 3 rows were deleted at the source.",
    )
    assert f"Report: {tmp_path / 'report.html'}" in notice.lines
    assert sum(said.startswith("To do (") for said in notice.lines) == 2


@pytest.mark.parametrize(
    ("tasks", "problems", "events"),
    [
        ((line("accounts", read=1, passed=1, unchanged=1),), {}, ("clean",)),
        ((line("accounts", "differences", read=1, passed=1, failed=1),), {}, ("failure",)),
        ((), {"accounts": "KeyError: 'Fabrikam'"}, ("failure",)),
        ((line("accounts", "planned", read=1, passed=1, created=1),), {}, ("differences",)),
    ],
)
def test_what_happened_decides_the_events(tasks: Any, problems: Any, events: Any) -> None:
    notice = notice_of("r", "sandbox, USMF", tasks, problems, report=None)
    assert notice.events == events
    assert "Fabrikam" not in notice.text


def test_what_was_only_planned_is_told_so() -> None:
    notice = notice_of(
        "r", "sandbox, USMF", (line("accounts", "planned", read=9, created=2, updated=1),), {}, report=None
    )
    assert notice.headline == "p2c: the systems differ - sandbox, USMF"
    assert notice.lines[0] == "accounts: 9 read, 2 would be created, 1 would be updated."


def test_notify_test_tells_which_channel_works(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("P2C_TEST_HOOK", f"http://127.0.0.1:{hook.server_address[1]}/in")
    (tmp_path / "p2c.toml").write_text(
        '[notify.team]\nkind = "webhook"\nurl = "env:P2C_TEST_HOOK"\n'
        '[notify.pager]\nkind = "command"\ncommand = ["/nowhere/page"]\n'
    )
    runner = CliRunner()
    done = runner.invoke(app, ["notify", "test", "--json"])
    sent = json.loads(done.stdout)["channels"]
    assert (done.exit_code, sent["team"]) == (2, "sent")
    assert "not sent" in sent["pager"]
    assert runner.invoke(app, ["notify", "test", "team"]).exit_code == 0
    assert isinstance(runner.invoke(app, ["notify", "test", "tem"]).exception, UnknownName)
    assert len(hook.posted) == 2
