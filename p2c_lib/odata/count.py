"""How many rows a query has, as far as the service tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeGuard

from p2c_lib.errors import IncompleteRead, ServiceError
from p2c_lib.odata.ask import ask_json
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.query import Query
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender
from p2c_lib.odata.urls import filter_text, first_url

__all__ = ["COUNT_CAP", "aggregate_count", "count_rows"]

COUNT_CAP = 5_000
MOST = 2**63  # no service counts further


def count_rows(sender: Sender, dialect: Dialect, schema: EntitySchema, query: Query) -> int | None:
    """The count of a query's rows: exact in F&O; in Dataverse below 5,000, by an aggregate to 50,000, else None.

    Dataverse's ``$count`` stops at 5,000 and its aggregates at 50,000 rows; its stored totals may be a day old and
    know no filter, so they are not asked.
    """
    bare = replace(query, expand=(), orderby=(), top=1, select=schema.key, page_size=None)
    url = first_url(bare, schema, dialect, count=True)
    said = ask_json(sender, url, dialect.headers, query.entity_set).get("@odata.count")
    if not _is_count(said):
        shown = "nothing" if said is None else repr(said)[:60]
        raise IncompleteRead(f"{query.entity_set}: the service's count is {shown}.", target=query.entity_set)
    if dialect.exact_count or said < COUNT_CAP:
        return said
    return aggregate_count(sender, dialect, schema, query)


def aggregate_count(sender: Sender, dialect: Dialect, schema: EntitySchema, query: Query) -> int | None:
    """The count by ``$apply``; None where the service refuses, as Dataverse does beyond 50,000 rows."""
    text = filter_text(query, schema)
    apply = f"filter({text})/aggregate($count as rows)" if text else "aggregate($count as rows)"
    url = first_url(Query(query.entity_set, (), apply=apply), schema, dialect)
    try:
        rows = ask_json(sender, url, dialect.headers, query.entity_set).get("value")
    except ServiceError as error:
        if error.status in {400, 501}:
            return None
        raise
    found = rows[0].get("rows") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
    return found if _is_count(found) else None


def _is_count(said: Any) -> TypeGuard[int]:
    """Whether a member of an answer is a number of rows."""
    return isinstance(said, int) and not isinstance(said, bool) and 0 <= said < MOST
