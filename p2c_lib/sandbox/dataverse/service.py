"""The Web API as one function from a call to an answer: routing, rows, references and error bodies."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

from p2c_lib.sandbox.dataverse import functions, metadata
from p2c_lib.sandbox.dataverse.batches import batch
from p2c_lib.sandbox.dataverse.bodies import lookup_values
from p2c_lib.sandbox.dataverse.keys import Contents, Key, bound, find, read_key, record_of
from p2c_lib.sandbox.dataverse.model import collections, navigations, properties, sets
from p2c_lib.sandbox.dataverse.options import Options, read_options
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.projection import Annotations
from p2c_lib.sandbox.dataverse.read import Asked, Within, context_of, count_rows, read_page, read_row
from p2c_lib.sandbox.dataverse.records import Conditions, Records, etag, no_contents
from p2c_lib.sandbox.dataverse.refusals import (
    bad_payload,
    bad_query,
    not_allowed,
    unknown_property,
    unknown_segment,
)
from p2c_lib.sandbox.dataverse.segments import PREFIX, Segment, segments
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, Value
from p2c_lib.sandbox.wire import Answer, Call, Refusal

_JSON = ("Content-Type", "application/json; odata.metadata=minimal")
_VERSION = ("OData-Version", "4.0")


class Request:
    """One call with what is derived from it once: URL parts, preferences, who asks."""

    def __init__(self, organisation: Organisation, call: Call, contents: Contents = no_contents) -> None:
        self.organisation = organisation
        self.store: Store = organisation.store
        self.call = call
        self.contents = contents
        match = PREFIX.match(call.path)
        if match is None:
            raise unknown_segment(call.path.strip("/").partition("/")[0][:100])
        self.root = f"{call.base}/api/data/v9.2/"
        self.path = call.path[match.end() :]
        self.preferences = call.preferences()
        self.raw = call.options()

    @property
    def records(self) -> Records:
        """The write side, for this request."""
        return Records(self.organisation, self.contents)

    def options(self) -> Options:
        """The query options."""
        return read_options(self.raw)

    def asked(self) -> Asked:
        """What a read needs beside the options."""
        size = self.preferences.get("odata.maxpagesize", self.preferences.get("maxpagesize"))
        if size is not None and not (size.isascii() and size.isdigit() and int(size[:9]) > 0):
            raise bad_query(f"The preference odata.maxpagesize needs a positive whole number; '{size}' came.")
        return Asked(
            root=self.root,
            url=f"{self.root}{self.path}{'?' + self.call.query if self.call.query else ''}",
            annotations=self.annotations(),
            page_size=int(size) if size else None,
            caller=self.organisation.caller(),
        )

    def annotations(self) -> Annotations:
        """Which annotations are asked for."""
        text = self.preferences.get("odata.include-annotations", "")
        return Annotations(tuple(part.strip() for part in text.split(",") if part.strip()))

    def conditions(self) -> Conditions:
        """``If-Match`` and ``If-None-Match``; the word null means neither."""
        match, none_match = self.call.headers.get("if-match"), self.call.headers.get("if-none-match")
        return Conditions(match, None if none_match in {None, "null"} else none_match)

    def body(self) -> Any:
        """The JSON body; `Refusal` (400) when it is none."""
        kind = self.call.headers.get("content-type", "application/json").lower()
        if "json" not in kind:
            message = f"A JSON body is expected; the Content-Type '{kind}' came."
            raise Refusal(415, "0x80060888", message)
        try:
            return self.call.json()
        except (ValueError, RecursionError) as error:
            raise bad_payload(f"The body is not JSON: {str(error)[:200]}") from error

    @property
    def wants_row(self) -> bool:
        """Whether the written row is to be sent back."""
        return self.preferences.get("return") == "representation"


def json_answer(status: int, body: str | Mapping[str, Any], *headers: tuple[str, str]) -> Answer:
    """A JSON answer; ``body`` is its text or its value."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Answer(status, [_JSON, _VERSION, *headers], text.encode("utf-8", "surrogatepass"))


def refused(refusal: Refusal, *, annotated: bool) -> Answer:
    """The one shape of an error."""
    error: dict[str, str] = {"code": refusal.code, "message": refusal.message}
    if annotated:
        error["@Microsoft.PowerApps.CDS.HelpLink"] = (
            f"http://go.microsoft.com/fwlink/?LinkID=398563&error={refusal.code}"
        )
        error["@Microsoft.PowerApps.CDS.TraceText"] = ""
        error["@Microsoft.PowerApps.CDS.InnerError.Message"] = refusal.message
        error["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"] = "1"
        error["@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode"] = "0"
        error.update(refusal.parts)
    headers = [*refusal.headers.items(), ("REQ_ID", str(uuid.uuid4()))]
    return json_answer(refusal.status, {"error": error}, *headers)


