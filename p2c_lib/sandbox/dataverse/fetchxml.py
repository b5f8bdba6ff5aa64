# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""FetchXML reads: attributes, filters, links, orders, aggregates and pages by number, answered as rows of JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from p2c_lib.sandbox.dataverse import aggregates, conditions
from p2c_lib.sandbox.dataverse.aggregates import MOST_ROWS, Output, too_many_rows
from p2c_lib.sandbox.dataverse.fetchxml_elements import check_attributes, flag, number
from p2c_lib.sandbox.dataverse.filter import MOST_CONDITIONS, SalesPredicate
from p2c_lib.sandbox.dataverse.model import expression, sets
from p2c_lib.sandbox.dataverse.projection import CHOSEN, FORMATTED, Projection
from p2c_lib.sandbox.dataverse.read import LARGEST_COUNT, LARGEST_PAGE, Asked
from p2c_lib.sandbox.dataverse.refusals import bad_argument, too_many_conditions
from p2c_lib.sandbox.predicate import Binder, Operand, Scope, balanced
from p2c_lib.sandbox.rows import json_filled, json_object, json_text
from p2c_lib.sandbox.schema import Column, Entity
from p2c_lib.sandbox.store import Store, quoted, table
from p2c_lib.sandbox.xml_text import DocumentType, parsed_xml

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
    raw: bool
    joins: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    members: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    groups: list[Output] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    sorting: list[tuple[ElementTree.Element, Scope]] = field(default_factory=list)
    scopes: dict[str, Scope] = field(default_factory=dict)
    links: dict[ElementTree.Element, tuple[str, Scope]] = field(default_factory=dict)
    joined: set[str] = field(default_factory=lambda: {"t"})
    shown: dict[str, tuple[str, str]] = field(default_factory=dict)

    def is_new(self, name: str, alias: str, column: str) -> bool:
        """Whether a member of that name is not there yet; `Refusal` (400) where another value has it."""
        known = self.shown.get(name)
        if known is not None and (known != (alias, column) or self.aggregate):
            raise bad_argument(f"FetchXML gives two values the same name: '{name[:80]}'.")
        self.shown[name] = (alias, column)
        return known is None


def fetch(store: Store, entity: Entity, text: str, asked: Asked) -> str:
    """The members of the answer after its context; `Refusal` (400) names what is wrong in the query."""
    root = _parsed(text)
    element = root.find("entity")
    if root.tag != "fetch" or element is None:
        raise bad_argument("FetchXML needs <fetch> with one <entity>.")
    if element.get("name") != entity.name:
        raise bad_argument(f"The entity name in FetchXML must be '{entity.name}'; '{element.get('name')}' came.")
    projection = Projection(asked.root, Binder(), SalesPredicate({}, asked.caller), asked.annotations)
    query = Query(projection, asked, flag(root, "aggregate"), raw=flag(root, "useraworderby"))
    scope = Scope(entity, "t", projection.binder, expression)
    distinct = flag(root, "distinct")
    _name_links(query, element, scope)
    query.scopes.setdefault(entity.name, scope)
    if not query.aggregate and not distinct:
        query.shown[entity.key[0]] = (scope.alias, entity.key[0])
    if not query.aggregate:
        query.members.append(("@odata.etag", "'\"W/\\\"' || t._version || '\\\"\"'"))
    _entity(query, element, scope, prefix="")
    _currency(query, scope)
    _orders(query)
    if query.aggregate:
        most = min(number(root, "aggregatelimit") or MOST_ROWS, MOST_ROWS)
        return f'"value":[{",".join(_aggregated(store, query, scope, most))}]'
    return _page(store, query, scope, root, distinct=distinct)


def _parsed(text: str) -> ElementTree.Element:
    try:
        root = parsed_xml(text)
    except DocumentType as error:
        raise bad_argument("A document type is not allowed in FetchXML.") from error
    except ElementTree.ParseError as error:
        raise bad_argument(f"Invalid XML: {error}.") from error
    if _deeper(root, _DEEPEST):
        raise bad_argument(f"The elements of FetchXML are nested deeper than {_DEEPEST} levels.")
    if sum(1 for element in root.iter() if element.tag in {"condition", "link-entity"}) > MOST_CONDITIONS:
        raise too_many_conditions()
    check_attributes(root)
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
            query.sorting.append((child, scope))
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
    query.is_new(alias, scope.alias, name)
    if flag(element, "groupby"):
        query.groups.append(_group(query, element, alias, operand))
        return
    method = element.get("aggregate", "")
    if method in {"count", "countcolumn"}:
        counted = f"DISTINCT {operand.key}" if flag(element, "distinct") else operand.sql
        sql = "count(*)" if method == "count" else f"count({counted})"
        query.outputs.append(Output(alias, sql, sql, sql, aggregates.whole_label(sql)))
    elif method in _METHODS and (operand.family == "number" or method in {"min", "max"}):
        query.outputs.append(aggregates.output(alias, _METHODS[method], operand))
    else:
        raise bad_argument(f"The aggregate '{method}' does not apply to '{name}'.")


