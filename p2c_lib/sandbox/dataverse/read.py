# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Reading rows: one by key, or a page of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from p2c_lib.sandbox.dataverse.cookies import Cookie, read_cookie
from p2c_lib.sandbox.dataverse.crm_functions import Caller
from p2c_lib.sandbox.dataverse.filter import SalesPredicate
from p2c_lib.sandbox.dataverse.options import Expand, Options
from p2c_lib.sandbox.dataverse.projection import Annotations, Projection
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.dataverse.tracking import Position, delta_link
from p2c_lib.sandbox.keyset import Sort, after, order_by
from p2c_lib.sandbox.predicate import Binder, Scope
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import Store, Value, quoted

LARGEST_PAGE = 5000
LARGEST_COUNT = 5000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a read needs beside the query: the service's URL, annotations, page size, and who asks."""

    root: str
    url: str
    annotations: Annotations
    page_size: int | None
    caller: Caller


@dataclass(frozen=True, slots=True)
class Within:
    """A restriction of a collection to the rows of one parent."""

    column: str
    key: str


def check_row(entity: Entity, options: Options, asked: Asked) -> None:
    """Refuse options that no row of the entity could be read with."""
    projection = _projection(options, asked)
    projection.row(entity, projection.scope(entity, "t"), options)


def read_row(store: Store, entity: Entity, record: int, options: Options, asked: Asked) -> str:
    """One row as the text of a JSON object."""
    if options.filter is not None or options.order or options.top is not None:
        raise bad_query("$filter, $orderby and $top cannot be used on a single row.")
    projection = _projection(options, asked)
    scope = projection.scope(entity, "t")
    row = projection.row(entity, scope, options)
    where = f"t._id = {projection.binder.bind(record)}"
    sql = f"SELECT {row} FROM {scope.from_sql()} WHERE {where}"
    (text,) = store.connection.execute(sql, projection.binder.values).fetchone()
    return str(text)


def read_page(
    store: Store,
    entity: Entity,
    options: Options,
    asked: Asked,
    within: Within | None = None,
    *,
    tracking: int | None = None,
) -> str:
    """One page of a collection as the members of the answer's JSON after its context.

    ``tracking`` is the version from which a delta link on the last page leads on, None for none.
    """
    projection = _projection(options, asked)
    scope = projection.scope(entity, "t")
    conditions = [projection.condition(options, scope)] if options.filter is not None else []
    if within is not None:
        conditions.append(f"t.{quoted(within.column)} = {projection.binder.bind(within.key)}")
    counted = _counted(store, scope, conditions, options, asked)
    sorts = projection.sorts(options, scope)
    cookie = read_cookie(options.skiptoken, len(sorts)) if options.skiptoken is not None else None
    tracking = cookie.tracking if cookie else tracking
    rows, following = _rows(store, projection, scope, conditions, sorts, options, asked, cookie, tracking)
    link = next_link(following, asked)
    if tracking is not None and not link:
        link = delta_link(asked.url, options, Position(tracking, tracking))
    return f'{counted}"value":[{",".join(rows)}]{link}'


def count_rows(store: Store, entity: Entity, options: Options, asked: Asked, within: Within | None = None) -> int:
    """How many rows fit, 5,000 at the most."""
    projection = _projection(options, asked)
    scope = projection.scope(entity, "t")
    conditions = [projection.condition(options, scope)]
    if within is not None:
        conditions.append(f"t.{quoted(within.column)} = {projection.binder.bind(within.key)}")
    return min(_count(store, scope, conditions), LARGEST_COUNT)


def context_of(options: Options) -> str:
    """What was selected and expanded, as the context URL tells it: ``(name,parent(name))`` or nothing."""
    referred = [one.name for one in options.expand if one.ref and options.select]
    parts = [*dict.fromkeys([*options.select, *referred]), *(_expanded(one) for one in options.expand)]
    return f"({','.join(parts)})" if parts else ""


def _expanded(one: Expand) -> str:
    return f"{one.name}{'/$ref' if one.ref else ''}{context_of(one.options) or '()'}"


def _projection(options: Options, asked: Asked) -> Projection:
    predicate = SalesPredicate(options.parameters, asked.caller)
    # With a nested $expand the size of pages is that of expanded rows too; without one these come whole.
    return Projection(asked.root, Binder(), predicate, asked.annotations, asked.page_size if options.nested else None)