def answer(organisation: Organisation, call: Call, contents: Contents = no_contents) -> Answer:
    """Answer one call; a refusal becomes its error body, and nothing else is raised."""
    try:
        request = Request(organisation, call, contents)
        return _routed(request)
    except Refusal as refusal:
        return refused(refusal, annotated="odata.include-annotations" in call.preferences())
    except sqlite3.OperationalError as error:
        if not any(limit in str(error) for limit in ("too many", "depth", "too big", "too large", "Expression tree")):
            raise
        return refused(bad_query(f"The query is too complex: {error}."), annotated=False)


def _routed(request: Request) -> Answer:
    if request.path in {"", "/"}:
        return metadata.service_document(request)
    if request.path == "$batch":
        return batch(request.organisation, request.call, answer)
    path = segments(request.path)
    first = path[0]
    if first.name in sets():
        return _rows(request, sets()[first.name], path)
    special = functions.find(first.name) or metadata.find(first.name)
    if special is None:
        if re.fullmatch(r"\$\d+", first.name):
            raise bad_query(f"Content-ID Reference: '{first.name}' does not exist in the batch context.")
        raise unknown_segment(first.name)
    return special(request, path)


def _rows(request: Request, entity: Entity, path: list[Segment]) -> Answer:
    first, rest = path[0], path[1:]
    if first.key is None:
        return _of_set(request, entity, rest)
    key = read_key(entity, first.key)
    if not rest:
        return _of_row(request, key)
    return _below_row(request, key, rest)


def _of_set(request: Request, entity: Entity, rest: list[Segment]) -> Answer:
    method = request.call.method
    if rest and rest[0].name == "$count":
        return _count(request, entity)
    if rest:
        raise unknown_segment(rest[0].name)
    if method == "GET":
        return _page(request, entity, None)
    if method == "POST":
        return _create(request, entity)
    raise not_allowed(method, request.path)


def _count(request: Request, entity: Entity, within: Within | None = None) -> Answer:
    if request.call.method != "GET":
        raise not_allowed(request.call.method, request.path)
    total = count_rows(request.store, entity, request.options(), request.asked(), within)
    return Answer(200, [("Content-Type", "text/plain"), _VERSION], str(total).encode())


def _page(request: Request, entity: Entity, within: Within | None) -> Answer:
    options, asked = request.options(), request.asked()
    text = read_page(request.store, entity, options, asked, within)
    applied = []
    if asked.page_size is not None:
        applied.append(f"odata.maxpagesize={asked.page_size}")
    return _rows_answer(request, f"{entity.set_name}{context_of(options)}", text, applied)


def _rows_answer(request: Request, context: str, members: str, applied: list[str]) -> Answer:
    if request.annotations().patterns:
        applied.append(f'odata.include-annotations="{request.preferences["odata.include-annotations"]}"')
    headers = [("Preference-Applied", ",".join(applied))] if applied else []
    url = json.dumps(f"{request.root}$metadata#{context}")
    return json_answer(200, f'{{"@odata.context":{url},{members}}}', *headers)


def _of_row(request: Request, key: Key) -> Answer:
    method = request.call.method
    if method == "GET":
        return _get(request, key)
    if method == "PATCH":
        return _upsert(request, key)
    if method == "DELETE":
        with request.store.write():
            request.records.delete(key, request.conditions())
        return Answer(204, [_VERSION])
    raise not_allowed(method, request.path)


def _get(request: Request, key: Key) -> Answer:
    record = record_of(request.store, key)
    options = request.options()
    unchanged = request.conditions().none_match
    if unchanged and not options.expand and not request.annotations().patterns:
        row = find(request.store, key)
        if row is not None and etag(row) == unchanged:
            return Answer(304, [_VERSION, ("ETag", unchanged)])
    return _row_answer(request, key.entity, record, options, 200)


def _row_answer(request: Request, entity: Entity, record: int, options: Options, status: int) -> Answer:
    text = read_row(request.store, entity, record, options, request.asked())
    url = json.dumps(f"{request.root}$metadata#{entity.set_name}{context_of(options)}/$entity")
    applied = [("Preference-Applied", "return=representation")] if request.wants_row else []
    tag = text[len('{"@odata.etag":') :].partition('",')[0] + '"'
    return json_answer(status, f'{{"@odata.context":{url},{text[1:]}', *applied, ("ETag", json.loads(tag)))


def _create(request: Request, entity: Entity) -> Answer:
    options = request.options()
    body = request.body()
    with request.store.write():
        made = request.records.create(entity, body)
        if request.wants_row:
            return _row_answer(request, entity, made.record, options, 201)
    url = f"{request.root}{entity.set_name}({made.key})"
    return Answer(204, [_VERSION, ("Location", url), ("OData-EntityId", url)])


def _upsert(request: Request, key: Key) -> Answer:
    options = request.options()
    body = request.body()
    with request.store.write():
        written = request.records.upsert(key, body, request.conditions())
        if request.wants_row:
            plain = Options(select=options.select)
            return _row_answer(request, key.entity, written.record, plain, 201 if written.created else 200)
    # By alternate key the answer repeats the URL that was asked, never the guid.
    shown = key.text if key.alternate else written.key
    url = f"{request.root}{key.entity.set_name}({shown})"
    return Answer(204, [_VERSION, ("Location", url), ("OData-EntityId", url)])


