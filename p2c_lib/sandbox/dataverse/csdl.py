"""``$metadata``: the model in CSDL, with the forms Dataverse gives lookups and the marks of computed columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from xml.sax.saxutils import quoteattr

from p2c_lib.sandbox.dataverse.model import collections, edm, navigations, properties, sets
from p2c_lib.sandbox.dataverse.operations import declared, imported
from p2c_lib.sandbox.schema import Entity

_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
    '<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
    '<EntityType Name="crmbaseentity" Abstract="true" />'
)
_TAIL = "</Schema></edmx:DataServices></edmx:Edmx>"


@cache
def document(*, annotated: bool = False) -> bytes:
    """The whole document; ``annotated`` adds descriptions and change tracking."""
    pieces = [_HEAD]
    for entity in sets().values():
        pieces += _entity_type(entity, annotated=annotated)
    pieces += [*declared(), *_container(annotated=annotated), _TAIL]
    return "".join(pieces).encode()


def _entity_type(entity: Entity, *, annotated: bool) -> Iterator[str]:
    yield f'<EntityType Name={quoteattr(entity.name)} BaseType="mscrm.crmbaseentity">'
    yield f'<Key><PropertyRef Name="{entity.key[0]}" /></Key>'
    for name, column in properties(entity).items():
        nullable = ' Nullable="false"' if name == entity.key[0] else ""
        facets = ' Scale="Variable"' if edm(column) == "Edm.Decimal" else ""
        if edm(column) == "Edm.String":
            facets = ' Unicode="false"'
        marks = "" if column.create or column.update else _READ_ONLY
        if annotated and column.label:
            marks += f'<Annotation Term="Org.OData.Core.V1.Description" String={quoteattr(column.label)} />'
        opening = f'<Property Name="{name}" Type="{edm(column)}"{nullable}{facets}'
        yield f"{opening}>{marks}</Property>" if marks else f"{opening} />"
    for navigation in navigations(entity).values():
        yield (
            f'<NavigationProperty Name="{navigation.name}" Type="mscrm.{navigation.target.name}" '
            f'Nullable="false"{_partner(entity, navigation.name)}>'
            f'<ReferentialConstraint Property="_{navigation.column.name}_value" '
            f'ReferencedProperty="{navigation.target.key[0]}" /></NavigationProperty>'
        )
    for collection in collections(entity).values():
        partner = next(
            n.name
            for n in navigations(collection.child).values()
            if n.column is collection.lookup and entity.name in {t.name for t in n.targets}
        )
        yield (
            f'<NavigationProperty Name="{collection.name}" Type="Collection(mscrm.{collection.child.name})" '
            f'Partner="{partner}" />'
        )
    yield "</EntityType>"


_READ_ONLY = (
    '<Annotation Term="Org.OData.Core.V1.Computed" Bool="true" />'
    '<Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.PermissionType/Read</EnumMember>'
    "</Annotation>"
)


def _partner(entity: Entity, name: str) -> str:
    navigation = navigations(entity)[name]
    for collection in collections(navigation.target).values():
        if collection.child.name == entity.name and collection.lookup.name == navigation.column.name:
            return f' Partner="{collection.name}"'
    return ""


def _container(*, annotated: bool) -> Iterator[str]:
    yield '<EntityContainer Name="System">'
    for entity in sets().values():
        yield f'<EntitySet Name="{entity.set_name}" EntityType="Microsoft.Dynamics.CRM.{entity.name}">'
        for navigation in navigations(entity).values():
            yield f'<NavigationPropertyBinding Path="{navigation.name}" Target="{navigation.target.set_name}" />'
        for collection in collections(entity).values():
            yield f'<NavigationPropertyBinding Path="{collection.name}" Target="{collection.child.set_name}" />'
        if annotated:
            yield (
                '<Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record>'
                '<PropertyValue Property="Supported" Bool="true" /></Record></Annotation>'
            )
        yield "</EntitySet>"
    yield from imported()
    yield "</EntityContainer>"
