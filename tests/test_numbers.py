"""Numbers are exact at every size the services have; what cannot be kept is rounded by rule, counted and told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyarrow as pa
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from p2c_lib.errors import ServiceError
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.places import Places, wide_type
from p2c_lib.odata import Column, EntitySchema, Page, Query, Write, metadata_sales
from p2c_lib.odata.bodies import render
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.encode import keys_of
from p2c_lib.odata.literals import literal
from p2c_lib.odata.metadata_finops import DECIMAL
from p2c_lib.odata.notes import ROUNDED, TOO_LARGE, Note, together
from p2c_lib.odata.precision import Precisions
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from tests.wired import finops_client, sales_client

THING = EntitySchema(
    "finops",
    "Things",
    "Thing",
    ("Id",),
    {
        "Id": Column("Id", "Edm.String", pa.string()),
        "Cost": Column("Cost", "Edm.Decimal", DECIMAL),
        "Whole": Column("Whole", "Edm.Int64", pa.int64()),
        "Factor": Column("Factor", "Edm.Double", pa.float64()),
    },
)
PLACES, WHOLE = 16, 22
READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = Origin("finops", "http://x", "o", None, "Things", "", ("Id",), READ_AT, None, complete=True, note="")


def page(*costs: str, column: str = "Cost") -> Page:
    rows = ",".join(f'{{"@odata.etag":"e","Id":"r{n}","{column}":{cost}}}' for n, cost in enumerate(costs))
    decoder = Decoder(Query("Things", ("Id", column)), THING, empty_is_null=True)
    return decoder.page(b'{"value":[' + rows.encode() + b"]}")


def costs(*given: str) -> list[Decimal]:
    return list(page(*given).table.column("Cost").to_pylist())


def expected(text: str) -> Decimal:
    """The number as a person would keep it: 16 decimals, half away from zero, never more than 22 whole digits."""
    with localcontext() as context:
        context.prec = 200
        most = Decimal(10) ** WHOLE - Decimal(10) ** -PLACES
        kept = Decimal(text).quantize(Decimal(10) ** -PLACES, rounding=ROUND_HALF_UP)
        return max(-most, min(most, kept))


WRITTEN = st.builds(
    lambda sign, whole, rest, exponent: f"{sign}{whole}{rest}{exponent}",
    st.sampled_from(["", "-"]),
    st.one_of(st.integers(0, 99), st.integers(0, 10**26)),
    st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=20).map(lambda digits: f".{digits}")),
    st.sampled_from(["", "", "", "E-7", "e-12", "e3", "E+2"]),
)


@given(st.lists(WRITTEN, min_size=1, max_size=6))
def test_every_real_is_read_exactly_or_rounded_and_counted(numbers: list[str]) -> None:
    found = page(*numbers)
    assert found.table.column("Cost").to_pylist() == [expected(number) for number in numbers]
    assert found.table.schema.field("Cost").type == DECIMAL
    lost = sum(Decimal(number) != expected(number) for number in numbers)
    assert sum(note.count for note in found.notes) == lost


@given(st.lists(WRITTEN, min_size=1, max_size=6))
def test_a_value_does_not_hang_on_its_neighbours(numbers: list[str]) -> None:
    assert costs(*numbers) == [costs(number)[0] for number in numbers]


def test_what_is_beyond_a_real_is_told_with_its_column_and_an_example() -> None:
    found = page("33.3333333333333", "0.12345678901234565", "1e23", "-20000000000000000000000.5", '"7.5"')
    most = Decimal("9999999999999999999999.9999999999999999")
    values = [Decimal("33.3333333333333"), Decimal("0.1234567890123457"), most, most.copy_negate(), Decimal("7.5")]
    assert found.table.column("Cost").to_pylist() == values
    assert found.notes == (
        Note("Cost", ROUNDED, 1, "0.12345678901234565"),
        Note("Cost", TOO_LARGE, 2, "1E+23"),
    )
    assert "Cost: 1 value has more decimals than can be kept and was rounded" in str(found.notes[0])


def test_numbers_with_an_exponent_no_computer_counts_do_not_stop_a_read() -> None:
    assert costs("1e99999999999999999999", "1e-99999999999999999999", "9" * 5000)[1] == 0


@pytest.mark.parametrize(
    "exponent", ["e-999999999", "E-2147483647", "e-1000000", "E1000000", "e999999999", "e+5000000"]
)
@pytest.mark.parametrize("column", ["Cost", "Factor"])
def test_an_exponent_of_any_length_ends_neither_the_read_nor_the_process(exponent: str, column: str) -> None:
    if column == "Factor" and "-" not in exponent:
        with pytest.raises(ServiceError, match="Factor"):
            page(f"1{exponent}", column=column)
        return
    (found,) = page(f"1{exponent}", column=column).table.column(column).to_pylist()
    assert (found == 0) if "-" in exponent else (found > 10**21)
    assert page("1", column="Whole").table.column("Whole").to_pylist() == [1]
    assert page("9223372036854775807", "1E2", column="Whole").table.column("Whole").to_pylist() == [2**63 - 1, 100]
    assert page("0.30000000000000004", "-0.0", column="Factor").table.column("Factor").to_pylist() == [0.1 + 0.2, 0.0]


@pytest.mark.parametrize(
    ("column", "value"),
    [("Cost", '"many"'), ("Cost", "true"), ("Whole", "9223372036854775808"), ("Whole", "5.5"), ("Factor", "1e400")],
)
def test_a_value_of_another_kind_is_an_error_that_names_row_and_column(column: str, value: str) -> None:
    with pytest.raises(ServiceError, match=rf"Things\.{column}: the value .* \(row 2 of the page, Id r1\)"):
        page("1", value, column=column)


def test_notes_of_pages_add_up() -> None:
    notes = [Note("a", ROUNDED, 2, "x"), Note("b", ROUNDED, 1, "y"), Note("a", ROUNDED, 3, "z")]
    assert together(notes) == (Note("a", ROUNDED, 5, "x"), Note("b", ROUNDED, 1, "y"))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=16, min_value=-(10**20), max_value=10**20))
def test_every_real_is_written_with_plain_digits(number: Decimal) -> None:
    column = THING.column("Cost")
    table = pa.table({"Cost": pa.array([number], DECIMAL)})
    for text in (render(number, column), literal(number, column), keys_of(table, THING, ["Cost"])[0].as_py()[6:-1]):
        assert set(text) <= set("0123456789.-")
        assert Decimal(text) == number


def test_floats_are_written_with_plain_digits_too() -> None:
    column = THING.column("Factor")
    assert [render(value, column) for value in (1e-7, 1e16, 0.1)] == ["0.0000001", "10000000000000000", "0.1"]
    assert literal(1e-7, column) == "0.0000001"


def test_a_float_is_cast_to_what_it_reads_as_and_text_is_rounded_once() -> None:
    floats = cast(pa.array([33.1, 0.1, None, 1e-7]), DECIMAL).values.to_pylist()
    assert floats == [Decimal("33.1"), Decimal("0.1"), None, Decimal("0.0000001")]
    assert cast(pa.array(["0.00499999999999999999"]), pa.decimal128(38, 2)).values.to_pylist() == [Decimal("0.00")]
    huge = cast(pa.array([Decimal("9999999999999999999999.9999999999999999")], DECIMAL), pa.decimal128(24, 2))
    assert huge.refused is not None
    assert huge.refused.to_pylist() == [True]


DEFINITION = {"LogicalName": "m", "EntitySetName": "ms", "PrimaryIdAttribute": "mid"}


def money_schema(*sources: int) -> EntitySchema:
    parts: dict[str, dict[str, object]] = {name: {"value": []} for name in metadata_sales.urls("m")}
    names = [f"m{source}" for source in sources]
    attributes = [{"LogicalName": name, "AttributeType": "Money"} for name in names]
    told = [{"LogicalName": f"m{source}", "Precision": 4, "PrecisionSource": source} for source in sources]
    parts |= {"whole": {**DEFINITION, "Attributes": attributes}, "Money": {"value": told}}
    return metadata_sales.schema(parts, {})


def test_money_is_rounded_as_its_precision_source_says_and_never_twice() -> None:
    schema = money_schema(0, 1, 2)
    assert wide_type(schema.column("m0").type) == DECIMAL
    came = ["33.33335", "0.00499999999999", "7"]
    amounts = pa.array([Decimal(text) for text in came], DECIMAL)
    rows = dict.fromkeys(schema.columns, amounts) | {"transactioncurrencyid.isocurrencycode": ["usd", "KWD", "Jpy "]}
    places = Places(schema, Precisions(2, {"USD": 2, "KWD": 3, "JPY": 0}))
    table, notes = places.kept(pa.table(rows))
    assert [str(value.normalize()) for value in table.column("m0").to_pylist()] == ["33.3334", "0.005", "7"]
    assert [str(value.normalize()) for value in table.column("m1").to_pylist()] == ["33.33", "0", "7"]
    assert [str(value.normalize()) for value in table.column("m2").to_pylist()] == ["33.33", "0.005", "7"]
    assert {(note.column, note.count) for note in notes} == {("m0", 2), ("m1", 2), ("m2", 2)}
    assert table.schema.field("m0").type == schema.column("m0").type


def test_without_a_currency_the_widest_decides_and_where_nobody_says_nothing_is_rounded() -> None:
    schema = money_schema(2)
    table = pa.table({"m2": pa.array([Decimal("1.23456")], DECIMAL)})
    assert Places(schema, Precisions(2, {"USD": 2, "KWD": 3})).kept(table)[0]["m2"].to_pylist() == [Decimal("1.235")]
    kept, notes = Places(schema, Precisions()).kept(table)
    assert (kept["m2"].to_pylist(), notes) == ([Decimal("1.23456")], ())


def test_the_organisation_and_its_currencies_say_how_many_decimals_are_kept(
    store: Store, portal: BlockingPortal
) -> None:
    with sales_client(store, portal) as client:
        body = {"currencyname": "Dinar", "isocurrencycode": "KWD", "currencysymbol": "KD", "currencyprecision": 3}
        (made,) = client.write([Write("create", "transactioncurrencies", None, {**body, "exchangerate": 1})])
        assert made.error is None
        assert client.precisions().currencies["KWD"] == 3
        price = client.schema("products").column("price")
        assert (price.places_by, price.type) == ("organisation", pa.decimal128(38, 10))
        assert client.schema("transactioncurrencies").column("exchangerate").type == pa.decimal128(38, 12)
    with finops_client(store, portal) as client:
        assert client.precisions() == Precisions()


def test_the_decimals_of_currencies_are_those_of_the_moment_whoever_changed_them(
    store: Store, portal: BlockingPortal
) -> None:
    body = {"currencyname": "Dinar", "isocurrencycode": "KWD", "currencysymbol": "KD", "currencyprecision": 3}
    with sales_client(store, portal) as client, sales_client(store, portal) as other:
        assert client.precisions().currencies == {}
        (made,) = client.write([Write("create", "transactioncurrencies", None, {**body, "exchangerate": 1})])
        assert made.ok, made.error
        assert client.precisions().currencies == {"KWD": 3}
        assert list(client.precisions().by_id) == [made.row_id]
        for places, writer in ((1, client), (2, other)):
            table = pa.table({"transactioncurrencyid": [made.row_id], "currencyprecision": pa.array([places])})
            (changed,) = writer.write_table("update", "transactioncurrencies", table, key=("transactioncurrencyid",))
            assert changed.ok, changed.error
            assert client.precisions().currencies == {"KWD": places}


REALS = ("33.3333333333333", "0.0000000000000001", "1234567890123456.1234567890123456", "-7.5", "0")


def test_reals_go_through_client_and_sandbox_and_come_back_as_they_are(store: Store, portal: BlockingPortal) -> None:
    product = entities("finops")["SellableReleasedProducts"]
    with store.write():
        store.insert(entities("finops")["LegalEntities"], {"LegalEntityId": "usmf", "Name": "US"})
        for number in range(len(REALS)):
            store.insert(product, {"dataAreaId": "usmf", "ProductNumber": f"I{number}"})
    company = {"dataAreaId": "usmf"}
    with finops_client(store, portal) as client:
        writes = [
            Write("update", "SellableReleasedProducts", {**company, "ProductNumber": f"I{n}"}, {"UnitCost": real})
            for n, real in enumerate(map(Decimal, REALS))
        ]
        assert [done.error for done in client.write(writes)] == [None] * len(REALS)
        asked = Query("SellableReleasedProducts", ("ProductNumber", "UnitCost"), company="usmf")
        rows = {row["ProductNumber"]: row["UnitCost"] for each in client.read(asked) for row in each.table.to_pylist()}
    assert rows == {f"I{n}": Decimal(real) for n, real in enumerate(REALS)}


def test_a_frame_shows_what_could_not_be_kept() -> None:
    found = page("0.12345678901234565", "1")
    frame = EntityFrame(found.table, replace(ORIGIN, changed=found.notes))
    assert "1 values not as they came" in repr(frame)
    assert "Cost: 1 value has more decimals" in frame._repr_html_()
    assert json.loads(json.dumps(frame.to_dict()))["origin"]["changed"][0]["count"] == 1
