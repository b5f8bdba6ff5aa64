# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Line amounts and document totals, as the Sales app computes them (its formula: price x quantity - discount + tax).

Where the organisation calculates discounts per unit, the discount counts once for each unit.
"""

from __future__ import annotations

from collections.abc import Mapping

from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.values import rounded
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, Value, quoted, table

PER_UNIT = 1
# line entity -> (document entity, the line's lookup, the line's name column)
LINES = {
    "quotedetail": ("quote", "quoteid", "quotedetailname"),
    "salesorderdetail": ("salesorder", "salesorderid", "salesorderdetailname"),
    "invoicedetail": ("invoice", "invoiceid", "invoicedetailname"),
}


def before_create(organisation: Organisation, entity: Entity, values: dict[str, Value]) -> None:
    """A new line takes currency, number, price and name from its document and product, then its amounts."""
    if entity.name not in LINES:
        return
    document_name, lookup, name = LINES[entity.name]
    document = organisation.store.find(by_name(document_name), {lookup: values.get(lookup)}) or {}
    state = f"{document_name}statecode"
    if state in entity.columns:
        values[state] = document.get("statecode")
    if document.get("transactioncurrencyid"):
        values["transactioncurrencyid"] = document["transactioncurrencyid"]
    if values.get("sequencenumber") is None:
        values["sequencenumber"] = _next_sequence(organisation.store, entity, lookup, values.get(lookup))
    product = organisation.store.find(by_name("product"), {"productid": values.get("productid")}) or {}
    if name in entity.columns and values.get(name) is None:
        values[name] = product.get("name") or values.get("productdescription")
    if values.get("quantity") is None:
        values["quantity"] = 1.0
    if values.get("priceperunit") is None:
        values["priceperunit"] = _listed_price(organisation.store, document, values, product)
    values["isproductoverridden"] = int(not values.get("productid"))
    _amounts(values, values, per_unit=_per_unit(organisation.store))


def before_update(
    organisation: Organisation, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]
) -> None:
    """A changed line gets its amounts anew."""
    if entity.name in LINES:
        _amounts({**row, **values}, values, per_unit=_per_unit(organisation.store))


def after_line(organisation: Organisation, entity: Entity, line: Mapping[str, Value]) -> None:
    """The totals of the line's document, or of the document itself."""
    if entity.name in LINES:
        document, lookup, _ = LINES[entity.name]
        total(organisation.store, document, str(line.get(lookup)))
    elif entity.name in {document for document, _, _ in LINES.values()}:
        total(organisation.store, entity.name, str(line[entity.key[0]]))


def _next_sequence(store: Store, entity: Entity, lookup: str, document: Value) -> int:
    sql = f"SELECT ifnull(max(sequencenumber), 0) + 1 FROM {table(entity)} WHERE {quoted(lookup)} = ?"
    return int(store.connection.execute(sql, [document]).fetchone()[0])


def _listed_price(
    store: Store, document: Mapping[str, Value], values: Mapping[str, Value], product: Mapping[str, Value]
) -> Value:
    items = by_name("productpricelevel")
    key = {"pricelevelid": document.get("pricelevelid"), "productid": product.get("productid")}
    if values.get("uomid"):
        key["uomid"] = values["uomid"]
    item = store.find(items, key) if all(key.values()) else None
    return (item or {}).get("amount") or product.get("price") or 0.0


def _per_unit(store: Store) -> bool:
    """Whether a line's discount is one for each unit: the organisation's discount calculation method."""
    found = store.connection.execute("SELECT discountcalculationmethod FROM sales_organizations").fetchone()
    return found is not None and found[0] == PER_UNIT


def _amounts(line: Mapping[str, Value], values: dict[str, Value], *, per_unit: bool) -> None:
    price, quantity = float(line.get("priceperunit") or 0), float(line.get("quantity") or 0)
    discount, tax = float(line.get("manualdiscountamount") or 0), float(line.get("tax") or 0)
    base = rounded(price * quantity, 4)
    values["baseamount"] = base
    values["extendedamount"] = rounded(base - discount * (quantity if per_unit else 1) + tax, 4)


def total(store: Store, document: str, key: str) -> None:
    """Set the totals of one document from its lines."""
    entity = by_name(document)
    lines, lookup = next((by_name(line), look) for line, (doc, look, _) in LINES.items() if doc == document)
    sums = (
        "SELECT ifnull(sum(baseamount), 0) AS base, ifnull(sum(tax), 0) AS tax, "
        "ifnull(sum(baseamount + ifnull(tax, 0) - extendedamount), 0) AS discount "
        f"FROM {table(lines)} WHERE {quoted(lookup)} = :key"
    )
    net = "(l.base - l.discount)"
    header = f"(ifnull(d.discountamount, 0) + {net} * ifnull(d.discountpercentage, 0) / 100)"
    sql = f"""
UPDATE {table(entity)} AS d SET _version = :version,
  totallineitemamount = round({net}, 4), totallineitemdiscountamount = round(l.discount, 4),
  totaltax = round(l.tax, 4), totaldiscountamount = round(l.discount + {header}, 4),
  totalamountlessfreight = round({net} - {header}, 4),
  totalamount = round({net} - {header} + l.tax + ifnull(d.freightamount, 0), 4)
FROM ({sums}) AS l WHERE d.{quoted(entity.key[0])} = :key"""
    store.connection.execute(sql, {"key": key, "version": store.next_version()})
