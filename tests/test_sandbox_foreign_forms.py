"""Requests in forms that clients send and the services take: texts for numbers, many terms, batches cut and costly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2c_lib.sandbox import holding
from p2c_lib.sandbox.references import add_references
from tests.conftest import Sales
from tests.test_sandbox_batch import change_set, multipart, part, sent, statuses

SHOWN = "OData.Community.Display.V1.FormattedValue"
COMPATIBLE = {"Content-Type": "application/json; IEEE754Compatible=true"}


def metadata_changes(sales: Sales, query: object) -> httpx.Response:
    """The answer to ``RetrieveMetadataChanges`` with a query."""
    return sales.client.get(f"RetrieveMetadataChanges(Query=@q)?@q={quote(json.dumps(query))}")


# -- texts for other types --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelt", ["False", "false", False])
def test_a_truth_value_may_be_text_in_parameters(sales: Sales, spelt: object) -> None:
    properties = {"AllProperties": spelt, "PropertyNames": ["LogicalName"]}
    label = {"FilterLanguages": ["1033"], "MissingLabelBehavior": "0"}
    answer = metadata_changes(sales, {"Properties": properties, "LabelQuery": label})
    assert (answer.status_code, "DisplayName" in answer.text) == (200, False)
    assert "DisplayName" in metadata_changes(sales, {"Properties": {"AllProperties": "True"}}).text


@pytest.mark.parametrize("spelt", ["no", "1", 0, ""])
def test_what_spells_no_truth_value_is_refused(sales: Sales, spelt: object) -> None:
    answer = metadata_changes(sales, {"Properties": {"AllProperties": spelt}})
    assert (answer.status_code, "Edm.Boolean" in answer.text) == (400, True)


def test_texts_stand_for_numbers_and_truth_values_in_rows(sales: Sales, finops: httpx.Client) -> None:
    body = {"name": "a", "numberofemployees": " 12", "creditonhold": "True", "industrycode": "1"}
    row = sales.client.post("accounts", json=body, headers={"Prefer": "return=representation"}).json()
    assert (row["numberofemployees"], row["creditonhold"], row["industrycode"]) == (12, True, 1)
    for wrong in ({"numberofemployees": "1.5"}, {"creditonhold": "1"}, {"creditonhold": 1}, {"revenue": "5"}):
        answer = sales.client.post("accounts", json={"name": "b", **wrong})
        assert (answer.status_code, "Cannot convert the literal" in answer.text) == (400, True)


def test_wide_numbers_are_texts_exactly_where_the_content_type_says_so(sales: Sales) -> None:
    wanted = {**COMPATIBLE, "Prefer": "return=representation"}
    row = sales.client.post("accounts", json={"name": "a", "creditlimit": "12.50"}, headers=wanted)
    assert (row.status_code, row.json()["creditlimit"]) == (201, 12.5)
    for headers, value in ((COMPATIBLE, 5), (COMPATIBLE, 5.5), ({}, "5")):
        answer = sales.client.post("accounts", json={"name": "b", "creditlimit": value}, headers=headers)
        assert (answer.status_code, "Edm.Decimal" in answer.text) == (400, True)


# -- many terms -------------------------------------------------------------------------------------------------------


def test_an_expand_takes_as_many_terms_as_a_set_does(sales: Sales) -> None:
    sales.create("accounts", name="a")
    terms = " or ".join(f"contains(fullname,'q{at}')" for at in range(400))
    for address in (f"contacts?$filter={quote(terms)}", f"accounts?$expand=contact_customer_accounts($filter={terms})"):
        assert sales.client.get(address).status_code == 200
    deep = "(" * 250 + "fullname eq 'a'" + ")" * 250
    answer = sales.client.get(f"accounts?$expand=contact_customer_accounts($filter={deep})")
    assert (answer.status_code, "nested too deeply" in answer.text) == (400, True)


def members(text: str) -> list[list[str]]:
    """The names of each object's members in a JSON text, as often as they stand in it."""
    found: list[list[str]] = []
    json.loads(text, object_pairs_hook=lambda pairs: found.append([name for name, _ in pairs]) or dict(pairs))
    return found


