# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Change tracking: a delta link after a full read, and what changed since, rows first and deletions after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from p2c_lib.sandbox.dataverse.filter import SalesPredicate
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.projection import Projection
from p2c_lib.sandbox.dataverse.read import LARGEST_PAGE, Asked, context_of
from p2c_lib.sandbox.dataverse.refusals import bad_query
from p2c_lib.sandbox.dataverse.tracking import Position, check_options, delta_link, latest_version, read_token
from p2c_lib.sandbox.predicate import Binder
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import quoted, table


def changes(organisation: Organisation, entity: Entity, options: Options, asked: Asked) -> str:
    """The rows changed since the token, by version, then the deletions; the members of the answer after its context.

    A page that is full ends with a nextLink whose token says how far rows and deletions were told, each by itself: what
    is deleted while the pages are read is told by a later one, and so is what comes anew.
    """
    check_options(options)
    if entity.name in organisation.switches.without_tracking:
        raise bad_query(f"Change tracking is not enabled for entity '{entity.name}'.")
    since = read_token(organisation, options.deltatoken or "")
    size = min(asked.page_size or LARGEST_PAGE, LARGEST_PAGE)
    projection = Projection(asked.root, Binder(), SalesPredicate({}, asked.caller), asked.annotations)
    scope = projection.scope(entity, "t")
    row = projection.row(entity, scope, options)
    sql = (
        f"SELECT {row}, t._version FROM {table(entity)} AS t WHERE t._version > {int(since.rows)} "
        f"ORDER BY t._version LIMIT {size + 1}"
    )
    with organisation.store.snapshot() as connection:
        found = connection.execute(sql, projection.binder.values).fetchall()
        gone = _deleted(connection, entity, since.deletions, size + 1 - len(found))
        latest = latest_version(organisation)
    more = len(found) + len(gone) > size
    found, gone = found[:size], gone[: size - len(found[:size])]
    rows = [text for text, _ in found] + _tombstones(asked, entity, [key for key, _ in gone])
    members = f'"value":[{",".join(rows)}]'
    if not more:
        return members + delta_link(asked.url, options, Position(latest, latest))
    told = Position(found[-1][1] if found else since.rows, gone[-1][1] if gone else since.deletions)
    return members + delta_link(asked.url, options, told).replace("@odata.deltaLink", "@odata.nextLink", 1)


def _deleted(connection: Connection, entity: Entity, since: int, most: int) -> list[tuple[str, int]]:
    """The keys that are gone since a version, with the version of their last deletion, in its order."""
    key = quoted(entity.key[0])
    sql = (
        "SELECT key, max(version) AS at FROM deletions WHERE system = 'sales' AND entity = ? AND version > ? "
        f"AND key NOT IN (SELECT {key} FROM {table(entity)}) GROUP BY key ORDER BY at LIMIT ?"
    )
    return [(str(row[0]), int(row[1])) for row in connection.execute(sql, [entity.name, since, most])]


def _tombstones(asked: Asked, entity: Entity, keys: Sequence[str]) -> list[str]:
    context = f"{asked.root}$metadata#{entity.set_name}/$deletedEntity"
    return [json.dumps({"@odata.context": context, "id": key, "reason": "deleted"}) for key in keys]


def count_changes(organisation: Organisation, entity: Entity, text: str) -> int:
    """Changed rows and deletions since the token."""
    since = read_token(organisation, text)
    sql = f"SELECT count(*) FROM {table(entity)} WHERE _version > ?"
    with organisation.store.snapshot() as connection:
        changed = connection.execute(sql, [since.rows]).fetchone()[0]
        return int(changed) + len(_deleted(connection, entity, since.deletions, -1))


def delta_context(entity: Entity, options: Options) -> str:
    """What the context URL of a delta answer ends with."""
    return f"{entity.set_name}{context_of(options)}/$delta"
