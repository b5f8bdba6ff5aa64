"""In customers' data only a whole secret counts, in whatever way it is written, and it is told before the writing."""

import base64
import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from p2c_lib.config import workspace
from p2c_lib.errors import PlanError
from p2c_lib.flow import TaskWalk
from p2c_lib.plan.files import open_plan
from p2c_lib.runs.scrub import scrub
from p2c_lib.sandbox import process
from p2c_lib.secrecy import (
    MASK,
    clean_folder,
    forget_secrets,
    keep_secret,
    keep_token,
    kept_value,
    masked,
    without_secrets,
    without_whole_secrets,
)
from p2c_lib.secrecy.known import whole_secrets
from p2c_lib.secrecy.tables import clean_column, clean_table
from p2c_lib.session import connect
from p2c_lib.sheets import write_workbook
from tests.test_secrecy import SPELLINGS, TOKEN, VALUE, Spell
from tests.troubled import Between, Exchange, between

PHRASE = "Creative Wealth GmbH 2026!"
CUT = ("cut", "cut early", "cut on both sides", "wrapped")

VIEWS = pa.list_view(pa.string())

NEAR = [
    ("Contoso-Retail-2024!", "Contoso Retail 2026"),
    ("Contoso-Retail-2024!", "Contoso-Retail-2024"),
    (PHRASE, "Creative Wealth GmbH"),
    (PHRASE, "Creative Wealth GmbH 2026"),
    (PHRASE, "creative wealth gmbh 2026!"),
    ("between-secret-0042", "between-seasons Ltd, between-secret-0043"),
    ("prospect-to-cash-2026", "Prospect-to-cash 2026"),
    ("6f1c2d3e-1111-4222-8333-94455667788a", "6f1c2d3e-1111-4222-8333-000000000000"),
    ("https-proxy-pass-2026", "https-proxy-pass"),
    ("Contoso-Retail-2024!", base64.b64encode(b"Contoso-Retail-2024").decode()),
    (TOKEN[9:], TOKEN[9:-1]),
]


@pytest.mark.parametrize(("secret", "text"), NEAR)
def test_a_piece_of_a_secret_is_a_customers_name(secret: str, text: str, tmp_path: Path) -> None:
    keep_secret(secret)
    assert kept_value({"name": text}) == {"name": text}
    assert clean_table(pa.table({"after": [{"name": text}], "name": [text]})) is None
    (tmp_path / "a.csv").write_text(f'"{text}"\n')
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": [{"outputs": [{"data": {"text/html": text}}]}]}))
    assert scrub(tmp_path, []) == {}
    write_workbook(tmp_path / "c.xlsx", {"Rows": [["name"], [text]]})
    sheet = load_workbook(tmp_path / "c.xlsx").active
    assert sheet is not None
    assert sheet["A2"].value == text


def test_a_piece_counts_in_what_is_told() -> None:
    keep_secret(PHRASE)
    assert masked("the secret begins with Creative Wealth GmbH") == "the secret begins with ***"


WHOLE = [name for name in SPELLINGS if name not in CUT]


@pytest.mark.parametrize("spell", [SPELLINGS[name] for name in WHOLE], ids=WHOLE)
@pytest.mark.parametrize("value", [VALUE, TOKEN, PHRASE, "a-b-c-d-e.f.g", "пароль-и-ключ 1"])
def test_a_whole_secret_is_found_in_data_in_every_spelling(value: str, spell: Spell) -> None:
    keep_secret(value)
    left = without_whole_secrets(f"before {spell(value)} after")
    assert MASK in left
    assert left.startswith("before ")
    assert left.endswith(" after")
    assert without_secrets(left) == left  # nor is a piece of it left


LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))


