"""Which values of an F&O row must be found elsewhere, which must be there at all, and what keeps a row from going."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.schema import entities
from p2c_lib.sandbox.store import Store


@dataclass(frozen=True)
class Related:
    """A value that must be found in a column of another set; ``field`` and ``table`` as the Infolog names them."""

    column: str
    field: str
    table: str
    set_name: str
    related: tuple[str, ...]


def columns_of(rule: Related, switches: Switches) -> tuple[str, ...]:
    """The columns a value may be found in: a country by the codes that this environment goes by."""
    if rule.related == ("ISOcode", "CountryRegion") and switches.country_codes != "both":
        return rule.related[:1] if switches.country_codes == "iso2" else rule.related[1:]
    return rule.related


def _country(column: str) -> Related:
    return Related(column, "Country/region", "Countries/regions", "AddressCountryRegions", ("ISOcode", "CountryRegion"))


def _country_id(column: str) -> Related:
    return Related(column, "Country/region", "Countries/regions", "AddressCountryRegions", ("CountryRegion",))


_CURRENCY = ("Currency", "Currencies", "Currencies", ("CurrencyCode",))
_SITE = ("Site", "Sites", "OperationalSites", ("SiteId",))
_WAREHOUSE = ("Warehouse", "Warehouses", "Warehouses", ("WarehouseId",))
_LANGUAGE = ("Language", "Languages", "LanguageCodes", ("LanguageCodeId",))
_CUSTOMER = ("Customer account", "Customers", "CustomersV2", ("CustomerAccount",))
_UNIT = ("Unit", "Units", "UnitsOfMeasure", ("UnitSymbol",))
_PAYMENT = ("Terms of payment", "Terms of payment", "PaymentTerms", ("Name",))
_DELIVERY = ("Delivery terms", "Terms of delivery", "DeliveryTerms", ("TermsCode",))
_MODE = ("Mode of delivery", "Modes of delivery", "DeliveryModesV2", ("ModeCode",))

_CUSTOMER_RULES = (
    Related("CustomerGroupId", "Customer group", "Customer groups", "CustomerGroups", ("CustomerGroupId",)),
    Related("SalesCurrencyCode", *_CURRENCY),
    Related("LanguageId", *_LANGUAGE),
    Related("SiteId", *_SITE),
    Related("WarehouseId", *_WAREHOUSE),
    Related("PaymentTerms", *_PAYMENT),
    Related("DeliveryTerms", *_DELIVERY),
    Related("DeliveryMode", *_MODE),
    *(_country(f"{kind}AddressCountryRegionISOCode") for kind in ("", "Delivery", "Invoice")),
    *(_country_id(f"{kind}AddressCountryRegionId") for kind in ("", "Delivery", "Invoice")),
)
RULES: Mapping[str, tuple[Related, ...]] = {
    "CustomersV2": _CUSTOMER_RULES,
    "CDSContactPersons": (
        Related("AssociatedPartyNumber", "Associated party", "Customers", "CustomersV2", ("PartyNumber",)),
        _country("PrimaryAddressCountryRegionISOCode"),
        _country_id("PrimaryAddressCountryRegionId"),
    ),
    "CDSContactPersonsV2": (
        _country("PrimaryAddressCountryRegionISOCode"),
        _country_id("PrimaryAddressCountryRegionId"),
    ),
    "SellableReleasedProducts": (
        Related("CurrencyCode", *_CURRENCY),
        Related("SalesUnitSymbol", *_UNIT),
        Related("InventoryUnitSymbol", *_UNIT),
    ),
    "CDSSalesQuotationHeaders": (
        Related("RequestingCustomerAccountNumber", *_CUSTOMER),
        Related("InvoiceCustomerAccountNumber", *_CUSTOMER),
        Related("CurrencyCode", *_CURRENCY),
        Related("LanguageId", *_LANGUAGE),
        Related("DefaultShippingSiteId", *_SITE),
        Related("DefaultShippingWarehouseId", *_WAREHOUSE),
        Related("PaymentTermsName", *_PAYMENT),
        Related("DeliveryTermsCode", *_DELIVERY),
        Related("DeliveryModeCode", *_MODE),
        _country("DeliveryAddressCountryRegionISOCode"),
        _country_id("DeliveryAddressCountryRegionId"),
    ),
    "CDSSalesQuotationLines": (
        Related(
            "SalesQuotationNumber", "Quotation", "Quotations", "CDSSalesQuotationHeaders", ("SalesQuotationNumber",)
        ),
        Related("ProductNumber", "Item number", "Released products", "SellableReleasedProducts", ("ProductNumber",)),
        Related("SalesUnitSymbol", *_UNIT),
        Related("ShippingSiteId", *_SITE),
        Related("ShippingWarehouseId", *_WAREHOUSE),
        _country("DeliveryAddressCountryRegionISOCode"),
        _country_id("DeliveryAddressCountryRegionId"),
    ),
}
MUST_BE_FILLED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "CustomersV2": (("CustomerGroupId", "Customer group"), ("SalesCurrencyCode", "Currency")),
    "CDSContactPersons": (("AssociatedPartyNumber", "Associated party"),),
    "CDSContactPersonsV2": (("AssociatedContactNumber", "Associated contact"),),
    "CDSSalesQuotationHeaders": (("RequestingCustomerAccountNumber", "Customer account"), ("CurrencyCode", "Currency")),
    "CDSSalesQuotationLines": (("ProductNumber", "Item number"), ("SalesUnitSymbol", "Unit")),
}
RESTRICTED: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "CustomersV2": (
        ("CDSSalesQuotationHeaders", "RequestingCustomerAccountNumber", "CustomerAccount"),
        ("CDSContactPersons", "AssociatedPartyNumber", "PartyNumber"),
    ),
    "SellableReleasedProducts": (("CDSSalesQuotationLines", "ProductNumber", "ProductNumber"),),
    "CustomerGroups": (("CustomersV2", "CustomerGroupId", "CustomerGroupId"),),
}


_INDEXES = (
    ("CustomersV2", ("dataAreaId", "PartyNumber")),
    ("CDSContactPersons", ("dataAreaId", "AssociatedPartyNumber")),
    ("CDSSalesQuotationHeaders", ("dataAreaId", "RequestingCustomerAccountNumber")),
    ("CDSSalesQuotationLines", ("dataAreaId", "SalesQuotationNumber")),
    ("CDSSalesQuotationLines", ("dataAreaId", "ProductNumber")),
)


def create_rule_indexes(store: Store) -> None:
    """The indexes that the rules' look-ups need beside those of the keys."""
    sets = entities("finops")
    with store.write():
        for set_name, columns in _INDEXES:
            store.add_index(sets[set_name], columns)