def _group(query: Query, element: ElementTree.Element, alias: str, operand: Operand) -> Output:
    grouping, sql = element.get("dategrouping"), operand.sql
    if grouping is None:
        return aggregates.grouped_by(alias, operand, query.projection)
    if operand.family not in {"datetime", "date"}:
        raise bad_argument(f"The dategrouping '{grouping[:40]}' is for dates; '{element.get('name')}' is none.")
    if grouping == "quarter":
        part = f"((CAST(strftime('%m', {sql}) AS INTEGER) + 2) / 3)"
    elif grouping in _DATES:
        part = f"CAST(strftime('{_DATES[grouping]}', {sql}) AS INTEGER)"
    else:
        raise bad_argument(f"The dategrouping '{grouping}' is not supported.")
    return Output(alias, part, f"ifnull({part}, 'null')", part, aggregates.whole_label(part))


def _known(scope: Scope, name: str) -> Column:
    column = scope.entity.columns.get(name)
    if column is None:
        raise bad_argument(f"'{scope.entity.name}' entity doesn't contain attribute with Name = '{name}'.")
    return column


def _column(query: Query, scope: Scope, name: str, prefix: str, alias: str | None) -> None:
    column = _known(scope, name)
    shown = alias or (f"{prefix}{name}" if prefix else (f"_{name}_value" if column.kind == "lookup" else name))
    if not query.is_new(shown, scope.alias, name):
        return
    query.keys.append(scope.column(column).key)
    query.members += query.projection.column(scope.entity, column, shown, scope.alias)


def _currency(query: Query, scope: Scope) -> None:
    """Money of the entity comes with its currency, as it does with $select."""
    name = "transactioncurrencyid"
    own = {column for alias, column in query.shown.values() if alias == scope.alias}
    money = any(scope.entity.columns[column].kind == "money" for column in own)
    if money and not query.aggregate and name in scope.entity.columns and f"_{name}_value" not in query.shown:
        _column(query, scope, name, "", None)


def _orders(query: Query) -> None:
    """The orders of the entity go before those of links, wherever they stand."""
    for element, scope in sorted(query.sorting, key=lambda one: one[1].alias != "t"):
        direction = " DESC" if flag(element, "descending") else ""
        alias, name = element.get("alias"), element.get("attribute")
        if alias is not None and query.aggregate:
            named = next((one.key for one in (*query.groups, *query.outputs) if one.name == alias), "")
            query.orders.append(f"{named or quoted(alias)}{direction}")
        else:
            inner = _named(query, element.get("entityname"), scope)
            query.orders.append(f"{_sort_key(query, inner, _known(inner, name or ''))}{direction}")


def _sort_key(query: Query, scope: Scope, column: Column) -> str:
    """Lookups sort by the name of their row, choices by their labels, unless they are to sort by number."""
    operand = scope.column(column)
    if query.aggregate or (column.kind != "lookup" and (query.raw or column.kind not in CHOSEN)):
        return operand.key
    label = query.projection.label(scope.entity, column, operand.sql, scope.alias)
    return operand.key if label == "NULL" else f"sales_key({label})"


def _named(query: Query, name: str | None, scope: Scope) -> Scope:
    """The rows that an ``entityname`` stands for: those of the element itself without one."""
    if name is None:
        return scope
    if name not in query.scopes:
        raise bad_argument(f"The entityname '{name[:80]}' is not the alias of a link-entity.")
    return query.scopes[name]


def _filter(query: Query, element: ElementTree.Element, scope: Scope) -> str:
    parts: list[str] = []
    for child in element:
        if child.tag == "condition":
            parts.append(_condition(query, child, scope))
        elif child.tag == "filter":
            parts.append(_filter(query, child, scope))
        elif child.tag == "link-entity":
            parts.append(_related(query, child, scope, _IN_FILTERS))
        else:
            raise bad_argument(f"<{child.tag}> is not supported in a FetchXML filter.")
    joint = "OR" if element.get("type", "and").lower() == "or" else "AND"
    return balanced(parts, joint) if parts else "1"


def _condition(query: Query, element: ElementTree.Element, scope: Scope) -> str:
    own = _named(query, element.get("entityname"), scope)
    name, operator = element.get("attribute", ""), element.get("operator", "")
    if operator != operator.lower():
        raise bad_argument(f"Invalid condition operator '{operator[:80]}': FetchXML spells operators in lower case.")
    other = element.get("valueof")
    if other is not None:
        return _between(query, own, scope, name, operator, other)
    _joined_before(query, own, scope)
    values = [child.text or "" for child in element if child.tag == "value"]
    if element.get("value") is not None:
        values.insert(0, str(element.get("value")))
    return conditions.condition(name, operator, values, own, query.asked.caller)


