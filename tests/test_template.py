"""Template files: read strictly, refused with the place, and equal to what Microsoft published."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2c_lib.errors import TemplateError, UnknownName
from p2c_lib.mapping import FieldRule, Template, packaged_tasks, parse, template

POLY = "customerid.Account(accountnumber).Contact(msdynce_contactnumber)"
PARENT = "parentcustomerid.Account(accountnumber).Contact(msdynce_contactnumber)"

# Source, map (= copy, Fn transform or default), destination: the rows of the published direct templates, in order.
PUBLISHED = {
    "accounts": """
        creditlimit = CreditLimit
        - Fn CustomerGroupId
        fax = PrimaryContactFax
        numberofemployees = OrganizationNumberOfEmployees
        transactioncurrencyid.isocurrencycode Fn SalesCurrencyCode
        accountnumber = CustomerAccount
        address1_city = AddressCity
        address1_country Fn AddressCountryRegionISOCode
        description = SalesMemo
        emailaddress1 = PrimaryContactEmail
        address1_line1 = AddressStreet
        - Fn PartyType
        telephone1 = PrimaryContactPhone
        address1_postalcode = AddressZipCode
        address1_stateorprovince = AddressState
        websiteurl = PrimaryContactURL
        - Fn AddressLocationRoles
        name = OrganizationName
        - Fn SiteId
        - Fn WarehouseId
        - Fn LanguageId
        accountnumber = PartyNumber
        name = AddressDescription
        - Fn IsExternallyMaintained
        address2_line1 = DeliveryAddressStreet
        address2_city = DeliveryAddressCity
        address2_country Fn DeliveryAddressCountryRegionISOCode
        address2_postalcode = DeliveryAddressZipCode
        address2_stateorprovince = DeliveryAddressState
        name = DeliveryAddressDescription
    """,
    "contacts": f"""
        department = EmploymentDepartment
        description = Notes
        emailaddress1 = PrimaryEmailAddress
        gendercode Fn Gender
        governmentid = GovernmentIdentificationNumber
        firstname = FirstName
        lastname = LastName
        middlename = MiddleName
        msdynce_contactnumber = ContactPersonPartyNumber
        address1_city = PrimaryAddressCity
        address1_country Fn PrimaryAddressCountryRegionISOCode
        address1_line1 = PrimaryAddressStreet
        - Fn ContactPersonPartyType
        telephone1 = PrimaryPhoneNumber
        address1_postalcode = PrimaryAddressZipCode
        address1_stateorprovince = PrimaryAddressStateId
        websiteurl = PrimaryURL
        familystatuscode Fn MaritalStatus
        donotemail Fn IsReceivingDirectMail
        jobtitle = EmploymentProfession
        statecode Fn IsInactive
        {PARENT} = AssociatedPartyNumber
        - Fn IsContactPersonExternallyMaintained
    """,
    "contact-customers": """
        firstname = PersonFirstName
        middlename = PersonMiddleName
        lastname = PersonLastName
        creditlimit = CreditLimit
        - Fn CustomerGroupId
        fax = PrimaryContactFax
        transactioncurrencyid.isocurrencycode Fn SalesCurrencyCode
        msdynce_contactnumber = CustomerAccount
        address1_city = AddressCity
        address1_country Fn AddressCountryRegionISOCode
        description = SalesMemo
        emailaddress1 = PrimaryContactEmail
        address1_line1 = AddressStreet
        - Fn PartyType
        telephone1 = PrimaryContactPhone
        address1_postalcode = AddressZipCode
        address1_stateorprovince = AddressState
        websiteurl = PrimaryContactURL
        fullname = AddressDescription
        - Fn LanguageId
        msdynce_contactnumber = PartyNumber
        - Fn IsExternallyMaintained
    """,
    "products": """
        CurrencyCode = transactioncurrencyid.isocurrencycode
        ProductDescription = description
        ProductName = name
        ProductNumber = productnumber
        SalesUnitSymbol Fn defaultuomid.name
        SalesPrice = price
        UnitCost = currentcost
        IsStockedProduct Fn isstockitem
        ProductType Fn producttypecode
        - Fn defaultuomscheduleid.name
        - Fn msdynce_ismaintainedexternally
        SalesUnitDecimalPrecision Fn quantitydecimal
    """,
    "quotes": f"""
        {POLY} = RequestingCustomerAccountNumber
        shipto_city = DeliveryAddressCity
        shipto_country Fn DeliveryAddressCountryRegionISOCode
        transactioncurrencyid.isocurrencycode = CurrencyCode
        shipto_line1 = DeliveryAddressStreet
        billto_line2 = DeliveryAddressStreetNumber
        billto_postalcode = DeliveryAddressZipCode
        quotenumber = SalesQuotationNumber
        shipto_stateorprovince = DeliveryAddressStateId
        totalamount = QuotationTotalAmount
        name = SalesQuotationName
        - Fn DeliveryAddressName
        - Fn IsDeliveryAddressOrderSpecific
        - Fn DeliveryAddressDescription
    """,
    "quote-lines": """
        productid.productnumber = ProductNumber
        quantity = RequestedSalesQuantity
        quoteid.quotenumber = SalesQuotationNumber
        sequencenumber = LineCreationSequenceNumber
        uomid.name Fn SalesUnitSymbol
        manualdiscountamount = TotalDiscountAmount
        priceperunit = SalesPrice
    """,
}

# Where the packaged template chooses otherwise than the published picture, and why (the template's comments say it).
CHOSEN = {
    ("quotes", "DeliveryAddressStreetNumber"): "ship-to instead of bill-to",
    ("quotes", "DeliveryAddressZipCode"): "ship-to instead of bill-to",
    ("accounts", "OrganizationName"): "cut to the column",
    ("accounts", "AddressDescription"): "cut to the column",
    ("accounts", "DeliveryAddressDescription"): "cut to the column",
    ("contact-customers", "AddressDescription"): "cut to the column",
    ("products", "name"): "cut to the column",
    ("quotes", "SalesQuotationName"): "cut to the column",
}


def published(task: str) -> list[tuple[str, str, str]]:
    lines = (line.split() for line in PUBLISHED[task].strip().splitlines())
    return [(source, kind, to) for source, kind, to in lines]


def rows_of(made: Template) -> list[tuple[str, str, str]]:
    kinds = {"copy": "=", "default": "Fn", "transform": "Fn"}
    return [(rule.paths[0] if rule.paths else "-", kinds[rule.kind], rule.to) for rule in made.fields]


@pytest.mark.parametrize("task", PUBLISHED)
def test_a_template_has_the_published_rows_but_for_the_named_choices(task: str) -> None:
    own, theirs = rows_of(template(task)), published(task)
    assert [to for *_, to in own] == [to for *_, to in theirs]
    differing = {(task, to) for (*left, to), (*right, _) in zip(own, theirs, strict=True) if left != right}
    assert differing == {choice for choice in CHOSEN if choice[0] == task}


def test_there_is_a_template_for_every_task_and_no_other() -> None:
    assert packaged_tasks() == tuple(sorted(PUBLISHED))


@pytest.mark.parametrize("task", PUBLISHED)
def test_a_template_written_out_and_read_again_is_the_same(task: str) -> None:
    made = template(task)
    again = Template.model_validate(made.to_dict())
    assert (again.to_dict(), again.sha) == (made.to_dict(), made.sha)


def test_queries_name_every_column_the_rules_need() -> None:
    made = template("contacts")
    assert made.source.key == ("msdynce_contactnumber",)
    assert made.destination.key == ("ContactPersonPartyNumber", "AssociatedPartyNumber")
    assert {"parentcustomerid.account.accountnumber", "parentcustomerid.contact.msdynce_contactnumber"} <= set(
        made.source.columns
    )
    assert len(made.destination.columns) == 23


def test_organisations_and_persons_do_not_see_each_other_as_extra() -> None:
    filters = {task: template(task).destination.filter for task in ("accounts", "contact-customers")}
    assert filters == {"accounts": "PartyType eq 'Organization'", "contact-customers": "PartyType eq 'Person'"}


def test_the_needs_of_the_tasks_form_the_documented_order() -> None:
    assert {task: template(task).needs for task in packaged_tasks()} == {
        "products": (),
        "accounts": (),
        "contacts": ("accounts",),
        "contact-customers": ("accounts",),
        "quotes": ("products", "accounts", "contact-customers"),
        "quote-lines": ("quotes",),
    }


def test_a_template_file_is_read_from_its_path_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.yml"
    file.write_text(GOOD)
    assert template(file).task == "own"
    with pytest.raises(TemplateError, match=r"missing\.yml cannot be read"):
        template(tmp_path / "missing.yml")


def test_the_workspace_s_own_template_goes_before_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2C_WORKSPACE", str(tmp_path))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "accounts.yml").write_text(GOOD)
    assert template("accounts").title == "Own"


def test_an_unknown_task_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'accounts'\?"):
        template("acounts")


def test_the_text_of_a_template_knows_only_true_and_false_as_booleans() -> None:
    made = parse(GOOD.replace("trim", "{value_map: {no: Norway, yes: 010}}"))
    assert made.fields[1].apply[0].arguments == {"pairs": {"no": "Norway", "yes": "010"}}


def test_html_and_text_of_a_template_tell_its_rules() -> None:
    made = parse(GOOD.replace("title: Own", "title: <Own>"))
    assert repr(made) == "Template(own: sales accounts -> finops CustomersV2, 2 fields)"
    assert "&lt;Own&gt;" in made._repr_html_()
    assert "trim, default x" in made._repr_html_()


@pytest.mark.parametrize("task", PUBLISHED)
def test_every_choice_of_every_option_gives_a_template_that_says_so(task: str) -> None:
    made = template(task)
    assert made.options
    for name, option in made.options.items():
        for choice in set(option.choices) - {option.default}:
            other = template(task, **{name: choice})
            assert other.chosen == {name: choice}
            assert other.sha != made.sha
            assert Template.model_validate(other.to_dict()).to_dict() == other.to_dict()


def test_the_published_quote_header_is_an_option_of_the_packaged_one() -> None:
    own = rows_of(template("quotes", delivery_address="published"))
    assert [row for row in own if "billto" in row[0]] == [
        ("billto_line2", "=", "DeliveryAddressStreetNumber"),
        ("billto_postalcode", "=", "DeliveryAddressZipCode"),
    ]


def test_a_choice_may_take_columns_away_and_change_the_filter() -> None:
    lines = template("quote-lines", discount="per-unit")
    assert lines.rule("TotalDiscountAmount") is None
    assert "TotalDiscountAmount" not in lines.compare.columns
    assert "manualdiscountamount" in lines.source.columns
    assert template("accounts", accounts="active").source.filter == "statecode eq 0"


def test_the_second_version_of_the_contact_entity_is_a_choice_with_a_key_of_its_own() -> None:
    made = template("contacts", version="v2")
    assert made.destination.entity == "CDSContactPersonsV2"
    assert made.destination.key == ("ContactPersonPartyNumber", "AssociatedContactNumber", "AssociatedContactType")
    assert [parent.column for parent in made.parents] == ["AssociatedContactNumber"]


def test_an_unknown_option_or_choice_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'country'\?"):
        template("accounts", contry="iso2")
    with pytest.raises(UnknownName, match=r"Allowed: iso2, iso3"):
        template("accounts", country="iso4")


def test_a_rule_is_replaced_added_or_taken_away_in_a_new_template() -> None:
    made = parse(GOOD)
    rule = FieldRule.model_validate({"from": "fax", "to": "OrganizationName"})
    assert made.with_rule(rule).rule("OrganizationName") == rule
    assert [r.to for r in made.without("OrganizationName").fields] == ["CustomerAccount"]
    assert made == parse(GOOD)
    with pytest.raises(TemplateError, match="key names CustomerAccount"):
        made.without("CustomerAccount")


GOOD = """\
version: 1
task: own
title: Own
source: {app: sales, entity: accounts}
destination: {app: finops, entity: CustomersV2}
key: {accountnumber: CustomerAccount}
fields:
  - {from: accountnumber, to: CustomerAccount}
  - {from: name, to: OrganizationName, apply: [trim], default: x}
