"""The functions: who asks, what the organisation is, how many rows there are, what changed in the metadata."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse.arguments import arguments
from p2c_lib.sandbox.dataverse.keys import Key, bound, find
from p2c_lib.sandbox.dataverse.metadata_changes import changes, stamp
from p2c_lib.sandbox.dataverse.model import by_name, sets
from p2c_lib.sandbox.dataverse.operations import ACCESS_RIGHTS, BY_NAME
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument, bad_query, missing_row, not_allowed
from p2c_lib.sandbox.dataverse.values import guid
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
        if request.call.method != "GET" or len(path) > 1:
            raise not_allowed(request.call.method, request.path)
        return _answered(request, name, path[0].key, lambda given: work(request, given))

    return called


def bound_function(name: str) -> Callable[[Request, Key, str | None], Answer] | None:
    """The answer of a function of a qualified name that is bound to a user or a team."""
    if name != f"{NAMESPACE}.RetrievePrincipalAccess":
        return None

    def called(request: Request, key: Key, text: str | None) -> Answer:
        if request.call.method != "GET":
            raise not_allowed(request.call.method, request.path)
        if find(request.store, key) is None:
            raise key.missing()
        bare = name.rpartition(".")[2]
        return _answered(request, bare, text, lambda given: _access(request, given))

    return called


def _answered(
    request: Request, name: str, text: str | None, work: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Answer:
    request.only("$select")
    members = work(arguments(BY_NAME[name], text, request.raw))
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


def _organisation(request: Request, given: Mapping[str, Any]) -> dict[str, Any]:
    if given["AccessType"] not in ("Default", "Internet", "Intranet"):
        raise bad_argument("AccessType is Default, Internet or Intranet.")
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
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_argument('RetrieveTotalRecordCount needs EntityNames=["<logical name>", ...].')
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
    if not isinstance(target, dict) or "@odata.id" not in target:
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