@settings(max_examples=150)
@given(
    value=st.text(LETTERS, min_size=8, max_size=40),
    texts=st.lists(st.text(LETTERS, max_size=12), min_size=1, max_size=8),
    at=st.integers(0, 7),
)
def test_a_column_is_what_each_of_its_texts_is_without_the_value(value: str, texts: list[str], at: int) -> None:
    assume("+" not in value)
    forget_secrets()
    keep_secret(value)
    if whole_secrets() is None:  # an everyday word
        return
    held = [*texts[:at], f"<{value}>", None, *texts[at:], value[:-1], value]
    told = clean_column(pa.array(held, pa.string()))
    assert told.to_pylist() == [None if text is None else text.replace(value, MASK) for text in held]


def test_every_kind_of_column_is_cleaned_and_stays_what_it_is() -> None:
    keep_secret(VALUE)
    text = f"x {VALUE} y"
    struct = pa.struct([("n", pa.int64()), ("s", pa.string()), ("s", pa.string())])
    doubled = pa.StructArray.from_arrays(
        [pa.array([1, 2, 3]), pa.array(["a", text, None]), pa.array([text, None, "b"])],
        fields=list(struct),
        mask=pa.array([False, False, True]),
    )
    kinds: list[pa.Array] = [
        pa.array([text, None, "a"], pa.string_view()),
        pa.array([text.encode(), None, b"\xff"], pa.binary()),
        pa.array([text.encode(), None, b"\xff"], pa.large_binary()),
        pa.array([text.encode(), None, b"\xff"], pa.binary_view()),
        doubled,
        pa.array([[{"a": text}], None, []], pa.list_(pa.struct([("a", pa.string())]))),
        pa.array([[text], None, ["b"]], pa.list_(pa.string(), 1)),
        pa.array([[text.encode()], None, []], pa.large_list(pa.binary())),
        pa.array(["b", text, "a", None, text], pa.string()).slice(1, 3),
        pa.array([["b"], [text, "a"], None, []], pa.list_(pa.string())).slice(1, 2),
    ]
    for values in kinds:
        told = clean_column(values)
        assert told.type == values.type
        assert told.is_null().to_pylist() == values.is_null().to_pylist()
        assert str(told) != str(values)
        assert VALUE not in str(told.to_pylist() if values is not doubled else [told.field(1), told.field(2)])
        assert clean_column(told) is told
    left = clean_column(doubled)
    assert left.field(1).to_pylist()[:2] == ["a", f"x {MASK} y"]
    assert left.field(2).to_pylist()[:2] == [f"x {MASK} y", None]


def test_only_what_has_the_letters_of_a_secret_is_looked_at_by_itself(tmp_path: Path) -> None:
    keep_secret(PHRASE)
    for n in range(20):
        keep_token(f"{n}{TOKEN}")
    many = [f"Contoso Retail {n}" for n in range(50_000)]
    pq.write_table(pa.table({"name": [*many, "Creative Wealth GmbH", f"<{PHRASE}>"]}), tmp_path / "a.parquet")
    (tmp_path / "b.html").write_text("<td>Creative</td><td>Contoso</td>" * 20_000)
    assert clean_folder(tmp_path).cleaned == ("a.parquet",)
    whole = whole_secrets()
    assert whole is not None
    assert whole.looked <= 2
    assert clean_folder(tmp_path).cleaned == ()
    (tmp_path / "c.txt").write_text(f"<{PHRASE}>")
    assert clean_folder(tmp_path).cleaned == ("c.txt",)
    assert whole.looked <= 3


def test_a_workbook_and_what_is_packed_are_searched(tmp_path: Path) -> None:
    keep_secret('tell & "nobody"/42')
    book = Workbook()
    assert book.active is not None
    book.active.append(["name", 'said tell & "nobody"/42!', 3])
    book.save(tmp_path / "a.xlsx")
    assert "a.xlsx" in scrub(tmp_path, [])["secrets"]
    sheet = load_workbook(tmp_path / "a.xlsx").active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == ["name", f"said {MASK}!", 3]
    assert scrub(tmp_path, []) == {}


def arrow(file: Path, table: pa.Table) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def locked(file: Path) -> None:
    """A zip whose one part is marked as locked with a password."""
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("list.txt", "hello")
    raw = bytearray(file.read_bytes())
    for at in (6, raw.find(b"PK\x01\x02") + 8):
        raw[at] |= 1
    file.write_bytes(raw)


