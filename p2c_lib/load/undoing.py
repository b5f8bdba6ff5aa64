"""Taking back what a plan wrote: a plan too, made from the before-images, with the same review and drift check.

Updated fields get back what they held, created rows are deleted, deleted ones created again; only where nobody touched
the row since. What cannot be taken back is listed in the plan with its reason, and so is what was taken back before: an
undo that was interrupted and is asked again finds its own work done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from p2c_lib.errors import PlanError, UnknownName
from p2c_lib.ledger import Ledger, open_ledger
from p2c_lib.load.destination import Destination
from p2c_lib.load.outcome import APPLIED, SENT
from p2c_lib.load.refusal import check_place
from p2c_lib.load.versions import versions_of
from p2c_lib.odata.record_id import is_another
from p2c_lib.plan import open_plan
from p2c_lib.plan.files import saved
from p2c_lib.plan.forecast import counts_of
from p2c_lib.plan.make import foretold, now
from p2c_lib.plan.operations import TEXTS, numbered

if TYPE_CHECKING:
    from p2c_lib.plan import Plan
    from p2c_lib.session import Session

__all__ = ["undo"]

NAMED = 5
NOT_KNOWN = (
    "the version it was created with is not known (the answer was lost, the apply broke off, or it was changed before "
    "anybody looked), so nothing tells whether it is the row that was written and as it was written: look at it, and "
    "delete it there if it is to go"
)
ANOTHER = "the row was deleted since, and somebody made another with its key"
MOVED = "the row stands at another key by now"
NEW_ID = "its key is another row's by now"
TOUCHED = "the row was touched since it was created"
GONE = "the row is not there any more"
UNDONE = "it holds what it held before"
INVERSE = {"create": "delete", "update": "update", "delete": "create"}


def undo(
    what: str | Plan, session: Session, *, ledger: Ledger | None = None, folder: Path | None = None
) -> tuple[Plan, ...]:
    """The plans that take back what a run, or one plan, wrote: the last written first, to be applied in that order.

    Nothing is written to a system. The plans lie below ``folder``, by default the ``plans`` folder of the state. Raises
    UnknownName for a run that applied nothing, WrongEnvironment for a session that speaks to other systems than were
    written to, PlanError where the outcome of operations is not known yet.
    """
    own = ledger or open_ledger(session.workspace.ledger)
    try:
        plans = _of_run(own, what) if isinstance(what, str) else [what]
        place = folder or session.workspace.state / "plans"
        return tuple(_inverse(plan, session, own, place) for plan in reversed(plans))
    finally:
        if ledger is None:
            own.close()


def _of_run(ledger: Ledger, run_id: str) -> list[Plan]:
    plans = [row for row in ledger.plans(run_id) if row["undoes"] is None]
    if not plans:
        known = {row["run_id"] for row in ledger.plans() if row["run_id"]}
        raise UnknownName("run that applied a plan", run_id, known)
    return [open_plan(Path(row["folder"])) for row in plans]


def _inverse(plan: Plan, session: Session, ledger: Ledger, folder: Path) -> Plan:
    plan.verify()
    check_place(plan.facts["destination"], session)
    destination = Destination(plan, session)
    states = {row["position"]: row["state"] for row in ledger.operations(plan.id)}
    rows, unknown = (_in_state(plan, states, state) for state in (APPLIED, SENT))
    there, versions = destination.read(rows), versions_of(plan)
    moved = destination.with_own_id(_absent(rows, there))
    made: list[dict[str, Any]] = []
    undone: list[dict[str, str]] = []
    cannot = _untold(plan, unknown, destination)
    for row in reversed(rows.to_pylist()):
        found = there.get(row["key"])
        why = _reason_not_to(row, found, versions.get(row["key"]), destination)
        if why is None:
            made.append(_back(row, found))
            continue
        already = _undone(row, found, why, destination)
        if row["position"] in moved:
            already, why = None, MOVED
        named = {"key": row["key"], "op": row["op"], "why": already or why}
        (cannot if already is None else undone).append(named)
    operations = _table(made, plan.operations.schema)
    return saved(operations, _facts(plan, operations, cannot, undone), folder)


def _absent(rows: pa.Table, there: Mapping[str, Any]) -> pa.Table:
    """The operations at whose key no row stands: one of Sales may stand at another key by now."""
    return rows.filter(pc.invert(pc.is_in(rows.column("key"), value_set=pa.array(list(there), pa.string()))))


def _undone(row: dict[str, Any], found: dict[str, Any] | None, why: str, destination: Destination) -> str | None:
    """What tells that an operation is taken back already; None where it is not, or by nobody's word."""
    if found is None:
        return GONE if row["op"] == "create" else None
    is_same = row["op"] != "create" and why != ANOTHER and not _has_new_id(row, found)
    return UNDONE if is_same and destination.holds_before(row, found) else None