def test_what_is_asked_for_twice_comes_once(sales: Sales) -> None:
    contact = sales.create("contacts", lastname="c")
    sales.create("accounts", name="a", primarycontactid__bind=f"contacts({contact})")
    fetch = "<fetch><entity name='account'><attribute name='name'/><attribute name='name'/></entity></fetch>"
    once = "$expand=primarycontactid($select=lastname)"
    for query in (f"$select=name,name&{once},primarycontactid($select=lastname)", f"fetchXml={quote(fetch)}"):
        answer = sales.client.get(f"accounts?{query}")
        assert answer.status_code == 200
        assert all(len(set(names)) == len(names) for names in members(answer.text))
    answer = sales.client.get(f"accounts?{once},primarycontactid")
    assert (answer.status_code, "primarycontactid" in answer.text) == (400, True)


# -- links to further pages -------------------------------------------------------------------------------------------

SORTED = ("name", "accountnumber", "numberofemployees", "revenue", "createdon", "_parentaccountid_value", "statecode")


ROWS = [{"name": f"n{at % 2}", "numberofemployees": at or None, "revenue": at / 7} for at in range(4)]


def followed(client: httpx.Client, address: str) -> Iterator[dict[str, object]]:
    """The rows of every page, one row a page."""
    link: str | None = address
    while link is not None:
        answer = client.get(link, headers={"Prefer": 'odata.maxpagesize=1,odata.include-annotations="*"'})
        assert answer.status_code == 200, (link, answer.text[:300])
        yield from answer.json()["value"]
        link = answer.json().get("@odata.nextLink")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    terms=st.lists(st.tuples(st.sampled_from(SORTED), st.sampled_from(("", " desc"))), max_size=40),
    select=st.sampled_from(("", "$select=name&", "$select=revenue,name,&", "$expand=parentaccountid&")),
    rest=st.sampled_from(("", "&$count=true", "&$filter=statecode eq 0", "&$filter=name ne 'x' and revenue ge 0")),
    encoded=st.booleans(),
)
def test_every_link_that_is_handed_out_is_taken(
    sales: Sales, terms: list[tuple[str, str]], select: str, rest: str, *, encoded: bool
) -> None:
    if sales.client.get("accounts/$count").text == "0":
        for row in ROWS:
            sales.create("accounts", **row)
    order = ",".join(f"{name}{direction}" for name, direction in terms) or "name"
    rest = quote(rest, safe="&=$") if encoded else rest
    found = [row["accountid"] for row in followed(sales.client, f"accounts?{select}$orderby={order}{rest}")]
    assert (len(found), len(set(found))) == (4, 4)
    whole = sales.client.get(f"accounts?{select}$orderby={order}{rest}").json()["value"]
    assert found == [row["accountid"] for row in whole]


def test_rows_sorted_by_sixty_columns_are_read_page_by_page(sales: Sales) -> None:
    for at in range(3):
        sales.create("accounts", name="a", telephone1=str(at))
    names = [name for name in sales.client.get("accounts").json()["value"][0] if "@" not in name][1:61]
    found = [row["accountid"] for row in followed(sales.client, f"accounts?$orderby={','.join(names)} desc")]
    assert (len(names), len(set(found))) == (60, 3)


def test_long_texts_in_a_cookie_make_no_link_that_is_too_long(sales: Sales) -> None:
    for at in range(3):
        sales.create("accounts", name="a", description=f"{'ü<&%' * 499}{at}")
    long = quote(" and ".join(["name ne 'äöüäöüäöü'"] * 300))
    for query in ("$orderby=description", f"$orderby=description desc,name&$filter={long}"):
        found = [row["accountid"] for row in followed(sales.client, f"accounts?$select=name&{query}")]
        assert len(set(found)) == 3
    wanted = {"Prefer": "odata.maxpagesize=1"}
    link = sales.client.get("accounts?$orderby=description", headers=wanted).json()["@odata.nextLink"]
    for row in sales.client.get("accounts").json()["value"]:
        sales.client.delete(f"accounts({row['accountid']})")
    answer = sales.client.get(link, headers=wanted)
    assert (answer.status_code, "read the rows again" in answer.text) == (400, True)


