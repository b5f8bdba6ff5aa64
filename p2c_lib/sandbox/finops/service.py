"""The F&O service: a request goes to the part that answers it, a refusal becomes the one error shape."""

from __future__ import annotations

import re
from contextlib import nullcontext
from urllib.parse import quote

from p2c_lib.errors import UnknownName
from p2c_lib.sandbox.batch import Answered, Operation, read_batch, write_batch
from p2c_lib.sandbox.etags import tagged
from p2c_lib.sandbox.failing import fault, refuse_if_failing
from p2c_lib.sandbox.finops.blobs import PREFIX, Blobs
from p2c_lib.sandbox.finops.json_services import json_services
from p2c_lib.sandbox.finops.levels import compatible
from p2c_lib.sandbox.finops.memory_rows import check_options
from p2c_lib.sandbox.finops.metadata import columns_about, csdl, metadata_service, service_document
from p2c_lib.sandbox.finops.packages import SET, Packages
from p2c_lib.sandbox.finops.read import Options, collection, counted, key_of, property_of, single
from p2c_lib.sandbox.finops.refusals import WriteRefused, bad_query, error_answer, no_resource, no_route, too_long
from p2c_lib.sandbox.finops.related import create_rule_indexes
from p2c_lib.sandbox.finops.rules import Rules
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.finops.throttle import Throttle
from p2c_lib.sandbox.finops.write import create, delete, update
from p2c_lib.sandbox.holding import held, shared
from p2c_lib.sandbox.payload import told_as_text
from p2c_lib.sandbox.schema import Entity, entities
from p2c_lib.sandbox.store import Store
from p2c_lib.sandbox.wire import Answer, Call, Refusal, asked_length, split_url

BATCH_LIMIT = 5000
_SET = re.compile(r"(?P<set>\w+)(?:\((?P<key>.*)\))?(?P<rest>/.*)?", re.DOTALL)
_KEYED = re.compile(r"(?P<set>\w+)\((?P<key>(?:[^')]++|'[^']*+')*+)\)(?P<rest>/.*)?", re.DOTALL)


