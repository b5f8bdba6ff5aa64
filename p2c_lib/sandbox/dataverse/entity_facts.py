"""What the reference documents of tables, columns and relationships beyond what the sandbox's schema knows.

The values are those an ordinary table of the Sales app has; where the sandbox knows better, its own value wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WITH_NOTES = frozenset({"account", "contact", "product", "quote", "salesorder", "invoice"})
_WITH_ACTIVITIES = frozenset({"account", "contact", "quote", "salesorder", "invoice"})
_PARTIES = frozenset({"account", "contact", "systemuser", "team"})
_CHILDREN = frozenset({"quotedetail", "salesorderdetail", "invoicedetail", "productpricelevel", "uom"})
_IN_QUEUES = frozenset({"account", "contact", "quote"})
FOUNDED = "1900-01-01T00:00:00Z"
VERSION = "5.0.0.0"


def managed(value: object, name: str, *, changeable: bool = False) -> dict[str, Any]:
    """A managed property: its value, whether it can be changed, and its own logical name."""
    return {"Value": value, "CanBeChanged": changeable, "ManagedPropertyLogicalName": name}


_PLAIN: Mapping[str, object] = {
    "ActivityTypeMask": 0, "AutoCreateAccessTeams": False, "AutoReplicateClusterRecords": False,
    "AutoRouteToOwnerQueue": False, "CanChangeClusterMode": False, "CanTriggerWorkflow": True, "ClusterMode": None,
    "CreatedOn": FOUNDED, "DataProviderId": None, "DataSourceId": None, "DaysSinceRecordLastModified": 0,
    "EnforceStateTransitions": False, "EntityColor": None, "EntityHelpUrl": None, "EntityHelpUrlEnabled": False,
    "ExternalCollectionName": None, "ExternalName": None, "HasEmailAddresses": False, "HasFeedback": False,
    "IconLargeName": None, "IconMediumName": None, "IconSmallName": None, "IconVectorName": None,
    "IntroducedVersion": VERSION, "IsAIRUpdated": True, "IsActivity": False, "IsArchivalEnabled": False,
    "IsAvailableOffline": True, "IsBPFEntity": False, "IsBusinessProcessEnabled": True, "IsCustomEntity": False,
    "IsDocumentManagementEnabled": False, "IsDocumentRecommendationsEnabled": False, "IsEnabledForCharts": True,
    "IsEnabledForExternalChannels": False, "IsEnabledForTrace": False, "IsImportable": True,
    "IsInteractionCentricEnabled": False, "IsIntersect": False, "IsKnowledgeManagementEnabled": False,
    "IsLogicalEntity": False, "IsMSTeamsIntegrationEnabled": False, "IsManaged": True,
    "IsOneNoteIntegrationEnabled": False, "IsOptimisticConcurrencyEnabled": True, "IsPrivate": False,
    "IsQuickCreateEnabled": False, "IsReadingPaneEnabled": True, "IsRetentionEnabled": False,
    "IsRetrieveAuditEnabled": False, "IsRetrieveMultipleAuditEnabled": False, "IsSLAEnabled": False,
    "IsSolutionAware": False, "IsStateModelAware": False, "IsValidForAdvancedFind": True, "MobileOfflineFilters": None,
    "ModifiedOn": FOUNDED, "OwnerId": None, "OwnerIdType": None, "OwningBusinessUnit": None,
    "PrimaryImageAttribute": None, "RecurrenceBaseEntityLogicalName": None, "SettingOf": None, "Settings": [],
    "SyncToExternalSearchIndex": False, "TableType": "Standard", "UsesBusinessDataLabelTable": False,
}  # fmt: skip
_MANAGED: Mapping[str, tuple[bool, str]] = {
    "CanBeInCustomEntityAssociation": (True, "canbeincustomentityassociation"),
    "CanBeInManyToMany": (True, "canbeinmanytomany"),
    "CanBePrimaryEntityInRelationship": (True, "canbeprimaryentityinrelationship"),
    "CanBeRelatedEntityInRelationship": (True, "canberelatedentityinrelationship"),
    "CanChangeHierarchicalRelationship": (True, "canchangehierarchicalrelationship"),
    "CanChangeTrackingBeEnabled": (True, "canchangetrackingbeenabled"),
    "CanCreateAttributes": (True, "cancreateattributes"),
    "CanCreateCharts": (True, "cancreatecharts"),
    "CanCreateForms": (True, "cancreateforms"),
    "CanCreateViews": (True, "cancreateviews"),
    "CanEnableSyncToExternalSearchIndex": (True, "canenablesynctoexternalsearchindex"),
    "CanModifyAdditionalSettings": (True, "canmodifyadditionalsettings"),
    "IsAuditEnabled": (False, "canmodifyauditsettings"),
    "IsConnectionsEnabled": (True, "canmodifyconnectionsettings"),
    "IsCustomizable": (True, "iscustomizable"),
    "IsDuplicateDetectionEnabled": (False, "canmodifyduplicatedetectionsettings"),
    "IsMailMergeEnabled": (False, "canmodifymailmergesettings"),
    "IsMappable": (True, "ismappable"),
    "IsOfflineInMobileClient": (False, "canmodifymobileclientoffline"),
    "IsReadOnlyInMobileClient": (False, "canmodifymobileclientreadonly"),
    "IsRenameable": (True, "isrenameable"),
    "IsVisibleInMobile": (False, "canmodifymobilevisibility"),
    "IsVisibleInMobileClient": (True, "canmodifymobileclientvisibility"),
}


def table_facts(name: str, schema_name: str) -> dict[str, Any]:
    """The documented members of ``EntityMetadata`` for one table."""
    own = {
        "HasActivities": name in _WITH_ACTIVITIES,
        "HasNotes": name in _WITH_NOTES,
        "IsActivityParty": name in _PARTIES,
        "IsChildEntity": name in _CHILDREN,
        "IsValidForQueue": managed(name in _IN_QUEUES, "canmodifyqueuesettings"),
        "ReportViewName": f"Filtered{schema_name}",
        "Privileges": [],
    }
    return {**_PLAIN, **{key: managed(*about) for key, about in _MANAGED.items()}, **own}


COLUMN_FACTS: Mapping[str, Any] = {
    "AutoNumberFormat": "",
    "CanModifyAdditionalSettings": managed(value=True, name="canmodifyadditionalsettings"),
    "CreatedOn": FOUNDED,
    "ExternalName": None,
    "InheritsFrom": None,
    "IsDataSourceSecret": False,
    "ModifiedOn": FOUNDED,
    "Settings": [],
}

_FORMULA = {"FormulaDefinition": None, "SourceTypeMask": 0}
_INPUT = {"ImeMode": "Disabled"}
_DAY = {"CanChangeDateTimeBehavior": managed(value=False, name="canchangedatetimebehavior")}
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "string": {"ImeMode": "Auto", "IsLocalizable": False, "YomiOf": None, **_FORMULA},
    "memo": {"ImeMode": "Auto", "IsLocalizable": False},
    "int": dict(_FORMULA),
    "decimal": {**_INPUT, **_FORMULA},
    "double": dict(_INPUT),
    "money": {"CalculationOf": None, **_INPUT, **_FORMULA},
    "datetime": {
        "CanChangeDateTimeBehavior": managed(value=False, name="canchangedatetimebehavior"),
        **_INPUT,
        **_FORMULA,
    },
    "date": {"CanChangeDateTimeBehavior": managed(value=False, name="canchangedatetimebehavior"), **_INPUT, **_FORMULA},
    "bool": dict(_FORMULA),
    "choice": {"ChildPicklistLogicalNames": [], "ParentPicklistLogicalName": None, **_FORMULA},
    "choices": {"ChildPicklistLogicalNames": [], "ParentPicklistLogicalName": None, **_FORMULA},
}
VIRTUAL_FACTS: Mapping[str, Mapping[str, Any]] = {
    "Image": {
        "IsPrimaryImage": True,
        "MaxHeight": 144,
        "MaxWidth": 144,
        "MaxSizeInKB": 10240,
        "CanStoreFullImage": False,
    },
    "File": {"MaxSizeInKB": 32768},
}


def kind_facts(kind: str) -> Mapping[str, Any]:
    """The documented members that columns of one kind have beyond those of all."""
    return _KINDS.get(kind, {})


_NO_CASCADE = {
    "Archive": "NoCascade", "Assign": "NoCascade", "Delete": "RemoveLink", "Merge": "NoCascade",
    "Reparent": "NoCascade", "RollupView": "NoCascade", "Share": "NoCascade", "Unshare": "NoCascade",
}  # fmt: skip
_MENU = {
    "AvailableOffline": True, "Behavior": "UseCollectionName", "Group": "Details", "Icon": None,
    "IsCustomizable": False, "Label": {"LocalizedLabels": [], "UserLocalizedLabel": None}, "MenuId": None,
    "Order": None, "QueryApi": None, "ViewId": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip
# What relationships of every kind have.
BASE_RELATIONSHIP = frozenset(
    {
        "HasChanged", "IntroducedVersion", "IsCustomRelationship", "IsCustomizable", "IsManaged",
        "IsValidForAdvancedFind", "MetadataId", "RelationshipType", "SchemaName", "SecurityTypes",
    }
)  # fmt: skip
RELATIONSHIP_FACTS: Mapping[str, Any] = {
    "AssociatedMenuConfiguration": _MENU,
    "CascadeConfiguration": _NO_CASCADE,
    "DenormalizedAttributeName": None,
    "EntityKey": None,
    "IntroducedVersion": VERSION,
    "IsCustomizable": managed(value=True, name="iscustomizable"),
    "IsDenormalizedLookup": False,
    "IsRelationshipAttributeDenormalized": False,
    "RelationshipAttributes": [],
    "RelationshipBehavior": 1,
}
