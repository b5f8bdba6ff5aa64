"""Rows of the Sales side: create, read, update, delete, keys, etags, lookups."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from anyio.from_thread import BlockingPortal

from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.switches import SalesSwitches
from p2c_lib.sandbox.process import Running
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.tokens import Tokens
from p2c_lib.sandbox.web import sales_app
from tests.conftest import SALES_URL, TOKEN, AppTransport, Sales

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
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
    sales.client.patch(f"contacts({contact})", json={"parentcustomerid_account": None})
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


def test_spaces_headers_and_hosts_are_taken_as_clients_send_them(sales: Sales) -> None:
    key = sales.create("accounts", name="a b", accountnumber="A-1")
    for text in ("name+eq+'a+b'", "name%20eq%20'a%20b'", "name eq 'a b'"):
        answer = sales.client.get(f"accounts?$filter={text}&$select=name", headers={"If-None-Match": "null"})
        assert [row["accountid"] for row in answer.json()["value"]] == [key]
    for url in ("http://sales.test/api/data/v9.1/WhoAmI", "http://sales.test/api/data/v9.2/WhoAmI()"):
        assert sales.client.get(url).status_code == 200
    bound = sales.client.patch(
        "accounts(accountnumber='A-1')",
        json={"parentaccountid@odata.bind": f"http://sales.test/api/data/v9.2/accounts({key})"},
        headers={
            "Prefer": "return=representation",
            "Content-Type": "application/json; charset=utf-8; IEEE754Compatible=true",
        },
    )
    assert bound.json()["_parentaccountid_value"] == key


def test_an_unchanged_row_is_not_sent_again(sales: Sales) -> None:
    url = f"accounts({sales.create('accounts', name='x')})?$select=name"
    tag = sales.client.get(url).headers["ETag"]
    assert sales.client.get(url, headers={"If-None-Match": tag}).status_code == 304
    sales.client.patch(url.partition("?")[0], json={"name": "y"})
    assert sales.client.get(url, headers={"If-None-Match": tag}).json()["name"] == "y"


def test_every_error_has_one_shape_and_more_when_annotations_are_asked_for(sales: Sales) -> None:
    asked = [
        ("GET", "acounts"),
        ("GET", f"accounts({GUID})"),
        ("POST", "WhoAmI"),
        ("PUT", "accounts"),
        ("GET", "accounts("),
    ]
    for method, url in asked:
        plain = sales.client.request(method, url)
        rich = sales.client.request(method, url, headers={"Prefer": 'odata.include-annotations="*"'})
        assert plain.json().keys() == {"error"}
        assert plain.json()["error"].keys() == {"code", "message"}
        assert "@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus" in rich.json()["error"]
        assert 400 <= plain.status_code < 500
        assert "REQ_ID" in plain.headers


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'{"name": NaN}', b"\xff", b"[" * 10_000, b'{"name":"\\ud800"}']
)
def test_a_body_that_is_no_object_is_refused(sales: Sales, body: bytes) -> None:
    answer = sales.client.post("accounts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert sales.client.post("accounts", content=b"{}", headers={"Content-Type": "text/xml"}).status_code == 415


def test_a_lookup_that_is_required_guards_its_row(sales: Sales) -> None:
    account = sales.create("accounts", name="A")
    quote = sales.create("quotes", name="Q", customerid_account__bind=f"/accounts({account})")
    line = sales.create("quotedetails", quoteid__bind=f"/quotes({quote})", productdescription="w", quantity=1)
    assert error_of(sales.client.delete(f"accounts({account})")) == (405, "0x80040227")
    assert sales.client.delete(f"quotes({quote})").status_code == 204
    assert sales.client.get(f"quotedetails({line})").status_code == 404
    assert sales.client.delete(f"accounts({account})").status_code == 204


def test_a_moment_given_for_the_creation_becomes_createdon_and_the_true_one_is_kept(sales: Sales) -> None:
    before = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    given = "2019-05-06T07:08:09Z"
    made = [
        sales.create("accounts", name="One", overriddencreatedon=given),
        sales.create("accounts", name="Day", overriddencreatedon="2019-05-06"),
    ]
    plain = sales.create("accounts", name="Plain")
    key = f"accounts({GUID})"
    assert sales.client.patch(key, json={"name": "Upserted", "overriddencreatedon": given}).status_code == 204
    address = "?$select=createdon,overriddencreatedon,modifiedon"
    rows = [sales.client.get(f"accounts({one}){address}").json() for one in (*made, GUID)]
    assert [row["createdon"] for row in rows] == [given, "2019-05-06T00:00:00Z", given]
    assert all(before <= row["overriddencreatedon"] == row["modifiedon"] for row in rows)
    assert sales.client.patch(key, json={"name": "x", "overriddencreatedon": "2001-01-01"}).status_code == 204
    assert sales.client.get(f"{key}{address}").json()["createdon"] == given
    row = sales.client.get(f"accounts({plain}){address}").json()
    assert (row["overriddencreatedon"], row["createdon"] >= before) == (None, True)


def test_without_the_privilege_no_moment_of_creation_is_taken(store: Store, portal: BlockingPortal) -> None:
    app = sales_app(Organisation(store, SalesSwitches(protection=False, override_created=False)), Tokens(TOKEN))
    with httpx.Client(transport=AppTransport(app, portal), base_url=SALES_URL, headers=AUTHORISED) as client:
        assert client.post("accounts", json={"name": "x"}).status_code == 204
        refused = client.post("accounts", json={"name": "x", "overriddencreatedon": "2019-05-06"})
    assert error_of(refused) == (403, "0x80040220")
    assert "prvOverrideCreatedOnCreatedBy" in refused.text
