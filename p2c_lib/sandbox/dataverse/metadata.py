"""Metadata requests: the service document, ``EntityDefinitions`` and its relatives, the choices, ``$metadata``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from p2c_lib.sandbox.dataverse import csdl, definitions
from p2c_lib.sandbox.dataverse.entity_facts import BASE_RELATIONSHIP
from p2c_lib.sandbox.dataverse.memory_sets import NAMES as SMALL
from p2c_lib.sandbox.dataverse.metadata_changes import labels_in
from p2c_lib.sandbox.dataverse.metadata_examples import example
from p2c_lib.sandbox.dataverse.metadata_filter import holds
from p2c_lib.sandbox.dataverse.model import sets
from p2c_lib.sandbox.dataverse.options import Expand, Options, read_options
from p2c_lib.sandbox.dataverse.refusals import NAMESPACE, bad_query, metadata_is_read, not_allowed, unknown_segment
from p2c_lib.sandbox.expression import Literal, Malformed, parse_key
from p2c_lib.sandbox.wire import Answer, Refusal

if TYPE_CHECKING:
    from p2c_lib.sandbox.dataverse.request import Request
    from p2c_lib.sandbox.dataverse.segments import Segment

_LISTED = ("$select", "$filter", "$expand", "$count", "LabelLanguages")
_SINGLE = ("$select", "$expand", "LabelLanguages")
_EXPANDED = frozenset({*definitions.PARTS, "ManyToManyRelationships", "OptionSet", "GlobalOptionSet"})


def service_document(request: Request) -> Answer:
    """The names of all sets that answer: tables, small sets, and those of the metadata."""
    if request.call.method != "GET":
        raise not_allowed(request.call.method, "/")
    listed = [{"name": name, "kind": "EntitySet", "url": name} for name in (*sets(), *SMALL, *_DEFINED)]
    return _json({"@odata.context": f"{request.root}$metadata", "value": listed})


_DEFINED = ("EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions")


def find(name: str) -> Callable[[Request, list[Segment]], Answer] | None:
    """The answer to a path that begins with this segment."""
    return _ROOTS.get(name)


def _json(body: Mapping[str, Any], status: int = 200) -> Answer:
    headers = [("Content-Type", "application/json; odata.metadata=minimal"), ("OData-Version", "4.0")]
    return Answer(status, headers, json.dumps(body, ensure_ascii=False).encode())


def _document(request: Request, _path: list[Segment]) -> Answer:
    if request.call.method != "GET":
        raise not_allowed(request.call.method, "$metadata")
    request.only("annotations")
    annotated = request.raw.get("annotations") == "true" or bool(request.annotations().patterns)
    body = csdl.document(annotated=annotated)
    return Answer(200, [("Content-Type", "application/xml"), ("OData-Version", "4.0")], body)


def _entities(request: Request, path: list[Segment]) -> Answer:
    without = request.organisation.switches.without_tracking
    every = [definitions.definition(one.name) for one in sets().values()]
    every = [one | {"ChangeTrackingEnabled": False} if one["LogicalName"] in without else one for one in every]
    return _walked(request, "EntityDefinitions", every, path)


def _relationships(request: Request, path: list[Segment]) -> Answer:
    every = [r for one in sets().values() for r in definitions.many_to_one(one.name)]
    return _walked(request, "RelationshipDefinitions", every, path)


def _global_choices(request: Request, path: list[Segment]) -> Answer:
    if "$filter" in request.raw:
        raise Refusal(405, "0x8006088a", "The $filter query option is not supported on GlobalOptionSetDefinitions.")
    return _walked(request, "GlobalOptionSetDefinitions", [], path)


_ROOTS = {
    "$metadata": _document,
    "EntityDefinitions": _entities,
    "RelationshipDefinitions": _relationships,
    "GlobalOptionSetDefinitions": _global_choices,
}


def _walked(request: Request, name: str, every: list[dict[str, Any]], path: Sequence[Segment]) -> Answer:
    if request.call.method != "GET":
        raise metadata_is_read(request.call.method, request.path)
    node: Any = every
    cast: str | None = None
    pending = request.organisation.switches.pending_keys
    tail = path[-1].name if path[-1].name in {"$count", "$value"} else None
    for at, segment in enumerate(path[:-1] if tail else path):
        if segment.name.startswith(f"{NAMESPACE}."):
            cast = segment.name.removeprefix(f"{NAMESPACE}.")
            node = _cast(node, cast)
        elif at:
            node, cast = _part(node, segment.name, pending), None
        if segment.key is not None:
            node = _keyed(node, segment.key, name)
    if tail is not None:
        like = example(path[-2].name if cast is None or len(path) < CAST_AND_COUNT else path[-3].name, cast)
        return _text_of(request, node, tail, _base(path[:-1], cast), like)
    # Definitions come whole: neither $top nor $orderby nor pages are known here.
    request.only(*(_LISTED if isinstance(node, list) else _SINGLE if isinstance(node, dict) else ()))
    languages = request.raw.get("LabelLanguages")
    options = read_options({name: text for name, text in request.raw.items() if name != "LabelLanguages"})
    context = f"{request.root}$metadata#{'/'.join(s.name for s in path)}"
    base = _base(path, cast)
    if isinstance(node, list):
        rows = _rows(
            node, options, cast, pending, base, example(path[-1].name if cast is None else path[-2].name, cast)
        )
        shown = _in_languages(rows, languages)
        count = {"@odata.count": len(shown)} if options.count else {}
        return _json({"@odata.context": context, **count, "value": shown})
    if isinstance(node, dict):
        shown = _in_languages(_shown(node, options, cast, pending, base), languages)
        return _json({"@odata.context": f"{context}/$entity", **shown})
    return _json({"@odata.context": context, "value": node})


# Types that the reference documents, of which no table here has a row.
_NOT_HERE = {
    *("EntityNameAttributeMetadata", "ManagedPropertyAttributeMetadata", "EnumAttributeMetadata"),
    *("ComplexEnumAttributeMetadata", "EntityKeyMetadata", "ManagedPropertyMetadata", "BooleanManagedProperty"),
}
CAST_AND_COUNT = 3  # segments of a path that ends so, at the least
_BASE_CASTS = {"EntityMetadata", "AttributeMetadata", "RelationshipMetadataBase", "OptionSetMetadataBase"}


def _base(path: Sequence[Segment], cast: str | None) -> Collection[str] | None:
    """The members that every row of the path has, where rows may be of several types; None for all they have."""
    steps = [one.name for one in path if not one.name.startswith(f"{NAMESPACE}.")]
    if cast is not None and cast not in _BASE_CASTS:
        return None
    if steps == ["RelationshipDefinitions"]:
        return BASE_RELATIONSHIP
    return definitions.BASE_ATTRIBUTE if steps[-1] == "Attributes" else None


def _rows(
    node: Sequence[Mapping[str, Any]],
    options: Options,
    cast: str | None,
    pending: Collection[str],
    base: Collection[str] | None,
    like: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The rows that are asked for; with none, what is asked is looked at on one like them all the same."""
    shown = [_shown(one, options, cast, pending, base) for one in _kept(node, options, base, like)]
    if not shown:
        _shown(next(iter(node), like), options, cast, pending, base)
    return shown


