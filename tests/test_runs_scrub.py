"""No secret stays in the folder of a run, in no file and at no depth; files stay whole, and the words say it all."""

import base64
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import nbformat
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.config import Secret
from p2c_lib.errors import PlanError
from p2c_lib.plan.files import open_plan, saved
from p2c_lib.runs.scrub import scrub
from p2c_lib.secrecy import MASK, forget_secrets, keep_secret, keep_token
from p2c_lib.secrecy.tables import clean_table

VALUE = 'tell "nobody"/42'
TOKEN = "eyX0aW5nLXRva2VuLTAwNDI.Zm9vYmFyLWJhei1xdXg_xyz-0042"


def test_a_secret_in_any_file_is_found_replaced_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2C_PLANTED", VALUE)
    ways = (VALUE, quote(VALUE), quote_plus(VALUE), base64.b64encode(VALUE.encode()).decode(), VALUE.encode().hex(":"))
    for number, way in enumerate(ways):
        (tmp_path / f"{number}.txt").write_text(f"before {way} after")
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"n": [1], "text": [f"x {VALUE} y"]}), tmp_path / "in" / "rows.parquet")
    pq.write_table(pa.table({"n": [1], "text": ["nothing here"]}), tmp_path / "clean.parquet")
    untouched = (tmp_path / "clean.parquet").read_bytes()
    found = scrub(tmp_path, [Secret("env:P2C_PLANTED")])
    assert list(found) == ["secrets"]
    assert "in/rows.parquet" in found["secrets"]
    assert VALUE not in found["secrets"]
    assert pq.read_table(tmp_path / "in" / "rows.parquet").to_pylist() == [{"n": 1, "text": f"x {MASK} y"}]
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {f"before {MASK} after"}
    assert (tmp_path / "clean.parquet").read_bytes() == untouched
    assert scrub(tmp_path, [Secret("env:P2C_PLANTED")]) == {}


def test_a_reference_that_leads_nowhere_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert scrub(tmp_path, [Secret("env:P2C_SURELY_NOT_SET"), Secret.literal("")]) == {}


def nested(text: str | None) -> pa.Table:
    """A table that holds a text in every kind of column that has one."""
    kinds: dict[str, tuple[object, pa.DataType]] = {
        "text": (text, pa.string()),
        "large": (text, pa.large_string()),
        "words": (text, pa.dictionary(pa.int32(), pa.string())),
        "row": ({"name": text, "n": 1}, pa.struct({"name": pa.string(), "n": pa.int64()})),
        "deep": ({"in": {"a": [text]}}, pa.struct({"in": pa.struct({"a": pa.list_(pa.string())})})),
        "list": ([text, "other"], pa.list_(pa.string())),
        "rows": ([{"a": text}], pa.large_list(pa.struct({"a": pa.large_string()}))),
        "pairs": ([("key", text)], pa.map_(pa.string(), pa.string())),
        "two": ([text, None], pa.list_(pa.string(), 2)),
        "n": (42, pa.int64()),
    }
    rows = {name: pa.array([value, None], kind) for name, (value, kind) in kinds.items()}
    return pa.table(rows)


