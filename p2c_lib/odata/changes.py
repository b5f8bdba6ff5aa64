"""What has changed since an earlier read: by Dataverse's change tracking, or by a modified date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.errors import IncompleteRead, ServiceError, UnfitToken, UrlTooLong
from p2c_lib.moments import moment_of
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.delta_token import delta_url
from p2c_lib.odata.held_keys import SPELT
from p2c_lib.odata.literals import literal
from p2c_lib.odata.notes import Note, narrowed, together
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
# Neither service holds a moment before it, and Dataverse refuses to compare with one.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
FIRST, NO_LINK = "first read", "no link to later changes came"
ANEW = ": all rows were read anew"
REFUSED = {400, 404, 412, 414, 422}  # of a link alone: the service is there, it takes the token for none
PLACE, ROW = "@page", "@row"


@dataclass(frozen=True)
class Changes:
    """The rows that changed and the ids of those deleted since ``since``; ``token`` asks for what comes after.

    No row is in both: which of the two came last counts. ``whole``: the table holds every row, because it was the first
    read, or the token had expired, or the service cannot tell changes; ``note`` says which. ``deleted`` is empty where
    changes go by a modified date, as in F&O. ``token`` is None where none came that can be followed, and ``untold``
    says why. ``notes`` say which values could not be kept as they came, on all pages together.
    """

    table: pa.Table
    deleted: tuple[str, ...]
    token: str | None
    whole: bool
    note: str
    notes: tuple[Note, ...] = ()
    untold: str = ""


def changes_since(
    client: Client,
    entity_set: str,
    columns: Sequence[str],
    since: str | None,
    company: str | None,
    *,
    renew: bool = False,
) -> Changes:
    """What changed in an entity set since the token ``since``, or all of it and a first token where there is none.

    With ``renew`` a token that cannot be used is no error: all rows are read, and ``note`` says why. So it is where a
    moment stands for a token though the table tells changes exactly by now.
    """
    schema = client.schema(entity_set)
    schema.check_columns(columns)
    asking = _Asking(client, schema, tuple(columns), company)
    if since is None:
        return asking.whole(FIRST)
    if (moment := moment_of(since)) is not None:
        if renew and schema.change_tracking:
            return asking.whole(f"{entity_set} tells changes exactly by now{ANEW}")
        return asking.by_modified_date(moment)
    try:
        url = delta_url(since, client.connection.url, schema, columns)
    except (UnfitToken, IncompleteRead) as error:
        if not renew:
            raise
        return asking.whole(f"the token cannot be used ({error.message.rstrip('.')}){ANEW}")
    return asking.since(url, renew=renew)


def tells_changes(schema: EntitySchema) -> bool:
    """Whether an entity set can tell what changed, exactly or by a date; else every read is of all rows."""
    return schema.change_tracking or any(name in schema.columns for name in MODIFIED)


@dataclass(frozen=True)
class _Asking:
    """The ways to ask for the changes of one set."""

    client: Client
    schema: EntitySchema
    columns: tuple[str, ...]
    company: str | None

    def since(self, url: str, *, renew: bool) -> Changes:
        """The changes that a delta link brings; all rows where the service does not take it any more."""
        if not self.schema.change_tracking:
            return self.whole(f"change tracking is off for {self.schema.entity_set} by now{ANEW}")
        try:
            found = self._tracked(url, {}, "")
        except ServiceError as error:
            why = _why_anew(error, renew=renew)
            if not why:
                raise
        else:
            # without a link at its end nothing tells whether these are all that changed
            why = f"what had changed came without an end{ANEW}" if found.untold == NO_LINK else ""
        return self.whole(why) if why else found

    def whole(self, why: str) -> Changes:
        """All rows, and the first token."""
        if not self.schema.change_tracking:
            return self._by_date(why)
        first = first_url(Query(self.schema.entity_set, self.columns), self.schema, self.client.dialect)
        try:
            return self._tracked(first, TRACK, why)
        except ServiceError as error:
            now = self.client.metadata.renewed(self.schema.entity_set) if error.status == 400 else self.schema
            if now.change_tracking:
                raise
        return _Asking(self.client, now, self.columns, self.company)._by_date(why)

    def by_modified_date(self, since: datetime | None) -> Changes:
        """Rows modified since a moment; all where there is no moment, or no modified date."""
        return _by_modified_date(self.client, self.schema, self.columns, since, self.company)

    def _by_date(self, why: str) -> Changes:
        found = self.by_modified_date(None)
        return found if why == FIRST else replace(found, note=f"{why}; {found.note}")

    def _tracked(self, url: str, further: Mapping[str, str], why: str) -> Changes:
        """The pages of changes from a URL, and the token that the last of them gives where it can be followed."""
        name, dialect = self.schema.entity_set, self.client.dialect
        decoder = Decoder(
            Query(name, self.columns), self.schema, empty_is_null=dialect.empty_is_null, tracked=True, spelt=True
        )
        headers: Mapping[str, str] = {**dialect.headers, **further}
        chain = Chain(self.client.sender, decoder, self.client.crew, headers, target=name, keys=("@id", SPELT))
        tables, gone, link = [_placed(decoder.empty(), 0)], dict[str, int](), None
        told: list[tuple[int, tuple[Note, ...]]] = []
        for number, page in enumerate(chain.pages(url)):
            tables.append(_placed(page.table, number))
            gone |= dict.fromkeys(page.deleted, number)
            told.append((page.table.num_rows, page.notes))
            link = page.delta_link or link
        placed, deleted = _latest_of_each(pa.concat_tables(tables, promote_options="permissive"), gone)
        token, untold = self._token(link)
        table, notes = placed.drop_columns([PLACE, ROW]), _notes_of(told, placed)
        return Changes(table, deleted, token, bool(why), why, notes, untold)

    def _token(self, link: str | None) -> tuple[str | None, str]:
        """A delta link as it may be followed; else None and why it is no token."""
        if link is None:
            return None, NO_LINK
        try:
            return delta_url(link, self.client.connection.url, self.schema, self.columns), ""
        except (UnfitToken, IncompleteRead) as error:
            return None, error.message.removeprefix(f"{self.schema.entity_set}: ").rstrip(".")


def _why_anew(error: ServiceError, *, renew: bool) -> str:
    """Why all rows are read in the place of changes that the service refused; empty where that is no way out."""
    if error.code.lower() == EXPIRED or error.status == 410:
        return f"the token had expired{ANEW}"
    refused = error.status in REFUSED or isinstance(error, UrlTooLong)
    return f"the service does not take the token ({error.message.rstrip('.')}){ANEW}" if renew and refused else ""


def _placed(table: pa.Table, number: int) -> pa.Table:
    """A page's rows with the number of the page and their own."""
    table = table.append_column(PLACE, pa.array([number] * table.num_rows, pa.int32()))
    return table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))


