# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""The "Prospect to cash solution for Sales": number sequences, flags on contacts and quotes, and the price-list rule.

The rules here run around every write through the API, one row at a time; `settle` has the same rules for all rows at
once, for rows that were loaded or seeded. The effects are inferred from the solution's
plug-in steps and the published behaviour; what is only inferred is said at the rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from p2c_lib.sandbox.schema import Entity, entity
from p2c_lib.sandbox.store import Store, Value, sortable_guid, table
from p2c_lib.sandbox.wire import Refusal

FIRST_NUMBER = 1000
_NUMBERS = {"account": ("accountnumber", "ACC"), "contact": ("msdynce_contactnumber", "CON")}
_PRICE_TRIGGERS = {"transactioncurrencyid", "pricelevelid", "defaultuomid", "price"}
# document -> (line, the line's lookup, the line's stamp)
_DOCUMENTS = {
    "quote": ("quotedetail", "quoteid", "msdynce_quotehasexternalmaintainedproductsonly"),
    "salesorder": ("salesorderdetail", "salesorderid", "msdynce_orderhasexternalmaintainedproductsonly"),
}
# line -> (document, the line's lookup, the line's columns that repeat the document's)
_COPIES = {
    "quotedetail": ("quote", "quoteid", {"msdynce_quoterevisionnumber": "revisionnumber"}),
    "salesorderdetail": ("salesorder", "salesorderid", {"msdynce_ordernumber": "ordernumber"}),
    "invoicedetail": (
        "invoice",
        "invoiceid",
        {"msdynce_invoicenumber": "invoicenumber", "msdynce_invoicedate": "msdynce_invoicedate"},
    ),
}
_ORDER_INVOICED: dict[str, Value] = {"statecode": 4, "statuscode": 100003}
_HEADER_FLAG = "msdynce_hasexternallymaintainedproductsonly"


def number_text(prefix: str, number: int) -> str:
    """A number of the sequence, such as ``ACC-01000-BVRCPS``; the suffix follows from the number.

    How the real suffix is made is not published; it is six letters here too.
    """
    value = (number * 2_654_435_761 + sum(map(ord, prefix)) * 40_503) % 26**6
    letters = ""
    for _ in range(6):
        value, letter = divmod(value, 26)
        letters += chr(ord("A") + letter)
    return f"{prefix}-{number:05d}-{letters}"


def before_create(store: Store, one: Entity, values: dict[str, Value]) -> None:
    """Numbers for accounts and contacts that have none; Is Company An Account; the line's own stamp."""
    if one.name in _NUMBERS:
        column, prefix = _NUMBERS[one.name]
        if values.get(column) is None:
            values[column] = number_text(prefix, store.next_number(f"sales:{one.name}", FIRST_NUMBER))
    if one.name == "contact":
        values["msdynce_iscompanyanaccount"] = int(_under_account(values))
    if one.name in _COPIES:
        document, lookup, columns = _COPIES[one.name]
        header = store.find(entity("sales", document), {lookup: values.get(lookup)}) or {}
        values.update({column: header.get(of) for column, of in columns.items()})


def _under_account(contact: Mapping[str, Value]) -> bool:
    return contact.get("parentcustomerid") is not None and contact.get("parentcustomerid!type") == "account"


def after_create(store: Store, one: Entity, row: Mapping[str, Value]) -> None:
    """A document's contact is an active customer; lines decide the header's flag; a product gets its price."""
    _after(store, one, row, set(row))


def after_update(store: Store, one: Entity, row: Mapping[str, Value], changed: Mapping[str, Value]) -> None:
    """The same rules after an update, where a watched column was in it."""
    if one.name == "contact" and "parentcustomerid" in changed:
        flag = int(_under_account(row))
        if flag != row.get("msdynce_iscompanyanaccount"):
            store.update(one, int(row["_id"] or 0), {"msdynce_iscompanyanaccount": flag})
    _after(store, one, row, set(changed))


def _after(store: Store, one: Entity, row: Mapping[str, Value], changed: set[str]) -> None:
    if one.name in {"quote", "salesorder", "invoice"} and "customerid" in changed:
        _activate(store, row)
    for document, (line, lookup, _) in _DOCUMENTS.items():
        if one.name == line and changed & {"productid", "productdescription", lookup}:
            stamp(store, document, row.get(lookup))
    if one.name == "product" and changed & _PRICE_TRIGGERS:
        _price(store, row)
    if one.name == "invoice" and "salesorderid" in changed and row.get("salesorderid") is not None:
        _invoiced(store, row)


def after_delete(store: Store, one: Entity, row: Mapping[str, Value]) -> None:
    """Lines that remain decide the header's flag."""
    for document, (line, lookup, _) in _DOCUMENTS.items():
        if one.name == line:
            stamp(store, document, row.get(lookup))


