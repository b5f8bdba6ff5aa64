"""Dataverse metadata (``EntityDefinitions``) read into an ``EntitySchema``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from p2c_lib.odata.literals import encode
from p2c_lib.odata.schema import Column, EntitySchema, Lookup, PlacesBy

__all__ = ["schema", "sets", "urls"]

DEFINITIONS = "/api/data/v9.2/EntityDefinitions"
CAST = "Microsoft.Dynamics.CRM"
# The most decimals Dataverse can store, whatever a column's precision is today: rows written before keep theirs.
MONEY_SCALE, DECIMAL_SCALE = 10, 12
PLACES_BY: Mapping[int, PlacesBy] = {0: "attribute", 1: "organisation", 2: "currency"}
LOOKUPS = {"Lookup", "Owner", "Customer"}
SEVERAL = "MultiSelectPicklist"
CHOICES = ("Picklist", "State", "Status", SEVERAL)
# What hides behind the type Virtual, and types of their own that no row carries as a value.
UNSUPPORTED = {
    "ImageType": "an image column",
    "FileType": "a file column",
    "PartyListType": "a party list",
    "ManagedPropertyType": "a managed property",
    "CalendarRulesType": "a list of calendar rules",
}
SIMPLE: Mapping[str, tuple[str, pa.DataType]] = {
    "Uniqueidentifier": ("Edm.Guid", pa.string()),
    "String": ("Edm.String", pa.string()),
    "Memo": ("Edm.String", pa.string()),
    "EntityName": ("Edm.String", pa.string()),
    "Integer": ("Edm.Int32", pa.int32()),
    "BigInt": ("Edm.Int64", pa.int64()),
    "Double": ("Edm.Double", pa.float64()),
    "Boolean": ("Edm.Boolean", pa.bool_()),
    "Picklist": ("Edm.Int32", pa.int32()),
    "State": ("Edm.Int32", pa.int32()),
    "Status": ("Edm.Int32", pa.int32()),
    SEVERAL: ("Edm.String", pa.string()),
    "Lookup": ("Edm.Guid", pa.string()),
    "Owner": ("Edm.Guid", pa.string()),
    "Customer": ("Edm.Guid", pa.string()),
}
COMMON = "LogicalName,AttributeType"
EXTRAS = {
    "String": "LogicalName,MaxLength",
    "Memo": "LogicalName,MaxLength",
    "Money": "LogicalName,Precision,PrecisionSource",
    "Decimal": "LogicalName,Precision",
    "DateTime": "LogicalName,DateTimeBehavior",
    "Lookup": "LogicalName,Targets",
}


def sets(get: Callable[[str, str], dict[str, Any]]) -> dict[str, str]:
    """Every entity set with its table's logical name."""
    rows = get(f"{DEFINITIONS}?$select=LogicalName,EntitySetName", "EntityDefinitions")["value"]
    return {row["EntitySetName"]: row["LogicalName"] for row in rows if row.get("EntitySetName")}


def urls(table: str) -> dict[str, str]:
    """The requests that together describe a table, by part."""
    one = f"{DEFINITIONS}(LogicalName='{encode(table)}')"
    flags = "RequiredLevel,IsValidForCreate,IsValidForUpdate,IsValidForRead"
    attributes = f"LogicalName,AttributeType,AttributeTypeName,AttributeOf,{flags},DisplayName"
    ways = "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName"
    whole = (
        f"{one}?$select=LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled"
        f"&$expand=Attributes($select={attributes}),Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus),"
        f"ManyToOneRelationships($select={ways})"
    )
    casts = {kind: f"{one}/Attributes/{CAST}.{kind}AttributeMetadata?$select={names}" for kind, names in EXTRAS.items()}
    options = {
        kind: f"{one}/Attributes/{CAST}.{kind}AttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
        for kind in CHOICES
    }
    return {"whole": whole} | casts | options


def schema(parts: Mapping[str, dict[str, Any]], by_table: Mapping[str, str]) -> EntitySchema:
    """The schema told by the answers to ``urls``; lookups to tables without an entity set are left out."""
    whole = parts["whole"]
    extras = {row["LogicalName"]: row for kind in (*EXTRAS, *CHOICES) for row in parts[kind].get("value") or []}
    columns = {
        row["LogicalName"]: column
        for row in whole["Attributes"]
        if (column := _column(row, extras.get(row["LogicalName"], {}))) is not None
    }
    return EntitySchema(
        app="sales",
        entity_set=whole["EntitySetName"],
        logical_name=whole["LogicalName"],
        key=(whole["PrimaryIdAttribute"],),
        columns=columns,
        alternate_keys={k["LogicalName"]: tuple(k["KeyAttributes"]) for k in whole.get("Keys") or [] if _active(k)},
        lookups=tuple(_lookups(whole, columns, by_table)),
        primary_name=whole.get("PrimaryNameAttribute"),
        change_tracking=bool(whole.get("ChangeTrackingEnabled")),
        unsupported={row["LogicalName"]: what for row in whole["Attributes"] if (what := _unsupported(row))},
    )


