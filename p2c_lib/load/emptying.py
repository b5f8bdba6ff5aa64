"""What F&O puts by itself into fields of new rows for which the plan has nothing: emptied by the same apply.

A create says nothing of an empty field, so that F&O may number and complete the row; a quote line without a price gets
that of its product. What the plan says is nothing is nothing there afterwards, and not a night later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import Drifted, ServiceError
from p2c_lib.load.following import Followed
from p2c_lib.load.outcome import APPLIED, FAILED, OPEN, SENT, answer
from p2c_lib.odata import Write

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.load.destination import Destination
    from p2c_lib.load.versions import Versions
    from p2c_lib.odata import Client
    from p2c_lib.plan import Plan

__all__ = ["EMPTIED", "Emptying", "emptied_of"]

EMPTIED = "empty"
WHAT = "fields emptied that F&O filled in by itself"
LEFT = "it was changed after it was created, or it does not tell; the next plan has what is left"
NAMED = 5
COMPANY = "dataAreaId"


def emptied_of(position: int, plan: Plan) -> int:
    """The position of the create whose row was emptied, from the place that the ledger knows the emptying by."""
    return position - 2 * len(plan)


class Emptying:
    """Empties fields of the rows that an apply created, each with the version it was read with."""

    def __init__(
        self,
        plan: Plan,
        destination: Destination,
        client: Client,
        company: str | None,
        ledger: Ledger,
        versions: Versions,
        stop: Callable[[], bool],
    ) -> None:
        self._plan, self._destination, self._client = plan, destination, client
        self._company, self._ledger, self._versions, self._stop = company, ledger, versions, stop
        self._schema = client.schema(destination.entity_set)

    def carry_out(self, created: pa.Table) -> tuple[Followed, ...]:
        """What became of it: nothing to tell where nothing was filled in. ``created`` are creates of this apply.

        A row that has another version than our write gave it is left: what is in it may be somebody's.
        """
        self._end_earlier()
        names = self._names(created)
        if not names:
            return ()
        try:
            _, filled = self._destination.filled_in(created, names, self._schema.key)
        except ServiceError as error:
            return (Followed(WHAT, created.num_rows, 0, (f"{error.message} The next plan has what is left.",)),)
        if not filled:
            return ()
        ours = {key: row for key, row in filled.items() if self._versions.of(key) == row["etag"]}
        why = [f"{key}: {LEFT}" for key in filled if key not in ours]
        rows = created.filter(pc.is_in(created.column("key"), value_set=pa.array(list(ours), pa.string())))
        before = self._before(rows)
        followed = self._emptied(rows, ours, len(filled), why)
        if before is not None:
            with suppress(ServiceError):
                self._versions.note(self._destination.emptied(rows, before, names))
        return (followed,)

    def _before(self, rows: pa.Table) -> pa.Table | None:
        """The rows whole as our own write left them; None where there is none, or none can be read."""
        if not rows.num_rows:
            return None
        try:
            found = self._destination.whole(rows)
        except ServiceError:
            return None
        known = pa.array(list(map(self._versions.of, found.column("@key").to_pylist())), pa.string())
        return found.filter(pc.equal(found.column("@etag"), known))

    def _names(self, created: pa.Table) -> list[str]:
        """The fields that may hold what the plan has not: plain ones that can be changed, empty in some of the rows."""
        if self._destination.app != "finops" or not created.num_rows:
            return []
        after = created.column("after").combine_chunks()
        keys = {*self._schema.key, *self._destination.key, *self._plan.facts["ignored"]}
        mine = [name for name in self._destination.columns if name not in keys and name in self._schema.columns]
        empty = [name for name in mine if pc.struct_field(after, name).null_count]
        return [name for name in empty if self._schema.columns[name].updatable]

    def _emptied(self, rows: pa.Table, ours: Mapping[str, dict[str, Any]], filled: int, why: list[str]) -> Followed:
        keys = rows.column("key").to_pylist()
        places = [2 * len(self._plan) + at for at in rows.column("position").to_pylist()]
        where = self._destination.entity_set
        noted = [
            {"position": at, "op": EMPTIED, "entity_set": where, "key": k} for at, k in zip(places, keys, strict=True)
        ]
        self._ledger.sending(self._plan.id, noted)
        results = self._client.write([self._write(ours[key]) for key in keys], stop=self._stop)
        moved = {key for key, result in zip(keys, results, strict=True) if isinstance(result.error, Drifted)}
        empty = self._empty_by_now(rows, ours, moved)
        ended, done = [], 0
        for at, key, result in zip(places, keys, results, strict=True):
            error = None if key in empty else result.error
            said = None if error is None else error.message
            ended.append(answer(at, FAILED if error else APPLIED, result.status, said, result.request_id))
            if error is None:
                done += 1
            else:
                why.append(f"{key}: {', '.join(ours[key]['fields'])} stay: {said}")
        self._ledger.answered(self._plan.id, ended)
        return Followed(WHAT, filled, done, tuple(why[:NAMED]))

    def _empty_by_now(self, rows: pa.Table, ours: Mapping[str, dict[str, Any]], moved: set[str]) -> set[str]:
        """The rows that moved because their fields were emptied: something on the way may have asked for it twice."""
        looked_at = rows.filter(pc.is_in(rows.column("key"), value_set=pa.array(list(moved), pa.string())))
        names = list({name for key in moved for name in ours[key]["fields"]})
        if not names:
            return set()
        try:
            there, filled = self._destination.filled_in(looked_at, names, self._schema.key)
        except ServiceError:
            return set()
        return {key for key in there if key not in filled or not {*filled[key]["fields"]} & {*ours[key]["fields"]}}

    def _write(self, row: Mapping[str, Any]) -> Write:
        key = {name: self._company if name == COMPANY else row["key"][name] for name in self._schema.key}
        return Write("update", self._destination.entity_set, key, dict.fromkeys(row["fields"]), row["etag"])

    def _end_earlier(self) -> None:
        """An emptying whose apply was killed is done or not; what is left of it the next plan has."""
        sent = [row for row in self._ledger.operations(self._plan.id) if row["state"] == SENT and row["op"] == EMPTIED]
        self._ledger.answered(self._plan.id, [answer(row["position"], OPEN, None, None) for row in sent])
