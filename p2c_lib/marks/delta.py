"""Which rows of a source to read: those that changed, those whose lookups now lead elsewhere, and those that wait."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.display import texts
from p2c_lib.frames import EntityQuery
from p2c_lib.marks.mark import Mark
from p2c_lib.marks.watched import Watched, twin_column, watched
from p2c_lib.moments import moment_of
from p2c_lib.odata import Query
from p2c_lib.odata.changes import tells_changes
from p2c_lib.odata.characters import NO_CHARACTER
from p2c_lib.odata.notes import REPLACED, together

if TYPE_CHECKING:
    from p2c_lib.odata import Changes, EntitySchema
    from p2c_lib.odata.notes import Note
    from p2c_lib.session import Session

__all__ = ["Delta", "delta_of"]

# Reading by key costs a request for 150 rows, reading whole one for 5,000.
WORTH_WHOLE, SHARE = 1_500, 30
NO_POSITION = "the last load was given no way to later changes"
FOUND = pa.schema([("id", pa.string()), ("twin", pa.string())])


@dataclass(frozen=True)
class Delta:
    """The rows a run has to read, or why it has to read all of them (``whole``, empty otherwise).

    ``rows`` has ``id`` and ``twin``: rows that share a twin value may share a key, so they are read together.
    ``deleted`` are the keys of rows that are gone at the source. ``positions`` and ``behind`` are what the next mark
    is made of; ``positions`` is None where this run cannot leave one. ``notes`` say which values that were told could
    not be kept as they came, ``untold`` which tables gave no way to later changes.
    """

    query: EntityQuery
    since: str
    whole: str
    rows: pa.Table = field(default_factory=FOUND.empty_table)
    again: int = 0
    deleted: tuple[str, ...] = ()
    positions: Mapping[str, str | None] | None = None
    behind: Mapping[str, pa.Table] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Which rows were read and why, in words."""
        if self.whole:
            return f"all rows were read: {self.whole}"
        waited = f", {self.again:,} that waited" if self.again else ""
        since = self.since[:16].replace("T", " ")
        return f"only what changed since {since} UTC was read: {self.rows.num_rows - self.again:,} rows{waited}"

    def keys(self, schema: EntitySchema) -> list[dict[str, object]]:
        """What to ask for the rows and their twins; nothing where nothing changed."""
        twins = self.rows.column("twin")
        alone = self.rows.filter(pc.is_null(twins)).column("id")
        twin = twin_column(schema, self.query)
        return [
            *({twin: value} for value in twins.drop_null().to_pylist()),
            *({schema.key[0]: value} for value in alone.to_pylist()),
        ]


