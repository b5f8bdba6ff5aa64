"""What the Sales systems and the Prospect-to-cash solution would have computed, in one pass over all rows.

For rows that were put into the store as they are, without the service: amounts of lines and quotes, price-list items,
and the solution's flags. Each is one statement over a whole table.
"""

from __future__ import annotations

import uuid

from p2c_lib.sandbox.references import BUSINESS_UNIT, ORGANISATION, STAMPS, USER
from p2c_lib.sandbox.schema import entity
from p2c_lib.sandbox.store import Store

_LINES = """
UPDATE sales_quotedetails SET
  baseamount = number_fixed(number_op('mul', coalesce(priceperunit, 0), coalesce(quantity, 0)), 4),
  extendedamount = number_fixed(number_op('sub',
    number_op('mul', coalesce(priceperunit, 0), coalesce(quantity, 0)), coalesce(manualdiscountamount, 0)), 4)
"""
_LINE_PARENTS = """
UPDATE sales_quotedetails SET
  transactioncurrencyid = coalesce(sales_quotedetails.transactioncurrencyid, q.transactioncurrencyid),
  exchangerate = q.exchangerate, quotestatecode = q.statecode,
  msdynce_quoterevisionnumber = q.revisionnumber,
  msdynce_quotehasexternalmaintainedproductsonly = q.msdynce_hasexternallymaintainedproductsonly
FROM sales_quotes AS q WHERE q.quoteid = sales_quotedetails.quoteid
"""
_QUOTES = """
UPDATE sales_quotes SET totallineitemamount = s.total, totalamount = s.total,
  totalamountlessfreight = s.total, totaldiscountamount = '0.0000', totaltax = '0.0000',
  totallineitemdiscountamount = s.off
FROM (SELECT quoteid, number_fixed(number_sum(extendedamount), 4) AS total,
        number_fixed(number_sum(coalesce(manualdiscountamount, 0)), 4) AS off
      FROM sales_quotedetails GROUP BY quoteid) AS s
WHERE s.quoteid = sales_quotes.quoteid
"""
_EMPTY_QUOTES = """
UPDATE sales_quotes SET totallineitemamount = '0.0000', totalamount = '0.0000', totalamountlessfreight = '0.0000'
WHERE NOT EXISTS (SELECT 1 FROM sales_quotedetails AS d WHERE d.quoteid = sales_quotes.quoteid)
"""
# A line without a product of F&O, a write-in line among them, makes the quote not external only.
_EXTERNAL = """
UPDATE sales_quotes SET msdynce_hasexternallymaintainedproductsonly = NOT EXISTS (
  SELECT 1 FROM sales_quotedetails AS d LEFT JOIN sales_products AS p ON p.productid = d.productid
  WHERE d.quoteid = sales_quotes.quoteid AND coalesce(p.msdynce_ismaintainedexternally, 0) = 0)
"""
_CONTACTS = """
UPDATE sales_contacts SET
  msdynce_iscompanyanaccount = coalesce("parentcustomerid!type" = 'account', 0),
  msdynce_isactivecustomer =
    EXISTS (SELECT 1 FROM sales_quotes AS q
            WHERE q.customerid = sales_contacts.contactid AND q."customerid!type" = 'contact')
    OR EXISTS (SELECT 1 FROM sales_salesorders AS o
               WHERE o.customerid = sales_contacts.contactid AND o."customerid!type" = 'contact')
    OR EXISTS (SELECT 1 FROM sales_invoices AS i
               WHERE i.customerid = sales_contacts.contactid AND i."customerid!type" = 'contact')
"""
_PRICES = """
SELECT p.productid, p.productnumber, p.price, p.defaultuomid, p.defaultuomscheduleid, p.transactioncurrencyid,
       coalesce(p.exchangerate, 1),
       (SELECT l.pricelevelid FROM sales_pricelevels AS l
        WHERE l.transactioncurrencyid = p.transactioncurrencyid AND l.statecode = 0
         ORDER BY sales_key(l.name) LIMIT 1) AS list
FROM sales_products AS p
WHERE p.msdynce_ismaintainedexternally = 1 AND NOT EXISTS (
  SELECT 1 FROM sales_productpricelevels AS i WHERE i.productid = p.productid)
"""
_ITEM = (
    "productpricelevelid", "productid", "productnumber", "amount", "uomid", "uomscheduleid", "transactioncurrencyid",
    "exchangerate", "pricelevelid", "pricingmethodcode", "quantitysellingcode", "organizationid", "createdby",
    "modifiedby", "createdon", "modifiedon",
)  # fmt: skip


def settle(store: Store) -> None:
    """Compute amounts, price-list items and flags of every row; inside ``store.write`` only."""
    connection = store.connection
    for statement in (_LINES, _EXTERNAL, _LINE_PARENTS, _QUOTES, _EMPTY_QUOTES, _CONTACTS):
        connection.execute(statement)
    _add_price_items(store)


def _add_price_items(store: Store) -> None:
    rows = store.connection.execute(_PRICES).fetchall()
    stamps = (1, 1, ORGANISATION, USER, USER, STAMPS["createdon"], STAMPS["modifiedon"])
    space = uuid.UUID(BUSINESS_UNIT)
    items = (
        (str(uuid.uuid5(space, product)), product, number, price or 0, *rest, *stamps)
        for product, number, price, *rest in rows
        if rest[-1] is not None
    )
    store.insert_many(entity("sales", "productpricelevel"), _ITEM, items)
