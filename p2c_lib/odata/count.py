"""How many rows a query has, as far as the service tells."""

from __future__ import annotations

from dataclasses import replace

from p2c_lib.errors import IncompleteRead, ServiceError
from p2c_lib.odata.ask import ask_json
from p2c_lib.odata.dialect import Dialect
from p2c_lib.odata.query import Query
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.send import Sender
from p2c_lib.odata.urls import filter_text, first_url

__all__ = ["COUNT_CAP", "aggregate_count", "count_rows"]

COUNT_CAP = 5_000


def count_rows(sender: Sender, dialect: Dialect, schema: EntitySchema, query: Query) -> int | None:
    """The count of a query's rows: exact in F&O; in Dataverse below 5,000, by an aggregate to 50,000, else None.

    Dataverse's ``$count`` stops at 5,000 and its aggregates at 50,000 rows; its stored totals may be a day old and
    know no filter, so they are not asked.
    """
    bare = replace(query, expand=(), orderby=(), top=1, select=schema.key, page_size=None)
    url = first_url(bare, schema, dialect, count=True)
    said = ask_json(sender, url, dialect.headers, query.entity_set).get("@odata.count")
    if not isinstance(said, int) or isinstance(said, bool):
        raise IncompleteRead(f"{query.entity_set}: the service gave no count.", target=query.entity_set)
    if dialect.exact_count or said < COUNT_CAP:
        return said
    return aggregate_count(sender, dialect, schema, query)


def aggregate_count(sender: Sender, dialect: Dialect, schema: EntitySchema, query: Query) -> int | None:
    """The count by ``$apply``; None where the service refuses, as Dataverse does beyond 50,000 rows."""
    text = filter_text(query, schema)
    apply = f"filter({text})/aggregate($count as rows)" if text else "aggregate($count as rows)"
    url = first_url(Query(query.entity_set, (), apply=apply), schema, dialect)
    try:
        rows = ask_json(sender, url, dialect.headers, query.entity_set).get("value") or [{}]
    except ServiceError as error:
        if error.status in {400, 501}:
            return None
        raise
    found = rows[0].get("rows") if isinstance(rows[0], dict) else None
    return int(found) if isinstance(found, int) else None