@settings(max_examples=40)
@given(before=st.text(max_size=8), after=st.text(max_size=8), secret=st.sampled_from([VALUE, TOKEN]))
def test_every_kind_of_column_is_searched_and_stays_what_it_is(before: str, after: str, secret: str) -> None:
    forget_secrets()
    keep_secret(secret)
    found = clean_table(nested(f"{before} \x1f {secret} \x1f {after}"))
    assert found is not None
    assert found.schema == nested("").schema
    told = found.to_pylist()
    assert told == nested(told[0]["text"]).to_pylist()
    assert MASK in told[0]["text"]
    assert secret not in told[0]["text"]
    assert clean_table(nested("nothing of it")) is None
    assert clean_table(nested(None)) is None


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_plan_with_a_token_in_use_is_refused_before_it_is_made(tmp_path: Path, side: str) -> None:
    keep_token(TOKEN)
    names = {"before": "Contoso", "after": "Contoso", side: f"N {TOKEN}!"}
    rows = [{"op": "update", "key": "K1", **{at: {"name": name} for at, name in names.items()}}]
    facts = {"task": "accounts", "version": 2}
    with pytest.raises(PlanError, match=r"stands in the rows of accounts \(name\): nothing is written") as refused:
        saved(pa.Table.from_pylist(rows), facts, tmp_path)
    assert TOKEN not in f"{refused.value}"
    with pytest.raises(PlanError, match="what the plan says of itself"):
        saved(pa.table({"key": ["K1"]}), facts | {"note": TOKEN}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert saved(pa.Table.from_pylist(rows), facts | {"undoes": "another"}, tmp_path).folder.is_dir()


def test_a_plan_is_never_altered(tmp_path: Path) -> None:
    rows = [{"op": "update", "key": "K1", "before": {"name": "Contoso"}, "after": {"name": f"N {TOKEN}"}}]
    plan = saved(pa.Table.from_pylist(rows), {"task": "accounts", "version": 2, "note": TOKEN}, tmp_path)
    before = {file: file.read_bytes() for file in plan.folder.iterdir()}
    keep_token(TOKEN)
    told = f"a secret stands in the plan in {plan.folder.name}, which is left as it was made, so that it can be undone"
    for _ in range(2):
        assert scrub(tmp_path, [])["secrets"] == f"{told}. Change the secret, and what printed it"
    assert {file: file.read_bytes() for file in plan.folder.iterdir()} == before
    assert open_plan(plan.folder).id == plan.id


def test_every_kind_of_file_stays_whole(tmp_path: Path) -> None:
    keep_secret(TOKEN)
    facts = {"name": TOKEN, TOKEN[:5]: [1, {"deep": f"{TOKEN}!"}], "quote": 'a "b"'}
    (tmp_path / "a.json").write_text(json.dumps(facts))
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"n": n, "why": TOKEN}) + "\n" for n in range(3)))
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text=f"said {TOKEN}\n")])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "c.ipynb")
    (tmp_path / "d.html").write_text(f"<html><body><p>said {TOKEN}</p></body></html>")
    with closing(sqlite3.connect(tmp_path / "e.db")) as database, database:
        database.execute('CREATE TABLE "od""d" (n INTEGER, why TEXT)')
        database.executemany('INSERT INTO "od""d" VALUES (?, ?)', [(1, TOKEN), (2, "fine"), (3, None)])
    with pa.OSFile(str(tmp_path / "f.arrow"), "wb") as sink, pa.ipc.new_file(sink, nested("").schema) as writer:
        writer.write_table(nested(TOKEN))
    said = scrub(tmp_path, [])["secrets"]
    assert all(name in said for name in ("a.json", "b.jsonl", "c.ipynb", "d.html", "e.db", "f.arrow"))
    told = {"name": MASK, TOKEN[:5]: [1, {"deep": f"{MASK}!"}], "quote": 'a "b"'}
    assert json.loads((tmp_path / "a.json").read_text()) == told
    assert [json.loads(line)["why"] for line in (tmp_path / "b.jsonl").read_text().splitlines()] == [MASK] * 3
    notebook = nbformat.read(tmp_path / "c.ipynb", 4)
    nbformat.validate(notebook)
    assert notebook.cells[0].outputs[0].text == f"said {MASK}\n"
    assert (tmp_path / "d.html").read_text() == f"<html><body><p>said {MASK}</p></body></html>"
    with closing(sqlite3.connect(tmp_path / "e.db")) as database:
        assert database.execute('SELECT * FROM "od""d"').fetchall() == [(1, MASK), (2, "fine"), (3, None)]
    with pa.ipc.open_file(str(tmp_path / "f.arrow")) as opened:
        assert opened.read_all() == nested(MASK)
    assert scrub(tmp_path, []) == {}


def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    keep_secret(TOKEN)
    for name in ("a.parquet", "b.json", "c.arrow"):
        (tmp_path / name).write_bytes(b"PAR1 is none of these {")
    said = scrub(tmp_path, [])["secrets"]
    assert said.startswith("nobody can say whether one stands in files that cannot be read: a.parquet (")
    assert all(f", {name} (" in said for name in ("b.json", "c.arrow"))
    assert (tmp_path / "b.json").read_bytes() == b"PAR1 is none of these {"


