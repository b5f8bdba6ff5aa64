"""A wrong answer that was kept with the service's own etag: it is given up before anything wrong is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.config import Connection, Secret
from p2c_lib.errors import P2CError, UnknownName
from p2c_lib.odata import Client, Query, Write
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import TOKEN, AppTransport

Said = dict[str, Any]
Poison = Callable[[Said], None]
USES = {
    "sales": ("uoms", ("name", "uomid"), "accounts"),
    "finops": ("Currencies", ("CurrencyCode", "Name"), "CustomersV2"),
}


class Poisoned(httpx.BaseTransport):
    """A system whose descriptions come wrong while there is poison, with the etags they have when they are right."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self._inner = AppTransport(app, portal)
        self.poison: Poison | None = None
        self.anew = self.stood = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        if "/metadata/" not in request.url.path and "EntityDefinitions" not in request.url.path:
            return answer
        self.stood += answer.status_code == 304
        self.anew += answer.status_code == 200
        if self.poison is None or answer.status_code != 200:
            return answer
        said = json.loads(answer.read())
        self.poison(said)
        kept = {name: answer.headers[name] for name in ("Content-Type", "ETag") if name in answer.headers}
        return httpx.Response(200, headers=kept, stream=httpx.ByteStream(json.dumps(said).encode()))


def _each(said: Said) -> list[Said]:
    found = [said, *(row for row in said.get("value") or [] if isinstance(row, dict))]
    return [*found, *(p for row in found for p in row.get("Properties") or [])]


def no_rows(said: Said) -> None:
    if "value" in said:
        said["value"] = []


def half(said: Said) -> None:
    if "value" in said:
        said["value"] = said["value"][: len(said["value"]) // 2]
    for row in _each(said):
        if "Properties" in row:
            row["Properties"] = row["Properties"][:1]


def last_half(said: Said) -> None:
    if "value" in said:
        said["value"] = said["value"][len(said["value"]) // 2 + 1 :]


def no_properties(said: Said) -> None:
    for row in _each(said):
        if "Properties" in row:
            row["Properties"] = []


def other_types(said: Said) -> None:
    for row in _each(said):
        if "AttributeType" in row:
            row["AttributeType"] = "Integer"
        if "TypeName" in row:
            row["TypeName"] = "Edm.Int32"


def other_names(said: Said) -> None:
    for row in _each(said):
        for name in ("LogicalName", "Name", "PublicCollectionName", "EntitySetName"):
            if row.get(name):
                row[name] = f"x{row[name]}"


POISONS = [no_rows, half, last_half, no_properties, other_types, other_names]


@contextmanager
def client(transport: Poisoned, app: Any, kept: Path) -> Iterator[Client]:
    url = f"http://{app}.test"
    here = Connection(app, app, url, "t", Secret.literal(TOKEN), token_url=f"{url}/t/oauth2/v2.0/token")
    with Client(here, transport=transport, kept=kept) as one:
        yield one


@pytest.fixture(params=["sales", "finops"])
def system(request: pytest.FixtureRequest, store: Store, portal: BlockingPortal) -> tuple[str, Poisoned]:
    if request.param == "sales":
        app: Any = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    else:
        app = finops_app(store, Tokens(TOKEN), Switches())
    return request.param, Poisoned(app, portal)


def used(one: Client, app: str) -> tuple[object, ...]:
    """What a client makes of a system: rows, a count, a row that is written and gone again."""
    entity_set, columns, other = USES[app]
    query = Query(entity_set, columns)
    rows = [row for page in one.read(query) for row in page.table.drop_columns(["@etag"]).to_pylist()]
    return rows, one.count(query), one.schema(other).key, one.metadata.set_of(one.schema(other).logical_name)


@pytest.mark.parametrize("poison", POISONS)
def test_the_run_after_a_wrong_description_is_as_if_it_had_never_come(
    system: tuple[str, Poisoned], tmp_path: Path, poison: Poison
) -> None:
    app, transport = system
    with client(transport, app, tmp_path / "clean") as one:
        wanted = used(one, app)
    transport.poison = poison
    for _ in range(2):
        for reach in (used, lambda one, app: one.schema(USES[app][0]), lambda one, app: one.schema(USES[app][2])):
            with client(transport, app, tmp_path / "kept") as one, suppress(P2CError):
                reach(one, app)
    transport.poison = None
    for _ in range(2):
        with client(transport, app, tmp_path / "kept") as one:
            assert used(one, app) == wanted
    transport.anew = 0
    with client(transport, app, tmp_path / "kept") as one:
        assert used(one, app) == wanted
    assert transport.anew == 0, "what came right is kept again"


@pytest.mark.parametrize("poison", [half, last_half, other_types])
def test_whoever_holds_a_wrong_schema_sees_it_put_right(
    system: tuple[str, Poisoned], tmp_path: Path, poison: Poison
) -> None:
    app, transport = system
    entity_set = USES[app][0]
    with client(transport, app, tmp_path / "clean") as one:
        right = one.schema(entity_set)
    transport.poison = poison
    with client(transport, app, tmp_path / "kept") as one:
        try:
            one.schema(entity_set)
        except P2CError:
            return
    transport.poison = None
    with client(transport, app, tmp_path / "kept") as one:
        held = one.schema(entity_set)
        asked = transport.anew
        with pytest.raises(UnknownName):
            held.column("nosuchcolumn")
        assert transport.anew > asked
        asked = transport.anew
        assert held == right
        assert one.schema(entity_set) is held
        with pytest.raises(UnknownName):
            held.column("nosuchcolumn")
        assert transport.anew == asked, "it is asked anew once"


def test_an_unknown_name_is_told_after_one_question_and_what_is_kept_stays_kept(
    system: tuple[str, Poisoned], tmp_path: Path
) -> None:
    app, transport = system
    for _ in range(2):
        with client(transport, app, tmp_path) as one:
            one.schema(USES[app][0])
            with pytest.raises(UnknownName):
                one.schema("NoSuchThings")
    transport.anew = transport.stood = 0
    with client(transport, app, tmp_path) as one:
        one.schema(USES[app][0])
    assert (transport.anew, transport.stood > 0) == (0, True)


def test_a_write_is_prepared_anew_before_anything_is_sent(system: tuple[str, Poisoned], tmp_path: Path) -> None:
    app, transport = system
    write = {
        "sales": Write("create", "accounts", None, {"accountnumber": "P-1", "name": "P"}),
        "finops": Write("create", "UnitsOfMeasure", None, {"UnitSymbol": "P1"}),
    }[app]
    transport.poison = half
    for _ in range(2):
        with client(transport, app, tmp_path) as one, suppress(P2CError):
            one.schema(write.entity_set)
    transport.poison = None
    with client(transport, app, tmp_path) as one:
        (result,) = one.write([write])
        assert result.error is None or "Unknown" not in str(result.error)