# -- below a row: properties, navigation, references ------------------------------------------------------------------


def _below_row(request: Request, key: Key, rest: list[Segment]) -> Answer:
    entity, name = key.entity, rest[0].name
    if name in navigations(entity):
        return _single(request, key, rest)
    if name in collections(entity):
        return _many(request, key, rest)
    if name in properties(entity) and rest[0].key is None:
        return _property(request, key, rest)
    raise unknown_segment(name)


def _property(request: Request, key: Key, rest: list[Segment]) -> Answer:
    entity, name, method = key.entity, rest[0].name, request.call.method
    if method == "GET":
        record = record_of(request.store, key)
        row = json.loads(read_row(request.store, entity, record, Options(select=(name,)), request.asked()))
        value = row[name]
        if [s.name for s in rest[1:]] == ["$value"]:
            text = "" if value is None else str(value)
            return Answer(200 if value is not None else 204, [("Content-Type", "text/plain"), _VERSION], text.encode())
        if len(rest) > 1:
            raise unknown_segment(rest[1].name)
        if value is None:
            return Answer(204, [_VERSION])
        url = f"{request.root}$metadata#{entity.set_name}({key.text})/{name}"
        return json_answer(200, {"@odata.context": url, "value": value})
    if len(rest) > 1 or method not in {"PUT", "DELETE"}:
        raise not_allowed(method, request.path)
    value = None
    if method == "PUT":
        body = request.body()
        if not isinstance(body, dict) or "value" not in body:
            raise bad_payload('The body of a property must be {"value": ...}.')
        value = body["value"]
    with request.store.write():
        row_found = _found(request, key)
        request.records.update(entity, row_found, {name: value})
    return Answer(204, [_VERSION])


def _found(request: Request, key: Key) -> dict[str, Value]:
    row = find(request.store, key)
    if row is None:
        raise key.missing()
    return row


def _single(request: Request, key: Key, rest: list[Segment]) -> Answer:
    navigation = navigations(key.entity)[rest[0].name]
    method, tail = request.call.method, [s.name for s in rest[1:]]
    if method == "GET":
        row = _found(request, key)
        kind = row.get(f"{navigation.column.name}!type") or navigation.target.name
        target = next((t for t in navigation.targets if t.name == kind), None)
        value = row.get(navigation.column.name)
        if value is None or target is None:
            return Answer(204, [_VERSION])
        inner = Key(target, {target.key[0]: value}, None, str(value))
        if tail == ["$ref"]:
            url = f"{request.root}{target.set_name}({value})"
            return json_answer(200, {"@odata.context": f"{request.root}$metadata#$ref", "@odata.id": url})
        return _below_row(request, inner, rest[1:]) if tail else _get(request, inner)
    if tail != ["$ref"] or method not in {"PUT", "DELETE"}:
        raise not_allowed(method, request.path)
    if method == "PUT":
        url = _reference(request)
        with request.store.write():
            request.records.update(key.entity, _found(request, key), {f"{navigation.name}@odata.bind": url})
    else:
        with request.store.write():
            values = lookup_values(navigation.column, None, None)
            request.records.set(key.entity, _found(request, key), values)
    return Answer(204, [_VERSION])


def _reference(request: Request) -> str:
    body = request.body()
    if not isinstance(body, dict) or not isinstance(body.get("@odata.id"), str):
        raise bad_payload('The body of a reference must be {"@odata.id": "<URL of a row>"}.')
    return str(body["@odata.id"])


def _many(request: Request, key: Key, rest: list[Segment]) -> Answer:
    collection = collections(key.entity)[rest[0].name]
    method, tail = request.call.method, [s.name for s in rest[1:]]
    if method == "GET":
        row = _found(request, key)
        within = Within(collection.lookup.name, str(row[key.entity.key[0]]))
        if tail == ["$count"]:
            return _count(request, collection.child, within)
        if tail:
            raise unknown_segment(tail[0])
        return _page(request, collection.child, within)
    if method == "POST" and not tail:
        with request.store.write():
            parent = str(_found(request, key)[key.entity.key[0]])
            seed = lookup_values(collection.lookup, parent, key.entity)
            made = request.records.create(collection.child, request.body(), seed)
        url = f"{request.root}{collection.child.set_name}({made.key})"
        return Answer(204, [_VERSION, ("Location", url), ("OData-EntityId", url)])
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
    return Answer(204, [_VERSION])


def _child(request: Request, child: Entity, text: str | None) -> dict[str, Value]:
    if text is not None:
        return _found(request, read_key(child, text))
    url = request.raw.get("$id") if request.call.method == "DELETE" else _reference(request)
    entity, key = bound(request.store, url, request.contents)
    if entity.name != child.name:
        raise unknown_property(entity.set_name, child)
    return _found(request, Key(child, {child.key[0]: key}, None, key))
