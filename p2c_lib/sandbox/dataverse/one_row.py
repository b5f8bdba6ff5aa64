"""What is asked of one row: read, upsert, delete, and what lies below it: properties, navigation, references."""

from __future__ import annotations

import json
from urllib.parse import quote

from p2c_lib.sandbox.dataverse import actions
from p2c_lib.sandbox.dataverse.bodies import emptied, lookup_values
from p2c_lib.sandbox.dataverse.functions import bound_function
from p2c_lib.sandbox.dataverse.keys import Key, aliased, bound, find, read_key, record_of
from p2c_lib.sandbox.dataverse.model import Collection, Navigation, collections, edm, navigations, properties
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.read import Within, check_row, read_row
from p2c_lib.sandbox.dataverse.records import etag
from p2c_lib.sandbox.dataverse.refusals import (
    NAMESPACE,
    bad_payload,
    foreign_value,
    not_allowed,
    unknown_property,
    unknown_segment,
)
from p2c_lib.sandbox.dataverse.request import VERSION, Request, json_answer
from p2c_lib.sandbox.dataverse.segments import Segment
from p2c_lib.sandbox.dataverse.sets import count_of, page_of, references
from p2c_lib.sandbox.exact import Digits
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Value
from p2c_lib.sandbox.wire import Answer, Refusal


def answer_row(request: Request, key: Key) -> Answer:
    """The answer to a path that ends at the row."""
    method = request.call.method
    if method == "GET":
        return _get(request, key)
    if method == "PATCH":
        return _upsert(request, key)
    if method == "DELETE":
        request.only()
        with request.store.write():
            request.records.delete(key, request.conditions())
        return Answer(204, [VERSION])
    raise not_allowed(method, request.path)


def _get(request: Request, key: Key) -> Answer:
    request.only("$select", "$expand")
    record = record_of(request.store, key)
    options = request.options()
    unchanged = request.conditions().none_match
    if unchanged and not options.expand and not request.annotations().patterns:
        row = find(request.store, key)
        if row is not None and etag(row) == unchanged:
            return Answer(304, [VERSION, ("ETag", unchanged)])
    return request.row_answer(key.entity, record, options, 200)


def _upsert(request: Request, key: Key) -> Answer:
    request.only("$select", "$expand")
    options = request.options()
    body = request.body()
    with request.store.write():
        written = request.records.upsert(key, body, request.conditions())
        if request.wants_row:
            return request.row_answer(key.entity, written.record, options, 201 if written.created else 200)
    # By alternate key the answer repeats the URL that was asked, never the guid.
    shown = quote(key.text, safe="='(),") if key.alternate else written.key
    url = f"{request.root}{key.entity.set_name}({shown})"
    return Answer(204, [VERSION, ("Location", url), ("OData-EntityId", url)])


# -- below a row: properties, navigation, references ------------------------------------------------------------------


def below_row(request: Request, key: Key, rest: list[Segment]) -> Answer:
    """The answer to a path that goes on after the row."""
    entity, name = key.entity, rest[0].name
    operation = actions.bound_to_row(entity, rest) or bound_function(entity, rest)
    if operation is not None:
        return operation(request, key)
    if name in navigations(entity):
        return _single(request, key, rest)
    if name in collections(entity):
        return _many(request, key, rest)
    if name in properties(entity) and rest[0].key is None:
        return _property(request, key, rest)
    raise unknown_segment(name, below=entity)


def _property(request: Request, key: Key, rest: list[Segment]) -> Answer:
    entity, name, method = key.entity, rest[0].name, request.call.method
    request.only()
    if method == "GET":
        record = record_of(request.store, key)
        text = read_row(request.store, entity, record, Options(select=(name,)), request.asked())
        row = json.loads(text, parse_float=Digits)
        value = row[name]
        if [s.name for s in rest[1:]] == ["$value"]:
            text = "" if value is None else str(value)
            return Answer(200 if value is not None else 204, [("Content-Type", "text/plain"), VERSION], text.encode())
        if len(rest) > 1:
            raise unknown_segment(rest[1].name)
        if value is None:
            return Answer(204, [VERSION])
        url = f"{request.root}$metadata#{entity.set_name}({key.text})/{name}"
        if isinstance(value, Digits):
            return json_answer(200, f'{{"@odata.context":{json.dumps(url)},"value":{value}}}')
        return json_answer(200, {"@odata.context": url, "value": value})
    if len(rest) > 1 or method not in {"PUT", "DELETE"}:
        raise not_allowed(method, request.path)
    value = _value(request.body(), edm(properties(entity)[name])) if method == "PUT" else None
    with request.store.write():
        row_found = _found(request, key)
        request.records.update(entity, row_found, {name: value})
    return Answer(204, [VERSION])


def _value(body: object, kind: str) -> object:
    """The value of a property's body; `Refusal` (400) for another shape, or for a value of another type."""
    if not isinstance(body, dict) or {name for name in body if not name.startswith("@")} != {"value"}:
        raise bad_payload('The body of a property must be {"value": ...}.')
    named = body.get("@odata.type", kind)
    if not isinstance(named, str) or named.removeprefix("#") not in {kind, kind.removeprefix("Edm.")}:
        raise foreign_value(named, kind)
    return body["value"]


def _found(request: Request, key: Key) -> dict[str, Value]:
    row = find(request.store, key)
    if row is None:
        raise key.missing()
    return row


