"""A set is gone where its service says so, and not where something else has no answer to a question about it."""

from __future__ import annotations

import re

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.errors import NotFound, ServiceError, UnknownName
from p2c_lib.odata import Query
from p2c_lib.odata.metadata import BELIEVED
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.between import App, wired
from tests.conftest import TOKEN
from tests.hasty import Hasty

SETS: dict[App, str] = {"sales": "accounts", "finops": "CustomersV2"}
QUESTIONS: dict[App, str] = {"sales": "EntityDefinitions(LogicalName=", "finops": "/metadata/PublicEntities"}
JSON, PAGE = {"content-type": "application/json"}, {"content-type": "text/html"}
NOT_ITS_OWN = [
    httpx.Response(404, headers=PAGE, content=b"<html><title>404 Not Found</title></html>"),
    httpx.Response(404, headers=PAGE, content=b""),
    httpx.Response(404, headers=JSON, content=b'{"message":"no Route matched with those values"}'),
    httpx.Response(404, headers=JSON, content=b'{"error":"not found"}'),
    httpx.Response(200, headers=JSON, content=b'{"value":null}'),
    httpx.Response(200, headers=JSON, content=b"{}"),
]
GONE = httpx.Response(
    404, headers=JSON, content=b'{"error":{"code":"0x80040217","message":"account With Ids = x Do Not Exist"}}'
)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("said", NOT_ITS_OWN, ids=lambda each: each.content[:30].decode() or "empty")
@pytest.mark.parametrize("app", ["sales", "finops"])
def test_what_is_not_the_services_word_breaks_off_no_work_in_hand(
    store: Store, portal: BlockingPortal, app: App, said: httpx.Response, alone: bool
) -> None:
    closed, clock = [False], Hasty()

    def between(request: httpx.Request) -> httpx.Response | None:
        url = str(request.url)
        asked = QUESTIONS[app] in url if alone else "metadata" in url or "Definitions" in url
        return said if closed[0] and asked else None

    made = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    if app == "finops":
        made = finops_app(store, Tokens(TOKEN), Switches())
    with wired(made, portal, app, between, clock=clock) as (client, _):
        known = client.schema(SETS[app])
        closed[0], clock.at = True, clock.at + BELIEVED + 1
        assert client.schema(SETS[app]) is known
        assert list(client.read(Query(SETS[app], known.key)))
        with pytest.raises(ServiceError):  # and not that the set is gone, and its rules with it
            client.rules_now(SETS[app]).of(known.key[0], None)
        closed[0], clock.at = False, clock.at + BELIEVED + 1
        assert client.schema(SETS[app]) == known


@pytest.mark.parametrize("app", ["sales", "finops"])
def test_the_service_itself_is_believed(store: Store, portal: BlockingPortal, app: App) -> None:
    closed, clock = [False], Hasty()
    gone = GONE if app == "sales" else httpx.Response(200, headers=JSON, content=b'{"value":[]}')

    def between(request: httpx.Request) -> httpx.Response | None:
        return gone if closed[0] and QUESTIONS[app] in str(request.url) else None

    made = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    if app == "finops":
        made = finops_app(store, Tokens(TOKEN), Switches())
    with wired(made, portal, app, between, clock=clock) as (client, _):
        client.schema(SETS[app])
        closed[0], clock.at = True, clock.at + BELIEVED + 1
        with pytest.raises((UnknownName, NotFound)):
            client.schema(SETS[app])


ODD: dict[str, bytes] = {
    "a number for its parts": b'{"value":[{"Name":"x","EntitySetName":"x","Properties":7}],"Attributes":7}',
    "texts for its parts": b'{"value":["x"],"Attributes":"x","LogicalName":"x"}',
    "null for its parts": b'{"value":[null],"Attributes":[null],"LogicalName":null}',
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("app", ["sales", "finops"])
def test_an_answer_of_another_type_is_told_in_words(store: Store, portal: BlockingPortal, app: App, case: str) -> None:
    said = httpx.Response(200, headers=JSON, content=ODD[case])

    def between(request: httpx.Request) -> httpx.Response | None:
        return said if QUESTIONS[app] in str(request.url) else None

    made = sales_app(Organisation(store, SalesSwitches(protection=False)), Tokens(TOKEN))
    if app == "finops":
        made = finops_app(store, Tokens(TOKEN), Switches())
    with wired(made, portal, app, between) as (client, _), pytest.raises(ServiceError) as caught:
        client.schema(SETS[app])
    assert "cannot be understood" in caught.value.message
    assert not re.search(r"Error|object|subscript|indices|attribute|'NoneType'|'str'", caught.value.message)
    assert caught.value.hint
