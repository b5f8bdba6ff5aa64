"""Sets that no table holds: message filters, jobs, solutions, settings of users; with the options of any set."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.collation import sales_key
from p2c_lib.sandbox.dataverse.metadata_filter import holds
from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.refusals import bad_query, not_allowed, unknown_segment
from p2c_lib.sandbox.wire import Answer, Refusal

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

Row = dict[str, Any]
_ETAG = 'W/"1"'


@dataclass(frozen=True, slots=True)
class MemorySet:
    """A set by its columns, the first of them its key, and its rows.

    ``navigations`` are members that hold another row and come by ``$expand`` only: its columns, the key first.
    ``example`` is a row to check a filter by where there is none.
    """

    logical: str
    columns: tuple[str, ...]
    rows: Callable[[Request], list[Row]]
    navigations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    example: Row | None = None

    @property
    def key(self) -> str:
        """The column that is the key."""
        return self.columns[0]

    def check(self, options: Options) -> None:
        """Refuse names that the set does not have, whether it has rows or not."""
        for name in (*options.select, *(term.path.names[0] for term in options.order)):
            _known(name, self.columns, self.logical)
        for expand in options.expand:
            columns = self.navigations.get(expand.name)
            if columns is None or expand.ref:
                raise bad_query(f"Could not find a property named '{expand.name}' on type 'mscrm.{self.logical}'.")
            for name in expand.options.select:
                _known(name, columns, expand.name)
            if expand.options != Options(select=expand.options.select, parameters=expand.options.parameters):
                raise bad_query(f"$expand of '{expand.name}' takes $select only.")


def _known(name: str, columns: tuple[str, ...], kind: str) -> None:
    if name not in columns:
        raise bad_query(f"Could not find a property named '{name}' on type 'mscrm.{kind}'.")


def find_set(name: str) -> Callable[[Request, list[Segment]], Answer] | None:
    """The answer to a path that begins with the set of that name."""
    one = _SETS.get(name)
    return None if one is None else lambda request, path: _answered(request, path, one)


def _answered(request: Request, path: Sequence[Segment], one: MemorySet) -> Answer:
    if request.call.method != "GET":
        raise not_allowed(request.call.method, request.path)
    name, rest = path[0].name, path[1:]
    if path[0].key is None:
        if [segment.name for segment in rest] == ["$count"]:
            request.only("$filter")
            kept = _kept(one, request, request.options())
            headers = [("Content-Type", "text/plain"), ("OData-Version", "4.0")]
            return Answer(200, headers, str(len(kept)).encode())
        if rest:
            raise unknown_segment(rest[0].name)
        request.only("$select", "$filter", "$orderby", "$top", "$count", "$expand")
        return _json({"@odata.context": f"{request.root}$metadata#{name}", **_listed(one, request)})
    row = _keyed(one, path[0].key, request)
    context = f"{request.root}$metadata#{name}"
    if not rest:
        request.only("$select", "$expand")
        options = request.options()
        one.check(options)
        return _json({"@odata.context": f"{context}/$entity", **_shown(one, row, options)})
    request.only()
    if len(rest) > 1 or rest[0].name not in row or rest[0].name in one.navigations:
        raise unknown_segment(rest[-1].name)
    return _json({"@odata.context": f"{context}({row[one.key]})/{rest[0].name}", "value": row[rest[0].name]})


def _listed(one: MemorySet, request: Request) -> Row:
    options = request.options()
    one.check(options)
    kept = _kept(one, request, options)
    for term in reversed(options.order):
        kept.sort(key=lambda row: _sortable(row[term.path.names[0]]), reverse=term.descending)
    counted = {"@odata.count": len(kept)} if options.count else {}
    return {**counted, "value": [_shown(one, row, options) for row in kept[: options.top]]}


def _kept(one: MemorySet, request: Request, options: Options) -> list[Row]:
    rows, node = one.rows(request), options.filter
    if node is None:
        return rows
    if not rows and one.example is not None:
        holds(node, one.example, options.parameters, texts=True)
    return [row for row in rows if holds(node, row, options.parameters, texts=True)]


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, sales_key(value) if isinstance(value, str) else value)


def _keyed(one: MemorySet, text: str, request: Request) -> Row:
    wanted = text.rpartition("=")[2].strip("'{} ").lower()
    found = next((row for row in one.rows(request) if row[one.key] == wanted), None)
    if found is None:
        raise Refusal(404, "0x80040217", f"Entity '{one.logical}' With Id = {wanted[:80]} Does Not Exist")
    return found


def _shown(one: MemorySet, row: Row, options: Options) -> Row:
    names = options.select or one.columns
    shown = {"@odata.etag": _ETAG, **{name: row[name] for name in names}, one.key: row[one.key]}
    for expand in options.expand:
        key, inner = one.navigations[expand.name][0], row[expand.name]
        wanted = expand.options.select or one.navigations[expand.name]
        shown[expand.name] = {"@odata.etag": _ETAG, **{name: inner[name] for name in wanted}, key: inner[key]}
    return shown


def _json(body: Row) -> Answer:
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(200, headers, json.dumps(body, ensure_ascii=False).encode())


# -- the sets ---------------------------------------------------------------------------------------------------------

_MESSAGES = (
    "Create", "Update", "Delete", "Retrieve", "RetrieveMultiple", "CreateMultiple", "UpdateMultiple", "UpsertMultiple",
)  # fmt: skip


def _number(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))


def _messages(_request: Request) -> list[Row]:
    return [{"sdkmessageid": _number("message", one), "name": one} for one in _MESSAGES]


def _message_filters(request: Request) -> list[Row]:
    """One row for each table and message it has."""
    excluded = request.organisation.switches.without_bulk
    messages = _messages(request)
    return [
        {
            "sdkmessagefilterid": _number(message["name"], entity.name),
            "primaryobjecttypecode": entity.name,
            "secondaryobjecttypecode": "none",
            "_sdkmessageid_value": message["sdkmessageid"],
            "sdkmessageid": message,
        }
        for entity in sets().values()
        if entity.name not in excluded
        for message in messages
    ]


def _jobs(request: Request) -> list[Row]:
    """The jobs of BulkDelete, all of them done."""
    return [_job(number, facts) for number, facts in request.organisation.jobs.items()]


def _job(number: str, facts: Mapping[str, Any]) -> Row:
    return {
        "asyncoperationid": number,
        "name": facts["name"],
        "operationtype": 13,
        "statecode": 3,
        "statuscode": 30 if not facts["failed"] else 31,
        "completedon": facts["at"],
        "message": f"{facts['succeeded']} deleted, {facts['failed']} not deleted",
    }


def _solutions(request: Request) -> list[Row]:
    names = {"Active": "Active Solution", "Default": "Default Solution"}
    if request.organisation.switches.solution:
        names["msdynce_ProspectToCashIntegration"] = "Prospect to cash solution for Sales"
    return [
        {
            "solutionid": _number("solution", name),
            "uniquename": name,
            "friendlyname": text,
            "version": "1.0.0.0",
            "ismanaged": name not in {"Active", "Default"},
            "isvisible": name != "Active",
        }
        for name, text in names.items()
    ]


def _user_settings(request: Request) -> list[Row]:
    user = request.organisation.caller().user
    codes = {"uilanguageid": 1033, "helplanguageid": 1033, "localeid": 1033, "timezonecode": 92}
    return [{"systemuserid": user, **codes, "timezonebias": 0, "paginglimit": 50}]


_MESSAGE = ("sdkmessageid", "name")
_FILTER = ("sdkmessagefilterid", "primaryobjecttypecode", "secondaryobjecttypecode", "_sdkmessageid_value")
_JOB = ("asyncoperationid", "name", "operationtype", "statecode", "statuscode", "completedon", "message")
_SOLUTION = ("solutionid", "uniquename", "friendlyname", "version", "ismanaged", "isvisible")
_SETTINGS = (
    "systemuserid", "uilanguageid", "helplanguageid", "localeid", "timezonecode", "timezonebias", "paginglimit",
)  # fmt: skip
_SETS: Mapping[str, MemorySet] = {
    "sdkmessages": MemorySet("sdkmessage", _MESSAGE, _messages),
    "sdkmessagefilters": MemorySet("sdkmessagefilter", _FILTER, _message_filters, {"sdkmessageid": _MESSAGE}),
    "asyncoperations": MemorySet(
        "asyncoperation", _JOB, _jobs, example=_job("", {"name": "", "failed": 0, "succeeded": 0, "at": ""})
    ),
    "solutions": MemorySet("solution", _SOLUTION, _solutions),
    "usersettingscollection": MemorySet("usersettings", _SETTINGS, _user_settings),
}
NAMES = tuple(_SETS)
