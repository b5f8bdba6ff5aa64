"""What is asked beside a path is honoured or refused by name, whether there is a row to answer with or not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app, sales_app
from tests.conftest import FINOPS_URL, SALES_URL, TOKEN, AppTransport
from tests.test_sandbox_rows import error_of

JSON = "application/json;odata.metadata="


class Both:
    """Both systems over one small store."""

    def __init__(self, store: Store, portal: BlockingPortal) -> None:
        self.store = store
        organisation = Organisation(store, SalesSwitches(protection=False))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        apps = (sales_app(organisation, Tokens(TOKEN)), SALES_URL), (finops_app(store, Tokens(TOKEN)), FINOPS_URL)
        self.sales, self.finops = (
            httpx.Client(transport=AppTransport(app, portal), base_url=url, headers=headers) for app, url in apps
        )
        made = self.sales.post("accounts", json={"name": "alone"}, headers={"Prefer": "return=representation"})
        self.account = f"accounts({made.json()['accountid']})"
        for code in ("AAA", "BBB"):
            assert self.finops.post("Currencies", json={"CurrencyCode": code, "Name": code}).status_code == 201


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal) -> Iterator[Both]:
    path = tmp_path_factory.mktemp("options") / "sandbox.db"
    store = Store(path, [*entities("sales").values(), *entities("finops").values()])
    yield Both(store, portal)
    store.close()


# -- how much control information comes -------------------------------------------------------------------------------

PLACES = (
    "Currencies?$select=CurrencyCode",
    "Currencies('AAA')?$select=CurrencyCode",
    "Currencies('AAA')/Name",
    "?",
    "http://finops.test/metadata/DataEntities?$top=1",
    "http://finops.test/metadata/PublicEntities('Currency')",
)


def url_of(place: str, form: str = "") -> str:
    return f"{place}{'&' if '?' in place else '?'}$format={form}" if form else place


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("level", ["none", "minimal", "full"])
def test_a_format_says_what_an_accept_header_says(both: Both, place: str, level: str) -> None:
    by_header = both.finops.get(url_of(place), headers={"Accept": f"{JSON}{level}"})
    by_format = both.finops.get(url_of(place, f"{JSON}{level}"))
    assert (by_format.status_code, by_format.json()) == (200, by_header.json())
    assert by_format.headers["Content-Type"] == by_header.headers["Content-Type"]
    assert f"odata.metadata={level}" in by_format.headers["Content-Type"]
    assert ("@odata" in by_format.text) is (level != "none")


def test_a_format_goes_before_the_accept_header(both: Both) -> None:
    answer = both.finops.get(url_of(PLACES[0], "json"), headers={"Accept": f"{JSON}none"})
    assert "@odata.context" in answer.text


@pytest.mark.parametrize("form", ["atom", f"{JSON}some", "application/json;foo=1", "json;IEEE754Compatible=1", ""])
def test_a_format_that_is_not_followed_is_refused(both: Both, form: str) -> None:
    for place in PLACES:
        answer = both.finops.get(f"{place}{'&' if '?' in place else '?'}$format={form}")
        assert answer.status_code == 400, place
        assert "$format" in answer.text


def test_an_action_of_packages_takes_what_it_takes(both: Both) -> None:
    area = "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
    made = both.finops.post(f"{area}GetAzureWriteUrl?$format={JSON}none", json={"uniqueFileName": "a.zip"})
    assert list(made.json()) == ["value"]
    for action, wrong in (
        ("GetAzureWriteUrl", {"uniqueFileName": "a.zip", "foo": 1}),
        ("GetAzureWriteUrl", {"uniqueFileName": 5}),
        ("ImportFromPackage", {"packageUrl": "x", "legalEntityId": "usmf", "execute": "yes"}),
        ("ExportToPackagePreview", {"definitionGroupId": "x", "legalEntityId": "usmf", "count": True}),
        ("GetExecutionSummaryStatus", {"executionId": "x", "count": 1}),
    ):
        answer = both.finops.post(f"{area}{action}", json=wrong)
        assert answer.status_code == 400, action
        name = next(name for name in reversed(wrong) if name != "executionId")
        assert f"'{name}'" in answer.json()["error"]["innererror"]["message"]
    session = "http://finops.test/api/services/UserSessionService/AifUserSessionService/GetUserSessionInfo"
    assert [both.finops.post(session, json=body).status_code for body in ({}, {"x": 1}, [])] == [200, 400, 400]
    assert both.finops.post(f"{area}GetAzureWriteUrl?$top=1", json={"uniqueFileName": "a.zip"}).status_code == 400


# -- where there is no row --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("primarycontactid", 204),
        ("primarycontactid?$select=fullname&$expand=parentcustomerid_account($select=name)", 204),
        ("primarycontactid?$select=nothing", 400),
        ("primarycontactid?$expand=nothing", 400),
        ("primarycontactid?$expand=parentcustomerid_account($select=nothing)", 400),
        ("primarycontactid?$filter=fullname eq 'a'", 400),
        ("primarycontactid?$top=1", 400),
        ("primarycontactid?$foo=1", 400),
        ("primarycontactid/fullname", 204),
        ("primarycontactid/nothing", 404),
        ("primarycontactid/fullname?$select=fullname", 400),
        ("primarycontactid/parentcustomerid_account?$select=nothing", 400),
        ("primarycontactid/contact_customer_contacts?$filter=nothing eq 1", 400),
        ("primarycontactid/$ref?$select=fullname", 400),
    ],
)
def test_what_is_asked_of_an_empty_lookup_is_looked_at(both: Both, path: str, status: int) -> None:
    assert both.sales.get(f"{both.account}/{path}").status_code == status


@pytest.mark.parametrize(
    "query",
    [
        "solutions?$filter=ismanaged eq 'x'",
        "solutions?$filter=uniquename eq true",
        "solutions?$filter=uniquename eq 'nobody' and isvisible eq 1",
        "solutions?$filter=contains(ismanaged,'t')",
        "solutions/$count?$filter=version gt 1",
        "asyncoperations?$filter=statecode eq 'x'",
        "asyncoperations?$filter=nothing eq 1",
        "asyncoperations?$filter=contains(statecode,'1')",
        "EntityDefinitions?$filter=IsActivity eq 'x'",
        "EntityDefinitions?$filter=LogicalName eq 'nothing' and ObjectTypeCode eq '1'",
        "EntityDefinitions?$filter=DisplayName eq 'Account'",
    ],
)
def test_small_sets_compare_what_tables_compare(both: Both, query: str) -> None:
    assert error_of(both.sales.get(query)) == (400, "0x80060888")


@pytest.mark.parametrize(
    "test", ["Name eq true", "IsReadOnly eq 'x'", "Name eq 'Nothing' and IsReadOnly gt 1", "Name gt 5"]
)
def test_so_does_the_metadata_of_finops(both: Both, test: str) -> None:
    answer = both.finops.get(f"http://finops.test/metadata/DataEntities?$filter={test}")
    assert answer.status_code == 400
    assert "incompatible types" in answer.text


def test_null_is_compared_with_anything(both: Both) -> None:
    assert both.sales.get("solutions?$filter=uniquename ne null and ismanaged ne null").json()["value"]
    assert both.sales.get("solutions?$filter=uniquename gt null").json()["value"] == []
    assert both.finops.get("http://finops.test/metadata/DataEntities?$filter=Name ne null&$top=1").json()["value"]


# -- a fault ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["sales", "finops"])
def test_a_fault_inside_a_batch_costs_its_part_alone(
    system: str, tmp_path_factory: pytest.TempPathFactory, portal: BlockingPortal, caplog: pytest.LogCaptureFixture
) -> None:
    """A table is taken away behind the back of the service, which no request can do."""
    path = tmp_path_factory.mktemp("fault") / "sandbox.db"
    store = Store(path, [*entities("sales").values(), *entities("finops").values()])
    both = Both(store, portal)
    broken, whole, row = {
        "sales": ("uoms", "accounts", {"name": "kept"}),
        "finops": ("UnitsOfMeasure", "Currencies", {"CurrencyCode": "CCC", "Name": "c"}),
    }[system]
    store.connection.execute(f'DROP TABLE "{system}_{broken.lower()}"')
    made = f"POST {whole} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{json.dumps(row)}"
    requests = (made, f"GET {broken} HTTP/1.1\r\n\r\n", f"GET {whole}?$top=1 HTTP/1.1\r\n\r\n")
    head = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    client = both.sales if system == "sales" else both.finops
    kind = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
    with caplog.at_level(logging.CRITICAL):
        answer = client.post(
            "$batch", content="".join(f"{head}{one}\r\n" for one in requests) + "--b--\r\n", headers=kind
        )
    said = [int(line.split()[1]) for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
    assert (answer.status_code, said[0] // 100, said[1:]) == (200, 2, [500, 200])
    assert next(iter(row.values())) in client.get(whole).text
    assert client.get(broken).status_code == 500
    store.close()