# -- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_cut_inside_a_change_set_does_nothing(sales: Sales, finops: httpx.Client) -> None:
    made = [part("POST accounts", f'{{"name":"{at}"}}', content_id=str(at)) for at in range(3)]
    text = multipart(change_set(*made))
    for end in (text.index("--c--"), text.index('"name":"1"') - 3, text.index('"name":"2"'), text.index("--c--") + 3):
        answer = sent(sales, text[:end])
        assert (answer.status_code, "change set" in answer.text) == (400, True)
    assert sales.client.get("accounts/$count").text == "0"
    assert statuses(sent(sales, text[: text.index("--b--")])) == [204, 204, 204]
    code = part("POST Currencies", '{"CurrencyCode":"AAA","Name":"A"}', content_id="1")
    other = part("POST Currencies", '{"CurrencyCode":"BBB","Name":"B"}', content_id="2")
    text = multipart(change_set(code, other))
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    assert finops.post("$batch", content=text[: text.index("--c--")], headers=headers).status_code == 400
    assert finops.get("Currencies/$count").text.strip("\ufeff") == "0"


def test_the_reads_of_a_batch_have_one_bound(
    sales: Sales, finops: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(20):
        sales.create("accounts", name=f"{at}")
    monkeypatch.setattr(holding, "STEPS", 200_000)
    terms = " or ".join(f"contains(name,'%25a%25{at}q')" for at in range(100))
    alone = f"accounts?$select=name&$filter={terms}"
    assert sales.client.get(alone).status_code == 200
    answer = sent(sales, multipart(*[part(f"GET {alone}")] * 100), Prefer="odata.continue-on-error")
    told = statuses(answer)
    assert told == sorted(told)
    assert (told[0], told[-1], "SQL timeout expired." in answer.text) == (200, 400, True)
    assert sales.client.get(alone).status_code == 200


# -- FetchXML ---------------------------------------------------------------------------------------------------------


def fetched(sales: Sales, inner: str, **attributes: str) -> httpx.Response:
    """The answer to a query of FetchXML on accounts with this inside its entity."""
    told = "".join(f" {name.replace('_', '-')}={quoteattr(value)}" for name, value in attributes.items())
    text = f'<fetch{told}><entity name="account">{inner}</entity></fetch>'
    return sales.client.get(f"accounts?fetchXml={quote(text)}", headers={"Prefer": 'odata.include-annotations="*"'})


NAME = '<attribute name="name"/>'
REFUSED = {
    "datasource": ({"datasource": "retained"}, NAME),
    "min-active-row-version": ({"min_active_row_version": "true"}, NAME),
    "foo": ({"foo": "1"}, NAME),
    "rowaggregate": ({}, '<attribute name="accountid" alias="n" rowaggregate="CountChildren"/>'),
    "colour": ({}, '<attribute name="name" colour="red"/>'),
    "isquickfindfields": ({}, f'{NAME}<filter isquickfindfields="1"/>'),
    "column": ({}, f'{NAME}<filter><condition column="x" operator="null"/></filter>'),
    "'x' of <value>": (
        {},
        f'{NAME}<filter><condition attribute="name" operator="in"><value x="1"/></condition></filter>',
    ),
    "nulls": ({}, f'{NAME}<order attribute="name" nulls="last"/>'),
    "mapping": ({"mapping": "internal"}, NAME),
    "distinct": ({"distinct": "perhaps"}, NAME),
    "alias": ({}, '<attribute name="name" alias="a&quot;b"/>'),
    "'any' is not one": ({}, f'{NAME}<link-entity name="contact" from="contactid" to="accountid" link-type="any"/>'),
    "'inner' cannot": ({}, f'{NAME}<filter><link-entity name="contact" from="contactid" to="accountid"/></filter>'),
    "gives no columns": ({}, f'{NAME}<link-entity name="contact" from="a" to="b" link-type="in">{NAME}</link-entity>'),
}


@pytest.mark.parametrize("named", REFUSED)
def test_every_attribute_of_fetchxml_is_followed_or_refused_by_name(sales: Sales, named: str) -> None:
    attributes, inner = REFUSED[named]
    answer = fetched(sales, inner, **attributes)
    assert (answer.status_code, named in answer.json()["error"]["message"]) == (400, True)


def test_hints_and_what_forms_write_change_nothing(sales: Sales) -> None:
    sales.create("accounts", name="a")
    hints = {"no_lock": "true", "latematerialize": "true", "options": "HashJoin", "version": "1.0", "datasource": ""}
    inner = f'{NAME}<filter hint="union"><condition attribute="name" operator="eq" value="a" uiname="A"/></filter>'
    rows = fetched(sales, inner, mapping="logical", output_format="xml-platform", **hints).json()["value"]
    assert [row["name"] for row in rows] == ["a"]


def test_choices_are_sorted_by_their_labels_unless_they_are_to_be_raw(sales: Sales) -> None:
    for industry in (4, 2, 3, 1):
        sales.create("accounts", name="n", industrycode=industry)
    inner = '<attribute name="industrycode"/><order attribute="industrycode"/>'
    labels = [row[f"industrycode@{SHOWN}"] for row in fetched(sales, inner).json()["value"]]
    assert labels == sorted(labels)
    raw = [row["industrycode"] for row in fetched(sales, inner, useraworderby="true").json()["value"]]
    assert raw == [1, 2, 3, 4]


LINK = """<link-entity name="contact" from="contactid" to="primarycontactid" alias="c">
<attribute name="lastname"/><order attribute="lastname"/></link-entity>"""
CONDITION = '<condition entityname="c" attribute="lastname" operator="eq" value="b"/>'
SAME = '<filter><condition attribute="name" operator="{}" valueof="c.lastname"/></filter>'
IS_NONE = '<condition attribute="name" operator="eq" value="none"/>'
BY_NAME = '<order attribute="name"/>'


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (f"<filter>{CONDITION}</filter>{BY_NAME}{LINK}", ["b", "y"]),
        (f"{SAME.format('eq')}{LINK}", ["b"]),
        (f"{SAME.format('gt')}{BY_NAME}{LINK}", ["y", "z"]),
        (f'<order entityname="c" attribute="lastname" descending="true"/>{BY_NAME}{LINK}', ["b", "y", "z"]),
        (f"{LINK}{BY_NAME}", ["b", "y", "z"]),
    ],
)
def test_what_stands_before_a_link_may_name_it(sales: Sales, inner: str, expected: list[str]) -> None:
    for name, last in (("z", "a"), ("y", "b"), ("b", "b")):
        contact = sales.create("contacts", lastname=last)
        sales.create("accounts", name=name, primarycontactid__bind=f"contacts({contact})")
    assert [row["name"] for row in fetched(sales, f"{NAME}{inner}").json()["value"]] == expected


