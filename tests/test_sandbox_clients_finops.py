"""Requests that public clients send to F&O and to the token endpoint, over the sandbox's own socket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote_plus

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.process import Running
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app
from tests.conftest import AppTransport

CROOKED = "s e+c%r/t:ü="


@pytest.fixture
def wire(sandbox: Running) -> Iterator[httpx.Client]:
    """A client of the running F&O side, at its root."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=sandbox.finops_url, headers=headers, trust_env=False) as client:
        yield client


def problem(answer: httpx.Response) -> str:
    """What a refusal says, in any of F&O's shapes."""
    body = answer.json()
    return str(body["error"]["message"] if "error" in body else body["Message"])


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/Data/Currencies?$top=1",
        "/DATA/$metadata",
        "/Metadata/DataEntities?$top=1",
        "/metadata/publicentities('CustomerV2')",
        "/METADATA/PublicEnumerations('NoYes')",
        "/Api/Services",
    ],
)
def test_routes_have_no_case(wire: httpx.Client, path: str) -> None:
    assert wire.get(path).status_code == 200


def test_names_of_sets_and_properties_have_one(wire: httpx.Client) -> None:
    assert wire.get("/data/currencies").status_code == 404
    assert wire.get("/data/Currencies?$select=currencycode").status_code == 400


# -- the token endpoint -----------------------------------------------------------------------------------------------


@pytest.fixture
def directory(store: Store, portal: BlockingPortal) -> Iterator[httpx.Client]:
    """A client without a token, of a service whose secret needs every kind of encoding."""
    with httpx.Client(
        transport=AppTransport(finops_app(store, Tokens(CROOKED)), portal), base_url="http://f.test"
    ) as c:
        yield c


def basic(name: str, secret: str) -> dict[str, str]:
    """The header of RFC 6749 2.3.1: both parts form-encoded, joined, in base64."""
    joined = f"{quote_plus(name)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(joined.encode()).decode()}"}


GRANT = {"grant_type": "client_credentials", "scope": "http://f.test/.default"}


@pytest.mark.parametrize("path", ["/t/oauth2/v2.0/token", "/T/OAuth2/V2.0/Token"])
def test_id_and_secret_come_by_header_or_by_body(directory: httpx.Client, path: str) -> None:
    body = {"client_id": "app", "client_secret": CROOKED}
    for form, headers in (
        ({**GRANT, **body}, {}),
        (GRANT, basic("app", CROOKED)),
        ({**GRANT, **body}, basic("app", CROOKED)),
    ):
        issued = directory.post(path, data=form, headers=headers)
        assert issued.json()["expires_in"] == 3599
        token = {"Authorization": f"Bearer {issued.json()['access_token']}"}
        assert directory.get("/data/", headers=token).status_code == 200


def test_the_first_version_takes_a_resource_and_writes_numbers_as_texts(directory: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "resource": "http://f.test"}
    told = directory.post("/t/oauth2/token", data=form, headers=basic("app", CROOKED)).json()
    assert (told["expires_in"], told["resource"], told["token_type"]) == ("3599", "http://f.test", "Bearer")
    assert int(told["expires_on"]) - int(told["not_before"]) == 3599


@pytest.mark.parametrize(
    ("form", "headers", "status", "error", "number"),
    [
        (GRANT, basic("app", "no"), 401, "invalid_client", 7000215),
        (GRANT, {"Authorization": "Basic ???"}, 401, "invalid_client", 7000216),
        ({**GRANT, "client_id": "app"}, {}, 401, "invalid_client", 7000218),
        ({**GRANT, "client_id": "other"}, basic("app", CROOKED), 400, "invalid_request", 90011),
        ({**GRANT, "client_id": "app", "client_secret": "no"}, basic("app", CROOKED), 401, "invalid_client", 7000215),
        (GRANT, {}, 400, "invalid_request", 900144),
        ({"scope": "x"}, basic("app", CROOKED), 400, "invalid_request", 900144),
        ({"grant_type": "password"}, basic("app", CROOKED), 400, "unsupported_grant_type", 70003),
        ({**GRANT, "scope": "http://f.test"}, basic("app", CROOKED), 400, "invalid_scope", 1002012),
        ({**GRANT, "resource": "http://f.test"}, basic("app", CROOKED), 400, "invalid_request", 901002),
    ],
)
def test_a_refused_token_is_told_as_the_directory_tells_it(
    directory: httpx.Client, form: dict[str, str], headers: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = directory.post("/t/oauth2/v2.0/token", data=form, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["error"], told["error_codes"]) == (status, error, [number])
    assert told["error_description"].startswith(f"AADSTS{number}: ")
    asked = status == 401 and "Authorization" in headers
    assert answer.headers.get("WWW-Authenticate", "").startswith("Basic") is asked


def test_client_libraries_find_the_endpoint(directory: httpx.Client) -> None:
    for path, endpoint in (("v2.0/", "oauth2/v2.0/token"), ("", "oauth2/token")):
        told = directory.get(f"/t/{path}.well-known/openid-configuration").json()
        assert told["token_endpoint"] == f"http://f.test/t/{endpoint}"
        assert "client_secret_basic" in told["token_endpoint_auth_methods_supported"]


# -- query options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/data/Currencies?$search=x", "$search"),
        ("/data/Currencies?$apply=aggregate($count as n)", "$apply"),
        ("/data/Currencies?$format=xml", "$format"),
        ("/data/Currencies/$count?$top=1", "$top"),
        ("/data/Currencies('USD')?$filter=Name eq 'x'", "$filter"),
        ("/data/Currencies('USD')/Name?$select=Name", "$select"),
        ("/data/?$top=1", "$top"),
        ("/data/$metadata?$select=x", "$select"),
        ("/metadata/PublicEntities?$expand=Properties", "$expand"),
        ("/metadata/PublicEntities?$skiptoken=1", "$skiptoken"),
        ("/metadata/PublicEntities('CustomerV2')?$filter=Name eq 'x'", "$filter"),
        ("/metadata/DataEntities?$format=atom", "$format"),
        ("/metadata/?$top=1", "$top"),
    ],
)
def test_an_option_that_is_not_honoured_is_refused_by_name(wire: httpx.Client, path: str, option: str) -> None:
    answer = wire.get(path)
    assert answer.status_code == 400
    assert f"'{option}'" in problem(answer)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$filter=tolower(Name) eq tolower('CUSTOMERV2')", ["CustomerV2"]),
        ("$filter=contains(tolower(Name), tolower('Quotation')) and endswith(Name,'Line')", ["CDSSalesQuotationLine"]),
        ("$filter=Name eq 'Currency' or EntitySetName eq 'Warehouses'&$orderby=Name desc", ["Warehouse", "Currency"]),
        ("$filter=startswith(Name,'CDS') and not (IsReadOnly eq true)&$orderby=Name&$top=1&$skip=1", None),
        ("$filter=length(Name) lt 9&$count=true&$orderby=Name&$format=json", None),
    ],
)
def test_the_metadata_service_answers_the_filters_clients_send(
    wire: httpx.Client, query: str, expected: list[str] | None
) -> None:
    told = wire.get(f"/metadata/PublicEntities?$select=Name&{query}").json()
    names = [row["Name"] for row in told["value"]]
    every = [row["Name"] for row in wire.get("/metadata/PublicEntities?$select=Name").json()["value"]]
    if expected is None and "$skip" in query:
        expected = sorted(name for name in every if name.startswith("CDS"))[1:2]
    if expected is None:
        expected = sorted(name for name in every if len(name) < 9)
        assert told["@odata.count"] == len(expected)
    assert names == expected
    assert all(set(row) == {"Name"} for row in told["value"])


