"""A row like those of a collection of definitions, to look at options by where the collection has none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from p2c_lib.sandbox.dataverse import definitions
from p2c_lib.sandbox.dataverse.model import sets

__all__ = ["example"]

# The members that the reference documents for what no table of the sandbox has.
_WITHOUT_ROWS = {
    "ManyToManyRelationships": """
        MetadataId HasChanged SchemaName SecurityTypes IsManaged RelationshipType IntroducedVersion IsCustomRelationship
        IsCustomizable IsValidForAdvancedFind IntersectEntityName Entity1LogicalName Entity1IntersectAttribute
        Entity1NavigationPropertyName Entity1AssociatedMenuConfiguration Entity2LogicalName Entity2IntersectAttribute
        Entity2NavigationPropertyName Entity2AssociatedMenuConfiguration
    """,
    "GlobalOptionSetDefinitions": """
        MetadataId HasChanged Name Description DisplayName IsCustomOptionSet IsGlobal IsManaged IsCustomizable
        ExternalTypeName IntroducedVersion OptionSetType ParentOptionSetName Options
    """,
}


@lru_cache(maxsize=256)
def example(collection: str, cast: str | None) -> Mapping[str, Any]:
    """A row of a collection by its name in a path, of the type of the cast.

    >>> "ReferencingEntity" in example("OneToManyRelationships", None), "Options" in example("RibbonDiffs", None)
    (True, False)
    """
    if collection == "EntityDefinitions":
        return definitions.definition(next(iter(sets().values())).name)
    if collection == "RelationshipDefinitions":
        collection = (
            cast.replace("Metadata", "s") if cast == "ManyToManyRelationshipMetadata" else "OneToManyRelationships"
        )
    rows = [one for each in sets().values() for one in definitions.PARTS.get(collection, _none)(each.name)]
    alike = [one for one in rows if cast is None or str(one.get("@odata.type")).endswith(f".{cast}")]
    return (alike or rows or [dict.fromkeys(_WITHOUT_ROWS.get(collection, "MetadataId").split())])[0]


def _none(_name: str) -> list[dict[str, Any]]:
    return []
