"""The whole company side by side, before and after both systems were brought into agreement."""

import json
from collections.abc import Iterator

import pytest

from p2c_lib.company import CompanyView, reconcile_all
from p2c_lib.config import Workspace
from p2c_lib.errors import UnknownName
from p2c_lib.flow import TASKS, TaskWalk
from p2c_lib.ledger import open_ledger
from p2c_lib.odata import Write
from p2c_lib.session import Session, connect


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("company"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def before(session: Session) -> CompanyView:
    return reconcile_all(session)


@pytest.fixture(scope="module")
def after(session: Session, before: CompanyView) -> CompanyView:
    for task in TASKS:
        TaskWalk(task, session, apply=True).finish()
    agreeing = before.tasks["accounts"].rows("equal").column("CustomerAccount")[0].as_py()
    number = {"dataAreaId": "usmf", "CustomerAccount": agreeing}
    (moved,) = session.finops.write([Write("update", "CustomersV2", number, {"SalesMemo": "changed in F&O"})])
    assert moved.ok
    return reconcile_all(session, ("accounts", "products"), parties=())


def test_every_task_is_compared_and_the_report_names_causes_orphans_and_trend(before: CompanyView) -> None:
    assert tuple(before.tasks) == TASKS
    assert not before.clean
    words = before.report().to_text()
    assert all(
        part in words for part in ("Rows by class", "Top causes", "Rows that refer to none", "Match rates over time")
    )
    assert before.to_dict()["tasks"]["accounts"]["missing"] == before.tasks["accounts"].summary["missing"]


def test_orphans_are_found_where_they_were_planted(before: CompanyView) -> None:
    assert before.orphans["Sales contacts that neither buy nor work for an account"].num_rows > 0
    assert before.orphans["F&O quotation lines without their header"].num_rows == 0


def test_accounts_that_were_given_the_name_of_another_are_found_twice(before: CompanyView, session: Session) -> None:
    truth = json.loads((session.workspace.state / "sandbox" / "truth.json").read_text())
    planted = {t["key"].casefold() for t in truth if t["kind"] == "duplicate-name" and t["entity"] == "accounts"}
    found = before.duplicates["accounts"]
    assert planted
    assert planted <= {key for pair in found.open.select(["key_a", "key_b"]).to_pylist() for key in pair.values()}
    assert found.recall is None or found.recall > 0.9
    assert str(found) in before.report().to_text()


def test_after_an_apply_only_what_moved_differs_and_is_known_as_the_destinations_doing(after: CompanyView) -> None:
    accounts = after.tasks["accounts"].summary
    assert (accounts["changed"], accounts["missing"]) == (1, 0)
    moved = {task: table.select(["field", "moved"]).to_pylist() for task, table in after.moved.items()}
    assert moved == {"accounts": [{"field": "SalesMemo", "moved": "destination-ahead"}], "products": []}
    assert after.to_dict()["moved"] == {"accounts": {"destination-ahead": 1}, "products": {}}
    assert "destination-ahead" in after.report().to_text()


def test_rows_only_at_the_destination_are_told_apart(after: CompanyView) -> None:
    assert set(after.extras["accounts"].column("origin").to_pylist()) == {"deleted-at-source", "never-ours"}


def test_the_trend_has_a_line_for_each_time_a_task_was_compared(after: CompanyView, session: Session) -> None:
    times = [line["task"] for line in after.trend]
    assert times.count("accounts") == 3
    assert times.count("quotes") == 2


def test_a_decided_pair_is_not_asked_again(session: Session) -> None:
    ledger = open_ledger(session.workspace.state)
    ledger.decide(connection_set="sandbox", entity="accounts", pair=("b", "a"), decision="not same", by="steward")
    ledger.decide(connection_set="sandbox", entity="accounts", pair=("a", "b"), decision="same", by="steward")
    assert ledger.decisions(connection_set="sandbox", entity="accounts") == {("a", "b"): "same"}
    with pytest.raises(UnknownName, match="Allowed: not same, same"):
        ledger.decide(connection_set="sandbox", entity="accounts", pair=("a", "b"), decision="maybe", by="steward")
    ledger.close()


def test_an_unknown_party_or_task_is_named(session: Session) -> None:
    with pytest.raises(UnknownName, match="Unknown kind of party 'vendors'"):
        reconcile_all(session, (), parties=("vendors",))
    with pytest.raises(UnknownName, match="Unknown task 'orders'"):
        reconcile_all(session, ("orders",), parties=())