def delta_of(
    session: Session,
    query: EntityQuery,
    mark: Mark | None,
    why: str,
    *,
    waiting: Collection[str] = (),
    since: str | None = None,
    before: Mark | None = None,
) -> Delta:
    """What a run has to read of a query's rows after ``mark``, or after the moment ``since``.

    ``why`` says why there is no mark, ``waiting`` are keys that wait by the ledger, ``before`` is a mark that is given
    up: what was deleted since is told all the same. The tables are asked for what changed before any row is read, so
    that nothing falls between two runs.
    """
    client = session.client(query.app)
    schema = client.schema(query.entity)
    twin = twin_column(schema, query)
    asked = EntityQuery(query.app, query.entity, tuple(dict.fromkeys((*query.columns, twin))), query.key, query.filter)
    if not tells_changes(schema):
        return Delta(asked, "", f"{query.app} does not tell what changed in {query.entity}")
    asking = _Asking(session, asked, mark, since)
    gone = asking.gone_since(before, watched(client, asked)) if before is not None else ()
    found = asking.rows(watched(client, asked))
    again = _again(mark, waiting)
    rows = _distinct([again, found])
    whole = asking.whole or ("" if mark is not None or since else why)
    if not whole and rows.num_rows > max(WORTH_WHOLE, (mark.seen.num_rows if mark is not None else 0) // SHARE):
        whole = f"{rows.num_rows:,} changed, and reading all is quicker"
    positions = None if since else asking.positions
    deleted = gone or _keys_of(mark, asking.deleted)
    at = since or (mark.at if mark is not None else "")
    notes = together(asking.notes)
    untold = tuple(asking.untold)
    return Delta(asked, at, whole, rows, again.num_rows, deleted, positions, asking.behind, notes, untold)


class _Asking:
    """The questions to the tables a task depends on, and what the next mark will say of them."""

    def __init__(self, session: Session, query: EntityQuery, mark: Mark | None, since: str | None) -> None:
        self._client, self._mark, self._since = session.client(query.app), mark, since
        self._company = session.company
        self.positions: dict[str, str | None] = {}
        self.behind: dict[str, pa.Table] = {}
        self.deleted: tuple[str, ...] = ()
        self.whole = ""
        self.notes: list[Note] = []
        self.untold: list[str] = []

    def rows(self, table: Watched) -> pa.Table:
        """The rows of a table that changed or point to one behind it that did."""
        parts = [self._changed(table)]
        for one in table.behind:
            ids = self.rows(one).column("id")
            if len(ids) > WORTH_WHOLE:
                self.whole = f"{len(ids):,} rows of {one.entity_set} changed, and reading all is quicker"
            elif len(ids):
                parts += self._pointing(table, one.lookup, ids.to_pylist())
        return _distinct(parts)

    def gone_since(self, mark: Mark, table: Watched) -> tuple[str, ...]:
        """The keys of the rows that were deleted since a mark; none where the service cannot tell any more."""
        position = mark.positions.get(table.path)
        if position is None or moment_of(position) is not None:
            return ()
        told = self._client.changes(table.entity_set, table.columns, since=position, renew=True)
        return () if told.whole else _keys_of(mark, told.deleted)

    def _changed(self, table: Watched) -> pa.Table:
        told = self._told(table)
        self.positions[table.path] = told.token
        if not table.path:
            self.deleted = told.deleted
            if told.whole and self._mark is not None:
                self.whole = told.note if self._mark.positions.get(table.path) else NO_POSITION
            return self._by_twin(told, table.columns[0])
        now = _texts(told.table, table.columns)
        before = self._mark.behind[table.path] if self._mark is not None else now.slice(0, 0)
        gone = [before.column("id").combine_chunks().slice(0, 0), pa.array(told.deleted, pa.string())]
        kept = before.slice(0, 0) if told.whole else _without(before, pa.concat_arrays([*gone, _one(now, "id")]))
        self.behind[table.path] = pa.concat_tables([kept, now])
        if self._mark is None and self._since is None:
            return FOUND.empty_table()
        return _as_found(now if self._since else _differing(now, before))

    def _by_twin(self, told: Changes, twin: str) -> pa.Table:
        """The rows that were told, to be asked for by their twin value; one that no row has as it reads, by their id.

        Where the service gives no id of its own such a row cannot be asked for at all, and all rows are read.
        """
        found = _found(told.table, twin)
        replaced = [note for note in told.notes if note.what == REPLACED and note.column == twin]
        if not replaced:
            return found
        if "@id" not in told.table.column_names:
            self.whole = f"{twin} of {replaced[0].count:,} that changed is not well-formed, so they cannot be asked for"
            return found
        odd = pc.fill_null(pc.match_substring(found.column("twin"), NO_CHARACTER), fill_value=False)
        alone = pc.if_else(odd, pa.scalar(None, pa.string()), found.column("twin"))
        return found.set_column(1, FOUND.field("twin"), alone)

    def _told(self, table: Watched) -> Changes:
        since = self._since or (self._mark.positions.get(table.path) if self._mark is not None else None)
        company = self._company if self._client.schema(table.entity_set).has_company else None
        renew = self._since is None
        told = self._client.changes(table.entity_set, table.columns, since=since, company=company, renew=renew)
        self.notes += told.notes
        if told.untold:
            self.untold.append(f"{table.entity_set}: {told.untold}, so the next load reads all of it")
        return told

    def _pointing(self, table: Watched, lookup: str, ids: Sequence[str]) -> list[pa.Table]:
        """The rows of a table whose lookup leads to one of the ids."""
        schema = self._client.schema(table.entity_set)
        column = table.columns[0] if not table.path else schema.key[0]
        pages = self._client.read_among(Query(table.entity_set, (column,)), [{lookup: one} for one in ids])
        return [_found(page.table, column) for page in pages]


def _found(table: pa.Table, twin: str) -> pa.Table:
    """Rows as id and twin value; where the service gives no id of its own, the twin value is the id."""
    twins = texts(table.column(twin))
    ids = texts(table.column("@id")) if "@id" in table.column_names else twins
    return pa.table({"id": ids, "twin": twins}, schema=FOUND)


def _texts(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The id of each row and the columns in use, as text."""
    ids = table.column("@id" if "@id" in table.column_names else columns[0])
    names = {"id": ids, **{name: table.column(name) for name in columns}}
    return pa.table({name: texts(values) for name, values in names.items()})


def _as_found(table: pa.Table) -> pa.Table:
    ids = table.column("id")
    return pa.table({"id": ids, "twin": pa.nulls(len(ids), pa.string())}, schema=FOUND)


def _differing(now: pa.Table, before: pa.Table) -> pa.Table:
    """The rows that are new or hold another value in a column in use."""
    names = [name for name in now.column_names if name != "id"]
    at = pc.index_in(_one(now, "id"), value_set=_one(before, "id"))
    same = pc.is_valid(at)
    for name in names:
        was, holds = _one(before, name).take(at), _one(now, name)
        both = pc.fill_null(pc.equal(was, holds), False)  # noqa: FBT003 - the value
        same = pc.and_(same, pc.or_(both, pc.and_(pc.is_null(was), pc.is_null(holds))))
    return now.filter(pc.invert(same))


def _without(table: pa.Table, ids: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table.column("id"), value_set=ids)))


def _one(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _distinct(parts: Sequence[pa.Table]) -> pa.Table:
    """Each id once, as it comes last."""
    whole = pa.concat_tables(parts)
    return whole.group_by("id", use_threads=False).aggregate([("twin", "last")]).rename_columns(["id", "twin"])


def _again(mark: Mark | None, waiting: Collection[str]) -> pa.Table:
    """The rows that did not go in at the last load, and those that wait by the ledger."""
    if mark is None:
        return FOUND.empty_table()
    seen = mark.seen
    listed = pc.is_in(seen.column("key"), value_set=pa.array(list(waiting), pa.string()))
    return seen.filter(pc.or_(seen.column("waits"), listed)).select(FOUND.names)


def _keys_of(mark: Mark | None, ids: Sequence[str]) -> tuple[str, ...]:
    """The keys of the rows of this task among ids that are gone; a row without a key by its id."""
    if mark is None or not ids:
        return ()
    gone = mark.seen.filter(pc.is_in(mark.seen.column("id"), value_set=pa.array(list(ids), pa.string())))
    return tuple(pc.coalesce(gone.column("key"), gone.column("id")).to_pylist())
