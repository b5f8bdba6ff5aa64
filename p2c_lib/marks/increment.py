"""A task read by what changed: what to read on either side, and the mark that a load leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from p2c_lib.display import text_of
from p2c_lib.errors import ConfigError
from p2c_lib.frames import EntityFrame
from p2c_lib.ledger import Ledger
from p2c_lib.marks.delta import SHARE, WORTH_WHOLE, Delta, delta_of
from p2c_lib.marks.mark import Mark, Rules, last_mark, save_mark
from p2c_lib.marks.removal import removed
from p2c_lib.marks.seen import judged_rows, mark_after, source_keys
from p2c_lib.moments import moment_of
from p2c_lib.odata.paths import query_of

if TYPE_CHECKING:
    from p2c_lib.mapping import Mapped, Template
    from p2c_lib.plan import Plan
    from p2c_lib.session import Progress, Session

__all__ = ["Increment", "moment"]

LEFT = "left"
MOMENT = "Write it as 2026-01-31T22:00:00+00:00; without an offset it is UTC."


class Increment:
    """What one run of a task has to read, by its mark in the ledger or by a moment ``since``.

    The mark moves when a load is done, and only where no moment was given: what lies between the mark and the moment
    was not read then. With ``full`` everything is read and a new mark begins.
    """

    def __init__(
        self,
        session: Session,
        template: Template,
        suites: Sequence[Path],
        ledger: Ledger,
        *,
        since: str | None = None,
        full: bool = False,
    ) -> None:
        from p2c_lib import __version__

        self._session, self._template, self._since = session, template, since
        self._scope = {"connection_set": session.set.name, "company": session.company}
        place = f"{session.set.sales.url} {session.set.finops.url}"
        self._rules = Rules(template.sha, _sha(suites), __version__, place)
        self._began = datetime.now(UTC).isoformat(timespec="seconds")
        self._mark: Mark | None
        self._mark, self._why = last_mark(ledger, template.task, self._rules, self._scope)
        self._before = self._mark if full else None
        if full:
            self._mark, self._why = None, "a full read was asked for"
        self._waiting = {row["key"] for row in ledger.waiting(**self._scope, task=template.task)}

    @cached_property
    def delta(self) -> Delta:
        """What changed; the services are asked once."""
        return delta_of(
            self._session,
            self._template.source,
            self._mark,
            self._why,
            waiting=self._waiting,
            since=self._since,
            before=self._before,
        )

    @property
    def beginning(self) -> tuple[str, Delta]:
        """When this run of the task began and what had changed then."""
        return self._began, self.delta

    def go_on(self, beginning: tuple[str, Delta]) -> None:
        """Take up a run that was cut off: the mark moves up to where that one had read, not to now."""
        self._began, self.delta = beginning

    @cached_property
    def of(self) -> int | None:
        """How many rows the task has in all; None where all are read."""
        if self.delta.whole:
            return None
        if self._mark is not None:
            return int(self._mark.seen.num_rows)
        asked = self.delta.query
        client = self._session.client(asked.app)
        return client.count(query_of(client, asked.entity, asked.key, filter=asked.filter)) or 0

    @property
    def note(self) -> str:
        """Which rows were read, how many are gone at the source, and what was told otherwise than it is kept."""
        gone = f"; {len(self.delta.deleted):,} rows were deleted at the source" if self.delta.deleted else ""
        said = f"{self.delta.note[:1].upper()}{self.delta.note[1:]}{gone}."
        untold = (f"{words}." for words in self.delta.untold)
        return " ".join((said, *(f"What changed: {note}" for note in self.delta.notes), *untold))

    def gone(self, mapped: Mapped) -> list[str]:
        """The keys that are gone at the source: those that no row holds anew."""
        there = set(source_keys(mapped).to_pylist())
        return [key for key in self.delta.deleted if key not in there]

    def extract(self, *, snapshot: Path, limit: int | None, progress: Progress | None = None) -> EntityFrame:
        """The source rows to judge."""
        asked = self.delta.query
        if self.delta.whole:
            return self._session.extract(asked, snapshot=snapshot, limit=limit, progress=progress)
        schema = self._session.client(asked.app).schema(asked.entity)
        note = self.delta.note if limit is None else f"{self.delta.note}; the first {limit:,} rows"
        frame = self._session.extract_parts(asked, self.delta.keys(schema), note=note, snapshot=snapshot)
        return frame if limit is None else frame.with_table(frame.table.slice(0, limit))

    def target(self, passed: EntityFrame, *, snapshot: Path, progress: Progress | None = None) -> EntityFrame:
        """The destination's rows with the keys of the rows that passed, and no others."""
        query = self._template.destination
        if self.delta.whole:
            return self._session.extract(query, snapshot=snapshot, progress=progress)
        key = passed.row_key(query.key)
        wanted = key.texts(passed.table)
        keys = passed.table.select(list(query.key)).filter(pc.is_valid(wanted))
        if keys.num_rows > max(WORTH_WHOLE, (self.of or 0) // SHARE) or any("." in name for name in query.key):
            frame = self._session.extract(query, snapshot=snapshot, progress=progress)
        else:
            note = "only the keys that were read"
            frame = self._session.extract_parts(query, keys.to_pylist(), note=note, snapshot=snapshot)
        mine = pc.is_in(key.texts(frame.table), value_set=wanted.drop_null())
        return frame.with_table(frame.table.filter(mine))

    def there(self) -> int | None:
        """How many rows the destination has in all; None where all of them are read.

        Where the service cannot tell, the rows of the source stand for them.
        """
        if self.delta.whole:
            return None
        query = self._template.destination
        client = self._session.client(query.app)
        company = self._session.company if client.schema(query.entity).has_company else None
        counted = client.count(query_of(client, query.entity, query.key, filter=query.filter, company=company))
        return self.of if counted is None else counted

    def parts(self, template: Template, column: str, whole: EntityFrame, *, snapshot: Path) -> EntityFrame:
        """The rows of another task that are parts of the rows read, by the lookup that its ``column`` comes through."""
        query, rule = template.source, template.rule(column)
        lookup = rule.columns[0].partition(".")[0] if rule is not None and rule.columns else ""
        schema = self._session.client(query.app).schema(query.entity)
        if self.delta.whole or "@id" not in whole.table.column_names or not schema.targets(lookup):
            return self._session.extract(query, snapshot=snapshot)
        ids = [{lookup: one} for one in whole.table.column("@id").to_pylist()]
        return self._session.extract_parts(query, ids, note="only parts of the rows read", snapshot=snapshot)

    def record(
        self,
        mapped: Mapped,
        passed: EntityFrame,
        failed: Collection[str],
        ledger: Ledger,
        *,
        run_id: str,
        done: Plan | None,
    ) -> None:
        """What was deleted at the source and what came of it; and where a plan was ``done``, how far the task has read.

        Rows that did not pass or ``failed`` are read again by the next load.
        """
        gone, task = self.gone(mapped), self._template.task
        states = dict.fromkeys(gone, LEFT)
        if done is not None and gone and self._template.deletions.apply:
            states = removed(gone, self._template, self._session, ledger, like=done, run_id=run_id)
        ledger.record_deletions(run_id, **self._scope, task=task, states=states)
        if done is None:
            return
        if (mark := mark_after(self._mark, self.delta, judged_rows(mapped, passed, failed), self._began)) is not None:
            save_mark(mark, self._session, ledger, task=task, rules=self._rules, run_id=run_id)


def moment(since: datetime | str | None) -> str | None:
    """A moment as the services read it. Raises ConfigError for text that is none."""
    if since is None:
        return None
    given = moment_of(since) if isinstance(since, str) else since
    if given is None:
        raise ConfigError(f"since is '{since}', which is no moment.", hint=MOMENT)
    aware = given if given.tzinfo else given.replace(tzinfo=UTC)
    try:
        return text_of(aware.astimezone(UTC).replace(microsecond=0))
    except OverflowError:
        raise ConfigError(f"since is '{since}', which is outside the years 1 to 9999 in UTC.", hint=MOMENT) from None


def _sha(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()