def _in_state(plan: Plan, states: Mapping[int, str], wanted: str) -> pa.Table:
    at = pa.array([at for at, state in states.items() if state == wanted], pa.int64())
    return plan.operations.filter(pc.is_in(plan.operations.column("position"), value_set=at))


def _untold(plan: Plan, unknown: pa.Table, destination: Destination) -> list[dict[str, str]]:
    """The operations whose rows do not tell whether they were carried out: left alone, and listed.

    Raises PlanError where a look at the rows would tell of any: that is for an apply to note.
    """
    standing = destination.standing(unknown)
    if any(state != SENT for state, _ in standing.values()):
        raise PlanError(
            f"The outcome of some operations of plan {plan.id[:12]} is not known yet.",
            hint=f"Apply it again first, which looks them up: p2c apply {plan.folder}",
        )
    named = unknown.select(["position", "key", "op"]).to_pylist()
    return [{"key": row["key"], "op": row["op"], "why": str(standing[row["position"]][1])} for row in named]


def _reason_not_to(
    row: dict[str, Any], found: dict[str, Any] | None, version: str | None, destination: Destination
) -> str | None:
    """Why an applied operation cannot be taken back; None where it can."""
    if row["op"] == "delete":
        return None if found is None else "a row with this key is there again"
    if found is None:
        return GONE
    if _has_new_id(row, found):
        return NEW_ID
    if row["op"] == "create":
        return _reason_to_keep(row, found, version, destination)
    if destination.app == "finops" and is_another(row["etag"], found["@etag"]):
        return ANOTHER
    return _changed(row, found, destination)


def _has_new_id(row: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the row at an operation's key has another id than the one it wrote or deleted; F&O's have none."""
    return bool(row["id"] and found.get("@id")) and str(found["@id"]).lower() != str(row["id"]).lower()


def _reason_to_keep(
    row: dict[str, Any], found: dict[str, Any], version: str | None, destination: Destination
) -> str | None:
    """Why a new row is not deleted, with all that is in it: only one with the version of our own write is ours."""
    if version is not None and found["@etag"] == version:
        return None
    if version is not None and destination.app == "finops" and is_another(version, found["@etag"]):
        return ANOTHER
    return _changed(row, found, destination) or (TOUCHED if version is not None else NOT_KNOWN)


def _changed(row: dict[str, Any], found: dict[str, Any], destination: Destination) -> str | None:
    """What is not as it was written. An update gives back its own fields only: what is beside them does not count."""
    if changed := destination.changed(row, found):
        return f"changed since in {', '.join(changed[:NAMED])}"
    if unsure := destination.differing(row, found):
        return (
            f"the row does not tell whether it was touched since in {', '.join(unsure[:NAMED])}, which "
            f"{'hold' if len(unsure) > 1 else 'holds'} a part of what was written"
        )
    return None


def _back(row: dict[str, Any], found: dict[str, Any] | None) -> dict[str, Any]:
    """The operation that takes one back."""
    fields = row["changed"]
    return {
        "op": INVERSE[row["op"]],
        "key": row["key"],
        "id": row["id"] if found is None else found.get("@id") or row["id"],
        "etag": None if found is None else found["@etag"],
        "changed": fields,
        "causes": ["undone"] * len(fields) if fields is not None else None,
        "reason": "undone",
        "before": row["after"] or found,
        "after": row["before"],
    }


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Operations in the columns of the plan they take back; both images in the type that has every column."""
    image = schema.field("after").type
    kinds = {"before": image, "after": image, "changed": TEXTS, "causes": TEXTS}
    names = [field for field in schema if field.name != "position"]
    kind = pa.schema([(field.name, kinds.get(field.name, field.type)) for field in names])
    return numbered(pa.Table.from_pylist(rows, schema=kind))


def _facts(
    plan: Plan, operations: pa.Table, cannot: list[dict[str, str]], undone: list[dict[str, str]]
) -> dict[str, Any]:
    facts = {name: value for name, value in plan.facts.items() if name not in _NOT_INHERITED}
    ahead = plan.facts["predicted"]
    pace = ahead["rows_per_second"] if ahead["measured"] else None
    nothing = dict.fromkeys(("unchanged", "extra", "duplicate", "invalid"), 0)
    return {
        **facts,
        "made": now(),
        "undoes": plan.id,
        "gate": {**plan.facts["gate"], "verdict": "pass", "why": f"Takes back plan {plan.id[:12]}."},
        "counts": {**counts_of(operations), **nothing},
        "cannot": cannot,
        "undone": undone,
        "left_alone": list(_left(cannot, undone)),
        "limits": dict.fromkeys(plan.facts["limits"]),
        **foretold(plan.facts["destination"], operations, pace),
    }


def _left(cannot: list[dict[str, str]], undone: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    if cannot:
        yield {"rows": len(cannot), "why": "cannot be undone"}
    for why, rows in Counter(line["why"] for line in undone).items():
        yield {"rows": rows, "why": f"undone already: {why}"}


_NOT_INHERITED = {"operations_sha256", "narrowed_from", "narrowed_to"}
