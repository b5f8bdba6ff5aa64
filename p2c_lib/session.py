"""A session with one connection set: both clients, frames out of either, and reference values."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from p2c_lib.config import SANDBOX, ConnectionSet, Workspace
from p2c_lib.display import texts
from p2c_lib.errors import FrameError, UnknownName
from p2c_lib.frames import EntityFrame, EntityQuery, Origin
from p2c_lib.odata import Client, EntitySchema, Query
from p2c_lib.odata.among import Asked
from p2c_lib.odata.decode import Decoder
from p2c_lib.odata.held_keys import HeldKeys
from p2c_lib.odata.notes import together
from p2c_lib.odata.paths import query_of
from p2c_lib.odata.query import Page
from p2c_lib.odata.snapshot import Gathered, gather, gather_only
from p2c_lib.secrecy import leaves

if TYPE_CHECKING:
    from p2c_lib.odata.auth import Credential
    from p2c_lib.sandbox.process import Running

__all__ = ["Session", "connect"]

Progress = Callable[[int, int | None], None]
NO_COUNT = "the service gave no count to hold it against"


class Session:
    """One connection set, connected: ``extract`` rows from either system, look up ``reference`` values, ``close``.

    An embedded sandbox that the session started stops with it.
    """

    def __init__(
        self,
        connections: ConnectionSet,
        workspace: Workspace,
        *,
        embedded: Running | None = None,
        credential: Credential | None = None,
    ) -> None:
        self.set = connections
        self.workspace = workspace
        self.company = connections.company
        self.sales = Client(connections.sales, credential=credential, kept=workspace.metadata)
        self.finops = Client(connections.finops, credential=credential, kept=workspace.metadata)
        self._embedded = embedded
        self._references: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        if embedded is not None:
            atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        places = f"sales={self.set.sales.url!r}, finops={self.set.finops.url!r}"
        return f"Session({self.set.name!r}, {places}, company={self.company!r})"

    def _repr_html_(self) -> str:
        from p2c_lib.report import Facts, fragment

        sides = (("Sales", self.set.sales), ("F&O", self.set.finops))
        lines = [(name, f"{one.url} as {one.client_id}") for name, one in sides]
        kept = [("protected", "a plan needs an approval before it is applied")] if self.set.protected else []
        facts = Facts((("connection set", self.set.name), *lines, ("company", self.company), *kept))
        return fragment(facts.to_html())

    def client(self, app: str) -> Client:
        """The client of an app, ``sales`` or ``finops``. Raises UnknownName for another."""
        clients = {"sales": self.sales, "finops": self.finops}
        if app not in clients:
            raise UnknownName("app", app, clients)
        return clients[app]

    def extract(
        self,
        query: EntityQuery,
        *,
        snapshot: Path | None = None,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> EntityFrame:
        """The rows of a query as a typed frame; F&O sets of one company only, the session's.

        Names are checked first: UnknownName with near names before any row is read. With ``snapshot`` the pages go to a
        Parquet file as they come, and a read that was cut off goes on where it was. ``progress`` is called with the
        rows read and the rows the service counts. Raises IncompleteRead when not every counted row came.
        """
        if snapshot is not None:
            leaves(snapshot)
        client = self.client(query.app)
        schema = client.schema(query.entity)
        company = self.company if schema.has_company else None
        wire_query = query_of(client, query.entity, _wanted(query), filter=query.filter, company=company, limit=limit)
        gathered = gather(client, wire_query, snapshot=snapshot, progress=progress)
        system = [name for name in gathered.table.column_names if name.startswith("@")]
        table = gathered.table.select([*_wanted(query), *system])
        return EntityFrame(table, self._origin(query, wire_query, schema, gathered, limit), schema)

    def extract_parts(
        self, query: EntityQuery, keys: Sequence[Mapping[str, object]], *, note: str, snapshot: Path | None = None
    ) -> EntityFrame:
        """The rows of a query with one of ``keys``, each a value for one or more columns; none other and none twice.

        ``note`` says in words which rows those are. The frame is never the whole set.
        """
        client = self.client(query.app)
        schema = client.schema(query.entity)
        company = self.company if schema.has_company else None
        bare = query_of(client, query.entity, _wanted(query), filter=query.filter, company=company)
        asked = client.asked(bare, keys)
        once = _Once()
        parts = [gather_only(client, one.query(bare), partial(once.kept, one)) for one in asked]
        empty = Decoder(bare, schema, empty_is_null=client.dialect.empty_is_null).empty()
        table = pa.concat_tables([empty, *(part.table for part in parts)], promote_options="permissive")
        system = [name for name in table.column_names if name.startswith("@")]
        table = table.select([*_wanted(query), *system])
        if snapshot is not None:
            leaves(snapshot)
            parquet.write_table(table, snapshot, compression="zstd")
        counted = all(part.server_count is not None for part in parts)
        notes = together(note for part in parts for note in part.notes)
        gathered = Gathered(table, table.num_rows if counted else None, notes=notes)
        origin = self._origin(query, bare, schema, gathered, None)
        said = "; ".join(filter(None, (origin.note, note)))
        return EntityFrame(table, replace(origin, complete=False, note=said), schema)

    def reference(self, name: str, app: str) -> tuple[str, ...]:
        """The distinct values of ``EntitySet.Column`` in an app, sorted.

        They are read once a session, and again once it wrote there. F&O sets that belong to companies are read for the
        session's company. Raises UnknownName.
        """
        entity_set, _, column = name.partition(".")
        written = self.client(app).written(entity_set)
        at, cached = self._references.get((app, name), (written - 1, ()))
        if at == written:
            return cached
        if not column:
            raise FrameError(
                f"'{name}' is no reference.", hint="Write EntitySet.Column, such as Currencies.CurrencyCode."
            )
        frame = self.extract(EntityQuery(app, entity_set, (column,), (column,)))
        values = pc.unique(texts(frame.table.column(column))).drop_null().to_pylist()
        found = tuple(sorted(values))
        self._references[app, name] = (written, found)
        return found

    def close(self) -> None:
        """Close both clients, and stop the sandbox this session started. Closing twice is fine."""
        self.sales.close()
        self.finops.close()
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            from p2c_lib.sandbox import process

            atexit.unregister(self.close)
            process.stop(embedded)

    def _origin(
        self, query: EntityQuery, wire_query: Query, schema: EntitySchema, gathered: Gathered, limit: int | None
    ) -> Origin:
        client = self.client(query.app)
        parts = [
            f"filtered by {query.filter}" if query.filter else "",
            f"company {wire_query.company} only" if wire_query.company else "",
            f"the first {limit:,} rows" if limit is not None else "",
        ]
        note = "; ".join(part for part in parts if part)
        return Origin(
            app=query.app,
            url=client.connection.url,
            organisation=client.identity().organisation,
            company=wire_query.company,
            entity_set=schema.entity_set,
            query=client.describe(wire_query),
            key=query.key,
            read_at=datetime.now(UTC),
            server_count=gathered.server_count,
            complete=not note,
            user=client.identity().user,
            changed=gathered.notes,
            note=note or gathered.uncounted or ("" if gathered.server_count is not None else NO_COUNT),
        )


class _Once:
    """Of pages, the rows that were asked for, each once: keys of different columns may name one row."""

    def __init__(self) -> None:
        self._held = HeldKeys(("@id",), "sales")  # rows of F&O have no id of their own

    def kept(self, asked: Asked, page: Page) -> Page:
        page = page.where(asked.held(page.table))
        if "@id" in page.table.column_names:
            page = page.where(self._held.new_in(page.table))
            self._held.add(page.table)
        return page


def connect(
    name: str = SANDBOX,
    *,
    company: str | None = None,
    workspace: Workspace | None = None,
    credential: Credential | None = None,
) -> Session:
    """A session with the connection set of that name in the workspace (the current one by default).

    ``company`` is another F&O company than the set's; a set is often true for several that share the Sales side.
    With ``sandbox`` and no sandbox up, one is started and stops when the session closes. ``credential`` is one of
    azure-identity's, used in the place of secrets. Nothing is sent to a real system yet. Raises UnknownName,
    ConfigError or SandboxError.
    """
    from p2c_lib.config import workspace as current_workspace

    place = workspace or current_workspace()
    embedded = _started(place) if name == SANDBOX else None
    connections = place.connection_set(name)
    if company:
        connections = replace(connections, company=company)
    return Session(connections, place, embedded=embedded, credential=credential)


def _started(place: Workspace) -> Running | None:
    """A sandbox of the workspace, started because none was up; None when one is."""
    from p2c_lib.sandbox import process

    if process.find(place.sandbox_home) is not None:
        return None
    return process.start(place.sandbox_home)


def _wanted(query: EntityQuery) -> list[str]:
    return list(dict.fromkeys((*query.columns, *query.key)))
