"""Differences clustered by cause, the fixes proposed for them, and what those would do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from p2c_lib.frames import EntityFrame, Origin
from p2c_lib.mapping import template
from p2c_lib.mapping.template import CompareRules, Template
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
    "value": (pa.string(), lambda i: f"Street {i}", lambda v: f"Road {v[::-1]}"),
}
NAMES = {"default": "group"}
ROWS = 100_000


def injected() -> tuple[dict[str, Any], dict[str, Any], dict[str, set[int]]]:
    """100,000 rows with 1,000 differences of each cause, at random rows."""
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


def test_twelve_causes_are_told_apart_and_their_fixes_settle_them() -> None:
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


def test_a_cluster_tells_the_money_at_stake() -> None:
    result = compare(
        {"id": ["1", "2"], "price": [Decimal("10.00"), Decimal("5.50")], "quantity": [1, 2]},
        {"id": ["1", "2"], "price": [Decimal("12.50"), Decimal("5.00")], "quantity": [3, 4]},
    )
    assert {c.field: c.money for c in result.clusters} == {"price": Decimal("3.0000"), "quantity": None}
    price = next(c for c in result.clusters if c.field == "price")
    assert price.examples == (("1", "10", "12.5"), ("2", "5.5", "5"))
    assert price.to_dict()["money"] == "3.0000"


@pytest.mark.parametrize(
    ("expected", "actual", "step"),
    [
        ("Acme  Ltd", "Acme Ltd", {"collapse": None}),
        ("Acme ", "Acme", {"trim": None}),
        ("acme", "ACME", {"upper": None}),
        ("Cafe\u0301", "Café", {"normal_form": "NFC"}),
        ("Northwind Traders Ltd", "Northwind Traders", {"truncate": 17}),
    ],
)
def test_a_transform_is_proposed_where_it_does_it_all(expected: str, actual: str, step: dict[str, Any]) -> None:
    (cluster,) = compare({"id": ["1"], "x": [expected]}, {"id": ["1"], "x": [actual]}).clusters
    assert cluster.fix is not None
    assert dict(cluster.fix.step) == step


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
