"""Every command against services that echo the client's secret and token in whatever they say: nothing shows them.

The commands are those of the command line's own parser. All that is printed and every file of the workspace is looked
through.
"""

import base64
import gzip
import json
import sys
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from p2c_lib.config import Workspace
from p2c_lib.flow import TaskWalk
from p2c_lib.ledger import open_ledger
from p2c_lib.sandbox import process
from p2c_lib.secrecy import forget_secrets
from p2c_lib.session import connect
from tests.commands import called, commands
from tests.troubled import Between, Exchange, Trouble, between

SECRET = 'Vq7~echo/+ "&<é\\Zt9.tell-nobody_0042'
HOOK = "/in/9f8e7d6c5b4a39281706?sig=hook-signature-0042-abcdef"
PROXY = "proxy-word-0042-abcdef"
STEERING = "\x1b[31m\x07\x00\u202e\x9b\r"
SHORT = "budget = 3, tries = 3, first_wait = 0.01"

LEG = {
    "sourceSchema": "CustomersV2",
    "destinationSchema": "accounts",
    "fieldMappings": [{"sourceField": "CUSTOMERACCOUNT", "destinationField": "accountnumber", "syncDirection": 3}],
}

# What each command is called with; ``{plan}``, ``{run}`` and ``{tmp}`` are what the workspace has of these.
COMMANDS: dict[str, tuple[str, ...]] = {
    "lab": ("--version",),
    "init": ("{tmp}/new",),
    "preflight": ("--set", "between"),
    "run": ("accounts", "--set", "between", "--limit", "3"),
    "reconcile": ("accounts", "--set", "between"),
    "approve": ("{plan}",),
    "apply": ("{plan}", "--set", "between"),
    "undo": ("{plan}", "--set", "between"),
    "why": ("finops", "CustomersV2", "ACC-1", "OrganizationName", "--set", "between"),
    "settle": ("accounts", "--set", "between"),
    "params": ("20_accounts",),
    "connect test": ("--set", "between"),
    "sandbox serve": ("--sales-port", "{port}", "--finops-port", "{port}"),
    "sandbox seed": ("--accounts", "2", "--state", "{tmp}/seeded"),
    "sandbox load": ("{tmp}/empty", "--state", "{tmp}/loaded"),
    "sandbox reset": ("--state", "{tmp}/loaded"),
    "sandbox status": (),
    "plan show": ("{plan}", "--html", "{tmp}/plan.html", "--export", "{tmp}/plan.xlsx"),
    "plan only": ("{plan}", "--op", "update"),
    "plan without": ("{plan}", "--op", "update"),
    "template show": ("accounts",),
    "template validate": ("accounts", "--set", "between"),
    "template diff": ("accounts", "contacts"),
    "template export": ("accounts", "{tmp}/accounts.xlsx"),
    "template import": ("{tmp}/map.json", "{tmp}/made.yml", "--set", "between"),
    "template suggest": ("sales:accounts", "finops:CustomersV2", "--set", "between"),
    "gate docs": ("accounts", "--set", "between"),
    "gate trend": ("accounts", "--set", "between"),
    "quarantine list": ("--set", "between", "--state", "all"),
    "quarantine show": ("accounts", "echo-1", "--set", "between"),
    "quarantine waive": ("accounts", "echo-1", "--why", "as it is", "--set", "between"),
    "quarantine release": ("accounts", "echo-1", "--set", "between"),
    "quarantine export": ("{tmp}/waiting.xlsx", "--set", "between", "--state", "all"),
    "duplicates list": ("customers", "--set", "between"),
    "duplicates decide": ("customers", "A", "B", "same", "--set", "between"),
    "schedule add": ("nightly", "30 2 * * *", "accounts", "--set", "between", "--param", "limit=3"),
    "schedule list": (),
    "schedule run": ("nightly",),
    "schedule export": ("cron", "nightly"),
    "schedule remove": ("nightly",),
    "notify test": (),
    "history show": ("latest",),
    "history compare": ("latest", "latest"),
    "history prune": ("--dry-run",),
    "history": (),
    "ledger verify": (),
}
# Those that speak to the services, and so hear an echo.
TALK = {
    *("preflight", "run", "reconcile", "apply", "settle", "connect test", "template validate", "template import"),
    *("template suggest", "gate docs", "duplicates list", "schedule run"),
}
SLOW = {"run", "schedule run"}  # a kernel each


def test_every_command_is_among_them() -> None:
    assert sorted(commands()) == sorted(COMMANDS)


def spelled(value: str) -> list[str]:
    """A value in the ways services write it, each told from the others by a word."""
    raw = value.encode()
    ways = [value, quote(value), quote(value, safe=""), quote_plus(value), quote(quote(value, safe=""), safe="")]
    ways += [json.dumps(value), json.dumps(json.dumps(value)), escape(value), repr(value), raw.hex()]
    ways += ["".join(f"\\u{ord(letter):04X}" for letter in value)]
    for before in (b"", b"c:", b"ab:"):
        ways += [base64.b64encode(before + raw).decode(), base64.urlsafe_b64encode(before + raw).decode()]
    return [f"{n}: {way} ;" for n, way in enumerate(ways)]


