"""Money is rounded by its row's own currency, whether or not the rows name it: what was written is not sent again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from p2c_lib.config import Workspace
from p2c_lib.frames import EntityFrame
from p2c_lib.load import apply
from p2c_lib.mapping import Mapped, Template, map_frame
from p2c_lib.odata import Query, Write
from p2c_lib.plan import Plan, plan
from p2c_lib.reconcile import reconcile
from p2c_lib.session import Session, connect

PLACES = {"USD": 2, "EUR": 4, "JPY": 0}
FINE = Decimal("1.2345000000000000")
ROWS = 9


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A sandbox whose currencies keep different decimals; the organisation's own is the dollar."""
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("currencies"))) as opened:
        for code, row in currencies(opened).items():
            if code in PLACES:
                key = {"transactioncurrencyid": row["transactioncurrencyid"]}
                write = Write("update", "transactioncurrencies", key, {"currencyprecision": PLACES[code]})
                assert opened.sales.write([write])[0].ok
        yield opened


def currencies(session: Session) -> dict[str, dict[str, Any]]:
    query = Query("transactioncurrencies", ("transactioncurrencyid", "isocurrencycode", "currencyname"))
    return {row["isocurrencycode"]: row for page in session.sales.read(query) for row in page.table.to_pylist()}


def template(currency: str | None) -> Template:
    fields = {"CustomerAccount": "accountnumber", "OrganizationName": "name", "CreditLimit": "creditlimit"}
    fields |= {"SalesCurrencyCode": currency} if currency else {}
    return Template.model_validate(
        {
            "task": "back",
            "title": "Customers of a test, back",
            "source": {"app": "finops", "entity": "CustomersV2"},
            "destination": {"app": "sales", "entity": "accounts"},
            "key": {"CustomerAccount": "accountnumber"},
            "fields": [{"from": source, "to": target} for source, target in fields.items()],
        }
    )


def rows(session: Session, made: Template, prefix: str, named: list[str | None]) -> EntityFrame:
    source = session.extract(made.source)
    table = source.table.slice(0, ROWS)
    values = {
        "CustomerAccount": pa.array([f"{prefix}{n:04}" for n in range(ROWS)]),
        "OrganizationName": pa.array([f"name {n}" for n in range(ROWS)]),
        "CreditLimit": pa.array([FINE] * ROWS, pa.decimal128(38, 16)),
        "SalesCurrencyCode": pa.array([named[n % len(named)] for n in range(ROWS)]),
    }
    for name in table.column_names:
        if name in values:
            table = table.set_column(table.column_names.index(name), name, values[name])
    return source.with_table(table)


def night(session: Session, made: Template, source: EntityFrame) -> tuple[Plan, Mapped]:
    mapped = map_frame(source, made, session)
    counts = {"read": ROWS, "passed": ROWS, "quarantined": 0, "held": 0}
    gate = SimpleNamespace(passed=mapped.frame, verdict="pass", why="", counts=counts, suite_sha="s")
    done = plan(
        reconcile(mapped.frame, session.extract(made.destination), made), gate, folder=session.workspace.state / "plans"
    )
    assert apply(done, session).failed == 0
    return done, mapped


CASES: list[tuple[str, str | None, list[str | None]]] = [
    ("QX", None, ["USD"]),
    ("QY", "transactioncurrencyid.isocurrencycode", ["USD", "EUR", "JPY"]),
    ("QZ", "transactioncurrencyid.currencyname", ["USD", "EUR", "JPY"]),
]


@pytest.mark.parametrize(("prefix", "column", "codes"), CASES)
def test_a_second_night_writes_nothing(
    session: Session, prefix: str, column: str | None, codes: list[str | None]
) -> None:
    named: list[str | None] = list(codes)
    if column is not None and column.endswith("currencyname"):
        known = currencies(session)
        named = [known[str(code)]["currencyname"] for code in codes]
    made = template(column)
    source = rows(session, made, prefix, named)
    assert night(session, made, source)[0].creates == ROWS
    again, mapped = night(session, made, source)
    assert (again.creates, again.updates) == (0, 0)
    wanted = [round(FINE, PLACES[str(codes[n % len(codes)])]) for n in range(ROWS)]
    assert mapped.frame.table.column("creditlimit").to_pylist() == wanted
    assert any(note.column == "creditlimit" for note in mapped.frame.origin.changed)


def test_money_of_a_row_whose_currency_is_empty_goes_by_the_organisations(session: Session) -> None:
    made = template("transactioncurrencyid.isocurrencycode")
    source = rows(session, made, "QW", ["EUR", None])
    nights = [night(session, made, source)[0] for _ in range(3)]
    assert nights[0].creates == ROWS
    assert "creditlimit" not in {name for row in nights[1].operations.to_pylist() for name in row["changed"] or ()}
    assert len(nights[2]) == 0


def test_a_row_that_names_no_currency_keeps_the_one_it_has_there(session: Session) -> None:
    made = template("transactioncurrencyid.isocurrencycode")
    source = rows(session, made, "QV", ["EUR", "JPY"])
    night(session, made, source)
    again, mapped = night(session, template(None), source)
    assert len(again) == 0
    assert mapped.frame.table.column("creditlimit").to_pylist()[:2] == [FINE, Decimal(1)]
