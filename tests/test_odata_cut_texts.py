"""F&O may cut a text that is too long for its column: after a lost answer its row holds the beginning of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.config import Workspace
from p2c_lib.errors import Drifted, Duplicate, Unreachable
from p2c_lib.ledger import open_ledger
from p2c_lib.load import apply
from p2c_lib.odata import Client, Write
from p2c_lib.plan import Plan
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app
from p2c_lib.session import Session, connect
from tests.conftest import TOKEN, AppTransport
from tests.customers import customers, plan_of
from tests.subtle import PLAIN, raw_rows
from tests.test_load_exact import journalled
from tests.test_odata_settle import losing

LONG = "Contoso Entertainment Systems of " + "x" * 120
KEPT = LONG[:100]
KEY = {"dataAreaId": "usmf", "CustomerAccount": "C-1"}
ROW = {**KEY, "CustomerGroupId": "10", "SalesCurrencyCode": "USD"}


def service(store: Store, portal: BlockingPortal, overflow: Any) -> httpx.Client:
    with store.write():
        store.insert(entities("finops")["LegalEntities"], {"LegalEntityId": "usmf", "Name": "usmf"})
        store.insert(entities("finops")["CustomerGroups"], {"dataAreaId": "usmf", "CustomerGroupId": "10"})
        store.insert(entities("finops")["Currencies"], {"CurrencyCode": "USD"})
    app = finops_app(store, Tokens(TOKEN), Switches(string_overflow=overflow))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(transport=AppTransport(app, portal), base_url="http://finops.test/data/", headers=headers)


def there(plain: httpx.Client) -> list[dict[str, Any]]:
    return list(plain.get("CustomersV2?cross-company=true").json()["value"])


@pytest.mark.parametrize(
    ("overflow", "before", "arrives", "held", "outcome"),
    [
        ("truncate", "Contoso", True, KEPT, Unreachable),
        ("truncate", "Contoso", False, "Contoso", Drifted),
        ("truncate", KEPT, False, KEPT, Unreachable),
        ("accept", KEPT, False, KEPT, Unreachable),
        ("accept", KEPT, True, LONG, type(None)),
        ("accept", "Another name by far", False, "Another name by far", Drifted),
    ],
)
def test_the_beginning_of_a_text_is_neither_taken_for_it_nor_for_somebody_elses(
    store: Store, portal: BlockingPortal, overflow: str, before: str, arrives: bool, held: str, outcome: type
) -> None:
    """It may have stood there before, and no metadata of F&O say at what length a text is cut."""
    with service(store, portal, overflow) as plain:
        with store.write():
            store.insert(entities("finops")["CustomersV2"], {**ROW, "OrganizationName": before})
        etag = there(plain)[0]["@odata.etag"]
        path = "CustomersV2(dataAreaId='usmf',CustomerAccount='C-1')?cross-company=true"

        def meanwhile() -> None:
            assert plain.patch(path, json={"AddressCity": "theirs"}).status_code == 204

        with losing(plain, "finops", meanwhile, arrives=arrives) as client:
            (result,) = client.write([Write("update", "CustomersV2", KEY, {"OrganizationName": LONG}, etag)])
        assert [row["OrganizationName"] for row in there(plain)] == [held]
        assert type(result.error) is outcome
        assert ("the beginning of a text" in str(result.error)) == (outcome is Unreachable)


@pytest.mark.parametrize(("theirs", "outcome"), [(None, type(None)), ("Contoso", Duplicate), (LONG[1:], Duplicate)])
def test_a_new_row_with_the_beginning_of_its_text_is_ours(
    store: Store, portal: BlockingPortal, theirs: str | None, outcome: type
) -> None:
    with service(store, portal, "truncate") as plain:

        def meanwhile() -> None:
            if theirs is not None:
                answer = plain.post("CustomersV2", json={**ROW, "OrganizationName": theirs})
                assert answer.status_code == 201, answer.text

        with losing(plain, "finops", meanwhile, arrives=theirs is None) as client:
            (result,) = client.write([Write("create", "CustomersV2", None, {**ROW, "OrganizationName": LONG})])
        assert type(result.error) is outcome
        assert [row["OrganizationName"] for row in there(plain)] == [KEPT if theirs is None else theirs[:100]]


# -- with the row as it was before, which a plan knows -----------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    workspace = Workspace(tmp_path_factory.mktemp("cut"))
    workspace.sandbox_home.mkdir(parents=True)
    switches = {"finops": {"string_overflow": "truncate"}}
    (workspace.sandbox_home / "switches.json").write_text(json.dumps(switches))
    with connect("sandbox", workspace=workspace) as opened:
        yield opened


def planned(session: Session, prefix: str, name: str) -> Plan:
    (row,) = customers(prefix, 1)
    rows = [{**row, "OrganizationName": name, "CreditLimit": Decimal(1)}]
    return plan_of(session, rows, session.workspace.state / "plans", prefix, PLAIN.template)


@pytest.mark.parametrize(
    ("prefix", "before", "sent", "state"),
    [
        ("ZVA", "Contoso", True, "applied"),
        ("ZVB", "Contoso", False, "drifted"),
        ("ZVC", KEPT, False, "drifted"),
        ("ZVD", None, True, "applied"),
    ],
)
def test_what_a_killed_process_left_is_told_by_what_was_there_before(
    session: Session, prefix: str, before: str | None, sent: bool, state: str
) -> None:
    if before is not None:
        assert apply(planned(session, prefix, before), session).complete
    plan = planned(session, prefix, LONG)
    assert len(plan) == 1
    if sent:
        apply(plan, session)
        assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == KEPT
    ledger = open_ledger(session.workspace.state / f"{prefix}.db")
    try:
        journalled(ledger, plan)
        if before is not None:
            with Client(session.set.finops) as other:
                key = {"dataAreaId": "usmf", "CustomerAccount": f"{prefix}000000"}
                (theirs,) = other.write([Write("update", "CustomersV2", key, {"PrimaryContactPhone": "555"})])
                assert theirs.ok, theirs.error
        outcome = apply(plan, session, ledger=ledger)
    finally:
        ledger.close()
    assert outcome.rows.column("state").to_pylist() == [state], outcome.problems().to_pylist()
    assert raw_rows(session, PLAIN, prefix)[0]["OrganizationName"] == (KEPT if sent else before)
