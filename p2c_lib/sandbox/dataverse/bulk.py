"""Bulk messages on a set, the BulkDelete job, and which tables have which messages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.collation import sales_key
from p2c_lib.sandbox.dataverse.arguments import sent
from p2c_lib.sandbox.dataverse.bodies import check_type
from p2c_lib.sandbox.dataverse.conditions import expression_rows
from p2c_lib.sandbox.dataverse.keys import Key, find, read_key
from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.operations import BY_NAME
from p2c_lib.sandbox.dataverse.organisation import now
from p2c_lib.sandbox.dataverse.records import Conditions
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_argument, bad_payload
from p2c_lib.sandbox.dataverse.values import guid
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.wire import Answer, Refusal, split_url

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

_DUPLICATES = {"0x80060892", "0x80040237"}


def bound_to_set(path: Sequence[Segment]) -> Callable[[Request, Entity], Answer] | None:
    """The bulk message that a path after the set begins with, by its qualified name."""
    bare = path[0].name.removeprefix(f"{NAMESPACE}.")
    work = _BOUND.get(bare) if path[0].name.startswith(f"{NAMESPACE}.") else None
    if work is None:
        return None

    def called(request: Request, entity: Entity) -> Answer:
        return work(request, entity, _targets(sent(request, BY_NAME[bare], path[0], path[1:]), entity))

    return called


def _targets(given: Mapping[str, Any], entity: Entity) -> list[dict[str, Any]]:
    targets: list[dict[str, Any]] = given["Targets"]
    if not targets:
        raise bad_payload('The body of a bulk message must be {"Targets": [{...}, ...]} with at least one row.')
    for one in targets:
        if one.get("@odata.type") is None:
            raise bad_payload("Each target of a bulk message needs '@odata.type'.")
        check_type(one, entity.name, entity.set_name)
    return targets


def _create(request: Request, entity: Entity, targets: list[dict[str, Any]]) -> Answer:
    with request.store.write():
        try:
            ids = [request.records.create(entity, one).key for one in targets]
        except Refusal as refusal:
            raise _without_row(refusal) from refusal
    context = f"{request.root}$metadata#{NAMESPACE}.CreateMultipleResponse"
    return _json({"@odata.context": context, "Ids": ids})


def _without_row(refusal: Refusal) -> Refusal:
    """A duplicate inside a bulk message is told without naming the key or the row."""
    if refusal.code in _DUPLICATES:
        return Refusal(412, "0x80040237", "Cannot insert duplicate key.")
    return refusal


def _update(request: Request, entity: Entity, targets: list[dict[str, Any]]) -> Answer:
    keys = [_primary(entity, one) for one in targets]
    with request.store.write():
        rows = [find(request.store, key) for key in keys]
        missing = [str(next(iter(key.values.values()))) for key, row in zip(keys, rows, strict=True) if row is None]
        if missing:
            name = entity.label or entity.name
            raise Refusal(404, "0x80040217", f"{name} With Ids = {', '.join(missing[:20])} Do Not Exist")
        for one, row in zip(targets, rows, strict=True):
            request.records.update(entity, row or {}, one)
    return Answer(204, [("OData-Version", "4.0")])


def _primary(entity: Entity, target: Mapping[str, Any]) -> Key:
    if "@odata.id" in target:
        return _addressed(entity, target["@odata.id"])
    value = target.get(entity.key[0])
    if value is None:
        raise bad_payload(f"Each target of UpdateMultiple needs '{entity.key[0]}'.")
    return Key(entity, {entity.key[0]: guid(value, entity.columns[entity.key[0]], entity)}, None, str(value))


def _addressed(entity: Entity, url: object) -> Key:
    path = split_url(str(url))[0].strip("/").rpartition("/")[2] if isinstance(url, str) else ""
    name, opened, rest = path.partition("(")
    if sets().get(name) is not entity or not opened or not rest.endswith(")"):
        raise bad_payload(f"'@odata.id' must be '{entity.set_name}(<key>)'; '{str(url)[:200]}' came.")
    return read_key(entity, rest[:-1])


def _upsert(request: Request, entity: Entity, targets: list[dict[str, Any]]) -> Answer:
    keys = [_addressed(entity, one["@odata.id"]) if "@odata.id" in one else _primary(entity, one) for one in targets]
    named = {tuple(sales_key(value) for value in key.values.values()) for key in keys}
    if len(named) < len(keys) and not request.organisation.switches.repeated_targets:
        raise Refusal(412, "0x80040237", "Cannot insert duplicate key.")
    with request.store.write():
        for one, key in zip(targets, keys, strict=True):
            repeated = key.alternate is not None and any(name in one for name in key.values)
            if repeated and find(request.store, key) is None:
                # Seen of the real service: the create path fails when key columns are in the body too.
                raise Refusal(400, "0x80040216", "An unexpected error occurred.")
            body = {name: value for name, value in one.items() if key.alternate or name != entity.key[0]}
            try:
                request.records.upsert(key, body, Conditions())
            except Refusal as refusal:
                raise _without_row(refusal) from refusal
    return Answer(204, [("OData-Version", "4.0")])


def _delete(_request: Request, _entity: Entity, _targets: list[dict[str, Any]]) -> Answer:
    raise Refusal(400, "0x80040203", "DeleteMultiple has not yet been implemented.")


_BOUND: dict[str, Callable[[Request, Entity, list[dict[str, Any]]], Answer]] = {
    "CreateMultiple": _create,
    "UpdateMultiple": _update,
    "UpsertMultiple": _upsert,
    "DeleteMultiple": _delete,
}


def _json(body: Mapping[str, Any]) -> Answer:
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(200, headers, json.dumps(body).encode())


# -- BulkDelete -------------------------------------------------------------------------------------------------------


def bulk_delete(request: Request, given: Mapping[str, Any]) -> Answer:
    """``BulkDelete``: the rows of the queries are deleted; the answer names the job, which is done already."""
    queries = given["QuerySet"]
    if not queries:
        raise bad_argument("BulkDelete needs a QuerySet with at least one QueryExpression.")
    with request.store.write():
        done = [_deleted(request, key) for query in queries for key in _rows_of(request, query)]
    number = str(uuid.uuid4())
    facts: dict[str, Value] = {"name": given["JobName"] or "", "at": now()}
    facts |= {"succeeded": sum(done), "failed": len(done) - sum(done)}
    request.organisation.jobs[number] = facts
    context = f"{request.root}$metadata#{NAMESPACE}.BulkDeleteResponse"
    return _json({"@odata.context": context, "JobId": number})


def _rows_of(request: Request, query: Mapping[str, Any]) -> Iterable[Key]:
    entity = next((one for one in sets().values() if one.name == query.get("EntityName")), None)
    if entity is None:
        raise bad_argument(f"The entity with a name = '{query.get('EntityName')}' was not found.")
    found = expression_rows(request.store, entity, query.get("Criteria") or {}, request.organisation.caller())
    return [Key(entity, {entity.key[0]: key}, None, key) for key in found]


def _deleted(request: Request, key: Key) -> bool:
    try:
        with request.store.write():
            request.records.delete(key, Conditions())
    except Refusal:
        return False
    return True