def _invoiced(store: Store, invoice: Mapping[str, Value]) -> None:
    """The invoiced order gets its state, and the invoice the order's owner."""
    orders = entity("sales", "salesorder")
    order = store.find(orders, {"salesorderid": invoice["salesorderid"]})
    if order is None:
        return
    store.update(orders, int(order["_id"] or 0), _ORDER_INVOICED)
    invoices = entity("sales", "invoice")
    row = store.find(invoices, {"invoiceid": invoice["invoiceid"]}) or {}
    owner = {"ownerid": order.get("ownerid"), "ownerid!type": order.get("ownerid!type")}
    store.update(invoices, int(row["_id"] or 0), owner)


def _activate(store: Store, document: Mapping[str, Value]) -> None:
    if document.get("customerid!type") != "contact":
        return
    contacts = entity("sales", "contact")
    contact = store.find(contacts, {"contactid": document.get("customerid")})
    if contact is not None and contact.get("msdynce_isactivecustomer") != 1:
        store.update(contacts, int(contact["_id"] or 0), {"msdynce_isactivecustomer": 1})


def stamp(store: Store, document: str, key: Value) -> None:
    """Header flag of one document, and the same flag on its lines.

    True when every line is of an externally maintained product, so also without lines; a write-in line makes it false.
    """
    header = entity("sales", document)
    line, lookup, _ = _DOCUMENTS[document]
    flag = f"SELECT NOT EXISTS ({_foreign_lines(entity('sales', line), lookup, ':key')})"
    (value,) = store.connection.execute(flag, {"key": key}).fetchone()
    version = store.next_version()
    bound = {"key": key, "value": value, "version": version}
    store.connection.execute(
        f"UPDATE {table(header)} SET {_HEADER_FLAG} = :value, _version = :version "
        f"WHERE {header.key[0]} = :key AND {_HEADER_FLAG} IS NOT :value",
        bound,
    )
    column = _DOCUMENTS[document][2]
    store.connection.execute(
        f"UPDATE {table(entity('sales', line))} SET {column} = :value, _version = :version "
        f"WHERE {lookup} = :key AND {column} IS NOT :value",
        bound,
    )


def _foreign_lines(line: Entity, lookup: str, key: str) -> str:
    products = table(entity("sales", "product"))
    own = f"(SELECT msdynce_ismaintainedexternally FROM {products} WHERE productid = l.productid)"
    return f"SELECT 1 FROM {table(line)} AS l WHERE l.{lookup} = {key} AND ifnull({own}, 0) <> 1"


def _price(store: Store, product: Mapping[str, Value]) -> None:
    if product.get("msdynce_ismaintainedexternally") != 1:
        return
    products = entity("sales", "product")
    row = store.find(products, {"productid": product["productid"]}) or dict(product)
    level = row.get("pricelevelid") or _first_list(store, row.get("transactioncurrencyid"))
    if level is None:
        name = f"'{row.get('name')}' ({row.get('productnumber')})"
        message = f"No valid price list in the currency of the externally maintained product {name} was found."
        raise Refusal(400, "0x80040265", message)
    if row.get("price") is None or row.get("defaultuomid") is None:
        return
    _set_item(store, row, level)
    if row.get("pricelevelid") is None:
        store.update(products, int(row["_id"] or 0), {"pricelevelid": level})


def _first_list(store: Store, currency: Value) -> Value:
    sql = f"""SELECT pricelevelid FROM {table(entity("sales", "pricelevel"))}
WHERE transactioncurrencyid = ? AND ifnull(statecode, 0) = 0
  AND ifnull(begindate, '') <= strftime('%Y-%m-%dT%H:%M:%SZ') AND ifnull(enddate, 'Z') >= strftime('%Y-%m-%d')
ORDER BY sales_key(name), pricelevelid LIMIT 1"""
    found = store.connection.execute(sql, [currency]).fetchone()
    return None if found is None else str(found[0])


def _set_item(store: Store, product: Mapping[str, Value], level: Value) -> None:
    items = entity("sales", "productpricelevel")
    key = {"pricelevelid": level, "productid": product["productid"], "uomid": product["defaultuomid"]}
    item = store.find(items, key)
    if item is None:
        given = {
            "uomscheduleid": product.get("defaultuomscheduleid"),
            "transactioncurrencyid": product.get("transactioncurrencyid"),
            "exchangerate": product.get("exchangerate"),
            "amount": product.get("price"),
            "pricingmethodcode": 1,
            "quantitysellingcode": 1,
        }
        made = {**key, **{name: value for name, value in given.items() if name in items.columns}}
        store.insert(items, {"productpricelevelid": sortable_guid(), **made})
    elif item.get("amount") != product.get("price"):
        store.update(items, int(item["_id"] or 0), {"amount": product.get("price")})