def said_of(value: str) -> dict[str, object]:
    words = f"AADSTS7000215 {STEERING[:-1]}{value} {' '.join(spelled(value))} and cut {value[:200]}{STEERING}"
    inner = {"message": f"Infolog: Warning: {words}", "type": value, "stacktrace": value}
    return {
        "error": {"code": quote(value), "message": words, "innererror": inner},
        "Message": words,
        "error_description": words,
    }


def headers_of(value: str) -> dict[str, str]:
    plain = quote(value)
    return {
        "x-ms-service-request-id": plain,
        "www-authenticate": f'Bearer error="{plain}", authorization_uri="https://{plain}/{plain}/"',
        "etag": f'W/"{plain}"',
        "date": plain,
        "x-echo": value.encode("utf-8").decode("latin-1"),
    }


def no_token(one: Exchange) -> None:
    """The token endpoint refuses and says whom."""
    if one.is_token:
        said = said_of(SECRET)
        one.say_json(400, {**said, "error": said["error_description"]}, headers_of(SECRET))
    else:
        one.pass_on()


def refused(one: Exchange) -> None:
    """Whatever is asked for is refused with the token that came."""
    one.pass_on() if one.is_token or not one.token else one.say_json(403, said_of(one.token), headers_of(one.token))


def rows_refused(one: Exchange) -> None:
    """Metadata are told, rows and writes are refused."""
    plain = one.method == "GET" and not one.is_rows
    one.pass_on() if one.is_token or not one.token or plain else refused(one)


def elsewhere(one: Exchange) -> None:
    """Everything is elsewhere, at an address with the token in it."""
    if one.is_token or not one.token:
        return one.pass_on()
    host = "".join(letter for letter in one.token if letter.isalnum())[:60]
    return one.say(302, {**headers_of(one.token), "Location": f"https://{host}.test/{one.token}?t={one.token}"}, b"")


def a_page(one: Exchange) -> None:
    """A web page with the token in its title."""
    page = f"<html><title>{one.token} {STEERING}</title>{' '.join(spelled(one.token))}</html>".encode()
    one.pass_on() if one.is_token or not one.token else one.say(200, {"Content-Type": "text/html"}, page)


def cut(one: Exchange) -> None:
    """JSON that ends within the token."""
    body = b'{"value": [{"accountid": "' + one.token.encode()
    one.pass_on() if one.is_token or not one.token else one.say(200, {"Content-Type": "application/json"}, body)


def no_http(one: Exchange) -> None:
    """A head that is none."""
    if one.is_token or not one.token:
        return one.pass_on()
    one.raw(b"HTTP/1.1 200 OK\r\n" + one.token.encode() + b"\r\n\r\n")
    return one.hang_up()


def an_error_as_a_good_answer(one: Exchange) -> None:
    one.pass_on() if one.is_token or not one.token else one.say_json(200, said_of(one.token))


ALL = [no_token, refused, rows_refused, elsewhere, a_page, cut, no_http, an_error_as_a_good_answer]
# Those of which the commands may tell something else than their words.
QUIET = [rows_refused, elsewhere, cut, no_http, an_error_as_a_good_answer]


class Home:
    """A workspace between whose services anything may stand, and all that is known to be secret."""

    def __init__(self, place: Between, root: Path, tmp: Path) -> None:
        self.place, self.root, self.tmp = place, root, tmp
        self.plan = ""

    def words(self, command: str) -> list[str]:
        port = self.place.sales_url.rpartition(":")[2]
        given = {"plan": self.plan, "tmp": str(self.tmp), "port": port}
        return [*command.split(), *(word.format(**given) for word in COMMANDS[command])]

    def secrets(self) -> list[str]:
        return [SECRET, HOOK, PROXY, *self.place.tokens]


