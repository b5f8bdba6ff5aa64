"""Where something between answers in the service's place, no row of a plan ends by what the service never said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from p2c_lib.config import Workspace
from p2c_lib.load import LoadOutcome, apply, applying, undo
from p2c_lib.odata import Client, Patience
from p2c_lib.plan import Plan
from p2c_lib.session import Session, connect
from tests.customers import customers, plan_of, there

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
