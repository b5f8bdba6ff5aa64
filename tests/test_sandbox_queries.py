"""Queries of the Sales side: filters, order, expand, pages, counts, aggregates, FetchXML."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Sales
from tests.test_sandbox_rows import error_of

CRM = "Microsoft.Dynamics.CRM"


@pytest.fixture
def company(sales: Sales) -> Sales:
    """Four accounts with contacts."""
    cities = [
        ("Ähre", "Berlin", 10),
        ("beta's 100%", "Paris", 20),
        ("Gamma [x]", "Berlin", None),
        ("delta_d", None, 40),
    ]
    for number, (name, city, revenue) in enumerate(cities, start=1):
        sales.create("accounts", name=name, accountnumber=f"A-{number}", address1_city=city, revenue=revenue)
    for number, parent in enumerate([1, 1, 2], start=1):
        bind = f"/accounts(accountnumber='A-{parent}')"
        sales.create("contacts", firstname="C", lastname=str(number), parentcustomerid_account__bind=bind)
    return sales


def numbers(sales: Sales, **options: str) -> list[str]:
    """Account numbers without their prefix of the accounts that a query gives, in its order."""
    query = "&".join(f"${name}={quote(text)}" for name, text in options.items())
    answer = sales.client.get(f"accounts?$select=accountnumber&{query}")
    assert answer.status_code == 200, answer.text
    return [row["accountnumber"][2:] for row in answer.json()["value"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name eq 'ähre'", "1"),
        ("name eq 'BETA''S 100%'", "2"),
        ("revenue gt 10 and revenue le 40", "24"),
        ("revenue eq null", "3"),
        ("revenue ne 20", "134"),
        ("not (address1_city eq 'Berlin')", "24"),
        ("address1_city eq 'Berlin' or address1_city eq 'paris'", "123"),
        ("contains(name,'a') and not contains(name,'beta')", "134"),
        ("startswith(name,'GAM')", "3"),
        ("endswith(name,'[%]')", "2"),
        ("contains(name,'_d')", "4"),
        ("startswith(name,'[bg]')", "23"),
        ("contact_customer_accounts/any(c:c/lastname eq '2')", "1"),
        ("contact_customer_accounts/any()", "12"),
        ("contact_customer_accounts/all(c:c/lastname ne '2')", "234"),
        (f'{CRM}.In(PropertyName=\'accountnumber\',PropertyValues=["A-1","a-4"])', "14"),
        (f"{CRM}.NotIn(PropertyName='accountnumber',PropertyValues=['A-1','A-4'])", "23"),
        (f"{CRM}.Between(PropertyName='revenue',PropertyValues=['10','20'])", "12"),
        (f"{CRM}.Today(PropertyName='createdon')", "1234"),
        (f"{CRM}.OlderThanXDays(PropertyName='createdon',PropertyValue=1)", ""),
        (f"{CRM}.EqualUserId(PropertyName='ownerid')", "1234"),
        ("owninguser/fullname eq 'nobody'", ""),
        ("createdon gt 2020-01-01T00:00:00Z and createdon gt 2020-01-01", "1234"),
        ("5 lt revenue", "124"),
    ],
)
def test_a_filter_gives_the_rows_it_names(company: Sales, text: str, expected: str) -> None:
    assert "".join(numbers(company, filter=text, orderby="accountnumber")) == expected


def test_contacts_are_found_through_their_account(company: Sales) -> None:
    text = "$filter=parentcustomerid_account/address1_city eq 'Berlin'&$orderby=lastname&$select=fullname"
    rows = company.client.get(f"contacts?{text}").json()["value"]
    assert [row["fullname"] for row in rows] == ["C 1", "C 2"]


@pytest.mark.parametrize(
    "url",
    [
        "accounts?$filter=nmae eq 'x'",
        "accounts?$filter=name eq 5",
        "accounts?$filter=name eq 'x",
        "accounts?$filter=name add 'x' eq 'y'",
        "accounts?$filter=frobnicate(name)",
        f"accounts?$filter={CRM}.Frobnicate(PropertyName='name')",
        "accounts?$filter=name",
        "accounts?$filter=name in ('a','b')",
        "accounts?$select=nmae",
        "accounts?$orderby=name sideways",
        "accounts?$expand=nothing",
        "accounts?$top=-1",
        "accounts?$skip=5",
        "accounts?$search=x",
        "accounts?$format=json",
        "accounts?$Select=name",
        "accounts?$count=yes",
        "accounts?$select=name&$select=revenue",
        "accounts?$expand=primarycontactid($top=1)",
        "accounts?$expand=contact_customer_accounts($skip=1)",
        "accounts?$expand=contact_customer_accounts($top=1;$expand=owninguser)",
        "accounts?$skiptoken=nonsense",
        "accounts?$apply=groupby(name)",
        "accounts?$apply=aggregate(name with sum as x)",
        "accounts(name='x')",
        "accounts(accountnumber='A-1',name='x')",
        "accounts(accountnumber='a%2Fb')",
        "accounts(accountnumber=5)",
        "accounts?fetchXml=%3Cfetch",
        "accounts?fetchXml=" + quote('<fetch><entity name="contact"/></fetch>'),
    ],
)
def test_a_malformed_query_is_told_what_is_wrong(company: Sales, url: str) -> None:
    answer = company.client.get(url)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["error"]["message"]) > 10


def test_pages_cover_every_row_once_in_any_order(company: Sales) -> None:
    for order in ("", "&$orderby=revenue", "&$orderby=revenue desc,name", "&$orderby=address1_city,revenue desc"):
        whole = [r["accountid"] for r in company.client.get(f"accounts?$select=name{order}").json()["value"]]
        paged, url = [], f"accounts?$select=name{order}"
        while url:
            page = company.client.get(url, headers={"Prefer": "odata.maxpagesize=1"}).json()
            assert len(page["value"]) == 1
            paged += [row["accountid"] for row in page["value"]]
            url = page.get("@odata.nextLink")
        assert paged == whole
        assert len(set(paged)) == 4


def test_top_yields_to_paging_and_count_ignores_both(company: Sales) -> None:
    topped = company.client.get("accounts?$top=2&$count=true").json()
    paged = company.client.get("accounts?$top=2&$count=true", headers={"Prefer": "odata.maxpagesize=3"}).json()
    assert (len(topped["value"]), topped["@odata.count"]) == (2, 4)
    assert (len(paged["value"]), paged["@odata.count"], "@odata.nextLink" in paged) == (3, 4, True)
    assert company.client.get("accounts/$count?$filter=revenue eq null").text == "1"


def test_expanded_rows_come_inside_their_parent(company: Sales) -> None:
    nested = "contact_customer_accounts($select=lastname;$orderby=lastname desc;$filter=lastname ne '9')"
    row = company.client.get(f"accounts(accountnumber='A-1')?$select=name&$expand={nested}").json()
    assert [one["lastname"] for one in row["contact_customer_accounts"]] == ["2", "1"]
    following = company.client.get(row["contact_customer_accounts@odata.nextLink"]).json()
    assert [one["lastname"] for one in following["value"]] == ["2", "1"]
    deep = "contact_customer_accounts($select=lastname;$expand=parentcustomerid_account($select=name))"
    row = company.client.get(f"accounts(accountnumber='A-2')?$select=name&$expand={deep}").json()
    assert row["contact_customer_accounts"][0]["parentcustomerid_account"]["name"] == "beta's 100%"


def test_parameter_aliases_stand_for_values(company: Sales) -> None:
    assert numbers(company, filter="name eq @p1") == []
    answer = company.client.get("accounts?$select=accountnumber&$filter=name eq @p1&@p1='gamma [x]'")
    assert [row["accountnumber"] for row in answer.json()["value"]] == ["A-3"]


def test_aggregates_group_and_sum(company: Sales) -> None:
    text = "groupby((address1_city),aggregate(revenue with sum as total,$count as n))"
    rows = company.client.get(f"accounts?$apply={text}").json()["value"]
    assert sorted(rows, key=json.dumps) == [
        {"address1_city": "Berlin", "total": 10, "n": 2},
        {"address1_city": "Paris", "total": 20, "n": 1},
        {"total": 40, "n": 1},
    ]
    text = "filter(revenue ge 20)/aggregate(revenue with average as a,revenue with max as m)"
    assert company.client.get(f"accounts?$apply={text}").json()["value"] == [{"a": 30, "m": 40}]


def fetched(sales: Sales, entity_set: str, xml: str, **headers: str) -> dict[str, object]:
    """The answer to a FetchXML read."""
    answer = sales.client.get(f"{entity_set}?fetchXml={quote(xml)}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_fetchxml_links_filters_and_pages(company: Sales) -> None:
    xml = """<fetch count="1" page="{}"><entity name="contact"><attribute name="lastname"/>
