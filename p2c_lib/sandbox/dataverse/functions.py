"""Unbound functions: ``WhoAmI`` and ``RetrieveTotalRecordCount``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.refusals import bad_argument, bad_query, not_allowed
from p2c_lib.sandbox.expression import Literal, Malformed, Node, parse_filter
from p2c_lib.sandbox.wire import Answer

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment


def find(name: str) -> Callable[[Request, list[Segment]], Answer] | None:
    """The function of that name."""
    return _FUNCTIONS.get(name)


def _json(body: dict[str, Any]) -> Answer:
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(200, headers, json.dumps(body).encode())


def _who_am_i(request: Request, path: list[Segment]) -> Answer:
    if request.call.method != "GET" or len(path) > 1:
        raise not_allowed(request.call.method, request.path)
    caller = request.organisation.caller()
    return _json(
        {
            "@odata.context": f"{request.root}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
            "BusinessUnitId": caller.business_unit,
            "UserId": caller.user,
            "OrganizationId": caller.organization,
        }
    )


def _total_count(request: Request, path: list[Segment]) -> Answer:
    if request.call.method != "GET" or len(path) > 1:
        raise not_allowed(request.call.method, request.path)
    names = _argument(request, path[0].key, "EntityNames")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_argument('RetrieveTotalRecordCount needs EntityNames=["<logical name>", ...].')
    known = {one.name: one for one in sets().values()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise bad_argument(f"The entity with a name = '{unknown[0]}' was not found; logical names are expected.")
    counts = [request.store.count(known[name]) for name in names]
    return _json(
        {
            "@odata.context": f"{request.root}$metadata#Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse",
            "EntityRecordCountCollection": {
                "Count": len(names),
                "IsReadOnly": False,
                "Keys": names,
                "Values": counts,
            },
        }
    )


def _argument(request: Request, text: str | None, name: str) -> object:
    """An argument of a function call, given in place or by an alias."""
    node = _parsed(f"f({text or ''})")
    found = dict(getattr(node, "named", ())).get(name)
    names = getattr(found, "names", ())
    if names and names[0] in request.raw:
        found = _parsed(request.raw[names[0]])
    return found.value if isinstance(found, Literal) else None


def _parsed(text: str) -> Node:
    try:
        return parse_filter(text)
    except Malformed as error:
        raise bad_query(f"The function's arguments cannot be read: {error}") from error


_FUNCTIONS = {"WhoAmI": _who_am_i, "RetrieveTotalRecordCount": _total_count}