def _between(query: Query, own: Scope, scope: Scope, name: str, operator: str, other: str) -> str:
    """A comparison of two columns, the second of the same rows or, as ``alias.column``, of a link's."""
    alias, dot, column = other.rpartition(".")
    beside = _named(query, alias, scope) if dot else own
    left, right = own.column(_known(own, name)), beside.column(_known(beside, column))
    if operator not in {"eq", "ne", "neq", "gt", "ge", "lt", "le"} or left.family != right.family:
        raise bad_argument(f"'{name}' and '{other[:80]}' cannot be compared by '{operator[:40]}'.")
    _joined_before(query, own, scope)
    _joined_before(query, beside, scope)
    return query.projection.predicate.compared(left, "ne" if operator == "neq" else operator, right, own)


def _joined_before(query: Query, named: Scope, scope: Scope) -> None:
    """Refuse a condition of a link on rows that are joined after it; those of the entity come after all joins."""
    if scope.alias != "t" and named.alias not in query.joined:
        raise bad_argument("A filter of a link-entity can only name that link-entity and those around or before it.")


def _name_links(query: Query, element: ElementTree.Element, scope: Scope, *, inside: bool = False) -> None:
    """Give every link its rows and its name, so that what stands before it can name it.

    ``inside``: it is one of rows that are looked for only, which nothing else can name.
    """
    for child in element:
        if child.tag == "filter":
            _name_links(query, child, scope, inside=inside)
        if child.tag != "link-entity":
            continue
        at = len(query.links) + 1
        if at > _MOST_LINKS:
            raise bad_argument(f"Number of link entities in query exceeded maximum limit of {_MOST_LINKS}.")
        target = next((one for one in sets().values() if one.name == child.get("name")), None)
        if target is None:
            raise bad_argument(f"The entity with a name = '{child.get('name')}' was not found.")
        alias = child.get("alias") or f"{target.name}{at}"
        if any(alias == known for known, _ in query.links.values()):
            raise bad_argument(f"The alias '{alias[:80]}' of a link-entity is not unique.")
        inner = Scope(target, f"l{at}", scope.binder, expression)
        query.links[child] = (alias, inner)
        hidden = inside or child.get("link-type", "inner") in _IN_FILTERS | _BESIDE
        if not hidden:
            query.scopes[alias] = inner
            if child.get("alias") is None:
                query.scopes.setdefault(target.name, inner)
        _name_links(query, child, inner, inside=hidden)


def _link(query: Query, element: ElementTree.Element, scope: Scope) -> None:
    kind = element.get("link-type", "inner")
    if kind in _BESIDE:
        query.where.append(_related(query, element, scope, _BESIDE))
        return
    if kind not in _JOINED:
        allowed = ", ".join(sorted({*_JOINED, *_BESIDE}))
        raise bad_argument(f"The link-type '{kind[:40]}' is not one of a link-entity here; allowed: {allowed}.")
    alias, inner = query.links[element]
    query.joined.add(inner.alias)
    position = len(query.joins)
    before = len(query.where)
    query.joins.append("")
    _entity(query, element, inner, prefix=f"{alias}.")
    own = [_paired(element, inner, scope), *query.where[before:]]
    del query.where[before:]
    rows = f"{table(inner.entity)} AS {inner.alias}"
    on = " AND ".join(own)
    if kind == "matchfirstrowusingcrossapply":
        key = f"{inner.alias}._id"
        on = f"{key} = (SELECT {key} FROM {rows} WHERE {on} ORDER BY {key} LIMIT 1)"
    query.joins[position] = f"{_JOINED[kind]} {rows} ON {on}"


_JOINED = {"inner": "JOIN", "outer": "LEFT JOIN", "matchfirstrowusingcrossapply": "LEFT JOIN"}
# Rows that are looked for and not returned: beside other links, and among conditions.
_BESIDE = {"exists", "in"}
_IN_FILTERS = {"any", "not any", "all", "not all"}


def _paired(element: ElementTree.Element, inner: Scope, scope: Scope) -> str:
    left = inner.column(_known(inner, element.get("from", ""))).key
    return f"{left} = {scope.column(_known(scope, element.get('to', ''))).key}"