def _single(request: Request, key: Key, rest: list[Segment]) -> Answer:
    navigation = navigations(key.entity)[rest[0].name]
    rest = [rest[0], *(one for one in rest[1:] if one.name not in _casts(navigation))]
    method, tail = request.call.method, [s.name for s in rest[1:]]
    if method != "GET" or tail == ["$ref"]:
        request.only()
    if method == "GET":
        row = _found(request, key)
        kind = row.get(f"{navigation.column.name}!type") or navigation.target.name
        target = next((t for t in navigation.targets if t.name == kind), None)
        value = row.get(navigation.column.name)
        if value is None or target is None:
            _check_nothing(request, navigation.target, rest[1:])
            return Answer(204, [VERSION])
        inner = Key(target, {target.key[0]: value}, None, str(value))
        if tail == ["$ref"]:
            url = f"{request.root}{target.set_name}({value})"
            return json_answer(200, {"@odata.context": f"{request.root}$metadata#$ref", "@odata.id": url})
        return below_row(request, inner, rest[1:]) if tail else _get(request, inner)
    if tail != ["$ref"] or method not in {"PUT", "DELETE"}:
        raise not_allowed(method, request.path)
    if method == "PUT":
        url = _reference(request)
        with request.store.write():
            request.records.update(key.entity, _found(request, key), {f"{navigation.name}@odata.bind": url})
    else:
        with request.store.write():
            row = _found(request, key)
            request.records.set(key.entity, row, emptied(navigation, row))
    return Answer(204, [VERSION])


def _check_nothing(request: Request, entity: Entity, rest: list[Segment]) -> None:
    """Refuse what could not be asked of a row either: the lookup is empty, what is asked of its row is looked at."""
    if not rest:
        request.only("$select", "$expand")
        check_row(entity, request.options(), request.asked())
    elif rest[0].name in navigations(entity):
        _check_nothing(request, navigations(entity)[rest[0].name].target, rest[1:])
    elif rest[0].name in collections(entity):
        _many_of(request, Within(collections(entity)[rest[0].name].lookup.name, ""), entity, rest)
    elif rest[0].name in properties(entity) or rest[0].name == "$ref":
        request.only()
    else:
        raise unknown_segment(rest[0].name, below=entity)


def _casts(navigation: Navigation) -> set[str]:
    """A step to the type that the row has anyway leads nowhere else."""
    return {f"{NAMESPACE}.{one.name}" for one in navigation.targets}


def _reference(request: Request) -> str:
    body = request.body()
    alone = isinstance(body, dict) and all(name.startswith("@") for name in body)
    if not alone or not isinstance(body.get("@odata.id"), str):
        raise bad_payload('The body of a reference must be {"@odata.id": "<URL of a row>"}.')
    return str(body["@odata.id"])


def _many(request: Request, key: Key, rest: list[Segment]) -> Answer:
    collection = collections(key.entity)[rest[0].name]
    method, tail = request.call.method, [s.name for s in rest[1:]]
    if method == "GET" and rest[0].key is not None:
        return _of_many(request, key, collection, rest)
    if method == "GET":
        row = _found(request, key)
        within = Within(collection.lookup.name, str(row[key.entity.key[0]]))
        return _many_of(request, within, key.entity, rest)
    request.only(*(("$id",) if method == "DELETE" else ()))
    if method == "POST" and not tail:
        with request.store.write():
            parent = str(_found(request, key)[key.entity.key[0]])
            seed = lookup_values(collection.lookup, parent, key.entity)
            made = request.records.create(collection.child, request.body(), seed)
        url = f"{request.root}{collection.child.set_name}({made.key})"
        return Answer(204, [VERSION, ("Location", url), ("OData-EntityId", url)])
    if tail != ["$ref"] or method not in {"POST", "DELETE"}:
        raise not_allowed(method, request.path)
    with request.store.write():
        parent = str(_found(request, key)[key.entity.key[0]])
        child = _child(request, collection.child, rest[0].key)
        if method == "DELETE" and child.get(collection.lookup.name) != parent:
            raise Refusal(404, "0x80040217", f"The row does not belong to this {key.entity.name}.")
        target = key.entity if method == "POST" else None
        values = lookup_values(collection.lookup, parent if method == "POST" else None, target)
        request.records.set(collection.child, child, values)
    return Answer(204, [VERSION])


def _many_of(request: Request, within: Within, parent: Entity, rest: list[Segment]) -> Answer:
    """The rows of a collection, their count or their addresses."""
    child, tail = collections(parent)[rest[0].name].child, [one.name for one in rest[1:]]
    if tail == ["$count"]:
        return count_of(request, child, within)
    if tail == ["$ref"]:
        return references(request, child, within)
    if tail:
        raise unknown_segment(tail[0])
    return page_of(request, child, within)


def _of_many(request: Request, key: Key, collection: Collection, rest: list[Segment]) -> Answer:
    """One row of a collection by its key, and what lies below it."""
    parent = _found(request, key)[key.entity.key[0]]
    inner = read_key(collection.child, aliased(rest[0].key or "", request.raw))
    if _found(request, inner).get(collection.lookup.name) != parent:
        raise inner.missing()
    return below_row(request, inner, rest[1:]) if rest[1:] else _get(request, inner)


def _child(request: Request, child: Entity, text: str | None) -> dict[str, Value]:
    if text is not None:
        return _found(request, read_key(child, text))
    url = request.raw.get("$id") if request.call.method == "DELETE" else _reference(request)
    entity, key = bound(request.store, url, request.contents)
    if entity.name != child.name:
        raise unknown_property(entity.set_name, child)
    return _found(request, Key(child, {child.key[0]: key}, None, key))