def packed(*, encrypted: bool = False, method: int = zipfile.ZIP_STORED, text: str = "hello") -> bytes:
    """An archive of one part whose headers say that it is encrypted, or packed in some way."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.txt", text)
    raw = bytearray(made.getvalue())
    central = raw.find(b"PK\x01\x02")
    for flags, methods in ((6, 8), (central + 8, central + 10)):
        raw[flags] |= encrypted
        raw[methods : methods + 2] = method.to_bytes(2, "little")
    return bytes(raw)


# What readers of files have no common word for: RuntimeError, NotImplementedError, KeyError, RecursionError and others.
FOREIGN: dict[str, bytes] = {
    "encrypted.zip": packed(encrypted=True),
    "aes.zip": packed(method=99),
    "zstd.zip": packed(method=93),
    "cut.zip": packed()[:40],
    "cut.db": b"SQLite format 3\0" + bytes(40),
    "cut.gz": b"\x1f\x8b\x08\x00" + bytes(9),
    "none.parquet": b"PAR1" + bytes(40) + b"PAR1",
    "none.arrow": b"ARROW1\0\0" + bytes(40),
    "deep.json": b"[" * 200_000,
    "cut.ipynb": b'{"cells": [',
    "odd.jsonl": b'{"a": eyX0aW5nLXRva2VuLTAwNDI.Zm9vYmFyLWJhei1xdXg_xyz-0042}\n',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_no_file_breaks_off_the_search_of_the_rest(tmp_path: Path, name: str) -> None:
    keep_secret(TOKEN)
    (tmp_path / name).write_bytes(FOREIGN[name])
    (tmp_path / "zz.txt").write_text(f"said {TOKEN}")
    said = scrub(tmp_path, [])["secrets"]
    assert f"cannot be read: {name} (" in said
    assert "zz.txt; there it was replaced" in said
    assert (tmp_path / "zz.txt").read_text() == f"said {MASK}"
    assert TOKEN.encode() not in (tmp_path / name).read_bytes()


def test_a_run_s_word_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    keep_secret(TOKEN)
    (tmp_path / "list.zip").write_bytes(FOREIGN["encrypted.zip"])
    assert "list.zip (its part a.txt is protected by a password)" in scrub(tmp_path, [])["secrets"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1"])
def test_a_secret_in_a_file_of_no_known_kind_is_covered_and_nothing_moves(tmp_path: Path, encoding: str) -> None:
    keep_secret(TOKEN)
    before = b"\0\1kind" + f"n {TOKEN} and more".encode(encoding)
    (tmp_path / "a.bin").write_bytes(before)
    assert scrub(tmp_path, [])["secrets"].startswith("a secret stood in a.bin")
    after = (tmp_path / "a.bin").read_bytes()
    assert len(after) == len(before)
    covered = before.replace(TOKEN.encode(encoding), ("*" * len(TOKEN)).encode(encoding))
    assert after == covered or encoding == "utf-16"
    assert TOKEN.encode(encoding)[2:] not in after
    assert scrub(tmp_path, []) == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_in_each_of_its_encodings_is_read(tmp_path: Path, encoding: str) -> None:
    keep_secret(TOKEN)
    (tmp_path / "a.json").write_bytes(json.dumps({"a": f"x {TOKEN}"}).encode(encoding))
    said = scrub(tmp_path, [])["secrets"]
    assert "cannot be read" not in said
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": f"x {MASK}"}


@pytest.mark.parametrize("word", ["accounts", "CustomersV2", "Contoso", "12345678", "Seattle", "s3cret!"])
def test_a_secret_that_is_a_word_rewrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("P2C_PLANTED", word)
    pq.write_table(nested(word), tmp_path / "operations.parquet")
    (tmp_path / "plan.json").write_text(json.dumps({"task": word, "id": "x"}))
    (tmp_path / "a.txt").write_text(f"{word} and so on")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert scrub(tmp_path, [Secret("env:P2C_PLANTED")]) == {}
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_line_of_json_ends_with_a_line_feed_alone(tmp_path: Path) -> None:
    keep_secret(TOKEN)
    rows = [{"a": f"x\u2028 {TOKEN}\u0085"}, {"a": "y"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows))
    assert "cannot be read" not in scrub(tmp_path, [])["secrets"]
    told = (tmp_path / "a.jsonl").read_text().split("\n")
    assert [json.loads(line) for line in told if line] == [{"a": f"x\u2028 {MASK}\u0085"}, {"a": "y"}]
