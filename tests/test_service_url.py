"""One service under several spellings of its address, and what is not the service at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp

from p2c_lib.config import Connection, Secret, safe_url
from p2c_lib.connecting.wire import look
from p2c_lib.errors import ConfigError, IncompleteRead, NotTheService, Rejected, Unreachable
from p2c_lib.odata import Client, Query, Write
from p2c_lib.odata.links import own_link
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.faults import Faults
from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app, spoilt
from p2c_lib.service_url import same_service, spelled
from tests.bad_network import told_server
from tests.between import App, wired
from tests.conftest import TOKEN

JSON = {"Content-Type": "application/json"}
BASE = "https://contoso.crm4.dynamics.com"
SETS: dict[App, tuple[str, str]] = {
    "sales": ("accounts", "accountnumber"),
    "finops": ("Currencies", "CurrencyCode"),
}


@pytest.fixture
def app_of(store: Store) -> Callable[..., ASGIApp]:
    """Either system over an empty store, with switches and faults."""

    def make(name: App, faults: Faults | None = None, **switches: Any) -> ASGIApp:
        tokens = Tokens(TOKEN)
        if name == "sales":
            app = sales_app(Organisation(store, SalesSwitches(protection=False, **switches)), tokens)
        else:
            app = finops_app(store, tokens, Switches(**switches))
        return spoilt(app, name, faults or Faults(), tokens)

    return make


def some_rows(client: Client, count: int) -> set[str]:
    """So many rows of the set are created; their keys."""
    entity_set, key = SETS[client.connection.app]
    rest = {"name": "n"} if client.connection.app == "sales" else {"Name": "n"}
    keys = [f"K{n:02}" for n in range(count)]
    results = client.write([Write("create", entity_set, None, {key: each, **rest}) for each in keys])
    assert [result.error for result in results] == [None] * count
    return set(keys)


@pytest.mark.parametrize("name", ["sales", "finops"])
@pytest.mark.parametrize("link_host", ["as asked", "upper", "port"])
def test_a_service_that_spells_itself_otherwise_is_read_to_the_end(
    app_of: Callable[..., ASGIApp], portal: BlockingPortal, name: App, link_host: str
) -> None:
    entity_set, key = SETS[name]
    with wired(app_of(name, link_host=link_host), portal, name) as (client, transport):
        keys = some_rows(client, 7)
        pages = list(client.read(Query(entity_set, (key,), page_size=2)))
    assert {row[key] for page in pages for row in page.table.to_pylist()} == keys
    assert {str(request.url.host) for request in transport.asked} == {f"{name}.test"}


@pytest.mark.parametrize(
    "link",
    [
        "https://CONTOSO.crm4.Dynamics.com/api/x",
        "HTTPS://contoso.crm4.dynamics.com:443/api/x",
        "https://contoso.crm4.dynamics.com./api/x",
        "https://contoso.api.crm4.dynamics.com/api/x",
        "https://Contoso.API.crm4.dynamics.com.:443/api/x",
    ],
)
def test_one_service_under_other_spellings_is_followed_at_the_connections_own_host(link: str) -> None:
    assert own_link(link, BASE, "a") == f"{BASE}/api/x"
    assert own_link(f"{BASE}/api/x", link.removesuffix("/api/x"), "a").endswith("/api/x")
    assert same_service(link, BASE)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api",
        "http://contoso.crm4.dynamics.com/api",
        "https://contoso.crm4.dynamics.com:444/api",
        "https://user:secret@contoso.crm4.dynamics.com/api",
        "https://contoso.crm4.dynamics.com@evil.example/api",
        "https://contoso.crm4.dynamics.com\\@evil.example/api",
        "https://contoso.crm4.dynamics.com.evil.example/api",
        "https://contoso.crm4.dynamics.com:99999/api",
        "https://contoso.api.api.crm4.dynamics.com/api",
        "https:///api",
        "//evil.example/x",
        "accounts?$skiptoken=2",
        "",
    ],
)
def test_another_place_is_not_followed_and_no_password_is_shown(link: str) -> None:
    with pytest.raises(IncompleteRead, match="Nothing was sent there") as raised:
        own_link(link, BASE, "a")
    assert "secret" not in str(raised.value)


def test_a_host_in_other_letters_is_compared_as_it_travels() -> None:
    assert spelled("https://Bücher.example/") == "https://xn--bcher-kva.example/"
    assert (
        own_link("https://xn--bcher-kva.example/a", "https://bücher.example", "x") == "https://xn--bcher-kva.example/a"
    )


def test_a_link_is_not_encoded_anew() -> None:
    rest = "/api?$skiptoken=%3ccookie%20a=%22%2b%22%3E&x=a+b'ü"
    assert own_link(f"https://CONTOSO.crm4.dynamics.com{rest}", BASE, "a") == BASE + rest


def test_the_settings_hold_one_spelling() -> None:
    assert safe_url(" HTTPS://Contoso.CRM4.dynamics.com.:443/ ", "x") == BASE
    assert safe_url("https://hooks.example/T0/Key", "x") == "https://hooks.example/T0/Key"
    assert safe_url("http://LOCALHOST:8710/", "x") == "http://localhost:8710"
    for bad in ("https://me:secret@contoso.crm4.dynamics.com", "https://", "contoso", "http://a.example/secret"):
        with pytest.raises(ConfigError) as raised:
            safe_url(bad, "x")
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["sales", "finops"])
@pytest.mark.parametrize(
    ("fault", "words"), [("sign_in_page", "Sign in to your account"), ("sign_in_redirect", "sign in at login")]
)
def test_a_sign_in_is_not_the_service(
    app_of: Callable[..., ASGIApp], portal: BlockingPortal, name: App, fault: str, words: str
) -> None:
    entity_set, key = SETS[name]
    with wired(app_of(name, Faults(**{fault: 1.0})), portal, name) as (client, transport):
        with pytest.raises(NotTheService, match=words) as raised:
            client.identity()
        assert "proxy" in str(raised.value.hint)
        with pytest.raises(NotTheService):
            client.schema(entity_set)
        asked = len(transport.asked)
        with pytest.raises(NotTheService):
            client.count(Query(entity_set, (key,)))
        assert len(transport.asked) - asked <= 2


@pytest.mark.parametrize("name", ["sales", "finops"])
@pytest.mark.parametrize("fault", ["sign_in_page", "sign_in_redirect"])
@pytest.mark.parametrize("rows", [1, 3])
def test_what_a_sign_in_answers_is_in_doubt(
    app_of: Callable[..., ASGIApp], portal: BlockingPortal, name: App, fault: str, rows: int
) -> None:
    entity_set, key = SETS[name]
    sound, spoils = app_of(name), app_of(name, Faults(**{fault: 1.0}))
    with wired(sound, portal, name) as (client, _):
        schema = client.schema(entity_set)
    with wired(spoils, portal, name) as (client, _):
        client.metadata._schemas[entity_set] = schema
        client.metadata._sets[entity_set] = schema.logical_name
        results = client.write([Write("create", entity_set, None, {key: f"N{n}"}) for n in range(rows)])
    assert [type(result.error) for result in results] == [
        Unreachable
    ] * rows  # the look at the rows tells nothing either
    with wired(sound, portal, name) as (client, _):
        assert client.count(Query(entity_set, (key,))) == 0


@pytest.mark.parametrize(
    ("app", "body"),
    [
        ("sales", {"UserId": "u"}),
        ("sales", {"OrganizationId": "", "UserId": "u"}),
        ("sales", {"OrganizationId": "00000000-0000-0000-0000-000000000000", "UserId": "u"}),
        ("sales", {"status": "healthy"}),
        ("finops", {"status": "healthy"}),
        ("finops", {"@odata.context": "http://x/data/$metadata#Customers", "value": []}),
        ("finops", {"@odata.context": "http://x/data/$metadata"}),
        ("finops", {"value": []}),
        ("finops", {"@odata.context": "HERE/api/data/v9.2/$metadata", "value": []}),
        ("finops", {"@odata.context": "http://sales/api/data/v9.2/$metadata", "value": []}),
        ("finops", {"@odata.context": "http://other.example/data/$metadata", "value": []}),
        ("finops", {"@odata.context": "HERE/data/$metadata#x", "value": []}),
        ("finops", {"@odata.context": "$metadata", "value": []}),
    ],
)
def test_json_that_does_not_say_who_answers_is_nobody(app: App, body: dict[str, object]) -> None:
    at = [""]
    with told_server(lambda *_: (200, JSON, json.dumps(body).replace("HERE", at[0]).encode())) as url:
        at[0] = url
        here = Connection("x", app, url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with Client(here) as client:
            client.sender._users[0].tokens._fetch = lambda: ("t", 3600.0)
            with pytest.raises(NotTheService, match="which is not what"):
                client.identity()


@pytest.mark.parametrize("app", ["sales", "finops"])
@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": "text/plain; charset=utf-8"}, b"It works."),
        (200, {"Content-Type": "application/javascript"}, b"location = '/login'"),
        (200, {"Content-Type": "text/plain"}, b""),
        (204, {}, b""),
        (200, JSON, b"[]"),
        (200, JSON, b"OK"),
    ],
)
def test_an_answer_that_is_no_json_is_nobody(app: App, answer: tuple[int, dict[str, str], bytes]) -> None:
    with told_server(lambda *_: answer) as url:
        here = Connection("x", app, url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with Client(here) as client:
            with pytest.raises(NotTheService) as raised:
                client.identity()
            assert "address" in str(raised.value.hint)
            if answer[1] is not JSON:
                with pytest.raises(NotTheService, match="and no JSON"):
                    client.schema(SETS[app][0])


@pytest.mark.parametrize("document", ["HERE/data/$metadata", "HTTP://LOCALHOST:PORT/data/$metadata"])
def test_the_service_document_may_spell_its_own_host_otherwise(document: str) -> None:
    at = [""]

    def say(*_: str) -> tuple[int, dict[str, str], bytes]:
        context = document.replace("HERE", at[0]).replace("PORT", at[0].rpartition(":")[2])
        return 200, JSON, json.dumps({"@odata.context": context, "value": []}).encode()

    with told_server(say) as own:
        at[0] = url = own.replace("127.0.0.1", "localhost")
        here = Connection("x", "finops", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/token")
        with Client(here) as client:
            assert client.identity().url == url


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"Content-Type": "text/html"}, b"<title>Proxy</title>"), r"a web page \('Proxy'\)"),
        ((302, {"Location": "https://login.proxy.example/a?b"}, b""), "to sign in at login.proxy.example"),
        ((307, {"Location": "https://elsewhere.example/"}, b""), "sends to elsewhere.example"),
    ],
)
def test_a_token_endpoint_that_is_somebody_else_is_told(answer: tuple[int, dict[str, str], bytes], words: str) -> None:
    with told_server(lambda *_: answer) as url:
        here = Connection("x", "sales", url, "c", Secret.literal("s"), token_url=f"{url}/oauth2/x")
        with Client(here) as client, pytest.raises(NotTheService, match=words):
            client.identity()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ((401, {}, b""), "ok", "asks for a token"),
        ((302, {"Location": "https://login.microsoftonline.com/x"}, b""), "ok", "asks for a token"),
        ((302, {"Location": "https://portal.example/x"}, b""), "warn", "portal.example"),
        ((301, {"Location": "https://new.example/"}, b""), "fail", "new.example"),
        ((200, {"Content-Type": "text/html"}, b"<title>Welcome</title>"), "fail", "Welcome"),
        ((200, JSON, b"{}"), "fail", "answered 200"),
    ],
)
def test_who_stands_at_the_address_shows_before_any_token(
    answer: tuple[int, dict[str, str], bytes], status: str, words: str
) -> None:
    with told_server(lambda *_: answer) as url:
        *_, service = look(Connection("x", "finops", url, "c", Secret.literal("s")))
    assert (service.step, service.status) == ("service", status)
    assert words in service.finding
    assert (service.remedy == "") == (status == "ok")


def test_an_upload_goes_to_no_address_with_a_user_in_it(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(b"x")
    with Client(Connection("x", "finops", BASE, "c", Secret.literal("s"))) as client:
        for url in ("https://me:secret@files.example/a", "ftp://files.example/a", "https:///a"):
            with pytest.raises(Rejected) as raised:
                client.sender.upload(url, file)
            assert "secret" not in str(raised.value)


def test_two_spellings_are_one_place_to_a_plan() -> None:
    from p2c_lib.errors import WrongEnvironment
    from p2c_lib.load.refusal import _check_same

    _check_same("url", "https://ORG.operations.dynamics.com:443", "https://org.operations.dynamics.com")
    _check_same("organisation", "ORG.operations.dynamics.com:443", "org.operations.dynamics.com")
    with pytest.raises(WrongEnvironment):
        _check_same("url", "https://org2.operations.dynamics.com", "https://org.operations.dynamics.com")
