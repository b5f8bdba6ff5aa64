"""F&O's metadata service (``/metadata``) read into an ``EntitySchema``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from p2c_lib.odata.literals import encode
from p2c_lib.odata.schema import Column, EntitySchema, Lookup

__all__ = ["entity_url", "enum_names", "enum_url", "members", "schema", "sets"]

NAMESPACE = "Microsoft.Dynamics.DataEntities."
DECIMAL = pa.decimal128(38, 16)  # a real has up to 16 decimals, and metadata give no scale
TYPES: Mapping[str, pa.DataType] = {
    "Edm.String": pa.string(),
    "Edm.Guid": pa.string(),
    "Edm.Int32": pa.int32(),
    "Edm.Int64": pa.int64(),
    "Edm.Decimal": DECIMAL,
    "Edm.Double": pa.float64(),
    "Edm.Boolean": pa.bool_(),
    "Edm.Date": pa.date32(),
    "Edm.DateTimeOffset": pa.timestamp("us", "UTC"),
}


def entity_url(entity_set: str) -> str:
    """The request that describes one entity set."""
    name = encode(entity_set.replace("'", "''"))
    return f"/metadata/PublicEntities?$filter=EntitySetName%20eq%20'{name}'"


def enum_url(name: str) -> str:
    """The request for the members of an enumeration; without the namespace."""
    return f"/metadata/PublicEnumerations('{encode(name)}')"


def sets(get: Callable[[str, str], dict[str, Any]]) -> dict[str, str]:
    """Every public entity set with the name of its entity."""
    rows = get("/metadata/DataEntities", "DataEntities")["value"]
    return {row["PublicCollectionName"]: row["PublicEntityName"] for row in rows if row.get("PublicCollectionName")}


def enum_names(entity: Mapping[str, Any]) -> list[str]:
    """The enumerations an entity's properties use, without the namespace."""
    used = (row["TypeName"] for row in entity["Properties"] if _is_enum(row))
    return list(dict.fromkeys(name.removeprefix(NAMESPACE) for name in used))


def members(body: Mapping[str, Any]) -> dict[int, str]:
    """Number to name of an enumeration's members."""
    return {int(row["Value"]): str(row["Name"]) for row in body.get("Members") or []}


def schema(entity: Mapping[str, Any], enums: Mapping[str, Mapping[int, str]]) -> EntitySchema:
    """The schema of one ``PublicEntities`` row."""
    columns = {row["Name"]: _column(row, enums) for row in entity["Properties"]}
    return EntitySchema(
        app="finops",
        entity_set=entity["EntitySetName"],
        logical_name=entity["Name"],
        key=tuple(row["Name"] for row in entity["Properties"] if row.get("IsKey")),
        columns=columns,
        lookups=tuple(
            Lookup(row["Name"], row["Name"], str(row.get("RelatedEntity") or row.get("RelationName") or row["Name"]))
            for row in entity.get("NavigationProperties") or []
        ),
        read_only=bool(entity.get("IsReadOnly")),
        label=entity.get("LabelId"),
    )


def _is_enum(row: Mapping[str, Any]) -> bool:
    return row.get("DataType") == "Enum" or str(row["TypeName"]).startswith(NAMESPACE)


def _column(row: Mapping[str, Any], enums: Mapping[str, Mapping[int, str]]) -> Column:
    edm, is_enum = str(row["TypeName"]), _is_enum(row)
    short, is_day = edm.removeprefix(NAMESPACE), row.get("DataType") == "Date"
    return Column(
        name=row["Name"],
        edm=NAMESPACE + short if is_enum else edm,
        type=pa.string() if is_enum else pa.date32() if is_day else TYPES.get(edm, pa.string()),
        label=row.get("LabelId"),
        max_length=row.get("MaxLength"),
        required=bool(row.get("IsMandatory")),
        creatable=bool(row.get("AllowEditOnCreate", True)),
        updatable=bool(row.get("AllowEdit", True)),
        choices=enums.get(short) if is_enum else None,
        day=is_day,
    )
