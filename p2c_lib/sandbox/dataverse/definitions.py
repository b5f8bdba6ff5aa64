"""The metadata of tables, columns, keys, relationships and choices as plain values, as the service spells them."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

from p2c_lib.sandbox.dataverse.entity_facts import (
    COLUMN_FACTS,
    RELATIONSHIP_FACTS,
    VERSION,
    VIRTUAL_FACTS,
    kind_facts,
    managed,
    table_facts,
)
from p2c_lib.sandbox.dataverse.model import VIRTUAL, by_name, collections, navigations, sets
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE
from p2c_lib.sandbox.schema import Column, Entity

_SPACE = uuid.UUID("2b0b6c1e-7c58-5e0a-9d53-6a2f9e1f5a77")
_TYPES = {
    "string": "String", "memo": "Memo", "int": "Integer", "bigint": "BigInt", "decimal": "Decimal", "double": "Double",
    "money": "Money", "bool": "Boolean", "datetime": "DateTime", "date": "DateTime", "guid": "Uniqueidentifier",
    "lookup": "Lookup", "choice": "Picklist", "state": "State", "status": "Status", "enum": "Picklist",
    "choices": "Virtual",
}  # fmt: skip
_CUSTOM = ("msd", "new_")
_METADATA = {"Uniqueidentifier": "UniqueIdentifier", "Customer": "Lookup", "Owner": "Lookup"}
_LEVELS = {
    "none": "None", "recommended": "Recommended", "application": "ApplicationRequired", "system": "SystemRequired",
}  # fmt: skip
BASE_ATTRIBUTE = frozenset(
    {
        "AttributeOf", "AttributeType", "AttributeTypeName", "CanBeSecuredForCreate", "CanBeSecuredForRead",
        "CanBeSecuredForUpdate", "ColumnNumber", "DeprecatedVersion", "Description", "DisplayName", "EntityLogicalName",
        "HasChanged", "IntroducedVersion", "IsAuditEnabled", "IsCustomAttribute", "IsCustomizable", "IsFilterable",
        "IsGlobalFilterEnabled", "IsLogical", "IsManaged", "IsPrimaryId", "IsPrimaryName", "IsRenameable",
        "IsRequiredForForm", "IsRetrievable", "IsSearchable", "IsSecured", "IsSortableEnabled", "IsValidForCreate",
        "IsValidForAdvancedFind", "IsValidForForm", "IsValidForGrid", "IsValidForRead", "IsValidForUpdate",
        "IsValidODataAttribute", "LinkedAttributeId", "LogicalName", "MetadataId", "RequiredLevel", "SchemaName",
        "SourceType", *COLUMN_FACTS,
    }
)  # fmt: skip


def metadata_id(*parts: str) -> str:
    """A fixed guid for a piece of metadata."""
    return str(uuid.uuid5(_SPACE, "/".join(parts)))


def label(text: str) -> dict[str, Any]:
    """A localised label in English."""
    one = {"Label": text, "LanguageCode": 1033, "IsManaged": True, "MetadataId": metadata_id("label", text)}
    return {"LocalizedLabels": [{**one, "HasChanged": None}], "UserLocalizedLabel": {**one, "HasChanged": None}}


def schema_name(name: str) -> str:
    """A column's schema name; publishers' prefixes stay small."""
    prefix, mark, rest = name.partition("_")
    if mark and name.startswith(_CUSTOM):
        return f"{prefix}_{rest[:1].upper()}{rest[1:]}"
    return name[:1].upper() + name[1:]


def attribute_type(column: Column) -> str:
    """The column's ``AttributeTypeCode``."""
    if column.kind == "lookup":
        if column.name == "ownerid":
            return "Owner"
        if set(column.targets) == {"account", "contact"}:
            return "Customer"
    return _TYPES[column.kind]


@cache
def attributes(name: str) -> list[dict[str, Any]]:
    """Every column of a table."""
    entity = by_name(name)
    found = [_attribute(entity, column, at) for at, column in enumerate(entity.columns.values(), start=1)]
    return [*found, *(_virtual(entity, *about) for about in VIRTUAL.get(name, ()))]


def _virtual(entity: Entity, name: str, kind: str, text: str) -> dict[str, Any]:
    """An image or a file: of the type Virtual, told by the name of its type alone."""
    shell = _attribute(entity, Column(name, "string", label=text), len(entity.columns) + 1)
    specific = {"MaxLength", "DatabaseLength", "Format", "FormatName", *kind_facts("string")}
    return {key: value for key, value in shell.items() if key not in specific} | {
        "@odata.type": f"#{NAMESPACE}.{kind}AttributeMetadata",
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": f"{kind}Type"},
        **VIRTUAL_FACTS[kind],
    }


def _type_name(column: Column) -> str:
    """The name of a column's type, which says more than its ``AttributeTypeCode``."""
    kind = attribute_type(column)
    return "MultiSelectPicklist" if column.kind == "choices" else kind


