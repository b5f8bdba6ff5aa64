"""A business key of a lookup that names several rows is for its own row to tell; units are those of the row's group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from p2c_lib.config import Workspace
from p2c_lib.flow import TaskWalk
from p2c_lib.load import apply
from p2c_lib.mapping import Template
from p2c_lib.odata import Write
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import plan_of, there


def template(entity: str, key: str, *others: str) -> Template:
    fields = [{"from": "CustomerAccount", "to": key}, *({"from": "NameAlias", "to": name} for name in others)]
    return Template.model_validate(
        {
            "task": "links",
            "title": "Lookups of a test",
            "source": {"app": "finops", "entity": "CustomersV2"},
            "destination": {"app": "sales", "entity": entity},
            "key": {"CustomerAccount": key},
            "fields": fields,
        }
    )


ACCOUNTS = template("accounts", "accountnumber", "name", "parentaccountid.name")
PRODUCTS = template("products", "productnumber", "name", "defaultuomid.name", "defaultuomscheduleid.name")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two accounts of one name, and two unit groups that both have an Each."""
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("links"))) as opened:
        parents = [("P1", "Contoso GmbH"), ("P2", "Contoso GmbH"), ("P3", "Only one")]
        made(opened, "accounts", *({"accountnumber": number, "name": name} for number, name in parents))
        (group,) = opened.sales.write(
            [Write("create", "uomschedules", None, {"name": "Second group", "baseuomname": "Each"})]
        )
        bound = {"uomscheduleid@odata.bind": f"/uomschedules({group.row_id})"}
        made(opened, "uoms", {"name": "Each", "quantity": 1, **bound})
        yield opened


def made(session: Session, entity_set: str, *rows: dict[str, Any]) -> None:
    assert all(each.ok for each in session.sales.write([Write("create", entity_set, None, row) for row in rows]))


def planned(session: Session, of: Template, prefix: str, rows: Sequence[dict[str, Any]]) -> Plan:
    return plan_of(session, rows, session.workspace.state / "plans", prefix, of)


def held(session: Session, of: Template, prefix: str) -> list[dict[str, Any]]:
    key = of.destination.key[0]
    return sorted(there(session, prefix, of).table.to_pylist(), key=lambda row: str(row[key]))


def account(prefix: str, number: int, name: str, parent: str | None) -> dict[str, Any]:
    return {"accountnumber": f"{prefix}{number}", "name": name, "parentaccountid.name": parent}


def test_a_key_that_names_two_rows_is_told_of_its_own_row_and_stops_no_other(session: Session) -> None:
    prefix, parents = "AMB", ["Only one", None, "Contoso GmbH", "only one"]
    outcome = apply(
        planned(session, ACCOUNTS, prefix, [account(prefix, n, "new", parent) for n, parent in enumerate(parents)]),
        session,
    )
    (problem,) = outcome.problems().to_pylist()
    assert (outcome.created, problem["key"], problem["state"]) == (3, "amb2", "failed")
    assert "parentaccountid.name 'Contoso GmbH' names 2 rows" in problem["message"]
    assert [row["accountnumber"] for row in held(session, ACCOUNTS, prefix)] == ["AMB0", "AMB1", "AMB3"]
    made(session, "accounts", {"accountnumber": "AMB2", "name": "new"})
    parents[0] = "Contoso GmbH"
    changed = [account(prefix, n, "changed", parent) for n, parent in enumerate(parents)]
    outcome = apply(planned(session, ACCOUNTS, prefix, changed), session)
    assert outcome.problems().column("key").to_pylist() == ["amb0", "amb2"]
    assert [row["name"] for row in held(session, ACCOUNTS, prefix)] == ["new", "changed", "new", "changed"]


def product(number: int, unit: str, group: str | None) -> dict[str, Any]:
    return {
        "productnumber": f"UN{number}",
        "name": f"Product {number}",
        "defaultuomid.name": unit,
        "defaultuomscheduleid.name": group,
    }


def test_a_unit_is_that_of_the_group_its_row_names(session: Session) -> None:
    asked = [("Each", "Default unit"), ("each", "Second group"), ("Each", None), ("Pcs", "Second group"), ("Each", "?")]
    rows = [product(number, *each) for number, each in enumerate(asked)]
    outcome = apply(planned(session, PRODUCTS, "UN", rows), session)
    said = {row["key"]: row["message"] for row in outcome.problems().to_pylist()}
    assert "names 2 rows" in said["un2"]
    assert "defaultuomid.name 'Pcs' does not exist at the destination in 'Second group'" in said["un3"]
    assert "defaultuomscheduleid.name '?' does not exist" in said["un4"]
    now = held(session, PRODUCTS, "UN")
    names = ("productnumber", "defaultuomid.name", "defaultuomscheduleid.name")
    assert [tuple(row[name] for name in names) for row in now] == [
        ("UN0", "Each", "Default unit"),
        ("UN1", "Each", "Second group"),
    ]


def test_the_packaged_products_task_works_with_two_groups_that_have_each(session: Session) -> None:
    outcome = TaskWalk("products", session, apply=True, ceiling=1.0).apply()
    assert outcome.created > 0
    assert outcome.problems().num_rows == 0
