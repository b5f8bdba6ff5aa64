"""What F&O tells about itself: the service document, ``$metadata`` and the metadata service."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from xml.sax.saxutils import quoteattr

from p2c_lib.sandbox.finops.levels import json_answer
from p2c_lib.sandbox.finops.memory_rows import check_options, listed, single
from p2c_lib.sandbox.finops.refusals import no_resource, not_here
from p2c_lib.sandbox.finops.values import NAMESPACE, edm
from p2c_lib.sandbox.payload import About
from p2c_lib.sandbox.schema import Column, Entity, entities, enums
from p2c_lib.sandbox.wire import Answer, Call

_DATA_TYPES = {"string": "String", "int": "Int32", "bigint": "Int64", "decimal": "Real", "guid": "Guid", "enum": "Enum"}
_LABEL = re.compile(r"Labels\(Id='((?:[^']|'')*)',\s*Language='([\w-]+)'\)", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|\d+")
_KEYED = re.compile(r"(\w+)(?:\((?:\w+=)?'((?:[^']|'')*)'\))?")


def service_document(call: Call) -> Answer:
    """The list of entity sets."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in sorted(entities("finops"))]
    return json_answer(call, {"@odata.context": f"{call.base}/data/$metadata", "value": sets})


# -- CSDL ----------------------------------------------------------------------------------------------------------


@cache
def csdl() -> bytes:
    """The CSDL of all entity sets and enums; like the service's own it states no text lengths."""
    found = entities("finops")
    enum_types = "".join(_enum_type(name, members) for name, members in sorted(enums().items()))
    types = "".join(_entity_type(one) for one in found.values())
    sets = "".join(_entity_set(one) for one in found.values())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">{enum_types}{types}'
        f'<EntityContainer Name="Resources">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _enum_type(name: str, members: dict[str, int]) -> str:
    inner = "".join(f'<Member Name={quoteattr(member)} Value="{value}" />' for member, value in members.items())
    return f"<EnumType Name={quoteattr(name)}>{inner}</EnumType>"


def _entity_type(one: Entity) -> str:
    keys = "".join(f'<PropertyRef Name="{name}" />' for name in one.key)
    properties = "".join(_property_element(one, column) for column in one.columns.values())
    navigation = "".join(
        f'<NavigationProperty Name="{name}" Type="{_navigation_type(target, many=many)}" />'
        for name, (target, many) in navigations(one).items()
    )
    return f'<EntityType Name="{one.name}"><Key>{keys}</Key>{properties}{navigation}</EntityType>'


def _property_element(one: Entity, column: Column) -> str:
    required = column.name in one.key or column.kind not in {"string", "enum"}
    nullable = ' Nullable="false"' if required else ""
    return f'<Property Name="{column.name}" Type="{edm(column)}"{nullable} />'


def _navigation_type(target: Entity, *, many: bool) -> str:
    name = f"{NAMESPACE}.{target.name}"
    return f"Collection({name})" if many else name


def _entity_set(one: Entity) -> str:
    inner = "".join(
        f'<NavigationPropertyBinding Path="{name}" Target="{target.set_name}" />'
        for name, (target, _) in navigations(one).items()
    )
    return f'<EntitySet Name="{one.set_name}" EntityType="{NAMESPACE}.{one.name}">{inner}</EntitySet>'


def columns_about(entity: Entity, value: str | None = None) -> About:
    """The kinds of an entity's columns and of those behind its navigations; ``value`` is that of a lone value."""
    known = navigations(entity)

    def about(name: str) -> tuple[str | None, About | None]:
        kind = entity.columns[name].kind if name in entity.columns else value if name == "value" else None
        return kind, columns_about(known[name][0]) if name in known else None

    return about


def navigations(one: Entity) -> dict[str, tuple[Entity, bool]]:
    """Navigation properties that can be expanded: name to (target, whether it is a collection)."""
    sets = entities("finops")
    found = {
        "CDSSalesQuotationHeaders": {"CDSSalesQuotationLines": (sets["CDSSalesQuotationLines"], True)},
        "CDSSalesQuotationLines": {"CDSSalesQuotationHeader": (sets["CDSSalesQuotationHeaders"], False)},
    }
    return found.get(one.set_name, {})


# -- the metadata service ------------------------------------------------------------------------------------------