<order attribute="lastname" descending="true"/>
<link-entity name="account" from="accountid" to="parentcustomerid" alias="a"><attribute name="name"/>
<filter><condition attribute="address1_city" operator="eq" value="berlin"/></filter></link-entity></entity></fetch>"""
    wanted = {"Prefer": 'odata.include-annotations="*"'}
    first, second = (fetched(company, "contacts", xml.format(page), **wanted) for page in (1, 2))
    assert [(row["lastname"], row["a.name"]) for row in (*first["value"], *second["value"])] == [
        ("2", "Ähre"),
        ("1", "Ähre"),
    ]
    assert (first["@Microsoft.Dynamics.CRM.morerecords"], second["@Microsoft.Dynamics.CRM.morerecords"]) == (
        True,
        False,
    )
    assert first["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"].startswith('<cookie pagenumber="2" pagingcookie="')


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('attribute="revenue" operator="null"', "3"),
        ('attribute="name" operator="like" value="%a%"', "1234"),
        ('attribute="name" operator="not-begin-with" value="b"', "134"),
        ('attribute="createdon" operator="last-x-days" value="1"', "1234"),
        ('attribute="createdon" operator="today"', "1234"),
        ('attribute="ownerid" operator="eq-userid"', "1234"),
        ('attribute="revenue" operator="ge" value="20"', "24"),
    ],
)
def test_fetchxml_conditions(company: Sales, condition: str, expected: str) -> None:
    xml = f"""<fetch><entity name="account"><attribute name="accountnumber"/><order attribute="accountnumber"/>
