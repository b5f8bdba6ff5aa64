"""What the sandbox's schema promises to everything that stands on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from p2c_lib.sandbox.schema import Entity, entities, entity, enums

ALL = [*entities("sales").values(), *entities("finops").values()]


def test_the_entity_sets_of_the_six_tasks_and_their_references_are_there():
    assert set(entities("sales")) >= {
        "accounts", "contacts", "products", "quotes", "quotedetails", "pricelevels", "productpricelevels", "uoms",
        "uomschedules", "transactioncurrencies", "businessunits", "systemusers", "teams", "organizations",
        "salesorders", "salesorderdetails", "invoices", "invoicedetails",
    }  # fmt: skip
    assert set(entities("finops")) >= {
        "CustomersV2", "CDSContactPersons", "CDSContactPersonsV2", "SellableReleasedProducts", "CustomerGroups",
        "CDSSalesQuotationHeaders", "CDSSalesQuotationLines", "Currencies", "AddressCountryRegions", "UnitsOfMeasure",
        "OperationalSites", "Warehouses", "LegalEntities", "LanguageCodes", "PaymentTerms", "DeliveryTerms",
        "SequenceV2Tables", "NumberSequencesV2References", "AccountsReceivableParameters",
    }  # fmt: skip


@pytest.mark.parametrize("one", ALL, ids=lambda e: e.set_name)
def test_every_name_an_entity_uses_exists(one: Entity):
    assert set(one.key) <= set(one.columns)
    assert all(set(columns) <= set(one.columns) for columns in one.alternate_keys.values())
    assert one.primary_name == "" or one.primary_name in one.columns
    for child, lookup in one.collections.values():
        assert lookup in entity(one.system, child).columns
    for column in one.columns.values():
        assert len(column.targets) == len(column.navigation)
        assert (column.kind == "lookup") == bool(column.targets)
        assert column.kind not in ("choice", "state", "status") or column.choices
        assert column.enum is None or column.enum in enums()


def test_columns_say_what_the_services_say():
    sales, finops = entities("sales"), entities("finops")
    number = sales["contacts"].columns["msdynce_contactnumber"]
    assert (number.kind, number.length, number.required) == ("string", 20, "application")
    customer = sales["quotes"].columns["customerid"]
    assert customer.targets == ("account", "contact")
    assert customer.navigation == ("customerid_account", "customerid_contact")
    assert sales["quotes"].columns["statecode"].default_status == {0: 1, 1: 2, 2: 4, 3: 7}
    assert (647390000, "Submitted", 3) in sales["quotes"].columns["statuscode"].choices
    assert sales["quotes"].columns["statecode"].create is False
    assert sales["quotes"].collections["quote_details"] == ("quotedetail", "quoteid")
    assert sales["accounts"].alternate_keys == {"msdynce_accountnumber": ("accountnumber",)}
    assert finops["CDSContactPersons"].key == ("dataAreaId", "ContactPersonPartyNumber", "AssociatedPartyNumber")
    assert finops["CustomersV2"].columns["PersonGender"].enum == "Gender"
    assert finops["CDSSalesQuotationHeaders"].columns["RequestedShippingDate"].behavior == "Date"
    assert finops["CustomersV2"].name == "CustomerV2"
    assert finops["CustomersV2"].aot == "CustCustomerV2Entity"
    assert not finops["Currencies"].companied


def test_the_schema_loads_in_a_blink():
    timed = (
        "import time; from p2c_lib.sandbox.schema import entities, enums; t = time.process_time();"
        "entities('sales'); entities('finops'); enums(); print(time.process_time() - t)"
    )
    best = min(float(subprocess.check_output([sys.executable, "-c", timed])) for _ in range(3))
    assert best < 0.05
