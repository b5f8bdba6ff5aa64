"""The explorer without a browser: what it holds, what a click asks for, what it exports."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.reconcile import Reconciliation, reconcile
from p2c_lib.widgets import ReconciliationExplorer, reconciliation_explorer
from p2c_lib.widgets.reconciliation_explorer import marked
from tests.test_reconcile_company import RULES, frame


def result() -> Reconciliation:
    ids = [f"K{i:02}" for i in range(40)]
    expected = {"id": [*ids, "new"], "name": [f"Firm {i}" for i in range(40)] + ["=1+1"], "city": ["Rome"] * 41}
    actual = {
        "id": [*ids, "old"],
        "name": [f"FIRM {i}" for i in range(40)] + ["x"],
        "city": ["Rome"] * 39 + ["<b>"] * 2,
    }
    return reconcile(frame(expected), frame(actual), RULES)


def test_the_first_page_is_there_at_once() -> None:
    shown = ReconciliationExplorer(result())
    assert shown.summary == {"equal": 0, "changed": 40, "missing": 1, "extra": 1, "duplicate": 0, "invalid": 0}
    assert [(c["cause"], c["field"], c["count"]) for c in shown.causes] == [("case", "name", 40), ("value", "city", 1)]
    assert (shown.page["total"], len(shown.page["rows"]), shown.page["rows"][0]) == (
        41,
        25,
        {
            "key": "k00",
            "field": "name",
            "cause": "case",
            "expected": "Firm 0",
            "actual": "FIRM 0",
            "marks": [[["F", False], ["irm", True], [" 0", False]], [["F", False], ["IRM", True], [" 0", False]]],
        },
    )


@pytest.mark.parametrize(
    ("expected", "actual", "shown"),
    [("0.00002", "0", "0.00002"), ("1234.5", "0", "1,234.50"), ("33.3333333333333333", "0", "33.3333333333333333"),
     ("12345678901234567890.12345", "0", "12,345,678,901,234,567,890.12345")],
)  # fmt: skip
def test_money_at_stake_has_every_digit_it_is_made_of(expected: str, actual: str, shown: str) -> None:
    sides = [
        frame({"id": ["1"], "price": pa.array([Decimal(value)], pa.decimal128(38, 16))}) for value in (expected, actual)
    ]
    explorer = ReconciliationExplorer(reconcile(*sides, RULES))
    assert [cause["money"] for cause in explorer.causes] == [shown]
    assert f">{shown}<" in explorer._twin()
    assert shown in explorer.reconciliation.report().to_text()


def test_a_click_on_a_cause_shows_its_rows() -> None:
    shown = ReconciliationExplorer(result())
    shown.wanted = shown.wanted | {"cause": "value", "field": "city"}
    assert [r["key"] for r in shown.page["rows"]] == ["k39"]


def test_pages_turn_and_search_narrows() -> None:
    shown = ReconciliationExplorer(result())
    shown.choose("changed", cause="case", number=1)
    assert (shown.page["number"], len(shown.page["rows"])) == (1, 15)
    shown.choose("changed", search="FIRM 7")
    assert [r["key"] for r in shown.page["rows"]] == ["k07"]
    shown.choose("missing")
    assert shown.page["rows"] == [{"key": "new", "name": "=1+1", "city": "Rome"}]
    with pytest.raises(UnknownName):
        shown.choose("gone")


def test_a_selection_is_exported_whole_and_defused(tmp_path: Path) -> None:
    shown = ReconciliationExplorer(result())
    shown.choose("missing")
    assert csv.read_csv(shown.export(tmp_path / "rows.csv")).column("name").to_pylist() == ["'=1+1"]
    assert parquet.read_table(shown.export(tmp_path / "rows.parquet")).column("name").to_pylist() == ["=1+1"]
    rows = openpyxl.load_workbook(shown.export(tmp_path / "rows.xlsx")).active.values
    assert ["'=1+1" in row for row in rows] == [False, True]
    with pytest.raises(FrameError, match=r"\.csv, \.xlsx or \.parquet"):
        shown.export(tmp_path / "rows.doc")


def test_what_cannot_be_saved_from_the_browser_is_said_in_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ReconciliationExplorer(result())
    shown._asked(shown, {"do": "download", "suffix": "pdf"}, [])
    assert "Name a .csv, .xlsx or .parquet file." in shown.problem
    shown._asked(shown, {"do": "download", "suffix": "csv"}, [])
    assert shown.problem == ""
    monkeypatch.setattr(reconciliation_explorer, "MOST_SENT", 40)
    shown._asked(shown, {"do": "download", "suffix": "csv"}, [])
    assert "41 rows are too many to send to a browser." in shown.problem


def test_the_static_twin_escapes_and_marks() -> None:
    shown = ReconciliationExplorer(result())
    shown.choose("changed", cause="value")
    html = shown.static()
    assert "<mark>&lt;b&gt;</mark>" in html
    assert "<b>" not in html.replace("<b>41", "")


@pytest.mark.parametrize(
    ("values", "pieces"),
    [
        ((None, "x"), [[["", True]], [["x", True]]]),
        (("a" * 500, "a"), [[["a" * 500, True]], [["a", True]]]),
        (("12", "123"), [[["12", False]], [["12", False], ["3", True]]]),
    ],
)
def test_what_differs_is_marked(values: tuple[Any, Any], pieces: list[Any]) -> None:
    assert marked(*values) == pieces


def test_rows_of_both_sides_say_which_and_decimals_are_short() -> None:
    price = pa.array(map(Decimal, ["1.5000", "2.0000", "100.0000"]), pa.decimal128(18, 4))
    twice = frame({"id": ["a", "a", "b"], "price": price})
    shown = ReconciliationExplorer(reconcile(twice, frame({"id": ["b"], "price": price[2:]}), RULES))
    shown.choose("duplicate")
    assert shown.page["rows"] == [
        {"key": "a", "side": "expected", "price": "1.5"},
        {"key": "a", "side": "expected", "price": "2"},
    ]


def test_what_would_settle_a_cause_is_shown_with_its_effect() -> None:
    shown = ReconciliationExplorer(result())
    shown.settle("case", "name")
    assert shown.fix == {
        "cause": "case",
        "field": "name",
        "words": "Apply upper to name",
        "effect": "As a step of the mapping: 40 differences in name become 0; 40 go, none would be new.",
    }
    shown.settle("value", "city")
    assert shown.fix["words"].startswith("No rule would settle it")


def test_where_there_is_no_kernel_the_static_twin_stands() -> None:
    data, _ = ReconciliationExplorer(result())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "41 rows in this selection" in data["text/html"]


def test_equal_rows_come_when_looked_at() -> None:
    same = frame({"id": ["a"], "x": [1]})
    shown = ReconciliationExplorer(reconcile(same, same, RULES))
    assert shown.page["rows"] == [{"key": "a", "x": "1"}]