<filter><condition {condition}/></filter></entity></fetch>"""
    rows = fetched(company, "accounts", xml)["value"]
    assert "".join(row["accountnumber"][2:] for row in rows) == expected


REMARKS = """<?xml version="1.0"?><!-- of <!DOCTYPE a> --><?note <!-- ?><fetch><entity name="account">
<!-- which --><attribute name="accountnumber"/><order attribute="accountnumber"/><filter>
<condition attribute="address1_city" operator="in"><value><![CDATA[berlin]]></value><!-- or --></condition></filter>
</entity></fetch><!-- that is all -->"""


def test_fetchxml_takes_remarks_and_cdata(company: Sales) -> None:
    plain = re.sub(r"<\?.*?\?>|<!--.*?-->", "", REMARKS.replace("<![CDATA[berlin]]>", "berlin"))
    assert "<!" not in plain
    rows = fetched(company, "accounts", plain)["value"]
    assert rows
    assert fetched(company, "accounts", REMARKS)["value"] == rows


@pytest.mark.parametrize(
    "before",
    [
        "<!DOCTYPE fetch>",
        '<!DOCTYPE fetch [<!ENTITY a "b">]>',
        '<?note <!-- ?><!DOCTYPE fetch SYSTEM "https://nowhere.test/a.dtd"><!-- -->',
        "<!-- a --><!DOCTYPE fetch [",
    ],
)
def test_fetchxml_takes_no_document_type(company: Sales, before: str) -> None:
    xml = f"{before}<fetch><entity name='account'><attribute name='name'/></entity></fetch>"
    answer = company.client.get(f"accounts?fetchXml={quote(xml)}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "A document type is not allowed in FetchXML."


def test_fetchxml_aggregates(company: Sales) -> None:
    xml = """<fetch aggregate="true"><entity name="account">