def test_a_link_is_named_once_and_names_none_that_comes_later(sales: Sales) -> None:
    assert "is not unique" in fetched(sales, f"{NAME}{LINK}{LINK}").text
    later = LINK.replace("<order", f"<filter>{CONDITION}</filter><order").replace('alias="c"', 'alias="d"')
    answer = fetched(sales, f"{NAME}{later}{LINK}")
    assert (answer.status_code, "around or before" in answer.text) == (400, True)
    assert fetched(sales, f"{NAME}{LINK}{later}").status_code == 200


RELATED = '<link-entity name="contact" from="parentcustomerid" to="accountid" alias="k" link-type="{}">{}</link-entity>'
SMITH = '<filter><condition attribute="lastname" operator="eq" value="Smith"/></filter>'


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (RELATED.format("exists", ""), ["both", "jones"]),
        (RELATED.format("in", SMITH), ["both"]),
        (f"<filter>{RELATED.format('any', SMITH)}</filter>", ["both"]),
        (f"<filter>{RELATED.format('not all', SMITH)}</filter>", ["both"]),
        (f"<filter>{RELATED.format('not any', SMITH)}</filter>", ["jones", "none"]),
        (f"<filter>{RELATED.format('all', SMITH)}</filter>", ["jones"]),
        (f'<filter type="or">{RELATED.format("any", SMITH)}{IS_NONE}</filter>', ["both", "none"]),
        (RELATED.format("matchfirstrowusingcrossapply", ""), ["both", "jones", "none"]),
        (RELATED.format("outer", ""), ["both", "both", "jones", "none"]),
    ],
)
def test_rows_are_kept_by_the_rows_that_are_related_to_them(sales: Sales, inner: str, expected: list[str]) -> None:
    for name, lasts in (("both", ("Smith", "Jones")), ("jones", ("Jones",)), ("none", ())):
        account = sales.create("accounts", name=name)
        for last in lasts:
            sales.create("contacts", lastname=last, parentcustomerid_account__bind=f"accounts({account})")
    answer = fetched(sales, f"{NAME}{inner}{BY_NAME}")
    assert [row["name"] for row in answer.json()["value"]] == expected


