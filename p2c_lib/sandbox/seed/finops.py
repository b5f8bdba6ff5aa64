"""The same company as F&O holds it, row for row what a correct synchronisation would have written."""

from __future__ import annotations

import random

from p2c_lib.sandbox.references import COMPANY, Row, unit_guid
from p2c_lib.sandbox.seed.pools import LOREM, MATERIALS, THINGS, USES, Pools
from p2c_lib.sandbox.seed.sales import PRODUCT_DEFAULTS, Maker

_MARITAL = {1: "Single", 2: "Married", 3: "Divorced", 4: "Widowhood"}
_UNITS = (("ea", "Each"), ("box", "Box"), ("pr", "Pair"), ("dz", "Dozen"))


def iso3(row: Row, column: str, pools: Pools) -> str:
    """The ISO-3 code of a country's name; the United States when there is none."""
    name = row.get(column)
    return next((land.iso3 for land in pools.lands if land.name == name), "USA")


def _cut(text: object, length: int) -> str:
    return str(text).strip()[:length].rstrip()


def _customer(number: object, row: Row, pools: Pools) -> Row:
    return {
        "dataAreaId": COMPANY,
        "CustomerAccount": number,  # type: ignore[dict-item]
        "PartyNumber": number,  # type: ignore[dict-item]
        "CustomerGroupId": "10",
        "SalesCurrencyCode": row["@currency"],
        "LanguageId": "en-us",
        "IsExternallyMaintained": "Yes",
        "CreditLimit": row.get("creditlimit"),
        "SalesMemo": row.get("description"),
        "PrimaryContactFax": row.get("fax"),
        "PrimaryContactEmail": row.get("emailaddress1"),
        "PrimaryContactPhone": row.get("telephone1"),
        "PrimaryContactURL": row.get("websiteurl"),
        "AddressStreet": row.get("address1_line1"),
        "AddressCity": row.get("address1_city"),
        "AddressState": row.get("address1_stateorprovince"),
        "AddressZipCode": row.get("address1_postalcode"),
        "AddressCountryRegionISOCode": iso3(row, "address1_country", pools),
    }


def customer_of_account(row: Row, pools: Pools) -> Row:
    """The customer an account becomes."""
    return {
        **_customer(row["accountnumber"], row, pools),
        "PartyType": "Organization",
        "OrganizationName": _cut(row["name"], 100),
        "OrganizationNumberOfEmployees": row.get("numberofemployees"),
        "AddressDescription": _cut(row["name"], 60),
        "AddressLocationRoles": "Business",
        "SiteId": "1",
        "WarehouseId": "13",
        "DeliveryAddressStreet": row.get("address2_line1"),
        "DeliveryAddressCity": row.get("address2_city"),
        "DeliveryAddressState": row.get("address2_stateorprovince"),
        "DeliveryAddressZipCode": row.get("address2_postalcode"),
        "DeliveryAddressCountryRegionISOCode": iso3(row, "address2_country", pools),
        "DeliveryAddressDescription": _cut(row["name"], 60),
    }


def customer_of_contact(row: Row, pools: Pools) -> Row:
    """The customer a person who buys becomes."""
    return {
        **_customer(row["msdynce_contactnumber"], row, pools),
        "PartyType": "Person",
        "PersonFirstName": row["firstname"],
        "PersonLastName": row["lastname"],
        "AddressDescription": _cut(row["fullname"], 60),
    }


def contact_person(row: Row, pools: Pools) -> Row:
    """The contact person that someone at an account becomes."""
    return {
        "dataAreaId": COMPANY,
        "ContactPersonPartyNumber": row["msdynce_contactnumber"],
        "AssociatedPartyNumber": row["@account"],
        "ContactPersonPartyType": "Person",
        "FirstName": row["firstname"],
        "LastName": row["lastname"],
        "EmploymentDepartment": row.get("department"),
        "EmploymentProfession": row.get("jobtitle"),
        "PrimaryEmailAddress": row.get("emailaddress1"),
        "PrimaryPhoneNumber": row.get("telephone1"),
        "Gender": {1: "Male", 2: "Female"}.get(int(row.get("gendercode") or 0), "Unknown"),
        "MaritalStatus": _MARITAL.get(int(row.get("familystatuscode") or 0), "None"),
        "IsReceivingDirectMail": "No" if row.get("donotemail") else "Yes",
        "IsInactive": "Yes" if row["statecode"] else "No",
        "IsContactPersonExternallyMaintained": "Yes",
        "PrimaryAddressStreet": row.get("address1_line1"),
        "PrimaryAddressCity": row.get("address1_city"),
        "PrimaryAddressStateId": row.get("address1_stateorprovince"),
        "PrimaryAddressZipCode": row.get("address1_postalcode"),
        "PrimaryAddressCountryRegionISOCode": iso3(row, "address1_country", pools),
    }


