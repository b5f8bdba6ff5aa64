"""What is asked of an entity set: a page, a count, a new row, a bulk message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from p2c_lib.sandbox.dataverse import bulk, changes
from p2c_lib.sandbox.dataverse.aggregates import aggregate
from p2c_lib.sandbox.dataverse.fetchxml import fetch
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.read import Within, context_of, count_rows, read_page
from p2c_lib.sandbox.dataverse.refusals import bad_query, not_allowed, unknown_segment
from p2c_lib.sandbox.dataverse.request import VERSION, Request, json_answer
from p2c_lib.sandbox.dataverse.segments import Segment
from p2c_lib.sandbox.dataverse.sql_select import select
from p2c_lib.sandbox.dataverse.tracking import check_options, latest_version
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.wire import Answer


def answer_set(request: Request, entity: Entity, rest: list[Segment]) -> Answer:
    """The answer to a path that ends at the set, or at a count or message of it."""
    method = request.call.method
    if rest and rest[0].name == "$count":
        return count_of(request, entity)
    if [one.name for one in rest] == ["$ref"] and method == "GET":
        return references(request, entity, None)
    if rest:
        message = bulk.bound_to_set(rest)
        if message is None:
            raise unknown_segment(rest[0].name)
        return message(request, entity)
    if method == "GET":
        return page_of(request, entity, None)
    if method == "POST":
        return _create(request, entity)
    raise not_allowed(method, request.path)


def count_of(request: Request, entity: Entity, within: Within | None = None) -> Answer:
    """The count as text."""
    if request.call.method != "GET":
        raise not_allowed(request.call.method, request.path)
    request.only(*(("$deltatoken", "$select") if "$deltatoken" in request.raw else ("$filter",)))
    options = request.options()
    if options.deltatoken is not None:
        total = changes.count_changes(request.organisation, entity, options.deltatoken)
    else:
        total = count_rows(request.store, entity, options, request.asked(), within)
    return Answer(200, [("Content-Type", "text/plain"), VERSION], str(total).encode())


def page_of(request: Request, entity: Entity, within: Within | None) -> Answer:
    """A page of rows, of an aggregate or of changes."""
    for name in ("savedQuery", "userQuery"):
        if name in request.raw:
            raise bad_query(f"The query parameter {name} is not offered by this sandbox; use $filter or fetchXml.")
    request.only(*_taken(request.raw))
    options, asked = request.options(), request.asked()
    if within is not None:
        _check_below(request, options)
    applied: list[str] = []
    context = f"{entity.set_name}{context_of(options)}"
    if "fetchXml" in request.raw:
        text = fetch(request.store, entity, request.raw["fetchXml"], asked)
    elif "sql" in request.raw:
        text = select(request.store, entity, request.raw["sql"], asked, options.skiptoken)
    elif options.apply is not None:
        text = aggregate(request.store, entity, options, asked)
    elif options.deltatoken is not None:
        text = changes.changes(request.organisation, entity, options, asked)
        context = changes.delta_context(entity, options)
    else:
        tracking: int | None = None
        if "odata.track-changes" in request.preferences:
            check_options(options)
            if entity.name in request.organisation.switches.without_tracking:
                raise bad_query(f"Change tracking is not enabled for entity '{entity.name}'.")
            applied.append("odata.track-changes")
            tracking = latest_version(request.organisation)
        text = read_page(request.store, entity, options, asked, within, tracking=tracking)
    # Groups come whole: a size of pages does nothing to them.
    grouped = options.apply is not None or bool(_AGGREGATE.search(request.raw.get("fetchXml", "")))
    if asked.page_size is not None and not grouped:
        applied.append(f"odata.maxpagesize={asked.page_size}")
    return _rows_answer(request, context, text, applied, annotated="sql" not in request.raw)


_AGGREGATE = re.compile(r"""^[^<]*<fetch\b[^>]*\saggregate\s*=\s*["'](?:true|1)["']""")


def _check_below(request: Request, options: Options) -> None:
    """Refuse what reads whole tables: below a row only the rows that belong to it may come."""
    tracks = "odata.track-changes" in request.preferences
    whole = {
        "fetchXml": "fetchXml" in request.raw,
        "sql": "sql" in request.raw,
        "$apply": options.apply is not None,
        "$deltatoken": options.deltatoken is not None,
        "Prefer: odata.track-changes": tracks,
    }
    for name, there in whole.items():
        if there:
            raise bad_query(f"{name} is not offered below a row by this sandbox; ask the entity set with a filter.")


def references(request: Request, entity: Entity, within: Within | None) -> Answer:
    """A page of the addresses of rows, as ``/$ref`` asks for it."""
    request.only("$filter", "$orderby", "$top", "$count", "$skiptoken")
    options = replace(request.options(), select=(entity.key[0],))
    page = json.loads("{" + read_page(request.store, entity, options, request.asked(), within) + "}")
    page["value"] = [{"@odata.id": f"{request.root}{entity.set_name}({row[entity.key[0]]})"} for row in page["value"]]
    return json_answer(200, {"@odata.context": f"{request.root}$metadata#Collection($ref)", **page})


_METADATA_VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"
_STAMP = "1000001"  # the metadata stays as it is while the sandbox runs
_READ = ("$select", "$expand", "$filter", "$orderby", "$top", "$count", "$apply", "$skiptoken", "$deltatoken")


def _taken(raw: Mapping[str, str]) -> tuple[str, ...]:
    """The options that a read takes: FetchXML and SQL say everything themselves."""
    if "fetchXml" in raw:
        # The service's own example of pages has $count beside it, and an answer without a count.
        return ("fetchXml", "$count")
    return ("sql", "$skiptoken") if "sql" in raw else _READ


def _rows_answer(request: Request, context: str, members: str, applied: list[str], *, annotated: bool) -> Answer:
    if request.annotations().wants(_METADATA_VERSION):
        members = f'"@{_METADATA_VERSION}":"{_STAMP}",{members}'
    if request.annotations().patterns and (annotated or request.annotations().wants(_METADATA_VERSION)):
        applied.append(f'odata.include-annotations="{request.preferences["odata.include-annotations"]}"')
    headers = [("Preference-Applied", ",".join(applied))] if applied else []
    url = json.dumps(f"{request.root}$metadata#{context}")
    return json_answer(200, f'{{"@odata.context":{url},{members}}}', *headers)


def _create(request: Request, entity: Entity) -> Answer:
    request.only("$select", "$expand")
    options = request.options()
    body = request.body()
    with request.store.write():
        made = request.records.create(entity, body)
        if request.wants_row:
            return request.row_answer(entity, made.record, options, 201)
    url = f"{request.root}{entity.set_name}({made.key})"
    return Answer(204, [VERSION, ("Location", url), ("OData-EntityId", url)])
