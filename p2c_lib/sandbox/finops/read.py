"""GET of F&O rows: a collection in pages, a count, one row by its key, one property of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

from p2c_lib.sandbox.collation import finops_key
from p2c_lib.sandbox.exact import Digits
from p2c_lib.sandbox.expression import EnumLiteral, Literal, Malformed, parse_key
from p2c_lib.sandbox.finops.expand import Expansion, expansions
from p2c_lib.sandbox.finops.levels import json_headers, level
from p2c_lib.sandbox.finops.memory_rows import check_options
from p2c_lib.sandbox.finops.predicate import Sql, column_named, order, where
from p2c_lib.sandbox.finops.refusals import bad_query, dangerous_path, no_resource, no_route
from p2c_lib.sandbox.finops.switches import Switches
from p2c_lib.sandbox.finops.values import NAMESPACE, Written, as_json_text, edm, etag, page_text, row_text, written
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, Value, comparable, quoted, table
from p2c_lib.sandbox.wire import Answer, Call

# A key in a path that holds one of these after one decoding is taken for something else, or refused.
_SEPARATING = frozenset("/\\+")
_DANGEROUS = frozenset("<>*%&:?\x7f")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
# A moment that is a whole part of a key: its colons are taken as they are.
_MOMENT = re.compile(r"(?<![^=])\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z?(?![^,])")
_OPTIONS = ("$select", "$filter", "$orderby", "$top", "$skip", "$count", "$expand", "$format", "$skiptoken")


@dataclass(frozen=True)
class Options:
    """The query options of one request, by name; what F&O does not offer is refused."""

    given: dict[str, str]
    switches: Switches

    @classmethod
    def of(cls, call: Call, switches: Switches) -> Options:
        given = call.options()
        check_options(given, _OPTIONS)
        return cls(given, switches)

    def only(self, *names: str) -> None:
        """Refuse by name every system query option but these: what is asked for has no use for it."""
        for name in self.given:
            if name.startswith("$") and name not in names:
                raise bad_query(f"The query option '{name}' cannot be used with this request.")

    def across(self) -> bool:
        """Whether rows of all companies are meant."""
        value = self.given.get("cross-company", "false").lower()
        if value not in {"true", "false"}:
            raise bad_query(f"'{value}' is not a value of 'cross-company'; use true or false.")
        return value == "true"

    def number(self, name: str) -> int | None:
        text = self.given.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise bad_query(
                f"Invalid value '{text[:40]}' for {name} query option found; it takes whole numbers from 0."
            )
        return int(text)

    def flag(self, name: str) -> bool:
        value = self.given.get(name, "false")
        if value not in {"true", "false"}:
            raise bad_query(f"Invalid value '{value[:40]}' for {name} query option found; it takes true or false.")
        return value == "true"


def selected(entity: Entity, options: Options) -> list[Column]:
    """The columns of ``$select``, all when it is absent or ``*``."""
    text = options.given.get("$select", "*").strip()
    if text == "*":
        return list(entity.columns.values())
    # One comma at the end is taken: the library that reads it is that of Sales, whose own examples have one.
    names = [name.strip() for name in text.removesuffix(",").split(",")]
    return [column_named(entity, name) for name in dict.fromkeys(names)]


def scope(entity: Entity, options: Options) -> Sql:
    """The rows a request can see: those of its company, and those its ``$filter`` names."""
    parts: list[str] = []
    values: list[Value] = []
    if entity.companied and not options.across():
        parts.append(f"{comparable(entity, 'dataAreaId')} = company(?)")
        values.append(options.switches.default_company)
    if "$filter" in options.given:
        sql, more = where(entity, options.given["$filter"], options.switches)
        parts.append(f"({sql})")
        values += more
    return (" AND ".join(parts) or "1"), values


def context(call: Call, entity: Entity, options: Options, *, single: bool = False) -> str:
    """The context URL of an answer."""
    listed = options.given.get("$select", "").replace(" ", "")
    chosen = f"({listed})" if listed and listed != "*" else ""
    return f"{call.base}/data/$metadata#{entity.set_name}{chosen}{'/$entity' if single else ''}"


def collection(call: Call, entity: Entity, store: Store, options: Options) -> Answer:
    """One page of rows, with the next page's address when there are more."""
    columns = selected(entity, options)
    condition, values = scope(entity, options)
    asked = call.preferences().get("odata.maxpagesize", "")
    size = _page_size(asked, options.switches.page_size)
    top, skip = options.number("$top"), options.number("$skip") or 0
    gone = _skiptoken(options)
    room = size if top is None else min(size, max(top - gone, 0))
    keyed = ", ".join(comparable(entity, name) for name in entity.key)
    sort = order(entity, options.given["$orderby"]) if "$orderby" in options.given else keyed
    wider = expansions(entity, options.given["$expand"], options.switches) if "$expand" in options.given else []
    names = [*(c.name for c in columns), *entity.key]
    sql = (
        f"SELECT _version, _id, {', '.join(map(quoted, names))} FROM {table(entity)} "  # noqa: S608
        f"WHERE {condition} ORDER BY {sort} LIMIT {room + 1} OFFSET {skip + gone}"
    )
    with store.snapshot() as connection:
        rows = connection.execute(sql, values).fetchall()
        total = _total(connection, entity, condition, values) if options.flag("$count") else None
    body = [f'"@odata.context":{as_json_text(context(call, entity, options))}']
    if total is not None:
        body.append(f'"@odata.count":{total}')
    shown = rows[:room]
    head = _head(call, entity)
    keys = len(entity.key)
    bodies = [row[2:-keys] for row in shown]
    texts = page_text(_forms(entity, columns), bodies, [head(row[0], row[1]) for row in shown])
    if wider:
        parents = [dict(zip(entity.key, row[-keys:], strict=True)) for row in shown]
        texts = [_widened(text, wider, store, parent) for text, parent in zip(texts, parents, strict=True)]
    body.append(f'"value":[{",".join(texts)}]')
    if len(rows) > room and (top is None or gone + room < top):
        body.append(f'"@odata.nextLink":{as_json_text(_next(call, options, len(shown), gone))}')
    if level(call) == "none":
        body = body[1:]
    applied = f"odata.maxpagesize={asked}" if asked else ""
    return Answer(200, json_headers(call, applied=applied), ("{" + ",".join(body) + "}").encode())


