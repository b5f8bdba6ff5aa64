"""The functions and actions that are here: their parameters, what they are bound to, and what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from p2c_lib.sandbox.dataverse.operation_types import declared_complex, declared_types

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

    @property
    def address(self) -> str:
        """How the operation is called, below the service's root."""
        qualified = f"Microsoft.Dynamics.CRM.{self.name}"
        if self.bound is None:
            return f"{self.name}()" if self.kind == "function" else self.name
        if self.bound.startswith("Collection("):
            return f"<set>/{qualified}"
        return f"{self.bound.removeprefix('mscrm.')}s(<key>)/{qualified}"

    def fits(self, table: str) -> bool:
        """Whether the operation is bound to one row of that table."""
        return self.bound == f"mscrm.{table}" or (table == "team" and self.bound == "mscrm.systemuser")


def _function(name: str, *parameters: Parameter, bound: str | None = None) -> Operation:
    return Operation(name, "function", parameters, f"mscrm.{name}Response", bound)


_CLOSE = (Parameter("QuoteClose", "mscrm.quoteclose"), Parameter("Status", "Edm.Int32", nullable=True))
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
_TYPES = (
    *declared_types(),
    *(declared_complex(f"{name}Response", members) for name, members in _RESPONSES.items()),
)
