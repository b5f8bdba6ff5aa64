"""Values, names and arguments as people type them: each means one thing, or is refused in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.errors import TemplateError
from p2c_lib.mapping import FieldRule, parse, template
from p2c_lib.mapping.cast import cast
from p2c_lib.mapping.countries import alpha2_of
from p2c_lib.mapping.document import to_yaml
from p2c_lib.mapping.reading import read_yaml
from p2c_lib.mapping.steps import Step


def converted(step: Any, *values: str | None) -> list[str | None]:
    """The values after one step; what is refused is '!'."""
    made = Step.model_validate(step)
    done = made.transform.function(pa.array(values, pa.string()), **made.arguments)
    refused = done.refused.to_pylist() if done.refused is not None else [False] * len(values)
    return ["!" if no else value for value, no in zip(done.values.to_pylist(), refused, strict=True)]


# --- numbers ---------------------------------------------------------------------------------------------------------

GERMAN = {"read_number": ",", "grouping": "."}


@pytest.mark.parametrize(
    ("step", "typed", "read"),
    [
        ("read_number", "12,50", "!"),
        ("read_number", "1,5", "!"),
        ("read_number", "1,500", "1500"),
        ("read_number", "1,2345", "!"),
        ("read_number", "1234,567", "!"),
        ("read_number", ",500", "!"),
        ("read_number", "1,234,567.891", "1234567.891"),
        ("read_number", "1.234,567", "!"),
        ("read_number", "0,125", "!"),
        ("read_number", "-0,500", "!"),
        ("read_number", "00,125", "!"),
        (GERMAN, "0.125", "!"),
        (GERMAN, "0,125", "0.125"),
        ("read_number", "007", "7"),
        ("read_number", "1_000", "!"),
        ("read_number", "0x1F", "!"),
        ("read_number", "\uff11\uff12", "!"),
        ("read_number", "4711E25", "47110000000000000000000000000"),
        ("read_number", "4711E99", "!"),
        ("read_number", "-5", "-5"),
        ("read_number", "\u22125", "-5"),
        ("read_number", "- 5", "-5"),
        ("read_number", ".5", "0.5"),
        ("read_number", "5.", "5"),
        ("read_number", ".", "!"),
        ("read_number", "1 234 567.5", "1234567.5"),
        ("read_number", "1 234,567", "!"),
        ("read_number", "12 34", "!"),
        (GERMAN, "1.234,50", "1234.5"),
        (GERMAN, "1.23", "!"),
        (GERMAN, "1\u00a0234,5", "1234.5"),
        (GERMAN, "1\u202f234\u202f567", "1234567"),
        (GERMAN, " 7 ", "7"),
        (GERMAN, " ", None),
        ({"read_number": ".", "grouping": "'"}, "1'234'567.50", "1234567.5"),
        ({"read_number": ",", "grouping": " "}, "1\u00a0234,5", "1234.5"),
        ({"read_number": ",", "grouping": ""}, "1.234", "!"),
    ],
)
def test_a_grouping_mark_stands_before_three_digits(step: Any, typed: str, read: str | None) -> None:
    assert converted(step, typed) == [read]


@settings(max_examples=200, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_a_number_written_in_any_country_is_read_back(number: Decimal) -> None:
    english = f"{number:,}"
    for decimal, grouping in ((".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u202f")):
        typed = english.translate(str.maketrans({",": grouping, ".": decimal}))
        assert Decimal(converted({"read_number": decimal, "grouping": grouping}, typed)[0] or "") == number


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789.,-", min_size=1, max_size=12))
def test_what_is_read_is_what_taking_the_groups_apart_gives(typed: str) -> None:
    """Held by hand: split at the point, then at the commas."""
    whole, *broken = typed.removeprefix("-").split(".")
    groups = whole.split(",")
    plain = len(broken) < 2 and all(part.isdigit() or not part for part in (*groups, *broken)) and "-" not in typed[1:]
    grouped = len(groups) == 1 or (
        1 <= len(groups[0]) <= 3 and groups[0][0] != "0" and all(len(group) == 3 for group in groups[1:])
    )
    read = converted("read_number", typed)[0]
    if not (plain and grouped and any(sign.isdigit() for sign in typed)):
        assert read == "!"
    else:
        assert Decimal(read or "") == Decimal(typed.replace(",", ""))


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.decimal128(20, 2), pa.float64()])
@pytest.mark.parametrize("typed", ["0x1F", "0X1f", "1_000", "\uff11\uff12", "\u0663", "infinity", "nan", "1 000"])
def test_what_is_no_plain_number_is_refused_whatever_stands_beside_it(typed: str, kind: pa.DataType) -> None:
    for values in ([typed], [typed, "x"], [typed, "12"]):
        assert cast(pa.array(values), kind).values.to_pylist()[0] is None, values


@pytest.mark.parametrize("step", [{"round_to": 2}, "whole", {"number_format": 2}])
def test_a_number_too_wide_is_one_refused_value(step: Any) -> None:
    assert converted(step, "4711E25", "9" * 30, "1E999999", "2.5")[2:] == ["!", converted(step, "2.5")[0]]
    assert len(converted(step, "4711E25")[0] or "") < 40


# --- dates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "typed", "written"),
    [
        ({"date_format": "%d.%m.%Y %H:%M"}, "2026-01-31T10:30:00Z", "31.01.2026 10:30"),
        ({"date_format": "%d.%m.%Y %H:%M %z"}, "2026-01-31T23:30:00+01:00", "31.01.2026 23:30 +0100"),
        ({"date_format": "%Y-%m-%d %H:%M"}, "2026-01-31", "2026-01-31 00:00"),
        ({"date_format": "%Y"}, "0987-01-31", "0987"),
        ({"date_format": "100%% %Y"}, "2026-01-31", "100% 2026"),
        ({"shift_days": 1}, "2026-01-31T10:30:00Z", "2026-02-01T10:30:00Z"),
        ({"shift_days": -1}, "2026-03-01T00:30:00+02:00", "2026-02-28T00:30:00+02:00"),
        ({"shift_days": 1}, "2026-01-31", "2026-02-01"),
        ({"shift_days": 1}, "9999-12-31", "!"),
        ({"shift_days": "+1"}, "2026-01-31", "2026-02-01"),
        ({"read_date": "%d.%m.%Y %H:%M"}, "31.01.2026 10:30", "2026-01-31T10:30:00"),
        ({"read_date": "%d.%m.%Y"}, "31.01.2026", "2026-01-31"),
        ({"read_date": "%d%m%Y"}, "1112026", "!"),
        ({"read_date": "%d%m%Y"}, "01112026", "2026-11-01"),
        ({"read_date": "%Y%m%d"}, "202613", "!"),
        ({"read_date": "%Y%m%dT%H%M%SZ"}, "20260131T101112Z", "2026-01-31T10:11:12"),
        ({"read_date": "%Y-%j"}, "2026-366", "!"),
        ({"read_date": "%Y-%j"}, "2028-366", "2028-12-31"),
        ({"read_date": "%Y-%j"}, "2026-5", "2026-01-05"),
        ({"read_date": "%d.%m.%Y"}, "1.2.2026", "2026-02-01"),
        ({"read_date": "%d. %B %Y"}, "1. March 2026", "2026-03-01"),
        ({"read_date": "%d/%m/%y %I:%M %p"}, "31/01/26 03:15 PM", "2026-01-31T15:15:00"),
        ({"read_date": "%d.%m.%Y %H:%M %z"}, "31.01.2026 10:30 +0000", "2026-01-31T10:30:00Z"),
    ],
)
def test_a_moment_keeps_its_clock(step: Any, typed: str, written: str) -> None:
    assert converted(step, typed) == [written]


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-300, 300))
def test_a_moved_moment_is_so_many_times_24_hours_away(moment: datetime, days: int) -> None:
    moved = converted({"shift_days": days}, f"{moment.isoformat()}Z")[0]
    assert moved is not None
    assert datetime.fromisoformat(moved.removesuffix("Z")) - moment == timedelta(days=days)


# --- value maps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ΟΔΟΣ", "Οδός", "İstanbul", "ISPARTA", "ısparta", "STRASSE", "e\u0301", "\u00e9", "ǅ"])
def test_a_map_takes_its_own_keys_however_they_are_written(key: str) -> None:
    for typed in (key, f" {key}\t", key.lower(), key.upper()):
        if typed.strip().lower() == key.lower() or len(typed.strip()) == len(key):
            assert converted({"value_map": {key: "found"}}, typed) == ["found"], typed


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(lambda text: text.strip()))
def test_a_map_of_any_key_finds_it(key: str) -> None:
    assert converted({"value_map": {key: "found"}}, key) == ["found"]
    assert converted({"value_map": {key: "found"}, "separator": "\u2016"}, key) in (["found"], ["!"])


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"value_map": {"EA": "ea", "ea ": "each"}}, "'EA' and 'ea ' are one value here and have two partners"),
        ({"value_map": {1: "One", "1": "Uno"}}, "'1' and '1' are one value"),
        ({"value_map": {None: "a", " ": "b"}}, "are one value"),
        ({"value_map": {"1,2": "a"}, "separator": ","}, "'1,2' holds the separator ','"),
        ({"value_map": {"a": "b"}, "separator": ""}, "it is empty"),
        ({"unit": "finops", "also": {"Each": "x", "EACH": "y"}}, "are one value"),
        ({"replace": ""}, "it is empty"),
        ({"strip": ""}, "it is empty"),
        ({"truncate": -5}, "greater than or equal to 1"),
        ({"truncate": 0}, "greater than or equal to 1"),
        ({"truncate": True}, "valid integer"),
        ({"truncate": 10**9}, "less than or equal to"),
        ({"pad": 10**9}, "less than or equal to"),
        ({"pad": 5, "character": ""}, "it is empty"),
        ({"part": 0}, "there is no part 0"),
        ({"part": 1, "separator": ""}, "it is empty"),
        ({"round_to": 400}, "less than or equal to 38"),
        ({"number_format": 2, "decimal": ",", "grouping": ","}, "the decimal mark and the grouping mark are both ','"),
        ({"read_number": ","}, "the decimal mark and the grouping mark are both ','"),
        ({"read_number": "", "grouping": ","}, "the decimal mark is empty"),
        ({"read_number": "5"}, "one sign that is no letter, digit"),
        ({"shift_days": 10**10}, "less than or equal to"),
        ({"today": -(10**10)}, "greater than or equal to"),
        ({"date_format": "TT.MM.JJJJ"}, "names no part of a date"),
        ({"date_format": "%Q"}, "%Q is no part of a date"),
        ({"date_format": "%d.%m.%"}, "% is no part of a date"),
        ({"read_date": "%d.%d.%Y"}, "a part of the date is named twice"),
        ({"read_date": "%Q"}, "no date is read by this form"),
        ({"read_date": "%d.%m.%Y %H:%M %Z"}, "each machine reads otherwise"),
        ({"read_date": "%d.%m.%Y %I:%M"}, "which half of the day"),
        ({"read_date": "%H:%M"}, "names no whole date"),
        ({"read_date": "%d.%m"}, "names no whole date"),
        ({"read_date": "%U %Y"}, "names no whole date"),
        ({"read_date": "%A"}, "names no whole date"),
        ({"read_date": "%d.%m.%Y %H:%M %p"}, "%I and %p go together"),
        ({"read_date": "%Y-%m-%d %j"}, "no whole date, or more than one"),
        ({"read_date": "%d %b %B %Y"}, "named twice"),
        ({"read_date": "%d.%m.%Y %y"}, "named twice"),
        ({"read_date": "%G-%V"}, "names no whole date"),
        ({"value_map": {"a": "x;y"}, "separator": ";"}, "'x;y' holds the separator ';'"),
    ],
)
def test_an_argument_that_converts_nothing_is_refused_with_the_template(step: Any, told: str) -> None:
    rule = f"fields:\n- {{from: name, to: Name, apply: [{step!r}]}}\n".replace("None:", "null:").replace("True", "true")
    with pytest.raises(TemplateError, match=re.escape(told)) as raised:
        parse(HEAD + rule)
    assert raised.value.path == "fields[0].apply[0]"


HEAD = """\
version: 1
task: things
title: Things
source: {app: sales, entity: accounts}
destination: {app: finops, entity: CustomersV3}
key: {name: Name}
"""


# --- scalars of YAML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    ["1.10", "+47", "00", "010", "-0", "0.12345678901234567890", "1e5", "=", "<<", "No", "12345678901234567890"],
)
def test_a_scalar_is_the_text_that_was_typed(typed: str) -> None:
    rule = parse(f"{HEAD}fields:\n- {{from: name, to: Name, default: {typed}}}\n").rule("Name")
    assert rule is not None
    assert str(rule.default) == typed
    step = parse(f"{HEAD}fields:\n- {{from: name, to: Name, apply: [{{prefix: {typed}}}]}}\n").fields[0].apply[0]
    assert step.arguments == {"text": typed}
    mapped = parse(f"{HEAD}fields:\n- {{from: name, to: Name, apply: [{{value_map: {{a: {typed}}}}}]}}\n").fields[0]
    assert converted(mapped.apply[0].written, "a") == [typed]


def test_a_number_is_a_number_where_one_is_wanted() -> None:
    made = parse(
        f"{HEAD}fields:\n- {{from: name, to: Name, apply: [{{truncate: +5}}]}}\n"
        "compare: {tolerance: {Name: 0.10}}\nlimits: {max_creates: +5, max_share_changed: 0.50}\n"
    )
    assert made.fields[0].apply[0].arguments == {"length": 5}
    assert made.compare.tolerance == {"Name": Decimal("0.10")}
    assert (made.limits.max_creates, made.limits.max_share_changed) == (5, 0.5)


def test_a_merged_key_still_merges() -> None:
    merged = read_yaml("a: &x {one: 1}\nb: {<<: *x, two: 2}\n", name="a file")
    assert merged == {"a": {"one": 1}, "b": {"one": 1, "two": 2}}


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: "e" not in repr(number) and number),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc")), max_size=8),
    st.sampled_from(["1.10", "+47", "010", "no", "null", "~", "=", "<<", "1e5", "2026-01-31", "0x1F", "[", "#a"]),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(PLAIN.filter(lambda key: key is not True and key is not False), PLAIN, min_size=1, max_size=5))
def test_a_template_written_back_keeps_every_pair(pairs: dict[Any, Any]) -> None:
    try:
        rule = FieldRule.model_validate({"to": "DeliveryAddressName", "from": "name", "apply": [{"value_map": pairs}]})
    except ValueError as error:
        if "one value here" in str(error):
            return
        raise
    made = template("quotes").with_rule(rule)
    again = parse(to_yaml(made)).rule("DeliveryAddressName")
    assert again is not None
    kept = again.apply[0].arguments["pairs"]
    named = {"" if key is None else repr(key).removesuffix(".0") if isinstance(key, float) else str(key): value
             for key, value in pairs.items()}  # fmt: skip
    assert {key: (value, type(value)) for key, value in kept.items()} == {
        key: (value, type(value)) for key, value in named.items()
    }


@pytest.mark.parametrize("value", [1e22, 1e-7, Decimal("1.10"), 5.0])
def test_a_value_set_in_python_is_written_with_its_digits(value: Any) -> None:
    made = template("quotes").with_rule(FieldRule(to="DeliveryAddressName", default=value))
    again = parse(to_yaml(made)).rule("DeliveryAddressName")
    assert again is not None
    assert Decimal(str(again.default)) == Decimal(str(value))


# --- countries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("CI", ["Côte d'Ivoire", "Côte d\u2019Ivoire", "COTE D'IVOIRE", "Cote d Ivoire", "Ivory Coast"]),
        ("KR", ["Korea, Republic of", "Korea (the Republic of)", "Republic of Korea", "South Korea", "대한민국"]),
        ("KP", ["Korea, Democratic People's Republic of", "Korea (the Democratic People\u2019s Republic of)"]),
        ("GR", ["ΕΛΛΑΔΑ", "Ελλάδα", "ελλαδα", "Greece", "GREECE "]),
        ("GM", ["The Gambia", "Gambia, The", "Gambia (the)", "GAMBIA"]),
        ("US", ["U.S.A", "U.S.A.", "U. S. A.", "USA", "United States of America (the)", "the United States"]),
        ("GB", ["U.K.", "uk", "United Kingdom of Great Britain and Northern Ireland (the)", "Great Britain"]),
        ("TR", ["Türkiye", "TÜRKİYE", "turkiye", "Turkey"]),
        ("BO", ["Bolivia (Plurinational State of)", "Bolivia, Plurinational State of", "Bolivia"]),
        ("VE", ["Venezuela (Bolivarian Republic of)", "Venezuela, Bolivarian Republic of"]),
        ("IR", ["Iran (Islamic Republic of)", "Iran, Islamic Republic of", "Iran"]),
        ("MD", ["Moldova, Republic of", "Moldova (the Republic of)", "Moldova"]),
        ("TZ", ["Tanzania, United Republic of", "Tanzania"]),
        ("CD", ["Congo (the Democratic Republic of the)", "Congo, Democratic Republic of the"]),
        ("MK", ["Macedonia, the former Yugoslav Republic of", "North Macedonia"]),
        ("FM", ["Micronesia, Federated States of", "Micronesia (Federated States of)"]),
        ("VG", ["Virgin Islands (British)", "Virgin Islands, British", "British Virgin Islands"]),
        ("VI", ["Virgin Islands (U.S.)", "Virgin Islands, U.S."]),
        ("FK", ["Falkland Islands (Malvinas)", "Falkland Islands (the) [Malvinas]"]),
        ("MF", ["Saint Martin (French part)"]),
        ("SX", ["Sint Maarten (Dutch part)"]),
        ("TW", ["Taiwan (Province of China)", "Taiwan, Province of China"]),
        ("LA", ["Lao People's Democratic Republic", "Laos"]),
        ("BA", ["Bosnia and Herzegovina", "Bosnia & Herzegovina", "Bosnia-Herzegovina"]),
        ("TT", ["Trinidad and Tobago", "Trinidad & Tobago"]),
        ("NL", ["Netherlands (Kingdom of the)", "the Netherlands", "Holland"]),
        ("PT", ["PORTUGAL", "Portugal"]),
        ("VN", ["Viet Nam", "Vietname", "Vietnam", "Việt Nam"]),
        ("AT", ["Österreich", "Oesterreich", "OSTERREICH"]),
        ("FO", ["Færøerne", "Faeroerne", "Faroe Islands"]),
        ("DE", ["Germany, Federal Republic of", "Federal Republic of Germany", "DEU", "de"]),
        ("CN", ["People's Republic of China", "China"]),
        ("XK", ["Kosovo", "XKX", "XKK", "XK"]),
        ("VA", ["Holy See (the)", "Holy See (Vatican City State)"]),
    ],
)
def test_a_country_is_known_by_the_names_people_and_iso_use(code: str, names: list[str]) -> None:
    assert {name: alpha2_of(name) for name in names} == dict.fromkeys(names, code)


@pytest.mark.parametrize("name", ["Narnia", "kongo", "State of Georgia", "Republic of", "(", ", ", "The", "", "ß"])
def test_what_names_no_country_or_two_stays_unknown(name: str) -> None:
    assert alpha2_of(name) is None


# --- case ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "titled"),
    [
        ("O'NEIL'S BIKES", "O'Neil's Bikes"),
        ("o\u2019neil", "O\u2019Neil"),
        ("3RD AVENUE", "3rd Avenue"),
        ("children's 1st choice", "Children's 1st Choice"),
        ("D'ANGELO & SONS", "D'Angelo & Sons"),
        ("I'LL BE BACK", "I'll Be Back"),
        ("jean-luc", "Jean-Luc"),
        ("ΟΔΟΣ ΑΘΗΝΑΣ", "Οδος Αθηνας"),
        ("e\u0301cole", "E\u0301cole"),
        ("'quoted' words", "'Quoted' Words"),
        ("a_b", "A_B"),
        ("", ""),
    ],
)
def test_a_word_in_title_case_goes_on_after_an_apostrophe_and_a_digit(typed: str, titled: str) -> None:
    assert converted({"case": "title"}, typed) == [titled]
