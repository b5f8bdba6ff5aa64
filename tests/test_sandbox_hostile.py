"""Whatever comes over the wire, the Sales side answers with a refusal that says why, never with a server error."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import SALES_URL, Sales

PIECES = st.sampled_from(
    [
        "accounts", "contacts", "quotes", "(11111111-2222-4333-8444-555555555555)", "(accountnumber='A')", "('x')", "(",
        ")", "/", "name", "primarycontactid", "contact_customer_accounts", "$ref", "$count", "$value", "$metadata",
        "$batch", "WhoAmI", "EntityDefinitions", "(LogicalName='account')", "Attributes", "BulkDelete", "OptionSet",
        "Microsoft.Dynamics.CRM.CreateMultiple", "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "?", "&", "%2F",
        "RetrieveTotalRecordCount", "$select=name", "$filter=", "$expand=", "fetchXml=<fetch/>", "@p1=", "%00", "..",
        "$deltatoken=5!01/01/2026 00:00:00", "$skiptoken=<cookie/>", "WinQuote", "asyncoperations", "sdkmessagefilters",
        "GlobalOptionSetDefinitions", "RelationshipDefinitions",
    ]
)  # fmt: skip
METHODS = st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(answer: httpx.Response) -> None:
    """The answer is a success, or an error of the one shape."""
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert set(answer.json()) == {"error"}
        assert answer.json()["error"]["message"]


@FUZZ
@example("GET", "///")
@given(METHODS, st.lists(PIECES, max_size=7).map("".join) | st.lists(PIECES, max_size=5).map("/".join))
def test_any_address_and_method(sales: Sales, method: str, path: str) -> None:
    url = httpx.URL(SALES_URL + quote(path, safe="/?&=$()',@!%"))
    told(sales.client.request(method, url, json={} if method in {"POST", "PATCH", "PUT"} else None))


@FUZZ
@given(st.sampled_from(["BulkDelete", "WinQuote", "CloseQuote", "ReviseQuote", "$batch", "accounts"]), JSON)
def test_any_json_to_an_action(sales: Sales, name: str, body: Any) -> None:
    told(sales.client.post(name, json=body))


@FUZZ
@given(
    st.sampled_from(["CreateMultiple", "UpdateMultiple", "UpsertMultiple"]),
    st.lists(
        st.dictionaries(st.sampled_from(["@odata.type", "@odata.id", "accountid", "name", "x"]), JSON, max_size=4),
        max_size=3,
    ),
    st.booleans(),
)
def test_any_targets_of_a_bulk_message(sales: Sales, name: str, targets: list[dict[str, Any]], typed: bool) -> None:
    if typed:
        targets = [{**one, "@odata.type": "Microsoft.Dynamics.CRM.account"} for one in targets]
    told(sales.client.post(f"accounts/Microsoft.Dynamics.CRM.{name}", json={"Targets": targets}))


CRITERIA = st.fixed_dictionaries(
    {},
    optional={
        "FilterOperator": JSON,
        "Conditions": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "AttributeName": st.sampled_from(["name", "accountid", "x"]) | JSON,
                    "Operator": st.sampled_from(["In", "Equal", "LastXDays", "EqualUserId", "Under", "Null"]) | JSON,
                    "Values": JSON,
                },
            ),
            max_size=2,
        )
        | JSON,
        "Filters": JSON,
    },
)


@FUZZ
@given(CRITERIA)
def test_any_criteria_of_a_deletion(sales: Sales, criteria: dict[str, Any]) -> None:
    told(sales.client.post("BulkDelete", json={"QuerySet": [{"EntityName": "account", "Criteria": criteria}]}))


TAGS = st.sampled_from(["fetch", "entity", "attribute", "filter", "condition", "link-entity", "order", "value", "x"])
NAMES = st.sampled_from(["name", "from", "to", "alias", "operator", "attribute", "value", "count", "page", "aggregate"])
WORDS = st.sampled_from(["account", "contact", "name", "accountid", "eq", "in", "true", "5", "-1", "today", "", "x'\""])


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    """An XML element of words FetchXML knows."""
    tag = draw(TAGS)
    given_ = draw(st.dictionaries(NAMES, WORDS, max_size=4))
    attributes = "".join(f" {name}={json.dumps(value.replace(chr(34), ''))}" for name, value in given_.items())
    inside = "".join(draw(st.lists(elements(depth + 1), max_size=3))) if depth < 3 else draw(st.sampled_from(["", "a"]))
    return f"<{tag}{attributes}>{inside}</{tag}>"


@FUZZ
@given(elements(), st.booleans())
def test_any_fetchxml(sales: Sales, inner: str, wrapped: bool) -> None:
    xml = f"<fetch><entity name='account'>{inner}</entity></fetch>" if wrapped else inner
    told(sales.client.get(f"accounts?fetchXml={quote(xml)}"))