def _widened(text: str, wider: list[Expansion], store: Store, row: Mapping[str, Value]) -> str:
    return f"{text[:-1]},{','.join(one.text(store, row) for one in wider)}}}"


def _page_size(asked: str, most: int) -> int:
    if asked.isascii() and asked.isdigit() and len(asked) < 9 and int(asked):
        return min(int(asked), most)
    return most


def _total(connection: Any, entity: Entity, condition: str, values: list[Value]) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table(entity)} WHERE {condition}", values).fetchone()[0])  # noqa: S608


def _forms(entity: Entity, columns: list[Column]) -> list[Written]:
    forms = written(entity.set_name)
    return [forms[column.name] for column in columns]


def _head(call: Call, entity: Entity) -> Callable[[int, int], str]:
    if level(call) == "none":
        return lambda _version, _record: ""
    kind = f'"@odata.type":{as_json_text(f"#{NAMESPACE}.{entity.name}")},' if level(call) == "full" else ""
    return lambda version, record: f'{kind}"@odata.etag":{as_json_text(etag(version, record))}'


def _skiptoken(options: Options) -> int:
    token = options.given.get("$skiptoken")
    if token is None:
        return 0
    try:
        gone = int(json.loads(base64.urlsafe_b64decode(token.encode()).decode()))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise bad_query("The skip token cannot be read.") from error
    if not 0 <= gone < 2**31:
        raise bad_query("The skip token cannot be read.")
    return gone


def _next(call: Call, options: Options, shown: int, gone: int) -> str:
    query = {k: v for k, v in options.given.items() if k != "$skiptoken"}
    if options.switches.next_link == "skiptoken":
        query["$skiptoken"] = base64.urlsafe_b64encode(json.dumps(gone + shown).encode()).decode()
    else:
        query["$skip"] = str((options.number("$skip") or 0) + shown)
        top = options.number("$top")
        if top is not None:
            query["$top"] = str(top - shown)
    return f"{call.base}{quote(call.path)}?{urlencode(query, safe='$,()', quote_via=quote)}"


def counted(entity: Entity, store: Store, options: Options) -> Answer:
    """``/$count``: the number of rows as plain text."""
    options.only("$filter")
    condition, values = scope(entity, options)
    total = _total(store.connection, entity, condition, values)
    return Answer(200, [("Content-Type", "text/plain"), ("OData-Version", "4.0")], str(total).encode())


# -- one row -------------------------------------------------------------------------------------------------------


def key_of(entity: Entity, text: str, *, url: str, twice: bool) -> dict[str, Value]:
    """The stored key values of the text between the parentheses; every key field is needed, in any order.

    ``twice``: the text was decoded once, by the web server, and is decoded again as a whole, as F&O does. ``url`` is
    the address it came in, for refusals.
    """
    try:
        parts = parse_key(_decoded(text, url) if twice else text)
    except Malformed as error:
        raise bad_query(f"The key '({text[:80]})' cannot be read: {error}") from error
    if tuple(parts) == ("",) and len(entity.key) == 1:
        # A key of one part needs no name.
        parts = {entity.key[0]: parts[""]}
    if set(parts) != set(entity.key):
        known = ", ".join(entity.key)
        raise bad_query(f"The key of '{entity.set_name}' consists of {known}; '({text[:80]})' came.")
    return {name: _key_value(entity, entity.columns[name], parts[name]) for name in entity.key}


