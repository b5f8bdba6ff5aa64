"""What everybody may read stays readable: addresses, ids and names, though a service gives one as a token."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2c_lib.config import Connection, Workspace, workspace
from p2c_lib.flow import TaskWalk
from p2c_lib.frames import EntityQuery
from p2c_lib.odata.token_answer import token_of
from p2c_lib.plan.files import open_plan
from p2c_lib.runs.scrub import scrub
from p2c_lib.sandbox import process
from p2c_lib.secrecy import keep_public, keep_secret, keep_token, kept_value, masked
from p2c_lib.session import connect
from tests.troubled import Between, Exchange, between

SECRET = "between-secret-0042"
URL = "https://contoso-dev01.crm4.dynamics.com"
ID = "6f1c2d3e-1111-4222-8333-94455667788a"
OPAQUE = "0.AXkAq7Zt5dW2cQ8mLr3Vxy4.Bn-0042"
JWT = "eyJ0eXAiOiJKV1QifQ.eyJvaWQiOiI0MiJ9.c2lnbmF0dXJl"
BESIDE = ("id_token", "refresh_token")

PUBLIC = [
    URL,
    f"{URL}/api/data/v9.2/accounts?$top=1",
    URL.removeprefix("https://"),
    "127.0.0.1:45123",
    "first.last@contoso-dev01.onmicrosoft.com",
    ID,
    ID.upper(),
    f"{{{ID}}}",
    ID.replace("-", ""),
    "CustomersV2",
    "mserp_custcustomerv3staging2entity",
    "prospect-to-cash-2026-11-28",
    "2026-11-28T00:00:00.000Z",
    f"api://{ID}/.default",
]


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("value", PUBLIC)
def test_what_is_public_is_no_token_beside_one(value: str, name: str) -> None:
    EntityQuery("sales", "mserp_custcustomerv3staging2entity", (), ())
    assert token_of({"access_token": OPAQUE, name: value}, "there")[0] == OPAQUE
    text = f"rows of {value} at {value}"
    assert masked(text) == text
    assert kept_value({"url": value, "why": text}) == {"url": value, "why": text}


@pytest.mark.parametrize("value", PUBLIC[:9])
def test_an_address_or_an_id_is_no_token_though_it_is_used_as_one(value: str) -> None:
    keep_token(value)
    assert masked(f"<{value}>") == f"<{value}>"


@pytest.mark.parametrize("name", ["access_token", *BESIDE])
@pytest.mark.parametrize("value", [OPAQUE, JWT, JWT.rpartition(".")[0] + ".", "q7Zt5dW2cQ8mLr3V+/" * 5 + "=="])
def test_a_token_is_one_beside_another_too(value: str, name: str) -> None:
    token_of({"access_token": "Another.Aq7Zt5dW2cQ8mLr3V", name: value}, "there")
    assert masked(f"<{value}>") == "<***>"


def test_a_secret_that_stands_in_an_address_or_a_name_is_taken_out_of_no_file() -> None:
    keep_secret("contoso-dev01")
    assert kept_value(["contoso-dev01", URL]) == ["***", URL.replace("contoso-dev01", "***")]
    Connection("sales", "sales", URL, ID, None)
    told = {"url": URL, "name": "contoso-dev01"}
    assert kept_value(told) == told
    assert masked("contoso-dev01") == "***"


def test_the_names_of_the_configuration_are_public() -> None:
    sales = {"url": URL, "client_id": "client-of-2026", "secret": "env:SOME_REFERENCE_42"}
    Workspace(Path(), {"connections": {"sales-west-2026": sales}, "sets": {"night-2026": {"company": "US-2026-A"}}})
    for word in ("sales-west-2026", "night-2026", "client-of-2026", "US-2026-A"):
        keep_secret(word)
        assert kept_value(f"it is {word}") == f"it is {word}"
    keep_secret("SOME_REFERENCE_42")
    assert kept_value("SOME_REFERENCE_42") == "***"


def test_an_address_with_a_password_is_not_public() -> None:
    keep_public("https://me:pass-word-0042@proxy:8080", "https://x.test/?sig=pass-word-0042")
    keep_secret("pass-word-0042")
    assert kept_value("pass-word-0042") == "***"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Between]:
    running = process.start(tmp_path_factory.mktemp("public") / "state", limits=False, admin=True)
    try:
        with between(running, SECRET) as there:
            yield there
    finally:
        process.stop(running)


def test_a_plan_survives_tokens_that_are_addresses_and_ids(
    place: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(one: Exchange) -> None:
        if not one.is_token:
            return one.pass_on()
        told = one.asked().json()
        return one.say_json(200, {**told, "id_token": place.finops_url, "refresh_token": "client-of-2026-11-28"})

    monkeypatch.setenv("P2C_BETWEEN", SECRET)
    monkeypatch.setattr(place, "trouble", said)
    root = place.workspace(tmp_path)
    toml = (root / "p2c.toml").read_text()
    (root / "p2c.toml").write_text(toml.replace('client_id = "between"', 'client_id = "client-of-2026-11-28"'))
    monkeypatch.setenv("P2C_WORKSPACE", str(root))
    here = workspace()
    with connect("between", workspace=here) as session:
        walk = TaskWalk("accounts", session, limit=20, apply=True)
        plan = walk.plan()
        assert walk.finish().updated > 0
    assert scrub(plan.folder.parent, [here.connection_set("between").sales.secret]) == {}  # type: ignore[list-item]
    assert json.loads((plan.folder / "plan.json").read_text())["destination"]["url"] == place.finops_url
    assert open_plan(plan.folder).id == plan.id
