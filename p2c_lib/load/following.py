"""What follows from applied writes: drafts are published, and the price-list items Sales should have written are seen.

A publishing is journalled like an operation, at the place of its create after all operations of the plan. Whether a
product is a draft is asked every time, so nothing is published twice and nothing is lost. A product of the plan is the
one with the plan's id: another may have its number by now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import Drifted, NotSent, ServiceError
from p2c_lib.frames import EntityFrame, EntityQuery
from p2c_lib.load.outcome import APPLIED, FAILED, OPEN, SENT, answer
from p2c_lib.odata import Write, WriteResult
from p2c_lib.odata.failures import leaves_open
from p2c_lib.plan.consequences import priced

if TYPE_CHECKING:
    from p2c_lib.ledger import Ledger
    from p2c_lib.load.destination import Destination
    from p2c_lib.load.versions import Versions
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["PUBLISHED", "Followed", "Following"]

PUBLISHED = "publish"
ACTIVE, DRAFT = 0, 2
LIVE = {"statecode": ACTIVE, "statuscode": 1}
ITEMS, PRODUCT = "productpricelevels", "productid.productnumber"
BY_ID = 600
NAMED = 5


@dataclass(frozen=True)
class Followed:
    """One consequence of a plan: ``rows`` it concerns, how many are ``done``, and why the others are not."""

    what: str
    rows: int
    done: int
    why: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "rows": self.rows, "done": self.done, "why": "; ".join(self.why)}


class Following:
    """Carries out what follows from the products of a plan, and looks at what Sales should have done."""

    def __init__(
        self,
        plan: Plan,
        destination: Destination,
        session: Session,
        ledger: Ledger,
        versions: Versions,
        stop: Callable[[], bool],
    ) -> None:
        self._plan, self._destination, self._session = plan, destination, session
        self._ledger, self._versions, self._stop = ledger, versions, stop

    def carry_out(self, applied: pa.Table) -> tuple[Followed, ...]:
        """What became of each consequence of the applied operations."""
        if not self._plan.facts.get("follows") or not applied.num_rows:
            return ()
        created = applied.filter(pc.equal(applied.column("op"), "create"))
        paid = applied.filter(priced(applied))
        found = (
            self._tried("drafts published", created, self._publish),
            self._tried("price-list items there as priced", paid, self._look_at_items),
        )
        return tuple(each for each in found if each.rows)

    def _tried(self, what: str, rows: pa.Table, deed: Callable[[pa.Table], tuple[int, int, list[str]]]) -> Followed:
        try:
            concerned, done, why = deed(rows) if rows.num_rows else (0, 0, [])
        except ServiceError as error:
            return Followed(what, rows.num_rows, 0, (f"{error.message} Apply the plan again, which looks first.",))
        return Followed(what, concerned, done, tuple(why))

    def _publish(self, created: pa.Table) -> tuple[int, int, list[str]]:
        there = self._destination.read_own(created, ("statecode",))
        rows = {row["position"]: row["key"] for row in created.to_pylist() if row["key"] in there}
        drafts = {at: there[key] for at, key in rows.items() if there[key]["statecode"] == DRAFT}
        self._settle_doubts(rows.keys() - drafts.keys())
        if not drafts:
            return 0, 0, []
        places = {at: len(self._plan) + at for at in drafts}
        where = self._destination.entity_set
        lines = [{"position": places[at], "op": PUBLISHED, "entity_set": where, "key": rows[at]} for at in drafts]
        self._ledger.sending(self._plan.id, lines)
        writes = [Write("update", where, {"productid": row["@id"]}, LIVE, row["@etag"]) for row in drafts.values()]
        results = self._session.sales.write(writes, stop=self._stop, versions=True)
        results = self._published(created, [rows[at] for at in drafts], results)
        ended, why = [], []
        was_ours = [self._versions.of(rows[at]) == row["@etag"] for at, row in drafts.items()]
        new = zip(drafts, was_ours, results, strict=True)
        self._versions.note({rows[at]: each.etag for at, ours, each in new if ours and each.ok and each.etag})
        for at, result in zip(drafts, results, strict=True):
            ended.append(_judged(places[at], result.error, result.status, result.request_id))
            if result.error is not None:
                why.append(f"{rows[at]}: {result.error.message}")
        self._ledger.answered(self._plan.id, [line for line in ended if line["state"] != SENT])
        return len(drafts), len(drafts) - len(why), why[:NAMED]

    def _published(self, created: pa.Table, keys: list[str], results: list[WriteResult]) -> list[WriteResult]:
        """The results, of which those are done whose rows moved because they were published: by the same request, if
        something on the way asks twice."""
        moved = {key for key, each in zip(keys, results, strict=True) if isinstance(each.error, Drifted)}
        if not moved:
            return results
        looked_at = created.filter(pc.is_in(created.column("key"), value_set=pa.array(list(moved), pa.string())))
        there = self._destination.read_own(looked_at, tuple(LIVE))
        live = {key for key, row in there.items() if {name: row[name] for name in LIVE} == LIVE}
        return [
            WriteResult(each.status, each.row_id, None, each.request_id)  # whose version it has by now nobody knows
            if key in moved and key in live
            else each
            for key, each in zip(keys, results, strict=True)
        ]

    def _settle_doubts(self, live: Collection[int]) -> None:
        """Publishings an earlier apply saw no answer of were carried out where the product is live now."""
        first = len(self._plan)
        sent = [row["position"] for row in self._ledger.operations(self._plan.id) if row["state"] == SENT]
        doubts = [at for at in sent if at >= first]
        found = [answer(at, APPLIED if at - first in live else OPEN, None, None) for at in doubts]
        self._ledger.answered(self._plan.id, found)

    def _look_at_items(self, paid: pa.Table) -> tuple[int, int, list[str]]:
        read = self._destination.read_own(paid, ("price",))
        there = {key: row for key, row in read.items() if row["price"] is not None}
        items: dict[str, list[Any]] = {}
        frame = self._items([str(row["@id"]) for row in there.values()])
        if frame is not None:
            keys = frame.row_key().texts(frame.table).to_pylist()
            for key, amount in zip(keys, frame.table.column("amount").to_pylist(), strict=True):
                items.setdefault(key, []).append(amount)
        without = [key for key, row in there.items() if row["price"] not in items.get(key, ())]
        why = [f"{key} has no item at {there[key]['price']}" for key in without[:NAMED]]
        if without:
            why.append("is the Prospect to cash solution installed and switched on?")
        return len(there), len(there) - len(without), why

    def _items(self, ids: list[str]) -> EntityFrame | None:
        """The price-list items of some products: by the products' ids, or all where these are many."""
        if not ids:
            return None
        query = EntityQuery("sales", ITEMS, (PRODUCT, "amount"), (PRODUCT,))
        if len(ids) > BY_ID:
            return self._session.extract(query)
        return self._session.extract_parts(query, [{"productid": one} for one in ids], note="the items of the plan")


def _judged(at: int, error: ServiceError | None, status: int, request_id: str) -> dict[str, Any]:
    if error is None:
        return answer(at, APPLIED, status, None, request_id)
    if isinstance(error, NotSent):
        return answer(at, OPEN, None, error.message)
    return answer(at, SENT if leaves_open(error) else FAILED, status, error.message, request_id)