def _kept(
    rows: Sequence[Mapping[str, Any]], options: Options, base: Collection[str] | None, like: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The rows that fit the filter, in which only what all of them have can be named."""
    if options.filter is None:
        return list(rows)
    if not rows:
        _kept([like], options, base, like)
    told = [one if base is None else {name: one[name] for name in one if name in base} for one in rows]
    return [one for one, seen in zip(rows, told, strict=True) if holds(options.filter, seen, options.parameters)]


def _text_of(request: Request, node: Any, tail: str, base: Collection[str] | None, like: Mapping[str, Any]) -> Answer:
    """``/$count`` of a collection or ``/$value`` of a plain member, as text."""
    if isinstance(node, dict) or isinstance(node, list) is not (tail == "$count"):
        raise unknown_segment(tail)
    request.only(*(("$filter",) if tail == "$count" else ()))
    headers = [("Content-Type", "text/plain"), ("OData-Version", "4.0")]
    if tail == "$count":
        return Answer(200, headers, str(len(_kept(node, read_options(request.raw), base, like))).encode())
    if node is None:
        return Answer(204, headers[1:])
    return Answer(200, headers, (str(node).lower() if isinstance(node, bool) else str(node)).encode())


def _in_languages(node: Any, text: str | None) -> Any:
    """The same with labels of the languages ``LabelLanguages`` names."""
    if text is None:
        return node
    codes = [part.strip() for part in text.split(",")]
    if not all(code.isascii() and code.isdigit() and len(code) < 9 for code in codes):
        raise bad_query(f"LabelLanguages takes language codes such as 1033,1041; '{text[:80]}' came.")
    return labels_in(node, frozenset(int(code) for code in codes))


def _cast(node: Any, cast: str) -> Any:
    if cast in _BASE_CASTS:
        return node
    if cast in _NOT_HERE:
        raise unknown_segment(f"{NAMESPACE}.{cast}", known="type")
    known = {"OneToManyRelationshipMetadata", "ManyToManyRelationshipMetadata", *_cast_names()}
    if cast not in known | {"OptionSetMetadata", "BooleanOptionSetMetadata"}:
        raise unknown_segment(f"{NAMESPACE}.{cast}")
    wanted = f"#{NAMESPACE}.{cast}"
    if isinstance(node, list):
        return [one for one in node if one.get("@odata.type") == wanted]
    if isinstance(node, dict) and node.get("@odata.type") == wanted:
        return node
    raise Refusal(404, "0x80060888", f"The column is not of the type '{NAMESPACE}.{cast}'.")


def _cast_names() -> set[str]:
    kinds = ("String", "Memo", "Integer", "BigInt", "Decimal", "Double", "Money", "Boolean", "DateTime")
    others = ("UniqueIdentifier", "Lookup", "Picklist", "State", "Status", "MultiSelectPicklist", "Image", "File")
    return {f"{kind}AttributeMetadata" for kind in (*kinds, *others)}


def _part(node: Any, name: str, pending: Collection[str]) -> Any:
    """What is below a node; the keys of ``pending`` tables are not active yet."""
    if isinstance(node, dict):
        if "EntitySetName" in node and name in definitions.PARTS:
            found = definitions.PARTS[name](node["LogicalName"])
            waits = {"EntityKeyIndexStatus": "Pending"} if name == "Keys" and node["LogicalName"] in pending else {}
            return [one | waits for one in found]
        if "EntitySetName" in node and name == "ManyToManyRelationships":
            return []
        if name in node:
            return node[name]
    raise unknown_segment(name)


def _keyed(node: Any, text: str, name: str) -> dict[str, Any]:
    try:
        parts = parse_key(text)
    except Malformed as error:
        raise bad_query(f"The key cannot be read: {error}") from error
    wanted = {(key or "MetadataId"): part.value for key, part in parts.items() if isinstance(part, Literal)}
    allowed = {"MetadataId", "LogicalName", "Name", "SchemaName"}
    if not isinstance(node, list) or not wanted.keys() <= allowed:
        raise bad_query(f"The key '{text}' does not fit {name}.")
    for one in node:
        if all(str(one.get(key)).lower() == str(value).lower() for key, value in wanted.items()):
            return dict(one)
    shown = next(iter(wanted.values()))
    raise Refusal(404, "0x80060888", f"Could not find an entity with the specified key: {name} '{shown}'.")


def _shown(
    node: Mapping[str, Any],
    options: Options,
    cast: str | None,
    pending: Collection[str],
    base: Collection[str] | None = None,
) -> dict[str, Any]:
    is_attribute = "AttributeType" in node
    inside = {"OptionSet", "GlobalOptionSet"} if is_attribute else set()
    if options.select:
        known = definitions.BASE_ATTRIBUTE if is_attribute and cast is None else base or node.keys()
        # A navigation property may be named beside the $expand that brings it.
        expanded = {one.name for one in options.expand}
        for name in options.select:
            if name in expanded:
                continue
            if name not in known or name in inside:
                raise bad_query(f"Could not find a property named '{name}' on type '{_type_of(node, cast)}'.")
        kept = ("@odata.type",) if is_attribute else ()
        found = {name: node[name] for name in (*kept, *options.select, "MetadataId") if name in node}
    else:
        found = {name: value for name, value in node.items() if name not in inside}
    for one in options.expand:
        found[one.name] = _expanded(node, one, cast, pending)
    return found


def _type_of(node: Mapping[str, Any], cast: str | None) -> str:
    if "AttributeType" in node:
        return f"{NAMESPACE}.{cast or 'AttributeMetadata'}"
    return f"{NAMESPACE}.{'EntityMetadata' if 'EntitySetName' in node else 'MetadataBase'}"


def _expanded(node: Mapping[str, Any], one: Expand, cast: str | None, pending: Collection[str]) -> Any:
    if one.name in {"OptionSet", "GlobalOptionSet"} and "AttributeType" in node and cast is None:
        raise bad_query(f"Could not find a property named '{one.name}' on type '{_type_of(node, cast)}'.")
    if one.name not in _EXPANDED:
        raise bad_query(f"Could not find a property named '{one.name}' on type '{_type_of(node, cast)}'.")
    refused = {"$top": one.options.top is not None, "$orderby": bool(one.options.order), "/$ref": one.ref}
    for option, asked in refused.items():
        if asked:
            raise bad_query(f"The query parameter {option} is not supported in $expand of metadata.")
    value = _part(node, one.name, pending)
    if isinstance(value, list):
        base = definitions.BASE_ATTRIBUTE if one.name == "Attributes" else None
        return _rows(value, one.options, None, pending, base, example(one.name, None))
    if one.options.filter is not None:
        raise bad_query("The query parameter $filter is not supported in $expand of a single row.")
    if value is None:
        _shown(example("GlobalOptionSetDefinitions", None), one.options, None, pending)
        return None
    return _shown(value, one.options, None, pending)
