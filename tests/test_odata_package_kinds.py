"""A package takes what rows written one by one take: values of their column's own kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.errors import FrameError
from p2c_lib.odata import Client
from p2c_lib.sandbox.process import Running
from tests.test_odata_changes import connection

SEQUENCE = {"ScopeType": ["DataArea"], "ScopeValue": ["usmf"]}


@pytest.fixture
def finops(sandbox: Running) -> Iterator[Client]:
    with Client(connection(sandbox, "finops")) as client:
        yield client


def _table(code: str, name: str, value: Any) -> pa.Table:
    return pa.table({"NumberSequenceCode": [code], **SEQUENCE, name: pa.array([value])})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Next", "5.0"),
        ("Next", "five"),
        ("Next", ""),
        ("Next", "１"),
        ("Next", True),
        ("Interval", "1.5"),
        ("DateTime", "2026-01-31 12:00:00"),
        ("DateTime", "31.01.2026"),
        ("DateTime", 20260131),
        ("DateTime", ""),
        ("DateTime", " "),
        ("Cyclical", ""),
        ("Cyclical", "  "),
        ("Cyclical", "yes"),
        ("Cyclical", "1"),
        ("Cyclical", 1),
        ("Name", 5),
        ("Name", Decimal("1.50")),
        ("Name", True),
    ],
)
def test_what_one_way_refuses_the_other_refuses_too(finops: Client, name: str, value: Any) -> None:
    assert not finops.write_table("create", "SequenceV2Tables", _table("KIND", name, value))[0].ok
    with pytest.raises(FrameError, match=f"SequenceV2Tables.{name} is"):
        finops.load_package("SequenceV2Tables", _table("KIND", name, value), company="usmf")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Next", 5),
        ("Next", Decimal("5.00")),
        ("Next", "5"),
        ("Next", " +05 "),
        ("Next", "-5"),
        ("DateTime", "2026-01-31T12:00:00Z"),
        ("DateTime", "2026-01-31"),
        ("DateTime", "2026-01-31t12:00:00z"),
        ("DateTime", "2026-01-31t12:00:00+05:30"),
        ("DateTime", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("Cyclical", "Yes"),
        ("Cyclical", True),
        ("Name", "5"),
        ("Name", date(2026, 1, 31)),
        ("Name", datetime(2026, 1, 31, 12, 30)),
        ("Name", None),
    ],
)
def test_what_one_way_takes_the_other_takes_too(finops: Client, name: str, value: Any) -> None:
    code = f"K{abs(hash((name, repr(value)))) % 10**8}"
    assert finops.write_table("create", "SequenceV2Tables", _table(f"{code}T", name, value))[0].ok
    assert finops.load_package("SequenceV2Tables", _table(f"{code}P", name, value), company="usmf").ok
    keys = [_table(f"{code}{way}", name, value).drop_columns([name]).to_pylist()[0] for way in "TP"]
    one, other = (finops.get("SequenceV2Tables", key, [name])[name] for key in keys)
    assert one == other


@pytest.mark.parametrize("day", ["2026-01-31t23:30:00z", "2026-01-31T23:30:00-05:00", "", " "])
def test_a_day_is_taken_or_refused_alike(finops: Client, day: str) -> None:
    base = {"CustomerGroupId": ["10"], "SalesCurrencyCode": ["USD"], "OrganizationName": ["n"]}

    def table(way: str) -> pa.Table:
        return pa.table({"CustomerAccount": [f"D{abs(hash(day)) % 10**6}{way}"], **base, "AddressValidFrom": [day]})

    written = finops.write_table("create", "CustomersV2", table("T").append_column("dataAreaId", pa.array(["usmf"])))[0]
    if not written.ok:
        with pytest.raises(FrameError, match="AddressValidFrom is"):
            finops.load_package("CustomersV2", table("P"), company="usmf")
        return
    assert finops.load_package("CustomersV2", table("P"), company="usmf").ok
    keys = [{"dataAreaId": "usmf", "CustomerAccount": table(way).column("CustomerAccount")[0].as_py()} for way in "TP"]
    one, other = (finops.get("CustomersV2", key, ["AddressValidFrom"])["AddressValidFrom"] for key in keys)
    assert one == other == date(2026, 1, 31)
