"""The package API: a zip in, rows upserted, what failed told; rows out as a zip."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.finops import Switches
from p2c_lib.sandbox.references import add_references
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import finops_app
from tests.conftest import TOKEN, AppTransport

SPACE = "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
GROUPS = ("Customer groups", "CustomerGroups", ["CUSTOMERGROUPID", "DESCRIPTION"])
CUSTOMERS = (
    "Customers V2",
    "CustomersV2",
    ["CUSTOMERACCOUNT", "ORGANIZATIONNAME", "CUSTOMERGROUPID", "SALESCURRENCYCODE"],
)


@pytest.fixture
def client(store: Store, portal: BlockingPortal) -> httpx.Client:
    with store.write():
        add_references(store, currencies=())
    app = finops_app(store, Tokens(TOKEN), Switches())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(transport=AppTransport(app, portal), base_url="http://finops.test/data/", headers=headers)


def act(client: httpx.Client, action: str, **parameters: object) -> Any:
    url = f"DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{action}"
    answer = client.post(url, json=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def refused(client: httpx.Client, action: str, **parameters: object) -> str:
    url = f"DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{action}"
    answer = client.post(url, json=parameters)
    assert answer.status_code == 400
    return str(answer.json()["error"]["innererror"]["message"])


def part(label: str, columns: list[str], *, form: str = "CSV-Unicode", unit: int = 1, mapped: bool = True) -> str:
    maps = "".join(
        f"<EntityMap><EntityField>{c}</EntityField><XMLField>{c}</XMLField></EntityMap>" for c in columns if mapped
    )
    return (
        f"<DataManagementPackageEntityData><EntityMapList>{maps}</EntityMapList><EntityName>{label}</EntityName>"
        f"<InputFilePath>{label}.csv</InputFilePath><ExecutionUnit>{unit}</ExecutionUnit>"
        f"<SourceFormat>{form}</SourceFormat></DataManagementPackageEntityData>"
    )


def package(parts: dict[str, bytes], manifest: str, *, without: str = "") -> bytes:
    root = f'<DataManagementPackageManifest xmlns="{SPACE}"><DefinitionGroupName>LOAD</DefinitionGroupName>'
    text = f"{root}<PackageEntityList>{manifest}</PackageEntityList></DataManagementPackageManifest>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        whole = {"Manifest.xml": text.encode(), "PackageHeader.xml": b"<a/>", **parts}
        for name, content in whole.items():
            if name != without:
                file.writestr(name, content)
    return out.getvalue()


def rows(columns: list[str], *lines: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([columns, *lines])
    return out.getvalue().encode("utf-16")


def send(client: httpx.Client, content: bytes) -> str:
    told = json.loads(act(client, "GetAzureWriteUrl", uniqueFileName="load.zip"))
    assert set(told) == {"BlobId", "BlobUrl"}
    without_token = httpx.Headers({"x-ms-blob-type": "BlockBlob", "Authorization": ""})
    assert client.put(told["BlobUrl"], content=content, headers=without_token).status_code == 201
    return str(told["BlobUrl"])


def run(client: httpx.Client, content: bytes, **more: object) -> str:
    whole: dict[str, object] = {"packageUrl": send(client, content), "definitionGroupId": "LOAD", "executionId": ""}
    whole |= {"execute": True, "overwrite": True, "legalEntityId": "USMF", **more}
    number = act(client, "ImportFromPackage", **whole)
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "Executing"
    return str(number)


def test_a_package_upserts_by_key_in_the_order_of_its_units(client: httpx.Client):
    groups = rows(GROUPS[2], ["77", "Online"], ["10", "Renamed"])
    customers = rows(CUSTOMERS[2], ["C-1", "Fabrikam", "77", "USD"])
    manifest = part(CUSTOMERS[0], CUSTOMERS[2], unit=2) + part(GROUPS[0], GROUPS[2])
    number = run(client, package({"Customer groups.csv": groups, "Customers V2.csv": customers}, manifest))
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "Succeeded"
    assert act(client, "GetExecutionErrors", executionId=number) == "[]"
    made = client.get("CustomerGroups?$filter=CustomerGroupId eq '77' or CustomerGroupId eq '10'").json()["value"]
    assert {row["CustomerGroupId"]: row["Description"] for row in made} == {"77": "Online", "10": "Renamed"}
    assert client.get("CustomersV2").json()["value"][0]["OrganizationName"] == "Fabrikam"


def test_what_failed_is_told_by_row_and_key(client: httpx.Client):
    customers = rows(
        CUSTOMERS[2], ["C-1", "Good", "10", "USD"], ["C-2", "No group", "99", "USD"], ["x" * 30, "Long", "10", "USD"]
    )
    number = run(client, package({"Customers V2.csv": customers}, part(CUSTOMERS[0], CUSTOMERS[2])))
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "PartiallySucceeded"
    errors = json.loads(act(client, "GetExecutionErrors", executionId=number))
    assert [(one["EntityName"], one["RecordId"], one["Key"]) for one in errors] == [
        ("Customers V2", 3, "x" * 30),
        ("Customers V2", 2, "C-2"),
    ]
    assert "'Customer group' is not found" in errors[1]["ErrorMessage"]
    of = {"executionId": number, "entityName": "Customers V2"}
    staging = client.get(act(client, "GetImportStagingErrorFileUrl", **of), headers={"Authorization": ""})
    assert "30 characters" in staging.content.decode("utf-16")
    assert act(client, "GenerateImportTargetErrorKeysFile", **of) is True
    assert act(client, "GetImportTargetErrorKeysFileUrl", **of) == ""
    keys = client.get(act(client, "GetImportTargetErrorKeysFileUrl", **of)).content.decode("utf-16")
    assert keys.splitlines() == ["CUSTOMERACCOUNT", "C-2"]
    listed = json.loads(act(client, "GetEntityExecutionSummaryStatusList", executionId=number))
    assert listed == [{"EntityName": "Customers V2", "Status": "PartiallySucceeded", "Count": 1}]


def test_numbers_and_days_of_a_file_are_digits_alone(client: httpx.Client):
    columns = [*CUSTOMERS[2], "CREDITLIMIT", "PERSONANNIVERSARYYEAR", "ADDRESSVALIDTO"]
    good, named = ("1000.5", "1970", "2026-01-05"), ["CREDITLIMIT", "PERSONANNIVERSARYYEAR", "ADDRESSVALIDTO"]
    bad = [
        ("1_000.5", 0),
        (" 5", 0),
        ("１２", 0),
        ("NaN", 0),
        ("1_970", 1),
        (" 7", 1),
        ("１９７０", 1),
        ("2026-1-5", 2),
    ]
    lines = [["C-1", "Good", "10", "USD", *good]]
    for n, (text, at) in enumerate(bad):
        lines.append(
            [f"B-{n}", named[at], "10", "USD", *(text if at == place else one for place, one in enumerate(good))]
        )
    number = run(client, package({"Customers V2.csv": rows(columns, *lines)}, part(CUSTOMERS[0], columns)))
    errors = json.loads(act(client, "GetExecutionErrors", executionId=number))
    assert [one["Key"] for one in errors] == [f"B-{n}" for n in range(len(bad))]
    (row,) = client.get("CustomersV2").json()["value"]
    assert (row["CustomerAccount"], row["CreditLimit"], row["PersonAnniversaryYear"]) == ("C-1", 1000.5, 1970)


def test_the_traps_of_packages_are_there(client: httpx.Client):
    good = rows(GROUPS[2], ["77", "Online"])
    unmapped = package({"Customer groups.csv": good}, part(GROUPS[0], GROUPS[2], mapped=False))
    number = run(client, unmapped)
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "Succeeded"
    assert client.get("CustomerGroups/$count?$filter=CustomerGroupId eq '77'").text == "0"
    narrow = package({"Customer groups.csv": b"CUSTOMERGROUPID\r\n77\r\n"}, part(GROUPS[0], GROUPS[2]))
    number = run(client, narrow)
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "Failed"
    assert "not Unicode" in act(client, "GetExecutionErrors", executionId=number)
    unix = good.decode("utf-16").replace("\r\n", "\n").encode("utf-16")
    number = run(client, package({"Customer groups.csv": unix}, part(GROUPS[0], GROUPS[2])))
    assert "do not match the mapping" in act(client, "GetExecutionErrors", executionId=number)
    xml = b'<Document><CUSTOMERGROUPS CUSTOMERGROUPID="78" DESCRIPTION="From XML"/></Document>'
    run(client, package({"Customer groups.csv": xml}, part(GROUPS[0], GROUPS[2], form="XML-Attribute")))
    assert client.get("CustomerGroups/$count?$filter=CustomerGroupId eq '78'").text == "1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no zip", "not a zip file"),
        (package({}, part("CustomerGroups", ["A"])), "Entity CustomerGroups does not exist in the target environment"),
        (package({}, part("Customer groups", ["A"])), "does not contain the file Customer groups.csv"),
        (package({}, "", without="Manifest.xml"), "does not contain the file manifest.xml"),
        (package({"Manifest.xml": b"<a"}, ""), "Manifest.xml is not XML"),
        (package({"Manifest.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'}, ""), "document type"),
        (package({"Manifest.xml": b"<a><![CDATA[<!DOCTYPE a>]]></a"}, ""), "Manifest.xml is not XML"),
    ],
)
def test_a_package_that_cannot_be_read_is_refused(client: httpx.Client, content: bytes, said: str):
    url = send(client, content)
    assert said in refused(client, "ImportFromPackage", packageUrl=url, legalEntityId="usmf")


def test_an_export_comes_back_in_as_it_went_out(client: httpx.Client):
    asked = {"definitionGroupId": "Customer groups", "packageName": "out", "executionId": "", "legalEntityId": "USMF"}
    number = act(client, "ExportToPackage", **asked, reExecute=True)
    act(client, "GetExecutionSummaryStatus", executionId=number)
    assert act(client, "GetExecutionSummaryStatus", executionId=number) == "Succeeded"
    url = act(client, "GetExportedPackageUrl", executionId=number)
    content = client.get(url, headers={"Authorization": ""}).content
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert sorted(file.namelist()) == ["Customer groups.csv", "Manifest.xml", "PackageHeader.xml"]
        listed = list(csv.DictReader(io.StringIO(file.read("Customer groups.csv").decode("utf-16"))))
    assert {row["CUSTOMERGROUPID"] for row in listed} == {"10", "20", "30", "40", "80", "90"}
    before = client.get("CustomerGroups?$select=CustomerGroupId,Description").json()["value"]
    assert act(client, "GetExecutionErrors", executionId=run(client, content)) == "[]"
    after = client.get("CustomerGroups?$select=CustomerGroupId,Description").json()["value"]
    assert [row["Description"] for row in after] == [row["Description"] for row in before]
    number = act(client, "ExportToPackagePreview", **{**asked, "packageName": "few", "count": 2})
    content = client.get(act(client, "GetExportedPackageUrl", executionId=number)).content
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert len(file.read("Customer groups.csv").decode("utf-16").splitlines()) == 3


def test_names_that_are_not_there_are_refused(client: httpx.Client):
    assert "were not found" in refused(client, "GetExecutionSummaryStatus", executionId="x")
    assert "does not exist" in refused(client, "ExportToPackage", definitionGroupId="x", legalEntityId="usmf")
    assert "'uniqueFileName' is missing" in refused(client, "GetAzureWriteUrl")
    assert "cannot be read" in refused(client, "ImportFromPackage", packageUrl="http://elsewhere", legalEntityId="usmf")
    unknown = client.post("DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.Nothing", json={})
    assert unknown.status_code == 404


def test_files_are_kept_behind_signed_addresses(client: httpx.Client):
    told = json.loads(act(client, "GetAzureWriteUrl", uniqueFileName="a.zip"))["BlobUrl"]
    assert client.put(told, content=b"x").status_code == 400
    assert client.get(told).status_code == 404
    forged = told.replace("sig=", "sig=0")
    assert client.put(forged, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
    assert client.get(told.partition("?")[0]).status_code == 403
    assert client.get(told.replace("se=", "se=9")).status_code == 403
    assert client.delete(told).status_code == 405