def unknown(file: Path) -> None:
    """A zip packed in a way that nothing here unpacks."""
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("list.txt", "hello")
    raw = bytearray(file.read_bytes())
    for at in (8, raw.find(b"PK\x01\x02") + 10):
        raw[at : at + 2] = (99).to_bytes(2, "little")
    file.write_bytes(raw)


def in_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE kept (it)")
        database.execute("INSERT INTO kept VALUES (?)", (f"by {VALUE}".encode(),))


FIELD = pa.field("a", pa.string(), metadata={"by": VALUE})
RARE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "unread in a locked zip": ("locked.zip", locked),
    "nothing in a list of views": ("a.arrow", lambda at: arrow(at, pa.table({"a": pa.array([["x"]], VIEWS)}))),
    "cleaned beside a column": ("a.arrow", lambda at: arrow(at, pa.table([["b"]], schema=pa.schema([FIELD])))),
    "cleaned beside a table": (
        "a.arrow",
        lambda at: arrow(at, pa.table({"a": ["b"]}).replace_schema_metadata({"by": VALUE})),
    ),
    "cleaned in bytes of a database": ("a.db", in_database),
    "cleaned behind a mark of order": ("a.json", lambda at: at.write_text(json.dumps({"a": VALUE}), "utf-8-sig")),
    "cleaned beside half a letter": (
        "a.json",
        lambda at: at.write_text('{"a": "\\ud800 ' + json.dumps(VALUE)[1:] + "}"),
    ),
    "unread in an unknown zip": ("a.zip", unknown),
    "cleaned in a list of views": ("a.arrow", lambda at: arrow(at, pa.table({"a": pa.array([[VALUE]], VIEWS)}))),
    "cleaned in bytes of one size": (
        "a.arrow",
        lambda at: arrow(at, pa.table({"a": pa.array([VALUE.encode()], pa.binary(len(VALUE.encode())))})),
    ),
    "cleaned in runs": (
        "a.arrow",
        lambda at: arrow(at, pa.table({"a": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), [VALUE])})),
    ),
    "cleaned in a union": (
        "a.arrow",
        lambda at: arrow(at, pa.table({"a": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([VALUE])])})),
    ),
    "unread in a name": ("a.parquet", lambda at: pq.write_table(pa.table({VALUE: ["b"]}), at)),
}


@pytest.mark.parametrize("case", RARE)
def test_whatever_a_file_is_it_is_cleaned_or_told_and_the_files_after_it_are_looked_through(
    tmp_path: Path, case: str
) -> None:
    name, make = RARE[case]
    keep_secret(VALUE)
    make(tmp_path / name)
    (tmp_path / "zz.txt").write_text(VALUE)
    found = clean_folder(tmp_path)
    assert (tmp_path / "zz.txt").read_text() == MASK
    first = case.partition(" ")[0]
    assert found.unread == ((name,) if first == "unread" else ())
    if first != "unread":
        assert found.cleaned == ((name, "zz.txt") if first == "cleaned" else ("zz.txt",))
        assert clean_folder(tmp_path).cleaned == ()
    assert VALUE.encode() not in (tmp_path / name).read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    there = process.start(tmp_path_factory.mktemp("data") / "state", limits=False, admin=True)
    try:
        yield there
    finally:
        process.stop(there)