def metadata_service(call: Call, path: str) -> Answer:
    """``/metadata/<resource>``: the collection with query options, or one row by its name; no path has a case."""
    base, options = f"{call.base}/metadata/$metadata", call.options()
    if not path:
        names = [*(name for name, _, _ in _RESOURCES.values()), "Labels"]
        check_options(options, ("$format",))
        sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
        return json_answer(call, {"@odata.context": base, "value": sets})
    if path == "$metadata":
        raise not_here("/metadata/$metadata")
    label = _LABEL.fullmatch(path)
    if label is not None:
        check_options(options, ("$format",))
        return _label(call, label.group(1).replace("''", "'"), label.group(2))
    match = _KEYED.fullmatch(path)
    if match is None or match.group(1).lower() not in _RESOURCES:
        if path.lower().startswith("labels"):
            raise no_resource("Labels are read one by one: Labels(Id='...',Language='...').")
        known = ", ".join(name for name, _, _ in _RESOURCES.values())
        raise no_resource(f"Resource not found for the segment '{path[:80]}'. Known: {known}.")
    name, key, rows = _RESOURCES[match.group(1).lower()]
    if match.group(2) is None:
        return json_answer(call, {"@odata.context": f"{base}#{name}", **listed(rows(), options)})
    wanted = match.group(2).replace("''", "'")
    row = next((row for row in rows() if row[key] == wanted), None)
    if row is None:
        raise no_resource(f"No row of '{name}' is named '{wanted[:80]}'.")
    return json_answer(call, {"@odata.context": f"{base}#{name}/$entity", **single(row, options)})


def _label(call: Call, name: str, language: str) -> Answer:
    """The text of a label: an entity's own, else the words of the name; in English whatever the language."""
    name = name.removeprefix("@Sandbox:")
    if name not in _label_names():
        raise no_resource(f"There is no label '{name[:80]}': the sandbox has those its metadata names.")
    own = {one.name: one.label for one in entities("finops").values()}
    words = own.get(name) or " ".join(_WORDS.findall(name.rpartition(".")[2])).capitalize()
    key = f"{call.base}/metadata/$metadata#Labels/$entity"
    return json_answer(call, {"@odata.context": key, "Id": f"@Sandbox:{name}", "Language": language, "Value": words})


@cache
def _label_names() -> frozenset[str]:
    columns = {f"{one.name}.{column}" for one in entities("finops").values() for column in one.columns}
    members = {f"{enum}.{member}" for enum, known in enums().items() for member in known}
    return frozenset(columns | members | {one.name for one in entities("finops").values()} | set(enums()))


@cache
def _data_entities() -> list[dict[str, Any]]:
    return [
        {
            "Name": one.aot,
            "PublicEntityName": one.name,
            "PublicCollectionName": one.set_name,
            "LabelId": f"@Sandbox:{one.name}",
            "DataServiceEnabled": True,
            "DataManagementEnabled": True,
            "EntityCategory": "Master",
            "IsReadOnly": False,
        }
        for one in entities("finops").values()
    ]


@cache
def _public_entities() -> list[dict[str, Any]]:
    return [
        {
            "Name": one.name,
            "EntitySetName": one.set_name,
            "LabelId": f"@Sandbox:{one.name}",
            "IsReadOnly": False,
            "ConfigurationEnabled": True,
            "Properties": [_property(one, column) for column in one.columns.values()],
            "NavigationProperties": [
                {"Name": name, "RelatedEntity": target.name, "Cardinality": "Multiple" if many else "Single"}
                for name, (target, many) in navigations(one).items()
            ],
            "PropertyGroups": [],
            "Actions": [],
        }
        for one in entities("finops").values()
    ]


def _property(one: Entity, column: Column) -> dict[str, Any]:
    if column.kind == "datetime":
        data_type = "Date" if column.behavior == "Date" else "UtcDateTime"
    else:
        data_type = _DATA_TYPES[column.kind]
    return {
        "Name": column.name,
        "TypeName": edm(column),
        "DataType": data_type,
        "LabelId": f"@Sandbox:{one.name}.{column.name}",
        "IsKey": column.name in one.key,
        "IsMandatory": column.required == "application",
        "ConfigurationEnabled": True,
        "AllowEdit": column.update,
        "AllowEditOnCreate": column.create,
        "IsDimension": False,
        "DimensionRelation": None,
        "IsDynamicDimension": False,
        "DimensionLegalEntityProperty": None,
        "DimensionTypeProperty": None,
    }


@cache
def _public_enumerations() -> list[dict[str, Any]]:
    return [
        {
            "Name": name,
            "LabelId": f"@Sandbox:{name}",
            "Members": [
                {"Name": member, "LabelId": f"@Sandbox:{name}.{member}", "Value": value, "ConfigurationEnabled": True}
                for member, value in members.items()
            ],
        }
        for name, members in sorted(enums().items())
    ]


_RESOURCES: dict[str, tuple[str, str, Callable[[], list[dict[str, Any]]]]] = {
    "dataentities": ("DataEntities", "Name", _data_entities),
    "publicentities": ("PublicEntities", "Name", _public_entities),
    "publicenumerations": ("PublicEnumerations", "Name", _public_enumerations),
}
