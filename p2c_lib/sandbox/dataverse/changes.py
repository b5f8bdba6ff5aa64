# ruff: noqa: S608 - names come from the schema and are quoted, values are bound
"""Change tracking: a delta link after a full read, and what changed since, rows first and deletions after."""

from __future__ import annotations

import json
from collections.abc import Sequence

from p2c_lib.sandbox.dataverse.filter import SalesPredicate
from p2c_lib.sandbox.dataverse.options import Options
from p2c_lib.sandbox.dataverse.organisation import Organisation
from p2c_lib.sandbox.dataverse.projection import Projection
from p2c_lib.sandbox.dataverse.read import LARGEST_PAGE, Asked, context_of
from p2c_lib.sandbox.dataverse.tracking import check_options, delta_link, latest_version, read_token
from p2c_lib.sandbox.predicate import Binder
from p2c_lib.sandbox.schema import Entity
from p2c_lib.sandbox.store import quoted, table


def changes(organisation: Organisation, entity: Entity, options: Options, asked: Asked) -> str:
    """The rows changed since the token, by version, then the deletions; the members of the answer after its context.

    A page that is full ends with a nextLink whose token is the last version in it.
    """
    check_options(options)
    since = read_token(organisation, options.deltatoken or "")
    size = min(asked.page_size or LARGEST_PAGE, LARGEST_PAGE)
    projection = Projection(asked.root, Binder(), SalesPredicate({}, asked.caller), asked.annotations)
    scope = projection.scope(entity, "t")
    row = projection.row(entity, scope, options)
    sql = (
        f"SELECT {row}, t._version FROM {table(entity)} AS t WHERE t._version > {int(since)} "
        f"ORDER BY t._version LIMIT {size + 1}"
    )
    with organisation.store.snapshot() as connection:
        found = connection.execute(sql, projection.binder.values).fetchall()
        gone = _deleted(organisation, entity, since)
        latest = latest_version(organisation)
    rows = [text for text, _ in found[:size]]
    if len(found) > size:
        return f'"value":[{",".join(rows)}]{_next_link(asked, options, found[size - 1][1])}'
    rows += _tombstones(asked, entity, gone)
    return f'"value":[{",".join(rows)}]{delta_link(asked.url, options, latest)}'


def _next_link(asked: Asked, options: Options, version: int) -> str:
    link = delta_link(asked.url, options, version)
    return link.replace("@odata.deltaLink", "@odata.nextLink", 1)


def _deleted(organisation: Organisation, entity: Entity, since: int) -> list[str]:
    key = quoted(entity.key[0])
    sql = (
        "SELECT DISTINCT key FROM deletions WHERE system = 'sales' AND entity = ? AND version > ? "
        f"AND key NOT IN (SELECT {key} FROM {table(entity)}) ORDER BY version"
    )
    return [str(row[0]) for row in organisation.store.connection.execute(sql, [entity.name, since])]


def _tombstones(asked: Asked, entity: Entity, keys: Sequence[str]) -> list[str]:
    context = f"{asked.root}$metadata#{entity.set_name}/$deletedEntity"
    return [json.dumps({"@odata.context": context, "id": key, "reason": "deleted"}) for key in keys]


def count_changes(organisation: Organisation, entity: Entity, text: str) -> int:
    """Changed rows and deletions since the token."""
    since = read_token(organisation, text)
    sql = f"SELECT count(*) FROM {table(entity)} WHERE _version > ?"
    changed = organisation.store.connection.execute(sql, [since]).fetchone()[0]
    return int(changed) + len(_deleted(organisation, entity, since))


def delta_context(entity: Entity, options: Options) -> str:
    """What the context URL of a delta answer ends with."""
    return f"{entity.set_name}{context_of(options)}/$delta"
