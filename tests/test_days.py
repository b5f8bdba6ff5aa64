"""A day is a day: of a date, a moment in any zone and any text of them, one value or a column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.config import workspace
from p2c_lib.days import day_of, days
from p2c_lib.errors import UnknownName
from p2c_lib.frames import EntityQuery
from p2c_lib.mapping import map_frame, parse, template
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.document import to_yaml
from p2c_lib.mapping.steps import Step
from p2c_lib.mapping.transforms.dates import known_zone
from p2c_lib.mapping.validation import validate
from p2c_lib.odata import Query
from p2c_lib.odata.bodies import Bodies
from p2c_lib.odata.dialect import FINOPS, SALES, Dialect
from p2c_lib.odata.encode import keys_of, members_of
from p2c_lib.odata.literals import key_path, literal
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.odata.writes import Write
from p2c_lib.session import Session, connect


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=workspace(tmp_path_factory.mktemp("days"))) as opened:
        yield opened


ZONES = ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/St_Johns", "+05:45", "-03:30"]
WALLS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))


@given(WALLS, st.integers(-14 * 60, 14 * 60))
def test_the_day_is_the_one_on_the_moments_own_clock(wall: datetime, minutes: int) -> None:
    day = date(wall.year, wall.month, wall.day)
    zoned = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for form in (wall, zoned, wall.isoformat(), zoned.isoformat(), f"{wall.isoformat(' ')}Z", day, day.isoformat()):
        assert day_of(form) == day
    assert days(pa.array([wall.isoformat(), None, zoned.isoformat(), " "])).to_pylist() == [day, None, day, None]
    assert days(pa.array([day.isoformat(), None])).to_pylist() == [day, None]
    assert days(pa.array([day])).to_pylist() == [day]


@pytest.mark.parametrize("zone", [None, *ZONES])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@given(counts=st.lists(st.integers(-(2**33), 2**33), min_size=1))
def test_a_column_of_moments_has_the_days_of_its_zone(zone: str | None, unit: str, counts: list[int]) -> None:
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = pa.array([n * per for n in counts], pa.int64()).cast(pa.timestamp(unit, zone))
    utc = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in counts]
    if zone is not None and zone[0] in "+-":
        sign = -1 if zone[0] == "-" else 1
        offset = timezone(sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])))
        utc = [moment.astimezone(offset) for moment in utc]
    elif zone is not None:
        utc = [moment.astimezone(ZoneInfo(zone)) for moment in utc]
    wanted = [date(m.year, m.month, m.day) for m in utc]
    assert days(values).to_pylist() == wanted
    assert days(values.dictionary_encode()).to_pylist() == wanted
    assert [day_of(moment) for moment in utc] == wanted


def test_what_names_no_day_is_none() -> None:
    import pandas as pd

    assert [day_of(v) for v in ("2026-02-30", "x", "", None, 5, pd.NaT)] == [None] * 6
    assert days(pa.array(["2026-02-30", "2026-02-28"])).to_pylist() == [None, date(2026, 2, 28)]
    assert day_of(pd.Timestamp("2026-01-31 00:30", tz="Europe/Berlin")) == date(2026, 1, 31)


DAY = Column("RequestedShippingDate", "Edm.DateTimeOffset", pa.date32(), day=True)
BARE_DAY = Column("birthdate", "Edm.Date", pa.date32(), behavior="DateOnly")
LATE = datetime(2026, 1, 31, 0, 30, tzinfo=timezone(timedelta(hours=2)))  # the 30th in UTC
FORMS = [date(2026, 1, 31), LATE, LATE.replace(tzinfo=None), LATE.isoformat(), "2026-01-31", "2026-01-31T23:59:59Z"]


def named(form: object) -> str:
    return f"{type(form).__name__} {form}"


@pytest.mark.parametrize("form", FORMS, ids=named)
@pytest.mark.parametrize(("column", "dialect", "wanted"), [(DAY, FINOPS, "T12:00:00Z"), (BARE_DAY, SALES, "")])
def test_a_day_is_the_same_in_filters_keys_and_bodies(
    form: object, column: Column, dialect: Dialect, wanted: str
) -> None:
    text = f"2026-01-31{wanted}"
    key = (column.name,) if dialect is FINOPS else ("rowid",)
    schema = EntitySchema(dialect.app, "Rows", "row", key, {column.name: column}, {}, ())
    bodies = Bodies(schema, dialect, str)
    assert literal(form, column) == text
    assert bodies.json(Write("update", "Rows", None, {column.name: form})) == f'{{"{column.name}":"{text}"}}'
    zone = "+02:00" if form is LATE else None
    values = pa.array([form], pa.timestamp("us", zone)) if isinstance(form, datetime) else pa.array([form])
    table = pa.table({column.name: values})
    assert members_of(table, dialect, bodies, creating=False).to_pylist() == [f',"{column.name}":"{text}"']
    assert keys_of(table, schema, [column.name]).to_pylist() == [f"({column.name}={text})"]
    assert key_path(schema, {column.name: form}) == f"({column.name}={text})"
    assert cast(values, pa.date32()).values.to_pylist() == [date(2026, 1, 31)]


BERLIN = Step.model_validate({"in_zone": "Europe/Berlin"})


@given(WALLS)
def test_a_moment_becomes_the_day_of_a_named_zone(wall: datetime) -> None:
    moment = wall.replace(tzinfo=UTC)
    shown = BERLIN.transform.function(pa.array([moment], pa.timestamp("us", "UTC")), zone="Europe/Berlin").values
    there = moment.astimezone(ZoneInfo("Europe/Berlin"))
    assert cast(shown, pa.date32()).values.to_pylist() == [date(there.year, there.month, there.day)]
    assert cast(shown, pa.timestamp("us", "UTC")).values.to_pylist() == [moment]


def test_summer_time_counts_and_a_day_stays_a_day() -> None:
    came = pa.array(["2026-01-30T23:00:00Z", "2026-07-30T22:00:00Z", "2026-07-30T21:59:59Z", "2026-01-31", " ", "x"])
    done = BERLIN.transform.function(came, zone="Europe/Berlin")
    days_there = [date(2026, 1, 31), date(2026, 7, 31), date(2026, 7, 30), date(2026, 1, 31), None, None]
    assert cast(done.values, pa.date32()).values.to_pylist() == days_there
    assert done.refused is not None
    assert done.refused.to_pylist() == [False] * 5 + [True]


def test_a_zone_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no such time zone; did you mean Europe/Berlin\?"):
        Step.model_validate({"in_zone": "Europe/Berln"})
    with pytest.raises(UnknownName, match="a time zone such as Europe/Berlin"):
        template("quotes", dates="Europe/Berln")


@pytest.mark.parametrize(
    ("task", "column"), [("quotes", "RequestedShippingDate"), ("quote-lines", "RequestedReceiptDate")]
)
def test_a_user_local_moment_needs_a_zone_to_become_a_day(session: Session, task: str, column: str) -> None:
    warned = {
        dates: [f.message for f in validate(template(task, dates=dates), session).findings if f.code == "ZONE"]
        for dates in ("none", "literal", "today", "Europe/Berlin")
    }
    assert {dates: len(found) for dates, found in warned.items()} == {
        "none": 0,
        "literal": 1,
        "today": 1,
        "Europe/Berlin": 0,
    }
    assert f"requestdeliveryby is a moment in UTC (user local), {column} is a day" in warned["literal"][0]
    made = template(task, dates="Europe/Berlin")
    assert parse(to_yaml(made)) == made


def test_a_day_comes_and_goes_through_both_systems_unshifted(session: Session) -> None:
    finops, quotes = session.finops, "CDSSalesQuotationHeaders"
    read = session.extract(EntityQuery("finops", quotes, ("RequestedShippingDate",), ("SalesQuotationNumber",)))
    assert read.table.schema.field("RequestedShippingDate").type == pa.date32()
    query = Query(quotes, ("SalesQuotationNumber", "dataAreaId"), top=1)
    (row,) = next(iter(finops.read(query))).table.select(["SalesQuotationNumber", "dataAreaId"]).to_pylist()
    for form in FORMS:
        (result,) = finops.write([Write("update", quotes, row, {"RequestedShippingDate": form})])
        assert result.error is None
        kept = finops.get(quotes, row, ("RequestedShippingDate",))
        assert kept["RequestedShippingDate"] == date(2026, 1, 31), form
        where = f"RequestedShippingDate eq {literal(form, finops.schema(quotes).column('RequestedShippingDate'))}"
        found = session.extract(EntityQuery("finops", quotes, ("SalesQuotationNumber",), read.key, where))
        assert row["SalesQuotationNumber"] in found.table.column("SalesQuotationNumber").to_pylist()


def test_midnight_in_berlin_is_the_day_that_was_entered(session: Session) -> None:
    sales, made = session.sales, template("quotes", dates="Europe/Berlin")
    drafts = replace(made.source, filter="statecode eq 0")
    number, *_ = (
        map_frame(session.extract(drafts), made, session).frame.table.column("SalesQuotationNumber").to_pylist()
    )
    key = {"quoteid": sales.get("quotes", {"quotenumber": number}, ("quoteid",))["quoteid"]}
    for midnight, day in (("2026-01-30T23:00:00Z", date(2026, 1, 31)), ("2026-07-30T22:00:00Z", date(2026, 7, 31))):
        moment = datetime.fromisoformat(midnight)
        (result,) = sales.write([Write("update", "quotes", key, {"requestdeliveryby": moment})])
        assert result.error is None
        rows = map_frame(session.extract(drafts), made, session).frame.table.to_pylist()
        assert [r["RequestedShippingDate"] for r in rows if r["SalesQuotationNumber"] == number] == [day]


GIVEN = {
    "2026-01-31": "2026-01-31",
    " 2026-01-31 ": "2026-01-31",
    "2026-01-31T00:30:00+02:00": "2026-01-31",
    "2026-01-30T23:30:00-05:00": "2026-01-30",
}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_day_that_came_as_text_is_the_same_by_package_and_by_table(kind: pa.DataType, session: Session) -> None:
    rows = len(GIVEN)
    fixed = {"CustomerGroupId": "10", "SalesCurrencyCode": "USD", "OrganizationName": "Day"}
    held = []
    for route in ("PKGDAY", "TABDAY"):
        keys = [f"{route}{n}" for n in range(rows)]
        table = pa.table(
            {
                "CustomerAccount": keys,
                "AddressValidTo": pa.array(list(GIVEN)).cast(kind),
                **{n: [v] * rows for n, v in fixed.items()},
            }
        )
        if route == "PKGDAY":
            assert session.finops.load_package("CustomersV2", table, company="usmf").ok
        else:
            whole = table.append_column("dataAreaId", pa.array(["usmf"] * rows))
            assert all(result.ok for result in session.finops.write_table("create", "CustomersV2", whole))
        query = Query("CustomersV2", ("CustomerAccount", "AddressValidTo"), filter=f"CustomerAccount eq '{route}*'")
        found = [row for page in session.finops.read(query) for row in page.table.to_pylist()]
        held.append({row["CustomerAccount"][-1]: str(row["AddressValidTo"]) for row in found})
        gone = [Write("delete", "CustomersV2", {"dataAreaId": "usmf", "CustomerAccount": key}, {}) for key in keys]
        session.finops.write(gone)
    assert held == [{str(n): day for n, day in enumerate(GIVEN.values())}] * 2


@pytest.mark.parametrize("name", ["localtime", "right/Europe/Berlin", "posixrules", "Factory"])
def test_a_file_beside_the_zones_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        known_zone(name)


@pytest.mark.parametrize("text", ["0000-01-01", "0000-12-31", "0000-02-29"])
def test_a_day_of_the_year_0000_is_none_in_a_column_as_alone(text: str) -> None:
    assert day_of(text) is None
    assert days(pa.array([text, "0001-01-01", None])).to_pylist() == [None, date(1, 1, 1), None]
    told = cast(pa.array([text, "2026-01-31"]), pa.date32())
    assert told.values.to_pylist() == [None, date(2026, 1, 31)]
    assert told.refused is not None
    assert told.refused.to_pylist() == [True, False]