def test_related_rows_that_are_not_returned_cannot_be_named(sales: Sales) -> None:
    condition = '<filter><condition entityname="k" attribute="lastname" operator="null"/></filter>'
    answer = fetched(sales, f"{NAME}{RELATED.format('exists', '')}{condition}")
    assert (answer.status_code, "'k' is not the alias" in answer.text) == (400, True)


def test_two_values_of_one_name_are_refused(sales: Sales) -> None:
    for inner in (
        '<attribute name="name" alias="x"/><attribute name="accountnumber" alias="x"/>',
        '<attribute name="name" alias="accountid"/>',
    ):
        assert "the same name" in fetched(sales, inner).text
    counted = '<attribute name="name" alias="n" aggregate="count"/>'
    assert "the same name" in fetched(sales, counted * 2, aggregate="true").text


def test_an_aggregate_has_a_limit_of_its_own(sales: Sales) -> None:
    for at in range(4):
        sales.create("accounts", name=f"n{at}")
    counted = '<attribute name="name" alias="n" aggregate="count"/>'
    for limit, status in (("3", 400), ("4", 200), ("60000", 200)):
        assert fetched(sales, counted, aggregate="true", aggregatelimit=limit).status_code == status


def test_rows_of_fetchxml_leave_out_what_is_null_and_bring_the_currency_of_money(rich: Sales) -> None:
    rich.create("accounts", name='null, and } "')
    inner = '<attribute name="name"/><attribute name="revenue"/><attribute name="telephone1"/>'
    rows = {row["name"]: row for row in fetched(rich, f"{inner}{BY_NAME}").json()["value"]}
    assert "_transactioncurrencyid_value" in rows["n1000"]
    plain = [{name for name in row if "@" not in name} for row in rows.values()]
    assert plain[-1] == {"name", "accountid", "_transactioncurrencyid_value"}
    assert all("telephone1" not in row for row in rows.values())
    assert list(rows)[-1] == 'null, and } "'
    alone = fetched(rich, '<attribute name="telephone1"/>', distinct="true").json()["value"]
    assert alone == [{}]


def test_a_count_may_stand_beside_fetchxml_as_in_the_reference(rich: Sales) -> None:
    text = quote(f"<fetch count='1' page='1'><entity name='account'>{NAME}</entity></fetch>")
    answer = rich.client.get(f"accounts?fetchXml={text}&$count=true")
    assert (answer.status_code, "@odata.count" in answer.json()) == (200, False)
    assert rich.client.get(f"accounts?fetchXml={text}&$top=1").status_code == 400


# -- what people read of groups ---------------------------------------------------------------------------------------

GROUPED = "groupby((statuscode),aggregate($count as n,revenue with sum as total,createdon with max as last))"
FETCHED = """<attribute name="statuscode" alias="s" groupby="true"/>
<attribute name="revenue" alias="t" aggregate="sum"/><attribute name="name" alias="n" aggregate="count"/>
<attribute name="createdon" alias="y" groupby="true" dategrouping="year"/>"""