def _rows(
    store: Store,
    projection: Projection,
    scope: Scope,
    conditions: Sequence[str],
    sorts: Sequence[Sort],
    options: Options,
    asked: Asked,
    cookie: Cookie | None,
    tracking: int | None,
) -> tuple[list[str], str | None]:
    size = min(asked.page_size or LARGEST_PAGE, LARGEST_PAGE)
    paged = options.top is None or asked.page_size is not None
    limit = size + 1 if paged else min(options.top or 0, LARGEST_PAGE)
    last = None if cookie is None else _last(store, scope, sorts, cookie)
    where = [*conditions, *([after(sorts, last, projection.binder)] if last else [])]
    sql = _two_steps(projection, scope, where, sorts, options, limit)
    found = store.connection.execute(sql, projection.binder.values).fetchall()
    rows = [row[0] for row in found[: size if paged else limit]]
    if not paged or len(found) <= size:
        return rows, None
    names = [*("/".join(term.path.names) for term in options.order), scope.entity.key[0]]
    following = Cookie((cookie.page if cookie else 1) + 1, tuple(found[size - 1][1:]), tracking)
    return rows, following.skiptoken(names, found[0][1:])


def _last(store: Store, scope: Scope, sorts: Sequence[Sort], cookie: Cookie) -> Sequence[Value]:
    """The sort values of the row that the page before ended with; `Refusal` where it alone had them and is gone."""
    if not cookie.by_key:
        return cookie.last
    values, key = ", ".join(sort.sql for sort in sorts), quoted(scope.entity.key[0])
    sql = f"SELECT {values} FROM {scope.from_sql()} WHERE t.{key} = {scope.binder.bind(cookie.last[0])}"
    found = store.connection.execute(sql, scope.binder.values).fetchone()
    if found is None:
        raise bad_query("The row that the page before ended with is gone: read the rows again.")
    return tuple(found)


def _two_steps(
    projection: Projection, scope: Scope, where: Sequence[str], sorts: Sequence[Sort], options: Options, limit: int
) -> str:
    """SQL that finds a page's record numbers first and makes JSON of these rows only."""
    values = ", ".join(f"{sort.sql} AS s{at}" for at, sort in enumerate(sorts))
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    found = f"SELECT t._id AS i, {values} FROM {scope.from_sql()}{condition} ORDER BY {order_by(sorts)} LIMIT {limit}"
    outer = projection.scope(scope.entity, "r")
    outer.counter = scope.counter
    row = projection.row(scope.entity, outer, options)
    taken = ", ".join(f"k.s{at}" for at in range(len(sorts)))
    return f"WITH k AS MATERIALIZED ({found}) SELECT {row}, {taken} FROM k CROSS JOIN {outer.from_sql()} ON r._id = k.i"


def _count(store: Store, scope: Scope, conditions: Sequence[str]) -> int:
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    inner = f"SELECT 1 FROM {scope.from_sql()}{condition} LIMIT {LARGEST_COUNT + 1}"
    return int(store.connection.execute(f"SELECT count(*) FROM ({inner})", scope.binder.values).fetchone()[0])


def _counted(store: Store, scope: Scope, conditions: Sequence[str], options: Options, asked: Asked) -> str:
    """The count and its annotations; the annotation is -1 when no count was asked for."""
    total, text = -1, ""
    if options.count:
        total = _count(store, scope, conditions)
        text = f'"@odata.count":{min(total, LARGEST_COUNT)},'
    if asked.annotations.wants("Microsoft.Dynamics.CRM.totalrecordcount"):
        text += f'"@Microsoft.Dynamics.CRM.totalrecordcount":{min(total, LARGEST_COUNT)},'
        exceeded = "true" if total > LARGEST_COUNT else "false"
        text += f'"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded":{exceeded},'
    return text


def next_link(cookie: str | None, asked: Asked) -> str:
    """The member that leads to the next page: the URL as it came with another ``$skiptoken``; nothing without one."""
    if cookie is None:
        return ""
    path, _, query = asked.url.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(("$skiptoken=", "%24skiptoken="))]
    kept.append(f"$skiptoken={quote(cookie, safe='')}")
    link = f"{path}?{'&'.join(kept)}".replace("\\", "%5C").replace('"', "%22")
    return f',"@odata.nextLink":"{link}"'
