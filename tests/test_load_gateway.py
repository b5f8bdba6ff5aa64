"""Where something between answers in the service's place, no row of a plan ends by what the service never said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from p2c_lib.config import Workspace
from p2c_lib.load import LoadOutcome, apply, applying, undo
from p2c_lib.odata import Client, Patience, Write
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import customers, plan_of, there
from tests.subtle import ACCOUNTS, PLAIN, Subject, raw_rows
from tests.test_load_emptying import planned as headers
from tests.test_load_following import planned as products
from tests.test_load_following import sales_that

NAMES = {"finops": "OrganizationName", "sales": "name"}
PAGE = b"<html><title>Gateway</title>sign in</html>"
COUNT = 5
QUICK = Patience(budget=1, first_wait=0.001, longest_wait=0.01)


class _Gate(httpx.BaseTransport):
    """Answers the first writes with a page, after they were carried out or in their place."""

    def __init__(self, status: int, headers: Mapping[str, str], *, arrives: bool, times: int) -> None:
        self._inner = httpx.HTTPTransport()
        self._status, self._headers, self._arrives, self._left = status, headers, arrives, times

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        request.read()
        if request.method not in {"POST", "PATCH", "DELETE"} or "oauth2" in request.url.path or self._left < 1:
            return self._inner.handle_request(request)
        self._left -= 1
        if self._arrives:
            self._inner.handle_request(request).read()
        stream = httpx.ByteStream(PAGE)
        return httpx.Response(self._status, headers=dict(self._headers), stream=stream, request=request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect("sandbox", workspace=Workspace(tmp_path_factory.mktemp("gateway"))) as opened:
        yield opened


def through(session: Session, plan: Plan, gate: _Gate) -> LoadOutcome:
    """The outcome of an apply with the gate before F&O."""
    usual = session.finops
    try:
        with Client(session.set.finops, transport=gate, patience=QUICK) as client:
            client.schema("CustomersV2")
            session.finops = client
            return apply(plan, session)
    finally:
        session.finops = usual


def names(session: Session, prefix: str) -> list[str]:
    return sorted(there(session, prefix).table.column("OrganizationName").to_pylist())


SAID: dict[str, tuple[int, dict[str, str]]] = {
    "425": (425, {}),
    "412": (412, {}),
    "401": (401, {}),
    "401 of a proxy": (401, {"WWW-Authenticate": "Negotiate, Basic realm=x"}),
}


@pytest.mark.parametrize(("said", "arrives"), [(said, True) for said in SAID] + [("412", False)])
def test_no_page_of_a_gateway_ends_a_row(
    session: Session, monkeypatch: pytest.MonkeyPatch, said: str, arrives: bool
) -> None:
    monkeypatch.setattr(applying, "REST", 0.005)
    prefix = f"GW{list(SAID).index(said)}{int(arrives)}"
    folder = session.workspace.state / "plans"

    def planned(version: int) -> Plan:
        return plan_of(session, customers(prefix, COUNT, version), folder, prefix)

    for version in (1, 2):
        plan: Any = planned(version)
        outcome = through(session, plan, _Gate(*SAID[said], arrives=arrives, times=2))
        assert (outcome.complete, outcome.drifted) == (True, 0), outcome.problems().to_pylist()
        assert names(session, prefix) == [f"Customer {n} v{version}" for n in range(COUNT)]
    (back,) = undo(plan, session)
    assert (len(back), back.facts["cannot"]) == (COUNT, [])
    outcome = through(session, back, _Gate(*SAID[said], arrives=arrives, times=2))
    assert (outcome.complete, outcome.drifted) == (True, 0), outcome.problems().to_pylist()
    assert names(session, prefix) == [f"Customer {n} v1" for n in range(COUNT)]


# -- a gateway that asks twice -----------------------------------------------------------------------------------------


class _Twice(httpx.BaseTransport):
    """Sends every write on twice, and hands back the second answer."""

    def __init__(self) -> None:
        self._inner, self.writes = httpx.HTTPTransport(), 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange, or two."""
        request.read()
        if request.method in {"POST", "PATCH", "DELETE"} and "oauth2" not in request.url.path:
            self.writes += 1
            self._inner.handle_request(request).read()
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def twice(session: Session, app: str, plan: Plan) -> LoadOutcome:
    """The outcome of an apply whose writes all arrive twice."""
    usual, gate = session.client(app), _Twice()
    try:
        with Client(usual.connection, transport=gate, patience=QUICK) as client:
            setattr(session, app, client)
            return apply(plan, session)
    finally:
        setattr(session, app, usual)
        assert gate.writes


