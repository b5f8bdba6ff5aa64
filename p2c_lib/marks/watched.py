"""The tables whose changes concern a task: its source, and every table a path of its template leads through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from p2c_lib.odata.paths import query_of

if TYPE_CHECKING:
    from p2c_lib.frames import EntityQuery
    from p2c_lib.odata import Client, EntitySchema, Expand

__all__ = ["Watched", "twin_column", "watched"]

BEHIND = re.compile(r"\b[A-Za-z_]\w*(?:/[A-Za-z_]\w*)+")
QUOTED = re.compile(r"'(?:[^']|'')*'")


@dataclass(frozen=True)
class Watched:
    """A table, the columns a task uses of it, and the tables its rows point to.

    ``path`` names it within the task; ``lookup`` is the column by which the table before it points here.
    """

    path: str
    entity_set: str
    columns: tuple[str, ...]
    lookup: str = ""
    behind: tuple[Watched, ...] = ()

    def __iter__(self) -> Iterator[Watched]:
        """This table and all behind it."""
        yield self
        for one in self.behind:
            yield from one


def watched(client: Client, query: EntityQuery) -> Watched:
    """What a source query depends on: columns behind lookups count, and those its filter looks at."""
    schema = client.schema(query.entity)
    paths = dict.fromkeys((*query.columns, *query.key, *_in_filter(client, schema, query.filter or "")))
    read = query_of(client, query.entity, paths)
    behind = tuple(_behind(client, each, "") for each in read.expand)
    return Watched("", query.entity, (twin_column(schema, query),), behind=behind)


def twin_column(schema: EntitySchema, query: EntityQuery) -> str:
    """The column by which rows that may share a changed row's key are found: the part of the key that tells most.

    Of a key through a lookup it is the lookup itself: the lines of a quote are judged together.
    """
    plain = [path for path in query.key if "." not in path]
    texts = [path for path in plain if schema.column(path).edm == "Edm.String"]
    through = [path.partition(".")[0] for path in query.key if "." in path]
    return (*texts, *through, *plain, *schema.key)[0]


def _behind(client: Client, expand: Expand, before: str) -> Watched:
    lookup = expand.path.removeprefix(before).partition(".")[0]
    deeper = tuple(_behind(client, each, f"{expand.path}.") for each in expand.expand)
    return Watched(expand.path, expand.schema.entity_set, expand.select, lookup, deeper)


def _in_filter(client: Client, schema: EntitySchema, text: str) -> Iterator[str]:
    """The columns behind lookups that a filter looks at, as paths."""
    for way in BEHIND.findall(QUOTED.sub("''", text)):
        path = _as_path(client, schema, way.split("/"))
        if path:
            yield path


def _as_path(client: Client, schema: EntitySchema, names: list[str]) -> str:
    """``quoteid/statecode`` as ``quoteid.statecode``; nothing for a way through a collection."""
    first, *rest = names
    if not rest:
        return first if schema.has(first) else ""
    for way in schema.lookups:
        if way.navigation == first:
            step = f"{way.column}.{way.target}" if len(schema.targets(way.column)) > 1 else way.column
            behind = _as_path(client, client.schema(client.metadata.set_of(way.target)), rest)
            return f"{step}.{behind}" if behind else ""
    return ""
