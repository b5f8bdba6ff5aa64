"""The functions: who asks, what the organisation is, how many rows there are, what changed in the metadata."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse.arguments import arguments
from p2c_lib.sandbox.dataverse.keys import Key, bound, find
from p2c_lib.sandbox.dataverse.metadata_changes import changes, stamp
from p2c_lib.sandbox.dataverse.model import by_name, sets
from p2c_lib.sandbox.dataverse.operation_types import ACCESS_RIGHTS
from p2c_lib.sandbox.dataverse.operations import BY_NAME
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument, bad_query, missing_row, not_allowed, not_last
from p2c_lib.sandbox.dataverse.values import guid
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.wire import Answer

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

VERSION = "9.2.24014.198"
_ENGLISH = 1033
_SPACE = uuid.UUID("7e0b6a52-1d3c-5f0e-8a71-2c9b4d5e6f70")


def find_function(name: str) -> Callable[[Request, list[Segment]], Answer] | None:
    """The answer to a path that is a call of the unbound function of that name."""
    work = _UNBOUND.get(name)
    if work is None:
        return None

    def called(request: Request, path: list[Segment]) -> Answer:
        return _answered(request, path, lambda given: work(request, given))

    return called


def bound_function(entity: Entity, path: Sequence[Segment]) -> Callable[[Request, Key], Answer] | None:
    """The function that a path after one row of the table begins with, by its qualified name, if it is bound to it."""
    if path[0].name != f"{NAMESPACE}.RetrievePrincipalAccess" or not BY_NAME["RetrievePrincipalAccess"].fits(
        entity.name
    ):
        return None

    def called(request: Request, key: Key) -> Answer:
        if find(request.store, key) is None:
            raise key.missing()
        return _answered(request, path, lambda given: _access(request, given))

    return called


def _answered(request: Request, path: Sequence[Segment], work: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Answer:
    """The answer of a function that the path's first segment calls; nothing of it can be addressed further."""
    if len(path) > 1:
        raise not_last(path[0].name)
    if request.call.method != "GET":
        raise not_allowed(request.call.method, request.path)
    request.only("$select")
    name = path[0].name.rpartition(".")[2]
    members = work(arguments(BY_NAME[name], path[0].key, request.raw))
    wanted = [part.strip() for part in request.raw.get("$select", "").split(",") if part.strip()]
    for one in wanted:
        if one not in members:
            raise bad_query(f"Could not find a property named '{one}' on type '{NAMESPACE}.{name}Response'.")
    shown = {key: value for key, value in members.items() if not wanted or key in wanted}
    body = {"@odata.context": f"{request.root}$metadata#{NAMESPACE}.{name}Response", **shown}
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(200, headers, json.dumps(body, ensure_ascii=False).encode())


def _who_am_i(request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    caller = request.organisation.caller()
    return {
        "BusinessUnitId": caller.business_unit,
        "UserId": caller.user,
        "OrganizationId": caller.organization,
    }


def _version(_request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": VERSION}


def _timestamp(request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"Timestamp": stamp(request.organisation.switches)}


def _organisation(request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    own = request.organisation
    base = request.call.base
    organization = own.caller().organization
    endpoints = {
        "WebApplication": f"{base}/",
        "OrganizationService": f"{base}/XRMServices/2011/Organization.svc",
        "OrganizationDataService": f"{base}/XRMServices/2011/OrganizationData.svc",
    }
    fixed = {name: str(uuid.uuid5(_SPACE, name)) for name in ("environment", "datacenter", "tenant")}
    return {
        "Detail": {
            "OrganizationId": organization,
            "FriendlyName": str(own.setting("name") or "Sandbox"),
            "OrganizationVersion": VERSION,
            "EnvironmentId": fixed["environment"],
            "DatacenterId": fixed["datacenter"],
            "Geo": "EMEA",
            "TenantId": fixed["tenant"],
            "UrlName": "sandbox",
            "UniqueName": f"unq{organization.replace('-', '')[:29]}",
            "Endpoints": _dictionary(endpoints),
            "State": "Enabled",
        }
    }


def _dictionary(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """A .NET dictionary as the service writes it."""
    return {"Count": len(pairs), "IsReadOnly": False, "Keys": list(pairs), "Values": list(pairs.values())}


def _total_count(request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
    names = given["EntityNames"]
    known = {one.name: one for one in sets().values()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise bad_argument(f"The entity with a name = '{unknown[0]}' was not found; logical names are expected.")
    counts = {name: request.store.count(known[name]) for name in names}
    return {"EntityRecordCountCollection": _dictionary(counts)}


def _changes(request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
    return changes(request.organisation.switches, given)


def _available(_request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"LocaleIds": [_ENGLISH]}


def _provisioned(_request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"RetrieveProvisionedLanguages": [_ENGLISH]}


def _installed(_request: Request, _given: Mapping[str, Any]) -> dict[str, Any]:
    return {"RetrieveInstalledLanguagePacks": [_ENGLISH]}


def _rate(request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
    currencies = by_name("transactioncurrency")
    column = currencies.columns["transactioncurrencyid"]
    key = guid(given["TransactionCurrencyId"], column, currencies)
    if find(request.store, Key(currencies, {column.name: key}, None, str(key))) is None:
        raise missing_row(currencies, str(key))
    return {"ExchangeRate": float(request.organisation.exchange_rate(key))}


def _access(request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every token may do everything here, so every principal has every right."""
    target = given["Target"]
    if "@odata.id" not in target:
        raise bad_argument("RetrievePrincipalAccess needs Target={'@odata.id':'<set>(<id>)'}.")
    bound(request.store, target["@odata.id"], request.contents)
    return {"AccessRights": ", ".join(name for name, value in ACCESS_RIGHTS.items() if value)}


_UNBOUND: Mapping[str, Callable[[Request, Mapping[str, Any]], dict[str, Any]]] = {
    "WhoAmI": _who_am_i,
    "RetrieveVersion": _version,
    "RetrieveTimestamp": _timestamp,
    "RetrieveCurrentOrganization": _organisation,
    "RetrieveTotalRecordCount": _total_count,
    "RetrieveMetadataChanges": _changes,
    "RetrieveAvailableLanguages": _available,
    "RetrieveProvisionedLanguages": _provisioned,
    "RetrieveInstalledLanguagePacks": _installed,
    "RetrieveExchangeRate": _rate,
}
