"""What follows from the writes of a plan: what Sales does by itself, and what an apply does after them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.plan.operations import changing

__all__ = ["PRICE_FIELDS", "PUBLISH", "follows", "priced"]

# What the Prospect to cash solution watches: a change of one of these writes the product's price-list item anew.
PRICE_FIELDS = ("price", "defaultuomid.name", "transactioncurrencyid.isocurrencycode", "pricelevelid.name")
ELSEWHERE = PRICE_FIELDS[1:3]
SALES, PUBLISH = "Sales", "the apply"

ITEM = (
    "The price-list item of each product is written by the Prospect to cash solution from price, unit and currency; "
    "the apply looks whether it is there. Without a price list in its currency a product is refused."
)
DRAFT = (
    "A new product that Sales makes a draft ('Create products in active state' is off) is published, since a draft "
    "cannot be put on a quote."
)
GONE = "The price-list items of a deleted product go with it."
STAYS = "The item of the former unit or currency stays in its price list; delete it in Sales where it is not wanted."


def follows(app: str, entity_set: str, operations: pa.Table) -> list[dict[str, Any]]:
    """Consequences as lines: entity_set, how many rows of the plan set it off, who does it, and what in words."""
    if (app, entity_set) != ("sales", "products"):
        return []
    found = (
        ("productpricelevels", _count(priced(operations)), SALES, ITEM),
        ("products", _count(_of(operations, "create")), PUBLISH, DRAFT),
        ("productpricelevels", _count(_of(operations, "delete")), SALES, GONE),
        ("productpricelevels", _count(changing(operations, ELSEWHERE)), SALES, STAYS),
    )
    return [{"entity_set": where, "rows": rows, "by": by, "says": says} for where, rows, by, says in found if rows]


def priced(operations: pa.Table) -> pa.Array:
    """Which operations make Sales write a price-list item."""
    return pc.or_(_of(operations, "create"), changing(operations, PRICE_FIELDS))


def _of(operations: pa.Table, op: str) -> pa.Array:
    return pc.equal(operations.column("op"), op).combine_chunks()


def _count(hit: pa.Array) -> int:
    return int(pc.sum(hit).as_py() or 0)