@pytest.fixture
def place(running: process.Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    monkeypatch.setenv("P2C_BETWEEN", PHRASE)
    with between(running, PHRASE) as there:
        monkeypatch.setenv("P2C_WORKSPACE", str(there.workspace(tmp_path / "ws")))
        monkeypatch.setenv("P2C_LEAKED", str(tmp_path / "leaked"))
        yield there


def named(name: str) -> object:
    """Trouble: every tenth account of Sales has this name."""

    def trouble(one: Exchange) -> None:
        if not (one.app == "sales" and one.is_rows and "/accounts" in one.path):
            return one.pass_on()
        told = one.asked()
        rows = json.loads(told.body)
        for row in rows["value"][::10]:
            row["name"] = name
        return one.say_json(told.status, rows)

    return trouble


def writes(place: Between) -> list[str]:
    return [one.method for one in place.heard if one.method != "GET" and not one.is_token]


def test_an_account_that_is_named_as_a_secret_begins_is_written(
    place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "trouble", named("Creative Wealth GmbH"))
    with connect("between", workspace=workspace()) as session:
        walk = TaskWalk("accounts", session, limit=20, apply=True, run_id="r")
        done = walk.finish()
    assert done.updated > 0
    assert "Creative Wealth GmbH" in str(walk.plan().operations.to_pylist())
    assert scrub(walk.folder, []) == {}
    assert open_plan(walk.plan().folder).id == walk.plan().id
    assert not (tmp_path / "leaked").exists()


@pytest.mark.parametrize("in_a_run", [True, False])
def test_a_secret_in_a_row_is_told_before_anything_is_written(
    place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_a_run: bool
) -> None:
    if not in_a_run:
        monkeypatch.delenv("P2C_LEAKED")
    monkeypatch.setattr(place, "trouble", named(f"by {PHRASE}"))
    with connect("between", workspace=workspace()) as session:
        walk = TaskWalk("accounts", session, limit=20, apply=True, run_id="r")
        with pytest.raises(PlanError, match="nothing is written"):
            walk.finish()
    assert writes(place) == []
    assert list(walk.folder.glob("*/plan.json")) == []
    if in_a_run:
        assert (tmp_path / "leaked").read_text().splitlines()[0].startswith(str(walk.folder))
    assert scrub(walk.folder, []) == {}
    assert not (walk.folder / "steps").exists()
    assert PHRASE not in str(pq.read_table(walk.folder / "source.parquet").to_pylist())


@pytest.mark.parametrize("command", ["reconcile", "settle"])
@pytest.mark.parametrize("held", ["secret", "token"])
def test_a_command_that_leaves_rows_looks_through_them_at_its_end(
    place: Between, monkeypatch: pytest.MonkeyPatch, command: str, held: str
) -> None:
    monkeypatch.delenv("P2C_LEAKED")
    said = PHRASE

    def trouble(one: Exchange) -> None:
        nonlocal said
        if held == "token" and one.is_rows:
            said = place.tokens[-1]
        named(f"by {said}")(one)

    monkeypatch.setattr(place, "trouble", trouble)
    done = subprocess.run(
        [sys.executable, "-m", "p2c_lib.cli", command, "accounts", "--set", "between"],
        capture_output=True,
        text=True,
        check=False,
    )
    kept = workspace().state / "runs"
    tables = {file: pq.read_table(file).to_pylist() for file in kept.rglob("*.parquet")}
    assert tables
    assert [file for file, rows in tables.items() if said in str(rows)] == []
    assert [file for file in kept.rglob("*.arrow") if said.encode() in file.read_bytes()] == []
    assert "/accounts, a secret stood in " in done.stderr, done.stderr
    assert "source.parquet" in done.stderr
    assert (done.returncode, said in done.stdout + done.stderr) == (1, False)


def test_a_script_that_leaves_rows_looks_through_them_when_it_ends(
    place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("P2C_LEAKED")
    monkeypatch.setattr(place, "trouble", named(f"by {PHRASE}"))
    script = (
        "from pathlib import Path\nfrom p2c_lib.config import workspace\nfrom p2c_lib.frames import EntityQuery\n"
        "from p2c_lib.session import connect\nsession = connect('between', workspace=workspace())\n"
        "query = EntityQuery('sales', 'accounts', ('accountnumber', 'name'), ('accountnumber',))\n"
        f"assert {PHRASE!r} in str(session.extract(query, snapshot=Path({str(tmp_path / 'kept.parquet')!r})).table)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert PHRASE not in str(pq.read_table(tmp_path / "kept.parquet").to_pylist())
    assert "A secret stood" in done.stderr
