# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""FetchXML reads: attributes, filters, links, orders, aggregates and pages by number, answered as rows of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from p2c_lib.sandbox.dataverse import aggregates, conditions
from p2c_lib.sandbox.dataverse.aggregates import MOST_ROWS, Output, too_many_rows
from p2c_lib.sandbox.dataverse.filter import MOST_CONDITIONS, SalesPredicate
from p2c_lib.sandbox.dataverse.model import expression, sets
from p2c_lib.sandbox.dataverse.projection import Projection, column_json
from p2c_lib.sandbox.dataverse.read import LARGEST_COUNT, LARGEST_PAGE, Asked
from p2c_lib.sandbox.dataverse.refusals import bad_argument, too_many_conditions
from p2c_lib.sandbox.predicate import Binder, Operand, Scope, balanced
from p2c_lib.sandbox.rows import json_object, json_text
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, quoted, table

_METHODS = {"sum": "sum", "avg": "average", "min": "min", "max": "max"}
_DATES = {"year": "%Y", "month": "%m", "day": "%d", "week": "%W"}
_MOST_LINKS = 15
_DEEPEST = 60


@dataclass(slots=True)
class Query:
    """A FetchXML query on its way to SQL."""

    projection: Projection
    asked: Asked
    aggregate: bool
    joins: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    members: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    groups: list[Output] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    scopes: dict[str, Scope] = field(default_factory=dict)
    links: int = 0


def fetch(store: Store, entity: Entity, text: str, asked: Asked) -> str:
    """The members of the answer after its context; `Refusal` (400) names what is wrong in the query."""
    root = _parsed(text)
    element = root.find("entity")
    if root.tag != "fetch" or element is None:
        raise bad_argument("FetchXML needs <fetch> with one <entity>.")
    if element.get("name") != entity.name:
        raise bad_argument(f"The entity name in FetchXML must be '{entity.name}'; '{element.get('name')}' came.")
    projection = Projection(asked.root, Binder(), SalesPredicate({}, asked.caller), asked.annotations)
    query = Query(projection, asked, root.get("aggregate") == "true")
    scope = Scope(entity, "t", projection.binder, expression)
    query.scopes[entity.name] = scope
    distinct = root.get("distinct") == "true"
    if not query.aggregate:
        query.members.append(("@odata.etag", "'\"W/\\\"' || t._version || '\\\"\"'"))
    _entity(query, element, scope, prefix="")
    if query.aggregate:
        return f'"value":[{",".join(_aggregated(store, query, scope))}]'
    return _page(store, query, scope, root, distinct=distinct)


