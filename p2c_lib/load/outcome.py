"""What became of a plan's operations, and what was found when some were read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.report import Facts, Report, Table

if TYPE_CHECKING:
    from p2c_lib.load.following import Followed
    from p2c_lib.plan import Plan

__all__ = [
    "APPLIED",
    "DRIFTED",
    "FAILED",
    "LATEST",
    "OPEN",
    "SENT",
    "THERE",
    "LoadOutcome",
    "Progress",
    "ReadBack",
    "answer",
    "taken_by_another",
    "untold",
]

APPLIED, FAILED, DRIFTED = "applied", "failed", "drifted"
# An operation whose answer never came, and one that the destination shows was not carried out.
SENT, OPEN = "sent", "open"
LATEST = "the answer never came and the row could not be looked at; apply the plan again, which looks first"
# What the service refuses because it was carried out: something on the way sent it twice, and gave the second answer.
THERE = "there already, as sent"
SHOWN = 20
NAMED = 5

Progress = Callable[[int, int], None]


def answer(
    at: int, state: str, status: int | None, message: str | None, request_id: str | None = None
) -> dict[str, Any]:
    """What became of one operation, as the ledger notes it."""
    return {"position": at, "state": state, "status": status, "message": message, "request_id": request_id or None}


def taken_by_another(differing: Sequence[str]) -> str:
    """Why a row that is there is not the one an operation writes."""
    return f"A row with this key is there, and differs in {', '.join(differing[:NAMED])}."


def untold(texts: Sequence[str], numbers: Sequence[str]) -> str:
    """Why nobody can tell whether an operation was carried out: fields that hold part of what it writes."""
    parts = {"the beginning of the text": texts, "the number with fewer decimals": numbers}
    held = " and ".join(f"{', '.join(names[:NAMED])} {what}" for what, names in parts.items() if names)
    verb = "hold" if len(texts) + len(numbers) > 1 else "holds"
    return (
        f"The row does not tell whether it was written: of what is sent {verb} {held}, which the service may have made "
        "of it or somebody else may have written. It is not sent again. Look at the row, then reconcile again and make "
        "a new plan, or apply this one again, which looks again; that the application user may read the organisation "
        "and its currencies helps with numbers."
    )


@dataclass(frozen=True)
class ReadBack:
    """A sample of the written rows read again: how many, and each value that is not as it was written.

    ``differences`` are lines of key, field, written and found; ``why`` says why nothing was read back.
    """

    rows: int = 0
    differences: tuple[dict[str, str | None], ...] = ()
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return self.why
        found = f"{len(self.differences):,} values differ" if self.differences else "all as written"
        return f"{self.rows:,} rows read back: {found}"


@dataclass(frozen=True)
class LoadOutcome:
    """What became of every operation of a plan: ``rows`` has position, op, key, state, status, message.

    ``followed`` says what became of the plan's consequences, ``earlier`` how many operations an apply before had ended.

    planned = applied + failed + drifted, always. An operation whose answer never came and whose row could not be looked
    at is ``failed`` here and open in the ledger: the next apply of the plan looks first.
    """

    plan: Plan
    rows: pa.Table
    seconds: float
    read_back: ReadBack = field(default_factory=ReadBack)
    followed: tuple[Followed, ...] = ()
    earlier: int = 0

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
    def deleted(self) -> int:
        return self.count(APPLIED, "delete")

    @property
    def failed(self) -> int:
        return self.count(FAILED)

    @property
    def drifted(self) -> int:
        return self.count(DRIFTED)

    @property
    def there(self) -> int:
        """How many operations the service refused whose rows are just as they were sent."""
        return int(pc.sum(pc.equal(self.rows.column("message"), THERE)).as_py() or 0)

    @property
    def complete(self) -> bool:
        """Whether every operation went in and all that follows from it is done."""
        return self.count(APPLIED) == self.rows.num_rows and all(each.done == each.rows for each in self.followed)

    def problems(self) -> pa.Table:
        """The operations that did not go in, with the reason in words."""
        return self.rows.filter(pc.not_equal(self.rows.column("state"), APPLIED))

    def report(self) -> Report:
        """What was written."""
        deleted = f", {self.deleted:,} deleted" if self.deleted else ""
        why = (
            f"{self.created:,} created and {self.updated:,} updated{deleted} in {self.seconds:,.1f} s; "
            f"{self.failed:,} refused by the service, {self.drifted:,} drifted and left alone."
        )
        if self.earlier:
            why += f" {self.earlier:,} of these ended in an earlier apply and were not sent again."
        if self.there:
            why += (
                f" {self.there:,} of these were refused and are {THERE}: something on the way asks twice, or somebody "
                "else did the same."
            )
        bad = self.problems()
        facts = (("plan", self.plan.id[:12]), ("planned", len(self.plan)), ("sample", str(self.read_back)))
        parts: list[Any] = [Facts(facts)]
        if bad.num_rows:
            lines = bad.slice(0, SHOWN).select(["op", "key", "state", "message"]).to_pylist()
            shown = Table.of(lines, title="Not written")
            parts.append(Table(shown.columns, shown.rows, shown.title, bad.num_rows))
        if self.plan.facts.get("cannot"):
            parts.append(Table.of(self.plan.facts["cannot"], title="Cannot be undone", most=SHOWN))
        if self.followed:
            parts.append(Table.of([each.to_dict() for each in self.followed], title="What followed"))
        if self.read_back.differences:
            parts.append(Table.of(self.read_back.differences, title="Not found as written", most=SHOWN))
        verdict = "pass" if self.complete and not self.read_back.differences else "warn"
        return Report(f"Load of {self.plan.task}", verdict, why, tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        counts = {n: getattr(self, n) for n in ("created", "updated", "deleted", "failed", "drifted")}
        facts = {"plan": self.plan.id, "task": self.plan.task, "planned": len(self.plan), **counts}
        facts |= {"there": self.there, "earlier": self.earlier, "followed": [each.to_dict() for each in self.followed]}
        return facts | {"seconds": round(self.seconds, 3), "sample": str(self.read_back)}

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def __repr__(self) -> str:
        return f"LoadOutcome({self.plan.task}: {self.report().why})"
