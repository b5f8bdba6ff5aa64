"""Every type that a frame can hold has one text per value: in Python, in Arrow, in SQL, in CSV and in Excel."""

from __future__ import annotations

import csv
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from p2c_lib.display import add_texts, in_sql, plain_values, text_of, text_sql, texts
from p2c_lib.errors import FrameError
from p2c_lib.sheets import write_sheet
from p2c_lib.sql_tables import for_sql

HALF = pa.array(np.array([0.1, 2.5], np.float16))
INSIDE = pa.struct([("a", pa.list_(pa.int8())), ("b", pa.struct([("c", pa.float32())])), ("d", pa.date32())])


def counts(kind: pa.DataType, *numbers: int | None) -> pa.Array:
    return pa.array(numbers, pa.int64()).cast(kind)


# Each case: an array whose last value is null where the type can have one, and the texts set by hand.
CASES: dict[str, tuple[pa.Array, list[str | None]]] = {
    "null": (pa.nulls(2), [None, None]),
    "bool": (pa.array([True, False, None]), ["true", "false", None]),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), ["18446744073709551615", None]),
    "int64": (pa.array([-(2**53) - 1, None]), ["-9007199254740993", None]),
    "float16": (HALF, ["0.1", "2.5"]),
    "float32": (pa.array([0.1, 16777216.0, None], pa.float32()), ["0.1", "16777216", None]),
    "float64": (pa.array([0.1, 1e16, None]), ["0.1", "10000000000000000", None]),
    "decimal32": (pa.array([Decimal("1.50"), None], pa.decimal32(9, 2)), ["1.5", None]),
    "decimal64": (pa.array([Decimal("-1.50"), None], pa.decimal64(18, 2)), ["-1.5", None]),
    "decimal256": (pa.array([Decimal("7.25"), None], pa.decimal256(76, 20)), ["7.25", None]),
    "wide decimal256": (pa.array([Decimal(10**70 + 1), None], pa.decimal256(76, 0)), ["1" + "0" * 69 + "1", None]),
    "negative scale": (pa.array([Decimal(1200), None], pa.decimal128(9, -2)), ["1200", None]),
    "date64": (counts(pa.date64(), -1, 86_400_000, None), ["1969-12-31", "1970-01-02", None]),
    "far date": (pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32()), ["5881580-07-11", None]),
    "seconds": (counts(pa.timestamp("s"), -1, None), ["1969-12-31T23:59:59", None]),
    "nanoseconds": (counts(pa.timestamp("ns"), -1, None), ["1969-12-31T23:59:59.999999999", None]),
    "zoned": (counts(pa.timestamp("ns", "Europe/Berlin"), 1, None), ["1970-01-01T00:00:00.000000001Z", None]),
    "offset": (counts(pa.timestamp("us", "-03:30"), 5 * 10**5, None), ["1970-01-01T00:00:00.5Z", None]),
    "far moment": (counts(pa.timestamp("s"), 2**62, None), ["146138514283-06-19T07:45:04", None]),
    "time32": (pa.array([time(12, 30), None], pa.time32("s")), ["12:30:00", None]),
    "time64": (counts(pa.time64("ns"), 1, 5 * 10**8, None), ["00:00:00.000000001", "00:00:00.5", None]),
    "duration s": (counts(pa.duration("s"), 93_784, -1, 0, None), ["P1DT2H3M4S", "-PT1S", "PT0S", None]),
    "duration ns": (counts(pa.duration("ns"), -1, 60 * 10**9, None), ["-PT0.000000001S", "PT1M", None]),
    "interval": (pa.array([pa.MonthDayNano([1, -2, 5 * 10**8]), None]), ["P1M-2DT0.5S", None]),
    "binary": (pa.array([b"a\xc3\xa9", b"\xff", None]), ["aé", "\ufffd", None]),
    "large_binary": (pa.array([b"=1+1", None], pa.large_binary()), ["=1+1", None]),
    "binary_view": (pa.array([b"a", None], pa.binary_view()), ["a", None]),
    "fixed binary": (pa.array([b"ab", None], pa.binary(2)), ["ab", None]),
    "string": (pa.array(["=1+1", 'q"', None]), ["=1+1", 'q"', None]),
    "large_string": (pa.array(["=1+1", "a,b", None], pa.large_string()), ["=1+1", "a,b", None]),
    "string_view": (pa.array(["@SUM(1)", None], pa.string_view()), ["@SUM(1)", None]),
    "dictionary": (pa.array(["-cmd", "b", None]).dictionary_encode(), ["-cmd", "b", None]),
    "dictionary of float32": (pa.array([0.1, None], pa.float32()).dictionary_encode(), ["0.1", None]),
    "dictionary of decimal256": (
        pa.array([Decimal("1.5"), None], pa.decimal256(76, 3)).dictionary_encode(),
        ["1.5", None],
    ),
    "list": (pa.array([[1, None, 2], [], None]), ["1,,2", "", None]),
    "list of text": (pa.array([["=1", "b"], None]), ["=1,b", None]),
    "list of float32": (pa.array([[0.1], None], pa.large_list(pa.float32())), ["0.1", None]),
    "fixed list": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["1,2", None]),
    "list view": (pa.array([[3], None], pa.list_view(pa.int8())), ["3", None]),
    "map": (
        pa.array([[("k", 0.1), ("é", None)], None], pa.map_(pa.string(), pa.float32())),
        ['{"k":0.1,"é":null}', None],
    ),
    "struct": (
        pa.array([{"a": [1, 2], "b": {"c": 0.1}, "d": date(2026, 1, 31)}, None], INSIDE),
        ['{"a":"1,2","b":{"c":0.1},"d":"2026-01-31"}', None],
    ),
    "run ends": (pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["=a"])), ["=a", "=a"]),
    "union": (
        pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
        ),
        ["1", "x"],
    ),
    "uuid": (pa.array([uuid.UUID(int=5).bytes, None], pa.uuid()), ["00000000-0000-0000-0000-000000000005", None]),
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())), ["true", "false", None]),
}


