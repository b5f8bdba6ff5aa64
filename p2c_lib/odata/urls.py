"""A query as the URL of its first page, in either dialect."""

from __future__ import annotations

from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.keyset import KeyOrder
from p2c_lib.odata.literals import and_filter, literal, query_string
from p2c_lib.odata.query import Expand, Query
from p2c_lib.odata.schema import EntitySchema

__all__ = ["filter_text", "first_url", "prefer"]

TOP_LIMIT = 5_000  # Dataverse gives no further page where it was told $top


def first_url(query: Query, schema: EntitySchema, dialect: Dialect, *, count: bool = False) -> str:
    """The URL of a query's first page, without the host. Raises UnknownName for a column that is none."""
    options: dict[str, str] = {}
    if query.apply:
        options["$apply"] = query.apply
    if wanted := _select(query, schema):
        options["$select"] = wanted
    if query.expand:
        options["$expand"] = ",".join(_expand(each) for each in query.expand)
    if text := filter_text(query, schema):
        options["$filter"] = text
    if order := _order(query, schema, dialect):
        options["$orderby"] = order
    if query.top is not None and (dialect.may_skip or _top_is_taken(query)):
        options["$top"] = str(query.top)
    if count:
        options["$count"] = "true"
    return f"{dialect.set_url(query.entity_set)}?{query_string(dialect.options(options))}"


def filter_text(query: Query, schema: EntitySchema) -> str | None:
    """The query's filter, and its company where rows belong to one."""
    company = None
    if query.company is not None and schema.has_company:
        company = f"dataAreaId eq {literal(query.company.lower(), schema.column('dataAreaId'))}"
    return and_filter(company, query.filter)


def prefer(query: Query) -> dict[str, str]:
    """The header that asks for a page size, to be sent with every page of a query."""
    return {} if query.page_size is None else {"Prefer": f"odata.maxpagesize={query.page_size}"}


def _top_is_taken(query: Query) -> bool:
    """Whether Dataverse takes ``$top`` here: not beyond a page, and not with nested expands."""
    return (query.top or 0) <= TOP_LIMIT and not any(each.expand for each in query.expand)


def _select(query: Query, schema: EntitySchema) -> str:
    if query.apply:
        return ""
    return ",".join(schema.column(name).wire for name in query.select)


def _order(query: Query, schema: EntitySchema, dialect: Dialect) -> str:
    """An order down to the single row wherever there may be pages: else rows fall between them, or come twice."""
    schema.check_columns(name for name, _ in query.order())
    if query.apply or not (query.orderby or dialect.may_skip):
        return ",".join(query.orderby)
    known = KeyOrder.of(query, schema) if dialect.may_skip else None
    if known is not None:
        return ",".join(known.orderby)
    named = {name for name, _ in query.order()}
    return ",".join((*query.orderby, *(name for name in schema.key if name not in named)))


def _expand(each: Expand) -> str:
    inner = [f"$select={','.join(each.schema.column(name).wire for name in each.select)}"] if each.select else []
    if each.expand:
        inner.append("$expand=" + ",".join(_expand(deeper) for deeper in each.expand))
    return f"{each.navigation}({';'.join(inner)})" if inner else each.navigation
