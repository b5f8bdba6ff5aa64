"""Nothing secret is told, in no spelling: by no log, exception, event, ledger or notebook. No text steers a screen."""

import base64
import io
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable
from html import escape
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape as xml_escape

import httpx
import nbformat
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from sqlalchemy import text as sql

from p2c_lib import events
from p2c_lib.config import Secret
from p2c_lib.errors import P2CError, UnknownName, Unreachable
from p2c_lib.ledger import open_ledger
from p2c_lib.ledger.database import engine_of
from p2c_lib.odata.failures import failure
from p2c_lib.report import Report, Table
from p2c_lib.run_folder import keep
from p2c_lib.secrecy import (
    MASK,
    escaped_json,
    forget_secrets,
    harmless,
    keep_secret,
    keep_secrets_of_url,
    masked,
    without_secrets,
)
from p2c_lib.secrecy.sinks import MaskedStream

VALUE = 'kR8~p/+ "&<é\\😀Qx.Zt_9%a-tell=nobody'
TOKEN = "eyJ0eXAiOiJKV1QifQ." + "".join(chr(65 + (n * 7) % 26) + str(n % 10) for n in range(300)) + ".sig-nature"

Spell = Callable[[str], str]


def in_base64(before: str, after: str, *, url: bool = False) -> Spell:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda value: encode(f"{before}{value}{after}".encode()).decode()


def in_every_unit(form: str) -> Spell:
    """Each UTF-16 unit by itself, as JSON may write any letter."""

    def spell(value: str) -> str:
        raw = value.encode("utf-16-be")
        return "".join(form.format(int.from_bytes(raw[n : n + 2])) for n in range(0, len(raw), 2))

    return spell


SPELLINGS: dict[str, Spell] = {
    "plain": str,
    "address": quote,
    "address, all": lambda value: quote(value, safe=""),
    "address, lower": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "address, upper": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "address, twice": lambda value: quote(quote(value, safe=""), safe=""),
    "form": quote_plus,
    "form, twice": lambda value: urlencode({"a": urlencode({"b": value})}),
    "JSON": json.dumps,
    "JSON, letters": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "JSON, every letter": in_every_unit("\\u{:04x}"),
    "JSON, every letter, upper": in_every_unit("\\u{:04X}"),
    "JSON as .NET writes it": lambda value: json.dumps(value).replace("+", "\\u002B").replace("&", "\\u0026"),
    "JSON with slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "HTML": escape,
    "HTML, numbers": lambda value: "".join(f"&#{ord(letter)};" for letter in value),
    "HTML, hex": lambda value: "".join(f"&#x{ord(letter):X};" for letter in value),
    "XML": lambda value: xml_escape(value, {'"': "&quot;", "'": "&apos;"}),
    "HTML in JSON": lambda value: json.dumps(escape(value)),
    "base64": in_base64("", ""),
    "base64, Basic": in_base64("client:", ""),
    "base64, one before": in_base64("x", "!"),
    "base64, two before": in_base64("xy", "!!"),
    "base64url": in_base64("", "", url=True),
    "base64url, one before": in_base64("x", "!!", url=True),
    "base64url, two before": in_base64("xy", "!", url=True),
    "hex": lambda value: value.encode().hex(),
    "hex, upper": lambda value: value.encode().hex().upper(),
    "repr": repr,
    "bytes": lambda value: repr(value.encode()),
    "cut": lambda value: value[:17],
    "cut early": lambda value: value[:11],
    "cut on both sides": lambda value: value[5:25],
    "wrapped": lambda value: f"{value[:20]}\n  {value[20:]}",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("value", [VALUE, TOKEN], ids=["secret", "token"])
def test_a_secret_is_found_in_every_spelling(value: str, spell: Spell) -> None:
    keep_secret(value)
    told = spell(value)
    left = without_secrets(f"before {told} after")
    assert MASK in left
    assert left.startswith(("before ", "before"))
    assert left.endswith(" after")
    # What may be left of it are quotes and the edges of base64.
    rest = left.removeprefix("before ").removesuffix(" after").replace(MASK, "")
    for piece in rest.split():
        assert len(piece) < 8 or piece not in told, rest


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))
ESCAPES = st.sampled_from([str, json.dumps, escape, lambda t: quote(t, safe=""), in_every_unit("\\u{:04x}")])


