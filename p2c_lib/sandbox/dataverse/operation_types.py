"""The types that parameters of functions and actions have: complex ones by their members, enums by theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_FILTERED = {"Criteria": "mscrm.MetadataFilterExpression", "Properties": "mscrm.MetadataPropertiesExpression"}
COMPLEX: Mapping[str, Mapping[str, str]] = {
    "EntityQueryExpression": {
        **_FILTERED,
        "AttributeQuery": "mscrm.AttributeQueryExpression",
        "RelationshipQuery": "mscrm.RelationshipQueryExpression",
        "KeyQuery": "mscrm.EntityKeyQueryExpression",
        "LabelQuery": "mscrm.LabelQueryExpression",
    },
    "AttributeQueryExpression": _FILTERED,
    "RelationshipQueryExpression": _FILTERED,
    "EntityKeyQueryExpression": _FILTERED,
    "LabelQueryExpression": {"FilterLanguages": "Collection(Edm.Int32)", "MissingLabelBehavior": "Edm.Int32"},
    "MetadataPropertiesExpression": {"AllProperties": "Edm.Boolean", "PropertyNames": "Collection(Edm.String)"},
    "MetadataFilterExpression": {
        "FilterOperator": "mscrm.LogicalOperator",
        "Conditions": "Collection(mscrm.MetadataConditionExpression)",
        "Filters": "Collection(mscrm.MetadataFilterExpression)",
    },
    "MetadataConditionExpression": {
        "PropertyName": "Edm.String",
        "ConditionOperator": "mscrm.MetadataConditionOperator",
        "Value": "mscrm.Object",
    },
    "QueryExpression": {
        "EntityName": "Edm.String",
        "ColumnSet": "mscrm.ColumnSet",
        "Criteria": "mscrm.FilterExpression",
        "Distinct": "Edm.Boolean",
        "NoLock": "Edm.Boolean",
        "Orders": "Collection(mscrm.OrderExpression)",
        "QueryHints": "Edm.String",
        "ForceSeek": "Edm.String",
        "DataSource": "Edm.String",
        "LinkEntities": "Collection(mscrm.LinkEntity)",
        "PageInfo": "mscrm.PagingInfo",
        "SubQueryExpression": "mscrm.QueryExpression",
        "TopCount": "Edm.Int32",
    },
    "FilterExpression": {
        "FilterOperator": "mscrm.LogicalOperator",
        "Conditions": "Collection(mscrm.ConditionExpression)",
        "Filters": "Collection(mscrm.FilterExpression)",
        "IsQuickFindFilter": "Edm.Boolean",
        "FilterHint": "Edm.String",
        "AnyAllFilterLinkEntity": "mscrm.LinkEntity",
    },
    "ConditionExpression": {
        "AttributeName": "Edm.String",
        "Operator": "Edm.String",
        "Values": "Collection(mscrm.Object)",
        "EntityName": "Edm.String",
        "CompareColumns": "Edm.Boolean",
    },
    "OrderExpression": {
        "AttributeName": "Edm.String",
        "OrderType": "mscrm.OrderType",
        "Alias": "Edm.String",
        "EntityName": "Edm.String",
    },
    "ColumnSet": {
        "AllColumns": "Edm.Boolean",
        "Columns": "Collection(Edm.String)",
        "AttributeExpressions": "Collection(mscrm.XrmAttributeExpression)",
    },
    "Object": {"Type": "Edm.String", "Value": "Edm.String"},
}
# The activity that closes a quote, which is kept nowhere: what may be said of it.
_SAID = ("subject", "description", "category", "subcategory", "quotenumber")
_WHEN = ("actualstart", "actualend", "scheduledstart", "scheduledend", "createdon", "overriddencreatedon")
_COUNTED = (
    "revision", "statecode", "statuscode", "actualdurationminutes", "scheduleddurationminutes", "importsequencenumber",
    "timezoneruleversionnumber", "utcconversiontimezonecode",
)  # fmt: skip
CLOSING: Mapping[str, str] = {
    "activityid": "Edm.Guid",
    **dict.fromkeys(_SAID, "Edm.String"),
    **dict.fromkeys(_WHEN, "Edm.DateTimeOffset"),
    **dict.fromkeys(_COUNTED, "Edm.Int32"),
    **dict.fromkeys(("isbilled", "isworkflowcreated"), "Edm.Boolean"),
}
# What it is bound to.
CLOSING_BINDS = ("quoteid", "ownerid", "transactioncurrencyid", "regardingobjectid_quote")
# Members that change what a query means and that nothing here follows: refused by name, unless they say nothing.
NOT_HERE = {
    "QueryExpression": {"DataSource", "LinkEntities", "PageInfo", "SubQueryExpression", "TopCount"},
    "FilterExpression": {"AnyAllFilterLinkEntity", "FilterHint", "IsQuickFindFilter"},
    "ConditionExpression": {"CompareColumns", "EntityName"},
    "ColumnSet": {"AttributeExpressions"},
}
ACCESS_RIGHTS = {
    "None": 0, "ReadAccess": 1, "WriteAccess": 2, "AppendAccess": 4, "AppendToAccess": 16, "CreateAccess": 32,
    "DeleteAccess": 65536, "ShareAccess": 262144, "AssignAccess": 524288,
}  # fmt: skip
OPERATORS = {"Equals": 0, "NotEquals": 1, "In": 2, "NotIn": 3, "GreaterThan": 4, "LessThan": 5}
_DELETED = {"Default": 1, "Entity": 1, "Attribute": 2, "Relationship": 4, "Label": 8, "OptionSet": 16, "All": 31}
ENUMS: Mapping[str, Mapping[str, int]] = {
    "EndpointAccessType": {"Default": 0, "Internet": 1, "Intranet": 2},
    "DeletedMetadataFilters": _DELETED,
    "AccessRights": ACCESS_RIGHTS,
    "LogicalOperator": {"And": 0, "Or": 1},
    "MetadataConditionOperator": OPERATORS,
    "OrderType": {"Ascending": 0, "Descending": 1},
}
FLAGS = {"DeletedMetadataFilters", "AccessRights"}
_OPEN = (
    "LinkEntity", "PagingInfo", "XrmAttributeExpression", "OrganizationDetail", "EntityRecordCountCollection",
    "ComplexEntityMetadata", "DeletedMetadataCollection",
)  # fmt: skip


def declared_types() -> Iterator[str]:
    """The types in CSDL."""
    for name, values in ENUMS.items():
        inner = "".join(f'<Member Name="{member}" Value="{value}" />' for member, value in values.items())
        yield f'<EnumType Name="{name}"{_IS_FLAGS if name in FLAGS else ""}>{inner}</EnumType>'
    for name in _OPEN:
        yield f'<ComplexType Name="{name}" OpenType="true" />'
    for name, members in COMPLEX.items():
        yield declared_complex(name, members)
    closing = "".join(f'<Property Name="{name}" Type="{kind}" />' for name, kind in CLOSING.items())
    key = '<Key><PropertyRef Name="activityid" /></Key>'
    yield f'<EntityType Name="quoteclose" BaseType="mscrm.crmbaseentity">{key}{closing}</EntityType>'


_IS_FLAGS = ' IsFlags="true"'


def declared_complex(name: str, members: Mapping[str, str]) -> str:
    """One complex type in CSDL."""
    inner = "".join(f'<Property Name="{member}" Type="{kind}" />' for member, kind in members.items())
    return f'<ComplexType Name="{name}">{inner}</ComplexType>'