def _notes_of(told: Sequence[tuple[int, tuple[Note, ...]]], kept: pa.Table) -> tuple[Note, ...]:
    """The notes of pages, each told by its number of rows and its notes, about the rows that are kept."""
    found: list[Note] = []
    for number, (rows, notes) in enumerate(told):
        if notes:
            mine = kept.filter(pc.equal(kept.column(PLACE), number)).column(ROW)
            found += narrowed(notes, pc.is_in(pa.array(range(rows), pa.int64()), value_set=mine))
    return together(found)


def _latest_of_each(table: pa.Table, gone: Mapping[str, int]) -> tuple[pa.Table, tuple[str, ...]]:
    """Each row once, as it came last, and the ids of those that came last as deleted, by the pages that told of them.

    The rows keep the numbers of their pages and their own.

    One that changes while its changes are told may be told again, be deleted after that, and be created again.
    """
    ids = pc.coalesce(table.column(SPELT), table.column("@id"))
    if gone:
        at = pc.index_in(table.column("@id"), value_set=pa.array(list(gone), pa.string()))
        ended = pa.array(list(gone.values()), pa.int32()).take(at.combine_chunks())
        stays = pc.fill_null(pc.greater(table.column(PLACE), ended), fill_value=True)
        table, ids = table.filter(stays), ids.filter(stays)
    there = set(table.column("@id").to_pylist()) if gone else set()
    table = table.drop_columns([SPELT])
    deleted = tuple(name for name in gone if name not in there)
    if pc.count_distinct(ids, mode="all").as_py() == table.num_rows:
        return table, deleted
    numbered = pa.table({"id": ids, "at": pa.array(range(table.num_rows))})
    last = numbered.group_by("id").aggregate([("at", "max")]).column("at_max")
    return table.take(last.take(pc.sort_indices(last))), deleted


def _by_modified_date(
    client: Client, schema: EntitySchema, columns: tuple[str, ...], since: datetime | None, company: str | None
) -> Changes:
    """Rows modified since; the token is a moment a little before the latest, so that late ones are not missed.

    It is no later than the beginning of the read: what changed after its page was read is told next time.
    """
    stamp = next((name for name in MODIFIED if name in schema.columns), None)
    since = since if since is None else max(since, EARLIEST)
    text = f"{stamp} ge {literal(_spelt(since), schema.column(stamp))}" if stamp and since else None
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
    reached = since if latest is None else max(min(latest, began), EARLIEST) - OVERLAP
    token = _spelt(reached) if reached is not None else None
    kept = table if stamp in columns else table.drop_columns([stamp])
    return Changes(kept, (), token, text is None, "what was deleted shows by comparing keys", notes)


def _spelt(moment: datetime) -> str:
    return str(text_of(moment.astimezone(UTC).replace(microsecond=0)))
