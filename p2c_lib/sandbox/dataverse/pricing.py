# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Line amounts and document totals, as the Sales app computes them (its formula: price x quantity - discount + tax).

Where the organisation calculates discounts per unit, the discount counts once for each unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from p2c_lib.sandbox.dataverse.model import by_name
from p2c_lib.sandbox.dataverse.money import places
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.exact import decimal_of, rounded, wide
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
    """A new line takes currency, number, price and name from its document and product."""
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
        values["quantity"] = Decimal(1)
    if values.get("priceperunit") is None:
        values["priceperunit"] = _listed_price(organisation.store, document, values, product)
    values["isproductoverridden"] = int(not values.get("productid"))


def calculate(organisation: Organisation, entity: Entity, row: Mapping[str, Value], values: dict[str, Value]) -> None:
    """A new or changed line gets its amounts: price x quantity - discount + tax, exactly, and rounded as money is."""
    if entity.name not in LINES:
        return
    line = {**row, **values}
    price, quantity = _number(line, "priceperunit"), _number(line, "quantity")
    discounted = quantity if _per_unit(organisation.store) else Decimal(1)
    with wide():
        base = _money(organisation, entity, "baseamount", line, price * quantity)
        amount = base - _number(line, "manualdiscountamount") * discounted + _number(line, "tax")
    values["baseamount"] = base
    values["extendedamount"] = _money(organisation, entity, "extendedamount", line, amount)


def _number(row: Mapping[str, Value], name: str) -> Decimal:
    return decimal_of(row.get(name) or 0)


def _money(organisation: Organisation, entity: Entity, name: str, row: Mapping[str, Value], value: Decimal) -> Decimal:
    return rounded(value, places(organisation, entity.columns[name], row.get("transactioncurrencyid")))


def after_line(organisation: Organisation, entity: Entity, line: Mapping[str, Value]) -> None:
    """The totals of the line's document, or of the document itself."""
    if entity.name in LINES:
        document, lookup, _ = LINES[entity.name]
        total(organisation, document, str(line.get(lookup)))
    elif entity.name in {document for document, _, _ in LINES.values()}:
        total(organisation, entity.name, str(line[entity.key[0]]))


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
    return (item or {}).get("amount") or product.get("price") or Decimal(0)


def _per_unit(store: Store) -> bool:
    """Whether a line's discount is one for each unit: the organisation's discount calculation method."""
    found = store.connection.execute("SELECT discountcalculationmethod FROM sales_organizations").fetchone()
    return found is not None and found[0] == PER_UNIT


def total(organisation: Organisation, document: str, key: str) -> None:
    """Set the totals of one document from its lines."""
    entity, store = by_name(document), organisation.store
    lines, lookup = next((by_name(line), look) for line, (doc, look, _) in LINES.items() if doc == document)
    row = store.find(entity, {entity.key[0]: key})
    if row is None:
        return
    sums = ", ".join(f"number_sum({name})" for name in ("baseamount", "tax", "extendedamount"))
    sql = f"SELECT {sums} FROM {table(lines)} WHERE {quoted(lookup)} = ?"
    base, tax, extended = (decimal_of(one or 0) for one in store.connection.execute(sql, [key]).fetchone())
    with wide():
        totals = _totals(row, base, tax, base + tax - extended)
    money = {name: _money(organisation, entity, name, row, value) for name, value in totals.items()}
    store.update(entity, int(row["_id"] or 0), money)


def _totals(document: Mapping[str, Value], base: Decimal, tax: Decimal, discount: Decimal) -> dict[str, Decimal]:
    net = base - discount
    header = _number(document, "discountamount") + net * _number(document, "discountpercentage") / 100
    return {
        "totallineitemamount": net,
        "totallineitemdiscountamount": discount,
        "totaltax": tax,
        "totaldiscountamount": discount + header,
        "totalamountlessfreight": net - header,
        "totalamount": net - header + tax + _number(document, "freightamount"),
    }
