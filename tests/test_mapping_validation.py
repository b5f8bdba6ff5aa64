"""A template against both systems' metadata: each mistake found under its code, before any data moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2c_lib.config import workspace
from p2c_lib.frames import EntityQuery
from p2c_lib.mapping import map_frame, packaged_tasks, parse, template
from p2c_lib.mapping.filters import columns_in_filter
from p2c_lib.mapping.validation import CODES, validate
from p2c_lib.session import Session, connect


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    place: Path = tmp_path_factory.mktemp("validation")
    with connect("sandbox", workspace=workspace(place)) as opened:
        yield opened


@pytest.mark.parametrize("task", packaged_tasks())
def test_the_packaged_templates_have_no_errors(session: Session, task: str) -> None:
    made = template(task)
    assert [str(f) for f in validate(made, session).findings if f.level == "error"] == []
    for name, option in made.options.items():
        for choice in option.choices:
            found = validate(made.choose(**{name: choice}), session)
            assert (name, choice, found.ok) == (name, choice, True), str(found)


GOOD = """\
version: 1
task: own
title: Own
source: {app: sales, entity: contacts, filter: statecode eq 0}
destination: {app: finops, entity: CustomersV2}
key: {msdynce_contactnumber: CustomerAccount}
fields:
  - {from: msdynce_contactnumber, to: CustomerAccount}
  - {from: lastname, to: PersonLastName}
  - {to: IsExternallyMaintained, default: "Yes"}
  - {from: creditlimit, to: CreditLimit}
"""

BACK = """\
version: 1
task: back
title: Back
source: {app: finops, entity: SellableReleasedProducts}
destination: {app: sales, entity: products}
key: {ProductNumber: productnumber}
fields:
  - {from: ProductNumber, to: productnumber}
  - {from: ProductName, to: name}
  - {to: quantitydecimal, default: 0}
  - {to: defaultuomid.name, default: Each}
  - {to: defaultuomscheduleid.name, default: Default unit}
