"""The token of a table's changes: a delta link as the service gave it, held against what is asked with it.

A delta link says itself which set and which columns it brings, so one that was given for others would bring rows
without a word that lack columns, or are of another table.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

from p2c_lib.errors import UnfitToken
from p2c_lib.odata.links import own_link
from p2c_lib.odata.schema import EntitySchema

__all__ = ["delta_url"]

HINT = "Give the token as it came, with the set and columns it came for; without one every row and a new token come."
HARMLESS = {"$select", "$deltatoken", "$count", "$format"}


def delta_url(since: str, base: str, schema: EntitySchema, columns: Iterable[str]) -> str:
    """A delta link at the connection's own host, where it tells the changes of this set with these columns.

    Raises IncompleteRead for one that leads elsewhere, and UnfitToken for one that is of something else.
    """
    if "://" not in since and not since.startswith("/"):
        raise _unfit(schema, f"is {since[:60]!r}, which is no link")
    link = own_link(since, base, schema.entity_set, what="later changes are")
    try:
        parts = urlsplit(link)
    except ValueError:
        raise _unfit(schema, "is no address") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.get("$deltatoken"):
        raise _unfit(schema, "holds no $deltatoken")
    named = unquote(parts.path.rpartition("/")[2])
    if named.lower() != schema.entity_set.lower():
        raise _unfit(schema, f"is of {named[:60]}")
    if others := sorted(name for name in options if name.startswith("$") and name not in HARMLESS):
        raise _unfit(schema, f"holds {others[0][:40]}, which changes cannot have")
    if missing := _missing(options.get("$select", ""), schema, columns):
        raise _unfit(schema, f"does not bring {', '.join(missing)}")
    return link


def _missing(select: str, schema: EntitySchema, columns: Iterable[str]) -> list[str]:
    """The columns that a link does not bring; one without ``$select`` brings all."""
    brought = {name.strip().lower() for name in select.split(",")} - {""}
    return [name for name in columns if brought and schema.column(name).wire.lower() not in brought]


def _unfit(schema: EntitySchema, why: str) -> UnfitToken:
    return UnfitToken(f"{schema.entity_set}: the token for later changes {why}.", hint=HINT)
