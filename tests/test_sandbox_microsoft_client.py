"""Microsoft's own Python client works against the sandbox, over https as it insists."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from p2c_lib.sandbox import process

dataverse = pytest.importorskip(
    "PowerPlatform.Dataverse.client", reason="PowerPlatform-Dataverse-Client is not installed"
)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Running]:
    """A seeded sandbox that serves https."""
    running = process.start(tmp_path_factory.mktemp("https"), tls=True)
    yield running
    process.stop(running)


@pytest.fixture(scope="module")
def client(secure: process.Running) -> Iterator[Any]:
    """A client of that sandbox."""
    token = SimpleNamespace(token=secure.token, expires_on=int(time.time()) + 3600)
    kind = type("Credential", (_credential_base(),), {"get_token": lambda _self, *_scopes, **_options: token})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(secure.certificate))
        yield dataverse.DataverseClient(secure.sales_url, kind())


def _credential_base() -> type:
    from azure.core.credentials import TokenCredential

    return TokenCredential


def names(rows: Any) -> list[str]:
    """The names of records, sorted."""
    return sorted(row["name"] for row in rows)


def test_create_read_update_delete_one_row(client: Any) -> None:
    key = client.records.create("account", {"name": "One", "accountnumber": "MS-1", "revenue": 12.5})
    client.records.update("account", key, {"name": "Uno"})
    assert client.records.retrieve("account", key, select=["name", "revenue"])["name"] == "Uno"
    client.records.delete("account", key)
    assert names(client.records.list("account", filter="accountnumber eq 'MS-1'", select=["name"])) == []


def test_bulk_messages_create_update_and_delete_many(client: Any) -> None:
    keys = client.records.create("account", [{"name": f"Bulk {n}", "accountnumber": f"MSB-{n}"} for n in range(5)])
    client.records.update("account", keys, {"telephone1": "1"})
    client.records.update("account", keys, [{"name": f"Many {n}"} for n in range(5)])
    found = client.records.list("account", filter="telephone1 eq '1'", select=["name"], orderby=["name"])
    assert names(found) == [f"Many {n}" for n in range(5)]
    assert client.records.delete("account", keys)
    assert names(client.records.list("account", filter="telephone1 eq '1'", select=["name"])) == []


def test_upsert_by_alternate_key_one_and_many(client: Any) -> None:
    from PowerPlatform.Dataverse.models.upsert import UpsertItem

    def item(number: int, name: str) -> Any:
        return UpsertItem(alternate_key={"accountnumber": f"MSU-{number}"}, record={"name": name})

    client.records.upsert("account", [item(1, "first")])
    client.records.upsert("account", [item(1, "second"), item(2, "second")])
    found = client.records.list("account", filter="startswith(accountnumber,'MSU-')", select=["name"])
    assert names(found) == ["second", "second"]


def test_pages_queries_and_fetchxml(client: Any) -> None:
    from PowerPlatform.Dataverse.models.filters import col

    sizes = [len(list(page)) for page in client.records.list_pages("account", select=["name"], page_size=100)]
    assert sizes[:2] == [100, 100]
    everyone = [row for page in client.records.list_pages("account", select=["name"], page_size=100) for row in page]
    assert len({row["accountid"] for row in everyone}) == len(everyone) == sum(sizes)
    chosen = client.query.builder("account").select("name").where(col("name") == everyone[0]["name"]).execute()
    assert everyone[0]["accountid"] in {row["accountid"] for row in chosen}
    xml = "<fetch count='50'><entity name='account'><attribute name='name'/></entity></fetch>"
    fetched = [row for page in client.query.fetchxml(xml).execute_pages() for row in page]
    assert {row["accountid"] for row in fetched} == {row["accountid"] for row in everyone}
    counted = client.query.sql("SELECT COUNT(*) AS n FROM account")
    assert [row["n"] for row in counted] == [len(everyone)]


def test_frames_go_in_and_out(client: Any) -> None:
    frame = pd.DataFrame([{"name": "F1", "accountnumber": "MSF-1"}, {"name": "F2", "accountnumber": "MSF-2"}])
    keys = client.dataframe.create("account", frame)
    changed = pd.DataFrame({"accountid": list(keys), "telephone1": ["a", "b"]})
    client.dataframe.update("account", changed, id_column="accountid")
    found = client.records.list("account", filter="startswith(accountnumber,'MSF-')", select=["telephone1"])
    assert sorted(row["telephone1"] for row in found) == ["a", "b"]
    client.dataframe.delete("account", keys)
    assert names(client.records.list("account", filter="startswith(accountnumber,'MSF-')", select=["name"])) == []


def test_a_batch_with_a_change_set(client: Any) -> None:
    batch = client.batch.new()
    batch.records.create("account", {"name": "B1", "accountnumber": "MSX-1"})
    with batch.changeset() as changes:
        made = changes.records.create("account", {"name": "B2", "accountnumber": "MSX-2"})
        changes.records.update("account", made, {"telephone1": "5"})
    answers = batch.execute(continue_on_error=True).responses
    assert [one.status_code for one in answers] == [204, 204, 204]
    found = client.records.list("account", filter="accountnumber eq 'MSX-2'", select=["telephone1"])
    assert [row["telephone1"] for row in found] == ["5"]


def test_metadata(client: Any) -> None:
    table = client.tables.get("account")
    assert (table["entity_set_name"], table["table_logical_name"]) == ("accounts", "account")
    assert {"name", "accountnumber"} <= {column["LogicalName"] for column in client.tables.list_columns("account")}
    assert [key.key_attributes for key in client.tables.get_alternate_keys("account")] == [["accountnumber"]]
    assert {one["LogicalName"] for one in client.tables.list()} >= {"account", "contact", "product", "quote"}
    assert client.tables.list_table_relationships("account")


def test_the_authentication_library_finds_the_endpoint_and_gets_a_token(secure: process.Running) -> None:
    msal, requests = pytest.importorskip("msal"), pytest.importorskip("requests")
    session = requests.Session()
    session.trust_env, session.verify = False, str(secure.certificate)
    for url in (secure.sales_url, secure.finops_url):
        told = {"authority": f"{url}/8f3e7c1a-0000-4000-8000-000000000001", "instance_discovery": False}
        for secret, member in ((secure.token, "access_token"), ("no", "error")):
            app = msal.ConfidentialClientApplication("app", client_credential=secret, http_client=session, **told)
            assert member in app.acquire_token_for_client([f"{url}/.default"])


def test_a_refusal_arrives_with_status_and_code(client: Any) -> None:
    from PowerPlatform.Dataverse.core.errors import HttpError

    with pytest.raises(HttpError) as caught:
        client.records.create("account", {"nmae": "x"})
    assert (caught.value.status_code, caught.value.details["service_error_code"]) == (400, "0x80048d19")