class FinOps:
    """The F&O side over a store: ``answer`` takes one request and gives its response, and never raises a refusal.

    The bearer check is the caller's. Paths are ``/data/...`` and ``/metadata/...``.
    """

    def __init__(self, store: Store, switches: Switches | None = None) -> None:
        self.store = store
        self.switches = switches or Switches()
        self.rules = Rules(store, self.switches)
        self.throttle = Throttle(self.switches)
        self.blobs = Blobs()
        self.packages = Packages(store, self.rules, self.blobs)
        create_rule_indexes(store)

    def answer(self, call: Call) -> Answer:
        """The response to one request."""
        try:
            with self.throttle.request():
                if asked_length(quote(call.path), call.query) > self.switches.longest_url:
                    raise too_long()
                return self._route(call)
        except WriteRefused as refusal:
            refusal.status = self.switches.write_error_status
            return error_answer(refusal)
        except Refusal as refusal:
            return error_answer(refusal)

    def _route(self, call: Call, *, twice: bool = True) -> Answer:
        refuse_if_failing(call.path)
        if call.path.startswith(PREFIX):
            return self.blobs.answer(call)
        area, _, path = call.path.strip("/").partition("/")
        # The web server compares routes without case; names of sets, properties and actions keep theirs.
        area = area.lower()
        if area == "metadata":
            if call.method != "GET":
                raise _not_allowed(call)
            return tagged(call, metadata_service(call, path))
        if area == "api":
            return json_services(call, path, self.switches.default_company)
        if area != "data":
            raise no_route(f"{call.base}{call.path}")
        if path == "$batch":
            return self._batch(call)
        if path == SET or path.startswith((f"{SET}/", f"{SET}(")):
            return self.packages.answer(call, path.removeprefix(SET).strip("/"))
        if call.method == "GET" and path in {"", "$metadata"}:
            check_options(call.options(), ("$format",) if path == "" else ())
        if call.method == "GET" and path == "":
            return service_document(call)
        if call.method == "GET" and path == "$metadata":
            document = Answer(200, [("Content-Type", "application/xml"), ("OData-Version", "4.0")], csdl())
            return tagged(call, document)
        with held(bad_query, self.store if call.method == "GET" else None):
            return _wide(call, path, self._rows(call, path, twice=twice))

    def _rows(self, call: Call, path: str, *, twice: bool) -> Answer:
        match = _KEYED.fullmatch(path) or _SET.fullmatch(path)
        if match is None:
            raise no_resource(f"Resource not found for the segment '{path[:80]}'.")
        entity = entity_of(match.group("set"))
        options = Options.of(call, self.switches)
        rest = (match.group("rest") or "").strip("/")
        # Parentheses with nothing in them are those of a whole set, as generated clients write them.
        if match.group("key") is None or not match.group("key").strip():
            return self._set(call, entity, options, rest)
        url = f"{call.base}{call.path}"
        key = key_of(entity, match.group("key"), url=url, twice=twice)
        if call.method == "GET":
            if rest:
                return property_of(call, entity, self.store, options, key, rest)
            return single(call, entity, self.store, options, key)
        if rest:
            raise no_resource(f"Resource not found for the segment '{rest[:80]}'.")
        if call.method in {"PATCH", "PUT"}:
            return update(call, entity, self.store, options, self.rules, key)
        if call.method == "DELETE":
            return delete(call, entity, self.store, options, self.rules, key)
        raise _not_allowed(call)

    def _set(self, call: Call, entity: Entity, options: Options, rest: str) -> Answer:
        if rest == "$count" and call.method == "GET":
            return counted(entity, self.store, options)
        if rest:
            raise no_resource(f"Resource not found for the segment '{rest[:80]}'.")
        if call.method == "GET":
            return collection(call, entity, self.store, options)
        if call.method == "POST":
            return create(call, entity, self.store, options, self.rules)
        raise _not_allowed(call)

    # -- batches ---------------------------------------------------------------------------------------------------

    def _batch(self, call: Call) -> Answer:
        if call.method != "POST":
            raise _not_allowed(call)
        check_options(call.options(), ())
        parts = read_batch(call.headers.get("content-type", ""), call.body, limit=BATCH_LIMIT)
        writes = any(isinstance(part, tuple) or part.method != "GET" for part in parts)
        with shared(self.store), self.store.write() if writes else nullcontext():
            answers: list[Answered] = [
                self._change_set(call, part) if isinstance(part, tuple) else self._part(call, part) for part in parts
            ]
        kind, body = write_batch(answers)
        return Answer(200, [("Content-Type", kind), ("OData-Version", "4.0")], body)

    def _part(self, call: Call, operation: Operation) -> tuple[Answer, str | None]:
        path, query = split_url(operation.url)
        if not path.startswith("/"):
            path = f"/data/{path}"
        inner = Call(operation.method, path, query, operation.headers, operation.body, call.base)
        try:
            if path.rstrip("/").endswith("$batch"):
                raise Refusal(400, "", "A batch cannot hold another batch.")
            return self._route(inner, twice=self.switches.batch_key_encoding == "twice"), operation.content_id
        except WriteRefused as refusal:
            refusal.status = self.switches.batch_write_error_status
            return error_answer(refusal), operation.content_id
        except Refusal as refusal:
            return error_answer(refusal), operation.content_id
        except Exception:
            return error_answer(fault(inner)), operation.content_id

    def _change_set(self, call: Call, operations: tuple[Operation, ...]) -> list[tuple[Answer, str | None]]:
        """All or nothing: a failure answers one part, whose Content-ID is the first operation's, as real ones do."""
        try:
            with self.store.write():
                return [self._kept(self._part(call, operation)) for operation in operations]
        except _Failed as failed:
            return [(failed.answer, operations[0].content_id)]

    def _kept(self, answered: tuple[Answer, str | None]) -> tuple[Answer, str | None]:
        if answered[0].status >= 400:
            raise _Failed(answered[0])
        return answered


def _wide(call: Call, path: str, answer: Answer) -> Answer:
    """The answer with its wide numbers as texts, where that was asked for."""
    kind = answer.header("content-type") or ""
    if not kind.startswith("application/json") or answer.status >= 300 or not compatible(call):
        return answer
    match = _KEYED.fullmatch(path) or _SET.fullmatch(path)
    assert match is not None
    entity, name = entity_of(match.group("set")), (match.group("rest") or "").strip("/")
    about = columns_about(entity, entity.columns[name].kind if name in entity.columns else None)
    text = told_as_text(answer.body.decode(), about)
    headers = [(key, f"{value}; IEEE754Compatible=true" if value == kind else value) for key, value in answer.headers]
    return Answer(answer.status, headers, text.encode())


class _Failed(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def entity_of(set_name: str) -> Entity:
    """The entity of a set's public name; an unknown one is refused with the nearest known."""
    sets = entities("finops")
    found = sets.get(set_name)
    if found is None:
        near = UnknownName("entity set", set_name, sets).nearest
        guess = f" Did you mean '{near}'?" if near else ""
        raise no_resource(f"Resource not found for the segment '{set_name[:80]}'.{guess}")
    return found


def _not_allowed(call: Call) -> Refusal:
    return Refusal(405, "", f"The requested resource does not support http method '{call.method}'.")
