"""The functions and actions that are here: their parameters, which may be null, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from p2c_lib.sandbox.dataverse.refusals import bad_argument, bad_payload

TARGETS = "Collection(mscrm.crmbaseentity)"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; a nullable one that is left out is null."""

    name: str
    type: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A function or an action; ``bound`` is the type of its first parameter, ``returns`` that of its answer."""

    name: str
    kind: Literal["function", "action"]
    parameters: tuple[Parameter, ...] = ()
    returns: str | None = None
    bound: str | None = None

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter with what was given, or null; `Refusal` (400) for one too many or one that is missing."""
        known = {one.name: one for one in self.parameters}
        for name in given:
            if name not in known and "@" not in name:
                raise bad_payload(
                    f"The parameter '{name}' in the request payload is not a valid parameter for the operation "
                    f"'{self.name}'."
                )
        for one in self.parameters:
            if not one.nullable and given.get(one.name) is None:
                raise bad_argument(f"{self.name} needs {one.name}, which cannot be null.")
        return {name: given.get(name) for name in known}


def _function(name: str, *parameters: Parameter, bound: str | None = None) -> Operation:
    return Operation(name, "function", parameters, f"mscrm.{name}Response", bound)


_CLOSE = (Parameter("QuoteClose", "mscrm.crmbaseentity"), Parameter("Status", "Edm.Int32", nullable=True))
_BULK_DELETE = (
    Parameter("QuerySet", "Collection(mscrm.QueryExpression)"),
    Parameter("JobName", "Edm.String", nullable=True),
    Parameter("SendEmailNotification", "Edm.Boolean", nullable=True),
    Parameter("ToRecipients", TARGETS, nullable=True),
    Parameter("CCRecipients", TARGETS, nullable=True),
    Parameter("RecurrencePattern", "Edm.String", nullable=True),
    Parameter("StartDateTime", "Edm.DateTimeOffset", nullable=True),
    Parameter("SourceImportId", "Edm.Guid", nullable=True),
    Parameter("RunNow", "Edm.Boolean", nullable=True),
)
_CHANGES = (
    Parameter("Query", "mscrm.EntityQueryExpression", nullable=True),
    Parameter("DeletedMetadataFilters", "mscrm.DeletedMetadataFilters", nullable=True),
    Parameter("ClientVersionStamp", "Edm.String", nullable=True),
    Parameter("AppModuleId", "Edm.Guid", nullable=True),
    Parameter("RetrieveAllSettings", "Edm.Boolean", nullable=True),
)
_TARGETS = (Parameter("Targets", TARGETS),)
_EVERY = "Collection(mscrm.crmbaseentity)"
OPERATIONS = (
    _function("WhoAmI"),
    _function("RetrieveVersion"),
    _function("RetrieveTimestamp"),
    _function("RetrieveCurrentOrganization", Parameter("AccessType", "mscrm.EndpointAccessType")),
    _function("RetrieveTotalRecordCount", Parameter("EntityNames", "Collection(Edm.String)")),
    _function("RetrieveMetadataChanges", *_CHANGES),
    _function("RetrieveAvailableLanguages"),
    _function("RetrieveProvisionedLanguages"),
    _function("RetrieveInstalledLanguagePacks"),
    _function("RetrieveExchangeRate", Parameter("TransactionCurrencyId", "Edm.Guid")),
    _function("RetrievePrincipalAccess", Parameter("Target", "mscrm.crmbaseentity"), bound="mscrm.systemuser"),
    Operation("WinQuote", "action", _CLOSE),
    Operation("CloseQuote", "action", _CLOSE),
    Operation(
        "ReviseQuote",
        "action",
        (Parameter("QuoteId", "Edm.Guid"), Parameter("ColumnSet", "mscrm.ColumnSet", nullable=True)),
        "mscrm.quote",
    ),
    Operation("BulkDelete", "action", _BULK_DELETE, "mscrm.BulkDeleteResponse"),
    Operation("PublishProductHierarchy", "action", bound="mscrm.product"),
    Operation("RevertProduct", "action", bound="mscrm.product"),
    Operation("CreateMultiple", "action", _TARGETS, "mscrm.CreateMultipleResponse", _EVERY),
    Operation("UpdateMultiple", "action", _TARGETS, None, _EVERY),
    Operation("UpsertMultiple", "action", _TARGETS, None, _EVERY),
    Operation("DeleteMultiple", "action", _TARGETS, None, _EVERY),
)
BY_NAME: Mapping[str, Operation] = {one.name: one for one in OPERATIONS}


