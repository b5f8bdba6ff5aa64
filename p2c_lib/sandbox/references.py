"""The rows both systems must have before anything else: currencies, units, countries, companies, price lists, users.

Every identifier is made from the row's name, so that the same reference row has the same id in every sandbox.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.store import Store, Value, table

_SPACE = uuid.UUID("0b7a1d8e-52f6-5c0e-8d57-6a1f2f0a9c11")
Row = dict[str, Value]
FOUNDED = "2019-01-07T08:00:00Z"
COMPANY = "usmf"
OTHER_COMPANY = "usrt"

# Units of the currency for one US dollar; the last two left circulation and only Sales still knows them.
RATES: Mapping[str, float] = {
    "USD": 1.0, "EUR": 0.92, "GBP": 0.79, "CAD": 1.36, "AUD": 1.52, "CHF": 0.88, "SEK": 10.4, "NOK": 10.6,
    "DKK": 6.86, "JPY": 149.0, "CNY": 7.2, "INR": 83.2, "MXN": 17.1, "BRL": 4.97, "NZD": 1.64, "PLN": 3.98,
    "CZK": 23.2, "HUF": 358.0, "ZAR": 18.8, "SGD": 1.34, "TRY": 31.0, "AED": 3.67, "HKD": 7.82, "KRW": 1330.0,
    "DEM": 1.8, "FRF": 6.04,
}  # fmt: skip
GONE = ("DEM", "FRF")
CURRENCY_NAMES = {
    "USD": ("US Dollar", "$"), "EUR": ("Euro", "€"), "GBP": ("Pound Sterling", "£"), "CAD": ("Canadian Dollar", "$"),
    "AUD": ("Australian Dollar", "$"), "JPY": ("Yen", "¥"), "DEM": ("Deutsche Mark", "DM"),
    "FRF": ("French Franc", "F"),
}  # fmt: skip

# Alpha-3, alpha-2 and currency of the countries F&O knows.
COUNTRIES = tuple(
    tuple(line.split())
    for line in """
    ARE AE AED|ARG AR USD|AUS AU AUD|AUT AT EUR|BEL BE EUR|BGR BG EUR|BRA BR BRL|CAN CA CAD|CHE CH CHF|CHL CL USD
    CHN CN CNY|COL CO USD|CZE CZ CZK|DEU DE EUR|DNK DK DKK|EGY EG USD|ESP ES EUR|EST EE EUR|FIN FI EUR|FRA FR EUR
    GBR GB GBP|GRC GR EUR|HKG HK HKD|HRV HR EUR|HUN HU HUF|IDN ID USD|IND IN INR|IRL IE EUR|ISL IS EUR|ISR IL USD
    ITA IT EUR|JPN JP JPY|KOR KR KRW|LTU LT EUR|LUX LU EUR|LVA LV EUR|MEX MX MXN|MYS MY USD|NLD NL EUR|NOR NO NOK
    NZL NZ NZD|PER PE USD|PHL PH USD|POL PL PLN|PRT PT EUR|ROU RO EUR|SAU SA USD|SGP SG SGD|SRB RS EUR|SVK SK EUR
    SVN SI EUR|SWE SE SEK|THA TH USD|TUR TR TRY|TWN TW USD|UKR UA USD|URY UY USD|USA US USD|VNM VN USD|ZAF ZA ZAR
    """.replace("\n", "|").split("|")
    if line.strip()
)
# Sales' unit, F&O's symbol, F&O's class and decimals.
UNITS = (
    ("Each", "ea", "Quantity", 0), ("Box", "box", "Quantity", 0), ("Dozen", "dz", "Quantity", 0),
    ("Pair", "pr", "Quantity", 0), ("Piece", "pcs", "Quantity", 0), ("Hour", "hr", "Time", 2),
    ("Day", "day", "Time", 2), ("Pound", "lb", "Mass", 2), ("Kilogram", "kg", "Mass", 3),
    ("Litre", "l", "LiquidVolume", 2), ("Meter", "m", "Length", 2),
)  # fmt: skip
# A unit that F&O sells in and nobody made in Sales.
UNITS_OF_FINOPS_ONLY = (("pal", "Quantity", 0),)
DEFAULT_GROUP = "Default unit"
LANGUAGES = (
    "en-us",
    "en-gb",
    "en-ca",
    "en-au",
    "de",
    "de-at",
    "fr",
    "fr-ca",
    "fr-be",
    "nl",
    "it",
    "es",
    "sv",
    "da",
    "ja",
)
GROUPS = {"10": "Wholesale customers", "20": "Major customers", "30": "Retail customers", "40": "Internet customers",
          "80": "Other customers", "90": "Intercompany customers"}  # fmt: skip
SITES = {"1": ("Main site", ("11", "12", "13")), "2": ("West", ("21", "22")), "3": ("East", ("31", "32"))}
TERMS = {"Net10": 10, "Net30": 30, "Net45": 45, "COD": 0}
DELIVERY = {"FOB": "Free on board", "CIF": "Cost, insurance and freight", "EXW": "Ex works"}
MODES = {"10": "Ground", "20": "Air", "30": "Pick-up"}


@cache
def fixed_guid(kind: str, name: str) -> str:
    """The id of a row that has the same id in every sandbox."""
    return str(uuid.uuid5(_SPACE, f"{kind}:{name}"))


ORGANISATION = fixed_guid("organization", "sandbox")
BUSINESS_UNIT = fixed_guid("businessunit", "root")
USER = fixed_guid("systemuser", "integration")
TEAM = fixed_guid("team", "default")
UNIT_GROUP = fixed_guid("uomschedule", DEFAULT_GROUP)
STAMPS: Mapping[str, Value] = {"createdon": FOUNDED, "modifiedon": FOUNDED}
OWNED: Mapping[str, Value] = {
    "ownerid": USER,
    "ownerid!type": "systemuser",
    "owninguser": USER,
    "owningbusinessunit": BUSINESS_UNIT,
    "createdby": USER,
    "modifiedby": USER,
}


def currency_guid(code: str) -> str:
    """The id of a Sales currency."""
    return fixed_guid("transactioncurrency", code)


def price_list_guid(code: str) -> str:
    """The id of the standard price list of a currency."""
    return fixed_guid("pricelevel", code)


def unit_guid(name: str) -> str:
    """The id of a Sales unit of the default group."""
    return fixed_guid("uom", name)


def add_references(store: Store, *, currencies: Iterable[str], units: Iterable[str] = ()) -> None:
    """Insert every reference row that is not there yet, on both sides; inside ``store.write`` only.

    ``currencies`` and ``units`` are those Sales has beside its base currency and base unit. F&O gets the living
    currencies whatever Sales has.
    """
    _sales(store, ["USD", *currencies], ["Each", *units])
    _finops(store)


def _add(store: Store, system: str, set_name: str, rows: Iterable[Mapping[str, Value]]) -> None:
    entity: Entity = entities("sales" if system == "sales" else "finops")[set_name]
    key = ", ".join(f'"{name}"' for name in entity.key)
    there = {tuple(row) for row in store.connection.execute(f"SELECT {key} FROM {table(entity)}")}  # noqa: S608
    for row in rows:
        if tuple(row[name] for name in entity.key) not in there:
            store.insert(entity, row)
            there.add(tuple(row[name] for name in entity.key))


def _sales(store: Store, currencies: Sequence[str], units: Sequence[str]) -> None:
    organisation: Row = {
        "organizationid": ORGANISATION,
        "name": "Sandbox Trading",
        "languagecode": 1033,
        "localeid": 1033,
    }
    settings: Row = {"basecurrencyid": currency_guid("USD"), "basecurrencyprecision": 4, "pricingdecimalprecision": 4}
    flags: Row = {"createproductswithoutparentinactivestate": 1, "oobpricecalculationenabled": 1}
    method: Row = {"discountcalculationmethod": 0}
    _add(store, "sales", "organizations", [{**organisation, **settings, **flags, **method, **STAMPS}])
    _add(store, "sales", "transactioncurrencies", (_currency(code) for code in dict.fromkeys(currencies)))
    base: Row = {"transactioncurrencyid": currency_guid("USD"), "exchangerate": 1.0, **STAMPS}
    unit: Row = {"businessunitid": BUSINESS_UNIT, "name": "Sandbox Trading", "organizationid": ORGANISATION}
    _add(store, "sales", "businessunits", [{**unit, "isdisabled": 0, **base}])
    _add(store, "sales", "systemusers", [_user(base)])
    team: Row = {
        "teamid": TEAM,
        "name": "Sandbox Trading",
        "businessunitid": BUSINESS_UNIT,
        "isdefault": 1,
        "teamtype": 0,
    }
    owner: Row = {"administratorid": USER, "organizationid": ORGANISATION, "systemmanaged": 0}
    _add(store, "sales", "teams", [{**team, **owner, **STAMPS}])
    group: Row = {
        "uomscheduleid": UNIT_GROUP,
        "name": DEFAULT_GROUP,
        "baseuomname": "Each",
        "organizationid": ORGANISATION,
    }
    _add(store, "sales", "uomschedules", [{**group, "statecode": 0, "statuscode": 1, **STAMPS}])
    _add(store, "sales", "uoms", (_unit(name) for name in dict.fromkeys(units)))
    _add(store, "sales", "pricelevels", (_price_list(code) for code in dict.fromkeys(currencies)))


def _currency(code: str) -> Row:
    name, symbol = CURRENCY_NAMES.get(code, (code, code))
    return {
        "transactioncurrencyid": currency_guid(code),
        "isocurrencycode": code,
        "currencyname": name,
        "currencysymbol": symbol,
        "currencyprecision": 4,
        "exchangerate": RATES.get(code, 1.0),
        "organizationid": ORGANISATION,
        "statecode": 0,
        "statuscode": 1,
        **STAMPS,
    }


def _user(base: Mapping[str, Value]) -> Row:
    return {
        "systemuserid": USER,
        "fullname": "# Sandbox Integration",
        "firstname": "#",
        "lastname": "Sandbox Integration",
        "domainname": "integration@sandbox.example",
        "internalemailaddress": "integration@sandbox.example",
        "businessunitid": BUSINESS_UNIT,
        "organizationid": ORGANISATION,
        "accessmode": 4,
        "isdisabled": 0,
        **base,
    }


def _unit(name: str) -> Row:
    quantity = {"Dozen": 12.0, "Box": 10.0, "Pair": 2.0}.get(name, 1.0)
    return {
        "uomid": unit_guid(name),
        "name": name,
        "uomscheduleid": UNIT_GROUP,
        "quantity": quantity,
        "baseuom": unit_guid("Each") if quantity != 1.0 else None,
        "isschedulebaseuom": int(name == "Each"),
        "organizationid": ORGANISATION,
        **STAMPS,
    }


def _price_list(code: str) -> Row:
    return {
        "pricelevelid": price_list_guid(code),
        "name": "Standard" if code == "USD" else f"Standard {code}",
        "transactioncurrencyid": currency_guid(code),
        "exchangerate": RATES.get(code, 1.0),
        "statecode": 0,
        "statuscode": 100001,
        **STAMPS,
    }


def _finops(store: Store) -> None:
    _add(
        store,
        "finops",
        "LegalEntities",
        [_company(COMPANY, "Sandbox Trading"), _company(OTHER_COMPANY, "Sandbox Retail")],
    )
    living = (code for code in RATES if code not in GONE)
    _add(store, "finops", "Currencies", (_living_currency(code) for code in living))
    countries = ({"CountryRegion": a3, "ISOcode": a2, "CurrencyCode": code} for a3, a2, code in COUNTRIES)
    _add(store, "finops", "AddressCountryRegions", countries)
    _add(store, "finops", "LanguageCodes", ({"LanguageCodeId": c, "Description": c} for c in LANGUAGES))
    symbols = [*((symbol, kind, decimals) for _, symbol, kind, decimals in UNITS), *UNITS_OF_FINOPS_ONLY]
    _add(store, "finops", "UnitsOfMeasure", (_symbol(*one) for one in symbols))
    for company in (COMPANY, OTHER_COMPANY):
        _company_references(store, company)


def _living_currency(code: str) -> Row:
    name, symbol = CURRENCY_NAMES.get(code, (code, code))
    return {"CurrencyCode": code, "Name": name, "Symbol": symbol}


def _symbol(symbol: str, kind: str, decimals: int) -> Row:
    return {"UnitSymbol": symbol, "UnitClass": kind, "DecimalPrecision": decimals, "UnitDescription": symbol}


def _company(company: str, name: str) -> Row:
    return {"LegalEntityId": company, "Name": name, "LanguageId": "en-us", "AddressCountryRegionId": "USA"}


def _company_references(store: Store, company: str) -> None:
    own: Row = {"dataAreaId": company}
    rows: dict[str, list[Row]] = {
        "CustomerGroups": [{"CustomerGroupId": key, "Description": text} for key, text in GROUPS.items()],
        "OperationalSites": [{"SiteId": site, "SiteName": name} for site, (name, _) in SITES.items()],
        "Warehouses": [
            {"WarehouseId": one, "WarehouseName": f"Warehouse {one}", "OperationalSiteId": site}
            for site, (_, houses) in SITES.items()
            for one in houses
        ],
        "PaymentTerms": [{"Name": name, "NumberOfDays": days, "Description": name} for name, days in TERMS.items()],
        "DeliveryTerms": [{"TermsCode": code, "TermsDescription": text} for code, text in DELIVERY.items()],
        "DeliveryModesV2": [{"ModeCode": code, "ModeDescription": text} for code, text in MODES.items()],
        "AccountsReceivableParameters": [{"DeliveryDateControlType": "None", "DefaultCustomerGroupId": "10"}],
    }
    for set_name, listed in rows.items():
        _add(store, "finops", set_name, ({**own, **row} for row in listed))
    scope: Row = {"ScopeType": "DataArea", "ScopeValue": company, "NumberSequenceCode": "Sale_3"}
    sequence: Row = {
        "Name": "Quotations",
        "Manual": "Yes",
        "Format": "QUO-######",
        "Next": 1,
        "Smallest": 1,
        "Largest": 999999,
    }
    _add(store, "finops", "SequenceV2Tables", [{**scope, **sequence, "Company": company}])
    _add(store, "finops", "NumberSequencesV2References", [{**scope, "DataTypeName": "SalesQuotationId"}])
