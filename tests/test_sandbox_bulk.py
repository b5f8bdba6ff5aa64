"""Bulk messages, deletion jobs and change tracking of the Sales side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from tests.conftest import Sales
from tests.test_sandbox_rows import GUID, error_of

CRM = "Microsoft.Dynamics.CRM"


def message(sales: Sales, name: str, *targets: dict[str, Any]) -> httpx.Response:
    """The answer to a bulk message on accounts."""
    typed = [{"@odata.type": f"{CRM}.account", **one} for one in targets]
    return sales.client.post(f"accounts/{CRM}.{name}", json={"Targets": typed})


def listed(sales: Sales) -> dict[str, str]:
    """Account names by number."""
    rows = sales.client.get("accounts?$select=accountnumber,name").json()["value"]
    return {row["accountnumber"]: row["name"] for row in rows}


def test_create_multiple_answers_ids_in_order_and_keeps_all_or_nothing(sales: Sales) -> None:
    answer = message(sales, "CreateMultiple", {"name": "a", "accountnumber": "1"}, {"name": "b", "accountnumber": "2"})
    first, second = answer.json()["Ids"]
    assert sales.client.get(f"accounts({second})").json()["name"] == "b"
    assert first != second
    twice = message(sales, "CreateMultiple", {"name": "c", "accountnumber": "3"}, {"name": "d", "accountnumber": "1"})
    assert (error_of(twice)[0], twice.json()["error"]["message"]) == (412, "Cannot insert duplicate key.")
    assert listed(sales) == {"1": "a", "2": "b"}


def test_update_multiple_names_the_rows_that_do_not_exist(sales: Sales) -> None:
    key = sales.create("accounts", name="a", accountnumber="1")
    assert message(sales, "UpdateMultiple", {"accountid": key, "name": "z"}).status_code == 204
    missing = message(sales, "UpdateMultiple", {"accountid": key, "name": "y"}, {"accountid": GUID, "name": "x"})
    assert f"Account With Ids = {GUID} Do Not Exist" in missing.json()["error"]["message"]
    assert listed(sales) == {"1": "z"}


def test_upsert_multiple_creates_and_updates_without_saying_which(sales: Sales) -> None:
    sales.create("accounts", name="a", accountnumber="1")
    targets = [{"@odata.id": f"accounts(accountnumber='{n}')", "name": f"n{n}"} for n in (1, 2)]
    answer = message(sales, "UpsertMultiple", *targets)
    assert (answer.status_code, answer.content) == (204, b"")
    assert listed(sales) == {"1": "n1", "2": "n2"}
    known = message(sales, "UpsertMultiple", {**targets[0], "accountnumber": "1"})
    new = message(
        sales, "UpsertMultiple", {"@odata.id": "accounts(accountnumber='3')", "accountnumber": "3", "name": "x"}
    )
    assert message(sales, "UpsertMultiple", targets[0], targets[0]).status_code == 204
    sales.organisation.switches = replace(sales.organisation.switches, repeated_targets=False)
    assert error_of(message(sales, "UpsertMultiple", targets[0], targets[0])) == (412, "0x80040237")
    assert known.status_code == 204
    assert error_of(new) == (400, "0x80040216")


def test_targets_need_their_type_and_a_set_its_messages(sales: Sales) -> None:
    untyped = sales.client.post(f"accounts/{CRM}.CreateMultiple", json={"Targets": [{"name": "x"}]})
    assert error_of(untyped) == (400, "0x80048d19")
    assert error_of(message(sales, "DeleteMultiple", {"accountid": GUID}))[0] == 400
    assert error_of(message(sales, "FrobnicateMultiple", {}))[0] == 404
    text = "$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t"
    for table, count in (("quote", 1), ("nothing", 0)):
        found = sales.client.get(f"sdkmessagefilters?{text}&@m='CreateMultiple'&@t='{table}'").json()["value"]
        assert len(found) == count


def test_bulk_delete_runs_a_query_and_reports_its_job(sales: Sales) -> None:
    for number in range(3):
        sales.create("accounts", name=f"n{number}", accountnumber=str(number))
    condition = {"AttributeName": "name", "Operator": "In", "Values": [{"Value": "n0"}, {"Value": "n2"}]}
    query = {"EntityName": "account", "Criteria": {"FilterOperator": "And", "Conditions": [condition]}}
    answer = sales.client.post("BulkDelete", json={"JobName": "j", "QuerySet": [query]})
    assert listed(sales) == {"1": "n1"}
    job = sales.client.get(f"asyncoperations({answer.json()['JobId']})").json()
    assert (job["statecode"], job["statuscode"], job["message"]) == (3, 30, "2 deleted, 0 not deleted")


def tracked(sales: Sales, url: str) -> dict[str, Any]:
    """A read with change tracking."""
    answer = sales.client.get(url, headers={"Prefer": "odata.track-changes,odata.maxpagesize=2"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_delta_link_leads_to_what_changed_since(sales: Sales) -> None:
    keys = [sales.create("accounts", name=f"n{n}", accountnumber=str(n)) for n in range(3)]
    first = tracked(sales, "accounts?$select=name")
    assert "@odata.deltaLink" not in first
    # What changes between the pages of the first read is in the first delta.
    sales.client.patch(f"accounts({keys[0]})", json={"name": "moved"})
    last = tracked(sales, first["@odata.nextLink"])
    sales.client.delete(f"accounts({keys[1]})")
    made = sales.create("accounts", name="new", accountnumber="9")
    brief = sales.create("accounts", name="brief", accountnumber="8")
    sales.client.delete(f"accounts({brief})")
    assert sales.client.get(last["@odata.deltaLink"].replace("accounts?", "accounts/$count?")).text == "4"
    delta = tracked(sales, last["@odata.deltaLink"])
    assert delta["@odata.context"].endswith("$metadata#accounts(name)/$delta")
    assert "@odata.deltaLink" not in delta, "deletions count into a page as rows do"
    rest = tracked(sales, delta["@odata.nextLink"])
    told = [row.get("name") or (row["id"], row["reason"]) for page in (delta, rest) for row in page["value"]]
    assert told == ["moved", "new", (keys[1], "deleted"), (brief, "deleted")]
    assert delta["value"][1]["accountid"] == made
    assert tracked(sales, rest["@odata.deltaLink"])["value"] == []


def test_a_delta_may_have_pages(sales: Sales) -> None:
    link = tracked(sales, "accounts?$select=name")["@odata.deltaLink"]
    for number in range(5):
        sales.create("accounts", name=f"n{number}", accountnumber=str(number))
    found, pages = [], 0
    while link:
        page = tracked(sales, link)
        found += [row["name"] for row in page["value"]]
        pages += 1
        link = page.get("@odata.nextLink")
    assert (found, pages) == ([f"n{n}" for n in range(5)], 3)


def test_an_old_delta_token_has_expired_and_filters_are_refused(sales: Sales) -> None:
    link = tracked(sales, "accounts?$select=name")["@odata.deltaLink"]
    sales.organisation.switches = replace(sales.organisation.switches, tracking_days=-1.0)
    assert error_of(sales.client.get(link)) == (410, "0x80044352")
    for option in ("$filter=name eq 'x'", "$orderby=name", "$top=1", "$expand=primarycontactid"):
        refused = sales.client.get(f"accounts?{option}", headers={"Prefer": "odata.track-changes"})
        assert "isn't supported when Change Tracking is enabled" in refused.json()["error"]["message"]
    assert error_of(sales.client.get("accounts?$deltatoken=nonsense"))[0] == 400
