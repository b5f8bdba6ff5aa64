"""What has changed since an earlier read: by Dataverse's change tracking, or by a modified date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import ServiceError
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.held_keys import SPELT
from p2c_lib.odata.literals import literal
from p2c_lib.odata.notes import Note, together
from p2c_lib.odata.query import Query
from p2c_lib.odata.read import Chain
from p2c_lib.odata.reading import Reading
from p2c_lib.odata.schema import EntitySchema
from p2c_lib.odata.urls import first_url

if TYPE_CHECKING:
    from p2c_lib.odata.client import Client

__all__ = ["Changes", "changes_since", "tells_changes"]

EXPIRED = "0x80044352"
TRACK = {"Prefer": "odata.track-changes"}
MODIFIED = ("ModifiedDateTime", "ModifiedDateTime1", "LastModifiedDateTime", "ModifiedOn", "modifiedon")
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True)
class Changes:
    """The rows that changed and the ids of those deleted since ``since``; ``token`` asks for what comes after.

    ``whole``: the table holds every row, because it was the first read, or the token had expired, or the service
    cannot tell changes; ``note`` says which. ``deleted`` is empty where changes go by a modified date, as in F&O.
    ``notes`` say which values could not be kept as they came, on all pages together.
    """

    table: pa.Table
    deleted: tuple[str, ...]
    token: str | None
    whole: bool
    note: str
    notes: tuple[Note, ...] = ()


def changes_since(
    client: Client, entity_set: str, columns: Sequence[str], since: str | None, company: str | None
) -> Changes:
    """What changed in an entity set since the token ``since``, or all of it and a first token where there is none."""
    schema = client.schema(entity_set)
    schema.check_columns(columns)
    if not schema.change_tracking or (since is not None and _is_moment(since)):
        return _by_modified_date(client, schema, tuple(columns), since, company)
    first = first_url(Query(entity_set, tuple(columns)), schema, client.dialect)
    if since is None:
        return _tracked(client, schema, columns, first, whole=True, note="first read")
    try:
        return _tracked(client, schema, columns, since, whole=False, note="")
    except ServiceError as error:
        if error.code.lower() != EXPIRED and error.status != 410:
            raise
    return _tracked(client, schema, columns, first, whole=True, note="the token had expired: all rows were read anew")


def tells_changes(schema: EntitySchema) -> bool:
    """Whether an entity set can tell what changed, exactly or by a date; else every read is of all rows."""
    return schema.change_tracking or any(name in schema.columns for name in MODIFIED)


def _is_moment(since: str) -> bool:
    try:
        datetime.fromisoformat(since)
    except ValueError:
        return False
    return True


def _tracked(
    client: Client, schema: EntitySchema, columns: Sequence[str], url: str, *, whole: bool, note: str
) -> Changes:
    query = Query(schema.entity_set, tuple(columns))
    decoder = Decoder(query, schema, empty_is_null=client.dialect.empty_is_null, tracked=True, spelt=True)
    headers: Mapping[str, str] = {**client.dialect.headers, **(TRACK if whole else {})}
    chain = Chain(client.sender, decoder, client.crew, headers, target=schema.entity_set, keys=("@id", SPELT))
    tables, deleted, token, notes = [decoder.empty()], list[str](), None, list[Note]()
    for page in chain.pages(url):
        tables.append(page.table)
        deleted += page.deleted
        notes += page.notes
        token = page.delta_link or token
    if token is None:
        raise ServiceError(
            f"{schema.entity_set}: the service gave no token for later changes.",
            target=schema.entity_set,
            hint="Read the set whole, or look whether change tracking is on for the table.",
        )
    table = _latest_of_each(pa.concat_tables(tables, promote_options="permissive"))
    return Changes(table, tuple(dict.fromkeys(deleted)), token, whole, note, together(notes))


def _latest_of_each(table: pa.Table) -> pa.Table:
    """Each row once, as it came last: one that changes while its changes are told may be told again."""
    ids = pc.coalesce(table.column(SPELT), table.column("@id"))
    table = table.drop_columns([SPELT])
    if pc.count_distinct(ids, mode="all").as_py() == table.num_rows:
        return table
    numbered = pa.table({"id": ids, "at": pa.array(range(table.num_rows))})
    last = numbered.group_by("id").aggregate([("at", "max")]).column("at_max")
    return table.take(last.take(pc.sort_indices(last)))


def _by_modified_date(
    client: Client, schema: EntitySchema, columns: tuple[str, ...], since: str | None, company: str | None
) -> Changes:
    """Rows modified since; the token is a moment a little before the latest, so that late ones are not missed.

    It is no later than the beginning of the read: what changed after its page was read is told next time.
    """
    stamp = next((name for name in MODIFIED if name in schema.columns), None)
    text = f"{stamp} ge {literal(since, schema.column(stamp))}" if stamp and since else None
    wanted = columns if stamp is None or stamp in columns else (*columns, stamp)
    began = client.sender.clock
    reading = Reading(client, Query(schema.entity_set, wanted, filter=text, company=company))
    pages = list(reading.pages())
    table = pa.concat_tables([page.table for page in pages], promote_options="permissive")
    notes = together(each for page in pages for each in page.notes)
    if stamp is None:
        note = f"{schema.entity_set} has no modified date: all rows were read; what was deleted shows by comparing keys"
        return Changes(table, (), None, True, note, notes)  # noqa: FBT003 - whole
    latest = pc.max(table.column(stamp)).as_py()
    token = since if latest is None else _token(min(latest, began))
    kept = table if stamp in columns else table.drop_columns([stamp])
    return Changes(kept, (), token, text is None, "what was deleted shows by comparing keys", notes)


def _token(latest: datetime) -> str:
    return (latest.astimezone(UTC) - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
