"""Apply a plan through a session: every row accounted for, safe to repeat.

Each operation is journalled in the ledger before it is sent and after its answer. A plan that was cut off goes on where
it was: what is known as applied is not sent again. Updates carry the etag that was read, so a row that moved since is
``drifted``: reported and left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import Drifted, Duplicate, GateClosed, PlanError, WrongEnvironment
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.odata import Write, WriteResult
from p2c_lib.report import Facts, Report, Table

if TYPE_CHECKING:
    from p2c_lib.odata import Client, EntitySchema
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["LoadOutcome", "apply"]

CHUNK = 2_000
APPLIED, FAILED, DRIFTED = "applied", "failed", "drifted"
SHOWN = 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LoadOutcome:
    """What became of every operation of a plan: ``rows`` has position, op, key, state, status, message.

    planned = applied + failed + drifted, always.
    """

    plan: Plan
    rows: pa.Table
    seconds: float

    def count(self, state: str, op: str | None = None) -> int:
        """How many operations ended in that state, of one kind or of all."""
        hit = pc.equal(self.rows.column("state"), state)
        if op is not None:
            hit = pc.and_(hit, pc.equal(self.rows.column("op"), op))
        return int(pc.sum(hit).as_py() or 0)

    @property
    def created(self) -> int:
        return self.count(APPLIED, "create")

    @property
    def updated(self) -> int:
        return self.count(APPLIED, "update")

    @property
    def failed(self) -> int:
        return self.count(FAILED)

    @property
    def drifted(self) -> int:
        return self.count(DRIFTED)

    def problems(self) -> pa.Table:
        """The operations that did not go in, with the service's own words."""
        return self.rows.filter(pc.not_equal(self.rows.column("state"), APPLIED))

    def report(self) -> Report:
        """What was written."""
        why = (
            f"{self.created:,} created and {self.updated:,} updated in {self.seconds:,.1f} s; "
            f"{self.failed:,} refused by the service, {self.drifted:,} drifted and left alone."
        )
        bad = self.problems()
        table = Table.of(bad.slice(0, SHOWN).select(["op", "key", "state", "message"]).to_pylist(), title="Not written")
        parts = (Facts((("plan", self.plan.id[:12]), ("planned", len(self.plan)))),)
        verdict = "warn" if bad.num_rows else "pass"
        shown = Table(table.columns, table.rows, table.title, bad.num_rows)
        return Report(f"Load of {self.plan.task}", verdict, why, (*parts, shown) if bad.num_rows else parts)

    def to_dict(self) -> dict[str, Any]:
        counts = {n: getattr(self, n) for n in ("created", "updated", "failed", "drifted")}
        return {"plan": self.plan.id, "planned": len(self.plan), **counts, "seconds": round(self.seconds, 3)}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"LoadOutcome({self.plan.task}: {self.report().why})"