def in_duckdb(values: pa.Array) -> list[str | None]:
    """The texts of a column that DuckDB makes once it is brought there."""
    held = for_sql(pa.table({"v": values}))
    assert in_sql(held.schema.field("v").type)
    with duckdb.connect(":memory:") as database:
        add_texts(database)
        database.register("t", held.append_column("n", pa.array(range(len(values)))))
        sql = f"SELECT {text_sql('v', held.schema.field('v').type)} AS v FROM t ORDER BY n"
        return [text for (text,) in database.sql(sql).fetchall()]


def all_ways(values: pa.Array) -> Iterator[list[str | None]]:
    yield texts(values).to_pylist()
    yield texts(pa.chunked_array([values])).to_pylist()
    yield [texts(values.slice(at, 1))[0].as_py() for at in range(len(values))]
    yield [text_of(value) for value in plain_values(values)]
    yield [text_of(value) for value in values]
    yield in_duckdb(values)


@pytest.mark.parametrize("name", list(CASES))
def test_a_value_of_any_type_has_one_text(name: str) -> None:
    values, wanted = CASES[name]
    for found in all_ways(values):
        assert found == wanted


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
FAR = 10**40
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "float32": (pa.float32(), st.floats(width=32)),
    "decimal256": (
        pa.decimal256(76, 30),
        st.integers(-FAR, FAR).map(lambda n: Decimal(n).scaleb(-30, Context(80))),
    ),
    "duration us": (pa.duration("us"), st.integers(-(2**62), 2**62)),
    "duration s": (pa.duration("s"), st.integers(-(2**62), 2**62)),
    "time64": (pa.time64("us"), st.times()),
    "binary": (pa.binary(), st.binary()),
    "dictionary": (pa.dictionary(pa.int16(), pa.large_string()), TEXT),
    "list": (pa.list_(pa.float32()), st.lists(st.none() | st.floats(width=32, allow_nan=False))),
    "nested": (pa.list_(pa.list_(pa.string())), st.lists(st.lists(TEXT))),
    "struct": (
        pa.struct([("x", pa.float32()), ("y", pa.string()), ("z", pa.timestamp("ns"))]),
        st.fixed_dictionaries(
            {
                "x": st.floats(width=32),
                "y": st.none() | TEXT,
                "z": st.integers(-(2**62), 2**62),
            }
        ),
    ),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        st.lists(st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1))),
    ),
}


@pytest.mark.parametrize("name", list(KINDS))
@settings(max_examples=25)
@given(data=st.data())
def test_all_ways_agree_on_any_values_of_a_type(name: str, data: st.DataObject) -> None:
    kind, some = KINDS[name]
    drawn = data.draw(st.lists(st.none() | some, min_size=1, max_size=5))
    values = pa.array(drawn, kind)
    first, *others = all_ways(values)
    for found in others:
        assert found == first
    assert [text is None for text in first] == [value is None for value in drawn]


def spelt_out(text: str) -> timedelta:
    """A span read part by part."""
    sign, body = (-1, text[2:]) if text.startswith("-") else (1, text[1:])
    days, _, clock = body.partition("T")
    total = Decimal(int(days.removesuffix("D") or 0) * 86_400)
    for letter, seconds in (("H", 3600), ("M", 60), ("S", 1)):
        if letter in clock:
            number, clock = clock.split(letter)
            total += Decimal(number) * seconds
    return sign * timedelta(microseconds=int(total * 10**6))