def _parsed(text: str) -> ElementTree.Element:
    if "<!" in text:
        raise bad_argument("A document type is not allowed in FetchXML.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type no entity can be declared
    except ElementTree.ParseError as error:
        raise bad_argument(f"Invalid XML: {error}.") from error
    if _deeper(root, _DEEPEST):
        raise bad_argument(f"The elements of FetchXML are nested deeper than {_DEEPEST} levels.")
    if sum(1 for element in root.iter() if element.tag in {"condition", "link-entity"}) > MOST_CONDITIONS:
        raise too_many_conditions()
    return root


def _deeper(root: ElementTree.Element, levels: int) -> bool:
    """Whether elements are nested deeper than so many levels."""
    row = [root]
    for _ in range(levels):
        row = [child for element in row for child in element]
    return bool(row)


def _entity(query: Query, element: ElementTree.Element, scope: Scope, prefix: str) -> None:
    for child in element:
        if child.tag == "attribute":
            _attribute(query, child, scope, prefix)
        elif child.tag == "all-attributes":
            for name in scope.entity.columns:
                _column(query, scope, name, prefix, None)
        elif child.tag == "order":
            _order(query, child, scope)
        elif child.tag == "filter":
            query.where.append(_filter(query, child, scope))
        elif child.tag == "link-entity":
            _link(query, child, scope)
        else:
            raise bad_argument(f"<{child.tag}> is not known in FetchXML.")


def _attribute(query: Query, element: ElementTree.Element, scope: Scope, prefix: str) -> None:
    name, alias = element.get("name", ""), element.get("alias")
    if not query.aggregate:
        _column(query, scope, name, prefix, alias)
        return
    if alias is None:
        raise bad_argument(f"The attribute '{name}' needs an alias in an aggregate query.")
    column = _known(scope, name)
    operand = scope.column(column)
    if element.get("groupby") == "true":
        query.groups.append(_group(element, alias, operand, column_json(column, operand.sql)))
        return
    method = element.get("aggregate", "")
    if method in {"count", "countcolumn"}:
        counted = f"DISTINCT {operand.key}" if element.get("distinct") == "true" else operand.sql
        sql = "count(*)" if method == "count" else f"count({counted})"
        query.outputs.append(Output(alias, sql, sql, sql))
    elif method in _METHODS and (operand.family == "number" or method in {"min", "max"}):
        query.outputs.append(aggregates.output(alias, _METHODS[method], operand))
    else:
        raise bad_argument(f"The aggregate '{method}' does not apply to '{name}'.")


def _group(element: ElementTree.Element, alias: str, operand: Operand, shown: str) -> Output:
    grouping, sql = element.get("dategrouping"), operand.sql
    if grouping is None:
        return Output(alias, sql, shown, operand.key)
    if grouping == "quarter":
        part = f"((CAST(strftime('%m', {sql}) AS INTEGER) + 2) / 3)"
    elif grouping in _DATES:
        part = f"CAST(strftime('{_DATES[grouping]}', {sql}) AS INTEGER)"
    else:
        raise bad_argument(f"The dategrouping '{grouping}' is not supported.")
    return Output(alias, part, f"ifnull({part}, 'null')", part)


def _known(scope: Scope, name: str) -> Column:
    column = scope.entity.columns.get(name)
    if column is None:
        raise bad_argument(f"'{scope.entity.name}' entity doesn't contain attribute with Name = '{name}'.")
    return column


def _column(query: Query, scope: Scope, name: str, prefix: str, alias: str | None) -> None:
    column = _known(scope, name)
    shown = alias or (f"{prefix}{name}" if prefix else (f"_{name}_value" if column.kind == "lookup" else name))
    query.keys.append(scope.column(column).key)
    query.members += query.projection.column(scope.entity, column, shown, scope.alias)


def _order(query: Query, element: ElementTree.Element, scope: Scope) -> None:
    direction = " DESC" if element.get("descending") == "true" else ""
    alias, name = element.get("alias"), element.get("attribute")
    if alias is not None and query.aggregate:
        named = next((one.key for one in (*query.groups, *query.outputs) if one.name == alias), "") or quoted(alias)
        query.orders.append(f"{named}{direction}")
    else:
        query.orders.append(f"{scope.column(_known(scope, name or '')).key}{direction}")


def _filter(query: Query, element: ElementTree.Element, scope: Scope) -> str:
    parts: list[str] = []
    for child in element:
        if child.tag == "condition":
            parts.append(_condition(query, child, scope))
        elif child.tag == "filter":
            parts.append(_filter(query, child, scope))
        else:
            raise bad_argument(f"<{child.tag}> is not supported in a FetchXML filter.")
    joint = "OR" if element.get("type", "and").lower() == "or" else "AND"
    return balanced(parts, joint) if parts else "1"


def _condition(query: Query, element: ElementTree.Element, scope: Scope) -> str:
    named = element.get("entityname")
    if named is not None:
        if named not in query.scopes:
            raise bad_argument(f"The entityname '{named}' is not the alias of a link-entity before it.")
        scope = query.scopes[named]
    values = [child.text or "" for child in element if child.tag == "value"]
    if element.get("value") is not None:
        values.insert(0, str(element.get("value")))
    name, operator = element.get("attribute", ""), element.get("operator", "")
    if operator != operator.lower():
        raise bad_argument(f"Invalid condition operator '{operator[:80]}': FetchXML spells operators in lower case.")
    return conditions.condition(name, operator, values, scope, query.asked.caller)


def _link(query: Query, element: ElementTree.Element, scope: Scope) -> None:
    query.links += 1
    if query.links > _MOST_LINKS:
        raise bad_argument(f"Number of link entities in query exceeded maximum limit of {_MOST_LINKS}.")
    target = next((one for one in sets().values() if one.name == element.get("name")), None)
    if target is None:
        raise bad_argument(f"The entity with a name = '{element.get('name')}' was not found.")
    kind = element.get("link-type", "inner")
    if kind not in {"inner", "outer"}:
        raise bad_argument(f"The link-type '{kind}' is not supported; allowed: inner, outer.")
    alias = element.get("alias") or f"{target.name}{query.links}"
    inner = Scope(target, f"l{query.links}", scope.binder, expression)
    query.scopes[alias] = inner
    left = inner.column(_known(inner, element.get("from", ""))).key
    right = scope.column(_known(scope, element.get("to", ""))).key
    position = len(query.joins)
    before = len(query.where)
    query.joins.append("")
    _entity(query, element, inner, prefix=f"{alias}.")
    own = query.where[before:]
    del query.where[before:]
    joined = f"{'LEFT JOIN' if kind == 'outer' else 'JOIN'} {table(target)} AS {inner.alias}"
    query.joins[position] = f"{joined} ON {' AND '.join([f'{left} = {right}', *own])}"


def _from(query: Query, scope: Scope) -> str:
    return " ".join([f"{table(scope.entity)} AS t", *query.joins])


def _where(query: Query) -> str:
    return f" WHERE {' AND '.join(query.where)}" if query.where else ""


def _aggregated(store: Store, query: Query, scope: Scope) -> Iterator[str]:
    origin, values = f"{_from(query, scope)}{_where(query)}", scope.binder.values
    size = f"SELECT count(*) FROM (SELECT 1 FROM {origin} LIMIT {MOST_ROWS + 1})"
    if store.connection.execute(size, values).fetchone()[0] > MOST_ROWS:
        raise too_many_rows()
    outputs = [*query.groups, *query.outputs]
    if not outputs:
        raise bad_argument("An aggregate query needs an attribute with an aggregate or groupby.")
    row = json_object([(one.name, one.json) for one in outputs])
    named = ", ".join(f"{one.sql} AS {quoted(one.name)}" for one in outputs)
    grouping = f" GROUP BY {', '.join(one.key for one in query.groups)}" if query.groups else ""
    order = f" ORDER BY {', '.join(query.orders)}" if query.orders else ""
    for found in store.connection.execute(f"SELECT {row}, {named} FROM {origin}{grouping}{order}", values):
        yield str(found[0])


def _page(store: Store, query: Query, scope: Scope, root: ElementTree.Element, *, distinct: bool) -> str:
    key = scope.entity.key[0]
    if not distinct or any(name == key for name, _ in query.members):
        query.members = [member for member in query.members if member[0] != key]
        query.members.append((key, json_text(f"t.{quoted(key)}")))
    else:
        query.members = [member for member in query.members if member[0] != "@odata.etag"]
    if not query.members:
        raise bad_argument("The query selects nothing.")
    top, size, page = _number(root, "top"), _number(root, "count"), _number(root, "page") or 1
    if top is not None and (size is not None or root.get("page") is not None):
        raise bad_argument("The top attribute can't be specified with paging attribute page and count.")
    limit = min(top or size or LARGEST_PAGE, LARGEST_PAGE)
    orders = ", ".join([*query.orders, *([] if distinct else [f"t.{quoted(key)}"])]) or "1"
    origin, values = f"{_from(query, scope)}{_where(query)}", scope.binder.values
    # What the system takes for one value is one row of a distinct query.
    grouping = f"GROUP BY {', '.join(query.keys)} " if distinct and query.keys else ""
    sql = (
        f"SELECT {json_object(query.members)}, {'NULL' if distinct else f't.{quoted(key)}'} FROM {origin} {grouping}"
        f"ORDER BY {orders} LIMIT {limit + 1} OFFSET {(page - 1) * limit}"
    )
    found = store.connection.execute(sql, values).fetchall()
    more = len(found) > limit and top is None
    text = _counted(store, query, root, origin)
    if query.asked.annotations.wants("Microsoft.Dynamics.CRM.morerecords"):
        text += f'"@Microsoft.Dynamics.CRM.morerecords":{"true" if more else "false"},'
    if more and query.asked.annotations.wants("Microsoft.Dynamics.CRM.fetchxmlpagingcookie"):
        cookie = _cookie(page, key, str(found[0][1]), str(found[limit - 1][1]))
        text += f'"@Microsoft.Dynamics.CRM.fetchxmlpagingcookie":{_json(cookie)},'
    return f'{text}"value":[{",".join(row[0] for row in found[:limit])}]'


def _counted(store: Store, query: Query, root: ElementTree.Element, origin: str) -> str:
    if root.get("returntotalrecordcount") != "true":
        return ""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {origin} LIMIT {LARGEST_COUNT + 1})"
    total = int(store.connection.execute(sql, query.projection.binder.values).fetchone()[0])
    exceeded = "true" if total > LARGEST_COUNT else "false"
    name = "@Microsoft.Dynamics.CRM.totalrecordcount"
    return f'"{name}":{min(total, LARGEST_COUNT)},"{name}limitexceeded":{exceeded},'


def _number(root: ElementTree.Element, name: str) -> int | None:
    text = root.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) <= 1_000_000:
        raise bad_argument(f"The attribute {name} of <fetch> must be a positive whole number; '{text}' came.")
    return int(text)


def _cookie(page: int, key: str, first: str, last: str) -> str:
    guids = f"last={quoteattr('{' + last.upper() + '}')} first={quoteattr('{' + first.upper() + '}')}"
    inner = f'<cookie page="{page}"><{key} {guids} /></cookie>'
    encoded = quote(quote(inner, safe=""), safe="")
    return f'<cookie pagenumber="{page + 1}" pagingcookie="{encoded}" istracking="False" />'


def _json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
