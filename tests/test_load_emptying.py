"""What F&O puts into a new row by itself is emptied by the same apply, where the plan says that nothing is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from p2c_lib.config import Workspace
from p2c_lib.load import apply, undo
from p2c_lib.load.destination import Destination
from p2c_lib.mapping import Template
from p2c_lib.odata import Query, Write
from p2c_lib.plan import Plan, forecast
from p2c_lib.session import Session, connect
from p2c_lib.why import why
from tests.customers import plan_of, there

# A header gets the language and the name of its customer where it says none.
FILLED = ("LanguageId", "DeliveryAddressName")
FIELDS = ("SalesQuotationNumber", "RequestingCustomerAccountNumber", *FILLED, "CustomersReference")
TEMPLATE = Template.model_validate(
    {
        "task": "quotes",
        "title": "Quotation headers of a test",
        "source": {"app": "sales", "entity": "quotes"},
        "destination": {"app": "finops", "entity": "CDSSalesQuotationHeaders"},
        "key": {"quotenumber": "SalesQuotationNumber"},
        "fields": [
            {"from": "quotenumber", "to": FIELDS[0]},
            *({"from": "name", "to": name} for name in FIELDS[1:]),
        ],
    }
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("emptying"))) as opened:
        yield opened


def planned(session: Session, prefix: str, count: int) -> Plan:
    """New headers, of which every other one says its language and name."""
    query = Query("CustomersV2", ("CustomerAccount",), filter="dataAreaId eq 'usmf'")
    customer = next(session.finops.read(query)).table.column("CustomerAccount")[0].as_py()
    rows: list[dict[str, Any]] = [
        {
            "SalesQuotationNumber": f"{prefix}{n}",
            "RequestingCustomerAccountNumber": customer,
            "LanguageId": "de" if n % 2 else None,
            "DeliveryAddressName": "here" if n % 2 else None,
            "CustomersReference": None,
        }
        for n in range(count)
    ]
    return plan_of(session, rows, session.workspace.state / "plans", prefix, TEMPLATE)


def filled(session: Session, prefix: str) -> dict[str, tuple[Any, ...]]:
    rows = there(session, prefix, TEMPLATE).table.to_pylist()
    return {row["SalesQuotationNumber"]: tuple(row[name] for name in FILLED) for row in rows}


@pytest.fixture(params=["batch", "package"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way creates go; few rows go by package only where that is asked for."""
    if request.param == "package":
        monkeypatch.setattr(forecast, "PACKAGE_ROWS", 1)
        monkeypatch.setattr(forecast, "FEW", 0)
    return str(request.param)


def test_a_new_row_holds_what_the_plan_says_after_the_first_run(session: Session, route: str) -> None:
    prefix = f"ZE-{route}-"
    plan = planned(session, prefix, 4)
    outcome = apply(plan, session)
    (emptied,) = outcome.followed
    assert (outcome.created, emptied.rows, emptied.done, outcome.complete) == (4, 2, 2, True)
    assert "fields emptied that F&O filled in" in outcome.report().to_text()
    says = {f"{prefix}{n}": ("de", "here") if n % 2 else (None, None) for n in range(4)}
    assert filled(session, prefix) == says
    assert len(planned(session, prefix, 4)) == 0
    steps = dict(why("finops", "CDSSalesQuotationHeaders", f"{prefix}0", "LanguageId", session).steps)
    assert steps["source"].startswith("nothing")
    # What somebody puts there later stays when the plan is applied once more; an undo knows its own rows.
    key = {"dataAreaId": "usmf", "SalesQuotationNumber": f"{prefix}0"}
    theirs = Write("update", "CDSSalesQuotationHeaders", key, {"LanguageId": "fr"})
    assert session.finops.write([theirs])[0].ok
    assert apply(plan, session).followed == ()
    assert filled(session, prefix) == says | {f"{prefix}0": ("fr", None)}
    (back,) = undo(plan, session)
    assert back.deletes == 3
    assert [line["why"] for line in back.facts["cannot"]] == ["the row was touched since it was created"]


@pytest.mark.parametrize(
    "theirs", [{"DeliveryAddressCity": "THEIRS"}, {"LanguageId": "fr"}], ids=["beside", "refilled"]
)
def test_what_somebody_fills_in_after_the_emptying_is_not_taken_for_ours(
    session: Session, route: str, monkeypatch: pytest.MonkeyPatch, theirs: dict[str, str]
) -> None:
    """The look after it finds their version; an undo that took it for ours would delete their value with the row."""
    prefix = f"ZT{route[0]}{next(iter(theirs))[0]}-"
    plan = planned(session, prefix, 4)
    look = Destination.emptied

    def after_them(self: Destination, *given: Any) -> dict[str, str]:
        key = {"dataAreaId": "usmf", "SalesQuotationNumber": f"{prefix}0"}
        assert session.finops.write([Write("update", "CDSSalesQuotationHeaders", key, theirs)])[0].ok
        return look(self, *given)

    monkeypatch.setattr(Destination, "emptied", after_them)
    assert apply(plan, session).complete
    monkeypatch.undo()
    (undone,) = undo(plan, session)
    assert [line["key"] for line in undone.facts["cannot"]] == [f"{prefix}0".casefold()]
    assert undone.operations.column("key").to_pylist() == [f"{prefix}{n}".casefold() for n in (3, 2, 1)]
