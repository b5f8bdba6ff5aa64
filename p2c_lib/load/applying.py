"""Apply a plan through a session: every row accounted for, safe to repeat, safe to be killed.

Each operation is journalled in the ledger before it is sent and after its answer. What was sent and never answered is
looked up at the destination by its key before anything is sent again. Updates carry the etag that was read, so a row
that moved since is ``drifted``: reported and left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import Drifted, Duplicate, NotFound, NotSent, P2CError, ServiceError
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load.destination import Destination
from p2c_lib.load.emptying import Emptying
from p2c_lib.load.following import Followed, Following
from p2c_lib.load.importing import PackageImport
from p2c_lib.load.interrupt import Interruption, interruptible
from p2c_lib.load.lease import Lease, Tell, being_applied, leased
from p2c_lib.load.outcome import (
    APPLIED,
    DRIFTED,
    FAILED,
    LATEST,
    OPEN,
    SENT,
    THERE,
    LoadOutcome,
    Progress,
    ReadBack,
    answer,
)
from p2c_lib.load.refusal import refuse
from p2c_lib.load.versions import Versions, sampled
from p2c_lib.load.words import in_words
from p2c_lib.load.writes import PlanWriter
from p2c_lib.load.written_by import Writing, refuse_outdated
from p2c_lib.odata import WriteResult
from p2c_lib.odata.failures import leaves_open
from p2c_lib.waiting import WALL, Threads, halting

if TYPE_CHECKING:
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["apply"]

CHUNK = 2_000
IN_FLIGHT = 2
ROUNDS = 5
# What no second apply of the same plan changes.
FINAL = {APPLIED, DRIFTED}
REST = 0.3
TAKEN = 204
# What a service may answer to an operation that was carried out before.
BEFORE: Mapping[str, tuple[type[ServiceError], ...]] = {
    "create": (Duplicate, Drifted),
    "update": (Drifted, Duplicate),
    "delete": (NotFound, Drifted, Duplicate),
}
MOVED = "somebody changed the row after the plan was made; it is left as it is, and a new plan would show it"
OUTCOME = pa.schema(
    [
        ("position", pa.int64()),
        ("op", pa.string()),
        ("key", pa.string()),
        ("state", pa.string()),
        ("status", pa.int64()),
        ("message", pa.string()),
    ]
)

Line = dict[str, Any]


def apply(
    plan: Plan,
    session: Session,
    *,
    ledger: Ledger | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
    wait: float | None = 0.0,
    fresh: bool = False,
    tell: Tell = lambda _line: None,
) -> LoadOutcome:
    """Write what the plan says, and say what became of each row.

    ``ledger`` is the workspace's by default; ``progress`` is told (done, planned) after each answer. Refuses a closed
    gate (GateClosed), an altered plan (PlanAltered), other systems than the plan's (WrongEnvironment), and a plan
    beyond its limits, whose source is its destination, that another applies now, or that nobody approved for a
    protected connection set (PlanError). A second apply of the same plan sends nothing that was applied.

    While another run or apply writes the same task there it is waited for so many seconds, for ever with None, with one
    line to ``tell``; then RunError is raised. What it wrote is not in this plan, which is then refused (PlanError); so
    is a ``fresh`` one, which nobody looked at, when another wrote there since its rows were read.

    An interrupt lets the requests in flight end and be journalled, then acts; a second one acts at once.
    """
    started = perf_counter()
    own = ledger or open_ledger(session.workspace.ledger)
    try:
        refuse(plan, session, own)
        own.record_plan(plan.id, folder=plan.folder, run_id=run_id, **_scope(plan))
        with (
            interruptible() as interruption,
            halting(interruption.cut_off),
            _leased(plan, own, wait, tell) as lease,
        ):
            if fresh or lease.waited:
                refuse_outdated(plan, own)
            applying = _Applying(plan, session, own, lease, interruption, progress)
            try:
                lines = list(applying.lines())
                applying.look()
                followed = applying.follow(lines)
                read_back = applying.read_back()
            except BaseException:
                applying.look()
                raise
            finally:
                applying.keep()
    finally:
        if ledger is None:
            own.close()
    rows = pa.Table.from_pylist(lines, schema=OUTCOME).sort_by("position")
    return LoadOutcome(plan, rows, perf_counter() - started, read_back, followed, applying.earlier)


def _leased(plan: Plan, ledger: Ledger, wait: float | None, tell: Tell) -> AbstractContextManager[Lease]:
    """The lease on a plan and on what it writes."""
    writing = Writing.of(plan)

    def busy(name: str, holder: str) -> P2CError:
        return being_applied(name, holder) if name == plan.id else writing.busy(name, holder)

    return leased(ledger, plan.id, *writing.names, busy=busy, wait=wait, tell=tell)


def _scope(plan: Plan) -> dict[str, Any]:
    destination = plan.facts["destination"]
    place = {"company": destination["company"], "entity_set": destination["entity_set"]}
    return {"task": plan.task, "undoes": plan.undoes, **place}


class _Applying:
    """One apply under way: chunks of operations, two of them in flight, each journalled around its sending."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        ledger: Ledger,
        lease: Lease,
        interruption: Interruption,
        progress: Progress | None,
    ) -> None:
        self._plan, self._ledger, self._lease, self._interruption = plan, ledger, lease, interruption
        self._progress = progress
        self._destination = Destination(plan, session)
        client = session.client(self._destination.app)
        self._writer = PlanWriter(plan, client, session.company, stop=interruption.stop)
        self._import = PackageImport(plan, self._writer, self._destination, ledger, interruption.stop)
        self._versions = Versions(plan, self._destination)
        self._following = Following(plan, self._destination, session, ledger, self._versions, interruption.stop)
        self._emptying = Emptying(
            plan, self._destination, client, self._writer.company, ledger, self._versions, interruption.stop
        )
        self._written: set[int] = set()  # operations that this apply carried out
        self._read: set[int] = set()  # those of them that went by package: their rows were looked at by then
        self._looked_at: set[int] = set()  # operations told by no answer of their own: their rows were found as made
        self._done = 0
        self._again: set[int] = set()  # operations sent before, which a late request may carry out after all
        self._untold: set[int] = set()  # operations sent before, of which nobody can tell whether they were carried out
        self.earlier = 0  # operations whose outcome an earlier apply left

    def lines(self) -> Iterator[Line]:
        """What became of every operation; stops early when an interrupt was asked for."""
        self._import.await_earlier()
        noted = self._ledger.operations(self._plan.id)
        known = {row["position"]: row for row in noted if row["position"] < len(self._plan)}
        yield from self._settled_before(known)
        ended = {at for at, row in known.items() if row["state"] in FINAL}
        rows = _without(self._plan.operations, ended | self._untold)
        broken = self._writer.broken(rows)
        yield from self._told(
            _line(row, FAILED, 0, broken[row["position"]]) for row in _picked(rows, broken).to_pylist()
        )
        rows = _without(rows, broken)
        imported = self._imported(self._import.fitting(rows))
        yield from self._named(_picked(rows, imported), imported.values())
        yield from self._send_all(_without(rows, imported))

    def follow(self, lines: list[Line]) -> tuple[Followed, ...]:
        """What follows from what was written; nothing after an interrupt."""
        if self._interruption.stop():
            return ()
        return self._emptying.carry_out(self._created()) + self._following.carry_out(self._applied(lines))

    def look(self) -> None:
        """Note the versions of the new rows of this apply of which no answer told any: an undo knows rows by these.

        A row of F&O that was only found as the plan makes it may be somebody else's; one of Sales has the plan's id.
        """
        found = self._looked_at if self._destination.app == "finops" else set()
        new = _without(self._created(), self._read | found)
        with suppress(ServiceError):
            self._versions.look(new)

    def keep(self) -> None:
        """Keep what is known of versions."""
        self._versions.keep()

    def read_back(self) -> ReadBack:
        """A sample of what this apply wrote; nothing after an interrupt."""
        if self._interruption.stop():
            return ReadBack(why="interrupted")
        return sampled(_picked(self._plan.operations, self._written), self._destination)

    def _created(self) -> pa.Table:
        """The creates that this apply carried out."""
        written = _picked(self._plan.operations, self._written)
        return written.filter(pc.equal(written.column("op"), "create"))

    def _applied(self, lines: list[Line]) -> pa.Table:
        return _picked(self._plan.operations, [line["position"] for line in lines if line["state"] == APPLIED])

    def _settled_before(self, known: dict[int, Line]) -> Iterator[Line]:
        """What an earlier apply left: the unanswered is looked up and noted, what was applied or drifted is told."""
        unanswered = [at for at, row in known.items() if row["state"] == SENT]
        if unanswered:
            standing = self._destination.standing(_picked(self._plan.operations, unanswered))
            found = [answer(at, state, None, why) for at, (state, why) in standing.items()]
            self._ledger.answered(self._plan.id, _known(found))
            self._again |= {at for at, (state, _) in standing.items() if state == OPEN}
            self._untold |= {at for at, (state, _) in standing.items() if state == SENT}
            for line in found:
                known[line["position"]] |= {name: line[name] for name in ("state", "message")}
        final = [row for row in known.values() if row["state"] in FINAL]
        self.earlier = len(final)
        yield from self._told(_line(row, row["state"], row["status"], row["message"]) for row in final)
        yield from self._told(_line(known[at], FAILED, None, known[at]["message"]) for at in sorted(self._untold))

    def _imported(self, rows: pa.Table) -> dict[int, Line]:
        """What became of the rows that go by package, by position, without those it leaves to batches."""
        if not rows.num_rows:
            return {}
        self._lease.check()
        for start in range(0, rows.num_rows, CHUNK):
            self._note_sending(rows.slice(start, CHUNK))
        ended = list(self._import.send(rows))
        self._versions.note(self._import.versions)
        self._journal(ended)
        self._read |= self._written
        done = {line["position"]: line for line in ended if line["state"] != OPEN}
        # An import that was not seen to begin may do so late; what goes in its place is refused then, and is looked at.
        self._again |= set(rows.column("position").to_pylist()) - done.keys()
        return done

    def _send_all(self, rows: pa.Table) -> Iterator[Line]:
        waiting: deque[tuple[pa.Table, Future[list[WriteResult]]]] = deque()
        pool = Threads(IN_FLIGHT, "apply")
        try:
            for start in range(0, rows.num_rows, CHUNK):
                if self._interruption.stop():
                    break
                self._lease.check()
                part = rows.slice(start, CHUNK)
                self._note_sending(part)
                waiting.append((part, pool.submit(self._sent, part)))
                if len(waiting) == IN_FLIGHT:
                    yield from self._answers(*waiting.popleft())
            while waiting:
                yield from self._answers(*waiting.popleft())
        finally:
            pool.leave()

    def _sent(self, part: pa.Table) -> list[WriteResult]:
        """What became of a chunk; the versions that came along are noted at once, whether or not the apply goes on."""
        results = self._writer.send(part)
        new = zip(part.column("key").to_pylist(), part.column("op").to_pylist(), results, strict=True)
        self._versions.note({key: each.etag for key, op, each in new if op == "create" and each.ok and each.etag})
        return results

    def _note_sending(self, part: pa.Table) -> None:
        ops = zip(*(part.column(name).to_pylist() for name in ("position", "op", "key")), strict=True)
        where = self._destination.entity_set
        self._ledger.sending(
            self._plan.id, [{"position": at, "op": op, "entity_set": where, "key": key} for at, op, key in ops]
        )

    def _answers(self, part: pa.Table, sent: Future[list[WriteResult]]) -> Iterator[Line]:
        """The outcomes of a chunk, journalled; what is in doubt is looked up, and sent again if nothing came of it."""
        ended, doubtful = self._judged(part, sent.result())
        for attempt in range(ROUNDS):
            if not doubtful or self._interruption.stop():
                break
            WALL.rest(REST * 2**attempt, self._interruption.stop)
            try:
                standing = self._destination.standing(_picked(part, doubtful))
            except ServiceError:
                continue
            for at, (state, why) in standing.items():
                if state != OPEN:
                    self._looked_at.add(at)
                    line = doubtful.pop(at)
                    ended.append(answer(at, state, line["status"], why, line["request_id"]))
            self._again |= doubtful.keys()
            again = _picked(part, doubtful)
            settled, doubtful = self._judged(again, self._sent(again) if again.num_rows else [])
            ended += settled
        self._journal(ended)
        yield from self._named(part, (*ended, *doubtful.values()))

    def _journal(self, ended: list[Line]) -> None:
        self._written |= {line["position"] for line in ended if line["state"] == APPLIED}
        self._ledger.answered(self._plan.id, _known(ended))

    def _named(self, part: pa.Table, lines: Iterable[Line]) -> Iterator[Line]:
        """Outcomes told with the operations' names; what nobody can tell yet has failed for now."""
        names = {row["position"]: row for row in part.select(["position", "op", "key"]).to_pylist()}
        yield from self._told(
            _line(names[at["position"]], FAILED if at["state"] == SENT else at["state"], at["status"], at["message"])
            for at in lines
        )

    def _judged(self, part: pa.Table, results: list[WriteResult]) -> tuple[list[Line], dict[int, Line]]:
        """The outcomes that are known, and the operations in doubt by position."""
        ended = dict(zip(part.column("position").to_pylist(), results, strict=True))
        ended |= self._made_before(part, [at for at, result in ended.items() if isinstance(result.error, Duplicate)])
        ops = dict(zip(part.column("position").to_pylist(), part.column("op").to_pylist(), strict=True))
        there = self._there_already(part, {at for at, op in ops.items() if isinstance(ended[at].error, BEFORE[op])})
        self._looked_at |= {at for at, each in ended.items() if ops[at] == "create" and each.ok and not each.etag}
        lines = [
            _judged(at, each, self._writer.company, again=BEFORE[ops[at]] if at in self._again else ())
            if at not in there
            else answer(at, APPLIED, each.status, THERE, each.request_id)
            for at, each in ended.items()
        ]
        doubtful = {line["position"]: line for line in lines if line["state"] == SENT}
        return [line for line in lines if line["state"] != SENT], doubtful

    def _there_already(self, part: pa.Table, refused: set[int]) -> set[int]:
        """What was refused though its row is just as the operation makes it: a gateway may have asked twice.

        Rows that do not tell, or cannot be read, are in doubt from now on.
        """
        refused -= self._again
        if not refused:
            return set()
        try:
            standing = self._destination.standing(_picked(part, refused))
        except ServiceError:
            self._again |= refused
            return set()
        self._again |= {at for at, (state, _) in standing.items() if state == SENT}
        there = {at for at, (state, _) in standing.items() if state == APPLIED}
        self._looked_at |= there
        return there

    def _made_before(self, part: pa.Table, doubles: list[int]) -> dict[int, WriteResult]:
        """What is refused as a double and is the plan's own row: in Sales one with the id the plan gave it."""
        rows = _picked(part, doubles)
        try:
            ours = self._destination.with_own_id(rows)
        except ServiceError as error:
            return {at: WriteResult(error.status, None, error, error.request_id) for at in doubles}
        return {at: WriteResult(TAKEN, row_id, None, "") for at, row_id in ours.items()}

    def _told(self, lines: Iterator[Line]) -> Iterator[Line]:
        listed = list(lines)
        self._done += len(listed)
        if self._progress is not None and listed:
            self._progress(self._done, len(self._plan))
        return iter(listed)


