"""Previews, coverage and the effect of an edited rule, on rows of a sandbox and on rows made for the purpose."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.frames import EntityFrame
from p2c_lib.mapping import FieldRule, map_frame
from p2c_lib.mapping.coverage import coverage, preview, rule_change
from tests.mapping_frames import desk_for, frame, small

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
