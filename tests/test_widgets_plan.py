"""The review of a plan without a browser: what it holds, what a click asks for, what it exports."""

from pathlib import Path

import openpyxl
import pytest

from p2c_lib.errors import UnknownName
from p2c_lib.plan import Plan
from p2c_lib.widgets import PlanReview
from tests.test_plan import made, rows


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    many = {f"K{n:02}": f"Firm {n}" for n in range(40)}
    return made(
        tmp_path, rows(**many, N1="=1+1", N2="<b>x</b>"), rows(**{key: name.upper() for key, name in many.items()})
    )


def test_the_review_opens_on_what_changes_and_why(plan: Plan) -> None:
    shown = PlanReview(plan)
    assert shown.head["counts"] == {"create": 2, "update": 40, "delete": 0}
    assert shown.causes == [{"cause": "case", "field": "OrganizationName", "rows": 40}]
    assert (shown.page["total"], len(shown.page["rows"]), shown.page["number"]) == (40, 25, 0)
    assert shown.page["rows"][0] == {
        "position": 2,
        "op": "update",
        "key": "k00",
        "field": "OrganizationName",
        "before": "FIRM 0",
        "after": "Firm 0",
        "cause": "case",
        "marks": [[["F", False], ["IRM", True], [" 0", False]], [["F", False], ["irm", True], [" 0", False]]],
    }


def test_clicks_choose_and_search_narrows(plan: Plan) -> None:
    shown = PlanReview(plan)
    shown.wanted = shown.wanted | {"number": 1, "turn": 3}
    assert (len(shown.page["rows"]), shown.page["turn"]) == (15, 3)
    shown.choose("update", search="firm 17")
    assert [row["key"] for row in shown.page["rows"]] == ["k17"]
    shown.choose("create")
    assert [(row["key"], row["field"], row["after"]) for row in shown.page["rows"]] == [
        ("n1", "CustomerAccount", "N1"),
        ("n1", "OrganizationName", "=1+1"),
        ("n2", "CustomerAccount", "N2"),
        ("n2", "OrganizationName", "<b>x</b>"),
    ]
    shown.choose("delete")
    assert shown.page["rows"] == []
    with pytest.raises(UnknownName, match="kind of operation"):
        shown.choose("upsert")


def test_a_key_opens_its_whole_operation_with_the_command_that_explains_it(plan: Plan) -> None:
    shown = PlanReview(plan)
    shown.show_operation(" K01 ")
    assert {
        **shown.opened,
        "fields": [(f["field"], f["before"], f["after"], f["cause"]) for f in shown.opened["fields"]],
    } == {
        "key": "k01",
        "op": "update",
        "reason": "case",
        "fields": [("OrganizationName", "FIRM 1", "Firm 1", "case"), ("CustomerAccount", "K01", "K01", None)],
        "why": "p2c why finops CustomersV2 k01 OrganizationName",
    }
    shown.choose("create")
    assert shown.opened == {}
    shown.show_operation("n2")
    assert [(field["after"], field["cause"]) for field in shown.opened["fields"]] == [
        ("N2", "missing"),
        ("<b>x</b>", "missing"),
    ]
    with pytest.raises(UnknownName, match="key of this plan"):
        shown.show_operation("nobody")


def test_what_is_chosen_is_exported_whole_and_defused(plan: Plan, tmp_path: Path) -> None:
    shown = PlanReview(plan)
    shown.choose("create")
    sheet = openpyxl.load_workbook(shown.export(tmp_path / "plan.xlsx")).active
    assert sheet is not None
    found = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert found[0] == ["op", "key", "field", "before", "after", "cause"]
    assert found[2][4] == "'=1+1"
    assert len(found) == 5


def test_the_static_twin_is_the_plans_review_and_escapes(plan: Plan) -> None:
    html = PlanReview(plan).static()
    assert "&lt;b&gt;x" in html
    assert "<b>x" not in html
    assert PlanReview(plan)._repr_mimebundle_()[0]["text/html"] == html


def test_an_empty_plan_is_shown_as_one(tmp_path: Path) -> None:
    shown = PlanReview(made(tmp_path, rows(A1="x"), rows(A1="x")))
    assert (shown.page["rows"], shown.causes, shown.head["left"]) == ([], [], ["1 agree already"])
