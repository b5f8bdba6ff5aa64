"""Filters for rows whose column, or whose key of several columns, is among given values: one filter a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from p2c_lib.odata.literals import literal
from p2c_lib.odata.schema import Column, EntitySchema

__all__ = ["among", "among_keys", "equals", "within"]

LISTED = 150  # values of Dataverse's In; with room for its limit of 32 KB a URL
SPELLED = 40  # comparisons joined by or
IN_LIST = {"Edm.String", "Edm.Guid"}


def among(schema: EntitySchema, column: str, values: Iterable[object]) -> list[str]:
    """Filters that together find the rows whose column has one of the values; text without regard to case.

    >>> sites = EntitySchema("finops", "Sites", "Site", ("Id",), {"Id": Column("Id", "Edm.String", None)})
    >>> among(sites, "Id", ["A", "a", "B"])
    ["Id eq 'a' or Id eq 'B'"]
    """
    found = schema.column(column)
    distinct = list({str(value).strip().casefold(): value for value in values if value is not None}.values())
    size = LISTED if schema.app == "sales" and found.edm in IN_LIST else SPELLED
    chunks = (distinct[start : start + size] for start in range(0, len(distinct), size))
    return [within(schema, found, chunk) for chunk in chunks]


def among_keys(schema: EntitySchema, keys: Sequence[Mapping[str, object]]) -> list[str]:
    """Filters that together find the rows with these keys, each a value for every column of a key."""
    if keys and len(keys[0]) == 1:
        (name,) = keys[0]
        return among(schema, name, (key[name] for key in keys))
    terms = [" and ".join(equals(schema.column(name), value) for name, value in key.items()) for key in keys]
    chunks = (terms[start : start + SPELLED] for start in range(0, len(terms), SPELLED))
    return [" or ".join(f"({term})" for term in chunk) for chunk in chunks]


def within(schema: EntitySchema, column: Column, values: Sequence[object]) -> str:
    """The filter for a column that has one of a few values."""
    if schema.app == "sales" and column.edm in IN_LIST:
        listed = json.dumps([str(value) for value in values], ensure_ascii=False)
        return f"Microsoft.Dynamics.CRM.In(PropertyName='{column.name}',PropertyValues={listed})"
    return " or ".join(equals(column, value) for value in values)


def equals(column: Column, value: object) -> str:
    """The filter for a column that has one value."""
    return f"{column.wire} eq {literal(value, column)}"