def _attribute(entity: Entity, column: Column, number: int) -> dict[str, Any]:
    kind = attribute_type(column)
    custom = column.name.startswith(_CUSTOM)
    named = _type_name(column)
    found: dict[str, Any] = {
        **COLUMN_FACTS,
        "@odata.type": f"#{NAMESPACE}.{_METADATA.get(named, named)}AttributeMetadata",
        "MetadataId": metadata_id(entity.name, column.name),
        "HasChanged": None,
        "AttributeOf": None,
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{named}Type"},
        "CanBeSecuredForCreate": False,
        "CanBeSecuredForRead": False,
        "CanBeSecuredForUpdate": False,
        "ColumnNumber": number,
        "DeprecatedVersion": None,
        "Description": label(column.label),
        "DisplayName": label(column.label),
        "EntityLogicalName": entity.name,
        "IntroducedVersion": "5.0.0.0",
        "IsAuditEnabled": managed(value=False, name="canmodifyauditsettings"),
        "IsCustomAttribute": custom,
        "IsCustomizable": managed(value=True, name="iscustomizable"),
        "IsFilterable": False,
        "IsGlobalFilterEnabled": managed(value=False, name="canmodifyglobalfiltersettings"),
        "IsLogical": False,
        "IsManaged": True,
        "IsPrimaryId": column.name == entity.key[0],
        "IsPrimaryName": column.name == entity.primary_name,
        "IsRenameable": managed(value=True, name="isrenameable"),
        "IsRequiredForForm": False,
        "IsRetrievable": True,
        "IsSearchable": False,
        "IsSecured": False,
        "IsSortableEnabled": managed(value=True, name="canmodifyissortablesettings"),
        "IsValidForAdvancedFind": managed(value=True, name="canmodifysearchsettings"),
        "IsValidForCreate": column.create,
        "IsValidForForm": True,
        "IsValidForGrid": True,
        "IsValidForRead": True,
        "IsValidForUpdate": column.update,
        "IsValidODataAttribute": True,
        "LinkedAttributeId": None,
        "LogicalName": column.name,
        "RequiredLevel": managed(_LEVELS[column.required], "canmodifyrequirementlevelsettings"),
        "SchemaName": schema_name(column.name),
        "SourceType": 0 if column.kind not in {"guid", "lookup"} else None,
    }
    return {**found, **kind_facts(column.kind), **_specific(entity, column)}


def _specific(entity: Entity, column: Column) -> dict[str, Any]:
    kind = column.kind
    if kind in {"string", "memo"}:
        form = "Text" if kind == "string" else "TextArea"
        length = column.length or (100 if kind == "string" else 2000)
        return {"MaxLength": length, "DatabaseLength": length * 2, "Format": form, "FormatName": {"Value": form}}
    if kind in {"int", "bigint", "decimal", "double", "money"}:
        return {**_numeric(column), "MinValue": _whole(column.minimum), "MaxValue": _whole(column.maximum)}
    if kind in {"datetime", "date"}:
        behavior, _, form = (column.behavior or "UserLocal").partition("/")
        only = form == "DateOnly" or behavior == "DateOnly"
        behavior_value = {"Value": behavior if kind == "datetime" else "DateOnly"}
        return {"Format": "DateOnly" if only else "DateAndTime", "DateTimeBehavior": behavior_value}
    if kind == "lookup":
        return {"Targets": list(column.targets), "Format": None}
    if kind in {"choice", "choices", "state", "status", "bool"}:
        default = None if column.default is None else column.default
        return {
            "DefaultFormValue" if kind != "bool" else "DefaultValue": default,
            "OptionSet": option_set(entity, column),
            "GlobalOptionSet": None,
        }
    return {}


def _numeric(column: Column) -> dict[str, Any]:
    if column.kind == "money":
        source = column.precision_source or 0
        return {
            "Precision": column.precision,
            "PrecisionSource": source,
            "IsBaseCurrency": column.name.endswith("_base"),
        }
    if column.kind in {"decimal", "double"}:
        return {"Precision": column.precision}
    return {"Format": "None"} if column.kind == "int" else {}


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and float(value).is_integer() else value


def option_set(entity: Entity, column: Column) -> dict[str, Any]:
    """The choices of a column."""
    name = f"{entity.name}_{column.name}"
    kind = {"state": "State", "status": "Status", "bool": "Boolean"}.get(column.kind, "Picklist")
    found: dict[str, Any] = {
        "@odata.type": f"#{NAMESPACE}.{'Boolean' if kind == 'Boolean' else ''}OptionSetMetadata",
        "MetadataId": metadata_id("optionset", name),
        "HasChanged": None,
        "Name": name,
        "DisplayName": label(column.label),
        "IsGlobal": False,
        "IsCustomOptionSet": column.name.startswith(_CUSTOM),
        "OptionSetType": kind,
    }
    options = [_option(entity, column, kind, *choice) for choice in column.choices]
    if kind == "Boolean":
        by_value = {option["Value"]: option for option in options}
        return {**found, "TrueOption": by_value.get(1), "FalseOption": by_value.get(0)}
    return {**found, "Options": options}