def apply(
    plan: Plan,
    session: Session,
    *,
    ledger: Ledger | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> LoadOutcome:
    """Write what the plan says, and say what became of each row.

    ``ledger`` is the workspace's by default; ``progress`` is told (done, planned) after each answer. Refuses a closed
    gate (GateClosed), an altered plan (PlanAltered), other systems than the plan's (WrongEnvironment) and a plan beyond
    its limits or whose source is its destination (PlanError). A second apply of the same plan sends nothing.
    """
    started = perf_counter()
    refuse(plan, session)
    own = ledger or open_ledger(session.workspace.ledger)
    try:
        own.record_plan(plan.id, task=plan.task, folder=plan.folder, run_id=run_id)
        outcomes = list(_send_all(plan, session, own, progress))
    finally:
        if ledger is None:
            own.close()
    columns = ("position", "op", "key", "state", "status", "message")
    types = (pa.int64(), pa.string(), pa.string(), pa.string(), pa.int64(), pa.string())
    rows = pa.Table.from_pylist(outcomes, schema=pa.schema(list(zip(columns, types, strict=True))))
    return LoadOutcome(plan, rows.sort_by("position"), perf_counter() - started)


def refuse(plan: Plan, session: Session) -> None:
    """Raise unless this plan may be applied with this session."""
    facts, destination = plan.facts, plan.facts["destination"]
    if facts["gate"]["verdict"] == "blocked":
        raise GateClosed(
            f"The gate of this plan is closed: {facts['gate']['why']}", hint="Mend the data and plan again."
        )
    plan.verify()
    here = session.client(destination["app"]).identity()
    for name, planned, found in (
        ("url", destination["url"], here.url),
        ("organisation", destination["organisation"], here.organisation),
        ("company", destination["company"], session.company if destination["company"] else None),
    ):
        if planned and found and str(planned).lower() != str(found).lower():
            raise WrongEnvironment(
                f"The plan was made for the {name} {planned}; this session speaks to {found}.",
                hint="Connect to the plan's systems, or make a new plan here.",
            )
    source = facts["source"]
    if (source["url"], source["entity_set"]) == (destination["url"], destination["entity_set"]):
        raise PlanError("Source and destination of this plan are the same entity set.", hint="Check the template.")
    for limit, planned_rows in (("max_creates", plan.creates), ("max_updates", plan.updates)):
        allowed = facts["limits"].get(limit)
        if allowed is not None and planned_rows > allowed:
            raise PlanError(
                f"The plan has {planned_rows:,} rows where {limit} allows {allowed:,}.",
                hint="Look at the plan; raise the limit only if it is right.",
            )


def _send_all(plan: Plan, session: Session, ledger: Ledger, progress: Progress | None) -> Iterator[dict[str, Any]]:
    before = {row["position"]: row for row in ledger.operations(plan.id)}
    client = session.client(plan.facts["destination"]["app"])
    writer = _Writer(plan, client, session.company)
    done = 0
    for start in range(0, len(plan), CHUNK):
        rows = plan.operations.slice(start, CHUNK).to_pylist()
        known, open_rows = _split(rows, before)
        yield from known
        yield from _send(open_rows, writer, ledger, plan.id, before)
        done += len(rows)
        if progress is not None:
            progress(done, len(plan))


def _split(
    rows: Sequence[dict[str, Any]], before: Mapping[int, dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows the ledger knows as applied, as outcomes, and the rows still to be sent."""
    known, still = [], []
    for row in rows:
        entry = before.get(row["position"])
        if entry is not None and entry["state"] == APPLIED:
            known.append(_outcome(row, APPLIED, entry["status"], entry["message"]))
        else:
            still.append(row)
    return known, still


def _send(
    rows: list[dict[str, Any]], writer: _Writer, ledger: Ledger, plan_id: str, before: Mapping[int, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    broken = [(row, why) for row in rows if (why := writer.broken_link(row))]
    yield from (_outcome(row, FAILED, 0, why) for row, why in broken)
    unsent = {row["position"] for row, _ in broken}
    rows = [row for row in rows if row["position"] not in unsent]
    if not rows:
        return
    entity_set = writer.schema.entity_set
    journal = [{"position": r["position"], "op": r["op"], "entity_set": entity_set, "key": r["key"]} for r in rows]
    ledger.sending(plan_id, journal)
    results = writer.client.write([writer.write(row) for row in rows])
    outcomes = []
    for row, result in zip(rows, results, strict=True):
        asked_before = before.get(row["position"], {}).get("state") == "sent"
        state = _state(row, result, asked_before=asked_before)
        message = None if state == APPLIED or result.error is None else str(result.error)
        outcomes.append(_outcome(row, state, result.status, message))
    ledger.answered(
        plan_id,
        [
            {name: o[name] for name in ("position", "state", "status", "message")} | {"request_id": r.request_id}
            for o, r in zip(outcomes, results, strict=True)
        ],
    )
    yield from outcomes


def _state(row: Mapping[str, Any], result: WriteResult, *, asked_before: bool) -> str:
    """A create that was sent before a crash and is there now was ours."""
    if result.ok or (asked_before and row["op"] == "create" and isinstance(result.error, Duplicate)):
        return APPLIED
    return DRIFTED if isinstance(result.error, Drifted) else FAILED


def _outcome(row: Mapping[str, Any], state: str, status: int | None, message: str | None) -> dict[str, Any]:
    return {
        "position": row["position"],
        "op": row["op"],
        "key": row["key"],
        "state": state,
        "status": status,
        "message": message,
    }


class _Writer:
    """Turns operations of one plan into writes: business keys of lookups become links, F&O rows get their company."""

    def __init__(self, plan: Plan, client: Client, company: str) -> None:
        self.client = client
        self.schema: EntitySchema = client.schema(plan.facts["destination"]["entity_set"])
        self.company = company.lower() if self.schema.has_company else None
        self.links = _links(plan.operations, client, self.schema)

    def write(self, row: Mapping[str, Any]) -> Write:
        after = row["after"]
        if row["op"] == "create":
            body = self._body({name: value for name, value in after.items() if value is not None})
            if self.company:
                body["dataAreaId"] = self.company
            return Write("create", self.schema.entity_set, None, body)
        body = self._body({name: after[name] for name in row["changed"]})
        return Write("update", self.schema.entity_set, self._key(row), body, row["etag"])

    def broken_link(self, row: Mapping[str, Any]) -> str | None:
        """What a row refers to that does not exist at the destination, in words; None where all is there."""
        written = row["changed"] if row["op"] == "update" else row["after"]
        for name in self.links.keys() & set(written):
            value = row["after"][name]
            if value is not None and value not in self.links[name][1]:
                return (
                    f"{name} '{value}' does not exist at the destination. Create it there, or map it to one that does."
                )
        return None

    def _key(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if row["id"] is not None:
            return {self.schema.key[0]: row["id"]}
        values = row["before"] | ({"dataAreaId": self.company} if self.company else {})
        return {name: values[name] for name in self.schema.key}

    def _body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in values.items():
            link = self.links.get(name)
            if link is None:
                body[name] = value
                continue
            navigation, paths = link
            body[f"{navigation}@odata.bind"] = None if value is None else paths[value]
        return body


def _links(operations: pa.Table, client: Client, schema: EntitySchema) -> dict[str, tuple[str, Mapping[str, str]]]:
    """For each lookup column (``defaultuomid.name``) its navigation and the link of every value that is written."""
    after = operations.column("after").combine_chunks()
    links: dict[str, tuple[str, Mapping[str, str]]] = {}
    for field in after.type:
        lookup, dot, rest = field.name.partition(".")
        if not dot:
            continue
        target = rest.rpartition(".")[0]
        values = pc.unique(after.field(field.name)).drop_null().to_pylist()
        paths = client.resolve(schema.entity_set, lookup, rest, values)
        links[field.name] = (schema.lookup(lookup, target or None).navigation, paths)
    return links
