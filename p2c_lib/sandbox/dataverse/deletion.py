# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Deleting a row and what its relationships make of that: cascade, refuse, or empty the lookup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, Value, quoted, table
from p2c_lib.sandbox.wire import Refusal

# Children that go with their parent; every other required lookup refuses, every optional one is emptied.
_CASCADE = {
    ("quotedetail", "quoteid"),
    ("salesorderdetail", "salesorderid"),
    ("invoicedetail", "invoiceid"),
    ("productpricelevel", "productid"),
    ("uom", "uomscheduleid"),
}
_RESTRICT = {
    ("productpricelevel", "pricelevelid"),
    ("productpricelevel", "uomid"),
    ("quote", "customerid"),
    ("salesorder", "customerid"),
    ("invoice", "customerid"),
    ("quotedetail", "productid"),
    ("salesorderdetail", "productid"),
    ("invoicedetail", "productid"),
}


def delete_row(store: Store, entity: Entity, row: Mapping[str, Value]) -> None:
    """Delete the row and its dependants; `Refusal` (405 class) when a dependant forbids it."""
    for child, lookup in _dependants(entity):
        found = _children(store, child, lookup, entity, str(row[entity.key[0]]))
        if (child.name, lookup.name) in _CASCADE:
            for one in found:
                delete_row(store, child, one)
        elif found and ((child.name, lookup.name) in _RESTRICT or lookup.required == "system"):
            raise Refusal(
                405,
                "0x80040227",
                "The object you tried to delete is associated with another object and cannot be deleted. "
                f"({child.name}.{lookup.name}, {len(found)} rows)",
            )
        else:
            for one in found:
                emptied: dict[str, Value] = {lookup.name: None}
                if len(lookup.targets) > 1:
                    emptied[f"{lookup.name}!type"] = None
                store.update(child, int(one["_id"] or 0), emptied)
    store.delete(entity, int(row["_id"] or 0))


def _dependants(entity: Entity) -> Iterator[tuple[Entity, Column]]:
    for child in sets().values():
        for column in child.columns.values():
            if entity.name in column.targets:
                yield child, column


def _children(store: Store, child: Entity, lookup: Column, parent: Entity, key: str) -> list[dict[str, Value]]:
    typed = f" AND {quoted(lookup.name + '!type')} = '{parent.name}'" if len(lookup.targets) > 1 else ""
    names = ["_id", *child.key]
    sql = f"SELECT {', '.join(names)} FROM {table(child)} WHERE {quoted(lookup.name)} = ?{typed}"
    return [dict(zip(names, found, strict=True)) for found in store.connection.execute(sql, [key])]