def _option(entity: Entity, column: Column, kind: str, value: int, text: str, state: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {"Value": value, "Label": label(text), "Description": label(""), "Color": None}
    found |= {"IsManaged": True, "HasChanged": None, "MetadataId": metadata_id(entity.name, column.name, str(value))}
    if kind == "Status":
        found |= {"@odata.type": f"#{NAMESPACE}.StatusOptionMetadata", "State": state, "TransitionData": None}
    if kind == "State":
        default = column.default_status.get(value)
        invariant = {"InvariantName": text.replace(" ", "")}
        found |= {"@odata.type": f"#{NAMESPACE}.StateOptionMetadata", "DefaultStatus": default, **invariant}
    return found


@cache
def keys(name: str) -> list[dict[str, Any]]:
    """The alternate keys of a table."""
    entity = by_name(name)
    return [
        {
            "MetadataId": metadata_id(name, "key", key),
            "HasChanged": None,
            "LogicalName": key,
            "SchemaName": key,
            "DisplayName": label(key),
            "EntityLogicalName": name,
            "KeyAttributes": list(columns),
            "EntityKeyIndexStatus": "Active",
            "IntroducedVersion": VERSION,
            "IsCustomizable": managed(value=True, name="iscustomizable"),
            "IsExportKey": False,
            "IsManaged": True,
            "IsSecondaryKey": False,
            "IsSynchronous": False,
            "AsyncJob": None,
        }
        for key, columns in entity.alternate_keys.items()
    ]


@cache
def many_to_one(name: str) -> list[dict[str, Any]]:
    """The relationships in which the table refers to another."""
    entity = by_name(name)
    found = []
    for navigation in navigations(entity).values():
        for target in navigation.targets:
            own = (name, navigation.column.name)
            back = next(
                (c.name for c in collections(target).values() if (c.child.name, c.lookup.name) == own),
                f"{target.name}_{name}_{navigation.column.name}",
            )
            found.append(_relationship(entity, navigation.column, navigation.name, target, back))
    return found


def _relationship(entity: Entity, column: Column, navigation: str, target: Entity, collection: str) -> dict[str, Any]:
    return {
        **RELATIONSHIP_FACTS,
        "@odata.type": f"#{NAMESPACE}.OneToManyRelationshipMetadata",
        "MetadataId": metadata_id("relationship", entity.name, column.name, target.name),
        "HasChanged": None,
        "SchemaName": collection,
        "RelationshipType": "OneToManyRelationship",
        "IsCustomRelationship": column.name.startswith("msd"),
        "IsManaged": True,
        "IsValidForAdvancedFind": True,
        "SecurityTypes": "Append",
        "ReferencedAttribute": target.key[0],
        "ReferencedEntity": target.name,
        "ReferencingAttribute": column.name,
        "ReferencingEntity": entity.name,
        "IsHierarchical": False,
        "ReferencedEntityNavigationPropertyName": collection,
        "ReferencingEntityNavigationPropertyName": navigation,
    }


@cache
def one_to_many(name: str) -> list[dict[str, Any]]:
    """The relationships in which other tables refer to this one."""
    return [r for other in sets().values() for r in many_to_one(other.name) if r["ReferencedEntity"] == name]


@cache
def definition(name: str) -> dict[str, Any]:
    """A table's own metadata, its parts under their navigation names."""
    entity = by_name(name)
    number = list(sets()).index(entity.set_name) + 1
    schema = entity.schema_name or schema_name(name)
    return {
        **table_facts(name, schema),
        "MetadataId": metadata_id("entity", name),
        "HasChanged": None,
        "ChangeTrackingEnabled": True,
        "CollectionSchemaName": f"{schema}s",
        "Description": label(entity.label),
        "DisplayCollectionName": label(f"{entity.label}s"),
        "DisplayName": label(entity.label),
        "EntitySetName": entity.set_name,
        "LogicalCollectionName": entity.set_name,
        "LogicalName": name,
        "ObjectTypeCode": number,
        "OwnershipType": "UserOwned" if "ownerid" in entity.columns else "OrganizationOwned",
        "PrimaryIdAttribute": entity.key[0],
        "PrimaryImageAttribute": next((about[0] for about in VIRTUAL.get(name, ()) if about[1] == "Image"), None),
        "PrimaryKey": [entity.key[0]],
        "PrimaryNameAttribute": entity.primary_name or None,
        "SchemaName": schema,
    }


PARTS = {
    "Attributes": attributes,
    "Keys": keys,
    "ManyToOneRelationships": many_to_one,
    "OneToManyRelationships": one_to_many,
}