@pytest.fixture
def rich(sales: Sales) -> Sales:
    """Two accounts in dollars, with the organisation around them."""
    add_references(sales.organisation.store, currencies=["USD"])
    for revenue in (1000, 500.5):
        sales.create("accounts", name=f"n{revenue}", revenue=revenue)
    return sales


def test_groups_and_aggregates_are_told_as_people_read_them(rich: Sales) -> None:
    wanted = {"Prefer": f'odata.include-annotations="{SHOWN}"'}
    answer = rich.client.get(f"accounts?$apply={GROUPED}", headers=wanted)
    row = answer.json()["value"][0]
    assert answer.headers["Preference-Applied"] == f'odata.include-annotations="{SHOWN}"'
    assert (row[f"statuscode@{SHOWN}"], row[f"n@{SHOWN}"], row[f"total@{SHOWN}"]) == ("Active", "2", "$1,500.50")
    assert row[f"last@{SHOWN}"].endswith(("AM", "PM"))
    assert SHOWN not in rich.client.get(f"accounts?$apply={GROUPED}").text
    row = fetched(rich, FETCHED, aggregate="true").json()["value"][0]
    assert (row[f"s@{SHOWN}"], row[f"t@{SHOWN}"], row[f"n@{SHOWN}"]) == ("Active", "$1,500.50", "2")
    assert row[f"y@{SHOWN}"] == f"{row['y']:,}"


@pytest.mark.parametrize("column", ["revenue_base", "primarycontactid/fullname", "name", "accountid", "exchangerate"])
def test_any_column_that_rows_can_be_grouped_by_is_told(rich: Sales, column: str) -> None:
    answer = rich.client.get(
        f"accounts?$apply=groupby(({column}))", headers={"Prefer": 'odata.include-annotations="*"'}
    )
    assert answer.status_code == 200


# -- wide numbers in answers ------------------------------------------------------------------------------------------

WIDE = {"Accept": "application/json;odata.metadata=minimal;IEEE754Compatible=true"}


def at_every_level(client: httpx.Client, address: str) -> Iterator[httpx.Response]:
    """The answer with each amount of control information."""
    for level in ("none", "minimal", "full"):
        answer = client.get(
            address, headers={"Accept": f"application/json;odata.metadata={level};IEEE754Compatible=true"}
        )
        assert (answer.status_code, "IEEE754Compatible=true" in answer.headers["Content-Type"]) == (200, True)
        yield answer


def test_decimals_and_long_whole_numbers_come_as_texts_where_that_is_asked_for(rich: Sales) -> None:
    contact = rich.create("contacts", lastname="c", creditlimit=7.5)
    row = {"name": "w", "revenue": 12.5, "numberofemployees": 3, "address1_latitude": 1.25}
    key = rich.create("accounts", **row, primarycontactid__bind=f"contacts({contact})")
    columns = "revenue,numberofemployees,versionnumber,address1_latitude"
    select = f"$select={columns}&$expand=primarycontactid($select=creditlimit)"
    for address in (f"accounts({key})?{select}", f"accounts?{select}&$filter=name eq 'w'&$count=true"):
        for answer in at_every_level(rich.client, address):
            body = answer.json()
            told = body.get("value", [body])[0]
            assert body.get("@odata.count", "1") == "1"
            assert (told["revenue"], told["numberofemployees"], told["address1_latitude"]) == ("12.5000", 3, 1.25)
            assert told["versionnumber"].isdigit()
            assert told["primarycontactid"]["creditlimit"] == "7.5000"
    value = rich.client.get(f"accounts({key})/revenue", headers=WIDE).json()["value"]
    float_value = rich.client.get(f"accounts({key})/address1_latitude", headers=WIDE).json()["value"]
    assert (value, float_value) == ("12.5000", 1.25)
    assert isinstance(rich.client.get(f"accounts?$apply={GROUPED}", headers=WIDE).json()["value"][0]["total"], str)
    assert rich.client.get("accounts?$select=revenue").json()["value"][0]["revenue"] == 1000