@settings(max_examples=150)
@given(
    value=st.text(LETTERS, min_size=16, max_size=60),
    before=st.text(LETTERS, max_size=20),
    after=st.text(LETTERS, max_size=20),
    ways=st.lists(ESCAPES, max_size=2),
)
def test_whatever_stands_around_it_a_secret_is_taken_out_and_nothing_else(
    value: str, before: str, after: str, ways: list[Spell]
) -> None:
    assume(len(set(value)) >= 8)
    assume(not any(value[at : at + 6] in before + after for at in range(len(value) - 5)))
    assume(not {*before.lower(), *after.lower()} & {*value.lower()})
    forget_secrets()
    keep_secret(value)
    inside = value
    for way in ways:
        inside = way(inside)
    left = masked(f"{before}\x00{inside}\x00{after}")
    assert left.count("\x00") == 2
    assert left.startswith(f"{before}\x00")
    assert left.endswith(f"\x00{after}")
    assert MASK in left
    assert value not in left


@settings(max_examples=100)
@given(text=st.text(max_size=200), value=st.text(LETTERS, min_size=16, max_size=40))
def test_a_text_without_secrets_stays_as_it_is(text: str, value: str) -> None:
    assume(not any(value[at : at + 6] in text for at in range(len(value) - 5)))
    forget_secrets()
    keep_secret(value)
    assert without_secrets(text) == text


def test_zeros_and_short_words_are_no_secrets() -> None:
    keep_secret("00000000-0000-0000-0000-000000000000")
    keep_secret("word")
    text = "00000000-0000-0000-0000-000000000001 is a word"
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abcdefghij0123456789", f"Authorization: Bearer {MASK}"),
        ("Basic " + base64.b64encode(b"me:word").decode(), f"Basic {MASK}"),
        ("Basic training01 for beginners", "Basic training01 for beginners"),
        ("a bearer responsible for consignments", "a bearer responsible for consignments"),
        (f"a token {TOKEN}!", f"a token {MASK}!"),
        ("PUT https://x.blob/c?se=2&sig=a%2Bb%3D&sv=1", f"PUT https://x.blob/c?se=2&sig={MASK}&sv=1"),
        ("postgresql+psycopg://me:p%40ss@host/db", f"postgresql+psycopg://me:{MASK}@host/db"),
        ("http://proxy:8080 and me@contoso.com", "http://proxy:8080 and me@contoso.com"),
        ('{"access_token": "0123456789abcdefXYZ"}', f'{{"access_token": "{MASK}"}}'),
        ("client_secret=0123456789abcdef&scope=x", f"client_secret={MASK}&scope=x"),
        ("the access_token: missing", "the access_token: missing"),
        ("grant_type=x&client_secret=ab1&scope=y", f"grant_type=x&client_secret={MASK}&scope=y"),
        ('{"client_secret": "ab1", "password":"a"}', f'{{"client_secret": "{MASK}", "password":"{MASK}"}}'),
        ('{\\"client_secret\\":\\"ab1\\"}', f'{{\\"client_secret\\":\\"{MASK}\\"}}'),
        ("client_secret%3Dab1%26b=2", f"client_secret%3D{MASK}"),
        (
            "Check the client_secret and the password: they are wrong",
            "Check the client_secret and the password: they are wrong",
        ),
    ],
)
def test_what_is_secret_by_its_form_needs_not_be_known(text: str, left: str) -> None:
    assert masked(text) == left


def test_the_password_and_the_signature_of_an_address_are_secrets() -> None:
    keep_secrets_of_url("https://me:pass%2Fword1@host/c?sv=1&sig=a%2Bb%2Fc0123456789%3D")
    assert masked("pass/word1, pass%2Fword1, a+b/c0123456789=, sv=1") == f"{MASK}, {MASK}, {MASK}, sv=1"


def test_a_reference_that_was_read_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_SECRECY_TEST", VALUE)
    assert Secret("env:P2C_SECRECY_TEST").reveal() == VALUE
    assert masked(f"<{VALUE}>") == f"<{MASK}>"


# exceptions


def test_an_error_of_ours_says_no_secret_in_any_of_its_parts() -> None:
    keep_secret(VALUE)
    error = Unreachable(f"said {VALUE}", target=VALUE, code=VALUE, request_id=quote(VALUE), hint=f"try {VALUE}")
    later = UnknownName("set", VALUE, [VALUE, "accounts"])
    error.target = f"again {VALUE}"
    for one in (error, later):
        told = f"{one} {one!r} {one.args} {vars(one)} {one.to_dict()}"
        assert VALUE not in told
        assert escape(VALUE) not in told
        assert MASK in told


