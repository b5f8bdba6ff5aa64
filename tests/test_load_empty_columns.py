"""What stands in an empty column of a new row of Sales is what its plan says, whatever the rows beside it have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from p2c_lib.config import Workspace
from p2c_lib.load import apply, undo
from p2c_lib.mapping import Template
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import plan_of, there

# Sales gives the first two a default where a new row does not name them.
EMPTY = ("creditonhold", "donotemail", "description", "revenue", "parentaccountid.accountnumber")
TEMPLATE = Template.model_validate(
    {
        "task": "empty",
        "title": "Empty columns of a test",
        "source": {"app": "finops", "entity": "CustomersV2"},
        "destination": {"app": "sales", "entity": "accounts"},
        "key": {"CustomerAccount": "accountnumber"},
        "fields": [
            {"from": "CustomerAccount", "to": "accountnumber"},
            {"from": "OrganizationName", "to": "name"},
            *({"from": "NameAlias", "to": name} for name in EMPTY),
        ],
    }
)
BESIDE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the same": {"creditonhold": True, "donotemail": True},
    "a lookup": {"parentaccountid.accountnumber": "EC-parent"},
    "all": {"creditonhold": False, "description": "x", "parentaccountid.accountnumber": "EC-parent"},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("empty"))) as opened:
        assert apply(planned(opened, "EC-parent", [row("EC-parent")]), opened).complete
        yield opened


def row(key: str, **values: Any) -> dict[str, Any]:
    return {"accountnumber": key, "name": "n", **dict.fromkeys(EMPTY), **values}


def planned(session: Session, prefix: str, rows: list[dict[str, Any]]) -> Plan:
    return plan_of(session, rows, session.workspace.state / "plans", prefix, TEMPLATE)


def held(session: Session, prefix: str) -> dict[str, tuple[Any, ...]]:
    names = ("accountnumber", *EMPTY)
    rows = there(session, prefix, TEMPLATE).table.select(list(names)).to_pylist()
    return {one["accountnumber"]: tuple(one[name] for name in EMPTY) for one in rows}


@pytest.mark.parametrize("count", [1, 30], ids=["one by one", "in bulk"])
@pytest.mark.parametrize("beside", BESIDE)
def test_a_new_row_holds_nothing_where_its_plan_has_nothing(session: Session, beside: str, count: int) -> None:
    prefix = f"EC{list(BESIDE).index(beside)}{count}-"
    rows = [row(f"{prefix}{n}") for n in range(count)] + [row(f"{prefix}beside", **BESIDE[beside])]
    plan = planned(session, prefix, rows)
    outcome = apply(plan, session)
    assert (outcome.complete, outcome.read_back.differences) == (True, ())
    expected = {one["accountnumber"]: tuple(one[name] for name in EMPTY) for one in rows}
    assert held(session, prefix) == expected
    assert len(planned(session, prefix, rows)) == 0
    (back,) = undo(plan, session)
    assert (len(back), back.facts["cannot"]) == (count + 1, [])