def _related(query: Query, element: ElementTree.Element, scope: Scope, allowed: Collection[str]) -> str:
    """Whether related rows are there: with ``all`` some, but none that its filter holds for, as the reference has it.

    ``not all`` is the same as ``any``, despite its name.
    """
    kind = element.get("link-type", "inner")
    if kind not in allowed:
        raise bad_argument(f"The link-type '{kind[:40]}' cannot stand here; allowed: {', '.join(sorted(allowed))}.")
    if any(one.tag in {"attribute", "all-attributes", "order"} for one in element.iter()):
        raise bad_argument(f"A link-entity of the type '{kind}' gives no columns, and nothing is sorted by it.")
    own = {query.links[one][0]: query.links[one][1] for one in element.iter("link-entity")}
    _, inner = query.links[element]
    outer, around, joins, where = query.scopes, query.joined, query.joins, query.where
    query.scopes, query.joined, query.joins, query.where = {**outer, **own}, {*around, inner.alias}, [], []
    _entity(query, element, inner, prefix="")
    rows, conditions_ = " ".join([f"{table(inner.entity)} AS {inner.alias}", *query.joins]), query.where
    query.scopes, query.joined, query.joins, query.where = outer, around, joins, where
    pair = _paired(element, inner, scope)
    found = f"EXISTS (SELECT 1 FROM {rows} WHERE {' AND '.join([pair, *conditions_])})"
    if kind == "all":
        return f"(EXISTS (SELECT 1 FROM {table(inner.entity)} AS {inner.alias} WHERE {pair}) AND NOT {found})"
    return f"(NOT {found})" if kind == "not any" else found


def _from(query: Query, scope: Scope) -> str:
    return " ".join([f"{table(scope.entity)} AS t", *query.joins])


def _where(query: Query) -> str:
    return f" WHERE {' AND '.join(query.where)}" if query.where else ""


def _aggregated(store: Store, query: Query, scope: Scope, most: int) -> Iterator[str]:
    origin, values = f"{_from(query, scope)}{_where(query)}", scope.binder.values
    size = f"SELECT count(*) FROM (SELECT 1 FROM {origin} LIMIT {most + 1})"
    if store.connection.execute(size, values).fetchone()[0] > most:
        raise too_many_rows(most)
    outputs = [*query.groups, *query.outputs]
    if not outputs:
        raise bad_argument("An aggregate query needs an attribute with an aggregate or groupby.")
    told = query.asked.annotations.wants(FORMATTED)
    row = json_object([member for one in outputs for member in aggregates.members(one, told=told)])
    named = ", ".join(f"{one.sql} AS {quoted(one.name)}" for one in outputs)
    grouping = f" GROUP BY {', '.join(one.key for one in query.groups)}" if query.groups else ""
    order = f" ORDER BY {', '.join(query.orders)}" if query.orders else ""
    for found in store.connection.execute(f"SELECT {row}, {named} FROM {origin}{grouping}{order}", values):
        yield str(found[0])


def _page(store: Store, query: Query, scope: Scope, root: ElementTree.Element, *, distinct: bool) -> str:
    key = scope.entity.key[0]
    if not distinct or query.shown.get(key) == (scope.alias, key):
        query.members = [member for member in query.members if member[0] != key]
        query.members.append((key, json_text(f"t.{quoted(key)}")))
    else:
        query.members = [member for member in query.members if member[0] != "@odata.etag"]
    if not query.members:
        raise bad_argument("The query selects nothing.")
    top, size, page = number(root, "top"), number(root, "count"), number(root, "page") or 1
    if top is not None and (size is not None or root.get("page") is not None):
        raise bad_argument("The top attribute can't be specified with paging attribute page and count.")
    limit = min(top or size or LARGEST_PAGE, LARGEST_PAGE)
    orders = ", ".join([*query.orders, *([] if distinct else [f"t.{quoted(key)}"])]) or "1"
    origin, values = f"{_from(query, scope)}{_where(query)}", scope.binder.values
    # What the system takes for one value is one row of a distinct query.
    grouping = f"GROUP BY {', '.join(query.keys)} " if distinct and query.keys else ""
    sql = (
        f"SELECT {json_filled(query.members)}, {'NULL' if distinct else f't.{quoted(key)}'} FROM {origin} {grouping}"
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
    if not flag(root, "returntotalrecordcount"):
        return ""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {origin} LIMIT {LARGEST_COUNT + 1})"
    total = int(store.connection.execute(sql, query.projection.binder.values).fetchone()[0])
    exceeded = "true" if total > LARGEST_COUNT else "false"
    name = "@Microsoft.Dynamics.CRM.totalrecordcount"
    return f'"{name}":{min(total, LARGEST_COUNT)},"{name}limitexceeded":{exceeded},'


def _cookie(page: int, key: str, first: str, last: str) -> str:
    guids = f"last={quoteattr('{' + last.upper() + '}')} first={quoteattr('{' + first.upper() + '}')}"
    inner = f'<cookie page="{page}"><{key} {guids} /></cookie>'
    encoded = quote(quote(inner, safe=""), safe="")
    return f'<cookie pagenumber="{page + 1}" pagingcookie="{encoded}" istracking="False" />'


def _json(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