def test_what_a_metadata_row_does_not_have_is_no_name(wire: httpx.Client) -> None:
    for query in ("$select=Nmae", "$filter=Nmae eq 'x'", "$orderby=Nmae"):
        answer = wire.get(f"/metadata/DataEntities?{query}")
        assert (answer.status_code, "'Nmae'" in problem(answer)) == (400, True)


def test_the_metadata_service_has_a_service_document(wire: httpx.Client) -> None:
    told = wire.get("/metadata").json()["value"]
    assert [row["name"] for row in told] == ["DataEntities", "PublicEntities", "PublicEnumerations", "Labels"]


# -- rows, services, and what is not there ----------------------------------------------------------------------------


def test_a_property_is_read_as_a_value(wire: httpx.Client) -> None:
    assert wire.get("/data/Currencies('USD')/CurrencyCode/$value").text == "USD"
    assert wire.get("/data/Currencies('USD')/CurrencyCode/$ref").status_code == 404


def test_a_body_of_another_entity_is_refused(wire: httpx.Client) -> None:
    kind = "#Microsoft.Dynamics.DataEntities.Currency"
    answer = wire.post("/data/CustomerGroups", json={"@odata.type": kind, "CustomerGroupId": "X1"})
    assert answer.status_code == 400
    assert "not assignable to the expected type" in answer.json()["error"]["innererror"]["message"]
    for odd in ([], {}, 5, True):
        assert wire.post("/data/CustomerGroups", json={"@odata.type": odd, "CustomerGroupId": "X1"}).status_code == 400
    own = {
        "@odata.type": "#Microsoft.Dynamics.DataEntities.CustomerGroup",
        "CustomerGroupId": "X1",
        "dataAreaId": "usmf",
    }
    assert wire.post("/data/CustomerGroups", json=own).status_code == 201
    assert wire.delete("/data/CustomerGroups(dataAreaId='usmf',CustomerGroupId='X1')").status_code == 204


def test_the_service_of_the_samples_is_listed_and_answers(wire: httpx.Client) -> None:
    path = "/api/services"
    for names, name in (("ServiceGroups", "UserSessionService"), ("Services", "AifUserSessionService")):
        assert wire.get(path).json()[names] == [{"Name": name}]
        path = f"{path}/{name}"
    assert wire.get(path).json()["Operations"] == [{"Name": "GetUserSessionInfo"}]
    told = wire.post(f"{path}/GetUserSessionInfo", json={}).json()
    assert (told["Company"], told["AXLanguage"]) == ("usmf", "en-us")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/connector/enqueue/%7B1%7D?entity=Customers"),
        ("GET", "/api/connector/dequeue/1"),
        ("GET", "/api/services/Other"),
        ("GET", "/metadata/$metadata"),
        ("POST", "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.InitializeDataManagement"),
        ("GET", "/data/DataManagementDefinitionGroups"),
    ],
)
def test_what_is_missing_is_said_to_be(wire: httpx.Client, method: str, path: str) -> None:
    answer = wire.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == 404
    assert "not in this sandbox" in problem(answer)


def test_a_page_of_the_execution_is_named(wire: httpx.Client) -> None:
    area = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
    asked = {"definitionGroupId": "Currencies", "legalEntityId": "usmf", "packageName": "x", "executionId": "clients-1"}
    assert wire.post(f"{area}ExportToPackage", json=asked).json()["value"] == "clients-1"
    told = wire.post(f"{area}GetExecutionSummaryPageUrl", json={"executionId": "clients-1"}).json()["value"]
    assert told.startswith("http://127.0.0.1:")
    assert wire.post(f"{area}GetExecutionSummaryPageUrl", json={"executionId": "none"}).status_code == 400
