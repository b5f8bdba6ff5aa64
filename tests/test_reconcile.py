"""Two frames compared: every row in one class, every difference with its cause."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.keys import RowKey
from p2c_lib.mapping.template import CompareRules
from p2c_lib.reconcile import Reconciliation, Snapshot, reconcile


def frame(table: pa.Table, key: Sequence[str] = ("id",), app: str = "sales") -> EntityFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return EntityFrame(
        table, Origin(app, "http://127.0.0.1", "org", None, "things", "", tuple(key), at, None, True, "")
    )


def rules(defaults: dict[str, Any] | None = None, **compare: Any) -> Any:
    given_rules = {name: SimpleNamespace(default=value) for name, value in (defaults or {}).items()}
    return SimpleNamespace(task="things", sha="s", compare=CompareRules(**compare), rule=given_rules.get)


def compare(
    expected: dict[str, Any], actual: dict[str, Any], *, app: str = "sales", key: Sequence[str] = ("id",), **given: Any
) -> Reconciliation:
    return reconcile(frame(pa.table(expected), key), frame(pa.table(actual), key, app), rules(**given))


def cause(expected: Any, actual: Any, *, name: str = "x", kind: pa.DataType | None = None, **given: Any) -> list[str]:
    sides = [{"id": ["1"], name: pa.array([value], kind)} for value in (expected, actual)]
    return compare(*sides, **given).differences.column("cause").to_pylist()  # type: ignore[no-any-return]


def test_every_row_lands_in_one_class() -> None:
    result = compare(
        {"id": ["same", "other", "new", "twice", "twice", "thrice", None, " "], "x": list("abcdefgh")},
        {"id": ["same", "other", "old", "twice", "thrice", "thrice", None], "x": list("aXcdefg")},
    )
    assert dict(result.summary) == {
        "equal": 1, "changed": 1, "missing": 1, "extra": 1, "duplicate": 6, "invalid": 3,
    }  # fmt: skip
    assert {side: sum(counts.values()) for side, counts in result.sides.items()} == {"expected": 8, "actual": 7}
    assert result.rows("missing").to_pylist() == [{"@expected": 2, "@actual": None, "key": "new", "id": "new"}]
    assert result.rows("extra").to_pylist() == [{"@expected": None, "@actual": 2, "key": "old", "id": "old"}]
    assert result.rows("equal").to_pylist() == [{"@expected": 0, "@actual": 0, "key": "same", "id": "same"}]
    assert result.rows("duplicate").column("key").to_pylist() == ["thrice"] * 3 + ["twice"] * 3
    assert result.differences.to_pylist() == [
        {"@expected": 1, "@actual": 1, "key": "other", "field": "x", "expected": "b", "actual": "X", "cause": "value"}
    ]


def test_keys_pair_without_regard_to_case_and_blanks_at_the_end_and_keep_both_spellings() -> None:
    result = compare({"id": ["AB-1 "], "x": [1]}, {"id": ["ab-1"], "x": [1]})
    assert dict(result.summary) | {} == dict.fromkeys(result.summary, 0) | {"equal": 1}
    assert result.rows("equal").column("id").to_pylist() == ["AB-1 "]


def test_a_key_with_a_blank_before_it_is_another_row() -> None:
    result = compare({"id": ["LEADZ"], "x": [1]}, {"id": [" LEADZ", "LEADZ\t"], "x": [1, 1]})
    assert [result.summary[c] for c in ("equal", "changed", "missing", "extra", "duplicate")] == [0, 0, 1, 2, 0]


def test_composite_keys_pair_by_all_their_columns() -> None:
    expected = {"q": ["Q1", "Q1", "Q2"], "n": pa.array([1, 2, 1], pa.int64()), "x": [1, 2, 3]}
    actual = {"q": ["q1", "Q1"], "n": pa.array([2, 1], pa.int32()), "x": [2, 9]}
    result = compare(expected, actual, key=("q", "n"))
    assert [result.summary[c] for c in ("equal", "changed", "missing", "extra")] == [1, 1, 1, 0]
    assert result.rows("changed").select(["key", "q", "n"]).to_pylist() == [{"key": "q1|1", "q": "Q1", "n": 1}]


@pytest.mark.parametrize(
    ("expected", "actual", "why"),
    [
        ("Acme Ltd", "Acme  Ltd ", "whitespace"),
        ("Acme Ltd", "Acme\u00a0Ltd", "whitespace"),
        ("Acme", "ACME", "case"),
        ("Acme Ltd", "ACME  ltd", "case"),
        ("Café", "Cafe\u0301", "unicode"),
        ("Müller", "Muller", "unicode"),
        ("O’Neill", "O'Neill", "unicode"),
        ("ManPower", "M\u0430nP\u043ew\u0435r", "unicode"),
        ("New South Wales", "NSW", "unmapped-value"),
        ("DEU", "DE", "unmapped-value"),
        ("Washington", "TX", "value"),
        ("(425) 555-0100", "425-555-0100", "phone-format"),
        ("+1 425 555 0100", "4255550100", "phone-format"),
        ("00123", "123", "leading-zeros"),
        ("C-Advanced Bike Components", "C-Advanced Bike Comp", "truncated"),
        ("Main Street", "Side Street", "value"),
        ("  ", None, "empty-vs-null"),
        ("Acme", None, "not-filled"),
        ("12 Main", "12", "value"),
        ("4255550100", "4255550101", "value"),
    ],
)
def test_a_text_difference_has_a_cause_whichever_side_it_is_on(expected: str, actual: str, why: str) -> None:
    assert cause(expected, actual, kind=pa.string()) == [why]
    assert cause(actual, expected, kind=pa.string()) == [why]


@pytest.mark.parametrize(
    ("expected", "actual", "why"),
    [
        (Decimal("33.6442"), Decimal("33.6400"), "rounding"),
        (Decimal("33.6482"), Decimal("33.6500"), "rounding"),
        (Decimal("1899.7000"), Decimal("1900.0000"), "rounding"),
        (Decimal("3.4000"), Decimal("3.0000"), "value"),
        (Decimal("33.6442"), Decimal("34.9900"), "value"),
        (Decimal("0.0000"), None, "empty-vs-null"),
        (Decimal("5.0000"), None, "not-filled"),
    ],
)
def test_a_number_difference_has_a_cause(expected: Decimal, actual: Decimal | None, why: str) -> None:
    kind = pa.decimal128(19, 4)
    assert cause(expected, actual, kind=kind) == [why]
    assert cause(actual, expected, kind=kind) == [why]


@pytest.mark.parametrize(
    ("gap", "why"),
    [(timedelta(hours=-5), "day-shift"), (timedelta(days=1), "day-shift"), (timedelta(minutes=7), "value")],
)
def test_a_moment_shifted_by_a_time_zone(gap: timedelta, why: str) -> None:
    at = datetime(2024, 5, 1, tzinfo=UTC)
    assert cause(at, at + gap, kind=pa.timestamp("us", "UTC")) == [why]


def test_days_next_to_each_other_are_a_shift() -> None:
    assert cause(date(2024, 1, 1), date(2023, 12, 31), kind=pa.date32()) == ["day-shift"]
    assert cause(date(2024, 1, 1), date(2023, 12, 30), kind=pa.date32()) == ["value"]


def test_the_templates_default_is_a_cause() -> None:
    assert cause("10", "20", defaults={"x": "10"}) == ["default"]
    assert cause("USA", None, kind=pa.string(), defaults={"x": "USA"}) == ["default"]


def test_a_pair_that_comes_again_and_again_lacks_a_map_entry() -> None:
    ids = [str(i) for i in range(8)]
    states = ["Washington"] * 4 + ["Texas"] * 3 + ["Ohio"]
    codes = ["WA"] * 4 + ["TX"] * 3 + ["IN"]
    result = compare({"id": ids, "state": states}, {"id": ids, "state": codes})
    assert result.causes.drop_columns(["money"]).to_pylist() == [
        {"cause": "unmapped-value", "field": "state", "count": 7, "expected": "Washington", "actual": "WA"},
        {"cause": "value", "field": "state", "count": 1, "expected": "Ohio", "actual": "IN"},
    ]


def test_finance_has_no_null_and_sales_has() -> None:
    day, kind = date(1900, 1, 1), pa.date32()
    expected = {"id": ["1"], "n": pa.array([None], pa.int64()), "t": pa.array([None], pa.string()), "d": [day]}
    actual = {"id": ["1"], "n": [0], "t": [""], "d": pa.array([None], kind)}
    assert compare(expected, actual, app="finops").summary["equal"] == 1
    differing = compare(expected, actual).differences
    assert differing.select(["field", "cause"]).to_pylist() == [
        {"field": "n", "cause": "empty-vs-null"},
        {"field": "d", "cause": "not-filled"},
    ]


def test_compare_rules_say_what_counts_as_equal() -> None:
    expected = {"id": ["1"], "price": [Decimal("1.005")], "name": ["Acme "], "unit": ["EA"], "note": ["a"]}
    actual = {"id": ["1"], "price": [Decimal("1.000")], "name": ["Acme"], "unit": ["ea"], "note": ["b"]}
    ruled = compare(
        expected, actual, tolerance={"price": "0.005"}, trim=["name"], case=["unit"], ignore={"note": "free text"}
    )
    assert (ruled.summary["equal"], compare(expected, actual).differences.num_rows) == (1, 4)
    assert compare(expected, actual, tolerance={"price": "0.004"}).differences.column("field").to_pylist()[0] == "price"


def test_a_share_of_a_number_may_be_tolerated() -> None:
    pair = (
        {"id": ["1", "2", "3"], "x": [Decimal(1000), Decimal(-1000), Decimal(0)]},
        {"id": ["1", "2", "3"], "x": [Decimal(990), Decimal(-989), Decimal(1)]},
    )
    assert compare(*pair, tolerance_percent={"x": "1"}).differences.column("key").to_pylist() == ["2", "3"]
    assert compare(*pair, tolerance_percent={"x": "1.1"}, tolerance={"x": "1"}).differences.num_rows == 0


@pytest.mark.parametrize(
    ("granularity", "differing"), [("second", ["2", "3", "4"]), ("minute", ["3", "4"]), ("hour", ["4"]), ("day", [])]
)
@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Paris"), pa.timestamp("ns")])
def test_moments_may_be_compared_to_a_granularity(granularity: str, differing: list[str], kind: pa.DataType) -> None:
    at = datetime(2024, 1, 1, 22, tzinfo=UTC)
    gaps = [timedelta(milliseconds=5), timedelta(seconds=9), timedelta(minutes=50), timedelta(hours=1)]
    ids = [str(n + 1) for n in range(len(gaps))]
    sides = [{"id": ids, "x": pa.array(moments, kind)} for moments in ([at] * 4, [at + gap for gap in gaps])]
    assert compare(*sides).differences.column("key").to_pylist() == ids
    found = compare(*sides, granularity={"x": granularity})
    assert found.differences.column("key").to_pylist() == differing


@pytest.mark.parametrize(
    "rule", [{"tolerance": {"x": "1"}}, {"tolerance_percent": {"x": "1"}}, {"granularity": {"x": "day"}}]
)
def test_a_rule_that_cannot_be_about_a_column_is_an_error(rule: dict[str, Any]) -> None:
    text = {"id": ["1"], "x": ["a"]}
    with pytest.raises(FrameError, match=r"x holds no (number|moment), so compare\."):
        compare(text, text, **rule)
    nothing = {"id": ["1"], "x": pa.nulls(1)}
    assert compare(nothing, nothing, **rule).summary["equal"] == 1


def test_types_that_differ_are_compared_in_one_that_holds_both() -> None:
    expected = {
        "id": ["1"],
        "money": pa.array([Decimal("12.5000")], pa.decimal128(19, 4)),
        "count": pa.array([7], pa.int32()),
        "big": pa.array([2**63 + 1], pa.uint64()),
        "kind": pa.array(["x"]).dictionary_encode(),
        "at": pa.array([datetime(2024, 1, 1)], pa.timestamp("ns")),
        "none": pa.nulls(1),
    }
    actual = {
        "id": ["1"],
        "money": pa.array([Decimal("12.5")], pa.decimal128(38, 1)),
        "count": pa.array([Decimal("7.00")], pa.decimal128(9, 2)),
        "big": pa.array([2**63 + 1], pa.uint64()),
        "kind": pa.array(["x"], pa.large_string()),
        "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "none": pa.array([None], pa.int64()),
    }
    result = compare(expected, actual)
    assert result.differences.to_pylist() == []


def test_integers_beyond_two_to_the_53_stay_exact() -> None:
    big = 2**53
    result = compare({"id": ["1"], "n": [big]}, {"id": ["1"], "n": [big + 1]})
    assert result.differences.select(["expected", "actual"]).to_pylist() == [
        {"expected": str(big), "actual": str(big + 1)}
    ]


def test_values_are_shown_as_a_person_writes_them() -> None:
    result = compare({"id": ["1"], "p": [Decimal("10.5000")]}, {"id": ["1"], "p": [Decimal("20.0000")]})
    assert result.differences.select(["expected", "actual"]).to_pylist() == [{"expected": "10.5", "actual": "20"}]


def test_a_column_the_other_side_lacks_is_an_error() -> None:
    with pytest.raises(FrameError, match="no column x"):
        compare({"id": ["1"], "x": ["a"]}, {"id": ["1"]})


def test_a_rule_about_no_column_is_an_error() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'price'"):
        compare({"id": ["1"], "price": [1]}, {"id": ["1"], "price": [1]}, tolerance={"prise": "1"})


def test_an_unknown_class_is_an_error() -> None:
    with pytest.raises(UnknownName, match="Allowed: changed"):
        compare({"id": ["1"], "x": [1]}, {"id": ["1"], "x": [1]}).rows("same")


def test_empty_frames_compare() -> None:
    none = {"id": pa.array([], pa.string()), "x": pa.array([], pa.int64())}
    assert sum(compare(none, none).summary.values()) == 0
    assert compare(none, {"id": ["1"], "x": [1]}).summary["extra"] == 1
    assert compare(none, none).rows("equal").num_rows == 0


def test_a_result_shows_itself_with_customers_text_escaped() -> None:
    result = compare({"id": ["1"], "x": ["<script>"]}, {"id": ["1"], "x": ["b"]})
    assert "<script>" not in result._repr_html_()
    assert "&lt;script&gt;" in result._repr_html_()
    assert json.loads(json.dumps(result.to_dict()))["summary"]["changed"] == 1
    assert repr(result) == ("Reconciliation(things: 1 rows expected, 1 there: 1 changed. Mostly: value in x (1).)")
    assert result.df.columns.tolist() == ["key", "field", "expected", "actual", "cause"]


TEXT = st.sampled_from(["", "a", "A", " a", "é", "e\u0301", "ß", "b", "10", "x" * 12, "x" * 15])
NUMBERS = st.sampled_from([0, 1, -1, 2**53, 2**63 - 1])
FLOATS = st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf"), 1e300])
MONEY = st.sampled_from([Decimal("0.0000"), Decimal("1.2345"), Decimal("-9.9999")])
WHEN = st.sampled_from([datetime(1900, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)])
KEYS = st.none() | st.sampled_from(["k1", "K1 ", "k2", "k3", "", "ß", "SS", "é"])
COLUMNS = {
    "id": (KEYS, pa.string()),
    "t": (TEXT, pa.string()),
    "n": (NUMBERS, pa.int64()),
    "f": (FLOATS, pa.float64()),
    "m": (MONEY, pa.decimal128(19, 4)),
    "d": (WHEN, pa.timestamp("us", "UTC")),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    count = draw(st.integers(0, 8))
    made = {}
    for name, (values, kind) in COLUMNS.items():
        made[name] = pa.array(draw(st.lists(st.none() | values, min_size=count, max_size=count)), kind)
    return pa.table(made)


def naive(expected: pa.Table, actual: pa.Table) -> dict[str, int]:
    """The classes by the definition, row by row."""
    keys = [RowKey(("id",), "sales").texts(t).to_pylist() for t in (expected, actual)]
    rows = [t.drop_columns(["id"]).to_pylist() for t in (expected, actual)]
    found = dict.fromkeys(("equal", "changed", "missing", "extra", "duplicate", "invalid"), 0)
    for key in set(keys[0]) | set(keys[1]):
        e, a = keys[0].count(key), keys[1].count(key)
        if key is None:
            found["invalid"] += e + a
        elif e > 1 or a > 1:
            found["duplicate"] += e + a
        elif not a:
            found["missing"] += 1
        elif not e:
            found["extra"] += 1
        else:
            pair = [_comparable(side[ks.index(key)]) for side, ks in zip(rows, keys, strict=True)]
            found["equal" if pair[0] == pair[1] else "changed"] += 1
    return found


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {k: "nan" if v != v else None if v == "" else v for k, v in row.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), tables(), st.randoms())
def test_classes_hold_whatever_the_frames(expected: pa.Table, actual: pa.Table, chance: Any) -> None:
    result = reconcile(frame(expected), frame(actual), rules())
    assert dict(result.summary) == naive(expected, actual)
    for side, table in (("expected", expected), ("actual", actual)):
        assert sum(result.sides[side].values()) == table.num_rows
        listed = pa.concat_arrays(
            [result.rows(c).column(f"@{side}").drop_null().combine_chunks() for c in result.summary]
        )
        assert sorted(listed.to_pylist()) == list(range(table.num_rows))

    swapped = reconcile(frame(actual), frame(expected), rules())
    turned = {"missing": result.summary["extra"], "extra": result.summary["missing"]}
    assert dict(swapped.summary) == dict(result.summary) | turned
    mirrored = [
        {(r["key"], r["field"], r[e], r[a]) for r in x.differences.to_pylist()}
        for x, e, a in ((result, "expected", "actual"), (swapped, "actual", "expected"))
    ]
    assert mirrored[0] == mirrored[1]

    there = actual.set_column(5, "d", actual.column("d").cast(pa.timestamp("us", "Asia/Kathmandu")))
    elsewhere = reconcile(frame(expected), frame(there), rules())
    assert elsewhere.differences.equals(result.differences), "a moment is a moment in every zone"

    order = chance.sample(range(expected.num_rows), expected.num_rows)
    shuffled = reconcile(frame(expected.take(pa.array(order, pa.int64()))), frame(actual), rules())
    assert dict(shuffled.summary) == dict(result.summary)
    told = [
        sorted((r["key"], r["field"], r["cause"], r["expected"] or "") for r in x.differences.to_pylist())
        for x in (result, shuffled)
    ]
    assert told[0] == told[1]


def test_a_snapshot_on_disk_compares_like_a_frame_in_memory(tmp_path: Path) -> None:
    expected = pa.table({"id": ["A", "b", "é", "d", "d", None], "m": [Decimal("1.5")] * 6, "x": list("abcdef")})
    actual = pa.table({"id": ["a ", "B", "É", "new"], "m": [Decimal("1.50")] * 4, "x": list("aXcd")})
    sides = []
    for name, table in (("expected", expected), ("actual", actual)):
        parquet.write_table(table, tmp_path / f"{name}.parquet")
        sides.append(Snapshot(tmp_path / f"{name}.parquet", frame(table).origin))
    on_disk = reconcile(sides[0], sides[1], rules())
    in_memory = reconcile(frame(expected), frame(actual), rules())
    assert dict(on_disk.summary) == dict(in_memory.summary) == {
        "equal": 2, "changed": 1, "missing": 0, "extra": 1, "duplicate": 2, "invalid": 1,
    }  # fmt: skip
    for kind in on_disk.summary:
        assert on_disk.rows(kind).to_pylist() == in_memory.rows(kind).to_pylist()
    assert on_disk.differences.equals(in_memory.differences)
    assert sides[0].read().table.equals(expected)
    assert on_disk._repr_html_()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["actual.parquet", "expected.parquet"]


def test_a_snapshot_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="no snapshot"):
        Snapshot(tmp_path / "none.parquet", frame(pa.table({"id": ["1"]})).origin)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_a_frame_equals_itself_and_is_left_as_it_was(table: pa.Table) -> None:
    given_frame = frame(table)
    result = reconcile(given_frame, frame(table), rules())
    assert (result.summary["changed"], result.summary["missing"], result.summary["extra"]) == (0, 0, 0)
    assert given_frame.table is table
    assert pc.all(
        pc.equal(result.rows("equal").column("@expected"), result.rows("equal").column("@actual"))
    ).as_py() in {
        True,
        None,
    }


def test_reals_of_every_size_are_compared_exactly_and_with_a_tolerance() -> None:
    kind = pa.decimal128(38, 16)
    most = Decimal("9999999999999999999999.9999999999999999")
    expected = [most, most, Decimal("0.0000000000000001"), Decimal("33.3333333333333"), Decimal("7")]
    actual = [most.copy_negate(), most, Decimal("0.0000000000000002"), Decimal("33.3333"), Decimal("7")]
    ids = ["1", "2", "3", "4", "5"]
    sides = [{"id": ids, "x": pa.array(values, kind)} for values in (expected, actual)]
    assert compare(*sides, app="finops").summary["changed"] == 3
    near = compare(*sides, app="finops", tolerance={"x": Decimal("0.005")})
    assert near.differences.column("key").to_pylist() == ["1"]
