"""How F&O says no: an empty code, a general message, and the Infolog text inside ``innererror``."""

from __future__ import annotations

import json
from html import escape

from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.wire import Answer, Refusal

_WRITE = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
_QUERY = "Microsoft.OData.Core.ODataException"
NOT_FOUND_FOR_UPDATE = "No resources were found when selecting for update."


class WriteRefused(Refusal):
    """A row that F&O's business logic does not take."""


def write_refused(entity: Entity, *lines: str, verb: str = "Write", status: int = 400) -> WriteRefused:
    """The refusal of one row: ``lines`` are Infolog lines with their level, such as ``Warning: ...``."""
    inner = f"{verb} failed for table row of type '{entity.aot}'. Infolog: {'; '.join(lines)}."
    return WriteRefused(status, "", "An error has occurred.", inner=inner, parts={"type": _WRITE})


def nothing_to_update() -> Refusal:
    """What PATCH and DELETE answer for a row that is not there: there is no upsert."""
    return WriteRefused(400, "", "An error has occurred.", inner=NOT_FOUND_FOR_UPDATE, parts={"type": _WRITE})


def action_refused(problem: str) -> Refusal:
    """What an action answers when it cannot do its work."""
    kind = "System.InvalidOperationException"
    return Refusal(400, "", "An error has occurred.", inner=problem, parts={"type": kind})


def bad_query(problem: str) -> Refusal:
    """A query option that cannot be read."""
    message = f"The query specified in the URI is not valid. {problem}"
    return Refusal(400, "", message, inner=problem, parts={"type": _QUERY})


def bad_body(problem: str) -> Refusal:
    """A body that does not fit the entity."""
    return Refusal(400, "", "The request is invalid.", inner=f"entity : {problem}", parts={"type": _QUERY})


def no_resource(message: str) -> Refusal:
    """No such entity set, row or property."""
    return Refusal(404, "", message, parts={"type": _QUERY})


class Unrouted(Refusal):
    """A request that no entity set sees: the web server in front refuses its address, in a shape of its own."""

    def __init__(self, status: int, kind: str, message: str, body: str) -> None:
        super().__init__(status, "", message)
        self.kind, self.body = kind, body


def no_route(url: str) -> Unrouted:
    """What the router answers for an address it cannot take apart, such as a key with ``/`` that is encoded once."""
    message = f"No HTTP resource was found that matches the request URI '{url[:400]}'."
    body = {"Message": message, "MessageDetail": "No route data was found for this request."}
    return Unrouted(404, "application/json; charset=utf-8", message, json.dumps(body))


def not_here(what: str) -> Unrouted:
    """What the real service has and this one has not: the router's 404, with a text that says so."""
    message = f"{what} is not in this sandbox."
    body = {"Message": message, "MessageDetail": "docs/sandbox.md lists what it has."}
    return Unrouted(404, "application/json; charset=utf-8", message, json.dumps(body))


def too_long() -> Unrouted:
    """What the web server answers for an address that is too long."""
    message = (
        "HTTP Error 404.15 - Not Found. The request filtering module is configured to deny a request where the query "
        "string is too long."
    )
    return Unrouted(404, "text/html; charset=utf-8", message, f"<html><body><h2>{message}</h2></body></html>")


def dangerous_path(character: str) -> Unrouted:
    """What ASP.NET answers for a character that it takes in no path."""
    message = f"A potentially dangerous Request.Path value was detected from the client ({character})."
    page = f"<html><head><title>{escape(message)}</title></head><body><h1>Server Error</h1></body></html>"
    return Unrouted(400, "text/html; charset=utf-8", message, page)


def error_answer(refusal: Refusal) -> Answer:
    """The error in the one shape that every refused request gets, but for those that no entity set sees."""
    if isinstance(refusal, Unrouted):
        return Answer(refusal.status, [("Content-Type", refusal.kind)], refusal.body.encode())
    inner = {
        "message": refusal.inner or refusal.message,
        "type": refusal.parts.get("type", _QUERY),
        "stacktrace": "",
    }
    body = {"error": {"code": "", "message": refusal.message, "innererror": inner}}
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(refusal.status, [*headers, *refusal.headers.items()], json.dumps(body).encode())