def declared() -> Iterator[str]:
    """The operations in CSDL, with the types of their answers as far as they are scalars and lists of them."""
    yield from _TYPES
    for one in OPERATIONS:
        tag = "Function" if one.kind == "function" else "Action"
        bound = ' IsBound="true"' if one.bound else ""
        yield f'<{tag} Name="{one.name}"{bound}>'
        if one.bound:
            yield f'<Parameter Name="entity" Type="{one.bound}" Nullable="false" />'
        for parameter in one.parameters:
            may = "" if parameter.nullable else ' Nullable="false"'
            yield f'<Parameter Name="{parameter.name}" Type="{parameter.type}"{may} />'
        if one.returns:
            yield f'<ReturnType Type="{one.returns}" Nullable="false" />'
        yield f"</{tag}>"


def imported() -> Iterator[str]:
    """The imports of the unbound ones, for the entity container."""
    for one in OPERATIONS:
        if one.bound is None:
            tag = "Function" if one.kind == "function" else "Action"
            yield f'<{tag}Import Name="{one.name}" {tag}="Microsoft.Dynamics.CRM.{one.name}" />'


def _complex(name: str, members: Mapping[str, str]) -> str:
    inner = "".join(f'<Property Name="{member}" Type="{kind}" />' for member, kind in members.items())
    return f'<ComplexType Name="{name}">{inner}</ComplexType>'


def _enumerated(name: str, members: Mapping[str, int], flags: str = "") -> str:
    inner = "".join(f'<Member Name="{member}" Value="{value}" />' for member, value in members.items())
    return f'<EnumType Name="{name}"{flags}>{inner}</EnumType>'


_DELETED = {"Entity": 1, "Attribute": 2, "Relationship": 4, "Label": 8, "OptionSet": 16, "All": 31}
_RESPONSES: Mapping[str, Mapping[str, str]] = {
    "WhoAmI": {"BusinessUnitId": "Edm.Guid", "UserId": "Edm.Guid", "OrganizationId": "Edm.Guid"},
    "RetrieveVersion": {"Version": "Edm.String"},
    "RetrieveTimestamp": {"Timestamp": "Edm.String"},
    "RetrieveCurrentOrganization": {"Detail": "mscrm.OrganizationDetail"},
    "RetrieveTotalRecordCount": {"EntityRecordCountCollection": "mscrm.EntityRecordCountCollection"},
    "RetrieveMetadataChanges": {
        "EntityMetadata": "Collection(mscrm.ComplexEntityMetadata)",
        "ServerVersionStamp": "Edm.String",
        "DeletedMetadata": "mscrm.DeletedMetadataCollection",
    },
    "RetrieveAvailableLanguages": {"LocaleIds": "Collection(Edm.Int32)"},
    "RetrieveProvisionedLanguages": {"RetrieveProvisionedLanguages": "Collection(Edm.Int32)"},
    "RetrieveInstalledLanguagePacks": {"RetrieveInstalledLanguagePacks": "Collection(Edm.Int32)"},
    "RetrieveExchangeRate": {"ExchangeRate": "Edm.Decimal"},
    "RetrievePrincipalAccess": {"AccessRights": "mscrm.AccessRights"},
    "BulkDelete": {"JobId": "Edm.Guid"},
    "CreateMultiple": {"Ids": "Collection(Edm.Guid)"},
}
ACCESS_RIGHTS = {
    "None": 0, "ReadAccess": 1, "WriteAccess": 2, "AppendAccess": 4, "AppendToAccess": 16, "CreateAccess": 32,
    "DeleteAccess": 65536, "ShareAccess": 262144, "AssignAccess": 524288,
}  # fmt: skip
_TYPES = (
    _enumerated("EndpointAccessType", {"Default": 0, "Internet": 1, "Intranet": 2}),
    _enumerated("DeletedMetadataFilters", _DELETED, ' IsFlags="true"'),
    _enumerated("AccessRights", ACCESS_RIGHTS, ' IsFlags="true"'),
    *(
        f'<ComplexType Name="{name}" OpenType="true" />'
        for name in (
            "EntityQueryExpression",
            "QueryExpression",
            "ColumnSet",
            "OrganizationDetail",
            "EntityRecordCountCollection",
            "ComplexEntityMetadata",
            "DeletedMetadataCollection",
        )
    ),
    *(_complex(f"{name}Response", members) for name, members in _RESPONSES.items()),
)
