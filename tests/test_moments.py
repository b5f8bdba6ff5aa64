"""A moment is written alike whatever it is counted in, with or without a zone, before 1970 too, and null stays null."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.days import days
from p2c_lib.mapping.cast import cast
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import FINOPS, SALES
from p2c_lib.odata.encode import keys_of, members_of
from p2c_lib.odata.literals import literal
from p2c_lib.odata.package import _text as package_text
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.writes import Write

AT = Column("at", "Edm.DateTimeOffset", pa.timestamp("us", "UTC"))
DAY = Column("day", "Edm.DateTimeOffset", pa.date32(), day=True)
SCHEMA = EntitySchema("finops", "Rows", "row", ("at",), {"at": AT, "day": DAY}, {}, ())
PER = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [None, "UTC", "Europe/Berlin", "-03:30"]
COUNTS = st.integers(-(2**62), 2**62)


def moments(counts: list[int | None], unit: str, zone: str | None) -> pa.Array:
    return pa.array(counts, pa.int64()).cast(pa.timestamp(unit, zone))


def whole(count: int, unit: str) -> datetime:
    """The moment to the microsecond it lies in."""
    return EPOCH + timedelta(microseconds=count * 10**6 // PER[unit])


def written(moment: datetime) -> str:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return text + (f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else "") + "Z"


@pytest.mark.parametrize("unit", list(PER))
@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=20)
@given(seconds=st.integers(-(2**33), 2**33), part=st.integers(0, 10**9 - 1))
def test_a_moment_is_written_alike_by_every_way(unit: str, zone: str | None, seconds: int, part: int) -> None:
    count = seconds * PER[unit] + part * PER[unit] // 10**9
    values, wanted = moments([count, None], unit, zone), whole(count, unit)
    text = written(wanted)
    bodies = Bodies(SCHEMA, SALES, str)
    table = pa.table({"at": values})
    assert members_of(table, SALES, bodies, creating=False).to_pylist() == [f',"at":"{text}"', ',"at":null']
    assert unquote(unquote(keys_of(table.slice(0, 1), SCHEMA, ["at"])[0].as_py())) == f"(at={text})"
    one: Any = values[0].as_py()
    assert bodies.json(Write("update", "Rows", None, {"at": one})) == f'{{"at":"{text}"}}'
    assert literal(one, AT) == text
    seen = package_text(pa.chunked_array([values]), AT).to_pylist()
    assert seen == [text[:19].replace("T", " "), None]
    kept = cast(values, pa.timestamp("us", "UTC"))
    assert kept.refused is None
    assert kept.values.to_pylist() == [wanted, None]


def test_a_part_of_a_second_before_1970_belongs_to_the_second_it_lies_in() -> None:
    values = moments([-1], "ns", None)
    body = members_of(pa.table({"at": values}), SALES, Bodies(SCHEMA, SALES, str), creating=False)
    assert body.to_pylist() == [',"at":"1969-12-31T23:59:59.999999Z"']
    assert package_text(pa.chunked_array([values]), AT).to_pylist() == ["1969-12-31 23:59:59"]
    assert days(moments([-1, None], "ms", None).cast(pa.date64())).to_pylist() == [date(1969, 12, 31), None]


def test_a_moment_in_a_package_is_the_day_on_its_own_clock() -> None:
    late = datetime(2026, 1, 30, 23, 30, tzinfo=UTC)
    values = pa.chunked_array([pa.array([late, None], pa.timestamp("us", "Europe/Berlin"))])
    assert package_text(values, DAY).to_pylist() == ["2026-01-31 12:00:00", None]
    bare = Column("day", "Edm.Date", pa.date32())
    assert package_text(values, bare).to_pylist() == ["2026-01-31", None]
    assert package_text(values.cast(pa.timestamp("ns", "America/St_Johns")), bare).to_pylist() == ["2026-01-30", None]
    assert package_text(pa.chunked_array([values.chunk(0).dictionary_encode()]), bare).to_pylist() == [
        "2026-01-31",
        None,
    ]


def test_a_moment_that_no_column_holds_is_rejected_and_pandas_moments_go_like_others() -> None:
    far = cast(moments([2**62, 0], "s", None), pa.timestamp("us", "UTC"))
    assert far.values.to_pylist() == [None, EPOCH]
    assert far.refused is not None
    assert far.refused.to_pylist() == [True, False]
    stamp = pd.Timestamp(-1, unit="ns", tz="UTC")
    assert literal(stamp, AT) == "1969-12-31T23:59:59.999999Z"
    assert Bodies(SCHEMA, FINOPS, str).json(Write("update", "Rows", None, {"at": stamp})) == (
        '{"at":"1969-12-31T23:59:59.999999Z"}'
    )
