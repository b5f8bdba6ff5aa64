"""No type of Arrow keeps a secret: whatever columns a file has, its bytes hold none afterwards, and the rest stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.secrecy import MASK, clean_folder, forget_secrets, keep_secret

SECRET = "q7~Zt.5dW2c_Q8mLr3V-x1Y"
RAW = SECRET.encode()
WIDTH = len(RAW) + 4

Columns = Callable[[pa.Array], pa.Array]


def _dense(values: pa.Array) -> pa.Array:
    kinds, at = pa.array([0] * len(values), pa.int8()), pa.array(range(len(values)), pa.int32())
    return pa.UnionArray.from_dense(kinds, at, [values, pa.array([1])])


def _sparse(values: pa.Array) -> pa.Array:
    return pa.UnionArray.from_sparse(pa.array([0] * len(values), pa.int8()), [values, pa.array(range(len(values)))])


def _repeated(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), values)


def _offsets(values: pa.Array) -> list[int]:
    return list(range(len(values) + 1))


# How a column of texts is held: each of a text is a column of as many rows.
FLAT: dict[str, Callable[[list[str | None]], pa.Array]] = {
    "string": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "binary": lambda texts: pa.array(texts, pa.string()).cast(pa.binary()),
    "large_binary": lambda texts: pa.array(texts, pa.string()).cast(pa.large_binary()),
    "binary_view": lambda texts: pa.array(texts, pa.string()).cast(pa.binary_view()),
    "fixed binary": lambda texts: pa.array(
        [None if text is None else text.encode()[:WIDTH].ljust(WIDTH, b"\0") for text in texts], pa.binary(WIDTH)
    ),
    "dictionary": lambda texts: pa.array(texts, pa.string()).dictionary_encode(),
    "json": lambda texts: pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string())),
    "bytes as numbers": lambda texts: pa.array(
        [None if text is None else list(text.encode()) for text in texts], pa.list_(pa.uint8())
    ),
}
INSIDE: dict[str, Columns] = {
    "list": lambda values: pa.ListArray.from_arrays(_offsets(values), values),
    "large_list": lambda values: pa.LargeListArray.from_arrays(_offsets(values), values),
    "fixed list": lambda values: pa.FixedSizeListArray.from_arrays(values, 1),
    "list_view": lambda values: pa.ListViewArray.from_arrays(_offsets(values)[:-1], [1] * len(values), values),
    "large_list_view": lambda values: pa.LargeListViewArray.from_arrays(
        pa.array(_offsets(values)[:-1], pa.int64()), pa.array([1] * len(values), pa.int64()), values
    ),
    "map": lambda values: pa.MapArray.from_arrays(_offsets(values), pa.array(["k"] * len(values)), values),
    "struct": lambda values: pa.StructArray.from_arrays([pa.array(range(len(values))), values], ["n", "v"]),
    "null struct": lambda values: pa.StructArray.from_arrays([values], ["v"], mask=pa.array([True] * len(values))),
    "dense union": _dense,
    "sparse union": _sparse,
    "run ends": _repeated,
    "part": lambda values: pa.concat_arrays([values[:1], values])[1:],
}


def written(table: pa.Table, file: Path, rows: int = 2) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def read(file: Path) -> pa.Table:
    with pa.ipc.open_file(str(file)) as opened:
        return opened.read_all()


def checked(table: pa.Table, folder: Path, clean: pa.Table | None = None) -> None:
    """A folder with a table and a text behind it is cleaned: no byte of either holds the secret."""
    written(table, folder / "a.arrow")
    (folder / "zz.txt").write_text(SECRET)
    assert RAW in (folder / "a.arrow").read_bytes()
    found = clean_folder(folder)
    assert (found.cleaned, found.unread) == (("a.arrow", "zz.txt"), ())
    assert RAW not in (folder / "a.arrow").read_bytes()
    told = read(folder / "a.arrow")
    told.validate(full=True)
    assert told.schema == table.schema
    if clean is not None:
        assert told.to_pylist() == clean.to_pylist()
    assert clean_folder(folder).cleaned == ()


@pytest.mark.parametrize("flat", FLAT)
@pytest.mark.parametrize("outer", INSIDE)
def test_a_secret_in_a_column_of_any_type_is_gone(tmp_path: Path, flat: str, outer: str) -> None:
    keep_secret(SECRET)
    texts = ["first", f"x {SECRET}", None, "last"]

    def column(texts: list[str | None]) -> pa.Array:
        return INSIDE[outer](FLAT[flat](texts))

    same = flat in {"fixed binary", "bytes as numbers"}
    clean = ["first", "x " + ("*" * len(SECRET) if same else MASK), None, "last"]
    checked(pa.table({"v": column(texts)}), tmp_path, pa.table({"v": column(clean)}))


@settings(max_examples=60, deadline=None)
@given(
    flat=st.sampled_from(list(FLAT)),
    outer=st.lists(st.sampled_from(list(INSIDE)), max_size=3),
    texts=st.lists(st.none() | st.text("ab é", max_size=3), min_size=1, max_size=4),
    at=st.integers(0, 4),
)
def test_so_it_is_however_deep(
    tmp_path_factory: pytest.TempPathFactory, flat: str, outer: list[str], texts: list[str | None], at: int
) -> None:
    forget_secrets()
    keep_secret(SECRET)
    values = FLAT[flat]([*texts[:at], SECRET, *texts[at:]])
    for way in outer:
        try:
            values = INSIDE[way](values)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return  # Arrow itself has no such column
    checked(pa.table({"v": values}), tmp_path_factory.mktemp("deep"))


def _noted(kind: pa.DataType, values: list[Any]) -> pa.Table:
    return pa.table({"v": pa.array(values, kind)})


NOTED = pa.field("item", pa.string(), metadata={"why": f"of {SECRET}"})
NOTES: dict[str, pa.Table] = {
    "schema": pa.table({"v": ["a"]}).replace_schema_metadata({"note": f"x {SECRET}", "plain": "stays"}),
    "field": pa.table([["a"]], schema=pa.schema([pa.field("v", pa.string(), metadata={"note": SECRET})])),
    "list": _noted(pa.list_(NOTED), [["a"]]),
    "struct": _noted(pa.struct([NOTED]), [{"item": "a"}]),
    "deep": _noted(pa.large_list(pa.struct([NOTED])), [[{"item": "a"}]]),
    "fixed list": _noted(pa.list_(NOTED, 1), [["a"]]),
    "list_view": _noted(pa.list_view(NOTED), [["a"]]),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_secret_in_the_notes_of_a_schema_is_gone(tmp_path: Path, name: str) -> None:
    keep_secret(SECRET)
    checked(NOTES[name], tmp_path, NOTES[name])


def test_a_secret_in_the_notes_of_parquet_is_gone(tmp_path: Path) -> None:
    keep_secret(SECRET)
    pq.write_table(NOTES["schema"], tmp_path / "a.parquet")
    assert clean_folder(tmp_path).cleaned == ("a.parquet",)
    assert pq.read_schema(tmp_path / "a.parquet").metadata == {b"note": b"x ***", b"plain": b"stays"}
    assert RAW not in (tmp_path / "a.parquet").read_bytes()


def test_a_secret_in_the_notes_of_a_batch_is_gone(tmp_path: Path) -> None:
    keep_secret(SECRET)
    batch = pa.record_batch({"v": ["a"]})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch, custom_metadata={"note": SECRET})
    assert clean_folder(tmp_path).cleaned == ("a.arrow",)
    assert RAW not in (tmp_path / "a.arrow").read_bytes()
    assert read(tmp_path / "a.arrow").to_pylist() == [{"v": "a"}]


def test_a_database_keeps_none_in_blobs_texts_or_what_was_deleted(tmp_path: Path) -> None:
    keep_secret(SECRET)
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v)")
        rows = [(1, b"\xff\0" + RAW), (2, f"x {SECRET}"), (3, b"fine"), (4, 4.5), (5, f"gone {SECRET}")]
        database.executemany("INSERT INTO t VALUES (?, ?)", rows)
        database.execute("DELETE FROM t WHERE n = 5")
    assert RAW in (tmp_path / "a.db").read_bytes()
    assert clean_folder(tmp_path).cleaned == ("a.db",)
    assert RAW not in (tmp_path / "a.db").read_bytes()
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        found = database.execute("SELECT v FROM t ORDER BY n").fetchall()
    assert found == [(b"\xff\0" + MASK.encode(),), (f"x {MASK}",), (b"fine",), (4.5,)]
    assert clean_folder(tmp_path).cleaned == ()