compare: {ignore: {OrganizationName: a reason}}
"""

# What is changed in GOOD, the path the error names, and a word that must be in it.
MISTAKES = [
    ("title: Own", "titel: Own", "titel", "Did you mean 'title'?"),
    ("task: own", "", "task", "is missing"),
    ("version: 1", "version: 2", "version", "1"),
    ("app: sales, entity", "app: sale, entity", "source.app", "'sales'"),
    ("app: sales, entity", "app: sales, enitty", "source.enitty", "Did you mean 'entity'?"),
    ("entity: accounts}", "entity: accounts, expand: {}}", "source.expand", "Allowed: app, entity, filter"),
    ("entity: CustomersV2", "entity: [CustomersV2]", "destination.entity", "string"),
    ("key: {accountnumber: CustomerAccount}", "key: {}", "key", "at least one"),
    ("key: {accountnumber", "key: {account number", "key", "'account number' is no path"),
    ("key: {accountnumber: CustomerAccount}", "key: {accountnumber: Account}", None, "key names Account"),
    ("from: name,", "form: name,", "fields[1].form", "Did you mean 'from'?"),
    ("to: OrganizationName,", "too: OrganizationName,", "fields[1].too", "Did you mean 'to'?"),
    ("from: name,", "from: 'name;',", "fields[1].from", "no path"),
    ("from: name,", "from: a.b.c.d,", "fields[1].from", "no path"),
    ("from: name,", "from: [name, fax],", "fields[1]", "coalesce"),
    ("from: name, to: OrganizationName, apply: [trim], default: x", "to: OrganizationName", "fields[1]", "default"),
    ("[trim]", "[trimm]", "fields[1].apply[0]", "Did you mean 'trim'?"),
    ("[trim]", "[trim, {truncat: 5}]", "fields[1].apply[1]", "Did you mean 'truncate'?"),
    ("[trim]", "[{truncate: five}]", "fields[1].apply[0]", "length"),
    ("[trim]", "[truncate]", "fields[1].apply[0]", "argument length is missing"),
    ("[trim]", "[{trim: 5}]", "fields[1].apply[0]", "takes no argument"),
    ("[trim]", "[{truncate: 5, otherwhise: reject}]", "fields[1].apply[0]", "Did you mean 'otherwise'?"),
    ("[trim]", "[{truncate: 5, otherwise: drop}]", "fields[1].apply[0]", "reject, null, keep"),
    ("[trim]", "[{country_code: iso4}]", "fields[1].apply[0]", "iso2"),
    ("[trim]", "[{value_map: [a, b]}]", "fields[1].apply[0]", "pairs"),
    ("[trim]", "trim", "fields[1].apply", "tuple"),
    ("to: OrganizationName", "to: CustomerAccount", None, "mapped more than once: CustomerAccount"),
    ("ignore:", "ignored:", "compare.ignored", "Did you mean 'ignore'?"),
    ("ignore: {Organ", "ignore: {organ", None, "compare names organizationName"),
    (
        "ignore: {OrganizationName: a reason}",
        "tolerance: {OrganizationName: much}",
        "compare.tolerance.OrganizationName",
        "decimal",
    ),
    ("compare:", "limits: {max_create: 5}\ncompare:", "limits.max_create", "Did you mean 'max_creates'?"),
    ("compare:", "parents: [{column: CustomerAccount, task: [a], says: b}]\ncompare:", "parents[0].task", "'tasks'"),
    ("task: own", "task: own\ntask: own", None, "comes twice"),
    (
        "compare:",
        "options: {a: {say: x, default: b, choices: {b: {}}}}\ncompare:",
        "options.a.say",
        "Did you mean 'says'?",
    ),
    ("compare:", "options: {a: {says: x, default: c, choices: {b: {}}}}\ncompare:", "options.a", "none of b"),
    (
        "compare:",
        "options: {a: {says: x, default: b, choices: {b: {}, c: {filtre: x}}}}\ncompare:",
        "options.a.choices.c.filtre",
        "'filter'",
    ),
    ("title: Own", "title: [Own", None, "no YAML"),
    ("title: Own", "title: !!python/object:os.system x", None, "no YAML"),
]


@pytest.mark.parametrize(("old", "new", "path", "word"), MISTAKES, ids=[new or old for old, new, *_ in MISTAKES])
def test_a_mistake_in_a_template_is_named_with_its_place_and_what_is_right(
    old: str, new: str, path: str | None, word: str
) -> None:
    assert old in GOOD
    with pytest.raises(TemplateError) as raised:
        parse(GOOD.replace(old, new, 1))
    assert raised.value.path == path
    assert word in str(raised.value)