def released_product(index: int, rng: random.Random) -> Row:
    """A product that F&O sells."""
    use, material, thing = rng.choice(USES), rng.choice(MATERIALS), rng.choice(THINGS)
    unit = rng.choices(_UNITS, weights=(80, 8, 8, 4))[0]
    cost = round(rng.uniform(2, 400), 2)
    return {
        "dataAreaId": COMPANY,
        "ProductNumber": f"{thing[:2].upper()}{material[0]}-{index + 1001}",
        "ProductName": f"{material} {thing} {use} {index + 1}",
        "ProductDescription": f"{use} {thing.lower()}, {material.lower()}; {rng.choice(LOREM)}." if index % 3 else None,
        "ProductType": "Item",
        "SalesUnitSymbol": unit[0],
        "SalesUnitDecimalPrecision": 0,
        "InventoryUnitSymbol": "ea",
        "InventoryUnitDecimalPrecision": 0,
        "SalesPrice": round(cost * rng.uniform(1.2, 2.2), 2),
        "UnitCost": cost,
        "CurrencyCode": "USD",
        "IsStockedProduct": "Yes",
        "IsSalesStopped": "No",
        "@unit": unit[1],
    }


def sales_product(product: Row, index: int, maker: Maker) -> Row:
    """The Sales product that a released product becomes."""
    return {
        "productid": maker.guid(0xB000, index),
        "productnumber": product["ProductNumber"],
        "name": product["ProductName"],
        "description": product["ProductDescription"],
        "price": product["SalesPrice"],
        "currentcost": product["UnitCost"],
        "producttypecode": 1,
        "isstockitem": 1,
        "quantitydecimal": 0,
        "defaultuomid": unit_guid(str(product["@unit"])),
        "msdynce_ismaintainedexternally": 1,
        **PRODUCT_DEFAULTS,
        **maker.stamps(),
    }


def quotation(quote: Row, lines: list[Row], pools: Pools) -> Row:
    """The quotation header that a quote becomes, with the total of its lines."""
    land = next((x for x in pools.lands if x.name == quote.get("shipto_country")), pools.lands[0])
    return {
        "dataAreaId": COMPANY,
        "SalesQuotationNumber": quote["quotenumber"],
        "RequestingCustomerAccountNumber": quote["@customer"],
        "InvoiceCustomerAccountNumber": quote["@customer"],
        "CurrencyCode": quote["@currency"],
        "SalesQuotationName": _cut(quote["name"], 60),
        "QuotationTotalAmount": round(sum(float(line["LineAmount"] or 0) for line in lines), 4),
        "DeliveryAddressStreet": quote.get("shipto_line1"),
        "DeliveryAddressCity": quote.get("shipto_city"),
        "DeliveryAddressStateId": quote.get("shipto_stateorprovince"),
        "DeliveryAddressZipCode": quote.get("shipto_postalcode"),
        "DeliveryAddressCountryRegionISOCode": land.iso2,
        "DeliveryAddressName": "Delivery",
        "DeliveryAddressDescription": "Delivery",
        "IsDeliveryAddressOrderSpecific": "Yes",
        "LanguageId": "en-us",
        "SalesQuotationStatus": "Created",
        "RequestedShippingDate": f"{str(quote['requestdeliveryby'])[:10]}T12:00:00Z",
    }


def quotation_line(line: Row, quote: Row, product: Row) -> Row:
    """The quotation line that a quote line becomes: the discount per unit, what rounding leaves as a charge."""
    quantity, price = float(line["quantity"] or 0), float(line["priceperunit"] or 0)
    discount = float(line.get("manualdiscountamount") or 0)
    each = round(discount / quantity, 2) if quantity else 0.0
    return {
        "dataAreaId": COMPANY,
        "SalesQuotationNumber": quote["quotenumber"],
        "LineCreationSequenceNumber": line["sequencenumber"],
        "ProductNumber": product["ProductNumber"],
        "ProductName": product["ProductName"],
        "RequestedSalesQuantity": quantity,
        "SalesUnitSymbol": product["SalesUnitSymbol"],
        "SalesPrice": price,
        "CurrencyCode": quote["@currency"],
        "TotalDiscountAmount": discount or None,
        "LineDiscountAmount": each or None,
        "FixedPriceCharges": round(quantity * each - discount, 2) or None,
        "LineAmount": round(quantity * price - discount, 4),
        "SalesQuotationStatus": "Created",
        "InventoryLotId": f"L{str(line['quotedetailid'])[-9:]}",
    }
