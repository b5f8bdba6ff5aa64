"""Values at the edge of what a column, a clock or a service holds: rounded once, counted by units, or refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.days import days
from p2c_lib.errors import NoRoute, NotAuthorised, Rejected, ServiceError
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.transforms.dates import in_zone
from p2c_lib.mapping.transforms.text import pad
from p2c_lib.odata.precision import Precisions, read_precisions


def test_a_number_beside_one_that_is_none_is_rounded_as_in_a_column_of_numbers() -> None:
    made = cast(pa.array(["x", "0.125", "-0.125", "0.135"]), pa.decimal128(5, 2)).values.to_pylist()
    assert made == [None, Decimal("0.13"), Decimal("-0.13"), Decimal("0.14")]
    alone = cast(pa.array(["0.125", "-0.125", "0.135"]), pa.decimal128(5, 2)).values.to_pylist()
    assert alone == made[1:]


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_the_whole_numbers_just_outside_of_a_column_are_refused(bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    done = cast(pa.array([str(n) for n in (low, high, low - 1, high + 1)]), pa.type_for_alias(f"int{bits}"))
    assert done.values.to_pylist() == [low, high, None, None]
    assert done.refused is not None
    assert done.refused.to_pylist() == [False, False, True, True]


def test_a_whole_number_that_no_float_holds_is_refused_and_others_come_as_near_as_a_float_does() -> None:
    given = ["9007199254740992", "9007199254740993", "1e23", "0.1", "0.33333333333333333333", "1e400"]
    done = cast(pa.array(given), pa.float64())
    assert done.values.to_pylist() == [2.0**53, None, 1e23, 0.1, 1 / 3, None]
    assert cast(pa.array([2**53 + 1, 2**53]), pa.float64()).values.to_pylist() == [None, 2.0**53]
    assert cast(pa.array([0.1], pa.float32()), pa.float64()).values.to_pylist() == [0.1]


def test_a_clock_with_summer_time_beside_utc_has_its_own_days() -> None:
    late = [datetime(2026, 7, 30, 23, 30, tzinfo=UTC), datetime(2026, 1, 30, 23, 30, tzinfo=UTC)]
    values = pa.array(late, pa.timestamp("us", "Europe/London"))
    assert days(values).to_pylist() == [date(2026, 7, 31), date(2026, 1, 30)]


def test_padding_counts_as_the_services_do() -> None:
    assert pad(pa.array(["😀", "a", " ", None]), 3).values.to_pylist() == ["0😀", "00a", " ", None]


@pytest.mark.parametrize("refusal", [NotAuthorised, NoRoute, Rejected])
def test_where_an_organisation_may_not_be_read_nothing_is_known(refusal: type[ServiceError]) -> None:
    def get(_url: str, _target: str) -> dict[str, Any]:
        raise refusal("no", status=403)

    assert read_precisions(get) == Precisions()


def test_a_moment_with_an_offset_keeps_it_on_its_way_to_another_clock() -> None:
    shown = in_zone(pa.array(["2026-01-31T00:30:00+05:00", "2026-01-31T00:30:00"]), "Europe/Berlin").values.to_pylist()
    assert shown == ["2026-01-30T20:30:00+01:00", "2026-01-31T01:30:00+01:00"]
