"""Differences clustered by cause, the fixes proposed for them, and what those would do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.lengths import cut_text
from p2c_lib.mapping import template
from p2c_lib.mapping.template import CompareRules, Template
from p2c_lib.mapping.transforms.codes import value_map
from p2c_lib.odata.schema import Column, EntitySchema
from p2c_lib.reconcile import Reconciliation, reconcile
from p2c_lib.reconcile.clusters import Fix


def frame(table: pa.Table, key: tuple[str, ...] = ("id",)) -> EntityFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return EntityFrame(table, Origin("sales", "http://127.0.0.1", "org", None, "things", "", key, at, None, True, ""))


def compare(expected: dict[str, Any], actual: dict[str, Any], **rules: Any) -> Reconciliation:
    defaults = {"group": SimpleNamespace(default="10")}
    made: Any = SimpleNamespace(task="things", sha="s", compare=CompareRules(**rules), rule=defaults.get)
    return reconcile(frame(pa.table(expected)), frame(pa.table(actual)), made)


# A field for each cause: its type, the expected value of row i, and the value there is instead.
FIRMS = ["Adventure Works Cycles", "Fabrikam Bicycles Inc", "Contoso Sports Goods", "Northwind Traders Ltd"]
STATES = {"Washington": "WA", "Oregon": "OR", "California": "CA", "Texas": "TX", "Ohio": "OH"}
INJECTED: dict[str, Any] = {
    "whitespace": (pa.string(), lambda i: f"{FIRMS[i % 4]} {i}", lambda v: f" {v.replace(' ', '  ')}"),
    "case": (pa.string(), lambda i: f"{FIRMS[i % 4]} {i}", str.upper),
    "unicode": (pa.string(), lambda i: f"Café Zürich {i}", lambda v: v.replace("é", "e\u0301").replace("ü", "u")),
    "truncated": (pa.string(), lambda i: f"{FIRMS[i % 4]} of {i}", lambda v: v[:20]),
    "rounding": (pa.decimal128(19, 4), lambda i: Decimal(i) + Decimal("0.1234"), lambda v: v.quantize(Decimal("0.01"))),
    "day-shift": (pa.date32(), lambda i: date(2020, 1, 1) + timedelta(days=i % 900), lambda v: v - timedelta(days=1)),
    "empty-vs-null": (pa.int64(), lambda i: 0, lambda v: None),
    "default": (pa.string(), lambda i: "10", lambda v: "20"),
    "unmapped-value": (pa.string(), lambda i: list(STATES)[i % 5], STATES.get),
    "leading-zeros": (pa.string(), lambda i: f"00{i + 1}", lambda v: v.lstrip("0")),
    "phone-format": (pa.string(), lambda i: f"+1 (425) 555-{i % 10000:04}", lambda v: "".join(filter(str.isdigit, v))),
    "encoding": (pa.string(), lambda i: f"Königstraße {i}", lambda v: v.encode("cp850").decode("latin-1")),
    "value": (pa.string(), lambda i: f"Street {i}", lambda v: f"Road {v[::-1]}"),
}
NAMES = {"default": "group"}
ROWS = 100_000


def injected() -> tuple[dict[str, Any], dict[str, Any], dict[str, set[int]]]:
    """100,000 rows with 1,000 differences of each of a dozen causes, at random rows."""
    chance = np.random.default_rng(7)
    ids = [f"K{i:06}" for i in range(ROWS)]
    expected: dict[str, Any] = {"id": ids}
    actual: dict[str, Any] = {"id": ids}
    truth = {}
    for cause, (kind, make, spoil) in INJECTED.items():
        at = set(chance.choice(ROWS, 1000, replace=False).tolist())
        values = [make(i) for i in range(ROWS)]
        name = NAMES.get(cause, cause)
        expected[name] = pa.array(values, kind)
        # The unmapped states are all that stand there: a map that lacks them lacks them everywhere.
        spoiled = range(ROWS) if cause == "unmapped-value" else at
        there = [spoil(v) if i in spoiled else v for i, v in enumerate(values)]
        actual[name] = pa.array(there, kind)
        truth[cause] = set(spoiled)
    return expected, actual, truth


def test_the_causes_are_told_apart_and_their_fixes_settle_them() -> None:
    expected, actual, truth = injected()
    result = compare(expected, actual)
    told = result.differences.select(["@expected", "field", "cause"]).to_pydict()
    right = sum(
        NAMES.get(cause, cause) == name and row in truth[cause]
        for row, name, cause in zip(told["@expected"], told["field"], told["cause"], strict=True)
    )
    assert right >= 0.95 * sum(map(len, truth.values()))

    fixes = [cluster.fix for cluster in result.clusters if cluster.fix]
    assert {fix.cause for fix in fixes} == set(INJECTED) - {"value"}
    for fix in fixes:
        seen = result.preview(fix)
        assert (seen.after, seen.made) == (0, 0), str(seen)
    after = result.accepting(fixes)
    assert set(after.differences.column("cause").to_pylist()) == {"value"}
    assert after.summary["changed"] == len(truth["value"])


def test_a_preview_shows_the_harm_a_fix_would_do() -> None:
    ids = [str(i) for i in range(6)]
    result = compare(
        {"id": ids, "state": ["Washington"] * 5 + ["Texas"]}, {"id": ids, "state": ["WA"] * 4 + ["Washington", "Texas"]}
    )
    fix = Fix("state", "unmapped-value", "map Washington", step={"value_map": {"Washington": "WA"}})
    seen = result.preview(fix)
    assert (seen.before, seen.after, seen.resolved, seen.made) == (4, 1, 4, 1)
    assert seen.examples == (("4", "WA", "Washington"),)
    assert str(seen) == "map Washington: 4 differences become 1 (4 gone, 1 new ones)"

    (cluster,) = result.clusters
    assert cluster.fix is not None
    assert dict(cluster.fix.compare) == {"spellings": {"state": {"Washington": "WA"}}}
    assert result.preview(cluster.fix).after == 0


WORDS = ["İzmir", "ΑΘΗΝΑΣ", "\u00a0Straße", "\u212bre", "It's", "ǅ", "K", "\u2002x\t", "İ"]


@pytest.mark.parametrize("spelt", [str, str.lower, str.upper, " {} ".format])
def test_a_preview_replaces_what_the_mapping_will_replace(spelt: Callable[[str], str]) -> None:
    values = [spelt(word) for word in WORDS]
    pairs = {word: f"code {n}" for n, word in enumerate(WORDS)}
    mapped = value_map(pa.array(values), pairs).values.to_pylist()
    ids = [str(i) for i in range(len(WORDS))]
    result = compare({"id": ids, "state": values}, {"id": ids, "state": ["x"] * len(WORDS)})
    seen = result.preview(Fix("state", "unmapped-value", "map", step={"value_map": pairs}))
    wanted = [new or old for new, old in zip(mapped, values, strict=True)]
    whole = compare({"id": ids, "state": values}, {"id": ids, "state": wanted})
    assert (seen.before, seen.after) == (len(WORDS), len(WORDS))
    assert whole.preview(Fix("state", "unmapped-value", "map", step={"value_map": pairs})).after == 0


def test_a_cluster_tells_the_money_at_stake() -> None:
    result = compare(
        {"id": ["1", "2"], "price": [Decimal("10.00"), Decimal("5.50")], "quantity": [1, 2]},
        {"id": ["1", "2"], "price": [Decimal("12.50"), Decimal("5.00")], "quantity": [3, 4]},
    )
    assert {c.field: c.money for c in result.clusters} == {"price": Decimal("3"), "quantity": None}
    price = next(c for c in result.clusters if c.field == "price")
    assert price.examples == (("1", "10", "12.5"), ("2", "5.5", "5"))
    assert price.to_dict()["money"] == "3"


@pytest.mark.parametrize(
    ("expected", "actual", "step"),
    [
        ("Acme  Ltd", "Acme Ltd", {"collapse": None}),
        ("Acme ", "Acme", {"trim": None}),
        ("acme", "ACME", {"upper": None}),
        ("Cafe\u0301", "Café", {"normal_form": "NFC"}),
        ("Northwind Traders Ltd", "Northwind Traders", {"truncate": 17}),
        ("Northwind 😀 Traders Ltd", "Northwind 😀 Traders", {"truncate": 20}),
    ],
)
def test_a_transform_is_proposed_where_it_does_it_all(expected: str, actual: str, step: dict[str, Any]) -> None:
    (cluster,) = compare({"id": ["1"], "x": [expected]}, {"id": ["1"], "x": [actual]}).clusters
    assert cluster.fix is not None
    assert dict(cluster.fix.step) == step


def test_one_cut_is_proposed_where_a_long_character_made_a_text_shorter() -> None:
    expected = ["Northwind Traders Ltd", "Northwind Trad👩\u200d👩\u200d👧 Ltd"]
    actual = ["Northwind Traders", "Northwind Trad"]
    (cluster,) = compare({"id": ["1", "2"], "x": expected}, {"id": ["1", "2"], "x": actual}).clusters
    assert cluster.fix is not None
    assert dict(cluster.fix.step) == {"truncate": 17}


def in_finops(expected: list[str], actual: list[str], longest: int | None = None) -> Reconciliation:
    """Texts as F&O holds them, which publishes no lengths, beside what they should be."""
    sides = []
    for texts in (expected, actual):
        one = frame(pa.table({"id": [str(i) for i in range(len(texts))], "x": texts}))
        known = Column("x", "Edm.String", pa.string(), max_length=longest)
        schema = EntitySchema("finops", "things", "Thing", ("id",), {"x": known})
        sides.append(replace(one, origin=replace(one.origin, app="finops"), schema=schema))
    made: Any = SimpleNamespace(task="things", sha="s", compare=CompareRules(), rule={}.get)
    return reconcile(sides[0], sides[1], made)


def cut_by_finops(text: str, most: int) -> str:
    """So many UTF-16 units, without half a pair and without the blanks at the end."""
    return text.encode("utf-16-le")[: 2 * most].decode("utf-16-le", "ignore").rstrip(" ")


def test_one_cut_is_proposed_where_the_destination_took_a_blank_off_the_end() -> None:
    names = [f"{i:02}{'a' * 80}" for i in range(30)] + ["b" * 59 + " of Springfield"]
    result = in_finops(names, [cut_by_finops(name, 60) for name in names])
    (cluster,) = result.clusters
    assert cluster.fix is not None
    assert (cluster.count, dict(cluster.fix.step)) == (31, {"truncate": 60})
    assert result.preview(cluster.fix).after == 0
    assert result.accepting([cluster.fix]).summary["equal"] == 31


@pytest.mark.parametrize("end", ["e\u0301", "👩\u200d👩\u200d👧", "🇩🇪", "\u1112\u1161\u11ab", "क्षि"])
def test_a_text_cut_inside_a_letter_does_not_hide_where_all_are_cut(end: str) -> None:
    names = [f"{i:02}{'a' * 80}" for i in range(30)] + [
        "b" * (60 - len(end[0].encode("utf-16-le")) // 2) + end + " of Springfield"
    ]
    result = in_finops(names, [cut_by_finops(name, 60) for name in names])
    (cluster,) = result.clusters
    assert cluster.fix is not None
    assert (cluster.cause, cluster.count, dict(cluster.fix.step)) == ("truncated", 31, {"truncate": 60})
    seen = result.preview(cluster.fix)
    assert (seen.after, "inside a letter" in cluster.fix.words) == (1, True)


def test_a_cut_inside_a_letter_alone_is_no_length_to_cut_at() -> None:
    (cluster,) = in_finops(["Restaurant Ole\u0301 in Springfield"], ["Restaurant Ole"]).clusters
    assert cluster.fix is None or "truncate" not in cluster.fix.step


def test_a_cut_that_would_shorten_what_is_equal_is_proposed_longer() -> None:
    (cluster,) = in_finops(["b" * 59 + " of Springfield", "c" * 60], ["b" * 59, "c" * 60]).clusters
    assert cluster.fix is not None
    assert dict(cluster.fix.step) == {"truncate": 60}


ENDS = ("😀", "🇩🇪", "e\u0301", "👩\u200d👩\u200d👧", "한", "\u1112\u1161\u11ab", "  b", "é", "x", "\r\n", "क्षि")


@pytest.mark.parametrize("known", [True, False], ids=["length known", "length unknown"])
@pytest.mark.parametrize("most", [12, 60])
def test_a_text_cut_between_units_or_characters_is_truncated(most: int, *, known: bool) -> None:
    whole = ["a" * (most - back) + end + rest for end in ENDS for rest in ("", "z" * 9) for back in range(most // 6)]
    whole = ["y" * 99, *(text for text in whole if known or text == text.rstrip())]
    for cut in (cut_by_finops, lambda text, at: cut_text(text, at).rstrip(" ")):
        texts = [text for text in whole if 10 <= len(cut(text, most)) < len(text)]
        short = [cut(text, most) for text in texts]
        for pair in ((texts, short), (short, texts)):
            result = in_finops(*pair, most if known else None)
            told = result.differences.select(["expected", "actual", "cause"]).to_pylist()
            assert len(told) == len(texts)
            assert [line for line in told if line["cause"] != "truncated"] == []


def test_a_short_column_that_a_text_fills_but_for_a_character_is_truncated() -> None:
    result = in_finops(["abc 😀 Ltd", "abcd😀", "abcde Ltd"], ["abc", "abcd", "abcde"], 5)
    assert result.differences.column("cause").to_pylist() == ["truncated"] * 3


def test_an_accent_at_the_end_of_one_text_of_many_is_no_cut() -> None:
    result = in_finops(["Restaurant Ole\u0301", "A" * 40], ["Restaurant Ole", "A" * 40])
    assert result.differences.column("cause").to_pylist() == ["unicode"]


def test_an_accepted_fix_is_part_of_the_template() -> None:
    made = template("accounts")
    ids = [str(i) for i in range(3)]
    sides = [
        frame(pa.table({"CustomerAccount": ids, "AddressState": s, "CreditLimit": c}), ("CustomerAccount",))
        for s, c in ((["Texas"] * 3, [Decimal("1.2345")] * 3), (["TX"] * 3, [Decimal("1.2000")] * 3))
    ]
    result = reconcile(sides[0], sides[1], made.model_copy(update={"compare": CompareRules()}))
    accepted: Template = made
    for cluster in result.clusters:
        assert cluster.fix is not None
        accepted = cluster.fix.into(accepted)
    rule = accepted.rule("AddressState")
    assert rule is not None
    assert rule.apply[-1].written == {"value_map": {"Texas": "TX"}, "otherwise": "keep"}
    assert accepted.compare.tolerance["CreditLimit"] == Decimal("0.0345")
    assert accepted.sha != made.sha


def test_spellings_that_mean_the_same_are_no_difference() -> None:
    pair = ({"id": ["1", "2"], "x": ["St.", "Rd."]}, {"id": ["1", "2"], "x": ["Street", "Street"]})
    result = compare(*pair, spellings={"x": {"St.": "Street"}})
    assert result.differences.column("key").to_pylist() == ["2"]


def test_a_granularity_of_days_is_a_cause_that_does_not_count() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    pair = (
        {"id": ["1", "2"], "x": [at, at]},
        {"id": ["1", "2"], "x": [at + timedelta(hours=2), at + timedelta(days=9)]},
    )
    assert compare(*pair, same={"x": ["day-shift"]}).differences.column("key").to_pylist() == ["2"]


def column(name: str, expected: list[Any], actual: list[Any], **rules: Any) -> Reconciliation:
    ids = [str(i) for i in range(len(expected))]
    return compare({"id": ids, name: expected}, {"id": ids, name: actual}, **rules)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Roástr 2248", "Roßstr 2248"),
        ("Kurf\x81rstenstr", "Kurfürstenstr"),
        ("K”nigsteiner Straáe", "Königsteiner Straße"),
        ("MÃ¼nchen", "München"),
        ("l’Ã©tÃ©".replace("’", "â€™"), "l’été"),
    ],
)
def test_text_read_in_the_wrong_code_page_is_known_on_either_side(wrong: str, right: str) -> None:
    for pair in ((wrong, right), (right, wrong)):
        assert column("x", [pair[0]], [pair[1]]).causes.column("cause").to_pylist() == ["encoding"]


def test_prices_raised_by_one_factor_are_a_ratio_and_it_is_said() -> None:
    old = [Decimal(p) for p in ("10.00", "24.50", "99.99", "7.35", "55.10", "13.00")]
    new = [(p * (Decimal("1.12") if n < 4 else Decimal("1.09"))).quantize(Decimal("0.0001")) for n, p in enumerate(old)]
    (ratio, value) = column("price", new, old).clusters
    assert (ratio.cause, ratio.count, ratio.says) == ("ratio", 4, "expected is actual × 1.12 (4)")
    assert ratio.money == sum(new[:4]) - sum(old[:4])
    assert ratio.fix is None
    assert (value.cause, value.count) == ("value", 2)
    (other,) = column("price", old[:4], new[:4]).clusters
    assert other.says == "actual is expected × 1.12 (4)"
    assert "× 1.12" in other._repr_html_()


@pytest.mark.parametrize(("factor", "says"), [("0.9", "0.9"), ("1.133", "1.133"), ("100", "100"), ("1.19", "1.19")])
def test_a_factor_is_said_as_a_person_would(factor: str, says: str) -> None:
    prices = [Decimal(p) for p in ("382.30", "40.81", "1250.00", "99.50")]
    made = [(p * Decimal(factor)).quantize(Decimal("0.01")) for p in prices]
    for pair, words in ((made, prices), "expected is actual"), ((prices, made), "actual is expected"):
        assert [c.says for c in column("price", *pair).clusters] == [f"{words} × {says} (4)"]


def test_numbers_that_merely_grew_are_no_ratio() -> None:
    counts = list(range(4000, 4100))
    grown = [n + n % 2 for n in counts]
    assert column("x", counts, grown).causes.select(["cause", "count"]).to_pylist() == [{"cause": "value", "count": 50}]


def test_a_field_that_says_one_thing_throughout_is_constant() -> None:
    (cluster,) = column("x", [True] * 30, [False] * 30).clusters
    assert (cluster.cause, cluster.count, cluster.says) == ("constant", 30, "the actual value is always false")
    (cluster,) = column("x", ["net 30"] * 30, [f"terms {n}" for n in range(30)]).clusters
    assert (cluster.cause, cluster.says) == ("constant", "the expected value is always net 30")


def test_a_field_that_nearly_always_differs_is_filled_from_something_else() -> None:
    models = [f"Model {n}" for n in range(30)] + [None] * 5
    texts = [f"A text about {n}, made to please" for n in range(28)] + models[28:30] + ["something"] * 5
    result = column("x", models, texts)
    assert {c.cause: c.count for c in result.clusters} == {"other-source": 28, "not-filled": 5}
    fixes = [c.fix for c in result.clusters if c.fix]
    assert [dict(fix.compare) for fix in fixes] == [{"same": {"x": ("other-source",)}}]
    assert set(result.accepting(fixes).differences.column("cause").to_pylist()) == {"not-filled"}
    few = column("x", models[:10], texts[:10])
    assert few.causes.column("cause").to_pylist() == ["value"], "ten rows prove nothing"


def test_what_is_left_in_a_field_of_codes_is_a_code_too() -> None:
    names, codes = ["Texas"] * 9 + ["Ohio"] * 9 + ["Nord"], ["TX"] * 9 + ["OH"] * 9 + ["59"]
    assert column("state", names, codes).causes.to_pydict()["cause"] == ["unmapped-value"]
    assert column("state", names[-1:], codes[-1:]).causes.to_pydict()["cause"] == ["value"]