def _active(key: Mapping[str, Any]) -> bool:
    return bool(key.get("EntityKeyIndexStatus", "Active") == "Active")


def _lookups(whole: Mapping[str, Any], columns: Mapping[str, Column], by_table: Mapping[str, str]) -> list[Lookup]:
    return [
        Lookup(row["ReferencingAttribute"], row["ReferencingEntityNavigationPropertyName"], row["ReferencedEntity"])
        for row in whole.get("ManyToOneRelationships") or []
        if row["ReferencingAttribute"] in columns and row["ReferencedEntity"] in by_table
    ]


def _column(row: Mapping[str, Any], extra: Mapping[str, Any]) -> Column | None:
    """One attribute as a column; None for those that do not travel (names of lookups, images, virtual ones)."""
    kind, name = _kind(row), row["LogicalName"]
    if row.get("AttributeOf") or row.get("IsValidForRead") is False:
        return None
    typed = _typed(kind, extra)
    if typed is None:
        return None
    level = (row.get("RequiredLevel") or {}).get("Value")
    return Column(
        name=name,
        edm=typed[0],
        type=typed[1],
        wire=f"_{name}_value" if kind in LOOKUPS else name,
        label=_label(row.get("DisplayName")),
        max_length=extra.get("MaxLength"),
        required=level in {"ApplicationRequired", "SystemRequired"},
        creatable=bool(row.get("IsValidForCreate", True)),
        updatable=bool(row.get("IsValidForUpdate", True)),
        choices=_choices(extra),
        several=kind == SEVERAL,
        targets=tuple(extra.get("Targets") or ()),
        behavior=(extra.get("DateTimeBehavior") or {}).get("Value") if kind == "DateTime" else None,
        places=extra.get("Precision") if kind in {"Money", "Decimal"} else None,
        places_by=PLACES_BY.get(extra.get("PrecisionSource") or 0, "currency"),
    )


def _kind(row: Mapping[str, Any]) -> str:
    """The type of an attribute: a list of choices is ``Virtual``, and told by the name of its type alone."""
    return SEVERAL if _type_name(row) == f"{SEVERAL}Type" else str(row["AttributeType"])


def _type_name(row: Mapping[str, Any]) -> str:
    named = (row.get("AttributeTypeName") or {}).get("Value")
    return str(named or f"{row['AttributeType']}Type")


def _unsupported(row: Mapping[str, Any]) -> str | None:
    """What an attribute is that is no column here, in words; None for one that is."""
    if row.get("AttributeOf"):
        return f"a part of {row['AttributeOf']}"
    if _kind(row) in {*SIMPLE, "Money", "Decimal", "DateTime"}:
        return "a column that cannot be read" if row.get("IsValidForRead") is False else None
    return UNSUPPORTED.get(_type_name(row), f"a column of type {_type_name(row).removesuffix('Type')}")


def _typed(kind: str, extra: Mapping[str, Any]) -> tuple[str, pa.DataType] | None:
    if kind in {"Money", "Decimal"}:
        return "Edm.Decimal", pa.decimal128(38, MONEY_SCALE if kind == "Money" else DECIMAL_SCALE)
    if kind == "DateTime":
        behaviour = (extra.get("DateTimeBehavior") or {}).get("Value")
        return (
            ("Edm.Date", pa.date32()) if behaviour == "DateOnly" else ("Edm.DateTimeOffset", pa.timestamp("us", "UTC"))
        )
    return SIMPLE.get(kind)


def _label(label: Any) -> str | None:
    found = ((label or {}).get("UserLocalizedLabel") or {}).get("Label")
    return str(found) if found else None


def _choices(extra: Mapping[str, Any]) -> dict[int, str] | None:
    options = (extra.get("OptionSet") or extra.get("GlobalOptionSet") or {}).get("Options")
    if options is None:
        return None
    return {int(option["Value"]): _label(option.get("Label")) or str(option["Value"]) for option in options}
