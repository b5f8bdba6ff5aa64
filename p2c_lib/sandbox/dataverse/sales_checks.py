"""What the Sales app refuses when a product, price list, price-list item, currency or quote is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, Value
from p2c_lib.sandbox.wire import Refusal

_MOST_DECIMALS = 5


def check_create(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    """Complete and check a new row of the Sales app; `Refusal` (400) with the app's own code."""
    check = _CHECKS.get(entity.name)
    if check is not None:
        check(organisation, values)


def _refused(code: str, message: str) -> Refusal:
    return Refusal(400, code, message)


def _product(organisation: Organisation, values: dict[str, Value]) -> None:
    if values.get("productnumber") is None:
        raise _refused("0x80043b05", "The product number is missing.")
    unit = organisation.store.find(by_name("uom"), {"uomid": values.get("defaultuomid")})
    group = (unit or {}).get("uomscheduleid")
    if values.get("defaultuomscheduleid") is None:
        values["defaultuomscheduleid"] = group
    if values.get("defaultuomscheduleid") is None and unit is None:
        raise _refused("0x80043b13", "The product must have a unit group and a default unit.")
    if unit is not None and group is not None and group != values["defaultuomscheduleid"]:
        raise _refused("0x80043b14", "The default unit is not valid: it does not belong to the product's unit group.")
    decimals = values.get("quantitydecimal")
    if decimals is not None and not 0 <= int(decimals) <= _MOST_DECIMALS:
        raise _refused("0x80043b07", f"The number of decimals must be between 0 and {_MOST_DECIMALS}.")


def _price_list(organisation: Organisation, values: dict[str, Value]) -> None:
    if values.get("name") is None:
        raise _refused("0x80043b0e", "The name of the price list is missing.")
    if _exists(organisation.store, "pricelevel", {"name": values["name"]}):
        raise _refused("0x80043b0f", f"A price list with the name '{values['name']}' already exists.")


def _price_list_item(organisation: Organisation, values: dict[str, Value]) -> None:
    key = {name: values.get(name) for name in ("pricelevelid", "productid", "uomid")}
    if all(key.values()) and _exists(organisation.store, "productpricelevel", key):
        raise _refused("0x80043b08", "This product and unit combination has a price for this price list.")
    level = organisation.store.find(by_name("pricelevel"), {"pricelevelid": key["pricelevelid"]}) or {}
    if values.get("transactioncurrencyid") is None:
        values["transactioncurrencyid"] = level.get("transactioncurrencyid")


def _currency(organisation: Organisation, values: dict[str, Value]) -> None:
    code = values.get("isocurrencycode")
    if code is not None and _exists(organisation.store, "transactioncurrency", {"isocurrencycode": code}):
        raise _refused("0x80048cf3", f"A currency with the code '{code}' already exists.")


def _document(organisation: Organisation, values: dict[str, Value]) -> None:
    if values.get("pricelevelid") is None:
        if organisation.switches.price_list_mandatory:
            raise _refused("0x80100010", "The price list is mandatory for creating the entity.")
        return
    level = organisation.store.find(by_name("pricelevel"), {"pricelevelid": values["pricelevelid"]}) or {}
    currency = level.get("transactioncurrencyid")
    if values.get("transactioncurrencyid") is None:
        values["transactioncurrencyid"] = currency
    if currency is not None and currency != values["transactioncurrencyid"]:
        message = "The currency of the record does not match the currency of the price list."
        raise _refused("0x80048cee", message)


def _exists(store: Store, name: str, key: Mapping[str, Value]) -> bool:
    return store.exists(by_name(name), key)


_CHECKS: dict[str, Callable[[Organisation, dict[str, Value]], None]] = {
    "product": _product,
    "pricelevel": _price_list,
    "productpricelevel": _price_list_item,
    "transactioncurrency": _currency,
    "quote": _document,
    "salesorder": _document,
    "invoice": _document,
}