def _judged(at: int, result: WriteResult, company: str | None, *, again: tuple[type[ServiceError], ...]) -> Line:
    """An answer as an outcome: ``sent`` where the service may or may not have done it, ``open`` where it did not.

    What is sent again may be refused because the earlier request was carried out after all: where it is refused with
    one of ``again``, the row is looked at.
    """
    if result.error is None:
        return answer(at, APPLIED, result.status, None, result.request_id)
    error = result.error
    done_before = isinstance(error, again)
    if isinstance(error, Drifted) and error.told and not done_before:
        return answer(at, DRIFTED, result.status, MOVED, result.request_id)
    if isinstance(error, NotSent):
        return answer(at, OPEN, None, error.message)
    in_doubt = done_before or leaves_open(error)
    message = f"{error.message} ({LATEST})" if in_doubt else in_words(error.message, company) or str(error)
    return answer(at, SENT if in_doubt else FAILED, result.status, message, result.request_id)


def _known(lines: list[Line]) -> list[Line]:
    """The outcomes the ledger notes: what nobody can tell yet stays sent there, as many sendings as outcomes."""
    return [line for line in lines if line["state"] != SENT]


def _line(row: Mapping[str, Any], state: str, status: int | None, message: str | None) -> Line:
    named = {name: row[name] for name in ("position", "op", "key")}
    return {**named, "state": state, "status": status, "message": message}


def _without(rows: pa.Table, positions: Iterable[int]) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows.column("position"), value_set=pa.array(list(positions), pa.int64()))))


def _picked(rows: pa.Table, positions: Any) -> pa.Table:
    wanted = pa.array(sorted(positions), pa.int64())
    return rows.filter(pc.is_in(rows.column("position"), value_set=wanted))
