"""How F&O says no: an empty code, a general message, and the Infolog text inside ``innererror``."""

from __future__ import annotations

import json

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


def error_answer(refusal: Refusal) -> Answer:
    """The error in the one shape that every refused request gets."""
    inner = {
        "message": refusal.inner or refusal.message,
        "type": refusal.parts.get("type", _QUERY),
        "stacktrace": "",
    }
    body = {"error": {"code": "", "message": refusal.message, "innererror": inner}}
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(refusal.status, [*headers, *refusal.headers.items()], json.dumps(body).encode())
