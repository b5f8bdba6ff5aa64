"""Gate view, run monitor, parameter form and connection panel without a browser, and what all widgets share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from p2c_lib import events
from p2c_lib.config import Workspace, workspace
from p2c_lib.errors import ConfigError, UnknownName
from p2c_lib.gates import GateResult, check
from p2c_lib.ledger import open_ledger
from p2c_lib.run_folder import keep
from p2c_lib.sandbox import process
from p2c_lib.widgets import ConnectionPanel, GateView, ParameterForm, PlanReview, ReconciliationExplorer, RunMonitor
from p2c_lib.widgets.family import FamilyWidget, PagedWidget
from tests.many_runs import line, put_run, put_runs
from tests.test_gates import mapped, quotes
from tests.test_plan import made as plan_of
from tests.test_plan import rows as plan_rows
from tests.test_widgets_reconciliation import result as reconciliation

VIEW = "application/vnd.jupyter.widget-view+json"
Q = [f"Q-{n}" for n in range(40)]


def gate(**columns: Any) -> GateResult:
    """Forty quotes, two of them in a currency F&O does not have, one of an account that waits."""
    money = {"CurrencyCode": ["DEM", "<b>"] + ["USD"] * 38}
    customers = {"RequestingCustomerAccountNumber": ["C-1"] * 39 + ["C-9"]}
    blocked = {"accounts": {"c-9": "The customer number is missing"}}
    rows = quotes(SalesQuotationNumber=Q, **(money | customers | columns))
    return check(mapped(rows, "quotes"), "quotes", blocked=blocked, ceiling=0.5)


# the gate


def test_the_gate_opens_on_the_rows_set_aside_with_the_rules_behind_them() -> None:
    shown = GateView(gate())
    assert shown.head["counts"] == {"quarantined": 2, "held": 1, "warnings": 0, "passed": 37}
    assert [(r["kind"], r["rule"], r["severity"], r["rows"], r["judged"]) for r in shown.rules] == [
        ("quarantined", "CurrencyCode exists in F&O", "critical", 2, 40),
        ("held", "accounts", "held", 1, 40),
    ]
    assert (shown.page["total"], shown.page["rows"][0]) == (
        2,
        {
            "key": "q-0",
            "rule": "CurrencyCode exists in F&O",
            "column": "CurrencyCode",
            "value": "DEM",
            "severity": "critical",
            "reason": "Currency DEM does not exist in F&O",
        },
    )
    assert len(shown.head["holds"]) > 10


def test_rules_and_kinds_are_chosen_and_search_narrows() -> None:
    shown = GateView(gate())
    shown.choose("held", rule="accounts")
    assert [(row["key"], row["task"], row["parent_key"]) for row in shown.page["rows"]] == [("q-39", "accounts", "c-9")]
    shown.choose("quarantined", rule="CurrencyCode exists in F&O", search="<B>")
    assert [row["value"] for row in shown.page["rows"]] == ["<b>"]
    shown.choose("passed", number=1)
    assert (shown.page["total"], len(shown.page["rows"]), shown.page["rows"][0]["SalesQuotationNumber"]) == (
        37,
        12,
        "Q-27",
    )
    with pytest.raises(UnknownName, match="kind of rows 'refused'"):
        shown.choose("refused")


def test_what_is_chosen_is_exported_whole(tmp_path: Path) -> None:
    shown = GateView(gate())
    shown.choose("passed")
    sheet = openpyxl.load_workbook(shown.export(tmp_path / "passed.xlsx")).active
    assert sheet is not None
    assert sheet.max_row == 38


def test_the_gates_of_earlier_runs_are_drawn(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    ledger = open_ledger(place.ledger)
    for day, found in enumerate((5, 0, 3)):
        started = datetime(2026, 3, 1 + day, tzinfo=UTC)
        put_run(ledger, f"r{day}", [line("quotes", quarantined=found + 1, held=day)], started=started)
        rules = [{"stage": "mapped", "rule": "Q is known", "severity": "critical", "rows": found, "judged": 9}]
        scope: Any = {"connection_set": "sandbox", "company": "USMF", "task": "quotes"}
        ledger.record_gate(f"r{day}", rules=rules if found else [], **scope)
    ledger.close()
    session: Any = SimpleNamespace(workspace=place, set=SimpleNamespace(name="sandbox"), company="USMF")
    shown = GateView(gate(), session)
    assert [(run["rows"], run["held"]) for run in shown.over] == [(6, 0), (1, 1), (4, 2)]
    shown.choose("quarantined", rule="Q is known")
    assert [(run["rows"], run["held"]) for run in shown.over] == [(5, 0), (0, 0), (3, 0)]
    shown.choose("quarantined", rule="CurrencyCode exists in F&O")
    assert (shown.over, shown.problem) == ([], "")


@pytest.mark.parametrize("widget", [GateView, PlanReview, ReconciliationExplorer])
def test_a_task_that_was_not_asked_for_has_nothing_to_show(widget: type[PagedWidget]) -> None:
    shown = widget(None)
    assert shown.nothing == "Nothing to look at: the task was not asked for in this run."
    assert shown.nothing in shown.static()
    assert repr(shown) == f"{widget.__name__}(None)"


# the form


@pytest.fixture
def form(tmp_path: Path) -> ParameterForm:
    return ParameterForm("20_accounts", workspace=Workspace(tmp_path))


def told(form: ParameterForm, **texts: Any) -> dict[str, Any]:
    """What the form says once these texts stand in it."""
    form.texts = {**form.texts, **texts}
    return dict(form.said)


def test_the_form_has_a_field_for_each_parameter_a_person_gives(form: ParameterForm) -> None:
    names = [field["name"] for field in form.fields]
    assert "run_id" not in names
    assert {"connection_set", "company", "apply", "limit", "ceiling"} <= set(names)
    assert form.fields[0]["choices"] == ["sandbox"]
    assert (form.texts["apply"], form.texts["ceiling"], form.texts["limit"]) == (False, "0.05", "")
    assert form.said == {"fields": {}, "command": "p2c run accounts"}


def test_a_value_that_does_not_fit_is_told_at_its_field(form: ParameterForm) -> None:
    said = told(form, limit="many", ceiling="2")
    assert sorted(said["fields"]) == ["ceiling", "limit"]
    assert "less than or equal to 1" in said["fields"]["ceiling"]
    assert said["command"] == ""
    with pytest.raises(ConfigError, match=r"The parameter (ceiling|limit) came as"):
        _ = form.values
    assert told(form, limit="100", ceiling="0.1") == {
        "fields": {},
        "command": "p2c run accounts --param limit=100 --param ceiling=0.1",
    }
    assert (form.values["limit"], form.values["ceiling"], form.values["apply"]) == (100, 0.1, False)


def test_text_a_shell_would_take_apart_stays_one_word(form: ParameterForm) -> None:
    assert told(form, without="a; rm -rf x, b")["command"] == "p2c run accounts --param 'without=a; rm -rf x, b'"


def test_a_notebook_there_is_not_and_a_parameter_there_is_not_are_said_in_the_form(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert "Unknown notebook '21_acounts'" in ParameterForm("21_acounts", workspace=place).problem
    wrong = ParameterForm("20_accounts", {"limt": 1}, workspace=place)
    assert "Did you mean 'limit'?" in wrong.problem
    assert "Did you mean" in wrong.static()


# the panel


def test_the_panel_says_what_fails_and_looks_again_when_asked(
    tmp_path: Path, sandbox: process.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("P2C_PANEL", raising=False)
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    lines = ['[sets.mine]\nsales = "s"\nfinops = "f"\ncompany = "USMF"\n']
    for name, app, url in (("s", "sales", sandbox.sales_url), ("f", "finops", sandbox.finops_url)):
        token = f"{url}/t/oauth2/v2.0/token"
        facts = {"app": app, "url": url, "client_id": "panel", "secret": "env:P2C_PANEL", "token_url": token}
        lines.append(f"[connections.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in facts.items()))
    (tmp_path / "p2c.toml").write_text("".join(lines))
    panel = ConnectionPanel("mine", workspace=workspace())
    assert panel.state["verdict"] == "failed"
    (missing,) = [one for one in panel.state["findings"] if one["step"] == "settings" and one["app"] == "sales"]
    assert missing["status"] == "fail"
    assert "P2C_PANEL" in missing["finding"] + missing["remedy"]
    monkeypatch.setenv("P2C_PANEL", sandbox.token)
    panel._asked(panel, {"do": "look"}, [])
    assert panel.check is not None
    assert (panel.state["verdict"], panel.problem) == (panel.check.verdict, "")
    assert panel.state["verdict"] != "failed"
    assert sandbox.token not in panel.static() + str(panel.state)


def test_a_connection_set_there_is_not_is_said_in_the_panel(tmp_path: Path) -> None:
    panel = ConnectionPanel("prodd", workspace=Workspace(tmp_path))
    assert "Unknown connection set 'prodd'" in panel.problem
    assert "prodd" in panel.static()


# the monitor


def running(home: Path, *told: dict[str, Any], ended: tuple[dict[str, Any], ...] = ()) -> RunMonitor:
    """A run of three tasks that began four seconds ago, with what it has told, after one that took twelve."""
    place = Workspace(home)
    ledger = open_ledger(place.ledger)
    put_run(ledger, "before", [line(t, seconds=s) for t, s in (("products", 1), ("accounts", 3), ("contacts", 2))])
    began = datetime.now(UTC) - timedelta(seconds=4)
    put_run(ledger, "now", ended, status="running", started=began, ended=None)
    ledger.close()
    folder = place.state / "runs" / "now"
    folder.mkdir(parents=True)
    keep(folder, {"run_id": "now", "tasks": ["products", "accounts", "contacts"]}, "asked.json")
    for one in told:
        events.append(folder / "events.jsonl", run="now", **one)
    return RunMonitor(place)


def test_a_running_run_shows_ended_going_and_waiting_tasks_and_the_time_left(tmp_path: Path) -> None:
    steps = (
        {"event": "step", "task": "products", "step": "plan", "state": "done"},
        {"event": "step", "task": "accounts", "step": "extract", "state": "started"},
        {"event": "progress", "task": "accounts", "step": "extract", "done": 50, "of": 300},
        {"event": "progress", "task": "contacts", "run": "another", "step": "extract", "done": 1, "of": 2},
    )
    shown = running(tmp_path, *steps[:3], ended=(line("products", read=9, passed=9),))
    run, tasks = shown.state["run"], shown.state["tasks"]
    assert [(t["task"], t["state"], t.get("read"), t.get("done"), t.get("of")) for t in tasks] == [
        ("products", "clean", 9, None, None),
        ("accounts", "extract", None, 50, 300),
        ("contacts", "waiting", None, None, None),
    ]
    assert (run["id"], run["status"], run["going"]) == ("now", "running", True)
    assert run["elapsed"] >= 4
    over = 1 + min(3, tasks[1]["seconds"])  # of six seconds: the products', and as much of the accounts' three
    assert run["left"] == pytest.approx(12 * (1 - over / 6))


def test_each_look_reads_what_is_new_and_a_step_forgets_the_rows_of_the_one_before(tmp_path: Path) -> None:
    shown = running(tmp_path, {"event": "progress", "task": "accounts", "step": "extract", "done": 300, "of": 300})
    file = tmp_path / ".p2c" / "runs" / "now" / "events.jsonl"
    events.append(file, run="now", event="step", task="accounts", step="map", state="started")
    shown._asked(shown, {"do": "look"}, [])
    (accounts,) = [t for t in shown.state["tasks"] if t["task"] == "accounts"]
    assert (accounts["state"], accounts["done"], accounts["rate"]) == ("map", None, None)


def test_a_finished_run_is_shown_at_once_and_another_one_can_be_picked(tmp_path: Path) -> None:
    first, *_, last = put_runs(tmp_path, 3)
    shown = RunMonitor(Workspace(tmp_path))
    assert (shown.state["run"]["id"], shown.state["run"]["elapsed"], shown.state["run"]["left"]) == (last, 12.0, None)
    assert [t["read"] for t in shown.state["tasks"]] == [102] * 6
    shown._asked(shown, {"do": "pick", "run": first}, [])
    assert (shown.state["run"]["id"], shown.state["picked"]) == (first, first)
    shown._asked(shown, {"do": "pick", "run": "nonsense"}, [])
    assert "Unknown run 'nonsense'" in shown.problem
    shown._asked(shown, {"do": "pick", "run": ""}, [])
    assert (shown.state["run"]["id"], shown.problem) == (last, "")


def test_a_workspace_without_runs_says_how_to_start_one(tmp_path: Path) -> None:
    shown = RunMonitor(Workspace(tmp_path))
    assert shown.state["run"] is None
    assert "p2c run" in shown.state["nothing"]
    assert "No run yet" in shown.static()


# all of them

MAKERS: dict[str, Callable[[Path], FamilyWidget]] = {
    "gate": lambda home: GateView(gate()),
    "plan": lambda home: PlanReview(plan_of(home, plan_rows(A1="<b>x</b>"), plan_rows())),
    "reconciliation": lambda home: ReconciliationExplorer(reconciliation()),
    "form": lambda home: ParameterForm("20_accounts", {"company": "USMF"}, workspace=Workspace(home)),
    "panel": lambda home: ConnectionPanel("<b>", workspace=Workspace(home)),
    "monitor": lambda home: RunMonitor(Workspace(home)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_widget_has_a_plain_repr_and_a_static_twin_with_text_escaped(name: str, tmp_path: Path) -> None:
    shown = MAKERS[name](tmp_path)
    data, _ = shown._repr_mimebundle_()
    assert {VIEW, "text/html", "text/plain"} <= set(data)
    assert data["text/plain"] == repr(shown)
    assert repr(shown).startswith(f"{type(shown).__name__}(")
    assert "\n" not in repr(shown)
    assert data["text/html"] == shown.static()
    assert "<b>" not in data["text/html"]
    assert "<script" not in data["text/html"]


@pytest.mark.parametrize("name", MAKERS)
def test_in_an_unattended_run_only_the_twin_is_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_UNATTENDED", "1")
    data, _ = MAKERS[name](tmp_path)._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}


def test_whatever_goes_wrong_on_a_click_is_said_in_the_widget() -> None:
    shown = GateView(gate())
    shown.wanted = {"kind": "nonsense"}
    assert shown.problem == "This did not work: AttributeError: 'GateResult' object has no attribute 'nonsense'"
    assert shown.page["rows"] == []
    shown.choose("quarantined")
    assert (shown.problem, shown.page["total"]) == ("", 2)


def test_a_page_is_all_a_browser_holds() -> None:
    many = [f"Q-{n}" for n in range(3_000)]
    count = len(many)
    rows = quotes(SalesQuotationNumber=many, CurrencyCode=["DEM"] * count)
    shown = GateView(check(mapped(rows, "quotes"), "quotes", ceiling=1.0))
    assert (len(shown.page["rows"]), shown.page["total"]) == (25, count)
    assert pa.array([str(shown.get_state())]).nbytes < 40_000
