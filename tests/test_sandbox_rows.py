"""Rows of the Sales side: create, read, update, delete, keys, etags, lookups."""

from __future__ import annotations

import httpx
import pytest

from p2c_lib.sandbox.process import Running
from tests.conftest import Sales

GUID = "11111111-2222-4333-8444-555555555555"


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error answer."""
    return answer.status_code, answer.json()["error"]["code"]


def test_a_row_reads_back_as_it_was_written(sales: Sales) -> None:
    written = {"name": "Fabrikam", "revenue": 1250, "numberofemployees": 7, "donotemail": True, "description": "ä'\n"}
    key = sales.create("accounts", **written, accountnumber="A-1")
    row = sales.client.get(f"accounts({key})?$select=name,revenue,numberofemployees,donotemail,description").json()
    assert {name: row[name] for name in written} == written
    assert row["accountid"] == key
    assert row["@odata.context"].endswith(
        "$metadata#accounts(name,revenue,numberofemployees,donotemail,description)/$entity"
    )


def test_patch_by_alternate_key_creates_then_updates_and_repeats_the_key_url(sales: Sales) -> None:
    url = "accounts(accountnumber='A-1')"
    first = sales.client.patch(url, json={"name": "One"}, headers={"Prefer": "return=representation"})
    second = sales.client.patch(url.lower(), json={"name": "Two", "accountnumber": "IGNORED"})
    row = sales.client.get(url).json()
    assert (first.status_code, second.status_code) == (201, 204)
    assert second.headers["OData-EntityId"].endswith("accounts(accountnumber='a-1')")
    assert (row["name"], row["accountnumber"]) == ("Two", "A-1")


def test_conditions_decide_between_create_and_update(sales: Sales) -> None:
    url = f"accounts({GUID})"
    missing = sales.client.patch(url, json={"name": "x"}, headers={"If-Match": "*"})
    made = sales.client.patch(url, json={"name": "x"}, headers={"If-None-Match": "*"})
    again = sales.client.patch(url, json={"name": "x"}, headers={"If-None-Match": "*"})
    tag = sales.client.get(url).json()["@odata.etag"]
    moved = sales.client.patch(url, json={"name": "y"}, headers={"If-Match": tag})
    stale = sales.client.patch(url, json={"name": "z"}, headers={"If-Match": tag})
    assert error_of(missing) == (404, "0x80040217")
    assert (made.status_code, moved.status_code) == (204, 204)
    assert error_of(again) == (412, "0x80040237")
    assert error_of(stale) == (412, "0x80060882")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"nmae": "x"}, 400, "0x80048d19"),
        ({"name": 5}, 400, "0x80048d19"),
        ({"name": "x" * 161}, 400, "0x80044331"),
        ({"industrycode": 9999}, 400, "0x8004431A"),
        ({"numberofemployees": 2**40}, 400, "0x80048d19"),
        ({"numberofemployees": -5}, 400, "0x8004432f"),
        ({"primaryContactId@odata.bind": f"/contacts({GUID})"}, 400, "0x80048d19"),
        ({"primarycontactid@odata.bind": f"/contacts({GUID})"}, 404, "0x80040217"),
        ({"primarycontactid@odata.bind": f"/accounts({GUID})"}, 404, "0x80040217"),
        ({"_primarycontactid_value": GUID}, 400, "0x80060888"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_code(
    sales: Sales, body: dict[str, object], status: int, code: str
) -> None:
    assert error_of(sales.client.post("accounts", json=body)) == (status, code)
    assert sales.client.get("accounts/$count").text == "0"


def test_a_customer_lookup_holds_one_of_two_targets(sales: Sales) -> None:
    account = sales.create("accounts", name="A", accountnumber="A-1")
    contact = sales.create("contacts", lastname="C", parentcustomerid_account__bind="/accounts(accountnumber='A-1')")
    row = sales.client.get(
        f"contacts({contact})?$select=_parentcustomerid_value&$expand=parentcustomerid_account($select=name)",
        headers={"Prefer": 'odata.include-annotations="*"'},
    ).json()
    assert row["_parentcustomerid_value"] == account
    assert row["_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"] == "A"
    assert row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert (
        row["_parentcustomerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "parentcustomerid_account"
    )
    assert row["parentcustomerid_account"]["name"] == "A"
    sales.client.patch(f"contacts({contact})", json={"parentcustomerid_account@odata.bind": None})
    assert sales.client.get(f"contacts({contact})").json()["_parentcustomerid_value"] is None


def test_a_second_row_with_a_key_is_refused(sales: Sales) -> None:
    sales.create("accounts", name="A", accountnumber="A-1", accountid=GUID)
    same_key = sales.client.post("accounts", json={"name": "B", "accountnumber": "a-1"})
    same_id = sales.client.post("accounts", json={"name": "B", "accountid": GUID})
    assert error_of(same_key) == (412, "0x80060892")
    assert error_of(same_id) == (412, "0x80040237")


def test_a_deleted_row_is_gone(sales: Sales) -> None:
    key = sales.create("accounts", name="A")
    assert sales.client.delete(f"accounts({key})").status_code == 204
    assert error_of(sales.client.delete(f"accounts({key})")) == (404, "0x80040217")
    assert error_of(sales.client.get("accounts(accountnumber='none')")) == (404, "0x80060891")


def test_no_token_no_answer(sandbox: Running) -> None:
    for url in (f"{sandbox.sales_url}/api/data/v9.2/WhoAmI", f"{sandbox.finops_url}/data/"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = httpx.get(url, headers=headers)
            assert answer.status_code == 401
            assert "message" in answer.json()["error"]


def test_a_token_is_issued_for_the_right_secret_only(sandbox: Running) -> None:
    form = {"grant_type": "client_credentials", "client_id": "p2c-sandbox", "client_secret": sandbox.token}
    for base, path in ((sandbox.sales_url, "/api/data/v9.2/WhoAmI"), (sandbox.finops_url, "/data/")):
        issued = httpx.post(f"{base}/sandbox/oauth2/v2.0/token", data=form).json()
        headers = {"Authorization": f"Bearer {issued['access_token']}"}
        assert httpx.get(base + path, headers=headers).status_code == 200
        refused = httpx.post(f"{base}/sandbox/oauth2/v2.0/token", data={**form, "client_secret": "no"})
        assert (refused.status_code, refused.json()["error_codes"]) == (401, [7000215])