def states(outcome: LoadOutcome) -> list[tuple[str, str, str]]:
    lines = outcome.rows.select(["op", "state", "message"]).to_pylist()
    return sorted((line["op"], line["state"], line["message"] or "") for line in lines)


@pytest.mark.parametrize("subject", [PLAIN, ACCOUNTS], ids=lambda each: each.app)
def test_what_a_gateway_asked_twice_is_told_as_written_and_can_be_undone(session: Session, subject: Subject) -> None:
    prefix = f"TW{subject.app[0]}-".upper()
    folder = session.workspace.state / "plans"

    def planned(count: int, version: int) -> Plan:
        rows = [
            {name: None if "parent" in name else value for name, value in row.items()}
            | {NAMES[subject.app]: f"Name of version {version}"}
            for row in subject.rows(prefix, count, 1)
        ]
        return plan_of(session, rows, folder, prefix, subject.template)

    def shown() -> list[dict[str, Any]]:
        rows = sorted(raw_rows(session, subject, prefix), key=lambda row: str(row[subject.key]))
        return [{name: row[name] for name in (subject.key, NAMES[subject.app])} for row in rows]

    assert apply(planned(COUNT, 1), session).complete
    before = shown()
    plan = planned(COUNT + 2, 2)
    outcome = twice(session, subject.app, plan)
    assert (outcome.complete, outcome.updated, outcome.created) == (True, COUNT, 2), states(outcome)
    assert outcome.there >= COUNT
    assert "were refused and are there already, as sent" in outcome.report().why
    assert len(shown()) == COUNT + 2
    assert len(planned(COUNT + 2, 2)) == 0
    (back,) = undo(plan, session)
    untold = 2 if subject.app == "finops" else 0  # new rows of F&O that were only found may be somebody else's
    assert len(back.facts["cannot"]) == untold
    undone = twice(session, subject.app, back)
    assert (undone.complete, undone.updated, undone.deleted) == (True, COUNT, 2 - untold), states(undone)
    assert shown()[:COUNT] == before
    assert len(shown()) == COUNT + untold


def test_what_others_wrote_is_refused_as_ever_where_a_gateway_asks_twice(session: Session) -> None:
    folder = session.workspace.state / "plans"
    assert apply(plan_of(session, customers("TV-", 3), folder, "TV-"), session).complete
    plan = plan_of(session, customers("TV-", 5, 2), folder, "TV-")
    theirs = [customers("TV-", 4)[3] | {"SalesMemo": "theirs"}]
    assert apply(plan_of(session, theirs, folder, "TV-000003"), session).complete
    key = {"dataAreaId": "usmf", "CustomerAccount": "TV-000000"}
    assert session.finops.write([Write("update", "CustomersV2", key, {"AddressCity": "theirs"})])[0].ok
    outcome = twice(session, "finops", plan)
    ended = {row["key"]: row["state"] for row in outcome.rows.to_pylist()}
    assert ended == {
        "tv-000000": "drifted",
        "tv-000001": "applied",
        "tv-000002": "applied",
        "tv-000003": "failed",
        "tv-000004": "applied",
    }
    (back,) = undo(plan, session)
    assert apply(back, session).complete
    now = {row["CustomerAccount"]: row for row in there(session, "TV-").table.to_pylist()}
    assert [line["key"] for line in back.facts["cannot"]] == ["tv-000004"]  # nothing tells that it is ours
    assert sorted(now) == ["TV-000000", "TV-000001", "TV-000002", "TV-000003", "TV-000004"]
    assert now["TV-000000"]["AddressCity"] == "theirs"
    assert now["TV-000003"]["SalesMemo"] == "theirs"


def test_fields_are_emptied_and_products_published_where_a_gateway_asks_twice(tmp_path: Path) -> None:
    with sales_that(tmp_path, products_active=False) as session:
        for plan, app in ((products(session).only(ops=["create"]), "sales"), (headers(session, "TE-", 4), "finops")):
            outcome = twice(session, app, plan)
            first = outcome.followed[0]
            assert first.what in {"drafts published", "fields emptied that F&O filled in by itself"}
            known = first.what == "drafts published"  # a new row of F&O that was only found may be somebody else's
            assert (first.done, outcome.complete) == ((first.rows, True) if known else (0, False)), states(outcome)
            (back,) = undo(plan, session)
            assert len(back.facts["cannot"]) + back.deletes == plan.creates