@pytest.fixture(scope="module")
def home(sandbox: process.Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with between(sandbox, SECRET) as place:
        root = place.workspace(tmp_path_factory.mktemp("echo"), SHORT)
        hook = '[notify.hook]\nkind = "webhook"\nform = "json"\nurl = "env:P2C_ECHO_HOOK"\n'
        (root / "p2c.toml").write_text((root / "p2c.toml").read_text("utf-8") + hook, "utf-8")
        tmp = tmp_path_factory.mktemp("echo-files")
        (tmp / "empty").mkdir()
        (tmp / "map.json").write_text(json.dumps({"legs": [LEG]}))
        made = Home(place, root, tmp)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("P2C_WORKSPACE", str(root))
            patch.setenv("P2C_BETWEEN", SECRET)
            patch.setenv("P2C_ECHO_HOOK", place.elsewhere_url + HOOK)
            patch.setenv("NO_COLOR", "1")
            patch.setenv("NO_PROXY", "127.0.0.1")
            patch.setenv("HTTPS_PROXY", f"http://me:{PROXY}@127.0.0.1:9")
            _begin(made, sandbox)
            yield made


def _begin(home: Home, running: process.Running) -> None:
    """A plan, rows that wait with an echo in their reason, and the sandbox known to be up."""
    here = Workspace(home.root)
    from p2c_lib.config import workspace

    with connect("between", workspace=workspace(home.root)) as session:
        walk = TaskWalk("accounts", session, limit=20)
        home.plan = str(walk.plan().folder)
        walk.finish()
    assert home.plan
    record = {"sales_url": running.sales_url, "finops_url": running.finops_url, "token": running.token}
    here.sandbox_home.mkdir(parents=True)
    facts = {**record, "pid": running.pid, "state": str(running.state)}
    (here.sandbox_home / "server.json").write_text(json.dumps(facts))
    ledger = open_ledger(here.ledger)
    from p2c_lib.ledger.ledger import WaitingRow

    words = f"{STEERING}\n{' '.join(spelled(SECRET))} {' '.join(spelled(home.place.tokens[0]))}"
    rows = [WaitingRow(f"ECHO-{n}", "failed", "service", "name", words, words) for n in range(3)]
    ledger.record_waiting("r", connection_set="between", company="USMF", task="accounts", rows=rows)
    ledger.close()


def contents(file: Path) -> Iterator[str]:
    """The texts of a file: its bytes, and what is packed in it."""
    raw = file.read_bytes()
    yield raw.decode("utf-8", "replace")
    if file.suffix in {".xlsx", ".zip"}:
        with zipfile.ZipFile(file) as packed:
            yield from (packed.read(name).decode("utf-8", "replace") for name in packed.namelist())
    elif file.suffix == ".parquet":
        yield str(pq.read_table(file).to_pylist())
    elif file.suffix == ".arrow":
        yield str(pa.ipc.open_file(file).read_all().to_pylist())
    elif file.suffix == ".gz":
        yield gzip.decompress(raw).decode("utf-8", "replace")


def pieces(value: str) -> list[str]:
    """What must be nowhere: a value in each spelling, whole, and what is left of its middle where it is cut."""
    raw, middle = value.encode(), value[len(value) // 4 :]
    ways = [value, quote(value), quote(value, safe=""), quote_plus(value), raw.hex(), middle]
    ways += [json.dumps(value)[1:-1], json.dumps(json.dumps(value))[3:-3], escape(value)]
    for before in range(3):  # without the letters at both ends, which hold bits of the neighbours too
        ways.append(base64.b64encode(b"x" * before + raw).decode()[4:-4])
        ways.append(base64.urlsafe_b64encode(b"x" * before + raw).decode()[4:-4])
    ways += [value[at : at + 20] for at in range(0, max(1, len(value) - 20), 10)]
    return ways


def look_through(home: Home, told: str, *, files: bool) -> None:
    texts = [("what was printed", told)]
    if files:
        found = [file for folder in (home.root, home.tmp) for file in folder.rglob("*") if file.is_file()]
        texts += [(file.name, text) for file in found if file.name != "p2c.toml" for text in contents(file)]
    whole = "\0".join(text for _, text in texts)
    for piece in {piece for value in home.secrets() for piece in pieces(value)}:
        assert piece not in whole, (piece, [name for name, text in texts if piece in text])
    assert [letter for letter in STEERING if letter in told and not letter.isprintable()] == []


def tried(home: Home, command: str, trouble: Trouble, capfd: pytest.CaptureFixture[str]) -> str:
    """Call a command with trouble between; nothing it printed is secret. What it printed."""
    forget_secrets()  # as a process of its own begins
    heard = len(home.place.heard)
    home.place.trouble = trouble
    try:
        code = called(home.words(command))
    finally:
        home.place.trouble = None
    done = capfd.readouterr()
    told = done.out + done.err
    assert code in {0, 1, 2}, told
    assert "Traceback" not in told
    if command in TALK:
        assert len(home.place.heard) > heard, told
        assert "***" in told or trouble in QUIET, told
    look_through(home, told, files=False)
    return told


@pytest.mark.parametrize("trouble", ALL, ids=lambda trouble: trouble.__name__)
def test_a_look_at_the_connection_shows_no_secret(
    home: Home, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    tried(home, "connect test", trouble, capfd)
    tried(home, "reconcile", trouble, capfd)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in SLOW])
def test_no_command_shows_a_secret(
    home: Home, command: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "lab":
        monkeypatch.setattr(sys, "executable", "/bin/true")  # JupyterLab itself takes its time
    for trouble in (no_token, rows_refused):
        tried(home, command, trouble, capfd)
        if command not in TALK:
            break


def test_a_run_and_a_scheduled_one_show_no_secret(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    called(home.words("schedule add"))
    tried(home, "run", refused, capfd)
    tried(home, "schedule run", no_token, capfd)
    for command in ("history", "history show", "history compare"):
        tried(home, command, refused, capfd)
    executed = list(home.root.glob(".p2c/runs/*/20_accounts*.ipynb"))
    assert len(executed) == 2
    assert all("***" in file.read_text("utf-8") for file in executed)


def test_no_file_that_any_of_them_wrote_holds_a_secret(home: Home) -> None:
    look_through(home, "", files=True)
    assert len(list(home.root.rglob("*.html"))) >= 2
    assert "***" in (home.root / ".p2c" / "ledger.db").read_bytes().decode("utf-8", "replace")
