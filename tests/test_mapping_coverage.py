"""Previews, coverage and the effect of an edited rule, on rows of a sandbox and on rows made for the purpose."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.display import texts
from p2c_lib.frames import EntityFrame
from p2c_lib.mapping import FieldRule, map_frame, parse
from p2c_lib.mapping.coverage import coverage, preview, rule_change
from p2c_lib.odata.precision import Precisions
from p2c_lib.odata.schema import Column, EntitySchema
from tests.mapping_frames import Desk, desk_for, frame, small

COUNTRY = "{from: country, to: Country, apply: [trim, {country_code: iso3}], default: USA}"


def rows(countries: list[str | None]) -> dict[str, Any]:
    return {
        "id": pa.array([f"r{i}" for i in range(len(countries))], pa.string()),
        "country": pa.array(countries, pa.string()),
    }


def test_a_preview_shows_the_value_after_every_stage() -> None:
    made = small(COUNTRY)
    shown = preview(frame(made, rows([" Norge ", "Oz", None])), made, desk_for(made), rows=3)
    field = shown.fields[1]
    assert shown.keys == ("r0", "r1", "r2")
    assert field.stages == ("from", "trim", "country_code: iso3", "default USA", "to")
    assert field.lines == (
        (" Norge ", "Norge", "NOR", "NOR", "NOR"),
        ("Oz", "Oz", None, None, None),
        (None, None, None, "USA", "USA"),
    )
    assert field.reasons == ("", "'Oz' is no country known by name or code", "")
    assert "&lt;" not in shown._repr_html_()


def test_coverage_counts_rows_not_distinct_values() -> None:
    made = small(COUNTRY)
    covered = coverage(frame(made, rows(["Norge", "Norge", "Oz", "Oz", None])), made, desk_for(made)).fields[1]
    assert covered.to_dict() == {
        "field": "Country",
        "source": "country",
        "steps": "trim, country_code: iso3, default USA",
        "rows": 5,
        "came": 4,
        "filled": 3,
        "defaulted": 1,
        "distinct": 2,
        "longest": 3,
        "limit": None,
        "refused": (("Oz", 2),),
        "rejected": 2,
    }


@pytest.mark.parametrize("policy", ["'null'", "keep"])
def test_coverage_lists_refused_values_whatever_the_policy_made_of_them(policy: str) -> None:
    made = small(f"{{from: country, to: Country, apply: [{{country_code: iso2, otherwise: {policy}}}]}}")
    covered = coverage(frame(made, rows(["Oz", "no", "Oz"])), made, desk_for(made)).fields[1]
    assert (covered.refused, covered.rejected) == ((("Oz", 2),), 0)


def test_the_effect_of_an_edited_rule_is_counted_on_the_rows() -> None:
    made = small(COUNTRY)
    edited = FieldRule.model_validate({"from": "country", "to": "Country", "apply": [{"country_code": "iso2"}]})
    change = rule_change(frame(made, rows(["Norge", "Norge", None, "Oz"])), made, edited, desk_for(made))
    assert change.to_dict() == {
        "field": "Country",
        "rows": 4,
        "changed": 3,
        "pairs": [
            {"came": "Norge", "before": "NOR", "after": "NO", "rows": 2},
            {"came": None, "before": "USA", "after": None, "rows": 1},
        ],
    }


def test_a_new_rule_counts_as_empty_before() -> None:
    made = small(COUNTRY)
    both = small(f"{COUNTRY}, {{to: Extra, default: x}}")
    added = FieldRule.model_validate({"to": "Extra", "default": "x"})
    change = rule_change(frame(made, rows(["a", "b"])), made, added, desk_for(both))
    assert change.pairs == ((None, None, "x", 2),)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["Norge", "Oz", "us", " "])), min_size=1, max_size=25))
def test_coverage_and_mapping_agree(countries: list[str | None]) -> None:
    made = small(COUNTRY)
    source: EntityFrame = frame(made, rows(countries))
    covered = coverage(source, made, desk_for(made)).fields[1]
    mapped = map_frame(source, made, desk_for(made))
    values = mapped.frame.table["Country"]
    assert (covered.rejected, covered.filled) == (mapped.rejected_rows, len(values) - values.null_count)


# A price list in euros and yen: money with the decimals of the row's currency.
PRICES = """\
{version: 1, task: p, title: P, source: {app: finops, entity: Prices}, destination: {app: sales, entity: items},
 key: {id: id}, fields: [{from: id, to: id}, {from: cur, to: transactioncurrencyid.isocurrencycode, apply: [upper]},
 {from: price, to: price}, {from: cost, to: cost}, {from: kinds, to: kinds}]}"""


@dataclass
class Organisation(Desk):
    """A destination that keeps money by its currency, and costs by its organisation."""

    def precisions(self) -> Precisions:
        return Precisions(3, {"EUR": 2, "JPY": 0})


def priced(ids: list[str]) -> tuple[Any, EntityFrame, Organisation]:
    made = parse(PRICES)
    wide = pa.decimal128(38, 10)
    columns = {
        "id": Column("id", "Edm.String", pa.string()),
        "transactioncurrencyid": Column("transactioncurrencyid", "Edm.Guid", pa.string(), targets=("currency",)),
        "price": Column("price", "Edm.Decimal", wide, places=4, places_by="currency"),
        "cost": Column("cost", "Edm.Decimal", wide, places=4, places_by="organisation"),
        "kinds": Column("kinds", "Edm.String", pa.string(), choices={1: "A", 2: "B"}, several=True),
    }
    schema = EntitySchema("sales", "items", "item", ("id",), columns)
    rows = {
        "id": ids,
        "cur": ["eur", "jpy", "eur", "jpy"],
        "price": pa.array([Decimal(text) for text in ("12.345678", "12.345678", "2.005", "0.5")]),
        "cost": pa.array([Decimal("33.3333333333333333")] * 4, pa.decimal128(38, 16)),
        "kinds": ["2,1", "1", "1,2", "9"],
    }
    return made, frame(made, rows), Organisation({"items": schema})


def test_previews_coverage_and_changes_show_money_as_it_would_be_written() -> None:
    made, source, desk = priced(["a", "b", "c", "d"])
    session: Any = desk
    shown = {one.field: [line[-1] for line in one.lines] for one in preview(source, made, session, rows=4).fields}
    written = map_frame(source, made, session)
    assert shown["price"] == ["12.35", "12", "2.01", "1"]
    assert shown["cost"] == ["33.333"] * 4
    assert shown["kinds"] == ["1,2", "1", "1,2", None]
    for name in ("price", "cost", "kinds"):
        assert shown[name][:3] == texts(written.frame.table.column(name)).to_pylist()
    (alone,) = preview(source, made, session, rows=4, only="price").fields
    assert [line[-1] for line in alone.lines] == shown["price"]
    covered = {one.field: one for one in coverage(source, made, session).fields}
    assert (covered["price"].distinct, covered["price"].longest) == (4, 5)
    assert (covered["cost"].distinct, covered["cost"].longest) == (1, 6)
    assert covered["kinds"].rejected == written.rejected_rows == 1
    edited = FieldRule.model_validate({"from": "price", "to": "price", "apply": [{"round_to": 4}]})
    assert rule_change(source, made, edited, session).changed == 0
    cut = FieldRule.model_validate({"from": "price", "to": "price", "apply": ["whole"]})
    pairs = rule_change(source, made, cut, session).pairs
    assert sorted(pairs) == [("0.5", "1", "0", 1), ("12.345678", "12.35", "12", 1), ("2.005", "2.01", "2", 1)]
