"""Rows of one system in the shape of the other: typed, counted, nothing lost, the input untouched."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.errors import TemplateError
from p2c_lib.gates.rows import Rows
from p2c_lib.mapping import map_frame, template
from p2c_lib.marks.seen import source_keys
from tests.mapping_frames import MONEY, desk_for, frame, small


def mapped_values(fields: str, rows: dict[str, Any], types: dict[str, pa.DataType] | None = None) -> dict[str, Any]:
    made = small(fields)
    table = map_frame(frame(made, rows), made, desk_for(made, types or {})).frame.table
    return {name: table[name].to_pylist() for name in table.column_names if name not in {"Id", "@row"}}


def test_an_account_becomes_a_customer_row_for_row() -> None:
    made = template("accounts")
    accounts = {
        "accountnumber": ["A-1", "A-2"],
        "name": [" Contoso ", "x" * 120],
        "creditlimit": pa.array([Decimal("100.00"), None], pa.decimal128(18, 2)),
        "numberofemployees": pa.array([7, None], pa.int32()),
        "transactioncurrencyid.isocurrencycode": ["usd", "EUR"],
        "address1_country": ["Norge", None],
        "address1_stateorprovince": ["Oslo", ""],
    }
    mapped = map_frame(frame(made, accounts), made, desk_for(made))
    first, second = mapped.frame.table.to_pylist()
    assert {name: value for name, value in first.items() if value is not None} == {
        "CreditLimit": Decimal("100.000000"),
        "CustomerGroupId": "10",
        "OrganizationNumberOfEmployees": 7,
        "SalesCurrencyCode": "USD",
        "CustomerAccount": "A-1",
        "AddressCountryRegionISOCode": "NOR",
        "PartyType": "Organization",
        "AddressState": "Oslo",
        "AddressLocationRoles": "Business",
        "OrganizationName": "Contoso",
        "SiteId": "1",
        "WarehouseId": "13",
        "LanguageId": "en-us",
        "PartyNumber": "A-1",
        "AddressDescription": "Contoso",
        "IsExternallyMaintained": "Yes",
        "DeliveryAddressCountryRegionISOCode": "USA",
        "DeliveryAddressDescription": "Contoso",
        "@row": 0,
    }
    assert (len(second["OrganizationName"]), len(second["AddressDescription"])) == (100, 60)
    assert second["AddressCountryRegionISOCode"] == "USA"
    assert mapped.counts == {"read": 2, "mapped": 2, "rejected": 0}
    assert mapped.references["CustomerGroups.CustomerGroupId"] == ("10",)


def test_a_rejected_row_has_the_whole_key_its_constant_parts_too() -> None:
    """So it has one identity, whichever of its values is wrong, in quarantine, waivers and marks."""
    made = small("{to: Kind, default: Person}, {from: country, to: Country, apply: [country_code]}")
    made = made.model_copy(update={"key_constants": ("Kind",)})
    source = frame(made, {"id": ["1", "2"], "country": ["Narnia", "Norway"]})
    mapped = map_frame(source, made, desk_for(made))
    assert [(line["Id"], line["Kind"]) for line in mapped.rejected.to_pylist()] == [("1", "Person")]
    whole = map_frame(frame(made, {"id": ["1", "2"], "country": ["Denmark", "Norway"]}), made, desk_for(made))
    assert Rows(mapped).keys.to_pylist() == Rows(whole).keys.to_pylist() == source_keys(mapped).to_pylist()


def test_a_rejected_row_is_listed_with_its_key_and_a_reason_for_each_value() -> None:
    made = small("{from: country, to: Country, apply: [country_code]}, {from: size, to: Size}")
    rows = {"id": ["1", "2", "3"], "country": ["Narnia", "Norway", "Oz"], "size": ["many", "2", "3"]}
    mapped = map_frame(frame(made, rows), made, desk_for(made, {"Size": pa.int32()}))
    assert mapped.frame.table.to_pylist() == [{"Id": "2", "Country": "NO", "Size": 2, "@row": 1}]
    assert sorted(mapped.rejected.to_pylist(), key=lambda line: (line["@row"], line["field"])) == [
        {
            "Id": "1",
            "field": "Country",
            "value": "Narnia",
            "reason": "'Narnia' is no country known by name or code",
            "@row": 0,
        },
        {"Id": "1", "field": "Size", "value": "many", "reason": "'many' is no whole number in range", "@row": 0},
        {"Id": "3", "field": "Country", "value": "Oz", "reason": "'Oz' is no country known by name or code", "@row": 2},
    ]
    assert mapped.counts == {"read": 3, "mapped": 1, "rejected": 2}


@pytest.mark.parametrize(
    ("policy", "expected"), [("'null'", [None, "NO", None]), ("keep", ["Narnia", "NO", None])], ids=["null", "keep"]
)
def test_the_policy_of_a_step_decides_about_what_it_cannot_convert(policy: str, expected: list[str | None]) -> None:
    fields = f"{{from: country, to: Country, apply: [{{country_code: iso2, otherwise: {policy}}}]}}"
    rows = {"id": ["1", "2", "3"], "country": ["Narnia", "Norway", None]}
    assert mapped_values(fields, rows) == {"Country": expected}


def test_a_value_map_looks_at_words_not_at_case_and_has_an_entry_for_blank() -> None:
    fields = "{from: unit, to: Unit, apply: [{value_map: {each: ea, 'null': none, null: pcs}}]}"
    rows = {"id": list("abcd"), "unit": [" EACH ", "each", "", None]}
    assert mapped_values(fields, rows) == {"Unit": ["ea", "ea", "pcs", "pcs"]}


def test_a_null_partner_means_no_value_and_is_not_a_rejection() -> None:
    fields = "{from: state, to: State, apply: [{value_map: {0: null, 1: Gone}}]}"
    assert mapped_values(fields, {"id": ["a", "b"], "state": pa.array([0, 1], pa.int32())}) == {"State": [None, "Gone"]}


def test_a_default_fills_blank_in_the_type_of_the_column() -> None:
    fields = "{from: size, to: Size, default: 5}, {to: Flag, default: true}"
    rows = {"id": ["a", "b"], "size": pa.array([None, 2], pa.int32())}
    assert mapped_values(fields, rows, {"Size": pa.decimal128(10, 2), "Flag": pa.bool_()}) == {
        "Size": [Decimal("5.00"), Decimal("2.00")],
        "Flag": [True, True],
    }


def test_a_polymorphic_path_takes_the_side_that_has_a_value() -> None:
    fields = "{from: customerid.Account(accountnumber).Contact(msdynce_contactnumber), to: Customer}"
    rows = {
        "id": list("abc"),
        "customerid.account.accountnumber": ["A", None, None],
        "customerid.contact.msdynce_contactnumber": [None, "C", None],
    }
    assert mapped_values(fields, rows) == {"Customer": ["A", "C", None]}


def test_a_lookup_at_the_destination_keeps_its_business_form() -> None:
    made = template("products")
    rows = {"ProductNumber": ["P1"], "SalesUnitSymbol": ["EA"], "CurrencyCode": ["USD"], "ProductType": ["Item"]}
    types = {"producttypecode": pa.int32(), "isstockitem": pa.bool_(), "quantitydecimal": pa.int32(), "price": MONEY}
    line = map_frame(frame(made, rows), made, desk_for(made, types)).frame.table.to_pylist()[0]
    assert (line["defaultuomid.name"], line["producttypecode"], line["quantitydecimal"]) == ("Each", 1, 0)


def test_money_stays_exact_and_is_rounded_only_to_the_column_of_the_destination() -> None:
    rows = {"id": ["a", "b"], "price": pa.array([Decimal("2024.9950"), Decimal("-0.005")], pa.decimal128(19, 4))}
    values = mapped_values("{from: price, to: Price}", rows, {"Price": pa.decimal128(18, 2)})
    assert values == {"Price": [Decimal("2025.00"), Decimal("-0.01")]}


def test_a_column_that_the_destination_does_not_have_is_named_with_the_nearest_one() -> None:
    made = small("{from: name, to: OrganisationName}")
    desk = desk_for(small("{from: name, to: OrganizationName}"))
    with pytest.raises(TemplateError) as raised:
        map_frame(frame(made, {"id": ["1"], "name": ["x"]}), made, desk)
    assert raised.value.path == "fields[1].to"
    assert "Did you mean 'OrganizationName'?" in str(raised.value)


def test_the_key_and_where_the_rows_came_from_stay_with_the_mapped_frame() -> None:
    made = small("{from: name, to: Name}")
    mapped = map_frame(frame(made, {"id": ["1"], "name": ["x"]}), made, desk_for(made))
    assert mapped.frame.key == ("Id",)
    assert mapped.frame.origin.note == "sales accounts mapped to finops CustomersV2"


def test_html_escapes_what_customers_wrote() -> None:
    made = small("{from: country, to: Country, apply: [country_code]}")
    mapped = map_frame(frame(made, {"id": ["<b>"], "country": ["<script>"]}), made, desk_for(made))
    assert "<script>" not in mapped._repr_html_()
    assert "&lt;script&gt;" in mapped._repr_html_()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["Norge", "Narnia", "us", " ", "France"]), st.text()), max_size=30)
)
def test_every_row_is_mapped_or_rejected_and_the_input_stays_as_it_was(countries: list[str | None]) -> None:
    made = small("{from: country, to: Country, apply: [trim, {country_code: iso3}], default: USA}")
    rows = {
        "id": pa.array([str(i) for i in range(len(countries))], pa.string()),
        "country": pa.array(countries, pa.string()),
    }
    source = frame(made, rows)
    before = source.table.to_pylist()
    mapped = map_frame(source, made, desk_for(made))
    assert len(source) == len(mapped.frame) + mapped.rejected_rows
    assert set(mapped.frame.table["@row"].to_pylist()) | set(mapped.rejected["@row"].to_pylist()) == set(
        range(len(countries))
    )
    assert source.table.to_pylist() == before


def test_many_repeated_values_and_few_give_the_same_rows() -> None:
    made = small("{from: country, to: Country, apply: [trim, lower, {truncate: 3}], default: none}")
    words = ["Norge", " Germany ", None, "", "France"]
    many = {"id": [str(i) for i in range(5_000)], "country": [words[i % 5] for i in range(5_000)]}
    mapped = map_frame(frame(made, many), made, desk_for(made))
    assert mapped.frame.table["Country"].to_pylist() == ["nor", "ger", "none", "none", "fra"] * 1_000


def test_rows_in_chunks_are_mapped_like_rows_in_one_piece() -> None:
    made = small(
        "{from: country, to: Country, apply: [trim, {country_code: iso3}], default: USA}, "
        "{from: [country, size], to: Both, apply: [{concatenate: -}]}, {from: size, to: Size}, {to: Fixed, default: x}"
    )
    words = ["Norge", None, " Germany ", "Narnia", ""]
    rows = {
        "id": [str(n) for n in range(60_000)],
        "country": [words[n % 5] for n in range(60_000)],
        "size": [str(n % 7) for n in range(60_000)],
    }
    whole = frame(made, rows)
    pieces = pa.concat_tables([whole.table.slice(0, 7), whole.table.slice(7, 0), whole.table.slice(7)])
    desk = desk_for(made, {"Size": pa.int32()})
    one, other = (map_frame(whole.with_table(t), made, desk) for t in (whole.table.combine_chunks(), pieces))
    assert one.frame.table.equals(other.frame.table)
    assert one.rejected.equals(other.rejected)
    assert one.counts == {"read": 60_000, "mapped": 48_000, "rejected": 12_000}


def test_a_default_that_reads_none_is_not_no_default() -> None:
    rows = {"id": ["a"], "status": pa.array([None], pa.string())}
    values = mapped_values("{from: status, to: One, default: None}, {from: status, to: Two}", rows)
    assert values == {"One": ["None"], "Two": [None]}


def test_a_column_without_a_source_may_be_the_day_of_the_run() -> None:
    rows = {"id": ["a"], "wanted": pa.array([None], pa.string())}
    types = {"Day": pa.date32(), "Later": pa.timestamp("us", "UTC")}
    values = mapped_values("{to: Day, apply: [today]}, {from: wanted, to: Later, apply: [{today: 7}]}", rows, types)
    assert values["Later"][0].date() - values["Day"][0] == timedelta(days=7)