def chain(error: BaseException | None) -> list[BaseException]:
    return [error, *chain(error.__cause__), *chain(error.__context__)] if error is not None else []


def raised_by(act: Callable[[], object]) -> P2CError:
    try:
        try:
            act()
        except Exception as error:
            raise P2CError(f"it did not work: {error}") from error
    except P2CError as error:
        return error
    raise AssertionError("nothing was raised")


def refused_by_http() -> None:
    request = httpx.Request("POST", f"http://x.test/?t={VALUE}", headers={"Authorization": f"Bearer {TOKEN}"})
    raise httpx.ReadError(f"illegal header line: {TOKEN}", request=request)


@pytest.mark.parametrize(
    "act",
    [
        lambda: json.loads(f'{{"error": "{TOKEN}"'),
        lambda: f"{TOKEN}\xff".encode("latin-1").decode(),
        lambda: {}[VALUE],
        lambda: int(VALUE),
        lambda: Path(f"/nowhere/{VALUE}").read_text("utf-8"),
        refused_by_http,
    ],
    ids=["JSON", "UTF-8", "key", "value", "file", "http"],
)
def test_the_exceptions_behind_an_error_hold_no_secret(act: Callable[[], object]) -> None:
    keep_secret(VALUE)
    keep_secret(TOKEN)
    error = raised_by(act)
    assert len(chain(error)) > 1
    for one in chain(error):
        parts = [
            one.args,
            vars(one),
            getattr(one, "doc", ""),
            getattr(one, "object", b""),
            getattr(one, "filename", ""),
        ]
        told = f"{one} {one!r} {parts} {''.join(traceback.format_exception(one))}".replace("\\\\", "\\")
        own = [line for line in told.splitlines() if "test_secrecy.py" not in line]
        assert VALUE not in "\n".join(own)
        assert TOKEN[:60] not in "\n".join(own)
        assert getattr(one, "_request", None) is None


def test_an_answer_is_cut_after_its_secrets_are_taken_out() -> None:
    keep_secret(VALUE)
    body = b"x" * 292 + VALUE.encode()
    error = failure(400, {"x-ms-service-request-id": quote(VALUE)}, body, "accounts")
    assert VALUE[:8] not in str(error)
    assert error.request_id == MASK
    page = failure(302, {"location": f"https://{TOKEN}.example/?t={TOKEN}"}, b"", "accounts")
    keep_secret(TOKEN)
    page = failure(302, {"location": f"https://{TOKEN}.example/?t={TOKEN}"}, b"", "accounts")
    assert TOKEN.lower()[:16] not in str(page)


# where texts leave


def test_log_records_and_their_tracebacks_hold_no_secret() -> None:
    keep_secret(VALUE)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("p2c.test")
    logger.addHandler(handler)
    try:
        logger.warning("sent %s to %r", VALUE, {"headers": [(b"Authorization", VALUE.encode())]})
        try:
            raise ValueError(VALUE)
        except ValueError:
            logger.exception("failed with %s", quote(VALUE))
    finally:
        logger.removeHandler(handler)
    told = stream.getvalue()
    assert "failed with ***" in told
    assert "ValueError: ***" in told
    assert "Qx.Zt_9" not in told


def test_a_masked_stream_is_the_stream_in_all_else() -> None:
    keep_secret(VALUE)
    inner = io.StringIO()
    stream = MaskedStream(inner)
    print("a", VALUE, 1, file=stream)
    stream.writelines([f"{VALUE}\n", "b\n"])
    assert inner.getvalue() == "a *** 1\n***\nb\n"
    assert stream.isatty() is False
    with pytest.raises(TypeError):
        stream.write(b"")  # type: ignore[arg-type]


def test_events_facts_pages_and_sheets_hold_no_secret(tmp_path: Path) -> None:
    keep_secret(VALUE)
    events.append(tmp_path / "events.jsonl", event="cell", why=f"{VALUE}!")
    keep(tmp_path, {"problems": {"accounts": VALUE}})
    table = Table(("why",), ((f"said {VALUE}",),))
    Report("t", "failed", VALUE, (table,)).save(tmp_path / "page.html")
    from openpyxl import load_workbook

    from p2c_lib.sheets import write_workbook

    write_workbook(tmp_path / "book.xlsx", {"Rows": [["why"], [VALUE]]})
    told = "".join(file.read_text("utf-8") for file in tmp_path.glob("*.*") if file.suffix != ".xlsx")
    assert "Qx.Zt_9" not in told + table.to_text()
    assert json.loads((tmp_path / "events.jsonl").read_text("utf-8"))["why"] == "***!"
    sheet = load_workbook(tmp_path / "book.xlsx").active
    assert sheet is not None
    assert [row[0].value for row in sheet.iter_rows()] == ["why", MASK]