"""

# What is changed in GOOD or BACK, the code and the path of the finding, and a word that must be in it.
MISTAKES = [
    (GOOD, "entity: contacts,", "entity: contact,", "DIPV1018", "source.entity", "Did you mean 'contacts'?"),
    (GOOD, "entity: CustomersV2", "entity: CustomersV", "DIPV1020", "destination.entity", "CustomersV2"),
    (GOOD, "from: lastname", "from: lastnam", "DIPV1022", "fields[1].from", "Did you mean 'lastname'?"),
    (GOOD, "from: lastname", "from: transactioncurrencyid.isocode", "DIPV1022", "fields[1].from", "isocode"),
    (
        GOOD,
        "from: lastname",
        "from: parentcustomerid.lead.name",
        "DIPV1022",
        "fields[1].from",
        "parentcustomerid.account",
    ),
    (GOOD, "to: PersonLastName", "to: PersonLastname_", "DIPV1025", "fields[1].to", "PersonLastName"),
    (GOOD, "statecode eq 0", "statecode == 0", "DIPV1012", "source.filter", "character 11"),
    (GOOD, "statecode eq 0", "statecode eq 0 and", "DIPV1012", "source.filter", "at the end"),
    (GOOD, "statecode eq 0", "stateCode eq 0", "DIPV1022", "source.filter", "'statecode'"),
    (GOOD, 'default: "Yes"', "default: Yup", "DIPV1030", "fields[2]", "Allowed: No, Yes"),
    (GOOD, "from: creditlimit", "from: createdon", "DIPV1030", "fields[3]", "date"),
    (GOOD, "from: creditlimit", "from: lastname", "DIPV1030", "fields[3]", "text"),
    (
        GOOD,
        "CreditLimit}",
        "CreditLimit, exists_in: Currencies.Code}",
        "REFERENCE",
        "fields[3].exists_in",
        "CurrencyCode",
    ),
    (
        GOOD,
        "key:",
        "parents: [{column: PersonLastName, tasks: [accounts], says: x}]\nkey:",
        "PARENT",
        "parents[0]",
        "accounts",
    ),
    (GOOD, "CustomersV2", "CDSContactPersons", "DIPV1014", "key", "ContactPersonPartyNumber"),
    (BACK, "key: {ProductNumber: productnumber}", "key: {ProductName: name}", "DIPV1003", "key", "productnumber"),
    (BACK, "to: name}", "to: createdon}", "DIPV1011", "fields[1].to", "read-only"),
    (BACK, "  - {from: ProductName, to: name}\n", "", "DIPV1010", "fields", "name is mandatory"),
    (BACK, "from: ProductName, to: name", "from: ProductName, to: name", "DIPV1031", "fields[1]", "name is mandatory"),
    (BACK, "to: defaultuomid.name", "to: defaultuomid", "DIPV1027", "fields[3].to", "defaultuomid.<key column>"),
    (BACK, "to: defaultuomid.name", "to: defaultuomid.quantity", "DIPV1027", "fields[3].to", "no key"),
    (BACK, "to: name}", "to: name, apply: [{truncate: 200}]}", "LENGTH", "fields[1]", "holds 100"),
    (GOOD, "from: creditlimit, to: CreditLimit", "from: createdon, to: AddressValidTo", "ZONE", "fields[3]", "in_zone"),
    (
        GOOD,
        "from: creditlimit, to: CreditLimit",
        "from: createdon, to: AddressValidTo, apply: [{shift_days: 3}, {in_zone: Europe/Berlin}]",
        "ZONE",
        "fields[3]",
        "shift_days takes its day",
    ),
    (
        GOOD,
        "from: creditlimit, to: CreditLimit",
        "from: createdon, to: PersonFirstName, apply: [{truncate: 10}]",
        "ZONE",
        "fields[3]",
        "truncate takes its day",
    ),
    (GOOD, "statecode eq 0", "createdon ge 2026-01-31", "ZONE", "source.filter", "the day in UTC"),
]
QUOTES = """\
{version: 1, task: dates, title: Dates, source: {app: finops, entity: CDSSalesQuotationHeaders},
 destination: {app: sales, entity: quotes}, key: {SalesQuotationNumber: quotenumber},
 fields: [{from: SalesQuotationNumber, to: quotenumber}, {from: RequestedShippingDate, to: requestdeliveryby}]}"""


def test_a_day_of_finance_needs_a_zone_to_become_a_moment_of_sales(session: Session) -> None:
    def zones(text: str) -> list[str]:
        return [str(f.message + f.hint) for f in validate(parse(text), session).findings if f.code == "ZONE"]

    (found,) = zones(QUOTES)
    assert "requestdeliveryby is a moment in UTC" in found
    assert "from_zone: Europe/Berlin" in found
    named = "to: requestdeliveryby, apply: [{from_zone: Europe/Berlin}]"
    assert zones(QUOTES.replace("to: requestdeliveryby", named)) == []
    by_day = QUOTES.replace("fields: [", "compare: {granularity: {requestdeliveryby: day}}, fields: [")
    assert any("days are compared" in each for each in zones(by_day))
    moment = QUOTES.replace("entity: quotes}", "entity: quotes, filter: createdon ge 2026-01-31T00:00:00Z}")
    assert len(zones(moment)) == 1


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "path", "word"), MISTAKES, ids=[f"{m[3]} {m[2]}" for m in MISTAKES]
)
def test_a_mistake_is_found_under_its_code(
    session: Session, text: str, old: str, new: str, code: str, path: str, word: str
) -> None:
    assert old in text
    found = validate(parse(text.replace(old, new, 1)), session).findings
    matching = [f for f in found if (f.code, f.path) == (code, path)]
    assert matching, [str(f) for f in found]
    assert word in f"{matching[0].message} {matching[0].hint}"


def test_every_code_has_a_mistake_that_shows_it() -> None:
    assert {code for *_, code, _, _ in MISTAKES} == set(CODES)


def test_a_value_is_looked_up_in_another_entity(session: Session) -> None:
    made = parse(
        GOOD.replace("statecode eq 0", "msdynce_isactivecustomer eq true").replace(
            "{from: lastname, to: PersonLastName}",
            "{from: transactioncurrencyid.isocurrencycode, to: SalesMemo, "
            "apply: [{lookup: Currencies.Name, by: CurrencyCode}]}",
        )
    )
    mapped = map_frame(session.extract(made.source), made, session)
    names = set(mapped.frame.table["SalesMemo"].to_pylist())
    known = session.extract(EntityQuery("finops", "Currencies", ("Name",), ("CurrencyCode",))).table["Name"].to_pylist()
    assert names
    assert names <= set(known)
    assert mapped.rejected_rows == 0


def test_findings_show_as_text_html_and_plain_values(session: Session) -> None:
    found = validate(parse(GOOD.replace("lastname", "lastnam")), session)
    assert str(found).startswith("error DIPV1022 fields[1].from: Unknown column 'lastnam'")
    assert found.to_dict()["findings"][0]["meaning"] == "a source column is not known"
    assert "lastnam" in found._repr_html_()


CRM = "Microsoft.Dynamics.CRM."
FILTERS = [
    ("name eq 'O''Neil' or not (revenue gt 5.5)", ("name", "revenue")),
    ("contains(name, 'x') and endswith(name, 'y') eq true", ("name",)),
    ("createdon ge 2020-01-01T00:00:00Z and id ne 00000000-0000-0000-0000-000000000001", ("createdon", "id")),
    ("(name) eq 'x' and 1.5m lt (revenue) and versionnumber gt 1L", ("name", "revenue", "versionnumber")),
    ("createdon gt 2020-01-01T00:00:00 or createdon lt 2020-01-01T10:00", ("createdon",)),
    ("(name eq 'x') eq true and true", ("name",)),
    ("contact_customer_accounts/any()", ()),
    ("quotes/any(q:q/name eq 'A' and statecode eq 0) or name ne null", ("statecode", "name")),
    ("not quotes/all(q:q/lines/any(l:l/quantity gt 1 or q/statecode eq 2))", ()),
    ("Microsoft.Dynamics.CRM.Today(PropertyName='createdon')", ("createdon",)),
    (f"{CRM}LastXDays(PropertyValue=30,PropertyName='modifiedon') and name eq 'A'", ("modifiedon", "name")),
    (f"not {CRM}In(PropertyName='statecode',PropertyValues=['1','2']) eq true", ("statecode",)),
    (f"{CRM}Between(PropertyName='ownerid/createdon',PropertyValues=[1,-2.5])", ("ownerid/createdon",)),
    (f"{CRM}InFiscalPeriodAndYear(PropertyName='createdon',PropertyValue1=1,PropertyValue2=2)", ("createdon",)),
    (f"quotes/any(q:{CRM}Today(PropertyName='createdon'))", ()),
    ("not " * 59 + "name eq 'A'", ("name",)),
]
FINOPS_FILTERS = [
    ("PartyType eq Microsoft.Dynamics.DataEntities.NoYes'Yes'", ("PartyType",)),
    ("CreditLimit add 1 gt DiscountAmount mul -2e3", ("CreditLimit", "DiscountAmount")),
    ("Name eq '*A*' and not (Rate div 2 le 1.5 or 2020-01-01 lt ValidFrom)", ("Name", "Rate", "ValidFrom")),
]


@pytest.mark.parametrize(("text", "columns"), FILTERS)
def test_a_filter_is_read_and_its_columns_are_named(text: str, columns: tuple[str, ...]) -> None:
    assert columns_in_filter(text) == columns


@pytest.mark.parametrize(("text", "columns"), FINOPS_FILTERS)
def test_so_is_one_of_finops(text: str, columns: tuple[str, ...]) -> None:
    assert columns_in_filter(text, "finops") == columns


@pytest.mark.parametrize(
    "text", ["", "name", "name eq", "eq 1", "(name eq 1", "name eq 1)", "a eq 1 b eq 2", "a = 1", "a eq 'x"]
)
def test_a_filter_that_does_not_parse_says_where(text: str) -> None:
    with pytest.raises(ValueError, match=r"character|at the end"):
        columns_in_filter(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("statecode in (0,1)", "Sales has no 'in' for filters; write Microsoft.Dynamics.CRM.In("),
        ("industrycode has 1", "Sales has no 'has'"),
        ("revenue add 1 gt 2", "Sales has no 'add' for filters"),
        ("length(name) eq 1", "Sales has no function 'length' for filters"),
        ("foo(name) eq 1", "Sales has no function 'foo'"),
        ("cast(a,Edm.String) eq 'x'", "Sales has no function 'cast'"),
        ("contains(name)", ", is expected"),
        ("contains(name,'a','b')", ") is expected"),
        ("contains(name,other)", "takes a text second; 'other' came"),
        ("contains(1,'a')", "takes a column first; '1' came"),
        ("startswith(name eq 'a','b')", "takes a column first"),
        ("name eq Edm.String", "'Edm.String' at character 9 is no column"),
        ("revenue eq INF", "'INF' at character 12 is no number"),
        ("revenue ne NaN", "'NaN' at character 12 is no number"),
        ("createdon gt 2026-02-30", "no day that exists"),
        ("createdon gt 2026-01-31T25:00:00", "no day that exists"),
        ("statecode eq Microsoft.Dynamics.CRM.account_statecode'Active'", "choices by their numbers"),
        ("1 eq 'a'", "are of two types"),
        ("(a eq 1) eq 1", "are of two types"),
        ("name eq @p1", "is a parameter"),
        ("a eq 1 eq true", "compared again"),
        ("name eq ['a']", "a column or a value is expected"),
        ("quotes/$count gt 1", "a column is expected"),
        ("parentaccountid/quotes/any(q:q/name eq 'A')", "no lookup before 'any'"),
        ("quotes/any(q:parentaccountid/quotes/any(r:r/name eq 'A'))", "no lookup before 'any'"),
        (" or ".join(["a eq 1"] * 501), "Sales takes 500 conditions"),
        (f"{CRM}Contains(PropertyName='a',PropertyValue='b')", "needs full-text search"),
        (f"{CRM}LastXDays(PropertyName='a',PropertyValue=0)", "a whole number from 1 is expected"),
        (f"{CRM}On(PropertyName='a',PropertyValue=5)", "a day is expected"),
        (f"{CRM}Under(PropertyName='a',PropertyValue='x')", "a guid is expected"),
        (f"{CRM}In(PropertyName='a',PropertyValues=[])", "one value at least"),
        (f"{CRM}In(PropertyName='a',PropertyValues=[null])", "without null"),
        (f"{CRM}In(PropertyName='a',PropertyValues=['1',\"2\"])", "in quotes of one kind"),
        (f"{CRM}Between(PropertyName='a',PropertyValues=[1])", "Between takes two values; 1 came"),
        ('name eq "A"', "a column or a value is expected"),
        ("quotes/any(q)", ": is expected"),
        ("quotes/all()", "a name for the rows"),
        ("any(q:q/name eq 'A')", "needs a collection"),
        ("quotes/any(q:q eq 'A')", "a column of 'q' is expected"),
        ("quotes/any(q:q/lines/any(q:q/name eq 'A'))", "names other rows already"),
        ("quotes/any(q:q/name eq 'A'", ") is expected at the end"),
        ("quotes/some(q:q/name eq 'A')", "'quotes/some' at character 1 is no function"),
        (f"{CRM}Lately(PropertyName='createdon')", f"'{CRM}Lately' at character 1 is no query function"),
        (f"{CRM}Today('createdon')", "PropertyName is expected"),
        (f"{CRM}Today(PropertyName=createdon)", "a column in quotes is expected"),
        (f"{CRM}Today()", "PropertyName is expected"),
        (f"{CRM}LastXDays(PropertyName='createdon')", "needs PropertyValue"),
        (f"{CRM}In(PropertyName='a',PropertyValues='1')", "[ is expected"),
        (f"{CRM}In(PropertyName='a',PropertyValues=[B])", "a list of values in quotes of one kind"),
        (f"{CRM}On(PropertyName='a',PropertyName='b')", "PropertyValue is expected"),
    ],
)
def test_what_a_filter_cannot_say_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        columns_in_filter(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("contains(Name,'A')", "search in texts with 'eq' and the wildcard"),
        ("Name in ('A')", "F&O has no 'in' for filters; write comparisons joined by 'or'"),
        ("CustomerGroup/Name eq 'A'", "columns of the row itself"),
        ("Blocked eq true", "no truth values"),
        ("(A eq 1) eq (B eq 2)", "no truth values"),
        ("A gt Microsoft.Dynamics.DataEntities.NoYes'Yes'", "enums by eq and ne"),
        ("null eq null", "null with columns alone"),
        ("A add 'x' eq 1", "'add' calculates with numbers; ''x'' came"),
    ],
)
def test_what_a_filter_of_finops_cannot_say_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        columns_in_filter(text, "finops")


@pytest.mark.parametrize("text", ["A/any()", "A/all(x:x/B eq 1)", f"{CRM}Today(PropertyName='A')"])
def test_a_filter_of_finops_has_neither_collections_nor_query_functions(text: str) -> None:
    columns_in_filter(text)
    with pytest.raises(ValueError, match="F&O has no"):
        columns_in_filter(text, "finops")


@pytest.mark.parametrize(
    "text",
    [
        "not " * 100_000 + "a eq 1", "(" * 100_000, "(" * 300 + "a eq 1" + ")" * 300, "contains(" * 10_000 + "a",
        "a/any(x:" * 500,
        "".join(f"a/any(x{n}:" for n in range(500)) + "a eq 1" + ")" * 500,
    ],
    ids=range(6),
)  # fmt: skip
def test_a_filter_nested_without_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"more than (60 levels|8 any\(\) and all\(\))|names other rows"):
        columns_in_filter(text)


PIECES = st.sampled_from(
    ["a", "b/c", "eq", "gt", "and", "or", "not", "in", "add", "(", ")", ",", ":", "=", "[", "]", "'x'", '"y"', "1",
     "-2.5e3", "null", "true", "x", "x/y", "a/any(", "a/all(x:", "any", "contains(", "f(", f"{CRM}In(", f"{CRM}Today(",
     "PropertyName=", "PropertyValues=", "'a'", "2026-01-31", "2026-01-31T00:00:00Z", "A.B'C'", "'",
     "11111111-2222-4333-8444-555555555555"]
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map(" ".join) | st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_a_filter_or_is_told_what_is_wrong(text: str) -> None:
    told, columns = "", tuple[str, ...]()
    try:
        columns = columns_in_filter(text)
    except ValueError as error:
        told = str(error)
    assert not told or re.search(r"character \d+|at the end", told)
    assert all(name in "".join(text.split()) for name in columns)
