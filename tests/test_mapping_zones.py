"""Where a user-local moment becomes a day, or a day such a moment, and no zone says which."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.zones import day_without_zone, moment_without_zone
from p2c_lib.odata.schema import Column

MOMENT = Column("requestdeliveryby", "Edm.DateTimeOffset", pa.timestamp("us", "UTC"), behavior="UserLocal")
FIXED = Column("fixed", "Edm.DateTimeOffset", pa.timestamp("us", "UTC"), behavior="TimeZoneIndependent")
DAY = Column("ShippingDate", "Edm.DateTimeOffset", pa.date32(), day=True)
TEXT = Column("Note", "Edm.String", pa.string())
BERLIN: dict[str, Any] = {"in_zone": "Europe/Berlin"}
TO_UTC: dict[str, Any] = {"from_zone": "Europe/Berlin"}


def steps(*given: Any) -> list[Step]:
    return [Step.model_validate(each) for each in given]


@pytest.mark.parametrize(
    ("given", "target", "named"),
    [
        ([], DAY, "to"),
        (["trim"], DAY, "to"),
        ([BERLIN], DAY, None),
        ([], TEXT, None),
        ([], MOMENT, None),
        ([{"shift_days": 3}, BERLIN], DAY, "shift_days"),
        ([BERLIN, {"shift_days": 3}], DAY, None),
        ([{"shift_days": 3}], MOMENT, "shift_days"),
        ([{"date_format": "%Y"}], TEXT, "date_format"),
        ([{"truncate": 10}], TEXT, "truncate"),
        ([{"truncate": 19}], TEXT, "truncate"),
        ([{"truncate": 20}], TEXT, None),
        ([{"truncate": 10}, BERLIN], DAY, "truncate"),
        ([BERLIN, {"truncate": 10}], TEXT, None),
        ([{"part": 1, "separator": "T"}], TEXT, "part"),
        ([{"remove_suffix": "T00:00:00Z"}], DAY, "remove_suffix"),
        ([{"replace": "T23:00:00Z"}], TEXT, "replace"),
        ([{"strip": "TZ:0"}], TEXT, "strip"),
        ([{"read_date": "%Y-%m-%dT%H:%M:%SZ"}], DAY, "read_date"),
        ([{"constant": "2026-01-31"}], DAY, None),
    ],
)
def test_whatever_takes_the_day_of_a_moment_before_a_zone_is_named_is_found(
    given: list[Any], target: Column, named: str | None
) -> None:
    assert day_without_zone([TEXT, MOMENT], steps(*given), target) == named
    assert day_without_zone([FIXED, DAY], steps(*given), target) is None


@pytest.mark.parametrize(
    ("came", "given", "target", "found"),
    [
        (DAY, [], MOMENT, True),
        (DAY, [TO_UTC], MOMENT, False),
        (DAY, [{"shift_days": 1}, TO_UTC], MOMENT, False),
        (DAY, [TO_UTC, {"shift_days": 1}], MOMENT, True),
        (DAY, [BERLIN], MOMENT, True),
        (TEXT, [{"read_date": "%d.%m.%Y"}], MOMENT, True),
        (TEXT, ["today"], MOMENT, True),
        (TEXT, [], MOMENT, False),
        (MOMENT, [], MOMENT, False),
        (DAY, [], FIXED, False),
        (DAY, [], DAY, False),
    ],
)
def test_a_day_that_goes_into_a_moment_without_a_zone_is_found(
    came: Column, given: list[Any], target: Column, *, found: bool
) -> None:
    assert moment_without_zone([came], steps(*given), target) is found


def applied(step: dict[str, str], values: pa.Array) -> pa.Array:
    (made,) = steps(step)
    return made.transform.function(values, **made.arguments).values


ZONES = st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "UTC", "Asia/Kolkata"])


@settings(max_examples=60)
@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), ZONES)
def test_a_day_comes_back_from_the_moment_it_begins_at(day: date, zone: str) -> None:
    if zone == "Pacific/Apia" and day == date(2011, 12, 30):  # the one day that Samoa left out
        return
    sent = applied({"from_zone": zone}, pa.array([day]))
    moment = cast(sent, pa.timestamp("us", "UTC")).values[0].as_py()
    begins = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    assert moment == begins.astimezone(UTC)
    assert moment.astimezone(ZoneInfo(zone)) - timedelta(hours=2) < begins
    back = applied({"in_zone": zone}, pa.array([moment], pa.timestamp("us", "UTC")))
    assert cast(back, pa.date32()).values.to_pylist() == [day]


def test_a_moment_with_a_zone_stays_and_what_is_no_day_is_refused() -> None:
    came = pa.array(["2026-01-31", "2026-07-31T08:00:00", "2026-01-31T00:00:00Z", " ", "x", "0001-01-01"])
    (step,) = steps(TO_UTC)
    done = step.transform.function(came, **step.arguments)
    assert done.values.to_pylist() == [
        "2026-01-30T23:00:00Z", "2026-07-31T06:00:00Z", "2026-01-31T00:00:00Z", None, None, None,
    ]  # fmt: skip
    assert done.refused.to_pylist() == [False, False, False, False, True, True]