def test_the_ledger_holds_no_secret_and_is_sound(tmp_path: Path) -> None:
    keep_secret(VALUE)
    ledger = open_ledger(tmp_path)
    ledger.begin_run("r", connection_set="s", company="c", apply=True)
    ledger.sending("p", [{"position": n, "op": "create", "entity_set": "accounts", "key": f"K{n}"} for n in (1, 2)])
    answers = [
        {"position": n, "state": "failed", "status": 400, "message": f"no: {VALUE}", "request_id": quote(VALUE)}
        for n in (1, 2)
    ]
    ledger.answered("p", answers)
    ledger.record_cells(
        "r",
        [{"notebook": "n", "cell": 1, "state": "failed", "seconds": 1.0, "why": VALUE, "at": "2026-01-01T00:00:00"}],
    )
    assert [row["message"] for row in ledger.operations("p")] == ["no: ***"] * 2
    assert ledger.verify().sound
    ledger.close()
    engine = engine_of(tmp_path)
    with engine.connect() as connection:
        names = [row[0] for row in connection.execute(sql("SELECT name FROM sqlite_master WHERE type='table'"))]
        told = "".join(str(row) for name in names for row in connection.execute(sql(f'SELECT * FROM "{name}"')))
    engine.dispose()
    assert "Qx.Zt_9" not in told


def test_a_kernel_sends_no_secret_to_its_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("P2C_SECRECY_TEST", VALUE)
    monkeypatch.setenv("P2C_LEAKED", str(tmp_path / "leaked"))
    cells = [
        "import sys, os\nfrom p2c_lib.config import Secret\nvalue = Secret('env:P2C_SECRECY_TEST').reveal()",
        "print(value, file=sys.stderr)\nprint(value)",
        "from IPython.display import HTML, display\ndisplay(HTML(f'<b>{value}</b>'))\nvalue",
        "raise ValueError(value)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=60, allow_errors=True).execute()
    told = json.dumps(notebook, ensure_ascii=False)
    assert told.count(MASK) >= 5
    assert "Qx.Zt_9" not in told
    assert (tmp_path / "leaked").exists()


def test_a_secret_may_come_while_ipython_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    assert keep_secret(VALUE) == VALUE


# the terminal

STEERING = "a\x00b\x07c\x1b[31md\re\x7ff\x9bg\u202eh\u2066i\u2028j\udc80k"


def test_nothing_steers_a_terminal() -> None:
    shown = harmless(STEERING)
    assert shown == "a\\x00b\\x07c\\x1b[31md\\re\\x7ff\\x9bg\\u202eh\\u2066i\\u2028j\\udc80k".replace("\\re", "\\x0de")
    shown.encode()
    plain = "plain\ttext\nof two lines, ein Wört, 😀, עברית"
    assert harmless(plain) == plain


def test_json_on_a_terminal_is_harmless_and_exact() -> None:
    text = escaped_json(json.dumps({"name": STEERING}, ensure_ascii=False))
    assert harmless(text) == text
    assert json.loads(text) == {"name": STEERING}


def test_a_value_in_a_table_is_never_a_line_of_its_own() -> None:
    text = Table(("name", "n"), ((f"x\nerror: none{STEERING}", 1),)).to_text()
    assert len(text.splitlines()) == 2
    assert harmless(text) == text


def test_every_word_of_the_command_line_goes_through_one_place() -> None:
    found = subprocess.run(
        ["grep", "-rnE", r"typer\.echo|click\.echo|(^|[^.\w])print\(|sys\.std(out|err)\.write", "p2c_lib/cli"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert found
    assert [line for line in found if not line.startswith("p2c_lib/cli/show.py")] == []


def test_a_traceback_of_a_command_is_without_secrets_and_harmless() -> None:
    program = (
        "from p2c_lib.secrecy import keep_secret, mask_streams\nimport warnings\n"
        f"mask_streams()\nvalue = keep_secret({VALUE!r})\nwarnings.warn(value)\n"
        "raise ValueError('\\x1b[2J' + value)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if line.startswith(("ValueError", "UserWarning"))]
    assert last == ["ValueError: \\x1b[2J***"]
    assert "Qx.Zt_9" not in "".join(line for line in done.stderr.splitlines() if "keep_secret(" not in line)