<attribute name="address1_city" groupby="true" alias="city"/>
<attribute name="revenue" aggregate="sum" alias="total"/><attribute name="accountid" aggregate="count" alias="n"/>
<order alias="n" descending="true"/></entity></fetch>"""
    assert fetched(company, "accounts", xml)["value"][0] == {"city": "Berlin", "total": 10, "n": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT TOP 2 accountnumber FROM account ORDER BY accountnumber DESC", [["A-4"], ["A-3"]]),
        ("SELECT a.name FROM account AS a WHERE a.revenue BETWEEN 15 AND 50 AND name LIKE '%[_]d'", [["delta_d"]]),
        ("SELECT name FROM account WHERE revenue IS NULL OR (revenue > 10 AND name = 'delta_d') ORDER BY name",
         [["delta_d"], ["Gamma [x]"]]),
        ("SELECT name FROM account WHERE accountnumber NOT IN ('A-1','A-2') ORDER BY name "
         "OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", [["Gamma [x]"]]),
        ("SELECT a.name, COUNT(c.contactid) as cnt FROM account a JOIN contact c ON a.accountid = c.parentcustomerid "
         "GROUP BY a.name ORDER BY cnt DESC", [["\u00c4hre", 2], ["beta's 100%", 1]]),
        ("SELECT COUNT(*) AS n, SUM(revenue) AS s, MAX(name) AS m FROM account", [[4, 70, "Gamma [x]"]]),
        ("SELECT DISTINCT address1_city FROM account WHERE address1_city IS NOT NULL ORDER BY address1_city",
         [["Berlin"], ["Paris"]]),
    ],
)  # fmt: skip
def test_sql_reads_what_it_names(company: Sales, text: str, expected: list[list[object]]) -> None:
    answer = company.client.get(f"accounts?sql={quote(text)}")
    assert answer.status_code == 200, answer.text
    assert [list(row.values()) for row in answer.json()["value"]] == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM account", "DELETE FROM account", "SELECT name", "SELECT nmae FROM account", "",
        "SELECT name FROM contact", "SELECT name FROM account WHERE", "SELECT name FROM account WHERE revenue = 'x'",
        "SELECT name FROM account; DROP x", "SELECT name, COUNT(*) FROM account", "\u00e4",
        "SELECT name FROM sqlite_master",
        "SELECT name FROM account WHERE name = name2", "SELECT (SELECT 1) FROM account",
        "SELECT SUM(name) FROM account",
        "SELECT name FROM account a JOIN contact a ON a.x = a.y", "SELECT TOP x name FROM account",
        "SELECT name FROM account WHERE " + "(" * 200,
    ],
)  # fmt: skip
def test_sql_outside_the_subset_is_refused(company: Sales, text: str) -> None:
    answer = company.client.get(f"accounts?sql={quote(text)}")
    assert error_of(answer) == (400, "0x80060888")


def test_the_total_count_is_by_logical_name(company: Sales) -> None:
    answer = company.client.get('RetrieveTotalRecordCount(EntityNames=["account","contact"])').json()
    assert answer["EntityRecordCountCollection"]["Values"] == [4, 3]
    assert error_of(company.client.get('RetrieveTotalRecordCount(EntityNames=["accounts"])'))[0] == 400


WORDS = st.sampled_from(
    [
        "name", "revenue", "accountid", "createdon", "_ownerid_value", "primarycontactid/fullname", "eq", "ne", "gt",
        "and", "or", "not", "(", ")", "'x'", "''", "5", "1.5", "null", "true", "2024-01-01", "2024-13-99", "contains(",
        ",", "/", "any(", "contact_customer_accounts/any(c:", "c/name", "[", "@p", "'", '"', "99999999999999999999999",
        f"{CRM}.In(PropertyName='name',PropertyValues=['a'])", "-1e400", "add", "\u00e4", "\u0000", "%",
        "9999-12-31T23:59:59-14:00",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=40)))
def test_no_filter_order_or_apply_is_a_server_error(sales: Sales, text: str) -> None:
    encoded = quote(text.encode("utf-8", "surrogatepass"))
    for option in ("$filter", "$orderby", "$apply", "$expand", "sql"):
        answer = sales.client.get(f"accounts?{option}={encoded}")
        assert answer.status_code < 500, (option, text, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]