@given(st.timedeltas())
def test_a_span_reads_back(span: timedelta) -> None:
    assert spelt_out(str(text_of(span))) == span


def test_numpy_and_pandas_spans_are_written_alike() -> None:
    import pandas as pd

    nano = np.timedelta64(-1, "ns")
    assert text_of(nano) == text_of(pd.Timedelta(nano)) == "-PT0.000000001S"


@pytest.mark.parametrize("kind", ["INTERVAL", "BLOB", "BIGINT[]", "STRUCT(a BIGINT)", pa.duration("s"), pa.float16()])
def test_what_sql_writes_in_its_own_way_is_refused_in_words(kind: Any) -> None:
    if isinstance(kind, str) or not pa.types.is_floating(kind):
        with pytest.raises(FrameError, match="SQL writes in its own way"):
            text_sql("v", kind)
    else:
        assert not in_sql(kind)


def defused(text: str | None) -> str | None:
    return f"'{text}" if text is not None and len(text) > 1 and text[0] in "=+-@" else text


@pytest.mark.parametrize("name", [name for name in CASES if name not in {"null"}])
def test_a_sheet_of_any_type_says_the_one_text(name: str, tmp_path: Path) -> None:
    values, wanted = CASES[name]
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    safe = wanted if number else [defused(text) for text in wanted]
    table = pa.table({"v": values, "end": ["x"] * len(values)})
    with write_sheet(table, tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == [text or "" for text in safe]
    sheet = load_workbook(write_sheet(table, tmp_path / "a.xlsx")).active
    cells = [sheet.cell(row + 2, 1) for row in range(len(values))]
    assert [text_of(cell.value) or None for cell in cells] == [text or None for text in safe]
    assert all(cell.data_type != "f" for cell in cells)


def test_excel_is_given_no_number_that_it_would_round(tmp_path: Path) -> None:
    columns: dict[str, pa.Array] = {
        "whole": pa.array([999_999_999_999_999, 1_234_567_890_123_456, -(2**53) - 1, 10**18]),
        "money": pa.array(
            [Decimal(t) for t in ("1234.5", "12345678901234.56", "0.0000001", "-3")], pa.decimal128(38, 7)
        ),
        "narrow": pa.array([0.1, float("nan"), float("-inf"), 16777216], pa.float32()),
        "float": pa.array([0.1, 2.0**53, 1e300, 0.30000000000000004]),
    }
    sheet = load_workbook(write_sheet(pa.table(columns), tmp_path / "a.xlsx")).active
    found = [[sheet.cell(row, column).value for row in range(2, 6)] for column in range(1, 5)]
    assert found[0] == [999_999_999_999_999, "1234567890123456", "-9007199254740993", 10**18]
    assert found[1] == [1234.5, "12345678901234.56", 1e-7, -3]
    assert found[2] == [0.1, "nan", "-inf", 16777216]
    assert found[3] == [0.1, "9007199254740992", 1e300, "0.30000000000000004"]


def test_a_sheet_s_head_runs_no_formula_and_no_text_is_cut(tmp_path: Path) -> None:
    table = pa.table({"=cmd()": ["a"]})
    assert write_sheet(table, tmp_path / "a.csv").read_text().splitlines()[0] == '"\'=cmd()"'
    head = load_workbook(write_sheet(table, tmp_path / "a.xlsx")).active.cell(1, 1)
    assert (head.value, head.data_type) == ("'=cmd()", "s")
    with pytest.raises(FrameError, match="32,767 characters"):
        write_sheet(pa.table({"v": ["😀" * 20_000]}), tmp_path / "b.xlsx")


def test_a_line_end_of_a_cell_is_lf_and_csv_keeps_each(tmp_path: Path) -> None:
    table = pa.table({"v": ["a\r\nb", "a\rb", "a\nb"]})
    sheet = load_workbook(write_sheet(table, tmp_path / "a.xlsx")).active
    assert [sheet.cell(row, 1).value for row in (2, 3, 4)] == ["a\nb"] * 3
    with zipfile.ZipFile(tmp_path / "a.xlsx") as whole:
        assert b"\r" not in whole.read("xl/worksheets/sheet1.xml")
    with write_sheet(table, tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == table["v"].to_pylist()


def test_parquet_refuses_in_words_what_it_does_not_hold(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="Parquet does not hold"):
        write_sheet(pa.table({"v": CASES["union"][0]}), tmp_path / "a.parquet")


def test_python_values_keep_their_type_where_it_keeps_the_text() -> None:
    moments = pa.array([datetime(2026, 1, 31, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    assert plain_values(moments) == [datetime(2026, 1, 31, tzinfo=UTC)]
    assert plain_values(pa.array([0.1], pa.float32())) == [0.1]
    assert plain_values(pa.array([Decimal("1.10")])) == [Decimal("1.10")]
