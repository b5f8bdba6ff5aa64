"""Taking back what a plan wrote: as it was before, but for rows others touched, which are listed."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.config import Workspace
from p2c_lib.errors import PlanError, UnknownName, WrongEnvironment
from p2c_lib.flow import TASKS, TaskWalk, new_run_id
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply, applying, undo
from p2c_lib.odata import Write
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import customers, plan_of, there, values
from tests.subtle import ACCOUNTS


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("undo"))) as opened:
        yield opened


def planned(session: Session, prefix: str, rows: list[dict[str, Any]]) -> Plan:
    return plan_of(session, rows, session.workspace.state / "plans", prefix)


def changed(session: Session, account: str, **fields: object) -> None:
    key = {"dataAreaId": "usmf", "CustomerAccount": account}
    (result,) = session.finops.write([Write("update", "CustomersV2", key, fields)])
    assert result.ok, result.error


def test_updates_get_back_what_they_held_and_creates_go(session: Session) -> None:
    apply(planned(session, "ZA-", customers("ZA-", 4)), session)
    before = values(there(session, "ZA-"))
    plan = planned(session, "ZA-", customers("ZA-", 7, version=2))
    apply(plan, session)
    (back,) = undo(plan, session)
    assert (back.creates, back.updates, back.deletes, back.undoes) == (0, 4, 3, plan.id)
    outcome = apply(back, session)
    assert (outcome.updated, outcome.deleted, outcome.failed, outcome.drifted) == (4, 3, 0, 0)
    assert values(there(session, "ZA-")) == before
    (forward,) = undo(back, session)
    assert (forward.creates, forward.updates, forward.deletes) == (3, 4, 0)
    apply(forward, session)
    assert len(planned(session, "ZA-", customers("ZA-", 7, version=2))) == 0


def test_what_others_touched_is_left_and_listed(session: Session) -> None:
    apply(planned(session, "ZB-", customers("ZB-", 4)), session)
    plan = planned(session, "ZB-", customers("ZB-", 7, version=2))
    apply(plan, session)
    changed(session, "ZB-000000", OrganizationName="theirs")
    changed(session, "ZB-000001", PrimaryContactPhone="555")
    changed(session, "ZB-000003", OrganizationName="CUSTOMER 3 V2")
    changed(session, "ZB-000004", PrimaryContactPhone="555")
    gone = {"dataAreaId": "usmf", "CustomerAccount": "ZB-000005"}
    assert session.finops.write([Write("delete", "CustomersV2", gone, {})])[0].ok
    (back,) = undo(plan, session)
    assert sorted((line["key"], line["why"]) for line in back.facts["cannot"]) == [
        ("zb-000000", "changed since in OrganizationName"),
        ("zb-000003", "changed since in OrganizationName"),
        ("zb-000004", "the row was touched since it was created"),
    ]
    assert [(line["key"], line["why"]) for line in back.facts["undone"]] == [
        ("zb-000005", "the row is not there any more")
    ]
    assert "3 cannot be undone, 1 are undone already" in back.report().why
    changed(session, "ZB-000002", OrganizationName="theirs after the undo was planned")
    outcome = apply(back, session)
    assert (outcome.updated, outcome.deleted, outcome.drifted) == (1, 1, 1)


def test_an_undo_that_broke_off_and_is_asked_again_finds_its_own_work_undone(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "CHUNK", 2)
    rows = customers("ZK-", 5)
    rows[0]["SalesMemo"] = None
    apply(planned(session, "ZK-", rows), session)
    before = values(there(session, "ZK-"))
    new = customers("ZK-", 8, version=2)
    new[0]["SalesMemo"] = "a memo where none was"
    plan = planned(session, "ZK-", new)
    apply(plan, session)
    (first,) = undo(plan, session)
    with suppress(KeyboardInterrupt):
        apply(first, session, progress=cut_off)
    changed(session, "ZK-000004", OrganizationName="theirs")
    (second,) = undo(plan, session)
    assert [line["key"] for line in second.facts["cannot"]] == ["zk-000004"]
    assert second.facts["undone"]
    assert len(second) + len(second.facts["undone"]) == 7
    assert apply(second, session).complete
    (third,) = undo(plan, session)
    assert (len(third), len(third.facts["undone"])) == (0, 7)
    assert sorted({line["why"] for line in third.facts["undone"]}) == [
        "it holds what it held before",
        "the row is not there any more",
    ]
    assert apply(third, session).complete
    assert [row for row in values(there(session, "ZK-")) if row["OrganizationName"] != "theirs"] == before[:4]


def test_deletes_that_were_taken_back_are_undone_already(session: Session) -> None:
    apply(planned(session, "ZL-", customers("ZL-", 1)), session)
    plan = planned(session, "ZL-", customers("ZL-", 3))
    apply(plan, session)
    (gone,) = undo(plan, session)
    apply(gone, session)
    (forward,) = undo(gone, session)
    assert (forward.creates, forward.facts["undone"]) == (2, [])
    apply(forward, session)
    changed(session, "ZL-000002", OrganizationName="theirs")
    (again,) = undo(gone, session)
    assert [(line["key"], line["op"]) for line in again.facts["undone"]] == [("zl-000001", "delete")]
    assert [(line["key"], line["why"]) for line in again.facts["cannot"]] == [
        ("zl-000002", "a row with this key is there again")
    ]


def test_a_deleted_row_that_is_there_again_with_more_than_it_held_is_somebodys_own(session: Session) -> None:
    rows = [row | {"SalesMemo": None} for row in customers("ZN-", 2)]
    plan = planned(session, "ZN-", rows)
    apply(plan, session)
    (gone,) = undo(plan, session)
    apply(gone, session)
    (forward,) = undo(gone, session)
    apply(forward, session)
    changed(session, "ZN-000001", SalesMemo="theirs")
    (again,) = undo(gone, session)
    assert [line["key"] for line in again.facts["undone"]] == ["zn-000000"]
    assert [(line["key"], line["why"]) for line in again.facts["cannot"]] == [
        ("zn-000001", "a row with this key is there again")
    ]


def test_a_deleted_row_of_sales_that_is_there_again_under_another_id_is_somebodys_own(session: Session) -> None:
    rows = [row | {"parentaccountid": None} if "parentaccountid" in row else row for row in ACCOUNTS.rows("ZO-", 2, 1)]
    plan = plan_of(session, rows, session.workspace.state / "plans", "ZO-", ACCOUNTS.template)
    assert apply(plan, session).complete
    (gone,) = undo(plan, session)
    assert apply(gone, session).complete
    (forward,) = undo(gone, session)
    assert apply(forward, session).complete
    first, second = (row["accountnumber"] for row in rows)
    schema = session.sales.schema("accounts")
    names = [name for name in rows[1] if "." not in name and schema.column(name).creatable]
    body = session.sales.get("accounts", {"accountnumber": second}, names)
    body = {name: body[name] for name in names if body[name] is not None}
    for write in (Write("delete", "accounts", {"accountnumber": second}, {}), Write("create", "accounts", None, body)):
        (result,) = session.sales.write([write])
        assert result.ok, result.error
    (again,) = undo(gone, session)
    assert [line["key"] for line in again.facts["undone"]] == [first.lower()]
    assert [(line["key"], line["why"]) for line in again.facts["cannot"]] == [
        (second.lower(), "a row with this key is there again")
    ]


def test_a_new_row_of_sales_that_stands_at_another_key_is_not_gone(session: Session) -> None:
    rows = [row | {"parentaccountid": None} if "parentaccountid" in row else row for row in ACCOUNTS.rows("ZM-", 2, 1)]
    plan = plan_of(session, rows, session.workspace.state / "plans", "ZM-", ACCOUNTS.template)
    assert apply(plan, session).complete
    first, second = (row["accountnumber"] for row in rows)
    (result,) = session.sales.write(
        [Write("update", "accounts", {"accountnumber": first}, {"accountnumber": "ZM-ELSEWHERE"})]
    )
    assert result.ok, result.error
    assert session.sales.write([Write("delete", "accounts", {"accountnumber": second}, {})])[0].ok
    (back,) = undo(plan, session)
    assert [(line["key"], line["why"]) for line in back.facts["cannot"]] == [
        (first.lower(), "the row stands at another key by now")
    ]
    assert [line["key"] for line in back.facts["undone"]] == [second.lower()]


def remade(session: Session, account: str) -> None:
    """A customer deleted and made anew by somebody, with the very same values."""
    key = {"dataAreaId": "usmf", "CustomerAccount": account}
    schema = session.finops.schema("CustomersV2")
    names = [name for name, column in schema.columns.items() if column.creatable and name != "PartyNumber"]
    row = session.finops.get("CustomersV2", key, names)
    body = {name: row[name] for name in names if row[name] not in (None, "", 0)}
    for write in (Write("delete", "CustomersV2", key, {}), Write("create", "CustomersV2", None, body)):
        (result,) = session.finops.write([write])
        assert result.ok, result.error


def test_a_row_that_somebody_made_anew_is_not_taken_for_the_one_that_was_written(session: Session) -> None:
    apply(planned(session, "ZG-", customers("ZG-", 2)), session)
    plan = planned(session, "ZG-", customers("ZG-", 4, version=2))
    apply(plan, session)
    remade(session, "ZG-000000")
    remade(session, "ZG-000002")
    (back,) = undo(plan, session)
    assert sorted((line["key"], line["why"]) for line in back.facts["cannot"]) == [
        ("zg-000000", "the row was deleted since, and somebody made another with its key"),
        ("zg-000002", "the row was deleted since, and somebody made another with its key"),
    ]
    assert (back.updates, back.deletes) == (1, 1)


def test_a_new_row_whose_version_nobody_noted_is_held(session: Session) -> None:
    plan = planned(session, "ZH-", customers("ZH-", 2))
    apply(plan, session)
    (plan.folder / "versions.parquet").unlink()
    assert apply(plan, session).complete
    (held,) = undo(plan, session)
    assert len(held) == 0
    assert all("the version it was created with is not known" in line["why"] for line in held.facts["cannot"])


def test_what_a_row_does_not_tell_is_not_called_changed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.sandbox_home.mkdir(parents=True)
    (workspace.sandbox_home / "switches.json").write_text('{"finops": {"string_overflow": "truncate"}}')
    with connect("sandbox", workspace=workspace) as session:
        length = session.finops.schema("CustomersV2").columns["OrganizationName"].max_length or 100
        rows = [row | {"OrganizationName": "Contoso " + "n" * length} for row in customers("ZI-", 2)]
        plan = planned(session, "ZI-", rows)
        apply(plan, session)
        changed(session, "ZI-000000", PrimaryContactPhone="555")
        (back,) = undo(plan, session)
        (line,) = back.facts["cannot"]
        assert "changed since" not in line["why"]
        assert "does not tell whether it was touched since in OrganizationName" in line["why"]


def test_a_plan_is_taken_back_where_it_was_applied_and_nowhere_else(session: Session, tmp_path: Path) -> None:
    plan = planned(session, "ZJ-", customers("ZJ-", 2))
    apply(plan, session)
    ledger = open_ledger(session.workspace.ledger)
    with connect("sandbox", workspace=Workspace(tmp_path)) as other, pytest.raises(WrongEnvironment):
        undo(plan, other, ledger=ledger, folder=tmp_path)
    ledger.close()


def test_operations_of_unknown_outcome_are_settled_before_an_undo(session: Session) -> None:
    plan = planned(session, "ZC-", customers("ZC-", 2))
    ledger = open_ledger(session.workspace.ledger)
    ledger.sending(plan.id, [{"position": 0, "op": "create", "entity_set": "CustomersV2", "key": "zc-000000"}])
    with pytest.raises(PlanError, match="The outcome of some operations"):
        undo(plan, session, ledger=ledger)
    ledger.close()
    with pytest.raises(UnknownName, match="run that applied a plan"):
        undo("no-run", session)


VALUES = st.fixed_dictionaries(
    {
        "OrganizationName": st.text("AB c-&'é=", min_size=1, max_size=12).filter(str.strip),
        "AddressCity": st.none() | st.text("xyZ ", min_size=1, max_size=6).filter(str.strip),
        "CreditLimit": st.decimals(0, 10_000, places=2),
        "SalesMemo": st.none() | st.text('mn;,"', min_size=1, max_size=8),
        # A group that does not exist makes the service refuse the row.
        "CustomerGroupId": st.sampled_from(["10", "10", "10", "none"]),
    }
)
ROWS = st.dictionaries(st.integers(0, 12), VALUES, max_size=9)
RUNS = iter(range(10_000))
TOUCHED: dict[str, Any] = {"OrganizationName": "touched by another"}


def rows_of(prefix: str, drawn: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"CustomerAccount": f"{prefix}{n}", **row} for n, row in sorted(drawn.items())]


def cut_off(_done: int, _planned: int) -> None:
    raise KeyboardInterrupt


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, after=ROWS, touched=st.sets(st.integers(0, 12), max_size=2), cut=st.booleans())
def test_apply_then_undo_leaves_what_was_there(
    session: Session, before: dict[int, Any], after: dict[int, Any], touched: set[int], cut: bool
) -> None:
    prefix = f"ZP{next(RUNS)}-"
    apply(planned(session, prefix, rows_of(prefix, before)), session)
    were = {row["CustomerAccount"]: row for row in values(there(session, prefix))}
    plan = planned(session, prefix, rows_of(prefix, {n: after.get(n, before.get(n)) for n in {*before, *after}}))
    with suppress(KeyboardInterrupt):
        apply(plan, session, progress=cut_off if cut else None)
    ledger = open_ledger(session.workspace.ledger)
    applied = {row["key"]: row["op"] for row in ledger.operations(plan.id) if row["state"] == "applied"}
    ledger.close()
    theirs = {f"{prefix}{n}" for n in touched} & {row["CustomerAccount"] for row in values(there(session, prefix))}
    for account in theirs:
        changed(session, account, **TOUCHED)
    (back,) = undo(plan, session)
    assert apply(back, session).complete
    listed = {line["key"] for line in back.facts["cannot"]}
    assert listed <= {account.lower() for account in theirs} & applied.keys()
    assert {key for key, op in applied.items() if op == "create"} & {a.lower() for a in theirs} <= listed
    now = {row["CustomerAccount"]: row for row in values(there(session, prefix))}
    wanted = {a: row | (TOUCHED if a in theirs else {}) for a, row in were.items()}
    left, as_before = ({a: r for a, r in rows.items() if a.lower() not in listed} for rows in (now, wanted))
    assert left == as_before


def test_a_whole_run_is_taken_back(tmp_path: Path) -> None:
    with connect("sandbox", workspace=Workspace(tmp_path)) as session:
        before = {task: TaskWalk(task, session).target().df for task in TASKS}
        run_id = new_run_id()
        for task in TASKS:
            TaskWalk(task, session, apply=True, run_id=run_id).finish()
        for back in undo(run_id, session):
            outcome = apply(back, session)
            assert (outcome.failed, back.facts["cannot"]) == (0, []), outcome.problems().to_pylist()[:3]
        after = {task: TaskWalk(task, session).target().df for task in TASKS}
    for task in TASKS:
        key = list(before[task].columns[:1])
        assert len(before[task]) == len(after[task]), task
        assert set(before[task][key[0]]) == set(after[task][key[0]]), task