def test_finance_does_so_too(finops: httpx.Client) -> None:
    made = finops.post("Currencies", json={"CurrencyCode": "AAA", "Name": "A"})
    assert made.status_code == 201
    decimals = [name for name, value in made.json().items() if isinstance(value, int | float)]
    plain = finops.get("Currencies").json()["value"][0]
    for answer in at_every_level(finops, "Currencies?$count=true"):
        row = answer.json()["value"][0]
        assert answer.json()["@odata.count"] == "1"
        assert decimals
        assert all(row[name] == str(plain[name]) or row[name] == plain[name] for name in decimals)
        assert any(isinstance(row[name], str) for name in decimals)
    by_format = finops.get("Currencies?$format=application/json;IEEE754Compatible=true").json()["value"][0]
    assert by_format[decimals[0]] == row[decimals[0]]


# -- what is in the metadata alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "EntityDefinitions",
        "EntityDefinitions(LogicalName='account')/Attributes",
        "EntityDefinitions(LogicalName='account')/Keys",
        "RelationshipDefinitions",
        "GlobalOptionSetDefinitions",
    ],
)
def test_writing_metadata_is_documented_but_not_here(sales: Sales, address: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = sales.client.request(method, address, json={"SchemaName": "new_X"} if method != "DELETE" else None)
        assert (answer.status_code, "documented, but not in this sandbox" in answer.text) == (405, True)
    assert "documented" not in sales.client.patch(address, json={}).text


def test_names_of_the_metadata_with_nothing_behind_them_say_so(sales: Sales) -> None:
    key = sales.create("accounts", name="a")
    row = f"accounts({key})"
    for address in (
        f"{row}/entityimage/$value",
        f"{row}/new_contract/$value",
        f"{row}/originatingleadid",
        f"{row}/territoryid/$ref",
        "accounts?$select=entityimage",
        "accounts?$expand=originatingleadid",
        "accounts?$filter=originatingleadid/fullname eq 'a'",
        "accounts?$orderby=originatingleadid/fullname",
    ):
        answer = sales.client.get(address)
        assert (answer.status_code in {400, 404}, "in the metadata, but not in this sandbox" in answer.text) == (
            True,
            True,
        )
    for body in ({"entityimage": "AA=="}, {"territoryid@odata.bind": f"/territories({key})"}):
        answer = sales.client.patch(row, json=body)
        assert (answer.status_code, "in the metadata, but not in this sandbox" in answer.text) == (400, True)
    assert "metadata" not in sales.client.get(f"{row}/nothing").text


def test_users_and_teams_have_the_key_that_owns(rich: Sales) -> None:
    user = rich.client.get("systemusers?$select=systemuserid,ownerid").json()["value"][0]
    assert user["ownerid"] == user["systemuserid"]
    found = rich.client.get(f"systemusers?$filter=ownerid eq {user['ownerid']}").json()["value"]
    assert [row["ownerid"] for row in found] == [user["ownerid"]]
    assert rich.client.get(f"systemusers({user['ownerid']})/ownerid").json()["value"] == user["ownerid"]
    owned = rich.client.get("accounts?$expand=owninguser($select=ownerid)").json()["value"][0]["owninguser"]
    assert owned["ownerid"] == user["ownerid"]


def test_keys_have_every_documented_member(sales: Sales) -> None:
    members = ("IntroducedVersion", "IsCustomizable", "IsExportKey", "IsSecondaryKey", "IsSynchronous")
    keys = sales.client.get(f"EntityDefinitions(LogicalName='account')/Keys?$select={','.join(members)}").json()
    assert all(name in keys["value"][0] for name in members)


# -- forms of addresses and preferences -------------------------------------------------------------------------------


def test_a_number_may_end_in_the_letter_of_its_type(rich: Sales, finops: httpx.Client) -> None:
    for suffix in ("M", "m", "d", "F", "L", ""):
        found = rich.client.get(f"accounts?$select=name&$filter=revenue gt 600{suffix}").json()["value"]
        assert [row["name"] for row in found] == ["n1000"]
    assert finops.get("CustomersV2?$filter=CreditLimit gt 1000M&$top=1").status_code == 200
    assert rich.client.get("accounts?$filter=revenue gt 600Mb").status_code == 400


def test_empty_parentheses_are_those_of_the_set(rich: Sales, finops: httpx.Client) -> None:
    assert len(rich.client.get("accounts()?$select=name").json()["value"]) == 2
    assert finops.get("Currencies()?$select=CurrencyCode,").json()["value"] != []


def test_annotations_say_something_or_are_left_out(rich: Sales) -> None:
    wanted = {"Prefer": 'odata.include-annotations="*"'}
    row = rich.client.get("accounts?$top=1", headers=wanted).json()["value"][0]
    assert f"statuscode@{SHOWN}" in row
    assert [name for name, value in row.items() if "@" in name and value is None] == []
    alone = rich.client.get(f"accounts({row['accountid']})", headers=wanted)
    assert alone.headers["Preference-Applied"] == 'odata.include-annotations="*"'
    both = {"Prefer": 'return=representation,odata.include-annotations="*"'}
    made = rich.client.post("accounts", json={"name": "x"}, headers=both)
    assert made.headers["Preference-Applied"] == 'return=representation,odata.include-annotations="*"'


# -- expanded rows ----------------------------------------------------------------------------------------------------


@pytest.fixture
def family(sales: Sales) -> Sales:
    """An account with three contacts, the first of which is its primary one."""
    account = sales.create("accounts", name="a")
    for last in ("x & y; z", "x & y; z", "other"):
        made = sales.create("contacts", lastname=last, parentcustomerid_account__bind=f"accounts({account})")
    sales.client.patch(f"accounts({account})", json={"primarycontactid@odata.bind": f"contacts({made})"})
    return sales


@pytest.mark.parametrize(
    ("nested", "size", "pages"),
    [
        ("$select=lastname", 1, [3, 1, 1, 1]),
        ("$select=lastname;$expand=parentcustomerid_account($select=name)", 1, [1, 1, 1]),
        ("$select=lastname;$expand=parentcustomerid_account($select=name)", 2, [2, 1]),
        ("$filter=lastname eq 'x %26 y; z'", 2, [2, 2]),
        ("$filter=lastname eq @name;$expand=parentcustomerid_account", 1, [1, 1]),
    ],
)
def test_links_of_expanded_rows_lead_to_the_rest_of_them(
    family: Sales, nested: str, size: int, pages: list[int]
) -> None:
    """Without a nested $expand they come whole, and their link leads to all of them again, in pages."""
    wanted, name = {"Prefer": f"odata.maxpagesize={size}"}, "contact_customer_accounts"
    address = f"accounts?$select=name&$expand={name}({nested})&@name='x %26 y; z'"
    row = family.client.get(address, headers=wanted).json()["value"][0]
    found, link = [len(row[name])], row[f"{name}@odata.nextLink"]
    while link is not None:
        answer = family.client.get(link, headers=wanted)
        assert answer.status_code == 200, answer.text
        if answer.json()["value"]:
            found.append(len(answer.json()["value"]))
        link = answer.json().get("@odata.nextLink")
    assert found == pages


def test_what_nested_rows_cannot_be_asked_for_is_told_as_the_service_does(family: Sales) -> None:
    for expand in (
        "contact_customer_accounts($top=1;$expand=parentcustomerid_account)",
        "primarycontactid($orderby=lastname)",
    ):
        answer = family.client.get(f"accounts?$expand={expand}")
        assert (answer.status_code, "Only $select and $filter clause" in answer.text) == (400, True)


def test_references_come_with_the_lookup_and_are_named_in_the_context(family: Sales) -> None:
    answer = family.client.get("accounts?$select=name&$expand=primarycontactid/$ref").json()
    assert answer["@odata.context"].endswith("#accounts(name,primarycontactid,primarycontactid/$ref())")
    row = answer["value"][0]
    assert row["primarycontactid"]["@odata.id"].endswith(f"contacts({row['_primarycontactid_value']})")


def test_users_come_with_both_their_keys_whatever_is_selected(rich: Sales) -> None:
    row = rich.client.get("accounts?$select=name&$expand=createdby($select=fullname)").json()["value"][0]["createdby"]
    assert row["ownerid"] == row["systemuserid"]