def _decoded(text: str, url: str) -> str:
    """A key decoded a second time; `Unrouted` for a character that the first decoding must not leave."""
    if _SEPARATING & set(text):
        raise no_route(url)
    if found := next((c for c in _MOMENT.sub("", _ENCODED.sub("", text)) if c in _DANGEROUS or c < " "), None):
        raise dangerous_path(found)
    return unquote(text)


def _key_value(entity: Entity, column: Column, literal: Literal | EnumLiteral) -> Value:
    value = literal.member if isinstance(literal, EnumLiteral) else literal.value
    if isinstance(literal, EnumLiteral):
        fits = column.kind == "enum" and literal.type == edm(column)
    else:
        fits = {"string": {"string"}, "enum": {"string"}, "datetime": {"datetime"}, "guid": {"guid"}}.get(
            column.kind, {"int"}
        ).__contains__(literal.kind)
    if not fits or not isinstance(value, str | int) or (isinstance(value, int) and abs(value) >= 2**63):
        raise bad_query(f"The key value of '{column.name}' in '{entity.set_name}' is not of type '{edm(column)}'.")
    return value.rstrip(" ") if isinstance(value, str) and column.kind == "string" else value


def visible(entity: Entity, key: dict[str, Value], options: Options) -> bool:
    """Whether the key's company is the caller's own, or the request is cross-company."""
    if not entity.companied or options.across():
        return True
    return finops_key(key["dataAreaId"]) == finops_key(options.switches.default_company)


def single(call: Call, entity: Entity, store: Store, options: Options, key: dict[str, Value]) -> Answer:
    """One row by its key."""
    options.only("$select", "$expand", "$format")
    columns = selected(entity, options)
    found = store.find(entity, key) if visible(entity, key, options) else None
    if found is None:
        raise no_resource(f"No row of '{entity.set_name}' has the key {shown_key(key)}.")
    wider = expansions(entity, options.given["$expand"], options.switches) if "$expand" in options.given else []
    return row_answer(call, entity, options, columns, found, wider=wider, store=store)


def row_answer(
    call: Call,
    entity: Entity,
    options: Options,
    columns: list[Column],
    found: dict[str, Value],
    *,
    status: int = 200,
    wider: list[Expansion] | None = None,
    store: Store | None = None,
) -> Answer:
    """A row as the whole body, with its context and etag."""
    version, record = int(found["_version"] or 0), int(found["_id"] or 0)
    head = _head(call, entity)(version, record)
    if head:
        head = f'"@odata.context":{as_json_text(context(call, entity, options, single=True))},{head}'
    text = row_text(_forms(entity, columns), [found[c.name] for c in columns], head)
    if wider and store is not None:
        text = _widened(text, wider, store, found)
    pairs = json_headers(call)
    pairs.append(("ETag", etag(version, record)))
    return Answer(status, pairs, text.encode())


def shown_key(key: dict[str, Value]) -> str:
    """The key as its fields read in a URL."""
    return "(" + ",".join(f"{name}={_literal(value)}" for name, value in key.items()) + ")"


def _literal(value: Value) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def property_of(call: Call, entity: Entity, store: Store, options: Options, key: dict[str, Value], name: str) -> Answer:
    """One property of a row: ``{"@odata.context", "value"}``, or with ``/$value`` the value as plain text."""
    options.only("$format")
    name, _, tail = name.partition("/")
    if name not in entity.columns or tail not in {"", "$value"}:
        raise no_resource(f"Resource not found for the segment '{(tail or name)[:80]}'.")
    raw = single(call, entity, store, Options({**options.given, "$select": name}, options.switches), key)
    value = json.loads(raw.body, parse_float=Digits)[name]
    if tail:
        text = value if isinstance(value, str) else json.dumps(value)
        return Answer(200, [("Content-Type", "text/plain"), ("OData-Version", "4.0")], text.encode())
    where_ = json.dumps(f"{call.base}/data/$metadata#{entity.set_name}{shown_key(key)}/{name}")
    text = value if isinstance(value, Digits) else json.dumps(value)
    context_ = "" if level(call) == "none" else f'"@odata.context": {where_}, '
    return Answer(200, json_headers(call), f'{{{context_}"value": {text}}}'.encode())
