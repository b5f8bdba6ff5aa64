"""The Web API as one function from a call to an answer: routing and error bodies."""

from __future__ import annotations

import re

from p2c_lib.sandbox.dataverse import actions, functions, metadata
from p2c_lib.sandbox.dataverse.batches import batch
from p2c_lib.sandbox.dataverse.keys import Contents, aliased, read_key
from p2c_lib.sandbox.dataverse.memory_sets import find_set
from p2c_lib.sandbox.dataverse.metadata_levels import at_level
from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.one_row import answer_row, below_row
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.records import no_contents
from p2c_lib.sandbox.dataverse.refusals import (
    NAMESPACE,
    bad_query,
    beyond_database,
    no_privilege,
    unknown_segment,
    wrong_key,
)
from p2c_lib.sandbox.dataverse.request import Request, refused
from p2c_lib.sandbox.dataverse.segments import Segment, segments
from p2c_lib.sandbox.dataverse.sets import answer_set
from p2c_lib.sandbox.etags import tagged
from p2c_lib.sandbox.failing import refuse_if_failing
from p2c_lib.sandbox.holding import held
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.wire import Answer, Call, Refusal

# The codes of products and price lists, product states, currencies and price lists, quotes.
_BUSINESS = ("0x80043b", "0x8004F9", "0x80048ce", "0x80048cf3", "0x80048d00", "0x80100010")


def answer(organisation: Organisation, call: Call, contents: Contents = no_contents) -> Answer:
    """Answer one call; a refusal becomes its error body, and nothing else is raised."""
    try:
        refuse_if_failing(call.path)
        request = Request(organisation, call, contents)
        with held(beyond_database, organisation.store if call.method == "GET" else None):
            return at_level(call, _routed(request))
    except Refusal as refusal:
        if refusal.code.startswith(_BUSINESS):
            refusal.status = organisation.switches.business_status
        return refused(refusal, annotated="odata.include-annotations" in call.preferences())


def _routed(request: Request) -> Answer:
    if not request.path.strip("/"):
        request.only()
        return metadata.service_document(request)
    if request.path == "$batch":
        request.only()
        return batch(request.organisation, request.call, answer)
    path = segments(request.path)
    first = path[0]
    if first.name in sets():
        return _rows(request, sets()[first.name], path)
    described = metadata.find(first.name)
    if described is not None:
        return tagged(request.call, described(request, path))
    special = functions.find_function(first.name) or actions.find_action(first.name) or find_set(first.name)
    if special is None:
        if re.fullmatch(r"\$\d+", first.name):
            raise bad_query(f"Content-ID Reference: '{first.name}' does not exist in the batch context.")
        raise unknown_segment(first.name)
    return special(request, path)


def _rows(request: Request, entity: Entity, path: list[Segment]) -> Answer:
    first, rest = path[0], [one for one in path[1:] if one.name != f"{NAMESPACE}.{entity.name}"]
    if entity.name in request.organisation.switches.without_rights:
        raise no_privilege(request.organisation.caller().user, request.call.method, entity)
    # Parentheses with nothing in them are those of a whole set, as generated clients write them.
    if first.key is None or not first.key.strip():
        return answer_set(request, entity, rest)
    key = read_key(entity, aliased(first.key, request.raw))
    if key.alternate is not None and entity.name in request.organisation.switches.pending_keys:
        raise wrong_key(entity)
    if not rest:
        return answer_row(request, key)
    return below_row(request, key, rest)
