"""Column paths through lookups, resolved against metadata into one query."""

from __future__ import annotations

from collections.abc import Iterable

from p2c_lib.errors import UnknownName
from p2c_lib.odata.client import Client
from p2c_lib.odata.query import Expand, Query
from p2c_lib.odata.schema import EntitySchema, Lookup

__all__ = ["query_of"]


def query_of(
    client: Client,
    entity_set: str,
    paths: Iterable[str],
    *,
    filter: str | None = None,  # noqa: A002 - OData's own word
    company: str | None = None,
    limit: int | None = None,
) -> Query:
    """The query that reads the columns at these paths. Raises UnknownName for a name on the way that is none."""
    schema = client.schema(entity_set)
    plain, expand = _split(schema, client, dict.fromkeys(paths), "")
    return Query(entity_set, plain or schema.key, filter=filter, expand=expand, top=limit, company=company)


def _split(
    schema: EntitySchema, client: Client, paths: Iterable[str], prefix: str
) -> tuple[tuple[str, ...], tuple[Expand, ...]]:
    """The columns of a schema among the paths, and one expand for each navigation the others go through."""
    plain: list[str] = []
    through: dict[str, tuple[Lookup, list[str]]] = {}
    for path in paths:
        if "." not in path:
            schema.column(path)
            plain.append(path)
            continue
        step, way, rest = _step(schema, path)
        through.setdefault(step, (way, []))[1].append(rest)
    expands = []
    for step, (way, rests) in through.items():
        target = client.schema(client.metadata.set_of(way.target))
        name = f"{prefix}{step}"
        select, deeper = _split(target, client, rests, f"{name}.")
        expands.append(Expand(name, way.navigation, target, select, deeper))
    return tuple(plain), tuple(expands)


def _step(schema: EntitySchema, path: str) -> tuple[str, Lookup, str]:
    """The first step of a path (``customerid.account``), the navigation it takes, and what is left of the path."""
    lookup, _, rest = path.partition(".")
    if len(schema.targets(lookup)) < 2:
        return lookup, schema.lookup(lookup), rest
    target, _, further = rest.partition(".")
    way = schema.lookup(lookup, target)
    if not further:
        raise UnknownName("column path", path, [f"{path}.<column>"], where=schema.entity_set)
    return f"{lookup}.{target}", way, further
