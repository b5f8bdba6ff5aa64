"""A value has one text: the text of one value, of a column and of a DuckDB expression, against digits set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache
from struct import pack, unpack
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.display import add_texts, text_of, text_sql, texts

WIDTHS = {pa.decimal32: 9, pa.decimal64: 18, pa.decimal128: 38, pa.decimal256: 76}
SQL_PLACES = range(39)  # DuckDB has no decimal of a negative scale, and none of 256 bits


def set_digits(unscaled: int, places: int) -> str:
    """The text of unscaled / 10**places, set digit by digit."""
    sign, digits = "-" if unscaled < 0 else "", str(abs(unscaled))
    if places <= 0:
        return sign + digits + "0" * -places if unscaled else "0"
    digits = digits.rjust(places + 1, "0")
    whole, rest = digits[:-places], digits[-places:]
    while rest.endswith("0"):
        rest = rest[:-1]
    return sign + whole + ("." + rest if rest else "")


def value_of(text: str) -> Fraction:
    """The number a plain text says, read digit by digit; it must be plain."""
    body = text.removeprefix("-")
    whole, _, rest = body.partition(".")
    assert whole.isdecimal()
    assert whole == "0" or not whole.startswith("0")
    assert rest == "" or (rest.isdecimal() and not rest.endswith("0"))
    assert "." not in body or rest
    found = Fraction(int(whole + rest), 10 ** len(rest))
    assert found or text == "0"
    return -found if text.startswith("-") else found


def three(values: pa.Array, *, sql: bool = True) -> list[str | None]:
    """The texts of an array by all three forms, which must agree; also chunked, sliced and as a dictionary."""
    found = texts(values).to_pylist()
    chunked = texts(pa.chunked_array([values, values[:1]]))
    assert chunked.type == pa.string()
    assert chunked.to_pylist() == found + found[:1]
    assert texts(values[1:]).to_pylist() == found[1:]
    if sql:
        assert by_sql(values) == found
    return found


@cache
def connection() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(":memory:")
    add_texts(database)
    return database


def by_sql(values: pa.Array) -> list[str | None]:
    database = connection()
    database.register("t", pa.table({"v": values, "n": range(len(values))}))
    ((named,),) = database.sql("SELECT typeof(v) FROM t LIMIT 1").fetchall()
    arrow, native = (
        database.sql(f"SELECT {text_sql('v', kind)} AS v FROM t ORDER BY n").fetchall() for kind in (values.type, named)
    )
    assert native == arrow
    return [text for (text,) in arrow]


def one_by_one(values: Sequence[object]) -> list[str | None]:
    return [text_of(value) for value in values]


@st.composite
def decimals(draw: st.DrawFn) -> tuple[pa.Array, list[int], int]:
    make = draw(st.sampled_from(list(WIDTHS)))
    precision = draw(st.integers(1, WIDTHS[make]))
    places = draw(st.integers(-5, precision))
    edge = 10**precision - 1
    unscaled = draw(st.lists(st.integers(-edge, edge) | st.sampled_from([0, 1, -1, edge, -edge]), min_size=1))
    unscaled = [n * 10 ** draw(st.integers(0, 3)) if abs(n) < 10 ** (precision - 3) else n for n in unscaled]
    raw = b"".join(n.to_bytes(make(precision, 0).bit_width // 8, "little", signed=True) for n in unscaled)
    kind = make(precision, places)
    return pa.Array.from_buffers(kind, len(unscaled), [None, pa.py_buffer(raw)]), unscaled, places


@given(decimals())
def test_a_decimal_is_its_digits_whatever_its_width_and_scale(made: tuple[pa.Array, list[int], int]) -> None:
    values, unscaled, places = made
    wanted = [set_digits(n, places) for n in unscaled]
    assert three(values, sql=places in SQL_PLACES and values.type.bit_width <= 128) == wanted
    assert one_by_one(values.to_pylist()) == wanted


def test_every_scale_up_to_38_has_plain_digits() -> None:
    for places in range(39):
        values = pa.array([Decimal(n).scaleb(-places) for n in (0, 1, -10, 5)], pa.decimal128(38, places))
        assert three(values) == [set_digits(n, places) for n in (0, 1, -10, 5)]


def neighbours(value: float, code: str) -> tuple[Fraction, Fraction]:
    """Half way to the floats beside a finite positive one: what is nearer reads back as it."""
    whole = {"e": "H", "f": "I", "d": "Q"}[code]
    (bits,) = unpack(whole, pack(code, value))
    beside = [unpack(code, pack(whole, max(bits + step, 0)))[0] for step in (-1, 1)]
    up = beside[1] if np.isfinite(beside[1]) else value + (value - beside[0])
    low, high = (Fraction(value) + Fraction(other) for other in (beside[0], up)) if np.isfinite(up) else (0, 0)
    return Fraction(low) / 2, Fraction(high) / 2


@pytest.mark.parametrize(("code", "kind", "of"), [("f", pa.float32(), np.float32), ("d", pa.float64(), np.float64)])
@given(st.data())
def test_a_float_is_the_number_it_reads_back_as(code: str, kind: pa.DataType, of: Any, data: st.DataObject) -> None:
    width = 32 if code == "f" else 64
    edges = [0.0, -0.0, 1.0, 100.0, 1e10, 1e15, 1e16, 1e20, 1e-4, 1e-5, 1e-7, 0.1, -2.5, 1e22, 123456.0]
    smallest, largest = float(np.finfo(of).smallest_subnormal), float(np.finfo(of).max)
    some = st.sampled_from([float(of(e)) for e in edges] + [smallest, -smallest, largest, -largest])
    given_floats = data.draw(st.lists(some | st.floats(allow_nan=False, allow_infinity=False, width=width), min_size=1))
    found = three(pa.array(np.array(given_floats, of), kind))
    assert found == [text_of(of(value)) for value in given_floats]
    if code == "d":
        assert found == one_by_one(given_floats)
    for value, text in zip(given_floats, found, strict=True):
        assert text is not None
        number = value_of(text)
        assert of(text) == of(value)
        if value:
            low, high = neighbours(abs(value), code)
            assert high == 0 or low <= abs(number) <= high
            assert len(text.strip("-0.").replace(".", "")) <= (9 if code == "f" else 17) or abs(number) >= 1


def test_what_is_no_finite_number_says_so_and_half_floats_are_short() -> None:
    for kind in (pa.float32(), pa.float64()):
        odd = pa.array([float("nan"), float("inf"), float("-inf"), None], kind)
        assert three(odd) == ["nan", "inf", "-inf", None]
        assert [text_of(Decimal(text)) for text in ("NaN", "sNaN", "-NaN", "Infinity", "-Infinity")] == [
            "nan", "nan", "nan", "inf", "-inf",
        ]  # fmt: skip
    halves = pa.array(np.array([0.1, 5.9604645e-08, -0.0, 65504, np.nan], np.float16))
    assert three(halves, sql=False) == ["0.1", "0.00000006", "0", "65500", "nan"]  # 65500 reads back as 65504


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@given(st.data())
def test_an_integer_is_its_digits(bits: int, data: st.DataObject) -> None:
    for kind, low, high in (
        (pa.type_for_alias(f"int{bits}"), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        (pa.type_for_alias(f"uint{bits}"), 0, 2**bits - 1),
    ):
        numbers = [low, high, *data.draw(st.lists(st.integers(low, high)))]
        wanted = ["-" + set_digits(-n, 0) if n < 0 else set_digits(n, 0) for n in numbers]
        assert three(pa.array([*numbers, None], kind)) == [*wanted, None]
        assert one_by_one(numbers) == wanted
        assert one_by_one([np.int64(n) for n in numbers if -(2**63) <= n < 2**63]) == [
            w for w, n in zip(wanted, numbers, strict=True) if -(2**63) <= n < 2**63
        ]


def civil(days: int) -> str:
    """The day so many days after 1970-01-01 in the Gregorian calendar, counted year by year from 400-year cycles."""
    cycles, days = divmod(days + 719_528, 146_097)  # days of the year 0 on, 400 years have 146,097
    year = cycles * 400
    while days >= (length := 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365):
        days, year = days - length, year + 1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    month = 1
    for length in (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31):
        if days < length:
            break
        days, month = days - length, month + 1
    sign = "-" if year < 0 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{days + 1:02d}"


FIRST, LAST = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31


@given(st.lists(st.integers(FIRST, LAST) | st.integers(-14_000_000, 14_000_000) | st.just(FIRST), min_size=1))
def test_a_date_is_its_day(days: list[int]) -> None:
    wanted = [civil(n) for n in days]
    for kind in (pa.date32(), pa.date64()):
        values = pa.array(days, pa.int32()).cast(pa.date32()).cast(kind)
        assert three(values, sql=all(abs(n) < 2_000_000 or n in range(FIRST, LAST) for n in days)) == wanted
    for n in days:
        if FIRST <= n <= LAST:
            assert text_of(date(1970, 1, 1) + timedelta(days=n)) == civil(n)


STEPS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def moment(count: int, unit: str, end: str) -> str:
    seconds, part = divmod(count, STEPS[unit])
    days, seconds = divmod(seconds, 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = str(part).rjust(len(str(STEPS[unit])) - 1, "0").rstrip("0") if part else ""
    return f"{civil(days)}T{clock}" + (f".{fraction}" if fraction else "") + end


@pytest.mark.parametrize("unit", list(STEPS))
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "-03:30"])
@given(data=st.data())
def test_a_moment_is_its_wall_clock_in_utc(unit: str, zone: str | None, data: st.DataObject) -> None:
    step = STEPS[unit]
    # The outermost two counts of nanoseconds are infinity to DuckDB.
    low, high = (-(2**63) + 2, 2**63 - 2) if unit == "ns" else (FIRST * 86_400 * step, (LAST + 1) * 86_400 * step - 1)
    far = 2**62 if unit == "ns" else 800_000 * 86_400 * step  # 221 years before the common era
    some = st.integers(low, high) | st.integers(-far, far) | st.sampled_from([0, -1, 1, step, -step, low, high])
    counts = data.draw(st.lists(some, min_size=1))
    wanted = [moment(n, unit, "Z" if zone else "") for n in counts]
    assert three(pa.array(counts, pa.int64()).cast(pa.timestamp(unit, zone))) == wanted
    if unit == "us" and all(low <= n <= high for n in counts):
        start = datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=-3)) if zone else None)
        apart = timedelta(hours=3) if zone else timedelta()
        inside = [n for n in counts if low + 2 * 10**10 <= n <= high - 2 * 10**10]
        assert one_by_one([start - apart + timedelta(microseconds=n) for n in inside]) == [
            moment(n, unit, "Z" if zone else "") for n in inside
        ]


def test_a_year_no_calendar_of_arrow_holds_is_written_too() -> None:
    counts = [2**62, -(2**62), 0]
    found = three(pa.array(counts, pa.int64()).cast(pa.timestamp("s")), sql=False)
    assert found == ["146138514283-06-19T07:45:04", "-146138510344-07-14T16:14:56", "1970-01-01T00:00:00"]


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1))
def test_a_text_is_itself_in_every_type(words: list[str | None]) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int16(), pa.string())):
        values = pa.array(words, pa.string())
        made = values.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else values.cast(kind)
        assert three(made, sql=not any("\0" in (w or "") for w in words)) == words


def test_whatever_else_there_is_has_a_text() -> None:
    import pandas as pd

    assert three(pa.array([True, False, None])) == ["true", "false", None]
    assert three(pa.nulls(2)) == [None, None]
    price = pa.array([Decimal("1.50"), None, Decimal("1.50")]).cast(pa.decimal128(9, 2))
    assert three(price.dictionary_encode()) == ["1.5", None, "1.5"]
    assert three(pa.array([[1, 2], [], None]), sql=False) == ["1,2", "", None]
    assert three(pa.array([b"\xff", b"a"]), sql=False) == ["\ufffd", "a"]
    assert [text_of(v) for v in (pd.NaT, pd.NA, None)] == [None, None, None]
    assert text_of(pd.Timestamp("2026-01-31 12:00:00.000000001")) == "2026-01-31T12:00:00.000000001"
    assert text_of(pd.Timestamp("2026-01-31 12:00", tz="Europe/Berlin")) == "2026-01-31T11:00:00Z"
    assert text_of(np.datetime64("2026-01-31T12:00:00.5", "ns")) == "2026-01-31T12:00:00.5"
    assert text_of(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00Z"
    assert text_of(np.float64("1e-7")) == text_of(np.float32("1e-7")) == "0.0000001"
    assert text_of(np.bool_(True)) == "true"


def test_a_number_that_no_column_holds_has_a_text_that_fits_into_memory() -> None:
    """A gigabyte of zeros is no text, and Python itself writes no whole number of 5,001 digits."""
    assert text_of(Decimal("1E+999999999")) == "1E+999999999"
    assert text_of(-Decimal("1E-999999")) == "-1E-999999"
    assert text_of(-(10**5000)) == "-1" + "0" * 5000
    assert text_of(Decimal("1E+400")) == "1" + "0" * 400


def test_days_moments_and_spans_of_numpy_have_their_text() -> None:
    import numpy as np

    given = {"2026-01-31": "2026-01-31", "2026-01-31T10:00": "2026-01-31T10:00:00", "NaT": None}
    assert {text: text_of(np.datetime64(text)) for text in given} == given
    assert [text_of(np.timedelta64(5, "h")), text_of(np.timedelta64("NaT"))] == ["PT5H", None]
    assert text_of(np.datetime64("2026-01-31", "h")) == "2026-01-31T00:00:00"
